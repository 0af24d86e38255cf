"""Discrete HMMs of several streams, and tables smoothed between near symbols, against loops and the definition."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from oracle import all_paths, falls, random_arcs, small_config, train_word
from scipy.cluster.vq import vq
from scipy.spatial.distance import cdist

from asrkit import families
from asrkit.errors import DataError, SettingsError
from asrkit.models.base import Block
from asrkit.models.categorical import Categorical
from asrkit.models.codebook import BLUR, Codebook, CodebookConfig, closeness, train_codebook
from asrkit.models.hmm import Hmm
from asrkit.words.adaptation import AdaptConfig

DHMM = families.load("dhmm")
STATES, STREAMS, SYMBOLS = 3, 2, 5
WEIGHTS = np.array([0.5, 2.0])
both = pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])


def random_table(seed=0, weights=None):
    rng = np.random.default_rng(seed)
    return Categorical(np.log(rng.dirichlet(np.ones(SYMBOLS), size=(STATES, STREAMS))), weights)


def codes(seed=1, num=40):
    return np.random.default_rng(seed).integers(0, SYMBOLS, size=(num, STREAMS)).astype(np.int32)


def occupancies(num=40):
    return np.random.default_rng(2).dirichlet(np.ones(STATES), size=num)


def utterances(seed=3, num=10):
    """Two streams that change their symbols in different places."""
    rng = np.random.default_rng(seed)
    tables = rng.dirichlet(np.full(SYMBOLS, 0.3), size=(4, STREAMS))
    items = []
    for u in range(num):
        parts = np.repeat(np.arange(4), rng.integers(2, 7, size=4))
        items.append(
            (f"u{u}", np.array([[rng.choice(SYMBOLS, p=p) for p in tables[a]] for a in parts], np.int32))
        )
    return Block.from_items(items)


@both
def test_streams_multiply(weights):
    table, obs = random_table(weights=weights), codes()
    own = np.ones(STREAMS) if weights is None else weights
    found = table.log_likelihood(obs)
    for n, s in np.ndindex(found.shape):
        expected = sum(own[k] * table.log_probs[s, k, obs[n, k]] for k in range(STREAMS))
        assert found[n, s] == pytest.approx(expected)


def test_a_stream_of_weight_0_says_nothing_not_even_never():
    log_probs = random_table().log_probs.copy()
    log_probs[0, 1] = [0.0, *[-np.inf] * (SYMBOLS - 1)]
    found = Categorical(log_probs, np.array([1.0, 0.0])).log_likelihood(codes())
    np.testing.assert_array_equal(found, log_probs[:, 0].take(codes()[:, 0], axis=1).T)


@both
def test_counts_and_relative_frequencies(weights):
    table, obs, gamma = random_table(weights=weights), codes(), occupancies()
    stats = table.accumulate(obs, gamma)
    expected = np.zeros((STATES, STREAMS, SYMBOLS))
    for n, s, k in itertools.product(range(len(obs)), range(STATES), range(STREAMS)):
        expected[s, k, obs[n, k]] += gamma[n, s]
    np.testing.assert_allclose(stats.counts, expected)
    new = table.estimate(stats, small_config(DHMM, symbol_floor=0.0))
    np.testing.assert_allclose(np.exp(new.log_probs), expected / expected.sum(axis=-1, keepdims=True))
    assert new.weights is weights


def test_a_stream_alone_is_what_the_plain_table_is():
    table, obs, gamma = random_table(), codes(), occupancies()
    config = small_config(DHMM)
    for k in range(STREAMS):
        plain, one = Categorical(table.log_probs[:, k]), Categorical(table.log_probs[:, [k]])
        np.testing.assert_array_equal(plain.log_likelihood(obs[:, k]), one.log_likelihood(obs[:, [k]]))
        plain, one = (
            model.estimate(model.accumulate(x, gamma), config).log_probs
            for model, x in ((plain, obs[:, k]), (one, obs[:, [k]]))
        )
        np.testing.assert_array_equal(plain, one[:, 0])


@both
def test_likelihood_over_all_paths(weights):
    table, obs = random_table(weights=weights), codes(num=6)
    arcs = random_arcs(np.random.default_rng(0), STATES, "skip")
    scores = list(all_paths(table.log_likelihood(obs), *arcs).values())
    model, block = Hmm(*arcs, table), Block.from_items([("u", obs)])
    assert model.log_likelihood(block)[0] == pytest.approx(np.logaddexp.reduce(scores))
    assert model.align(block)[0][0] == pytest.approx(max(scores))


@pytest.mark.parametrize("method", ["viterbi", "baum-welch", "both"])
@pytest.mark.parametrize("weights", ["", "0.3,1.7"])
def test_training_never_falls(method, weights):
    config = small_config(DHMM, num_symbols=SYMBOLS, stream_weights=weights)
    model, log = train_word("dhmm", config, utterances(), method=method, max_iters=6, tol=0.0)
    assert len(log) > 2 and not falls(log)
    assert model.emission.log_probs.shape == (4, STREAMS, SYMBOLS)
    model.check((STREAMS, SYMBOLS))
    again = DHMM.from_arrays(model.to_arrays())
    np.testing.assert_array_equal(again.log_likelihood(utterances()), model.log_likelihood(utterances()))


def test_what_is_no_table_of_these_streams_is_refused():
    table = random_table(weights=WEIGHTS)
    table.check(STATES, (STREAMS, SYMBOLS))
    for width in (SYMBOLS, (STREAMS + 1, SYMBOLS), (STREAMS, SYMBOLS + 1)):
        with pytest.raises(ValueError, match="log_probs is float64"):
            table.check(STATES, width)
    for weights, why in ((np.ones(3), "stream_weights is"), (-WEIGHTS, "negative")):
        with pytest.raises(ValueError, match=why):
            replace(table, weights=weights).check(STATES, (STREAMS, SYMBOLS))


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ("1,x", "'x' is no number"),
        ("1,-1", "-1 is less than 0"),
        ("nan,1", "not a finite number"),
        ("0,0", "one of them must be above 0"),
        ("1,1,1", "3 weights for a codebook of 2 streams"),
    ],
)
def test_weights_that_are_none(weights, why):
    with pytest.raises(SettingsError, match=why):
        train_word("dhmm", small_config(DHMM, num_symbols=SYMBOLS, stream_weights=weights), utterances())


@both
def test_adapted_streams_are_the_maximum_of_likelihood_and_prior(weights):
    table, obs, gamma = random_table(weights=weights), codes(), occupancies()
    prior, config = AdaptConfig(prior_count=7.0), small_config(DHMM, symbol_floor=0.0)
    new = table.adapt(table.accumulate(obs, gamma), prior, config)

    def objective(model):
        return (gamma * model.log_likelihood(obs)).sum() + table.log_prior(model, prior)

    best, rng = objective(new), np.random.default_rng(5)
    for _ in range(50):
        moved = np.exp(new.log_probs) * rng.uniform(0.97, 1.03, new.log_probs.shape)
        assert objective(replace(new, log_probs=np.log(moved / moved.sum(axis=-1, keepdims=True)))) < best
    assert table.log_prior(table, prior) == 0.0


def test_drawn_symbols_have_the_tables_frequencies():
    table = random_table()
    drawn = table.sample(np.zeros(1000, dtype=int), np.random.default_rng(0))
    assert drawn.shape == (1000, STREAMS) and drawn.dtype == np.int32
    for k in range(STREAMS):
        share = np.bincount(drawn[:, k], minlength=SYMBOLS) / len(drawn)
        np.testing.assert_allclose(share, np.exp(table.log_probs[0, k]), atol=0.06)


# codebooks


def frames(num=300, dim=6, seed=0):
    return np.random.default_rng(seed).normal(size=(num, dim)) * np.arange(1, dim + 1) + 10


def test_each_stream_has_the_codebook_of_its_part():
    x, config = frames(), CodebookConfig(size=8, streams=3)
    whole, histories = train_codebook(x, config, np.random.default_rng(0))
    found = whole.quantize(x)
    assert (
        found.shape == (300, 3)
        and found.dtype == np.int32
        and whole.described() == "8 vectors in each of 3 streams"
    )
    for k, part in enumerate(np.split(x, 3, axis=1)):
        own, history = train_codebook(part, CodebookConfig(size=8), np.random.default_rng(0))
        np.testing.assert_allclose(np.split(whole.vectors, 3)[k], own.vectors)
        np.testing.assert_array_equal(found[:, k], vq(part / own.scale, own.vectors)[0])
        assert histories[k][-1][1] == pytest.approx(history[0][-1][1])


def test_streams_may_have_fewer_vectors_than_others():
    x = frames()
    x[:, 2:4], x[:, 4:] = np.round(x[:, 2:4] / 10), 7.0
    book, _ = train_codebook(x, CodebookConfig(size=64, streams=3), np.random.default_rng(0))
    distinct = len(np.unique(x[:, 2:4], axis=0))
    assert book.sizes.tolist() == [64, distinct, 1] and book.size == 64
    assert book.described() == f"64, {distinct}, 1 vectors in 3 streams"
    found = book.quantize(x)
    assert (found.max(axis=0) + 1).tolist() == book.sizes.tolist()
    near = closeness(book)
    np.testing.assert_allclose(near.sum(axis=-1), np.arange(64) < book.sizes[:, None])
    assert book.quantize(x[:0]).shape == (0, 3)


def test_streams_that_are_no_codebook():
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match=r"6 dimensions are no 4 equal parts \(take a codebook_streams="):
        train_codebook(frames(), CodebookConfig(size=8, streams=4), rng)
    with pytest.raises(DataError, match="all 300 frames are alike"):
        train_codebook(np.ones((300, 6)), CodebookConfig(size=8, streams=3), rng)


# smoothing


def test_closeness_is_a_kernel_on_distances():
    vectors = np.random.default_rng(0).normal(size=(7, 2)) + 1e6
    square = cdist(vectors, vectors) ** 2
    nearest = np.median([min(np.delete(row, i)) for i, row in enumerate(square)])
    kernel = np.exp(-0.5 * square / (BLUR**2 * nearest))
    np.testing.assert_allclose(
        closeness(Codebook(vectors, np.ones(2))), kernel / kernel.sum(axis=1, keepdims=True), rtol=1e-6
    )
    np.testing.assert_array_equal(closeness(Codebook(vectors[:1], np.ones(2))), [[1.0]])


@pytest.mark.parametrize("shape", [(STATES, SYMBOLS), (STATES, STREAMS, SYMBOLS)])
def test_smoothed_is_counts_and_what_is_near(shape):
    rng = np.random.default_rng(0)
    near = rng.dirichlet(np.ones(SYMBOLS), size=(*shape[1:-1], SYMBOLS))
    table = Categorical(np.full(shape, -np.log(SYMBOLS)))
    obs, gamma = (codes() if len(shape) == 3 else codes()[:, 0]), occupancies()
    gamma[:, 2] = 0.0
    stats, config = table.accumulate(obs, gamma), small_config(DHMM, smooth=4.0, symbol_floor=0.0)
    found = np.exp(table.smoothed(stats, near, config).log_probs).reshape(STATES, -1, SYMBOLS)
    for s, k, m in np.ndindex(found.shape):
        counts = stats.counts.reshape(found.shape)[s, k]
        kernel = near.reshape(-1, SYMBOLS, SYMBOLS)[k]
        blurred = sum(counts[j] / max(counts.sum(), 1) * kernel[j, m] for j in range(SYMBOLS))
        expected = (counts[m] + 4 * blurred) / (counts.sum() + 4) if s < 2 else 1 / SYMBOLS
        assert found[s, k, m] == pytest.approx(expected)


def test_smoothing_fades_with_data():
    near, table, config = (
        np.full((SYMBOLS, SYMBOLS), 1 / SYMBOLS),
        random_table(),
        small_config(DHMM, smooth=10.0),
    )
    stats = table.accumulate(codes(), occupancies())
    plain = np.exp(table.estimate(stats, config).log_probs)
    apart = [
        np.abs(
            np.exp(table.smoothed(replace(stats, counts=n * stats.counts), near, config).log_probs) - plain
        ).max()
        for n in (1, 10, 100, 1000)
    ]
    assert apart == sorted(apart, reverse=True) and apart[-1] < 1e-3 < apart[0]
