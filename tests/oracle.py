"""Oracles: the same quantities by brute force, straight from their definitions."""

import itertools

import numpy as np


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
    """log P(x), gamma (T, S) and xi (S, S), summed over all paths."""
    scores = all_paths(log_obs, log_start, log_trans, log_exit)
    total = log_sum(scores.values())
    gamma, xi = np.zeros(log_obs.shape), np.zeros(log_trans.shape)
    for path, score in scores.items():
        p = np.exp(score - total)
        for t, state in enumerate(path):
            gamma[t, state] += p
        for i, j in zip(path, path[1:]):
            xi[i, j] += p
    return total, gamma, xi


def random_arcs(rng, num_states, topology):
    """Start, transition and exit log-probabilities of a random model."""
    allowed = np.ones((num_states, num_states), dtype=bool)
    start, leave = np.ones(num_states), np.ones(num_states)
    if topology == "left-right":
        allowed = np.triu(allowed) & ~np.triu(allowed, 2)
        start, leave = np.eye(num_states)[0], np.eye(num_states)[-1]
    rows = rng.random((num_states, num_states + 1)) * np.column_stack([allowed, leave])
    rows /= rows.sum(axis=1, keepdims=True)
    start = rng.random(num_states) * start
    with np.errstate(divide="ignore"):
        return np.log(start / start.sum()), np.log(rows[:, :-1]), np.log(rows[:, -1])
