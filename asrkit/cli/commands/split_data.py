"""Split a data directory into N parts DIR/splitN/1 ... DIR/splitN/N, as Kaldi's split_data.sh.

A speaker is never split; the parts are balanced by number of utterances and keep their order.
With --per-utt true speakers are not looked at.
"""

from asrkit.cli.options import add_flag, whole
from asrkit.cli.output import say
from asrkit.workflows.split_data import split_data

EXAMPLE = "example: asrkit split-data data/train 4"


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory")
    parser.add_argument("parts", metavar="N", type=whole, help="number of parts")
    add_flag(parser, "per-utt", False, "split by utterance: a speaker may be in several parts")


def main(args):
    split = split_data(args.dir, args.parts, per_utt=args.per_utt)
    say(split.lines())
    return 0
