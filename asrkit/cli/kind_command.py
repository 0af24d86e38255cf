"""The command `compute-NAME` of a kind of features that needs nothing but samples."""

from asrkit.cli.options import add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.features.kind import load
from asrkit.io.features import ReadConfig
from asrkit.workflows.compute_features import RecordingConfig, compute_features

ABOUT = """Compute {title} features of recordings: wav.scp (and segments) -> feats.scp, arks, utt2num_frames, utt2dur,
frontend.conf.

Options have the names of Kaldi's, where it has them; give them here or in a file with --config. Recordings of any rate are
resampled to --sample-frequency. The settings are written to DIR/frontend.conf and travel from there into every model.
"""


class KindCommand:
    """What stands for a module of `asrkit.cli.commands`."""

    def __init__(self, name):
        self.kind = load(name)
        self.__doc__ = ABOUT.format(title=self.kind.title)
        self.EXAMPLE = f"example: asrkit {self.kind.command} data/train --sample-frequency 8000 --nj 2"
        self.name = name

    def add_arguments(self, parser):
        add_recording_arguments(parser)
        add_flag(
            parser,
            "kind",
            self.name,
            "for a frontend.conf given as --config: nothing else",
            choices=(self.name,),
        )
        add_options(parser, self.kind, self.kind.title)

    def main(self, args):
        computed = compute_features(
            args.dir,
            from_args(self.kind, args),
            from_args(RecordingConfig, args),
            read=from_args(ReadConfig, args),
            jobs=args.nj,
        )
        say(computed.lines())
        return 0


def add_recording_arguments(parser):
    """What every command that makes features of recordings asks for."""
    parser.add_argument("dir", metavar="DIR", help="data directory with wav.scp")
    add_flag(parser, "nj", 1, "processes, and arks", minimum=1)
    add_options(parser, RecordingConfig)
    add_options(parser, ReadConfig)
