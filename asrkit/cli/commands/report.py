"""One table and the pictures of several decodings -> OUT/table.txt, OUT/report.md and PNG files.

Each DECODE is a folder that `asrkit decode` and `asrkit score` have written, inside the folder of its model,
or one of `asrkit crossval`. The pictures: the confusion matrix and the training curves of every system, and
one word's Viterbi alignment over its spectrogram (of the last system that has states).

Where `asrkit perturb` made DIR and put noise at stated ratios, a second table and OUT/noise.png show the
errors by kind of noise and signal-to-noise ratio, best with a test set of --grid true --keep-original true.
"""

from asrkit.cli.options import add_flag
from asrkit.cli.output import say
from asrkit.workflows.report import report

EXAMPLE = "example: asrkit report exp/report data/test exp/gmm/decode_test exp/chmm/decode_test"


def add_arguments(parser):
    parser.add_argument("out", metavar="OUT", help="folder for the report")
    parser.add_argument("dir", metavar="DIR", help="the data directory that was decoded")
    parser.add_argument("decodes", metavar="DECODE", nargs="+", help="scored decode folders")
    add_flag(parser, "title", "", "a line above the table: the corpus and its split")
    add_flag(parser, "utt", "", "the utterance of the alignment picture (default: the first that is right)")
    add_flag(parser, "allow-pipes", False, "run shell pipes found in scp files")


def main(args):
    reported = report(
        args.out, args.dir, args.decodes, title=args.title, utt=args.utt, allow_pipes=args.allow_pipes
    )
    say(reported.lines())
    return 0
