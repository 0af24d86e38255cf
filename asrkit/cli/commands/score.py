"""Score decodings: error rates, confusion matrix, Kaldi's scoring files.

DIR is a data directory: DIR/text holds what was said, DIR/utt2spk (optional) who said it.
OUT is a decode folder: OUT/hyp holds what was recognised, `utt word` a line, in C-locale order; a line with
the utterance alone is an empty hypothesis. OUT/skipped (optional, `utt reason`) names utterances the decoder
gave up: they count as errors in every mode. OUT/decode.json (optional) holds under "words" the words the
system knows: what it cannot know is counted as its error, and said. Of several OUTs each is scored by itself.

Standard output is what Kaldi's compute-wer prints, then the accuracy, two 95 % intervals and notes. Wilson's takes every
word for a trial of its own: other words of these speakers. The bootstrap draws whole speakers: other
speakers. Files:
  OUT/wer_1                    the three lines of compute-wer
  OUT/scoring_kaldi/           test_filt.txt, best_wer, wer_details/{per_utt,per_spk,ops,wer_bootci}
  OUT/report.json              everything by name; wer and intervals are fractions
  OUT/confusion.csv, .png      rows: what was said; columns: what was heard
"""

from asrkit.cli.options import add_flag
from asrkit.cli.output import say
from asrkit.evaluation.scoring import MODES
from asrkit.workflows.score import score

EXAMPLE = """example:
  asrkit score data/test exp/chmm/decode_test
  asrkit score --mode strict --per-speaker true data/test exp/chmm/decode_test
  asrkit score data/test exp/gmm/decode_test exp/chmm/decode_test
"""


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with the reference in text")
    parser.add_argument(
        "outs", metavar="OUT", nargs="+", help="decode folder with hyp; the reports are written here, too"
    )
    add_flag(
        parser,
        "mode",
        "all",
        choices=MODES,
        help="an utterance without hypothesis: all counts it as an error, strict stops, present leaves it out",
    )
    add_flag(parser, "per-speaker", False, "print the table of speakers, too")


def main(args):
    for out in args.outs:
        scored = score(args.dir, out, mode=args.mode)
        say([f"{out}:"] if len(args.outs) > 1 else [])
        say(scored.lines())
        if args.per_speaker:
            say(scored.speaker_lines())
    return 0
