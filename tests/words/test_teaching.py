"""Words of few recordings: what they are made of, that nothing depends on the order, and what is said of them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from synthetic import RATE_HZ, word_samples

import asrkit
from asrkit import families
from asrkit.io.model_file import read_model, write_model
from asrkit.io.speech_prior import read_speech_prior, speech_prior_text
from asrkit.models.base import Block
from asrkit.words import teaching
from asrkit.words.confidence import Confidence
from asrkit.words.kept import in_order
from asrkit.words.teaching import judge, pool_of, trained_part, with_taught
from asrkit.workflows.teach import new_vocabulary

WORDS = ("four", "one", "three", "two")


def says(word, take, speaker=0):
    return word_samples(word, np.random.default_rng([speaker, WORDS.index(word), take]), 100 + 60 * speaker)


def stored(vocabulary, word, takes, speaker=0):
    return in_order(
        tuple(vocabulary.frontend.stored(says(word, take, speaker), endpoint=False) for take in takes)
    )


@pytest.fixture(scope="module")
def recordings():
    own = new_vocabulary()
    return {word: stored(own, word, range(4)) for word in WORDS}


@pytest.fixture(scope="module")
def trained():
    """Three words of two speakers, trained."""
    data = {
        word: [says(word, take, s) for s in (0, 1) for take in range(5)] for word in ("one", "three", "two")
    }
    speakers = {word: [s for s in ("anna", "bert") for _ in range(5)] for word in data}
    return asrkit.train(data, rate_hz=RATE_HZ, speakers=speakers, endpoint=False, num_states=4).vocabulary


def written(vocabulary, path):
    write_model(path / "final.npz", vocabulary)
    return (path / "final.npz").read_bytes()


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_a_taught_word_is_the_maximum_a_posteriori_along_its_path(covariance):
    rng, dim, copies = np.random.default_rng(3), 3, 2
    block = Block.from_items(
        (str(u), np.repeat(rng.normal(size=(5, dim)) * 3, 4, axis=0) + rng.normal(size=(20, dim)))
        for u in range(4)
    )
    spread = np.cov(rng.normal(size=(dim, 50)))
    mean = rng.normal(size=dim)
    family = families.load("chmm")
    config = family.Config(num_states=5, num_gauss=1, covariance=covariance)
    model = family.teach(config, block, mean, spread, copies)
    path = model.align(block)[1]
    for state in range(5):
        own = block.obs[path == state]
        expected = (own.sum(axis=0) + copies * mean) / (len(own) + copies)
        np.testing.assert_allclose(model.emission.means[state, 0], expected)
        leaves, stays = len(block.utts), len(own) - len(block.utts)
        out = np.exp(model.log_exit[4] if state == 4 else model.log_trans[state, state + 1])
        np.testing.assert_allclose(out, (leaves + 0.5 * copies / 2) / (leaves + stays + 0.5 * copies))
    held = model.emission.covariances[:, 0] if covariance == "full" else model.emission.variances[:, 0]
    np.testing.assert_array_equal(
        held,
        np.tile(
            spread if covariance == "full" else np.diag(spread), (5,) + (1,) * (1 + (covariance == "full"))
        ),
    )


def test_a_short_recording_has_no_more_states_than_frames():
    rng = np.random.default_rng(0)
    block = Block.from_items([("a", rng.normal(size=(3, 2))), ("b", rng.normal(size=(9, 2)))])
    family = families.load("chmm")
    assert family.teach(family.Config(), block, np.zeros(2), np.eye(2), 1).num_states == 3
    half = family.Config(frames_per_state=3.0)
    assert family.teach(half, block, np.zeros(2), np.eye(2), 1).num_states == 2


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_the_pool_is_that_of_frames_about_their_states(trained, covariance):
    """The covariance of many frames drawn of the mixtures of one state, about the state's mean."""
    rng, family = np.random.default_rng(0), families.load("chmm")
    block = Block.from_items(
        (str(u), rng.normal(size=(40, 2)) * [1, 3] + rng.choice([-4, 4], (40, 1))) for u in range(6)
    )
    config = family.Config(num_states=2, num_gauss=2, covariance=covariance, min_count=2.0)
    model = family.init(config, block, rng)
    model = model.grow(model.accumulate(block), config)
    facts = np.array([[30.0, 1.0, 0.3], [90.0, 1.0, 0.5]])
    pool = pool_of({"a": model}, {"a": facts})
    drawn = [model.emission.sample(np.full(8000, state), rng) for state in (0, 1)]
    expected = (30 * np.cov(drawn[0].T) + 90 * np.cov(drawn[1].T)) / 120
    np.testing.assert_allclose(pool.covariance, expected, rtol=0.1, atol=0.3)
    np.testing.assert_allclose(
        pool.mean, (30 * drawn[0].mean(axis=0) + 90 * drawn[1].mean(axis=0)) / 120, atol=0.2
    )
    assert pool.log_spread == pytest.approx(np.sqrt((0.3**2 + 0.5**2) / 2))


def test_nothing_depends_on_the_order(recordings, tmp_path):
    made = set()
    for order in itertools.permutations(WORDS[:2]):
        vocabulary = new_vocabulary()
        for word, count in ((order[0], 1), (order[1], 2), (order[0], 2)):
            some = in_order(recordings[word][::-1][:count])
            vocabulary = with_taught(vocabulary, {**vocabulary.kept.taught, word: some})
        made.add(written(vocabulary, tmp_path))
    assert len(made) == 1


def test_the_order_in_which_words_are_given_has_no_say(recordings, monkeypatch):
    seen = []
    monkeypatch.setattr(teaching, "few_weights", lambda measures, *_: seen.append(measures) or np.ones(7))
    for order in (WORDS, WORDS[::-1]):
        with_taught(new_vocabulary(), {word: recordings[word] for word in order})
    np.testing.assert_array_equal(*seen)


def test_what_is_forgotten_leaves_the_bytes_of_before(trained, recordings, tmp_path):
    before = written(trained, tmp_path)
    assert {own.word for own in trained.kept.recorded} == {"one", "three", "two"}
    own = stored(trained, "four", range(3))
    taught = with_taught(trained, {"four": own, "two": stored(trained, "two", range(5, 8))})
    assert taught.words == ("four", "one", "three", "two") and written(taught, tmp_path) != before
    again = read_model(tmp_path)
    assert written(again, tmp_path / "again") == written(taught, tmp_path)
    less = with_taught(again, {"two": again.kept.taught["two"]})
    assert less.words == trained.words and written(with_taught(less, {}), tmp_path) == before
    other = with_taught(
        with_taught(trained, {"two": again.kept.taught["two"]}),
        {"four": own, "two": again.kept.taught["two"]},
    )
    assert written(other, tmp_path) == written(taught, tmp_path)


def test_a_trained_word_moves_towards_what_it_is_taught(trained):
    rises = [trained.frontend.stored(says("four", take), endpoint=False) for take in range(3)]
    taught = with_taught(trained, {"two": in_order(tuple(rises))})
    assert all(taught.models[word] is trained.models[word] for word in ("one", "three"))
    feats = trained.frontend.model_features([rises[0]], [None])[0]
    block = Block.from_items([("a", feats)])
    assert taught.models["two"].log_likelihood(block) > trained.models["two"].log_likelihood(block)
    assert trained_part(taught)[0]["two"] is trained.models["two"]
    np.testing.assert_array_equal(taught.confidence.states["two"], trained.confidence.states["two"])


def test_a_taught_word_has_the_facts_of_its_recordings(recordings):
    own = new_vocabulary()
    vocabulary = with_taught(own, {"one": recordings["one"]})
    facts, model = vocabulary.confidence.states["one"], vocabulary.models["one"]
    counts = []
    for feats in recordings["one"]:
        for copy in own.frontend.copies(feats, (1.0, 0.92, 1.08))[0].swapaxes(0, 1):
            path = model.align(Block.from_items([("a", copy)]))[1]
            counts.append(np.bincount(path, minlength=model.num_states))
    logs = np.log(counts)
    np.testing.assert_array_equal(facts[:, 0], np.sum(counts, axis=0))
    np.testing.assert_allclose(facts[:, 1], logs.mean(axis=0))
    spread = np.maximum(logs.std(axis=0), 0.2)
    np.testing.assert_allclose(facts[:, 2], np.sqrt((4 * spread**2 + 4 * own.kept.pool.log_spread**2) / 8))


def test_without_trained_words_confidence_is_of_what_was_left_out(recordings, monkeypatch):
    seen = []

    def spied(measures, right, share, real=teaching.few_weights):
        seen.append((measures, right, real(measures, right, share)))
        return seen[-1][-1]

    def noted(teacher, word, own, real=teaching.Teacher.model):
        learned.append((word, own))
        return real(teacher, word, own)

    learned = []
    monkeypatch.setattr(teaching, "few_weights", spied)
    monkeypatch.setattr(teaching.Teacher, "model", noted)
    vocabulary = with_taught(new_vocabulary(), recordings)
    for word, own in recordings.items():
        parts = [part for said, part in learned if said == word]
        assert parts[0] is own and [len(part) for part in parts[1:]] == [3] * 4
        left_out = [
            n for part in parts[1:] for n, feats in enumerate(own) if not any(feats is one for one in part)
        ]
        assert left_out == [0, 1, 2, 3]
    ((measures, right, weights),) = seen
    odds = (measures @ weights[:-1] + weights[-1])[right]
    confidence = vocabulary.confidence
    assert confidence.folds == "recordings" and right.sum() <= 16 and len(right) == 32
    for rate in (0.02, 0.1):
        limit = odds.mean() + teaching.STRETCH * norm.ppf(rate) * odds.std()
        np.testing.assert_allclose(confidence.threshold(rate), 1 / (1 + np.exp(-limit)))
    few = with_taught(new_vocabulary(), {"one": recordings["one"][:2]})
    assert few.confidence.folds == "none" and not few.confidence.thresholds


def test_a_recording_of_another_word_is_found(recordings):
    odd = stored(new_vocabulary(), "three", [7])[0]
    mixed = in_order((*recordings["two"][:3], odd))
    taught = with_taught(new_vocabulary(), {"two": mixed, "one": recordings["one"]})
    place = next(n for n, feats in enumerate(mixed) if feats is odd)
    assert judge(taught, "two").unlike == (place,)
    pure = judge(with_taught(new_vocabulary(), recordings), "two")
    assert pure.unlike == () and [word for word, _ in pure.heard] == ["two"] * 4


def test_words_that_are_drawn_away_are_counted(trained):
    """A new word that sounds as an old one draws its recordings, if the old one is badly modelled."""
    own, one = stored(trained, "one", range(5, 8)), trained.models["one"]
    off = replace(one, emission=replace(one.emission, covariances=2.5 * one.emission.covariances))
    vocabulary = replace(trained, models={**trained.models, "one": off})
    judged = judge(with_taught(vocabulary, {"uno": own}), "uno")
    assert judged.checked == len(trained.kept.recorded) == 15
    assert judged.drawn == ("one",) * 5
    # of a word that was there, what its recordings had drawn before is not counted
    there = with_taught(vocabulary, {"uno": own})
    states = {**trained.confidence.states, "uno": there.confidence.states["uno"]}
    there = replace(there, confidence=replace(trained.confidence, states=states), kept=trained.kept)
    assert judge(with_taught(there, {"uno": own[:1]}), "uno").drawn == ()
    other = judge(with_taught(trained, {"four": stored(trained, "four", range(3))}), "four")
    assert other.drawn == ()


def test_what_was_trained_can_all_be_forgotten(trained, recordings):
    own = {word: stored(trained, word, range(10, 13)) for word in WORDS}
    named = {f"x-{word}": each for word, each in own.items()}
    taught = with_taught(trained, named)
    pool = taught.kept.pool
    left = with_taught(taught, named, trained.words)
    assert left.words == tuple(sorted(named)) and left.kept.pool is pool and not left.kept.recorded
    assert left.confidence.folds == "recordings" and set(left.confidence.states) == set(named)


def test_the_prior_that_travels_with_asrkit_is_sound():
    frontend, pool = read_speech_prior()
    assert frontend.rate_hz == 8000 and frontend.endpoint is None and frontend.model_dim == 39
    assert np.linalg.eigvalsh(pool.covariance)[0] > 0
    text = speech_prior_text(frontend, pool, "x")
    assert text == speech_prior_text(frontend, replace(pool, mean=pool.mean * (1 + 1e-9)), "x")


def test_a_confidence_without_words_is_one():
    assert Confidence.from_dict(new_vocabulary().confidence.to_dict()).states == {}
