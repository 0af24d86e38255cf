"""A vocabulary learns its speaker from what it has heard him say; nobody writes down what that was.

Sums over the recordings, each aligned to the word that was heard, say where the speaker's sounds lie beside the models' means. All means
move by one affine transform (MLLR), shrunk as far as the words that were left out say, and then each by its own frames (MAP), as
far as the recordings that were left out say. Where these say no, nothing moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from asrkit.models.base import Block
from asrkit.models.scale import standard
from asrkit.words.decoding import Scorer
from asrkit.words.listening import FIRST
from asrkit.words.training import VITERBI, accumulate
from asrkit.words.vocabulary import Vocabulary

# Chosen on FSDD's and TIDIGITS' training speakers, as recorded and through other microphones and rooms.
PASSES = 3  # times that the recordings are heard anew, by what was learned of them, in one step
WHOLE_PASSES = 8
CANDIDATES = 3  # words that are looked at again after the first pass
BIAS_TAU = 100.0  # frames that count against the bias
MLLR_TAUS = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # frames of each Gaussian that count against the matrix
MAP_TAUS = (3.0, 10.0, 30.0, 100.0, 300.0)  # frames that count for the old mean of a Gaussian
HEARD = 3  # recordings of a word that let its Gaussians move each by itself
WHOLE_SHARE = 0.8  # of the words that must have as many where all recordings have been heard; else all: a word that fits its speaker
# better draws the words to it that were not heard yet
SHARE = 0.7  # of the words that must have been heard before all of them are moved: a few speak for themselves alone
HALVES = (0, 1)


def next_step(count: int) -> int:
    """Say after how many recordings the next step is taken, `count` having been heard when the last one was."""
    return FIRST if count < FIRST else count + max(FIRST, count // 2)


@dataclass(frozen=True)
class _Sums:
    """What the recordings say of each word's Gaussians, in units of their means' deviation.

    Attributes
    ----------
    means : dict of str to (G, D)
        Of the vocabulary, relative to their common mean.
    occ : dict of str to (2, G)
        Frames of each Gaussian, in each half of the word's recordings.
    pull : dict of str to (2, G, D)
        Sum of the frames' distances from the mean.
    recordings : dict of str to int
    precision : (D, D)
        Of the covariance that the vocabulary's Gaussians have on average.
    unit : (D,)
    """

    means: dict[str, np.ndarray]
    occ: dict[str, np.ndarray]
    pull: dict[str, np.ndarray]
    recordings: dict[str, int]
    precision: np.ndarray
    unit: np.ndarray

    def gain(self, word: str, shift: np.ndarray, halves: Sequence[int] = HALVES) -> float:
        """Log-likelihood that a word's frames gain where its means move by `shift` (G, D), their paths and posteriors kept."""
        occ, pull = (part[word][list(halves)].sum(axis=0) for part in (self.occ, self.pull))
        weighted = shift @ self.precision
        return float((pull * weighted).sum() - 0.5 * (occ[:, None] * weighted * shift).sum())


def learn(
    vocabulary: Vocabulary,
    feats: Sequence[np.ndarray],
    *,
    whole: bool = False,
    scorer: Scorer | None = None,
) -> Vocabulary:
    """Move a vocabulary's Gaussians to the speaker of some recordings.

    Every call starts from the vocabulary as it was trained: to go on from what was believed of fewer recordings would keep its
    mistakes (3.4 instead of 6.4 errors in a hundred on FSDD).

    Parameters
    ----------
    vocabulary : Vocabulary
        Of a family whose `adaptations` name MLLR.
    feats : list of float32 (T, D)
        Model features of the recordings.
    whole : bool
        These are all that there are to hear: none is to come whose word was not among them.
    scorer : Scorer, optional
        Of the vocabulary, by Viterbi, where there is one.

    Returns
    -------
    Vocabulary

    Notes
    -----
    MLLR as Leggetter and Woodland (1995), with one precision for all Gaussians, so that the transform is a ridge regression in closed form and
    leaving a word out costs no pass over the data; MAP as Gauvain and Lee (1994). How much counts against either is chosen by the
    likelihood of what was left out.
    """
    items = [(str(index), own) for index, own in enumerate(feats)]
    moved, heard, candidates = vocabulary, None, None
    for _ in range(WHOLE_PASSES if whole else PASSES):  # each by what was learned in the one before
        scores = (
            (scorer or Scorer(moved)).scores(items)
            if candidates is None
            else _scores(moved, items, candidates)
        )
        best = np.where(np.isfinite(scores.max(axis=1)), scores.argmax(axis=1), -1)
        if heard is not None and (best == heard).all():
            break
        heard = best
        if candidates is None:
            candidates = np.argsort(-scores, axis=1, kind="stable")[:, :CANDIDATES]
        sums = _sums(vocabulary, moved, items, heard)
        if not sums.recordings:
            break
        moved = _moved(
            vocabulary,
            _shifts(sums, vocabulary.frontend.num_blocks, WHOLE_SHARE if whole else 1.0),
            sums.unit,
        )
    return moved


def _scores(vocabulary, items, candidates):
    """Scores (U, W); -inf for a word that is no candidate."""
    scores = np.full((len(items), len(vocabulary.words)), -np.inf)
    for index, word in enumerate(vocabulary.words):
        rows = np.flatnonzero((candidates == index).any(axis=1))
        if len(rows):
            block = Block.from_items(items[row] for row in rows)
            model = vocabulary.models[word]
            scores[rows, index] = model.bank([model]).scores(block, VITERBI)[:, 0]
    return scores


def _sums(vocabulary, moved, items, heard):
    """Accumulate under the moved models, which have better paths, about the means of those that were trained."""
    base = {word: model.emission.gaussians for word, model in vocabulary.models.items()}
    data, recordings = {}, {}
    for index, word in enumerate(vocabulary.words):
        rows = np.flatnonzero(heard == index)
        if len(rows):
            recordings[word] = len(rows)
        for half in HALVES:
            if len(rows[half::2]):
                data[word, half] = Block.from_items(items[row] for row in rows[half::2])
    wanted = {(key, 0): (moved.models[key[0]], VITERBI) for key in data}
    stats = {key: own.emission.gaussians for (key, _), own in accumulate(wanted, data).items()}
    means = {word: mixture.means.reshape(-1, mixture.means.shape[-1]) for word, mixture in base.items()}
    middle, unit = standard(np.concatenate(list(means.values())))
    occ, pull = {}, {}
    for word in recordings:
        flat = means[word].shape
        occ[word], pull[word] = np.zeros((2, flat[0])), np.zeros((2, *flat))
        for half in HALVES:
            if (word, half) in stats:
                own = stats[word, half]
                occ[word][half] = own.occ.ravel()
                about = (own.occ[..., None] * (base[word].means - base[word].center)).reshape(flat)
                pull[word][half] = (own.first.reshape(flat) - about) / unit
    covariance = np.mean([mixture.mean_covariance() for mixture in base.values()], axis=0)
    precision = np.linalg.inv(covariance / np.outer(unit, unit))
    lies = {word: (own - middle) / unit for word, own in means.items()}
    return _Sums(lies, occ, pull, recordings, precision, unit)


def _shifts(sums, num_blocks, share):
    """How far each word's means move, dict of str to (G, D), in the units of the sums."""
    transform = _transform(sums, num_blocks)
    shifts = {word: np.zeros(means.shape) for word, means in sums.means.items()}
    if transform is not None:
        shifts = {word: transform(means) for word, means in sums.means.items()}
    if sum(count >= HEARD for count in sums.recordings.values()) < share * len(shifts):
        return shifts

    known = list(sums.recordings)

    def moved(word, tau, halves):
        occ, pull = (part[word][list(halves)].sum(axis=0) for part in (sums.occ, sums.pull))
        shift = shifts[word]
        return shift + (pull - occ[:, None] * shift) / (occ[:, None] + tau)

    def gain(tau):
        return sum(
            sums.gain(word, moved(word, tau, [half]), [1 - half]) - sums.gain(word, shifts[word], [1 - half])
            for word in known
            for half in HALVES
        )

    gains = [gain(tau) for tau in MAP_TAUS]
    if max(gains) <= 0:
        return shifts
    return {**shifts, **{word: moved(word, MAP_TAUS[int(np.argmax(gains))], HALVES) for word in known}}


def _transform(sums, num_blocks):
    """The affine change of the means, a function (G, D) -> (G, D), that helps words that it was not learned of; None where there is none."""
    words, dim = list(sums.recordings), len(sums.unit)
    if len(words) < max(2, SHARE * len(sums.means)):
        return None
    width = dim // num_blocks if dim % num_blocks == 0 else dim
    blocks = [slice(start, start + width) for start in range(0, dim, width)]

    def design(means, block):
        return np.concatenate([np.ones((len(means), 1)), means[:, block]], axis=1)

    parts = []
    for block in blocks:
        curves, slopes = [], []
        for word in words:
            x = design(sums.means[word], block)
            curves.append((x * sums.occ[word].sum(axis=0)[:, None]).T @ x)
            slopes.append(x.T @ sums.pull[word].sum(axis=0)[:, block])
        held = np.concatenate([design(means, block) for means in sums.means.values()])
        held[:, 0] = 0.0
        parts.append((np.array(curves), np.array(slopes), held.T @ held))
    bias = np.diag(np.full(width + 1, 1e-6))  # a dimension in which all means are equal says nothing
    bias[0, 0] = BIAS_TAU

    def solve(tau, left_out=None):
        coefficients = []
        for curves, slopes, held in parts:
            curve, slope = curves.sum(axis=0), slopes.sum(axis=0)
            if left_out is not None:
                curve, slope = curve - curves[left_out], slope - slopes[left_out]
            coefficients.append(np.linalg.solve(curve + tau * held + bias, slope))
        return lambda means: np.concatenate(
            [design(means, block) @ own for block, own in zip(blocks, coefficients, strict=True)], axis=1
        )

    gains = [
        sum(sums.gain(word, solve(tau, index)(sums.means[word])) for index, word in enumerate(words))
        for tau in MLLR_TAUS
    ]
    return solve(MLLR_TAUS[int(np.argmax(gains))]) if max(gains) > 0 else None


def _moved(vocabulary, shifts, unit):
    models = {}
    for word, model in vocabulary.models.items():
        gaussians = model.emission.gaussians
        means = gaussians.means + (shifts[word] * unit).reshape(gaussians.means.shape)
        emission = model.emission.with_gaussians(gaussians.with_means(means))
        models[word] = replace(model, emission=emission)
    return replace(vocabulary, models=models)
