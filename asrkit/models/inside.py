"""What a word's model is made of, as plain probabilities and numbers: for people to look at, whatever the family."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Chain:
    """The Markov chain of a word's states.

    Attributes
    ----------
    start : (S,)
        P(first state).
    transitions : (S, S)
        `transitions[i, j]` is P(state j at t+1 | state i at t), Rabiner's A (1989).
    exit : (S,)
        P(the word ends after this frame | state); with the state's row of `transitions` it sums to 1.
    """

    start: np.ndarray
    transitions: np.ndarray
    exit: np.ndarray

    @property
    def durations(self) -> np.ndarray:
        """Mean frames of a stay in each state, 1 / (1 - a_ii), (S,): Rabiner (1989), eq. 5; inf where none leaves."""
        with np.errstate(divide="ignore"):
            return 1 / np.maximum(1 - np.diagonal(self.transitions), 0)

    @property
    def word_frames(self) -> float:
        """Mean frames of the word, start (I - A)^-1 1: Kemeny and Snell, "Finite Markov chains", 3.2."""
        try:
            visits = np.linalg.solve(np.eye(len(self.start)) - self.transitions.T, self.start)
        except np.linalg.LinAlgError:  # a state that is never left
            return float("inf")
        return float(visits.sum())

    @property
    def free_parameters(self) -> int:
        """Probabilities that are not 0 less one a distribution, which sums to 1."""
        allowed = np.count_nonzero(self.transitions) + np.count_nonzero(self.exit)
        return int(np.count_nonzero(self.start) - 1 + allowed - len(self.start))


@dataclass(frozen=True, eq=False)
class Gaussians:
    """The Gaussians of one state.

    Attributes
    ----------
    weights : (M,)
    means : (M, D)
    spread : (M, D) or (M, D, D)
        Variances, or covariances.
    """

    weights: np.ndarray
    means: np.ndarray
    spread: np.ndarray

    @property
    def full(self) -> bool:
        """Whether covariances are full."""
        return self.spread.ndim == 3

    @property
    def deviations(self) -> np.ndarray:
        """Standard deviations, (M, D)."""
        return np.sqrt(np.diagonal(self.spread, axis1=1, axis2=2) if self.full else self.spread)

    def covariances(self, dims: tuple[int, ...]) -> np.ndarray:
        """Take the covariances of some of the dimensions, (M, len(dims), len(dims)): those of the marginal Gaussians."""
        places = list(dims)
        if self.full:
            return self.spread[:, places][:, :, places]
        return self.spread[:, places, None] * np.eye(len(places))

    @property
    def spread_parameters(self) -> int:
        """Numbers in means and in covariances, which are symmetric."""
        count, dim = self.means.shape
        return count * (dim + (dim * (dim + 1) // 2 if self.full else dim))


@dataclass(frozen=True, eq=False)
class Templates:
    """Recordings that a word is compared with.

    Attributes
    ----------
    frames : (K, L, D)
    original : bool (K,)
        Whether a template is a recording, not made of recordings.
    weights : (K,)
        Factors of the costs.
    """

    frames: np.ndarray
    original: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class Inside:
    """What a word's model is made of; a family leaves out what its models do not have.

    Attributes
    ----------
    chain : Chain or None
    gaussians : tuple of Gaussians
        Of each state.
    shared : bool
        All states have the same Gaussians and differ in the weights.
    symbols : (S, K, M) or None
        P(symbol m in stream k | state).
    templates : Templates or None
    """

    chain: Chain | None = None
    gaussians: tuple[Gaussians, ...] = ()
    shared: bool = False
    symbols: np.ndarray | None = None
    templates: Templates | None = None

    @property
    def free_parameters(self) -> int | None:
        """Numbers that may be chosen freely, one less for each distribution: what AIC and BIC count.

        None of a model that has no density.
        """
        if not self.gaussians and self.symbols is None:
            return None
        count = 0 if self.chain is None else self.chain.free_parameters
        if self.symbols is not None:
            count += int(np.count_nonzero(self.symbols)) - self.symbols[..., 0].size
        if self.gaussians:
            pools = self.gaussians[:1] if self.shared else self.gaussians
            count += sum(int(np.count_nonzero(own.weights)) - 1 for own in self.gaussians)
            count += sum(own.spread_parameters for own in pools)
        return count
