"""Learn how sure a model may be -> EXP/final.npz with its confidence.

DIR is what EXP was trained on: parts of it, whole speakers where utt2spk says who speaks, are taken out of the models in turn and heard by
what is left, with all words and with the word that is said left out, which then is an unknown one. Nothing is trained anew. Or DIR holds
other recordings of all of EXP's words, which are heard by the models as they are. `asrkit train` does the first by itself; this command is
for models that were trained with --calibrate false, by steps of a cluster, or adapted.
"""

from asrkit.cli.options import add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.calibrate import calibrate

EXAMPLE = "example: asrkit calibrate exp/chmm data/train --nj 2"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_options(parser, ReadConfig)


def main(args):
    say(calibrate(args.exp, args.dir, read=from_args(ReadConfig, args), jobs=args.nj).lines())
    return 0
