"""Best state sequence of each utterance through the model of the word it says -> OUT/ali.scp and OUT/ctm.

ali.scp leads to int32 vectors, one state number (from 0) a frame; ctm has the line `utt 1 start duration
word`.
"""

from asrkit.cli.options import add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.align import align

EXAMPLE = "example: asrkit align exp/chmm data/train exp/chmm/ali_train"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("out", metavar="OUT", help="folder for ali.scp, ali.ark and ctm")
    add_options(parser, ReadConfig)


def main(args):
    say(align(args.exp, args.dir, args.out, read=from_args(ReadConfig, args)).lines())
    return 0
