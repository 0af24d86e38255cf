"""How typical is each phone? EXP's mixtures score the phones of a data directory -> OUT/phones.tsv (MixGoP).

phones.tsv has a line a phone: loglik, log P(frames | phone), is the paper's score; posterior is log P(phone |
frames) among all phones that have a model, their shares of the training tokens the priors; ratio is loglik
less that of the strongest other phone,
`rival`; z and pct say where loglik stands among the tokens that the phone was trained on (few tokens in many
dimensions are learnt by heart: then any other is far below them); comp is the Gaussian that explains the
token best. A phone that can't be scored has nan, and is counted with its reason; where more than --max-unscored
of all are none that the training knew, the phone set is another (IPA, stress kept), and nothing is written.

A model with baselines (asrkit mixgop train --baselines) adds their columns at the end. Of the logistic
regression: gmm_gop, the log posterior of the phone; nn_gop, that less the log posterior of the likeliest
phone; dnn_gop, the posterior over the phone's prior; maxlogit, its log. knn is minus the distance to a near
training token of the phone (one in ten is as near or nearer), svm the decision of the phone's one-class
support vector machine. Where each frame is a token, they are means over a phone's frames.

words.tsv, utterances.tsv and speakers.tsv have the mean, least and 10th percentile of every kind over the
phones that have scores. The scores are no diagnosis: voice, channel and room move them, too.

--textgrid writes OUT/textgrid/UTT.TextGrid for Praat as well: tiers of the words, the phones, and of each
kind of score (a phone without one is empty there; a / in a name becomes %2F). Those of an earlier scoring are
removed, with the flag and without.
"""

from asrkit.cli.options import add_cluster, add_flag, add_frame_shift, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.mixgop_score import mixgop_score

EXAMPLE = "example: asrkit mixgop score exp/mixgop data/patients ali/patients exp/mixgop/score_patients"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    parser.add_argument("ali", metavar="ALI", help="folder with phones.ctm, or a CTM file")
    parser.add_argument("out", metavar="OUT", help="folder for the tables, best inside EXP")
    add_flag(
        parser,
        "posterior",
        True,
        "score against all phones; false leaves posterior, ratio and rival out (nan) and is much quicker",
    )
    add_flag(parser, "textgrid", False, "write OUT/textgrid/UTT.TextGrid too, the scores as tiers")
    add_frame_shift(parser)
    add_flag(
        parser,
        "max-unscored",
        0.1,
        "share of the phones that may be none of the training's before the command fails: it is another phone set",
        minimum=0,
        maximum=1,
    )
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_cluster(parser)
    add_options(parser, ReadConfig)


def main(args):
    scored = mixgop_score(
        args.exp,
        args.dir,
        args.ali,
        args.out,
        posterior=args.posterior,
        textgrid=args.textgrid,
        frame_shift_s=args.frame_shift_s,
        max_unscored=args.max_unscored,
        read=from_args(ReadConfig, args),
        jobs=args.nj,
    )
    say(scored.lines())
    return 0 if scored.complete else 1
