"""The recursions over time as the textbook writes them: of one sequence, in logarithms, all that they pass through kept.

Training and decoding go through `asrkit.models.kernels`, many sequences abreast; these are for looking at.
"""

import numpy as np

from asrkit.models.kernels import Arcs


def forward(log_obs, log_start, log_trans):
    """Compute log alpha: ln p(x_1 .. x_t, state i at t). Rabiner (1989), eqs. 19 and 20.

    Parameters
    ----------
    log_obs : (T, S)
        ln p(x_t | state).
    log_start : (S,)
    log_trans : (S, S)

    Returns
    -------
    float64 (T, S)
    """
    log_alpha = np.empty(log_obs.shape)
    log_alpha[0] = log_start + log_obs[0]
    for t in range(1, len(log_obs)):
        log_alpha[t] = np.logaddexp.reduce(log_alpha[t - 1][:, None] + log_trans, axis=0) + log_obs[t]
    return log_alpha


def backward(log_obs, log_trans, log_exit):
    """Compute log beta: ln p(x_t+1 .. x_T, the end | state i at t). Rabiner (1989), eqs. 24 and 25, with an end.

    Arguments as for `forward`; `log_exit` is (S,).

    Returns
    -------
    float64 (T, S)
    """
    log_beta = np.empty(log_obs.shape)
    log_beta[-1] = log_exit
    for t in range(len(log_obs) - 2, -1, -1):
        log_beta[t] = np.logaddexp.reduce(log_trans + (log_obs[t + 1] + log_beta[t + 1]), axis=1)
    return log_beta


def best(log_obs, log_start, log_trans, log_exit):
    """Fill the trellis of the best path. Rabiner (1989), eqs. 32 to 35.

    Ties are broken as `kernels.viterbi` does: the path is the one that training and alignment take.

    Returns
    -------
    delta : float64 (T, S)
        The best log score of all ways to state i at t.
    back : int32 (T, S)
        The state before it on that way; -1 in the first frame, and where there is no way.
    path : int32 (T,)
        Empty where there is no path.
    """
    num_frames, num_states = log_obs.shape
    arcs = Arcs.of(log_start[None], log_trans[None], log_exit[None])
    states = np.arange(num_states)
    delta, back = np.full(log_obs.shape, -np.inf), np.full(log_obs.shape, -1, dtype=np.int32)
    delta[0] = log_start + log_obs[0]
    for t in range(1, num_frames):
        for shift, log_arc in zip(arcs.shifts, arcs.log_arcs, strict=True):
            into = states[max(0, shift) : num_states + min(0, shift)]
            score = delta[t - 1, into - shift] + log_arc[into, 0]
            better = score > delta[t, into]
            delta[t, into[better]], back[t, into[better]] = score[better], into[better] - shift
        delta[t] += log_obs[t]
    last = delta[-1] + log_exit
    if np.isneginf(last.max()):
        return delta, back, np.zeros(0, dtype=np.int32)
    path = np.empty(num_frames, dtype=np.int32)
    path[-1] = last.argmax()
    for t in range(num_frames - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return delta, back, path
