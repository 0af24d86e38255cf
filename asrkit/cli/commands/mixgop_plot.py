"""Pictures of pronunciation scores: phones under the spectrogram, speakers against phones, components in the
plane -> OUT/*.png.

SCORES is a folder of `asrkit mixgop score`. What can be drawn depends on what is given besides:
  nothing              speakers_KIND.png: the mean score of each phone by each speaker
  --data DIR           utt_UTT_KIND.png too: phones as boxes coloured by score, below the spectrogram (wav.scp; without a
                       recording below the features of feats.scp), words below them; grey and hatched: no
                       score
  --data, --exp, --ali components_PHONE.png too: tokens and Gaussians of a phone's mixture in a plane

Without --utts, the --worst utterances with the lowest mean scores are drawn, for that is where to listen
first, and the --best ones to compare with: of those of at least five scored phones, where there are any, for
the mean of two phones says little. The colours of all utterances are the same: from 5 to 95 % of the scores
of all phones of SCORES.

Of most kinds of score some phones have lower ones whoever speaks. So the cells of speakers_KIND.png are
coloured by the distance from the phone's median over the speakers (--centre); z and pct are relative to the
phone as they are.

The plane of components_PHONE.png is the one in which the components' means lie furthest apart (of fewer than
three with tokens: the tokens' first two principal axes), each dimension in units of its standard deviation
within components. Ellipses are one standard deviation of the Gaussians; `S_T` are the commonest neighbours, #
the edge of the utterance, or a pause.
"""

from asrkit.cli.options import add_flag, add_frame_shift
from asrkit.workflows.component_pictures import NUM_PHONES
from asrkit.workflows.mixgop_plot import PREFERRED, mixgop_plot

EXAMPLE = """example:
  asrkit mixgop plot exp/mixgop/score_patients exp/mixgop/pictures --data data/patients
  asrkit mixgop plot exp/mixgop/score_train exp/mixgop/pictures --data data/train --exp exp/mixgop --ali ali/train --phones AE,T
"""

CENTRE = {"auto": None, "true": True, "false": False}


def add_arguments(parser):
    parser.add_argument("scores", metavar="SCORES", help="folder of asrkit mixgop score")
    parser.add_argument("out", metavar="OUT", help="folder for the pictures")
    parser.add_argument(
        "--data",
        dest="data_dir",
        metavar="DIR",
        help="data directory of SCORES: its recordings or features are drawn",
    )
    parser.add_argument(
        "--exp", metavar="EXP", help="folder with final.npz, or a model file: its components are drawn"
    )
    parser.add_argument(
        "--ali",
        metavar="ALI",
        help="folder with phones.ctm, or a CTM file, of DIR: where the components' tokens are",
    )
    add_flag(
        parser,
        "kind",
        "",
        f"column of phones.tsv to draw (default: the first of {', '.join(PREFERRED)} that has values)",
    )
    add_flag(parser, "utts", "", "utterances to draw, with commas between")
    add_flag(parser, "worst", 3, "utterances with the lowest means to draw, without --utts", minimum=0)
    add_flag(parser, "best", 1, "utterances with the highest means to draw, without --utts", minimum=0)
    add_flag(
        parser,
        "centre",
        "auto",
        "speakers: less the phone's median; auto: of all kinds but z and pct",
        choices=tuple(CENTRE),
    )
    add_flag(
        parser,
        "phones",
        "",
        f"phones whose components are drawn, with commas between (default: the {NUM_PHONES} with most tokens)",
    )
    add_frame_shift(parser)
    add_flag(parser, "allow-pipes", False, "run shell pipes found in scp files")


def main(args):
    mixgop_plot(
        args.scores,
        args.out,
        data_dir=args.data_dir,
        exp=args.exp,
        ali=args.ali,
        kind=args.kind,
        utts=[name for name in args.utts.split(",") if name],
        worst=args.worst,
        best=args.best,
        centre=CENTRE[args.centre],
        phones=[name for name in args.phones.split(",") if name],
        frame_shift_s=args.frame_shift_s,
        allow_pipes=args.allow_pipes,
        on_picture=lambda path: print(path, flush=True),
    )
    return 0
