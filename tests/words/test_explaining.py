import itertools

import numpy as np
import pytest
from oracle import random_arcs

from asrkit.models.base import Block
from asrkit.models.categorical import Categorical
from asrkit.models.hmm import Hmm
from asrkit.words.explaining import largest_stretch


def all_stretches(values):
    ends = itertools.combinations(range(len(values) + 1), 2)
    return max((values[a:b].sum() for a, b in ends), default=0.0)


@pytest.mark.parametrize("seed", range(30))
def test_the_stretch_is_that_of_all_which_adds_most(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.normal(), 1, rng.integers(0, 14))
    start, end = largest_stretch(values)
    assert values[start:end].sum() == pytest.approx(max(all_stretches(values), 0.0))
    assert (start, end) == (0, 0) or values[start] > 0 < values[end - 1]


def test_of_equals_the_first_and_shortest():
    assert largest_stretch(np.array([0.0, 1.0, 0.0, -5.0, 1.0])) == (1, 2)
    assert (
        largest_stretch(np.zeros(4)) == largest_stretch(-np.ones(3)) == largest_stretch(np.zeros(0)) == (0, 0)
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
