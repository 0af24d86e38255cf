"""Take a word out of a model -> EXP/final.npz without it.

A word that was taught leaves nothing behind: the file has the bytes that it had before the teaching. A word that was trained can only be trained
again; with --taught true only what was taught to it is forgotten, and it is as it was trained.
"""

from asrkit.cli.options import add_flag
from asrkit.cli.output import say
from asrkit.workflows.teach import forget

EXAMPLE = "example: asrkit forget exp/mine lights"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("word", metavar="WORD", help="the word")
    add_flag(parser, "taught", False, "forget only what was taught to a word that was trained")


def main(args):
    say(forget(args.exp, args.word, taught=args.taught).lines())
    return 0
