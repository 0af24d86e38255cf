"""Train a model for every word of a data directory -> EXP/final.npz and EXP/train.jsonl.

Each utterance says one word (DIR/text). Re-estimation goes on until the total log-probability stops rising;
train.jsonl has one line an iteration. Equal data, settings and seed give a byte-equal final.npz, whatever
--nj. A dhmm uses EXP/codebook.npz where `asrkit train-codebook` has made one, and makes one otherwise.
"""

from asrkit.cli import training_options
from asrkit.cli.options import add_cluster, add_flag, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.train import train

EXAMPLE = "example: asrkit train data/train exp/chmm --family chmm --nj 2"

add_chosen_arguments = training_options.add_chosen_arguments


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("exp", metavar="EXP", help="folder for the model")
    add_flag(parser, "nj", 1, "processes; words are trained side by side", minimum=1)
    add_flag(
        parser,
        "keep-iterations",
        False,
        "write EXP/iterations.npz, too: every iteration's model of every word, for asrkit.study.iterations",
    )
    add_cluster(parser)
    training_options.add_arguments(parser)


def main(args):
    settings, read = training_options.settings(args), from_args(ReadConfig, args)
    trained = train(
        args.dir, args.exp, settings, read=read, jobs=args.nj, keep_iterations=args.keep_iterations
    )
    say(trained.lines())
    return 0
