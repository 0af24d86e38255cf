"""Gaussian mixtures whose components share one full covariance."""

from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

from asrkit.models.base import check_array, check_distribution, log_sum
from asrkit.models.mixture import DiagMixture
from asrkit.models.scale import inverse_factor


@dataclass(frozen=True)
class TiedMixture:
    """One mixture; its Gaussians have the same covariance, which is kept once.

    Attributes
    ----------
    log_weights : (M,)
    means : (M, D)
    covariance : (D, D)
    center : (D,)
        Frames are taken relative to it, so that squares do not drown small distances.
    """

    log_weights: np.ndarray
    means: np.ndarray
    covariance: np.ndarray
    center: np.ndarray = field(kw_only=True)

    @property
    def num_gauss(self):
        return len(self.log_weights)

    def check(self, width):
        """Raise ValueError unless this is a mixture over `width` dimensions."""
        check_array("log_weights", self.log_weights, (self.num_gauss,))
        check_distribution("log_weights", self.log_weights)
        check_array("means", self.means, (self.num_gauss, width))
        check_array("covariance", self.covariance, (width, width))
        check_array("center", self.center, (width,))
        try:
            np.linalg.cholesky(self.covariance)
        except np.linalg.LinAlgError:
            raise ValueError("the covariance is not positive definite") from None

    @cached_property
    def _white(self):
        """What frames are multiplied by, so that the covariance is the identity (D, D), and the mixture there."""
        whiten = inverse_factor(np.linalg.cholesky(self.covariance))
        means = (self.means - self.center) @ whiten.T
        ones, middle = np.ones(means.shape[1]), np.zeros(means.shape[1])
        return whiten, DiagMixture(
            self.log_weights[None], means[None], ones, np.ones((1, *means.shape)), center=middle
        )

    def __getstate__(self):
        return self.to_arrays()  # what is computed of them goes to no other process

    def component_log_likelihood(self, obs):
        """log of weight x density: (N, 1, M), as the other mixtures give it."""
        whiten, mixture = self._white
        log_det = np.log(np.diagonal(whiten)).sum()
        return mixture.component_log_likelihood((obs - self.center) @ whiten.T) + log_det

    def log_likelihood(self, obs):
        """log p(x): (N, 1)."""
        return log_sum(self.component_log_likelihood(obs))

    def projected_covariance(self, component, axes):
        """Covariance (K, K) of any component under x -> x @ axes (D, K)."""
        return axes.T @ self.covariance @ axes

    def to_arrays(self):
        return {own.name: getattr(self, own.name) for own in fields(self)}
