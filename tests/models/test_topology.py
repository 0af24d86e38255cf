"""Which states follow which, how often they do, how many there are, and where training starts."""

import numpy as np
import pytest
from oracle import all_paths, falls, log_expectations, random_arcs, small_config, spoken, train_word

from asrkit import families
from asrkit.models.base import Block, WarpedCopy
from asrkit.models.categorical import Categorical
from asrkit.models.hmm import Hmm
from asrkit.models.mixture import DiagMixture
from asrkit.models.topology import TOPOLOGIES, HmmConfig, choose_num_states, connect, find_silence, init_hmm

WITH_STATES = [name for name in families.names() if issubclass(families.load(name).Config, HmmConfig)]


def states(lengths, **settings):
    block = Block.from_items((f"u{u}", np.zeros(length, dtype=np.int32)) for u, length in enumerate(lengths))
    return choose_num_states(block, HmmConfig(**settings))


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("silence", [False, True])
@pytest.mark.parametrize("num_states", [1, 2, 3, 5])
def test_transitions_are_those_of_the_topology_and_equally_likely(topology, silence, num_states):
    model = connect(num_states, topology, silence, lambda n: n)
    word = range(silence, num_states + silence)
    first, last = (
        set(word if topology in ("any-entry", "ergodic") else word[:1]),
        set(word if topology == "ergodic" else word[-1:]),
    )
    farthest = {"left-right": 1, "any-entry": 1, "skip": 2, "ergodic": None}[topology]
    then = {i: {j for j in word if farthest is None or 0 <= j - i <= farthest} for i in word}
    if silence:
        head, tail = 0, num_states + 1
        then[head], then[tail] = {head} | first, {tail}
        for i in last:
            then[i].add(tail)
        first, last = first | {head}, last | {tail}
    assert model.emission == model.num_states == num_states + 2 * silence
    for i in range(model.num_states):
        share = 1 / (len(then[i]) + (i in last))
        expected = [share if j in then[i] else 0 for j in range(model.num_states)]
        np.testing.assert_allclose(np.exp(model.log_trans[i]), expected)
        assert np.exp(model.log_exit[i]) == pytest.approx(share if i in last else 0)
    np.testing.assert_allclose(
        np.exp(model.log_start), [1 / len(first) if i in first else 0 for i in range(model.num_states)]
    )


@pytest.mark.parametrize("num_states", [1, 2, 4])
@pytest.mark.parametrize("seed", range(12))
def test_shortest_equals_the_shortest_of_all_paths(num_states, seed):
    arcs = random_arcs(np.random.default_rng(seed), num_states, "random")
    possible = [n for n in range(1, 6) if max(all_paths(np.zeros((n, num_states)), *arcs).values()) > -np.inf]
    assert Hmm(*arcs, None).shortest == possible[0]
    never = np.full(num_states, -np.inf)
    assert Hmm(arcs[0], arcs[1], never, None).shortest > num_states


@pytest.mark.parametrize(
    "topology, shortest", [("left-right", 5), ("skip", 3), ("any-entry", 1), ("ergodic", 1)]
)
def test_silence_can_be_passed_by(topology, shortest):
    for silence in (False, True):
        assert connect(5, topology, silence, lambda n: None).shortest == shortest


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("shortest", [1, 2, 5, 6, 20])
def test_no_recording_is_too_short_for_its_word_and_no_state_is_given_away(topology, shortest):
    chosen = states([shortest, shortest + 2, shortest + 1], num_states=9, topology=topology)
    assert connect(chosen, topology, True, lambda n: None).shortest <= shortest
    assert chosen == 9 or connect(chosen + 1, topology, False, lambda n: None).shortest > shortest


def test_an_accident_does_not_decide_for_all():
    assert states([30] * 11 + [2], num_states=12) == 10  # a third of the median
    assert states([30] * 11 + [2], num_states=8) == 8
    assert states([30] * 11 + [11], num_states=12) == 11
    assert states([0, 2, 1], num_states=12) == 1
    assert states([30] * 11 + [2], num_states=12, topology="ergodic") == 12


@pytest.mark.parametrize("count", [1, 2, 3, 6, 19, 20, 39, 40, 100])
def test_no_more_than_a_share_of_a_word_is_left_out(count):
    most = max(count // 20, int(count > 2))
    assert most <= max(1, 0.05 * count) and most < count
    for num_short in range(count):
        chosen = states([2] * num_short + [30] * (count - num_short), num_states=8)
        assert chosen == (8 if num_short <= most else 2)
    copies = [WarpedCopy(f"u{u}", factor) for u in range(count) for factor in ("0.9", "1.1")]
    utts = (*(f"u{u}" for u in range(count)), *copies)
    lengths = np.array([2] * most + [30] * (count - most))
    lengths = np.concatenate([lengths, np.repeat(lengths, 2)])
    block = Block(utts, np.zeros((lengths.sum(), 1)), np.concatenate([[0], np.cumsum(lengths)]))
    assert choose_num_states(block, HmmConfig(num_states=8)) == 8, "copies are no recordings"


def test_length_decides_how_many_states_up_to_the_number_asked_for():
    assert states([40, 30, 20], num_states=12, frames_per_state=5) == 6
    assert states([40, 31, 20], num_states=12, frames_per_state=4) == 8
    assert states([400, 300], num_states=12, frames_per_state=5) == 12
    assert states([20, 20], num_states=12, frames_per_state=100) == 1
    assert states([40, 30, 10], num_states=12, frames_per_state=0.5, topology="left-right") == 10
    assert states([40, 30, 10], num_states=30, frames_per_state=1, topology="ergodic") == 30


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_training_starts_from_equal_parts(topology):
    """Two utterances of 12 and 6 frames, three states: each gets a third of both."""
    rng = np.random.default_rng(0)
    block = Block.from_items([("a", rng.normal(size=(12, 2))), ("b", rng.normal(size=(6, 2)))])
    config = families.load("chmm").Config(num_states=3, topology=topology)
    model = families.load("chmm").init(config, block, rng)
    thirds = [
        np.concatenate([block.obs[4 * s : 4 * s + 4], block.obs[12 + 2 * s : 14 + 2 * s]]) for s in range(3)
    ]
    np.testing.assert_allclose(model.emission.means[:, 0], [third.mean(axis=0) for third in thirds])
    np.testing.assert_allclose(model.emission.variances[:, 0], [third.var(axis=0) for third in thirds])
    # of six frames two go on
    np.testing.assert_allclose(np.exp(np.diagonal(model.log_trans)), 4 / 6, atol=5e-4)
    assert np.exp(model.log_trans[0, 1]) == pytest.approx(2 / 6, abs=5e-4)
    assert np.exp(model.log_exit[2]) == pytest.approx(2 / 6, abs=5e-4)


@pytest.mark.parametrize("silence", [False, True])
def test_a_word_that_may_be_entered_anywhere_starts_so_and_learns_where(silence):
    """Equal parts say nothing of the entry, which begins uniform; words that begin in the middle then teach it."""
    rng = np.random.default_rng(1)
    centers = 9.0 * np.arange(4)

    def utterance(u):
        parts = np.arange(0 if u % 2 else 2, 4)  # every other one lacks the first half
        own = np.repeat(centers[parts], 5)
        own = np.concatenate([np.full(5, -50.0), own, np.full(5, -50.0)]) if silence else own
        return (own + rng.normal(size=len(own)))[:, None].astype(np.float32)

    block = Block.from_items((f"u{u}", utterance(u)) for u in range(12))
    config = families.load("chmm").Config(
        num_states=4, topology="any-entry", silence=silence, num_gauss=1, num_starts=8
    )
    word = slice(1, -1) if silence else slice(None)
    start = families.load("chmm").init(config, block, rng)
    entry = np.exp(start.log_trans[0] if silence else start.log_start)[word]
    np.testing.assert_allclose(entry, entry.mean())
    assert entry.sum() == pytest.approx(1 / 5 if silence else 1)
    model, log = train_word("chmm", config, block)
    entry = np.exp(model.log_trans[0] if silence else model.log_start)[word]
    assert sorted((entry / entry.sum()).round(1).tolist()) == [0, 0, 0.5, 0.5] and not falls(log)
    np.testing.assert_array_equal(np.isfinite(model.log_trans), np.isfinite(start.log_trans))


@pytest.mark.parametrize("method", ["viterbi", "baum-welch"])
def test_transitions_are_counted_and_estimated_as_relative_frequencies(method):
    """Utterances without a path or without frames count for nothing; a state that nobody visits keeps its
    transitions.
    """
    rng = np.random.default_rng(3)
    log_start, log_trans, log_exit = random_arcs(rng, 4, "ergodic")
    log_trans[:3, 3] = log_start[3] = -np.inf  # the last state is never reached
    log_start -= np.logaddexp.reduce(log_start)
    with np.errstate(divide="ignore"):
        emission = Categorical(
            np.log(np.concatenate([rng.dirichlet(np.ones(5), size=4), np.zeros((4, 1))], axis=1))
        )
    model = Hmm(log_start, log_trans, log_exit, emission)
    items = [(f"u{n}", rng.integers(5, size=n)) for n in (4, 9, 1, 6)]
    items = [*items[:2], ("impossible", np.array([1, 5, 1])), *items[2:], ("empty", items[0][1][:0])]
    block = Block.from_items(items)
    stats = model.accumulate(block, method)
    start, trans, leave, log_like = np.zeros(4), np.zeros((4, 4)), np.zeros(4), 0.0
    for u, (_, x) in enumerate(items):
        if len(x) and 5 not in x:
            total, gamma, xi = log_expectations(emission.log_likelihood(x), log_start, log_trans, log_exit)
            if method == "viterbi":
                (total,), path = model.align(block.select([u]))
                gamma, xi = (
                    np.eye(4)[path],
                    sum(np.outer(a, b) for a, b in zip(np.eye(4)[path], np.eye(4)[path[1:]])),
                )
            start, trans, leave, log_like = start + gamma[0], trans + xi, leave + gamma[-1], log_like + total
    for ours, expected in [
        (stats.start, start),
        (stats.trans, trans),
        (stats.leave, leave),
        (stats.log_like, log_like),
    ]:
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)
    assert (stats.utts, stats.skipped, stats.frames) == (4, 2, 20)
    np.testing.assert_allclose(stats.occupancy, (start + trans.sum(axis=0)))
    new = model.estimate(stats, families.load("dhmm").Config(num_symbols=6, transition_floor=0.0))
    np.testing.assert_allclose(np.exp(new.log_start), start / start.sum())
    rows = np.column_stack([trans, leave])[:3]
    np.testing.assert_allclose(
        np.exp(np.column_stack([new.log_trans, new.log_exit]))[:3], rows / rows.sum(axis=1, keepdims=True)
    )
    np.testing.assert_array_equal(new.log_trans[3], log_trans[3])
    assert new.log_exit[3] == log_exit[3]


def test_later_starts_are_drawn_by_chance_and_of_good_length():
    family = families.load("chmm")
    block, config = spoken(family, 0), small_config(family)
    starts = [(1, 0), (2, 0), (1, 1), (1, 1), (2, 1)]
    models = [family.init(config, block, np.random.default_rng(seed), start) for seed, start in starts]
    same = [np.array_equal(a.emission.means, b.emission.means) for a, b in zip(models, models[1:])]
    assert same == [True, False, True, False]


def test_what_is_too_short_is_left_out_of_the_start():
    rng = np.random.default_rng(0)
    long = [(f"u{u}", rng.normal(size=(30, 2))) for u in range(4)]
    with_short = Block.from_items([*long, ("short", np.full((2, 2), 1e3))])
    config = families.load("chmm").Config(num_states=5)
    model = init_hmm(lambda n: DiagMixture.from_data(with_short.obs, n, 0.0), with_short, config, rng, 0)
    assert model.num_states == 5 and abs(model.emission.means).max() < 10


@pytest.mark.parametrize("name", WITH_STATES)
def test_three_starts_are_never_worse_than_one(name):
    family = families.load(name)
    kept = set()
    for seed in range(6):
        block = spoken(family, seed, num_parts=7)
        configs = [small_config(family, num_starts=n, num_gauss=8 if name == "schmm" else 1) for n in (1, 3)]
        one, three = (train_word(name, config, block, seed)[1] for config in configs)
        assert three[-1]["objective"] >= one[-1]["objective"]
        kept |= {entry["start"] for entry in three}
        assert {entry["start"] for entry in one} == {0} and len({entry["start"] for entry in three}) == 1
    assert kept != {0}


def in_silence(family, word, seed, num_utts=20, least=0.3, most=0.6):
    """A word that others share all but the middle of, between silences: the block and where the word begins
    and ends.
    """
    rng = np.random.default_rng([seed, word])
    around = np.array([[6.0, 0, 0], [0, 6, 0]])
    middle = 2.0 * np.eye(3)[word]
    items, heads, tails = [], [], []
    for u in range(num_utts):
        outer = rng.integers(6, 11, size=2)
        parts = np.concatenate(
            [np.tile(around[0], (outer[0], 1)), np.tile(middle, (4, 1)), np.tile(around[1], (outer[1], 1))]
        )
        quiet = rng.uniform(least, most)
        quiet = round(len(parts) * quiet / (1 - quiet))
        heads.append(round(quiet * rng.uniform(0.3, 0.7)))
        tails.append(quiet - heads[-1])
        still = np.array([-4.0, -4, -4])
        x = np.concatenate([np.tile(still, (heads[-1], 1)), parts, np.tile(still, (tails[-1], 1))])
        x += rng.normal(size=x.shape)
        if family.has_codes:  # nearest of 16 points on a grid
            x = ((x[:, 0] > 3) * 8 + (x[:, 1] > 3) * 4 + (x[:, 2] < -2) * 2 + (x[:, word] > 1)).astype(
                np.int32
            )
        items.append((f"{word}-{u}", x))
    return Block.from_items(items), np.array(heads), np.array(tails)


@pytest.mark.parametrize("name", ["chmm", "dhmm"])
@pytest.mark.parametrize("word", range(3))
@pytest.mark.parametrize("least, most", [(0.3, 0.6), (0.25, 0.35)])
def test_silence_is_found_within_a_few_frames(name, word, least, most):
    family = families.load(name)
    block, heads, tails = in_silence(family, word, seed=0, least=least, most=most)
    config = small_config(family, silence=True)
    emission = family.init(small_config(family, num_states=2), block, np.random.default_rng(0)).emission
    found_heads, found_tails = find_silence(emission, block, config, config.num_states)
    assert abs(found_heads - heads).mean() < 2 and abs(found_tails - tails).mean() < 2


def test_as_many_frames_as_states_are_left_between_silences():
    """Where all is alike, the word must not vanish; what is shorter than its states has no silence."""
    rng = np.random.default_rng(1)
    for seed in range(5):
        block = Block.from_items((f"u{u}", rng.normal(size=(u, 2))) for u in range(25))
        heads, tails = find_silence(
            DiagMixture.from_data(block.obs, 2, 0.01), block, families.load("chmm").Config(), 6
        )
        left = block.lengths - heads - tails
        assert heads.min() >= 0 and tails.min() >= 0 and (left >= np.minimum(block.lengths, 6)).all()
        assert (left == 6).any(), "all that may be taken is taken where it looks like the ends"


@pytest.mark.parametrize("name", WITH_STATES)
def test_silence_goes_to_its_own_states(name):
    family = families.load(name)
    block, heads, tails = in_silence(family, 0, seed=0)
    model, log = train_word(name, small_config(family, silence=True), block)
    assert model.num_states == 6 and np.diff([entry["objective"] for entry in log]).min() >= 0 < len(log) - 1
    _, path = model.align(block)
    for u in range(len(block.utts)):
        own = path[block.offsets[u] : block.offsets[u + 1]]
        assert abs((own == 0).sum() - heads[u]) <= 2 and abs((own == 5).sum() - tails[u]) <= 2


@pytest.mark.parametrize("name", ["chmm", "schmm"])
def test_words_in_silence_are_recognised_no_worse_with_silence_states(name):
    """They differ in a short middle part only, and how long they are silent says nothing."""
    family, right = families.load(name), {}
    for silence in (False, True):
        config = small_config(family, silence=silence, num_gauss=2 if name == "chmm" else 8)
        models = [train_word(name, config, in_silence(family, word, 0)[0])[0] for word in range(3)]
        bank = models[0].bank(models)
        right[silence] = sum(
            (bank.scores(in_silence(family, word, 1)[0]).argmax(axis=1) == word).sum() for word in range(3)
        )
    assert right[True] >= right[False] and right[True] >= 54
