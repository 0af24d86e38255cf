"""Re-estimate a model from statistics: MODEL, STATS -> OUT. With --grow the mixtures are split once
afterwards; with --finish covariances are shared, or tables smoothed, as the model's --shared-frames or
--smooth asks for, as a last step.
"""

from asrkit.cli.options import add_flag
from asrkit.cli.output import say
from asrkit.workflows.est_model import est_model

EXAMPLE = "example: asrkit est-model exp/chmm/0.npz exp/chmm/0.acc exp/chmm/1.npz"


def add_arguments(parser):
    parser.add_argument("model", metavar="MODEL", help="the model that the statistics were made with")
    parser.add_argument("stats", metavar="STATS", help="file of asrkit acc-stats or sum-accs")
    parser.add_argument("out", metavar="OUT", help="file for the new model")
    add_flag(parser, "grow", False, "then split the mixtures, up to the model's number of Gaussians")
    add_flag(
        parser,
        "finish",
        False,
        "instead settle what the words have in common (--shared-frames, --smooth), as train does after its last iteration",
    )


def main(args):
    say(est_model(args.model, args.stats, args.out, grow=args.grow, finish=args.finish).lines())
    return 0
