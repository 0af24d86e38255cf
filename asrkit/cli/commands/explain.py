"""Say why a recording was heard so: the likeliest words, and where the best one pulled ahead of the next -> FILE.png or FILE.html.

Prints lines `word posterior loglik`, the likeliest first, and a sentence: by how many nats the best word is ahead, and the stretch of the
recording that decided it. With -o a picture is drawn, for a mail or a slide, or a page that needs no network and no other file: the sound
with the ends that were found, the spectrogram, the best paths through the two words, one above the other, what each frame added for the
one and for the other, and what a discrete model sees of each frame, its symbols. The page plays the recording, too. With --word WORD the
best word is compared with that one.
"""

from asrkit.cli.options import add_auto, add_flag
from asrkit.cli.output import say
from asrkit.workflows.explain import explain_file

EXAMPLE = "example: asrkit explain exp/chmm new.wav -o new.png"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("wav", metavar="WAV", help="a recording of one word")
    parser.add_argument(
        "-o", "--out", metavar="FILE", default="", help="picture, *.png, or page, *.html, that is written"
    )
    add_flag(
        parser, "word", "", "what the best word is compared with (default: the one that came next to it)"
    )
    add_auto(
        parser, "endpoint", "find the speech first; auto: as the training did, and in untrimmed recordings"
    )
    add_flag(parser, "channel", 0, "channel of a recording that has several", minimum=0)


def main(args):
    say(
        explain_file(
            args.exp, args.wav, args.out, word=args.word, endpoint=args.endpoint, channel=args.channel
        ).lines()
    )
    return 0
