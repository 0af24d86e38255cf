"""Combine the decodings of several systems: a weighted sum of their scores -> OUT, a decode folder.

The weights are given (--weights), equal, or learned: --learn names a data directory and --held-out its
decodings by the same systems in the same order, best those of `asrkit crossval`, whose models never heard
what they decode. Learned weights are in OUT/combine.json and make the fused scores log posteriors up to a
constant.
"""

from asrkit.cli.options import add_flag, numbers
from asrkit.cli.output import say
from asrkit.workflows.combine import combine

EXAMPLE = """example:
  asrkit combine exp/both exp/chmm/decode_test exp/gmm/decode_test
  asrkit combine exp/both exp/chmm/decode_test exp/gmm/decode_test --learn data/train --held-out exp/cv_chmm,exp/cv_gmm
"""


def add_arguments(parser):
    parser.add_argument("out", metavar="OUT", help="folder for the results")
    parser.add_argument(
        "decodings", metavar="DECODE", nargs="+", help="decode folders of the same data directory"
    )
    parser.add_argument(
        "--weights",
        type=numbers,
        metavar="X,X",
        help="a weight for each DECODE, with commas between (default: equal)",
    )
    parser.add_argument("--learn", metavar="DIR", help="data directory whose text teaches the weights")
    add_flag(parser, "held-out", "", "a decoding of --learn's directory for each DECODE, with commas between")


def main(args):
    combined = combine(
        args.out,
        args.decodings,
        weights=args.weights,
        learn=args.learn or None,
        held_out=args.held_out.split(",") if args.held_out else None,
    )
    say(combined.lines())
    return 0
