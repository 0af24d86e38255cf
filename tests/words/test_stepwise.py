"""Stepwise EM: what it equals at its ends, where it stays, and how far a few passes come."""

import numpy as np
import pytest
from oracle import assert_same_bytes, falls, small_config, spoken, train_word

from asrkit import families
from asrkit.errors import SettingsError
from asrkit.io.store import FileSource, MemorySource
from asrkit.models.base import Block
from asrkit.words.settings import TrainingSettings
from asrkit.words.stepwise import (
    PASSES_DONE,
    growth_plan,
    interpolated,
    mini_batches,
    step_size,
)
from asrkit.words.training import TrainConfig, train_words

SUMS = [name for name in families.names() if families.load(name).adds_up]
every_family = pytest.mark.parametrize("name", SUMS)


def config_of(name, **settings):
    return small_config(families.load(name), **settings)


def without_growth(name):
    return config_of(name, num_gauss=1) if families.load(name).grows else config_of(name)


@every_family
def test_one_mini_batch_of_everything_is_batch_em(name):
    block, config = spoken(families.load(name), 3, num_utts=20), without_growth(name)
    model, log = train_word(name, config, block, method="stepwise", passes=2, batch_frames=10**6)
    batch, entries = train_word(name, config, block, max_iters=2, tol=0.0)
    assert len(entries) == len(log) == 3, "batch EM has not converged before"
    assert_same_bytes(model, batch)
    assert [entry["objective"] for entry in log] == [entry["objective"] for entry in entries]
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
    for part in mini_batches(block, 200, np.random.default_rng(0)):
        stats = moved.accumulate(part, "viterbi").scaled(frames / part.lengths.sum())
        sums = interpolated(sums, stats, 1e-8)
        moved = moved.estimate(sums, config)
    for key, array in there.to_arrays().items():
        np.testing.assert_allclose(np.exp(moved.to_arrays()[key]) if "log" in key else moved.to_arrays()[key],
                                   np.exp(array) if "log" in key else array, rtol=1e-6, atol=1e-6)  # fmt: skip
