"""Viterbi and forward-backward against the enumeration of all paths, against textbook recursions and
hmmlearn.
"""

import numpy as np
import pytest
from oracle import TOPOLOGIES, all_paths, expectations, log_expectations, random_arcs

from asrkit.models import kernels
from asrkit.models.kernels import Arcs, Schedule, best_scores, forward, forward_backward, viterbi

LENGTHS = [2, 0, 5, 1, 3, 5, 4]
CASES = [(topology, num_states) for topology in TOPOLOGIES for num_states in (1, 2, 4)]


def random_problem(seed, topology, num_states, lengths, num_words=3, scale=3.0):
    """Utterances (T, S), words (start, trans, exit), and which word each utterance is of."""
    rng = np.random.default_rng(seed)
    words = [random_arcs(rng, num_states, topology) for _ in range(num_words)]
    obs = [rng.normal(scale=scale, size=(length, num_states)) for length in lengths]
    return obs, words, rng.integers(num_words, size=len(lengths))


def laid(obs, words, owner):
    """What the kernels take for a training: each utterance has the arcs of its word."""
    schedule = Schedule([len(x) for x in obs])
    arcs = Arcs.of(*map(np.stack, zip(*words))).each(
        lambda array: array[:, np.asarray(owner)[schedule.order]]
    )
    return np.concatenate(obs).T[:, schedule.frames], schedule, arcs


def utterances(obs, rows):
    return np.split(rows, np.cumsum([len(x) for x in obs])[:-1])


def sums(obs, words, owner):
    """`forward_backward` as lists of log P(x), gamma (T, S) and xi (S, S), one an utterance."""
    log_obs, schedule, arcs = laid(obs, words, owner)
    log_like, gamma, xi = forward_backward(log_obs, schedule, arcs)
    steps = np.zeros((len(obs), len(log_obs), len(log_obs)))
    for k, shift in enumerate(arcs.shifts):
        for j in range(len(log_obs)):
            if 0 <= j - shift < len(log_obs):
                steps[:, j - shift, j] = xi[k, j]
            else:
                assert not xi[k, j].any()
    return zip(log_like, utterances(obs, gamma[:, schedule.columns].T), steps, strict=True)


def check_paths(obs, words, owner):
    log_obs, schedule, arcs = laid(obs, words, owner)
    scores, path = viterbi(log_obs, schedule, arcs)
    assert path.dtype == np.int32
    for x, word, score, own in zip(obs, owner, scores, utterances(obs, path), strict=True):
        every = all_paths(x, *words[word]) if len(x) else {(): -np.inf}
        best = max(every, key=every.get)
        assert score == pytest.approx(every[best], rel=1e-10)
        assert tuple(own) == (best if score > -np.inf else (-1,) * len(x))


def check_sums(obs, words, owner, expected=expectations, atol=1e-10):
    log_likes = forward(*laid(obs, words, owner))
    for x, word, log_like, (again, gamma, xi) in zip(
        obs, owner, log_likes, sums(obs, words, owner), strict=True
    ):
        assert log_like == pytest.approx(again, rel=1e-12)
        if not len(x):
            assert log_like == -np.inf
            continue
        total, expected_gamma, expected_xi = expected(x, *words[word])
        assert log_like == pytest.approx(total, rel=1e-10)
        np.testing.assert_allclose(gamma, expected_gamma, rtol=0, atol=atol)
        np.testing.assert_allclose(xi, expected_xi, rtol=0, atol=atol * len(x))


@pytest.mark.parametrize("lengths", [LENGTHS, [3], [0], [1, 1, 0], []], ids=str)
def test_schedule_takes_the_longest_utterance_first_and_frames_in_turn(lengths):
    schedule = Schedule(np.array(lengths, dtype=np.int64))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(int)
    order = [u for u in sorted(range(len(lengths)), key=lambda u: -lengths[u]) if lengths[u]]
    steps = [[offsets[u] + t for u in order if t < lengths[u]] for t in range(max(lengths, default=0))]
    assert schedule.order.tolist() == order and schedule.frames.tolist() == sum(steps, [])
    assert [list(schedule.frames[a:b]) for a, b in zip(schedule.begin, schedule.begin[1:])] == steps
    np.testing.assert_array_equal(schedule.frames[schedule.columns], np.arange(sum(lengths)))
    np.testing.assert_array_equal(schedule.frames[schedule.last], offsets[1:][order] - 1)


def test_arcs_have_the_diagonals_that_are_allowed_and_no_others():
    for topology, shifts in {
        "left-right": {0, 1},
        "skip": {0, 1, 2},
        "ergodic": {0, 1, -1, 2, -2, 3, -3},
    }.items():
        word = random_arcs(np.random.default_rng(0), 4, topology)
        arcs = Arcs.of(*(array[None] for array in word))
        assert arcs.shifts[0] == 0 and set(arcs.shifts) == shifts and len(arcs.log_arcs) == len(shifts)
        for shift, diagonal in zip(arcs.shifts, arcs.log_arcs, strict=True):
            for j in range(4):
                assert diagonal[j, 0] == (word[1][j - shift, j] if 0 <= j - shift < 4 else -np.inf)


@pytest.mark.parametrize("topology, num_states", CASES)
@pytest.mark.parametrize("seed", range(2))
def test_viterbi_equals_best_of_all_paths(seed, topology, num_states):
    check_paths(*random_problem(seed, topology, num_states, LENGTHS))


@pytest.mark.parametrize("topology, num_states", CASES)
@pytest.mark.parametrize("seed", range(2))
def test_forward_backward_equals_sum_over_all_paths(seed, topology, num_states):
    check_sums(*random_problem(seed, topology, num_states, LENGTHS))


def test_a_model_may_have_no_loops():
    never = -np.inf
    half = np.log(0.5)
    steps = np.array([[never, 0, never], [never, never, half], [never, never, never]])
    forth = np.array([0, never, never]), steps, np.array([never, half, 0])
    obs = random_problem(13, "random", 3, [1, 2, 3, 4])[0]
    check_paths(obs, [forth], [0] * 4)
    check_sums(obs, [forth], [0] * 4)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_what_cannot_be_stays_impossible(topology):
    """Frames that some states, or all, cannot have made."""
    obs, words, owner = random_problem(2, topology, 3, 3 * LENGTHS)
    rng = np.random.default_rng(3)
    for x in obs:
        x[rng.random(x.shape) < 0.25] = -np.inf
    obs[2][3] = -np.inf
    check_paths(obs, words, owner)
    check_sums(obs, words, owner)


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("num_states", [2, 5])
def test_differences_beyond_what_an_exponential_holds(topology, num_states):
    """Where scaled arithmetic underflows: a state may be exp(-10000) times as likely now and the only one
    left later.
    """
    lengths = [1, 2, 7, 40, 150, 150, 300]
    obs, words, owner = random_problem(4, topology, num_states, lengths)
    rng = np.random.default_rng(5)
    obs = [x + rng.choice([-1e4, 0.0, 0.0, 1e4], size=x.shape) for x in obs]
    check_sums(obs, words, owner, log_expectations, atol=1e-7)


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("scale", [1.0, 20.0, 400.0])
def test_plain_probabilities_say_what_logarithms_say_wherever_they_are_not_lost(topology, scale, monkeypatch):
    """Utterances whose states differ by as much as it takes until probabilities no longer hold them."""
    lengths = [3, 20, 40, 66, 90, 200]
    obs, words, owner = random_problem(14, topology, 5, lengths, scale=scale)
    obs[2][:, 2:] = -np.inf  # no path, in some topologies
    check_sums(obs, words, owner, log_expectations, atol=1e-8)
    args = laid(obs, words, owner)
    together = forward_backward(*args)
    lost = kernels._by_probabilities(*args)[-1]
    assert scale > 1.0 or not lost.all()
    assert scale < 400.0 or topology == "ergodic" or lost.any()
    monkeypatch.setattr(kernels, "LEAST", np.inf)  # all the logarithmic way
    for ours, theirs, atol in zip(together, forward_backward(*args), (0, 1e-9, 1e-7), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=atol)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_long_utterances_equal_the_textbook(topology):
    lengths = [700, 64, 65, 129]
    obs, words, owner = random_problem(6, topology, 6, lengths)
    check_sums([x - 500 for x in obs], words, owner, log_expectations, atol=1e-8)


@pytest.mark.parametrize("num_states", [2, 6])
def test_numbers_of_paths_beyond_floating_point(num_states):
    """All states alike, 2000 frames: S^2000 paths, all equally likely."""
    stay, frames = 0.99, 2000
    alike = np.ones(num_states)
    word = (
        np.log(alike / num_states),
        np.log(np.outer(alike, alike) * stay / num_states),
        np.log(alike * (1 - stay)),
    )
    x = np.random.default_rng(7).normal(scale=50, size=frames)
    obs = [np.tile(x[:, None], num_states)]
    expected = x.sum() + (frames - 1) * np.log(stay) + np.log1p(-stay)
    ((log_like, gamma, xi),) = sums(obs, [word], [0])
    assert log_like == pytest.approx(expected, rel=1e-10)
    assert viterbi(*laid(obs, [word], [0]))[0][0] == pytest.approx(
        expected - frames * np.log(num_states), rel=1e-10
    )
    np.testing.assert_allclose(gamma, 1 / num_states, rtol=1e-8)
    np.testing.assert_allclose(xi, (frames - 1) / num_states**2, rtol=1e-8)


def test_a_state_with_one_path_beside_states_with_countless():
    """An optional silence before an ergodic word: noise, then a frame that only silence can have made, then
    the word.
    """
    num_states, frames = 9, 600
    inside = np.pad(np.ones((num_states - 1, num_states - 1)), ((1, 0), (1, 0)))
    inside[0] = 1
    rows = np.column_stack([inside, np.ones(num_states)])
    rows /= rows.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        word = np.full(num_states, -np.log(num_states)), np.log(rows[:, :-1]), np.log(rows[:, -1])
    x = np.zeros((frames, num_states))
    x[450, 1:] = -1e4
    check_sums([x], [word], [0], log_expectations, atol=1e-8)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_words_side_by_side_equal_one_by_one(topology):
    """Decoding: every word hears every utterance."""
    obs, words, _ = random_problem(8, topology, 4, LENGTHS)
    rng = np.random.default_rng(9)
    heard = [[x + rng.normal(size=x.shape) for x in obs] for _ in words]  # each word hears it in its own way
    schedule = Schedule(LENGTHS)
    log_obs = np.stack([np.concatenate(own).T[:, schedule.frames] for own in heard], axis=1)
    arcs = Arcs.of(*map(np.stack, zip(*words)))
    best = best_scores(np.ascontiguousarray(log_obs.transpose(2, 0, 1)), schedule, arcs)
    arcs = arcs.each(lambda array: array[..., None])
    for w, own in enumerate(heard):
        alone = laid(own, words, [w] * len(obs))
        np.testing.assert_allclose(best[:, w], viterbi(*alone)[0], rtol=1e-12)
        np.testing.assert_allclose(forward(log_obs, schedule, arcs)[w], forward(*alone), rtol=1e-12)


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("small, large", [(7, 9), (9, 17)])
def test_an_utterance_does_not_notice_its_company(topology, small, large):
    """Byte for byte: training must not depend on which words advance together, be they larger or smaller."""
    lengths = [2] * 10 + [70, 3, 130, 66, 40, 13]
    obs, words, owner = random_problem(11, topology, small, lengths, num_words=8)
    obs[10] = obs[10] * 50  # whose probabilities fall too low
    others, other_words, other_owner = random_problem(12, topology, large, lengths)
    missing = [(0, large - small)]
    padded = [np.pad(x, [(0, 0), *missing], constant_values=-np.inf) for x in obs]
    padded_words = [
        tuple(np.pad(array, missing * array.ndim, constant_values=-np.inf) for array in word)
        for word in words
    ]
    together = sums(padded + others, padded_words + other_words, [*owner, *other_owner + len(words)])
    for (log_like, gamma, xi), x, word in zip(together, obs, owner):
        ((own_log_like, own_gamma, own_xi),) = sums([x], [words[word]], [0])
        assert log_like == own_log_like
        np.testing.assert_array_equal(gamma[:, :small], own_gamma)
        np.testing.assert_array_equal(xi[:small, :small], own_xi)


def test_arguments_are_left_as_they_were():
    args = laid(*random_problem(10, "ergodic", 3, LENGTHS))
    before = [
        args[0].copy(),
        args[2].log_start.copy(),
        args[2].log_exit.copy(),
        *(arc.copy() for arc in args[2].log_arcs),
    ]
    for kernel in (viterbi, forward, forward_backward):
        kernel(*args)
        for old, new in zip(
            before, [args[0], args[2].log_start, args[2].log_exit, *args[2].log_arcs], strict=True
        ):
            np.testing.assert_array_equal(new, old)


def test_entry_term_counts():
    """D(1, j) = p(1, j) + B(O(1), j): the start probability decides between two equal states."""
    word = np.log([0.2, 0.8]), np.log(np.full((2, 2), 0.25)), np.log([0.5, 0.5])
    scores, path = viterbi(*laid([np.zeros((1, 2))], [word], [0]))
    assert path[0] == 1 and scores[0] == pytest.approx(np.log(0.8 * 0.5))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_equal_to_hmmlearn():
    """hmmlearn has no exit probabilities: with none in the model, both must say the same."""
    hmmlearn = pytest.importorskip("hmmlearn.hmm")
    from asrkit.models.mixture import DiagMixture

    rng = np.random.default_rng(6)
    log_start, log_trans, _ = random_arcs(rng, 4, "ergodic")
    trans = np.exp(log_trans)
    trans /= trans.sum(axis=1, keepdims=True)
    model = hmmlearn.GaussianHMM(4, covariance_type="diag", init_params="")
    model.startprob_, model.transmat_ = np.exp(log_start), trans
    model.means_, model.covars_ = rng.normal(size=(4, 3)), rng.uniform(0.5, 2, size=(4, 3))
    x = rng.normal(size=(30, 3))
    emission = DiagMixture(
        np.zeros((4, 1)), model.means_[:, None], np.zeros(3), np.array(model._covars_)[:, None]
    )
    problem = [emission.log_likelihood(x)], [(log_start, np.log(trans), np.zeros(4))], [0]
    ((log_like, gamma, _),) = sums(*problem)
    assert log_like == pytest.approx(model.score(x), rel=1e-10)
    np.testing.assert_allclose(gamma, model.predict_proba(x), atol=1e-9)
    score, path = viterbi(*laid(*problem))
    their_score, their_path = model.decode(x)
    assert score[0] == pytest.approx(their_score, rel=1e-10) and (path == their_path).all()
