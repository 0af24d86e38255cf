"""Recordings: whatever libsndfile reads, as float32 samples of one channel at one rate."""

import io
import logging
import os
import wave

import numpy as np

from asrkit.audio.samples import resample
from asrkit.errors import DataError, told
from asrkit.io.archive import is_pipe, refuse_pipe, resolve
from asrkit.io.containers import decode

log = logging.getLogger("asrkit")


def audio_info(rxfilename, *, base=None, allow_pipes=False):
    """(rate in Hz, samples a channel, channels) of a recording, counted from the data that is really there."""
    samples, rate = _read(rxfilename, base, allow_pipes)
    return rate, len(samples), samples.shape[1]


def read_audio(
    rxfilename,
    *,
    rate=None,
    base=None,
    channel=0,
    strict=False,
    allow_pipes=False,
    on_channels=None,
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
    on_channels : callable, optional
        Called with the number of channels of such a recording, in place of the warning.
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
        The file is missing, unreadable, empty, cut off, or holds NaN or infinite samples.
    """
    if isinstance(rxfilename, (str, os.PathLike)):
        name, (data, own_rate) = rxfilename, _read(rxfilename, base, allow_pipes)
    else:
        data, own_rate = _read_stream(rxfilename, name)
    if len(data) == 0:
        raise DataError(f"{name}: the recording is empty, 0 samples (record it again, or leave it out)")
    channels = data.shape[1]
    if not 0 <= channel < channels:
        raise DataError(f"{name}: channel {channel} asked for, but it has {channels} (count starts at 0)")
    if channels > 1:
        message = f"{name}: {channels} channels, channel {channel} is used"
        if strict:
            raise DataError(f"{message}: refused by strict=true (mix it down to one channel)")
        if on_channels:
            on_channels(channels)
        else:
            log.warning("%s", message)
    samples = np.ascontiguousarray(data[:, channel])
    return samples if rate is None else resample(samples, own_rate, rate), own_rate


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


def _read(rxfilename, base, allow_pipes):
    """All channels, float32 (N, C), and the rate."""
    rxfilename = os.fspath(rxfilename)
    refuse_pipe(rxfilename, allow_pipes)
    if is_pipe(rxfilename):
        from kaldiio.utils import open_like_kaldi

        with open_like_kaldi(rxfilename, "rb") as stream:
            data = stream.read()
        return decode(io.BytesIO(data), data, rxfilename)
    path = rxfilename
    if not os.path.isfile(path):
        path = resolve(rxfilename, base)
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: not a file (wav.scp names recordings)")
    try:
        with open(path, "rb", buffering=0) as stream:
            data = stream.read()
            stream.seek(0)
            # of BytesIO, libsndfile must call Python for every few bytes
            return decode(stream.fileno(), data, rxfilename)
    except OSError as error:  # without strerror where soundfile finds no libsndfile
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


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
    return decode(io.BytesIO(data), data, name)
