"""Find where the speech in a recording starts and ends, by energy and zero crossings.

After Rabiner and Sambur (1975), "An algorithm for determining the endpoints of isolated utterances", with
thresholds taken from the recording's own distribution of levels instead of its first 100 ms, so that a
recording that begins with speech is not taken for noise.
"""

from dataclasses import dataclass

import numpy as np

from asrkit.config import check_fields, option
from asrkit.errors import SettingsError


@dataclass(frozen=True)
class EndpointConfig:
    """Settings of the endpoint detection; thresholds adapt to each recording's own noise and peak level."""

    frame_length_ms: float = option(
        25.0, "window of the energy", flag="endpoint-frame-length", minimum=1, maximum=1000
    )
    frame_shift_ms: float = option(
        10.0, "hop of the energy", flag="endpoint-frame-shift", minimum=1, maximum=1000
    )
    high_fraction: float = option(0.4, "of the way from noise to peak level, in dB: certainly speech")
    low_fraction: float = option(0.15, "of the way from noise to peak level, in dB: the speech's edges")
    low_db: float = option(6.0, "the edges are at least this far above the noise", minimum=0, maximum=100)
    crossing_ms: float = option(
        150.0,
        "how far from an edge weak fricatives are looked for by their zero crossings",
        minimum=0,
        maximum=60000,
    )
    max_gap_ms: float = option(
        250.0,
        "pauses inside a word up to this length are kept (stops, for example)",
        minimum=0,
        maximum=60000,
    )
    padding_ms: float = option(50.0, "kept before and after the speech", minimum=0, maximum=60000)
    min_speech_ms: float = option(100.0, "shorter bursts are no speech", minimum=0, maximum=60000)
    min_range_db: float = option(
        10.0,
        "less than this between noise and peak: the whole recording is taken as one level",
        minimum=0,
        maximum=100,
    )

    def __post_init__(self):
        check_fields(self)
        if not 0 < self.low_fraction <= self.high_fraction < 1:
            raise SettingsError(
                f"low_fraction={self.low_fraction} and high_fraction={self.high_fraction} must rise between 0 and 1"
            )


SILENCE_DB = -80.0  # below this, relative to full scale, a recording holds nothing to hear


def detect_endpoints(
    samples: np.ndarray, rate_hz: int, config: EndpointConfig = EndpointConfig()
) -> tuple[float, float] | None:
    """Find the one word in a recording.

    Parameters
    ----------
    samples : numpy.ndarray
        float (N,), in [-1, 1).
    rate_hz : int
    config : EndpointConfig

    Returns
    -------
    (start_s, end_s) or None
        Padding included, inside the recording; None where nothing but silence was found.
    """
    length, hop = (
        max(1, round(rate_hz * ms / 1000)) for ms in (config.frame_length_ms, config.frame_shift_ms)
    )
    level_db, crossings = _levels(samples, rate_hz, length, hop)
    if not len(level_db) or level_db.max() < SILENCE_DB:
        return None
    duration_s = len(samples) / rate_hz
    noise_db, peak_db = np.percentile(level_db, 10), np.percentile(level_db, 99)
    noise_db = max(noise_db, SILENCE_DB)
    if peak_db - noise_db < config.min_range_db:
        return 0.0, duration_s  # no pause to measure noise in: a recording that was trimmed already
    low = noise_db + max(config.low_db, config.low_fraction * (peak_db - noise_db))
    high = max(low, noise_db + config.high_fraction * (peak_db - noise_db))
    shift_s = hop / rate_hz
    runs = _speech_runs(level_db, low, high, round(config.max_gap_ms / config.frame_shift_ms))
    runs = [(a, b) for a, b in runs if (b - a) * shift_s * 1000 >= config.min_speech_ms]
    if not runs:
        return None
    # Of several stretches the word is the one with the most energy; a click or a cough has less.
    start, end = max(runs, key=lambda run: (10 ** (level_db[run[0] : run[1]] / 10)).sum())
    start, end = _widen(
        start, end, level_db, crossings, low, noise_db, round(config.crossing_ms / config.frame_shift_ms)
    )
    center_s = length / rate_hz / 2
    padding_s = config.padding_ms / 1000
    return (
        max(0.0, start * shift_s + center_s - shift_s / 2 - padding_s),
        min(duration_s, (end - 1) * shift_s + center_s + shift_s / 2 + padding_s),
    )


def _levels(samples, rate_hz, length, hop):
    """Measure each frame: level in dB relative to full scale (T,), and zero crossings a second (T,)."""
    if len(samples) < length:
        return np.zeros(0), np.zeros(0)
    x = samples.astype(np.float64)
    x = x - x.mean()
    frames = np.lib.stride_tricks.sliding_window_view(x, length)[::hop]
    power = (frames**2).mean(axis=1)
    crossings = (np.diff(np.signbit(frames), axis=1)).sum(axis=1) * (rate_hz / length)
    return 10 * np.log10(np.maximum(power, 1e-12)), crossings


def _speech_runs(level_db, low, high, max_gap):
    """Find stretches above `low` that reach `high` somewhere, joined across gaps of up to `max_gap` frames."""
    above = np.concatenate([[False], level_db > low, [False]])
    edges = np.flatnonzero(np.diff(above))
    runs = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if level_db[a:b].max() >= high]
    joined = []
    for a, b in runs:
        if joined and a - joined[-1][1] <= max_gap:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return joined


def _widen(start, end, level_db, crossings, low, noise_db, reach):
    """Move the edges over weak fricatives: frames near them with far more zero crossings than the noise."""
    noise = crossings[level_db <= low]
    if not len(noise):
        return start, end
    threshold = max(2500.0, noise.mean() + 2 * noise.std())  # 25 in 10 ms, Rabiner and Sambur's own
    hissing = (crossings > threshold) & (level_db > noise_db + 1)
    before = np.flatnonzero(hissing[max(0, start - reach) : start])
    if len(before) >= 3:
        start = max(0, start - reach) + before[0]
    after = np.flatnonzero(hissing[end : end + reach])
    if len(after) >= 3:
        end = end + after[-1] + 1
    return start, end
