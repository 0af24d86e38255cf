"""A phone's mixture seen in two dimensions: which plane, where tokens and Gaussians lie in it. Arrays in,
arrays out.
"""

from dataclasses import dataclass

import numpy as np

from asrkit.models.base import log_sum
from asrkit.phones.allophones import clusters


@dataclass(frozen=True)
class Plane:
    """A map of D dimensions onto two, x -> (x - origin) @ axes.

    Attributes
    ----------
    origin : (D,)
        Mean of the tokens.
    axes : (D, 2)
    share : float
        Of the tokens' variance, in the units of the plane, the part that lies in it.
    of_means : bool
        Whether it is the plane of the components' means, or else of the tokens' first two principal axes.
    """

    origin: np.ndarray
    axes: np.ndarray
    share: float
    of_means: bool

    def points(self, obs):
        return (np.asarray(obs, dtype=np.float64) - self.origin) @ self.axes


def fit_plane(obs, comps, means):
    """Find the plane that shows a phone's components best.

    Every dimension is measured in units of its standard deviation within components, pooled. Of three or more
    components that have tokens, the plane is the one in which their means, each as heavy as its tokens, lie
    furthest apart; of fewer, that of the tokens' first two principal axes.

    Parameters
    ----------
    obs : (N, D)
    comps : int (N,)
        The component that each token falls to.
    means : (M, D)

    Returns
    -------
    Plane

    Notes
    -----
    This is the linear discriminant plane with a diagonal covariance within. With the full one, as many tokens
    as dimensions let any parts of them fall asunder, and so let every mixture look as if its components were
    well apart: of 512 tokens in 1024 dimensions nothing else would be seen.
    """
    obs = np.asarray(obs, dtype=np.float64)
    origin = obs.mean(axis=0)
    scale = np.sqrt(np.mean((obs - means[comps]) ** 2, axis=0))
    scale[scale <= 1e-12 * max(scale.max(), 1e-300)] = 1.0  # one that never differs has no say
    counts = np.bincount(comps, minlength=len(means))
    some = np.flatnonzero(counts)
    units = (obs - origin) / scale
    directions = np.zeros((0, len(origin)))
    if len(some) >= 3:
        heavy = np.sqrt(counts[some] / counts.sum())[:, None]
        middle = counts[some] @ means[some] / counts.sum()
        directions = _principal(heavy * (means[some] - middle) / scale)
    of_means = len(directions) == 2
    if not of_means:
        directions = _principal(units)
    axes = np.zeros((len(origin), 2))  # where there is only one dimension, or none, the others are zero
    axes[:, : len(directions)] = directions.T
    total = float(np.sum(units**2))
    share = float(np.sum((units @ axes) ** 2)) / total if total > 0 else 1.0
    return Plane(origin, axes / scale[:, None], share, of_means)


def _principal(rows):
    """The first two principal axes of the rows (n, D), orthonormal, at most as many as there are; their
    greatest entries are positive.
    """
    small = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    values, vectors = np.linalg.eigh(small)
    real = values[::-1][:2] > 1e-10 * max(values[-1], 1e-300)
    vectors = vectors[:, ::-1][:, :2][:, real].T
    directions = vectors @ rows if len(rows) < rows.shape[1] else vectors
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    greatest = np.abs(directions).argmax(axis=1)[:, None]
    return directions * np.sign(np.take_along_axis(directions, greatest, axis=1))


def component_means(mixture):
    """Give the means (M, D) of a DiagMixture or FullMixture of one state, or of a LowRankMixture."""
    return mixture.means.reshape(-1, mixture.means.shape[-1])


def place_components(mixture, obs, left, right):
    """Find the plane of a phone's tokens, and where the Gaussians lie in it.

    Parameters
    ----------
    mixture : DiagMixture or FullMixture of one state, LowRankMixture or TiedMixture
    obs : (N, D)
    left, right : array of str (N,)
        Neighbours of every token.

    Returns
    -------
    plane : Plane
    comps : int (N,)
        The component that each token falls to.
    rows : list of dict
        Components that have tokens, as `plots.components.plot_components` takes them.
    """
    joint = mixture.component_log_likelihood(obs)[:, 0]
    comps, loglik = joint.argmax(axis=1), log_sum(joint)
    means = component_means(mixture)
    plane = fit_plane(obs, comps, means)
    found = clusters(np.full(len(obs), ""), comps, left, right, loglik, exemplars=0, contexts=1)
    rows = [
        {
            "component": row["component"],
            "n": row["n"],
            "left": row["left"][0],
            "right": row["right"][0],
            "mean": plane.points(means[row["component"]]),
            "covariance": mixture.projected_covariance(row["component"], plane.axes),
        }
        for row in found
    ]
    return plane, comps, rows
