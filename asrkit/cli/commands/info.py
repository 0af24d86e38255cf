"""Say what a file or folder holds: a model, codebook, statistics, data directory, ark, scp, recording or exp
folder.
"""

from asrkit.cli.output import say
from asrkit.workflows.info import info

EXAMPLE = "example: asrkit info exp/chmm/final.npz"


def add_arguments(parser):
    parser.add_argument("file", metavar="FILE", help="file or folder")


def main(args):
    say(info(args.file).lines())
    return 0
