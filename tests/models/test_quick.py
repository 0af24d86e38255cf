"""Densities in float32 against those in float64, on frames and Gaussians that float32 hardly bears, or does not."""

import numpy as np
import pytest

from asrkit.models import quick
from asrkit.models.base import Block
from asrkit.models.mixture import DiagMixture, FullMixture
from asrkit.models.quick import Densities, exactly, relatively

DIM, STATES, GAUSS = 7, 5, 3


def mixture(kind, seed=0, *, scale=1.0, away=0.0, correlation=0.5):
    """Mixtures about `away` deviations from the frames' origin; `scale` (D,) or a number is the size of the deviations."""
    rng = np.random.default_rng(seed)
    scale = np.broadcast_to(scale, DIM)
    weights = rng.dirichlet(np.ones(GAUSS), STATES)
    weights[0] = 0.4, 0.0, 0.6
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    means = (away + rng.normal(0, 3, (STATES, GAUSS, DIM))) * scale
    floor = 1e-6 * scale**2
    if kind is DiagMixture:
        spread = rng.uniform(0.3, 3, means.shape) * scale**2
    else:
        common = np.linalg.cholesky((1 - correlation) * np.eye(DIM) + correlation)
        factor = common @ (np.eye(DIM) + rng.normal(0, 0.1, (STATES, GAUSS, DIM, DIM)))
        spread = factor @ factor.swapaxes(-1, -2) * np.outer(scale, scale)
    return kind(log_weights, means, floor, spread)


def frames(model, count=400, seed=1):
    rng = np.random.default_rng(seed)
    return model.sample(rng.integers(0, STATES, count), rng).astype(np.float32)


KINDS = pytest.mark.parametrize("kind", [DiagMixture, FullMixture])


def agree(model, obs, near=2e-6, nats=2e-3):
    """The likeliest states and all differences; `near` is of what is far away."""
    (found, peak), (wanted, top) = relatively(model, obs), exactly(model, obs)
    assert found.dtype == np.float32 and peak.dtype == np.float64
    assert (found.max(axis=1) == 0).all()
    size = np.abs(model.log_likelihood(obs))
    assert (np.abs(found - wanted) <= nats + near * size).all()
    assert (np.abs(peak - top) <= nats + near * np.abs(top)).all()


@KINDS
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6, np.logspace(-2, 2, DIM)])
@pytest.mark.parametrize("away", [0.0, 1e5])
def test_float32_says_what_float64_says(kind, scale, away):
    """Whatever the features' unit and place."""
    model = mixture(kind, scale=scale, away=away)
    assert model.quick is not None
    agree(model, frames(model))


@KINDS
def test_frames_far_away_are_scored_in_float64(kind):
    model = mixture(kind)
    obs = frames(model, 30)
    obs[3] = 1e7
    obs[7, 2], obs[11] = 1e37, -1e37
    wanted, found = exactly(model, obs)[0], relatively(model, obs)[0]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, np.maximum(wanted, -1e30), rtol=1e-4, atol=2e-3)
    np.testing.assert_array_equal(relatively(model, obs)[1][[3, 7, 11]], exactly(model, obs)[1][[3, 7, 11]])


def test_what_float32_does_not_bear_has_no_quick_form():
    """Gaussians a thousand deviations apart, one that is tiny beside the others, axes that are as good as one."""
    wide = mixture(DiagMixture)
    apart = DiagMixture(wide.log_weights, wide.means * 1e3, wide.variance_floor, wide.variances)
    tiny = DiagMixture(
        wide.log_weights, wide.means, wide.variance_floor, wide.variances * np.logspace(-9, 0, DIM)
    )
    flat = mixture(FullMixture)
    thin = flat.covariances.copy()
    thin[0, 0] = 1.0 + 1e-9 * np.eye(DIM)
    flat = FullMixture(flat.log_weights, flat.means, flat.variance_floor, thin)
    assert apart.quick is tiny.quick is flat.quick is None


@KINDS
def test_the_likeliest_state_is_the_same_for_any_cut(kind, monkeypatch):
    model = mixture(kind)
    obs = frames(model, 3000)
    best = exactly(model, obs)[0].argmax(axis=1)
    for rows in (1, 64, 4096):
        monkeypatch.setattr(quick, "ROWS", rows)
        agree(model, obs)
        assert (relatively(model, obs)[0].argmax(axis=1) == best).mean() > 0.999


@KINDS
def test_no_frames(kind):
    log_likes, peak = relatively(mixture(kind), np.zeros((0, DIM), dtype=np.float32))
    assert log_likes.shape == (0, STATES) and peak.shape == (0,)


def test_densities_stand_in_the_order_of_their_schedule():
    model = mixture(DiagMixture)
    obs = frames(model, 12)
    block = Block.from_items([("a", obs[:3]), ("b", obs[:0]), ("c", obs[3:10]), ("d", obs[10:])])
    found = Densities.of(model, block, (STATES, 1))
    assert found.relative.shape == (12, STATES, 1)
    wanted = model.log_likelihood(obs)
    whole = found.relative[..., 0] + found.peak[:, None]
    np.testing.assert_allclose(whole.take(found.schedule.columns, axis=0), wanted, rtol=1e-5)
    np.testing.assert_array_equal(found.owner.take(found.schedule.columns), np.repeat([0, 2, 3], [3, 7, 2]))
    tops = wanted.max(axis=1)
    np.testing.assert_allclose(found.peaks, [tops[:3].sum(), 0, tops[3:10].sum(), tops[10:].sum()], rtol=1e-5)
    raised = found.raised(found.peak + 3)
    np.testing.assert_allclose(raised.relative + 3, found.relative, atol=1e-5)
