"""Train a vector-quantisation codebook on all frames of a data directory -> EXP/codebook.npz.

LBG grows it by splitting, 1, 2, 4, ..., with Lloyd iterations after each split; distances are taken after
scaling every dimension to unit variance.
"""

from asrkit.cli import training_options
from asrkit.cli.options import add_cluster, add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.features.projection import ProjectionConfig
from asrkit.features.transform import TransformConfig
from asrkit.features.warp import WarpConfig
from asrkit.io.features import ReadConfig
from asrkit.models.codebook import CodebookConfig
from asrkit.workflows.train_codebook import train_codebook

EXAMPLE = "example: asrkit train-codebook data/train exp/dhmm --codebook-size 128 --nj 2"


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    parser.add_argument("exp", metavar="EXP", help="folder for codebook.npz")
    add_flag(parser, "nj", 1, "processes, of which each stream takes one", minimum=1)
    add_cluster(parser)
    add_flag(parser, "seed", 0, "seed of the k-means starts", minimum=0)
    add_options(parser, ReadConfig)
    add_options(parser, CodebookConfig, "codebook")
    add_options(parser, TransformConfig, "features")
    add_options(parser, ProjectionConfig, "features")
    add_options(parser, WarpConfig, "features")


add_chosen_arguments = training_options.add_codebook_rules


def main(args):
    settings = training_options.codebook_settings(args)
    read = from_args(ReadConfig, args)
    trained = train_codebook(args.dir, args.exp, settings, read=read, jobs=args.nj)
    say(trained.lines())
    return 0
