"""Learning how sure a vocabulary may be: each part of the recordings is heard by models that did not learn of it.

Word models are made of sums over recordings, so that a part is taken out of a model by leaving its sums out: one pass over the
data, no training anew. The paths stay those of the whole model, which has heard the part; that is the price.
"""

import functools
import operator
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from asrkit import families
from asrkit.models.base import BlockSource
from asrkit.runtime import ordered_map
from asrkit.words.confidence import Confidence
from asrkit.words.decoding import Scorer
from asrkit.words.judging import Judge
from asrkit.words.training import VITERBI, accumulate
from asrkit.words.vocabulary import Vocabulary

LEAST_SPREAD = 0.2  # of log durations
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)  # of false rejections
LEAST_HELD = 300  # recordings held out for weights of their own; with fewer others' are moved and stretched
# Of TIDIGITS' training words, five folds of speakers; nats a frame, as MEASURES has them, and a constant
WEIGHTS = (1.92, 0.39, 1.98, -1.01, 0.94, -0.35, -4.73)


def learn_confidence(
    vocabulary: Vocabulary,
    parts: Mapping[str, Mapping[str, BlockSource]],
    recordings: Mapping[str, Mapping[str, BlockSource]],
    speakers: Mapping[str, str],
    held: str,
    *,
    trained_on: bool = True,
    jobs: int = 1,
) -> Confidence:
    """Learn how sure a vocabulary may be.

    Parameters
    ----------
    vocabulary : Vocabulary
        Of a family whose training is sums.
    parts : dict of str to dict of str to BlockSource
        Fold and word to what the models learned of, copies among it; each word is in one of them at least.
    recordings : dict of str to dict of str to BlockSource
        Fold and word to what is heard: no copies.
    speakers : dict of str to str
        Who says each utterance.
    held : {"speakers", "recordings"}
        What a fold is made of.
    trained_on : bool
        The models were trained on these parts: each is taken out of them before it is heard.
    jobs : int
        Processes; the result does not depend on it.
    """
    wanted = {
        word: {fold: own[word] for fold, own in parts.items() if word in own} for word in vocabulary.words
    }
    work = [(vocabulary.models[word], wanted[word], trained_on) for word in vocabulary.words]
    found = list(ordered_map(_facts, work, jobs=jobs, label="words, by fold"))
    states = {word: own for word, (own, _) in zip(vocabulary.words, found, strict=True)}
    sums = {word: own for word, (_, own) in zip(vocabulary.words, found, strict=True)}
    heard = [
        (_without(vocabulary, sums, fold) if trained_on else vocabulary, states, recordings[fold])
        for fold in recordings
    ]
    trials = [trial for part in ordered_map(trials_of, heard, jobs=jobs, label="folds") for trial in part]
    return _fitted(states, trials, speakers, held, len(vocabulary.words))


def _facts(item):
    """A word's state facts, and each fold's sums."""
    model, sources, trained_on = item
    found = accumulate({(fold, 0): (model, VITERBI) for fold in sources}, sources) if trained_on else {}
    return state_facts(model, sources.values()), {fold: stats for (fold, _), stats in found.items()}


def _without(vocabulary, sums, fold):
    """The vocabulary as it is without what a fold says; a word that is in no other is not in it."""
    config, family = vocabulary.family_config, families.load(vocabulary.family)
    rest = {
        word: functools.reduce(operator.add, others)
        for word, own in sums.items()
        if (others := [stats for name, stats in own.items() if name != fold])
    }
    models = {word: vocabulary.models[word].estimate(stats, config) for word, stats in rest.items()}
    models = family.finish(models, config, rest, vocabulary.codebook)
    return replace(vocabulary, words=tuple(models), models=models)


def state_facts(model, sources):
    """Find what `Confidence.states` holds of a word: (S, 3)."""
    counts = []
    for source in sources:
        for block in source:
            scores, path = model.align(block)
            utt = np.repeat(np.arange(len(scores)), block.lengths)
            used = np.isfinite(scores)[utt] if len(utt) else np.zeros(0, dtype=bool)
            cell = utt[used] * model.num_states + path[used]
            own = np.bincount(cell, minlength=len(scores) * model.num_states)
            counts.append(own.reshape(len(scores), -1)[np.isfinite(scores)])
    every = np.concatenate(counts)
    if not len(every):  # all were too short
        every = np.ones((1, model.num_states))
    logs = np.log(np.maximum(every, 0.5))
    frames = np.maximum(every.sum(axis=0), 0.5)
    return np.stack([frames, logs.mean(axis=0), np.maximum(logs.std(axis=0), LEAST_SPREAD)], axis=1)


def trials_of(item):
    """Hear a fold twice: with all words, and with the one that is said left out: list of (utt, right, known, measures)."""
    vocabulary, states, recordings = item
    if not vocabulary.words:
        return []
    judge, trials = Judge(Scorer(vocabulary), vocabulary.words, states), []
    place = {word: index for index, word in enumerate(vocabulary.words)}
    for word, source in recordings.items():
        if word not in place:
            continue
        for block in source:
            items = list(block.items())
            drop = np.full(len(items), place[word])
            several = [None, drop] if len(place) > 1 else [None]
            scores, measures = judge.measure(block, *several)
            right = scores.argmax(axis=1) == place[word]
            for known, own in zip((True, False), measures):
                trials += [
                    (utt, bool(known and yes), known, row)
                    for (utt, _), yes, row in zip(items, right, own, strict=True)
                    if np.isfinite(row).all()
                ]
    return trials


def _fitted(states, trials, speakers, held, num_words):
    """Weights of all trials, and thresholds by them: seven numbers of hundreds of trials are hardly learned by heart."""
    if len({known for *_, known, _ in trials}) < 2 or not any(right for _, right, *_ in trials):
        return Confidence(states, np.array(WEIGHTS), "none", {}, {}, {})
    right, known = (np.array([trial[place] for trial in trials]) for place in (1, 2))
    measures = np.stack([row for *_, row in trials])
    share = np.where(known, num_words - 1, 1)  # each word is unknown in turn
    weights = _weights(measures, right, share)
    odds = measures @ weights[:-1] + weights[-1]
    who = np.array([speakers.get(utt, utt) for utt, *_ in trials])
    sure, unknown = odds[right], odds[~known]
    _, index, count = np.unique(who[right], return_inverse=True, return_counts=True)
    each = 1 / count[index]
    order = np.argsort(sure)
    below = (np.cumsum(each[order]) - 0.5 * each[order]) / each.sum()
    thresholds, accepted, spread = {}, {}, {}
    for rate in RATES:
        limit = float(np.interp(rate, below, sure[order]))
        thresholds[rate] = float(np.exp(-np.logaddexp(0.0, -limit)))
        accepted[rate] = float((unknown >= limit).mean())
        if len(count) > 1:
            spread[rate] = float(np.std(np.bincount(index, sure < limit) / count))
    return Confidence(states, weights, held, thresholds, accepted, spread)


def _weights(measures, right, share):
    """The seven numbers that make the log odds of what is right: (7,)."""
    if right.all() or not right.any():
        return np.array(WEIGHTS)
    if len(right) < LEAST_HELD:
        return few_weights(measures, right, share)
    return _regression(measures, right, share)


def few_weights(measures, right, share):
    """Move and stretch the weights of other vocabularies: (7,), of recordings too few for seven numbers."""
    others = np.array(WEIGHTS[:-1])
    slope, constant = _regression((measures @ others)[:, None], right, share)
    return np.append(slope * others, constant)


def _regression(measures, right, share):
    """Weights of measures (N, D) and a constant, (D + 1,)."""
    mean, spread = measures.mean(axis=0), np.maximum(measures.std(axis=0), 1e-6)
    fitted = logistic_regression((measures - mean) / spread, right, share)
    slope = fitted[:-1] / spread
    return np.append(slope, fitted[-1] - slope @ mean)


def logistic_regression(x, right, share):
    """Weights of x (N, D) and, last, a constant, (D + 1,): the maximum of the weighted log-likelihood less half the weights' squares.

    By Newton's method, halving steps that overshoot. scikit-learn finds the same, but to import it takes longer than a small training,
    and brings another BLAS with threads of its own.
    """
    design = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    penalty = np.append(np.ones(x.shape[1]), 0.0)

    def loss(weights):
        odds = design @ weights
        return share @ (np.logaddexp(0.0, odds) - right * odds) + 0.5 * penalty @ weights**2

    weights, best = np.zeros(design.shape[1]), np.inf
    for _ in range(100):
        p = np.exp(-np.logaddexp(0.0, -(design @ weights)))
        slope = design.T @ (share * (p - right)) + penalty * weights
        curve = (design.T * (share * p * (1 - p))) @ design + np.diag(penalty + 1e-9)
        best, step = loss(weights), np.linalg.solve(curve, slope)
        while loss(weights - step) > best and np.abs(step).max() > 1e-12:
            step = step / 2
        weights = weights - step
        if best - loss(weights) <= 1e-12 * abs(best):
            break
    return weights
