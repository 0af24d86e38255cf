import numpy as np
from lesson import check


def test_lesson(tmp_path):
    check("10_vector_quantization", tmp_path, globals())


def check_the_normal_distribution_is_quantised_as_max_did(lesson):
    """Max (1960), Quantizing for minimum distortion, table I; of two values sqrt(2 / pi) and 1 - 2 / pi."""
    for size, expected in ((1, 1.0), (2, 1 - 2 / np.pi), (4, 0.1175), (8, 0.03454)):
        assert abs(lesson["scalar_distortion"][size] / expected - 1) < 2e-3, size
    two = np.sort(lesson["last"][2].vectors.ravel())
    np.testing.assert_allclose(two, [-np.sqrt(2 / np.pi), np.sqrt(2 / np.pi)], atol=1e-3)
    four = np.sort(lesson["last"][4].vectors.ravel())
    np.testing.assert_allclose(four, [-1.510, -0.4528, 0.4528, 1.510], atol=3e-3)


def check_cells_in_the_plane_are_lloyds(lesson):
    """The distortion never rises within a size, and scikit-learn's k-means stays where LBG has come to."""
    from sklearn.cluster import KMeans

    steps, x = lesson["plane_steps"], lesson["plane"]
    assert abs(steps[0].distortion - x.var(axis=0).sum()) < 1e-9 * steps[0].distortion
    for before, after in zip(steps, steps[1:]):
        assert after.distortion <= before.distortion * (1 + 1e-12) or after.size > before.size
    end = lesson["plane_last"][16]
    sklearn = KMeans(16, init=end.vectors, n_init=1, max_iter=1).fit(x)
    assert sklearn.inertia_ / len(x) <= end.distortion
    assert abs(sklearn.inertia_ / len(x) / end.distortion - 1) < 5e-3


def check_a_large_codebook_knows_its_training_best(lesson):
    rate = lesson["rate"]
    assert abs(rate[1][0] - 13) < 1e-6
    trained, other = np.array([rate[size] for size in sorted(rate)]).T
    assert (np.diff(trained) < 0).all() and (other > trained).all()
    assert other[-1] / trained[-1] > 2 > other[0] / trained[0]


def check_symbols_are_of_the_nearest_vector(lesson):
    from scipy.spatial.distance import cdist

    row = lesson["symbols"]["seven"][0]
    frames = next(own.frames for own in lesson["train"] if own.word == "seven")
    np.testing.assert_array_equal(row, cdist(frames / lesson["unit"], lesson["book"]).argmin(axis=1))
    assert lesson["figures"] == 5
