"""Viterbi and forward-backward against the enumeration of all paths, and against hmmlearn."""

import numpy as np
import pytest
from oracle import all_paths, expectations, random_arcs

from asrkit.kernels import forward_backward, viterbi

CASES = [(topology, states, frames) for topology in ("ergodic", "left-right") for states in (1, 2, 3) for frames in (1, 3, 5)]


def random_problem(seed, topology, num_states, lengths):
    rng = np.random.default_rng(seed)
    arcs = random_arcs(rng, num_states, topology)
    log_obs = rng.normal(scale=3, size=(sum(lengths), num_states))
    return log_obs, np.concatenate([[0], np.cumsum(lengths)]), *arcs


@pytest.mark.parametrize("topology, states, frames", CASES)
def test_viterbi_equals_best_of_all_paths(topology, states, frames):
    log_obs, offsets, *arcs = random_problem(0, topology, states, [frames, frames + 1])
    scores, path = viterbi(log_obs, offsets, *arcs)
    for u in range(2):
        rows = slice(offsets[u], offsets[u + 1])
        every = all_paths(log_obs[rows], *arcs)
        best = max(every, key=every.get)
        assert scores[u] == pytest.approx(every[best], rel=1e-12)
        if every[best] > -np.inf:
            assert tuple(path[rows]) == best
        else:
            assert (path[rows] == -1).all()


@pytest.mark.parametrize("topology, states, frames", CASES)
def test_forward_backward_equals_sum_over_all_paths(topology, states, frames):
    log_obs, offsets, *arcs = random_problem(1, topology, states, [frames, frames + 1])
    log_like, gamma, xi = forward_backward(log_obs, offsets, *arcs)
    sum_xi = np.zeros_like(xi)
    for u in range(2):
        rows = slice(offsets[u], offsets[u + 1])
        if frames + u < states and topology == "left-right":
            assert log_like[u] == -np.inf and not gamma[rows].any()
            continue
        total, expected_gamma, expected_xi = expectations(log_obs[rows], *arcs)
        assert log_like[u] == pytest.approx(total, rel=1e-10)
        np.testing.assert_allclose(gamma[rows], expected_gamma, rtol=0, atol=1e-10)
        sum_xi += expected_xi
    np.testing.assert_allclose(xi, sum_xi, rtol=0, atol=1e-10)


def test_entry_term_counts():
    """D(1, j) = p(1, j) + B(O(1), j): the start probability decides between two equal states."""
    log_obs = np.zeros((1, 2))
    log_start, log_trans, log_exit = np.log([0.2, 0.8]), np.log(np.full((2, 2), 0.25)), np.log([0.5, 0.5])
    scores, path = viterbi(log_obs, np.array([0, 1]), log_start, log_trans, log_exit)
    assert path[0] == 1 and scores[0] == pytest.approx(np.log(0.8 * 0.5))


def test_empty_utterance_has_no_path():
    log_obs, offsets, *arcs = random_problem(2, "ergodic", 2, [3])
    offsets = np.array([0, 0, 3])
    scores, _ = viterbi(log_obs, offsets, *arcs)
    log_like, _, _ = forward_backward(log_obs, offsets, *arcs)
    assert scores[0] == log_like[0] == -np.inf and np.isfinite(scores[1]) and np.isfinite(log_like[1])


def test_impossible_frame_gives_minus_infinity_and_no_nan():
    log_obs, offsets, *arcs = random_problem(3, "left-right", 3, [5, 5])
    log_obs[2] = -np.inf
    scores, path = viterbi(log_obs, offsets, *arcs)
    log_like, gamma, xi = forward_backward(log_obs, offsets, *arcs)
    assert scores[0] == log_like[0] == -np.inf and (path[:5] == -1).all()
    assert not np.isnan(gamma).any() and not np.isnan(xi).any() and xi.sum() == pytest.approx(4)


def test_sums_survive_a_thousand_frames():
    log_obs, offsets, *arcs = random_problem(4, "left-right", 4, [1000])
    log_like, gamma, xi = forward_backward(log_obs - 500, offsets, *arcs)
    np.testing.assert_allclose(gamma.sum(axis=1), 1, rtol=1e-7)
    assert xi.sum() == pytest.approx(999, rel=1e-7)
    assert viterbi(log_obs - 500, offsets, *arcs)[0][0] < log_like[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_equal_to_hmmlearn():
    """hmmlearn has no exit probabilities: with none in the model, both must say the same."""
    hmmlearn = pytest.importorskip("hmmlearn.hmm")
    log_obs, offsets, log_start, log_trans, _ = random_problem(5, "ergodic", 4, [30])
    trans = np.exp(log_trans)
    trans /= trans.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(6)
    model = hmmlearn.GaussianHMM(4, covariance_type="diag", init_params="")
    model.startprob_, model.transmat_ = np.exp(log_start), trans
    model.means_, model.covars_ = rng.normal(size=(4, 3)), rng.uniform(0.5, 2, size=(4, 3))
    x = rng.normal(size=(30, 3))
    from asrkit.models.mixture import DiagMixture

    emission = DiagMixture(np.zeros((4, 1)), model.means_[:, None], np.zeros(3), np.array(model._covars_)[:, None])
    arcs = emission.log_likelihood(x), offsets, log_start, np.log(trans), np.zeros(4)
    log_like, gamma, _ = forward_backward(*arcs)
    assert log_like[0] == pytest.approx(model.score(x), rel=1e-10)
    np.testing.assert_allclose(gamma, model.predict_proba(x), atol=1e-9)
    score, path = viterbi(*arcs)
    their_score, their_path = model.decode(x)
    assert score[0] == pytest.approx(their_score, rel=1e-10) and (path == their_path).all()
