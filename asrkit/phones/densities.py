"""How likely frames are under all phones' mixtures: in float64, or in float32 and twice as quick. Arrays in, arrays out."""

import numpy as np

from asrkit.models.base import log_sum
from asrkit.models.mixture import LOG_2PI, DiagMixture

BLOCK, QUICK_BLOCK = 4096, 512  # frames scored at a time; in float32
WIDE = 128  # dimensions from which float32 pays: below, sums over components take longer than the products
# What float32 bears, so that a log-likelihood is off by 1e-6 of itself, and at most 1e-5.
MOST_AWAY = 10.0  # squared deviations of a mean from the center, a dimension: they cancel out
MOST_UNLIKELY = 1e5  # nats
ROUNDING = 1e-4  # of what cancels out: more than the error of a product
NO_SHARE = -17.0  # nats below the likeliest component: less than float32 tells apart
NOTHING = -80.0  # to raise e to less takes float32 ten times as long


def densities_of(mixtures, exact=False):
    """Choose what scores frames under mixtures, one a phone; `exact` asks for float64 throughout."""
    wide = mixtures[0].means.shape[-1] >= WIDE
    diagonal = all(isinstance(mixture, DiagMixture) for mixture in mixtures)
    return (QuickDensities if wide and diagonal and not exact else ExactDensities)(mixtures)


class ExactDensities:
    """Log-likelihoods in float64, whatever the covariances.

    Parameters
    ----------
    mixtures : list of DiagMixture, FullMixture, LowRankMixture or TiedMixture
        One a phone.
    """

    def __init__(self, mixtures):
        self._mixtures = mixtures
        diagonal = all(isinstance(mixture, DiagMixture) for mixture in mixtures)
        self._together = DiagMixture.stack(mixtures, 1) if diagonal else None  # one product for all phones

    def log_likelihood(self, obs):
        """Compute log P(x | phone): float64 (N, P)."""
        out = np.empty((len(obs), len(self._mixtures)))
        for start in range(0, len(obs), BLOCK):
            part = obs[start : start + BLOCK]
            if self._together is not None:
                out[start : start + BLOCK] = self._together.log_likelihood(part)
            else:
                each = [mixture.log_likelihood(part) for mixture in self._mixtures]
                out[start : start + BLOCK] = np.concatenate(each, axis=1)
        return out

    def own(self, obs, phone):
        """Compute log P(x | phone) of one phone, float64 (N,), and its likeliest component, int (N,)."""
        joint = self._mixtures[phone].component_log_likelihood(obs)[:, 0]
        return log_sum(joint), joint.argmax(axis=1)


class QuickDensities(ExactDensities):
    """The same of diagonal covariances, in float32: products, exponentials, and the sum over a phone's components.

    A log density is a product of the frame's deviations from a center and one of their squares. Frames for which too much cancels
    out, and those too far from every phone, are scored in float64.

    Parameters
    ----------
    mixtures : list of DiagMixture
    """

    def __init__(self, mixtures):
        super().__init__(mixtures)
        whole = self._together
        self._center = whole.center.astype(np.float32)
        means, precisions = whole.means - self._center, 1 / whole.variances  # (P, M, D)
        linear = means * precisions
        away = (linear * means).sum(axis=-1)  # (P, M)
        log_dets = np.log(whole.variances).sum(axis=-1)
        constant = whole.log_weights - 0.5 * (means.shape[-1] * LOG_2PI + log_dets + away)
        # Gaussians of one token, say, which have a share in that token alone: float32 bears to see whether they might.
        self._narrow = np.isfinite(whole.log_weights) & ~(away <= MOST_AWAY * means.shape[-1])
        constant[self._narrow] += ROUNDING * away[self._narrow]
        with np.errstate(over="ignore"):
            self._linear, self._square, self._constant = (
                array.astype(np.float32) for array in (linear, -0.5 * precisions, constant[..., None])
            )

    def log_likelihood(self, obs):
        out = np.empty((len(obs), len(self._mixtures)))
        unsure = np.empty(out.shape, dtype=bool)
        for start in range(0, len(obs), QUICK_BLOCK):
            part = slice(start, start + QUICK_BLOCK)
            total, _, doubtful = self._score(obs[part], slice(None))
            out[part], unsure[part] = total.T, doubtful.T
        far = unsure.all(axis=1)
        if far.any():
            out[far] = super().log_likelihood(obs[far])
        for phone in np.flatnonzero(unsure[~far].any(axis=0)):
            some = unsure[:, phone] & ~far
            out[some, phone] = self._mixtures[phone].log_likelihood(obs[some])[:, 0]
        return out

    def own(self, obs, phone):
        (total,), (shares,), (unsure,) = self._score(obs, slice(phone, phone + 1))
        total, best = total.astype(np.float64), shares.argmax(axis=0)
        if unsure.any():
            total[unsure], best[unsure] = super().own(obs[unsure], phone)
        return total, best

    def _score(self, obs, phones):
        """Score frames under some phones.

        Returns
        -------
        total : float32 (P, n)
            log P(x | phone).
        shares : float32 (P, M, n)
            Density of each component over that of the likeliest.
        unsure : bool (P, n)
            Where they may be wrong, or no numbers.
        """
        linear, square = self._linear[phones], self._square[phones]
        z = np.empty(obs.shape, dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(obs, self._center, out=z, casting="same_kind")
            joint = _product(linear.reshape(-1, z.shape[1]), z)
            np.square(z, out=z)
            joint += _product(square.reshape(-1, z.shape[1]), z)
            joint = joint.reshape(*linear.shape[:2], -1)
            joint += self._constant[phones]
            peak = joint.max(axis=1)
            joint -= peak[:, None]
            unsure = ~np.isfinite(peak) | (peak.max(axis=0) < -MOST_UNLIKELY)
            unsure |= ((joint > NO_SHARE) & self._narrow[phones, :, None]).any(axis=1)
            np.maximum(joint, NOTHING, out=joint)
            total = np.exp(joint, out=joint).sum(axis=1)
            return np.log(total) + peak, joint, unsure


def _product(weights, z):
    """Compute weights @ z.T: (K, n), so that sums over components run along memory. Of few rows it is quicker the other way round."""
    return weights @ z.T if len(weights) > len(z) else np.ascontiguousarray((z @ weights.T).T)
