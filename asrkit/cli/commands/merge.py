"""The words of several models as one model -> OUT/final.npz.

The models are of one family and hear recordings in one way: features, normalisation and codebook are equal. Models that asrkit teach began are; those
of asrkit train are normalised by the mean and variance of their own training unless they have --cmvn utterance or none. No word is in two of
them. How long recordings stay in each state comes from each word's own model, the weights and thresholds of confidence from the first; where all words
were taught they are learned anew.
"""

from asrkit.cli.output import say
from asrkit.workflows.merge import merge

EXAMPLE = "example: asrkit merge exp/lights exp/music exp/both"


def add_arguments(parser):
    parser.add_argument(
        "exps", metavar="EXP", nargs="+", help="folders with final.npz, or model files; two or more"
    )
    parser.add_argument("out", metavar="OUT", help="folder for the merged model")


def main(args):
    say(merge(args.exps, args.out).lines())
    return 0
