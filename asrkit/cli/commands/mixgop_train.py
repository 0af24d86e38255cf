"""Train a mixture for each phone on typical speech -> EXP/final.npz and EXP/train.jsonl (MixGoP).

DIR has the features, ALI says which phone is spoken when (phones.ctm). A token of a phone is its centre
frame, the mean of its frames or each of them; of many, --max-tokens are drawn. Phones with fewer than
--min-tokens get no model and are named.
--baselines trains what MixGoP is compared with on the same drawn tokens; `asrkit mixgop score` then has their
columns, too: logistic, one regression over all phones that have a model (its posteriors are corrected for
--max-tokens: its prior is the phones' shares of all training tokens, not of the drawn); knn, the tokens
themselves; svm, a one-class support vector machine a phone. With --ratings the training sees only what
listeners found good, with --min-speaker-rating only speakers whose mean is that high.
--lda-dim first maps the tokens to the directions in which the phones lie furthest apart. By default each phone
has as many diagonal Gaussians as its tokens and their dimensions bear; the paper (Choi et al., 2025) has
--num-gauss 32 --covariance full for features of 1024 dimensions. Equal data, settings and seed give a
byte-equal final.npz, whatever --nj.
"""

import math

from asrkit.cli.options import add_cluster, add_flag, add_frame_shift, add_options, from_args
from asrkit.cli.output import say
from asrkit.features.transform import TransformConfig
from asrkit.io.features import ReadConfig
from asrkit.phones.baselines import MODELS, chosen_models
from asrkit.phones.mixgop import MixgopConfig
from asrkit.workflows.mixgop_train import mixgop_train

EXAMPLE = (
    "example: asrkit mixgop train data/native ali/native exp/mixgop --cmvn speaker --pooling mean --nj 2"
)


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    parser.add_argument("ali", metavar="ALI", help="folder with phones.ctm, or a CTM file")
    parser.add_argument("exp", metavar="EXP", help="folder for the model")
    parser.add_argument(
        "--ratings",
        metavar="FILE",
        help="ratings of phones, as `asrkit mixgop evaluate` reads them: train on those rated well",
    )
    add_flag(parser, "min-rating", 2.0, "least rating of a phone to train on, with --ratings")
    add_flag(
        parser, "min-speaker-rating", -math.inf, "least mean rating of a speaker to train on, with --ratings"
    )
    add_flag(
        parser,
        "baselines",
        "none",
        f"what is trained beside the mixtures: none, all, or some of {','.join(MODELS)}, with commas between",
    )
    add_frame_shift(parser)
    add_flag(parser, "nj", 1, "processes; phones are trained side by side", minimum=1)
    add_cluster(parser)
    add_options(parser, ReadConfig)
    add_options(parser, MixgopConfig, "training")
    add_options(parser, TransformConfig, "features")


def main(args):
    trained = mixgop_train(
        args.dir,
        args.ali,
        args.exp,
        from_args(MixgopConfig, args),
        transform=from_args(TransformConfig, args),
        ratings=args.ratings,
        min_rating=args.min_rating,
        min_speaker_rating=args.min_speaker_rating,
        baselines=chosen_models(args.baselines),
        frame_shift_s=args.frame_shift_s,
        read=from_args(ReadConfig, args),
        jobs=args.nj,
    )
    say(trained.lines())
    return 0
