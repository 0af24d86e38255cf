import numpy as np
from lesson import check


def test_lesson(tmp_path):
    check("02_image_compression", tmp_path, globals())


def check_bytes_are_counted(lesson):
    """214 x 320 pixels of 24 bits; K colours take whole bits a pixel and a palette."""
    count = 214 * 320
    assert lesson["total_bits"] == 24 * count
    assert lesson["bits"] == {2: count + 48, 3: 2 * count + 72, 10: 4 * count + 240}


def check_the_distortion_is_that_of_the_picture_shown(lesson):
    for k, picture in lesson["compressed"].items():
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) == k
        assert abs(((picture - lesson["image"]) ** 2).sum() / lesson["quality"][k] - 1) < 1e-9


def check_k_means_is_scikit_learns(lesson):
    """From the same start, after the same number of iterations."""
    from sklearn.cluster import KMeans

    own = KMeans(10, init=lesson["start"], n_init=1, max_iter=5, tol=0, algorithm="lloyd")
    own.fit(lesson["pixels"])
    assert abs(own.inertia_ / lesson["in_order"].objective - 1) < 0.02  # it assigns once more
    assert own.inertia_ <= lesson["in_order"].objective * (1 + 1e-9)


def check_one_colour_costs_the_variance_and_more_cost_less(lesson):
    J = lesson["J"]
    assert abs(J[1] - lesson["subset"].var(axis=0).sum()) < 1e-12
    assert J[2] < 0.5 * J[1] and J[64] < 0.05 * J[2]


def check_order_does_not_matter(lesson):
    assert abs(lesson["in_order"].objective / lesson["in_disorder"].objective - 1) < 1e-9
    np.testing.assert_array_equal(lesson["in_order"].labels[lesson["shuffled"]], lesson["in_disorder"].labels)
    assert lesson["figures"] == 5
