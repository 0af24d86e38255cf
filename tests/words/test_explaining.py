import itertools

import numpy as np
import pytest
from oracle import random_arcs

from asrkit.models.base import Block
from asrkit.models.categorical import Categorical
from asrkit.models.hmm import Hmm
from asrkit.words.explaining import deciding_stretch


def all_stretches(values):
    return [(values[a:b].sum(), a, b) for a, b in itertools.combinations(range(len(values) + 1), 2)]


@pytest.mark.parametrize("seed", range(30))
def test_the_stretch_is_the_shortest_of_all_that_has_half_of_the_most(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.normal(), 1, rng.integers(0, 14))
    every = all_stretches(values)
    most = max((total for total, *_ in every), default=0.0)
    start, end = deciding_stretch(values)
    if most <= 0:
        assert (start, end) == (0, 0)
        return
    enough = [(b - a, -total) for total, a, b in every if total >= most / 2]
    length, total = min(enough)
    assert end - start == length and values[start:end].sum() == pytest.approx(-total)


def test_where_the_words_differ_most():
    assert deciding_stretch(np.array([0.1, 5.0, 4.0, 0.1, -3.0, 0.2])) == (1, 2)
    assert deciding_stretch(np.array([1.0, 1.0, 1.0, 1.0])) == (0, 2), "of equals the first"
    assert (
        deciding_stretch(np.zeros(4))
        == deciding_stretch(-np.ones(3))
        == deciding_stretch(np.zeros(0))
        == (0, 0)
    )


@pytest.mark.parametrize("topology", ["left-right", "skip", "silence", "ergodic", "random"])
def test_each_frame_adds_its_density_and_the_step_into_its_state(topology):
    rng = np.random.default_rng(1)
    start, trans, leave = random_arcs(rng, 3, topology)
    log_probs = np.log(rng.dirichlet(np.ones(4), 3))
    model = Hmm(start, trans, leave, Categorical(log_probs))
    codes = rng.integers(0, 4, 7).astype(np.int32)
    added, path = model.frame_scores(Block.from_items([("a", codes[:3]), ("b", codes[3:])]))
    for begin, end in ((0, 3), (3, 7)):
        states, own = path[begin:end], codes[begin:end]
        for t, (state, code) in enumerate(zip(states, own)):
            step = start[state] if t == 0 else trans[states[t - 1], state]
            out = leave[state] if t == len(own) - 1 else 0.0
            assert added[begin + t] == pytest.approx(log_probs[state, code] + step + out)
