"""One accumulation pass: the statistics of a model over (a part of) a data directory -> STATS.npz."""

from asrkit.cli.options import add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.acc_stats import acc_stats

EXAMPLE = "example: asrkit acc-stats exp/chmm/0.npz data/train exp/chmm/0.1.acc --part 1 --parts 4"


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
    add_flag(parser, "part", 1, "which share of the utterances, with --parts", minimum=1)
    add_flag(
        parser,
        "parts",
        1,
        "accumulate over one of so many shares of DIR, cut as train cuts it: sum-accs of all gives its sums to the byte",
        minimum=1,
    )
    add_options(parser, ReadConfig)


def main(args):
    accumulated = acc_stats(
        args.model,
        args.dir,
        args.stats,
        method=args.method,
        part=args.part,
        parts=args.parts,
        read=from_args(ReadConfig, args),
    )
    say(accumulated.lines())
    return 0
