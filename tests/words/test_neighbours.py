import numpy as np
import pytest

from asrkit.families.dtw import SIDE
from asrkit.words.neighbours import FRAMES, Neighbours


def recordings(count, seed=0, dim=3):
    rng = np.random.default_rng(seed)
    return [
        np.cumsum(rng.normal(size=(rng.integers(12, 30), dim)), axis=0).astype(np.float32)
        for _ in range(count)
    ]


def stretched(x, dim):
    return np.stack(
        [np.interp(np.linspace(0, len(x) - 1, FRAMES), np.arange(len(x)), x[:, d]) for d in range(dim)],
        axis=1,
    )


def brute_distance(a, b):
    """Dynamic time warping of two (L, D), cell by cell."""
    cost = np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))
    best = np.full(cost.shape, np.inf)
    for i in range(len(a)):
        for j in range(len(b)):
            ways = [2 * cost[0, 0]] if i == j == 0 else []
            if i and j:
                ways.append(best[i - 1, j - 1] + 2 * cost[i, j])
            if i:
                ways.append(best[i - 1, j] + SIDE * cost[i, j])
            if j:
                ways.append(best[i, j - 1] + SIDE * cost[i, j])
            best[i, j] = min(ways)
    return best[-1, -1] / (2 * FRAMES * np.sqrt(a.shape[1]))


def test_distances_are_those_of_time_warping_and_the_nearest_come_first():
    feats = recordings(20)
    names = [f"utt{k}" for k in range(20)]
    whole = np.concatenate([stretched(x, 3) for x in feats])
    mean, scale = whole.mean(axis=0), whole.std(axis=0)
    own = recordings(1, seed=5)[0]
    expected = {
        name: brute_distance((stretched(own, 3) - mean) / scale, (stretched(x, 3) - mean) / scale)
        for name, x in zip(names, feats)
    }
    found = Neighbours(names, feats).nearest(own, 20)
    assert [name for name, _ in found] == sorted(expected, key=expected.get)
    assert dict(found) == pytest.approx(expected, rel=1e-4)


def test_what_is_said_more_slowly_is_near_and_the_recording_itself_is_left_out():
    feats = recordings(30)
    slow = np.repeat(feats[7], 2, axis=0)
    near = Neighbours([f"utt{k}" for k in range(30)], feats)
    assert near.nearest(slow, 1)[0][0] == "utt7"
    assert near.nearest(feats[7], 3)[0] == ("utt7", pytest.approx(0.0, abs=1e-3))
    assert "utt7" not in dict(near.nearest(feats[7], 30, without="utt7"))
    assert Neighbours(["a"], feats[:1]).nearest(feats[0], 3, without="a") == []


def test_dimensions_that_never_change_and_single_frames_have_a_distance():
    feats = [np.ones((5, 2), dtype=np.float32), np.ones((1, 2), dtype=np.float32)]
    assert [p for _, p in Neighbours(["a", "b"], feats).nearest(np.ones((3, 2)), 2)] == [0.0, 0.0]
