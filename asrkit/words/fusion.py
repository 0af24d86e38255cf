"""Combine the scores of several systems: a weighted sum, its weights learned on held-out speakers."""

import numpy as np

from asrkit.errors import DataError

RIDGE = 1e-6  # keeps weights finite where a combination makes no error at all


def fuse(scores, weights):
    """Sum the scores of several systems with weights.

    Parameters
    ----------
    scores : (K, U, W)
        Log-likelihood of each word, K systems; -inf where a system has no path or no model for the word.
    weights : (K,)
        Not negative; 0 leaves a system out.

    Returns
    -------
    numpy.ndarray
        float64 (U, W); -inf where any system with weight has it.
    """
    used = np.flatnonzero(weights)
    return (
        np.tensordot(np.asarray(weights, dtype=np.float64)[used], scores[used], axes=1)
        if len(used)
        else np.zeros(scores.shape[1:])
    )


def learn_weights(scores, said):
    """Find the weights under which the softmax of the fused scores gives the words that were said the largest
    likelihood.

    Logistic regression with one weight a system, which is concave: Brümmer and du Preez (2006),
    "Application-independent evaluation of speaker detection", the multi-class case. The fused scores are
    calibrated log posteriors up to a constant.

    Parameters
    ----------
    scores : (K, U, W)
        Log-likelihoods of utterances that the systems were not trained on.
    said : int (U,)
        Index of the word.

    Returns
    -------
    numpy.ndarray
        (K,), not negative.

    Raises
    ------
    DataError
        No utterance has a finite score of its word in all systems.
    """
    from scipy.optimize import minimize  # late: needed here only

    rows = np.arange(len(said))
    usable = np.isfinite(scores[:, rows, said]).all(axis=0)
    if not usable.any():
        raise DataError("no utterance has a score of its word in all systems")
    # (K, U, W), 0 at the word itself
    lead = scores[:, usable] - scores[:, rows[usable], said[usable]][..., None]
    impossible = ~np.isfinite(lead).all(axis=0)
    lead[:, impossible] = 0.0
    unit = np.maximum(np.sqrt((lead**2).mean(axis=(1, 2))), 1e-300)
    lead /= unit[:, None, None]

    def loss(weights):
        total = np.tensordot(weights, lead, axes=1)
        total[impossible] = -np.inf
        peak = total.max(axis=1, keepdims=True)
        post = np.exp(total - peak)
        norm = post.sum(axis=1, keepdims=True)
        slope = ((post / norm) * lead).sum(axis=2).mean(axis=1)
        return (np.log(norm) + peak).mean() + RIDGE * weights @ weights, slope + 2 * RIDGE * weights

    found = minimize(
        loss, np.ones(len(scores)), jac=True, bounds=[(0, None)] * len(scores), method="L-BFGS-B"
    )
    return found.x / unit
