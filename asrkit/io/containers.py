"""Sound files as bytes: what libsndfile decodes of them, all of it or nothing."""

import contextlib
import functools
import io

import numpy as np

from asrkit.audio.samples import MAX_RATE_HZ, MIN_RATE_HZ
from asrkit.errors import DataError
from asrkit.io.lengths import CUT, to_decode
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
    if not data:
        raise DataError(f"{rxfilename}: the file is empty, 0 bytes (record it again, or leave it out)")
    with reading(rxfilename, f"not a recording that libsndfile reads, {len(data)} bytes"):
        mended = to_decode(data, rxfilename)
        if mended is not None or not isinstance(source, int):
            source = _Bytes(data if mended is None else mended)
        samples, rate = _decoded(source, data, rxfilename)
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise DataError(
            f"{rxfilename}: its header says {rate} Hz, no rate for speech ({MIN_RATE_HZ} to {MAX_RATE_HZ}; write it anew)"
        )
    peak = np.abs(samples).max(initial=0)  # NaN if any sample is
    if not np.isfinite(peak):
        raise DataError(
            f"{rxfilename}: {np.sum(~np.isfinite(samples))} samples are NaN or infinite (record or convert it again)"
        )
    return samples, rate


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


def _decoded(source, data, name, *, most=MOST):
    """Decode all samples, float32 (N, C), no more than `most`, and the rate."""
    import soundfile

    blocks, total, announced = [], 0, None
    try:
        with _forward()(source, closefd=False) as sound:
            announced, channels, rate = sound.frames, sound.channels, sound.samplerate
            most = max(most, MOST_RATIO * len(data)) // channels
            step = max(BLOCK, BLOCK_RATIO * len(data)) // channels + 1
            while total < announced:
                block = np.empty((min(step, announced - total), channels), np.float32)
                if data.startswith(b"fLaC"):  # the decoder that can fail in the middle, and says not where
                    block.fill(np.nan)
                blocks.append(block)
                count = sound.buffer_read_into(block, "float32")
                if count < len(block):
                    blocks[-1] = block[:count]
                total += count
                if total > most:
                    raise DataError(
                        f"{name}: {len(data)} bytes hold more than {most} samples (write it anew)"
                    )
                if not count:
                    break
    except soundfile.LibsndfileError as error:
        why = error.error_string
        if announced is None:
            raise DataError(
                f"{name}: not a recording that libsndfile reads, {len(data)} bytes: {why}"
            ) from None
        total += int(np.isfinite(blocks[-1][:, 0]).sum()) if blocks else 0
        gap = f"{announced - total} samples {CUT}" if announced < UNKNOWN else f"{total} samples can be read"
        raise DataError(f"{name}: cut off or damaged, {gap}: {why}") from None
    if total < announced < UNKNOWN:
        raise DataError(f"{name}: cut off, {announced - total} samples {CUT}")
    if len(blocks) == 1:
        return blocks[0], rate
    return np.concatenate([np.empty((0, channels), np.float32), *blocks]), rate
