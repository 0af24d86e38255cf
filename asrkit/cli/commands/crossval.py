"""Cross-validation: each fold of DIR is decoded by models trained on all the others -> EXP, a decode folder
of all of DIR.

A fold holds whole speakers (--by speaker, of about equal size; --folds 0: each alone), utterances by chance,
every word's spread over all folds (random), or what --fold-list says. The directories of --also-train, such
as perturbed copies or another corpus, are always in training, but for the speakers that only the fold's test
part has and the copies (utt2uniq) of its recordings.

Each fold is `asrkit train` (after `train-codebook`, where the family needs one) and `asrkit decode` with the
settings given here, in EXP/fold_NAME, where log holds what they said. A fold whose data and settings are
unchanged is kept: called again, the command goes on where it stopped. EXP can be given to score, compare and
report; EXP/crossval.json has the folds.
"""

from asrkit.cli import training_options
from asrkit.cli.options import add_cluster, add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.words.listening import ListenConfig
from asrkit.workflows.crossval import FoldPlan, RunSettings, crossval

EXAMPLE = """example:
  asrkit crossval data/train exp/cv_gmm --by speaker --family gmm --num-gauss 32 --nj 2
  asrkit crossval data/train exp/cv_aug --by speaker --also-train data/train_noise,data/train_speed --family gmm
"""

add_chosen_arguments = training_options.add_chosen_and_codebook


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("exp", metavar="EXP", help="folder for the folds and the results")
    add_options(parser, FoldPlan)
    add_flag(parser, "nj", 1, "processes; folds are run side by side", minimum=1)
    add_cluster(parser)
    training_options.add_arguments(parser)
    add_options(parser, ListenConfig, "adaptation to the speakers of DIR")


def main(args):
    settings = RunSettings(
        training_options.settings(args), from_args(ListenConfig, args), from_args(ReadConfig, args)
    )
    found = crossval(args.dir, args.exp, settings, from_args(FoldPlan, args), jobs=args.nj)
    say(found.lines())
    return 0 if found.complete else 1
