"""Why one word won: the best paths of two words through one recording, frame by frame."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from asrkit import families
from asrkit.models.base import Block
from asrkit.words.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class WordPath:
    """The best path of a recording through one word.

    Attributes
    ----------
    word : str
    num_states : int
    states : int32 (T,)
        The state of each frame, from 0.
    added : float64 (T,)
        What each frame adds to the score: the density, and the step into its state.
    """

    word: str
    num_states: int
    states: np.ndarray
    added: np.ndarray

    @property
    def score(self) -> float:
        """Log-likelihood of the path."""
        return float(self.added.sum())


@dataclass(frozen=True, eq=False)
class Contrast:
    """Two words' paths through one recording.

    Attributes
    ----------
    winner, other : WordPath
    """

    winner: WordPath
    other: WordPath

    @property
    def difference(self) -> np.ndarray:
        """What each frame adds to the winner's lead, (T,) in nats; the sum is the difference of the paths' scores."""
        return self.winner.added - self.other.added

    @property
    def decided(self) -> tuple[int, int]:
        """The stretch that decided for the winner: the frames from the first on and before the second."""
        return deciding_stretch(self.difference)


def can_explain(vocabulary: Vocabulary) -> bool:
    """Whether its models have paths to be shown."""
    return families.load(vocabulary.family).can_align


def word_paths(vocabulary: Vocabulary, feats: np.ndarray, words: Iterable[str]) -> list[WordPath | None]:
    """Find the best paths of one recording through some words.

    Parameters
    ----------
    feats : float32 (T, D)
        Model features.
    words : iterable of str
        Of the vocabulary.

    Returns
    -------
    list of WordPath or None
        None where a word has no path of that length.
    """
    block = Block.from_items([("", vocabulary.observe(feats))])
    found: list[WordPath | None] = []
    for word in words:
        model = vocabulary.models[word]
        added, states = model.frame_scores(block)
        usable = len(added) > 0 and bool(np.isfinite(added).all())
        found.append(WordPath(word, model.num_states, states, added) if usable else None)
    return found


def deciding_stretch(values: np.ndarray) -> tuple[int, int]:
    """Find the shortest contiguous stretch that has half of the largest sum of any: (start, end), of equals the one with the largest sum, the first of these.

    The largest sum alone (Kadane) is often that of nearly all frames; half of it lies where the words differ most. (0, 0) where nothing is above 0.
    """
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    half = float((sums - np.minimum.accumulate(sums)).max()) / 2
    if half <= 0:
        return 0, 0
    for length in range(1, len(sums)):
        windows = sums[length:] - sums[:-length]
        start = int(windows.argmax())
        if windows[start] >= half:
            return start, start + length
    return 0, len(values)  # not reached but by rounding
