"""Where EM of a word's mixture starts, and weights that stay: against the data themselves and EM written out in numpy."""

import numpy as np
import pytest
from oracle import assert_same_bytes, falls, train_word

import asrkit
from asrkit import families, study
from asrkit.families.gmm import Config
from asrkit.models.base import Block
from asrkit.models.mixture_base import Mixture
from asrkit.words.training import TrainConfig, train_beside

GMM = families.load("gmm")
CENTERS = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0], [20.0, 20.0]])


def blobs(places, num=40, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([CENTERS[place] + rng.normal(size=(num, 2)) for place in places])


def block_of(x):
    return Block.from_items([(str(n), part) for n, part in enumerate(np.array_split(x, 4))], exact=True)


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_a_random_start_lies_at_frames_and_is_as_wide_as_the_word(covariance):
    x = blobs([0, 1, 2])
    config = Config(num_gauss=5, init="random", covariance=covariance)
    mixture = GMM.init(config, block_of(x), np.random.default_rng([0, 0, 0])).emission
    assert all((x == mean).all(axis=1).any() for mean in mixture.means[0])
    assert len(np.unique(mixture.means[0], axis=0)) == 5
    np.testing.assert_allclose(np.exp(mixture.log_weights[0]), 0.2)
    expected = np.cov(x.T, bias=True) if covariance == "full" else x.var(axis=0)
    for own in getattr(mixture, mixture.spread)[0]:
        np.testing.assert_allclose(own, expected, rtol=1e-9)
    other = GMM.init(config, block_of(x), np.random.default_rng([0, 0, 1])).emission
    assert (other.means != mixture.means).any()
    few = GMM.init(Config(num_gauss=9, init="random", min_count=40), block_of(x), np.random.default_rng(0))
    assert few.num_gauss == 3


def shared(words, config, **training):
    """Each word's start and model, from clusters of all of them."""
    blocks = {word: block_of(x) for word, x in words.items()}
    common = GMM.common_start(
        config, block_of(np.concatenate(list(words.values()))), np.random.default_rng([0, 1])
    )
    histories = []
    found = train_beside(
        "gmm", [config], TrainConfig(**training), blocks, commons={(0, 0): common}, histories=histories
    )
    return {word: histories[0][word][0].emission for word in words}, found[0]


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_a_shared_start_is_the_clusters_of_all_words(covariance):
    words = {"left": blobs([0, 2, 2], seed=1), "right": blobs([1, 3, 3], seed=2), "short": blobs([3], 10)}
    config = Config(
        num_gauss=4, init="shared", covariance=covariance, min_count=5.0, variance_floor=1e-6, num_starts=1
    )
    starts, trained = shared(words, config)
    x = np.concatenate(list(words.values()))
    nearest = ((x[:, None] - CENTERS) ** 2).sum(axis=2).argmin(axis=1)
    for word in ("left", "right"):
        mixture, places = starts[word], []
        for mean, spread, weight in zip(
            mixture.means[0], getattr(mixture, mixture.spread)[0], np.exp(mixture.log_weights[0])
        ):
            place = ((CENTERS - mean) ** 2).sum(axis=1).argmin()
            own = x[nearest == place]
            np.testing.assert_allclose(mean, own.mean(axis=0), rtol=1e-9)
            np.testing.assert_allclose(
                spread, np.cov(own.T, bias=True) if covariance == "full" else own.var(axis=0), rtol=1e-9
            )
            assert weight == pytest.approx(len(own) / len(x))
            places.append(place)
        assert sorted(places) == [0, 1, 2, 3]
    assert starts["short"].num_gauss == 2, "10 frames, 5 each"
    assert np.abs(starts["short"].means[0] - CENTERS[3]).sum(axis=1).min() < 2, "and the cluster it is in"
    assert np.exp(starts["short"].log_weights[0]).sum() == pytest.approx(1)
    for _, log in trained.values():
        assert not falls(log)


def test_a_shared_start_stands_on_the_floor_of_each_word():
    words = {"narrow": blobs([0]), "wide": 9.0 * blobs([0], seed=1)}
    config = Config(num_gauss=2, init="shared", min_count=5.0, variance_floor=1.0, num_starts=1)
    starts, _ = shared(words, config)
    for word, x in words.items():
        assert (starts[word].variances >= x.var(axis=0) * (1 - 1e-12)).all()
        np.testing.assert_allclose(starts[word].variance_floor, x.var(axis=0))


@pytest.mark.parametrize("init", ["random", "kmeans"])
def test_weights_that_stay(init):
    """Means and variances by EM in numpy with the weights of the start."""
    x = blobs([0, 1, 1, 2])
    how = {"init": init, "num_gauss": 3, "min_occ": 0.0, "variance_floor": 0.0, "update_weights": False}
    steps = study.train("gmm", x, max_iters=4, tol=0, **how)
    weights = np.exp(steps[0].model.emission.log_weights[0])
    assert init == "kmeans" or weights == pytest.approx(1 / 3)
    means, variances = steps[0].model.emission.means[0], steps[0].model.emission.variances[0]
    for step in steps[1:]:
        square = (x[:, None] - means) ** 2 / variances
        joint = np.log(weights) - 0.5 * (square + np.log(2 * np.pi * variances)).sum(axis=2)
        post = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
        occ = post.sum(axis=0)[:, None]
        means = post.T @ x / occ
        variances = np.stack([post[:, m] @ (x - means[m]) ** 2 for m in range(3)]) / occ
        ours = step.model.emission
        np.testing.assert_array_equal(ours.log_weights, steps[0].model.emission.log_weights)
        np.testing.assert_allclose(ours.means[0], means, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(ours.variances[0], variances, rtol=1e-6)
    objective = [step.objective for step in steps]
    assert all(b >= a - 1e-9 for a, b in zip(objective, objective[1:]))
    free = study.train("gmm", x, max_iters=4, tol=0, **{**how, "update_weights": True})
    assert free[-1].objective >= steps[-1].objective - 1e-9


def test_weights_that_stay_are_shared_out_where_a_gaussian_is_removed():
    x = blobs([0, 1])
    start = study.mixture([0.5, 0.3, 0.2], [*CENTERS[:2], [500.0, 500.0]], np.ones((3, 2)))
    steps = study.train("gmm", x, start=start, num_gauss=3, update_weights=False)
    weights = np.exp(steps[-1].model.emission.log_weights[0])
    np.testing.assert_allclose(weights, [0.5 / 0.8, 0.3 / 0.8, 0.0])


def test_what_a_training_was_before_there_were_such_settings_is_recorded_as_then():
    from asrkit.config import recorded

    assert not {"init", "update_weights"} & set(recorded(Config()))
    own = recorded(Config(init="random", update_weights=False))
    assert own["init"] == "random" and own["update_weights"] is False
    assert Config(**own) == Config(init="random", update_weights=False)


@pytest.mark.parametrize("init", ["random", "shared"])
def test_a_vocabulary_starts_so_with_any_number_of_jobs(init, tmp_path):
    """The settings come from Python as from the command line, are in the model, and words are told apart."""
    rng = np.random.default_rng(0)

    def tone(hz):
        return 0.3 * np.sin(2 * np.pi * hz * np.arange(4000) / 8000) + rng.normal(0, 0.02, 4000)

    data = {word: [tone(hz) for _ in range(6)] for word, hz in (("high", 1500), ("low", 300))}
    how = {"rate_hz": 8000, "family": "gmm", "num_gauss": 3, "init": init, "update_weights": False}
    one, two = (asrkit.train(data, jobs=jobs, **how) for jobs in (1, 2))
    assert one.vocabulary.config["family"]["init"] == init
    for word in data:
        assert_same_bytes(one.vocabulary.models[word], two.vocabulary.models[word])
        emission = one.vocabulary.models[word].emission
        assert isinstance(emission, Mixture) and emission.means.shape[1] == 3
    assert one.recognize(tone(1400), rate_hz=8000).word == "high"
    one.save(tmp_path)
    assert asrkit.load(tmp_path).vocabulary.family_config.update_weights is False


def test_one_word_shares_no_start():
    with pytest.raises(asrkit.AsrkitError, match="init=shared: one word"):
        study.train("gmm", blobs([0]), init="shared")


def test_the_default_start_is_that_of_before():
    x = blobs([0, 1, 2]).astype(np.float32)
    block = Block.from_items([("a", x)])
    plain, _ = train_word("gmm", Config(num_gauss=3), block)
    named, _ = train_word("gmm", Config(num_gauss=3, init="kmeans", update_weights=True), block)
    assert_same_bytes(plain, named)
