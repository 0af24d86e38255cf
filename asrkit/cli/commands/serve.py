"""Serve a page that hears: speak into the browser, see the word, how sure it is and why, teach it a word -> an address to open.

The page records by the browser's microphone, held down or hands-free, or takes a file; it shows the ends that were found, the spectrogram, the likeliest words, the
paths of the best two and where they part. What is taught goes into EXP/final.npz, as with `asrkit teach`; where EXP is not there yet the
first word begins it. It needs the extra `web`.

It listens on 127.0.0.1 alone, and whoever asks must know the token in the address that is printed; nothing is loaded from elsewhere, nothing is
written outside of EXP, and no recording is kept unless --keep names a folder for them. With --host other machines reach it, too:
whoever has the address can then teach the model and make it forget. Ctrl-C ends it.
"""

import sys

from asrkit.audio.word_detector import WordDetectorConfig
from asrkit.cli.options import add_field, add_flag, add_method, add_options, from_args
from asrkit.cli.output import say
from asrkit.web.server import ServerConfig, prepare
from asrkit.words.confidence import AcceptConfig
from asrkit.workflows.listen import SURE

EXAMPLE = "example: asrkit serve exp/chmm"


def add_arguments(parser):
    parser.add_argument(
        "exp", metavar="EXP", help="folder with final.npz, or a model file; or where a new one begins"
    )
    add_options(parser, ServerConfig)
    fields = AcceptConfig.__dataclass_fields__
    add_field(parser, fields["reject"])
    add_flag(parser, "min-confidence", SURE, fields["min_confidence"].metadata["help"], minimum=0, maximum=1)
    add_flag(parser, "keep", "", "folder that the recordings and what was heard are kept in")
    add_flag(parser, "report", "", "a report, one HTML file, that the page links to")
    add_flag(parser, "same-speaker", True, "hands-free: what was heard helps with what comes next")
    add_method(parser)
    add_options(parser, WordDetectorConfig, "how words are found, hands-free")


def main(args):
    asked = args.reject or args.min_confidence != SURE
    accept = AcceptConfig(
        args.reject, 0.0 if args.reject and args.min_confidence == SURE else args.min_confidence
    )
    server = prepare(
        args.exp,
        config=from_args(ServerConfig, args),
        accept=accept if asked else None,
        detection=from_args(WordDetectorConfig, args),
        method=args.method,
        same_speaker=args.same_speaker,
        keep=args.keep or None,
        report=args.report or None,
    )
    say(server.lines())
    sys.stdout.flush()
    server.run()
    return 0
