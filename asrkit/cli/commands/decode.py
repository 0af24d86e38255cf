"""Recognise the utterances of a data directory -> OUT/hyp and OUT/scores.scp.

The word with the largest log-likelihood wins. hyp has a line `utt word` for each utterance; scores.scp leads
to float64 vectors with the score of every word, in the order of OUT/words.txt; OUT/skipped says why an
utterance has no hypothesis. DIR needs no text.

With --adapt the models are first moved to each speaker (DIR/utt2spk) by all of that speaker's recordings,
taken for the words they were heard as; and once more by what was heard then. It needs some dozens of
recordings a speaker and a model that hears most of them rightly; OUT's scores are those of the moved models.
"""

from asrkit.cli.options import add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.words.adaptation import ListenConfig
from asrkit.workflows.decode import decode

EXAMPLE = "example: asrkit decode exp/chmm data/test exp/chmm/decode_test"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    parser.add_argument("out", metavar="OUT", help="folder for the results, best inside EXP")
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_flag(
        parser,
        "method",
        "viterbi",
        "score of a word: its best path, or the sum over all",
        choices=("viterbi", "forward"),
    )
    add_options(parser, ReadConfig)
    add_options(parser, ListenConfig, "adaptation to the speakers of DIR")


def main(args):
    decoded = decode(
        args.exp,
        args.dir,
        args.out,
        method=args.method,
        listen=from_args(ListenConfig, args),
        read=from_args(ReadConfig, args),
        jobs=args.nj,
    )
    say(decoded.lines())
    return 0 if decoded.complete else 1
