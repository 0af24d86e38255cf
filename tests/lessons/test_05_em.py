import numpy as np
import pytest
from lesson import run
from scipy import stats
from sklearn.mixture import GaussianMixture


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    return run("05_em", tmp_path_factory.mktemp("lesson"))


def scikit(x, model, iterations, covariance):
    """scikit-learn's mixture after so many iterations from a model of the lesson; it has no floor to speak of."""
    emission = model.emission
    spread = emission.covariances[0] if covariance == "full" else emission.variances[0]
    own = GaussianMixture(
        len(emission.means[0]),
        covariance_type=covariance,
        reg_covar=0,
        tol=0,
        max_iter=iterations,
        weights_init=np.exp(emission.log_weights[0]),
        means_init=emission.means[0],
        precisions_init=np.linalg.inv(spread) if covariance == "full" else 1 / spread,
    )
    return own.fit(x)


def test_em_is_scikit_learns(lesson):
    """Its lower bound after n iterations is the log-likelihood of the model before the last of them."""
    x = lesson["heights"][:, None]
    for n in (1, 2, 10):
        with pytest.warns(match="did not converge"):
            theirs = scikit(x, lesson["first"], n, "diag")
        own = lesson["steps"][n].model.emission
        np.testing.assert_allclose(own.means[0], theirs.means_, rtol=1e-9)
        np.testing.assert_allclose(own.variances[0], theirs.covariances_, rtol=1e-7)
        np.testing.assert_allclose(np.exp(own.log_weights[0]), theirs.weights_, rtol=1e-9)
        assert abs(theirs.score(x) - lesson["steps"][n].per_frame) < 1e-9
    assert lesson["difference"] < 1e-9


def test_known_groups_are_the_closed_form(lesson):
    x, is_man = lesson["heights"], lesson["is_man"]
    joint = [
        share * stats.norm(*stats.norm.fit(own)).pdf(x)
        for share, own in ((0.6, x[~is_man]), (0.4, x[is_man]))
    ]
    from asrkit import study

    total = study.log_likelihood(lesson["known"], x)
    assert abs(total - np.log(sum(joint)).sum()) < 1e-9
    assert total < lesson["log_likelihoods"][-1]  # the surprise


def test_the_likelihood_rises_in_every_iteration(lesson):
    for own in (lesson["steps"], *lesson["held"].values(), lesson["collapsed"], *lesson["random_starts"]):
        objective = np.array([step.objective for step in own])
        assert (np.diff(objective) > -1e-6 * np.abs(objective[1:])).all()


def test_ln_p_is_nearly_still_long_before_the_model(lesson):
    early, last = lesson["steps"][20], lesson["steps"][-1]
    assert last.objective - early.objective < 1 < early.objective - lesson["steps"][1].objective
    assert np.abs(lesson["parameters"](last.model)[0] - lesson["parameters"](early.model)[0]).max() > 0.2


def test_held_weights_stay_and_right_ones_help(lesson):
    truth = np.array([own.mean() for own in lesson["groups"]])
    for name, weights in (("right", [0.6, 0.4]), ("wrong", [0.8, 0.2])):
        np.testing.assert_allclose(lesson["parameters"](lesson["held"][name][-1].model)[0], weights)
    far = [
        np.abs(lesson["parameters"](own[-1].model)[1] - truth).sum()
        for own in (lesson["held"]["right"], lesson["steps"], lesson["held"]["wrong"])
    ]
    assert far[0] < min(far[1:])


def test_what_collapses_is_likelier_and_a_floor_holds(lesson):
    x = lesson["heights"]
    weight, mean, variance = lesson["parameters"](lesson["collapsed"][-1].model)
    assert np.sum(x == 158.6) == 4 and abs(mean[0] - 158.6) < 1e-6 and abs(weight[0] - 4 / 300) < 1e-3
    assert lesson["collapsed"][-1].objective > lesson["steps"][-1].objective + 5
    assert variance[0] < 1e-5
    for step in lesson["floored"][1:]:
        assert lesson["parameters"](step.model)[2].min() > 0.01 * x.var() * (1 - 1e-9)


def test_vowels_are_scikit_learns(lesson):
    """One iteration from anywhere on the way."""
    for own in (lesson["best"], lesson["kmeans_start"]):
        for n in (2, 6):
            with pytest.warns(match="did not converge"):
                theirs = scikit(lesson["formants"], own[n].model, 1, "full")
            np.testing.assert_allclose(own[n + 1].model.emission.means[0], theirs.means_, rtol=1e-5)
    assert lesson["final"].max() > lesson["kmeans_start"][-1].objective > lesson["final"].min()
    assert lesson["figures"] == 7
