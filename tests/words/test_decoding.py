"""A vocabulary in decoding: banks of words, chunks of utterances, winners."""

from types import SimpleNamespace

import numpy as np
import pytest
from oracle import NUM_SYMBOLS, small_config, spoken, train_word

from asrkit import families
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.transform import TransformConfig
from asrkit.models.base import chunks
from asrkit.models.codebook import Codebook
from asrkit.words import decoding
from asrkit.words.decoding import Scorer, best_words, no_path_reason
from asrkit.words.vocabulary import Vocabulary


def make_vocabulary(name, num_words=6):
    """Words with 1 to 6 states (if any), hardly trained; and utterances to be scored."""
    family, models = families.load(name), {}
    for word in range(num_words):
        config = small_config(family, num_states=word + 1, num_gauss=2)
        models[f"word{word}"] = train_word(
            name, config, spoken(family, word, num_utts=5), max_iters=1, growth_iters=1
        )[0]
    codebook = None
    if family.has_codes:
        codebook = Codebook(np.random.default_rng(0).normal(scale=3, size=(NUM_SYMBOLS, 3)), np.ones(3))
    vocabulary = Vocabulary(
        name, tuple(models), models, {}, codebook, FrontEnd(3, GivenFeatures(), TransformConfig()), "0" * 64
    )
    feats = spoken(families.load("chmm"), 1, num_utts=5)
    return vocabulary, [*feats.items(), ("short", feats.obs[:3])]


PRECISIONS = pytest.mark.parametrize(("exact", "near"), [(True, 1e-9), (False, 1e-6)])


@pytest.mark.parametrize("name", families.names())
@pytest.mark.parametrize("method", ["viterbi", "forward"])
@pytest.mark.parametrize("states", [1, 3, 5])
@PRECISIONS
def test_several_banks_equal_one(name, method, states, exact, near, monkeypatch):
    vocabulary, items = make_vocabulary(name)
    together = Scorer(vocabulary, method, exact=exact)
    monkeypatch.setattr(decoding, "STATES", states)
    apart = Scorer(vocabulary, method, exact=exact)
    assert len(together.banks) == 1 and len(apart.banks) > 1
    np.testing.assert_allclose(apart.scores(items), together.scores(items), rtol=near)
    for item, row in zip(items, together.scores(items), strict=True):
        np.testing.assert_allclose(together.scores([item])[0], row, rtol=near)


@pytest.mark.parametrize("name", families.names())
@PRECISIONS
def test_scores_are_those_of_each_word_in_the_order_of_the_vocabulary(name, exact, near):
    vocabulary, items = make_vocabulary(name)
    block = spoken(families.load("chmm"), 0).from_items((utt, vocabulary.observe(x)) for utt, x in items)
    best = np.stack([vocabulary.models[word].align(block)[0] for word in vocabulary.words], axis=1)
    total = np.stack([vocabulary.models[word].log_likelihood(block) for word in vocabulary.words], axis=1)
    np.testing.assert_allclose(Scorer(vocabulary, exact=exact).scores(items), best, rtol=near)
    np.testing.assert_allclose(Scorer(vocabulary, "forward", exact=exact).scores(items), total, rtol=near)


def test_chunks_hold_about_so_many_frames_and_lose_nothing():
    items = [(f"u{u}", np.zeros(n)) for u, n in enumerate([3, 7, 10, 1, 1, 1, 25, 2])]
    cut = list(chunks(iter(items), 10))
    assert [[len(x) for _, x in some] for some in cut] == [[3, 7], [10], [1, 1, 1, 25], [2]]
    assert [item for some in cut for item in some] == items
    assert list(chunks([], 10)) == [] and [len(some) for some in chunks(items[2:3], 10)] == [1]


def test_winner_and_margin():
    vocabulary = SimpleNamespace(words=("no", "yes", "maybe"))
    inf = np.inf
    rows = np.array([[-5.0, -3, -9], [-inf, -inf, -2], [-inf] * 3, [-4, -4, -9]])
    assert best_words(vocabulary, rows) == [
        ("yes", -3.0, 2.0),
        ("maybe", -2.0, inf),
        (None, -inf, 0.0),
        ("no", -4.0, 0.0),
    ]
    assert best_words(SimpleNamespace(words=("no",)), np.array([[-5.0]])) == [("no", -5.0, inf)]


def test_why_there_is_no_winner():
    vocabulary = SimpleNamespace(shortest=3)
    assert no_path_reason(vocabulary, 2) == "2 frames < 3 states"
    assert "impossible" in no_path_reason(vocabulary, 3)


@pytest.mark.parametrize("num_words", [1, 2, 5])
def test_the_best_words_are_those_of_each_row_in_order(num_words):
    rng = np.random.default_rng(0)
    scores = rng.choice(
        [-np.inf, np.nan, -3.5, -3.0, 0.0, 1e300], (300, num_words), p=[0.3, 0.1, 0.2, 0.2, 0.1, 0.1]
    )
    before = scores.copy()
    vocabulary = SimpleNamespace(words=tuple("abcde"[:num_words]))
    found = best_words(vocabulary, scores)
    np.testing.assert_array_equal(scores, before)
    for row, (word, score, margin) in zip(scores, found, strict=True):
        order = sorted(np.flatnonzero(np.isfinite(row)), key=lambda index: (-row[index], index))
        if not order:
            assert (word, score, margin) == (None, -np.inf, 0.0)
            continue
        assert (word, score) == (vocabulary.words[order[0]], row[order[0]])
        assert margin == (row[order[0]] - row[order[1]] if len(order) > 1 else np.inf)
    assert best_words(vocabulary, np.zeros((0, num_words))) == []
