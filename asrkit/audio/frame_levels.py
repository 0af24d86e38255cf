"""Measure a recording frame by frame, block after block: level, spectrum in a few bands. Keeps no samples."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# thumps, hum and steps of the offset lie below; speech is heard without it
HIGH_PASS_HZ = 100
MEMORY_S = 0.15  # of the high-pass
BANDS = 16
EDGE, PIECE, FEWEST = 2, 8, 6  # frames; what lasts a tenth of a second has ten, of which six count
BLOCK = 250  # frames that are measured at once: bounds the memory whatever the recording's length


@dataclass(frozen=True)
class FrameLevels:
    """Measures of T frames.

    Attributes
    ----------
    level_db : numpy.ndarray
        (T,), relative to full scale, after a high-pass of 100 Hz.
    bands : numpy.ndarray
        float32 (T, B), power in bands of equal width on a logarithmic axis.
    num_samples : int
        Of the recording.
    """

    level_db: np.ndarray
    bands: np.ndarray
    num_samples: int

    def variation(self, start: int, end: int) -> float:
        """How much the spectrum changes within eight frames: 0 for steady tones, one after the other, too; 1 where no two
        frames share a band, and where there are too few to tell.

        The median over all frames of half the absolute difference of the bands' shares from their median in a piece of eight
        frames, or of all there are (total variation distance). Medians, as the frames in which a tone begins or ends hold
        it in part. Levels have no say, nor have the stretch's first and last frames.
        """
        bands = self.bands[start + EDGE : end - EDGE].astype(np.float64)
        if len(bands) < FEWEST:
            return 1.0
        pieces = bands[len(bands) % PIECE if len(bands) > PIECE else 0 :]
        pieces = pieces.reshape(-1, min(PIECE, len(bands)), bands.shape[1])
        shares = pieces / np.maximum(pieces.sum(axis=2, keepdims=True), 1e-30)
        return float(median((np.abs(shares - median(shares, axis=1)[:, None]).sum(axis=2) / 2).ravel()))


def median(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Compute the median along an axis, bit by bit as np.median, which imports numpy.ma: a twentieth of what `recognize` takes."""
    ordered, count = np.sort(values, axis=axis), values.shape[axis]
    low, high = ordered.take((count - 1) // 2, axis=axis), ordered.take(count // 2, axis=axis)
    return high if count % 2 else (low + high) / 2


def percentile(values: np.ndarray, percent: float) -> float:
    """Compute a percentile of float64 values (T,), likewise as np.percentile; NaN where there are none."""
    if not len(values):
        return np.nan
    place = (len(values) - 1) * (percent / 100)
    below, ordered = int(place), np.sort(values)
    low, high, share = ordered[below], ordered[min(below + 1, len(values) - 1)], place - below
    step = high - low
    return float(high - step * (1 - share) if share >= 0.5 else low + step * share)


def measure_frames(blocks: Iterable[np.ndarray], rate_hz: int, length: int, hop: int) -> FrameLevels:
    """Measure the frames of a recording.

    Parameters
    ----------
    blocks : iterable of numpy.ndarray
        Its samples, float (N,), in pieces of any lengths: the result does not depend on where they are cut.
    rate_hz : int
    length, hop : int
        Samples a frame, and from frame to frame; frames that are not whole are left out.

    Returns
    -------
    FrameLevels
    """
    high_pass = HighPass(rate_hz)
    window = np.hanning(length + 2)[1:-1]
    edges = np.searchsorted(
        np.fft.rfftfreq(length, 1 / rate_hz), np.geomspace(HIGH_PASS_HZ, rate_hz / 2, BANDS, endpoint=False)
    )
    edges = np.minimum(edges, length // 2)
    edges = edges[np.diff(edges, prepend=-1) > 0]  # each once; np.unique would import numpy.ma
    filtered, count, out = np.zeros(0), 0, []
    for piece in _in_pieces(blocks, BLOCK * hop):
        count += len(piece)
        filtered = np.concatenate([filtered, high_pass(piece.astype(np.float64))])
        num_frames = (len(filtered) - length) // hop + 1
        if num_frames > 0:
            out.append(_measure(filtered, length, hop, num_frames, window, edges))
            filtered = filtered[num_frames * hop :]
    if not out:
        return FrameLevels(np.zeros(0), np.zeros((0, BANDS), np.float32), count)
    return FrameLevels(*map(np.concatenate, zip(*out, strict=True)), num_samples=count)


class HighPass:
    """Butterworth high-pass of order 4, by overlap-save; it begins as if the first sample had stood there forever.

    The frequency response is that of scipy.signal.butter(4, 100, "highpass", fs=rate_hz), by the bilinear transform; but scipy.signal takes
    three times as long to import as all of asrkit that hears a recording.
    """

    def __init__(self, rate_hz: int) -> None:
        self._memory = int(MEMORY_S * rate_hz)  # samples; what is older has decayed to less than 1e-12
        self._before: np.ndarray | None = None
        self._rate_hz = rate_hz

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Filter the next samples, float64 (N,)."""
        if self._before is None:
            self._before = np.full(self._memory, samples[0])
        joined = np.concatenate([self._before, samples])
        self._before = joined[len(joined) - self._memory :]
        size = 1 << (len(joined) + self._memory - 1).bit_length()
        passed = np.fft.irfft(np.fft.rfft(joined, size) * _response(self._rate_hz, size), size)
        return passed[self._memory : len(joined)]


@functools.lru_cache(maxsize=8)
def _response(rate_hz: int, size: int) -> np.ndarray:
    """Of the high-pass, at the frequencies of an FFT of `size` samples."""
    w = np.tan(np.pi * np.arange(1, size // 2 + 1) / size) / np.tan(np.pi * HIGH_PASS_HZ / rate_hz)
    below = -1j / w  # of the low-pass whose mirror it is
    first, second = (2 * np.sin(np.pi * k / 8) for k in (1, 3))
    high = 1 / ((below**2 + first * below + 1) * (below**2 + second * below + 1))
    return np.concatenate([[0.0], high])  # at 0 Hz


def _in_pieces(blocks, size):
    """Yield pieces of `size` samples, the last of what is left: rounding must not depend on the blocks."""
    rest = []
    for block in blocks:
        for start in range(0, len(block), size):
            rest.append(block[start : start + size])
            if sum(map(len, rest)) >= size:
                joined = np.concatenate(rest)
                yield joined[:size]
                rest = [joined[size:]]
    joined = np.concatenate(rest) if rest else np.zeros(0)
    if len(joined):
        yield joined


def _measure(filtered, length, hop, num_frames, window, edges):
    frames = np.lib.stride_tricks.sliding_window_view(filtered, length)[: num_frames * hop : hop]
    power = np.einsum("tn,tn->t", frames, frames) / length
    spectra = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    return (
        10 * np.log10(np.maximum(power, 1e-12)),
        np.add.reduceat(spectra, edges, axis=1).astype(np.float32),
    )
