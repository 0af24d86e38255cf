"""Features in, scores of every word out: argmax over words of the log-likelihood."""

import numpy as np

from asrkit.models.base import Block

STATES = 512  # states of several words that are scored together, which bounds memory for large vocabularies


class Scorer:
    """A vocabulary ready for decoding: the words of a ModelSet side by side."""

    def __init__(self, model_set, method="viterbi"):
        """
        Parameters
        ----------
        method : {"viterbi", "forward"}
            The best path's log-probability, or the sum over all paths.
        """
        self._observe, self._method, self._banks = model_set.observe, method, []
        models, states = [], 0
        for word in model_set.words:
            models.append(model_set.models[word])
            states += models[-1].num_states
            if states >= STATES:
                self._add_bank(models)
                models, states = [], 0
        if models:
            self._add_bank(models)

    def _add_bank(self, models):
        self._banks.append(models[0].bank(models))

    def scores(self, items):
        """Score utterances against every word.

        Parameters
        ----------
        items : list of (str, numpy.ndarray)
            Utterances and their model features (T, D).

        Returns
        -------
        numpy.ndarray
            float64 (U, W), words in the order of the ModelSet; -inf where a word has no path of that length.
        """
        return self.block_scores(Block.from_items((utt, self._observe(feats)) for utt, feats in items))

    def block_scores(self, block):
        """The same for a Block of what the word models see: features, or codes."""
        return np.concatenate([bank.scores(block, self._method) for bank in self._banks], axis=1)


def best_words(model_set, scores):
    """The winner, its score and its margin over the runner-up, for each row of `scores`; no finite score, no
    winner.

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
    shortest = min(model.shortest for model in model_set.models.values())
    return (
        "impossible under every word's model"
        if num_frames >= shortest
        else f"{num_frames} frames < {shortest} states"
    )
