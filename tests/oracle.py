"""Oracles: the same quantities by brute force, straight from their definitions; and words invented for them."""

import itertools

import numpy as np

from asrkit.models.base import Block
from asrkit.words.training import TrainConfig, train_words

NUM_SYMBOLS = 16

TOPOLOGIES = ("left-right", "skip", "any-entry", "silence", "ergodic", "random")


def all_paths(log_obs, log_start, log_trans, log_exit):
    """log P(x, path) of every one of the S^T state sequences: dict of path to float."""
    num_frames, num_states = log_obs.shape
    scores = {}
    for path in itertools.product(range(num_states), repeat=num_frames):
        score = log_start[path[0]] + log_exit[path[-1]]
        score += sum(log_obs[t, state] for t, state in enumerate(path))
        score += sum(log_trans[i, j] for i, j in zip(path, path[1:]))
        scores[path] = score
    return scores


def log_sum(values):
    values = np.array([v for v in values if v > -np.inf])
    return -np.inf if not len(values) else values.max() + np.log(np.exp(values - values.max()).sum())


def expectations(log_obs, log_start, log_trans, log_exit):
    """log P(x), gamma (T, S) and xi (S, S), summed over all paths; zero where there is none."""
    scores = all_paths(log_obs, log_start, log_trans, log_exit)
    total = log_sum(scores.values())
    gamma, xi = np.zeros(log_obs.shape), np.zeros(log_trans.shape)
    for path, score in scores.items():
        if score == -np.inf:
            continue
        p = np.exp(score - total)
        for t, state in enumerate(path):
            gamma[t, state] += p
        for i, j in zip(path, path[1:]):
            xi[i, j] += p
    return total, gamma, xi


def log_expectations(log_obs, log_start, log_trans, log_exit):
    """The same by the textbook's recursions, every sum in the log domain: slow, and nothing can under- or
    overflow.
    """

    def add(rows):  # log sum exp over the first axis
        return np.logaddexp.reduce(rows, axis=0)

    alpha, beta = np.empty(log_obs.shape), np.empty(log_obs.shape)
    alpha[0], beta[-1] = log_start + log_obs[0], log_exit
    for t in range(1, len(log_obs)):
        alpha[t] = add(alpha[t - 1][:, None] + log_trans) + log_obs[t]
    for t in range(len(log_obs) - 2, -1, -1):
        beta[t] = add((log_trans + log_obs[t + 1] + beta[t + 1]).T)
    total = add(alpha[-1] + log_exit)
    if total == -np.inf:
        return total, np.zeros(log_obs.shape), np.zeros(log_trans.shape)
    steps = alpha[:-1, :, None] + log_trans + (log_obs + beta)[1:, None] - total
    return total, np.exp(alpha + beta - total), np.exp(steps).sum(axis=0)


def random_arcs(rng, num_states, topology):
    """Start, transition and exit log-probabilities of a random model."""
    allowed = np.ones((num_states, num_states), dtype=bool)
    start, leave = np.ones(num_states), np.ones(num_states)
    if topology == "any-entry":
        allowed, leave = np.triu(allowed) & ~np.triu(allowed, 2), np.eye(num_states)[-1]
    if topology in ("left-right", "skip", "silence"):
        allowed = np.triu(allowed) & ~np.triu(allowed, 3 if topology == "skip" else 2)
        start, leave = np.eye(num_states)[0], np.eye(num_states)[-1]
    if topology == "silence" and num_states > 2:  # the first and the last state can be passed by
        start[1] = leave[-2] = 1
    if topology == "random":  # any step may be missing, loops too; there is always one to the next state
        allowed = (rng.random(allowed.shape) < 0.4) | np.roll(np.eye(num_states, dtype=bool), 1, axis=1)
        start, leave = np.eye(num_states)[0] + (rng.random(num_states) < 0.3), rng.random(num_states) < 0.5
        leave[-1] = True
    rows = rng.uniform(0.1, 1, (num_states, num_states + 1)) * np.column_stack([allowed, leave])
    rows /= rows.sum(axis=1, keepdims=True)
    start = rng.uniform(0.1, 1, num_states) * start
    with np.errstate(divide="ignore"):
        return np.log(start / start.sum()), np.log(rows[:, :-1]), np.log(rows[:, -1])


def small_config(family, **settings):
    """A family's settings for little data; what a family does not know is left out."""
    small = {"num_states": 4, "num_gauss": 4, "num_symbols": NUM_SYMBOLS, "min_count": 5.0, **settings}
    return family.Config(
        **{name: value for name, value in small.items() if name in family.Config.__dataclass_fields__}
    )


def spoken(family, seed, num_utts=12, num_parts=4):
    """Utterances of an invented word: each part has its own distribution."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(scale=3, size=(num_parts, 3))
    tables = rng.dirichlet(np.full(NUM_SYMBOLS, 0.2), size=num_parts)
    items = []
    for u in range(num_utts):
        parts = np.repeat(np.arange(num_parts), rng.integers(3, 9, size=num_parts))
        if family.has_codes:
            x = np.array([rng.choice(NUM_SYMBOLS, p=tables[part]) for part in parts], dtype=np.int32)
        else:
            x = (centers[parts] + rng.normal(size=(len(parts), 3)) * rng.choice([0.5, 2])).astype(np.float32)
        items.append((f"utt{u:02d}", x))
    return Block.from_items(items)


def train_word(name, config, block, index=0, **settings):
    """A word by itself: its model and the log of its training."""
    return train_words(name, config, TrainConfig(**settings), {"word": block}, {"word": index})["word"]


def assert_same_bytes(a, b):
    """Models or statistics."""
    a, b = a.to_arrays(), b.to_arrays()
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def falls(log, tol=1e-6):
    """Entries whose objective is below the one before by more than rounding, densities being float32."""
    return [
        b
        for a, b in zip(log, log[1:])
        if b["objective"] < a["objective"] - tol * max(abs(a["objective"]), a["frames"])
    ]
