"""Train a vector-quantisation codebook on all frames of a data directory -> EXP/codebook.npz.

LBG grows it by splitting, 1, 2, 4, ..., with Lloyd iterations after each split; distances are taken after
scaling every dimension to unit variance.
"""

import json
import time
from pathlib import Path

import numpy as np

from asrkit.config import add_flag, add_options, from_args
from asrkit.features.frontend import TransformConfig
from asrkit.features.warp import WarpConfig
from asrkit.io.features import ReadConfig, check_skipped, read_features, summary
from asrkit.io.files import atomic_write, remove
from asrkit.io.model_file import write_codebook
from asrkit.io.store import Store
from asrkit.models.codebook import CodebookConfig, train_codebook

MOST = 300_000  # frames; of a larger corpus, whole utterances spread evenly over all of it

EXAMPLE = "example: asrkit train-codebook data/train exp/dhmm --codebook-size 128"


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    parser.add_argument("exp", metavar="EXP", help="folder for codebook.npz")
    add_flag(parser, "seed", 0, "seed of the k-means starts", minimum=0)
    add_options(parser, ReadConfig)
    add_options(parser, CodebookConfig, "codebook")
    add_options(parser, TransformConfig, "features")
    add_options(parser, WarpConfig, "features")


def main(args):
    started = time.perf_counter()
    config, read = from_args(CodebookConfig, args), from_args(ReadConfig, args)
    features = read_features(
        args.dir,
        transform_config=from_args(TransformConfig, args),
        allow_pipes=read.allow_pipes,
        warps=from_args(WarpConfig, args).factors,
    )
    make_codebook(features, config, args.seed, args.exp, read.max_skipped)
    with atomic_write(Path(args.exp) / "codebook.json") as stream:
        json.dump({"seconds": round(time.perf_counter() - started, 3)}, stream)
        stream.write("\n")
    print(summary("read", len(features.lengths) // (1 + len(features.warps)), features.skipped))
    return 0


def make_codebook(features, config, seed, exp, max_skipped):
    """Train on the frames of a FeatureSet and write EXP/codebook.npz."""
    store = Store(features, exp)
    check_skipped(features.skipped, max_skipped, "read", len(store.utts))
    obs = store.sample(store.utts, MOST).obs
    codebook, history = train_codebook(obs, config, np.random.default_rng(seed))
    path = Path(exp) / "codebook.npz"
    remove(path.with_suffix(".json"))
    write_codebook(path, codebook, features.frontend, store.data_hash)
    fewer = (
        ""
        if codebook.size == config.size
        else f" ({config.size} asked for, the frames fall into no more cells)"
    )
    print(
        f"codebook of {codebook.size} vectors{fewer}, mean squared distance {history[-1][1]:.4f}, in {path}"
    )
    return codebook
