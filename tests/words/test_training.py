"""The one training loop: when it ends, when models grow, and what its log says."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from oracle import falls, small_config, spoken, train_word

from asrkit import families
from asrkit.models.base import Block
from asrkit.models.hmm import share_gaussians
from asrkit.words import training
from asrkit.words.training import CONVERGED, DECREASED, LIMIT, TrainConfig, train_words


@dataclass(frozen=True)
class Fake:
    """A model whose likelihood is decided by the test; it knows how often it was re-estimated since it grew."""

    num_gauss: int = 1
    estimates: int = 0
    most: int = 1
    enough_for: int = 64  # there are frames for so many Gaussians
    starved: int = 10**9  # re-estimation removes Gaussians beyond so many
    num_states: int = 3
    floored = np.array([0, 2, 0])

    @property
    def components(self):
        return np.array([self.num_gauss - 2, 1, 1])

    def estimate(self, stats, config):
        return replace(self, estimates=self.estimates + 1, num_gauss=min(self.num_gauss, self.starved))

    def schedule(self, config):
        return [size for size in (2, 4, 8, 16, 32, 64) if self.num_gauss < size <= self.most]

    def grow(self, stats, config, total):
        return replace(self, num_gauss=total, estimates=0) if total <= self.enough_for else None


def drive(model, score, limit=1000, **settings):
    """Run one training; `score(model, method)` is the log-likelihood of 100 frames: the result, and every
    model it tried.
    """
    run, tried = training._train(model, None, TrainConfig(**settings)), []
    wanted = next(run)
    while len(tried) < limit:
        tried.append(wanted)
        try:
            stats = SimpleNamespace(
                log_like=score(*wanted), frames=100, utts=5, skipped=0, occupancy=np.array([30.0, 50.25, 20])
            )
            wanted = run.send(stats)
        except StopIteration as stop:
            return *stop.value, tried
    raise AssertionError("it never ends")


def test_it_converges_when_an_iteration_gains_less_than_tol_a_frame():
    likes = [-1000, -900, -800, -799.8, -799.7]
    model, entries, tried = drive(Fake(), lambda model, method: likes[model.estimates], tol=2.5e-3)
    assert [entry["objective"] for entry in entries] == likes[:4] and model.estimates == 3
    assert [entry["ending"] for entry in entries] == [None] * 3 + [CONVERGED]
    assert [entry["iteration"] for entry in entries] == [0, 1, 2, 3] and entries[0]["per_frame"] == -10
    assert drive(Fake(), lambda model, method: likes[model.estimates], tol=1.5e-3)[0].estimates == 4


def test_it_ends_at_the_iteration_limit():
    model, entries, _ = drive(Fake(), lambda model, method: -1000 + model.estimates, max_iters=7)
    assert model.estimates == 7 and len(entries) == 8 and entries[-1]["ending"] == LIMIT
    assert {entry["floored"] for entry in entries} == {2} and entries[0]["floored_states"] == [[1, 2, 50.25]]


def test_no_gain_at_all_is_convergence_even_with_no_tolerance():
    _, entries, _ = drive(Fake(), lambda model, method: -1000.0, tol=0.0)
    assert len(entries) == 2 and entries[-1]["ending"] == CONVERGED


@pytest.mark.parametrize("fall, ending", [(1e-3, DECREASED), (1e-8, CONVERGED)])
def test_a_fall_beyond_rounding_is_no_convergence_and_the_better_model_is_kept(fall, ending):
    likes = [-1000, -900, -900 - fall]
    model, entries, _ = drive(Fake(), lambda model, method: likes[model.estimates])
    assert entries[-1]["ending"] == ending
    assert (model.estimates, len(entries)) == ((1, 2) if ending == DECREASED else (2, 3))


def test_a_fall_is_no_error_where_gaussians_were_removed():
    likes = [-900, -950, -940, -940]
    model, entries, _ = drive(Fake(8, starved=6), lambda model, method: likes[model.estimates])
    assert [entry["removed"] for entry in entries] == [0, 2, 0, 0]
    assert [entry["removed_states"] for entry in entries] == [[], [[0, 2, 30.0]], [], []] and entries[-1][
        "ending"
    ] == CONVERGED
    assert [entry["gaussians"] for entry in entries] == [8, 6, 6, 6] and model.estimates == 3


def test_what_was_removed_is_said_once():
    _, entries, _ = drive(
        Fake(8, starved=6), lambda model, method: 100.0 * model.estimates, method="both", max_iters=1
    )
    assert [(entry["method"], entry["removed"]) for entry in entries] == [
        ("viterbi", 0),
        ("viterbi", 2),
        ("baum-welch", 0),
        ("baum-welch", 0),
    ]


def test_it_grows_step_by_step_with_few_iterations_in_between():
    model, entries, _ = drive(
        Fake(most=8),
        lambda model, method: -1000 + 100 * model.num_gauss + model.estimates,
        growth_iters=3,
        max_iters=9,
    )
    sizes = [[entry["gaussians"] for entry in entries if entry["phase"] == phase] for phase in range(4)]
    assert sizes == [[1] * 4, [2] * 4, [4] * 4, [8] * 10] and model.num_gauss == 8
    last = [
        entry
        for entry, then in zip(entries, [*entries[1:], None])
        if then is None or then["phase"] > entry["phase"]
    ]
    assert [entry["ending"] for entry in last] == [LIMIT] * 4 and sum(
        entry["ending"] is not None for entry in entries
    ) == 4
    assert not falls(entries) and [entry["iteration"] for entry in entries] == list(range(22))


def test_growing_ends_at_the_first_size_that_is_not_reached():
    model, entries, tried = drive(Fake(most=64, enough_for=4), lambda model, method: 1000 * model.num_gauss)
    assert model.num_gauss == 4 and [entry["phase"] for entry in entries] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert max(model.num_gauss for model, _ in tried) == 4


@pytest.mark.parametrize("gain", [0.0, 1.0])
def test_growing_ends_even_where_as_many_starve_as_are_split_off(gain):
    likes = iter(np.arange(1000) * gain)
    model, entries, tried = drive(Fake(2, most=64, starved=2), lambda model, method: next(likes))
    assert model.num_gauss == 2 and entries[-1]["phase"] <= 5
    begun = [entry for before, entry in zip(entries, entries[1:]) if entry["phase"] > before["phase"]]
    assert all(entry["removed"] == 2 ** (entry["phase"] + 1) - 2 for entry in begun), (
        "what starved after the split is said"
    )


def test_a_larger_model_must_regain_what_the_smaller_one_had():
    def score(model, method):
        return -500.0 if model.num_gauss < 4 else -600 + 25.0 * model.estimates

    model, entries, tried = drive(Fake(2, most=4), score)
    assert model.num_gauss == 4 and entries[2]["objective"] == -500 == entries[1]["objective"], (
        "as good is good enough"
    )
    assert sum(model.num_gauss == 4 and model.estimates < 4 for model, _ in tried) == 4
    for regained in (5, 6):
        model, entries, tried = drive(
            Fake(2, most=4),
            lambda model, _: -500.0 if model.num_gauss < 4 or model.estimates >= regained else -600.0,
        )
        assert model.num_gauss == (4 if regained == 5 else 2)
    assert [model.estimates for model, _ in tried] == [0, 1, 0, 1, 2, 3, 4, 5, 2], (
        "five tries, then on with the smaller one"
    )
    assert [(entry["phase"], entry["gaussians"]) for entry in entries] == [(0, 2), (0, 2), (1, 2), (1, 2)]


def test_both_methods_in_turn_growing_with_the_first():
    def score(model, method):
        return 100.0 * model.num_gauss + model.estimates + (1000 if method == "baum-welch" else 0)

    model, entries, tried = drive(Fake(most=4), score, method="both", growth_iters=2, max_iters=3)
    assert [(entry["phase"], entry["method"], entry["gaussians"]) for entry in entries] == (
        [(0, "viterbi", 1)] * 3
        + [(1, "viterbi", 2)] * 3
        + [(2, "viterbi", 4)] * 4
        + [(3, "baum-welch", 4)] * 4
    )
    assert not falls(entries) and entries[-1]["ending"] == LIMIT
    alone = drive(replace(Fake(), num_states=1), score, method="both", max_iters=3)[1]
    assert {entry["method"] for entry in alone} == {"viterbi"}, "with one state both are the same"
    for method in ("viterbi", "baum-welch"):
        assert {method for _, method in drive(Fake(most=4), score, method=method)[2]} == {method}


def test_growing_is_over_once_all_paths_are_summed():
    """Although the last phase may have ended with fewer Gaussians than asked for."""
    model, entries, tried = drive(
        Fake(2, most=8),
        lambda model, method: 1000.0 * (method == "baum-welch") - 100 * model.num_gauss,
        method="both",
    )
    assert model.num_gauss == 2 and all(
        model.num_gauss == 2 for model, method in tried if method == "baum-welch"
    )


@pytest.mark.parametrize("name", ["chmm", "dhmm", "schmm"])
def test_the_log_of_a_real_training(name):
    family = families.load(name)
    block = spoken(family, 0)
    model, log = train_word(name, small_config(family), block, method="both", growth_iters=2)
    assert [entry["iteration"] for entry in log] == list(range(len(log))) and {
        entry["word"] for entry in log
    } == {"word"}
    phases = [entry["phase"] for entry in log]
    assert phases == sorted(phases) and set(phases) == set(range(phases[-1] + 1))
    methods = [entry["method"] for entry in log]
    turn = methods.index("baum-welch")
    assert (
        methods == ["viterbi"] * turn + ["baum-welch"] * (len(log) - turn)
        and phases[turn] == phases[turn - 1] + 1
    )
    for entry, then in zip(log, [*log[1:], {"phase": None}]):
        assert (entry["ending"] is None) == (entry["phase"] == then["phase"])
        assert entry["per_frame"] == pytest.approx(entry["objective"] / entry["frames"])
        assert entry["utts"] == len(block.utts) and entry["frames"] == len(block.obs)
    sizes = [entry["gaussians"] for entry in log]
    assert name != "chmm" or (sizes[0] == 4 and 12 < sizes[-1] <= 16 and phases.count(0) <= 3)


def test_gaussians_double_up_to_the_number_asked_for():
    family = families.load("chmm")
    block = spoken(family, 0, num_utts=60)
    model, log = train_word("chmm", small_config(family, num_gauss=5), block)
    sizes = sorted({entry["gaussians"] for entry in log})
    assert sizes == [4, 8, 16, 20] and model.num_gauss == 20
    slow = train_word("chmm", small_config(family, num_gauss=5, growth=1.5), block)[1]
    assert sorted({entry["gaussians"] for entry in slow})[:3] == [4, 6, 9]


def test_each_step_grows_by_the_factor_to_the_next_whole_number():
    family = families.load("chmm")
    block = spoken(family, 0, num_utts=60)
    config = small_config(family, num_states=3, num_gauss=4, growth=1.5)
    model = family.init(config, block, np.random.default_rng(0))
    assert model.schedule(config) == [5, 8, 12]
    sizes = []
    while model is not None:  # as the single steps of a training do
        sizes.append(model.num_gauss)
        model = model.grow(model.accumulate(block), config)
    assert sizes == [3, 5, 8, 12]


@pytest.mark.parametrize("name", families.names())
@pytest.mark.parametrize("method", ["viterbi", "baum-welch"])
def test_all_blocks_of_a_word_count(name, method):
    family = families.load(name)
    whole = spoken(family, 0)

    class Cut(list):
        def sample(self, num_frames):
            return whole

    cut = Cut(whole.select(some) for some in (range(5), range(5, 7), range(7, 12)))
    settings = {"method": method, "max_iters": 2, "growth_iters": 2}
    one, many = (train_word(name, small_config(family), source, **settings) for source in (whole, cut))
    for a, b in zip(one[1], many[1], strict=True):
        assert a["objective"] == pytest.approx(b["objective"], rel=1e-6) and a["frames"] == b[
            "frames"
        ] == len(whole.obs)
        assert a["utts"] == b["utts"] == 12


def test_power_gives_more_gaussians_to_longer_states():
    family, rng = families.load("chmm"), np.random.default_rng(0)
    lengths = np.array([4, 30, 4, 10])
    centers = 3.0 * np.eye(4)[np.repeat(np.arange(4), lengths)]
    block = Block.from_items(
        (f"u{u}", (centers + rng.normal(size=(48, 4))).astype(np.float32)) for u in range(20)
    )
    shares = {}
    for power in (0.0, 0.5):
        model = train_word("chmm", small_config(family, power=power, num_gauss=4), block)[0]
        shares[power] = np.isfinite(model.emission.log_weights).sum(axis=1)
        assert shares[power].sum() == 16
    assert (shares[0.0] == 4).all() and shares[0.5].argmax() == 1 and shares[0.5].min() < 4


@pytest.mark.parametrize("name", [name for name in families.names() if families.load(name).adds_up])
def test_chance_is_fixed_by_seed_and_place_in_the_vocabulary(name):
    family = families.load(name)
    block, config = spoken(family, 0), small_config(family, num_starts=2)
    draws = []
    init = family.init

    def seen(config, block, rng, start):
        draws.append((start, rng.integers(1 << 60)))
        return init(config, block, rng, start)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(family, "init", seen)
        settings = [(0, 0), (0, 0), (1, 0), (0, 1)]
        for seed, index in settings:
            train_word(name, config, block, index, seed=seed, max_iters=1, growth_iters=1)
    runs = [tuple(draws[2 * i : 2 * i + 2]) for i in range(4)]
    assert [start for run in runs for start, _ in run] == [0, 1] * 4
    assert runs[0] == runs[1] and len({number for run in runs[1:] for _, number in run}) == 6


def test_words_are_numbered_in_their_order_unless_told():
    family = families.load("gmm")
    blocks = {"b": spoken(family, 0), "a": spoken(family, 1)}
    settings = "gmm", small_config(family), TrainConfig(max_iters=2), blocks
    counted, told = train_words(*settings), train_words(*settings, {"b": 0, "a": 1})
    for word in blocks:
        np.testing.assert_array_equal(counted[word][0].emission.means, told[word][0].emission.means)


def test_batches_hold_whole_blocks_of_one_method(monkeypatch):
    monkeypatch.setattr(training, "BATCH", 100)
    blocks = {"a": [SimpleNamespace(obs=np.zeros(60))] * 3, "b": [SimpleNamespace(obs=np.zeros(10))]}
    wanted = {
        ("a", 0): ("A", "viterbi"),
        ("b", 0): ("B", "baum-welch"),
        ("a", 1): ("A1", "viterbi"),
        ("b", 1): ("B1", "viterbi"),
    }
    batches = list(training._batches(wanted, blocks))
    assert [(keys, method) for keys, _, method in batches] == [
        ([("b", 0)], "baum-welch"),
        ([("a", 0)] * 2, "viterbi"),
        ([("a", 0), ("a", 1)], "viterbi"),
        ([("a", 1)] * 2, "viterbi"),
        ([("b", 1)], "viterbi"),
    ]
    assert all(
        model == wanted[key][0]
        for keys, pairs, _ in batches
        for key, (model, _) in zip(keys, pairs, strict=True)
    )


@pytest.mark.parametrize("power", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_shares_of_gaussians(power, seed):
    rng = np.random.default_rng(seed)
    occupied = rng.uniform(0, 400, size=6)
    for total in (6, 9, 12, 30):
        shares = share_gaussians(occupied, total, power, 10)
        assert shares.dtype == int and shares.min() >= 1 and shares.sum() <= total
        poor = (occupied < (shares + 1) * 10) | ((power == 0) & (shares == -(-total // 6)))
        assert shares.sum() == total or poor.all()
        assert (occupied >= shares * 10)[shares > 1].all()
        by_frames = shares[np.argsort(occupied)]
        assert power == 0 or (np.diff(by_frames) >= 0).all()


def test_power_gives_to_the_rich_and_no_power_to_all_equally():
    rich = np.array([1600.0, 400, 400, 100])
    np.testing.assert_array_equal(share_gaussians(rich, 12, 0.0, 1), [3, 3, 3, 3])
    np.testing.assert_array_equal(share_gaussians(rich, 25, 1.0, 1), [16, 4, 4, 1])
    np.testing.assert_array_equal(share_gaussians(rich, 9, 0.5, 1), [4, 2, 2, 1])
    # the rich get none of the poor's
    np.testing.assert_array_equal(share_gaussians(np.array([1000.0, 15]), 8, 0.0, 10), [4, 1])
    np.testing.assert_array_equal(share_gaussians(np.array([1000.0, 20]), 8, 0.0, 10), [4, 2])
    np.testing.assert_array_equal(share_gaussians(np.array([0.0, 0]), 8, 0.5, 10), [1, 1])


def test_growth_keeps_to_its_total_where_the_frames_have_moved():
    """A state that was rich and is poor now keeps its Gaussians; the others share what is left."""
    targets = share_gaussians(np.array([1200.0, 60]), 8, 1.0, 10, np.array([1, 5]))
    assert targets.tolist() == [3, 5]
