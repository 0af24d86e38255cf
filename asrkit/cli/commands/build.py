"""Make a recogniser of your recordings with one command: prepare, train, estimate, report -> EXP.

SRC is a folder of recordings, my-words/left/1.wav (or as --pattern says), or a Kaldi data directory. Every step is a command of its
own, printed as it runs: prepare-wavs, compute-mfcc, train, crossval, score, report. What can be chosen by the data
is; to choose otherwise, type these commands yourself.

The last three lines say how many words were right in recordings that the models had not heard (whole speakers are held out where they
are known, else recordings), which words are confused, and what to record next: leaving half of the speakers out of training, or half
of each speaker's recordings, shows what more of them may bring. Called again it goes on where it stopped.
  EXP/final.npz         the model: asrkit recognize EXP new.wav
  EXP/report/report.md  table and pictures
  EXP/data, EXP/crossval, EXP/half-speakers, EXP/half-recordings
"""

import sys

from asrkit import families
from asrkit.cli import training_options
from asrkit.cli.options import add_flag, add_options, from_args
from asrkit.cli.output import say, speak_flags
from asrkit.io.features import ReadConfig
from asrkit.workflows.build import SourceConfig, build

EXAMPLE = "example: asrkit build my-words exp/mine --pattern '{word}/{speaker}_{index}'"


def add_arguments(parser):
    parser.add_argument("src", metavar="SRC", help="folder of recordings, or a data directory")
    parser.add_argument("exp", metavar="EXP", help="folder for the model and all else")
    parser.add_argument("--family", choices=families.names(), help="kind of model (default: by the data)")
    add_flag(
        parser, "pattern", SourceConfig.pattern, "how a path below SRC is made up, as prepare-wavs has it"
    )
    parser.add_argument("--speaker", metavar="NAME", help="one speaker for all")
    parser.add_argument(
        "--map",
        dest="word_map",
        metavar="FILE",
        help="table of lines such as `Z zero`: what a {word} stands for",
    )
    add_flag(parser, "skip-bad", False, "leave out recordings that cannot be used instead of failing")
    add_flag(parser, "phrases", False, "several words, of a folder's name or a text line, are one class")
    add_options(parser, ReadConfig)
    add_flag(parser, "nj", 1, "processes", minimum=1)


def tell(line):
    """Print a line while others are waited for."""
    say([line])
    sys.stdout.flush()


def main(args):
    speak_flags(training_options.all_flags())
    built = build(
        args.src,
        args.exp,
        family=args.family,
        reading=from_args(SourceConfig, args),
        phrases=args.phrases,
        read=from_args(ReadConfig, args),
        jobs=args.nj,
        tell=tell,
    )
    say(built.lines())
    return 0
