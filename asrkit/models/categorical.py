"""Symbol tables, one per state: the emission of the discrete HMM."""

from dataclasses import dataclass

import numpy as np

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


@dataclass(frozen=True)
class CategoricalStats(Stats):
    """`counts[s, k]`: how often state s spoke symbol k, (S, K)."""

    counts: np.ndarray


@dataclass(frozen=True)
class Categorical(Emission):
    """`log_probs[s, k]` is log P(symbol k | state s): (S, K)."""

    log_probs: np.ndarray

    num_gauss = 0

    @property
    def num_parameters(self):
        return int(np.isfinite(self.log_probs).sum())

    @property
    def components(self):
        """(S,): there are no Gaussians."""
        return np.zeros(len(self.log_probs), dtype=int)

    @property
    def floored(self):
        """(S,): a symbol on its floor is nothing to report, most are."""
        return np.zeros(len(self.log_probs), dtype=int)

    def check(self, num_states, width):
        """Raise ValueError unless this is a table of `num_states` states and `width` symbols."""
        check_array("log_probs", self.log_probs, (num_states, width), log=True)
        check_distribution("log_probs", self.log_probs)

    def log_likelihood(self, obs, *, prepared=None):
        """log P(code | state): (N, S)."""
        return self.log_probs.take(obs, axis=1).T

    def accumulate(self, obs, gamma, *, prepared=None):
        """Sum of occupancies by symbol; `gamma` is (N, S)."""
        num_symbols = self.log_probs.shape[1]
        return CategoricalStats(
            np.stack([np.bincount(obs, weights=g, minlength=num_symbols) for g in gamma.T])
        )

    def estimate(self, stats, config):
        """Relative frequencies, no symbol below `config.symbol_floor`; a state never visited keeps its own."""
        log_probs = self.log_probs.copy()
        for s in np.flatnonzero(stats.counts.sum(axis=1) > 0):
            log_probs[s] = safe_log(floored_distribution(stats.counts[s], config.symbol_floor)[0])
        return Categorical(log_probs)

    def adapt(self, stats, prior, config):
        """Relative frequencies, as if each state had spoken `prior.prior_count` symbols before, just as this
        table says.
        """
        if "means" not in prior.moves:
            return self
        return Categorical(
            smoothed_rows(self.log_probs, stats.counts, prior.prior_count, config.symbol_floor)
        )

    def log_prior(self, adapted, prior):
        """Log density of `adapted` under the prior that this table is, relative to the table itself."""
        return rows_log_prior(self.log_probs, adapted.log_probs, prior.prior_count)

    def sample(self, states, rng):
        """Draw one symbol for each entry of the state sequence `states`: int32 (N,)."""
        probs = np.exp(self.log_probs)
        return np.array(
            [rng.choice(probs.shape[1], p=probs[s] / probs[s].sum()) for s in states], dtype=np.int32
        )

    def to_arrays(self):
        return dict(vars(self))
