"""Add the statistics of several accumulation passes -> OUT.

The order given is the order of the sum; but shares of one data directory (acc-stats --part) are added in the order of the data, as
`asrkit train` adds them. Some shares alone make a larger one.
"""

from asrkit.workflows.sum_accs import sum_accs

EXAMPLE = "example: asrkit sum-accs exp/chmm/0.acc exp/chmm/0.1.acc exp/chmm/0.2.acc"


def add_arguments(parser):
    parser.add_argument("out", metavar="OUT", help="file for the total")
    parser.add_argument("stats", metavar="STATS", nargs="+", help="files of asrkit acc-stats")


def main(args):
    sum_accs(args.out, args.stats)
    print(f"added {len(args.stats)} files into {args.out}")
    return 0
