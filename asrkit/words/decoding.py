"""Features in, scores of every word out: argmax over words of the log-likelihood."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from asrkit.models.base import Block, WordModel
from asrkit.models.quick import Densities
from asrkit.words.judging import Judge
from asrkit.words.vocabulary import Vocabulary

STATES = 512  # states of several words that are scored together, which bounds memory for large vocabularies

METHODS = ("viterbi", "forward")  # a word's score: its best path, or the sum over all


class Scorer:
    """A vocabulary ready for decoding: the words of a Vocabulary side by side."""

    def __init__(self, vocabulary: Vocabulary, method: str = "viterbi", *, exact: bool = False) -> None:
        """
        Parameters
        ----------
        method : {"viterbi", "forward"}
            The best path's log-probability, or the sum over all paths.
        exact : bool
            Compute densities in float64, in twice the time: scores are else wrong by some 1e-7 of themselves.
        """
        self._observe, self._method, self._exact = vocabulary.observe, method, exact
        self.banks: list[Any] = []  # of Bank, and of StateBank where a Judge asks
        self._models = [vocabulary.models[word] for word in vocabulary.words]
        models, states = [], 0
        for word in vocabulary.words:
            models.append(vocabulary.models[word])
            states += models[-1].num_states
            if states >= STATES:
                self._add_bank(models)
                models, states = [], 0
        if models:
            self._add_bank(models)
        self._confidence = vocabulary.confidence
        self._judge = None
        if self._confidence is not None:
            self._judge = Judge(self, vocabulary.words, self._confidence.states)

    def _add_bank(self, models: list[WordModel]) -> None:
        self.banks.append(self._bank(models))

    def _bank(self, models: list[WordModel]) -> Any:
        return models[0].bank(models, exact=True) if self._exact else models[0].bank(models)

    def scores(self, items: list[tuple[str, np.ndarray]]) -> np.ndarray:
        """Score utterances against every word.

        Parameters
        ----------
        items : list of (str, numpy.ndarray)
            Utterances and their model features (T, D).

        Returns
        -------
        numpy.ndarray
            float64 (U, W), words in the order of the Vocabulary; -inf where a word has no path of that length.
        """
        return self.block_scores(self._block(items))

    def _block(self, items: list[tuple[str, np.ndarray]]) -> Block:
        block = Block.from_items(items)
        return replace(block, obs=self._observe(block.obs)) if items else block

    def block_scores(self, block: Block) -> np.ndarray:
        """The same for a Block of what the word models see: features, or codes."""
        return np.concatenate([bank.scores(block, self._method) for bank in self.banks], axis=1)

    def judged(self, items: list[tuple[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Score utterances, and say how sure it is of the best word of each.

        Returns
        -------
        scores : float64 (U, W)
        sure : float64 (U,)
            Probability that the best word was said; NaN where the vocabulary knows no confidence.
        """
        return self.judged_block(self._block(items))

    def judged_block(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """The same for a Block of what the word models see."""
        if self._judge is None or self._confidence is None:
            return self.block_scores(block), np.full(len(block.utts), np.nan)
        scores, (measures,) = self._judge.measure(block)
        return scores, self._confidence.probability(measures)

    def scores_and_densities(self, block: Block) -> tuple[np.ndarray, list[tuple[Densities, slice]]]:
        """Score a Block of what the models see against every word, and keep the densities that the scores are made of.

        Returns
        -------
        scores : float64 (U, W)
        densities : list of (Densities, slice)
            Of each bank's words, and which of all words they are; all relative to the same peak.
        """
        each = [bank.densities(block) for bank in self.banks]
        scores = [bank.scores(block, self._method, own) for bank, own in zip(self.banks, each, strict=True)]
        peak = each[0].peak if len(each) == 1 else np.max([own.peak for own in each], axis=0)
        ends = np.cumsum([part.shape[1] for part in scores]).tolist()
        densities = [
            (own.raised(peak), slice(end - part.shape[1], end))
            for own, part, end in zip(each, scores, ends, strict=True)
        ]
        return np.concatenate(scores, axis=1), densities

    def word_scores(self, index: int, block: Block) -> np.ndarray:
        """The same for one word alone, by its place in the Vocabulary: (U,)."""
        return self._bank([self._models[index]]).scores(block, self._method)[:, 0]


def best_words(vocabulary: Vocabulary, scores: np.ndarray) -> list[tuple[str | None, float, float]]:
    """The winner, its score and its margin over the runner-up, for each row of `scores`; no finite score, no
    winner.

    Returns
    -------
    list of (str or None, float, float)
        Log-likelihood and margin in nats; the margin is inf where only one word has a path.
    """
    rows, scores = np.arange(len(scores)), np.where(np.isnan(scores), -np.inf, scores)
    best = scores.argmax(axis=1)
    top = scores[rows, best]
    scores[rows, best] = -np.inf
    with np.errstate(invalid="ignore"):  # where no word has a path
        margins = top - scores.max(axis=1)
    found = zip(best.tolist(), top.tolist(), margins.tolist(), strict=True)
    return [
        (vocabulary.words[index], score, margin) if math.isfinite(score) else (None, -math.inf, 0.0)
        for index, score, margin in found
    ]


def no_path_reason(vocabulary: Vocabulary, num_frames: int) -> str:
    """Why an utterance has no winner."""
    return (
        "impossible under every word's model"
        if num_frames >= vocabulary.shortest
        else f"{num_frames} frames < {vocabulary.shortest} states"
    )
