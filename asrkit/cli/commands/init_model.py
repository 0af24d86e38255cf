"""The start of a training, for a cluster: uniform segmentation (or k-means for a gmm) -> EXP/0.npz.

Goes on with acc-stats, sum-accs and est-model; `asrkit train` does the same in one command.
"""

from pathlib import Path

import numpy as np

from asrkit import families
from asrkit.cli.commands import train
from asrkit.config import add_options
from asrkit.features.frontend import TransformConfig
from asrkit.features.warp import WarpConfig
from asrkit.io.features import ReadConfig
from asrkit.io.model_file import write_model
from asrkit.words.training import SAMPLE, TrainConfig

EXAMPLE = "example: asrkit init-model data/train exp/chmm --family chmm"

add_chosen_arguments = train.add_chosen_arguments


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("exp", metavar="EXP", help="folder for 0.npz")
    parser.add_argument("--family", required=True, choices=families.names(), help="kind of model")
    add_options(parser, ReadConfig)
    add_options(parser, TrainConfig, "training")
    add_options(parser, TransformConfig, "features")
    add_options(parser, WarpConfig, "features")


def main(args):
    features, store, family_config, train_config, codebook = train.prepare(args)
    family = families.load(args.family)
    models = {
        word: family.init(
            family_config, source.sample(SAMPLE), np.random.default_rng([train_config.seed, index, 0])
        )
        for index, (word, source) in enumerate(train.word_sources(features, store).items())
    }
    path = Path(args.exp) / "0.npz"
    write_model(
        path,
        train.model_set(
            args.family, models, family_config, train_config, codebook, features, store.data_hash
        ),
    )
    print(f"started {len(models)} words in {path}")
    return 0
