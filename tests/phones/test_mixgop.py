"""MixGoP: fits and scores as scikit-learn's, low-rank equal to dense, tokens cut and drawn as promised, NaN
where there is no score.
"""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from asrkit.models.low_rank import LowRankMixture
from asrkit.models.mixture import DiagMixture, FullMixture
from asrkit.phones.mixgop import (
    KINDS,
    MixgopConfig,
    PhoneBank,
    PhoneModel,
    cluster,
    estimate_mixture,
    fit_mixture,
    summarise,
    train_phone,
)
from asrkit.phones.tokens import (
    NO_LENGTH,
    NO_MODEL,
    PAST_END,
    SCORABLE,
    Reservoir,
    Tokens,
    cut_tokens,
    phone_rng,
)


def clouds(num, dim, num_clouds=3, seed=0):
    """Tokens (N, D) around a few centres."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.standard_normal((num_clouds, dim))
    return centres[rng.integers(num_clouds, size=num)] + rng.standard_normal((num, dim)) * rng.uniform(
        0.3, 1.5, dim
    )


def soft(num, num_gauss, seed=1):
    return np.random.default_rng(seed).dirichlet(np.ones(num_gauss), size=num)


def covariances(mixture):
    """(M, D, D) of any mixture; a low-rank one's from its definition, V'V + eps I."""
    if isinstance(mixture, DiagMixture):
        return np.stack([np.diag(v) for v in mixture.variances[0]])
    if isinstance(mixture, FullMixture):
        return mixture.covariances[0]
    pairs = zip(mixture.offsets[:-1], mixture.offsets[1:], strict=True)
    return np.stack([mixture.axes[a:b].T @ mixture.axes[a:b] for a, b in pairs]) + mixture.reg_covar * np.eye(
        mixture.means.shape[1]
    )


def sklearn_of(mixture):
    """scikit-learn's mixture with the parameters of ours."""
    diag = isinstance(mixture, DiagMixture)
    peer = GaussianMixture(mixture.num_gauss, covariance_type="diag" if diag else "full")
    peer.weights_, peer.means_ = (
        np.exp(mixture.log_weights.ravel()),
        mixture.means.reshape(mixture.num_gauss, -1),
    )
    peer.covariances_ = mixture.variances[0] if diag else covariances(mixture)
    inverse = (
        np.sqrt(1 / mixture.variances[0])
        if diag
        else np.linalg.inv(np.linalg.cholesky(peer.covariances_)).swapaxes(1, 2)
    )
    peer.precisions_cholesky_ = inverse
    return peer


class StartedMixture(GaussianMixture):
    """scikit-learn's mixture, started from given responsibilities."""

    def _initialize_parameters(self, X, random_state, **rest):
        self._initialize(X, self.start, **rest)


# fitting


@pytest.mark.parametrize("covariance", ["full", "diag"])
@pytest.mark.parametrize("num, dim, num_gauss", [(200, 2, 3), (150, 13, 4), (60, 39, 4), (40, 100, 3)])
def test_em_goes_where_scikit_learn_goes(num, dim, num_gauss, covariance):
    obs, start = clouds(num, dim), soft(num, num_gauss)
    config = MixgopConfig(num_gauss=num_gauss, covariance=covariance)
    mixture, history, ending = fit_mixture(obs, start, config)
    peer = StartedMixture(num_gauss, covariance_type=covariance, reg_covar=config.reg_covar)
    peer.start = start
    peer.fit(obs)
    assert isinstance(
        mixture,
        {"diag": DiagMixture, "full": LowRankMixture if num < num_gauss * dim else FullMixture}[covariance],
    )
    assert (
        len(history) == peer.n_iter_ > 1
        and history[-1] == pytest.approx(peer.lower_bound_, rel=1e-9)
        and ending == "converged"
    )
    np.testing.assert_allclose(np.exp(mixture.log_weights.ravel()), peer.weights_, rtol=1e-6)
    np.testing.assert_allclose(mixture.means.reshape(num_gauss, dim), peer.means_, rtol=1e-6, atol=1e-8)
    whole = peer.covariances_ if covariance == "full" else np.stack([np.diag(v) for v in peer.covariances_])
    np.testing.assert_allclose(covariances(mixture), whole, rtol=1e-6, atol=1e-6 * np.abs(whole).max())


def test_the_iteration_limit_is_said():
    config = MixgopConfig(max_iters=2, tol=0.0)
    assert fit_mixture(clouds(100, 2), soft(100, 3), config)[2] == "iteration limit"


def test_likelihood_does_not_fall():
    for covariance, dim in (("diag", 5), ("full", 3), ("full", 60)):
        _, history, _ = fit_mixture(
            clouds(120, dim),
            soft(120, 3),
            MixgopConfig(covariance=covariance, reg_covar=1e-10, tol=0.0, max_iters=15),
        )
        assert np.diff(history).min() >= -1e-9 * abs(history[0]) and len(history) > 2


def test_k_means_start_is_a_partition_and_finds_the_clouds():
    obs = np.concatenate([np.zeros((5, 2)), np.ones((7, 2)), np.full((9, 2), 5.0)])
    start = cluster(obs, 3, np.random.default_rng(0))
    assert sorted(start.sum(axis=0)) == [5, 7, 9] and (start.sum(axis=1) == 1).all()
    assert cluster(obs, 8, np.random.default_rng(0)).shape == (21, 3)  # no more distinct tokens


# densities


@pytest.mark.parametrize("covariance", ["full", "diag"])
@pytest.mark.parametrize("dim, num, num_gauss", [(2, 60, 4), (39, 50, 5), (39, 400, 3), (1024, 12, 3)])
def test_loglik_is_that_of_scikit_learn(dim, num, num_gauss, covariance):
    obs = clouds(num, dim)
    # the first components have one sample
    start = np.eye(num_gauss)[np.minimum(np.arange(num), num_gauss - 1)]
    mixture = estimate_mixture(obs, start, MixgopConfig(covariance=covariance))
    far = np.concatenate([obs, clouds(20, dim, seed=5), 3 * clouds(5, dim, seed=6)])
    np.testing.assert_allclose(
        mixture.log_likelihood(far)[:, 0], sklearn_of(mixture).score_samples(far), rtol=1e-9
    )


@pytest.mark.parametrize(
    "num, dim, num_gauss", [(6, 9, 2), (30, 39, 4), (300, 39, 32), (24, 300, 5), (5, 2, 5)]
)
def test_low_rank_is_dense(num, dim, num_gauss):
    """Against covariances summed sample by sample, hard and soft, components of one sample included."""
    obs, far, config = clouds(num, dim), clouds(40, dim, seed=7), MixgopConfig(covariance="full")
    for start in (cluster(obs, num_gauss, np.random.default_rng(0)), soft(num, num_gauss)):
        mixture = estimate_mixture(obs, start, config)
        assert isinstance(mixture, LowRankMixture)
        occ = start.sum(axis=0)
        means = start.T @ obs / occ[:, None]
        full = [
            ((obs - m).T * r / r.sum()) @ (obs - m) + config.reg_covar * np.eye(dim)
            for r, m in zip(start.T, means, strict=True)
        ]
        peer = FullMixture(np.log(occ / num)[None], means[None], np.full(dim, 1e-5), np.stack(full)[None])
        # of the parts, where their sum happens to be close to zero
        rounding = 1e-9 * 0.5 * dim * np.log(1 / config.reg_covar)
        for x in (far, obs):
            np.testing.assert_allclose(
                mixture.component_log_likelihood(x),
                peer.component_log_likelihood(x),
                rtol=1e-9,
                atol=rounding,
            )
            np.testing.assert_allclose(
                mixture.log_likelihood(x), peer.log_likelihood(x), rtol=1e-9, atol=rounding
            )


@pytest.mark.parametrize(
    "dim, num, num_gauss, reg_covar", [(1, 3, 3, 0.05), (1, 40, 3, 1e-3), (2, 4, 3, 0.05), (2, 50, 3, 1e-2)]
)
@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_densities_integrate_to_one(dim, num, num_gauss, reg_covar, covariance):
    obs = clouds(num, dim)
    config = MixgopConfig(reg_covar=reg_covar, covariance=covariance)
    mixture = estimate_mixture(obs, cluster(obs, num_gauss, np.random.default_rng(0)), config)
    axes = [
        np.linspace(obs[:, d].min() - 8, obs[:, d].max() + 8, 40_000 if dim == 1 else 500) for d in range(dim)
    ]
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*axes)], axis=1)
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    assert np.exp(mixture.log_likelihood(grid)).sum() * cell == pytest.approx(1, abs=1e-4)


# tokens


def test_centre_frame_is_the_papers():
    feats = np.arange(50)[:, None].astype(np.float32)
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, 0.4, 200)
    ends = starts + rng.uniform(0.001, 0.2, 200)
    found = cut_tokens(feats, np.zeros(200), starts, ends, 0.01, "centre")
    wanted = [min(int(16000 * (s + e) / 2) // 160, 49) for s, e in zip(starts, ends, strict=True)]
    assert found.obs[:, 0].tolist() == wanted and (found.frames == 1).all()
    decimal = cut_tokens(
        feats, [0] * 49, np.arange(49) / 100 + 0.005, np.arange(49) / 100 + 0.015, 0.01, "centre"
    )
    assert decimal.obs[:, 0].tolist() == list(range(1, 50))  # 0.29 / 0.01 is 28.999999999999996


def test_mean_and_all_take_the_frames_of_the_phone():
    feats = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    labels, starts, ends = [1, 0, -1, 0, 0], [0.03, 0.07, 0.10, 0.121, 0.28], [0.07, 0.10, 0.12, 0.122, 0.5]
    wanted = [feats[3:7], feats[7:10], feats[12:13], feats[28:30]]
    mean = cut_tokens(feats, labels, starts, ends, 0.01, "mean")
    every = cut_tokens(feats, labels, starts, ends, 0.01, "all")
    np.testing.assert_allclose(mean.obs, [x.mean(axis=0, dtype=np.float64) for x in wanted], rtol=1e-12)
    np.testing.assert_array_equal(every.obs, np.concatenate(wanted))
    assert mean.frames.tolist() == every.frames.tolist() == every.counts.tolist() == [4, 3, 0, 1, 2]
    assert mean.counts.tolist() == [1, 1, 0, 1, 1] and mean.faults.tolist() == [
        SCORABLE,
        SCORABLE,
        NO_MODEL,
        SCORABLE,
        SCORABLE,
    ]


def test_placed_frames_know_where_in_their_phone_they_are():
    feats = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    labels, starts, ends = [1, 0, -1, 0], [0.03, 0.07, 0.17, 0.2], [0.07, 0.17, 0.2, 0.201]
    every, placed = (cut_tokens(feats, labels, starts, ends, 0.01, pooling) for pooling in ("all", "placed"))
    np.testing.assert_array_equal(placed.obs[:, :-1], every.obs)
    assert placed.counts.tolist() == every.counts.tolist() == [4, 10, 0, 1]
    four, ten = (np.arange(-0.5 + 0.5 / n, 0.5, 1 / n) * 12**0.5 for n in (4, 10))
    np.testing.assert_allclose(placed.obs[:, -1], [*four, *ten, 0], atol=1e-6)


@pytest.mark.parametrize("pooling", ["centre", "mean", "all", "placed"])
def test_what_is_no_token_says_why(pooling):
    feats = np.zeros((10, 2), dtype=np.float32)
    tokens = cut_tokens(feats, [0, 0, 0, -1], [0.02, 0.1, 0.099, 0.0], [0.02, 0.2, 0.3, 0.05], 0.01, pooling)
    assert tokens.faults.tolist() == [NO_LENGTH, PAST_END, SCORABLE, NO_MODEL]
    assert tokens.frames.tolist() == [0, 0, 1, 0] and len(tokens.obs) == 1
    nothing = cut_tokens(feats, [-1], [0.0], [0.1], 0.01, pooling)
    assert nothing.obs.shape == (0, 3 if pooling == "placed" else 2)


def test_draws_are_fair_and_do_not_depend_on_the_portions():
    rows = np.arange(3000)[:, None]

    def drawn(cuts):
        reservoir = Reservoir(50, phone_rng(3, "AA", 0))
        for part in np.split(rows, cuts):
            reservoir.add(part)
        assert reservoir.seen == 3000 and sum(map(len, reservoir._rows)) <= 100
        return reservoir.tokens()[:, 0]

    one = drawn([])
    assert len(set(one)) == 50 and (np.diff(one) > 0).all()
    for cuts in (range(1, 3000), [7, 7, 2000]):
        np.testing.assert_array_equal(drawn(cuts), one)
    few = Reservoir(50, phone_rng(3, "AA", 0))
    few.add(rows[:49])
    np.testing.assert_array_equal(few.tokens(), rows[:49])
    times = np.zeros(40)
    for seed in range(2000):
        small = Reservoir(10, np.random.default_rng(seed))
        small.add(rows[:25])
        small.add(rows[25:40])
        times[small.tokens()[:, 0].astype(int)] += 1
    assert abs(times / 2000 - 0.25).max() < 0.05  # five standard deviations


def test_chance_is_the_same_in_every_process():
    code = "from asrkit.phones.tokens import phone_rng; print(phone_rng(1, 'ʃ', 0).integers(1 << 40))"
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        )
        for seed in "12"
    ]
    here = [
        phone_rng(seed, phone, purpose).integers(1 << 40)
        for seed, phone, purpose in ((1, "ʃ", 0), (1, "s", 0), (2, "ʃ", 0), (1, "ʃ", 1))
    ]
    assert [int(one.stdout) for one in told] == [here[0]] * 2 and len(set(here)) == 4


# scores


def bank(covariance="full", dim=6, num=80, config=None, phones=("AA", "B", "CH")):
    config = config or MixgopConfig(num_gauss=4, covariance=covariance)
    models = {}
    for p, phone in enumerate(phones):
        models[phone] = train_phone(phone, clouds(num, dim, seed=p) + p, 100 * (p + 1), config)[0]
    return PhoneBank(models)


def tokens_of(obs, labels, counts=None):
    labels = np.asarray(labels)
    counts = np.ones(len(labels), dtype=int) if counts is None else np.asarray(counts)
    return Tokens(labels, np.where(counts > 0, SCORABLE, NO_MODEL), counts, counts, obs)


@pytest.mark.parametrize("covariance, dim", [("diag", 6), ("full", 6), ("full", 50)])
def test_every_kind_of_score_from_its_definition(covariance, dim):
    phones, obs = bank(covariance, dim), np.concatenate([clouds(9, dim, seed=0), clouds(6, dim, seed=9)])
    labels = np.arange(15) % 3
    scores = phones.score(tokens_of(obs, labels))
    peers = [sklearn_of(model.mixture) for model in phones._models]
    every = np.stack([peer.score_samples(obs) for peer in peers], axis=1)
    own = every[np.arange(15), labels]
    others = np.where(np.eye(3)[labels] == 1, -np.inf, every)
    np.testing.assert_allclose(scores.loglik, own, rtol=1e-9)
    np.testing.assert_allclose(scores.ratio, own - others.max(axis=1), rtol=1e-7)
    joint = every + np.log([1 / 6, 2 / 6, 3 / 6])  # the shares of 100, 200 and 300 tokens
    np.testing.assert_allclose(
        scores.posterior,
        joint[np.arange(15), labels] - np.logaddexp.reduce(joint, axis=1),
        rtol=1e-7,
        atol=1e-9,
    )
    assert scores.rival.tolist() == others.argmax(axis=1).tolist()
    assert scores.comp.tolist() == [
        int(peers[q].predict(x[None])[0]) for q, x in zip(labels, obs, strict=True)
    ]
    for label, loglik, z, pct in zip(labels, scores.loglik, scores.z, scores.pct, strict=True):
        known = peers[label].score_samples(clouds(80, dim, seed=label) + label)
        assert z == pytest.approx((loglik - known.mean()) / known.std(), rel=1e-6)
        assert pct == pytest.approx(100 * np.mean(known < loglik), abs=0.6)
    np.testing.assert_array_equal(scores.table(), np.stack([getattr(scores, kind) for kind in KINDS], axis=1))


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_posteriors_sum_to_one(covariance):
    phones, obs = bank(covariance), clouds(20, 6, seed=4)
    parts = [np.exp(phones.score(tokens_of(obs, np.full(20, label))).posterior) for label in range(3)]
    np.testing.assert_allclose(sum(parts), 1, rtol=1e-9)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_several_frames_are_scored_by_their_mean(power):
    phones, obs = bank(), clouds(12, 6, seed=4)
    phones = PhoneBank(dict(zip(phones.phones, phones._models)), power)
    frames = phones.score(tokens_of(obs, [1] * 5 + [2] * 7))
    pooled = phones.score(tokens_of(obs, [1, 0, 2], [5, 0, 7]))
    every = np.stack([sklearn_of(model.mixture).score_samples(obs) for model in phones._models], axis=1)
    means = np.stack([every[:5].mean(axis=0), every[5:].mean(axis=0)])
    np.testing.assert_allclose(pooled.loglik, [means[0, 1], np.nan, means[1, 2]], rtol=1e-9)
    np.testing.assert_allclose(
        pooled.ratio,
        [means[0, 1] - means[0, [0, 2]].max(), np.nan, means[1, 2] - means[1, :2].max()],
        rtol=1e-7,
    )
    # To the power 1 the frames are independent: Bayes' rule over the sums of their log-likelihoods.
    joint = means * np.array([5.0, 7.0])[:, None] ** power + np.log([1 / 6, 2 / 6, 3 / 6])
    posterior = joint[[0, 1], [1, 2]] - np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(pooled.posterior, [posterior[0], np.nan, posterior[1]], rtol=1e-7, atol=1e-9)
    assert pooled.comp[0] == np.bincount(frames.comp[:5]).argmax()


def test_no_posterior_no_rival():
    phones, obs = bank(), clouds(3, 6, seed=4)
    quick, whole = (phones.score(tokens_of(obs, [0, 1, 2]), posterior) for posterior in (False, True))
    assert (
        np.isnan(quick.posterior).all() and np.isnan(quick.ratio).all() and quick.rival.tolist() == [-1] * 3
    )
    for kind in ("loglik", "z", "pct", "comp"):
        np.testing.assert_array_equal(getattr(quick, kind), getattr(whole, kind))
    alone = bank(phones=("AA",)).score(tokens_of(obs, [0, 0, 0]))
    assert (
        np.abs(alone.posterior).max() < 1e-9
        and np.isnan(alone.ratio).all()
        and alone.rival.tolist() == [-1] * 3
    )


def test_tokens_without_a_score_are_nan():
    phones, obs = bank(), clouds(1, 6, seed=4)
    scores = phones.score(tokens_of(obs, [-1, 1, -1], [0, 1, 0]))
    assert np.isnan(scores.table()[[0, 2]]).all() and np.isfinite(scores.table()[1]).all()
    assert scores.comp[[0, 2]].tolist() == scores.rival[[0, 2]].tolist() == [-1, -1]
    nothing = phones.score(tokens_of(obs[:0], [-1], [0]))
    assert np.isnan(nothing.table()).all()


def test_percentile_and_z_of_known_scores():
    known = PhoneModel(bank()._models[0].mixture, np.array([0.0, 1.0, 1.0, 2.0]), 4)
    z, pct = PhoneBank({"AA": known})._among_trained(np.array([-5.0, 1.0, 1.5, 9.0]), np.zeros(4, dtype=int))
    assert pct.tolist() == [0, 50, 75, 100]
    np.testing.assert_allclose(z, (np.array([-5.0, 1.0, 1.5, 9.0]) - 1) / np.sqrt(0.5))
    same = PhoneModel(known.mixture, np.array([2.0, 2.0]), 2)
    z, pct = PhoneBank({"AA": same})._among_trained(np.array([1.0, 2.0]), np.zeros(2, dtype=int))
    assert np.isnan(z).all() and pct.tolist() == [0, 50]


def test_fewer_gaussians_where_there_are_too_few_tokens():
    model, entry = train_phone("AA", clouds(5, 3), 5, MixgopConfig())
    assert entry["gaussians"] == model.mixture.num_gauss <= 5 and entry["drawn"] == 5
    one, _ = train_phone("AA", np.ones((4, 3)), 4, MixgopConfig())
    # one Gaussian, reg_covar its variance
    np.testing.assert_allclose(one.scores, -1.5 * np.log(2 * np.pi * 1e-5))


def test_training_is_deterministic():
    config = MixgopConfig(num_gauss=4)
    first, again, other = (train_phone(phone, clouds(60, 5), 60, config)[0] for phone in ("AA", "AA", "B"))
    for name, array in first.mixture.to_arrays().items():
        assert array.tobytes() == again.mixture.to_arrays()[name].tobytes()
    assert first.mixture.means.tobytes() != other.mixture.means.tobytes()


def test_summaries_skip_nan():
    table = np.array([[1.0, np.nan], [np.nan, np.nan], [4.0, np.nan], [2.0, np.nan]])
    mean, least, low = summarise(table)[0]
    assert (mean, least, low) == (pytest.approx(7 / 3), 1, pytest.approx(np.percentile([1, 2, 4], 10)))
    assert np.isnan(summarise(table)[1]).all()


@pytest.mark.parametrize(
    ("num_tokens", "dim", "num_gauss"),
    [
        (20, 39, 1),
        (100, 39, 1),
        (512, 39, 5),
        (2000, 39, 22),
        (10**6, 39, 32),
        (512, 13, 10),
        (512, 1024, 1),
        (1, 1, 1),
    ],
)
def test_gaussians_follow_tokens_and_dimensions(num_tokens, dim, num_gauss):
    assert MixgopConfig().gaussians(num_tokens, dim) == num_gauss
    assert MixgopConfig(covariance="full").gaussians(num_tokens, dim) <= num_gauss
    assert MixgopConfig(num_gauss=7).gaussians(num_tokens, dim) == 7


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_parameters_are_counted(covariance):
    config = MixgopConfig(num_gauss=3, covariance=covariance)
    (model, _), dim = train_phone("AA", clouds(200, 4), 200, config), 4
    mixture = model.mixture
    variances = mixture.variances.size if covariance == "diag" else 3 * len(np.tril_indices(dim)[0])
    assert config.parameters(3, dim) == mixture.log_weights.size - 1 + mixture.means.size + variances


@pytest.mark.parametrize(("num_tokens", "dim"), [(25, 39), (100, 39), (512, 39), (300, 5), (400, 300)])
def test_by_default_nothing_is_learned_by_heart(num_tokens, dim):
    """Other tokens of the same kind stand where the training's stand."""
    tokens, others = np.split(clouds(num_tokens + 400, dim, seed=1), [num_tokens])
    model, _ = train_phone("AA", tokens, num_tokens, MixgopConfig())
    pct = np.searchsorted(model.scores, model.mixture.log_likelihood(others)[:, 0]) * 100 / num_tokens
    assert 15 < np.median(pct) < 65 and np.mean(pct == 0) < 0.2
