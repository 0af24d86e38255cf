"""See the algorithms at work: arrays in, every step out.

What training does in one go can be looked at here iteration by iteration, and what its formulas are made of (posteriors,
alpha and beta, the trellis, Q, the lower bound) by itself. Nothing is computed twice: each function calls the code that
training and decoding run on, of one word, with no normalisation and no deltas: X is what the models see.

Examples
--------
>>> import numpy as np
>>> from asrkit import study
>>> heights = np.array([158.0, 160, 163, 165, 166, 176, 178, 181, 183, 185])  # cm
>>> steps = study.train("gmm", heights, num_gauss=2, min_count=1, min_occ=0, max_iters=50)
>>> steps[-1].model.emission.means.round(0).ravel().tolist()
[181.0, 162.0]
>>> all(later.objective >= before.objective - 1e-9 for before, later in zip(steps, steps[1:]))
True
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asrkit import families
from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError, told
from asrkit.io.iterations import read_iterations
from asrkit.models import bounds, codebook
from asrkit.models import trellis as recursions
from asrkit.models.base import Block, WordModel
from asrkit.models.codebook import ASSIGN
from asrkit.models.hmm import Hmm
from asrkit.models.scale import least_variance, standard
from asrkit.runtime import one_thread
from asrkit.words.plain import (
    block_of,
    check_latents,
    check_model,
    check_points,
    hmm,
    is_one,
    mixture,
    observed,
)
from asrkit.words.settings import TrainingSettings, fields_of
from asrkit.words.training import train_beside
from asrkit.workflows.arguments import check_path
from asrkit.workflows.recognizer import Recognizer

__all__ = [
    "kmeans",
    "lbg",
    "train",
    "iterations",
    "mixture",
    "hmm",
    "posteriors",
    "forward",
    "backward",
    "trellis",
    "log_likelihood",
    "q_function",
    "entropy",
    "lower_bound",
    "kl",
    "KmeansStep",
    "CodebookStep",
    "Step",
    "Trellis",
]

Sequences = np.ndarray | Sequence[Any]
# Settings of a training that one word's raw arrays have no use for
OF_ALL_WORDS = ("shared_frames", "smooth", "calibrate", "phrases")


@dataclass(frozen=True)
class KmeansStep:
    """What one phase of a k-means iteration has come to.

    Attributes
    ----------
    phase : {"assign", "means"}
        Each point was given to its nearest mean, or each mean was moved to the middle of its points.
    means : float64 (k, D)
    labels : int32 (N,)
        The mean of each point.
    objective : float
        J, the sum of squared distances of the points from their means.
    """

    phase: str
    means: np.ndarray
    labels: np.ndarray
    objective: float


@dataclass(frozen=True)
class CodebookStep:
    """What one Lloyd iteration of an LBG codebook has come to.

    Attributes
    ----------
    size : int
        Code vectors, K.
    vectors : float64 (K, D)
    labels : int32 (N,)
        The nearest code vector of each row.
    distortion : float
        Mean squared distance, in units of the scale that the codebook was trained on.
    """

    size: int
    vectors: np.ndarray
    labels: np.ndarray
    distortion: float


@dataclass(frozen=True)
class Step:
    """One iteration of a word's training: the model, and how it explains the data.

    Attributes
    ----------
    model : WordModel
    objective : float
        Log-likelihood of all sequences; along their best paths where `method` is "viterbi" and there are paths.
    per_frame : float
        The objective by frame, in nats.
    phase : int
        Counts growths (Gaussians were split) and changes of the method: the objective may only rise within and between them.
    method : {"viterbi", "baum-welch"}
    frames : int
        Frames that were used; sequences without a path are left out.
    """

    model: WordModel
    objective: float
    per_frame: float
    phase: int
    method: str
    frames: int


@dataclass(frozen=True)
class Trellis:
    """The best path's trellis, frame by frame.

    Attributes
    ----------
    delta : float64 (T, S)
        D(t, j): log score of the best way to state j at frame t; -inf where there is none.
    back : int32 (T, S)
        The state before it on that way; -1 where there is none.
    path : int32 (T,)
        The best path to the end of the word.
    score : float
        Its log score, the step out of the word included.
    """

    delta: np.ndarray
    back: np.ndarray
    path: np.ndarray
    score: float


@one_thread()
def kmeans(
    X: np.ndarray,
    k: int,
    *,
    start: str | np.ndarray = "k-means++",
    seed: int = 0,
    max_iters: int = 50,
    tol: float = 0.0,
) -> list[KmeansStep]:
    """Cluster points by k-means (Lloyd's algorithm), and keep both phases of every iteration.

    Parameters
    ----------
    X : (N, D) or (N,)
    k : int
        Clusters.
    start : {"k-means++", "random"} or (k, D)
        Points drawn far from each other (Arthur and Vassilvitskii, 2007), points drawn evenly, or the means themselves.
    seed : int
        Of what is drawn.
    max_iters : int
        Iterations at the most.
    tol : float
        Ends where an iteration lowers J by no more than this part of it; 0: where it lowers it no more.

    Returns
    -------
    list of KmeansStep
        `J = sum_n |x_n - mu_label(n)|^2` never rises. A cluster that loses all its points keeps its mean.

    Raises
    ------
    DataError
        X or `start` can't be used, or has fewer different points than clusters.

    Notes
    -----
    Bishop, Pattern Recognition and Machine Learning, eqs. 9.1 to 9.4.

    Examples
    --------
    >>> from asrkit import study
    >>> for step in study.kmeans([0.0, 1.0, 9.0, 10.0, 14.0], 2, start=[0.0, 1.0])[:4]:
    ...     print(step.phase, step.means.round(9).ravel().tolist(), round(step.objective, 9))
    assign [0.0, 1.0] 314.0
    means [0.0, 8.5] 89.0
    assign [0.0, 8.5] 33.75
    means [0.5, 11.0] 14.5
    """
    x, k = check_points(X, "X"), _whole("k", k, 1)
    rng = np.random.default_rng(_whole("seed", seed, 0))
    middle = x.mean(axis=0)
    away = x - middle  # squares of what lies far off would drown the distances
    if isinstance(start, str):
        if start not in ("k-means++", "random"):
            raise SettingsError(f"start={start} is none of k-means++, random, or an array of {k} means")
        distinct = len(np.unique(x, axis=0))
        if distinct < k:
            raise DataError(f"X has {distinct} different points, fewer than k={k} (ask for fewer clusters)")
        if start == "random":
            means = away[rng.choice(len(x), k, replace=False)]
        else:
            means = codebook.plus_plus(away, k, rng)
    else:
        means = check_points(start, "start")
        if means.shape != (k, x.shape[1]):
            raise DataError(f"start has shape {means.shape}, it should be k x dimensions, {(k, x.shape[1])}")
        means = means - middle
    steps: list[KmeansStep] = []

    def watch(phase: str, vectors: np.ndarray, labels: np.ndarray, distance: np.ndarray | None) -> None:
        own = ((away - vectors[labels]) ** 2).sum() if distance is None else distance.sum()
        steps.append(KmeansStep(phase, vectors + middle, labels, float(own)))

    codebook.lloyd(away, means, _whole("max_iters", max_iters, 1), _least("tol", tol), [], watch)
    return steps


@one_thread()
def lbg(
    X: np.ndarray, size: int, *, max_iters: int = 50, tol: float = 1e-3, scale: bool = False
) -> list[CodebookStep]:
    """Train a codebook by splitting (Linde, Buzo, Gray, 1980), and keep every iteration.

    Parameters
    ----------
    X : (N, D) or (N,)
    size : int
        Code vectors in the end: 1, 2, 4, ...; where doubling would pass it, the cells with the most distortion are split.
    max_iters : int
        Lloyd iterations of each size at the most.
    tol : float
        A size has converged where an iteration lowers the distortion by no more than this part of it.
    scale : bool
        Take distances in units of each dimension's standard deviation, as `asrkit train-codebook` does.

    Returns
    -------
    list of CodebookStep
        The last one's vectors are those of the codebook: fewer than `size` where X has too few different rows.

    Raises
    ------
    DataError
        X can't be used.

    Examples
    --------
    >>> from asrkit import study
    >>> steps = study.lbg([0.0, 1.0, 9.0, 10.0], 2)
    >>> [(step.size, round(step.distortion, 2)) for step in steps]
    [(1, 20.5), (1, 20.5), (2, 16.63), (2, 0.25), (2, 0.25)]
    >>> steps[-1].vectors.ravel().tolist()
    [0.5, 9.5]
    """
    x, size = check_points(X, "X"), _whole("size", size, 1)
    middle, unit = standard(x) if scale else (x.mean(axis=0), np.ones(x.shape[1]))
    away = (x - middle) / unit
    steps: list[CodebookStep] = []

    def add(vectors: np.ndarray, labels: np.ndarray, distance: np.ndarray) -> None:
        steps.append(CodebookStep(len(vectors), vectors * unit + middle, labels, float(distance.mean())))

    def watch(phase: str, vectors: np.ndarray, labels: np.ndarray, distance: np.ndarray) -> None:
        if phase == ASSIGN:
            add(vectors, labels, distance)

    iters, least = _whole("max_iters", max_iters, 1), _least("tol", tol)
    vectors, _ = codebook.lbg(away, size, max_iters=iters, tol=least, watch=watch)
    if len(vectors) < steps[-1].size:  # a cell was empty
        add(vectors, *codebook.assign(away, vectors))
    return steps


@one_thread()
def train(
    family: str, sequences: Sequences, *, start: WordModel | None = None, **settings: Any
) -> list[Step]:
    """Train one word's model, and keep the model of every iteration.

    Parameters
    ----------
    family : str
        A name of `asrkit.families.names()`.
    sequences : list of (T, D) or of (T,) arrays
        The word's recordings: features, or codes where the family has them. One array is one recording. Features in float32
        are trained as `asrkit.train` does, byte for byte; others in float64 throughout.
    start : WordModel, optional
        What training starts from, in place of what the family makes of the data: of `mixture`, `hmm` or a step before.
    **settings
        Those of `asrkit.train` that are of the family or the training (`num_gauss=2`, `covariance="full"`, `max_iters=20`, `tol=0`,
        `method="baum-welch"`, `topology="ergodic"`, ...), with the defaults that `asrkit train FAMILY --help` shows. Of few points
        take `min_count=1, min_occ=0`: else there are fewer Gaussians than were asked for, and those with few points are removed.

    Returns
    -------
    list of Step
        Of the start that was kept. Nothing is shared with other words. The objective never falls, but for rounding, and where
        Gaussians are removed.

    Raises
    ------
    SettingsError
        There is no such family or setting, or it can't have that value.
    DataError
        The sequences can't be used.

    Examples
    --------
    >>> import numpy as np
    >>> from asrkit import study
    >>> words = [np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 2, 2, 2])]
    >>> steps = study.train("dhmm", words, num_states=3, method="baum-welch")
    >>> np.exp(steps[-1].model.log_trans).diagonal().round(2).tolist()
    [0.34, 0.5, 0.5]
    """
    chosen = _settings(family, settings)
    has_codes = families.load(family).has_codes
    block = block_of(sequences, "sequences", has_codes)
    config = chosen.model
    if has_codes:
        if not chosen.asks_symbols:
            config = type(config)(**{**vars(config), "num_symbols": int(block.obs.max()) + 1})
        if block.obs.max() >= config.num_symbols:
            raise DataError(
                f"sequences hold code {block.obs.max()}, beyond num_symbols={config.num_symbols} (codes begin at 0)"
            )
    starts = None
    if start is not None:
        starts = {"word": _floored(check_model(start, block.obs), config, block)}
    histories: list[dict[str, list[WordModel]]] = []
    found = train_beside(
        family, [config], chosen.training, {"word": block}, starts=starts, histories=histories
    )
    _, entries = found[0]["word"]
    return list(map(_step, histories[0]["word"], entries))


def iterations(source: PathLike | Recognizer) -> dict[str, list[Step]]:
    """Read every iteration's model of every word of a vocabulary's training.

    Parameters
    ----------
    source : path or Recognizer
        A folder of `asrkit train --keep-iterations true`, or its iterations.npz; or what
        `asrkit.train(..., keep_iterations=True)` gave.

    Returns
    -------
    dict of str to list of Step
        By word, of the start that was kept; where words share something in the end (`shared_frames`, `smooth`) the last step is
        the finished model, whose objective may be lower.

    Raises
    ------
    DataError
        There is none, or it can't be read.

    Examples
    --------
    >>> import asrkit, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> hiss = [rng.normal(0, 0.1, 4000) for _ in range(5)]
    >>> model = asrkit.train({"hiss": hiss}, rate_hz=8000, family="gmm", num_gauss=2, keep_iterations=True)
    >>> steps = asrkit.study.iterations(model)["hiss"]
    >>> steps[-1].model is model.vocabulary.models["hiss"], len(steps) == len(model.training.entries)
    (True, True)
    """
    if isinstance(source, Recognizer):
        trained = source.training
        if trained is None or trained.histories is None:
            raise DataError("the model has no iterations (asrkit.train with keep_iterations=True keeps them)")
        logs, models = trained.by_word, trained.histories
        found = {word: list(zip(models[word], logs[word], strict=True)) for word in logs}
    else:
        found = read_iterations(check_path(source, "source", "a folder, or a file iterations.npz"))
    return {word: [_step(*pair) for pair in own] for word, own in found.items()}


@one_thread()
def posteriors(model: WordModel, X: Sequences, *, transitions: bool = False) -> Any:
    """Compute what is known of the latent variables when the observations are.

    Parameters
    ----------
    model : WordModel
        Of `train`, `mixture`, `hmm`, or of a trained vocabulary (`asrkit.load(...).vocabulary.models[word]`).
    X : (N, D) array, or codes; or a list of them
        Of an HMM one sequence, or several.
    transitions : bool
        Of an HMM: xi beside gamma.

    Returns
    -------
    float64 (N, K) of a mixture
        P(component | x), the responsibilities. Bishop, eq. 9.13.
    float64 (T, S) of an HMM
        gamma, P(state at t | all x). Rabiner (1989), eq. 27. With `transitions` the pair of it and xi (T - 1, S, S),
        P(state i at t, state j at t + 1 | all x), eq. 37. Of several sequences a list.

    Raises
    ------
    DataError
        X can't be used, or a sequence has no path through the model.

    Examples
    --------
    >>> from asrkit import study
    >>> study.posteriors(study.mixture([0.5, 0.5], [-1.0, 1.0], [1.0, 1.0]), [0.0, 9.0]).round(3).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    if not isinstance(model, Hmm):
        if transitions:
            raise SettingsError("transitions=True: a mixture has none (take an HMM)")
        block = observed(model, X)
        return np.exp(model.emission.component_log_posteriors(block.obs)[:, 0])
    found = [(own.gamma, own.xi) if transitions else own.gamma for own in _posteriors(model, X)]
    return found[0] if is_one(X) else found


@one_thread()
def forward(model: Hmm, x: Sequences) -> np.ndarray:
    """Compute log alpha of one sequence: ln p(x_1 .. x_t, state i at t). Rabiner (1989), eq. 20.

    Parameters
    ----------
    model : Hmm
    x : (T, D), or codes (T,)

    Returns
    -------
    float64 (T, S)
        -inf where no way leads to the state.

    Raises
    ------
    DataError
        The model is no HMM, or x no sequence for it.

    Examples
    --------
    >>> import numpy as np
    >>> from asrkit import study
    >>> model = study.hmm([1, 0], [[0.5, 0.5], [0, 0.5]], [0, 0.5], symbols=[[0.9, 0.1], [0.2, 0.8]])
    >>> np.exp(study.forward(model, [0, 0, 1])).round(4).tolist()
    [[0.9, 0.0], [0.405, 0.09], [0.0203, 0.198]]
    """
    log_obs = _log_obs(model, x)
    return recursions.forward(log_obs, model.log_start, model.log_trans)


@one_thread()
def backward(model: Hmm, x: Sequences) -> np.ndarray:
    """Compute log beta of one sequence: ln p(x_t+1 .. x_T, the end | state i at t). Rabiner (1989), eq. 25.

    Parameters
    ----------
    model : Hmm
    x : (T, D), or codes (T,)

    Returns
    -------
    float64 (T, S)
        alpha_t beta_t, summed over the states, is p(x) at every t; the last row is the way out of the word.

    Raises
    ------
    DataError
        The model is no HMM, or x no sequence for it.

    Examples
    --------
    >>> import numpy as np
    >>> from asrkit import study
    >>> model = study.hmm([1, 0], [[0.5, 0.5], [0, 0.5]], [0, 0.5], symbols=[[0.9, 0.1], [0.2, 0.8]])
    >>> both = study.forward(model, [0, 0, 1]) + study.backward(model, [0, 0, 1])
    >>> np.exp(both).sum(axis=1).round(4).tolist()
    [0.099, 0.099, 0.099]
    """
    log_obs = _log_obs(model, x)
    return recursions.backward(log_obs, model.log_trans, model.log_exit)


@one_thread()
def trellis(model: Hmm, x: Sequences) -> Trellis:
    """Fill the trellis of one sequence by Viterbi's recursion: the best way to each state at each frame.

    Parameters
    ----------
    model : Hmm
    x : (T, D), or codes (T,)

    Returns
    -------
    Trellis
        D(1, j) = p(1, j) + B(x_1, j); D(t, j) = max_i [D(t - 1, i) + A(i, j)] + B(x_t, j), in logarithms.
        Rabiner (1989), eqs. 32 to 35.

    Raises
    ------
    DataError
        The model is no HMM, x no sequence for it, or no path goes through the model.

    Examples
    --------
    >>> from asrkit import study
    >>> model = study.hmm([1, 0], [[0.5, 0.5], [0, 0.5]], [0, 0.5], symbols=[[0.9, 0.1], [0.2, 0.8]])
    >>> found = study.trellis(model, [0, 0, 1])
    >>> found.delta.round(2).tolist(), found.back.tolist()
    ([[-0.11, -inf], [-0.9, -2.41], [-3.9, -1.82]], [[-1, -1], [0, 0], [0, 0]])
    """
    log_obs = _log_obs(model, x)
    arcs = model.log_start, model.log_trans, model.log_exit
    delta, back, path = recursions.best(log_obs, *arcs)
    if not len(path):
        raise _no_path(model, len(log_obs), "x")
    return Trellis(delta, back, path, float(delta[-1, path[-1]] + model.log_exit[path[-1]]))


@one_thread()
def log_likelihood(model: WordModel, X: Sequences) -> float:
    """Compute ln p(X | model), over all paths and components, of all sequences together.

    Parameters
    ----------
    model : WordModel
    X : (N, D) array, or codes (T,); or a list of them
        Of an HMM each array is a sequence; (N,) numbers are in one dimension.

    Returns
    -------
    float
        -inf where a sequence has no path through the model.

    Raises
    ------
    DataError
        X is nothing that the model sees.

    Examples
    --------
    >>> from asrkit import study
    >>> model = study.hmm([1, 0], [[0.5, 0.5], [0, 0.5]], [0, 0.5], symbols=[[0.9, 0.1], [0.2, 0.8]])
    >>> round(study.log_likelihood(model, [[0, 0, 1], [0, 1]]), 4)
    -4.0274
    """
    block = observed(model, X)
    return float(model.log_likelihood(block).sum())


@one_thread()
def q_function(model: WordModel, X: Sequences, old: WordModel) -> float:
    """Compute Q(theta, theta_old): what EM expects ln p(X, Z | theta) to be, and its M step maximises.

    Parameters
    ----------
    model : WordModel
        theta.
    X : (N, D) array, or codes (T,); or a list of them
        Of an HMM each array is a sequence; (N,) numbers are in one dimension.
    old : WordModel
        theta_old, whose posterior p(Z | X, theta_old) is what is expected under: Z is the component of each frame, in an HMM its
        state, and its state's component.

    Returns
    -------
    float
        Bishop, eqs. 9.30 and 13.12; -inf where the model forbids what the old one does not.

    Raises
    ------
    DataError
        X is nothing that the models see, or the models have not the same latent variables.

    Examples
    --------
    >>> from asrkit import study
    >>> x, old = [-2.0, 0.0, 3.0], study.mixture([0.5, 0.5], [-1.0, 1.0], [1.0, 1.0])
    >>> round(study.q_function(old, x, old), 4)
    -7.923
    """
    check_latents(model, old)
    return sum(
        bounds.q_function(model, obs, own)
        for (_, obs), own in zip(observed(model, X).items(), _posteriors(old, X), strict=True)
    )


@one_thread()
def entropy(model: WordModel, X: Sequences) -> float:
    """Compute the entropy of p(Z | X, model): how undecided the latent variables are.

    Parameters
    ----------
    model : WordModel
    X : (N, D) array, or codes (T,); or a list of them
        Of an HMM each array is a sequence; (N,) numbers are in one dimension.

    Returns
    -------
    float
        In nats, 0 or more.

    Raises
    ------
    DataError
        X is nothing that the model sees, or has no path through it.

    Examples
    --------
    >>> from asrkit import study
    >>> round(study.entropy(study.mixture([0.5, 0.5], [-1.0, 1.0], [1.0, 1.0]), [0.0]), 4)  # ln 2
    0.6931
    """
    return sum(map(bounds.entropy, _posteriors(model, X)))


@one_thread()
def lower_bound(model: WordModel, X: Sequences, old: WordModel) -> float:
    """Compute L(q, theta) with q = p(Z | X, theta_old): Q(theta, theta_old) and the entropy of q.

    Parameters
    ----------
    model : WordModel
        theta.
    X : (N, D) array, or codes (T,); or a list of them
        Of an HMM each array is a sequence; (N,) numbers are in one dimension.
    old : WordModel
        theta_old.

    Returns
    -------
    float
        Never above ln p(X | theta), which it touches where theta is theta_old; `kl` is what lies between.
        Bishop, eqs. 9.71 and 9.74.

    Raises
    ------
    DataError
        X is nothing that the models see, or the models have not the same latent variables.

    Examples
    --------
    >>> from asrkit import study
    >>> x, old = [-2.0, 0.0, 3.0], study.mixture([0.5, 0.5], [-1.0, 1.0], [1.0, 1.0])
    >>> new = study.mixture([0.5, 0.5], [-1.5, 2.0], [1.0, 1.0])
    >>> bound, left = study.lower_bound(new, x, old), study.kl(old, new, x)
    >>> round(bound, 4), round(left, 4), round(study.log_likelihood(new, x), 4)
    (-6.3886, 0.1513, -6.2374)
    """
    return q_function(model, X, old) + entropy(old, X)


@one_thread()
def kl(old: WordModel, model: WordModel, X: Sequences) -> float:
    """Compute KL(p(Z | X, old) || p(Z | X, model)): by how much the lower bound misses ln p(X | model).

    Parameters
    ----------
    old, model : WordModel
    X : (N, D) array, or codes (T,); or a list of them
        Of an HMM each array is a sequence; (N,) numbers are in one dimension.

    Returns
    -------
    float
        In nats: 0 where both are the same; inf where the model rules out what the old one does not.

    Raises
    ------
    DataError
        X is nothing that the models see, or the models have not the same latent variables.

    Examples
    --------
    >>> from asrkit import study
    >>> old = study.mixture([0.5, 0.5], [-1.0, 1.0], [1.0, 1.0])
    >>> study.kl(old, old, [-2.0, 0.0, 3.0])
    0.0
    """
    check_latents(model, old)
    return sum(map(bounds.kl, _posteriors(old, X), _posteriors(model, X)))


def _step(model: WordModel, entry: dict[str, Any]) -> Step:
    return Step(model, *(entry[name] for name in ("objective", "per_frame", "phase", "method", "frames")))


def _settings(family: str, settings: dict[str, Any]) -> TrainingSettings:
    """A training's settings, or a SettingsError; what is of all words, or of recordings, is none."""
    chosen = TrainingSettings.of(family, **settings)
    known = fields_of(family)
    for name in settings:
        if name in OF_ALL_WORDS or known[name][0] not in ("model", "training"):
            raise SettingsError(f"{name}=: has no say where one word is trained on arrays as they are")
    if families.load(family).starts_in_common(chosen.model):
        raise SettingsError(
            "init=shared: one word has nothing in common with others (start= takes a mixture)"
        )
    return chosen


def _floored(start: WordModel, config: Any, block: Block) -> WordModel:
    """A start with the variance floor that the family would have given it."""
    if block.obs.dtype.kind == "i":
        return start
    gaussians = start.emission.gaussians
    mean, variance = block.obs.mean(axis=0, dtype=np.float64), block.obs.var(axis=0, dtype=np.float64)
    floor = least_variance(mean, variance, config.variance_floor)
    moved = type(gaussians)(**{**gaussians.to_arrays(), "variance_floor": floor})
    return type(start)(**{**vars(start), "emission": start.emission.with_gaussians(moved)})


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise SettingsError(f"{name}={told(value)} is no int")
    if value < least:
        raise SettingsError(f"{name}={value} is less than {least}")
    return int(value)


def _least(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not value >= 0:
        raise SettingsError(f"{name}={told(value)} is no number from 0 on")
    return float(value)


def _posteriors(model: Any, X: Any) -> list[bounds.Posterior]:
    """The posterior of each sequence, or a DataError where one has no path."""
    found = []
    for utt, obs in observed(model, X).items():
        own = bounds.posterior(model, obs)
        if own is None:
            raise _no_path(model, len(obs), "X" if is_one(X) else f"X[{utt}]")
        found.append(own)
    return found


def _no_path(model: Hmm, frames: int, name: str) -> DataError:
    return DataError(
        f"{name}: no path goes through the model: {frames} frames, and its shortest path has {model.shortest} (or the model "
        "forbids what is observed)"
    )


def _log_obs(model: Any, x: Any) -> np.ndarray:
    """ln p(x_t | state) of one sequence under an HMM: (T, S)."""
    if not isinstance(model, Hmm):
        raise DataError(f"the model is {told(model)}, it should be an HMM: only they know time")
    block = observed(model, x)
    emission: Any = model.emission
    if len(block.utts) > 1:
        raise DataError(f"x holds {len(block.utts)} sequences, it should be one")
    return emission.log_likelihood(block.obs)
