"""What a vocabulary keeps beside its models, so that words can be taught and forgotten: recordings, and what its states have in common."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from asrkit.models.base import WordModel, check_array

MOST = 10  # recordings of a word that are taught


class Recorded(NamedTuple):
    """A recording of a word that was trained, as it is kept to hear whether a new word draws it away."""

    word: str
    utt: str
    feats: np.ndarray  # float32 (T, dim), stored features


@dataclass(frozen=True)
class Pool:
    """What the states of all words have in common: the prior of a word of which little is known.

    Attributes
    ----------
    mean : (D,)
        Of all frames.
    covariance : (D, D)
        Of the frames of a state about the state's mean.
    log_spread : float
        Standard deviation of the log of the frames that a recording spends in a state.
    """

    mean: np.ndarray
    covariance: np.ndarray
    log_spread: float

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Give the arrays that make it up, by name."""
        return {"mean": self.mean, "covariance": self.covariance, "log_spread": np.array([self.log_spread])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], width: int) -> "Pool":
        """Build it from what `to_arrays` gave; a ValueError where that is none over `width` dimensions."""
        check_array("mean", arrays["mean"], (width,))
        check_array("covariance", arrays["covariance"], (width, width))
        check_array("log_spread", arrays["log_spread"], (1,))
        if np.linalg.eigvalsh(arrays["covariance"])[0] <= 0:
            raise ValueError("the covariance of all states is not positive definite")
        return cls(arrays["mean"], arrays["covariance"], float(arrays["log_spread"][0]))


@dataclass(frozen=True)
class Kept:
    """What is kept.

    Attributes
    ----------
    recorded : tuple of Recorded
        A few recordings of each word that was trained.
    taught : dict of str to tuple of float32 (T, dim)
        By word: the stored features of the recordings that it was taught with, in an order that is theirs, not that of the teaching.
    trained : dict of str to WordModel
        Words that were trained and taught more afterwards: as they were trained.
    pool : Pool or None
        As it was when the first word was taught; None where none is.
    """

    recorded: tuple[Recorded, ...] = ()
    taught: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    trained: dict[str, WordModel] = field(default_factory=dict)
    pool: Pool | None = None

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give it as JSON values and arrays."""
        taught = [(word, feats) for word, own in self.taught.items() for feats in own]
        arrays = {} if self.pool is None else {f"pool {n}": a for n, a in self.pool.to_arrays().items()}
        for place, model in enumerate(self.trained.values()):
            arrays.update({f"trained {place} {name}": a for name, a in model.to_arrays().items()})
        for name, each in (
            ("recorded", [own.feats for own in self.recorded]),
            ("taught", [f for _, f in taught]),
        ):
            if each:
                arrays[name] = np.concatenate(each)
        return {
            "recorded": [[own.word, own.utt, len(own.feats)] for own in self.recorded],
            "taught": [[word, len(feats)] for word, feats in taught],
            "trained": list(self.trained),
        }, arrays

    @classmethod
    def from_arrays(
        cls,
        values: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        dim: int,
        width: int,
        make: Callable[[dict[str, np.ndarray]], WordModel],
    ) -> "Kept":
        """Build it from what `to_arrays` gave; a ValueError where that is not so.

        Parameters
        ----------
        dim, width : int
            Dimensions of stored features and of those that the models see.
        make : callable
            Arrays of a word's model to the model.
        """

        def cut(name: str) -> list[np.ndarray]:
            lengths = [int(row[-1]) for row in values[name]]
            if not lengths:
                return []
            frames = arrays[name]
            if frames.shape != (sum(lengths), dim) or frames.dtype != np.float32 or min(lengths) < 1:
                raise ValueError(f"{name} has other shapes")
            if not np.isfinite(frames).all():
                raise ValueError(f"{name} holds NaN or infinite values")
            return np.split(frames, np.cumsum(lengths)[:-1])

        def of(prefix: str) -> dict[str, np.ndarray]:
            return {name[len(prefix) :]: a for name, a in arrays.items() if name.startswith(prefix)}

        recorded = tuple(
            Recorded(str(word), str(utt), feats)
            for (word, utt, _), feats in zip(values["recorded"], cut("recorded"), strict=True)
        )
        taught: dict[str, tuple[np.ndarray, ...]] = {}
        for (word, _), feats in zip(values["taught"], cut("taught"), strict=True):
            taught[str(word)] = (*taught.get(str(word), ()), feats)
        trained = {}
        for place, word in enumerate(values["trained"]):
            trained[str(word)] = make(of(f"trained {place} "))
            trained[str(word)].check(width)
        pool = of("pool ")
        return cls(recorded, taught, trained, Pool.from_arrays(pool, width) if pool else None)


def in_order(recordings: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Order recordings by what they hold, each once."""
    by_digest = {digest(feats): feats for feats in recordings}
    return tuple(by_digest[name] for name in sorted(by_digest))


def digest(feats: np.ndarray) -> str:
    """Name a recording by what it holds."""
    return hashlib.sha256(np.ascontiguousarray(feats, dtype=np.float32).tobytes()).hexdigest()
