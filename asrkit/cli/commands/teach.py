"""Teach a model a word from one to ten recordings -> EXP/final.npz with the word.

EXP is a trained model (of a family that can be taught: chmm, with its confidence), or does not exist yet: then a vocabulary begins that nothing was
trained for, and ten words of three recordings each are enough to hear one's own voice. A word that is there already gets the recordings
beside what it has. Nothing is written unless all recordings can be used. What is said: whether each recording is heard rightly by
what the others taught, whether kept recordings of the other words are now heard as this one, and what to record next.

Nothing depends on the order in which words are taught, and `asrkit forget EXP WORD` leaves what was there before, byte for byte.
"""

from asrkit.cli.options import add_auto, add_flag
from asrkit.cli.output import say
from asrkit.workflows.teach import teach

EXAMPLE = "example: asrkit teach exp/mine lights lights1.wav lights2.wav lights3.wav"


def add_arguments(parser):
    parser.add_argument(
        "exp", metavar="EXP", help="folder with final.npz, or a model file; or where a new one begins"
    )
    parser.add_argument("word", metavar="WORD", help="what is said")
    parser.add_argument("wavs", metavar="WAV", nargs="+", help="recordings of it, 1 to 10")
    add_auto(
        parser, "endpoint", "find the speech first; auto: as the training did, and in untrimmed recordings"
    )
    add_flag(parser, "channel", 0, "channel of recordings that have several", minimum=0)
    add_flag(parser, "strict", False, "refuse recordings with several channels")


def main(args):
    taught = teach(
        args.exp, args.word, args.wavs, endpoint=args.endpoint, channel=args.channel, strict=args.strict
    )
    say(taught.lines())
    return 0
