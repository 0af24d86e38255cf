"""Gaussian mixtures, one per state: `DiagMixture` and `FullMixture`.

Both are emissions: they see frames and occupancies. A state with fewer components than the others carries
components of weight zero (log weight -inf), which are never visited.
"""

from dataclasses import dataclass, replace

import numpy as np

from asrkit.models.base import Stats, check_array, check_distribution, floored_distribution, logsumexp, safe_log

LOG_2PI = np.log(2.0 * np.pi)
ROWS = 2048  # frames taken at a time, so that what is in between stays in the processor's cache


@dataclass(frozen=True)
class MixtureStats(Stats):
    """Sufficient statistics of mixtures, about `center`, the point the model was centred on.

    Attributes
    ----------
    occ : (S, M)
        Summed component posteriors.
    first : (S, M, D)
        Sum of posterior x (x - center).
    second : (S, M, D) or (S, M, D, D)
        Sum of posterior x (x - center)^2, or the outer product.
    """

    occ: np.ndarray
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True)
class Mixture:
    """What both covariance forms share.

    Attributes
    ----------
    log_weights : (S, M)
        log P(component m | state s).
    means : (S, M, D)
    variance_floor : (D,)
        Least variance of each dimension.
    """

    log_weights: np.ndarray
    means: np.ndarray
    variance_floor: np.ndarray

    @classmethod
    def from_data(cls, obs, num_states, floor_fraction):
        """One Gaussian with the data's own mean and variance in every state: the place training starts from.

        The variance floor is `floor_fraction` of the data's variance, and never zero for a constant dimension.
        """
        mean, variance = obs.mean(axis=0, dtype=np.float64), obs.var(axis=0, dtype=np.float64)
        return cls.single(mean, variance, np.maximum(floor_fraction * variance, 1e-6), num_states)

    @property
    def num_gauss(self):
        """How many components carry weight, summed over states."""
        return int(np.isfinite(self.log_weights).sum())

    @property
    def center(self):
        """(D,): frames are taken relative to it, so that squares do not drown small variances."""
        return self.means.mean(axis=(0, 1))

    def check(self, num_states, width):
        """Raise ValueError unless these are mixtures of `num_states` states over `width` dimensions."""
        num_components = self.log_weights.shape[-1] if self.log_weights.ndim else 0
        check_array("log_weights", self.log_weights, (num_states, num_components), log=True)
        check_distribution("log_weights", self.log_weights)
        check_array("means", self.means, (num_states, num_components, width))
        check_array("variance_floor", self.variance_floor, (width,))
        self._check_spread()

    def log_likelihood(self, obs):
        """log p(x | state): (N, S)."""
        out = np.empty((len(obs), len(self.log_weights)))
        for start in range(0, len(obs), ROWS):
            part = slice(start, start + ROWS)
            out[part] = logsumexp(self._log_joint(obs[part] - self.center, slice(None))).T
        return out

    def component_log_likelihood(self, obs):
        """log of weight x density: (N, S, M)."""
        return self._log_joint(obs - self.center, slice(None)).transpose(2, 1, 0)

    def _log_joint(self, x, states):
        """(M, S, N): components first, so that sums over them run along memory."""
        return self._log_density(x, states) + self.log_weights[states].T[..., None]

    def accumulate(self, obs, gamma):
        """Sum over frames: `gamma[n, s]` is the occupancy of state s by frame n."""
        return self.accumulate_scored(obs, gamma)[0]

    def accumulate_scored(self, obs, gamma):
        """What `accumulate` gives, and the sum over frames and states of gamma x log p(x | state) beside it."""
        num_states, num_components, dim = self.means.shape
        occ = np.zeros((num_states, num_components))
        first = np.zeros((num_states, num_components, dim))
        second = np.zeros(first.shape if self.diagonal else (*first.shape, dim))
        centered = obs - self.center
        log_like = 0.0
        for s in range(num_states):
            visited = np.flatnonzero(gamma[:, s])
            for start in range(0, len(visited), ROWS):
                rows = visited[start : start + ROWS]
                x = centered[rows]
                log_joint = self._log_joint(x, slice(s, s + 1))[:, 0]
                log_total = logsumexp(log_joint)
                log_like += float(log_total @ gamma[rows, s])
                post = np.exp(log_joint - log_total) * gamma[rows, s]  # (M, n)
                occ[s] += post.sum(axis=1)
                first[s] += post @ x
                second[s] += self._second(post, x)
        return MixtureStats(occ, first, second), log_like

    def estimate(self, stats, config):
        """Maximum likelihood under the floors; components that no frame visited keep their old values."""
        seen = stats.occ > 1e-10
        occ = np.where(seen, stats.occ, 1.0)
        offset = stats.first / occ[..., None]
        means = np.where(seen[..., None], self.center + offset, self.means)
        log_weights = self.log_weights.copy()
        for s in np.flatnonzero(seen.any(axis=1)):
            alive = np.isfinite(log_weights[s])
            weights, _ = floored_distribution(stats.occ[s, alive], config.weight_floor)
            log_weights[s, alive] = safe_log(weights)
        return self._with_spread(log_weights, means, offset, stats.second, occ, seen)

    def split(self, occ, num_gauss, min_count):
        """Grow each state to `num_gauss` components by splitting the one with the most frames.

        A component is split in two at its mean -/+ 0.2 standard deviations, each with half its weight;
        states stop growing where a half would have fewer than `min_count` frames.

        Parameters
        ----------
        occ : (S, M)
            Frames of each component, from the last accumulation.

        Returns
        -------
        Mixture or None
            None when no state could grow.
        """
        num_states, old, dim = self.means.shape
        parent = np.tile(np.arange(num_gauss), (num_states, 1))  # which old component each new one comes from
        parent[:, old:] = 0
        log_weights = np.full((num_states, num_gauss), -np.inf)
        log_weights[:, :old] = self.log_weights
        shift = np.zeros((num_states, num_gauss))
        frames = np.zeros((num_states, num_gauss))
        frames[:, :old] = occ
        grown = False
        for s in range(num_states):
            for new in range(np.isfinite(self.log_weights[s]).sum(), num_gauss):
                richest = int(np.argmax(frames[s]))
                if frames[s, richest] < 2 * min_count:
                    break
                grown = True
                frames[s, [richest, new]] = frames[s, richest] / 2
                log_weights[s, [richest, new]] = log_weights[s, richest] - np.log(2)
                parent[s, new] = parent[s, richest]
                shift[s, new] = shift[s, richest] + 0.2
                shift[s, richest] -= 0.2
        if not grown:
            return None
        states = np.arange(num_states)[:, None]
        means = self.means[states, parent] + shift[..., None] * self.stddev[states, parent]
        return self._rearranged(log_weights, means, states, parent)

    def to_arrays(self):
        return dict(vars(self))


@dataclass(frozen=True)
class DiagMixture(Mixture):
    """Mixtures with diagonal covariances; `variances` is (S, M, D)."""

    variances: np.ndarray
    diagonal = True

    def _check_spread(self):
        check_array("variances", self.variances, self.means.shape)
        if not (self.variances > 0).all():
            raise ValueError("variances are not all positive")

    @property
    def stddev(self):
        return np.sqrt(self.variances)

    @property
    def num_floored(self):
        """How many variances of components that carry weight sit on their floor."""
        alive = np.isfinite(self.log_weights)
        return int((self.variances[alive] <= self.variance_floor * (1 + 1e-12)).sum())

    def _log_density(self, x, states):
        # One product over [x^2, x]: log N = -1/2 (D log 2pi + sum log v + sum (x - m)^2 / v).
        means = self.means[states] - self.center
        precision = 1.0 / self.variances[states]
        weights = np.concatenate([-0.5 * precision, means * precision], axis=-1).swapaxes(0, 1)  # (M, S, 2D)
        constant = -0.5 * (
            x.shape[1] * LOG_2PI + np.log(self.variances[states]).sum(axis=-1) + (means**2 * precision).sum(axis=-1)
        )
        product = weights.reshape(-1, 2 * x.shape[1]) @ np.concatenate([x * x, x], axis=1).T
        product += constant.T.reshape(-1, 1)
        return product.reshape(*weights.shape[:2], len(x))

    def _second(self, post, x):
        return post @ (x * x)

    def _with_spread(self, log_weights, means, offset, second, occ, seen):
        # Clipping at the floor is the exact constrained maximum, so the likelihood still rises.
        variances = np.maximum(second / occ[..., None] - offset**2, self.variance_floor)
        return DiagMixture(log_weights, means, self.variance_floor, np.where(seen[..., None], variances, self.variances))

    def _rearranged(self, log_weights, means, states, parent):
        return replace(self, log_weights=log_weights, means=means, variances=self.variances[states, parent])

    def sample(self, states, rng):
        """Draw one frame for each entry of the state sequence `states`: (N, D)."""
        component = [rng.choice(self.means.shape[1], p=np.exp(self.log_weights[s])) for s in states]
        noise = rng.standard_normal((len(states), self.means.shape[2]))
        return self.means[states, component] + noise * self.stddev[states, component]

    @classmethod
    def single(cls, mean, variance, variance_floor, num_states):
        """One Gaussian in each of `num_states` states, all alike."""
        tile = (num_states, 1, 1)
        variance = np.maximum(variance, variance_floor)
        return cls(np.zeros((num_states, 1)), np.tile(mean, tile), variance_floor, np.tile(variance, tile))


@dataclass(frozen=True)
class FullMixture(Mixture):
    """Mixtures with full covariances; `covariances` is (S, M, D, D)."""

    covariances: np.ndarray
    diagonal = False

    def _check_spread(self):
        check_array("covariances", self.covariances, (*self.means.shape, self.means.shape[-1]))
        try:
            np.linalg.cholesky(self.covariances)
        except np.linalg.LinAlgError:
            raise ValueError("covariances are not all positive definite") from None

    @property
    def stddev(self):
        return np.sqrt(np.diagonal(self.covariances, axis1=-2, axis2=-1))

    @property
    def num_floored(self):
        """How many principal axes, seen relative to the floor, sit on it."""
        alive = np.isfinite(self.log_weights)
        scale = np.sqrt(self.variance_floor)
        eigenvalues = np.linalg.eigvalsh(self.covariances[alive] / np.outer(scale, scale))
        return int((eigenvalues <= 1 + 1e-9).sum())

    def _log_density(self, x, states):
        means = self.means[states] - self.center
        cholesky = np.linalg.cholesky(self.covariances[states])
        whiten = np.linalg.inv(cholesky)  # (S, M, D, D): (x - m)' inv(C) (x - m) = |whiten (x - m)|^2
        half_log_det = np.log(np.diagonal(cholesky, axis1=-2, axis2=-1)).sum(axis=-1)
        out = np.empty((*means.shape[1::-1], len(x)))
        for s, m in np.ndindex(*means.shape[:2]):
            out[m, s] = np.einsum("ij,ij->i", y := (x - means[s, m]) @ whiten[s, m].T, y)
        return -0.5 * (out + x.shape[1] * LOG_2PI) - half_log_det.T[..., None]

    def _second(self, post, x):
        return np.stack([(x * p[:, None]).T @ x for p in post])

    def _with_spread(self, log_weights, means, offset, second, occ, seen):
        covariances = second / occ[..., None, None] - offset[..., :, None] * offset[..., None, :]
        # Lift the principal axes, measured in units of the floor, to one: again the exact constrained maximum.
        scale = np.sqrt(self.variance_floor)
        unit = np.outer(scale, scale)
        values, vectors = np.linalg.eigh((covariances + covariances.swapaxes(-1, -2)) / (2 * unit))
        covariances = (vectors * np.maximum(values, 1.0)[..., None, :]) @ vectors.swapaxes(-1, -2) * unit
        covariances = np.where(seen[..., None, None], covariances, self.covariances)
        return FullMixture(log_weights, means, self.variance_floor, covariances)

    def _rearranged(self, log_weights, means, states, parent):
        return replace(self, log_weights=log_weights, means=means, covariances=self.covariances[states, parent])

    def sample(self, states, rng):
        """Draw one frame for each entry of the state sequence `states`: (N, D)."""
        component = [rng.choice(self.means.shape[1], p=np.exp(self.log_weights[s])) for s in states]
        noise = rng.standard_normal((len(states), self.means.shape[2]))
        cholesky = np.linalg.cholesky(self.covariances[states, component])
        return self.means[states, component] + (cholesky @ noise[..., None])[..., 0]

    @classmethod
    def single(cls, mean, variance, variance_floor, num_states):
        """One Gaussian in each of `num_states` states, all alike; `variance` is a vector."""
        return cls(
            np.zeros((num_states, 1)), np.tile(mean, (num_states, 1, 1)), variance_floor,
            np.tile(np.diag(np.maximum(variance, variance_floor)), (num_states, 1, 1, 1)),
        )


MIXTURES = {"diag": DiagMixture, "full": FullMixture}
