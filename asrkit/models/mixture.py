"""Gaussian mixtures, one per state, with diagonal and with full covariances."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from asrkit.models import mixture_base
from asrkit.models.base import check_array
from asrkit.models.mixture_base import NOTHING, Mixture, laid
from asrkit.models.quick import axes, diagonal, full
from asrkit.models.scale import FAR_APART, inverse_factor

LOG_2PI = np.log(2.0 * np.pi)
IMPOSSIBLE = -1e30  # the log of 0 in float32
MANY = 16  # components from which expanding the frames pays
MOST_CANCELLED, MOST_AWAY = 1e8, 1e3  # deviations from the center, the second


@dataclass(frozen=True)
class DiagMixture(Mixture):
    """Mixtures with diagonal covariances; `variances` is (S, M, D)."""

    spread, each_alone = "variances", False

    variances: np.ndarray

    @property
    def precisions(self):
        return 1.0 / self.variances

    @cached_property
    def quick(self):
        """What scores frames in float32, or None where that does not do."""
        return diagonal(self.log_weights, self.means, self.variances, self.center)

    def _check_spread(self):
        check_array("variances", self.variances, self.means.shape)
        if not (self.variances > 0).all():
            raise ValueError("variances are not all positive")

    @property
    def stddev(self):
        return np.sqrt(self.variances)

    @property
    def floored(self):
        """(S,): how many variances of components that carry weight sit on their floor."""
        on_floor = self.variances <= self.variance_floor * (1 + 1e-12)
        return (on_floor & np.isfinite(self.log_weights)[..., None]).sum(axis=(1, 2))

    def _width(self, states=slice(None)):
        return 2 * self.means.shape[2] + 1

    def _expand(self, obs, center, unit=None):
        """[x^2, x, 1] (2D + 1, n) for x = obs - center: the log density is one product with it, and so are
        all sums. With a unit float32, and in it.
        """
        dim = len(obs)
        out = np.empty((2 * dim + 1, obs.shape[1]), np.float64 if unit is None else np.float32)
        x = out[dim:-1]
        if unit is None:
            np.subtract(obs, center, out=x)
        else:
            np.multiply(obs - center, 1.0 / unit, out=x, casting="same_kind")
        np.multiply(x, x, out=out[:dim])
        out[-1] = 1.0
        return out

    def _projection(self, states=slice(None), unit=None):
        """Expanded frames -> log of weight x density (M, S, n), components first so that sums run along
        memory. With a unit of float32 frames, and None where float32 does not bear it.
        """
        # log N = -1/2 (D log 2pi + sum log v + sum (x - m)^2 / v)
        means, variances = self.means[states] - self.center, self.variances[states]
        precision = 1.0 / variances
        constant = (
            means.shape[2] * LOG_2PI + np.log(variances).sum(axis=-1) + (means**2 * precision).sum(axis=-1)
        )
        constant = self.log_weights[states] - 0.5 * constant
        weights = np.concatenate(
            [-0.5 * precision, means * precision, np.maximum(constant, -1e300)[..., None]], axis=-1
        )
        weights = np.ascontiguousarray(weights.swapaxes(0, 1)).reshape(-1, weights.shape[2])
        if unit is not None:
            weights = _borne(weights * self._scale(unit))
            if weights is None:
                return None
        shape = (means.shape[1], means.shape[0], -1)
        return lambda expanded: (weights @ expanded).reshape(shape)

    def _no_sums(self):
        return np.zeros((*self.log_weights.shape, self._width()))

    def _scale(self, unit):
        """What each row of the expanded frames is in units of."""
        return np.concatenate([unit**2, unit, [1.0]])

    def _add(self, sums, states, post, expanded, unit=None):
        product = post.reshape(-1, post.shape[2]) @ expanded.T
        if unit is not None:
            product = product * self._scale(unit)
        sums[states] += product.reshape(*post.shape[:2], -1).swapaxes(0, 1)

    def _unpack(self, sums):
        dim = self.means.shape[2]
        return sums[..., -1].copy(), sums[..., dim:-1].copy(), sums[..., :dim].copy()

    def _within(self, second, occ, offset):
        return second / occ[..., None] - offset**2

    def _with_spread(self, log_weights, means, spread, seen):
        # Clipping at the floor is the exact constrained maximum, so the likelihood still rises.
        variances = np.maximum(spread, self.variance_floor)
        variances = np.where(seen[..., None], variances, self.variances)
        return replace(self, log_weights=log_weights, means=means, variances=variances)

    def _second_moments(self, means):
        return self.variances + means**2

    def projected_covariance(self, component, axes):
        """Covariance (K, K) of one component of the first state under x -> x @ axes (D, K)."""
        return (axes * self.variances[0, component][:, None]).T @ axes

    def _divergence(self, other):
        """Kullback-Leibler divergence of each of the other's Gaussians from its own (S, M)."""
        ratio = self.variances / other.variances
        return 0.5 * (ratio - np.log(ratio) - 1 + (self.means - other.means) ** 2 / other.variances).sum(
            axis=-1
        )

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
        return cls(
            np.zeros((num_states, 1)),
            np.tile(mean, tile),
            variance_floor,
            np.tile(variance, tile),
            center=mean,
        )


@dataclass(frozen=True)
class FullMixture(Mixture):
    """Mixtures with full covariances; `covariances` is (S, M, D, D)."""

    spread, each_alone = "covariances", True

    covariances: np.ndarray

    @property
    def precisions(self):
        if self.stddev.max() <= FAR_APART * self.stddev.min():
            return np.linalg.inv(self.covariances)
        return self.whiten.swapaxes(-1, -2) @ self.whiten

    @cached_property
    def whiten(self):
        """Inverses of the covariances' Cholesky factors: (S, M, D, D). Half of the cost of scoring a few recordings."""
        return inverse_factor(np.linalg.cholesky(self.covariances))

    @cached_property
    def quick(self):
        """What scores frames in float32, or None where that does not do."""
        return self._axes and full(self.log_weights, self.means, self.center, self._axes)

    @cached_property
    def _axes(self):
        return axes(self.log_weights, self.covariances, self.whiten)

    def __getstate__(self):
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("whiten", "tame", "_terms", "_axes")
        }

    def with_means(self, means):
        moved = replace(self, means=means)
        moved.__dict__.update(whiten=self.whiten, _axes=self._axes)
        return moved

    @classmethod
    def stack(cls, mixtures, num_states):
        stacked = super().stack(mixtures, num_states)
        if all("whiten" in vars(mixture) for mixture in mixtures):
            whiten = laid(mixtures, num_states, "whiten", mixtures[0].whiten[0, 0])
            stacked.__dict__["whiten"] = whiten
        return stacked

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
    def floored(self):
        """(S,): how many principal axes, seen relative to the floor, sit on it."""
        return np.where(np.isfinite(self.log_weights), self._on_floor, 0).sum(axis=1)

    @cached_property
    def _on_floor(self):
        """How many of each component: (S, M). An estimation that lifts them knows it."""
        scale = np.sqrt(self.variance_floor)
        return _on_floor(np.linalg.eigvalsh(self.covariances / np.outer(scale, scale)))

    def _width(self, states=slice(None)):
        # Of several components a fourth of what a frame takes: their sums, a product for each, pay for small slices.
        return self.means.shape[2] * max(1, self.log_weights[states].size // 4)

    def _expand(self, obs, center, unit=None):
        """[x, 1] (D + 1, n) for x = obs - center: its outer products are all sums. With a unit float32, and in it.

        A frame's numbers lie side by side, so that some of the frames are picked quickly.
        """
        out = np.ones((obs.shape[1], len(obs) + 1), np.float64 if unit is None else np.float32).T
        np.multiply(obs - center, 1.0 if unit is None else 1.0 / unit, out=out[:-1], casting="same_kind")
        return out

    def _projection(self, states=slice(None), unit=None):
        """Frames -> log of weight x density (M, S, n): of many components as one product with the frames' squares, where these bear it.

        With a unit of float32 frames, and None where float32 does not bear it.
        """
        if self.log_weights[states].size >= MANY and self.tame:
            return self._quadratic(states, unit)
        means = (self.means[states] - self.center).swapaxes(0, 1)  # (M, S, D)
        # (x - m)' inv(C) (x - m) = |whiten (x - m)|^2, all components in one product.
        whiten = self.whiten[states].swapaxes(0, 1)
        rows = np.concatenate([whiten, -(whiten @ means[..., None])], axis=-1).reshape(-1, means.shape[2] + 1)
        half_log_det = -np.log(np.diagonal(whiten, axis1=-2, axis2=-1)).sum(axis=-1)
        constant = self.log_weights[states].T - (0.5 * means.shape[2] * LOG_2PI + half_log_det)
        constant = np.maximum(constant, -1e300)[..., None]
        if unit is not None:
            rows = rows * np.append(unit, 1.0)
            squares = np.abs(rows).sum(axis=1).reshape(means.shape) ** 2
            if (
                not squares.sum(axis=-1).max() <= 4 * mixture_base.BORNE
            ):  # what lies so far from a mean has no say
                return None
            rows, constant = rows.astype(np.float32), np.maximum(constant, IMPOSSIBLE).astype(np.float32)

        def project(x):
            white = (rows @ x).reshape(*means.shape, -1)
            np.square(white, out=white)
            out = white.sum(axis=2)
            out *= -0.5
            out += constant
            return out

        return project

    @cached_property
    def tame(self):
        """Whether x' inv(C) x may be summed term by term: the terms cancel out too few digits to matter (1e-8 of the sum at the very most)."""
        scaled = self.whiten * self.stddev[..., None, :]
        cancel = (scaled**2).sum(axis=(-1, -2)) * self.means.shape[
            -1
        ]  # no less than the condition number of the correlations
        away = np.abs(self.whiten @ (self.means - self.center)[..., None]).max()
        return bool(cancel.max() <= MOST_CANCELLED and away <= MOST_AWAY)

    @cached_property
    def _terms(self):
        """What stands with each of [x_i x_j for i <= j, x, 1] in the log of weight x density: (M, S, K)."""
        means, whiten = (a.swapaxes(0, 1) for a in (self.means - self.center, self.whiten))  # (M, S, D, ...)
        precision = whiten.swapaxes(-1, -2) @ whiten
        linear = (precision @ means[..., None])[..., 0]
        half_log_det = -np.log(np.diagonal(whiten, axis1=-2, axis2=-1)).sum(axis=-1)
        constant = self.log_weights.T - (0.5 * means.shape[2] * LOG_2PI + half_log_det)
        constant = np.maximum(constant - 0.5 * (linear * means).sum(axis=-1), -1e300)
        first, second = np.triu_indices(means.shape[2])
        squares = precision[..., first, second] * np.where(first == second, -0.5, -1.0)
        return np.concatenate([squares, linear, constant[..., None]], axis=-1)

    def _quadratic(self, states, unit=None):
        """Of (x - m)' P (x - m) only the product with [x_i x_j for i <= j, x, 1] hangs on the component: half of the work of whitening for each."""
        picked = self._terms[:, states]
        weights, shape = picked.reshape(-1, picked.shape[-1]), (*picked.shape[:2], -1)
        if unit is not None:
            first, second = np.triu_indices(len(unit))
            weights = _borne(weights * np.concatenate([unit[first] * unit[second], unit, [1.0]]))
            if weights is None:
                return None

        def project(x):
            terms, at = np.empty((weights.shape[1], x.shape[1]), x.dtype), 0
            for i in range(len(x) - 1):
                end = at + len(x) - 1 - i
                np.multiply(x[i], x[i:-1], out=terms[at:end])
                at = end
            terms[at:] = x
            return (weights @ terms).reshape(shape)

        return project

    def _no_sums(self):
        dim = self.means.shape[2]
        return np.zeros((*self.log_weights.shape, dim + 1, dim + 1))

    def _add(self, sums, states, post, x, unit=None):
        picked, least = sums[states], 0.0 if unit is None else NOTHING
        scale = 1.0 if unit is None else np.outer(np.append(unit, 1.0), np.append(unit, 1.0))
        for m, s in np.ndindex(post.shape[:2]):
            own = np.flatnonzero(post[m, s] > least)  # few: each sees but its own
            if len(own):
                scaled = x.T.take(own, axis=0)
                scaled *= np.sqrt(post[m, s].take(own))[:, None]
                picked[s, m] += (scaled.T @ scaled) * scale

    def _unpack(self, sums):
        return sums[..., -1, -1].copy(), sums[..., -1, :-1].copy(), sums[..., :-1, :-1].copy()

    def _within(self, second, occ, offset):
        return second / occ[..., None, None] - offset[..., :, None] * offset[..., None, :]

    def _with_spread(self, log_weights, means, spread, seen):
        # Lift the principal axes, measured in units of the floor, to one: again the exact constrained
        # maximum.
        scale = np.sqrt(self.variance_floor)
        unit = np.outer(scale, scale)
        values, vectors = np.linalg.eigh((spread + spread.swapaxes(-1, -2)) / (2 * unit))
        covariances = (vectors * np.maximum(values, 1.0)[..., None, :]) @ vectors.swapaxes(-1, -2) * unit
        covariances = np.where(seen[..., None, None], covariances, self.covariances)
        new = replace(self, log_weights=log_weights, means=means, covariances=covariances)
        if seen.all():
            new.__dict__["_on_floor"] = _on_floor(values)
        return new

    def _second_moments(self, means):
        return self.covariances + means[..., :, None] * means[..., None, :]

    def projected_covariance(self, component, axes):
        """Covariance (K, K) of one component of the first state under x -> x @ axes (D, K)."""
        return axes.T @ self.covariances[0, component] @ axes

    def _divergence(self, other):
        """Kullback-Leibler divergence of each of the other's Gaussians from its own (S, M)."""
        shift = self.means - other.means
        ratio = np.linalg.solve(
            other.covariances, self.covariances + shift[..., :, None] * shift[..., None, :]
        )
        log_dets = np.linalg.slogdet(other.covariances)[1] - np.linalg.slogdet(self.covariances)[1]
        return 0.5 * (np.trace(ratio, axis1=-2, axis2=-1) - self.means.shape[-1] + log_dets)

    def _rearranged(self, log_weights, means, states, parent):
        return replace(
            self, log_weights=log_weights, means=means, covariances=self.covariances[states, parent]
        )

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
            np.zeros((num_states, 1)),
            np.tile(mean, (num_states, 1, 1)),
            variance_floor,
            np.tile(np.diag(np.maximum(variance, variance_floor)), (num_states, 1, 1, 1)),
            center=mean,
        )


def _on_floor(values):
    """Count eigenvalues (..., D) that are at 1, the floor, or below."""
    return (values <= 1 + 1e-9).sum(axis=-1)


def _borne(weights):
    """Weights of expanded frames, none of which is above 1, as float32; None where their sums could lose what matters."""
    size = np.abs(weights[:, :-1]).sum(axis=1) + np.where(
        weights[:, -1] > IMPOSSIBLE, np.abs(weights[:, -1]), 0.0
    )
    if not size.max() <= mixture_base.BORNE:
        return None
    return np.maximum(weights, IMPOSSIBLE).astype(np.float32)


MIXTURES = {"diag": DiagMixture, "full": FullMixture}
