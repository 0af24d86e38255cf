"""Do pronunciation scores agree with human ratings? Kendall's tau-b, Spearman's rho, AUC -> a table; with
--out files, too.

SCORES are folders of `asrkit mixgop score` (their phones.tsv); several make a table of systems. RATINGS, tabs
between:
  utt  phones  scores    phones and their ratings, blanks between: `u1  W IY  2.0 1.4`
  utt  idx  rating       one phone a line; idx counts the phones of an utterance from 0
  utt  rating            utterances only
A first line of these names is allowed and settles the form; `nan` is no rating. --higher-is says what a
higher rating means. A positive tau always means that score and listener agree: both call better what is
better.

The rating of an utterance is the mean of its phones', its score the unweighted mean over its scored phones.
AUC is the chance that a bad phone (rated below --label-threshold, or above it with --higher-is worse) has the
lower score of two; where only utterances are rated, that a bad utterance has. Intervals are those of 95 % of
test sets whose speakers are drawn from these (--data or --utt2spk says who spoke): they hold for other
speakers, and need a good many of them.

Files in OUT: evaluation.json, evaluation.tsv (the table in full), phones_tau.tsv (phone by phone),
evaluation.png. Likelihoods follow voice and microphone as well as pronunciation: this is no diagnosis.
"""

from asrkit.cli.options import add_flag
from asrkit.cli.output import say
from asrkit.evaluation.rating import DIRECTIONS
from asrkit.workflows.mixgop_evaluate import KINDS, mixgop_evaluate

EXAMPLE = """example:
  asrkit mixgop evaluate exp/mixgop/score_test data/test/phone_scores.tsv --higher-is better --data data/test --out exp/mixgop/evaluation
  asrkit mixgop evaluate exp/diag8/score_test exp/full32/score_test severity.tsv --higher-is worse --kinds posterior
"""


def add_arguments(parser):
    parser.add_argument("scores", metavar="SCORES", nargs="+", help="folders of asrkit mixgop score")
    parser.add_argument("ratings", metavar="RATINGS", help="human ratings, a TSV file")
    parser.add_argument(
        "--higher-is",
        choices=DIRECTIONS,
        required=True,
        metavar="|".join(DIRECTIONS),
        help="what a higher rating means (required)",
    )
    add_flag(parser, "kinds", ",".join(KINDS), "columns of phones.tsv to evaluate, with commas between")
    add_flag(
        parser,
        "label-threshold",
        0.5,
        "for AUC: bad is what is rated below (with --higher-is worse: above) this",
    )
    parser.add_argument(
        "--utt2spk", metavar="FILE", help="who spoke, `utt speaker` a line: gives the intervals"
    )
    parser.add_argument(
        "--data",
        dest="data_dir",
        metavar="DIR",
        help="data directory whose utt2spk says it; ratings of other utterances are left aside",
    )
    add_flag(parser, "replications", 1000, "test sets the bootstrap draws", minimum=1, maximum=100000)
    add_flag(parser, "seed", 0, "seed of the bootstrap", minimum=0)
    parser.add_argument("--out", metavar="OUT", help="folder for the files (default: the table only)")


def main(args):
    evaluated = mixgop_evaluate(
        args.scores,
        args.ratings,
        higher_is=args.higher_is,
        kinds=[kind.strip() for kind in args.kinds.split(",") if kind.strip()],
        label_threshold=args.label_threshold,
        utt2spk=args.utt2spk,
        data_dir=args.data_dir,
        replications=args.replications,
        seed=args.seed,
        out=args.out,
    )
    say(evaluated.lines())
    return 0
