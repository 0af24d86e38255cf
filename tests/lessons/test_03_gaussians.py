import numpy as np
from lesson import check
from scipy import stats


def test_lesson(tmp_path):
    check("03_gaussians", tmp_path, globals())


def check_densities_are_the_formulas(lesson):
    for (mu, sigma), peak in lesson["peak"].items():
        assert abs(peak - stats.norm(mu, sigma).pdf(mu)) < 1e-9
        assert abs(lesson["area"][mu, sigma] - np.diff(stats.norm(mu, sigma).cdf([-5, 5]))[0]) < 1e-4
    for mu, expected in ((-1, 0.054), (0, 0.242), (1, 0.399)):
        assert round(lesson["likelihood"][mu], 3) == expected
    model = lesson["gaussian"]([1, 2], [[1, 0.8], [0.8, 1]])
    theirs = stats.multivariate_normal([1, 2], [[1, 0.8], [0.8, 1]]).pdf([0.3, 1.1])
    assert abs(lesson["density"](model, [[0.3, 1.1]])[0] - theirs) < 1e-12


def check_the_hill_has_its_top_at_mean_and_deviation(lesson):
    mu, sigma = stats.norm.fit(lesson["sample"])
    assert abs(lesson["best_mu"] - mu) < 1e-12 and abs(lesson["best_sigma"] - sigma) < 1e-12
    assert abs(lesson["at_top"] - stats.norm(mu, sigma).logpdf(lesson["sample"]).sum()) < 1e-9
    assert lesson["surface"].max() <= lesson["at_top"]


def check_variances_are_biased_as_they_should(lesson):
    for n, own in lesson["estimated"].items():
        expected, deviation = (n - 1) / n, np.sqrt(2 * (n - 1)) / n  # of one estimate: a chi-square's over n
        assert abs(own.mean() - expected) < 4 * deviation / np.sqrt(len(own))


def check_what_lies_inside_the_ellipses(lesson):
    for shares in lesson["inside"].values():
        np.testing.assert_allclose(shares, 1 - np.exp([-0.5, -2]), atol=0.06)  # of 300 points
    for volume in lesson["volume"].values():
        assert abs(volume - 1) < 0.02
    assert abs(lesson["typical"].mean() - stats.chi(39).mean()) < 0.1


def check_frames_of_words_are_told_apart_as_scipy_does(lesson):
    one, other = (lesson["frames"][word] for word in lesson["pair"])
    theirs = [
        stats.multivariate_normal(own.mean(axis=0), np.cov(own.T, bias=True)).logpdf(one)
        for own in (one, other)
    ]
    assert abs(lesson["right"][lesson["pair"][0]] - (theirs[0] > theirs[1]).mean()) < 1e-9
    assert lesson["figures"] == 7
