"""A recording as a picture: power by time and mel band, small enough to be sent and drawn."""

from dataclasses import dataclass

import numpy as np

from asrkit.features.mel import mel

WINDOW_S, HOP_S = 0.02, 0.005
BANDS = 48
MOST_COLUMNS = 800  # of a longer recording columns are further apart
RANGE_DB = 70.0  # below the loudest, all is black
AT_ONCE = 1024  # windows of a long recording


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


def mel_power_db(samples: np.ndarray, rate_hz: int, hop: int, num_fft: int, bands: int) -> np.ndarray:
    """Compute the power in mel bands about every `hop`-th sample, as librosa's melspectrogram and power_to_db do.

    Parameters
    ----------
    samples : float32 (N,)
        Silence stands before and behind. Works in float32.
    rate_hz, hop, num_fft, bands : int
        Windows of `num_fft` samples, a Hann's.

    Returns
    -------
    float32 (bands, 1 + N // hop)
        dB, -100 at the least; low bands first.
    """
    padded = np.pad(np.asarray(samples, dtype=np.float32), num_fft // 2)
    starts = hop * np.arange(1 + (len(padded) - num_fft) // hop)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(num_fft) / num_fft)).astype(np.float32)
    edges_hz = slaney_hz(bands + 2, rate_hz / 2)
    lines_hz = np.arange(num_fft // 2 + 1)[:, None] * rate_hz / num_fft
    rise, fall = (
        (lines_hz - edges_hz[:-2]) / np.diff(edges_hz)[:-1],
        (edges_hz[2:] - lines_hz) / np.diff(edges_hz)[1:],
    )
    filters = np.maximum(0, np.minimum(rise, fall)) * 2 / (edges_hz[2:] - edges_hz[:-2])  # equal areas
    filters = filters.astype(np.float32)
    power = np.empty((len(starts), bands), dtype=np.float32)
    for first in range(0, len(starts), AT_ONCE):
        frames = padded[starts[first : first + AT_ONCE, None] + np.arange(num_fft)]
        power[first : first + AT_ONCE] = np.abs(np.fft.rfft(frames * window)) ** 2 @ filters
    return 10 * np.log10(np.maximum(power.T, np.float32(1e-10)))


def line_power_db(samples: np.ndarray, rate_hz: int, hop: int, length: int, num_fft: int) -> np.ndarray:
    """Compute the short-time power spectrum: Hann windows of `length` samples about every `hop`-th, on a linear axis of frequencies.

    Returns
    -------
    float64 (num_fft // 2 + 1, 1 + N // hop)
        dB, of a sine of full scale 0; -120 at the least. Line k is k rate_hz / num_fft.
    """
    padded = np.pad(np.asarray(samples, dtype=np.float64), length // 2)
    starts = hop * np.arange(1 + (len(padded) - length) // hop)
    window = np.hanning(length + 1)[:-1]
    power = np.empty((len(starts), num_fft // 2 + 1))
    for first in range(0, len(starts), AT_ONCE):
        frames = padded[starts[first : first + AT_ONCE, None] + np.arange(length)]
        power[first : first + AT_ONCE] = np.abs(np.fft.rfft(frames * window, num_fft)) ** 2
    return 10 * np.log10(np.maximum(power.T * 4 / window.sum() ** 2, 1e-12))


def slaney_hz(count: int, highest_hz: float) -> np.ndarray:
    """Frequencies from 0 to `highest_hz`, equally far apart on Slaney's mel scale, which librosa takes: float64 (count,).

    200/3 Hz are one mel up to 1000 Hz; beyond, 27 mel are a factor of 6.4.
    """
    bend_hz, bend, step = 1000.0, 15.0, np.log(6.4) / 27
    top = bend + np.log(highest_hz / bend_hz) / step if highest_hz > bend_hz else highest_hz * bend / bend_hz
    mels = np.linspace(0, top, count)
    return np.where(
        mels < bend, mels * bend_hz / bend, bend_hz * np.exp(step * (np.maximum(mels, bend) - bend))
    )
