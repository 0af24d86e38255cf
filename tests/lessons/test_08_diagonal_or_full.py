import numpy as np
from lesson import check
from scipy import stats


def test_lesson(tmp_path):
    check("08_diagonal_or_full", tmp_path, globals())


def check_what_a_diagonal_loses_is_the_correlations_determinant(lesson):
    x = lesson["frames"]["cepstra (DCT)"]
    expected = -0.5 * np.linalg.slogdet(np.corrcoef(x.T))[1]
    assert abs(lesson["loss"]["cepstra (DCT)"] / expected - 1) < 1e-6
    assert lesson["loss"]["filterbank"] > 2 * expected
    assert abs(lesson["loss"]["PCA"]) < 1e-4 < lesson["by_word"]["PCA"]
    full, _ = lesson["fit"](x)
    normal = stats.multivariate_normal(x.mean(axis=0), np.cov(x.T, bias=True))
    assert abs(normal.logpdf(x).mean() - full) < 1e-5


def check_a_rotation_is_nothing_to_full_covariances(lesson):
    one, other = (lesson["in_space"][name]["full"] for name in ("filterbank", "cepstra (DCT)"))
    assert one["errors"] == other["errors"]
    assert abs(one["test"] - other["test"]) < 1e-3 and abs(one["train"] - other["train"]) < 1e-3
    diagonal = [lesson["in_space"][name]["diag"]["train"] for name in ("filterbank", "cepstra (DCT)")]
    assert diagonal[1] - diagonal[0] > 10  # nats a frame


def check_parameters_and_criteria_are_counted(lesson):
    """Of each Gaussian a mean, a covariance and a weight, and weights sum to one."""
    dim, words = 23, 11
    for (form, k), row in lesson["grid"].items():
        covariance = dim if form == "diag" else dim * (dim + 1) / 2
        assert row["parameters"] == words * (k * (1 + dim + covariance) - 1)
        log_p = row["train"] * sum(map(len, lesson["spaces"]["filterbank"][0]))
        count = len(lesson["frames"]["filterbank"])
        assert abs(row["aic"] - 2 * (row["parameters"] - log_p)) < 1e-3
        assert abs(row["bic"] - row["parameters"] * np.log(count) + 2 * log_p) < 1e-3


def check_more_parameters_fit_the_training_better(lesson):
    for form, sizes in (("diag", (1, 2, 4, 8, 16)), ("full", (1, 2, 4))):
        fits = [lesson["grid"][form, k]["train"] for k in sizes]
        assert (np.diff(fits) > 0).all()
    assert lesson["best"]["test"] != ("diag", 16) and lesson["best"]["test"] != ("full", 4)
    assert lesson["figures"] == 4
