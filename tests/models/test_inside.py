"""asrkit.models.inside: what people look at is what the model holds, counted as scikit-learn counts."""

import numpy as np
import pytest
from oracle import TOPOLOGIES, random_arcs, small_config, spoken, train_word
from sklearn.mixture import GaussianMixture

from asrkit import families
from asrkit.models.inside import Chain


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_durations_are_those_of_the_chain_step_by_step(topology):
    start, transitions, leave = (np.exp(a) for a in random_arcs(np.random.default_rng(3), 5, topology))
    chain = Chain(start, transitions, leave)
    alive, frames = start.copy(), 0.0
    for _ in range(3000):
        frames += alive.sum()  # P(the word lasts longer than so many frames)
        alive = alive @ transitions
    assert chain.word_frames == pytest.approx(frames, rel=1e-9)
    n = np.arange(1, 3000)
    for i, duration in enumerate(chain.durations):
        stay = transitions[i, i]
        assert duration == pytest.approx((n * stay ** (n - 1) * (1 - stay)).sum(), rel=1e-9)
    free = (start > 0).sum() - 1 + sum((row > 0).sum() + (p > 0) - 1 for row, p in zip(transitions, leave))
    assert chain.free_parameters == free


def test_a_state_that_is_never_left_lasts_for_ever():
    chain = Chain(np.ones(1), np.ones((1, 1)), np.zeros(1))
    assert np.isinf(chain.durations).all() and np.isinf(chain.word_frames)


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_a_mixtures_parts_make_its_density_and_its_parameters_are_scikit_learns(covariance):
    family = families.load("gmm")
    block = spoken(family, 0)
    model, _ = train_word("gmm", small_config(family, covariance=covariance), block)
    (own,) = model.inside.gaussians
    twin = GaussianMixture(len(own.weights), covariance_type=covariance)
    twin.weights_, twin.means_, twin.covariances_ = own.weights, own.means, own.spread
    precisions = np.linalg.inv(own.spread) if own.full else 1 / own.spread
    twin.precisions_cholesky_ = np.linalg.cholesky(precisions) if own.full else np.sqrt(precisions)
    expected = twin.score_samples(block.obs.astype(np.float64))
    np.testing.assert_allclose(model.emission.log_likelihood(block.obs)[:, 0], expected, rtol=1e-9)
    assert model.inside.free_parameters == twin._n_parameters()
    whole = own.spread if own.full else np.array([np.diag(row) for row in own.spread])
    np.testing.assert_array_equal(own.covariances((2, 0)), whole[:, [2, 0]][:, :, [2, 0]])
    np.testing.assert_allclose(own.deviations**2, np.diagonal(whole, axis1=1, axis2=2), rtol=1e-14)


@pytest.mark.parametrize("name", ["chmm", "schmm", "dhmm"])
def test_the_parts_of_a_state_make_its_density(name):
    from scipy.stats import multivariate_normal

    family = families.load(name)
    block = spoken(family, 1)
    model, _ = train_word(name, small_config(family, num_gauss=3), block)
    inside, obs = model.inside, block.obs[:40]
    log_obs = model.emission.log_likelihood(obs)
    assert inside.shared == (name == "schmm")
    for s in range(model.num_states):
        if inside.symbols is not None:
            expected = np.log(inside.symbols[s, 0, obs])
        else:
            own = inside.gaussians[s]
            expected = np.log(
                sum(
                    weight * multivariate_normal(mean, np.diag(spread)).pdf(obs)
                    for weight, mean, spread in zip(own.weights, own.means, own.spread)
                )
            )
        np.testing.assert_allclose(log_obs[:, s], expected, rtol=1e-8)
    chain = inside.chain
    np.testing.assert_allclose(chain.transitions.sum(axis=1) + chain.exit, 1, rtol=1e-12)
    if name == "schmm":  # one pool of Gaussians of 3 dimensions; weights of 4 states
        count = model.num_gauss
        assert inside.free_parameters == 4 + count * 6 + 4 * (count - 1)
    elif name == "chmm":
        assert inside.free_parameters == 4 + model.num_gauss * 6 + model.num_gauss - 4
    else:
        assert inside.free_parameters == 4 + 4 * 15


def test_templates_are_recordings_and_have_no_density():
    family = families.load("dtw")
    model, _ = train_word("dtw", family.Config(num_frames=8), spoken(family, 0))
    held = model.inside.templates
    assert held.frames.shape == model.templates.shape and 0 < held.original.sum() < len(held.frames)
    assert model.inside.free_parameters is None and model.inside.chain is None
