"""How many recordings of a word are enough? Errors on TEST against the utterances a word in training.

For each of --counts, --draws trainings are made of that many utterances of every word of TRAIN, drawn by
chance and from as many speakers as possible (a smaller draw is part of the larger one of its number), and one
of all. Each is `asrkit train` and `asrkit decode` in EXP/count_N/draw_M, and is kept where data and settings
are unchanged, as in crossval. The mean of the draws stands with the 95 % interval (Wilson) that so many words
of TEST allow. Files:
  EXP/learning-curve.tsv    a line a training: errors and rate (a fraction), with its interval
  EXP/learning-curve.png
"""

from asrkit.cli import training_options
from asrkit.cli.options import add_cluster, add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.words.listening import ListenConfig
from asrkit.workflows.crossval import RunSettings
from asrkit.workflows.learning_curve import learning_curve

EXAMPLE = (
    "example: asrkit learning-curve data/train data/test exp/curve --family gmm --counts 1,2,4,8,all --nj 2"
)

add_chosen_arguments = training_options.add_chosen_and_codebook


def add_arguments(parser):
    parser.add_argument("train", metavar="TRAIN", help="data directory with feats.scp and text")
    parser.add_argument("test", metavar="TEST", help="the same to be recognised")
    parser.add_argument("exp", metavar="EXP", help="folder for the trainings and the results")
    add_flag(parser, "counts", "1,2,4,8,16,all", "utterances a word")
    add_flag(parser, "draws", 3, "trainings for each count but all", minimum=1)
    add_flag(parser, "nj", 1, "processes; trainings are run side by side", minimum=1)
    add_cluster(parser)
    training_options.add_arguments(parser)
    add_options(parser, ListenConfig, "adaptation to the speakers of DIR")


def main(args):
    settings = RunSettings(
        training_options.settings(args), from_args(ListenConfig, args), from_args(ReadConfig, args)
    )
    curve = learning_curve(
        args.train, args.test, args.exp, settings, counts=args.counts, draws=args.draws, jobs=args.nj
    )
    say(curve.lines())
    return 0
