"""Say what a file or folder holds: a model, codebook, statistics, data directory, ark, scp, recording or exp
folder.

With --word W, of a model, what the model of that word is made of: how likely each state is entered, followed by which, and left,
how long a stay in it lasts on average (1 / (1 - a_ii) frames), which Gaussians or symbols it draws, how many numbers
were trained, and, where the log of the training is beside the model, its log-likelihood L over N frames and by it
AIC = 2 k - 2 L and BIC = k ln N - 2 L of the k free parameters. States count from 1. With --json it is one object, with all numbers.
"""

import json

from asrkit.cli.options import add_flag
from asrkit.cli.output import say
from asrkit.workflows.info import info, info_words

EXAMPLE = """example:
  asrkit info exp/chmm/final.npz
  asrkit info exp/chmm --word one --word two
  asrkit info exp/dhmm --word one --json
"""


def add_arguments(parser):
    parser.add_argument("file", metavar="FILE", help="file or folder")
    parser.add_argument(
        "--word",
        dest="words",
        action="append",
        default=[],
        metavar="W",
        help="a word of a model: what it is made of; may be repeated",
    )
    add_flag(
        parser, "most", 8, "Gaussians and symbols of a state that are shown, the likeliest; 0: all", minimum=0
    )
    add_flag(parser, "json", False, "the words as JSON; without --word all of the model")
    add_flag(parser, "allow-pipes", False, "run shell pipes found in an scp file")


def main(args):
    if not args.words and not args.json:
        say(info(args.file, allow_pipes=args.allow_pipes).lines())
        return 0
    found = info_words(args.file, args.words, most=args.most)
    say([json.dumps(found.values, ensure_ascii=False, allow_nan=False)] if args.json else found.lines())
    return 0
