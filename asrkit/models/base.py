"""What every model shares: the block of utterances, sums that add up, and floors that keep the likelihood rising."""

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Block:
    """Utterances laid end to end.

    Attributes
    ----------
    utts : tuple of str
        U utterance ids.
    obs : numpy.ndarray
        (N, D) feature vectors, or (N,) codes.
    offsets : numpy.ndarray
        int64 (U + 1,); utterance u is the rows offsets[u] to offsets[u + 1] - 1.
    """

    utts: tuple
    obs: np.ndarray
    offsets: np.ndarray

    @classmethod
    def from_items(cls, items):
        """Build from (utt, array) pairs; all arrays must have the same dimension."""
        items = list(items)
        lengths = [len(array) for _, array in items]
        obs = np.concatenate([array for _, array in items]) if items else np.zeros((0, 0), dtype=np.float32)
        return cls(tuple(utt for utt, _ in items), obs, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @property
    def lengths(self):
        return np.diff(self.offsets)

    def select(self, indices):
        """The block of the utterances at `indices`."""
        return Block.from_items((self.utts[u], self.obs[self.offsets[u] : self.offsets[u + 1]]) for u in indices)

    def items(self):
        """Yield (utt, array)."""
        for u, utt in enumerate(self.utts):
            yield utt, self.obs[self.offsets[u] : self.offsets[u + 1]]


class Emission(Protocol):
    """State densities: sees frames and occupancies, knows nothing of time."""

    def log_likelihood(self, obs): ...  # (N, S)
    def accumulate(self, obs, gamma): ...  # -> Stats
    def estimate(self, stats, config): ...  # -> Emission


class WordModel(Protocol):
    """One word: sees blocks, is frozen; `estimate` returns a new one."""

    def log_likelihood(self, block): ...  # (U,)
    def align(self, block): ...  # (U,), int32 (N,)
    def accumulate(self, block, method): ...  # "viterbi" | "baum-welch" -> Stats
    def estimate(self, stats, config): ...  # -> WordModel
    def check(self, width): ...  # ValueError where the arrays are no model of observations that wide
    def grow(self, stats, config): ...  # -> a larger WordModel, or None at the end of the schedule
    def to_arrays(self): ...  # dict of str to array


@dataclass(frozen=True)
class Stats:
    """Sums that support `+`, field by field; subclasses are frozen dataclasses of arrays, numbers and other Stats."""

    def __add__(self, other):
        values = {}
        for field in dataclasses.fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            values[field.name] = mine + theirs
        return type(self)(**values)

    def to_arrays(self):
        """Flat dict of field name to array; names do not repeat between a Stats and the Stats inside it."""
        arrays = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            arrays.update(value.to_arrays() if isinstance(value, Stats) else {field.name: np.asarray(value)})
        return arrays

    def filled(self, arrays):
        """The same kind of sums with the values of `to_arrays`' dict."""
        values = {}
        for field in dataclasses.fields(self):
            mine = getattr(self, field.name)
            if isinstance(mine, Stats):
                values[field.name] = mine.filled(arrays)
            else:
                given = arrays[field.name]
                if given.shape != np.shape(mine):
                    raise ValueError(f"{field.name} has shape {given.shape}, the model's {np.shape(mine)}")
                values[field.name] = given if isinstance(mine, np.ndarray) else type(mine)(given)
        return type(self)(**values)


@dataclass(frozen=True)
class WordStats(Stats):
    """What every word's statistics carry.

    Attributes
    ----------
    log_like : float
        The objective: summed over the utterances that were used.
    frames, utts : int
        How much was used.
    skipped : int
        Utterances without a path, for example shorter than the number of states.
    """

    log_like: float
    frames: int
    utts: int
    skipped: int


def check_array(name, array, shape, *, log=False):
    """An array of a model file is float64, of that shape, and holds numbers; -inf only where it holds logs."""
    if array.dtype != np.float64 or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype} {array.shape}, not float64 {shape}")
    if not (np.isfinite(array) | (log & (array == -np.inf))).all():
        raise ValueError(f"{name} holds NaN or infinite values")


def check_distribution(name, log_probs):
    """Each row's probabilities sum to one."""
    if not np.allclose(np.exp(log_probs).sum(axis=-1), 1, rtol=0, atol=1e-6):
        raise ValueError(f"{name} does not sum to one")


def logsumexp(log_x):
    """log sum exp over the first axis; where all is -inf it gives -inf."""
    peak = log_x.max(axis=0)
    shift = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(log_x - shift).sum(axis=0)) + shift


def safe_log(p):
    """log p with log 0 = -inf, without the warning: zero means forbidden here, not a mistake."""
    with np.errstate(divide="ignore"):
        return np.log(p)


def floored_distribution(counts, floor):
    """Maximise sum_k counts[k] log p[k] over distributions p with p[k] >= floor.

    The exact solution: entries that would fall below `floor` sit on it, the others share the rest in
    proportion to their counts. Because it is the exact maximum, a floored re-estimation never lowers the
    likelihood, which clipping and renormalising would.

    Parameters
    ----------
    counts : (K,)
        Not negative, not all zero.
    floor : float
        Taken as 1 / K where it is larger than that.

    Returns
    -------
    p : (K,)
    on_floor : bool (K,)
    """
    counts = np.asarray(counts, dtype=np.float64)
    floor = min(floor, 1.0 / len(counts))
    on_floor = np.zeros(len(counts), dtype=bool)
    while True:
        free = counts[~on_floor].sum()
        share = 1.0 - floor * on_floor.sum()
        p = np.where(on_floor, floor, counts * (share / free) if free > 0 else 0.0)
        below = ~on_floor & (p < floor)
        if not below.any():
            return p / p.sum(), on_floor
        on_floor |= below
        if on_floor.all():
            return np.full(len(counts), 1.0 / len(counts)), on_floor
