"""What every model shares: the block of utterances, sums that add up, and floors that keep the likelihood
rising.
"""

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
    keep : bool
        Keep what an emission prepares of the frames: for a block that stays in memory and is gone through
        often.
    """

    utts: tuple
    obs: np.ndarray
    offsets: np.ndarray
    keep: bool = False

    @classmethod
    def from_items(cls, items, keep=False):
        """Build from (utt, array) pairs; all arrays must have the same dimension."""
        items = list(items)
        lengths = [len(array) for _, array in items]
        obs = np.concatenate([array for _, array in items]) if items else np.zeros((0, 0), dtype=np.float32)
        return cls(
            tuple(utt for utt, _ in items),
            obs,
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            keep,
        )

    @property
    def lengths(self):
        return np.diff(self.offsets)

    def prepared(self, emission):
        """What the emission makes of the frames before it looks at them, or None where it needs nothing."""
        if not self.keep:
            return emission.prepare(self.obs)
        kept = self.__dict__.setdefault("_kept", {})
        key = type(emission), emission.center.tobytes() if hasattr(emission, "center") else b""
        if key not in kept:
            kept[key] = emission.prepare(self.obs)
        return kept[key]

    def __iter__(self):
        """A block is the smallest source of blocks: itself."""
        yield self

    def sample(self, num_frames):
        """All of it: what is in one block is small enough to start a training from."""
        return self

    def select(self, indices):
        """The block of the utterances at `indices`."""
        return Block.from_items(
            (self.utts[u], self.obs[self.offsets[u] : self.offsets[u + 1]]) for u in indices
        )

    def items(self):
        """Yield (utt, array)."""
        for u, utt in enumerate(self.utts):
            yield utt, self.obs[self.offsets[u] : self.offsets[u + 1]]


def chunks(items, frames=8192):
    """Cut (utt, array) pairs into lists of about `frames` frames, as they come; by the data alone, so that
    nothing depends on the jobs.
    """
    some, count = [], 0
    for item in items:
        some.append(item)
        count += len(item[1])
        if count >= frames:
            yield some
            some, count = [], 0
    if some:
        yield some


class Emission(Protocol):
    """State densities: sees frames and occupancies, knows nothing of time."""

    def prepare(self, obs): ...  # what the next two both need, or None
    def log_likelihood(self, obs, *, prepared): ...  # (N, S)
    def accumulate(self, obs, gamma, *, prepared): ...  # -> Stats
    def estimate(self, stats, config): ...  # -> Emission
    def adapt(self, stats, prior, config): ...  # -> Emission: `estimate`, with itself as the prior
    def log_prior(self, adapted, prior): ...  # float: what that prior thinks of an Emission, 0 for itself


class BlockSource(Protocol):
    """A word's utterances, cut by the data into blocks that fit in memory; goes through them as often as
    asked.
    """

    def __iter__(self): ...  # Block
    def sample(self, num_frames): ...  # -> Block: about that many frames, spread over all utterances


class WordModel(Protocol):
    """One word: sees blocks, is frozen; `estimate` returns a new one."""

    components: np.ndarray  # (S,): Gaussians of each state
    floored: np.ndarray  # (S,): variances on their floor
    shortest: int  # frames of the shortest path

    def log_likelihood(self, block): ...  # (U,)
    def align(self, block): ...  # (U,), int32 (N,)
    def accumulate(self, block, method): ...  # "viterbi" | "baum-welch" -> Stats
    # static: the same for (model, block) pairs at once -> list of Stats
    def accumulate_many(pairs, method): ...
    def bank(models): ...  # static: -> Bank
    def estimate(self, stats, config): ...  # -> WordModel
    def adapt(self, stats, prior, config): ...  # -> WordModel: `estimate`, with itself as the prior
    def log_prior(self, adapted, prior): ...  # float: what that prior thinks of a WordModel, 0 for itself
    def check(self, width): ...  # ValueError where the arrays are no model of observations that wide
    def schedule(self, config): ...  # -> numbers of Gaussians that training grows to in turn
    def grow(self, stats, config, total): ...  # -> a larger WordModel, or None where nothing can grow
    def to_arrays(self): ...  # dict of str to array


class Bank(Protocol):
    """A vocabulary for decoding: every word scores every utterance of a block in one pass."""

    def scores(self, block, method): ...  # "viterbi" | "forward" -> (U, W), -inf where a word has no path


@dataclass(frozen=True)
class Stats:
    """Sums that support `+`, field by field; subclasses are frozen dataclasses of arrays, numbers and other
    Stats.
    """

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


def smoothed_rows(log_probs, counts, prior_count, floor):
    """Each row's relative frequencies, as if `prior_count` things had been counted before that were just as
    the row says.

    The maximum a posteriori under a Dirichlet prior (Gauvain and Lee, 1994). A row without new counts stays,
    and so does what is forbidden (log 0).
    """
    out = log_probs.copy()
    for row in np.flatnonzero(counts.sum(axis=1) > 0):
        allowed = np.isfinite(log_probs[row])
        seen = counts[row, allowed] + prior_count * np.exp(log_probs[row, allowed])
        out[row, allowed] = safe_log(floored_distribution(seen, floor)[0])
    return out


def rows_log_prior(log_probs, others, prior_count):
    """Log density of rows `others` under the prior of `smoothed_rows`, relative to that of `log_probs`
    themselves.
    """
    allowed = np.isfinite(log_probs) & (prior_count > 0)
    return prior_count * float((np.exp(log_probs[allowed]) * (others[allowed] - log_probs[allowed])).sum())


def log_sum(joint):
    """log sum exp over the last axis, which holds no row of -inf alone."""
    peak = joint.max(axis=-1)
    return np.log(np.exp(joint - peak[..., None]).sum(axis=-1)) + peak
