"""The inner loops over time: arrays in, arrays out. They check nothing and know nothing of words or files."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
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
    num_utts = len(offsets) - 1
    num_states = len(log_start)
    scores = np.empty(num_utts)
    path = np.full(len(log_obs), -1, dtype=np.int32)
    back = np.empty((len(log_obs), num_states), dtype=np.int32)
    low, high = _predecessors(log_trans)
    previous = np.empty(num_states)
    current = np.empty(num_states)
    for u in range(num_utts):
        first, end = offsets[u], offsets[u + 1]
        if first == end:
            scores[u] = -np.inf
            continue
        # The entry term: D(1, j) = p(1, j) + B(O(1), j); Rabiner (1989), eq. 32a in logs.
        for j in range(num_states):
            previous[j] = log_start[j] + log_obs[first, j]
        for t in range(first + 1, end):
            for j in range(num_states):
                best, argbest = -np.inf, low[j]
                for i in range(low[j], high[j]):
                    score = previous[i] + log_trans[i, j]
                    if score > best:
                        best, argbest = score, i
                current[j] = best + log_obs[t, j]  # eq. 33a
                back[t, j] = argbest
            previous, current = current, previous
        best, state = -np.inf, -1
        for j in range(num_states):
            score = previous[j] + log_exit[j]
            if score > best:
                best, state = score, j
        scores[u] = best
        if state < 0:
            continue
        for t in range(end - 1, first - 1, -1):
            path[t] = state
            if t > first:
                state = back[t, state]
    return scores, path


@numba.njit(cache=True, nogil=True)
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
    num_utts = len(offsets) - 1
    num_states = len(log_start)
    log_like = np.full(num_utts, -np.inf)
    gamma = np.zeros((len(log_obs), num_states))
    xi = np.zeros((num_states, num_states))
    alpha = np.empty((len(log_obs), num_states))
    beta = np.empty(num_states)
    later = np.empty(num_states)
    low, high = _predecessors(log_trans)
    for u in range(num_utts):
        first, end = offsets[u], offsets[u + 1]
        if first == end:
            continue
        for j in range(num_states):
            alpha[first, j] = log_start[j] + log_obs[first, j]  # Rabiner (1989), eq. 19
        for t in range(first + 1, end):
            for j in range(num_states):
                total = -np.inf
                for i in range(low[j], high[j]):
                    total = np.logaddexp(total, alpha[t - 1, i] + log_trans[i, j])
                alpha[t, j] = total + log_obs[t, j]  # eq. 20
        total = -np.inf
        for j in range(num_states):
            total = np.logaddexp(total, alpha[end - 1, j] + log_exit[j])
        log_like[u] = total
        if total == -np.inf:
            continue
        for j in range(num_states):
            later[j] = log_exit[j]
            gamma[end - 1, j] = np.exp(alpha[end - 1, j] + later[j] - total)
        for t in range(end - 2, first - 1, -1):
            beta[:] = -np.inf
            for j in range(num_states):
                if later[j] + log_obs[t + 1, j] == -np.inf:
                    continue
                for i in range(low[j], high[j]):
                    arc = log_trans[i, j] + log_obs[t + 1, j] + later[j]
                    beta[i] = np.logaddexp(beta[i], arc)  # eq. 25
                    xi[i, j] += np.exp(alpha[t, i] + arc - total)  # eq. 37
            for i in range(num_states):
                later[i] = beta[i]
                gamma[t, i] = np.exp(alpha[t, i] + beta[i] - total)  # eq. 27
    return log_like, gamma, xi


@numba.njit(cache=True, nogil=True)
def _predecessors(log_trans):
    """For each state the half-open range of states with an arc into it: left-right models have two."""
    num_states = len(log_trans)
    low = np.zeros(num_states, dtype=np.int64)
    high = np.zeros(num_states, dtype=np.int64)
    for j in range(num_states):
        for i in range(num_states):
            if log_trans[i, j] > -np.inf:
                if high[j] == 0:
                    low[j] = i
                high[j] = i + 1
    return low, high
