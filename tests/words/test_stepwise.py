"""Stepwise EM: what it equals at its ends, where it stays, and how far a few passes come."""

from dataclasses import replace

import numpy as np
import pytest
from oracle import assert_same_bytes, falls, small_config, spoken, train_word
from scipy.stats import norm

from asrkit import families
from asrkit.errors import SettingsError
from asrkit.io.store import FileSource, MemorySource
from asrkit.models.base import Block
from asrkit.models.hmm import Hmm
from asrkit.words import stepwise
from asrkit.words.settings import TrainingSettings
from asrkit.words.stepwise import (
    PASSES_DONE,
    growth_plan,
    interpolated,
    mini_batches,
    step_size,
    visits,
)
from asrkit.words.training import TrainConfig, train_words

SUMS = [name for name in families.names() if families.load(name).adds_up]
every_family = pytest.mark.parametrize("name", SUMS)


def config_of(name, **settings):
    return small_config(families.load(name), **settings)


def without_growth(name):
    return config_of(name, num_gauss=1) if families.load(name).grows else config_of(name)


@every_family
@pytest.mark.parametrize("passes, rounds", [(2, 1), (1, 2)])
def test_one_mini_batch_of_everything_is_batch_em(name, passes, rounds):
    block, config = spoken(families.load(name), 3, num_utts=20), without_growth(name)
    settings = {"method": "stepwise", "passes": passes, "rounds": rounds, "batch_frames": 10**6}
    model, log = train_word(name, config, block, **settings)
    batch, entries = train_word(name, config, block, max_iters=2, tol=0.0)
    assert len(entries) == 3 and len(log) == passes + 1, "batch EM has not converged before"
    assert_same_bytes(model, batch)
    assert [entry["objective"] for entry in log] == [entry["objective"] for entry in entries[rounds - 1 :]]
    assert not falls(log) and log[-1]["ending"] == PASSES_DONE


@every_family
def test_the_log_says_which_likelihoods_are_of_models_that_moved(name):
    block, config = spoken(families.load(name), 4, num_utts=40), config_of(name)
    model, log = train_word(name, config, block, method="stepwise", passes=3, batch_frames=200)
    assert [entry["moving"] for entry in log] == [True] * 3 + [False]
    assert [entry["ending"] for entry in log] == [None] * 3 + [PASSES_DONE]
    assert {entry["frames"] + 0 for entry in log} == {len(block.obs)}, "each pass has all frames"
    assert log[-1]["objective"] == model.accumulate(block, "viterbi").log_like


@every_family
def test_where_batch_em_has_converged_small_steps_stay(name):
    block, config = spoken(families.load(name), 5, num_utts=40), config_of(name)
    model, _ = train_word(name, config, block, max_iters=60, tol=0.0)
    sums = model.accumulate(block, "viterbi").scaled(1.0)
    there = model.estimate(sums, config)
    frames, moved = len(block.obs), there
    for part in mini_batches(block, 200, 0):
        stats = moved.accumulate(part, "viterbi").scaled(frames / part.lengths.sum())
        sums = interpolated(sums, stats, 1e-8)
        moved = moved.estimate(sums, config)
    for key, array in there.to_arrays().items():
        np.testing.assert_allclose(np.exp(moved.to_arrays()[key]) if "log" in key else moved.to_arrays()[key],
                                   np.exp(array) if "log" in key else array, rtol=1e-6, atol=1e-6)  # fmt: skip


def test_steps_follow_their_formula():
    sizes = [step_size(k, 4, 16, 0.6) for k in range(7)]
    assert sizes[:4] == [1, 1 / 2, 1 / 3, 1 / 4], "until the first estimate all count alike"
    np.testing.assert_allclose(sizes[4:], [2**-0.6, 3**-0.6, 4**-0.6])
    assert step_size(5, 1, 1, 0.6) == 1.0


def test_warm_steps_are_the_mean_of_what_came():
    rng, sums = np.random.default_rng(0), None
    model, _ = train_word("gmm", config_of("gmm"), spoken(families.load("gmm"), 6), max_iters=1)
    parts = [spoken(families.load("gmm"), seed) for seed in rng.integers(0, 99, 4)]
    for k, part in enumerate(parts):
        sums = interpolated(sums, model.accumulate(part), step_size(k, 9, 16, 0.6))
    mean = (
        sum(
            (model.accumulate(part).emission.occ for part in parts[1:]),
            model.accumulate(parts[0]).emission.occ,
        )
        / 4
    )
    np.testing.assert_allclose(sums.emission.occ, mean, rtol=1e-12)


@pytest.mark.parametrize("count, frames, rounds, groups", [
    (1, 500, 7, [1]),
    (9, 500, 7, [9]),
    (30, 1000, 3, [30]),
    (40, 1000, 3, [20, 20]),
    (12, 20_000, 7, [6, 6]),
    (12, 40_000, 1, [6, 6]),
    (100, 600, 1, [50, 50]),
])  # fmt: skip
def test_few_mini_batches_are_gone_through_again_while_they_are_in_memory(count, frames, rounds, groups):
    each = [frames] * count
    assert stepwise.num_rounds(TrainConfig(), each) == rounds
    order, ends = visits(each, rounds), np.cumsum([0, *groups])
    expected = [list(range(a, b)) * rounds for a, b in zip(ends, ends[1:])]  # of each group, in its rounds
    assert [place for place, _ in order] == sum(expected, [])
    assert sorted(place for place, last in order if last) == list(range(count)), "each has one last round"
    assert stepwise.num_rounds(TrainConfig(rounds=4), each) == 4


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_pass_reads_each_mini_batch_once_and_holds_few(monkeypatch, rounds):
    monkeypatch.setattr(stepwise, "HELD", 1)
    monkeypatch.setattr(stepwise, "TOGETHER", 2)
    read, held, most = [], set(), []
    real = {name: getattr(stepwise.Held, name) for name in ("hold", "release", "__iter__")}

    def hold(self):
        if self not in held:
            held.add(self)
            read.append(self)
        real["hold"](self)

    def release(self):
        read.extend([] if self in held else [self])
        most.append(len(held))
        held.discard(self)
        real["release"](self)
        assert self._blocks is None

    monkeypatch.setattr(stepwise.Held, "hold", hold)
    monkeypatch.setattr(stepwise.Held, "release", release)
    block = spoken(families.load("gmm"), 9, num_utts=30)
    train_word(
        "gmm", config_of("gmm", num_starts=1), block, method="stepwise", rounds=rounds, batch_frames=90
    )
    count = len(set(read))
    assert count == 7 and read == read[:count] * 3 and max(most) == (2 if rounds > 1 else 0) and not held


@pytest.mark.parametrize("sizes, count, passes, plan", [
    ([2, 4, 8], 40, 3, {10: 2, 20: 4, 30: 8}),
    ([2, 4, 8], 1, 3, {1: 2, 2: 8}),
    ([2, 4], 2, 1, {1: 4}),
    ([2, 4], 1, 1, {}),
    ([], 9, 3, {}),
])  # fmt: skip
def test_growth_is_spread_over_the_first_pass(sizes, count, passes, plan):
    assert growth_plan(sizes, count, passes) == plan


def plain_stepwise(model, parts, passes, exponent, groups, rounds):
    """Stepwise EM of a diagonal mixture, from its definition: weights, means, variances."""
    order = [(place, number) for group in groups for number in range(rounds) for place in group] * passes
    own = model.emission
    weights, means, variances = np.exp(own.log_weights[0]), own.means[0], own.variances[0]
    frames, total = sum(len(part.obs) for part in parts), len(order)
    warm, sums, last = max(1, round(len(parts) / 4)), 0.0, 0.0

    def maximised(sums):
        occ, first, second = sums[:, :1], sums[:, 1 : 1 + means.shape[1]], sums[:, 1 + means.shape[1] :]
        return (
            occ[:, 0] / occ.sum(),
            first / occ,
            np.maximum(second / occ - (first / occ) ** 2, own.variance_floor),
        )

    for step, (place, number) in enumerate(order):
        x = parts[place].obs
        joint = np.stack(
            [
                np.log(w) + norm.logpdf(x, m, np.sqrt(v)).sum(axis=1)
                for w, m, v in zip(weights, means, variances)
            ]
        )
        post = np.exp(joint - np.logaddexp.reduce(joint))
        stats = post @ np.hstack([np.ones((len(x), 1)), x, x**2]) * (frames / len(x))
        size = 1 / (step + 1) if step < warm else (step - warm + 2) ** -exponent
        sums = (1 - size) * sums + size * stats
        last = last + stats * (number == rounds - 1 and step >= total - total // passes)
        if warm <= step + 1 < total:
            weights, means, variances = maximised(sums)
    return maximised(last / len(parts))


@pytest.mark.parametrize("passes, rounds", [(1, 1), (2, 1), (3, 1), (1, 2), (2, 3)])
def test_a_mixture_becomes_what_the_definition_says(monkeypatch, passes, rounds):
    monkeypatch.setattr(stepwise, "HELD", 200)
    monkeypatch.setattr(stepwise, "TOGETHER", 2)
    family, config = families.load("gmm"), config_of("gmm", num_starts=1, weight_floor=0.0, min_occ=0.0)
    block = replace(spoken(family, 9, num_utts=30), exact=True)
    model, _ = train_word(
        "gmm",
        config,
        block,
        method="stepwise",
        passes=passes,
        rounds=rounds,
        batch_frames=90,
        step_exponent=0.7,
    )
    parts = mini_batches(block, 90, [0, 0])
    assert len({len(part.obs) for part in parts}) > 1, "mini-batches of several sizes"
    groups = [[0, 1], [2, 3], [4, 5], [6]] if rounds > 1 else [range(7)]
    assert len(parts) == 7
    first = family.init(config, block, np.random.default_rng([0, 0, 0]))
    expected = plain_stepwise(first, parts, passes, 0.7, groups, rounds)
    found = np.exp(model.emission.log_weights[0]), model.emission.means[0], model.emission.variances[0]
    for own, plain in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, plain, rtol=1e-7, atol=1e-9)


def test_steps_begin_anew_with_each_size(monkeypatch):
    seen = []
    monkeypatch.setattr(
        stepwise, "step_size", lambda step, *rest: seen.append(step) or step_size(step, *rest)
    )
    block = spoken(families.load("chmm"), 7, num_utts=60)
    config = config_of("chmm", num_gauss=4, min_count=5.0)
    train_word("chmm", config, block, method="stepwise", passes=2, batch_frames=150)
    begun = [place for place, step in enumerate(seen) if step == 0]
    visited = len(seen) // 2
    assert begun == [0, *growth_plan([6, 12], visited, 2)], "the sizes of three states"
    assert all(b == a + 1 or b == 0 for a, b in zip(seen, seen[1:]))


@pytest.mark.parametrize("rounds", [1, 2])
def test_all_estimates_are_of_sums_as_of_all_data(monkeypatch, rounds):
    seen, real = [], Hmm.estimate
    monkeypatch.setattr(
        Hmm,
        "estimate",
        lambda self, stats, config: seen.append(stats.occupancy.sum()) or real(self, stats, config),
    )
    block, config = (
        spoken(families.load("chmm"), 7, num_utts=60),
        config_of("chmm", num_gauss=4, min_count=5.0),
    )
    seen.clear()
    how = {"method": "stepwise", "passes": 1, "rounds": rounds, "batch_frames": 150}
    assert train_word("chmm", config, block, **how)[1][-1]["phase"] == 2, "it grew in its last pass"
    np.testing.assert_allclose(seen[-8:], len(block.obs), rtol=1e-9)


def test_growth_reaches_the_size_that_was_asked_for():
    block = spoken(families.load("chmm"), 7, num_utts=60)
    config = config_of("chmm", num_gauss=4, min_count=5.0)
    model, log = train_word("chmm", config, block, method="stepwise", batch_frames=150)
    batch, _ = train_word("chmm", config, block)
    assert model.num_gauss == batch.num_gauss and log[-1]["phase"] == 2


@pytest.mark.parametrize("blocks", [1, 4])
def test_mini_batches_are_all_utterances_each_once_wherever_they_lie(tmp_path, blocks):
    items = list(spoken(families.load("chmm"), 8, num_utts=40).items())
    cut = [items[place::blocks] for place in range(blocks)]
    memory = MemorySource([Block.from_items(own) for own in cut])
    places, offset = [], 0
    with open(tmp_path / "features", "wb") as stream:
        for own in cut:
            places.append({})
            for utt, array in own:
                stream.write(array.tobytes())
                places[-1][utt] = offset, array.shape, array.dtype
                offset += array.nbytes
    files = FileSource(tmp_path / "features", places)
    found = [mini_batches(source, 200, [0, 1]) for source in (memory, files)]
    assert len(found[0]) == len(found[1]) > 3
    for one, other in zip(*found):
        assert one.utts == other.utts and list(one.lengths) == list(other.lengths)
        for (_, a), (_, b) in zip(
            *([item for block in own for item in block.items()] for own in (one, other))
        ):
            np.testing.assert_array_equal(a, b)
        order = [memory.utts.index(utt) for utt in one.utts]
        assert order == sorted(order), "in the order of the data"
    assert sorted(utt for part in found[0] for utt in part.utts) == sorted(utt for utt, _ in items)
    assert [part.utts for part in mini_batches(memory, 200, [1, 1])] != [part.utts for part in found[0]]
    assert mini_batches(memory, 10**6, [0, 1]) == [memory]


def test_a_word_does_not_depend_on_its_neighbours():
    blocks = {word: spoken(families.load("gmm"), seed, 30) for seed, word in enumerate(("a", "b", "c"))}
    config, how = config_of("gmm", num_starts=2), TrainConfig(method="stepwise", batch_frames=150)
    together = train_words("gmm", config, how, blocks)
    alone = train_words("gmm", config, how, {"b": blocks["b"]}, {"b": 1})
    assert_same_bytes(together["b"][0], alone["b"][0])


def generated(rng, frames, num_gauss=8, dim=6):
    """Utterances of 40 frames drawn from a mixture."""
    means = rng.normal(0, 1.5, (num_gauss, dim))
    which = rng.integers(0, num_gauss, frames)
    x = (means[which] + rng.normal(0, 1.0, (frames, dim))).astype("f")
    return Block.from_items(
        (f"u{place:04d}", own) for place, own in enumerate(np.array_split(x, frames // 40))
    )


def test_three_passes_come_within_a_hundredth_of_twenty_iterations():
    block = generated(np.random.default_rng(1), 20_000)
    config = config_of("gmm", num_gauss=8, num_starts=1, init="random", min_occ=0.0)
    last = {
        how: train_word("gmm", config, block, **settings)[1][-1]["per_frame"]
        for how, settings in {
            "three": {"max_iters": 3, "tol": 0.0},
            "batch": {"max_iters": 20, "tol": 0.0},
            "stepwise": {"method": "stepwise", "passes": 3},
        }.items()
    }
    assert last["stepwise"] > last["batch"] - 0.01 and last["three"] < last["batch"] - 0.1


def test_what_cannot_be_asked_for():
    with pytest.raises(SettingsError, match="dtw is no sum"):
        TrainingSettings.of("dtw", method="stepwise")
    with pytest.raises(SettingsError, match="not above 0.5"):
        TrainConfig(step_exponent=0.5)
