"""Mixtures, symbol tables and floors against scipy, scikit-learn, Kaldi and their definitions."""

import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from asrkit.families import schmm
from asrkit.models import mixture_base as mixture_base
from asrkit.models.base import Block, floored_distribution
from asrkit.models.categorical import Categorical
from asrkit.models.kernels import NEVER
from asrkit.models.mixture import MANY, DiagMixture, FullMixture

NO_FLOOR = SimpleNamespace(weight_floor=0.0, min_occ=0.0)
both_kinds = pytest.mark.parametrize("kind", [DiagMixture, FullMixture])


def random_mixture(kind, num_states=3, num_components=4, dim=5, seed=0, center=100.0):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(num_components), size=num_states)
    means = rng.normal(scale=2, size=(num_states, num_components, dim)) + center
    if kind is DiagMixture:
        return DiagMixture(np.log(weights), means, np.full(dim, 1e-3), rng.uniform(0.3, 2, means.shape))
    a = rng.normal(size=(*means.shape, dim))
    return FullMixture(np.log(weights), means, np.full(dim, 1e-3), a @ a.swapaxes(-1, -2) + 0.3 * np.eye(dim))


def floors(**settings):
    return SimpleNamespace(**{**vars(NO_FLOOR), **settings})


def frames(num_frames, seed=1, scale=3.0):
    return np.random.default_rng(seed).normal(scale=scale, size=(num_frames, 5)) + 100


def covariance(mixture, s, m):
    return np.diag(mixture.variances[s, m]) if isinstance(mixture, DiagMixture) else mixture.covariances[s, m]


def spread(mixture):
    return mixture.variances if isinstance(mixture, DiagMixture) else mixture.covariances


def without(mixture, s, m):
    """The same without a component: its weight goes to the others of the state."""
    log_weights = mixture.log_weights.copy()
    log_weights[s, m] = -np.inf
    log_weights[s] -= logsumexp(log_weights[s])
    return replace(mixture, log_weights=log_weights)


def assert_equal_sums(a, b, **tolerance):
    for name, array in a.to_arrays().items():
        np.testing.assert_allclose(b.to_arrays()[name], array, err_msg=name, **tolerance)


@pytest.fixture(params=["whole", "in slices"])
def slices(request, monkeypatch):
    if request.param == "in slices":
        monkeypatch.setattr(mixture_base, "CELLS", 1)


@both_kinds
def test_log_likelihood_equals_scipy(kind, slices):
    mixture = without(random_mixture(kind), 1, 2)
    x = frames(300)
    expected = np.zeros((300, 3, 4))
    for s, m in np.ndindex(3, 4):
        density = multivariate_normal(mixture.means[s, m], covariance(mixture, s, m))
        expected[:, s, m] = density.logpdf(x) + mixture.log_weights[s, m]
    np.testing.assert_allclose(mixture.log_likelihood(x), logsumexp(expected, axis=2), rtol=1e-9)
    np.testing.assert_allclose(
        mixture.log_likelihood(x, prepared=mixture.prepare(x)),
        logsumexp(expected, axis=2),
        rtol=1e-6,
        atol=1e-5,
    )
    joint = mixture.component_log_likelihood(x)
    np.testing.assert_allclose(joint, expected, rtol=1e-9)
    assert (joint[:, 1, 2] == -np.inf).all()


@pytest.mark.parametrize("kind, covariance_type", [(DiagMixture, "diag"), (FullMixture, "full")])
def test_em_step_equals_scikit_learn(kind, covariance_type):
    from sklearn.mixture import GaussianMixture

    mixture = random_mixture(kind, num_states=1)
    x = frames(400, seed=2)
    theirs = GaussianMixture(4, covariance_type=covariance_type, reg_covar=0.0)
    precisions = 1 / mixture.variances[0] if kind is DiagMixture else np.linalg.inv(mixture.covariances[0])
    theirs.weights_, theirs.means_ = np.exp(mixture.log_weights[0]), mixture.means[0]
    theirs.precisions_cholesky_ = (
        np.sqrt(precisions) if kind is DiagMixture else np.linalg.cholesky(precisions)
    )
    assert mixture.log_likelihood(x).mean() == pytest.approx(theirs.score(x), rel=1e-10)
    log_prob, log_resp = theirs._e_step(x)
    theirs._m_step(x, log_resp)
    new = mixture.estimate(mixture.accumulate(x, np.ones((400, 1))), NO_FLOOR)
    np.testing.assert_allclose(np.exp(new.log_weights[0]), theirs.weights_, rtol=1e-9)
    np.testing.assert_allclose(new.means[0], theirs.means_, rtol=1e-9)
    np.testing.assert_allclose(spread(new)[0], theirs.covariances_, rtol=1e-6, atol=1e-8)


def test_equal_to_kaldi():
    """Kaldi computes in single precision."""
    kaldi = pytest.importorskip("kaldi_hmm_gmm")
    mixture = random_mixture(DiagMixture, num_states=1, center=0.0)
    x = (frames(50) - 100).astype(np.float32)
    gmm = kaldi.DiagGmm(4, 5)
    gmm.set_weights(np.exp(mixture.log_weights[0]).astype(np.float32))
    gmm.set_invvars_and_means(
        (1 / mixture.variances[0]).astype(np.float32), mixture.means[0].astype(np.float32)
    )
    gmm.compute_gconsts()
    np.testing.assert_allclose(
        mixture.log_likelihood(x)[:, 0], [gmm.log_likelihood(row) for row in x], rtol=1e-5
    )
    np.testing.assert_allclose(
        mixture.component_log_likelihood(x)[:, 0], gmm.log_likelihoods_matrix(x), rtol=1e-5, atol=1e-5
    )
    theirs = kaldi.AccumDiagGmm(gmm, 15)
    for row in x:
        theirs.accumulate_from_diag(gmm, row, 1.0)
    ours = replace(mixture, center=np.zeros(5)).accumulate(x, np.ones((50, 1)))
    np.testing.assert_allclose(ours.occ[0], theirs.occupancy, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours.first[0], theirs.mean_accumulator, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(ours.second[0], theirs.variance_accumulator, rtol=1e-4, atol=1e-3)


def direct_sums(mixture, x, gamma):
    """Straight from the definition: every frame's posteriors of every component of every state."""
    joint = mixture.component_log_likelihood(x)
    total = logsumexp(joint, axis=2)
    post = np.exp(joint - total[..., None]) * gamma[..., None]
    rest = x - mixture.center
    second = "nsm,nd,nd->smd" if isinstance(mixture, DiagMixture) else "nsm,nd,ne->smde"
    sums = post.sum(axis=0), np.einsum("nsm,nd->smd", post, rest), np.einsum(second, post, rest, rest)
    return mixture_base.MixtureStats(*sums), (gamma * total).sum()


@both_kinds
@pytest.mark.parametrize("num_states, num_components", [(1, 4), (3, 4), (9, 4), (9, 1), (1, 1)])
@pytest.mark.parametrize("along_a_path", [True, False])
def test_sums_equal_their_definition(kind, num_states, num_components, along_a_path, slices):
    """Whatever the way they are summed: many states along a path are summed each alone, others all at once."""
    mixture = random_mixture(kind, num_states, num_components)
    mixture = without(mixture, 0, 1) if num_components > 1 else mixture
    x, rng = frames(3000), np.random.default_rng(3)
    path, shared = rng.integers(num_states, size=3000), rng.dirichlet(np.ones(num_states), size=3000)
    gamma = np.eye(num_states)[path] if along_a_path else shared
    gamma[rng.random(3000) < 0.1] = 0  # utterances without a path
    expected, expected_log_like = direct_sums(mixture, x, gamma)
    for prepared, near in ((None, 1e-9), (mixture.prepare(x), 1e-6)):
        near = {"rtol": 10 * near, "atol": near * len(x)}
        assert_equal_sums(expected, mixture.accumulate(x, gamma, prepared=prepared), **near)
        stats, log_like = mixture.accumulate_scored(x, gamma, prepared=prepared)
        assert_equal_sums(expected, stats, **near)
        assert log_like == pytest.approx(expected_log_like, rel=1e-10 if prepared is None else 1e-6)


HOSTILE = {
    "plain": lambda x: x,
    "huge": lambda x: x * 1e15,
    "tiny": lambda x: x * 1e-15,
    "of all scales": lambda x: x * 10.0 ** np.array([-12, -6, 0, 6, 12]),
    "far from 0": lambda x: x + 1e6,
    "a constant": lambda x: x * [1, 1, 1, 0, 1] + [0, 0, 0, 7, 0],
    "one far away": lambda x: np.concatenate([x, 1e5 * x[:1]]),
    "one frame": lambda x: x[:1],
    "no frames": lambda x: x[:0],
}


@both_kinds
@pytest.mark.parametrize("num_components", [1, 6, 20])
@pytest.mark.parametrize("data", HOSTILE)
def test_float32_says_what_float64_says_or_leaves_it_to_it(kind, num_components, data, monkeypatch):
    """An iteration of training from the same start, along a path: in standard deviations, and nats."""
    x = HOSTILE[data](np.random.default_rng(5).standard_t(5, size=(1500, 5)).astype(np.float32)).astype(
        np.float32
    )
    gamma = np.eye(3)[np.arange(len(x)) % 3]
    usual = np.random.default_rng(6).normal(size=(500, 5)).astype(np.float32)
    start = (usual if data.startswith(("one", "no ")) else HOSTILE[data](usual)).astype(np.float32)
    mixture = kind.from_data(start, 3, 0.01)
    for _ in range(5):
        occ = np.where(np.isfinite(mixture.log_weights), 1e3, 0.0)
        grown = mixture.split(occ, np.full(3, num_components), 1.0)
        mixture = mixture if grown is None else grown
    prepared = mixture.prepare(x)
    assert prepared.expanded.dtype == np.float32 and np.abs(prepared.expanded).max(initial=0) <= 1
    borne = mixture._projection(slice(None), prepared.unit) is not None
    assert borne == (data != "one far away")
    exact, exact_sums = mixture.log_likelihood(x), mixture.accumulate_scored(x, gamma)
    quick, (sums, log_like) = (
        mixture.log_likelihood(x, prepared=prepared),
        mixture.accumulate_scored(x, gamma, prepared=prepared),
    )
    np.testing.assert_allclose(quick, exact, rtol=1e-6, atol=1e-4)
    assert log_like == pytest.approx(exact_sums[1], rel=1e-6, abs=1e-4)
    new, exactly = mixture.estimate(sums, NO_FLOOR), mixture.estimate(exact_sums[0], NO_FLOOR)
    assert (np.abs(new.means - exactly.means) / exactly.stddev).max() < 1e-4
    outer = (
        exactly.stddev**2 if kind is DiagMixture else exactly.stddev[..., None] * exactly.stddev[..., None, :]
    )
    assert (np.abs(spread(new) - spread(exactly)) / outer).max() < 1e-4
    monkeypatch.setattr(mixture_base, "BORNE", 0.0)  # the switch: all is float64
    np.testing.assert_array_equal(mixture.log_likelihood(x, prepared=prepared), exact)
    assert_equal_sums(mixture.accumulate(x, gamma, prepared=prepared), mixture.accumulate(x, gamma), rtol=0)


@both_kinds
def test_sums_along_a_path_equal_sums_of_all_states(kind, monkeypatch):
    mixture, x = random_mixture(kind, 9, 4), frames(500)
    gamma = np.eye(9)[np.random.default_rng(4).integers(8, size=500)]  # the last state is never visited
    sparse = mixture.accumulate(x, gamma)
    assert len(mixture_base._visits(gamma, 4, False)) == 9
    assert len(mixture_base._visits(gamma, 1, kind is FullMixture)) == (9 if kind is FullMixture else 1)
    monkeypatch.setattr(mixture_base, "_visits", lambda *_: [(slice(None), None)])
    assert_equal_sums(mixture.accumulate(x, gamma), sparse, rtol=1e-10, atol=1e-9)


@both_kinds
def test_accumulating_parts_adds_up_and_twice_is_double(kind):
    mixture = random_mixture(kind)
    x, gamma = frames(30, scale=1), np.random.default_rng(3).dirichlet(np.ones(3), size=30)
    whole = mixture.accumulate(x, gamma)
    parts = mixture.accumulate(x[:11], gamma[:11]) + mixture.accumulate(x[11:], gamma[11:])
    assert_equal_sums(whole, parts, rtol=1e-10, atol=1e-9)
    assert_equal_sums(whole + whole, mixture.accumulate(x, 2 * gamma), rtol=1e-10, atol=1e-9)


@both_kinds
def test_unvisited_state_keeps_its_values(kind):
    mixture = random_mixture(kind)
    gamma = np.zeros((30, 3))
    gamma[:, 0] = 1
    new = mixture.estimate(mixture.accumulate(frames(30, scale=1), gamma), floors(min_occ=3.0))
    for name, array in new.to_arrays().items():
        if name not in ("variance_floor", "center"):
            np.testing.assert_array_equal(array[1:], getattr(mixture, name)[1:])
    assert not np.array_equal(new.means[0], mixture.means[0])
    # what was prepared of the frames must stay good
    np.testing.assert_array_equal(new.center, mixture.center)


@both_kinds
def test_floor_holds_counts_and_never_costs_likelihood(kind):
    """Frames in a plane: without a floor a variance would be zero."""
    x = frames(200, seed=5, scale=1)
    x[:, 4] = 2 * x[:, 3] - 100 if kind is FullMixture else 100.0
    mixture = random_mixture(kind, num_states=1)
    gamma, previous = np.ones((200, 1)), None
    for _ in range(15):
        mixture = mixture.estimate(mixture.accumulate(x, gamma), floors(weight_floor=0.05))
        total = mixture.log_likelihood(x).sum()
        assert previous is None or total >= previous - 1e-9 * abs(previous)
        previous = total
    assert (
        mixture.floored.shape == (1,)
        and mixture.floored[0] >= 4
        and np.exp(mixture.log_weights).min() >= 0.05 * (1 - 1e-9)
    )
    least = mixture.variances if kind is DiagMixture else np.linalg.eigvalsh(mixture.covariances)
    assert least.min() >= 1e-3 * (1 - 1e-6)
    assert without(mixture, 0, 1).floored[0] < mixture.floored[0]  # what carries no weight does not count
    anew = kind(**mixture.to_arrays())  # knows nothing of how it was estimated
    assert (anew.floored == mixture.floored).all()


@both_kinds
def test_training_starts_from_the_data_with_floors_in_its_units(kind):
    x = frames(500, seed=6).astype(np.float32) * np.array([1, 10, 100, 1, 1], dtype=np.float32)
    x[:, 4] = 7
    mixture = kind.from_data(x, 3, 0.01)
    mixture.check(3, 5)
    np.testing.assert_allclose(mixture.means[:, 0], np.tile(x.mean(axis=0, dtype=float), (3, 1)), rtol=1e-6)
    np.testing.assert_allclose(mixture.stddev[2, 0, :4], x.std(axis=0, dtype=float)[:4], rtol=1e-6)
    np.testing.assert_allclose(mixture.variance_floor[:4], 0.01 * x.var(axis=0, dtype=float)[:4], rtol=1e-6)
    assert mixture.variance_floor[4] > 0 and mixture.stddev[0, 0, 4] >= np.sqrt(mixture.variance_floor[4])


@both_kinds
def test_starved_components_are_removed_but_never_the_last(kind):
    mixture, x = random_mixture(kind, num_states=3), frames(100, scale=1)
    stats = mixture.accumulate(x, np.ones((100, 3)))
    stats = replace(stats, occ=np.array([[40.0, 2.9, 3.0, 54], [1, 2, 0.5, 0.1], [10, 0, 0, 10]]))
    new = mixture.estimate(stats, floors(min_occ=3.0))
    np.testing.assert_allclose(
        np.exp(new.log_weights), np.array([[40, 0, 3, 54], [0, 97, 0, 0], [48.5, 0, 0, 48.5]]) / 97
    )
    assert new.num_gauss == 3 + 1 + 2
    again = new.estimate(new.accumulate(x, np.ones((100, 3))), floors(min_occ=0.0, weight_floor=0.01))
    # what is gone stays so
    np.testing.assert_array_equal(np.isfinite(again.log_weights), np.isfinite(new.log_weights))


@both_kinds
def test_split_keeps_weight_and_stops_at_few_frames(kind):
    mixture = random_mixture(kind, num_states=2, num_components=1)
    grown = mixture.split(np.array([[100.0], [15.0]]), [2, 2], min_count=10)
    np.testing.assert_allclose(np.exp(grown.log_weights), [[0.5, 0.5], [1, 0]])
    np.testing.assert_allclose(grown.means[0].mean(axis=0), mixture.means[0, 0])
    np.testing.assert_allclose(grown.means[0, 1] - grown.means[0, 0], 0.4 * mixture.stddev[0, 0])
    np.testing.assert_array_equal(
        spread(grown)[0], np.tile(spread(mixture)[0, 0], (2, *[1] * (spread(mixture).ndim - 2)))
    )
    assert grown.num_gauss == 3
    x = frames(10, seed=6, scale=1)
    np.testing.assert_allclose(grown.log_likelihood(x)[:, 1], mixture.log_likelihood(x)[:, 1])
    assert mixture.split(np.array([[15.0], [15.0]]), [2, 2], min_count=10) is None
    assert mixture.split(np.array([[20.0], [19.9]]), [2, 2], min_count=10).num_gauss == 3
    assert mixture.split(np.array([[99.0], [99.0]]), [1, 1], min_count=10) is None


@both_kinds
def test_split_reaches_its_targets_richest_first(kind):
    mixture = without(random_mixture(kind, num_states=4, num_components=2), 1, 0)
    occ = np.array([[70.0, 30.0], [0, 100.0], [50.0, 50.0], [90.0, 10.0]])
    grown = mixture.split(occ, [5, 4, 2, 1], min_count=1)
    # none is taken away
    np.testing.assert_array_equal(np.isfinite(grown.log_weights).sum(axis=1), [5, 4, 2, 2])
    np.testing.assert_allclose(np.exp(grown.log_weights).sum(axis=1), 1)
    for s in range(4):
        weights, old = np.exp(grown.log_weights[s]), np.exp(mixture.log_weights[s])
        np.testing.assert_allclose(weights @ grown.means[s], old @ mixture.means[s])
    # Frames 70, 30 become 17.5, 17.5, 17.5, 17.5, 30: weights fall with them.
    parts = np.exp(mixture.log_weights[0, [0, 0, 0, 0, 1]]) / [4, 4, 4, 4, 1]
    np.testing.assert_allclose(np.sort(np.exp(grown.log_weights[0])), np.sort(parts))
    np.testing.assert_allclose(np.sort(np.exp(grown.log_weights[1])), [0, 0.25, 0.25, 0.25, 0.25])


@both_kinds
def test_stack_equals_one_by_one(kind):
    """Words of several sizes and centres."""
    mixtures = [
        random_mixture(kind, num_states, num_components, seed=seed, center=90.0 + 10 * seed)
        for seed, (num_states, num_components) in enumerate([(2, 3), (4, 1), (3, 4)])
    ]
    x = frames(40)
    log_likes = kind.stack(mixtures, 4).log_likelihood(x).reshape(40, 4, 3)
    for w, mixture in enumerate(mixtures):
        own = mixture.log_likelihood(x)
        np.testing.assert_allclose(log_likes[:, : own.shape[1], w], own, rtol=1e-9)
        assert (log_likes[:, own.shape[1] :, w] < NEVER).all()


@pytest.mark.parametrize(
    ("case", "tame"), [("plain", True), ("scaled", True), ("far apart", False), ("one line", False)]
)
def test_many_full_gaussians_are_scored_term_by_term_where_that_is_exact(case, tame):
    """Scales do not matter; means thousands of deviations apart, or dimensions that are nearly one, would cancel digits."""
    mixture = random_mixture(FullMixture, 5, 4)
    x = frames(200)
    if case == "scaled":
        unit = np.array([1e-6, 1, 1e6, 1e3, 1e-3])
        mixture = replace(
            mixture,
            means=mixture.means * unit,
            covariances=mixture.covariances * np.outer(unit, unit),
            center=mixture.center * unit,
        )
        x = x * unit
    elif case == "far apart":
        mixture = replace(mixture, means=mixture.means + 1e5 * np.arange(5)[:, None, None])
        x = x + 1e5
    elif case == "one line":
        a = np.random.default_rng(2).normal(size=(5, 1))
        mixture = replace(mixture, covariances=mixture.covariances * 1e-10 + a @ a.T)
    assert mixture.log_weights.size >= MANY and mixture.tame is tame
    expected = np.zeros((200, 5, 4))
    for s, m in np.ndindex(5, 4):
        white = mixture.whiten[s, m] @ (x - mixture.means[s, m]).T
        log_det = 2 * np.log(np.diagonal(mixture.whiten[s, m])).sum()
        expected[:, s, m] = 0.5 * (log_det - 5 * np.log(2 * np.pi) - (white**2).sum(axis=0))
    np.testing.assert_allclose(
        mixture.log_likelihood(x), logsumexp(expected + mixture.log_weights, axis=2), rtol=1e-9
    )


def test_small_variance_far_from_zero_is_exact():
    """x^2 expanded about zero would lose every digit here."""
    mixture = DiagMixture(np.zeros((1, 1)), np.full((1, 1, 1), 1e6), np.zeros(1), np.full((1, 1, 1), 1e-4))
    x = np.array([[1e6 + 0.01]])
    for some in (mixture, DiagMixture.stack([mixture], 1)):
        assert some.log_likelihood(x)[0, 0] == pytest.approx(
            multivariate_normal(1e6, 1e-4).logpdf(1e6 + 0.01), rel=1e-6
        )


def random_pool(kind, num_states=3, num_gauss=6):
    """A TiedMixture whose last Gaussian is far away from all frames, and the one before it not so near."""
    pool = random_mixture(kind, num_gauss, 1)
    pool.means[-2:] += np.array([[[8.0]], [[300.0]]])
    weights = np.random.default_rng(7).dirichlet(np.ones(num_gauss), size=num_states)
    weights[0, 1], weights[0, 0] = 0, weights[0, 0] + weights[0, 1]
    # has nothing but the far one: beside the near ones its exponentials are zero
    weights[1] = np.eye(num_gauss)[-1]
    weights[2] = np.eye(num_gauss)[-2]
    with np.errstate(divide="ignore"):
        return schmm.TiedMixture(np.log(weights), pool)


@both_kinds
@pytest.mark.parametrize("rows", [4096, 7])
@pytest.mark.parametrize("states", [[0, 1, 2], [0, 2]])  # without the second fewer frames lose their sums
def test_tied_mixture_equals_its_definition(kind, rows, states, monkeypatch):
    monkeypatch.setattr(schmm, "ROWS", rows)
    tied, x, rng = random_pool(kind), frames(60), np.random.default_rng(8)
    x[::5] = tied.pool.means[-1, 0] + rng.normal(size=(12, 5))
    x[3::5] += 150  # far from all
    tied.check(3, 5)
    tied = replace(tied, log_weights=tied.log_weights[states])
    joint = tied.pool.log_likelihood(x)[:, None] + tied.log_weights  # (N, S, M)
    expected = logsumexp(joint, axis=2)
    np.testing.assert_allclose(tied.log_likelihood(x), expected, rtol=1e-10)
    np.testing.assert_allclose(tied.log_likelihood(x, prepared=tied.prepare(x)), expected, rtol=1e-6)
    gamma = rng.dirichlet(np.ones(len(states)), size=60)
    post = np.exp(joint - expected[..., None]) * gamma[..., None]
    for prepared, near in (
        (None, 1e-9),
        (tied.prepare(x), 1e-2),
    ):  # what lies 150 deviations away has a density of exp(-1e4)
        stats = tied.accumulate(x, gamma, prepared=prepared)
        np.testing.assert_allclose(stats.counts, post.sum(axis=0), rtol=near, atol=near / 1000)
        assert_equal_sums(
            tied.pool.accumulate(x, post.sum(axis=1)), stats.pool, rtol=near, atol=1e-6 + near * 1000
        )
        np.testing.assert_allclose(stats.counts.sum(), 60)
    twice = tied.accumulate(x, gamma) + tied.accumulate(x, gamma)
    np.testing.assert_allclose(twice.counts, 2 * post.sum(axis=0), rtol=1e-9, atol=1e-12)


@both_kinds
def test_tied_mixture_never_loses_likelihood(kind):
    tied, x = random_pool(kind), frames(300, scale=1.5)
    gamma = np.eye(3)[np.arange(300) * 3 // 300]
    likes = []
    for _ in range(8):
        likes.append((tied.log_likelihood(x) * gamma).sum())
        tied = tied.estimate(tied.accumulate(x, gamma), NO_FLOOR)
        tied.check(3, 5)
    assert np.diff(likes).min() >= -1e-9 * abs(likes[0]) and likes[-1] > likes[0]
    # what had no weight has none now
    np.testing.assert_array_equal(tied.log_weights[1], random_pool(kind).log_weights[1])


def test_tied_state_that_is_never_visited_keeps_its_weights_and_floors_hold():
    tied, x = random_pool(DiagMixture), frames(100, scale=1)
    gamma = np.zeros((100, 3))
    gamma[:, 0] = 1
    new = tied.estimate(tied.accumulate(x, gamma), floors(weight_floor=0.01))
    np.testing.assert_array_equal(new.log_weights[1:], tied.log_weights[1:])
    assert np.exp(new.log_weights[0]).min() == pytest.approx(0.01)


@pytest.mark.filterwarnings(
    "ignore:Values in x were outside bounds:RuntimeWarning"
)  # scipy's SLSQP before 1.16
@pytest.mark.parametrize("seed", range(20))
def test_floored_distribution_is_the_constrained_maximum(seed):
    """No other distribution on or above the floor explains the counts better (checked against scipy's
    optimiser).
    """
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    counts = rng.gamma(0.3, size=5) * (rng.random(5) > 0.3) + 1e-9
    p, on_floor = floored_distribution(counts, 0.05)
    assert p.sum() == pytest.approx(1) and p.min() >= 0.05 * (1 - 1e-12)
    np.testing.assert_allclose(p[on_floor], 0.05)
    best = minimize(
        lambda q: -(counts * np.log(q)).sum() / counts.sum(),
        np.full(5, 0.2),
        bounds=[(0.05, 1)] * 5,
        method="SLSQP",
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
    )
    assert (counts * np.log(p)).sum() / counts.sum() >= -best.fun - 1e-6


def test_floored_distribution_edges():
    np.testing.assert_allclose(floored_distribution([3, 1, 0], 0)[0], [0.75, 0.25, 0])
    np.testing.assert_allclose(floored_distribution([3, 1, 0], 5)[0], [1 / 3] * 3)
    np.testing.assert_allclose(floored_distribution([1.0], 0.1)[0], [1])


def test_categorical_counts_and_floor():
    table = Categorical(np.log(np.full((2, 4), 0.25)))
    codes, gamma = np.array([0, 0, 1, 3]), np.array([[1, 0], [1, 0], [0.5, 0.5], [0, 0]])
    stats = table.accumulate(codes, gamma)
    np.testing.assert_allclose(stats.counts, [[2, 0.5, 0, 0], [0, 0.5, 0, 0]])
    new = table.estimate(stats, SimpleNamespace(symbol_floor=0.01))
    np.testing.assert_allclose(np.exp(new.log_probs), [[0.784, 0.196, 0.01, 0.01], [0.01, 0.97, 0.01, 0.01]])
    np.testing.assert_allclose(new.log_likelihood(codes), new.log_probs.T[codes])
    unseen = table.estimate(table.accumulate(codes, gamma * [1, 0]), SimpleNamespace(symbol_floor=0.01))
    np.testing.assert_array_equal(unseen.log_probs[1], table.log_probs[1])


def test_block_lays_utterances_end_to_end():
    block = Block.from_items([("a", np.ones((2, 3))), ("b", np.zeros((0, 3))), ("c", np.full((1, 3), 5))])
    assert block.utts == ("a", "b", "c") and list(block.offsets) == [0, 2, 2, 3]
    assert [(utt, len(x)) for utt, x in block.select([2, 0]).items()] == [("c", 1), ("a", 2)]
    assert list(block) == [block] and block.sample(1) is block


def test_a_block_that_keeps_prepares_once_for_each_centre():
    mixture = random_mixture(DiagMixture)
    block = Block.from_items([("a", frames(5))], keep=True)
    first = block.prepared(mixture)
    assert block.prepared(replace(mixture, means=mixture.means + 1)) is first
    moved = replace(mixture, center=mixture.center + 1)
    for emission in (moved, random_mixture(FullMixture)):
        for ours, theirs in zip(block.prepared(emission), emission.prepare(block.obs), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert Block.from_items([("a", frames(5))]).prepared(mixture) is not first


@both_kinds
def test_a_moved_mixture_scores_as_one_made_there(kind):
    """Nothing that was kept of the first one is left in it, beside others or in a file."""
    mixture, rng = random_mixture(kind, center=0.0), np.random.default_rng(0)
    obs = rng.normal(size=(20, 5))
    shift = rng.normal(size=mixture.means.shape)
    fresh = replace(mixture, means=mixture.means + shift)
    bytes_of_it, beside = len(pickle.dumps(fresh)), kind.stack([mixture, fresh], 3).log_likelihood(obs)
    mixture.log_likelihood(obs)  # after which it may keep something
    moved = mixture.with_means(fresh.means)
    np.testing.assert_allclose(kind.stack([mixture, moved], 3).log_likelihood(obs), beside, rtol=1e-12)
    np.testing.assert_allclose(moved.log_likelihood(obs), fresh.log_likelihood(obs), rtol=1e-12)
    assert set(moved.to_arrays()) == set(fresh.to_arrays())
    assert len(pickle.dumps(moved)) == bytes_of_it
    again = pickle.loads(pickle.dumps(moved))
    np.testing.assert_allclose(again.log_likelihood(obs), fresh.log_likelihood(obs), rtol=1e-12)
