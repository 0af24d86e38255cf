"""One table and the pictures of several decodings -> OUT/table.txt, OUT/report.md and PNG files.

Each DECODE is a folder that `asrkit decode` and `asrkit score` have written, inside the folder of its model,
or one of `asrkit crossval`. The pictures: the confusion matrix and the training curves of every system, and
one word's Viterbi alignment over its spectrogram (of the last system that has states).

Where `asrkit perturb` made DIR and put noise at stated ratios, a second table and OUT/noise.png show the
errors by kind of noise and signal-to-noise ratio, best with a test set of --grid true --keep-original true.

With --html, OUT/report.html is one file that needs no other and no network: error rates with intervals, the systems paired on the same
recordings, confusions whose cells open their recordings, speakers, words, calibration, the training; and every error with its sound,
its spectrogram, the best paths through the word that was said and the word that won, what each frame added for one and the other and the
stretch that decided it, and the training's recordings that sound most like it (of a cross-validation, or of --train-dir). Recordings that
are probably mislabelled are a list of their own. OUT/errors.tsv and OUT/report.json say the same for machines.
"""

from asrkit.cli.options import add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.workflows.report import report
from asrkit.workflows.report_html import HtmlConfig

EXAMPLE = "example: asrkit report exp/report data/test exp/gmm/decode_test exp/chmm/decode_test --html"


def add_arguments(parser):
    parser.add_argument("out", metavar="OUT", help="folder for the report")
    parser.add_argument("dir", metavar="DIR", help="the data directory that was decoded")
    parser.add_argument("decodes", metavar="DECODE", nargs="+", help="scored decode folders")
    add_flag(parser, "title", "", "a line above the table: the corpus and its split")
    add_flag(parser, "utt", "", "the utterance of the alignment picture (default: the first that is right)")
    add_flag(parser, "allow-pipes", False, "run shell pipes found in scp files")
    add_options(parser, HtmlConfig)


def main(args):
    reported = report(
        args.out,
        args.dir,
        args.decodes,
        title=args.title,
        utt=args.utt,
        allow_pipes=args.allow_pipes,
        html=from_args(HtmlConfig, args),
    )
    say(reported.lines())
    return 0
