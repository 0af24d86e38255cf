"""One contract for every file in asrkit/families: what any family must keep."""

import numpy as np
import pytest

from asrkit import families
from asrkit.io.model_file import ModelSet, read_model, write_model
from asrkit.codebook import Codebook
from asrkit.frontend import FrontEnd, TransformConfig
from asrkit.models.base import Block
from asrkit.training import CONVERGED, DECREASED, TrainConfig, train_word

NUM_SYMBOLS = 16


def small_config(family):
    small = {"num_states": 4, "num_gauss": 4, "num_symbols": NUM_SYMBOLS, "min_count": 5.0}
    return family.Config(**{name: value for name, value in small.items() if name in family.Config.__dataclass_fields__})


def spoken(family, seed, num_utts=12):
    """Utterances of an invented word: four parts, each with its own distribution."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(scale=3, size=(4, 3))
    tables = rng.dirichlet(np.full(NUM_SYMBOLS, 0.2), size=4)
    items = []
    for u in range(num_utts):
        parts = np.repeat(np.arange(4), rng.integers(3, 9, size=4))
        if family.OBSERVATIONS == "codes":
            x = np.array([rng.choice(NUM_SYMBOLS, p=tables[part]) for part in parts], dtype=np.int32)
        else:
            x = (centers[parts] + rng.normal(size=(len(parts), 3)) * rng.choice([0.5, 2])).astype(np.float32)
        items.append((f"utt{u:02d}", x))
    return Block.from_items(items)


@pytest.fixture(params=families.names())
def name(request):
    return request.param


@pytest.fixture
def family(name):
    return families.load(name)


def train(name, seed=0, method="viterbi", **settings):
    family = families.load(name)
    block = spoken(family, seed)
    return block, *train_word(name, small_config(family), TrainConfig(method=method, **settings), block, "word", seed)


@pytest.mark.parametrize("method", ["viterbi", "baum-welch"])
@pytest.mark.parametrize("seed", range(3))
def test_objective_never_falls(name, method, seed):
    _, _, log = train(name, seed, method, tol=1e-6, max_iters=1000)
    objective = np.array([entry["objective"] for entry in log])
    assert np.diff(objective).min() >= -1e-9 * abs(objective[0])
    assert len(log) > 1 and objective[-1] > objective[0]
    assert log[-1]["ending"] == CONVERGED and DECREASED not in {entry["ending"] for entry in log}


def test_parts_add_up(name):
    block, model, _ = train(name)
    for method in ("viterbi", "baum-welch"):
        whole = model.accumulate(block, method).to_arrays()
        parts = (model.accumulate(block.select(range(5)), method) + model.accumulate(block.select(range(5, 12)), method)).to_arrays()
        assert whole.keys() == parts.keys()
        for key in whole:
            np.testing.assert_allclose(parts[key], whole[key], rtol=1e-9, atol=1e-9, err_msg=key)


def test_statistics_survive_their_arrays(name):
    block, model, _ = train(name)
    stats = model.accumulate(block, "viterbi")
    again = model.accumulate(block.select([0]), "viterbi").filled(stats.to_arrays())
    config = small_config(families.load(name))
    for key, array in model.estimate(stats, config).to_arrays().items():
        np.testing.assert_array_equal(model.estimate(again, config).to_arrays()[key], array)


def test_save_and_load_is_identity(name, family, tmp_path):
    block, model, _ = train(name)
    codebook = Codebook(np.eye(NUM_SYMBOLS, 3), np.ones(3)) if family.OBSERVATIONS == "codes" else None
    config = {"family": vars(small_config(family)), "train": vars(TrainConfig())}
    model_set = ModelSet(name, ("a/b", "zwölf"), {"a/b": model, "zwölf": model}, config, codebook,
                         FrontEnd(1, None, TransformConfig()), "0" * 64)
    for path in (tmp_path / "one.npz", tmp_path / "two.npz"):
        write_model(path, model_set)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    loaded = read_model(tmp_path / "one.npz")
    assert loaded.words == model_set.words and loaded.frontend == model_set.frontend
    assert loaded.family_config == small_config(family)
    for word in loaded.words:
        for key, array in model.to_arrays().items():
            np.testing.assert_array_equal(loaded.models[word].to_arrays()[key], array)
        np.testing.assert_array_equal(loaded.models[word].align(block)[0], model.align(block)[0])


def test_equal_seed_equal_bytes_other_order_of_words_too(name):
    for a, b in zip(train(name)[1].to_arrays().values(), train(name)[1].to_arrays().values(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_words_sampled_from_it_are_recognised(name):
    models = [train(name, seed)[1] for seed in range(3)]
    rng = np.random.default_rng(9)
    right = 0
    for truth, model in enumerate(models):
        block = Block.from_items((f"{truth}-{i}", model.sample(rng)) for i in range(20))
        scores = np.stack([other.align(block)[0] for other in models], axis=1)
        right += (scores.argmax(axis=1) == truth).sum()
    assert right >= 57


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
def test_hardly_any_data_gives_no_nan(name, family, num_utts, length):
    rng = np.random.default_rng(0)
    if family.OBSERVATIONS == "codes":
        items = [(f"u{u}", rng.integers(0, NUM_SYMBOLS, size=length).astype(np.int32)) for u in range(num_utts)]
    else:
        items = [(f"u{u}", np.ones((length, 3), dtype=np.float32)) for u in range(num_utts)]  # constant features
    block = Block.from_items(items)
    model, log = train_word(name, small_config(family), TrainConfig(), block, "word", 0)
    assert np.isfinite(model.align(block)[0]).all()
    assert all(not np.isnan(array).any() for array in model.to_arrays().values())
    assert log[-1]["ending"] == CONVERGED and log[-1]["utts"] == num_utts


def test_one_short_utterance_does_not_decide_for_all():
    """Eleven utterances of 20 frames and more, one of 2: the model keeps its states, the short one is counted."""
    family = families.load("chmm")
    block = spoken(family, 0)
    block = Block.from_items([*block.items(), ("short", block.obs[:2])])
    model, log = train_word("chmm", small_config(family), TrainConfig(), block, "word", 0)
    assert model.num_states == 4 and log[-1]["skipped"] == 1 and log[-1]["utts"] == 12
    assert model.align(block)[0][-1] == -np.inf


def test_uniform_hmm_equals_gmm():
    """An HMM whose states all have one density is that density, times the path's probability."""
    from asrkit.models.hmm import left_right
    from asrkit.models.mixture import DiagMixture

    block = spoken(families.load("chmm"), 0)
    mean, variance = block.obs.mean(axis=0, dtype=float), block.obs.var(axis=0, dtype=float)
    hmm = left_right(3, DiagMixture.single(mean, variance, np.zeros(3), 3))
    gmm = families.load("gmm").from_arrays(DiagMixture.single(mean, variance, np.zeros(3), 1).to_arrays())
    path_log_prob = block.lengths * np.log(0.5)
    np.testing.assert_allclose(hmm.align(block)[0], gmm.log_likelihood(block) + path_log_prob, rtol=1e-10)


def test_gmm_keeps_the_best_of_several_starts():
    family = families.load("gmm")
    block = spoken(family, 1)
    one = [train_word("gmm", family.Config(num_gauss=4, min_count=5.0, num_starts=n), TrainConfig(), block, "w", 0)[1] for n in (1, 6)]
    assert one[1][-1]["objective"] >= one[0][-1]["objective"]


def test_training_reports_an_objective_that_falls(caplog):
    """A broken M-step must not be called convergence."""
    import dataclasses

    from asrkit import training

    block, model, _ = train("gmm")

    @dataclasses.dataclass(frozen=True)
    class Broken(type(model)):
        def estimate(self, stats, config):
            emission = dataclasses.replace(self.emission, means=self.emission.means + 1)
            return dataclasses.replace(self, emission=emission)

    entries = training._train_start(Broken(model.emission), small_config(families.load("gmm")), TrainConfig(), block)[1]
    assert entries[-1]["ending"] == DECREASED and len(entries) == 1
