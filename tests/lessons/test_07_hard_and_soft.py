import itertools

import numpy as np
import pytest
from lesson import run
from scipy.special import expit, logsumexp


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    return run("07_hard_and_soft", tmp_path_factory.mktemp("lesson"))


def test_posteriors_are_sigmoids(lesson):
    for eps, values in lesson["sigmoids"].items():
        np.testing.assert_allclose(values, expit(2 * lesson["x"] / eps), rtol=1e-6, atol=1e-12)


def test_em_turns_into_k_means(lesson):
    gap = lesson["gap"]
    assert gap[10.0] > 1 and gap[0.01] < 1e-3
    gamma = lesson["gamma_of"](lesson["X"], lesson["warm"][0.01], 0.01)
    np.testing.assert_array_equal(gamma.argmax(axis=1), lesson["hard"].labels)
    np.testing.assert_allclose(lesson["warm"][10.0], np.tile(lesson["X"].mean(axis=0), (4, 1)), atol=1e-6)


def test_the_free_energy_is_between_its_bounds(lesson):
    distance = ((lesson["X"][:, None] - lesson["hard"].means) ** 2).sum(axis=2)
    expected = [-2 * eps * logsumexp(-distance / (2 * eps), axis=1).sum() for eps in lesson["scale"]]
    np.testing.assert_allclose(lesson["F"], expected, rtol=1e-8, atol=1e-8)
    J = lesson["J"]
    assert (lesson["F"] <= J * (1 + 1e-12)).all() and (lesson["F"] >= lesson["floor"] - 1e-9 * J).all()
    assert abs(lesson["F"][0] / J - 1) < 0.02


def test_the_first_split_is_at_the_largest_eigenvalue(lesson):
    critical = np.linalg.norm(np.cov(lesson["X"].T, bias=True), 2)
    assert abs(lesson["critical"] - critical) < 1e-12
    for factor, value in lesson["growth"].items():
        assert abs(value * factor - 1) < 1e-3
    hot, cold = lesson["cooling"] > 1.1 * critical, lesson["cooling"] < 0.85 * critical
    assert lesson["apart"][hot].max() < 0.02 and lesson["apart"][cold].min() > 0.1
    assert lesson["cooled_J"] <= lesson["random_J"].min() * 1.01


def test_the_knob_turns_gamma_into_viterbis_path(lesson):
    row = lesson["row"]
    for eps, (gamma, path) in lesson["chain"].items():
        assert path[0] == 0 and path[-1] == 2 and (np.isin(np.diff(path), (0, 1))).all()
        scores = {}
        for borders in itertools.combinations(range(1, len(row)), 2):  # all 276 paths
            own = np.searchsorted(borders, np.arange(len(row)), side="right")
            scores[borders] = -((row - own) ** 2).sum() / (2 * eps)  # transitions are the same for all
        keys, values = list(scores), np.array(list(scores.values()))
        assert np.flatnonzero(np.diff(path)).tolist() == [b - 1 for b in keys[values.argmax()]]
        chance = np.exp(values - logsumexp(values))
        first = sum(c for c, b in zip(chance, keys) if b[0] > 8)  # still in the first state
        np.testing.assert_allclose(gamma[8, 0], first, rtol=1e-7, atol=1e-12)
    gamma, path = lesson["chain"][0.01]
    assert (gamma[np.arange(len(row)), path] > 0.95).all()


def test_each_training_wins_its_own_game(lesson):
    games = lesson["games"]
    for dim in (1, 3, 13):
        viterbi, soft = games[dim, "viterbi"], games[dim, "baum-welch"]
        assert viterbi[0] > soft[0] - 1e-9 and soft[1] > viterbi[1] - 1e-9
        assert viterbi[0] <= viterbi[1] and soft[0] <= soft[1]
    assert lesson["sure"][1] < lesson["sure"][3] < lesson["sure"][13]
    assert lesson["figures"] == 7
