"""tools/scaling.py: the simulation against sums by hand and what must hold of any; the page has the tool's tables."""

import importlib
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model():
    return load("scaling_model")


def load(name):
    """A tool as a module, which finds the others beside it."""
    sys.path.insert(0, str(TOP / "tools"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(TOP / "tools"))


def cluster(model, workers, **more):
    settings = {
        "submit_s": 0.001,
        "gather_s": 0.002,
        "scheduler_s": 0.004,
        "worker_s": 0.003,
        "sending": 1e8,
        "getting": 2e8,
    }
    return model.Cluster(workers, **{**settings, "disk": 1e9, "link": 5e8, **more})


def work(model, count=60, seconds=1.5, **more):
    settings = {
        "read_bytes": 1e7,
        "sent_bytes": 1e4,
        "got_bytes": 1e5,
        "driver_s": 1e-4,
        "before_s": 0.01,
        "after_s": 0.02,
    }
    return model.Work((seconds,) * count, **{**settings, **more})


def test_one_item_is_a_sum_by_hand(model):
    """Packed, sent, handed on, read, scored, handed back, brought, added, estimated: one after another."""
    expected = (
        0.01
        + (0.001 + 1e4 / 1e8)
        + 0.002
        + 1e7 / 5e8
        + (1.5 + 0.003)
        + 0.002
        + (0.002 + 1e5 / 2e8 + 1e-4)
        + 0.02
    )
    outcome = model.simulate(cluster(model, 3), work(model, 1))
    assert math.isclose(outcome.seconds, expected, rel_tol=1e-12) and outcome.tasks == 1


def test_one_worker_is_kept_busy(model):
    """Tasks of one item, for each takes longer than a second: the driver's part hides behind the work but at the two ends."""
    each, ends = (
        1e7 / 5e8 + 1.5 + 0.003,
        0.01 + (0.001 + 1e4 / 1e8) + 2 * 0.002 + (0.002 + 1e5 / 2e8 + 1e-4) + 0.02,
    )
    outcome = model.simulate(cluster(model, 1), work(model, 7))
    assert math.isclose(outcome.seconds, 7 * each + ends, rel_tol=1e-12) and outcome.tasks == 7
    assert math.isclose(outcome.busy["workers"], 7 * each)


def test_who_is_slowest_limits(model):
    """With many workers the time is that of what does one thing at a time: disk, driver, scheduler."""
    many = work(model, 400, 1.0)
    for name, settings, seconds in (
        ("disk", {"disk": 1e8}, 400 * 1e7 / 1e8),
        ("driver", {"gather_s": 0.2}, 400 * 0.2),
        ("scheduler", {"scheduler_s": 0.3}, 400 * 0.3),
    ):
        outcome = model.simulate(cluster(model, 200, **settings), many)
        shares = outcome.shares(200)
        assert max(shares, key=shares.get) == name and shares[name] > 0.9
        assert seconds < outcome.seconds < 1.2 * seconds


@pytest.mark.parametrize("seed", range(5))
def test_never_faster_than_ideal(model, seed):
    rng = np.random.default_rng(seed)
    items = tuple(rng.exponential(0.4, 300))
    for workers in (1, 3, 17, 100):
        own = cluster(model, workers, spread=0.3, seed=seed)
        given = replace(work(model), item_s=items)
        assert model.simulate(own, given).seconds > model.ideal_s(own, given)


def test_whatever_is_quicker_does_not_make_it_slower(model):
    """One seed, each part in turn: work, disk, network, driver, scheduler; and small items go in tasks of about a second."""
    slow, given = cluster(model, 20), work(model, 500, 0.1)
    seconds = model.simulate(slow, given).seconds
    for faster in (
        {"submit_s": 0},
        {"gather_s": 0},
        {"scheduler_s": 0},
        {"disk": 1e12},
        {"sending": 1e12},
        {"getting": 1e12},
    ):
        assert model.simulate(replace(slow, **faster), given).seconds <= seconds * 1.001
    times = [
        model.simulate(slow, work(model, 500, each)).seconds for each in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
    ]
    assert times == sorted(times)
    assert model.simulate(cluster(model, 1), given).tasks < 500 / 5


def test_the_same_with_the_same_seed_and_another_with_another(model):
    given = work(model, 200, 0.7)
    outcomes = [
        model.simulate(cluster(model, 10, spread=0.2, losses=60.0, seed=seed), given) for seed in (1, 1, 2)
    ]
    assert outcomes[0] == outcomes[1] != outcomes[2]


def test_what_was_lost_comes_again(model):
    given = work(model, 100, 1.0)
    own = cluster(model, 5, losses=200.0, restart_s=3.0)
    outcome = model.simulate(own, given)
    assert outcome.again > 0 and outcome.tasks == 100
    assert outcome.seconds > model.simulate(replace(own, losses=0.0), given).seconds
    assert outcome.busy["workers"] > sum(given.item_s)


def test_one_worker_that_is_lost_is_waited_for(model):
    """Its time: what it worked, in vain or not, its absences, and the two ends."""
    ends = 0.01 + (0.001 + 1e4 / 1e8) + 2 * 0.002 + (0.002 + 1e5 / 2e8 + 1e-4) + 0.02
    lost = 0
    for seed in range(12):
        outcome = model.simulate(cluster(model, 1, losses=1000.0, restart_s=3.0, seed=seed), work(model, 3))
        assert math.isclose(outcome.seconds, outcome.busy["workers"] + 3.0 * outcome.again + ends)
        lost += outcome.again
    assert lost > 5


def test_more_workers_than_cores_gain_nothing(model):
    given = work(model, 200, 0.5)
    one, two, four = (model.machine_s(cluster(model, workers), given, 2)[0] for workers in (1, 2, 4))
    assert two < 0.6 * one and four > 0.95 * two


def test_job_arrays_by_hand(model):
    """Eight blocks on four tasks: two jobs wait and start, each task reads all, scores two blocks; then eight sums."""
    given = model.Work((1.0,) * 8, got_bytes=1e6, driver_s=0.01, after_s=0.5)
    arrays = model.Arrays(start_s=1.0, queue_s=10.0, read_s=3.0, read_bytes=4e9)
    seconds, parts = arrays.seconds(model.Cluster(4, disk=1e9, link=1e9), given)
    assert parts == pytest.approx(
        {
            "start": 2,
            "queue": 20,
            "disk": 4 * 4 - 3 - 2,
            "reading": 3,
            "tables": 0,
            "workers": 2,
            "sums": 8 * (0.01 + 2e-3) + 0.5,
        }
    )
    assert seconds == pytest.approx(sum(parts.values()))
    own, _ = replace(arrays, own=True, tables_s=0.25).seconds(model.Cluster(4, disk=1e9, link=1e9), given)
    assert own == pytest.approx(2 + 20 + (4 - 0.75 - 2) + 0.75 + 0.25 + 2 + 8 * (0.01 + 2e-3) + 0.5)


def test_the_page_has_the_tables_of_the_tool():
    scaling = load("scaling")
    options = scaling.parse([])
    constants = json.loads(scaling.LOCAL.read_text(encoding="utf-8"))
    page = (TOP / "docs" / "scaling.md").read_text(encoding="utf-8")
    for mark in (
        "machine",
        "frames",
        "fits",
        "validation",
        "simulated",
        "whole",
        "sizes",
        "feeds",
        "languages",
    ):
        assert scaling.MARKS.format(mark) in page
    texts = scaling.tables(constants, options, scaling.cases.simulated(constants, options))
    for mark, text in texts.items():
        assert f"{scaling.MARKS.format(mark)}\n\n{text}\n\n{scaling.MARKS.format('end')}" in page
