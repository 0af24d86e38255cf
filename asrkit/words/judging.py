"""Measures of the path through the word that won, which say how sure it is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from asrkit.models.base import Block
from asrkit.words.confidence import MEASURES

if TYPE_CHECKING:
    from asrkit.words.decoding import Scorer

MOST_MARGIN = 5.0  # nats a frame; also where there is no second word
WEAKEST = 3  # states
CELLS = 1 << 23  # densities that are held at a time


class Judge:
    """Measures the winners' paths through a vocabulary that is ready for decoding."""

    def __init__(self, scorer: "Scorer", words: Sequence[str], states: Mapping[str, np.ndarray]) -> None:
        """
        Parameters
        ----------
        scorer : Scorer
            Of a family whose training is sums: others have no states to be judged by.
        words : sequence of str
            In the order of the scores.
        states : dict of str to (S, 3)
            As `Confidence` has them.
        """
        self._scorer, self._words = scorer, len(words)
        laid = np.full((max(len(states[word]) for word in words), self._words, 3), np.nan)
        for index, word in enumerate(words):
            laid[: len(states[word]), index] = states[word]
        with np.errstate(divide="ignore"):
            self._log_frames = np.log(np.nan_to_num(laid[..., 0]))  # (S, W)
        self._durations = laid[..., 1:]

    def measure(self, block: Block, *dropped: np.ndarray | None) -> tuple[np.ndarray, list[np.ndarray]]:
        """Score utterances, and measure the winner's path.

        Parameters
        ----------
        block : Block
            Of what the word models see.
        dropped : int (U,) or None, any number of them
            A word of each utterance, by its place, that is left out of the vocabulary; without any all words are there.

        Returns
        -------
        scores : float64 (U, W)
            Of all words.
        measures : list of float64 (U, 6)
            For each of `dropped`, or one; NaN where no word has a path.
        """
        dropped = dropped or (None,)
        rows: list[np.ndarray] = []
        measures: list[list[np.ndarray]] = [[] for _ in dropped]
        for here in self._parts(block.lengths):
            part = block if len(here) == len(block.utts) else block.select(here)
            scores, densities = self._scorer.scores_and_densities(part)
            pooled = np.concatenate(
                [logsumexp(own + self._log_frames[: len(own), at, None], axis=0) for own, at in densities]
            )  # (W, N)
            for own, drop in zip(measures, dropped, strict=True):
                own.append(
                    self._measures(part, scores, densities, pooled, None if drop is None else drop[here])
                )
            rows.append(scores)
        if not rows:
            return np.zeros((0, self._words)), [np.zeros((0, len(MEASURES))) for _ in dropped]
        return np.concatenate(rows), [np.concatenate(own) for own in measures]

    def _parts(self, lengths):
        """Places of utterances whose densities fit in memory together."""
        runs = np.cumsum(lengths) // max(CELLS // self._log_frames.size, 1)
        return np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(runs)) + 1) if len(lengths) else []

    def _measures(self, block, scores, densities, pooled, drop):
        lengths, frames = block.lengths, np.arange(len(block.obs))
        utt = np.repeat(np.arange(len(lengths)), lengths)
        weight = np.tile(np.exp(logsumexp(self._log_frames, axis=0)), (len(lengths), 1))  # (U, W)
        if drop is not None:
            scores, pooled = scores.copy(), pooled.copy()
            scores[np.arange(len(drop)), drop] = -np.inf
            weight[np.arange(len(drop)), drop] = 0.0
            pooled[drop[utt], frames] = -np.inf
        heard = np.isfinite(scores.max(axis=1))
        out = np.full((len(lengths), len(MEASURES)), np.nan)
        if not heard.any():
            return out
        best = scores.argmax(axis=1)
        with np.errstate(invalid="ignore"):
            background = logsumexp(pooled, axis=0) - np.log(weight.sum(axis=1))[utt]
        own, path = np.empty(len(frames)), np.zeros(len(frames), dtype=np.int64)
        for (here, at), bank in zip(densities, self._scorer.banks, strict=True):
            mine = heard & (best >= at.start) & (best < at.stop)
            word = np.where(mine, best - at.start, 0)
            states = bank.paths(block, here, word)
            picked = mine[utt]
            path[picked] = states[picked]
            own[picked] = here[states[picked], word[utt][picked], frames[picked]]
        used = heard[utt]
        cell = utt[used] * len(self._log_frames) + path[used]
        shape = (len(lengths), len(self._log_frames))
        count = np.bincount(cell, minlength=np.prod(shape)).reshape(shape)
        total = np.bincount(cell, (own - background)[used], minlength=np.prod(shape)).reshape(shape)
        with np.errstate(invalid="ignore", divide="ignore"):
            by_state = total / count  # NaN where no frame is
        mean, spread = self._durations[:, best].transpose(
            2, 1, 0
        )  # each (U, S), NaN where the word has no such state
        z = (np.log(np.maximum(count, 0.5)) - mean) / spread
        second = np.sort(scores, axis=1)[:, -2] if scores.shape[1] > 1 else np.full(len(scores), -np.inf)
        for u in np.flatnonzero(heard):
            values = np.sort(by_state[u, count[u] > 0])
            margin = (scores[u, best[u]] - second[u]) / lengths[u]
            out[u] = (
                (scores[u, best[u]] - background[block.offsets[u] : block.offsets[u + 1]].sum()) / lengths[u],
                min(margin, MOST_MARGIN),
                values.mean(),
                values[:WEAKEST].mean(),
                -0.5 * np.nanmean(z[u] ** 2),
                np.log(lengths[u]),
            )
        return out


def logsumexp(x, axis):
    """log of the sum of exp(x); -inf of nothing but -inf."""
    top = np.maximum(x.max(axis=axis, keepdims=True), -1e300)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - top).sum(axis=axis)) + top.squeeze(axis)
