"""How loud samples are, whether there is anything to hear, and in which channel."""

from dataclasses import dataclass

import numpy as np

FRAME_S = 0.025
FLOOR_DB = -100.0  # what is below it is no sound but zeros: 16-bit sound has its smallest step at -90 dB
FAR_DB = 20.0  # a channel that is so much louder is the one that was meant
STEADY_DB = 6.0  # levels of noise vary less: white noise by about 1 dB at 25 ms, coloured noise by up to 5
LIVELY_DB = 10.0  # levels of speech vary by so much more than those of noise, even where pauses are cut off
MIN_FRAMES = 8  # fewer say nothing about how levels vary


def silence_reason(samples):
    """Why these samples hold nothing to hear, or None."""
    if not len(samples):
        return "no samples"
    if not np.abs(samples - samples.mean()).max() > 1e-4:  # about three steps of 16-bit sound
        return "silent"
    return None


@dataclass(frozen=True)
class BetterChannel:
    """A channel that was rather meant than the one that is used.

    Attributes
    ----------
    channel : int
    lead_db : float or None
        How much louder it is; None where it is not far louder, but varies as speech does and the used one is as
        steady as noise.
    """

    channel: int
    lead_db: float | None


def better_channel(samples, rate_hz, channel):
    """Find the channel that was meant where the one that is used holds next to nothing, or only noise.

    Parameters
    ----------
    samples : (N, C)
    rate_hz : int
    channel : int
        The one that is used.

    Returns
    -------
    BetterChannel or None
    """
    count = max(1, round(FRAME_S * rate_hz))
    if samples.shape[1] < 2 or len(samples) < count:
        return None
    frames = samples[: len(samples) // count * count].reshape(-1, count, samples.shape[1])
    # summed without a copy: an hour of sound would need gigabytes
    mean = samples.mean(axis=0, dtype=np.float64)
    power = np.einsum("tnc,tnc->tc", frames, frames, dtype=np.float64) / count  # (T, C)
    power += mean * (mean - 2 * frames.mean(axis=1, dtype=np.float64))
    levels_db = np.maximum(10 * np.log10(np.maximum(power, 1e-30)), FLOOR_DB)
    # the loudest twentieth is left out: a click is neither speech nor loudness
    loud_db = np.percentile(levels_db, 95, axis=0)
    other = int(np.argmax(np.where(np.arange(len(loud_db)) == channel, -np.inf, loud_db)))
    if loud_db[other] - loud_db[channel] >= FAR_DB:
        return BetterChannel(other, float(loud_db[other] - loud_db[channel]))
    spread_db = np.array([_spread_db(levels[levels > FLOOR_DB]) for levels in levels_db.T])
    lively = int(np.argmax(spread_db))
    if spread_db[channel] < STEADY_DB and spread_db[lively] >= spread_db[channel] + LIVELY_DB:
        return BetterChannel(lively, None)
    return None


def _spread_db(levels_db):
    """From the soft to the loud frames of a channel; zeros before and after the sound are left out by the caller."""
    if len(levels_db) < MIN_FRAMES:
        return np.nan
    return np.subtract(*np.percentile(levels_db, (95, 10)))
