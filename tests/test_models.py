"""Mixtures, symbol tables and floors against scipy, scikit-learn and their definitions."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from asrkit.models.base import Block, floored_distribution, logsumexp
from asrkit.models.categorical import Categorical
from asrkit.models.mixture import DiagMixture, FullMixture

NO_FLOOR = SimpleNamespace(weight_floor=0.0)


def random_mixture(kind, num_states=3, num_components=4, dim=5, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(num_components), size=num_states)
    means = rng.normal(scale=2, size=(num_states, num_components, dim)) + 100
    if kind is DiagMixture:
        return DiagMixture(np.log(weights), means, np.full(dim, 1e-3), rng.uniform(0.3, 2, means.shape))
    a = rng.normal(size=(*means.shape, dim))
    return FullMixture(np.log(weights), means, np.full(dim, 1e-3), a @ a.swapaxes(-1, -2) + 0.3 * np.eye(dim))


def covariance(mixture, s, m):
    return np.diag(mixture.variances[s, m]) if isinstance(mixture, DiagMixture) else mixture.covariances[s, m]


@pytest.mark.parametrize("kind", [DiagMixture, FullMixture])
def test_log_likelihood_equals_scipy(kind):
    mixture = random_mixture(kind)
    x = np.random.default_rng(1).normal(scale=3, size=(20, 5)) + 100
    expected = np.zeros((20, 3))
    for s in range(3):
        for m in range(4):
            density = multivariate_normal(mixture.means[s, m], covariance(mixture, s, m)).pdf(x)
            expected[:, s] += np.exp(mixture.log_weights[s, m]) * density
    np.testing.assert_allclose(mixture.log_likelihood(x), np.log(expected), rtol=1e-9)
    joint = mixture.component_log_likelihood(x)
    assert joint.shape == (20, 3, 4)
    np.testing.assert_allclose(np.exp(joint).sum(axis=2), expected, rtol=1e-9)


@pytest.mark.parametrize("kind, covariance_type", [(DiagMixture, "diag"), (FullMixture, "full")])
def test_em_step_equals_scikit_learn(kind, covariance_type):
    from sklearn.mixture import GaussianMixture

    mixture = random_mixture(kind, num_states=1)
    x = np.random.default_rng(2).normal(scale=3, size=(400, 5)) + 100
    theirs = GaussianMixture(4, covariance_type=covariance_type, reg_covar=0.0)
    precisions = 1 / mixture.variances[0] if kind is DiagMixture else np.linalg.inv(mixture.covariances[0])
    theirs.weights_, theirs.means_ = np.exp(mixture.log_weights[0]), mixture.means[0]
    theirs.precisions_cholesky_ = np.sqrt(precisions) if kind is DiagMixture else np.linalg.cholesky(precisions)
    assert mixture.log_likelihood(x).mean() == pytest.approx(theirs.score(x), rel=1e-10)
    log_prob, log_resp = theirs._e_step(x)
    theirs._m_step(x, log_resp)
    new = mixture.estimate(mixture.accumulate(x, np.ones((400, 1))), NO_FLOOR)
    np.testing.assert_allclose(np.exp(new.log_weights[0]), theirs.weights_, rtol=1e-9)
    np.testing.assert_allclose(new.means[0], theirs.means_, rtol=1e-9)
    ours = new.variances[0] if kind is DiagMixture else new.covariances[0]
    np.testing.assert_allclose(ours, theirs.covariances_, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", [DiagMixture, FullMixture])
def test_accumulating_parts_adds_up_and_twice_is_double(kind):
    mixture = random_mixture(kind)
    rng = np.random.default_rng(3)
    x, gamma = rng.normal(size=(30, 5)) + 100, rng.dirichlet(np.ones(3), size=30)
    whole = mixture.accumulate(x, gamma).to_arrays()
    parts = (mixture.accumulate(x[:11], gamma[:11]) + mixture.accumulate(x[11:], gamma[11:])).to_arrays()
    twice = mixture.accumulate(x, 2 * gamma).to_arrays()
    for name, array in whole.items():
        np.testing.assert_allclose(parts[name], array, rtol=1e-10, atol=1e-9)
        np.testing.assert_allclose(twice[name], 2 * array, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("kind", [DiagMixture, FullMixture])
def test_unvisited_state_keeps_its_values(kind):
    mixture = random_mixture(kind)
    gamma = np.zeros((30, 3))
    gamma[:, 0] = 1
    new = mixture.estimate(mixture.accumulate(np.random.default_rng(4).normal(size=(30, 5)) + 100, gamma), NO_FLOOR)
    for name, array in new.to_arrays().items():
        if name != "variance_floor":
            np.testing.assert_array_equal(array[1:], getattr(mixture, name)[1:])
    assert not np.array_equal(new.means[0], mixture.means[0])


@pytest.mark.parametrize("kind", [DiagMixture, FullMixture])
def test_floor_holds_counts_and_never_costs_likelihood(kind):
    """Frames in a plane: without a floor a variance would be zero."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(200, 5)) + 100
    x[:, 4] = 2 * x[:, 3] if kind is FullMixture else 100.0
    mixture = random_mixture(kind, num_states=1)
    gamma, previous = np.ones((200, 1)), None
    for _ in range(15):
        mixture = mixture.estimate(mixture.accumulate(x, gamma), SimpleNamespace(weight_floor=0.05))
        total = mixture.log_likelihood(x).sum()
        assert previous is None or total >= previous - 1e-9 * abs(previous)
        previous = total
    assert mixture.num_floored >= 1 and np.exp(mixture.log_weights).min() >= 0.05 * (1 - 1e-9)
    spread = mixture.variances if kind is DiagMixture else np.linalg.eigvalsh(mixture.covariances)
    assert spread.min() >= 1e-3 * (1 - 1e-6)


@pytest.mark.parametrize("kind", [DiagMixture, FullMixture])
def test_split_keeps_weight_and_stops_at_few_frames(kind):
    mixture = random_mixture(kind, num_states=2, num_components=1)
    grown = mixture.split(np.array([[100.0], [15.0]]), 2, min_count=10)
    np.testing.assert_allclose(np.exp(grown.log_weights), [[0.5, 0.5], [1, 0]])
    np.testing.assert_allclose(grown.means[0].mean(axis=0), mixture.means[0, 0])
    np.testing.assert_allclose(grown.means[0, 1] - grown.means[0, 0], 0.4 * mixture.stddev[0, 0])
    assert grown.num_gauss == 3
    x = np.random.default_rng(6).normal(size=(10, 5)) + 100
    np.testing.assert_allclose(grown.log_likelihood(x)[:, 1], mixture.log_likelihood(x)[:, 1])
    assert mixture.split(np.array([[15.0], [15.0]]), 2, min_count=10) is None


def test_small_variance_far_from_zero_is_exact():
    """x^2 expanded about zero would lose every digit here."""
    mixture = DiagMixture(np.zeros((1, 1)), np.full((1, 1, 1), 1e6), np.zeros(1), np.full((1, 1, 1), 1e-4))
    x = np.array([[1e6 + 0.01]])
    assert mixture.log_likelihood(x)[0, 0] == pytest.approx(multivariate_normal(1e6, 1e-4).logpdf(1e6 + 0.01), rel=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_floored_distribution_is_the_constrained_maximum(seed):
    """No other distribution on or above the floor explains the counts better (checked against scipy's optimiser)."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    counts = rng.gamma(0.3, size=5) * (rng.random(5) > 0.3) + 1e-9
    p, on_floor = floored_distribution(counts, 0.05)
    assert p.sum() == pytest.approx(1) and p.min() >= 0.05 * (1 - 1e-12)
    np.testing.assert_allclose(p[on_floor], 0.05)
    best = minimize(
        lambda q: -(counts * np.log(q)).sum() / counts.sum(), np.full(5, 0.2), bounds=[(0.05, 1)] * 5, method="SLSQP",
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
    )
    assert (counts * np.log(p)).sum() / counts.sum() >= -best.fun - 1e-6


def test_floored_distribution_edges():
    np.testing.assert_allclose(floored_distribution([3, 1, 0], 0)[0], [0.75, 0.25, 0])
    np.testing.assert_allclose(floored_distribution([3, 1, 0], 5)[0], [1 / 3] * 3)
    np.testing.assert_allclose(floored_distribution([1.0], 0.1)[0], [1])


def test_logsumexp_keeps_impossible_impossible():
    x = np.array([[-np.inf, 0.0, -1000], [-np.inf, 0.0, -1001]])
    np.testing.assert_allclose(logsumexp(x), [-np.inf, np.log(2), -1000 + np.log(1 + np.exp(-1))])


def test_categorical_counts_and_floor():
    table = Categorical(np.log(np.full((2, 4), 0.25)))
    codes, gamma = np.array([0, 0, 1, 3]), np.array([[1, 0], [1, 0], [0.5, 0.5], [0, 0]])
    stats = table.accumulate(codes, gamma)
    np.testing.assert_allclose(stats.counts, [[2, 0.5, 0, 0], [0, 0.5, 0, 0]])
    new = table.estimate(stats, SimpleNamespace(symbol_floor=0.01))
    np.testing.assert_allclose(np.exp(new.log_probs), [[0.784, 0.196, 0.01, 0.01], [0.01, 0.97, 0.01, 0.01]])
    np.testing.assert_allclose(new.log_likelihood(codes), new.log_probs.T[codes])


def test_block_lays_utterances_end_to_end():
    block = Block.from_items([("a", np.ones((2, 3))), ("b", np.zeros((0, 3))), ("c", np.full((1, 3), 5))])
    assert block.utts == ("a", "b", "c") and list(block.offsets) == [0, 2, 2, 3]
    assert [(utt, len(x)) for utt, x in block.select([2, 0]).items()] == [("c", 1), ("a", 2)]
