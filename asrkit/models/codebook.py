"""Vector quantisation: k-means, LBG codebooks, and features -> codes. Arrays in, arrays out."""

import functools
import logging
from dataclasses import dataclass

import numpy as np

from asrkit.config import check_fields, option
from asrkit.errors import DataError
from asrkit.models.scale import ROUNDING, standard
from asrkit.runtime import ordered_map

CELLS = 1 << 19  # scores worked on at a time
FEW = 64  # vectors below which float64 is quicker
ASSIGN, MEANS = "assign", "means"  # the two phases of a Lloyd iteration
BLUR = 0.7  # chosen on training speakers of four corpora: 0.5, 1 and 1.5 made more errors

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class CodebookConfig:
    """How large a codebook is, and how it is trained."""

    size: int = option(512, "code vectors (of each stream)", flag="codebook-size", minimum=1)
    streams: int = option(
        1,
        "equal parts of a feature vector, each with a codebook of its own; 0: one for the statics and each order of deltas",
        flag="codebook-streams",
        minimum=0,
    )
    method: str = option(
        "lbg", "how it grows: by splitting (lbg), or k-means from random starts", choices=("lbg", "kmeans")
    )
    num_starts: int = option(
        3,
        "k-means starts, the least distortion is kept (lbg has no chance in it)",
        flag="codebook-starts",
        minimum=1,
    )
    max_iters: int = option(50, "Lloyd iterations a size at the most", flag="codebook-iters", minimum=1)
    tol: float = option(
        1e-3, "relative fall of the distortion below which it has converged", flag="codebook-tol", minimum=0
    )

    def __post_init__(self):
        check_fields(self)


@dataclass(frozen=True)
class Codebook:
    """Code vectors and the scale on which distances are taken.

    Attributes
    ----------
    vectors : (M, D), or (M_1 + ... + M_K, D / K)
        In units of `scale`. Of K streams, which are equal parts of a feature vector, those of the first stream come first.
    scale : (D,)
        Standard deviation of each dimension over the training frames, so that no dimension drowns the others; 1 of a
        constant one (`asrkit.models.scale.standard`).
    sizes : int64 (K,) or None
        Code vectors of each stream; None where there is one.
    """

    vectors: np.ndarray
    scale: np.ndarray
    sizes: np.ndarray | None = None

    @property
    def size(self):
        """Code vectors of the stream that has most."""
        return len(self.vectors) if self.sizes is None else int(self.sizes.max())

    @property
    def num_streams(self):
        return 1 if self.sizes is None else len(self.sizes)

    @property
    def width(self):
        """What `Emission.check` of symbols is asked about: how many, or how many streams of how many."""
        return self.size if self.sizes is None else (self.num_streams, self.size)

    def described(self):
        """Say how many code vectors there are: `256 vectors`, or `256 vectors in each of 3 streams`."""
        if self.sizes is None:
            return f"{self.size} vectors"
        if len(set(self.sizes.tolist())) == 1:
            return f"{self.size} vectors in each of {self.num_streams} streams"
        return f"{', '.join(map(str, self.sizes))} vectors in {self.num_streams} streams"

    def quantize(self, feats):
        """The nearest code vector of each frame: int32 (T,), or (T, K), each stream's in its own numbers."""
        if self.sizes is None:
            return nearest(feats / self.scale, self.vectors)
        parts = np.split(feats / self.scale, self.num_streams, axis=1)
        books = np.split(self.vectors, np.cumsum(self.sizes)[:-1])
        return np.stack([nearest(x, own) for x, own in zip(parts, books, strict=True)], axis=1)

    def to_arrays(self):
        """Give the arrays that make it up, by name."""
        return {name: array for name, array in vars(self).items() if array is not None}


def nearest(x, vectors):
    """int32 (T,): the nearest of `vectors` (M, D) to each row of `x` (T, D).

    Distances are taken from the middle of the code vectors: far from it, squares would drown them.
    """
    first = vectors[0]
    middle = first + (vectors - first).mean(axis=0)  # of equal numbers, however large, exactly these
    return assign(x - middle, vectors - middle)[0]


def closeness(codebook):
    """Compute how near the code vectors of each stream are to each other: (M, M) or (K, M, M), a Gaussian kernel whose rows sum to 1.

    Its standard deviation is BLUR times the median distance between neighbours. A code vector that a smaller stream lacks has a row of 0.
    """
    from scipy.spatial.distance import cdist  # late: needed here only

    sizes = [codebook.size] if codebook.sizes is None else codebook.sizes
    out = np.zeros((len(sizes), codebook.size, codebook.size))
    for own, vectors in zip(out, np.split(codebook.vectors, np.cumsum(sizes)[:-1]), strict=True):
        square = cdist(vectors, vectors, "sqeuclidean")
        neighbour = np.median(np.sort(square, axis=1)[:, :2].max(axis=1))  # the nearest of all is each itself
        kernel = np.exp(-square / max(2 * BLUR**2 * neighbour, np.finfo(np.float64).tiny))
        own[: len(kernel), : len(kernel)] = kernel / kernel.sum(axis=1, keepdims=True)
    return out[0] if codebook.sizes is None else out


def train_codebook(feats, config, rng, jobs=1):
    """Train a codebook on all frames, of each stream by itself.

    Parameters
    ----------
    feats : (N, D)
    config : CodebookConfig
        With 0 streams it is taken for one: what orders of deltas there are the frames don't say.
    jobs : int
        Processes, of which each stream takes one.

    Returns
    -------
    codebook : Codebook
        With fewer code vectors than asked for where there are fewer distinct frames.
    histories : list of list of (int, float)
        For each stream the size and mean squared distance of each iteration of the start that was kept.

    Raises
    ------
    DataError
        All frames are alike, or nearly all of those that differ fall into one cell; or the streams are no equal parts.
    """
    dim, streams = feats.shape[1], config.streams or 1
    if dim % streams:
        raise DataError(
            f"{dim} dimensions are no {streams} equal parts (take a codebook_streams= that divides {dim})"
        )
    mean, scale = standard(feats)
    x = feats - mean
    x /= scale
    parts = [np.ascontiguousarray(part) for part in np.split(x, streams, axis=1)]
    rngs = [rng] if streams == 1 else rng.spawn(streams)
    found = []
    for part in ordered_map(
        functools.partial(_train_stream, config), zip(parts, rngs), jobs=jobs, label="streams"
    ):
        found.append(part)
        if streams > 1:
            log.info("stream %d of %d", len(found), streams)
        for size, (iterations, distortion) in _by_size(part[1]).items():
            log.info(
                "codebook of %d: %d iterations, mean squared distance %.4f", size, iterations, distortion
            )
    vectors, histories = zip(*found, strict=True)
    if max(map(len, vectors)) == 1 < config.size:
        check_alike(x)
    if streams == 1:
        return Codebook(vectors[0] + mean / scale, scale), list(histories)
    middles = np.split(mean / scale, streams)
    stacked = np.concatenate([own + middle for own, middle in zip(vectors, middles, strict=True)])
    return Codebook(stacked, scale, np.array([len(own) for own in vectors], dtype=np.int64)), list(histories)


def _train_stream(config, part):
    return train_stream(part[0], config, part[1])


def _by_size(history):
    """Iterations at each size of a history, and the last distortion there."""
    found = {}
    for size, distortion in history:
        found[size] = found.get(size, (0, 0.0))[0] + 1, distortion
    return found


def train_stream(x, config, rng):
    """Train the code vectors (M, D) of frames (N, D) on their scale, and give their history."""
    if config.method == "lbg":
        best = lbg(x, config.size, max_iters=config.max_iters, tol=config.tol)
    else:
        best = None
        for _ in range(config.num_starts):
            history = []
            vectors, _ = kmeans(
                x, config.size, rng, max_iters=config.max_iters, tol=config.tol, history=history
            )
            if best is None or history[-1][1] < best[1][-1][1]:
                best = vectors, history
    check_cells(len(best[0]), config.size, x)
    return best


def check_alike(x):
    """Raise a DataError where all frames (N, D) are equal. A stream among several may be: it says nothing."""
    if (x == x[0]).all():
        raise DataError(f"all {len(x)} frames are alike: they make no codebook (mend the features)")


def check_cells(size, asked, x):
    """Raise a DataError where frames (N, D) that differ make hardly any cells: a value far from all others drowns them.

    Few frames, or many that are alike, make a codebook smaller than was asked for; half of what could be is still one.
    """
    if size == asked:
        return
    distinct = len(np.unique(x, axis=0))
    if size < min(asked, distinct) // 2:
        raise DataError(
            f"a codebook of {size} vectors, {asked} asked for, though {distinct} of {len(x)} frames differ: single values lie "
            f"so far out that the others seem alike (mend the features, or ask for codebook_size={size})"
        )


def unwatched(phase, vectors, labels, distance):
    """What `lloyd` tells nobody."""


def lbg(x, size, *, max_iters=50, tol=1e-4, watch=unwatched):
    """Codebook by splitting: 1, 2, 4, ... `size` vectors, Lloyd iterations after each split.

    Linde, Buzo, Gray (1980). Where doubling would pass `size`, the cells with the most distortion are split.

    Returns
    -------
    vectors : (K, D)
    history : list of (int, float)
        Size and mean squared distance of each iteration.
    """
    vectors = x.mean(axis=0, keepdims=True)
    history = []
    labels, distance = assign(x, vectors)
    while True:
        vectors, labels, distance = lloyd(x, vectors, max_iters, tol, history, watch)
        count = np.bincount(labels, minlength=len(vectors))
        distortion = np.bincount(labels, weights=distance, minlength=len(vectors))
        room = size - len(vectors)
        # A cell of one frame, or of equal frames, cannot be split.
        split = [
            k
            for k in np.argsort(-distortion, kind="stable")[:room]
            if count[k] > 1 and distortion[k] > 1e-9 * count[k]
        ]
        if not split:
            return vectors[count > 0], history  # few iterations may leave a cell empty
        apart = x - centroids(x, labels, vectors)[labels]
        spread = np.sqrt(centroids(apart**2, labels, vectors)[split])
        vectors = np.concatenate([vectors, vectors[split] + 0.1 * spread])
        vectors[split] -= 0.1 * spread


def kmeans(x, size, rng, *, max_iters=50, tol=1e-4, history=None):
    """k-means++ seeding (Arthur and Vassilvitskii, 2007), then Lloyd iterations.

    Returns
    -------
    vectors : (K, D)
        Fewer than `size` where `x` has fewer distinct rows.
    labels : int32 (N,)
    """
    centers = plus_plus(x, size, rng)
    vectors, labels, _ = lloyd(x, centers, max_iters, tol, [] if history is None else history)
    return vectors, labels


def plus_plus(x, size, rng):
    """Draw rows of `x` to start from, each with a probability as its squared distance from those before (Arthur and Vassilvitskii, 2007).

    Returns
    -------
    (K, D)
        Fewer than `size` where `x` has fewer distinct rows.
    """
    apart = np.empty_like(x)

    def squared_distance(center):
        np.subtract(x, center, out=apart)
        return np.einsum("nd,nd->n", apart, apart)

    centers = [x[rng.integers(len(x))]]
    nearest = squared_distance(centers[0])
    while len(centers) < size and nearest.max() > 0:
        centers.append(x[rng.choice(len(x), p=nearest / nearest.sum())])
        nearest = np.minimum(nearest, squared_distance(centers[-1]))
    return np.array(centers)


def lloyd(x, vectors, max_iters, tol, history, watch=unwatched):
    """Alternate assignment and centroids until the distortion falls by less than `tol` of itself.

    A cell that loses all its frames keeps its place. Appends (size, mean squared distance) to `history`.

    Parameters
    ----------
    watch : callable
        Told after each phase: (`ASSIGN`, vectors, labels, squared distances), and (`MEANS`, vectors, labels, None).
    """
    previous = np.inf
    for _ in range(max_iters):
        labels, distance = assign(x, vectors)
        watch(ASSIGN, vectors, labels, distance)
        distortion = distance.mean()
        history.append((len(vectors), float(distortion)))
        if previous - distortion <= tol * distortion:
            break
        previous = distortion
        vectors = centroids(x, labels, vectors)
        watch(MEANS, vectors, labels, None)
    else:
        labels, distance = assign(x, vectors)
        watch(ASSIGN, vectors, labels, distance)
    return vectors, labels, distance


def centroids(x, labels, vectors):
    """Mean of each cell; an empty cell keeps its old vector."""
    labels, size = labels.astype(np.intp), len(vectors)  # once, not for each dimension
    count = np.bincount(labels, minlength=size)[:, None]
    sums = np.stack([np.bincount(labels, weights=column, minlength=size) for column in x.T], axis=1)
    return np.where(count > 0, sums / np.maximum(count, 1), vectors)


def assign(x, vectors, *, rows=None):
    """Nearest vector of each row: labels int32 (N,) and squared distances float64 (N,)."""
    rows = rows or max(1024, CELLS // len(vectors))  # what is made of them stays in the cache
    labels, distance = np.empty(len(x), dtype=np.int32), np.empty(len(x))
    half_norm = 0.5 * (vectors**2).sum(axis=1)
    for start in range(0, len(x), rows):
        part = np.asarray(x[start : start + rows], dtype=np.float64)
        if len(vectors) < FEW:
            label = (part @ vectors.T - half_norm).argmax(axis=1)  # largest where |x - v|^2 is smallest
        else:
            label = _quick_labels(part, vectors, half_norm)
        apart = part - vectors[label]
        labels[start : start + rows] = label
        distance[start : start + rows] = np.einsum("nd,nd->n", apart, apart)
    return labels, distance


def _quick_labels(x, vectors, half_norm):
    """Nearest of many vectors in float32, and in float64 where the nearest two are too close for that: the labels of float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        terms = np.ones((len(x), x.shape[1] + 1), dtype=np.float32)
        terms[:, :-1] = x
        score = terms @ np.concatenate([vectors, -half_norm[:, None]], axis=1).T.astype(np.float32)
        at, label = np.arange(len(x)), score.argmax(axis=1)
        best = score[at, label]
        score[at, label] = -np.inf
        second = score[at, score.argmax(axis=1)]  # a third of max()'s time
        # Of either score: each product and each sum is rounded.
        size = np.sqrt((x**2).sum(axis=1) * 2 * half_norm.max()) + half_norm.max()
        close = np.flatnonzero(
            ~(best - second > 2 * terms.shape[1] * ROUNDING * size)
        )  # what is no number is close
    label[close] = (x[close] @ vectors.T - half_norm).argmax(axis=1)
    return label
