"""asrkit.phones.plane: against numpy's singular vectors, and by hand."""

import numpy as np
import pytest

from asrkit.phones.plane import fit_plane


def test_the_plane_is_that_of_the_means_in_units_within():
    """By hand: scale, then numpy's singular vectors of the means; a direction that differs between components
    fills the picture.
    """
    rng = np.random.default_rng(1)
    comps = np.repeat(np.arange(4), (20, 30, 50, 100))
    means = np.zeros((4, 6))
    means[:, 2], means[:, 4] = (0, 3, -3, 0), (2, -1, -1, 0)
    deviations = np.array([40.0, 1, 0.5, 1, 0.5, 9])  # the widest dimensions say nothing
    obs = means[comps] + rng.normal(size=(200, 6)) * deviations
    plane = fit_plane(obs, comps, means)
    within = np.sqrt(np.mean((obs - means[comps]) ** 2, axis=0))
    own = means[comps] / within  # each token's mean: so each is as heavy as its tokens
    vectors = np.linalg.svd(own - own.mean(axis=0))[2][:2]
    expected = (obs - obs.mean(axis=0)) / within @ vectors.T
    found = plane.points(obs)
    for axis in range(2):
        np.testing.assert_allclose(
            found[:, axis] * np.sign(found[0, axis] * expected[0, axis]),
            expected[:, axis],
            rtol=1e-7,
            atol=1e-9,
        )
    assert plane.of_means
    units = (obs - obs.mean(axis=0)) / within
    assert plane.share == pytest.approx((expected**2).sum() / (units**2).sum())
    doubled = fit_plane(obs * 2.0 ** np.arange(6), comps, means * 2.0 ** np.arange(6))
    # units do not matter
    np.testing.assert_allclose(np.abs(doubled.points(obs * 2.0 ** np.arange(6))), np.abs(found), rtol=1e-7)


def test_of_fewer_than_three_components_it_is_that_of_the_tokens():
    rng = np.random.default_rng(2)
    obs = rng.normal(size=(60, 4)) * [1, 5, 1, 3]
    comps, means = np.zeros(60, dtype=int), np.zeros((3, 4))
    plane = fit_plane(obs, comps, means)
    units = (obs - obs.mean(axis=0)) / np.sqrt(np.mean(obs**2, axis=0))
    values = np.linalg.eigvalsh(units.T @ units)
    assert not plane.of_means and plane.share == pytest.approx(values[-2:].sum() / values.sum())
    # means on a line
    assert fit_plane(obs, np.arange(60) % 3, np.outer(np.arange(3), np.ones(4))).of_means is False
    narrow = fit_plane(obs[:, :1], comps, means[:, :1])
    assert np.ptp(narrow.points(obs[:, :1])[:, 1]) == 0 and narrow.share == pytest.approx(1)
    alike = fit_plane(np.ones((3, 2)), np.zeros(3, dtype=int), np.ones((1, 2)))
    assert np.all(alike.points(np.ones((3, 2))) == 0)
    wide = rng.normal(size=(9, 40))  # fewer tokens than dimensions
    assert fit_plane(wide, np.zeros(9, dtype=int), np.zeros((1, 40))).points(wide).std() > 0
