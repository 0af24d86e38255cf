"""What Gaussian mixtures share whatever their covariances: sums, posteriors, weights, splitting.

A mixture is an emission: it sees frames and occupancies. A state with fewer components than the others
carries components of weight zero (log weight -inf), which are never visited.
"""

from abc import abstractmethod
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, NamedTuple

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
from asrkit.models.scale import least_variance

CELLS = 1 << 17  # numbers worked on at a time, so that what is in between stays in the processor's cache
UNSEEN = 1e-10  # frames; a component with fewer was not visited
# Terms of a log density, in absolute values, up to which float32 may sum them: rounding is at most 1/64 of a nat, and where
# that was measured 1e-5, 2e-4 at most. At 0 all is float64, exact.
BORNE = 2.0**18
NOTHING = 1e-12  # posteriors below this are nothing to float32: a hundred thousand of them are less than its rounding
LEAST_LOG = (
    -50.0
)  # beside a frame's likeliest component; processors are slow with numbers near the smallest they have


class Prepared(NamedTuple):
    """Frames as training works on them: float32, which halves products and memory.

    Attributes
    ----------
    expanded : float32 (W, N)
        As `Mixture._expand` lays them out, relative to the center and in units of `unit`.
    unit : float64 (D,)
        Powers of two that no frame's distance from the center is above: scaling by them costs no digit.
    """

    expanded: np.ndarray
    unit: np.ndarray


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

    @property
    def gaussians(self):
        """The sums of the mixture that holds the Gaussians: these."""
        return self


@dataclass(frozen=True)
class Mixture(Emission):
    """One mixture a state; a subclass adds the covariances.

    Attributes
    ----------
    log_weights : (S, M)
        log P(component m | state s).
    means : (S, M, D)
    variance_floor : (D,)
        Least variance of each dimension.
    center : (D,)
        Frames are taken relative to it, so that squares do not drown small variances. Training keeps it.
    """

    spread: ClassVar[str]  # the attribute that holds the covariances
    each_alone: ClassVar[bool]  # each component's sums are a product of its own
    can_grow = True

    log_weights: np.ndarray
    means: np.ndarray
    variance_floor: np.ndarray
    center: np.ndarray = field(default=None, kw_only=True)

    def __post_init__(self):
        if self.center is None:
            object.__setattr__(self, "center", self.means.mean(axis=(0, 1)))

    @classmethod
    def from_data(cls, obs, num_states, floor_fraction, beyond=None):
        """One Gaussian with the data's own mean and variance in every state: the place training starts from.

        The variance floor is `floor_fraction` of the data's variance; for a dimension that is constant in them, of the
        variance `beyond` (D,), that over all words.
        """
        mean, variance = obs.mean(axis=0, dtype=np.float64), obs.var(axis=0, dtype=np.float64)
        return cls.single(mean, variance, least_variance(mean, variance, floor_fraction, beyond), num_states)

    @property
    def components(self):
        """(S,): how many components carry weight."""
        return np.isfinite(self.log_weights).sum(axis=1)

    @property
    def num_gauss(self):
        return int(self.components.sum())

    @property
    def inside(self):
        from asrkit.models.inside import Gaussians, Inside

        spread, weighty = getattr(self, self.spread), np.isfinite(self.log_weights)
        return Inside(
            gaussians=tuple(
                Gaussians(np.exp(weights[own]), means[own], spreads[own])
                for weights, means, spreads, own in zip(
                    self.log_weights, self.means, spread, weighty, strict=True
                )
            )
        )

    @property
    def num_parameters(self):
        return int(np.isfinite(self.log_weights).sum()) + self.num_spread_parameters

    @property
    def num_spread_parameters(self):
        """Numbers in means and covariances, which are symmetric."""
        dim = self.means.shape[-1]
        a_gaussian = dim if self.spread == "variances" else dim * (dim + 1) // 2
        return self.num_gauss * (dim + a_gaussian)

    @property
    def gaussians(self):
        """The mixture that holds the Gaussians: itself."""
        return self

    def with_gaussians(self, gaussians):
        return gaussians

    @property
    @abstractmethod
    def precisions(self):
        """Inverse covariances: (S, M, D) or (S, M, D, D)."""

    def mean_covariance(self):
        """Average the covariances of the Gaussians that carry weight: (D, D)."""
        mean = getattr(self, self.spread)[np.isfinite(self.log_weights)].mean(axis=0)
        return np.diag(mean) if mean.ndim == 1 else mean

    def check(self, num_states, width):
        """Raise ValueError unless these are mixtures of `num_states` states over `width` dimensions."""
        num_components = self.log_weights.shape[-1] if self.log_weights.ndim else 0
        check_array("log_weights", self.log_weights, (num_states, num_components), log=True)
        check_distribution("log_weights", self.log_weights)
        check_array("means", self.means, (num_states, num_components, width))
        check_array("variance_floor", self.variance_floor, (width,))
        check_array("center", self.center, (width,))
        self._check_spread()

    def prepare(self, obs):
        """Frames as training works on them; they stay good while `center` is the same.

        Whoever hands them to `log_likelihood` and `accumulate` lets these work in float32 where the mixtures bear it: a log
        density is good to about 1e-5 then, a mean or variance to 1e-5 of its standard deviation or itself. Without, all is float64.
        """
        away = np.abs(obs - self.center).max(axis=0, initial=0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = np.exp2(np.ceil(np.log2(away)))
        unit = np.where(
            (unit > 0) & np.isfinite(unit), unit, 2.0**-100
        )  # what never leaves the center counts for nothing
        return Prepared(self._expand(obs.T, self.center[:, None], unit[:, None]), unit)

    def log_likelihood(self, obs, *, prepared=None):
        """log p(x | state): (N, S)."""
        out = np.empty((len(self.log_weights), len(obs)))
        prepared, project = self._ready(prepared)
        for part in self._slices(len(obs)):
            expanded = self._exactly(obs[part]) if prepared is None else prepared.expanded[:, part]
            out[:, part] = _log_sum(project(expanded))[0]
        return out.T

    def _ready(self, prepared, states=slice(None), scored=True):
        """The prepared frames, or None where these states need float64, and what makes log of weight x density of expanded frames."""
        if prepared is not None:
            project = self._projection(states, prepared.unit)
            if project is not None:
                return prepared, project
        return None, self._projection(states) if scored else None

    def _exactly(self, obs):
        """Expand frames in float64."""
        return self._expand(obs.T, self.center[:, None])

    def component_log_likelihood(self, obs):
        """log of weight x density: (N, S, M)."""
        project = self._projection()
        parts = [project(self._exactly(obs[part])) for part in self._slices(len(obs))]
        joint = np.concatenate(parts, axis=2).transpose(2, 1, 0)
        return np.where(np.isneginf(self.log_weights), -np.inf, joint)

    def accumulate(self, obs, gamma, *, prepared=None):
        """Sum over frames: `gamma[n, s]` is the occupancy of state s by frame n."""
        return self._accumulate(obs, gamma, prepared, scored=False)[0]

    def accumulate_scored(self, obs, gamma, *, prepared=None):
        """What `accumulate` gives, and the sum over frames and states of gamma x log p(x | state) beside it."""
        return self._accumulate(obs, gamma, prepared, scored=True)

    def _accumulate(self, obs, gamma, prepared, scored):
        num_states, num_components = self.log_weights.shape
        scored = scored or num_components > 1
        sums, log_like = self._no_sums(), 0.0
        quick, project = (prepared, None) if scored else self._ready(prepared, scored=False)
        for states, rows in _visits(gamma, num_components, self.each_alone):
            if scored:
                quick, project = self._ready(prepared, states)
            unit = None if quick is None else quick.unit
            for part in self._slices(len(gamma) if rows is None else len(rows), states):
                some = part if rows is None else rows[part]
                # In float64, to expand whole frames anew is quicker than to gather what was expanded.
                expanded = self._exactly(obs[some]) if quick is None else quick.expanded[:, some]
                occupied = gamma[some, states].T  # (S, n)
                post = (
                    np.where(occupied < NOTHING, 0.0, occupied).astype(expanded.dtype) if quick else occupied
                )
                post = post[None]  # all of it is one component's
                if scored:
                    joint = project(expanded)
                    log_total, total = _log_sum(joint)
                    log_like += float((log_total * occupied).sum())
                    joint *= post[0] / total
                    post = joint
                self._add(sums, states, post, expanded, unit)
        return MixtureStats(*self._unpack(sums)), log_like

    def _slices(self, num_frames, states=slice(None)):
        """Cut frames so that what is computed of them at a time has about `CELLS` numbers."""
        rows = max(256, CELLS // max(self._width(states), self.log_weights[states].size))
        return [slice(start, min(start + rows, num_frames)) for start in range(0, num_frames, rows)]

    def estimate(self, stats, config):
        """Maximum likelihood under the floors.

        Components that no frame visited keep their old values; those with fewer than `config.min_occ` frames
        are removed, unless they are the only one of their state.
        """
        seen = stats.occ > UNSEEN
        occ = np.where(seen, stats.occ, 1.0)
        offset = stats.first / occ[..., None]
        means = np.where(seen[..., None], self.center + offset, self.means)
        log_weights = self.log_weights.copy()
        for s in np.flatnonzero(seen.any(axis=1)):
            alive = np.isfinite(log_weights[s])
            starved = alive & (stats.occ[s] < config.min_occ)
            starved[stats.occ[s].argmax()] = False
            log_weights[s, starved] = -np.inf
            alive &= ~starved
            weights, _ = floored_distribution(stats.occ[s, alive], config.weight_floor)
            log_weights[s, alive] = safe_log(weights)
        return self._with_spread(log_weights, means, self._within(stats.second, occ, offset), seen)

    def within(self, stats):
        """Find the likeliest covariances under the sums, whatever the floor.

        Returns
        -------
        occ : (S, M)
            The frames of each component; 0 where it carries no weight.
        spread : (S, M, D) or (S, M, D, D)
            Scatter about their mean over `occ`; 0 where there are none.
        """
        seen = (stats.occ > UNSEEN) & np.isfinite(self.log_weights)
        occ = np.where(seen, stats.occ, 1.0)
        spread = self._within(stats.second, occ, stats.first / occ[..., None])
        return np.where(seen, stats.occ, 0.0), (spread.T * seen.T).T

    def with_spread(self, spread):
        """Make the same mixture with other covariances, held up by the floor as those of `estimate` are."""
        return self._with_spread(
            self.log_weights, self.means, spread, np.ones(self.log_weights.shape, dtype=bool)
        )

    def adapt(self, stats, prior, config):
        """Maximum a posteriori with this mixture as the prior (Gauvain and Lee, 1994).

        As if `prior.tau` frames of each component, and for the weights `prior.prior_count` of each state, had
        been seen before that were just as the mixture says. Nothing is removed; what no frame visited stays.
        """
        log_weights = self.log_weights
        if "weights" in prior.moves:
            log_weights = smoothed_rows(log_weights, stats.occ, prior.prior_count, config.weight_floor)
        seen = stats.occ > UNSEEN
        sums = stats + self.as_frames(np.where(seen, prior.tau, 1.0))
        offset = sums.first / sums.occ[..., None]
        means = np.where(seen[..., None] & ("means" in prior.moves), self.center + offset, self.means)
        if "variances" not in prior.moves:
            return replace(self, log_weights=log_weights, means=means)
        return self._with_spread(log_weights, means, self._within(sums.second, sums.occ, offset), seen)

    def as_frames(self, occ):
        """The sums of `occ` frames (S, M) that are just as the components say."""
        means = self.means - self.center
        return MixtureStats(occ, occ[..., None] * means, (self._second_moments(means).T * occ.T).T)

    def log_prior(self, adapted, prior):
        """Log density of `adapted` under the prior that this mixture is, relative to the mixture itself."""
        gaussians = self._divergence(adapted)[np.isfinite(self.log_weights)].sum()
        return rows_log_prior(self.log_weights, adapted.log_weights, prior.prior_count) - prior.tau * float(
            gaussians
        )

    def split(self, occ, targets, min_count):
        """Grow state s to `targets[s]` components by splitting the one with the most frames, again and again.

        A component is split in two at its mean -/+ 0.2 standard deviations, each with half its weight;
        states stop growing where a half would have fewer than `min_count` frames.

        Parameters
        ----------
        occ : (S, M)
            Frames of each component, from the last accumulation.
        targets : int (S,)

        Returns
        -------
        Mixture or None
            None when no state could grow.
        """
        num_states, old, _ = self.means.shape
        width = max(old, *targets)
        # which component each comes from
        parent = np.tile(np.minimum(np.arange(width), old - 1), (num_states, 1))
        log_weights = np.full((num_states, width), -np.inf)
        log_weights[:, :old] = self.log_weights
        shift = np.zeros((num_states, width))
        frames = np.zeros((num_states, width))
        frames[:, :old] = np.where(np.isfinite(self.log_weights), occ, 0.0)
        grown = False
        for s in range(num_states):
            free = np.flatnonzero(np.isneginf(log_weights[s]))
            for new in free[: max(0, targets[s] - (width - len(free)))]:
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

    @classmethod
    def stack(cls, mixtures, num_states):
        """Many words' mixtures as one: state s of word w becomes state s x W + w; missing states are
        impossible.

        Returns
        -------
        Mixture
            With `num_states` x W states, good for `log_likelihood` and nothing else.
        """
        one = mixtures[0]
        if len(mixtures) == 1 and len(one.means) == num_states:
            return one
        first = {"log_weights": -np.inf, "means": one.means[0, 0], cls.spread: getattr(one, cls.spread)[0, 0]}
        arrays = {name: laid(mixtures, num_states, name, missing) for name, missing in first.items()}
        center = np.mean([mixture.center for mixture in mixtures], axis=0)
        return cls(variance_floor=one.variance_floor, center=center, **arrays)

    def with_means(self, means):
        """The same Gaussians at other places."""
        return replace(self, means=means)

    def with_weights_of(self, other):
        """The same Gaussians with the weights of another mixture of as many; of those that carry none here, the others have the share."""
        log_weights = np.where(np.isneginf(self.log_weights), -np.inf, other.log_weights)
        if (log_weights != other.log_weights).any():
            log_weights = log_weights - np.logaddexp.reduce(log_weights, axis=1, keepdims=True)
        return replace(self, log_weights=log_weights)

    def picked(self, components):
        """The mixture of some of its components, the same of each state; the weights sum to one again."""
        log_weights = self.log_weights[:, components]
        log_weights = log_weights - np.logaddexp.reduce(log_weights, axis=1, keepdims=True)
        states = np.arange(len(log_weights))[:, None]
        return self._rearranged(log_weights, self.means[:, components], states, components[None])

    def repeated(self, count):
        """The mixture of `count` components that are all as the first, with the same weights."""
        return self.picked(np.zeros(count, dtype=int))

    def to_arrays(self):
        return {own.name: getattr(self, own.name) for own in fields(self)}


def laid(mixtures, num_states, name, missing):
    """Lay arrays (S, M, ...) of several mixtures side by side, as `Mixture.stack` says: (num_states x W, M, ...)."""
    most = max(mixture.log_weights.shape[1] for mixture in mixtures)
    out = np.empty((num_states, len(mixtures), most, *getattr(mixtures[0], name).shape[2:]))
    out[:] = missing
    for w, mixture in enumerate(mixtures):
        array = getattr(mixture, name)
        out[: len(array), w, : array.shape[1]] = array
    return out.reshape(-1, *out.shape[2:])


def _visits(gamma, num_components, each_alone):
    """Which states to sum together, over which rows (None: all): along a path, where few states see each
    frame, each alone, unless a product of all costs hardly more.
    """
    num_frames, num_states = gamma.shape
    if num_states == 1 or (not each_alone and (num_components == 1 or num_states * num_components <= 32)):
        return [(slice(None), None)]
    visits = gamma > 0
    if 2 * np.count_nonzero(visits) > visits.size:
        return [(slice(None), None)]
    return [(slice(s, s + 1), np.flatnonzero(visits[:, s])) for s in range(num_states)]


def _log_sum(log_joint):
    """log sum exp over the components, (S, n); `log_joint` (M, S, n) becomes what to divide by the second
    result for posteriors.
    """
    if len(log_joint) == 1:
        log_total = log_joint[0].copy()
        log_joint[:] = 1.0
        return log_total, 1.0
    peak = log_joint.max(axis=0)
    log_joint -= peak
    if log_joint.dtype == np.float32:
        np.maximum(log_joint, LEAST_LOG, out=log_joint)
    np.exp(log_joint, out=log_joint)
    total = log_joint.sum(axis=0)
    return np.log(total) + peak, total
