"""A trained vocabulary moved to one speaker, room or microphone, by a few recordings whose words are known:
MAP and MLLR.
"""

from dataclasses import dataclass, replace

import numpy as np

from asrkit.config import check_fields, option
from asrkit.errors import SettingsError
from asrkit.families.base import MAP, MLLR, MLLR_MAP
from asrkit.models.codebook import kmeans
from asrkit.models.scale import standard
from asrkit.runtime import elsewhere
from asrkit.words.finishing import all_sums
from asrkit.words.training import BAUM_WELCH, VITERBI, accumulate

MOVABLE = ("means", "variances", "weights", "transitions")


@dataclass(frozen=True)
class AdaptConfig:
    """How a vocabulary is moved to recordings whose words are known."""

    method: str = option(
        MAP,
        "each Gaussian by its own frames, all by one transform, or the one after the other",
        choices=(MAP, MLLR, MLLR_MAP),
    )
    alignment: str = option(
        VITERBI, "count frames along the best path, or over all paths", choices=(VITERBI, BAUM_WELCH)
    )
    iters: int = option(5, "iterations of each method", minimum=1)
    update: str = option(
        "means",
        f"what MAP moves, by commas: {', '.join(MOVABLE)}; a dhmm's means are its symbols' probabilities",
    )
    tau: float = option(3.0, "MAP: frames that count for the old value of a Gaussian", minimum=0)
    prior_count: float = option(
        5.0, "MAP: frames that count for the old weights, transitions and symbols of a state", minimum=0
    )
    transform: str = option(
        "full",
        "MLLR: matrix and bias, the matrix full, a block each for statics and deltas, diagonal, or none",
        choices=("full", "block", "diag", "bias"),
    )
    mllr_tau: float = option(
        0.3,
        "MLLR: frames of each Gaussian that count against the matrix, not the bias; 0: maximum likelihood",
        minimum=0,
    )
    classes: int = option(1, "MLLR: transforms; Gaussians that lie together share one", minimum=1)
    min_frames: float = option(500.0, "MLLR: a class with fewer frames takes the transform of all", minimum=0)

    def __post_init__(self):
        check_fields(self)
        strangers = [part for part in self.moves if part not in MOVABLE]
        if strangers:
            raise SettingsError(f"update={self.update}: '{strangers[0]}' is none of {', '.join(MOVABLE)}")
        if "variances" in self.moves and "means" not in self.moves:
            raise SettingsError(
                f"update={self.update}: variances move with their means (update=means,{self.update})"
            )

    @property
    def moves(self):
        return tuple(self.update.split(","))


def adapt_words(models, data, config, family_config, num_blocks=1):
    """Re-estimate a vocabulary on adaptation data, held back by what it was.

    Parameters
    ----------
    models : dict of str to WordModel
    data : dict of str to BlockSource
        The recordings of some of the words. MAP leaves the other words as they are, MLLR moves them, too.
    family_config : Config
        Of the models' training, for its floors.
    num_blocks : int
        Statics and deltas of each order, for `transform="block"`.

    Returns
    -------
    models : dict of str to WordModel
    entries : list of dict
        One a word and iteration, 0 being the start. `objective`, the log-likelihood and the log density of
        the prior, never falls: with MAP for each word of `data`, with MLLR of one class in the sum over all
        words. (A class with too few frames takes a transform that is best for all, not for it.)
    """
    sums, entries = _sums(models, data, config.alignment), []
    for method in config.method.split("-"):
        start, log_priors = models, dict.fromkeys(data if method == MAP else models, 0.0)
        entries += _entries(method, 0, models, sums, log_priors)
        for iteration in range(1, config.iters + 1):
            if method == MAP:
                moved = {
                    word: start[word].adapt(stats, config, family_config) for word, stats in sums.items()
                }
                log_priors = {word: start[word].log_prior(model, config) for word, model in moved.items()}
                models = {**start, **moved}
            else:
                models, log_priors = transform_means(start, sums, config, num_blocks)
            sums = _sums(models, data, config.alignment)
            entries += _entries(method, iteration, models, sums, log_priors)
    return models, entries


def adapt_to_heard(vocabulary, blocks, config, scorer_of):
    """Move a vocabulary to a speaker whose words nobody wrote down: what is heard is taken for what was said.

    Parameters
    ----------
    vocabulary : Vocabulary
    blocks : list of Block
        The speaker's utterances.
    config : ListenConfig
    scorer_of : callable
        Vocabulary -> what has `block_scores(block)`, the scores (U, W) of every word.

    Returns
    -------
    Vocabulary
    """
    settings = AdaptConfig(
        method=config.adapt,
        iters=1,
        tau=config.adapt_tau,
        prior_count=config.adapt_tau,
        transform=config.adapt_transform,
    )
    moved, num_blocks = vocabulary, vocabulary.frontend.num_blocks
    for _ in range(config.adapt_passes):
        scorer, heard = scorer_of(moved), {word: [] for word in vocabulary.words}
        for block in blocks:
            scores = scorer.block_scores(block)
            best = np.where(np.isfinite(scores.max(axis=1)), scores.argmax(axis=1), -1)
            for index, word in enumerate(vocabulary.words):
                if (best == index).any():
                    heard[word].append(block.select(np.flatnonzero(best == index)))
        data = {word: some for word, some in heard.items() if some}
        if not data:
            return vocabulary
        moved = replace(
            moved,
            models=adapt_words(vocabulary.models, data, settings, vocabulary.family_config, num_blocks)[0],
        )
    return moved


def _sums(models, data, alignment):
    if elsewhere():  # word by word, which the workers share: the same bytes
        own = {word: models[word] for word in data}
        return all_sums(own, dict.fromkeys(data, alignment), [{word: data[word]} for word in data], jobs=1)
    sums = accumulate({(word, 0): (models[word], alignment) for word in data}, data)
    return {word: stats for (word, _), stats in sums.items()}


def _entries(method, iteration, models, sums, log_priors):
    for word, log_prior in log_priors.items():
        names = ("log_like", "frames", "utts", "skipped")
        facts = {name: getattr(sums[word], name) if word in sums else 0 for name in names}
        per_frame = facts["log_like"] / max(facts["frames"], 1)
        yield {
            "word": word,
            "method": method,
            "iteration": iteration,
            "objective": facts["log_like"] + log_prior,
            **facts,
            "per_frame": per_frame,
            "gaussians": models[word].num_gauss,
        }


def transform_means(models, sums, config, num_blocks):
    """Maximum likelihood linear regression: all Gaussians' means through one affine transform, or one a
    class.

    Leggetter and Woodland (1995), Gales (1998). The transforms are the likeliest under `sums`, in closed
    form; weights and covariances stay.

    Parameters
    ----------
    models : dict of str to WordModel
        With the means that are transformed; the sums may have been gathered with other ones.
    sums : dict of str to WordStats
        Of some of the words.

    Returns
    -------
    models : dict of str to WordModel
    log_priors : dict of str to float
        What `solve_transform` takes off the gain, word by word.
    """
    mixtures = {word: model.emission.gaussians for word, model in models.items()}
    parts = [
        _pulls(mixture, sums[word].emission.gaussians if word in sums else None)
        for word, mixture in mixtures.items()
    ]
    means, *pulls = (np.concatenate(part) for part in zip(*parts, strict=True))
    free = free_entries(config.transform, means.shape[1], num_blocks)
    shift, log_prior = _shift(means, *pulls, free, config.mllr_tau)
    if config.classes > 1:
        middle, unit = standard(means)
        labels = kmeans((means - middle) / unit, config.classes, np.random.default_rng(0))[1]
        for own in (labels == label for label in range(config.classes)):
            if pulls[0][own].sum() >= config.min_frames:
                shift[own], log_prior[own] = _shift(
                    means[own], *(pull[own] for pull in pulls), free, config.mllr_tau
                )
    ends = np.cumsum([mixture.log_weights.size for mixture in mixtures.values()])[:-1]
    moved = {}
    for (word, model), part in zip(models.items(), np.split(shift, ends), strict=True):
        means = mixtures[word].means + part.reshape(mixtures[word].means.shape)
        gaussians = replace(mixtures[word], means=means)
        moved[word] = replace(model, emission=model.emission.with_gaussians(gaussians))
    return moved, {
        word: float(part.sum()) for word, part in zip(models, np.split(log_prior, ends), strict=True)
    }


def _shift(means, occ, distance, precision, free, tau):
    """How far the likeliest transform moves each mean (G, D), and the log prior of that (G,)."""
    # Relative to their middle, so that the bias is what moves all of them alike.
    middle, unit = standard(means)
    lies = (means - middle) / unit
    bias, matrix = np.split(solve_transform(lies, occ, distance, precision, free, tau), [1], axis=1)
    bend = lies @ matrix.T
    return bias.T + bend, -0.5 * tau * (bend * _times(precision, bend)).sum(axis=1)


def _pulls(mixture, stats):
    """Of every Gaussian: mean (G, D), frames (G,), the sum of their distances from the mean (G, D), precision
    (G, D) or (G, D, D).
    """
    precision = mixture.precisions
    precision = precision.reshape(-1, *precision.shape[2:])
    means = mixture.means.reshape(len(precision), -1)
    if stats is None:
        return means, np.zeros(len(means)), np.zeros(means.shape), precision
    distance = stats.first.reshape(means.shape) - stats.occ.reshape(-1, 1) * (means - mixture.center)
    return means, stats.occ.ravel(), distance, precision


def _times(precision, x):
    """Precisions, diagonal or full, times a vector each (G, D)."""
    return precision * x if precision.ndim == 2 else (precision @ x[..., None])[..., 0]


def free_entries(transform, dim, num_blocks):
    """Which entries of [bias, matrix] are free, bool (D, D + 1); the others are those of the identity."""
    block = np.arange(dim) // (dim // num_blocks)
    matrix = {
        "full": np.ones((dim, dim)),
        "block": block[:, None] == block,
        "diag": np.eye(dim),
        "bias": np.zeros((dim, dim)),
    }
    return np.concatenate([np.ones((dim, 1)), matrix[transform]], axis=1).astype(bool)


def solve_transform(lies, occ, distance, precision, free, tau=0.0):
    """The affine change of the means that raises the expected log-likelihood of their frames most.

    A mean that lies at l moves by b + M l = C [1, l]. The gain, sum_g distance_g' P_g C x_g - occ_g/2 (C
    x_g)' P_g C x_g with x = [1, l], less a prior's sum_g tau/2 (M l_g)' P_g M l_g, is a parabola in C;
    diagonal precisions part it row by row. The prior is as if each Gaussian had been seen `tau` frames long
    to move like all: without it few frames of few words bend the space in which the other words lie. What
    nothing decides does not change.

    Parameters
    ----------
    lies : (G, D)
        Where the means lie.
    occ : (G,)
        Frames of each.
    distance : (G, D)
        Sum over the frames of their distance from the mean.
    precision : (G, D) or (G, D, D)
        Inverse covariances P.
    free : bool (D, D + 1)
        Which entries of C may differ from zero.

    Returns
    -------
    (D, D + 1)
        C, the bias first.
    """
    full = precision.ndim == 3
    pull = _times(precision, distance)
    design, held = (np.concatenate([np.full((len(lies), 1), one), lies], axis=1) for one in (1.0, 0.0))
    seen = np.concatenate([np.sqrt(occ)[:, None] * design, np.sqrt(tau) * held])
    # Of each row of C what the Gaussians decide, which with few of them is far less than its free entries.
    bases = {tuple(row): _decided(seen, row) for row in free}  # (D + 1, r)
    bases = [bases[tuple(row)] for row in free]

    def curvature(i, j):
        p = (precision[:, i, j] if full else precision[:, i])[:, None]
        return (design @ bases[i] * p * occ[:, None]).T @ (design @ bases[j]) + tau * (
            held @ bases[i] * p
        ).T @ (held @ bases[j])

    out = np.zeros(free.shape)
    for rows in [range(len(free))] if full else [[i] for i in range(len(free))]:
        curve = np.block([[curvature(i, j) for j in rows] for i in rows])
        slope = np.concatenate([(design @ bases[i]).T @ pull[:, i] for i in rows])
        found = _solve(curve, slope)
        ends = np.cumsum([bases[i].shape[1] for i in rows])[:-1]
        for i, part in zip(rows, np.split(found, ends), strict=True):
            out[i] = bases[i] @ part
    return out


def _decided(seen, free):
    """Of what lies in the span of some rows (N, D + 1) and has free entries alone, a basis (D + 1, r)."""
    unit = np.linalg.norm(seen, axis=0)
    unit = np.where(free & (unit > 0), 1.0 / np.maximum(unit, 1e-150), 0.0)
    _, sizes, basis = np.linalg.svd(seen * unit, full_matrices=False)
    return unit[:, None] * basis[sizes > 1e-5 * sizes[0]].T


def _solve(curve, slope):
    """The solution of a system that is positive definite but for rounding."""
    unit = 1.0 / np.sqrt(np.maximum(np.diagonal(curve), 1e-300))
    curve, slope = curve * np.outer(unit, unit), unit * slope
    try:
        np.linalg.cholesky(curve)  # refuses what solve would answer with the rounding of a zero
        return unit * np.linalg.solve(curve, slope)
    except np.linalg.LinAlgError:
        return unit * (np.linalg.pinv(curve, rcond=1e-10, hermitian=True) @ slope)
