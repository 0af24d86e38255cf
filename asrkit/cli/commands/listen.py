"""Hear words as they are spoken: one line of JSON each, `{"word": "seven", "p": 0.98, "start": 1.234, "end": 1.732}`.

SOURCE is a recording of any length; `-` for a pipe (`arecord -q -f S16_LE -r 16000 | asrkit listen exp/chmm -`) with a WAV or with raw samples, of
which --rate, --format and --channels say what they are; without it the microphone is heard, which needs the extra `live`. start and end are seconds from the beginning. A line comes about a quarter of a
second after a word has ended.

A stretch of sound that is no word of the model gets the word <unk>: p is the probability that the word was said, and below
--min-confidence it is not believed (with --reject 0.05, what is less sure than all but 5 % of the rightly heard words of held-out
recordings); nor is what lasts three times as long as the word usually does. Where people talk all the time, --min-confidence 0.9 lets
few of their words pass. --min-confidence 0 believes everything. A
model of phrases needs --pause-ms 500: a pause between their words must not end them.

What was heard helps with what comes next, where the model can learn of a speaker (--cmvn map, the default of a chmm):
--same-speaker false hears each word alone, --speaker-file FILE goes on where the last call ended.
"""

import contextlib
import sys

from asrkit.audio.word_detector import WordDetectorConfig
from asrkit.cli.options import add_field, add_flag, add_method, add_options, from_args
from asrkit.errors import DataError
from asrkit.words.confidence import AcceptConfig
from asrkit.workflows.listen import SURE, SoundConfig, listen

EXAMPLE = "example: asrkit listen exp/chmm evening.wav"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument(
        "source", metavar="SOURCE", nargs="?", help="recording, or - for a pipe (default: the microphone)"
    )
    add_options(parser, SoundConfig)
    fields = AcceptConfig.__dataclass_fields__
    add_field(parser, fields["reject"])
    add_flag(parser, "min-confidence", SURE, fields["min_confidence"].metadata["help"], minimum=0, maximum=1)
    add_flag(
        parser, "same-speaker", True, "one speaker, or one microphone: what was heard helps with what comes"
    )
    add_flag(
        parser, "speaker-file", "", "what is known of that speaker: read if it is there, written at the end"
    )
    add_method(parser)
    add_flag(parser, "json", True, "lines of JSON; false: `start end word p`")
    add_options(parser, WordDetectorConfig, "how words are found")


def main(args):
    if args.source == "-" and sys.stdin is None:
        raise DataError("stdin is closed (send samples into it, or name a recording)")
    accept = AcceptConfig(
        args.reject, 0.0 if args.reject and args.min_confidence == SURE else args.min_confidence
    )
    heard = listen(
        args.exp,
        sys.stdin.buffer if args.source == "-" else args.source,
        sound=from_args(SoundConfig, args),
        accept=accept,
        detection=from_args(WordDetectorConfig, args),
        method=args.method,
        same_speaker=args.same_speaker,
        speaker_file=args.speaker_file or None,
    )
    with contextlib.closing(heard):
        for word in heard:
            print(word.json_line() if args.json else word.line(), flush=True)
    return 0
