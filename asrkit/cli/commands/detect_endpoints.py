"""Find the speech in every recording: wav.scp -> segments, by energy and zero crossings.

Each recording is taken to hold one word; its segment gets the recording's name, so text and utt2spk stay as
they are. The thresholds adapt to each recording's own noise and peak level. The settings are written to
DIR/endpoint.conf and travel from there into every model, for `asrkit recognize`.
"""

import functools

from asrkit.audio.endpoint import EndpointConfig, detect_endpoints
from asrkit.cli.commands.compute_mfcc import CHUNK, warn_of_channels
from asrkit.config import add_flag, add_options, format_conf, from_args
from asrkit.errors import DataError
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import ENDPOINT_RECORD, ReadConfig, check_skipped, first_reasons, summary
from asrkit.io.files import atomic_write, write_table
from asrkit.runtime import ordered_map

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
    config, read = from_args(EndpointConfig, args), from_args(ReadConfig, args)
    data = read_data_dir(args.dir, require=("wav.scp",))
    if data.segments and not args.force:
        raise DataError(f"{data.path / 'segments'}: already there (--force true replaces it)")
    work = list(data.wav.items())
    chunks = [work[i : i + CHUNK] for i in range(0, len(work), CHUNK)]
    detect = functools.partial(
        detect_chunk,
        config=config,
        base=data.path,
        channel=args.channel,
        strict=args.strict,
        allow_pipes=read.allow_pipes,
    )
    segments, skipped, several = {}, {}, []
    spoken_s = total_s = 0.0
    for results in ordered_map(detect, chunks, jobs=args.nj, label=f"endpoints, {CHUNK} recordings a step"):
        for utt, ends, duration_s, channels, reason in results:
            if channels > 1:
                several.append(utt)
            if reason:
                skipped[utt] = reason
                continue
            segments[utt] = f"{utt} {ends[0]:.3f} {ends[1]:.3f}"
            spoken_s += ends[1] - ends[0]
            total_s += duration_s
    warn_of_channels(several, args.channel)
    check_skipped(skipped, read.max_skipped, "found", len(segments))
    if not segments:  # an empty table would say that the recordings are not cut at all
        raise DataError(f"{data.path}: no recording with speech in it{first_reasons(skipped)}")
    write_table(data.path / "segments", segments)
    with atomic_write(data.path / ENDPOINT_RECORD) as stream:
        stream.write(format_conf(config))
    print(f"{summary('found', len(segments), skipped)}: {spoken_s:.1f} s of speech in {total_s:.1f} s")
    return 0


def detect_chunk(chunk, config, base, channel, strict, allow_pipes):
    """(utt, (start_s, end_s) or None, duration in s, channels, reason or None) of some recordings."""
    out = []
    for utt, rxfilename in chunk:
        channels = [1]
        try:
            samples, rate = read_audio(
                rxfilename,
                base=base,
                channel=channel,
                strict=strict,
                allow_pipes=allow_pipes,
                on_channels=channels.append,
            )
        except DataError as error:
            out.append((utt, None, 0.0, 1, str(error)))
            continue
        ends = detect_endpoints(samples, rate, config)
        out.append((utt, ends, len(samples) / rate, channels[-1], None if ends else "no speech found"))
    return out
