"""How sure it is that a recording holds the word that won: what is known for it, and the probability."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from asrkit.config import check_fields, option
from asrkit.errors import DataError, SettingsError

LONGEST = 3.0  # times the usual: of 300 words cut out of a stream none lasted so long; of the false ones in an hour of talk most did
# Of a stream nothing is learned that is less sure: in an hour of strangers' talk learning of all that was believed (0.6) made 146 false words, not 23.
LEARNED = 0.9
MOST = 1e12  # frames of a state, and likewise; far beyond all that is learned, and its powers are numbers
UNKNOWN = "<unk>"  # what is heard where no word is sure enough
# of the winner's path, in nats a frame but for the last two; b is the background, the states of all words by how often they are visited
MEASURES = ("background", "margin", "states", "weakest", "durations", "length")
# How what the winner leaves is divided; learned of the wrong winners of six FSDD speakers and of TIDIGITS' test, all unseen
BEHIND = (
    0.28  # a word's weight falls by that in nats, times what it lies behind and over the root of the frames
)
UNHEARD = 0.2  # <unk> weighs that, times the odds against the winner


@dataclass(frozen=True)
class AcceptConfig:
    """When a word is believed."""

    reject: float = option(
        0.0,
        "share of rightly heard words that may be rejected (0.05); what is less sure than that is <unk>; 0: nothing is rejected",
        minimum=0,
        maximum=1,
    )
    min_confidence: float = option(0.0, "probability below which a word is <unk>", minimum=0, maximum=1)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.reject and self.min_confidence:
            raise SettingsError(
                f"reject={self.reject:g} and min_confidence={self.min_confidence:g}: one of them decides (leave the other out)"
            )

    @property
    def asked(self) -> bool:
        """Whether anything is to be rejected."""
        return bool(self.reject or self.min_confidence)

    def limit(self, confidence: "Confidence | None", able: bool = True) -> float:
        """Find the probability below which a word is not believed; 0 where nothing is to be rejected.

        `able` says whether models of its family can know it.

        Raises
        ------
        DataError
            The model knows no confidence.
        SettingsError
            It can't promise such a share.
        """
        if not self.asked:
            return 0.0
        if confidence is None:
            remedy = "asrkit calibrate makes it know" if able else "train a chmm, gmm, schmm or dhmm"
            raise DataError(
                f"the model does not know how sure it may be ({remedy}; min_confidence=0 believes all)"
            )
        return confidence.threshold(self.reject) if self.reject else self.min_confidence


def posteriors(scores: np.ndarray, lengths: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Divide what the probability of the best word leaves among the other words and `<unk>`.

    A word weighs exp(-0.28 d / sqrt(T)), d nats behind the best of T frames, for the noise of a sum grows with the root of their number;
    `<unk>` weighs 0.2 (1 - p) / p. No other word gets as much as the best one; what is left over is of `<unk>`.

    Parameters
    ----------
    scores : (U, W)
        Log-likelihoods, -inf where a word has no path.
    lengths : (U,)
        Frames.
    sure : (U,)
        Probabilities that the best word was said.

    Returns
    -------
    float64 (U, W + 1)
        `<unk>` the last; rows sum to one. NaN where `sure` is; all is of `<unk>` where no word has a path.
    """
    out = np.zeros((len(scores), scores.shape[1] + 1))
    for own, row, frames, p in zip(out, scores, lengths, sure, strict=True):
        best = row.argmax()
        if np.isfinite(row[best]):
            weight = np.exp(-BEHIND * (row[best] - row) / np.sqrt(frames))
            weight[best] = 0.0
            unheard = UNHEARD * (1 - p) / max(p, 1e-300)
            own[:-1] = np.minimum((1 - p) * weight / (weight.sum() + unheard + 1e-300), p * (1 - 1e-9))
            own[best] = p
        own[-1] = np.maximum(1 - own[:-1].sum(), 0.0)
    return out


@dataclass(frozen=True)
class Confidence:
    """What a vocabulary needs to be sure or not.

    Attributes
    ----------
    states : dict of str to (S, 3)
        Of each word's states: frames of the training in it, mean and standard deviation of the log of the frames that a recording spends there.
    weights : (7,)
        Of `MEASURES` and, last, the constant: their sum is the log odds that the winner was said.
    folds : str
        What was held out where it was learned: "speakers", "recordings", or "none", where the weights are those of other vocabularies.
    thresholds : dict of float to float
        By the share of rightly heard words that are rejected: the probability below which they are; of those held out, each speaker
        counting alike. Empty where nothing was held out.
    accepted : dict of float to float
        The share of unknown words that pass then, each word of the vocabulary having been unknown in turn.
    spread : dict of float to float
        Standard deviation over speakers of the share that is rejected then; empty where there is one.

    References
    ----------
    Word durations and the pooled background are Wilpon et al. (1990) and Rahim, Lee and Juang (1997) in small.
    """

    states: dict[str, np.ndarray]
    weights: np.ndarray
    folds: str
    thresholds: dict[float, float]
    accepted: dict[float, float]
    spread: dict[float, float]

    def __post_init__(self) -> None:
        if self.folds not in ("speakers", "recordings", "none"):
            raise ValueError("what was held out for its confidence is not known")
        numbers = [self.weights, *self.states.values()]
        if np.shape(self.weights) != (len(MEASURES) + 1,) or any(
            np.shape(a)[1:] != (3,) for a in numbers[1:]
        ):
            raise ValueError("its confidence has other shapes")
        tables = [list(part.items()) for part in (self.thresholds, self.accepted, self.spread)]
        if not all(np.isfinite(a).all() for a in [*numbers, *map(np.ravel, tables)]):
            raise ValueError("its confidence holds NaN or infinite values")
        frames, logs, spread = np.concatenate([np.ones((1, 3)), *self.states.values()]).T
        outside = [frames < 1 / MOST, spread < 1 / MOST, np.abs(logs) > np.log(MOST)]
        if any(np.any(own) for own in outside) or max(np.abs(a).max(initial=0) for a in numbers) > MOST:
            raise ValueError("its confidence holds frames, durations or weights that can't be")

    def probability(self, measures: np.ndarray) -> np.ndarray:
        """Turn measures (U, 6) into probabilities (U,) that the best word was said; 0 where no word has a path."""
        odds = measures @ self.weights[:-1] + self.weights[-1]
        return np.exp(-np.logaddexp(0.0, -np.where(np.isnan(odds), -np.inf, odds)))

    def lasts_too_long(self, word: str, frames: int) -> bool:
        """Whether a stretch of sound without silence at its ends lasts `LONGEST` times as long as a word usually does."""
        return frames > LONGEST * np.exp(self.states[word][:, 1]).sum()

    def threshold(self, rate: float) -> float:
        """Find the probability below which that share of rightly heard words is rejected.

        Raises
        ------
        SettingsError
            Nothing was held out that says it, or not for such a rate.
        """
        if not self.thresholds:
            raise SettingsError(
                f"reject={rate:g}: the model can't promise it, too few recordings were held out (min_confidence= decides, or more recordings)"
            )
        if not min(self.thresholds) <= rate <= max(self.thresholds):
            raise SettingsError(
                f"reject={rate:g}: {min(self.thresholds):g} to {max(self.thresholds):g} can be asked for"
            )
        return float(np.interp(rate, list(self.thresholds), list(self.thresholds.values())))

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as JSON values."""
        return {
            "states": {word: own.tolist() for word, own in self.states.items()},
            "weights": self.weights.tolist(),
            "folds": self.folds,
            **{
                name: [list(pair) for pair in getattr(self, name).items()]
                for name in ("thresholds", "accepted", "spread")
            },
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Confidence":
        """Build it from what `to_dict` gave."""
        tables = [
            {float(rate): float(p) for rate, p in values[name]}
            for name in ("thresholds", "accepted", "spread")
        ]
        states = {word: np.array(own, dtype=np.float64) for word, own in values["states"].items()}
        return cls(states, np.array(values["weights"], dtype=np.float64), str(values["folds"]), *tables)
