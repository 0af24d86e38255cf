"""The start of a training, for a cluster: uniform segmentation (or k-means for a gmm) -> EXP/0.npz.

Goes on with acc-stats, sum-accs and est-model; `asrkit train` does the same in one command.
"""

from asrkit.cli import training_options
from asrkit.cli.options import from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.init_model import init_model

EXAMPLE = "example: asrkit init-model data/train exp/chmm --family chmm"

add_chosen_arguments = training_options.add_chosen_arguments


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("exp", metavar="EXP", help="folder for 0.npz")
    training_options.add_arguments(parser)


def main(args):
    settings = training_options.settings(args)
    say(init_model(args.dir, args.exp, settings, read=from_args(ReadConfig, args)).lines())
    return 0
