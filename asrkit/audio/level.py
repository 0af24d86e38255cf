"""How loud samples are, whether there is anything to hear, and in which channel."""

from dataclasses import dataclass

import numpy as np

FRAME_S = 0.025
FLOOR_DB = -100.0  # what is below it is no sound but zeros: 16-bit sound has its smallest step at -90 dB
FAR_DB = 20.0  # a channel that is so much louder is the one that was meant
STEADY_DB = 6.0  # levels of noise vary less: white noise by up to 2 dB, pink by up to 5
LIVELY_DB = (
    7.0  # levels of speech vary by so much more than those of noise, in 95 % of words without any pause
)
MIN_FRAMES = 8  # fewer say nothing about how levels vary
LOUD_FRAMES = 4  # 0.1 s


def silence_reason(samples):
    """Why these samples hold nothing to hear, or None."""
    if not len(samples):
        return "no samples"
    if samples.max() - samples.min() > 4e-4:  # then one lies 2e-4 from the mean, wherever that is
        return None
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
    count = round(FRAME_S * rate_hz)
    length = len(samples) // count * count
    if samples.shape[1] < 2 or not length:
        return None
    frames = samples[:length].reshape(-1, count, samples.shape[1])
    # summed without a copy: of an hour of sound it would need gigabytes
    power = np.einsum("tnc,tnc->tc", frames, frames, dtype=np.float64) / count
    power -= frames.mean(axis=1, dtype=np.float64) ** 2
    levels_db = np.maximum(10 * np.log10(np.maximum(power, 1e-30)), FLOOR_DB)  # (T, C)
    loud_db, spread_db = _loud_db(levels_db), [_spread_db(levels) for levels in levels_db.T]
    steady = np.array([spread < STEADY_DB for spread in spread_db])
    lively = np.array([spread >= spread_db[channel] + LIVELY_DB for spread in spread_db])
    lead_db = loud_db - loud_db[channel]
    if spread_db[channel] >= STEADY_DB:  # beside speech, a hum may be as loud as it likes
        lead_db[steady] = -np.inf
    best = int(np.argmax(lead_db))
    if lead_db[best] >= FAR_DB - 0.1:  # rounding to 16 bits is no nearness
        return BetterChannel(best, float(lead_db[best]))
    if steady[channel] and lively.any():
        return BetterChannel(int(np.argmax(np.where(lively, loud_db, -np.inf))), None)
    return None


def _loud_db(levels_db):
    """The level that LOUD_FRAMES reach: not that of a click, and of a short word in a long recording all the same."""
    return np.sort(levels_db, axis=0)[-min(LOUD_FRAMES, len(levels_db))]


def _spread_db(levels_db):
    """From the soft to the loud frames of a channel, without zeros before and after the sound; NaN where it is hardly
    any sound.
    """
    levels_db = levels_db[levels_db > FLOOR_DB]
    return _loud_db(levels_db) - np.percentile(levels_db, 10) if len(levels_db) >= MIN_FRAMES else np.nan
