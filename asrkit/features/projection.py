"""Model features in fewer dimensions that are not correlated: principal components or linear discriminants. Arrays in,
arrays out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from asrkit.config import check_fields, option
from asrkit.errors import SettingsError
from asrkit.models.scale import rounding_variance

PCA, LDA = "pca", "lda"
# Equal parts of a recording. Fewer mix sounds within a class, so that what tells them apart counts as scatter; more cut
# sounds in two, which then are to be told apart.
SEGMENTS = 5


@dataclass(frozen=True)
class ProjectionConfig:
    """Into how many dimensions model features are projected, once they are normalised and have deltas."""

    pca_dim: int = option(
        0,
        "dimensions that principal component analysis of the training's frames leaves of the features, with deltas; 0: none is made",
        minimum=0,
    )
    lda_dim: int = option(
        0,
        "dimensions that linear discriminant analysis leaves of them; its classes are fifths of each word; 0: none is made",
        minimum=0,
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.pca_dim and self.lda_dim:
            raise SettingsError(
                f"pca_dim={self.pca_dim} and lda_dim={self.lda_dim}: one projection or the other (leave one out)"
            )

    @property
    def method(self) -> str:
        """`pca` or `lda`; empty where nothing is projected."""
        return PCA if self.pca_dim else LDA if self.lda_dim else ""

    @property
    def dim(self) -> int:
        """Dimensions that are left; 0 where nothing is projected."""
        return self.pca_dim or self.lda_dim


@dataclass(frozen=True)
class Projection:
    """A linear map of frames with deltas, x -> axes (x - center), estimated on a training's frames.

    Attributes
    ----------
    method : str
        `pca` or `lda`.
    center : (D,)
        Mean of the training's frames.
    axes : (K, D)
        The most telling direction first. Of a pca the covariance of all frames becomes the identity, of an lda that within
        classes.

    Examples
    --------
    >>> import numpy as np
    >>> from asrkit.features.projection import Projection, ProjectionConfig
    >>> x = np.random.default_rng(0).standard_normal((500, 3)) @ [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    >>> pca = Projection.of([("one", x)], ProjectionConfig(pca_dim=2))
    >>> np.allclose(np.cov(pca.apply(x).T, bias=True), np.eye(2), atol=1e-5)
    True
    """

    method: str
    center: tuple[float, ...] = field(repr=False)
    axes: tuple[tuple[float, ...], ...] = field(repr=False)

    def __post_init__(self) -> None:
        try:
            axes = self._matrix
        except ValueError:  # rows of different lengths
            axes = np.zeros(0)
        if self.method not in (PCA, LDA) or axes.shape != (len(axes), len(self.center)) or not axes.size:
            raise SettingsError("the projection is none")
        if not (np.isfinite(axes).all() and np.isfinite(self._middle).all()):
            raise SettingsError("the projection holds NaN or infinite values")

    @classmethod
    def of(cls, items: "Iterable[tuple[str, np.ndarray]]", config: ProjectionConfig) -> "Projection":
        """Estimate it on recordings.

        Parameters
        ----------
        items : iterable of (str, (T, D))
            What each says, and its frames, T at least 1. An lda's classes are the words' fifths, frame t of T in part
            floor(5 t / T), as uniform segmentation starts an HMM of five states (Haeb-Umbach and Ney, 1992, Linear discriminant
            analysis for improved large vocabulary continuous speech recognition, take states for classes, too).
        config : ProjectionConfig

        Raises
        ------
        ValueError
            The frames do not vary in so many directions, or there are too few classes.
        """
        sums = _Scatter()
        for word, frames in items:
            sums.add(word, frames, SEGMENTS if config.method == LDA else 1)
        axes = _principal(sums, config.dim) if config.method == PCA else _discriminants(sums, config.dim)
        # An eigenvector has no sign: the largest entry is positive.
        axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
        return cls(config.method, tuple(sums.mean.tolist()), tuple(map(tuple, axes.tolist())))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Projection":
        """Build it from its fields as JSON values."""
        axes = tuple(tuple(map(float, row)) for row in values["axes"])
        return cls(str(values["method"]), tuple(map(float, values["center"])), axes)

    def to_dict(self) -> dict[str, Any]:
        """Give its fields as JSON values."""
        return {"method": self.method, "center": self.center, "axes": self.axes}

    @property
    def dim(self) -> int:
        """Dimensions that are left."""
        return len(self.axes)

    def apply(self, feats: np.ndarray) -> np.ndarray:
        """Project the frames of one recording: (T, D) -> float32 (T, K)."""
        return ((feats - self._middle) @ self._matrix.T).astype(np.float32)

    @cached_property
    def _matrix(self) -> np.ndarray:
        return np.array(self.axes, dtype=np.float64)

    @cached_property
    def _middle(self) -> np.ndarray:
        return np.array(self.center, dtype=np.float64)


class _Scatter:
    """Sums over frames, and over those of each class, about the first recording's mean, lest squares drown them."""

    def __init__(self) -> None:
        self._middle: np.ndarray | None = None
        self._counts: dict[tuple[str, int], int] = {}
        self._sums: dict[tuple[str, int], np.ndarray] = {}

    def add(self, word: str, frames: np.ndarray, parts: int) -> None:
        x = np.asarray(frames, dtype=np.float64)
        if self._middle is None:
            self._middle = x.mean(axis=0)
            self._second = np.zeros(2 * self._middle.shape)
        x = x - self._middle
        self._second += x.T @ x
        ends = -(-len(x) * np.arange(parts + 1) // parts)  # where floor(parts t / T) steps on
        for part, (start, end) in enumerate(zip(ends, ends[1:], strict=False)):
            if end > start:
                key = word, part
                self._counts[key] = self._counts.get(key, 0) + int(end - start)
                self._sums[key] = self._sums.get(key, 0) + x[start:end].sum(axis=0)

    @property
    def num_classes(self) -> int:
        return len(self._counts)

    @property
    def mean(self) -> np.ndarray:
        """(D,): of all frames."""
        assert self._middle is not None
        return self._middle + self._shift

    @property
    def _shift(self) -> np.ndarray:
        return sum(self._sums.values()) / sum(self._counts.values())

    def total(self) -> np.ndarray:
        """Covariance of all frames (D, D); 0 where a dimension is constant but for rounding."""
        covariance = self._second / sum(self._counts.values()) - np.outer(self._shift, self._shift)
        variance = np.diagonal(covariance)
        varies = variance > rounding_variance(self.mean, variance)
        return np.where(np.outer(varies, varies), covariance, 0.0)

    def between(self) -> np.ndarray:
        """Covariance of the classes' means, each as often as it has frames (D, D)."""
        counts = np.array(list(self._counts.values()))
        away = np.array(list(self._sums.values())) / counts[:, None] - self._shift
        return (away.T * (counts / counts.sum())) @ away


def _principal(sums: _Scatter, dim: int) -> np.ndarray:
    """Principal axes in units of their deviation, (dim, D): Hastie, Tibshirani and Friedman (2009), 14.5.1."""
    values, vectors = _eigen(sums.total())
    _check(dim, len(values), "the frames vary in {} directions")
    return (vectors / np.sqrt(values)).T[:dim]


def _discriminants(sums: _Scatter, dim: int) -> np.ndarray:
    """Fisher's directions for several classes, (dim, D): Hastie, Tibshirani and Friedman (2009), 4.3.3.

    Frames are brought to where their covariance within classes is the identity; the axes are the principal ones of the
    classes' means there.
    """
    total, between = sums.total(), sums.between()
    within, variance = total - between, np.diagonal(total)
    inside = np.diagonal(within)
    varies = inside > len(total) * np.finfo(float).eps * variance
    unit = np.where(varies, np.sqrt(np.where(varies, inside, 1.0)), np.inf)  # whatever the dimensions' scales
    values, vectors = _eigen(within / np.outer(unit, unit))
    white = vectors / np.sqrt(values) / unit[:, None]  # (D, R)
    _check(dim, white.shape[1], "the frames vary in {} directions within the words' parts")
    _check(dim, sums.num_classes - 1, f"{sums.num_classes} parts of words are told apart in {{}} directions")
    _, vectors = np.linalg.eigh(white.T @ between @ white)
    return (white @ vectors[:, ::-1]).T[:dim]


def _eigen(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (R,), the largest first, and vectors (D, R), without those that are rounding's."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    real = values > len(values) * np.finfo(float).eps * values[-1]
    return values[real][::-1], vectors[:, real][:, ::-1]


def _check(dim: int, most: int, what: str) -> None:
    if dim > most:
        raise ValueError(f"{what.format(most)} (ask for no more)")
