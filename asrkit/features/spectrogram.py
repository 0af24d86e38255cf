"""A recording as a picture: power by time and mel band, small enough to be sent and drawn."""

from dataclasses import dataclass

import numpy as np

from asrkit.features.mel import mel

WINDOW_S, HOP_S = 0.02, 0.005
BANDS = 48
MOST_COLUMNS = 800  # of a longer recording columns are further apart
RANGE_DB = 70.0  # below the loudest, all is black


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """Power in mel bands.

    Attributes
    ----------
    levels : uint8 (F, T)
        Low bands first; 255 is the loudest of all, 0 is `range_db` below it, and whatever is less.
    top_db : float
        Level of 255, dB re full scale.
    range_db : float
    centers_hz : float64 (F,)
    hop_s : float
        Column t is the sound about t hop_s + hop_s / 2.
    """

    levels: np.ndarray
    top_db: float
    range_db: float
    centers_hz: np.ndarray
    hop_s: float


def spectrogram(
    samples: np.ndarray, rate_hz: int, *, bands: int = BANDS, highest_hz: float | None = None
) -> Spectrogram:
    """Compute the spectrogram of a recording.

    Parameters
    ----------
    samples : float (N,)
        In [-1, 1). Works in float32: it is for the eye.
    rate_hz : int
    bands : int
    highest_hz : float, optional
        Where the highest band ends: half the rate, or less of what was recorded at a lower one.
    """
    length = max(2, round(WINDOW_S * rate_hz))
    columns = max(1, min(MOST_COLUMNS, round(len(samples) / rate_hz / HOP_S)))
    hop = max(1.0, len(samples) / columns)  # samples, a fraction where need be
    columns = max(1, min(columns, int(len(samples) / hop)))
    num_fft = 1 << (2 * length - 1).bit_length()  # finer than the window: low bands are narrow
    full = max(
        1.0, float(np.abs(samples).max(initial=0.0))
    )  # squares of what is far too loud would be infinite
    padded = np.pad(np.asarray(samples, dtype=np.float32) / np.float32(full), length)
    centers = length + ((np.arange(columns) + 0.5) * hop).astype(np.int64)
    frames = padded[(centers - length // 2)[:, None] + np.arange(length)]
    power = np.abs(np.fft.rfft(frames * np.hanning(length).astype(np.float32), num_fft)) ** 2
    lines = mel(np.arange(power.shape[1]) * rate_hz / num_fft)
    highest_hz = min(rate_hz / 2, highest_hz or np.inf)
    edges = np.linspace(0, mel(highest_hz), bands + 2)
    filters = np.maximum(0, 1 - np.abs(lines[:, None] - edges[1:-1]) / (edges[1] - edges[0]))
    filtered = power @ filters / np.maximum(filters.sum(axis=0), 1e-9) * (4 / length**2)
    power_db = 10 * np.log10(np.maximum(filtered.T, 1e-12)) + 20 * np.log10(full)
    top_db = float(power_db.max())
    levels = np.clip(255 * (1 + (power_db - top_db) / RANGE_DB), 0, 255).round().astype(np.uint8)
    return Spectrogram(levels, top_db, RANGE_DB, 700 * np.expm1(edges[1:-1] / 1127), hop / rate_hz)
