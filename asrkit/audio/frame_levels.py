"""Measure a recording frame by frame, block after block: level, spectrum in a few bands. Keeps no samples."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# thumps, hum and steps of the offset lie below; speech is heard without it
HIGH_PASS_HZ, HIGH_PASS_ORDER = 100, 4
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
        return float(np.median(np.abs(shares - np.median(shares, axis=1, keepdims=True)).sum(axis=2) / 2))


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
    from scipy import signal  # late: it is slow to import, and most commands find no endpoints

    high_pass = signal.butter(HIGH_PASS_ORDER, HIGH_PASS_HZ, "highpass", fs=rate_hz, output="sos")
    state = signal.sosfilt_zi(high_pass)
    window = np.hanning(length + 2)[1:-1]
    edges = np.searchsorted(
        np.fft.rfftfreq(length, 1 / rate_hz), np.geomspace(HIGH_PASS_HZ, rate_hz / 2, BANDS, endpoint=False)
    )
    edges = np.unique(np.minimum(edges, length // 2))
    filtered, count, out = np.zeros(0), 0, []
    for piece in _in_pieces(blocks, BLOCK * hop):
        piece = piece.astype(np.float64)
        if not count:
            state = state * piece[0]
        count += len(piece)
        passed, state = signal.sosfilt(high_pass, piece, zi=state)
        filtered = np.concatenate([filtered, passed])
        num_frames = (len(filtered) - length) // hop + 1
        if num_frames > 0:
            out.append(_measure(filtered, length, hop, num_frames, window, edges))
            filtered = filtered[num_frames * hop :]
    if not out:
        return FrameLevels(np.zeros(0), np.zeros((0, BANDS), np.float32), count)
    return FrameLevels(*map(np.concatenate, zip(*out, strict=True)), num_samples=count)


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
