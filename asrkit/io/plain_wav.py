"""WAV files that are plainly whole, 16 bit, read straight: most recordings are, and libsndfile and its import cost more than all else of reading."""

import struct

import numpy as np

from asrkit.audio.samples import MAX_RATE_HZ, MIN_RATE_HZ

# RIFF, the bytes that follow, WAVE and "fmt ", 16, format, channels, rate, bytes a second, bytes a frame, bits
START = struct.Struct("<4sI8sIHHIIHH")
CHUNK = struct.Struct("<4sI")  # name, bytes that follow
FFMPEG = struct.Struct("<8sI14x")  # who wrote the file: Lavf58.29.100 or Lavf61.7.100, then zeros
WRITERS = ((b"INFOISFT", 14), (b"INFOISFT", 13))
PCM, WIDTH = 1, 2
MOST_CHANNELS = 1024  # of libsndfile
MOST_BYTES = 2**30  # lengths near 2^31 may mean that nobody knew them


def read_plain_wav(data):
    """Read a WAV file about whose header and length nothing is odd.

    Parameters
    ----------
    data : bytes
        All of the file.

    Returns
    -------
    (samples, rate in Hz) or None
        float32 (N, C) in [-1, 1), what libsndfile makes of it, to the bit; None for what it should have a look at.
    """
    if not START.size + CHUNK.size < len(data) < MOST_BYTES:
        return None
    riff, size, wave, head, form, channels, rate_hz, a_second, a_frame, bits = START.unpack_from(data)
    if (riff, size, wave, head) != (b"RIFF", len(data) - CHUNK.size, b"WAVEfmt ", 16):
        return None
    if (form, bits, a_frame, a_second) != (PCM, 8 * WIDTH, WIDTH * channels, a_frame * rate_hz):
        return None
    if not (0 < channels <= MOST_CHANNELS and MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ):
        return None
    name, size = CHUNK.unpack_from(data, START.size)
    first = START.size + CHUNK.size
    if name == b"LIST" and size == FFMPEG.size and first + size + CHUNK.size < len(data):
        if FFMPEG.unpack_from(data, first) not in WRITERS:
            return None
        name, size = CHUNK.unpack_from(data, first + size)
        first += FFMPEG.size + CHUNK.size
    if name != b"data" or size == 0 or first + size != len(data) or size % a_frame:
        return None
    values = np.frombuffer(data, "<i2", offset=first).reshape(-1, channels)
    return np.multiply(values, np.float32(2**-15), dtype=np.float32), rate_hz
