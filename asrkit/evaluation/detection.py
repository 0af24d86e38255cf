"""How well words are told from what is none: false acceptances and rejections, and whether probabilities mean what they say."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

RATES = (0.01, 0.05)  # of false rejections that are told
BINS = 10  # of the calibration error


@dataclass(frozen=True)
class Trial:
    """One recording heard once.

    Attributes
    ----------
    utt, speaker : str
    known : bool
        Its word was in the vocabulary.
    right : bool
        The best word was the one that was said.
    p : float
        Probability that it was, as the recogniser has it.
    """

    utt: str
    speaker: str
    known: bool
    right: bool
    p: float


class Detection:
    """Rates of trials, some with known and some with unknown words.

    Words that are known and heard as another one are neither accepted rightly nor unknown: they count in the calibration alone.

    Attributes
    ----------
    trials : list of Trial
    accepted_rightly, unknown : (N,), (M,)
        Sorted probabilities of the words that were heard rightly, and of the unknown ones.
    """

    def __init__(self, trials: list[Trial], num_words: int | None = None) -> None:
        """
        Parameters
        ----------
        num_words : int, optional
            Words of which each was unknown in turn: a known trial stands for as many less one. Without it each trial is one.
        """
        self.trials = trials
        p, right, known = (
            np.array([getattr(trial, name) for trial in trials]) for name in ("p", "right", "known")
        )
        self._p, self._right = p, right.astype(bool)
        self._share = np.where(known.astype(bool), (num_words or 2) - 1, 1).astype(float)
        self.accepted_rightly, self.unknown = np.sort(p[self._right]), np.sort(p[~known.astype(bool)])

    @cached_property
    def curve(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Limits, and of each the shares of right words below it and of unknown ones that reach it."""
        limits = np.unique(
            np.concatenate([[0.0], self.accepted_rightly, self.unknown, [np.nextafter(1.0, 2.0)]])
        )
        rejected = np.searchsorted(self.accepted_rightly, limits) / max(len(self.accepted_rightly), 1)
        accepted = 1 - np.searchsorted(self.unknown, limits) / max(len(self.unknown), 1)
        return limits, rejected, accepted

    @property
    def equal_error_rate(self) -> float:
        """The rate at which as many unknown words pass as right ones are rejected."""
        _, rejected, accepted = self.curve
        place = int(np.argmin(np.abs(rejected - accepted)))
        return float((rejected[place] + accepted[place]) / 2)

    def false_accepts(self, rate: float) -> float:
        """Find the share of unknown words that pass where at most that share of right ones is rejected."""
        _, rejected, accepted = self.curve
        return float(accepted[rejected <= rate][-1])

    @property
    def brier(self) -> float:
        """Mean squared distance of the probabilities from the truth (Brier, 1950)."""
        return float(np.average((self._p - self._right) ** 2, weights=self._share))

    @cached_property
    def reliability(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of ten bins of the probabilities: mean probability, share that is right, weight; NaN of an empty bin."""
        place = np.minimum((self._p * BINS).astype(int), BINS - 1)
        weight = np.bincount(place, self._share, BINS)
        with np.errstate(invalid="ignore"):
            mean = np.bincount(place, self._share * self._p, BINS) / weight
            right = np.bincount(place, self._share * self._right, BINS) / weight
        return mean, right, weight / weight.sum()

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: the mean distance of a bin's probability from its share of right words."""
        mean, right, weight = self.reliability
        return float(np.nansum(np.abs(mean - right) * weight))

    def lines(self) -> list[str]:
        """Say it in two lines; none where there are no trials of both kinds."""
        if not len(self.unknown) or not len(self.accepted_rightly):
            return ["unknown words: nothing to be told, there are no trials of known and of unknown words"]
        passed = ", ".join(f"{100 * self.false_accepts(rate):.1f} % at {100 * rate:.0f} %" for rate in RATES)
        return [
            f"unknown words: equal error rate {100 * self.equal_error_rate:.1f} %; false acceptances where right words are rejected: {passed} "
            f"({len(self.unknown)} unknown, {len(self.accepted_rightly)} right)",
            f"probabilities: Brier score {self.brier:.3f}, calibration error {self.calibration_error:.3f}",
        ]
