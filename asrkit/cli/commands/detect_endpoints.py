"""Find the speech in every recording: wav.scp -> segments, by its level, and its weak edges band by band.

Each recording is taken to hold one word; its segment gets the recording's name, so text and utt2spk stay as
they are. The thresholds adapt to each recording's own noise and peak level. The settings are written to
DIR/endpoint.conf and travel from there into every model, for `asrkit recognize`.
"""

from asrkit.audio.endpoint import EndpointConfig
from asrkit.cli.options import add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.detect_endpoints import detect_endpoints

EXAMPLE = "example: asrkit detect-endpoints data/train --padding-ms 80"


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with wav.scp")
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_flag(parser, "channel", 0, "channel of recordings that have several", minimum=0)
    add_flag(parser, "strict", False, "refuse recordings with several channels")
    add_flag(parser, "force", False, "replace segments that are there already")
    add_options(parser, ReadConfig)
    add_options(parser, EndpointConfig, "detection")


def main(args):
    detected = detect_endpoints(
        args.dir,
        config=from_args(EndpointConfig, args),
        read=from_args(ReadConfig, args),
        channel=args.channel,
        strict=args.strict,
        force=args.force,
        jobs=args.nj,
    )
    say(detected.lines())
    return 0
