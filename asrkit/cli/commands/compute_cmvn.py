"""Compute CMVN statistics: feats.scp -> cmvn.scp, Kaldi's (2, D + 1) matrix of sums for each speaker.

Without utt2spk every utterance is its own speaker.
"""

from asrkit.cli.options import add_flag
from asrkit.cli.output import say
from asrkit.workflows.compute_cmvn import compute_cmvn

EXAMPLE = "example: asrkit compute-cmvn data/train"


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    add_flag(parser, "allow-pipes", False, "run shell pipes found in scp files")


def main(args):
    say(compute_cmvn(args.dir, allow_pipes=args.allow_pipes).lines())
    return 0
