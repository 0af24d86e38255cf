"""Linear discriminant analysis of phones' tokens: the directions in which the phones lie furthest apart.
Arrays in, arrays out.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from asrkit.models.base import check_array
from asrkit.models.scale import rounding_variance

# In what is ordinary, deviations are 1e-3 to 1e3 and means below 1e5: there the settings, which are in units of the
# features, are taken as they are.
ODD_DEVIATION, ODD_MEAN = 2.0**10, 2.0**16


@dataclass(frozen=True)
class Lda:
    """A linear map of tokens, x -> (x - center) @ axes, after which the covariance within phones is the
    identity.

    Attributes
    ----------
    center : (D,)
    axes : (D, K)
        The most telling direction first (Fisher's, for several classes: Hastie, Tibshirani and Friedman,
        2009, The Elements of Statistical Learning, 4.3.3).
    """

    center: np.ndarray
    axes: np.ndarray

    @classmethod
    def units(cls, tokens):
        """Make the map that brings tokens of an odd scale, or far from zero, to an ordinary one; None where they have it.

        A mixture's variances get the same addend in each dimension whatever its scale, and k-means takes distances: in
        features a million times too small, or of one dimension a million times too large, the rest would drown. Units are
        powers of two, one for all dimensions unless they are far apart, so that features times such a power become the same.

        Parameters
        ----------
        tokens : list of (n, D)

        Returns
        -------
        Lda or None
        """
        obs = np.concatenate(tokens)
        mean, variance = obs.mean(axis=0), obs.var(axis=0)
        varies = variance > rounding_variance(mean, variance)
        deviation = np.where(varies, np.sqrt(variance), np.abs(mean))
        deviation[deviation == 0] = 1.0
        common = _ordinary(np.median(deviation[varies]) if varies.any() else 1.0)
        unit = common * _ordinary(np.where(varies, deviation, np.maximum(deviation, common)) / common)
        center = np.where(np.abs(mean) < ODD_MEAN * unit, 0.0, mean)
        if (unit == 1).all() and not center.any():
            return None
        return cls(center, np.diag(1 / unit))

    @classmethod
    def fit(cls, tokens, counts, dim, kept=0):
        """Fit to each phone's drawn tokens (n, D), drawn of so many.

        Parameters
        ----------
        counts : (P,)
            Their shares are the phones' weights.
        dim : int
            Directions at the most: no more than dimensions or phones less one.
        kept : int
            So many dimensions, the last ones, are no part of it, and stay as they are.

        Raises
        ------
        ValueError
            There are fewer than two phones, no more tokens than phones, or nothing in which they differ.
        """
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # late: slow to import

        obs, counts = np.concatenate(tokens), np.asarray(counts, dtype=np.float64)
        width = obs.shape[1] - kept
        if not 2 <= len(tokens) < len(obs) or not np.ptp(obs[:, :width], axis=0).any():
            raise ValueError(
                f"{len(tokens)} phones of {len(obs)} tokens in all: too few, or all alike, to tell phones apart"
            )
        mean, variance = obs[:, :width].mean(axis=0), obs[:, :width].var(axis=0)
        flat = np.flatnonzero(variance <= rounding_variance(mean, variance))
        dim = min(dim, width, len(tokens) - 1)
        center, axes = obs.mean(axis=0), np.zeros((obs.shape[1], dim + kept))
        axes[width:, dim:] = np.eye(kept)
        center[width:] = 0
        peer = LinearDiscriminantAnalysis(n_components=dim, priors=counts / counts.sum())
        around = obs[:, :width] - center[:width]
        around[:, flat] = 0.0
        peer.fit(around, np.repeat(np.arange(len(tokens)), [len(own) for own in tokens]))
        found = peer.scalings_[:, :dim]  # fewer where the phones' means lie in a smaller space
        found[flat] = 0.0
        # Spread 1 within phones, over all tokens: scikit-learn before 1.9.1 divides by the tokens less the phones.
        inside = np.concatenate([own[:, :width] - own[:, :width].mean(axis=0) for own in tokens])
        found = found / (inside @ found).std(axis=0)
        axes = np.delete(axes, np.arange(found.shape[1], dim), axis=1)
        axes[:width, : found.shape[1]] = found
        return cls(center, axes)

    def check(self, dim):
        check_array("center", self.center, (dim,))
        check_array("axes", self.axes, (dim, self.axes.shape[-1]))

    def of(self, tokens):
        """Map the observations of Tokens."""
        return dataclasses.replace(tokens, obs=self.apply(tokens.obs))

    def apply(self, obs):
        """Map observations: (N, D) -> (N, K)."""
        return (obs - self.center) @ self.axes


def _ordinary(deviation):
    """The power of two that is near to an odd deviation, 1 for an ordinary one."""
    odd = np.abs(np.log2(deviation)) > np.log2(ODD_DEVIATION)
    return np.where(odd, np.exp2(np.rint(np.log2(deviation))), 1.0)
