"""Turn a folder of recordings into a Kaldi data directory: wav.scp, text, utt2spk, spk2utt.

The place and name of a recording say which word it holds. By default the folder is the word (SRC/yes/1.wav);
otherwise --pattern tells, with {word}, {speaker}, and {index} or {*} for what only tells recordings apart.
A placeholder never holds `/` or a sign such as `_` that stands beside it in the pattern; of two placeholders
that touch, the first takes as little as it can. Without an extension the pattern fits every audio format.
An utterance is called speaker-word-index, or word-index where the speaker is not known.
A recording is what is called like one, and whatever else libsndfile opens; hidden files are passed over, all others
counted by suffix. A word of which nothing can be read is an error.
Where the recordings are not trimmed, more than 0.3 s of them not the word in the median, the words' ends are found and written to
DIR/segments, as detect-endpoints does.
"""

from asrkit.cli.options import add_auto, add_flag
from asrkit.cli.output import say
from asrkit.workflows.prepare_wavs import prepare_wavs

EXAMPLE = "example: asrkit prepare-wavs recordings data/all --pattern '{word}_{speaker}_{index}'"


def add_arguments(parser):
    parser.add_argument("src", metavar="SRC", help="folder of recordings")
    parser.add_argument("dir", metavar="DIR", help="data directory to write")
    add_flag(parser, "pattern", "{word}/{index}", "how a path below SRC is made up")
    parser.add_argument(
        "--speaker", metavar="NAME", help="one speaker for all (else each utterance is its own)"
    )
    parser.add_argument(
        "--map",
        dest="word_map",
        metavar="FILE",
        help="table of lines such as `Z zero`: what a {word} stands for",
    )
    add_auto(parser, "endpoints", "find the word in each recording; auto: where they are not trimmed")
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_flag(parser, "skip-bad", False, "leave out recordings that cannot be used instead of failing")
    add_flag(parser, "phrases", False, "a {word} with blanks is a phrase; else they become `_`")


def main(args):
    prepared = prepare_wavs(
        args.src,
        args.dir,
        pattern=args.pattern,
        speaker=args.speaker,
        word_map=args.word_map,
        skip_bad=args.skip_bad,
        phrases=args.phrases,
        endpoints=args.endpoints,
        jobs=args.nj,
    )
    say(prepared.lines())
    return 0
