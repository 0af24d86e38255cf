"""What every model shares: the block of utterances, sums that add up, and floors that keep the likelihood
rising.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from asrkit.models.inside import Inside
    from asrkit.models.quick import Densities, Projection

StatsT = TypeVar("StatsT", bound="Stats")
LEAST_SUM = 1e-300  # of a row that has no counts
Item = TypeVar("Item", bound=tuple[Any, ...])


class WarpedCopy(NamedTuple):
    """The key of a copy of an utterance with a warped frequency axis, or with another memory in its normalisation; the
    utterance's own key is its id.
    """

    utt: str
    factor: str
    memory: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self))


def is_recording(key: str | WarpedCopy) -> bool:
    """Whether a key is that of an utterance as it was recorded, not of a warped copy."""
    return isinstance(key, str)


@dataclass(frozen=True)
class Block:
    """Utterances laid end to end.

    Attributes
    ----------
    utts : tuple of str or WarpedCopy
        U utterance ids, and keys of copies.
    obs : numpy.ndarray
        (N, D) feature vectors, or (N,) codes.
    offsets : numpy.ndarray
        int64 (U + 1,); utterance u is the rows offsets[u] to offsets[u + 1] - 1.
    keep : bool
        Keep what an emission prepares of the frames: for a block that stays in memory and is gone through
        often.
    variance : numpy.ndarray or None
        (D,) over all words, where the block is of one and that is known: what a training starts from needs it.
    exact : bool
        Train in float64 throughout: nothing is prepared in float32.
    common : object
        What the trainings of all words start from, of a family and settings that have it (`Family.common_start`).
    """

    utts: tuple[str, ...]
    obs: np.ndarray
    offsets: np.ndarray
    keep: bool = False
    variance: np.ndarray | None = None
    exact: bool = False
    common: Any = None

    @classmethod
    def from_items(
        cls, items: Iterable[tuple[str, np.ndarray]], keep: bool = False, exact: bool = False
    ) -> "Block":
        """Build from (utt, array) pairs; all arrays must have the same dimension."""
        items = list(items)
        lengths = [len(array) for _, array in items]
        obs = np.concatenate([array for _, array in items]) if items else np.zeros((0, 0), dtype=np.float32)
        return cls(
            tuple(utt for utt, _ in items),
            obs,
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            keep,
            exact=exact,
        )

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    def prepared(self, emission: "Emission") -> Any:
        """What the emission makes of the frames before it looks at them, or None where it needs nothing."""
        if self.exact:
            return None
        if not self.keep:
            return emission.prepare(self.obs)
        kept = self.__dict__.setdefault("_kept", {})
        key = type(emission), b"" if emission.center is None else emission.center.tobytes()
        if key not in kept:
            kept[key] = emission.prepare(self.obs)
        return kept[key]

    def part(self, places: np.ndarray) -> "Block":
        """The utterances at `places`, ascending, which are gone through often where these are."""
        return dataclasses.replace(
            Block.from_items(self.select(places).items(), self.keep, self.exact), variance=self.variance
        )

    def __iter__(self) -> Iterator["Block"]:
        """A block is the smallest source of blocks: itself."""
        yield self

    def sample(self, num_frames: int) -> "Block":
        """All of it: what is in one block is small enough to start a training from."""
        return self

    def select(self, indices: Iterable[int]) -> "Block":
        """The block of the utterances at `indices`."""
        return Block.from_items(
            (self.utts[u], self.obs[self.offsets[u] : self.offsets[u + 1]]) for u in indices
        )

    def items(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (utt, array)."""
        for u, utt in enumerate(self.utts):
            yield utt, self.obs[self.offsets[u] : self.offsets[u + 1]]


def chunks(items: Iterable[Item], frames: int = 8192) -> Iterator[list[Item]]:
    """Cut (utt, array) pairs, or tuples that begin so, into lists of about `frames` frames, as they come; by the data alone, so that
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


class Emission(ABC):
    """State densities: an emission sees frames and occupancies, and knows nothing of time. S states, N frames."""

    can_grow: ClassVar[bool] = False  # has `split(occ, targets, min_count)`
    center: np.ndarray | None = None  # (D,): what `prepare` takes frames relative to, where that matters
    quick: "Projection | None" = None  # what scores frames in float32, where there is such a thing

    @property
    @abstractmethod
    def num_gauss(self) -> int:
        """Gaussians of all states; 0 where there are none."""

    @property
    @abstractmethod
    def components(self) -> np.ndarray:
        """Gaussians of each state: int (S,)."""

    @property
    @abstractmethod
    def floored(self) -> np.ndarray:
        """Variances on their floor, by state: int (S,)."""

    @property
    @abstractmethod
    def num_parameters(self) -> int:
        """Numbers that training sets."""

    @abstractmethod
    def check(self, num_states: int, width: int) -> None:
        """Raise ValueError unless the arrays are an emission of so many states over observations so wide."""

    def prepare(self, obs: np.ndarray) -> Any:
        """Compute what `log_likelihood` and `accumulate` both need of the frames; None where that is nothing."""
        return None

    @abstractmethod
    def log_likelihood(self, obs: np.ndarray, *, prepared: Any = None) -> np.ndarray:
        """Score frames under every state: float64 (N, S)."""

    def component_log_likelihood(self, obs: np.ndarray) -> np.ndarray:
        """Score frames under what a state is a mixture of: log of weight x density, (N, S, M); of itself, M = 1, where it is none."""
        return self.log_likelihood(obs)[..., None]

    def component_log_posteriors(self, obs: np.ndarray) -> np.ndarray:
        """Say which component of a state a frame came from, given the state: log P(m | x, s), float64 (N, S, M).

        Where a state can't have a frame at all, the components are equally likely.
        """
        joint = self.component_log_likelihood(obs)
        total = np.logaddexp.reduce(joint, axis=-1, keepdims=True)
        impossible = np.isneginf(total)
        return np.where(impossible, -np.log(joint.shape[-1]), joint - np.where(impossible, 0.0, total))

    @abstractmethod
    def accumulate(self, obs: np.ndarray, gamma: np.ndarray, *, prepared: Any = None) -> "Stats":
        """Sum over frames; `gamma` (N, S) is the occupancy of the states."""

    @abstractmethod
    def estimate(self, stats: "Stats", config: Any) -> "Emission":
        """Make the emission that is likeliest under the sums."""

    @abstractmethod
    def adapt(self, stats: "Stats", prior: Any, config: Any) -> "Emission":
        """Make the emission that is likeliest under the sums with this one as the prior."""

    @abstractmethod
    def log_prior(self, adapted: "Emission", prior: Any) -> float:
        """Evaluate the log density of an emission under the prior that this one is, 0 for itself."""

    @property
    def gaussians(self) -> "Emission":
        """The Gaussians whose means MLLR moves: of families that have it among their `adaptations`."""
        raise NotImplementedError

    def with_gaussians(self, gaussians: "Emission") -> "Emission":
        """Make the same emission with other Gaussians, where it has some."""
        raise NotImplementedError

    @property
    def inside(self) -> "Inside":
        """What people look at of the states' densities: nothing, where it is neither Gaussians nor symbols."""
        from asrkit.models.inside import (
            Inside,  # late, here and in subclasses: to make its classes takes two ms
        )

        return Inside()

    @abstractmethod
    def to_arrays(self) -> dict[str, np.ndarray]:
        """Give the arrays that make it up, by name."""

    @classmethod
    def stack(cls, emissions: "list[Emission]", num_states: int) -> "Emission | None":
        """Make one emission of many, `num_states` states each; None where each is scored by itself."""
        return None


class BlockSource(Protocol):
    """A word's utterances, cut by the data into blocks that fit in memory; goes through them as often as asked."""

    def __iter__(self) -> Iterator[Block]: ...
    def sample(self, num_frames: int) -> Block: ...  # about that many frames, spread over all utterances
    def part(self, places: np.ndarray) -> "BlockSource": ...  # some utterances, by their places, ascending
    @property
    def lengths(self) -> np.ndarray: ...  # frames of each utterance


class WordModel(ABC):
    """The model of one word: sees blocks of utterances (U of them, N frames in all); is frozen, `estimate` makes a new one.

    Attributes
    ----------
    emission : Emission
        Of the states, where there are several and they can be aligned, and of families with MLLR among their `adaptations`.
    """

    emission: Emission

    @property
    @abstractmethod
    def num_states(self) -> int:
        """States, S; 1 where time plays no part."""

    @property
    @abstractmethod
    def shortest(self) -> int:
        """Frames of the shortest path through the model."""

    @property
    @abstractmethod
    def num_parameters(self) -> int:
        """Numbers that training sets."""

    @property
    def num_gauss(self) -> int:
        """Gaussians of all states."""
        return 0

    @property
    def components(self) -> np.ndarray:
        """Gaussians of each state: int (S,)."""
        return np.zeros(self.num_states, dtype=int)

    @property
    def floored(self) -> np.ndarray:
        """Variances on their floor, by state: int (S,)."""
        return np.zeros(self.num_states, dtype=int)

    @property
    def inside(self) -> "Inside":
        """What people look at: nothing, where it is of no kind that `Inside` knows."""
        from asrkit.models.inside import (
            Inside,  # late, here and in subclasses: to make its classes takes two ms
        )

        return Inside()

    @abstractmethod
    def check(self, width: int) -> None:
        """Raise ValueError unless the arrays are a model of observations of `width` dimensions or symbols."""

    @abstractmethod
    def log_likelihood(self, block: Block) -> np.ndarray:
        """Score utterances over all paths: float64 (U,)."""

    @abstractmethod
    def align(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Find the best paths: their scores (U,), -inf where there is none, and the state of each frame, int32 (N,)."""

    def frame_scores(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Say what each frame adds to the score of the best path: of families that `can_align`.

        Returns
        -------
        added : float64 (N,)
            Sums to each utterance's score, but for rounding; NaN of an utterance that has no path.
        path : int32 (N,)
            As `align` gives it.
        """
        raise NotImplementedError

    @abstractmethod
    def accumulate(self, block: Block, method: str = "viterbi") -> "WordStats":
        """Sum over a block: "viterbi" along the best path, "baum-welch" over all paths."""

    @staticmethod
    def accumulate_many(pairs: "list[tuple[WordModel, Block]]", method: str = "viterbi") -> "list[WordStats]":
        """Do the same for several models, each over its own block."""
        return [model.accumulate(block, method) for model, block in pairs]

    @staticmethod
    @abstractmethod
    def bank(models: "list[WordModel]", exact: bool = False) -> "Bank":
        """Put the models of several words side by side for decoding; `exact`: densities, if any, in float64."""

    @abstractmethod
    def estimate(self, stats: "WordStats", config: Any) -> "WordModel":
        """Make the model that is likeliest under the sums; itself where there is nothing to estimate."""

    def adapt(self, stats: "WordStats", prior: Any, config: Any) -> "WordModel":
        """Make the model that is likeliest under the sums with this one as the prior: of families with `adaptations`."""
        raise NotImplementedError

    def log_prior(self, adapted: "WordModel", prior: Any) -> float:
        """Evaluate the log density of a model under the prior that this one is, 0 for itself."""
        raise NotImplementedError

    def schedule(self, config: Any) -> list[int]:
        """List the numbers of Gaussians that training grows to in turn."""
        return []

    def grow(self, stats: "WordStats", config: Any, total: int | None = None) -> "WordModel | None":
        """Make a larger model; None where nothing can grow."""
        return None

    @abstractmethod
    def to_arrays(self) -> dict[str, np.ndarray]:
        """Give the arrays that make it up, by name: what a model file holds, and `Family.from_arrays` reads."""


class Bank(Protocol):
    """A vocabulary for decoding: every word scores every utterance of a block in one pass."""

    # "viterbi" | "forward" -> (U, W), -inf where a word has no path
    def scores(self, block: Block, method: str) -> np.ndarray: ...


class StateBank(Bank, Protocol):
    """Of families whose words are states with densities, one state or more: what the winner's path is judged by."""

    # with the densities that were computed already
    def scores(self, block: Block, method: str, densities: "Densities | None" = None) -> np.ndarray: ...
    def densities(self, block: Block) -> "Densities": ...
    # each utterance's word, by its place in the bank (U,) -> state of each frame, int32 (N,), in the order of the densities
    def paths(self, block: Block, densities: "Densities", words: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Stats:
    """Sums that support `+`, field by field; subclasses are frozen dataclasses of arrays, numbers and other
    Stats.
    """

    def __add__(self: StatsT, other: StatsT) -> StatsT:
        values = {}
        for field in dataclasses.fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            values[field.name] = mine + theirs
        return type(self)(**values)

    def scaled(self: StatsT, factor: float) -> StatsT:
        """Multiply all by a factor, as if there had been so many times the data; counts become floats."""
        values: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            mine = getattr(self, field.name)
            values[field.name] = mine.scaled(factor) if isinstance(mine, Stats) else mine * float(factor)
        return type(self)(**values)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Flat dict of field name to array; names do not repeat between a Stats and the Stats inside it."""
        arrays = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            arrays.update(value.to_arrays() if isinstance(value, Stats) else {field.name: np.asarray(value)})
        return arrays

    def filled(self: StatsT, arrays: Mapping[str, np.ndarray]) -> StatsT:
        """The same kind of sums with the values of `to_arrays`' dict."""
        values: dict[str, Any] = {}
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

    @property
    def occupancy(self) -> np.ndarray:
        """Frames of each state, (S,): of models whose states can lose Gaussians or have variances on their floor."""
        raise NotImplementedError


def check_array(name: str, array: np.ndarray, shape: tuple[int, ...], *, log: bool = False) -> None:
    """An array of a model file is float64, of that shape, and holds numbers; -inf only where it holds logs."""
    if array.dtype != np.float64 or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype} {array.shape}, not float64 {shape}")
    if not (np.isfinite(array) | (log & (array == -np.inf))).all():
        raise ValueError(f"{name} holds NaN or infinite values")


def check_distribution(name: str, log_probs: np.ndarray) -> None:
    """Each row's probabilities sum to one."""
    if not np.allclose(np.exp(log_probs).sum(axis=-1), 1, rtol=0, atol=1e-6):
        raise ValueError(f"{name} does not sum to one")


def safe_log(p: np.ndarray) -> np.ndarray:
    """log p with log 0 = -inf, without the warning: zero means forbidden here, not a mistake."""
    with np.errstate(divide="ignore"):
        return np.log(p)


def floored_distribution(counts: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
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
    p, on_floor = floored_rows(np.asarray(counts, dtype=np.float64)[None], floor)
    return p[0], on_floor[0]


def floored_rows(
    counts: np.ndarray, floor: float, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Do the same for each row of counts (R, K), over the entries that are allowed (R, K); the others stay 0."""
    allowed = np.ones(counts.shape, dtype=bool) if allowed is None else allowed
    floors = np.minimum(floor, 1.0 / np.maximum(allowed.sum(axis=1, keepdims=True), 1))  # (R, 1)
    free, on_floor = np.where(allowed, counts, 0.0), np.zeros(counts.shape, dtype=bool)
    while True:
        total = free.sum(axis=1, keepdims=True)
        share = 1.0 - floors * on_floor.sum(axis=1, keepdims=True)
        p = np.where(on_floor, floors, free * (share / np.where(total > 0, total, np.inf)))
        below = allowed & (p < floors) & ~on_floor
        if not below.any():
            return p / np.maximum(p.sum(axis=1, keepdims=True), LEAST_SUM), on_floor
        on_floor |= below
        free[below] = 0.0


def smoothed_rows(log_probs: np.ndarray, counts: np.ndarray, prior_count: float, floor: float) -> np.ndarray:
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


def rows_log_prior(log_probs: np.ndarray, others: np.ndarray, prior_count: float) -> float:
    """Log density of rows `others` under the prior of `smoothed_rows`, relative to that of `log_probs`
    themselves.
    """
    allowed = np.isfinite(log_probs) & (prior_count > 0)
    return prior_count * float((np.exp(log_probs[allowed]) * (others[allowed] - log_probs[allowed])).sum())


def log_sum(joint: np.ndarray) -> np.ndarray:
    """log sum exp over the last axis, which holds no row of -inf alone."""
    peak = joint.max(axis=-1)
    return np.log(np.exp(joint - peak[..., None]).sum(axis=-1)) + peak
