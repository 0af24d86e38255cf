"""MixGoP's forms of covariance and ways to start, against scikit-learn's GaussianMixture from the same responsibilities."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from asrkit.errors import SettingsError
from asrkit.models.mixture import DiagMixture
from asrkit.models.tied import TiedMixture
from asrkit.phones.densities import densities_of
from asrkit.phones.mixgop import COVARIANCES, INITS, MixgopConfig, draw_start, fit_mixture, train_phone
from asrkit.phones.tokens import phone_rng
from asrkit.runtime import one_thread


@pytest.fixture(autouse=True)
def quick():
    """Matrices are small: threads of BLAS would wait for each other."""
    with one_thread():
        yield


def clouds(num, dim, seed=0):
    """Tokens (N, D) about three centres, their mean 0: scikit-learn's tied covariance of a start of single tokens hangs on it."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.standard_normal((3, dim))
    obs = centres[rng.integers(3, size=num)] + rng.standard_normal((num, dim)) * rng.uniform(0.3, 1.5, dim)
    return obs - obs.mean(axis=0)


class StartedMixture(GaussianMixture):
    """scikit-learn's mixture, started from given responsibilities, one after the other."""

    def _initialize_parameters(self, X, random_state, **rest):
        self._initialize(X, self.starts.pop(0), **rest)


def peer_of(obs, starts, config):
    peer = StartedMixture(
        starts[0].shape[1], covariance_type=config.covariance, reg_covar=config.reg_covar, n_init=len(starts)
    )
    peer.starts = list(starts)
    return peer.fit(obs)


def whole(covariances, form, num_gauss, dim):
    """(M, D, D) of scikit-learn's covariances in any form."""
    if form == "diag":
        return np.stack([np.diag(v) for v in covariances])
    if form == "spherical":
        return covariances[:, None, None] * np.eye(dim)
    return np.broadcast_to(covariances, (num_gauss, dim, dim))


def covariances(mixture):
    dim = mixture.means.shape[-1]
    return np.stack([mixture.projected_covariance(m, np.eye(dim)) for m in range(mixture.num_gauss)])


def check_alike(mixture, peer, obs, form):
    num_gauss, dim = peer.means_.shape
    np.testing.assert_allclose(np.exp(mixture.log_weights.ravel()), peer.weights_, rtol=1e-6)
    np.testing.assert_allclose(mixture.means.reshape(num_gauss, dim), peer.means_, rtol=1e-6, atol=1e-8)
    expected = whole(peer.covariances_, form, num_gauss, dim)
    np.testing.assert_allclose(covariances(mixture), expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
    far = np.concatenate([obs, clouds(20, dim, 5), 3 * clouds(5, dim, 6)])
    np.testing.assert_allclose(mixture.log_likelihood(far)[:, 0], peer.score_samples(far), rtol=1e-6)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("form", COVARIANCES)
@pytest.mark.parametrize("num, dim", [(200, 2), (150, 13), (40, 60)])
def test_em_goes_where_scikit_learn_goes(num, dim, form, init):
    obs, config = clouds(num, dim), MixgopConfig(num_gauss=3, covariance=form, init=init)
    start = draw_start(obs, 3, init, np.random.default_rng(1))
    mixture, history, ending = fit_mixture(obs, start, config)
    peer = peer_of(obs, [start], config)
    assert len(history) == peer.n_iter_ and ending == "converged"
    assert history[-1] == pytest.approx(peer.lower_bound_, rel=1e-9)
    check_alike(mixture, peer, obs, form)
    kind = {"diag": DiagMixture, "spherical": DiagMixture, "tied": TiedMixture}
    assert isinstance(mixture, kind.get(form, type(mixture)))


@pytest.mark.parametrize("form", COVARIANCES)
def test_where_tokens_lie_has_no_say(form):
    obs, config = clouds(100, 4), MixgopConfig(num_gauss=3, covariance=form, init="random_from_data")
    start = draw_start(obs, 3, config.init, np.random.default_rng(1))
    near, far = (fit_mixture(obs + shift, start, config)[0] for shift in (0.0, 1e4))
    np.testing.assert_allclose(covariances(far), covariances(near), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("form", ["diag", "tied"])
def test_of_several_starts_the_likeliest_is_kept(form, init):
    obs, num_gauss = clouds(60, 3), 6
    config = MixgopConfig(num_gauss=num_gauss, covariance=form, init=init, n_init=5)
    for phone in "ABCDEFGH":  # one whose first start is not the best
        rng = phone_rng(config.seed, phone, 1)
        starts = [draw_start(obs, num_gauss, init, rng) for _ in range(config.n_init)]
        if np.argmax([fit_mixture(obs, start, config)[1][-1] for start in starts]):
            break
    model, _ = train_phone(phone, obs, len(obs), config)
    check_alike(model.mixture, peer_of(obs, starts, config), obs, form)
    alone, _ = train_phone(
        phone, obs, len(obs), MixgopConfig(num_gauss=num_gauss, covariance=form, init=init)
    )
    assert not np.array_equal(alone.mixture.means, model.mixture.means)
    first = fit_mixture(obs, starts[0], config)[0]
    np.testing.assert_array_equal(alone.mixture.means, first.means)


def test_starts_are_what_scikit_learn_calls_them():
    obs, rng = clouds(50, 3), np.random.default_rng(0)
    kinds = {init: draw_start(obs, 4, init, rng) for init in INITS}
    assert (kinds["kmeans"].sum(axis=1) == 1).all() and set(np.unique(kinds["kmeans"])) == {0, 1}
    np.testing.assert_allclose(kinds["random"].sum(axis=1), 1)
    assert kinds["random"].shape == (50, 4) and (kinds["random"] > 0).all()
    for init in ("k-means++", "random_from_data"):
        assert (kinds[init].sum(axis=0) == 1).all() and kinds[init].sum(axis=1).max() == 1


def test_k_means_plus_plus_draws_tokens_far_apart():
    rng = np.random.default_rng(0)
    obs = np.concatenate([clouds(50, 2) / 100, clouds(50, 2) / 100 + 50, clouds(2, 2) / 100 - 90])
    for _ in range(20):
        rows, _ = np.nonzero(draw_start(obs, 3, "k-means++", rng))
        assert set(np.digitize(rows, [50, 100])) == {0, 1, 2}
    draws = [np.nonzero(draw_start(obs, 3, "random_from_data", rng))[0] for _ in range(200)]
    assert 0.01 < np.mean(np.concatenate(draws) >= 100) < 0.04  # 2 of 102


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("form", COVARIANCES)
def test_tokens_that_are_alike_or_few(form, init):
    config = MixgopConfig(num_gauss=8, covariance=form, init=init, n_init=2)
    one, _ = train_phone("AA", np.ones((4, 3)), 4, config)
    np.testing.assert_allclose(one.scores, -1.5 * np.log(2 * np.pi * 1e-5), rtol=1e-6)
    few, entry = train_phone("AA", clouds(5, 3), 5, config)
    assert np.isfinite(few.scores).all() and entry["gaussians"] <= 5


@pytest.mark.parametrize("form", COVARIANCES)
def test_likelihood_does_not_fall(form):
    config = MixgopConfig(covariance=form, reg_covar=1e-10, tol=0.0, max_iters=15)
    start = np.random.default_rng(1).dirichlet(np.ones(3), size=120)
    _, history, _ = fit_mixture(clouds(120, 5), start, config)
    assert np.diff(history).min() >= -1e-9 * abs(history[0]) and len(history) > 2


def test_a_tied_mixture_from_its_definition():
    obs = clouds(80, 3)
    mixture = fit_mixture(
        obs, draw_start(obs, 3, "kmeans", np.random.default_rng(0)), MixgopConfig(covariance="tied")
    )[0]
    joint = np.stack(
        [
            weight + multivariate_normal(mean, mixture.covariance).logpdf(obs)
            for weight, mean in zip(mixture.log_weights, mixture.means, strict=True)
        ],
        axis=1,
    )
    np.testing.assert_allclose(mixture.component_log_likelihood(obs)[:, 0], joint, rtol=1e-9)
    log_like, best = densities_of([mixture]).own(obs, 0)
    np.testing.assert_allclose(log_like, np.log(np.exp(joint).sum(axis=1)), rtol=1e-9)
    np.testing.assert_array_equal(best, joint.argmax(axis=1))
    axes = np.eye(3)[:, 1:]
    np.testing.assert_allclose(mixture.projected_covariance(2, axes), mixture.covariance[1:, 1:])


def test_a_damaged_tied_mixture_is_refused():
    good = TiedMixture(np.zeros(1), np.zeros((1, 2)), np.eye(2), center=np.zeros(2))
    good.check(2)
    for change, why in (
        ({"covariance": -np.eye(2)}, "not positive definite"),
        ({"covariance": np.eye(3)}, "covariance is"),
        ({"means": np.zeros((2, 2))}, "means is"),
        ({"log_weights": np.ones(1)}, "log_weights"),
        ({"center": np.zeros(3)}, "center is"),
    ):
        with pytest.raises(ValueError, match=why):
            TiedMixture(**{**good.to_arrays(), **change}).check(2)


@pytest.mark.parametrize("form", COVARIANCES)
def test_parameters_are_scikit_learns(form):
    peer = GaussianMixture(3, covariance_type=form).fit(clouds(100, 4))
    assert MixgopConfig(covariance=form).parameters(3, 4) == peer._n_parameters()


def test_how_many_gaussians_the_tokens_bear():
    many = [
        MixgopConfig(covariance=form).gaussians(2000, 13) for form in ("full", "diag", "spherical", "tied")
    ]
    assert many == sorted(many[:1]) + many[1:] and many[0] < many[1] <= many[2] <= 32 and many[1] <= many[3]
    assert (
        MixgopConfig(covariance="tied").gaussians(20, 39) == 1
    )  # nor less, where one covariance is too much


def test_other_values_are_refused():
    for name, value in (("covariance", "round"), ("init", "kmeans++"), ("n_init", 0)):
        with pytest.raises(SettingsError, match=name):
            MixgopConfig(**{name: value})
