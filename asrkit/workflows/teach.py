"""Teach a vocabulary a word from one to ten recordings, and take it back -> EXP/final.npz."""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from asrkit.audio.endpoint import EndpointConfig, find_speech
from asrkit.audio.level import silence_reason
from asrkit.audio.samples import resample
from asrkit.characters import alike_in_columns, composed
from asrkit.config import PathLike
from asrkit.errors import DataError, told
from asrkit.families.base import DataFacts
from asrkit.features.frontend import SHORT_S, FrontEnd
from asrkit.io.holds import hold, holding
from asrkit.io.model_file import read_model, write_model
from asrkit.io.places import as_path
from asrkit.io.remarks import Remarks, warn_of
from asrkit.io.speech_prior import read_speech_prior
from asrkit.runtime import one_thread
from asrkit.words.calibration import WEIGHTS
from asrkit.words.confidence import UNKNOWN, Confidence
from asrkit.words.kept import MOST, Kept, digest, in_order
from asrkit.words.settings import TrainingSettings
from asrkit.words.teaching import Judged, judge, why_not_teachable, with_taught
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.arguments import WORD, Recording, is_path, is_vocabulary_word, read_recording
from asrkit.workflows.calibrate import confidence_lines

ENOUGH = 3  # recordings from which it is said how sure the word is
WARPS = "0.92,1.08"  # of a vocabulary that nobody trained


@dataclass(frozen=True)
class Taught:
    """A vocabulary that was taught a word.

    Attributes
    ----------
    vocabulary : Vocabulary
    word : str
    names : dict of int to str
        What the new recordings are called, by their places among all of the word.
    known : int
        Recordings that had been taught before.
    was_there : bool
        The word was in the vocabulary.
    judged : Judged
    """

    vocabulary: Vocabulary
    word: str
    names: dict[int, str]
    known: int
    was_there: bool
    judged: Judged

    @property
    def count(self) -> int:
        """Recordings that the word has been taught with."""
        assert self.vocabulary.kept is not None
        return len(self.vocabulary.kept.taught[self.word])

    def lines(self) -> list[str]:
        """What was taught, how sure the word is, whether others suffer, and what to do about it."""
        count, new = self.count, len(self.names)
        recordings = f"{new} recording{'s' * (new != 1)}"
        if self.was_there:
            lines = [f"{self.word}: was there; {recordings} more, {count} taught now"]
        else:
            lines = [f"{self.word}: a new word, {recordings}"]
        if self.known:
            lines.append(f"{self.word}: {self.known} of the recordings had been taught before")
        lines += [*self._own_lines(count), *self._other_lines()]
        confidence = self.vocabulary.confidence
        if confidence is not None and len(self.vocabulary.kept.taught) == len(self.vocabulary.words):  # type: ignore[union-attr]
            lines += confidence_lines(confidence)
        return [*lines, f"{len(self.vocabulary.words)} words"]

    def _own_lines(self, count: int) -> list[str]:
        heard = self.judged.heard
        right = [sure for word, sure in heard if word == self.word]
        lines = []
        if heard:
            sure = f", p {min(right):.2f} to {max(right):.2f}" if right else ""
            lines.append(
                f"{self.word}: {len(right)} of its {count} recordings are heard as {self.word} by what the others taught{sure}"
            )
        for place, (word, _) in enumerate(heard):
            if word != self.word:
                lines.append(f"{self._name(place)}: is heard as {word} by what the others taught")
        if count < ENOUGH:
            lines.append(
                f"{self.word}: {count} recording{'s' * (count != 1)} can't tell how sure it is (3 to 5 can: asrkit teach adds to it)"
            )
        odd = self.judged.unlike
        if len(odd) == 1 or 0 < 2 * len(odd) < count:
            named = ", ".join(map(self._name, odd))
            lines.append(
                f"{named}: unlike the other recordings of {self.word} (is another word in it? asrkit forget, and teach it without)"
            )
        elif odd:
            lines.append(
                f"{self.word}: its recordings are unlike each other (is one word in all of them? asrkit forget, and teach it anew)"
            )
        return lines

    def _name(self, place: int) -> str:
        return self.names.get(place, f"{self.word}, a recording taught before")

    def _other_lines(self) -> list[str]:
        judged = self.judged
        kept = self.vocabulary.kept
        assert kept is not None
        unchecked = (
            set(self.vocabulary.words) - {self.word} - set(kept.taught) - {own.word for own in kept.recorded}
        )
        lines = []
        if judged.checked:
            which = ", ".join(f"{word} {count}" for word, count in Counter(judged.drawn).items())
            said = f" ({which}: teach these words, too, or {self.word} with more recordings)" if which else ""
            lines.append(
                f"{len(judged.drawn)} of {judged.checked} kept recordings of other words are now heard as {self.word}{said}"
            )
        if unchecked:
            lines.append(
                f"no recordings were kept of {len(unchecked)} words: whether they suffer is not known (asrkit train keeps some)"
            )
        return lines


@dataclass(frozen=True)
class Forgotten:
    """A vocabulary that forgot a word, or what it had been taught of it."""

    vocabulary: Vocabulary
    word: str
    recordings: int
    stays: bool

    def lines(self) -> list[str]:
        """What is gone."""
        many = f"{self.recordings} taught recording{'s' * (self.recordings != 1)}"
        if self.stays:
            return [f"{self.word}: {many} forgotten, the word is as it was trained"]
        what = f" and its {many}" if self.recordings else ", which was trained,"
        return [f"{self.word}{what} forgotten, {len(self.vocabulary.words)} words are left"]


def new_vocabulary() -> Vocabulary:
    """Make the vocabulary without words that teaching starts from where nothing was trained."""
    frontend, pool = read_speech_prior()
    settings = TrainingSettings.of("chmm").for_data(DataFacts(words=0, recordings=1, fewest=1, speakers=1))
    config = {
        "family": vars(settings.model),
        "train": vars(settings.training),
        "warps": WARPS,
        "train_memory": "none",
    }
    confidence = Confidence({}, np.array(WEIGHTS), "none", {}, {}, {})
    return Vocabulary(settings.family, (), {}, config, None, frontend, "", confidence, Kept(pool=pool))


@one_thread()
def teach(
    exp: PathLike,
    word: str,
    recordings: Sequence[Recording],
    *,
    endpoint: bool | None = None,
    channel: int = 0,
    strict: bool = False,
) -> Taught:
    """Teach the model of EXP a word, or begin a new one, and write EXP/final.npz; where something is amiss nothing is written.

    Parameters
    ----------
    exp : path
        A folder, or a model file.
    recordings : list of path, or of what else is a Recording
        Of the word, one to ten.
    endpoint, channel, strict
        As `asrkit recognize` has them.

    Raises
    ------
    DataError
        A recording can't be used, there are too many, or the model can't be taught.
    """
    path = as_path(exp)
    file = path if path.is_file() or (path.suffix == ".npz" and not path.is_dir()) else path / "final.npz"
    with hold(file.parent):
        vocabulary = read_model(file) if file.exists() else new_vocabulary()
        try:
            taught = teach_word(
                vocabulary, word, recordings, endpoint=endpoint, channel=channel, strict=strict
            )
        except Unteachable as error:
            raise DataError(f"{exp}: {error}") from None
        write_model(file, taught.vocabulary)
    return taught


class Unteachable(DataError):
    """The model can't be taught."""


def check_teachable(vocabulary: Vocabulary) -> None:
    """Raise a DataError where a vocabulary can't be taught words."""
    reason = why_not_teachable(vocabulary)
    if reason:
        raise Unteachable(reason)
    try:
        vocabulary.frontend.check_hears()
    except DataError as error:
        raise Unteachable(str(error)) from None


def teach_word(
    vocabulary: Vocabulary,
    word: str,
    recordings: Iterable[Recording],
    *,
    rate_hz: float | None = None,
    endpoint: bool | None = None,
    channel: int = 0,
    strict: bool = False,
) -> Taught:
    """Do the same with a vocabulary and recordings in memory."""
    if not is_vocabulary_word(word):
        raise DataError(f"the word is {told(word)}, it should be {WORD}")
    word = composed(word)
    alike = alike_in_columns([*vocabulary.words, word])
    if alike or word in (UNKNOWN, "-"):
        raise DataError(alike or f"{word} is what is printed where no word is heard (choose another name)")
    check_teachable(vocabulary)
    given = list(recordings)
    before = vocabulary.kept.taught.get(word, ()) if vocabulary.kept else ()
    remarks: dict[str, Remarks] = {}
    found: dict[str, tuple[str, np.ndarray]] = {}
    known = {digest(feats) for feats in before}
    for index, recording in enumerate(given):
        name = str(recording) if is_path(recording) else f"recordings[{index}]"
        note = functools.partial(remarks.setdefault, name)
        stored = _stored(vocabulary.frontend, recording, name, rate_hz, endpoint, channel, strict, note)
        found.setdefault(digest(stored), (name, stored))
    warn_of(remarks)
    new = {key: own for key, own in found.items() if key not in known}
    if not new:
        raise DataError(
            f"'{word}': these recordings had been taught before"
            if given
            else f"'{word}': no recordings to teach it"
        )
    together = in_order((*before, *(feats for _, feats in new.values())))
    if len(together) > MOST:
        raise DataError(
            f"'{word}': {len(together)} recordings, a word is taught at most {MOST} (asrkit train, for more)"
        )
    was_there = word in vocabulary.words
    taught = with_taught(vocabulary, {**(vocabulary.kept or Kept()).taught, word: together})
    places = {digest(feats): place for place, feats in enumerate(together)}
    names = {places[key]: name for key, (name, _) in new.items()}
    return Taught(taught, word, names, len(given) - len(new), was_there, judge(taught, word))


def _stored(
    frontend: FrontEnd,
    recording: Any,
    name: str,
    rate_hz: float | None,
    endpoint: bool | None,
    channel: int,
    strict: bool,
    on_remarks: Callable[[Remarks], object],
) -> np.ndarray:
    """The stored features of a recording, as `Recognizer.recognize` makes them; it must hold speech, in all of the band."""
    wanted_hz = frontend.rate_hz
    assert wanted_hz is not None  # of features that hear
    samples, own_hz = read_recording(
        recording, name, rate_hz, channel=channel, strict=strict, on_remarks=on_remarks
    )
    if own_hz < wanted_hz:
        raise DataError(
            f"{name}: recorded at {own_hz} Hz, the model hears {wanted_hz} Hz: the upper band is empty (record it at {wanted_hz} Hz or more)"
        )
    samples = resample(samples, own_hz, wanted_hz)
    look = endpoint is None and len(samples) >= SHORT_S * wanted_hz and not silence_reason(samples)
    if look and find_speech([samples], wanted_hz, frontend.endpoint or EndpointConfig()) is None:
        raise DataError(f"{name}: no speech found (endpoint=false takes the whole recording)")
    try:
        return frontend.stored(samples, endpoint=endpoint, name=name)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


@one_thread()
@holding("exp", make=False)
def forget(exp: PathLike, word: str, *, taught: bool = False) -> Forgotten:
    """Take a word out of the model of EXP, and write EXP/final.npz.

    Parameters
    ----------
    taught : bool
        Only what it was taught: a word that was trained is again as it was then.

    Raises
    ------
    DataError
        There is no such word, it was taught nothing, or it is the only one.
    """
    path, vocabulary = as_path(exp), read_model(exp)
    try:
        forgotten = forget_word(vocabulary, word, taught=taught)
    except DataError as error:
        raise DataError(f"{exp}: {error}") from None
    write_model(path / "final.npz" if path.is_dir() else path, forgotten.vocabulary)
    return forgotten


def forget_word(vocabulary: Vocabulary, word: str, *, taught: bool = False) -> Forgotten:
    """Do the same with a vocabulary in memory."""
    word = composed(word)
    if word not in vocabulary.words:
        raise DataError(
            f"no word '{word}' ({len(vocabulary.words)} words: {', '.join(vocabulary.words[:5])}, ...)"
        )
    kept = vocabulary.kept or Kept()
    own = kept.taught.get(word, ())
    if taught and not own:
        raise DataError(f"'{word}' was trained and taught nothing (taught=false forgets the word)")
    stays = taught and word in kept.trained
    if not stays and len(vocabulary.words) == 1:
        raise DataError(f"'{word}' is its only word (remove the model)")
    rest = {name: each for name, each in kept.taught.items() if name != word}
    gone = () if stays or (own and word not in kept.trained) else (word,)
    if why_not_teachable(vocabulary):  # nothing is taught: it only loses a word
        return Forgotten(without(vocabulary, word), word, 0, False)
    return Forgotten(with_taught(vocabulary, rest, gone), word, len(own), stays)


def without(vocabulary: Vocabulary, word: str) -> Vocabulary:
    """Leave a trained word out of a vocabulary that can't be taught."""
    words = tuple(own for own in vocabulary.words if own != word)
    confidence, kept = vocabulary.confidence, vocabulary.kept
    if confidence is not None:
        confidence = replace(confidence, states={own: confidence.states[own] for own in words})
    if kept is not None:
        kept = replace(kept, recorded=tuple(own for own in kept.recorded if own.word != word))
    models = {own: vocabulary.models[own] for own in words}
    return replace(vocabulary, words=words, models=models, confidence=confidence, kept=kept)
