"""Teaching words and forgetting them: a vocabulary as a function of what was trained and of the recordings that were taught.

Nothing depends on the order of the teaching, so that to forget a word that was taught leaves what was there before, byte for byte.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from asrkit import families
from asrkit.features.warp import WarpConfig
from asrkit.models.base import Block, WarpedCopy, WordModel
from asrkit.runtime import one_thread
from asrkit.words.adaptation import AdaptConfig, adapt_words
from asrkit.words.calibration import RATES, WEIGHTS, few_weights, state_facts, trials_of
from asrkit.words.confidence import Confidence
from asrkit.words.decoding import Scorer
from asrkit.words.kept import Kept, Pool
from asrkit.words.vocabulary import Vocabulary

Recordings = tuple[np.ndarray, ...]  # stored features of a word, each float32 (T, dim)

SPREAD_OF = 4.0  # recordings that count for the usual spread of durations
TRIED = 40  # words, at the most, whose recordings are left out: every one of 200 words took 46 s
LEAST_TRIALS = 10  # recordings left out in turn without which nothing is promised
# Thresholds lie at the mean of what was left out less this many of its standard deviations, times those of a normal distribution: what one
# speaker says later is spread more, and models of all recordings are surer (FSDD: of 2, 3 and 5 recordings 6, 4 and 6 % are rejected where
# 5 are asked for; the quantiles themselves reject 17)
STRETCH = 1.5
FAR = 0.9  # of a recording and a model of the others: one in a hundred lies so far, every second of another word (FSDD)
MAP = AdaptConfig(
    method="map", tau=3.0
)  # of a trained word that is taught more; 10 made more errors (FSDD, one speaker)


def why_not_teachable(vocabulary: Vocabulary) -> str | None:
    """Say why a vocabulary can't be taught words; None where it can."""
    if not families.load(vocabulary.family).can_teach:
        able = [name for name in families.names() if families.load(name).can_teach]
        return f"a {vocabulary.family} can't be taught words (a {' or '.join(able)} can, or train it with the new word)"
    if vocabulary.confidence is None:
        return "the model does not know how often its states are visited, of which a new word is made (asrkit calibrate makes it know)"
    return None


def pool_of(models: Mapping[str, WordModel], facts: Mapping[str, np.ndarray]) -> Pool:
    """Pool the states of a vocabulary of Gaussian mixtures, each counted by its frames.

    Parameters
    ----------
    facts : dict of str to (S, 3)
        As `Confidence.states` has them.
    """
    frames, squares, states = 0.0, 0.0, 0
    first: Any = 0.0
    within: Any = 0.0
    for word, model in models.items():
        mixture: Any = model.emission.gaussians
        occ = facts[word][:, 0]
        weights = np.exp(mixture.log_weights)  # (S, M)
        means = (weights[..., None] * mixture.means).sum(axis=1)
        spread = getattr(mixture, mixture.spread)
        if mixture.spread == "variances":
            spread = spread[..., None] * np.eye(means.shape[1])
        apart = mixture.means - means[:, None]
        own = np.einsum("sm,smij->sij", weights, spread + apart[..., :, None] * apart[..., None, :])
        frames, first = frames + occ.sum(), first + occ @ means
        within = within + np.tensordot(occ, own, axes=1)
        squares, states = squares + (facts[word][:, 2] ** 2).sum(), states + len(occ)
    return Pool(first / frames, within / frames, float(np.sqrt(squares / states)))


def trained_part(vocabulary: Vocabulary) -> tuple[dict[str, WordModel], dict[str, np.ndarray]]:
    """Give the models of the words that were trained, as they were trained, and the facts of their states."""
    kept, confidence = vocabulary.kept or Kept(), vocabulary.confidence
    assert confidence is not None
    models = {
        word: kept.trained.get(word, vocabulary.models[word])
        for word in vocabulary.words
        if word in kept.trained or word not in kept.taught
    }
    return models, {word: confidence.states[word] for word in models}


@one_thread()
def with_taught(
    vocabulary: Vocabulary,
    taught: Mapping[str, Recordings],
    forgotten: Iterable[str] = (),
    *,
    anew: bool = False,
) -> Vocabulary:
    """Make the vocabulary that has been taught these recordings, and nothing else.

    Parameters
    ----------
    vocabulary : Vocabulary
        Whatever it has been taught so far.
    taught : dict of str to recordings
        In the order of `asrkit.words.kept.in_order`.
    forgotten : iterable of str
        Trained words that it is to be without.
    anew : bool
        Make all taught words anew, as those of several vocabularies that were put together.
    """
    gone = set(forgotten)
    taught = {word: taught[word] for word in sorted(taught, key=str.encode)}  # sums are added in this order
    models, facts = trained_part(vocabulary)
    kept = vocabulary.kept or Kept()
    pool = kept.pool or pool_of(models, facts)
    trained = {word: model for word, model in models.items() if word not in gone}
    facts = {word: own for word, own in facts.items() if word not in gone}
    teacher = Teacher(vocabulary, trained, pool)
    made = {}
    for word in taught:
        known = not anew and same(kept.taught.get(word, ()), taught[word])
        made[word] = vocabulary.models[word] if known else teacher.model(word, taught[word])
    models = {**trained, **made}
    words = tuple(sorted(models, key=str.encode))
    states = {
        word: facts[word] if word in facts else teacher.facts(models[word], taught[word]) for word in words
    }
    whole = replace(vocabulary, words=words, models={word: models[word] for word in words})
    assert vocabulary.confidence is not None
    if trained:
        confidence = replace(vocabulary.confidence, states=states)
    else:
        confidence = teacher.confidence(whole, states, taught)
    kept = Kept(
        tuple(own for own in kept.recorded if own.word not in gone),
        taught,
        {word: trained[word] for word in words if word in trained and word in taught},
        pool if taught else None,
    )
    return replace(whole, confidence=confidence, kept=kept if kept.recorded or kept.taught else None)


def same(some: Recordings, others: Recordings) -> bool:
    """Whether recordings are the same objects."""
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


class Teacher:
    """Makes words of few recordings, for a vocabulary."""

    def __init__(self, vocabulary: Vocabulary, trained: Mapping[str, WordModel], pool: Pool) -> None:
        self._frontend, self._family = vocabulary.frontend, families.load(vocabulary.family)
        self._config, self._trained, self._pool = vocabulary.family_config, trained, pool
        factors = WarpConfig(vocabulary.config["warps"]).factors
        self._factors = factors if self._frontend.kind.warp_matrix(1.1) is not None else (1.0,)
        self._copies: dict[
            int, tuple[np.ndarray, np.ndarray]
        ] = {}  # by the recording's id, beside it so that it lives

    def block(self, recordings: Sequence[np.ndarray], *, copies: bool = True) -> Block:
        """Lay the model features of recordings, and of their copies, end to end."""
        factors = self._factors if copies else (1.0,)
        items: list[tuple] = []
        for place, stored in enumerate(recordings):
            if id(stored) not in self._copies:
                self._copies[id(stored)] = stored, self._frontend.copies(stored, self._factors)[0]
            each = self._copies[id(stored)][1]
            items += [
                (str(place) if factor == 1 else WarpedCopy(str(place), f"{factor:g}"), each[:, k])
                for k, factor in enumerate(factors)
            ]
        return Block.from_items(items)

    def model(self, word: str, recordings: Sequence[np.ndarray]) -> WordModel:
        """Make a word's model: of the recordings alone, or of the trained model and them."""
        block, copies = self.block(recordings), len(self._factors)
        if word in self._trained:
            config = replace(MAP, tau=MAP.tau * copies)
            return adapt_words({word: self._trained[word]}, {word: block}, config, self._config)[0][word]
        return self._family.teach(self._config, block, self._pool.mean, self._pool.covariance, copies)

    def facts(self, model: WordModel, recordings: Sequence[np.ndarray]) -> np.ndarray:
        """Find what `Confidence.states` holds of a word, (S, 3); how far its durations spread is hardly known of few recordings."""
        found, count = state_facts(model, [self.block(recordings)]), len(recordings)
        variance = (count * found[:, 2] ** 2 + SPREAD_OF * self._pool.log_spread**2) / (count + SPREAD_OF)
        return np.concatenate([found[:, :2], np.sqrt(variance)[:, None]], axis=1)

    def confidence(
        self, vocabulary: Vocabulary, states: Mapping[str, np.ndarray], taught: Mapping[str, Recordings]
    ) -> Confidence:
        """Learn how sure a vocabulary of nothing but taught words may be: each recording is heard by models of the others."""
        trials, tried = [], sorted(taught, key=str.encode)[:: -(-len(taught) // TRIED)]
        for place in range(max(map(len, taught.values()))):
            held = {word: taught[word][place] for word in tried if 1 < len(taught[word]) > place}
            rest = {word: own[:place] + own[place + 1 :] for word, own in taught.items() if word in held}
            models = {**vocabulary.models, **{word: self.model(word, own) for word, own in rest.items()}}
            facts = {**states, **{word: self.facts(models[word], own) for word, own in rest.items()}}
            heard = {word: self.block([feats], copies=False) for word, feats in held.items()}
            trials += trials_of((replace(vocabulary, models=models, confidence=None), facts, heard))
        right, known = ([trial[place] for trial in trials] for place in (1, 2))
        if sum(right) < LEAST_TRIALS or all(known):
            return Confidence(dict(states), np.array(WEIGHTS), "none", {}, {}, {})
        measures = np.stack([row for *_, row in trials])
        is_right, is_known = np.array(right), np.array(known)
        share = np.where(is_known, len(taught) - 1, 1)
        weights = few_weights(measures, is_right, share)
        odds = measures @ weights[:-1] + weights[-1]
        sure, unknown = odds[is_right], odds[~is_known]
        thresholds, accepted = {}, {}
        for rate in RATES:
            limit = float(sure.mean() + STRETCH * NormalDist().inv_cdf(rate) * sure.std())
            thresholds[rate] = float(np.exp(-np.logaddexp(0.0, -limit)))
            accepted[rate] = float((unknown >= limit).mean())
        return Confidence(dict(states), weights, "recordings", thresholds, accepted, {})


@dataclass(frozen=True)
class Judged:
    """What a vocabulary makes of the recordings that a word was taught with.

    Attributes
    ----------
    heard : tuple of (str or None, float)
        Of each recording, by a model of the others: the word, and the probability that it was said. Empty where there is one recording.
    unlike : tuple of int
        Recordings that sound unlike the others, by their places.
    drawn : tuple of str
        Words whose recordings are heard as this one now, which were heard rightly before it was taught: each once for a recording.
    checked : int
        Recordings of other words that were looked at.
    """

    heard: tuple[tuple[str | None, float], ...]
    unlike: tuple[int, ...]
    drawn: tuple[str, ...]
    checked: int


@one_thread()
def judge(vocabulary: Vocabulary, word: str) -> Judged:
    """Look how sure a vocabulary is of a word that it was taught, and whether its others suffer."""
    kept = vocabulary.kept
    assert kept is not None and kept.pool is not None and vocabulary.confidence is not None
    trained, _ = trained_part(vocabulary)
    teacher, own = Teacher(vocabulary, trained, kept.pool), kept.taught[word]
    place, heard, fits = vocabulary.words.index(word), [], []
    for left in range(len(own) if len(own) > 1 else 0):
        rest = own[:left] + own[left + 1 :]
        model = teacher.model(word, rest)
        facts = vocabulary.confidence.states[word]
        if word not in trained:
            facts = teacher.facts(model, rest)
        confidence = replace(vocabulary.confidence, states={**vocabulary.confidence.states, word: facts})
        without = replace(vocabulary, models={**vocabulary.models, word: model}, confidence=confidence)
        (row,), (sure,) = Scorer(without).judged_block(teacher.block([own[left]], copies=False))
        best = int(row.argmax())
        heard.append((vocabulary.words[best] if np.isfinite(row[best]) else None, float(sure)))
        fits.append(row[place] / len(own[left]))
    others = [(own_word, feats) for own_word, _, feats in kept.recorded if own_word != word]
    others += [
        (own_word, feats) for own_word, each in kept.taught.items() if own_word != word for feats in each
    ]
    drawn = []
    if others:
        block = teacher.block([feats for _, feats in others], copies=False)
        scores = Scorer(replace(vocabulary, confidence=None)).block_scores(block)
        before = scores.copy()
        before[:, place] = -np.inf
        if word in trained:
            before[:, place] = trained[word].bank([trained[word]]).scores(block)[:, 0]
        for (said, _), old, new in zip(others, before.argmax(axis=1), scores.argmax(axis=1), strict=True):
            if new == place and vocabulary.words[old] == said:
                drawn.append(said)
    return Judged(tuple(heard), unlike(fits, kept.pool), tuple(drawn), len(others))


def unlike(fits: Sequence[float], pool: Pool) -> tuple[int, ...]:
    """Find recordings that the others don't explain, by the log density of a frame of each under a model of the others."""
    at_mean = -0.5 * np.linalg.slogdet(2 * np.pi * pool.covariance)[1]
    distance = 2 * (at_mean - np.array(fits)) / len(pool.mean)  # squared, of each dimension
    return tuple(np.flatnonzero(distance > FAR).tolist())
