import numpy as np
import pytest
from lesson import run
from sklearn.cluster import KMeans


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    return run("01_kmeans", tmp_path_factory.mktemp("lesson"))


def test_steps_are_scikit_learns(lesson):
    own = KMeans(4, init=lesson["corner"], n_init=1, max_iter=100, tol=0, algorithm="lloyd").fit(lesson["X"])
    last = lesson["steps"][-1]
    np.testing.assert_allclose(last.means, own.cluster_centers_, rtol=1e-9)
    np.testing.assert_array_equal(last.labels, own.labels_)
    assert abs(last.objective / own.inertia_ - 1) < 1e-9


def test_j_falls_in_both_phases_and_is_what_it_says(lesson):
    assert (np.diff(lesson["J"]) <= 1e-9).all() and np.sum(np.diff(lesson["J"]) < 0) > 6
    for step in lesson["steps"]:
        distance = ((lesson["X"] - step.means[step.labels]) ** 2).sum()
        assert abs(step.objective - distance) < 1e-9 * distance


def test_the_trap_costs_the_square_of_its_width(lesson):
    assert abs(lesson["trap"]["left and right"].objective - 1) < 1e-12
    assert abs(lesson["trap"]["up and down"].objective - 16) < 1e-12


def test_better_starts_find_more(lesson):
    """The least J is that of the nine heaps as they were drawn, or lower."""
    nine, heap = lesson["nine"], np.repeat(np.arange(9), 40)
    true = sum(((nine[heap == k] - nine[heap == k].mean(axis=0)) ** 2).sum() for k in range(9))
    assert lesson["least"] <= true * (1 + 1e-12) and lesson["least"] > 0.9 * true
    assert lesson["found"]["k-means++"] > lesson["found"]["random"] + 0.2


def test_a_lost_mean_brings_nothing(lesson):
    assert lesson["counts"][3] == 0
    np.testing.assert_allclose(lesson["lost"][-1].means[3], [30, 30])
    assert (
        abs(lesson["lost"][-1].objective - lesson["three"][-1].objective)
        < 1e-9 * lesson["three"][-1].objective
    )


def test_j_against_k_bends_at_the_truth(lesson):
    x, by_k = lesson["X"], lesson["by_k"]
    assert abs(by_k[0] - ((x - x.mean(axis=0)) ** 2).sum()) < 1e-9 * by_k[0] and (np.diff(by_k) < 0).all()
    assert by_k[3] / by_k[2] < 0.6 and by_k[4] / by_k[3] > 0.75


def test_units_decide_and_time_is_found(lesson):
    assert lesson["pure"]["deviations"] > lesson["pure"]["Hz and kHz"] + 0.1
    assert lesson["changes"] < 0.5 * lesson["shuffled"]
    assert lesson["figures"] == 7
