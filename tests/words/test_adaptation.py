"""Adaptation: MAP and MLLR against their definitions."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from oracle import NUM_SYMBOLS, assert_same_bytes, small_config, spoken, train_word
from scipy.stats import dirichlet, multivariate_normal
from test_models import NO_FLOOR, both_kinds, floors, frames, random_mixture, random_pool, spread

from asrkit import families
from asrkit.families.gmm import WordMixture
from asrkit.models.base import Block, rows_log_prior, smoothed_rows
from asrkit.models.categorical import Categorical
from asrkit.models.mixture import DiagMixture
from asrkit.words.adaptation import AdaptConfig, adapt_words, free_entries, solve_transform, transform_means

EVERYTHING = "means,variances,weights,transitions"
PURE = {"variance_floor": 0.0, "weight_floor": 0.0, "transition_floor": 0.0, "symbol_floor": 0.0}
both_alignments = pytest.mark.parametrize("alignment", ["viterbi", "baum-welch"])
ADAPTABLE = [name for name in families.names() if families.load(name).adaptations]


# MAP


def virtual_frames(mixture, s, m):
    """Frames (2D, D) whose mean and covariance are those of a component."""
    root = np.linalg.cholesky(covariance(mixture, s, m))
    steps = np.sqrt(len(root)) * np.concatenate([root.T, -root.T])
    return mixture.means[s, m] + steps


def covariance(mixture, s, m):
    return np.diag(mixture.variances[s, m]) if isinstance(mixture, DiagMixture) else mixture.covariances[s, m]


@both_kinds
@pytest.mark.parametrize("tau", [0.0, 0.5, 10.0])
def test_map_is_the_estimate_from_frames_and_as_many_virtual_ones_as_tau(kind, tau):
    mixture, x = random_mixture(kind), frames(200, scale=2)
    gamma = np.eye(3)[np.arange(200) % 2] * 0.8  # the last state is never visited
    prior = AdaptConfig(update=EVERYTHING, tau=tau, prior_count=7.0)
    with np.errstate(invalid="raise"):
        new = mixture.adapt(mixture.accumulate(x, gamma), prior, NO_FLOOR)
    joint = mixture.component_log_likelihood(x)
    post = np.exp(joint - np.logaddexp.reduce(joint, axis=2, keepdims=True)) * gamma[..., None]
    for s, m in np.ndindex(2, 4):
        old = virtual_frames(mixture, s, m)
        everything = np.concatenate([x, old])
        weights = np.concatenate([post[:, s, m], np.full(len(old), tau / len(old))])
        np.testing.assert_allclose(
            new.means[s, m], np.average(everything, axis=0, weights=weights), rtol=1e-9
        )
        expected = np.cov(everything.T, aweights=weights, ddof=0)
        np.testing.assert_allclose(
            covariance(new, s, m),
            expected if kind is not DiagMixture else np.diag(np.diag(expected)),
            rtol=1e-7,
            atol=1e-9,
        )
    counts = post.sum(axis=0) + 7 * np.exp(mixture.log_weights)
    np.testing.assert_allclose(
        np.exp(new.log_weights[:2]), (counts / counts.sum(axis=1, keepdims=True))[:2], rtol=1e-9
    )
    for name in ("log_weights", "means", "variances" if kind is DiagMixture else "covariances"):
        np.testing.assert_array_equal(getattr(new, name)[2], getattr(mixture, name)[2])


@both_kinds
@pytest.mark.parametrize("update", ["means", "weights", "means,weights", "means,variances", EVERYTHING])
def test_map_moves_what_it_is_told_to(kind, update):
    mixture = random_mixture(kind)
    new = mixture.adapt(
        mixture.accumulate(frames(100), np.ones((100, 3))), AdaptConfig(update=update), NO_FLOOR
    )
    moved = {"means": new.means, "weights": new.log_weights, "variances": spread(new)}
    kept = {"means": mixture.means, "weights": mixture.log_weights, "variances": spread(mixture)}
    for part in moved:
        assert np.array_equal(moved[part], kept[part]) == (part not in update)
    if update == EVERYTHING:
        alone = mixture.adapt(
            mixture.accumulate(frames(100), np.ones((100, 3))), AdaptConfig(update="means"), NO_FLOOR
        )
        np.testing.assert_array_equal(alone.means, new.means)


@both_kinds
def test_log_prior_is_what_the_virtual_frames_think(kind):
    mixture, other = random_mixture(kind, seed=1), random_mixture(kind, seed=2)
    prior = AdaptConfig(tau=3.0, prior_count=7.0)
    expected = 0.0
    for s in range(3):
        for m in range(4):
            x = virtual_frames(mixture, s, m)
            density, before = (
                multivariate_normal(some.means[s, m], covariance(some, s, m)) for some in (other, mixture)
            )
            expected += 3 * (density.logpdf(x) - before.logpdf(x)).mean()
        old = np.exp(mixture.log_weights[s])
        expected += dirichlet(7 * old + 1).logpdf(np.exp(other.log_weights[s])) - dirichlet(
            7 * old + 1
        ).logpdf(old)
    assert mixture.log_prior(other, prior) == pytest.approx(expected, rel=1e-9)
    assert mixture.log_prior(mixture, prior) == 0 or abs(mixture.log_prior(mixture, prior)) < 1e-9


@pytest.mark.parametrize("prior_count", [0.0, 0.5, 20.0])
def test_smoothed_rows_are_counts_of_both(prior_count):
    rows = np.log(np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]))
    counts = np.array([[4.0, 0, 1], [0, 0, 0]])
    new = np.exp(smoothed_rows(rows, counts, prior_count, 0.0))
    np.testing.assert_allclose(
        new[0], (counts[0] + prior_count * np.array([0.5, 0.3, 0.2])) / (5 + prior_count)
    )
    np.testing.assert_array_equal(new[1], np.exp(rows[1]))
    with np.errstate(divide="ignore"):
        forbidden = smoothed_rows(np.log([[0.5, 0.5, 0.0]]), np.array([[1.0, 0, 0]]), prior_count, 0.1)
    assert forbidden[0, 2] == -np.inf and np.exp(forbidden[0, 1]) >= 0.1 - 1e-12
    assert (
        rows_log_prior(rows, np.where(counts > 0, rows, -np.inf), 0.0)
        == 0
        > rows_log_prior(rows, rows[::-1], 1.0)
    )


@functools.cache
def trained(name, seed, covariance="diag"):
    """A model, and recordings of its word by another voice."""
    family = families.load(name)
    config = small_config(
        family, covariance=covariance, silence=seed == 1, topology="skip" if seed == 2 else "left-right"
    )
    model = train_word(name, config, spoken(family, seed, num_utts=20))[0]
    block = spoken(family, seed, num_utts=23).select([20, 21, 22])
    if family.has_codes:
        return model, replace(
            block, obs=((block.obs + 1) % NUM_SYMBOLS).astype(np.int32) * (block.obs % 3 > 0)
        )
    turn = np.array([[1.1, 0.3, 0], [-0.2, 0.9, 0], [0, 0.1, 1.2]])
    return model, replace(block, obs=(block.obs @ turn.T + [1.0, -0.5, 0.3]).astype(np.float32))


@pytest.mark.parametrize("name", ADAPTABLE)
@both_alignments
def test_no_prior_gives_maximum_likelihood_and_an_endless_one_the_old_model(name, alignment):
    family = families.load(name)
    model, block = trained(name, 0)
    stats, config = model.accumulate(block, alignment), small_config(family, **PURE, min_occ=0.0)
    likeliest = model.estimate(stats, config)
    with np.errstate(invalid="raise"):
        free = model.adapt(stats, AdaptConfig(update=EVERYTHING, tau=0.0, prior_count=0.0), config)
    for key, array in free.to_arrays().items():
        expected = likeliest.to_arrays()[key]
        if "log" in key:
            array, expected = np.exp(array), np.exp(expected)
        np.testing.assert_allclose(array, expected, rtol=1e-9, atol=1e-9, err_msg=key)
    stiff = AdaptConfig(update=EVERYTHING, tau=1e13, prior_count=1e13)
    for key, array in model.adapt(stats, stiff, config).to_arrays().items():
        np.testing.assert_allclose(array, model.to_arrays()[key], rtol=1e-7, atol=1e-7)


def lifted(model, factor):
    """The same with a higher variance floor, and variances that keep to it."""
    pool = getattr(model.emission, "pool", model.emission)
    pool = replace(pool, variance_floor=pool.variance_floor * factor)
    pool = pool.adapt(
        pool.as_frames(np.ones(pool.log_weights.shape)), AdaptConfig(update="means,variances"), NO_FLOOR
    )
    return replace(
        model, emission=replace(model.emission, pool=pool) if hasattr(model.emission, "pool") else pool
    )


HIGH = {"weight_floor": 0.1, "transition_floor": 0.2, "symbol_floor": 0.02}


@pytest.mark.parametrize("name", ADAPTABLE)
@pytest.mark.parametrize(
    "update, least", [("means", {}), (EVERYTHING, {}), (EVERYTHING, PURE), (EVERYTHING, HIGH)]
)
@pytest.mark.parametrize("covariance, seed", [("diag", 0), ("diag", 1), ("full", 2)])
@both_alignments
def test_the_posterior_never_falls(name, update, least, covariance, seed, alignment):
    model, block = trained(name, seed, covariance)
    config = small_config(families.load(name), covariance=covariance, **least)
    if least == HIGH:  # probabilities that keep to their floors, too
        model = lifted(model, 30.0) if name != "dhmm" else model
        model = model.adapt(
            model.accumulate(block, alignment),
            AdaptConfig(update=EVERYTHING, tau=1e6, prior_count=1e6),
            config,
        )
    settings = AdaptConfig(update=update, tau=2.0, prior_count=3.0, alignment=alignment, iters=6)
    models, entries = adapt_words({"w": model}, {"w": block}, settings, config)
    objective = np.array([entry["objective"] for entry in entries])
    assert np.diff(objective).min() >= -1e-9 * abs(objective[0]) and objective[-1] > objective[0]
    assert (
        entries[0]["objective"] == entries[0]["log_like"]
        and entries[-1]["objective"] < entries[-1]["log_like"]
    )
    assert entries[-1]["log_like"] == models["w"].accumulate(block, alignment).log_like
    assert [entry["iteration"] for entry in entries] == list(range(7)) and entries[-1]["frames"] == len(
        block.obs
    )
    models["w"].check(NUM_SYMBOLS if name == "dhmm" else 3)
    assert least != HIGH or name == "dhmm" or models["w"].floored.sum() > 0


def test_transitions_are_counts_and_old_ones():
    """Of a model that may begin and end in several states."""
    family = families.load("chmm")
    model = train_word(
        "chmm", small_config(family, topology="ergodic", transition_floor=0.1), spoken(family, 0)
    )[0]
    config, block = floors(transition_floor=0.0), trained("chmm", 0)[1]
    stats, prior = model.accumulate(block, "baum-welch"), AdaptConfig(update="transitions", prior_count=5.0)
    new = model.adapt(stats, prior, config)
    np.testing.assert_array_equal(new.emission.means, model.emission.means)
    old = np.exp(np.column_stack([model.log_trans, model.log_exit]))
    rows, start = (
        np.column_stack([stats.trans, stats.leave]) + 5 * old,
        stats.start + 5 * np.exp(model.log_start),
    )
    rows, start = rows / rows.sum(axis=1, keepdims=True), start / start.sum()
    np.testing.assert_allclose(np.exp(np.column_stack([new.log_trans, new.log_exit])), rows)
    np.testing.assert_allclose(np.exp(new.log_start), start)
    expected = 0.0
    for before, after in [(np.exp(model.log_start), start), *zip(old, rows, strict=True)]:
        some = before > 0
        density = dirichlet(5 * before[some] + 1)
        expected += density.logpdf(after[some] / after[some].sum()) - density.logpdf(
            before[some] / before[some].sum()
        )
    assert model.log_prior(new, prior) == pytest.approx(expected, rel=1e-6) and expected < -0.1
    still = model.adapt(stats, AdaptConfig(update="means"), config)
    np.testing.assert_array_equal(still.log_trans, model.log_trans)


def test_symbols_are_counts_and_old_ones():
    table = Categorical(np.log([[0.7, 0.2, 0.1], [0.2, 0.2, 0.6]]))
    stats = table.accumulate(np.array([1, 1, 2]), np.array([[1.0, 0]] * 3))
    floors = small_config(families.load("dhmm"), symbol_floor=0.0)
    new = table.adapt(stats, AdaptConfig(prior_count=10.0), floors)
    np.testing.assert_allclose(np.exp(new.log_probs), [[7 / 13, 4 / 13, 2 / 13], [0.2, 0.2, 0.6]])
    assert table.adapt(stats, AdaptConfig(update="transitions"), floors) is table


@both_kinds
def test_a_tied_pool_and_its_weights_move_apart(kind):
    tied, x = random_pool(kind), frames(60)
    stats = tied.accumulate(x, np.eye(3)[[0] * 60])
    new = tied.adapt(stats, AdaptConfig(update="means,weights", prior_count=4.0), NO_FLOOR)
    np.testing.assert_array_equal(new.pool.means, tied.pool.adapt(stats.pool, AdaptConfig(), NO_FLOOR).means)
    weights = stats.counts[0] + 4 * np.exp(tied.log_weights[0])
    np.testing.assert_allclose(np.exp(new.log_weights[0]), weights / weights.sum())
    np.testing.assert_array_equal(new.log_weights[1:], tied.log_weights[1:])
    np.testing.assert_array_equal(tied.adapt(stats, AdaptConfig(), NO_FLOOR).log_weights, tied.log_weights)
    assert (
        tied.log_prior(new, AdaptConfig(prior_count=4.0))
        < tied.log_prior(new, AdaptConfig(prior_count=0.0))
        < 0
    )


# MLLR


def expected_log_likelihood(mixture, stats):
    """sum over Gaussians of their frames' expected log density, from the definition (but for what no mean
    changes).
    """
    total = 0.0
    for s, m in np.ndindex(stats.occ.shape):
        precision, mean = np.linalg.inv(covariance(mixture, s, m)), mixture.means[s, m] - mixture.center
        total += mean @ precision @ stats.first[s, m] - 0.5 * stats.occ[s, m] * mean @ precision @ mean
    return total


def known_sums(kind, num_frames=300):
    mixture = random_mixture(kind, num_states=4, num_components=3)
    x = frames(num_frames, seed=3, scale=2)
    return mixture, mixture.accumulate(x, np.random.default_rng(4).dirichlet(np.ones(4), size=num_frames))


@both_kinds
@pytest.mark.parametrize("transform", ["full", "block", "diag", "bias"])
@pytest.mark.parametrize("tau", [0.0, 2.0])
def test_mllr_is_where_the_likelihood_has_no_slope(kind, transform, tau):
    """tau: less what the virtual frames lose that stay where the bias alone moves them."""
    mixture, stats = known_sums(kind)
    lies = mixture.means.reshape(-1, 5) - 99
    distance = (stats.first - stats.occ[..., None] * (mixture.means - mixture.center)).reshape(12, 5)
    precision = 1 / mixture.variances if kind is DiagMixture else np.linalg.inv(mixture.covariances)
    free = free_entries(transform, 5, 5 if transform == "block" else 1)
    change = solve_transform(
        lies, stats.occ.ravel(), distance, precision.reshape(12, *precision.shape[2:]), free, tau
    )
    assert not change[~free].any() and change[free].all()

    def gain(change):
        alike, bent = change[:, 0], (lies @ change[:, 1:].T).reshape(4, 3, 5)
        moved = replace(mixture, means=mixture.means + alike + bent)
        there = replace(mixture, means=mixture.means + alike)
        return expected_log_likelihood(moved, stats) + there.log_prior(moved, AdaptConfig(tau=tau))

    best = gain(change)
    assert best > gain(np.zeros_like(change))
    for entry in np.argwhere(free):
        step = np.zeros_like(change)
        step[tuple(entry)] = 1e-4
        up, down = gain(change + step), gain(change - step)
        assert abs(up - down) / 2e-4 < 1e-5 * abs(best) and max(up, down) <= best + 1e-9 * abs(best)


@pytest.mark.parametrize("tau", [0.0, 2.0])
@pytest.mark.parametrize("transform", ["full", "block", "diag", "bias"])
def test_few_gaussians_move_as_the_least_squares_of_all_entries_say(transform, tau):
    """Three means, of which one was not seen, leave most entries of a transform open."""
    rng, dim = np.random.default_rng(6), 6
    lies, occ = rng.standard_normal((3, dim)), np.array([4.0, 9.0, 0.0])
    distance, roots = rng.standard_normal((3, dim)) * occ[:, None], rng.standard_normal((3, dim, dim))
    free = free_entries(transform, dim, 3 if transform == "block" else 1)
    row, column = np.nonzero(free)
    design, wanted = [], []
    for lie, count, pull, root in zip(lies, occ, distance, roots):
        for weight, point in ((count, np.array([1, *lie])), (tau, np.array([0, *lie]))):
            design.append(np.sqrt(weight) * root[:, row] * point[column])
            wanted.append(root @ pull / np.sqrt(count) if point[0] and count else np.zeros(dim))
    expected = np.zeros(free.shape)
    expected[free] = np.linalg.lstsq(np.concatenate(design), np.concatenate(wanted), rcond=1e-8)[0]
    change = solve_transform(lies, occ, distance, roots.transpose(0, 2, 1) @ roots, free, tau)
    assert not change[~free].any()
    points = np.concatenate([np.ones((3, 1)), lies], axis=1)[: 2 if tau == 0 else 3]
    assert np.allclose(points @ change.T, points @ expected.T, rtol=0, atol=1e-7 * np.abs(expected).max())


def test_what_no_precision_decides_does_not_change():
    change = solve_transform(
        np.zeros((1, 2)), np.ones(1), np.array([[3.0, 1.0]]), np.ones((1, 2, 2)), free_entries("bias", 2, 1)
    )
    assert np.allclose(change, [[2, 0, 0], [2, 0, 0]])


@pytest.mark.parametrize("transform, num_blocks", [("full", 1), ("block", 3), ("diag", 1), ("bias", 1)])
@both_kinds
def test_mllr_finds_the_map_that_frames_went_through(kind, transform, num_blocks):
    """Each Gaussian's frames lie about where the map puts its mean; two words, one without recordings."""
    rng, dim = np.random.default_rng(5), 6

    def word(seed, center):
        spread = random_spread(kind, seed, dim)
        return WordMixture(
            kind(
                np.full((1, 8), -np.log(8)),
                rng.normal(scale=3, size=(1, 8, dim)) + center,
                np.full(dim, 1e-3),
                spread,
            )
        )

    matrix = np.where(
        free_entries(transform, dim, num_blocks)[:, 1:], rng.normal(scale=0.3, size=(dim, dim)), 0
    ) + np.eye(dim)
    bias = rng.normal(size=dim)
    models = {"heard": word(0, 50.0), "not": word(1, 60.0)}
    emission = models["heard"].emission
    occ = rng.uniform(0, 20, size=(1, 8))
    goal = emission.means @ matrix.T + bias
    stats = models["heard"].accumulate(Block.from_items([("u", np.zeros((1, dim)))]))
    sums = replace(
        emission.accumulate(np.zeros((1, dim)), np.ones((1, 1))),
        occ=occ,
        first=occ[..., None] * (goal - emission.center),
    )
    config = AdaptConfig(method="mllr", transform=transform, mllr_tau=0.0)
    moved = transform_means(models, {"heard": replace(stats, emission=sums)}, config, num_blocks)[0]
    for name, model in models.items():
        np.testing.assert_allclose(
            moved[name].emission.means, model.emission.means @ matrix.T + bias, rtol=1e-6
        )
        np.testing.assert_array_equal(spread(moved[name].emission), spread(model.emission))
        np.testing.assert_array_equal(moved[name].emission.center, model.emission.center)


def random_spread(kind, seed, dim):
    rng = np.random.default_rng(seed)
    if kind is DiagMixture:
        return rng.uniform(0.3, 2, size=(1, 8, dim))
    a = rng.normal(size=(1, 8, dim, dim))
    return a @ a.swapaxes(-1, -2) + 0.3 * np.eye(dim)


@both_kinds
@pytest.mark.parametrize("classes", [1, 2])
def test_the_price_of_a_bend_is_what_virtual_frames_lose(kind, classes):
    """Gaussians of two words in two heaps: relative to how their class moves on the whole."""
    rng, tau = np.random.default_rng(7), AdaptConfig(tau=2.0)
    means = rng.normal(size=(2, 1, 8, 3)) + np.repeat([0.0, 100.0], 4)[:, None]
    models = {
        f"w{w}": WordMixture(
            kind(np.full((1, 8), -np.log(8)), means[w], np.full(3, 1e-3), random_spread(kind, w, 3))
        )
        for w in range(2)
    }
    sums = {}
    for word, model in models.items():
        x = (
            model.emission.sample(np.zeros(200, dtype=int), rng) @ rng.normal(size=(3, 3)) * 0.1
            + model.emission.means[0, rng.integers(8, size=200)]
        )
        sums[word] = model.accumulate(Block.from_items([("u", x)]))
    moved, log_priors = transform_means(
        models, sums, AdaptConfig(method="mllr", mllr_tau=2.0, classes=classes, min_frames=0.0), 1
    )
    heaps = [slice(0, 4), slice(4, 8)] if classes == 2 else [slice(0, 8)]
    alike = np.zeros((8, 3))
    for heap in heaps:
        alike[heap] = np.mean(
            [moved[word].emission.means[0, heap] - models[word].emission.means[0, heap] for word in models],
            axis=(0, 1),
        )
    for word, model in models.items():
        there = replace(model.emission, means=model.emission.means + alike)
        assert (
            log_priors[word] == pytest.approx(there.log_prior(moved[word].emission, tau), rel=1e-6)
            and log_priors[word] < -0.01
        )


def test_free_entries():
    assert free_entries("full", 4, 2).all()
    expected = [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 1, 1], [1, 0, 0, 1, 1]]
    np.testing.assert_array_equal(free_entries("block", 4, 2), np.array(expected, dtype=bool))
    assert [set(np.flatnonzero(row)) for row in free_entries("block", 6, 3)] == 2 * [{0, 1, 2}] + 2 * [
        {0, 3, 4}
    ] + 2 * [{0, 5, 6}]
    np.testing.assert_array_equal(free_entries("diag", 2, 1), np.array([[1, 1, 0], [1, 0, 1]], dtype=bool))
    np.testing.assert_array_equal(free_entries("bias", 2, 1), np.array([[1, 0, 0], [1, 0, 0]], dtype=bool))


def test_classes_have_transforms_of_their_own_where_frames_suffice():
    """Two heaps of Gaussians, shifted differently."""
    rng = np.random.default_rng(6)
    means = np.concatenate([rng.normal(size=(6, 2)), rng.normal(size=(6, 2)) + 50])[None]
    model = WordMixture(
        DiagMixture(np.full((1, 12), -np.log(12)), means, np.full(2, 1e-3), np.ones((1, 12, 2)))
    )
    shift = np.repeat([[1.0, 2.0], [-3.0, 0.5]], 6, axis=0)[None]
    stats = model.accumulate(Block.from_items([("u", means[0])]))
    occ = np.repeat([20.0, 10.0], 6)[None]
    goal = means + shift - model.emission.center
    sums = {"w": replace(stats, emission=replace(stats.emission, occ=occ, first=occ[..., None] * goal))}

    def moved(**settings):
        return (
            transform_means({"w": model}, sums, AdaptConfig(method="mllr", transform="bias", **settings), 1)[
                0
            ]["w"].emission.means
            - means
        )

    np.testing.assert_allclose(moved(classes=2, min_frames=60.0), shift, atol=1e-9)
    of_all = (occ[..., None] * shift).sum(axis=(0, 1)) / occ.sum()
    np.testing.assert_allclose(moved(), np.tile(of_all, (1, 12, 1)), atol=1e-9)
    np.testing.assert_allclose(
        moved(classes=2, min_frames=61.0),
        np.concatenate([shift[:, :6], np.tile(of_all, (1, 6, 1))], axis=1),
        atol=1e-9,
    )


@pytest.mark.parametrize("name", ["chmm", "gmm", "schmm"])
@pytest.mark.parametrize(
    "covariance, transform",
    [("diag", "full"), ("diag", "block"), ("diag", "diag"), ("diag", "bias"), ("full", "full")],
)
@pytest.mark.parametrize(
    "settings", [{"mllr_tau": 0.0}, {"mllr_tau": 0.5}, {"mllr_tau": 0.5, "classes": 2, "min_frames": 20.0}]
)
@both_alignments
def test_mllr_never_loses_over_all_words(name, covariance, transform, settings, alignment):
    words = {f"w{seed}": trained(name, seed, covariance) for seed in range(3)}
    models = {word: model for word, (model, _) in words.items()}
    data = {word: block for word, (_, block) in words.items() if word != "w2"}
    settings = AdaptConfig(method="mllr", transform=transform, alignment=alignment, iters=5, **settings)
    moved, entries = adapt_words(models, data, settings, small_config(families.load(name)))
    total, log_like = (
        np.array([[entry[key] for entry in entries]]).reshape(6, 3).sum(axis=1)
        for key in ("objective", "log_like")
    )
    assert total[-1] > total[0] == log_like[0]
    assert np.diff(total).min() >= -1e-9 * abs(total[0]) or settings.classes > 1
    assert (
        (total[1:] < log_like[1:]).all()
        if settings.mllr_tau and transform != "bias"
        else (total == log_like).all()
    )
    assert [entry["word"] for entry in entries[:3]] == list(words) and entries[2]["frames"] == 0
    for word, model in models.items():
        before, after = model.to_arrays(), moved[word].to_arrays()
        assert {key for key in before if not np.array_equal(before[key], after[key])} == {"means"}, word


def test_what_the_frames_leave_open_does_not_change():
    """Two frames of one word can't tell a full transform of three dimensions; nothing explodes, nothing is
    lost.
    """
    model, block = trained("chmm", 0)
    few = Block.from_items([("u", block.obs[:5])])
    moved, entries = adapt_words(
        {"w": model},
        {"w": few},
        AdaptConfig(method="mllr", mllr_tau=0.0),
        small_config(families.load("chmm")),
    )
    objective = np.array([entry["objective"] for entry in entries])
    assert np.diff(objective).min() >= -1e-9 * abs(objective[0]) and objective[-1] > objective[0]
    assert abs(moved["w"].emission.means - model.emission.means).max() < 20


def test_a_prior_lets_few_frames_of_one_word_shift_the_others_but_not_bend_them():
    """Frames all at one place say how far, and nothing of how the space turns."""
    mixture, stats = known_sums(DiagMixture)
    seen = np.eye(12)[0].reshape(4, 3) * 5.0
    sums = replace(stats, occ=seen, first=seen[..., None] * (mixture.means - mixture.center + np.arange(5.0)))
    model = families.load("chmm").from_arrays(trained("chmm", 0)[0].to_arrays())
    word = replace(model, emission=mixture)
    config = AdaptConfig(method="mllr", mllr_tau=100.0)
    moved = transform_means(
        {"w": word}, {"w": replace(model.accumulate(trained("chmm", 0)[1]), emission=sums)}, config, 1
    )[0]["w"]
    np.testing.assert_allclose(
        moved.emission.means - mixture.means, np.tile(np.arange(5.0), (4, 3, 1)), atol=0.05
    )


def test_mllr_map_starts_from_what_mllr_made():
    model, block = trained("chmm", 0)
    config = small_config(families.load("chmm"))
    both = adapt_words({"w": model}, {"w": block}, AdaptConfig(method="mllr-map", iters=2), config)
    first = adapt_words({"w": model}, {"w": block}, AdaptConfig(method="mllr", iters=2), config)
    then = adapt_words(first[0], {"w": block}, AdaptConfig(method="map", iters=2), config)
    assert_same_bytes(both[0]["w"], then[0]["w"])
    assert both[1] == first[1] + then[1]


@pytest.mark.parametrize("name", ADAPTABLE)
def test_map_leaves_other_words_and_blocks_add_up(name):
    model, block = trained(name, 0)
    other = trained(name, 1)[0]
    config = small_config(families.load(name))
    adapted, entries = adapt_words({"w": model, "other": other}, {"w": block}, AdaptConfig(), config)
    assert adapted["other"] is other and {entry["word"] for entry in entries} == {"w"}
    parts = [block.select([0, 1]), block.select([2])]
    again = adapt_words({"w": model}, {"w": parts}, AdaptConfig(), config)[0]["w"]
    for key, array in adapted["w"].to_arrays().items():
        np.testing.assert_allclose(again.to_arrays()[key], array, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"update": "mean"}, "'mean' is none of means"),
        ({"update": "variances"}, "variances move with their means"),
        ({"tau": -1.0}, "tau=-1.0 is less than 0"),
        ({"method": "mapp"}, "method=mapp is none of"),
        ({"update": ""}, "'' is none of"),
    ],
)
def test_settings_that_are_none(settings, says):
    with pytest.raises(ValueError, match=says):
        AdaptConfig(**settings)
