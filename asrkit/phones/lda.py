"""Linear discriminant analysis of phones' tokens: the directions in which the phones lie furthest apart.
Arrays in, arrays out.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from asrkit.models.base import check_array


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
        dim = min(dim, width, len(tokens) - 1)
        center, axes = obs.mean(axis=0), np.zeros((obs.shape[1], dim + kept))
        axes[width:, dim:] = np.eye(kept)
        center[width:] = 0
        peer = LinearDiscriminantAnalysis(n_components=dim, priors=counts / counts.sum())
        peer.fit(
            obs[:, :width] - center[:width], np.repeat(np.arange(len(tokens)), [len(own) for own in tokens])
        )
        found = peer.scalings_[:, :dim]  # fewer where the phones' means lie in a smaller space
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
