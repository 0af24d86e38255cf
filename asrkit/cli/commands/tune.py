"""Which settings? A race of configurations over the folds of DIR -> EXP/tuned.conf, which `asrkit train`
takes.

Every combination of the values of --try is a candidate; `--try num-states 8 12 --try num-gauss 2 4` makes
four. Any setting of `train` can be tried, of families on codes the codebook's, too. What is neither tried nor
given has the family's own small grid: states, Gaussians (or the codebook's size), and cmvn where DIR has
cmvn.scp, else delta-order. All other settings are fixed, as in crossval.

All candidates hear the first fold, the cheap ones first; those that are seen to err more often than the best
(McNemar, p < 0.05) are out, the others hear the next. When --minutes are spent, no training is started any
more. Numbers of Gaussians that grow out of one another are trained together, and so are models on one
codebook; each becomes what `asrkit train` alone would make of it. A training whose data and settings are
unchanged is kept: called again, with more minutes or more to try, the command goes on where it stopped.
Chosen are the fewest errors; of equally good ones the smaller. Files:
  EXP/tuned.conf                 the chosen settings of train; codebook.conf beside it, for train-codebook, where there is one
  EXP/tune.tsv, EXP/tune.json    all candidates, best first
  EXP/tune.png                   errors against size and speed
"""

from asrkit.cli import training_options
from asrkit.cli.options import add_cluster, add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.words.listening import ListenConfig
from asrkit.workflows.crossval import FoldPlan, RunSettings
from asrkit.workflows.tune import tune

EXAMPLE = """example:
  asrkit tune data/train exp/tune --family chmm --minutes 20 --try num-states 8 12 16 --try warps "" 0.9,1.1 --nj 2
  asrkit train data/train exp/chmm --config exp/tune/tuned.conf
"""


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("exp", metavar="EXP", help="folder for the trainings and the results")
    add_flag(parser, "minutes", 10.0, "no training is started after so many; 0: no limit", minimum=0)
    parser.add_argument(
        "--try",
        dest="tries",
        metavar=("SETTING", "VALUE"),
        nargs="+",
        action="append",
        default=[],
        help="a setting of train and the values to try (may be repeated; after DIR and EXP)",
    )
    add_options(parser, FoldPlan)
    add_flag(parser, "nj", 1, "processes; trainings are run side by side", minimum=1)
    add_cluster(parser)
    training_options.add_arguments(parser)
    add_options(parser, ListenConfig, "adaptation to the speakers of DIR")


add_chosen_arguments = training_options.add_chosen_and_codebook


def main(args):
    settings = RunSettings(
        training_options.settings(args), from_args(ListenConfig, args), from_args(ReadConfig, args)
    )
    tuned = tune(
        args.dir,
        args.exp,
        settings,
        from_args(FoldPlan, args),
        tries=args.tries,
        fixed=args.named,  # is not searched
        minutes=args.minutes,
        jobs=args.nj,
    )
    say(tuned.lines())
    return 0
