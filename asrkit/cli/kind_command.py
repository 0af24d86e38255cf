"""The command `compute-NAME` of a kind of features that needs nothing but samples."""

import argparse
import dataclasses

from asrkit.cli.options import add_cluster, add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.features.kind import load
from asrkit.io.features import ReadConfig
from asrkit.workflows.compute_features import RecordingConfig, compute_features
from asrkit.workflows.model_kind import model_kind

ABOUT = """Compute {title} features of recordings: wav.scp (and segments) -> feats.scp, arks, utt2num_frames, utt2dur,
frontend.conf.

Options have the names of Kaldi's, where it has them; give them here or in a file with --config. Recordings of any rate are
resampled to --sample-frequency. The settings are written to DIR/frontend.conf and travel from there into every model;
--like EXP takes them out of a model, so that it can decode or score these features.
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
        parser.add_argument(
            "--like",
            metavar="EXP",
            help=f"a model, or its folder: take the settings of its features; others of {self.kind.title} beside it are refused",
        )
        add_flag(
            parser,
            "kind",
            self.name,
            "for a frontend.conf given as --config: nothing else",
            choices=(self.name,),
        )
        add_options(parser, self.kind, self.kind.title)

    def add_chosen_arguments(self, parser, argv):
        """Let the settings of the model that --like names stand where the defaults do."""
        finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        finder.add_argument("--like")
        if like := finder.parse_known_args(argv)[0].like:
            parser.set_defaults(**dataclasses.asdict(model_kind(like, self.name)))

    def main(self, args):
        computed = compute_features(
            args.dir,
            from_args(self.kind, args),
            from_args(RecordingConfig, args),
            like=args.like,
            read=from_args(ReadConfig, args),
            jobs=args.nj,
        )
        say(computed.lines())
        return 0


def add_recording_arguments(parser):
    """What every command that makes features of recordings asks for."""
    parser.add_argument("dir", metavar="DIR", help="data directory with wav.scp")
    add_flag(parser, "nj", 1, "processes, and arks", minimum=1)
    add_cluster(parser)
    add_options(parser, RecordingConfig)
    add_options(parser, ReadConfig)
