"""Symbol tables, one or several per state: the emission of the discrete HMM."""

from dataclasses import dataclass, replace

import numpy as np

from asrkit.models.base import (
    Emission,
    Stats,
    check_array,
    check_distribution,
    floored_rows,
    rows_log_prior,
    safe_log,
    smoothed_rows,
)


@dataclass(frozen=True)
class CategoricalStats(Stats):
    """`counts[s, k]`: how often state s spoke symbol k, (S, M); of several streams (S, K, M)."""

    counts: np.ndarray


@dataclass(frozen=True)
class Categorical(Emission):
    """S states' probabilities of M symbols; or, where a frame is K symbols, of those of each stream.

    Streams are independent given the state: log P(codes | state) is the sum of weights[k] log P(codes[k] | state), as in
    HTK (Young et al., The HTK Book, eq. 7.2). With weights other than 1 it is no density, and training still climbs:
    re-estimation knows of no weight, and each stream's share of the objective rises by itself.

    Attributes
    ----------
    log_probs : (S, M) or (S, K, M)
        `log_probs[s, k, m]` is log P(symbol m in stream k | state s). A stream of fewer symbols leaves the last ones on their floor.
    weights : (K,) or None
        None: 1 each.
    """

    log_probs: np.ndarray
    weights: np.ndarray | None = None

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

    @property
    def inside(self):
        from asrkit.models.inside import Inside

        probs = np.exp(self.log_probs)
        return Inside(symbols=probs.reshape(len(probs), -1, probs.shape[-1]))

    def check(self, num_states, width):
        """Raise ValueError unless this is a table of `num_states` states over `width`: symbols, or (streams, symbols)."""
        check_array("log_probs", self.log_probs, (num_states, *np.atleast_1d(width)), log=True)
        check_distribution("log_probs", self.log_probs)
        if self.weights is not None:
            check_array("stream_weights", self.weights, self.log_probs.shape[1:-1])
            if (self.weights < 0).any():
                raise ValueError("stream_weights holds negative numbers")

    def _streams(self, obs):
        """Each stream's table (S, M) and symbols (N,)."""
        if self.log_probs.ndim == 2:
            return [(self.log_probs, obs)]
        return list(zip(self.log_probs.swapaxes(0, 1), obs.T, strict=True))

    def log_likelihood(self, obs, *, prepared=None):
        """log P(codes | state): (N, S); `obs` is (N,), or (N, K)."""
        parts = [table.take(codes, axis=1) for table, codes in self._streams(obs)]
        if self.weights is not None:
            # a weight of 0 makes a stream say nothing, not even that a symbol is impossible
            parts = [weight * part for weight, part in zip(self.weights, parts, strict=True) if weight > 0]
        return sum(parts[1:], start=parts[0]).T

    def accumulate(self, obs, gamma, *, prepared=None):
        """Sum of occupancies by symbol; `gamma` is (N, S)."""
        num_symbols = self.log_probs.shape[-1]
        counts = [
            [np.bincount(codes, weights=g, minlength=num_symbols) for _, codes in self._streams(obs)]
            for g in gamma.T
        ]
        return CategoricalStats(np.array(counts).reshape(self.log_probs.shape))

    def estimate(self, stats, config):
        """Relative frequencies, no symbol below `config.symbol_floor`; a state never visited keeps its own."""
        rows = stats.counts.reshape(-1, self.log_probs.shape[-1])
        new = safe_log(floored_rows(rows, config.symbol_floor)[0]).reshape(self.log_probs.shape)
        return replace(
            self, log_probs=np.where(stats.counts.sum(axis=-1, keepdims=True) > 0, new, self.log_probs)
        )

    def smoothed(self, stats, closeness, config):
        """Each state's frequencies beside those of near symbols: (counts + smooth * nearby) / (n + smooth), floored.

        nearby is what the state's n symbols make of each other: each spread over the symbols of its stream as `closeness`
        says. It is a maximum a posteriori whose prior, worth `config.smooth` symbols, is the state's own blurred table: with
        few frames it says what symbols were likely, with many it is outvoted. Parzen's kernels on symbols, as in
        Schwartz et al. (1989), "Robust smoothing methods for discrete hidden Markov models".

        Parameters
        ----------
        stats : CategoricalStats
        closeness : (M, M) or (K, M, M)
            Rows sum to 1, as `asrkit.models.codebook.closeness` makes them.
        config : Config
            Of a dhmm: `smooth`, and `symbol_floor`.
        """
        counts = stats.counts
        total = counts.sum(axis=-1, keepdims=True)
        nearby = (counts[..., None, :] @ closeness)[..., 0, :] / np.maximum(total, 1e-300)
        return self.estimate(
            CategoricalStats(np.where(total > 0, counts + config.smooth * nearby, 0.0)), config
        )

    def adapt(self, stats, prior, config):
        """Relative frequencies, as if each state had spoken `prior.prior_count` symbols before, just as this
        table says.
        """
        if "means" not in prior.moves:
            return self
        rows, counts = (array.reshape(-1, array.shape[-1]) for array in (self.log_probs, stats.counts))
        rows = smoothed_rows(rows, counts, prior.prior_count, config.symbol_floor)
        return replace(self, log_probs=rows.reshape(self.log_probs.shape))

    def log_prior(self, adapted, prior):
        """Log density of `adapted` under the prior that this table is, relative to the table itself.

        A stream's prior has its weight, as its frames have.
        """
        if self.weights is None:
            return rows_log_prior(self.log_probs, adapted.log_probs, prior.prior_count)
        return float(
            sum(
                weight * rows_log_prior(self.log_probs[:, k], adapted.log_probs[:, k], prior.prior_count)
                for k, weight in enumerate(self.weights)
            )
        )

    def sample(self, states, rng):
        """Draw the symbols of each entry of the state sequence `states`: int32 (N,), or (N, K)."""
        probs = np.exp(self.log_probs)
        drawn = [
            [rng.choice(len(p), p=p / p.sum()) for p in probs[s].reshape(-1, probs.shape[-1])] for s in states
        ]
        return np.array(drawn, dtype=np.int32).reshape(len(states), *probs.shape[1:-1])

    def to_arrays(self):
        return {
            "log_probs": self.log_probs,
            **({} if self.weights is None else {"stream_weights": self.weights}),
        }
