"""The realisations of phones: which frames they are, and a fair draw of a few of many. Arrays in, arrays out."""

import zlib
from dataclasses import dataclass

import numpy as np

# A phone is its centre frame, the mean of its frames, each of them, or each of them and where in the phone it
# lies.
CENTRE, MEAN, ALL, PLACED = "centre", "mean", "all", "placed"
SCORABLE, NO_LENGTH, PAST_END, NO_MODEL = range(4)  # why a token has no score
REASONS = ("", "zero length", "past the end of the features", "no model")


def fault_reason(fault, phone):
    """Say why a token has no score: a fault of Tokens, and the phone's name."""
    return f"{REASONS[fault]} of {phone}" if fault == NO_MODEL else REASONS[fault]


@dataclass(frozen=True)
class Tokens:
    """The realisations of P phones.

    Attributes
    ----------
    labels : int (P,)
        Which phone each one should be; -1 has no model.
    faults : int (P,)
        Why it can't be scored; an index of `REASONS`.
    frames : int (P,)
        How many frames it is made of; 0 where it can't be scored.
    counts : int (P,)
        Its rows in `obs`: 1, or with the poolings `all` and `placed` its frames.
    obs : (N, D)
    """

    labels: np.ndarray
    faults: np.ndarray
    frames: np.ndarray
    counts: np.ndarray
    obs: np.ndarray

    @classmethod
    def join(cls, tokens):
        return cls(
            *(np.concatenate([getattr(one, name) for one in tokens]) for name in cls.__dataclass_fields__)
        )


def cut_tokens(feats, labels, start_s, end_s, frame_shift_s, pooling):
    """Cut the tokens of one utterance.

    Parameters
    ----------
    feats : (T, D)
    labels : int (P,)
        Which phone each is; negative: not wanted, it has no model.
    start_s, end_s : (P,)

    Notes
    -----
    Frame t is the time from t to t + 1 frame shifts. The centre frame is the one in which the phone's centre
    lies, the utterance's last one where it lies behind it. The frames of a phone are those whose own centre
    is in it, or its centre frame where it is too short to have any. With the pooling `placed` they have one
    more dimension, in which a phone's frames are spread evenly over -1.7 to 1.7: that has variance 1. A phone
    that starts behind the last frame, or has no length, has no frames.
    """
    labels = np.asarray(labels, dtype=np.int64)
    start_s, end_s = np.asarray(start_s, dtype=np.float64), np.asarray(end_s, dtype=np.float64)
    # Times are decimal: 0.57 / 0.01 must not be 56.99999.
    start, centre, end = (
        np.round(time_s / frame_shift_s, 6) for time_s in (start_s, (start_s + end_s) / 2, end_s)
    )
    centre, first, last = (
        x.astype(np.int64) for x in (np.floor(centre), np.ceil(start - 0.5), np.ceil(end - 0.5))
    )
    alone = (last <= first) | (pooling == CENTRE)
    first = np.clip(np.where(alone, centre, first), 0, len(feats) - 1)
    last = np.where(alone, first + 1, np.clip(last, first + 1, len(feats)))
    faults = np.where(
        end_s <= start_s,
        NO_LENGTH,
        np.where(start >= len(feats), PAST_END, np.where(labels < 0, NO_MODEL, SCORABLE)),
    )
    frames = np.where(faults == SCORABLE, last - first, 0)
    starts = np.cumsum(frames) - frames
    shift = (first - starts)[frames > 0]
    if len(shift) and (shift == shift[0]).all():  # side by side: no copy
        obs = feats[shift[0] : shift[0] + frames.sum()]
    else:
        obs = feats[np.arange(frames.sum()) + np.repeat(first - starts, frames)]
    counts = frames
    if pooling == MEAN:
        counts = np.minimum(frames, 1)
        some = frames > 0
        obs = (
            np.add.reduceat(obs.astype(np.float64), starts[some], axis=0) / frames[some, None]
            if some.any()
            else obs.astype(np.float64)
        )
    if pooling == PLACED:
        place = (np.arange(len(obs)) - np.repeat(starts, frames) + 0.5) / np.repeat(frames, frames)
        obs = np.column_stack([obs, (np.sqrt(12) * (place - 0.5)).astype(obs.dtype)])
    return Tokens(labels, faults, frames, counts, obs)


def phone_rng(seed, phone, purpose):
    """Make a generator that depends on the seed and the phone's name alone: not on the other phones, the
    process or its hash seed.
    """
    return np.random.default_rng([seed, zlib.crc32(phone.encode()), purpose])


class Reservoir:
    """At most `size` of the tokens that come by, each with the same chance; holds twice as many and no more.

    Every token draws a number in the order in which they come, and those with the least stay: how many come
    at a time is all one.
    """

    def __init__(self, size, rng):
        self.seen = 0
        self._size, self._rng, self._limit, self._held = size, rng, 1.0, 0
        self._keys, self._rows = [], []

    def add(self, rows):
        keys = self._rng.random(len(rows))
        near = keys < self._limit
        self.seen += len(rows)
        self._held += int(near.sum())
        self._keys.append(keys[near])
        self._rows.append(rows[near])
        if self._held > 2 * self._size:
            self._thin()

    def _thin(self):
        keys, rows = np.concatenate(self._keys), np.concatenate(self._rows)
        if len(keys) > self._size:
            least = np.sort(np.argpartition(keys, self._size - 1)[: self._size])
            keys, rows = keys[least], rows[least]
            self._limit = keys.max()
        self._keys, self._rows, self._held = [keys], [rows], len(keys)

    def tokens(self):
        """Give the drawn tokens (n, D), in the order in which they came."""
        self._thin()
        return self._rows[0].astype(np.float64)
