"""Covariances shared by the Gaussians of all words, against their definition; and the end of a training in which it is done."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from oracle import assert_same_bytes, small_config, spoken
from scipy.stats import multivariate_normal

from asrkit import families
from asrkit.models.base import Block
from asrkit.models.sharing import share_covariances
from asrkit.words.finishing import finish_words
from asrkit.words.training import TrainConfig, train_words

SHARING = [(name, form) for name in ("gmm", "chmm", "schmm") for form in ("diag", "full")]
every_family = pytest.mark.parametrize("name, form", SHARING)
NO_FLOOR = {"variance_floor": 0.0, "weight_floor": 0.0, "min_occ": 0.0}


def trained(name, form, **settings):
    """Two words, of which the second has few recordings: settings, their data, models with logs, and sums."""
    family = families.load(name)
    known = family.Config.__dataclass_fields__
    config = small_config(
        family, covariance=form, **{key: value for key, value in settings.items() if key in known}
    )
    data = {"much": spoken(family, 0), "little": spoken(family, 1, num_utts=5)}
    words = train_words(name, config, TrainConfig(max_iters=3, growth_iters=2), data)
    sums = {word: model.accumulate(data[word]) for word, (model, _) in words.items()}
    return family, config, data, words, sums


def spread(model):
    mixture = model.emission.gaussians
    return getattr(mixture, mixture.spread)


def moments(stats):
    """Of every Gaussian with frames (place, frames, scatter as a matrix), one by one."""
    sums = stats.emission.gaussians
    for place in np.ndindex(sums.occ.shape):
        frames, first, second = sums.occ[place], sums.first[place], sums.second[place]
        matrix = second if second.ndim == 2 else np.diag(second)
        if frames > 1e-9:
            scatter = matrix / frames - np.outer(first, first) / frames**2
            yield place, frames, scatter if second.ndim == 2 else np.diag(np.diag(scatter))


@pytest.mark.parametrize("form", ["diag", "full"])
def test_frame_by_frame(form):
    """Posteriors by scipy, then the sums of the definition, for two words of two Gaussians each."""
    family, config, data, words, _ = trained("gmm", form, num_gauss=2, shared_frames=30.0, **NO_FLOOR)
    models = {word: model for word, (model, _) in words.items()}
    finished = family.finish(models, config, {word: models[word].accumulate(data[word]) for word in models})
    found = {}
    for word, model in models.items():
        mixture, x = model.emission, data[word].obs.astype(float)
        own = spread(model)[0]
        joint = np.column_stack(
            [
                np.exp(mixture.log_weights[0, m])
                * multivariate_normal(mixture.means[0, m], np.diag(own[m]) if form == "diag" else own[m]).pdf(
                    x
                )
                for m in range(2)
            ]
        )
        posterior = joint / joint.sum(axis=1, keepdims=True)
        for m in range(2):
            mean = np.average(x, axis=0, weights=posterior[:, m])
            scatter = np.cov(x.T, aweights=posterior[:, m], bias=True)
            found[word, m] = posterior[:, m].sum(), mean, scatter if form == "full" else np.diag(scatter)
    pool = sum(n * scatter for n, _, scatter in found.values()) / sum(n for n, _, _ in found.values())
    for (word, m), (n, mean, scatter) in found.items():
        np.testing.assert_allclose(finished[word].emission.means[0, m], mean, rtol=1e-5)
        expected = (n * scatter + 30 * pool) / (n + 30)
        np.testing.assert_allclose(spread(finished[word])[0, m], expected, rtol=1e-5, atol=1e-5)


@every_family
def test_every_gaussian_of_every_state(name, form):
    family, config, _, words, sums = trained(name, form, shared_frames=7.0, **NO_FLOOR)
    models = {word: model.estimate(sums[word], config) for word, (model, _) in words.items()}
    finished = family.finish({word: model for word, (model, _) in words.items()}, config, sums)
    parts = [part for word in sums for part in moments(sums[word])]
    pool = sum(n * scatter for _, n, scatter in parts) / sum(n for _, n, _ in parts)
    for word, model in finished.items():
        own = spread(model)
        for place, n, scatter in moments(sums[word]):
            there = own[place] if form == "full" else np.diag(own[place])
            np.testing.assert_allclose(there, (n * scatter + 7 * pool) / (n + 7), rtol=1e-6, atol=1e-8)
        assert_same_bytes(unspread(model), unspread(models[word]))


def unspread(model):
    """A model without its covariances."""
    mixture = model.emission.gaussians
    ones = np.broadcast_to(np.eye(3) if mixture.spread == "covariances" else np.ones(3), spread(model).shape)
    return replace(
        model, emission=model.emission.with_gaussians(replace(mixture, **{mixture.spread: ones.copy()}))
    )


@every_family
def test_with_many_frames_all_are_the_pool_and_with_few_their_own(name, form):
    family, config, _, words, sums = trained(name, form, **NO_FLOOR)
    models = {word: model.estimate(sums[word], config) for word, (model, _) in words.items()}
    tied = share_covariances(models, sums, 1e15)
    pool = spread(tied["much"])[0, 0]
    for model in tied.values():
        np.testing.assert_allclose(spread(model) - pool, 0, atol=1e-9 * np.abs(pool).max())
    for word, model in share_covariances(models, sums, 1e-12).items():
        seen = sums[word].emission.gaussians.occ > 1e-6
        np.testing.assert_allclose(
            spread(model)[seen], spread(models[word])[seen], rtol=1e-9, atol=1e-9 * np.abs(pool).max()
        )
    assert family.finish(models, config, sums) is models and not family.finishes_by_sums(config)


@pytest.mark.parametrize("form", ["diag", "full"])
def test_above_the_floor_nothing_is_likelier(form):
    """The expected log-likelihood and the log density of the prior, at the result and beside it."""
    _, config, _, words, sums = trained("chmm", form, num_gauss=1, variance_floor=0.4)
    models = {word: model.estimate(sums[word], config) for word, (model, _) in words.items()}
    shared = share_covariances(models, sums, 10.0)
    parts = [part for word in sums for part in moments(sums[word])]
    pool = sum(n * scatter for _, n, scatter in parts) / sum(n for _, n, _ in parts)
    rng, lifted = np.random.default_rng(0), 0
    for word, model in shared.items():
        root = np.sqrt(model.emission.variance_floor)
        lifted += model.floored.sum()
        for place, n, scatter in moments(sums[word]):

            def density(matrix, n=n, scatter=scatter):
                inner = n * scatter + 10 * pool
                return -0.5 * (
                    (n + 10) * np.linalg.slogdet(matrix)[1] + np.trace(np.linalg.solve(matrix, inner))
                )

            best = spread(model)[place] if form == "full" else np.diag(spread(model)[place])
            assert np.linalg.eigvalsh(best / np.outer(root, root)).min() >= 1 - 1e-9
            for _ in range(20):
                step = rng.normal(size=(3, 3)) * 0.03 * np.outer(root, root)
                step = step + step.T if form == "full" else np.diag(np.diag(step))
                values, vectors = np.linalg.eigh((best + step) / np.outer(root, root))
                other = (vectors * np.maximum(values, 1)) @ vectors.T * np.outer(root, root)
                assert density(other) <= density(best) + 1e-9 * abs(density(best))
    assert lifted, "a floor that holds nothing up proves nothing"


def test_a_gaussian_without_weight_says_nothing_and_one_without_frames_takes_the_pool():
    _, config, data, words, _ = trained("gmm", "diag", num_gauss=2, **NO_FLOOR)
    models = {word: model for word, (model, _) in words.items()}
    mixture = models["little"].emission
    alone = replace(models["little"], emission=replace(mixture, log_weights=np.array([[0.0, -np.inf]])))
    models["little"] = alone
    sums = {word: model.accumulate(data[word]) for word, model in models.items()}
    known = share_covariances(models, sums, 5.0)
    own = sums["little"].emission
    own = replace(own, occ=own.occ + [[0.0, 50.0]], second=own.second + np.full((1, 2, 3), [[[0], [1e6]]]))
    told = share_covariances(models, {**sums, "little": replace(sums["little"], emission=own)}, 5.0)
    for word in models:
        np.testing.assert_array_equal(spread(told[word]), spread(known[word]))
    np.testing.assert_allclose(
        spread(told["little"])[0, 1], spread(share_covariances(models, sums, 1e15)["much"])[0, 0]
    )


def test_sums_of_nothing_share_nothing():
    family, config, data, words, _ = trained("gmm", "diag", shared_frames=5.0)
    models = {word: model for word, (model, _) in words.items()}
    empty = Block((), np.zeros((0, 3), dtype=np.float32), np.zeros(1, dtype=np.int64))
    sums = {word: model.accumulate(empty) for word, model in models.items()}
    for word, model in family.finish(models, config, sums).items():
        assert_same_bytes(model, models[word])


@every_family
def test_the_log_says_how_likely_the_finished_model_makes_its_data(name, form):
    family, config, data, words, _ = trained(name, form, shared_frames=1e4)
    finished = finish_words(name, config, words, [data])
    for word, (model, entries) in finished.items():
        assert entries[:-1] == words[word][1], "what was logged before stays"
        last, stats = entries[-1], model.accumulate(data[word])
        assert last["objective"] == stats.log_like < entries[-2]["objective"]
        assert last["ending"] == entries[-2]["ending"] != "decreased"
        assert last["floored"] == model.floored.sum() and last["gaussians"] == model.num_gauss
        assert (last["iteration"], last["phase"]) == (len(entries) - 1, entries[-2]["phase"] + 1)
        assert (last["word"], last["start"]) == (word, entries[-2]["start"])
    apart = finish_words(name, config, words, [{word: block} for word, block in data.items()])
    for word, (model, entries) in finished.items():
        assert_same_bytes(model, apart[word][0])
        assert entries == apart[word][1]
    own = SimpleNamespace(**{**vars(config), "shared_frames": 0.0})
    assert finish_words(name, own, words, [data]) is words
