"""How well a model tells its words from others -> OUT/trials.tsv, detection.json, det.png, calibration.png.

Each recording of DIR is heard twice: with all words, and with the word that it says left out, which then is an unknown one. A recording
whose word the model does not know is unknown as it is, and so is all of --others: noise, coughs, other languages. The rates say how many
unknown words pass where a share of the right ones is rejected; DIR should be of speakers whom the model has not heard (`asrkit crossval
--unknown each` holds them out in turn).
"""

from asrkit.cli.options import add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.unknown import judge_unknown

EXAMPLE = "example: asrkit unknown exp/chmm data/test exp/chmm/unknown_test --others data/noise"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("out", metavar="OUT", help="folder for the results")
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_flag(
        parser, "others", "", "data directories in which nothing is a word of the model, with commas between"
    )
    add_flag(
        parser,
        "cmvn-memory",
        "none",
        "cmvn map: normalise a recording alone, with its speaker's before it, too, or with all of its speaker's",
        choices=("none", "speaker", "whole"),
    )
    add_options(parser, ReadConfig)


def main(args):
    others = [part for part in args.others.split(",") if part]
    judged = judge_unknown(
        args.exp,
        args.dir,
        args.out,
        others=others,
        memory=args.cmvn_memory,
        read=from_args(ReadConfig, args),
        jobs=args.nj,
    )
    say(judged.lines())
    return 0
