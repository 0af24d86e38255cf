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
LOST = 1e-30  # of the peak


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
        self._frames = np.nan_to_num(laid[..., 0])  # (S, W)
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
            sums = np.concatenate([self._sums(own, at) for own, at in densities], axis=1)
            for own, drop in zip(measures, dropped, strict=True):
                own.append(
                    self._measures(part, scores, densities, sums, None if drop is None else drop[here])
                )
            rows.append(scores)
        if not rows:
            return np.zeros((0, self._words)), [np.zeros((0, len(MEASURES))) for _ in dropped]
        return np.concatenate(rows), [np.concatenate(own) for own in measures]

    def _parts(self, lengths):
        """Places of utterances whose densities fit in memory together."""
        runs = np.cumsum(lengths) // max(CELLS // self._frames.size, 1)
        return np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(runs)) + 1) if len(lengths) else []

    def _sums(self, densities, words):
        """Densities of the frames, beside their peak, summed over each word's states as long as these last: (N, W)."""
        likely = np.exp(densities.relative)
        likely *= self._frames[: likely.shape[1], words].astype(likely.dtype)
        return likely.sum(axis=1)

    def _background(self, densities, sums, weight, drop):
        """Log density of each frame, beside its peak, under all states together: (N,), in the densities' order."""
        first = densities[0][0]
        if drop is not None:
            sums, weight = sums.copy(), weight.copy()
            dropped = drop[first.owner]
            sums[np.arange(len(dropped)), dropped] = 0.0
            weight[np.arange(len(drop)), drop] = 0.0
        total = sums.sum(axis=1, dtype=np.float64)
        lost = np.flatnonzero(total < LOST)  # what is far from the peak has left nothing in the sum
        with np.errstate(divide="ignore"):
            background = np.log(total)
            if len(lost):
                likes = np.concatenate(
                    [
                        logsumexp(
                            own.relative[lost] + np.log(self._frames[: own.relative.shape[1], at]), axis=1
                        )
                        for own, at in densities
                    ],
                    axis=1,
                )
                if drop is not None:
                    likes[np.arange(len(lost)), dropped[lost]] = -np.inf
                background[lost] = logsumexp(likes, axis=1)
            return background - np.log(weight.sum(axis=1))[first.owner]

    def _measures(self, block, scores, densities, sums, drop):
        lengths, first, num_utts = block.lengths, densities[0][0], len(block.lengths)
        weight = np.tile(self._frames.sum(axis=0), (num_utts, 1))  # (U, W)
        utt = first.owner
        if drop is not None:
            scores = scores.copy()
            scores[np.arange(num_utts), drop] = -np.inf
        heard = np.isfinite(scores.max(axis=1))
        out = np.full((num_utts, len(MEASURES)), np.nan)
        if not heard.any():
            return out
        best = scores.argmax(axis=1)
        background = self._background(densities, sums, weight, drop)
        own, path = np.empty(len(utt)), np.zeros(len(utt), dtype=np.int64)
        for (here, at), bank in zip(densities, self._scorer.banks, strict=True):
            mine = heard & (best >= at.start) & (best < at.stop)
            word = np.where(mine, best - at.start, 0)
            states = bank.paths(block, here, word)
            picked = np.flatnonzero(mine[utt])
            path[picked] = states[picked]
            own[picked] = here.relative[picked, states[picked], word[utt[picked]]]
        used = heard[utt]
        num_states = len(self._frames)
        cell = utt[used] * num_states + path[used]
        count, total = (
            np.bincount(cell, values, minlength=num_utts * num_states).reshape(num_utts, num_states)
            for values in (None, (own - background)[used])
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            by_state = np.sort(total / count, axis=1)[heard]  # NaN, where no frame is, last
        mean, spread = self._durations[:, best[heard]].transpose(
            2, 1, 0
        )  # each (H, S), NaN where the word has no such state
        z = (np.log(np.maximum(count[heard], 0.5)) - mean) / spread
        second = np.sort(scores, axis=1)[:, -2] if scores.shape[1] > 1 else np.full(num_utts, -np.inf)
        score, length = scores[heard, best[heard]], lengths[heard]
        beside = np.bincount(utt, background + first.peak, minlength=num_utts)[heard]
        out[heard] = np.stack(
            [
                (score - beside) / length,
                np.minimum((score - second[heard]) / length, MOST_MARGIN),
                np.nanmean(by_state, axis=1),
                np.nanmean(by_state[:, :WEAKEST], axis=1),
                -0.5 * np.nanmean(z**2, axis=1),
                np.log(length),
            ],
            axis=1,
        )
        return out


def logsumexp(x, axis):
    """log of the sum of exp(x); -inf of nothing but -inf."""
    top = np.maximum(x.max(axis=axis, keepdims=True), -1e300)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - top).sum(axis=axis)) + top.squeeze(axis)
