import numpy as np
import pytest
from lesson import run
from scipy import stats


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    return run("04_mixtures", tmp_path_factory.mktemp("lesson"))


def test_marginal_and_posterior_are_sum_and_share(lesson):
    normal = stats.norm(lesson["means"], np.sqrt(lesson["variances"]))
    joint = lesson["weights"] * normal.pdf(lesson["x"][:, None])
    np.testing.assert_allclose(lesson["joint"], joint, rtol=1e-9)
    np.testing.assert_allclose(lesson["marginal"], joint.sum(axis=1), rtol=1e-9)
    np.testing.assert_allclose(
        lesson["gamma"], joint / joint.sum(axis=1, keepdims=True), rtol=1e-7, atol=1e-12
    )
    assert lesson["far"][0].argmax() == 0 and lesson["far"][1].argmax() == 2  # the widest wins far away


def test_posteriors_of_the_plane_are_bayes_and_honest(lesson):
    each = np.stack(
        [
            w * stats.multivariate_normal(m, c).pdf(lesson["points"])
            for w, m, c in zip(lesson["plane_weights"], lesson["plane_means"], lesson["plane_covariances"])
        ],
        axis=1,
    )
    np.testing.assert_allclose(
        lesson["plane_gamma"], each / each.sum(axis=1, keepdims=True), rtol=1e-7, atol=1e-12
    )
    for said, true, count in lesson["honest"]:
        assert abs(said - true) < 4 * np.sqrt(0.25 / count)


def test_tops_are_counted_as_theory_says(lesson):
    assert lesson["num_tops"] == {1.0: 1, 2.0: 1, 2.2: 2, 3.0: 2}
    assert len(lesson["crossed_tops"]) == 3


def test_variance_is_inside_and_between(lesson):
    np.testing.assert_allclose(lesson["by_integral"][0], lesson["mean"], atol=2e-3)
    np.testing.assert_allclose(lesson["by_integral"][1], lesson["inside"] + lesson["between"], atol=2e-2)


def test_speech_has_several_hills(lesson):
    column = lesson["column"]
    one = lesson["one_dim"][1].emission
    assert abs(one.means.item() - column.mean()) < 1e-9 * column.std()
    trained, held = np.array([lesson["fit"][k] for k in lesson["sizes"]]).T
    expected = stats.norm(lesson["train_frames"].mean(axis=0), lesson["train_frames"].std(axis=0))
    assert abs(trained[0] - expected.logpdf(lesson["train_frames"]).sum(axis=1).mean()) < 1e-6
    assert abs(held[0] - expected.logpdf(lesson["held_frames"]).sum(axis=1).mean()) < 1e-6
    assert (np.diff(trained) > 0).all() and trained[-1] - held[-1] > trained[0] - held[0] + 0.5
    assert lesson["figures"] == 5
