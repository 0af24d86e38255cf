"""Say what a file or folder holds: a model, codebook, statistics, data directory, ark, scp, recording or exp
folder.
"""

from asrkit.cli.options import add_flag
from asrkit.cli.output import say
from asrkit.workflows.info import info

EXAMPLE = "example: asrkit info exp/chmm/final.npz"


def add_arguments(parser):
    parser.add_argument("file", metavar="FILE", help="file or folder")
    add_flag(parser, "allow-pipes", False, "run shell pipes found in an scp file")


def main(args):
    say(info(args.file, allow_pipes=args.allow_pipes).lines())
    return 0
