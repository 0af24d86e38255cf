"""Features in, scores of every word out: argmax over words of the log-likelihood."""

import numpy as np

from asrkit.models.base import Block

CHUNK = 200  # utterances scored together; fixed, so that the sums inside do not depend on the number of jobs


def score_words(model_set, items, method="viterbi"):
    """Score utterances against every word.

    Parameters
    ----------
    items : list of (str, numpy.ndarray)
        Utterances and their model features (T, D).
    method : {"viterbi", "forward"}
        The best path's log-probability, or the sum over all paths.

    Returns
    -------
    numpy.ndarray
        float64 (U, W), words in the order of `model_set.words`; -inf where a word has no path of that length.
    """
    block = Block.from_items((utt, model_set.observe(feats)) for utt, feats in items)
    score = {"viterbi": lambda model: model.align(block)[0], "forward": lambda model: model.log_likelihood(block)}[method]
    return np.stack([score(model_set.models[word]) for word in model_set.words], axis=1)


def best_words(model_set, scores):
    """The winner, its score and its margin over the runner-up, for each row of `scores`; no finite score, no winner.

    Returns
    -------
    list of (str or None, float, float)
        Log-likelihood and margin in nats; the margin is inf where only one word has a path.
    """
    out = []
    for row in scores:
        order = np.argsort(-row, kind="stable")
        if not np.isfinite(row[order[0]]):
            out.append((None, -np.inf, 0.0))
            continue
        margin = row[order[0]] - row[order[1]] if len(order) > 1 else np.inf
        out.append((model_set.words[order[0]], float(row[order[0]]), float(margin)))
    return out


def no_path_reason(model_set, num_frames):
    """Why an utterance has no winner."""
    if num_frames >= min(model.num_states for model in model_set.models.values()):
        return "impossible under every word's model"
    return f"{num_frames} frames < {min(model.num_states for model in model_set.models.values())} states"
