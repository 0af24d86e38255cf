"""Sounds that an acoustic model of speech takes for phones: vowels of three formants (Peterson and Barney
1952) and hisses.
"""

import numpy as np
from scipy.signal import butter, lfilter

RATE_HZ = 16000
FORMANTS_HZ = {"AA": (730, 1090, 2440), "IY": (270, 2290, 3010), "UW": (300, 870, 2240)}
BANDS_HZ = {"S": (4000, 7500), "SH": (2000, 6000)}
WIDTHS_HZ = (60, 90, 120)
VOICE_HZ = 120


def say(sounds, rng, rate_hz=RATE_HZ):
    """float32 (N,): sounds as (label, seconds), one after the other; any label but those above is silence."""
    parts = [_sound(label, round(seconds * rate_hz), rng, rate_hz) for label, seconds in sounds]
    samples = np.concatenate(parts)
    return (samples + 1e-4 * rng.standard_normal(len(samples))).astype(np.float32)


def _sound(label, count, rng, rate_hz):
    if label in FORMANTS_HZ:
        samples = np.zeros(count)
        samples[:: round(rate_hz / VOICE_HZ)] = 1
        for hz, width_hz in zip(FORMANTS_HZ[label], WIDTHS_HZ):
            radius = np.exp(-np.pi * width_hz / rate_hz)
            samples = lfilter(
                [1 - radius], [1, -2 * radius * np.cos(2 * np.pi * hz / rate_hz), radius**2], samples
            )
        return 0.2 * samples / np.abs(samples).max()
    if label in BANDS_HZ:
        top_hz = min(BANDS_HZ[label][1], 0.49 * rate_hz)
        low_hz = min(BANDS_HZ[label][0], top_hz / 2)
        samples = lfilter(*butter(4, (low_hz, top_hz), "band", fs=rate_hz), rng.standard_normal(count))
        return 0.05 * samples / np.abs(samples).max()
    return np.zeros(count)
