"""Every step of the algorithms, against brute force over all that is latent, scikit-learn, hmmlearn, and the engine's own training."""

import itertools
import warnings

import numpy as np
import pytest

import asrkit
from asrkit import study
from asrkit.errors import DataError, SettingsError
from asrkit.families import chmm, gmm
from asrkit.models.base import safe_log
from asrkit.models.categorical import Categorical
from asrkit.models.hmm import Hmm
from asrkit.models.mixture import MIXTURES
from tests.oracle import assert_same_bytes, log_sum, random_arcs, spoken, train_word

DIMS, STATES, GAUSSIANS, SYMBOLS = 2, 3, 2, 4


def points(num=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(3, DIMS))[rng.integers(0, 3, num)] * 4 + rng.normal(size=(num, DIMS))


def gaussians(rng, states, each, form):
    means = rng.normal(size=(states, each, DIMS))
    root = rng.normal(size=(states, each, DIMS, DIMS)) * 0.3 + np.eye(DIMS)
    spread = root @ root.swapaxes(-1, -2)
    if form == "diag":
        spread = np.diagonal(spread, axis1=-2, axis2=-1).copy()
    weights = rng.dirichlet(np.ones(each), states)
    return MIXTURES[form](safe_log(weights), means, np.full(DIMS, 1e-9), spread)


def model_of(kind, seed):
    """A small model of random parameters, and the observations of a sequence."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(4, DIMS))
    if kind.startswith("mixture"):
        return gmm.WordMixture(gaussians(rng, 1, 3, kind.split()[1])), x
    topology = kind.split()[1]
    arcs = random_arcs(rng, STATES, topology)
    if kind.startswith("discrete"):
        table = Categorical(safe_log(rng.dirichlet(np.ones(SYMBOLS), STATES)))
        return Hmm(*arcs, table), rng.integers(0, SYMBOLS, 4)
    return Hmm(*arcs, gaussians(rng, STATES, GAUSSIANS, "full")), x


def all_latents(model, x):
    """ln p(x, Z) of every assignment of states and components: (paths, components) -> float."""
    joint = model.emission.component_log_likelihood(np.asarray(x))  # (T, S, M)
    num_frames, num_states, each = joint.shape
    arcs = (np.zeros(1), np.zeros((1, 1)), np.zeros(1))
    if isinstance(model, Hmm):
        arcs = model.log_start, model.log_trans, model.log_exit
    log_start, log_trans, log_exit = arcs
    scores = {}
    for path in itertools.product(range(num_states), repeat=num_frames):
        steps = log_start[path[0]] + log_exit[path[-1]] + sum(log_trans[i, j] for i, j in zip(path, path[1:]))
        for chosen in itertools.product(range(each), repeat=num_frames):
            own = sum(joint[t, s, m] for t, (s, m) in enumerate(zip(path, chosen)))
            scores[path, chosen] = steps + own
    return scores


KINDS = ("mixture diag", "mixture full", "discrete left-right", "discrete ergodic", "continuous left-right")
KINDS += ("continuous ergodic",)


@pytest.mark.parametrize("kind", KINDS)
def test_bound_equals_brute_force(kind):
    """Q, entropy, KL and the bound over all Z; the new model, of other parameters, forbids the same."""
    old, x = model_of(kind, 1)
    new, _ = model_of(kind, 2)
    before, after = all_latents(old, x), all_latents(new, x)
    total_old, total_new = log_sum(before.values()), log_sum(after.values())
    q = {z: np.exp(score - total_old) for z, score in before.items() if score > -np.inf}
    expected_q = sum(p * after[z] for z, p in q.items())
    expected_entropy = -sum(p * np.log(p) for p in q.values() if p > 0)
    expected_kl = sum(p * (np.log(p) - (after[z] - total_new)) for z, p in q.items() if p > 0)
    close = {"rel": 1e-10, "abs": 1e-10}
    assert study.log_likelihood(new, x) == pytest.approx(total_new, **close)
    assert study.q_function(new, x, old) == pytest.approx(expected_q, **close)
    assert study.entropy(old, x) == pytest.approx(expected_entropy, **close)
    assert study.kl(old, new, x) == pytest.approx(expected_kl, **close)
    assert study.lower_bound(new, x, old) == pytest.approx(expected_q + expected_entropy, **close)
    assert study.lower_bound(new, x, old) + study.kl(old, new, x) == pytest.approx(total_new, **close)
    assert study.kl(old, old, x) == 0.0
    assert study.lower_bound(old, x, old) == pytest.approx(total_old, **close)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "mixture" not in kind])
def test_posteriors_equal_brute_force(kind):
    model, x = model_of(kind, 3)
    scores = all_latents(model, x)
    total = log_sum(scores.values())
    gamma, xi = np.zeros((len(x), STATES)), np.zeros((len(x) - 1, STATES, STATES))
    for (path, _), score in scores.items():
        p = np.exp(score - total)
        gamma[np.arange(len(x)), path] += p
        xi[np.arange(len(x) - 1), path[:-1], path[1:]] += p
    own_gamma, own_xi = study.posteriors(model, x, transitions=True)
    np.testing.assert_allclose(own_gamma, gamma, atol=1e-12)
    np.testing.assert_allclose(own_xi, xi, atol=1e-12)
    both = study.forward(model, x) + study.backward(model, x)
    np.testing.assert_allclose(np.logaddexp.reduce(both, axis=1), total, rtol=1e-12)


@pytest.mark.parametrize("topology", ["left-right", "skip", "ergodic", "random"])
def test_trellis_takes_the_path_of_the_engine(topology):
    """Also among equals: with codes of which none says anything all paths of a kind are."""
    rng = np.random.default_rng(4)
    for seed in range(10):
        arcs = random_arcs(np.random.default_rng(seed), 4, topology)
        table = np.full((4, 3), 1 / 3) if seed % 2 else rng.dirichlet(np.ones(3), 4)
        model = Hmm(*arcs, Categorical(safe_log(table)))
        x = rng.integers(0, 3, 9)
        found = study.trellis(model, x)
        scores, path = model.align(study.block_of(x, "x", True))
        assert found.path.tolist() == path.tolist()
        assert found.score == pytest.approx(scores[0], rel=1e-12)
        for t, state in enumerate(found.path[:-1]):
            assert found.back[t + 1, found.path[t + 1]] == state
        assert (found.delta <= study.forward(model, x) + 1e-12).all()


def test_posteriors_equal_scikit_learn_and_hmmlearn():
    hmmlearn = pytest.importorskip("hmmlearn.hmm")
    from sklearn.mixture import GaussianMixture

    x, rng = points(), np.random.default_rng(0)
    theirs = GaussianMixture(3, random_state=0).fit(x)
    ours = study.mixture(theirs.weights_, theirs.means_, theirs.covariances_)
    np.testing.assert_allclose(study.posteriors(ours, x), theirs.predict_proba(x), atol=1e-10)
    assert study.log_likelihood(ours, x) == pytest.approx(theirs.score(x) * len(x), rel=1e-12)
    other = hmmlearn.GaussianHMM(3, covariance_type="full")
    other.n_features = DIMS
    other.startprob_, other.transmat_ = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3), 3)
    other.means_, other.covars_ = theirs.means_, theirs.covariances_
    # hmmlearn knows no end: from every state it is as likely, so that it does not matter
    ours = study.hmm(
        other.startprob_,
        other.transmat_ * 0.9,
        [0.1, 0.1, 0.1],
        means=other.means_,
        covariances=other.covars_,
    )
    np.testing.assert_allclose(study.posteriors(ours, x), other.predict_proba(x), atol=1e-10)
    several = study.posteriors(ours, [x[:20], x[20:]])
    expected = other.predict_proba(x, [20, len(x) - 20])
    np.testing.assert_allclose(np.concatenate(several), expected, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_kmeans_equals_scikit_learn(seed):
    from sklearn.cluster import KMeans

    x = points(200, seed) + 1e4
    for start in (x[:5], "k-means++", "random"):
        steps = study.kmeans(x, 5, start=start, seed=seed, max_iters=300)
        theirs = KMeans(5, init=steps[0].means, n_init=1, tol=0, max_iter=300).fit(x)
        np.testing.assert_allclose(steps[-1].means, theirs.cluster_centers_, atol=1e-8)
        assert steps[-1].objective == pytest.approx(theirs.inertia_)
        assert [step.phase for step in steps[:3]] == ["assign", "means", "assign"]
        j = [step.objective for step in steps]
        assert all(b <= a * (1 + 1e-12) for a, b in zip(j, j[1:]))
        for step in steps:
            assert step.objective == pytest.approx(((x - step.means[step.labels]) ** 2).sum())


def test_an_empty_cluster_keeps_its_mean():
    steps = study.kmeans([0.0, 1.0, 2.0], 2, start=[1.0, 50.0])
    assert steps[-1].means.ravel() == pytest.approx([1.0, 50.0])


@pytest.mark.parametrize("scale", [False, True])
def test_lbg_is_that_of_the_engine(scale):
    from asrkit.models.codebook import CodebookConfig, nearest, train_codebook

    x = points(300) * [1.0, 5.0]
    steps = study.lbg(x, 6, scale=scale)
    assert [step.size for step in steps] == sorted(step.size for step in steps)
    assert {step.size for step in steps} == {1, 2, 4, 6}
    for step in steps:
        away = x - step.vectors[step.labels]
        unit = x.std(axis=0) if scale else 1.0
        assert step.distortion == pytest.approx(((away / unit) ** 2).sum(axis=1).mean())
        assert (step.labels == nearest(x / unit, step.vectors / unit)).all()
    for size in (1, 2, 4, 6):
        fall = [step.distortion for step in steps if step.size == size]
        assert fall == sorted(fall, reverse=True)
    if scale:
        book, histories = train_codebook(x, CodebookConfig(size=6), np.random.default_rng(0))
        np.testing.assert_allclose(steps[-1].vectors, book.vectors * book.scale, rtol=1e-12)
        assert len(steps) >= len(histories[0])


TRAININGS = [
    ("gmm", {"num_gauss": 3, "covariance": "full", "num_starts": 3}),
    ("gmm", {"num_gauss": 3, "max_iters": 2}),
    ("chmm", {"num_states": 3, "num_gauss": 4, "method": "both"}),
    ("schmm", {"num_states": 3, "num_gauss": 4}),
    ("dhmm", {"num_states": 3, "num_symbols": 16, "method": "baum-welch", "num_starts": 2}),
]


@pytest.mark.parametrize("family, settings", TRAININGS)
def test_training_is_that_of_the_engine(family, settings):
    """The last model byte for byte, a model for each entry of the log, and the objective never falls."""
    block = spoken(asrkit.families.load(family), seed=1)
    sequences = [x for _, x in block.items()]
    few = {} if family == "dhmm" else {"min_count": 5.0}
    steps = study.train(family, sequences, **few, **settings)
    how = {name: settings[name] for name in ("method", "max_iters") if name in settings}
    own = {name: value for name, value in settings.items() if name not in how}
    config = asrkit.families.load(family).Config(**few, **own)
    model, log = train_word(family, config, block, **how)
    assert_same_bytes(steps[-1].model, model)
    assert [step.objective for step in steps] == [entry["objective"] for entry in log]
    assert [step.phase for step in steps] == [entry["phase"] for entry in log]
    for before, after in zip(steps, steps[1:]):
        assert after.objective >= before.objective - 1e-6 * max(abs(before.objective), before.frames)
    for step in steps[:: max(1, len(steps) // 3)]:  # the models are those of their entries
        if step.method == "baum-welch" or family == "gmm":
            assert study.log_likelihood(step.model, sequences) == pytest.approx(step.objective, rel=1e-5)


def test_float64_is_trained_in_float64():
    x = points(200)
    steps = study.train("gmm", x, num_gauss=3, min_count=1, tol=0, max_iters=30)
    for before, after in zip(steps, steps[1:]):
        exact = study.log_likelihood(after.model, x)
        assert after.objective == pytest.approx(exact, rel=1e-12)
        old, new = before.model, after.model
        bound = study.lower_bound(new, x, old)
        # the M step is the maximum of Q, so the bound rises from where it touches
        assert bound >= before.objective - 1e-9 and study.kl(old, new, x) >= 0
        assert bound + study.kl(old, new, x) == pytest.approx(exact, rel=1e-12)


def test_em_goes_the_way_of_scikit_learn():
    """From the same start, the model of every iteration."""
    from sklearn.mixture import GaussianMixture

    x, covariances = points(200), np.array([np.eye(2), 2 * np.eye(2), 4 * np.eye(2)])
    weights = np.array([0.2, 0.3, 0.5])
    how = {"num_gauss": 3, "covariance": "full", "variance_floor": 0.0, "weight_floor": 0.0, "min_occ": 0.0}
    steps = study.train("gmm", x, start=study.mixture(weights, x[:3], covariances), max_iters=6, tol=0, **how)
    init = {"weights_init": weights, "means_init": x[:3], "precisions_init": np.linalg.inv(covariances)}
    for number in (1, 3, 6):
        theirs = GaussianMixture(3, **init, max_iter=number, tol=0, reg_covar=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not converged
            theirs.fit(x)
        ours = steps[number].model.emission
        np.testing.assert_allclose(np.exp(ours.log_weights[0]), theirs.weights_, atol=1e-10)
        np.testing.assert_allclose(ours.means[0], theirs.means_, atol=1e-9)
        np.testing.assert_allclose(ours.covariances[0], theirs.covariances_, atol=1e-9)


def test_a_training_goes_on_from_a_model():
    block = spoken(asrkit.families.load("chmm"), seed=1)
    sequences = [x for _, x in block.items()]
    how = {"num_states": 3, "min_count": 5.0, "method": "baum-welch", "tol": 0.0}
    whole = study.train("chmm", sequences, num_gauss=1, max_iters=9, **how)
    rest = study.train("chmm", sequences, num_gauss=1, max_iters=4, start=whole[5].model, **how)
    assert_same_bytes(rest[4].model, whole[9].model)
    grown = study.train("chmm", sequences, num_gauss=4, start=rest[-1].model, **how)
    assert grown[0].model.num_gauss == 3 and grown[-1].model.num_gauss == 12
    again = study.train("chmm", sequences, num_gauss=4, start=grown[-1].model, max_iters=2, **how)
    assert {step.model.num_gauss for step in again} == {12}


def test_an_hmm_of_plain_numbers_is_read_as_written():
    model = study.hmm([1, 0], [[0.5, 0.5], [0, 0.5]], [0, 0.5], means=[0.0, 3.0], covariances=[1.0, 4.0])
    x = [0.5, 1.0, 2.0]
    density = np.exp(-0.5 * (np.subtract.outer(x, [0.0, 3.0]) / [1, 2]) ** 2) / np.sqrt(2 * np.pi) / [1, 2]
    paths = ((0, 0, 1), (0, 1, 1))
    expected = sum(np.prod([density[t, s] for t, s in enumerate(path)]) * 0.5**3 for path in paths)
    assert study.log_likelihood(model, x) == pytest.approx(np.log(expected), rel=1e-12)
    several = study.hmm(
        [1.0], [[0.5]], [0.5], means=[[[0.0], [1.0]]], covariances=[[[1.0], [1.0]]], weights=[[0.3, 0.7]]
    )
    assert several.emission.components.tolist() == [2]
    assert isinstance(several.emission, MIXTURES["diag"]) and chmm.Chmm().from_arrays(several.to_arrays())


MODEL = study.hmm([1, 0], [[0.5, 0.5], [0, 0.5]], [0, 0.5], symbols=[[0.9, 0.1], [0.2, 0.8]])
PLANE = study.mixture([0.5, 0.5], [[0, 0], [1, 1]], [np.eye(2), np.eye(2)])


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: study.kmeans([1.0, 1.0, 2.0], 3), "X has 2 different points, fewer than k=3"),
        (lambda: study.kmeans([1.0, 2.0], 2, start="middle"), "start=middle is none of k-means"),
        (lambda: study.kmeans([1.0, 2.0], 2, start=[1.0]), r"start has shape \(1, 1\)"),
        (lambda: study.kmeans([1.0, np.nan], 2), "X holds NaN"),
        (lambda: study.kmeans("abc", 2), "X is .*array of numbers"),
        (lambda: study.kmeans([1.0, 2.0], 0), "k=0 is less than 1"),
        (lambda: study.kmeans([1.0, 2.0], 1, tol=-1), "tol=-1"),
        (lambda: study.lbg([], 2), r"X has shape \(0,\)"),
        (lambda: study.train("gmm", points(), num_gaus=2), "did you mean num_gauss"),
        (lambda: study.train("gmm", points(), cmvn="speaker"), "cmvn=: has no say"),
        (lambda: study.train("chmm", points(), shared_frames=5.0), "shared_frames=: has no say"),
        (lambda: study.train("dhmm", [np.array([0, 5])], num_symbols=4), "code 5, beyond num_symbols=4"),
        (lambda: study.train("dhmm", points()), "should be codes"),
        (lambda: study.train("gmm", [points(), points()[:, :1]]), r"sequences\[1\] has shape"),
        (lambda: study.train("gmm", points(), start=3), "it should be a mixture or an HMM"),
        (lambda: study.train("gmm", points()[:, :1], start=PLANE), "the model sees 2 dimensions"),
        (lambda: study.mixture([0.5, 0.6], [0, 1], [1, 1]), "weights sums to 1.1"),
        (lambda: study.mixture([0.5, 0.5], [0, 1], [1, 0]), "not above 0"),
        (lambda: study.mixture([0.5, 0.5], [0, 1, 2], [1, 1, 1]), "they don't fit"),
        (lambda: study.mixture([1.0], [[0, 0]], [[[1, 2], [2, 1]]]), "positive definite"),
        (lambda: study.mixture([1.0], [[0, 0]], [[[1, 2], [0, 9]]]), "not symmetric"),
        (lambda: study.mixture([1.0], [[0, 0]], [1.0]), "covariances has shape"),
        (lambda: study.hmm([1, 0], [[1, 0], [0, 1]], [0, 1], symbols=np.eye(2)), "each row .* sums to 2"),
        (lambda: study.hmm([1, 0], [[1]], [0], symbols=np.eye(2)), "transitions has shape"),
        (lambda: study.hmm([1], [[0.5]], [0.5]), "either symbols, or means"),
        (lambda: study.posteriors(MODEL, [0]), "no path goes through the model: 1 frames.* has 2"),
        (lambda: study.posteriors(MODEL, [[0, 1], [0]]), r"X\[1\]: no path"),
        (lambda: study.posteriors(MODEL, [0, 2]), "knows 2 symbols, 0 to 1"),
        (lambda: study.posteriors(MODEL, [-1, 0]), "X holds -1"),
        (lambda: study.posteriors(PLANE, points(), transitions=True), "a mixture has none"),
        (lambda: study.forward(PLANE, points()), "only they know time"),
        (lambda: study.trellis(MODEL, [[0, 1], [0, 1]]), "x holds 2 sequences"),
        (lambda: study.kl(MODEL, PLANE, [0, 1]), "2 states of 1 .*compare models"),
        (lambda: study.log_likelihood(3, [0, 1]), "should be a mixture or an HMM"),
    ],
)
def test_what_cannot_be_used_is_told(call, says):
    with pytest.raises((DataError, SettingsError), match=says):
        call()


def test_a_model_that_forbids_more_is_infinitely_far():
    lame = study.hmm([1, 0], [[0.0, 1.0], [0, 0.5]], [0, 0.5], symbols=[[0.9, 0.1], [0.2, 0.8]])
    assert study.kl(MODEL, lame, [0, 0, 1]) == np.inf
    assert study.q_function(lame, [0, 0, 1], MODEL) == -np.inf
    assert np.isfinite(study.kl(lame, MODEL, [0, 0, 1]))
    assert study.log_likelihood(MODEL, [0]) == -np.inf
