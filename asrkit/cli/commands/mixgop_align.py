"""Recordings and their words -> OUT/phones.ctm and OUT/words.ctm, by pocketsphinx (asrkit's extra `align`).

Each word of DIR/text is looked up in a dictionary, as it is written, all small or in capitals; of several
ways to say it the likeliest is taken. For a corpus that says what was to be pronounced, --pronunciations
gives the phones of every utterance, words separated by ` | `, as many as in text: `utt<TAB>T AA M | IH Z`.
Exactly those are aligned then.

Phones are the model's: pocketsphinx's US English model has the ARPAbet without stress. A phone that it knows
only without stress digit or Kaldi's position in the word (AH0_B) is taken without. Pauses between words are
found and left out. Recordings are resampled to the model's rate. An utterance that can't be aligned is left
out, counted and named.
"""

from asrkit.cli.options import add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.mixgop_align import mixgop_align

EXAMPLE = """example:
  asrkit mixgop align data/train exp/ali --nj 2
  asrkit mixgop align data/train exp/ali --lexicon lexicon.txt --model models/de
"""


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with wav.scp and text")
    parser.add_argument("out", metavar="OUT", help="folder for phones.ctm and words.ctm")
    parser.add_argument(
        "--lexicon",
        metavar="FILE",
        help="dictionary, lines `WORD P1 P2 …` (default: CMU's, which comes with pocketsphinx)",
    )
    parser.add_argument(
        "--pronunciations", metavar="FILE", help="phones of each utterance in place of a dictionary"
    )
    parser.add_argument(
        "--model",
        metavar="FOLDER",
        help="acoustic model in pocketsphinx's form (default: its own of US English)",
    )
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_flag(parser, "channel", 0, "channel of recordings that have several", minimum=0)
    add_options(parser, ReadConfig)


def main(args):
    aligned = mixgop_align(
        args.dir,
        args.out,
        lexicon=args.lexicon,
        pronunciations=args.pronunciations,
        model=args.model,
        channel=args.channel,
        read=from_args(ReadConfig, args),
        jobs=args.nj,
    )
    say(aligned.lines())
    return 0
