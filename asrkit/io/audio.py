"""Recordings: whatever libsndfile or ffmpeg reads, as float32 samples of one channel at one rate."""

import contextlib
import io
import logging
import mmap
import os
import re
import wave
from pathlib import Path

import numpy as np

from asrkit.audio.level import better_channel, silence_reason
from asrkit.audio.samples import FULL_SCALES, OTHER_SCALE, WARN_FULL_SCALES, resample
from asrkit.errors import DataError, told
from asrkit.io import ffmpeg
from asrkit.io.archive import resolve
from asrkit.io.containers import Mapped, decode, decode_blocks
from asrkit.io.pipes import is_pipe, run_pipe
from asrkit.io.places import RemotePath, is_url, real
from asrkit.io.plain_wav import read_plain_wav
from asrkit.io.remarks import Remarks

OFFSET = re.compile(r"(?P<path>.+):(?P<offset>[0-9]{1,18})")  # Kaldi's: wav.ark:13
STREAMED = 2**20  # samples: those of a minute at 16 kHz
UNKNOWN_LENGTH = 0x7FFFF000  # and above; sox writes this into a pipe, others all ones

log = logging.getLogger("asrkit")


def audio_info(rxfilename, *, base=None, allow_pipes=False, on_remarks=None):
    """(rate in Hz, samples a channel, channels) of a recording, counted from the data that is really there.

    Parameters
    ----------
    on_remarks : callable, optional
        Called with the Remarks of a recording that is odd, as it is read by `read_audio` without more.

    Raises
    ------
    DataError
        As `read_audio`, but for an empty recording and a silent channel.
    """
    samples, rate = _read(rxfilename, base, allow_pipes)
    odd = _remarks(samples, rate, 0, rxfilename) if len(samples) else None
    if odd and on_remarks:
        on_remarks(odd)
    return rate, len(samples), samples.shape[1]


def read_audio(
    rxfilename,
    *,
    rate=None,
    base=None,
    channel=0,
    stated=None,
    strict=False,
    allow_pipes=False,
    on_remarks=None,
    name="the recording",
):
    """Read one channel of a recording, resampled to `rate`.

    Parameters
    ----------
    rxfilename : path or file object
        A file, what wav.scp may name, or an open binary file.
    rate : int, optional
        Wanted rate in Hz; None keeps the recording's own.
    channel : int
        Which channel of a recording with several; taking one is a warning, or an error with `strict`.
    stated : int, optional
        The channel that `segments` state: it is taken instead, whatever `channel` and `strict` say.
    on_remarks : callable, optional
        Called with the Remarks of a recording that is odd, in place of the warnings.
    name : str
        What errors call an open file.

    Returns
    -------
    samples : numpy.ndarray
        float32 (N,), in [-1, 1), at `rate`.
    own_rate : int
        Hz, as recorded.

    Raises
    ------
    DataError
        The file is missing, unreadable, empty, cut off, or holds NaN or infinite samples; a float file is far beyond
        full scale; the channel is silent, and another is not.
    """
    if isinstance(rxfilename, (str, os.PathLike)):
        name, (data, own_rate) = rxfilename, _read(rxfilename, base, allow_pipes)
    else:
        data, own_rate = _read_stream(rxfilename, name)
    samples = _one_channel(data, own_rate, name, channel, stated, strict, on_remarks)
    return samples if rate is None else resample(samples, own_rate, rate), own_rate


def audio_blocks(
    rxfilename, *, base=None, channel=0, strict=False, allow_pipes=False, on_remarks=None, size=STREAMED
):
    """Read one channel of a recording that may be long, piece by piece, at its own rate.

    Parameters
    ----------
    size : int
        Samples that are held at a time. A recording with no more is what `read_audio` makes of it; of a longer one the
        remarks are about its beginning. Only what libsndfile reads of a file of its own comes in pieces.

    Returns
    -------
    blocks : iterator of numpy.ndarray
        float32 (N,). Going on may raise what `read_audio` raises.
    own_rate : int
    """
    options = {"channel": channel, "strict": strict, "on_remarks": on_remarks}
    path, offset = (None, None) if is_pipe(os.fspath(rxfilename)) else _place(os.fspath(rxfilename), base)
    here = path is not None and not isinstance(path, RemotePath)
    if here and offset is None and os.path.isfile(path) and os.path.getsize(path):
        plain = _plain_and_short(path, size)
        if plain is not None:
            return iter([_one_channel(*plain, rxfilename, stated=None, **options)]), plain[1]
        pieces = _pieces(path, rxfilename, size)
        with contextlib.suppress(_ForFfmpeg):
            own_rate = next(pieces)
            return _channel_of(pieces, own_rate, rxfilename, options), own_rate
    samples, own_rate = read_audio(rxfilename, base=base, allow_pipes=allow_pipes, **options)
    return iter([samples]), own_rate


def _plain_and_short(path, size):
    """What `read_plain_wav` reads of a file with no more than `size` bytes; None of others."""
    with contextlib.suppress(OSError):  # said by those who come after
        if os.path.getsize(path) <= size:
            with open(path, "rb", buffering=0) as stream:
                return read_plain_wav(stream.read())
    return None


class _ForFfmpeg(Exception):
    """libsndfile does not know the file, ffmpeg may."""


def _pieces(path, name, size):
    """Yield the rate and then the blocks, float32 (N, C), of a file."""
    try:
        with (
            open(path, "rb", buffering=0) as stream,
            Mapped(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            blocks = decode_blocks(stream.fileno(), data, name, size)
            try:
                yield next(blocks)
            except DataError:
                if not ffmpeg.is_for_ffmpeg(data, name):
                    raise
                raise _ForFfmpeg from None
            yield from blocks
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _channel_of(pieces, own_rate, name, options):
    """Yield one channel of blocks, float32 (N,), of which the first shows what is odd."""
    yield _one_channel(next(pieces), own_rate, name, stated=None, **options)
    for block in pieces:
        refuse_scale(float(np.abs(block[:, options["channel"]]).max(initial=0)), name)
        yield np.ascontiguousarray(block[:, options["channel"]])


def _one_channel(data, own_rate, name, channel, stated, strict, on_remarks):
    """The samples (N,) of the channel that is wanted of (N, C), what is odd being said."""
    if len(data) == 0:
        raise DataError(f"{name}: the recording is empty, 0 samples (record it again, or leave it out)")
    used, channels = channel if stated is None else stated, data.shape[1]
    if not 0 <= used < channels:
        raise DataError(f"{name}: channel {used} asked for, but it has {channels} (count starts at 0)")
    if channels > 1 and strict and stated is None:
        raise DataError(
            f"{name}: {channels} channels, channel {used} is used: refused by strict=true (mix it down to one channel)"
        )
    odd = _remarks(data, own_rate, used, name)
    samples = np.ascontiguousarray(data[:, used])
    if odd and odd.better and silence_reason(samples):
        raise DataError(f"{name}: channel {used} is silent, and {odd.why()}")
    if odd and stated is not None:  # whoever states it knows the others
        odd = Remarks(peak=odd.peak, name=odd.name)
    if odd and on_remarks:
        on_remarks(odd)
    elif odd:
        for line in odd.lines():
            log.warning("%s", line)
    return samples


def write_wav(path, samples, rate_hz):
    """Write a WAVE file of one channel in 16 bit; samples that were read from 16 bit keep their values.

    Not by soundfile, which waits for every file until it is on the disk: that took ten times as long as
    perturbing.

    Parameters
    ----------
    path : path
    samples : numpy.ndarray
        float (N,); what lies outside [-1, 1) is clipped.
    rate_hz : int

    Raises
    ------
    OSError
        The file can't be written.
    """
    try:
        with wave.open(str(path), "wb") as stream:
            stream.setparams((1, 2, rate_hz, 0, "NONE", None))
            stream.writeframes(np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes())
    except OSError as error:
        raise OSError(error.errno, f"cannot be written: {error.strerror}", str(path)) from None


def flac_bytes(samples, rate_hz):
    """Encode a recording of one channel as FLAC of 16 bit; samples that were read from 16 bit keep their values.

    Parameters
    ----------
    samples : numpy.ndarray
        float (N,); what lies outside [-1, 1) is clipped.
    rate_hz : int

    Returns
    -------
    bytes
    """
    import soundfile  # late: it loads a library

    stream = io.BytesIO()
    whole = np.clip(np.rint(np.asarray(samples, dtype=np.float64) * 32768), -32768, 32767).astype(np.int16)
    soundfile.write(stream, whole, rate_hz, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def _remarks(data, rate_hz, channel, name):
    """What is odd about samples (N, C), or None; a DataError where they are on another scale."""
    peak = float(np.abs(data[:, channel]).max())
    refuse_scale(peak, name)
    if data.shape[1] == 1 and peak < WARN_FULL_SCALES:
        return None
    return Remarks(data.shape[1], channel, better_channel(data, rate_hz, channel), peak, str(name))


def refuse_scale(peak, name):
    if peak >= FULL_SCALES:
        raise DataError(f"{name}: samples up to {peak:g} times full scale ({OTHER_SCALE})")


def _read(rxfilename, base, allow_pipes):
    """All channels, float32 (N, C), and the rate."""
    rxfilename = os.fspath(rxfilename)
    if is_pipe(rxfilename):
        data = run_pipe(rxfilename, allow_pipes)
        return _decode(io.BytesIO(data), data, rxfilename)
    path, offset = rxfilename, None
    if is_url(path) or not os.path.isfile(path):  # most are, and to look once is enough
        path, offset = _place(rxfilename, base)
        if isinstance(path, RemotePath):
            return _read_far(path, offset, rxfilename)
        if os.path.exists(path) and not os.path.isfile(path):
            raise DataError(f"{path}: not a file (wav.scp names recordings)")
    try:
        with open(path, "rb", buffering=0) as stream:
            if offset is not None:
                data = _entry(stream, offset, rxfilename)
                return decode(io.BytesIO(data), data, rxfilename)
            data = stream.read()
            stream.seek(0)
            # of BytesIO, libsndfile must call Python for every few bytes
            return _decode(stream.fileno(), data, rxfilename, path)
    except OSError as error:  # without strerror where soundfile finds no libsndfile
        raise DataError(f"{Path(path)}: cannot be read: {error.strerror or error}") from None


def _read_far(path, offset, name):
    """The same of a recording at a URL."""
    try:
        if offset is None:
            data = path.read_bytes()
            return _decode(io.BytesIO(data), data, name)
        with path.open("rb") as stream:
            data = _entry(stream, offset, name)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    return decode(io.BytesIO(data), data, name)


def located(rxfilename, base=None):
    """Say where a recording lies, links followed: what two entries of wav.scp have in common if they name the same."""
    path, offset = _place(os.fspath(rxfilename), base)
    return real(path) + ("" if offset is None else f":{offset}")


def _place(rxfilename, base):
    """The file, and where in it the recording begins, None where it is the file."""
    here = not is_url(rxfilename) and os.path.isfile(rxfilename)
    match = None if here else OFFSET.fullmatch(rxfilename)
    if match is None:
        return resolve(rxfilename, base), None
    return resolve(match["path"], base), int(match["offset"])


def _decode(source, data, name, path=None):
    """By libsndfile, and by ffmpeg what libsndfile does not know."""
    try:
        return decode(source, data, name)
    except DataError:
        if not ffmpeg.is_for_ffmpeg(data, name):
            raise
    wav = ffmpeg.convert(name, data, path)
    return decode(io.BytesIO(wav), wav, name)


def _entry(stream, offset, name):
    """The WAVE file at a place of an archive (Kaldi's wav-copy); other entries follow it, so that its header must say
    where it ends.
    """
    stream.seek(offset)
    head = stream.read(12)
    if head[:5] == b"AUDIO":
        raise DataError(
            f"{name}: an entry of kaldiio's own kind, AUDIO, which Kaldi does not read either (write it anew as WAV)"
        )
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise DataError(f"{name}: no WAV at that place of the archive (write it and its scp file anew)")
    size = int.from_bytes(head[4:8], "little")
    if size == 0 or size >= UNKNOWN_LENGTH:
        raise DataError(
            f"{name}: a WAV whose header does not say how long it is; what follows it in the archive would be taken for"
            " sound (write it anew)"
        )
    data = head + stream.read(size - 4)
    if len(data) < size + 8:
        raise DataError(
            f"{name}: cut off, {size + 8 - len(data)} bytes of the announced sound are missing (write the archive anew)"
        )
    return data


def _read_stream(stream, name):
    """The same of an open file."""
    if isinstance(stream, io.TextIOBase):
        raise DataError(f"{name} is a file opened as text, it should be opened as bytes: mode='rb'")
    try:
        data = stream.read()
    except (OSError, ValueError) as error:  # closed, or open for writing
        raise DataError(f"{name}: cannot be read: {error}") from None
    if not isinstance(data, bytes):
        raise DataError(f"{name}: its read() gives {told(data)}, it should give bytes")
    return _decode(io.BytesIO(data), data, name)
