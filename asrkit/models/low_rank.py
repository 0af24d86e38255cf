"""Gaussian mixtures whose full covariances come from fewer samples than dimensions: exact, at a fraction of
the numbers.

A covariance A'A + eps I, where A has a row for each sample, is never written out, but for its principal axes:
with A'A = V'V, the r rows v of V at right angles, a deviation d from the mean has the squared distance
(Woodbury) (|d|^2 - sum (v d)^2 / (|v|^2 + eps)) / eps, and the determinant's logarithm is (D - r) log eps +
sum log (|v|^2 + eps).
"""

from dataclasses import dataclass, field

import numpy as np

from asrkit.models.base import check_array, check_distribution, log_sum
from asrkit.models.mixture import LOG_2PI

ROWS = 256  # frames worked on at a time


@dataclass(frozen=True)
class LowRankMixture:
    """One mixture; its components' covariances are multiples of the identity but for the directions of some
    samples.

    Attributes
    ----------
    log_weights : (M,)
    means : (M, D)
    axes : (R, D)
        All components' V, one below the other.
    offsets : int64 (M + 1,)
        Component m's axes are offsets[m] to offsets[m + 1] - 1; one of a single sample has none.
    reg_covar : float64 ()
        eps: what was added to the diagonals.
    center : (D,)
        Frames are taken relative to it, so that squares do not drown small distances.
    """

    log_weights: np.ndarray
    means: np.ndarray
    axes: np.ndarray
    offsets: np.ndarray
    reg_covar: np.ndarray
    center: np.ndarray = field(kw_only=True)

    @classmethod
    def from_roots(cls, log_weights, means, roots, reg_covar, center):
        """Components with the covariances A'A + reg_covar I; `roots` yields each one's A, (n, D)."""
        axes = [_principal_axes(root) for root in roots]
        offsets = np.cumsum([0, *map(len, axes)]).astype(np.int64)
        return cls(
            log_weights, means, np.concatenate(axes), offsets, np.array(float(reg_covar)), center=center
        )

    @property
    def num_gauss(self):
        return len(self.log_weights)

    def check(self, width):
        """Raise ValueError unless this is a mixture over `width` dimensions."""
        num_gauss = len(self.log_weights)
        check_array("log_weights", self.log_weights, (num_gauss,))
        check_distribution("log_weights", self.log_weights)
        check_array("means", self.means, (num_gauss, width))
        check_array("axes", self.axes, (len(self.axes), width))
        check_array("reg_covar", self.reg_covar, ())
        check_array("center", self.center, (width,))
        whole = self.offsets.dtype == np.int64 and self.offsets.shape == (num_gauss + 1,)
        if (
            not whole
            or self.offsets[0] != 0
            or self.offsets[-1] != len(self.axes)
            or (np.diff(self.offsets) < 0).any()
        ):
            raise ValueError("offsets do not cut the axes into components")
        if not self.reg_covar > 0:
            raise ValueError("reg_covar is not positive")

    def component_log_likelihood(self, obs):
        """log of weight x density: (N, 1, M), as the other mixtures give it."""
        shift, ranks = self.means - self.center, np.diff(self.offsets)  # (M, D), (M,)
        owner = np.repeat(np.arange(len(ranks)), ranks)
        lengths = np.einsum("rd,rd->r", self.axes, self.axes) + self.reg_covar
        rows = np.concatenate([self.axes, shift])  # (R + M, D)
        basis = rows[: len(owner)]
        basis /= np.sqrt(lengths)[:, None]
        placed = (basis @ shift.T)[np.arange(len(owner)), owner]  # where the means lie along the axes
        num_dim = self.means.shape[1]
        log_det = (num_dim - ranks) * np.log(self.reg_covar) + np.bincount(owner, np.log(lengths), len(ranks))
        constant = self.log_weights - 0.5 * (num_dim * LOG_2PI + log_det)
        some = np.flatnonzero(ranks)
        out = np.empty((len(obs), 1, len(shift)))
        for start in range(0, len(obs), ROWS):
            x = obs[start : start + ROWS] - self.center
            product = x @ rows.T
            explained = product[:, : len(placed)]
            explained -= placed
            np.square(explained, out=explained)
            squares = np.einsum("nd,nd->n", x, x)[:, None]
            # |d|^2, (n, M)
            distance = squares - 2 * product[:, len(placed) :] + (shift * shift).sum(axis=1)
            if len(some):
                distance[:, some] -= np.add.reduceat(explained, self.offsets[some], axis=1)
            out[start : start + ROWS, 0] = constant - 0.5 / self.reg_covar * np.maximum(distance, 0)
        return out

    def log_likelihood(self, obs):
        """log p(x): (N, 1)."""
        return log_sum(self.component_log_likelihood(obs))

    def projected_covariance(self, component, axes):
        """Covariance (K, K) of one component under x -> x @ axes (D, K)."""
        own = self.axes[self.offsets[component] : self.offsets[component + 1]] @ axes
        return own.T @ own + self.reg_covar * axes.T @ axes

    def to_arrays(self):
        return dict(vars(self))


def _principal_axes(root):
    """V (r, D), its rows at right angles, with V'V = A'A for A = `root` (n, D): by the eigenvectors of the
    smaller of AA' and A'A.

    An eigenvalue that is nothing but rounding is taken for zero: the samples' mean has been subtracted, so
    one always is.
    """
    num, dim = root.shape
    if not num:
        return root
    values, vectors = np.linalg.eigh(root @ root.T if num < dim else root.T @ root)
    real = values > np.finfo(float).eps * max(num, dim) * max(values[-1], 0.0)
    values, vectors = values[real], vectors[:, real]
    return vectors.T @ root if num < dim else np.sqrt(values)[:, None] * vectors.T
