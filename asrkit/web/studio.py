"""The model that a server has: it hears, is taught and forgets, and follows its file."""

import contextlib
import math
import os
import re
import threading
from typing import Any

import numpy as np

from asrkit.audio.word_detector import WordDetectorConfig
from asrkit.config import PathLike
from asrkit.errors import AsrkitError, DataError
from asrkit.io.places import local
from asrkit.web.limits import Refused
from asrkit.web.notes import noting
from asrkit.web.sound import NAME
from asrkit.words.confidence import AcceptConfig
from asrkit.words.kept import Kept
from asrkit.words.teaching import why_not_teachable
from asrkit.workflows.explain import RANKED, explain
from asrkit.workflows.hypothesis import Hypothesis
from asrkit.workflows.listen import SURE
from asrkit.workflows.recognizer import Recognizer, load
from asrkit.workflows.stream import Stream
from asrkit.workflows.teach import Taught, forget, new_vocabulary, teach, teach_word

Sound = tuple[np.ndarray, int]  # samples, float32 (N,), and their rate


class Studio:
    """A model file, read again whenever it is another one."""

    def __init__(
        self,
        exp: PathLike,
        *,
        accept: AcceptConfig | None = None,
        detection: WordDetectorConfig | None = None,
        method: str = "viterbi",
        same_speaker: bool = True,
    ) -> None:
        """
        Parameters
        ----------
        exp : path
            A folder, or a model file; or where one begins as soon as a word is taught.
        accept : AcceptConfig, optional
            When a word is believed; by default from a probability of 0.6 on, where the model knows any.
        detection, method, same_speaker
            As `listen` has them.

        Raises
        ------
        DataError
            There is a model, and it can't be used.
        """
        path = local(exp, "the model of a server")
        self.exp = path
        whole = path.is_file() or (path.suffix == ".npz" and not path.is_dir())
        self.file = path if whole else path / "final.npz"
        self._accept, self._detection, self._method = accept, detection, method
        self._same_speaker = same_speaker
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None  # of the file that was read
        self._recognizer: Recognizer | None = None
        self.begins = not self.file.exists()
        if self.begins and path.is_dir() and any(path.iterdir()):
            raise DataError(f"{exp}: no final.npz in this folder (asrkit train makes it)")
        self._follow()

    def _follow(self) -> None:
        """Read the file where it is another one than was read last."""
        with self._lock:
            try:
                found = os.stat(self.file)
            except OSError as error:
                if isinstance(error, FileNotFoundError) and self.begins:
                    return
                self._stamp = None
                raise Refused(
                    503,
                    f"{self.file}: the model is gone ({error.strerror}; it is read again once it is back)",
                ) from None
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp == self._stamp:
                return
            accept = self._accept or AcceptConfig(min_confidence=SURE)
            recognizer = load(self.exp, self._method)
            recognizer.frontend.check_hears()
            if self._accept is not None or recognizer.vocabulary.confidence is not None:
                recognizer = Recognizer(recognizer.vocabulary, self._method, **vars(accept))
            self._recognizer, self._stamp, self.begins = recognizer, stamp, False

    @property
    def recognizer(self) -> Recognizer:
        """What hears now.

        Raises
        ------
        Refused
            409: no word has been taught yet; 503: the model is gone, or can't be read.
        """
        recognizer = self._current()
        if recognizer is None:
            raise Refused(409, "there are no words yet (teach one)")
        return recognizer

    def _current(self) -> Recognizer | None:
        try:
            self._follow()
        except Refused:
            raise
        except AsrkitError as error:
            raise Refused(503, str(error)) from None
        return self._recognizer

    def about(self) -> dict[str, Any]:
        """Say what the model is: name, family, words, and whether it can be taught."""
        recognizer = self._current()
        vocabulary = new_vocabulary() if recognizer is None else recognizer.vocabulary
        kept = vocabulary.kept or Kept()
        why_not = why_not_teachable(vocabulary)
        return {
            "name": str(self.exp),
            "family": vocabulary.family,
            "rate": vocabulary.frontend.rate_hz,
            "sure": vocabulary.confidence is not None,
            "words": [
                {
                    "word": word,
                    "taught": len(kept.taught.get(word, ())),
                    "trained": word not in kept.taught or word in kept.trained,
                }
                for word in vocabulary.words
            ],
            "why_not_teachable": why_not,
        }

    def hear(self, sound: Sound, endpoint: bool | None = None) -> dict[str, Any]:
        """Hear a recording: what `explain` says of it, and what was odd.

        Raises
        ------
        Refused
            422: there is nothing to hear in it.
        """
        recognizer = self.recognizer
        with noting() as notes:
            try:
                found = explain(recognizer, sound, endpoint=endpoint, name=NAME)
            except DataError as error:
                raise Refused(422, str(error)) from None
        if sound[1] < found.rate_hz:
            notes.append(
                f"recorded at {sound[1]} Hz, the model expects {found.rate_hz} Hz: its upper band is empty"
            )
        return {**found.to_json(), "notes": notes}

    def stream(self, rate_hz: int) -> tuple[Recognizer, Stream]:
        """Begin to hear sound as it comes; and by whom, so that it is seen when the model is another one."""
        recognizer = self.recognizer
        speaker = recognizer.speaker() if self._same_speaker and recognizer.learns else None
        return recognizer, recognizer.stream(rate_hz, speaker=speaker, detection=self._detection)

    def warm(self) -> None:
        """Load what the first word would wait for."""
        with contextlib.suppress(DataError):
            rate_hz = 2 * (self.recognizer.frontend.rate_hz or 8000)
            noise = np.random.default_rng(0).normal(0, 0.01, rate_hz).astype(np.float32)
            self.hear((noise, rate_hz), False)
            self.stream(rate_hz)[1].push(noise[:1000])

    def teach(self, word: str, sounds: list[Sound], keep: bool) -> dict[str, Any]:
        """Teach a word, and write the model if it is to be kept; say what that does to the others.

        Raises
        ------
        Refused
            422: the word, or a recording, can't be used.
        """
        current = self._current()
        vocabulary = new_vocabulary() if current is None else current.vocabulary
        with noting() as notes:
            try:
                taught = teach(self.exp, word, sounds) if keep else teach_word(vocabulary, word, sounds)
            except DataError as error:
                raise Refused(422, _numbered(str(error))) from None
        return {**_of_taught(taught), "kept": keep, "notes": [_numbered(note) for note in notes]}

    def forget(self, word: str, taught: bool) -> dict[str, Any]:
        """Take a word out of the model, or only what it was taught.

        Raises
        ------
        Refused
            422: it can't be forgotten.
        """
        self.recognizer  # noqa: B018 (a model that is gone is said to be gone)
        try:
            gone = forget(self.exp, word, taught=taught)
        except DataError as error:
            raise Refused(422, str(error)) from None
        return {"lines": gone.lines(), "words": list(gone.vocabulary.words)}


def ranked(found: Hypothesis) -> dict[str, Any]:
    """Give what was heard as JSON values, the likeliest words first."""
    return {
        "word": found.word,
        "p": found.confidence,
        "margin": found.margin if math.isfinite(found.margin) else None,
        "ranked": [
            {"word": one.word, "p": one.posterior, "log_likelihood": one.log_likelihood}
            for one in found.nbest(RANKED)
        ],
    }


def _of_taught(taught: Taught) -> dict[str, Any]:
    judged = taught.judged
    return {
        "word": taught.word,
        "was_there": taught.was_there,
        "count": taught.count,
        "lines": [_numbered(line) for line in taught.lines()],
        "heard": [
            {"name": _numbered(taught.names.get(place, "taught before")), "word": word, "p": p}
            for place, (word, p) in enumerate(judged.heard)
        ],
        "drawn": {word: judged.drawn.count(word) for word in sorted(set(judged.drawn))},
        "checked": judged.checked,
        "words": list(taught.vocabulary.words),
    }


def _numbered(text: str) -> str:
    """Call recordings as people count them."""
    return re.sub(r"recordings\[(\d+)\]", lambda match: f"recording {int(match[1]) + 1}", text)
