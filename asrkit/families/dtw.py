"""DTW: a word as a few of its recordings, compared by dynamic time warping.

For one to three recordings a word, where there is too little to estimate densities from. Every recording is
first stretched or shrunk linearly to the same number of frames and then warped (Myers, Rabiner and Rosenberg,
1980, "Performance tradeoffs in dynamic time warping algorithms for isolated word recognition"). So a path
exists for any length, all costs have one normaliser, and all pairs advance abreast as one array. The words
must be trimmed, or `num_frames` large: with long silences there are too few frames for the word itself.
"""

from dataclasses import dataclass, replace

import numpy as np

from asrkit.config import check_fields, option
from asrkit.families.base import Family, counted
from asrkit.models.base import WordModel, WordStats, check_array, is_recording, log_sum
from asrkit.models.scale import rounding_variance

SIDE = 1.2  # weight of a step along one axis, where one along both weighs 2: detours cost, none is forbidden
COPY = 1.06  # a warped copy's cost times this: who speaks like the recording itself is more often right
SHRINK = 0.5  # how far the spread of recordings about each other is drawn towards a sphere
ROUNDS = 2  # of the average, which hardly moves after them
PAIRS = 512  # of template and utterance that are compared at once: about 10 MB
MOST = 200  # recordings of a word among which templates are looked for


@dataclass(frozen=True)
class Config:
    num_frames: int = option(32, "frames that recordings are stretched or shrunk to", minimum=2, maximum=1000)
    max_templates: int = option(
        10, "recordings of a word that are kept, copies not counted; of more the most typical", minimum=1
    )
    sharpness: float = option(
        10.0,
        "nats for a distance that is on average that of successive frames; the larger, the more the "
        "nearest template alone counts",
        minimum=1e-3,
    )

    def __post_init__(self):
        check_fields(self)


@dataclass(frozen=True)
class DtwStats(WordStats):
    """How well templates explain recordings; there is nothing to estimate from sums."""


@dataclass(frozen=True)
class WordTemplates(WordModel):
    """A word as K templates: the likelihood is the mean over them of exp(-weight x cost of the best path).

    Attributes
    ----------
    templates : (K, L, D)
        Recordings, warped copies of them, and the recordings' average, of L frames each: the states.
    original : (K,)
        1 for a recording, 0 for what was made of recordings.
    weights : (K,)
        `COPY` for a warped copy, else 1.
    change : (D,)
        Sum of squared differences between successive frames of the recordings, before they were stretched.
    num_changes : (1,)
        How many differences that is.
    metric : (D, D)
        Frames times this matrix have distances in nats.
    """

    templates: np.ndarray
    original: np.ndarray
    weights: np.ndarray
    change: np.ndarray
    num_changes: np.ndarray
    metric: np.ndarray

    shortest = 1

    @property
    def num_states(self):
        return self.templates.shape[1]

    @property
    def num_parameters(self):
        """The templates' numbers; the metric is the vocabulary's."""
        return self.templates.size

    @property
    def inside(self):
        from asrkit.models.inside import Inside, Templates

        return Inside(templates=Templates(self.templates, self.original > 0, self.weights))

    def check(self, width):
        """Raise ValueError unless the arrays are templates of frames of `width` dimensions."""
        if self.templates.ndim != 3 or min(self.templates.shape) < 1:
            raise ValueError(f"templates has shape {self.templates.shape}, not that of some matrices")
        count, length, _ = self.templates.shape
        check_array("templates", self.templates, (count, length, width))
        check_array("original", self.original, (count,))
        check_array("weights", self.weights, (count,))
        check_array("change", self.change, (width,))
        check_array("num_changes", self.num_changes, (1,))
        check_array("metric", self.metric, (width, width))

    def log_likelihood(self, block):
        """Score each utterance: (U,), -inf without frames."""
        return self.bank([self]).scores(block)[:, 0]

    def align(self, block):
        """Warp each utterance onto its nearest template.

        Returns
        -------
        (U,), int32 (N,)
            The scores, and for each frame the first of the template's frames that it is paired with.
        """
        frames = resample(block, self.num_states) @ self.metric
        places = self.templates @ self.metric
        nearest = (path_costs(frames, places) * self.weights).argmin(axis=1)
        path = np.empty(len(block.obs), dtype=np.int32)
        for u, (k, length, begin) in enumerate(zip(nearest, block.lengths, block.offsets[:-1], strict=True)):
            rows, columns, inside = best_paths(local_distances(frames[u : u + 1], places[k : k + 1]))
            states = np.empty(self.num_states, dtype=np.int32)
            states[rows[inside]] = columns[inside]  # paths come from their ends: the first of several stays
            row = np.rint(np.linspace(0, self.num_states - 1, length)).astype(int)
            path[begin : begin + length] = states[row]
        return self.log_likelihood(block), path

    def frame_scores(self, block):
        """Its share of the cost of the best path through the nearest template; what the other templates say is spread evenly."""
        frames = resample(block, self.num_states) @ self.metric
        places = self.templates @ self.metric
        nearest = (path_costs(frames, places) * self.weights).argmin(axis=1)
        scores, path = self.align(block)
        added = np.empty(len(block.obs))
        for u, (k, length, begin) in enumerate(zip(nearest, block.lengths, block.offsets[:-1], strict=True)):
            if not length:
                continue
            cost = local_distances(frames[u : u + 1], places[k : k + 1])
            rows, columns, inside = (own[:, 0] for own in best_paths(cost))
            rows, columns = rows[inside], columns[inside]  # from the end to the beginning
            both = np.append((np.diff(rows) != 0) & (np.diff(columns) != 0), True)
            paid = -self.weights[k] * np.where(both, 2, SIDE) * cost[0, rows, columns]
            own = np.bincount(rows, paid, minlength=self.num_states)
            # each of the stretched frames lies between two of the utterance's
            place = np.linspace(0, 1, self.num_states) * (length - 1)
            low = np.minimum(place.astype(np.int64), max(length - 2, 0))
            share = own * (place - low)
            shares = np.bincount(low, own - share, length) + np.bincount(low + (length > 1), share, length)
            added[begin : begin + length] = shares + (scores[u] - own.sum()) / length
        return added, path

    def accumulate(self, block, method="viterbi"):
        """Score a block; both methods are the same here."""
        scores = self.log_likelihood(block)
        used = np.isfinite(scores)
        frames = int(block.lengths[used].sum())
        return DtwStats(float(scores[used].sum()), frames, int(used.sum()), int((~used).sum()))

    @staticmethod
    def bank(models, exact=False):
        return DtwBank(models)

    def estimate(self, stats, config):
        """Recordings stay as they are, so that the first iteration is the last."""
        return self

    def to_arrays(self):
        return vars(self).copy()


class DtwBank:
    """Many words' templates as one array, those of one metric and length together; after `finish` all are."""

    def __init__(self, models):
        self._num_words, alike = len(models), {}
        for w, model in enumerate(models):
            alike.setdefault((model.num_states, model.metric.tobytes()), []).append((w, model))
        self._groups = []
        for members in alike.values():
            metric = members[0][1].metric
            places = np.concatenate([model.templates for _, model in members]) @ metric
            weights = np.concatenate([model.weights for _, model in members])
            sizes = [len(model.templates) for _, model in members]
            ends = np.cumsum(sizes)
            spans = [(w, slice(end - n, end)) for (w, _), n, end in zip(members, sizes, ends, strict=True)]
            self._groups.append((metric, places, weights, spans))

    def scores(self, block, method="viterbi"):
        """Score utterances: (U, W), the higher the nearer, -inf without frames; both methods are the same."""
        scores = np.full((len(block.utts), self._num_words), -np.inf)
        spoken = np.flatnonzero(block.lengths)
        for metric, places, weights, spans in self._groups:
            frames = resample(block, places.shape[1])[spoken] @ metric
            log_likes = -path_costs(frames, places) * weights
            for w, span in spans:
                own = np.ascontiguousarray(log_likes[:, span])
                scores[spoken, w] = log_sum(own) - np.log(own.shape[1])
        return scores


def recordings(block):
    """Group utterances: for each recording its index and those of its warped copies.

    A copy whose recording is not there (a large corpus is only sampled) is left out.
    """
    groups = {key: [u] for u, key in enumerate(block.utts) if is_recording(key)}
    if not groups:
        return [[u] for u in range(len(block.utts))]
    for u, key in enumerate(block.utts):
        if not is_recording(key) and key.utt in groups:
            groups[key.utt].append(u)
    return list(groups.values())


def learn_metric(models, config):
    """Learn from all words which differences between frames count: (D, D).

    Notes
    -----
    Each dimension is taken in units of its change from one frame to the next: what jumps about within 10 ms
    says little, and a single recording shows it. Where words have several recordings, the frames that best
    paths pair show how recordings of a word differ; a mean of this covariance and a sphere is whitened.
    Copies are no evidence of how people differ, and left out.
    """
    change, count = sum(model.change for model in models), sum(model.num_changes[0] for model in models)
    frames = np.concatenate([model.templates.reshape(-1, len(change)) for model in models])
    metric = as_metric(change, count, frames, None, config)
    pairs = [paired_differences(model.templates[model.original > 0], metric) for model in models]
    return as_metric(change, count, frames, np.concatenate(pairs), config)


def as_metric(change, num_changes, frames, differences, config):
    """The matrix that makes frames' distances the score's, from sums of changes and differences (M, D).

    A dimension that never changes from one frame to the next is taken in units of its spread over `frames` (N, D); one
    that is the same in all of them has no say, and does not count as one.
    """
    change = change / max(num_changes, 1)
    mean, variance = frames.mean(axis=0), frames.var(axis=0)
    rounding = rounding_variance(mean, variance)
    scale = np.sqrt(np.where(change > rounding, change, variance))
    varies = variance > rounding
    dim = max(int(varies.sum()), 1)
    metric = np.diag(np.where(varies, 1 / np.where(varies, scale, 1.0), 0.0))
    scaled = np.zeros(0) if differences is None else differences @ metric
    if scaled.any():
        covariance = scaled.T @ scaled
        covariance *= dim / np.trace(covariance)
        values, vectors = np.linalg.eigh((1 - SHRINK) * covariance + SHRINK * np.eye(len(change)))
        metric = metric @ vectors / np.sqrt(values)
    return metric * (config.sharpness / (2 * config.num_frames * np.sqrt(dim)))


def paired_differences(templates, metric):
    """Differences (M, D) of the frames that the best paths between a word's recordings (K, L, D) pair."""
    first, second = np.triu_indices(len(templates), 1)
    some = np.unique(np.linspace(0, max(len(first) - 1, 0), PAIRS).astype(int))[: len(first)]
    if not len(some):
        return np.zeros((0, templates.shape[2]))
    first, second, places = first[some], second[some], templates @ metric
    each = [local_distances(places[a : a + 1], places[b : b + 1]) for a, b in zip(first, second, strict=True)]
    rows, columns, inside = best_paths(np.concatenate(each))
    pair = np.broadcast_to(np.arange(len(first)), rows.shape)[inside]
    return templates[first[pair], rows[inside]] - templates[second[pair], columns[inside]]


def average(templates, metric, start):
    """Average recordings (K, L, D) along their best paths through the average: (L, D).

    The first average is recording number `start`. Petitjean, Ketterlin and Gancarski (2011), "A global
    averaging method for dynamic time warping".
    """
    mean, places = templates[start], templates @ metric
    for _ in range(ROUNDS):
        rows, columns, inside = best_paths(local_distances(places, (mean @ metric)[None]))
        owner = np.broadcast_to(np.arange(len(templates)), rows.shape)[inside]
        sums, counts = np.zeros_like(mean), np.zeros(len(mean))
        np.add.at(sums, columns[inside], templates[owner, rows[inside]])
        np.add.at(counts, columns[inside], 1)
        mean = sums / counts[:, None]
    return mean


def medoids(distances, count):
    """Choose `count` of U things, each the one that most lowers the sum of distances to the nearest chosen.

    The first half of Kaufman and Rousseeuw's PAM (1990), without its exchanges.

    Returns
    -------
    numpy.ndarray
        int (count,), ascending.
    """
    nearest, chosen = np.full(len(distances), np.inf), []
    for _ in range(count):
        sums = np.minimum(distances, nearest[:, None]).sum(axis=0)
        sums[chosen] = np.inf
        chosen.append(int(sums.argmin()))
        nearest = np.minimum(nearest, distances[:, chosen[-1]])
    return np.sort(chosen)


def resample(block, length):
    """Stretch or shrink every utterance linearly to `length` frames: (U, length, D), zeros without frames."""
    spoken = np.flatnonzero(block.lengths)
    out = np.zeros((len(block.utts), length, block.obs.shape[1]))
    begin, last = block.offsets[spoken, None], block.lengths[spoken, None] - 1
    place = np.linspace(0, 1, length) * last
    low = np.minimum(place.astype(np.int64), np.maximum(last - 1, 0))
    weight = (place - low)[..., None]
    high = np.minimum(low + 1, last)
    out[spoken] = block.obs[begin + low] * (1 - weight) + block.obs[begin + high] * weight
    return out


def local_distances(frames, places):
    """Distance of every frame from every template's frame: (U, L, D) and (K, L, D) -> (U x K, L, L).

    One product a pair, so that no number depends on what else is compared.
    """
    squares = -2 * frames[:, None] @ places.transpose(0, 2, 1)[None]
    squares += (frames**2).sum(axis=2)[:, None, :, None]
    squares += (places**2).sum(axis=2)[None, :, None, :]
    np.maximum(squares, 0, out=squares)
    return np.sqrt(squares, out=squares).reshape(-1, *squares.shape[2:])


def path_costs(frames, places):
    """Cost of the best path of each utterance through each template: (U, L, D) and (K, L, D) -> (U, K)."""
    costs = np.empty((len(frames), len(places)))
    wide = max(1, min(PAIRS, len(places)))
    step = max(1, PAIRS // wide)
    for u in range(0, len(frames), step):
        for k in range(0, len(places), wide):
            some = frames[u : u + step], places[k : k + wide]
            ends = warp(local_distances(*some))[-1, -1]
            costs[u : u + step, k : k + wide] = ends.reshape(len(some[0]), -1)
    return costs


def warp(cost):
    """Least cost of a path from the first pair of frames to every other, for P pairs of recordings at once.

    Sakoe and Chiba (1978), "Dynamic programming algorithm optimization for spoken word recognition": the
    symmetric form without slope constraint (P = 0), with `SIDE` in place of 1: g(1, 1) = 2 d(1, 1) and
    g(i, j) = min[g(i-1, j-1) + 2 d(i, j), g(i-1, j) + SIDE d(i, j), g(i, j-1) + SIDE d(i, j)].
    Cells of an anti-diagonal do not need each other; they stand L cells apart.

    Parameters
    ----------
    cost : (P, L, L)

    Returns
    -------
    numpy.ndarray
        (L + 1, L + 1, P): g with a border of inf before the first row and column.
    """
    pairs, length, _ = cost.shape
    width = length + 1
    total = np.empty((width, width, pairs))
    total[0] = total[:, 0] = np.inf
    total[1:, 1:] = cost.transpose(1, 2, 0)
    total[1, 1] *= 2
    cells = total.reshape(-1, pairs)
    for k in range(1, 2 * length - 1):
        top, bottom = max(0, k - length + 1), min(k, length - 1)
        begin, end = top * length + k + width + 1, bottom * length + k + width + 2
        backs = 0, 1, width, width + 1
        here, left, up, both = (cells[begin - back : end - back : length] for back in backs)
        aside = np.minimum(left, up)
        aside += SIDE * here
        here *= 2
        here += both
        np.minimum(here, aside, out=here)
    return total


def best_paths(cost):
    """Follow the best paths back from their ends.

    Parameters
    ----------
    cost : (P, L, L)

    Returns
    -------
    rows, columns : int (2 L - 1, P)
    inside : bool (2 L - 1, P)
        Paths that are at their beginning wait there; only where this is true is a step one of the path's.
    """
    pairs, length, _ = cost.shape
    total, every = warp(cost), np.arange(pairs)
    rows = np.empty((2 * length - 1, pairs), dtype=np.int64)
    columns, inside = rows.copy(), np.empty(rows.shape, dtype=bool)
    i = j = np.full(pairs, length - 1)
    going = np.ones(pairs, dtype=bool)
    for step in range(2 * length - 1):
        rows[step], columns[step], inside[step] = i, j, going
        going = going & (i + j > 0)
        here = cost[every, i, j]
        both, up, left = total[i, j, every], total[i, j + 1, every], total[i + 1, j, every]
        way = np.argmin([both + 2 * here, up + SIDE * here, left + SIDE * here], axis=0)
        i, j = np.where(going & (way != 2), i - 1, i), np.where(going & (way != 1), j - 1, j)
    return rows, columns, inside


class Dtw(Family):
    """Templates, compared by dynamic time warping."""

    Config = Config
    has_codes = False
    has_states = False
    has_gaussians = False
    gaussians_a_state = False
    grows = False
    adds_up = False
    can_align = True
    can_merge = False  # all templates have one metric
    adaptations = ()
    few_recordings = 1

    def describe(self, config):
        return f"up to {counted(config.max_templates, 'template')} of {config.num_frames} frames"

    def init(self, config, block, rng, start=0):
        """Keep the recordings, or the most typical of them, with their copies, and of several the average, too.

        The metric is this word's own until `finish`.
        """
        groups = recordings(block)
        first = np.array([own[0] for own in groups])
        owner = np.repeat(np.arange(len(block.utts)), block.lengths)
        inside = (owner[1:] == owner[:-1]) & np.isin(owner[1:], first)
        changes = np.diff(block.obs.astype(np.float64), axis=0)[inside]
        change, num_changes = (changes**2).sum(axis=0), np.array([float(len(changes))])
        everything = resample(block, config.num_frames)
        metric = as_metric(change, num_changes[0], everything.reshape(-1, len(change)), None, config)
        means = everything[:0]
        if len(groups) > 1:
            some = np.unique(np.linspace(0, len(groups) - 1, MOST).astype(int))
            candidates = everything[first[some]]
            costs = path_costs(candidates @ metric, candidates @ metric)
            means = average(candidates, metric, costs.sum(axis=0).argmin())[None]
            if len(groups) > config.max_templates:
                groups = [groups[c] for c in some[medoids(costs, config.max_templates)]]
        kept = np.concatenate(groups)
        original = np.isin(kept, first)
        return WordTemplates(
            np.concatenate([everything[kept], means]),
            np.append(original, np.zeros(len(means))),
            np.append(np.where(original, 1.0, COPY), np.ones(len(means))),
            change,
            num_changes,
            metric,
        )

    def from_arrays(self, arrays):
        return WordTemplates(**arrays)

    def finish(self, models, config, sums=None, codebook=None):
        """Give all words one metric, so that their costs can be compared: dict of word to WordTemplates."""
        metric = learn_metric(list(models.values()), config)
        return {word: replace(model, metric=metric) for word, model in models.items()}
