"""k-means, LBG and quantisation against brute force, scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.cluster.vq import vq

from asrkit.errors import DataError
from asrkit.models.codebook import Codebook, CodebookConfig, assign, kmeans, lbg, lloyd, train_codebook


def blobs(seed=0, num=400):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=5, size=(8, 3))[rng.integers(0, 8, size=num)] + rng.normal(
        scale=0.3, size=(num, 3)
    )


def test_assign_equals_scipy():
    rng = np.random.default_rng(0)
    x, vectors = rng.normal(size=(500, 4)) + 50, rng.normal(size=(7, 4)) + 50
    labels, distance = assign(x, vectors, rows=64)
    expected_labels, expected_distance = vq(x, vectors)
    assert (labels == expected_labels).all() and labels.dtype == np.int32
    np.testing.assert_allclose(distance, expected_distance**2, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1.0, 1e6, 1e30, 1e100])
def test_labels_are_those_of_float64(scale):
    """Also of rows that are as near to one vector as to another, but for less than float32 knows, and of rows far away."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(96, 3))
    first, second = rng.integers(0, 96, (2, 400))
    between = (vectors[first] + vectors[second]) / 2 + 1e-9 * (vectors[first] - vectors[second])
    x = np.concatenate([between, rng.normal(size=(400, 3)), 1e7 * rng.normal(size=(20, 3)), vectors]) * scale
    vectors = vectors * scale
    labels, distance = assign(x, vectors)
    expected = (x[:, None] - vectors) / scale
    expected = (expected**2).sum(axis=2)
    rows = np.arange(len(x))
    np.testing.assert_allclose(distance / scale / scale, expected[rows, labels], rtol=1e-9)
    assert (labels[:400] == expected[:400].argmin(axis=1)).all() or scale != 1.0
    assert (expected[rows, labels] <= expected.min(axis=1) * (1 + 1e-7) + 1e-12).all()
    assert (labels[-96:] == np.arange(96)).all()


def test_lloyd_equals_scikit_learn():
    from sklearn.cluster import KMeans

    x = blobs()
    start = x[:6]
    vectors, labels, distance = lloyd(x, start.copy(), 300, 0, [])
    theirs = KMeans(6, init=start, n_init=1, tol=0, max_iter=300, algorithm="lloyd").fit(x)
    np.testing.assert_allclose(vectors, theirs.cluster_centers_, atol=1e-9)
    assert distance.sum() == pytest.approx(theirs.inertia_)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13])
def test_lbg_reaches_its_size_and_distortion_falls(size):
    vectors, history = lbg(blobs(), size)
    assert vectors.shape == (size, 3)
    distortion = [d for _, d in history]
    assert all(b <= a * (1 + 1e-9) for (m, a), (n, b) in zip(history, history[1:]) if m == n)
    assert distortion[-1] <= distortion[0]


def test_lbg_is_as_good_as_scikit_learn():
    from sklearn.cluster import KMeans

    x = blobs(num=2000)
    _, history = lbg(x, 16)
    assert history[-1][1] * len(x) <= 1.1 * KMeans(16, n_init=5, random_state=0).fit(x).inertia_


def test_fewer_distinct_frames_than_code_vectors():
    x = np.repeat(np.arange(3.0)[:, None], 10, axis=0)
    assert len(lbg(x, 8)[0]) == 3
    assert len(kmeans(x, 8, np.random.default_rng(0))[0]) == 3
    codebook, _ = train_codebook(x, CodebookConfig(size=8), np.random.default_rng(0))
    assert codebook.size == 3 and sorted(set(codebook.quantize(x))) == [0, 1, 2]


@pytest.mark.parametrize("method", ["lbg", "kmeans"])
def test_scale_of_a_dimension_does_not_matter(method):
    x = blobs()
    config = CodebookConfig(size=8, method=method)
    codes = [
        train_codebook(x * scale, config, np.random.default_rng(0))[0].quantize(x * scale)
        for scale in (1, np.array([1, 1000, 1e-3]))
    ]
    assert (codes[0] == codes[1]).all()


def test_several_starts_are_no_worse_than_one():
    x = blobs(3)
    last = [
        train_codebook(x, CodebookConfig(size=8, method="kmeans", num_starts=n), np.random.default_rng(0))[1][
            -1
        ][1]
        for n in (1, 5)
    ]
    assert last[1] <= last[0]


def test_empty_cell_keeps_its_vector():
    vectors, _, _ = lloyd(np.array([[0.0], [1.0]]), np.array([[0.5], [99.0]]), 10, 0, [])
    np.testing.assert_allclose(vectors, [[0.5], [99.0]])


def codebook(x, size=8, method="lbg"):
    return train_codebook(x, CodebookConfig(size=size, method=method), np.random.default_rng(0))[0]


@pytest.mark.parametrize("value", [0, 1, -15.94, 1e6, 1e12, -1e30, 1e-30])
@pytest.mark.parametrize("method", ["lbg", "kmeans"])
def test_a_constant_column_changes_no_code(method, value):
    x = blobs().astype(np.float32)
    with_column = np.insert(x, 1, np.float32(value), axis=1)
    plain, other = codebook(x, 13, method), codebook(with_column, 13, method)
    assert (other.quantize(with_column) == plain.quantize(x)).all() and other.size == 13
    np.testing.assert_allclose(np.delete(other.vectors, 1, axis=1), plain.vectors, rtol=1e-9)
    np.testing.assert_allclose(np.delete(other.scale, 1), plain.scale)
    elsewhere = with_column + np.array([0, 1, 0, 0], dtype=np.float32)
    assert (other.quantize(elsewhere) == plain.quantize(x)).all(), "no say in what is quantised, either"


@pytest.mark.parametrize("factor", [2.0**-100, 2.0**-40, 2.0**40, 2.0**100])
def test_a_factor_changes_no_code(factor):
    x = blobs().astype(np.float32)
    assert (
        codebook(x * np.float32(factor)).quantize(x * np.float32(factor)) == codebook(x).quantize(x)
    ).all()
    offset = x.astype(np.float64) + 1e6
    assert (codebook(offset).quantize(offset) == codebook(x).quantize(x)).all()


def test_codebooks_of_before_are_read_as_they_were():
    x, vectors, scale = blobs(), blobs(1, 16), np.array([1.0, 2.0, 0.5])
    assert (Codebook(vectors, scale).quantize(x) == vq(x / scale, vectors)[0]).all()


@pytest.mark.parametrize("method", ["lbg", "kmeans"])
def test_a_codebook_that_collapses_is_an_error(method):
    with pytest.raises(DataError, match="all 400 frames are alike"):
        codebook(np.full((400, 3), 7.0), method=method)
    few = np.repeat(np.arange(5.0)[:, None], 10, axis=0)
    assert codebook(few, 8, method).size == 5, "as many as there are distinct frames"


def test_a_value_that_drowns_all_others_is_an_error():
    x = blobs()
    x[0] = 1e12
    with pytest.raises(
        DataError, match=r"a codebook of 2 vectors, 8 asked for, though 400 of 400 frames differ"
    ):
        codebook(x)
