"""Semi-continuous HMM: all states of a word share one pool of Gaussians, each with weights of its own."""

from dataclasses import dataclass, replace

import numpy as np

from asrkit.config import option
from asrkit.families.base import HmmFamily, SharesCovariances, gaussians_of, shared_frames, states_of
from asrkit.families.gmm import cluster_gaussians
from asrkit.models.base import (
    Emission,
    Stats,
    check_array,
    check_distribution,
    floored_distribution,
    rows_log_prior,
    safe_log,
    smoothed_rows,
)
from asrkit.models.hmm import Hmm
from asrkit.models.mixture import MIXTURES
from asrkit.models.mixture_base import Mixture
from asrkit.models.topology import HmmConfig, init_hmm

ROWS = 4096  # frames worked on at a time
LOST = 1e-200  # sums below this may have lost what they are made of


@dataclass(frozen=True)
class Config(HmmConfig):
    num_gauss: int = option(64, "Gaussians of each word's pool", minimum=1)
    covariance: str = option("diag", "covariance form", choices=("diag", "full"))
    min_count: float = option(
        20.0, "frames each Gaussian must have on average; fewer Gaussians where a word has less", minimum=1
    )
    variance_floor: float = option(
        0.01, "least variance, as a fraction of the word's variance in each dimension", minimum=0, maximum=1
    )
    weight_floor: float = option(1e-5, "least weight of a Gaussian in a state", minimum=0, maximum=1)
    kmeans_iters: int = option(20, "Lloyd iterations of the k-means start", minimum=1)
    shared_frames: float = shared_frames()
    min_occ = 0.0  # no setting: a Gaussian without frames keeps its place in the pool


@dataclass(frozen=True)
class TiedStats(Stats):
    """`counts[s, m]`: how often state s drew Gaussian m, (S, M); `pool`: the sums of all Gaussians."""

    counts: np.ndarray
    pool: Stats

    @property
    def gaussians(self):
        """The sums of the mixture that holds the Gaussians."""
        return self.pool


@dataclass(frozen=True)
class TiedMixture(Emission):
    """The emission of a semi-continuous HMM.

    Attributes
    ----------
    log_weights : (S, M)
        log P(Gaussian m | state s).
    pool : Mixture
        M "states" of one Gaussian each, so that its likelihoods are theirs and its occupancies their
        posteriors.
    """

    log_weights: np.ndarray
    pool: Mixture

    @property
    def num_gauss(self):
        return self.pool.num_gauss

    @property
    def gaussians(self):
        """The mixture that holds the Gaussians, whoever shares them."""
        return self.pool

    def with_gaussians(self, gaussians):
        return replace(self, pool=gaussians)

    @property
    def inside(self):
        from asrkit.models.inside import Gaussians, Inside

        means, spread = self.pool.means[:, 0], getattr(self.pool, self.pool.spread)[:, 0]
        states = tuple(Gaussians(weights, means, spread) for weights in np.exp(self.log_weights))
        return Inside(gaussians=states, shared=True)

    @property
    def num_parameters(self):
        return int(np.isfinite(self.log_weights).sum()) + self.pool.num_spread_parameters

    @property
    def components(self):
        """(S,): every state draws on the whole pool."""
        return np.full(len(self.log_weights), self.num_gauss)

    @property
    def floored(self):
        """(S,): the pool's variances on their floor, which are no state's own, are laid to the first."""
        return np.eye(1, len(self.log_weights), dtype=int)[0] * self.pool.floored.sum()

    @property
    def center(self):
        return self.pool.center

    def check(self, num_states, width):
        """Raise ValueError unless this is a pool over `width` dimensions with weights for `num_states`
        states.
        """
        check_array("log_weights", self.log_weights, (num_states, len(self.pool.means)), log=True)
        check_distribution("log_weights", self.log_weights)
        self.pool.check(len(self.pool.means), width)

    def prepare(self, obs):
        return self.pool.prepare(obs)

    def log_likelihood(self, obs, *, prepared=None):
        """log sum_m P(m | state) N(x; m): (N, S)."""
        densities = self.pool.log_likelihood(obs, prepared=prepared)
        out = np.empty((len(self.log_weights), len(obs)))
        for start in range(0, len(obs), ROWS):
            out[:, start : start + ROWS] = self._mixed(densities[start : start + ROWS])[0].T
        return out.T

    def component_log_likelihood(self, obs):
        """log of weight x density of each Gaussian of the pool: (N, S, M)."""
        return self.log_weights + self.pool.log_likelihood(obs)[:, None]

    def _mixed(self, log_densities):
        """Log-likelihoods (n, S), the peak of each frame's densities (n, 1), and the rows that sums of
        exponentials lose.
        """
        peak = log_densities.max(axis=1, keepdims=True)
        total = np.exp(log_densities - peak) @ np.exp(self.log_weights).T
        lost = np.flatnonzero((total < LOST).any(axis=1))
        log_likes = safe_log(total) + peak
        if len(lost):
            log_likes[lost] = np.logaddexp.reduce(log_densities[lost, None] + self.log_weights, axis=2)
        return log_likes, peak, lost

    def accumulate(self, obs, gamma, *, prepared=None):
        """Sums over frames: `gamma[n, s]` is the occupancy of state s by frame n."""
        log_densities = self.pool.log_likelihood(obs, prepared=prepared)
        weights = np.exp(self.log_weights)
        counts, drawn = np.zeros_like(weights), np.empty(log_densities.shape)
        for start in range(0, len(obs), ROWS):
            rows = slice(start, start + ROWS)
            log_likes, peak, lost = self._mixed(log_densities[rows])
            # P(m | x, s) = weights[s, m] density[m] / likelihood[s]: two products, one over frames, one over
            # states.
            densities = np.exp(log_densities[rows] - peak)
            occupied = gamma[rows] * np.exp(np.minimum(peak - log_likes, 500.0))
            occupied[lost] = 0.0
            counts += (occupied.T @ densities) * weights
            part = (occupied @ weights) * densities
            if len(lost):
                post = (
                    np.exp(log_densities[rows][lost, None] + self.log_weights - log_likes[lost, :, None])
                    * gamma[rows][lost, :, None]
                )
                counts += post.sum(axis=0)
                part[lost] = post.sum(axis=1)
            drawn[rows] = part
        return TiedStats(counts, self.pool.accumulate(obs, drawn, prepared=prepared))

    def estimate(self, stats, config):
        """Relative frequencies for the weights, the pool by its own rule; a state never visited keeps its
        weights.
        """
        log_weights = self.log_weights.copy()
        for s in np.flatnonzero(stats.counts.sum(axis=1) > 0):
            log_weights[s] = safe_log(floored_distribution(stats.counts[s], config.weight_floor)[0])
        return TiedMixture(log_weights, self.pool.estimate(stats.pool, config))

    def adapt(self, stats, prior, config):
        """Weights as if each state had drawn `prior.prior_count` Gaussians before, the pool by its own rule."""
        weights = self.log_weights
        if "weights" in prior.moves:
            weights = smoothed_rows(weights, stats.counts, prior.prior_count, config.weight_floor)
        return TiedMixture(weights, self.pool.adapt(stats.pool, prior, config))

    def log_prior(self, adapted, prior):
        """Log density of `adapted` under the prior that this mixture is, relative to the mixture itself."""
        return self.pool.log_prior(adapted.pool, prior) + rows_log_prior(
            self.log_weights, adapted.log_weights, prior.prior_count
        )

    def sample(self, states, rng):
        """Draw one frame for each entry of the state sequence `states`: (N, D)."""
        return self.pool.sample(
            np.array([rng.choice(len(self.pool.means), p=np.exp(self.log_weights[s])) for s in states]), rng
        )

    def to_arrays(self):
        arrays = self.pool.to_arrays()
        return {**arrays, "log_weights": self.log_weights}


class Schmm(SharesCovariances, HmmFamily):
    """Semi-continuous HMMs."""

    Config = Config
    has_gaussians = True

    def rules(self, facts, chosen):
        """Normalisation with a memory, which other microphones and strangers ask for."""
        return {"cmvn": "map"}

    def describe(self, config):
        return f"{states_of(config)} that share {gaussians_of(config)}"

    def init(self, config, block, rng, start=0):
        """k-means clusters as the pool, uniform segmentation (a random one for later starts) for the weights."""
        pool, share = cluster_gaussians(config, block, rng)
        log_share = np.log(np.maximum(share, config.weight_floor))
        log_share -= np.logaddexp.reduce(log_share)
        return init_hmm(lambda n: TiedMixture(np.tile(log_share, (n, 1)), pool), block, config, rng, start)

    def from_arrays(self, arrays):
        arrays = dict(arrays)
        log_start, log_trans, log_exit, log_weights = (
            arrays.pop(name) for name in ("log_start", "log_trans", "log_exit", "log_weights")
        )
        pool = MIXTURES["full" if "covariances" in arrays else "diag"](
            np.zeros(arrays["means"].shape[:2]), **arrays
        )
        return Hmm(log_start, log_trans, log_exit, TiedMixture(log_weights, pool))
