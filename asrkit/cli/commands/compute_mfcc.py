"""Compute MFCC features: wav.scp (and segments) -> feats.scp, arks, utt2num_frames, utt2dur, frontend.conf.

The options are those of Kaldi's compute-mfcc-feats; give them here or in a file with --config conf/mfcc.conf.
Recordings of any rate are resampled to --sample-frequency. The settings are written to DIR/frontend.conf and
travel from there into every model.
"""

import functools
import logging
import os
import sys
from pathlib import Path

import numpy as np

from asrkit.config import add_flag, add_options, format_conf, from_args
from asrkit.errors import DataError, UsageError
from asrkit.features.frontend import MfccConfig, compute_mfcc
from asrkit.io.archive import write_archive
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import MFCC_RECORD, ReadConfig, check_skipped, first_reasons, summary, unusable
from asrkit.io.files import atomic_write, c_sorted, read_table, remove, write_table
from asrkit.runtime import ordered_map

EXAMPLE = "example: asrkit compute-mfcc data/train --config conf/mfcc.conf --nj 2"
CHUNK = 50  # recordings a unit of work; fixed, so that nothing depends on --nj
# Kaldi's others are for whole numbers and for values from 0 to 1: they would spoil features
COMPRESSIONS = (0, 1, 2, 3, 5)

log = logging.getLogger("asrkit")


def add_arguments(parser):
    add_recording_arguments(parser)
    add_options(parser, MfccConfig, "MFCC")


def add_recording_arguments(parser):
    """What every command that makes features of recordings asks for."""
    parser.add_argument("dir", metavar="DIR", help="data directory with wav.scp")
    add_flag(parser, "nj", 1, "processes, and arks", minimum=1)
    add_flag(parser, "channel", 0, "channel of recordings that have several", minimum=0)
    add_flag(parser, "strict", False, "refuse recordings with several channels")
    add_flag(parser, "allow-downsample", True, "resample recordings of a higher rate; false skips them")
    add_flag(
        parser,
        "allow-upsample",
        True,
        "resample recordings of a lower rate, with a warning; false skips them",
    )
    add_flag(parser, "min-duration", 0.0, "skip utterances shorter than this, in seconds", minimum=0)
    add_flag(parser, "compress", 0, "Kaldi's compression method: 1, 2, 3 or 5; 0 stores float32")
    add_options(parser, ReadConfig)


def main(args):
    config = from_args(MfccConfig, args)
    compute = functools.partial(compute_mfcc, config=config)
    return write_features(args, "mfcc", compute, config, config.sample_rate_hz, config.frame_shift_ms / 1000)


def write_features(
    args, kind, compute, config, rate_hz, frame_shift_s, *, chunk=CHUNK, max_duration_s=np.inf
):
    """Features of a data directory's recordings, and all that is written about them.

    Parameters
    ----------
    args : argparse.Namespace
        With what `add_recording_arguments` asks for.
    kind : str
        Part of the arks' names.
    compute : callable
        Samples at `rate_hz` -> (T, D), T being 0 where they are too few; importable by name, for the
        processes.
    config : dataclass
        What becomes frontend.conf.
    chunk : int
        Recordings a unit of work.

    Returns
    -------
    int
        Exit status.
    """
    read = from_args(ReadConfig, args)
    if args.compress not in COMPRESSIONS:
        raise UsageError(f"--compress={args.compress} is none of {', '.join(map(str, COMPRESSIONS))}")
    data = read_data_dir(args.dir, require=("wav.scp",))
    work = recordings(data)
    if not work:
        raise DataError(f"{data.path}: no utterances (asrkit prepare-wavs makes a data directory)")
    chunks = [work[i : i + chunk] for i in range(0, len(work), chunk)]
    extract = functools.partial(
        extract_chunk,
        compute=compute,
        rate_hz=rate_hz,
        base=data.path,
        channel=args.channel,
        strict=args.strict,
        allow_pipes=read.allow_pipes,
        allowed=(args.allow_downsample, args.allow_upsample),
        durations_s=(args.min_duration, max_duration_s),
    )
    results = ordered_map(extract, chunks, jobs=args.nj, label=f"{kind.upper()}, {chunk} recordings a step")
    skipped, frames, durations, slow, several = {}, {}, {}, [], []

    def usable(count):
        for _ in range(count):
            for utt, feats, duration_s, rate, channels, reason in next(results):
                if channels > 1:
                    several.append(utt)
                if reason:
                    skipped[utt] = reason
                    continue
                frames[utt], durations[utt] = len(feats), f"{duration_s:.3f}".rstrip("0").rstrip(".")
                if rate < rate_hz:
                    slow.append(utt)
                yield utt, feats

    # Under names of their own until all is known to be well: the old features stay whole if this breaks off.
    stem = f"raw_{kind}_{data.path.resolve().name}"
    new = [data.path / "data" / f".{stem}.{job}.ark" for job in range(1, args.nj + 1)]
    try:
        for ark, part in zip(new, np.array_split(np.arange(len(chunks)), args.nj), strict=True):
            write_archive(ark, ark.with_suffix(".scp"), usable(len(part)), compression=args.compress or None)
        check_skipped(skipped, read.max_skipped, "computed", len(frames))
        if not frames:
            raise DataError(f"{data.path}: no recording could be used{first_reasons(skipped)}")
        for name in ("feats.scp", "cmvn.scp"):
            retire(data.path / name)
        scp = publish(new)
    finally:
        for ark in new:
            remove(ark)
            remove(ark.with_suffix(".scp"))
    warn_of_channels(several, args.channel)
    if slow:
        log.warning(
            "%d recordings (%s, ...) have a lower rate than the %d Hz of the features: resampled, but their upper band is empty",
            len(slow),
            slow[0],
            rate_hz,
        )
    write_table(data.path / "utt2num_frames", frames)
    write_table(data.path / "utt2dur", durations)
    with atomic_write(data.path / "frame_shift") as stream:
        stream.write(f"{frame_shift_s:g}\n")
    with atomic_write(data.path / MFCC_RECORD) as stream:
        stream.write(format_conf(config))
    write_table(data.path / "feats.scp", scp)  # last: where it is, the others are
    print(
        f"{summary('computed', len(frames), skipped)}: {sum(frames.values())} frames in {data.path / 'feats.scp'}"
    )
    return 0


def publish(arks):
    """Give arks and their scp files the names without the leading dot; returns their entries together."""
    entries = {}
    for ark in arks:
        final = Path(os.path.abspath(ark.with_name(ark.name[1:])))
        own = read_table(ark.with_suffix(".scp"), check_sorted=False)  # in the order of the recordings
        own = {utt: f"{final}:{spec.rpartition(':')[2]}" for utt, spec in own.items()}
        os.replace(ark, final)
        with atomic_write(final.with_suffix(".scp")) as stream:
            stream.writelines(f"{utt} {spec}\n" for utt, spec in own.items())
        entries.update(own)
    return entries


def recordings(data):
    """(recording, its file, [(utt, start_s, end_s)]) in C-locale order; the whole recording is (utt, 0, -1)."""
    by_recording = {}
    for utt, segment in data.segments.items():
        if segment.recording not in data.wav:
            raise DataError(
                f"{data.path / 'segments'}: utterance '{utt}' is of recording '{segment.recording}', which is not in wav.scp"
                f" (asrkit fix-data {data.path} removes it)"
            )
        by_recording.setdefault(segment.recording, []).append((utt, segment.start_s, segment.end_s))
    if not data.segments:
        by_recording = {utt: [(utt, 0.0, -1.0)] for utt in data.wav}
    return [(name, data.wav[name], by_recording[name]) for name in c_sorted(by_recording)]


def cut(samples, rate_hz, start_s, end_s):
    """The samples of a segment; an end of -1 means the recording's own."""
    if end_s < 0:
        return samples[int(round(start_s * rate_hz)) :]
    if end_s > len(samples) / rate_hz + 0.05:
        raise DataError(f"segment ends at {end_s:g} s, the recording at {len(samples) / rate_hz:g} s")
    return samples[int(round(start_s * rate_hz)) : int(round(end_s * rate_hz))]


def warn_of_channels(utts, channel):
    """One warning for all recordings with several channels, where one each would bury the rest."""
    if utts:
        log.warning(
            "%d recordings (%s, ...) have several channels: channel %d is used (--channel, --strict)",
            len(utts),
            utts[0],
            channel,
        )


def rate_reason(own_hz, wanted_hz, allow_downsample, allow_upsample):
    """Why a recording's rate is refused, or None."""
    if own_hz > wanted_hz and not allow_downsample:
        return f"recorded at {own_hz} Hz, above {wanted_hz} Hz, and --allow-downsample is false"
    if own_hz < wanted_hz and not allow_upsample:
        return f"recorded at {own_hz} Hz, below {wanted_hz} Hz, and --allow-upsample is false"
    return None


def silence_reason(samples):
    """Why these samples hold nothing to hear, or None."""
    if not len(samples):
        return "no samples"
    if not np.abs(samples - samples.mean()).max() > 1e-4:  # about three steps of 16-bit sound
        return "silent"
    return None


def extract_chunk(chunk, compute, rate_hz, base, channel, strict, allow_pipes, allowed, durations_s):
    """Features of some recordings: (utt, feats or None, duration in s, own rate in Hz, channels, reason or
    None).
    """
    out = []
    for _, rxfilename, parts in chunk:
        channels = [1]
        try:
            samples, own_rate = read_audio(
                rxfilename,
                rate=rate_hz,
                base=base,
                channel=channel,
                strict=strict,
                allow_pipes=allow_pipes,
                on_channels=channels.append,
            )
        except DataError as error:
            out += [(utt, None, 0.0, 0, 1, str(error)) for utt, _, _ in parts]
            continue
        for utt, start_s, end_s in parts:
            try:
                part = cut(samples, rate_hz, start_s, end_s)
            except DataError as error:
                out.append((utt, None, 0.0, 0, 1, str(error)))
                continue
            reason = silence_reason(part) or rate_reason(own_rate, rate_hz, *allowed)
            least_s, most_s = durations_s
            if len(part) < least_s * rate_hz:
                reason = f"{len(part) / rate_hz:.3f} s, less than --min-duration={least_s:g}"
            if len(part) > most_s * rate_hz:
                reason = f"{len(part) / rate_hz:.3f} s, more than --max-duration={most_s:g}"
            feats = None
            if reason is None:
                feats = compute(part)
                reason = unusable(feats)
                if not len(feats):
                    reason = f"{len(part) / rate_hz:.3f} s, shorter than one window"
            out.append((utt, feats, len(part) / rate_hz, own_rate, channels[-1], reason))
    return out


def retire(path):
    """Move an old table to .backup: feats.scp's arks are about to be written anew, cmvn.scp is about the old
    features.
    """
    if path.exists():
        try:
            (path.parent / ".backup").mkdir(exist_ok=True)
            os.replace(path, path.parent / ".backup" / path.name)
        except OSError as error:
            raise DataError(f"{path}: cannot be replaced: {error.strerror}") from None
        print(f"{path} moved to {path.parent / '.backup'}", file=sys.stderr)
