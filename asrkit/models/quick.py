"""Densities for decoding, in float32: to choose a word takes how likely each frame is under the states beside one another.

Alignment works in float64, with `Emission.log_likelihood`, which is the oracle of what is here; training has float32 of its own (`Mixture.prepare`),
whose products it shares with its sums.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from asrkit.models.kernels import Schedule
from asrkit.models.scale import inverse_factor

ROWS = 512  # frames worked on at a time, so that what is in between stays in the processor's cache
# What float32 bears, or float64 is taken: squared deviations of a mean from the center, how unlike the axes of a covariance and of
# the common one are (a bound of its condition), and deviations of a frame from the center. The log density of a frame is then wrong
# by some 1e-4 nats where it is near a mean, and by 1e-6 of itself where it is far from all.
MOST_AWAY, MOST_UNLIKE, MOST_FAR = 1e4, 1e4, 1e6
LEAST = -1e30  # log of what stands for no weight; of the least density


@dataclass(frozen=True)
class Densities:
    """How likely the frames of some utterances are under the states of some words.

    Attributes
    ----------
    relative : float32 or float64 (N, S, W)
        log p(x | state) less the frame's peak; -inf for a state that a word does not have. Frames stand in the schedule's order.
    peak : float64 (N,)
        Log density under the likeliest of these states.
    schedule : Schedule
    """

    relative: np.ndarray
    peak: np.ndarray
    schedule: Schedule

    @classmethod
    def of(cls, emission, block, shape, *, exact=False):
        """Under an emission whose states are those of all words, `shape` = (S, W), the words running fastest."""
        schedule = Schedule(block.lengths)
        score = exactly if exact else relatively
        log_likes, peak = score(emission, block.obs.take(schedule.frames, axis=0))
        return cls(log_likes.reshape(len(peak), *shape), peak, schedule)

    @cached_property
    def owner(self):
        """int64 (N,): the utterance of each frame."""
        return np.repeat(np.arange(self.schedule.num_utts), self.schedule.lengths).take(self.schedule.frames)

    @cached_property
    def peaks(self):
        """float64 (U,): the sum of each utterance's peaks."""
        return np.bincount(self.owner, self.peak, minlength=self.schedule.num_utts)

    def raised(self, peak):
        """The same relative to another peak (N,)."""
        if peak is self.peak:
            return self
        return replace(
            self,
            relative=self.relative + (self.peak - peak).astype(self.relative.dtype)[:, None, None],
            peak=peak,
        )


def relatively(emission, obs):
    """Score frames beside one another.

    Parameters
    ----------
    emission : Emission
        With a `quick` form.
    obs : (N, D), or what the emission sees

    Returns
    -------
    log_likes : float32 (N, S)
        log p(x | state) less the frame's peak.
    peak : float64 (N,)
    """
    log_likes, far = emission.quick.log_likelihood(obs)
    peak = log_likes.max(axis=1)
    log_likes -= peak[:, None]
    peak = peak.astype(np.float64)
    if len(far):
        own, peak[far] = exactly(emission, obs[far])
        log_likes[far] = np.maximum(own, LEAST)  # many of them can be added up in float32
    return log_likes, peak


def exactly(emission, obs):
    """Score frames beside one another in float64, as `relatively` does in float32."""
    log_likes = np.ascontiguousarray(emission.log_likelihood(obs))
    peak = np.maximum(
        log_likes.max(axis=1), -np.finfo(np.float64).max
    )  # of what is impossible under all states
    return log_likes - peak[:, None], peak


@dataclass(frozen=True)
class Projection:
    """The log density of all Gaussians of some mixtures as one product with what is made of a frame.

    Attributes
    ----------
    center : float32 (D,)
    unit : float32 (D,) or (D, D)
        z = unit * (x - center), or unit @ (x - center): frames in deviations of what the Gaussians have on average, so that the terms of
        the product cancel out no digits, and none is beyond float32.
    weights : float32 (M, K, S)
        Of [z^2, z, 1], or of [z_i z_j for i <= j, z, 1], by component.
    """

    center: np.ndarray
    unit: np.ndarray
    weights: np.ndarray

    def log_likelihood(self, obs):
        """Score frames (N, D).

        Returns
        -------
        float32 (N, S)
            log p(x | state); of the frames `far` it is no number.
        far : int64
            Frames that are too far away for float32.
        """
        out, far = np.empty((len(obs), self.weights.shape[2]), dtype=np.float32), []
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(obs), ROWS):
                part = slice(start, start + ROWS)
                terms, z = self._terms(obs[part])
                if not np.abs(z).max() <= MOST_FAR:  # NaN is far, too
                    far.append(start + np.flatnonzero(~(np.abs(z) <= MOST_FAR).all(axis=0)))
                if len(self.weights) == 1:
                    np.matmul(terms.T, self.weights[0], out=out[part])
                else:
                    out[part] = log_sum(np.matmul(terms.T, self.weights))
        return out, np.concatenate(far) if far else np.zeros(0, dtype=np.int64)

    def _terms(self, obs):
        """What the weights are multiplied with (K, n), and z (D, n), a part of it."""
        x, dim = np.subtract(obs.T, self.center[:, None]).astype(np.float32, copy=False), obs.shape[1]
        terms = np.empty((self.weights.shape[1], len(obs)), dtype=np.float32)
        z = terms[-1 - dim : -1]
        terms[-1] = 1.0
        if self.unit.ndim == 1:
            np.multiply(x, self.unit[:, None], out=z)
            np.multiply(z, z, out=terms[:dim])
            return terms, z
        np.matmul(self.unit, x, out=z)
        at = 0
        for i in range(dim):
            end = at + dim - i
            np.multiply(z[i], z[i:], out=terms[at:end])
            at = end
        return terms, z


def log_sum(joint):
    """log sum exp over the first axis; `joint` is worked on in place."""
    peak = joint.max(axis=0)
    joint -= peak
    np.exp(joint, out=joint)
    total = joint.sum(axis=0)
    np.log(total, out=total)
    total += peak
    return total


def diagonal(log_weights, means, variances, center):
    """The Projection of mixtures with variances (S, M, D); None where float32 does not bear it."""
    center = center.astype(np.float32)
    unit = np.sqrt(variances[np.isfinite(log_weights)].mean(axis=0))
    means, variances = (means - center) / unit, variances / unit**2
    squares = (means**2 / variances).sum(axis=-1)
    if not squares.max() <= MOST_AWAY:
        return None
    constant = log_weights - 0.5 * (
        means.shape[2] * np.log(2 * np.pi) + np.log(variances * unit**2).sum(axis=-1) + squares
    )
    return _projection(center, 1 / unit, [-0.5 / variances, means / variances], constant)


class Axes(NamedTuple):
    """What a Projection of full covariances has of these, wherever the means are."""

    unit: np.ndarray  # float32 (D, D)
    precision: np.ndarray  # (S, M, D, D), of z
    quadratic: np.ndarray  # float32 (S, M, D (D + 1) / 2)
    log_norm: np.ndarray  # (S, M)


def axes(log_weights, covariances, whiten):
    """Axes for covariances (S, M, D, D), `whiten` the inverses of their Cholesky factors; None where float32 does not bear them."""
    common = np.linalg.cholesky(covariances[np.isfinite(log_weights)].mean(axis=0))
    unit, dim = inverse_factor(common), len(common)
    log_norm = np.log(np.diagonal(whiten, axis1=-2, axis2=-1)).sum(axis=-1) - 0.5 * dim * np.log(2 * np.pi)
    whiten = whiten @ common
    precision = whiten.swapaxes(-1, -2) @ whiten
    unlike = [np.linalg.norm(form, axis=(-2, -1)) for form in (precision, unit @ covariances @ unit.T)]
    if not np.prod(unlike, axis=0).max() <= MOST_UNLIKE:
        return None
    first, second = np.triu_indices(dim)
    quadratic = precision[..., first, second] * np.where(first == second, -0.5, -1.0)
    return Axes(unit.astype(np.float32), precision, quadratic.astype(np.float32), log_norm)


def full(log_weights, means, center, axes):
    """The Projection of mixtures whose covariances have some Axes; None where float32 does not bear it."""
    center = center.astype(np.float32)
    means = (means - center) @ axes.unit.T.astype(np.float64)
    linear = (axes.precision @ means[..., None])[..., 0]
    squares = (linear * means).sum(axis=-1)
    if not squares.max() <= MOST_AWAY:
        return None
    return _projection(
        center, axes.unit, [axes.quadratic, linear], log_weights + axes.log_norm - 0.5 * squares
    )


def _projection(center, unit, weights, constant):
    weights = [
        array.astype(np.float32, copy=False) for array in (*weights, np.maximum(constant, LEAST)[..., None])
    ]
    weights = np.concatenate([array.transpose(1, 2, 0) for array in weights], axis=1)
    return Projection(center, unit.astype(np.float32, copy=False), weights)
