"""A vocabulary learns its speaker from what it heard: sums, transforms and shifts against brute force, and what they are good for."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from asrkit.families import chmm
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.transform import Prior, TransformConfig
from asrkit.models.base import Block
from asrkit.words import learning
from asrkit.words import listener as listening
from asrkit.words.decoding import Scorer
from asrkit.words.listener import Listener, hear_speakers, learn_whole, stored_frontend
from asrkit.words.listening import ListenConfig
from asrkit.words.memory import Memory
from asrkit.words.training import TrainConfig, train_words
from asrkit.words.vocabulary import Vocabulary

WORDS = "abcd"
DIM = 4


def spoken(word, number, seed, bend=None):
    """Features of a word of three stretches; `bend` is the speaker: (matrix, offset)."""
    rng = np.random.default_rng([ord(word), seed])
    places = np.random.default_rng(ord(word)).normal(0, 1.0, (3, DIM))
    matrix, offset = bend or (np.eye(DIM), np.zeros(DIM))
    out = []
    for _ in range(number):
        path = places[np.repeat(np.arange(3), rng.integers(4, 8, 3))]
        noise = rng.normal(0, 1.2, path.shape)
        out.append(((path + noise) @ matrix.T + offset).astype(np.float32))
    return out


def make_vocabulary(cmvn="none", covariance="full", num_gauss=1):
    config = chmm.Config(num_states=3, num_gauss=num_gauss, covariance=covariance, shared_frames=200.0)
    data = {
        word: Block.from_items((f"{word}{i}", own) for i, own in enumerate(spoken(word, 30, 0)))
        for word in WORDS
    }
    models = {word: model for word, (model, _) in train_words("chmm", config, TrainConfig(), data).items()}
    transform = TransformConfig(cmvn=cmvn, delta_order=0)
    prior = Prior((0.0,) * DIM, (1.0,) * DIM) if cmvn == "map" else None
    frontend = FrontEnd(DIM, GivenFeatures(), transform, None, prior)
    settings = {"family": vars(config), "train": vars(TrainConfig())}
    return Vocabulary("chmm", tuple(WORDS), models, settings, None, frontend, "")


@pytest.fixture(scope="module")
def vocabulary():
    return make_vocabulary()


def mixed(number, bend, seed=1, words=WORDS):
    """A speaker's recordings in a random order: features and the words' indices."""
    feats = [own for word in words for own in spoken(word, number, seed, bend)]
    said = np.repeat([WORDS.index(word) for word in words], number)
    order = np.random.default_rng(seed).permutation(len(feats))
    return [feats[i] for i in order], said[order]


def stranger():
    rng = np.random.default_rng(5)
    return np.eye(DIM) + rng.normal(0, 0.3, (DIM, DIM)), rng.normal(0, 0.7, DIM)


def hear_whole(vocabulary, feats):
    blocks = [Block.from_items([("", own) for own in part]) for part in (feats[:30], feats[30:])]
    moved, known = learn_whole(vocabulary, blocks)
    made = vocabulary.frontend.model_features(feats, [known] * len(feats))
    return Scorer(moved).scores([("", own) for own in made])


def errors(scores, said):
    return int((scores.argmax(axis=1) != said).sum())


def sums_of(vocabulary, number=6):
    feats, said = mixed(number, stranger())
    items = [(str(i), own) for i, own in enumerate(feats)]
    return learning._sums(vocabulary, vocabulary, items, said), feats, said


def test_sums_are_those_of_the_paths(vocabulary):
    sums, feats, said = sums_of(vocabulary)
    for index, word in enumerate(WORDS):
        model = vocabulary.models[word]
        own = [feats[i] for i in np.flatnonzero(said == index)]
        occ, pull = np.zeros((2, 3)), np.zeros((2, 3, DIM))
        for number, x in enumerate(own):
            path = model.align(Block.from_items([("x", x)]))[1]
            for state in range(3):
                occ[number % 2, state] += (path == state).sum()
                away = x[path == state].astype(float) - model.emission.means[state, 0]
                pull[number % 2, state] += away.sum(axis=0) / sums.unit
        np.testing.assert_allclose(sums.occ[word], occ)
        np.testing.assert_allclose(sums.pull[word], pull, rtol=1e-6, atol=1e-5)


def test_gain_is_the_likelihoods(vocabulary):
    """With one covariance for all the gain is exact."""
    feats, said = mixed(5, stranger())
    covariance = np.mean(
        [m.emission.covariances.mean(axis=(0, 1)) for m in vocabulary.models.values()], axis=0
    )
    models = {
        word: replace(m, emission=replace(m.emission, covariances=np.tile(covariance, (3, 1, 1, 1))))
        for word, m in vocabulary.models.items()
    }
    equal = replace(vocabulary, models=models)
    sums = learning._sums(equal, equal, [(str(i), own) for i, own in enumerate(feats)], said)
    rng = np.random.default_rng(0)
    for index, word in enumerate(WORDS):
        shift = rng.normal(0, 0.3, (3, DIM))
        means, direct = models[word].emission.means[:, 0], 0.0
        for i in np.flatnonzero(said == index):
            path = models[word].align(Block.from_items([("x", feats[i])]))[1]
            for x, state in zip(feats[i], path, strict=True):
                moved = means[state] + shift[state] * sums.unit
                direct += multivariate_normal.logpdf(x, moved, covariance)
                direct -= multivariate_normal.logpdf(x, means[state], covariance)
        assert sums.gain(word, shift) == pytest.approx(direct, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("num_blocks", [1, 2])
def test_transform_is_a_ridge_regression_chosen_by_words_left_out(vocabulary, num_blocks):
    sums, *_ = sums_of(vocabulary)

    def fit(words, tau):
        """Least squares over one row a Gaussian, and rows that hold the matrix and the bias back."""
        out = {word: np.zeros((3, DIM)) for word in WORDS}
        width = DIM // num_blocks
        for start in range(0, DIM, width):
            block = slice(start, start + width)
            rows, targets = [], []
            for word in words:
                occ, pull = sums.occ[word].sum(axis=0), sums.pull[word].sum(axis=0)
                for g in np.flatnonzero(occ):
                    rows.append(np.sqrt(occ[g]) * np.array([1, *sums.means[word][g, block]]))
                    targets.append(pull[g, block] / np.sqrt(occ[g]))
            for word in WORDS:
                for g in range(3):
                    rows.append(np.sqrt(tau) * np.array([0, *sums.means[word][g, block]]))
                    targets.append(np.zeros(width))
            rows.append(np.sqrt(learning.BIAS_TAU) * np.eye(width + 1)[0])
            targets.append(np.zeros(width))
            found = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
            for word in WORDS:
                out[word][:, block] = np.c_[np.ones(3), sums.means[word][:, block]] @ found
        return out

    gains = [
        sum(sums.gain(word, fit([w for w in WORDS if w != word], tau)[word]) for word in WORDS)
        for tau in learning.MLLR_TAUS
    ]
    assert max(gains) > 0
    expected = fit(WORDS, learning.MLLR_TAUS[int(np.argmax(gains))])
    transform = learning._transform(sums, num_blocks)
    for word in WORDS:
        np.testing.assert_allclose(transform(sums.means[word]), expected[word], rtol=1e-6, atol=1e-9)


def test_where_words_left_out_say_no_nothing_moves(vocabulary):
    sums, *_ = sums_of(vocabulary)
    lies = {
        word: np.zeros((3, DIM)) for word in WORDS
    }  # all in one place, so that a transform is its bias alone
    apart = {"a": 1.0, "b": -1.0, "c": 1.0, "d": -1.0}
    pull = {word: np.full((2, 3, DIM), 10 * apart[word]) for word in WORDS}
    occ = {word: np.full((2, 3), 20.0) for word in WORDS}
    assert learning._transform(replace(sums, means=lies, occ=occ, pull=pull), 1) is None
    one_way = {word: np.abs(own) for word, own in pull.items()}
    assert learning._transform(replace(sums, means=lies, occ=occ, pull=one_way), 1) is not None


def test_a_few_words_do_not_speak_for_all(vocabulary):
    feats, _ = mixed(20, stranger(), words="ab")
    moved = learning.learn(vocabulary, feats)
    for word in WORDS:
        np.testing.assert_array_equal(
            moved.models[word].emission.means, vocabulary.models[word].emission.means
        )


@pytest.mark.parametrize("covariance, num_gauss", [("full", 1), ("diag", 2)])
def test_a_stranger_is_understood_better(covariance, num_gauss):
    trained = make_vocabulary(covariance=covariance, num_gauss=num_gauss)
    feats, said = mixed(25, stranger())
    before = errors(Scorer(trained).scores([("", own) for own in feats]), said)
    causal = errors(Listener(trained).hear(feats)[0], said)
    whole = errors(hear_whole(trained, feats), said)
    assert before >= 12 and causal <= 0.8 * before and whole <= 0.5 * before


def test_who_speaks_like_the_training_loses_nothing(vocabulary):
    feats, said = mixed(25, None)
    before = errors(Scorer(vocabulary).scores([("", own) for own in feats]), said)
    assert errors(Listener(vocabulary).hear(feats)[0], said) <= before + 1
    assert errors(hear_whole(vocabulary, feats), said) <= before + 1


@pytest.mark.parametrize("cmvn", ["none", "map"])
def test_hearing_is_causal(cmvn):
    """What comes later changes nothing, and one by one is as all at once."""
    trained = make_vocabulary(cmvn)
    feats, _ = mixed(10, stranger())
    scores, _ = Listener(trained).hear(feats)
    np.testing.assert_allclose(Listener(trained).hear(feats[:25])[0], scores[:25], rtol=1e-9)
    listener = Listener(trained)
    one_by_one = np.concatenate([listener.hear([own])[0] for own in feats])
    np.testing.assert_allclose(one_by_one, scores, rtol=1e-9)
    assert listener.memory.step == 30 and listener.memory.recordings == 40


def test_a_listener_goes_on_from_a_memory():
    trained = make_vocabulary("map")
    feats, _ = mixed(10, stranger())
    first = Listener(trained)
    first.hear(feats[:30])
    again = Listener(trained, memory=first.memory)
    np.testing.assert_allclose(again.hear(feats[30:])[0], first.hear(feats[30:])[0], rtol=1e-9)


def test_a_memory_keeps_the_last_recordings(monkeypatch):
    memory = Memory.of_nobody(make_vocabulary("map").frontend)
    rows = [np.full((2, DIM), float(i), dtype=np.float32) for i in range(230)]
    for own in rows:
        memory = memory.after(own)
    assert memory.recordings == 230 and [own[0, 0] for own in memory.kept] == list(range(30, 230))
    assert len(replace(memory, step=210).learned_of) == 180 and replace(memory, step=20).learned_of == ()


@pytest.mark.parametrize("adapt", ["causal", "whole"])
@pytest.mark.parametrize("cmvn", ["none", "map"])
def test_speakers_do_not_know_each_other(cmvn, adapt):
    trained = make_vocabulary(cmvn)
    known = stored_frontend(trained.frontend)
    assert known.transform.cmvn == "none"
    people = [
        mixed(number, bend, seed)[0]
        for number, bend, seed in ((2, None, 3), (6, stranger(), 4), (1, None, 5))
    ]
    blocks = [
        [Block.from_items((f"{n}-{i}", own) for i, own in enumerate(feats))] for n, feats in enumerate(people)
    ]
    hear = (trained, Scorer(trained), "viterbi", ListenConfig(adapt=adapt), 0.0)
    utts, frames, scores, _ = hear_speakers(*hear, blocks)
    assert frames == [len(own) for feats in people for own in feats] and utts[-1] == "2-3"
    alone = [hear_speakers(*hear, [own])[2] for own in blocks]
    np.testing.assert_allclose(scores, np.concatenate(alone), rtol=1e-9)


def test_what_is_too_short_is_not_remembered():
    trained = make_vocabulary("map")
    feats, _ = mixed(3, stranger())
    short = np.zeros((2, DIM), dtype=np.float32)
    listener = Listener(trained)
    scores, _ = listener.hear([feats[0], short, *feats[1:]])
    assert np.isneginf(scores[1]).all() and listener.memory.recordings == len(feats)
    np.testing.assert_allclose(np.delete(scores, 1, axis=0), Listener(trained).hear(feats)[0], rtol=1e-9)


@pytest.mark.parametrize("most, learned", [(2000, 40), (15, 14)])
def test_of_very_many_recordings_some_are_learned_of(most, learned, monkeypatch):
    trained, heard = make_vocabulary("map"), []
    monkeypatch.setattr(
        listening, "learn", lambda vocabulary, feats, whole: heard.append(feats) or vocabulary
    )
    feats, _ = mixed(10, stranger())
    _, known = learn_whole(trained, [Block.from_items([("", own) for own in feats])], most=most)
    assert len(heard[0]) == learned
    np.testing.assert_allclose(known[0, :-1], np.concatenate(feats).sum(axis=0, dtype=np.float64), rtol=1e-6)
