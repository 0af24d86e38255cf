"""One contract for every file in asrkit/families: what any family must keep."""

import dataclasses
import functools

import numpy as np
import pytest
from oracle import NUM_SYMBOLS, assert_same_bytes, falls, small_config, spoken, train_word

from asrkit import families
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.transform import TransformConfig
from asrkit.io.model_file import read_model, write_model
from asrkit.models.base import Block
from asrkit.models.codebook import Codebook
from asrkit.words import training
from asrkit.words.training import CONVERGED, DECREASED, TrainConfig, train_words
from asrkit.words.vocabulary import Vocabulary

METHODS = ("viterbi", "baum-welch", "both")
NO_FLOORS = {
    "variance_floor": 0.0,
    "weight_floor": 0.0,
    "transition_floor": 0.0,
    "symbol_floor": 0.0,
    "min_occ": 0.0,
}
# Every family with every topology, where it has one.
SHAPES = [
    (name, topology)
    for name in families.names()
    for topology in (
        ("left-right", "skip", "ergodic") if "topology" in vars(families.load(name).Config()) else ("none",)
    )
]
every_shape = pytest.mark.parametrize("name, topology", SHAPES)
one_pass = pytest.mark.parametrize("method", ["viterbi", "baum-welch"])


@pytest.fixture(params=families.names())
def name(request):
    return request.param


@pytest.fixture
def estimated(name):
    """Only families whose training is sums and estimates: of others there is nothing to rise or to draw from."""
    if not families.load(name).adds_up:
        pytest.skip(f"a {name} is not estimated from sums")
    return name


@pytest.fixture
def family(name):
    return families.load(name)


@functools.cache
def train(name, seed=0, method="viterbi"):
    family = families.load(name)
    block = spoken(family, seed)
    return block, *train_word(name, small_config(family), block, seed, method=method)


@functools.cache
def words_of_several_sizes(name, topology):
    """(model, block) pairs hardly trained: numbers of states, of utterances and of Gaussians differ."""
    family, pairs = families.load(name), []
    for seed, (num_utts, num_states) in enumerate([(1, 11), (12, 4), (30, 1), (11, 9)]):
        block = spoken(family, seed, num_utts, num_parts=4 if num_states < 9 else 12)
        config = small_config(
            family, num_states=num_states, topology=topology, silence=topology != "left-right"
        )
        pairs.append((train_word(name, config, block, max_iters=1, growth_iters=1)[0], block))
    return pairs


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("covariance, seed", [("diag", 0), ("diag", 1), ("full", 2)])
def test_objective_never_falls_but_where_gaussians_are_removed(
    estimated, name, family, method, covariance, seed
):
    block = spoken(family, seed)
    config = small_config(family, covariance=covariance)
    model, log = train_word(name, config, block, seed, method=method, tol=1e-5, max_iters=1000)
    objective = [entry["objective"] for entry in log]
    assert all(entry["removed"] > 0 for entry in falls(log))
    assert len(log) > 1 and objective[-1] > objective[0]
    assert log[-1]["ending"] == CONVERGED and DECREASED not in {entry["ending"] for entry in log}
    assert log[-1]["gaussians"] == model.num_gauss and log[-1]["states"] == model.num_states
    final = log[-1]["method"]
    assert model.accumulate(block, final).log_like == objective[-1], "the model is that of the last entry"


@every_shape
def test_objective_never_falls_without_floors(estimated, name, topology):
    """Pure maximum likelihood, and data enough for it."""
    family = families.load(name)
    config = small_config(family, topology=topology, num_gauss=3, **NO_FLOORS)
    _, log = train_word(name, config, spoken(family, 5, num_utts=60), method="both", tol=1e-5, max_iters=50)
    assert not falls(log) and DECREASED not in {entry["ending"] for entry in log}
    assert log[-1]["objective"] > log[0]["objective"]


def test_parts_add_up(name):
    block, model, _ = train(name)
    for method in ("viterbi", "baum-welch"):
        whole = model.accumulate(block, method).to_arrays()
        first, rest = (model.accumulate(block.select(some), method) for some in (range(5), range(5, 12)))
        parts = (first + rest).to_arrays()
        assert whole.keys() == parts.keys()
        for key in whole:
            np.testing.assert_allclose(parts[key], whole[key], rtol=1e-5, atol=1e-4, err_msg=key)


@one_pass
@every_shape
def test_sums_of_many_words_equal_those_of_each_byte_for_byte(name, method, topology):
    """How words are grouped must not change a bit of any result: --nj and the vocabulary decide the groups."""
    pairs = words_of_several_sizes(name, topology)
    for (model, block), stats in zip(pairs, type(pairs[0][0]).accumulate_many(pairs, method), strict=True):
        assert_same_bytes(stats, model.accumulate(block, method))
    for (model, block), stats in zip(
        pairs[::-2], type(pairs[0][0]).accumulate_many(pairs[::-2], method), strict=True
    ):
        assert_same_bytes(stats, model.accumulate(block, method))


@pytest.mark.parametrize("method, batch", [("viterbi", 1), ("baum-welch", training.BATCH), ("both", 400)])
def test_words_trained_together_equal_words_trained_alone_byte_for_byte(
    name, family, method, batch, monkeypatch
):
    monkeypatch.setattr(training, "BATCH", batch)
    config = small_config(family, num_starts=2, num_gauss=2)
    blocks = {f"word{seed}": spoken(family, seed, num_utts=4 + 5 * seed) for seed in range(3)}
    indices = {"word2": 7, "word0": 0, "word1": 1}
    settings = TrainConfig(method=method, max_iters=4, growth_iters=1)
    together = train_words(name, config, settings, blocks, indices)
    assert list(together) == list(blocks)
    for word, block in blocks.items():
        model, log = train_word(
            name, config, block, indices[word], method=method, max_iters=4, growth_iters=1
        )
        assert_same_bytes(together[word][0], model)
        assert [{**entry, "word": word} for entry in log] == together[word][1]


def test_statistics_survive_their_arrays(name):
    block, model, _ = train(name)
    stats = model.accumulate(block, "viterbi")
    again = model.accumulate(block.select([0]), "viterbi").filled(stats.to_arrays())
    config = small_config(families.load(name))
    assert_same_bytes(model.estimate(stats, config), model.estimate(again, config))


def test_save_and_load_is_identity(name, family, tmp_path):
    block, model, _ = train(name)
    codebook = Codebook(np.eye(NUM_SYMBOLS, 3), np.ones(3)) if family.has_codes else None
    config = {"family": vars(small_config(family)), "train": vars(TrainConfig())}
    vocabulary = Vocabulary(
        name,
        ("a/b", "zwölf"),
        {"a/b": model, "zwölf": model},
        config,
        codebook,
        FrontEnd(1, GivenFeatures(), TransformConfig()),
        "0" * 64,
    )
    for path in (tmp_path / "one.npz", tmp_path / "two.npz"):
        write_model(path, vocabulary)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    loaded = read_model(tmp_path / "one.npz")
    assert loaded.words == vocabulary.words and loaded.frontend == vocabulary.frontend
    assert loaded.family_config == small_config(family)
    for word in loaded.words:
        assert_same_bytes(loaded.models[word], model)
        np.testing.assert_array_equal(loaded.models[word].align(block)[0], model.align(block)[0])


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_arrays_make_the_model_again(name, family, covariance):
    model, _ = train_word(name, small_config(family, covariance=covariance), spoken(family, 0), max_iters=2)
    again = family.from_arrays(model.to_arrays())
    again.check(NUM_SYMBOLS if family.has_codes else 3)
    assert type(again) is type(model) and type(vars(again).get("emission")) is type(
        vars(model).get("emission")
    )
    assert_same_bytes(again, model)
    np.testing.assert_array_equal(
        again.log_likelihood(spoken(family, 1)), model.log_likelihood(spoken(family, 1))
    )


def test_equal_seed_equal_bytes(name):
    first, again = train(name)[1], train.__wrapped__(name)[1]
    for a, b in zip(first.to_arrays().values(), again.to_arrays().values(), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("method", METHODS)
def test_words_sampled_from_it_are_recognised(estimated, name, method):
    models = [train(name, seed, method)[1] for seed in range(3)]
    rng = np.random.default_rng(9)
    right = 0
    for truth, model in enumerate(models):
        block = Block.from_items((f"{truth}-{i}", model.sample(rng)) for i in range(20))
        right += (models[0].bank(models).scores(block).argmax(axis=1) == truth).sum()
    assert right >= 57


@every_shape
def test_a_bank_of_words_scores_as_each_alone(name, topology):
    """Words with different numbers of states; utterances without frames and too short for most words among
    them.
    """
    pairs = words_of_several_sizes(name, topology)
    spoken_words = [item for _, block in pairs for item in list(block.items())[:3]]
    x = spoken_words[0][1]
    block = Block.from_items([*spoken_words, ("none", x[:0]), ("one", x[:1]), ("three", x[:3])])
    expected = {
        "viterbi": np.stack([model.align(block)[0] for model, _ in pairs], axis=1),
        "forward": np.stack([model.log_likelihood(block) for model, _ in pairs], axis=1),
    }
    for exact, near in ((True, 1e-9), (False, 3e-6)):
        bank = pairs[0][0].bank([model for model, _ in pairs], exact)
        for method, scores in expected.items():
            assert (scores[-3] == -np.inf).all() and np.isfinite(scores[:-3]).any()
            np.testing.assert_allclose(bank.scores(block, method), scores, rtol=near)
        np.testing.assert_array_equal(bank.scores(block), bank.scores(block, "viterbi"))


def test_best_path_is_no_likelier_than_all_paths(name):
    block, model, _ = train(name)
    best, total = model.align(block)[0], model.log_likelihood(block)
    assert (best <= total + 1e-9 * abs(total)).all() and np.isfinite(total).all()


def test_distributions_are_distributions(name):
    _, model, _ = train(name)
    arrays = model.to_arrays()
    for key in ("log_weights", "log_probs"):
        if key in arrays:
            np.testing.assert_allclose(np.exp(arrays[key]).sum(axis=-1), 1, rtol=1e-9)
    if "log_trans" in arrays:
        rows = np.exp(arrays["log_trans"]).sum(axis=1) + np.exp(arrays["log_exit"])
        np.testing.assert_allclose(rows, 1, rtol=1e-9)
        assert np.exp(arrays["log_start"]).sum() == pytest.approx(1)
        forbidden = ~np.eye(len(rows), dtype=bool) & ~np.eye(len(rows), k=1, dtype=bool)
        assert (arrays["log_trans"][forbidden] == -np.inf).all(), "what was forbidden must stay so"


@pytest.mark.parametrize("num_utts, length", [(1, 30), (5, 2), (2, 1)])
@every_shape
def test_hardly_any_data_gives_no_nan(name, topology, num_utts, length):
    family, rng = families.load(name), np.random.default_rng(0)
    if family.has_codes:
        items = [
            (f"u{u}", rng.integers(0, NUM_SYMBOLS, size=length).astype(np.int32)) for u in range(num_utts)
        ]
    else:
        # constant features
        items = [(f"u{u}", np.ones((length, 3), dtype=np.float32)) for u in range(num_utts)]
    block = Block.from_items(items)
    config = small_config(family, topology=topology, silence=topology == "skip", num_starts=2)
    model, log = train_word(name, config, block, method="both")
    assert np.isfinite(model.align(block)[0]).all() and np.isfinite(model.log_likelihood(block)).all()
    assert all(not np.isnan(array).any() for array in model.to_arrays().values())
    assert log[-1]["ending"] == CONVERGED and log[-1]["utts"] == num_utts


def test_one_short_utterance_does_not_decide_for_all():
    """Eleven utterances of 20 frames and more, one of 2: the model keeps its states, the short one is
    counted.
    """
    family = families.load("chmm")
    block = spoken(family, 0)
    block = Block.from_items([*block.items(), ("short", block.obs[:2])])
    model, log = train_word("chmm", small_config(family), block)
    assert model.num_states == 4 and log[-1]["skipped"] == 1 and log[-1]["utts"] == 12
    assert log[-1]["frames"] == block.lengths[:-1].sum()
    assert model.align(block)[0][-1] == -np.inf


def test_uniform_hmm_equals_gmm():
    """An HMM whose states all have one density is that density, times the path's probability."""
    from asrkit.models.mixture import DiagMixture
    from asrkit.models.topology import connect

    block = spoken(families.load("chmm"), 0)
    mean, variance = block.obs.mean(axis=0, dtype=float), block.obs.var(axis=0, dtype=float)
    hmm = connect(3, "left-right", False, lambda n: DiagMixture.single(mean, variance, np.zeros(3), n))
    gmm = families.load("gmm").from_arrays(DiagMixture.single(mean, variance, np.zeros(3), 1).to_arrays())
    path_log_prob = block.lengths * np.log(0.5)
    np.testing.assert_allclose(hmm.align(block)[0], gmm.log_likelihood(block) + path_log_prob, rtol=1e-10)


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_kmeans_start_has_each_clusters_mean_and_share(covariance):
    """Clusters far apart: what k-means starts from is then known."""
    family, rng = families.load("gmm"), np.random.default_rng(3)
    centers = np.array([[0, 0, 0], [40, 0, 0], [0, 50, 0.0]])
    labels = np.repeat(np.arange(3), [100, 50, 50])
    x = centers[labels] + rng.normal(size=(200, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 2]])
    model = family.init(family.Config(num_gauss=3, covariance=covariance), Block.from_items([("u", x)]), rng)
    emission = model.emission
    order = [
        int(np.argmin(((emission.means[0] - x[labels == c].mean(axis=0)) ** 2).sum(axis=1))) for c in range(3)
    ]
    np.testing.assert_allclose(np.exp(emission.log_weights[0, order]), [0.5, 0.25, 0.25])
    for c, m in enumerate(order):
        own = x[labels == c]
        np.testing.assert_allclose(emission.means[0, m], own.mean(axis=0), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(
            emission.stddev[0, m], np.maximum(own.std(axis=0), np.sqrt(0.01) * x.std(axis=0)), rtol=0.5
        )
    assert (
        family.init(family.Config(num_gauss=32, min_count=100), Block.from_items([("u", x)]), rng).num_gauss
        == 2
    )


def test_of_many_frames_kmeans_takes_some_of_all():
    """Clusters that come one after the other in time: each is found, and its share and mean are those of all its frames but for chance."""
    family, rng = families.load("gmm"), np.random.default_rng(4)
    labels = np.repeat(np.arange(3), [4000, 2000, 2000])
    x = np.array([[0.0, 0], [40, 0], [0, 50]])[labels] + rng.normal(size=(8000, 2))
    block = Block.from_items([("u", x)])
    emission = family.init(family.Config(num_gauss=3, covariance="full"), block, rng).emission
    order = np.argsort(emission.means[0] @ [1, 2])
    np.testing.assert_allclose(np.exp(emission.log_weights[0, order]), [0.5, 0.25, 0.25], atol=1e-3)
    np.testing.assert_allclose(emission.means[0, order], [[0, 0], [40, 0], [0, 50]], atol=0.15)
    assert emission.num_gauss == 3 and not (emission.means[0, order[0]] == x[:4000].mean(axis=0)).any()


def test_gmm_keeps_the_best_of_several_starts():
    family = families.load("gmm")
    block = spoken(family, 1)
    one, six = (
        train_word("gmm", family.Config(num_gauss=4, min_count=5.0, num_starts=n), block)[1] for n in (1, 6)
    )
    assert six[-1]["objective"] >= one[-1]["objective"] and six[-1]["start"] > 0 == one[-1]["start"]


def test_training_reports_an_objective_that_falls(caplog, monkeypatch):
    """A broken M-step must not be called convergence."""
    family = families.load("gmm")
    block, model, _ = train("gmm")

    @dataclasses.dataclass(frozen=True)
    class Broken(type(model)):
        def estimate(self, stats, config):
            emission = dataclasses.replace(self.emission, means=self.emission.means + 1)
            return dataclasses.replace(self, emission=emission)

    monkeypatch.setattr(family, "init", lambda config, block, rng, start: Broken(model.emission))
    kept, entries = train_word("gmm", small_config(family), block)
    assert entries[-1]["ending"] == DECREASED and len(entries) == 1
    assert kept.emission is model.emission and "word: the objective fell" in caplog.text
