"""The inner loops over time: arrays in, arrays out. They check nothing and know nothing of words or files.

All utterances of a block advance together, one frame a step, and a step walks the diagonals of the transition
matrix: a left-right model has two. No compiler is needed, so the first call is as quick as any other.
"""

import numpy as np


def viterbi(log_obs, offsets, log_start, log_trans, log_exit):
    """Best state sequence of each utterance.

    Parameters
    ----------
    log_obs : (N, S)
        log p(x_t | state), utterances laid end to end.
    offsets : int64 (U + 1,)
        Utterance u is the rows offsets[u] to offsets[u + 1] - 1.
    log_start, log_trans, log_exit : (S,), (S, S), (S,)
        `log_trans[i, j]` is log P(state j at t+1 | state i at t); -inf is forbidden.

    Returns
    -------
    scores : (U,)
        log P(x, best path); -inf where no path exists.
    path : int32 (N,)
        State of each frame; -1 where no path exists.
    """
    order, first, active = _schedule(offsets)
    arcs = _diagonals(log_trans)
    back = np.full(log_obs.shape, -1, dtype=np.int32)
    # The entry term: D(1, j) = p(1, j) + B(O(1), j); Rabiner (1989), eq. 32a in logs.
    delta = log_start + log_obs[first]
    for t in range(1, len(active)):
        n = active[t]
        rows = first[:n] + t
        best = np.full((n, len(log_start)), -np.inf)
        source = np.zeros(best.shape, dtype=np.int32)
        for i, j, log_arc in arcs:
            score = delta[:n, i] + log_arc
            better = score > best[:, j]
            best[:, j] = np.where(better, score, best[:, j])
            source[:, j] = np.where(better, np.arange(i.start, i.stop), source[:, j])
        delta[:n] = best + log_obs[rows]  # eq. 33a
        back[rows] = source
    final = delta + log_exit
    state = final.argmax(axis=1)
    scores = np.full(len(offsets) - 1, -np.inf)
    scores[order] = final.max(axis=1)
    path = np.full(len(log_obs), -1, dtype=np.int32)
    for t in range(len(active) - 1, -1, -1):
        n = active[t]
        rows = first[:n] + t
        path[rows] = state[:n]
        state[:n] = back[rows, state[:n]]
    path[np.repeat(np.isneginf(scores), np.diff(offsets))] = -1
    return scores, path


def forward_backward(log_obs, offsets, log_start, log_trans, log_exit):
    """Likelihoods and state occupancies, summed over all paths.

    Arguments as for `viterbi`.

    Returns
    -------
    log_like : (U,)
        log P(x); -inf where no path exists.
    gamma : (N, S)
        P(state at t | x); zero rows where no path exists.
    xi : (S, S)
        Expected number of i -> j transitions, summed over time and utterances.
    """
    order, first, active = _schedule(offsets)
    last = first + np.diff(offsets)[order] - 1
    arcs = _diagonals(log_trans)
    alpha = np.empty(log_obs.shape)
    alpha[first] = log_start + log_obs[first]  # Rabiner (1989), eq. 19
    for t in range(1, len(active)):
        rows = first[: active[t]] + t
        total = np.full((len(rows), len(log_start)), -np.inf)
        for i, j, log_arc in arcs:
            total[:, j] = np.logaddexp(total[:, j], alpha[rows - 1][:, i] + log_arc)
        alpha[rows] = total + log_obs[rows]  # eq. 20
    log_like = np.full(len(offsets) - 1, -np.inf)
    log_like[order] = np.logaddexp.reduce(alpha[last] + log_exit, axis=1)
    # Without any path nothing is expected: exp(-inf) is zero whatever stands before.
    norm = np.where(np.isneginf(log_like), np.inf, log_like)[order, None]
    gamma = np.zeros(log_obs.shape)
    gamma[last] = np.exp(alpha[last] + log_exit - norm)
    xi = np.zeros(log_trans.shape)
    later = np.tile(log_exit, (len(order), 1))
    for t in range(len(active) - 2, -1, -1):
        n = active[t + 1]
        rows = first[:n] + t
        after = log_obs[rows + 1] + later[:n]
        beta = np.full(after.shape, -np.inf)
        for i, j, log_arc in arcs:
            arc = log_arc + after[:, j]
            beta[:, i] = np.logaddexp(beta[:, i], arc)  # eq. 25
            passed = np.exp(alpha[rows][:, i] + arc - norm[:n]).sum(axis=0)  # eq. 37
            xi[np.arange(i.start, i.stop), np.arange(j.start, j.stop)] += passed
        later[:n] = beta
        gamma[rows] = np.exp(alpha[rows] + beta - norm[:n])  # eq. 27
    return log_like, gamma, xi


def _schedule(offsets):
    """Which utterances take part in each step.

    Returns
    -------
    order : int64 (V,)
        The utterances that have frames, longest first.
    first : int64 (V,)
        Their first rows.
    active : list of int
        active[t]: how many of them, from the longest on, have a frame t.
    """
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
    longest = lengths[order[0]] if len(order) else 0
    active = np.searchsorted(-lengths[order], -np.arange(longest), side="left")
    return order, offsets[:-1][order], active.tolist()


def _diagonals(log_trans):
    """(from, to, log-probabilities) of each diagonal that has an arc: slices of states, lowest predecessor first."""
    num_states = len(log_trans)
    arcs = []
    for k in range(num_states - 1, -num_states, -1):
        log_arc = np.diagonal(log_trans, k)
        if np.isfinite(log_arc).any():
            arcs.append((slice(max(0, -k), num_states - max(0, k)), slice(max(0, k), num_states - max(0, -k)), log_arc))
    return arcs
