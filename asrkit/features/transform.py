"""Stored features -> model features: normalisation (CMVN) and deltas. Arrays in, arrays out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from asrkit.config import check_fields, option
from asrkit.errors import SettingsError
from asrkit.models.scale import ROUNDING, rounding_variance

ROWS = 2048  # of which deltas are computed at a time
LEAST_TOLD = 8  # frames that it takes to tell deltas from chance


@dataclass(frozen=True)
class TransformConfig:
    """What happens between stored cepstra and the model: apply-cmvn, then add-deltas."""

    cmvn: str = option(
        "none",
        "normalisation: map by the training's mean and variance and what has been heard, map-mean by the means alone",
        choices=("none", "utterance", "speaker", "sliding", "map", "map-mean"),
    )
    norm_vars: bool = option(False, "normalise the variance too, not only the mean (map always does)")
    cmn_tau: float = option(
        100.0, "map: frames that count for the mean and variance of the training", minimum=0
    )
    cmn_window: int = option(600, "frames of the sliding window", minimum=1)
    cmn_center: bool = option(True, "sliding window centred on its frame; false looks at the past alone")
    delta_order: int = option(2, "0: none, 1: deltas, 2: deltas and accelerations", minimum=0, maximum=9)
    delta_window: int = option(2, "frames on each side of the delta's regression", minimum=1, maximum=1000)

    def __post_init__(self):
        check_fields(self)
        if self.cmvn == "map-mean" and self.norm_vars:
            raise SettingsError("cmvn=map-mean norm_vars=true: the mean alone, or not (cmvn=map does both)")

    @property
    def scales(self):
        """Whether it divides by standard deviations."""
        return self.cmvn == "map" or (self.norm_vars and self.cmvn != "none")

    @property
    def remembers(self):
        """Whether it starts from a prior, and may go on from what was heard before."""
        return self.cmvn in ("map", "map-mean")


@dataclass(frozen=True)
class Prior:
    """What normalisation with a memory starts from: moments of each dimension over all stored frames of a training, (D,)."""

    mean: tuple[float, ...]
    variance: tuple[float, ...]

    def __post_init__(self):
        moments = np.array([self.mean, self.variance], dtype=np.float64)
        if moments.ndim != 2 or not np.isfinite(moments).all() or (moments[1] < 0).any():
            raise SettingsError("the prior's mean and variance are none")

    @classmethod
    def of(cls, stats):
        """Take the moments of statistics (2, D + 1)."""
        mean, power = stats[:, :-1] / stats[0, -1]
        return cls(tuple(mean.tolist()), tuple(np.maximum(power - mean**2, 0.0).tolist()))

    @classmethod
    def from_dict(cls, values: Mapping):
        """Build it from its fields as JSON values."""
        return cls(tuple(map(float, values["mean"])), tuple(map(float, values["variance"])))

    def stats(self, frames):
        """Give the statistics (2, D + 1) of that many frames that lie so."""
        mean = np.array(self.mean)
        return frames * np.array([[*mean, 1.0], [*(np.array(self.variance) + mean**2), 0.0]])


def compute_deltas(feats, order=2, window=2, lengths=None):
    """Append regression deltas, as Kaldi's add-deltas: [x, delta, delta-delta, ...].

    Parameters
    ----------
    feats : (T, D)
    order : int
        How many times the regression is applied.
    window : int
        Frames on each side; the first and last frame are repeated beyond the ends.
    lengths : (U,), optional
        Frames of each utterance, where several lie end to end.

    Returns
    -------
    numpy.ndarray
        float32 (T, D * (order + 1)).
    """
    lengths = np.array([len(feats)] if lengths is None else lengths, dtype=np.int64)
    num_frames, dim = feats.shape
    out = np.empty((num_frames, dim * (order + 1)), dtype=np.float32)
    out[:, :dim] = feats
    spoken = lengths[lengths > 0]
    ends, rows = np.cumsum(spoken), np.cumsum(spoken + 2 * order * window)
    first = 0
    while first < len(
        spoken
    ):  # a few utterances at a time: the processor's cache holds what is computed of them
        before = rows[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(rows, before + ROWS, side="right")))
        own = slice(ends[first] - spoken[first], ends[last - 1])
        for n, delta in enumerate(_deltas(feats[own], spoken[first:last], order, window), 1):
            out[own, n * dim : (n + 1) * dim] = delta
        first = last
    return out


def _deltas(feats, lengths, order, window):
    """Yield the deltas of each order, float64 (T, D), of utterances end to end, none of them empty."""
    beyond, count = order * window, len(lengths)
    starts, shift = np.cumsum(lengths) - lengths, beyond * (2 * np.arange(count) + 1)
    # the utterances with their first and last frames repeated as far as the last order reaches, and where their own lie in it
    repeated = lengths + 2 * beyond
    frames = np.arange(repeated.sum()) - np.repeat(shift, repeated)
    frames = np.clip(frames, np.repeat(starts, repeated), np.repeat(starts + lengths - 1, repeated))
    own = np.arange(len(feats)) + np.repeat(shift, lengths)
    x, divisor = feats.take(frames, axis=0).astype(np.float64), 1
    constant = _constant(feats, lengths, starts)
    for n in range(1, order + 1):
        # HTK book, eq. 5.16
        rows = len(x) - 2 * window
        total = x[window + 1 :][:rows] - x[window - 1 :][:rows]
        for j in range(2, window + 1):
            total += j * (x[window + j :][:rows] - x[window - j :][:rows])
        divisor *= 2 * sum(j * j for j in range(1, window + 1))
        delta = total.take(own - n * window, axis=0) / float(divisor)
        if constant is not None:
            delta[constant] = 0.0
        yield delta
        x = total


def _constant(x, lengths, starts):
    """Where a dimension does not change but for rounding in its utterance, bool (T, D): its deltas are 0, not rounding's.
    None where that is nowhere.
    """
    one, other = (x[frames].astype(np.float64) for frames in (starts, starts + lengths // 2))
    if not (np.abs(one - other) <= 4 * ROUNDING * np.abs(one)).any():  # two frames tell of nearly all
        return None
    most, least = (reduce.reduceat(x, starts).astype(np.float64) for reduce in (np.maximum, np.minimum))
    constant = most - least <= 2 * ROUNDING * np.maximum(np.abs(most), np.abs(least))
    return np.repeat(constant, lengths, axis=0)


def cmvn_stats(feats):
    """Kaldi's statistics: float64 (2, D + 1); row 0 sums and the frame count, row 1 sums of squares and 0."""
    x = np.asarray(feats, dtype=np.float64)
    stats = np.zeros((2, x.shape[1] + 1))
    stats[0, :-1], stats[0, -1] = x.sum(axis=0), len(x)
    stats[1, :-1] = (x**2).sum(axis=0)
    return stats


def apply_cmvn(feats, stats, norm_vars=False):
    """Subtract the mean that `stats` describe, and divide by the standard deviation if `norm_vars`."""
    return _apply_each(feats, [len(feats)], [stats], norm_vars)


def _apply_each(feats, lengths, stats, norm_vars):
    """The same for utterances end to end, each with statistics of its own."""
    sums = np.array(stats)
    count = np.maximum(sums[:, :1, -1], 1e-300)  # of no frames nothing is asked
    mean, power = sums[:, 0, :-1] / count, sums[:, 1, :-1] / count
    own = np.repeat(np.arange(len(sums)), lengths)
    return _scaled(feats - mean[own], (power - mean**2)[own], power[own], norm_vars).astype(np.float32)


def _scaled(x, variance, power, norm_vars):
    """Divide what has the mean 0 by its standard deviation if `norm_vars`.

    What is constant but for the rounding of numbers of the mean square `power` is not blown up: what rounding left is 0.
    """
    rounding = rounding_variance(0.0, power)
    varies = variance > rounding
    if norm_vars:
        x = x / np.sqrt(np.where(varies, variance, 1.0))
    return x if varies.all() else np.where(varies | (x**2 > 4 * rounding), x, 0.0)


def sliding_cmvn(feats, window=600, center=True, norm_vars=False, min_window=100):
    """Normalise each frame by the window around it (or before it), as Kaldi's apply-cmvn-sliding."""
    num_frames = len(feats)
    t = np.arange(num_frames)
    start = t - window // 2 if center else t - window
    end = start + window if center else t + 1
    end = np.where(start < 0, end - start, end)
    start = np.maximum(start, 0)
    if not center:
        end = np.where(end > t, np.maximum(t + 1, min_window), end)
    over = np.maximum(end - num_frames, 0)
    start, end = np.maximum(start - over, 0), end - over
    x = feats.astype(np.float64)
    zero = np.zeros((1, x.shape[1]))
    sums, squares = (np.concatenate([zero, np.cumsum(y, axis=0)]) for y in (x, x * x))
    count = (end - start)[:, None]
    mean = (sums[end] - sums[start]) / count
    variance = (squares[end] - squares[start]) / count - mean**2
    out = _scaled(x - mean, variance, squares[-1] / num_frames, norm_vars)
    if norm_vars:
        out = np.where(count > 1, out, 0.0)
    return out.astype(np.float32)


def transform(feats, config, speaker_stats=None, prior=None):
    """Stored cepstra -> model features: float32 (T, D * (delta_order + 1)).

    Parameters
    ----------
    speaker_stats : (2, D + 1), optional
        Used with `cmvn="speaker"` and `cmvn="map"`, these frames among them; without it the utterance is all that is known
        of its speaker.
    prior : Prior, optional
        Used with `cmvn="map"`.
    """
    return transform_many([feats], config, [speaker_stats], prior)[0]


def transform_many(feats, config, speaker_stats, prior=None):
    """`transform` of several utterances at once, which is quicker: list of (T, D) and of statistics -> list."""
    if config.cmvn == "none" and not config.delta_order:
        return [np.asarray(x, dtype=np.float32) for x in feats]
    lengths, together = [len(x) for x in feats], _normalised(feats, config, speaker_stats, prior)
    if config.delta_order:
        together = compute_deltas(together, config.delta_order, config.delta_window, lengths)
    return np.split(together, np.cumsum(lengths)[:-1])


def _normalised(feats, config, speaker_stats, prior):
    """Utterances end to end, each normalised: float32 (N, D)."""
    if config.cmvn == "none":
        return np.concatenate(feats, dtype=np.float32)
    if config.cmvn == "sliding":
        window = config.cmn_window, config.cmn_center, config.norm_vars
        return np.concatenate([sliding_cmvn(x, *window) if len(x) else x for x in feats], dtype=np.float32)
    alone = config.cmvn == "utterance"
    stats = [
        cmvn_stats(x) if alone or known is None else known
        for x, known in zip(feats, speaker_stats, strict=True)
    ]
    if config.remembers:
        # maximum a posteriori as Kaldi's OnlineCmvn has it: the prior is `cmn_tau` frames more
        stats = np.array(stats) + prior.stats(config.cmn_tau)
    scales = config.norm_vars or config.cmvn == "map"
    return _apply_each(np.concatenate(feats), [len(x) for x in feats], stats, scales)


def count_deltas(feats, window=2, near=0.98, lengths=None):
    """Count the orders of deltas that features hold already: their last columns repeat the first ones as regressions.

    Parameters
    ----------
    feats : (N, D)
        One utterance, as it is stored, or several end to end.
    window : int
        Frames on each side of the regression.
    near : float
        Least correlation of every such column with the regression: dither, compression and another normalisation move it
        a little away from 1. What rounding to the step of the numbers explains is allowed beside it.
    lengths : (U,), optional
        Frames of each utterance, where there are several.

    Returns
    -------
    int
        2 where D is 3 C and the columns are [x, delta x, delta delta x], 1 for [x, delta x], else 0.
    """
    lengths = np.array([len(feats)] if lengths is None else lengths)
    for order in (2, 1):
        if not feats.shape[1] % (order + 1) and _are_deltas(feats, lengths, order, window, near):
            return order
    return 0


def _are_deltas(feats, lengths, order, window, near):
    """Whether all columns but the first are regressions of these, of that order."""
    feats, (num_frames, dim) = feats.astype(np.float64), feats.shape  # float32's squares would overflow
    statics, owner = dim // (order + 1), np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(num_frames) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    # Deltas near the ends reach beyond them, and those of what was cut out of more are others: looked at only where there
    # is nothing else.
    to_end = np.minimum(place, lengths[owner] - 1 - place)
    for edge in (order * window, 0):
        counts = np.bincount(owner[to_end >= edge], minlength=len(lengths))
        rows = (to_end >= edge) & (counts > 2)[owner]
        if np.maximum(counts - 2, 0).sum() >= LEAST_TOLD - 2:
            break
    else:
        return False
    expected = compute_deltas(feats[:, :statics], order, window, lengths)[rows, statics:].astype(np.float64)
    found, starts = feats[rows, statics:], np.flatnonzero(np.diff(owner[rows], prepend=-1))
    counts = np.diff(np.append(starts, len(found)))[:, None]

    def products(x, y):  # about the means, by utterance
        both = [np.add.reduceat(array, starts, axis=0) for array in (x, y, x * y)]
        return both[2] - both[0] * both[1] / counts

    own, other, cross = products(found, found), products(expected, expected), products(found, expected)
    slope = np.divide(cross, other, out=np.zeros_like(cross), where=other > 0)
    unexplained, power = (own - slope * cross).sum(axis=0), own.sum(axis=0)
    gaps = np.diff(np.sort(feats, axis=0), axis=0)
    step = np.median(np.min(np.where(gaps > 0, gaps, np.inf), axis=0, initial=np.inf))
    # of a delta and of what it is made of: to the step, or to float32
    rounding = 2 * len(found) * (step**2 / 12 if np.isfinite(step) else 0.0)
    rounding = rounding + len(found) * np.tile(ROUNDING * np.abs(feats[:, :statics]).max(axis=0), order) ** 2
    told = np.maximum(power, other.sum(axis=0)) > 4 * rounding
    alike = (unexplained <= (1 - near**2) * power + rounding) & (cross.sum(axis=0) > 0)
    return bool(2 * told.sum() >= statics and alike[told].all())
