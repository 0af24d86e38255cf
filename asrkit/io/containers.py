"""Sound files as bytes: what libsndfile decodes of them, all of it or nothing."""

import contextlib
import functools
import io
import mmap

import numpy as np

from asrkit.audio.samples import MAX_RATE_HZ, MIN_RATE_HZ
from asrkit.errors import DataError
from asrkit.io.lengths import CUT, to_decode
from asrkit.io.plain_wav import read_plain_wav
from asrkit.io.reading import reading

# more samples than any field but those that mean "unknown": libsndfile says 2^63 - 1, or 2^41 and more of an MP3
UNKNOWN = 2**40
# samples decoded at a time: 8 a byte are more than a file has that is not compressed, but for the smallest
BLOCK, BLOCK_RATIO = 2**16, 8
# samples a file, or each of its bytes, may hold: an hour at 16 kHz; four times what Opus has at 6 kbit/s
MOST, MOST_RATIO = 2**26, 256


def decode(source, data, rxfilename):
    """Decode a recording: all channels, float32 (N, C), and the rate in Hz.

    What a header announces is a claim (`asrkit.io.lengths`): nothing is allocated by it.

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
        It is empty, cut off, damaged, no recording that libsndfile reads, or holds NaN or infinite samples.
    """
    plain = read_plain_wav(data)
    if plain is not None:
        return plain
    rate, *blocks = decode_blocks(source, data, rxfilename, max(BLOCK, BLOCK_RATIO * len(data)))
    return (blocks[0] if len(blocks) == 1 else np.concatenate(blocks)), rate


def decode_blocks(source, data, rxfilename, size):
    """Do as `decode` does, but yield the rate first, and then the samples in blocks of about `size`, at least one.

    `data` may be a `Mapped` file: then no more than a block is in memory. That it is cut off may come out at its end.
    """
    if not data:
        raise DataError(f"{rxfilename}: the file is empty, 0 bytes (record it again, or leave it out)")
    with reading(rxfilename, f"not a recording that libsndfile reads, {len(data)} bytes"):
        mended = to_decode(data, rxfilename)
        if mended is not None or not isinstance(source, int):
            source = _Bytes(data if mended is None else mended)
        blocks = _decoded(source, data, rxfilename, size)
        yield checked_rate(next(blocks), rxfilename)
        for block in blocks:
            if not np.isfinite(np.abs(block).max(initial=0)):
                raise DataError(
                    f"{rxfilename}: {np.sum(~np.isfinite(block))} samples are NaN or infinite (record or convert it again)"
                )
            yield block


def checked_rate(rate, name):
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise DataError(
            f"{name}: its header says {rate} Hz, no rate for speech ({MIN_RATE_HZ} to {MAX_RATE_HZ}; write it anew)"
        )
    return rate


class Mapped(mmap.mmap):
    """The bytes of a file that are read when they are looked at."""

    def startswith(self, start, place=0):
        """As that of bytes."""
        some = (start,) if isinstance(start, bytes) else start
        return any(self[place : place + len(one)] == one for one in some)


class _Bytes(io.BytesIO):
    """A file in memory where a seek to before its beginning goes nowhere, as in one on the disk.

    libsndfile tries that over broken headers, and what its call raised would be printed, not caught.
    """

    def seek(self, offset, whence=0):
        with contextlib.suppress(ValueError, OverflowError):
            super().seek(offset, whence)
        return self.tell()


@functools.cache
def _forward():
    """Make the SoundFile that does not seek after each read, which fails behind the end of a FLAC of unknown length."""
    import soundfile

    class Forward(soundfile.SoundFile):
        def seekable(self):
            return False

    return Forward


def _decoded(source, data, name, size, *, most=MOST):
    """Yield the rate, then all samples in blocks, float32 (N, C), no more than `most`."""
    import soundfile

    block, total, announced = np.empty((0, 1), np.float32), 0, None
    try:
        with _forward()(source, closefd=False) as sound:
            announced, channels = sound.frames, sound.channels
            yield sound.samplerate
            most, step = max(most, MOST_RATIO * len(data)) // channels, size // channels + 1
            while total < announced:
                block = np.empty((min(step, announced - total), channels), np.float32)
                if data.startswith(b"fLaC"):  # the decoder that can fail in the middle, and says not where
                    block.fill(np.nan)
                count = sound.buffer_read_into(block, "float32")
                total += count
                if total > most:
                    raise DataError(
                        f"{name}: {len(data)} bytes hold more than {most} samples (write it anew)"
                    )
                if not count:
                    break
                yield block[:count]
    except soundfile.LibsndfileError as error:
        why = error.error_string
        if announced is None:
            raise DataError(
                f"{name}: not a recording that libsndfile reads, {len(data)} bytes: {why}"
            ) from None
        total += int(np.isfinite(block[:, 0]).sum())
        gap = f"{announced - total} samples {CUT}" if announced < UNKNOWN else f"{total} samples can be read"
        raise DataError(f"{name}: cut off or damaged, {gap}: {why}") from None
    if total < announced < UNKNOWN:
        raise DataError(f"{name}: cut off, {announced - total} samples {CUT}")
    if not total:
        yield np.empty((0, channels), np.float32)
