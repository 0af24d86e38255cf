"""Recognise recordings: one line `file word loglik margin` each; with --confidence, --reject or --min-confidence, `file word loglik margin p`.

A phrase has `_` for its blanks in these lines (turn_left), and blanks in JSON.
loglik is the natural log-likelihood of the recording under the winning word, margin its lead over the
runner-up; it grows with the recording's length. p is the probability that the word was said, and not another one, noise, or a
word that no model knows (`-` where the model does not know how sure it may be: asrkit calibrate). With --reject 0.05 what is less
sure than all but 5 % of the rightly heard words of held-out recordings gets the word <unk>.

The speech is found in the recording first where the training did so, with its settings, and
otherwise in a recording that is clearly not trimmed (--endpoint true always looks, false takes all of the
recording). A recording in which the training's settings find none, or that is too short for every word, gets
the word `-`, the reason on stderr, and exit status 1. With --json each line is a JSON object, with the log-likelihoods of all words.

--nbest 3 prints, of each recording, the three likeliest words in lines `file word loglik margin p`, the likeliest first; the margin is the lead
over the best of the other words, and among the words is <unk>, that it was none of them. With --json they are the list "nbest" of objects with
word, posterior and log_likelihood. --reject does not change their order.

A model that was trained with --cmvn map gets to know who speaks: with --same-speaker true what it has heard in one
recording helps it with the next, and with --speaker-file FILE that goes on where the last call ended. Nothing is
learned from a recording in which no word is heard, or <unk>.
"""

import sys

from asrkit.cli.options import add_auto, add_flag, add_method, add_options, from_args
from asrkit.cli.output import in_words
from asrkit.errors import DataError
from asrkit.features.warp import HearWarpedConfig
from asrkit.words.confidence import AcceptConfig
from asrkit.workflows.hypothesis import nothing_json_line, nothing_line
from asrkit.workflows.recognizer import recognize_files

EXAMPLE = "example: asrkit recognize exp/chmm one.wav two.wav"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("wavs", metavar="WAV", nargs="+", help="recordings, one word each")
    add_auto(
        parser, "endpoint", "find the speech first; auto: as the training did, and in untrimmed recordings"
    )
    add_flag(parser, "channel", 0, "channel of recordings that have several", minimum=0)
    add_flag(parser, "strict", False, "refuse recordings with several channels")
    add_flag(parser, "same-speaker", False, "one speaker says all of them")
    add_flag(
        parser, "speaker-file", "", "what is known of that speaker: read if it is there, written at the end"
    )
    add_method(parser)
    field = HearWarpedConfig.__dataclass_fields__["test_warps"]
    add_flag(parser, "test-warps", field.default, field.metadata["help"])
    add_flag(parser, "confidence", False, "print how sure it is, too: p")
    add_flag(parser, "json", False, "print JSON, an object a line, p among it")
    add_flag(parser, "nbest", 0, "print the likeliest words of each, and their probabilities", minimum=0)
    add_options(parser, AcceptConfig)


def main(args):
    failed, accept = 0, from_args(AcceptConfig, args)
    with_p = args.confidence or accept.asked or args.nbest > 0
    heard = recognize_files(
        args.exp,
        args.wavs,
        method=args.method,
        endpoint=args.endpoint,
        channel=args.channel,
        strict=args.strict,
        same_speaker=args.same_speaker,
        speaker_file=args.speaker_file or None,
        test_warps=args.test_warps,
        accept=accept,
    )
    for path, found in heard:
        if isinstance(found, DataError):
            failed += 1
            print(
                nothing_json_line(path, str(found)) if args.json else nothing_line(path, with_p), flush=True
            )
            print(
                f"asrkit recognize: {in_words(str(found))}",
                file=sys.stderr,
            )
        elif args.json:
            print(found.json_line(path, args.nbest), flush=True)
        elif args.nbest:
            print(*found.nbest_lines(path, args.nbest), sep="\n", flush=True)
        else:
            print(found.line(path, with_p), flush=True)
    return 1 if failed else 0
