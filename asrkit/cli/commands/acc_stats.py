"""One accumulation pass: the statistics of a model over (a part of) a data directory -> STATS.npz."""

from asrkit.cli.options import add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.acc_stats import acc_stats

EXAMPLE = "example: asrkit acc-stats exp/chmm/0.npz data/train/split4/1 exp/chmm/0.1.acc"


def add_arguments(parser):
    parser.add_argument("model", metavar="MODEL", help="model file")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("stats", metavar="STATS", help="file for the sums")
    add_flag(
        parser,
        "method",
        "viterbi",
        "along the best path, or over all paths",
        choices=("viterbi", "baum-welch"),
    )
    add_options(parser, ReadConfig)


def main(args):
    read = from_args(ReadConfig, args)
    say(acc_stats(args.model, args.dir, args.stats, method=args.method, read=read).lines())
    return 0
