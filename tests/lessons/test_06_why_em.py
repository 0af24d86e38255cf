import itertools

import numpy as np
import pytest
from lesson import run
from scipy import optimize, stats


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    return run("06_why_em", tmp_path_factory.mktemp("lesson"))


def log_joint(x, theta):
    """ln p(x, z | theta) of the lesson's model: (N, 2)."""
    return np.stack([np.log(w) + stats.norm(m, 1).logpdf(x) for w, m in ((0.6, 0), (0.4, theta))], axis=1)


def test_bound_and_gap_are_the_likelihood(lesson):
    """To a part of 1e-10, and each of the three by its own formula."""
    assert len(lesson["rows"]) > 8 and len(lesson["free_rows"]) == 6
    assert max(lesson["error"], lesson["free_error"], lesson["hmm_error"]) < 1e-10
    theta, old = lesson["thetas"][70], lesson["way"][1]
    new, before = log_joint(lesson["X"], theta), log_joint(lesson["X"], old)
    q = np.exp(before - np.logaddexp(*before.T)[:, None])
    np.testing.assert_allclose(lesson["bounds"][1][70], (q * (new - np.log(q))).sum(), rtol=1e-10)
    np.testing.assert_allclose(lesson["log_likelihood"][70], np.logaddexp(*new.T).sum(), rtol=1e-10)
    q0 = log_joint(lesson["X"], lesson["way"][0])
    q0 = np.exp(q0 - np.logaddexp(*q0.T)[:, None])
    np.testing.assert_allclose(lesson["q_curve"][70], (q0 * new).sum(), rtol=1e-10)


def test_bars_stand_as_they_should(lesson):
    """After an E step nothing is between the bound and the likelihood; the M step raises both."""
    rows = lesson["rows"]
    for before, after in zip(rows, rows[1:]):
        if after[0][0] == "E":
            assert after[2] < 1e-9 and abs(after[3] - before[3]) < 1e-9
        else:
            assert after[1] > before[1] and after[3] - before[3] >= after[1] - before[1] and after[2] >= 0


def test_the_bound_is_below_and_touches(lesson):
    for i, bound in lesson["bounds"].items():
        assert (bound <= lesson["log_likelihood"] + 1e-9).all()
        top = optimize.minimize_scalar(
            lambda t, i=i: -np.interp(t, lesson["thetas"], lesson["bounds"][i]),
            bounds=(-4, 6),
            method="bounded",
        )
        assert abs(top.x - lesson["way"][i + 1]) < 0.1  # of the grid
    np.testing.assert_allclose(lesson["slope"], lesson["slope_of_bound"], rtol=1e-5, atol=1e-5)
    assert abs(lesson["bound_one"].max() - lesson["evidence_one"]) < 1e-4
    assert abs(lesson["q"][lesson["bound_one"].argmax()] - lesson["gamma_one"]) < 3e-3


def test_the_rate_is_foretold(lesson):
    for predicted, seen in lesson["rates"].values():
        assert abs(predicted - seen) < 2e-3
    assert lesson["rates"][1.0][0] > lesson["rates"][2.0][0] > lesson["rates"][4.0][0]


def test_the_saddle_is_the_mean(lesson):
    np.testing.assert_allclose(lesson["saddle"], lesson["X"].mean())
    tops = [own[-1] for own in lesson["ways"].values()]
    np.testing.assert_allclose(lesson["surface"](*tops[0]), lesson["surface"](*tops[0][::-1]))
    assert lesson["surface"](*lesson["saddle"]) < lesson["surface"](*tops[0]) - 1


def test_hmms_are_summed_over_all_paths(lesson):
    old, new = lesson["hmm_steps"][0].model, lesson["hmm_steps"][1].model

    def joint(model, row):
        """ln p(x, path) of every path."""
        found = []
        for path in itertools.product(range(2), repeat=len(row)):
            steps = model.log_trans[path[:-1], path[1:]].sum() + model.emission.log_probs[path, row].sum()
            found.append(model.log_start[path[0]] + steps + model.log_exit[path[-1]])
        return np.array(found)

    bound = gap = 0.0
    for row in lesson["sequences"]:
        before, after = joint(old, row), joint(new, row)
        q = np.exp(before - np.logaddexp.reduce(before))
        bound += (q * (after - np.log(q))).sum()
        gap += (q * (np.log(q) - after + np.logaddexp.reduce(after))).sum()
    np.testing.assert_allclose(lesson["hmm_rows"][0][:2], (bound, gap), rtol=1e-9)
    assert lesson["figures"] == 5
