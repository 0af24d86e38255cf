"""Replace feature vectors by the numbers of their nearest code vectors -> OUT/codes.scp.

These are vectors of integers; with a codebook of several streams matrices of whole numbers, a column a stream.
"""

from asrkit.cli.options import add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.quantize import quantize

EXAMPLE = "example: asrkit quantize exp/dhmm data/test exp/dhmm/codes_test"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with codebook.npz, or the file itself")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    parser.add_argument("out", metavar="OUT", help="folder for codes.scp and codes.ark")
    add_options(parser, ReadConfig)


def main(args):
    say(quantize(args.exp, args.dir, args.out, read=from_args(ReadConfig, args)).lines())
    return 0
