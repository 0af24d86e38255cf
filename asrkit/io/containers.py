"""Sound files as bytes: what libsndfile decodes of them, and whether all is there that their headers announce."""

import struct

import numpy as np

from asrkit.audio.samples import MIN_RATE_HZ
from asrkit.errors import DataError


def decode(source, data, rxfilename):
    """Decode a recording: all channels, float32 (N, C), and the rate in Hz.

    Parameters
    ----------
    source : file descriptor or file object
        At its beginning.
    data : bytes
        All that is in it.
    rxfilename : str
        What errors call it.

    Raises
    ------
    DataError
        It is empty, cut off, no recording that libsndfile reads, or holds NaN or infinite samples.
    """
    import soundfile

    if not data:
        raise DataError(f"{rxfilename}: the file is empty, 0 bytes (record it again, or leave it out)")
    try:
        with soundfile.SoundFile(source, closefd=False) as sound:
            announced = sound.frames
            # GSM cannot seek to find its end
            samples = sound.read(announced, dtype="float32", always_2d=True)
            rate = sound.samplerate
    except soundfile.LibsndfileError as error:
        raise DataError(
            f"{rxfilename}: not a recording that libsndfile reads: {error.error_string}"
        ) from None
    missing = _missing_bytes(data)
    if missing or len(samples) < announced:
        gap = f"{missing} bytes" if missing else f"{announced - len(samples)} samples"
        raise DataError(f"{rxfilename}: cut off, {gap} of the announced sound are missing (copy it again)")
    if rate < MIN_RATE_HZ:
        raise DataError(
            f"{rxfilename}: its header says {rate} Hz, no rate for speech (at least {MIN_RATE_HZ}; write it anew)"
        )
    peak = np.abs(samples).max(initial=0)  # NaN if any sample is
    if not np.isfinite(peak):
        raise DataError(
            f"{rxfilename}: {np.sum(~np.isfinite(samples))} samples are NaN or infinite (record or convert it again)"
        )
    return samples, rate


def _missing_bytes(data):
    """How many bytes a WAVE, AIFF or Ogg file announces but does not have (libsndfile keeps silent about it)."""
    if data[:4] == b"OggS":
        return _missing_of_ogg(data)
    if data[:4] == b"FORM":
        return _lacking(struct.unpack(">I", data[4:8])[0], len(data) - 8)
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return 0
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack("<4sI", data[place : place + 8])
        if name == b"data":
            return _lacking(size, len(data) - place - 8)
        place += 8 + size + size % 2
    return 0


def _lacking(announced, present):
    """A program that could not seek back writes a length of all ones: it is not known, and not wrong."""
    return 0 if announced >= 0x7FFFFFFF else max(0, announced - present)


def _missing_of_ogg(data):
    """What the last page of an Ogg file lacks; its length stands before it (RFC 3533, section 6)."""
    place = 0
    while data[place : place + 4] == b"OggS":
        count = data[place + 26] if place + 26 < len(data) else 0
        place += 27 + count + sum(data[place + 27 : place + 27 + count])
    return max(0, place - len(data))
