"""A vocabulary hears a speaker, recording after recording, and learns of him as it goes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from asrkit.families.base import MLLR
from asrkit.features.frontend import FrontEnd
from asrkit.features.transform import TransformConfig, cmvn_stats
from asrkit.models.base import Block, chunks
from asrkit.words.decoding import Scorer
from asrkit.words.learning import learn, next_step
from asrkit.words.listening import WHOLE, ListenConfig
from asrkit.words.memory import Memory
from asrkit.words.training import VITERBI
from asrkit.words.vocabulary import Vocabulary, why_not_adaptable

PLAIN = TransformConfig(cmvn="none", delta_order=0)
LEARNED = 2000  # recordings, at the most, of a speaker all of whose recordings are there


class Listener:
    """A vocabulary that hears one speaker, recording after recording.

    Attributes
    ----------
    memory : Memory
    vocabulary : Vocabulary
        As it has been moved to him.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        method: str = "viterbi",
        *,
        normalises: bool = True,
        memory: Memory | None = None,
        frontend: FrontEnd | None = None,
        scorer: Scorer | None = None,
        least: float = 0.0,
        cut: bool = False,
    ) -> None:
        """
        Parameters
        ----------
        vocabulary : Vocabulary
        method : {"viterbi", "forward"}
        normalises : bool
            Let the normalisation remember, where it can.
        memory : Memory, optional
            What is known of the speaker already.
        frontend : FrontEnd, optional
            What makes model features of those that are heard; the vocabulary's.
        scorer : Scorer, optional
            Of the vocabulary and the method, where there is one.
        least : float
            Probability below which a word is not believed: nothing is learned of its recording.
        cut : bool
            What is heard is cut out of a stream: what lasts too long for its word is not believed either.
        """
        self._trained, self._method, self._shortest = vocabulary, method, vocabulary.shortest
        self._least, self._cut = least, cut and vocabulary.confidence is not None
        self._due = False
        self._learns = why_not_adaptable(vocabulary.family, MLLR) is None
        self._frontend = frontend or vocabulary.frontend
        self._normalises = normalises and self._frontend.transform.remembers
        self.memory = memory or Memory.of_nobody(self._frontend)
        self.vocabulary, self._first = vocabulary, scorer or Scorer(vocabulary, method)
        self._scorer = self._first
        if self._learns and self.memory.step:
            self._learn()

    def settle(self) -> None:
        """Learn what is due, which takes a moment: `hear` does it by itself, but then its answer waits."""
        if self._due:
            self._learn()

    def hear(self, stored: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Score recordings against every word, in the order they were spoken, each by what was heard up to it.

        Parameters
        ----------
        stored : list of float32 (T, dim)
            Stored features.

        Returns
        -------
        scores : float64 (U, W)
            -inf where a word has no path. What no word has a path for is not remembered, nor what is not believed.
        sure : float64 (U,)
            As `Scorer.judged` gives it.
        """
        rows, start = [], 0
        while start < len(stored):
            self.settle()
            until = next_step(self.memory.step) if self._learns else np.inf
            # where something may not be believed, what is known afterwards hangs on what was heard
            one_by_one = bool(self._least) or self._cut
            some = stored[start : start + 1] if one_by_one else stored[start:]
            feats, memory = self._remembered(some, until)
            rows += _judged(self._scorer, feats)
            start += len(feats)
            if not one_by_one or self._believes(rows[-1], len(some[0])):
                self.memory = memory
            if self.memory.recordings >= until:
                self.memory, self._due = self.memory.stepped(), True
        return _together(rows, len(self._trained.words))

    def follow(
        self, stored: Iterable[np.ndarray], believed: Iterable[bool]
    ) -> Iterator[tuple[np.ndarray, Vocabulary]]:
        """Go once more through recordings that were heard before, without scoring them: what did it hear, and with which models?

        Parameters
        ----------
        stored : iterable of float32 (T, dim)
            In the order in which they were heard.
        believed : iterable of bool
            Whether each one's word was, where not all are.

        Yields
        ------
        feats : float32 (T, model_dim)
        Vocabulary
            As it had been moved by then.
        """
        for own, trusted in zip(stored, believed, strict=True):
            self.settle()
            (feats,), memory = self._remembered([own], np.inf)
            yield feats, self.vocabulary
            if trusted or not self._least:
                self.memory = memory
            if self._learns and self.memory.recordings >= next_step(self.memory.step):
                self.memory, self._due = self.memory.stepped(), True

    def _believes(self, judged, frames):
        (row,), (sure,) = judged
        if self._cut and np.isfinite(row).any():
            word = self._trained.words[int(row.argmax())]
            if self._trained.confidence.lasts_too_long(word, frames):
                return False
        return not self._least or sure >= self._least

    def _remembered(self, stored, until):
        """Model features of recordings up to the one that makes it `until`, and what is known after that one."""
        memory, known = self.memory, []
        for own in stored:
            after = memory.after(own)
            known.append(after.stats)
            if len(own) >= self._shortest:
                memory = after
                if memory.recordings >= until:
                    break
        return self._features(stored[: len(known)], known), memory

    def _learn(self):
        self._due = False
        heard = self.memory.learned_of
        feats = self._features(heard, [self.memory.step_stats] * len(heard))
        scorer = self._first if self._method == VITERBI else None
        self.vocabulary = learn(self._trained, feats, scorer=scorer)
        self._scorer = Scorer(self.vocabulary, self._method)

    def _features(self, stored, known):
        return self._frontend.model_features(stored, known if self._normalises else [None] * len(stored))


def stored_frontend(frontend: FrontEnd) -> FrontEnd:
    """Make the front end whose model features are what `Listener` hears: stored ones where the normalisation remembers, else the
    model's.
    """
    if not frontend.transform.remembers:
        return frontend
    return replace(frontend, transform=PLAIN, prior=None, projection=None)


def heard_frontend(frontend: FrontEnd) -> FrontEnd:
    """Make the front end that turns what `stored_frontend` makes into model features."""
    if frontend.transform.remembers:
        return frontend
    return FrontEnd(frontend.model_dim, frontend.kind, PLAIN)  # the features are the model's already


def hear_speakers(
    vocabulary: Vocabulary,
    scorer: Scorer,
    method: str,
    config: ListenConfig,
    least: float,
    speakers: Sequence[Iterable[Block]],
) -> tuple[list[str], list[int], np.ndarray, np.ndarray]:
    """Score several speakers' recordings against every word.

    Parameters
    ----------
    scorer : Scorer
        Of the vocabulary as it was trained.
    config : ListenConfig
        With `adapt` "causal" or "whole".
    least : float
        Of causal listening, as `Listener` has it.
    speakers : list of iterable of Block
        Of each, what `stored_frontend` makes; gone through twice where all is heard first.

    Returns
    -------
    utts : list of str
    frames : list of int
    scores : float64 (U, W)
    sure : float64 (U,)
        As `Scorer.judged` gives it.
    """
    frontend = heard_frontend(vocabulary.frontend)
    normalises = config.memory != "none"
    utts: list[str] = []
    frames: list[int] = []
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    for blocks in speakers:
        listener = None
        if config.adapt == WHOLE:
            moved, known = learn_whole(vocabulary, blocks, normalises=normalises, frontend=frontend)
            scorer = Scorer(moved, method)
        else:
            listener = Listener(
                vocabulary, method, normalises=normalises, frontend=frontend, scorer=scorer, least=least
            )
        for block in blocks:
            stored = [own for _, own in block.items()]
            utts += block.utts
            frames += block.lengths.tolist()
            if listener is not None:
                rows.append(listener.hear(stored))
            else:
                rows += _judged(scorer, frontend.model_features(stored, [known] * len(stored)))
    return utts, frames, *_together(rows, len(vocabulary.words))


def learn_whole(
    vocabulary: Vocabulary,
    blocks: Iterable[Block],
    *,
    normalises: bool = True,
    frontend: FrontEnd | None = None,
    most: int = LEARNED,
) -> tuple[Vocabulary, np.ndarray | None]:
    """Move a vocabulary to a speaker all of whose recordings are there.

    Parameters
    ----------
    blocks : iterable of Block
        Of stored features.
    most : int
        Recordings that are learned of, spread evenly over all; the normalisation knows all.

    Returns
    -------
    Vocabulary
    known : (2, dim + 1) or None
        What his recordings are normalised by, as `FrontEnd.model_features` takes it.
    """
    frontend, known, shortest = frontend or vocabulary.frontend, None, vocabulary.shortest
    lengths = np.concatenate([block.lengths for block in blocks])
    usable = np.flatnonzero(lengths >= shortest)
    chosen = set(usable[np.arange(0, len(usable), max(1, -(-len(usable) // most)))].tolist())
    learned, place = [], 0
    for block in blocks:
        for _, own in block.items():
            if place in chosen:
                learned.append(own)
            if normalises and frontend.transform.remembers and len(own) >= shortest:
                known = cmvn_stats(own) + (0 if known is None else known)
            place += 1
    if learned:
        feats = frontend.model_features(learned, [known] * len(learned))
        vocabulary = learn(vocabulary, feats, whole=True)
    return vocabulary, known


def _judged(scorer, feats):
    return [scorer.judged(some) for some in chunks(("", own) for own in feats)]


def _together(rows, num_words):
    if not rows:
        return np.zeros((0, num_words)), np.zeros(0)
    scores, sure = zip(*rows, strict=True)
    return np.concatenate(scores), np.concatenate(sure)
