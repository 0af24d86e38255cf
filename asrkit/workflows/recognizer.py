"""A trained vocabulary as an object: recordings in, words out."""

import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asrkit import families
from asrkit.audio.samples import check_rate, check_samples, resample
from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError, told
from asrkit.families.base import MLLR
from asrkit.features.frontend import FrontEnd
from asrkit.features.warp import HearWarpedConfig
from asrkit.io.model_file import read_model, write_model
from asrkit.io.places import as_path
from asrkit.io.remarks import Remarks, warn_of
from asrkit.models.base import chunks
from asrkit.runtime import one_thread
from asrkit.words.confidence import LEARNED, UNKNOWN, AcceptConfig, posteriors
from asrkit.words.decoding import METHODS, Scorer, best_words, no_path_reason
from asrkit.words.vocabulary import Vocabulary, why_not_adaptable
from asrkit.words.warped import Copies, check_warped, score_copies
from asrkit.workflows.arguments import (
    Recording,
    check_auto,
    check_count,
    check_feats,
    check_flag,
    check_path,
    is_path,
    read_recording,
)
from asrkit.workflows.hypothesis import Hypothesis

if TYPE_CHECKING:
    from asrkit.audio.word_detector import WordDetectorConfig
    from asrkit.words.memory import Memory
    from asrkit.workflows.speaker import Speaker
    from asrkit.workflows.stream import Stream
    from asrkit.workflows.train import Trained

log = logging.getLogger("asrkit")


class Recognizer:
    """A trained vocabulary that hears recordings.

    Attributes
    ----------
    vocabulary : Vocabulary
    words : tuple of str
    family : str
    frontend : FrontEnd
    method : str
        A word's score: its best path ("viterbi"), or the sum over all ("forward").
    training : Trained or None
        Of a model that `asrkit.train` has just made: the log of its training.

    Examples
    --------
    Two made "words", a rising and a falling tone:

    >>> import asrkit, numpy as np
    >>> def tone(start_hz, end_hz, seed):
    ...     rng, t = np.random.default_rng(seed), np.arange(4000) / 8000
    ...     hz = start_hz + (end_hz - start_hz) * t + rng.normal(0, 20)
    ...     return 0.3 * np.sin(2 * np.pi * np.cumsum(hz) / 8000) + rng.normal(0, 0.01, len(t))
    >>> up, down = ([tone(*ends, seed) for seed in range(6)] for ends in ((300, 1500), (1500, 300)))
    >>> model = asrkit.train({"up": up, "down": down}, rate_hz=8000, family="chmm", num_states=4, num_gauss=1)
    >>> heard = model.recognize(tone(300, 1500, 9), rate_hz=8000)
    >>> heard.word, heard.margin > 0
    ('up', True)
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        method: str = "viterbi",
        *,
        test_warps: str = "",
        reject: float = 0.0,
        min_confidence: float = 0.0,
    ) -> None:
        """
        Parameters
        ----------
        vocabulary : Vocabulary
        method : {"viterbi", "forward"}
            A word's score: its best path, or the sum over all.
        test_warps : str
            Factors, such as "0.9,1.1": recordings are heard with the frequency axis warped by them, too, and what is likeliest
            counts. Of `recognize` and `scores`, not of `score`, which is given features; and of strangers, not of a Speaker.
        reject : float
            Share of rightly heard words that may be rejected, such as 0.05: what is less sure than that is heard as `<unk>`.
        min_confidence : float
            Or the probability below which a word is `<unk>`.

        Raises
        ------
        DataError
            Something is to be rejected, and the model does not know how sure it may be.
        SettingsError
            A setting has no such value, or the model can't promise such a share.
        """
        if not isinstance(vocabulary, Vocabulary):
            raise DataError(
                f"vocabulary is {told(vocabulary)}, it should be a Vocabulary: asrkit.load reads a model file"
            )
        if method not in METHODS:
            raise SettingsError(f"method={method!r} is none of {', '.join(METHODS)}")
        self.vocabulary, self.method = vocabulary, method
        self.training: Trained | None = None
        self._scorer, self._factors = Scorer(vocabulary, method), HearWarpedConfig(test_warps).factors
        self._settings: dict[str, Any] = {
            "test_warps": test_warps,
            "reject": reject,
            "min_confidence": min_confidence,
        }
        able = families.load(vocabulary.family).adds_up
        self._limit = AcceptConfig(reject, min_confidence).limit(vocabulary.confidence, able)
        if test_warps:
            check_warped(vocabulary)
            if self._limit:
                raise SettingsError(
                    "with test_warps= no probability is known (leave reject= and min_confidence= out)"
                )

    def __repr__(self) -> str:
        return f"<Recognizer: {self.family} of {len(self.words)} words>"

    @property
    def words(self) -> tuple[str, ...]:
        """The words, in the order of every score vector."""
        return self.vocabulary.words

    @property
    def family(self) -> str:
        """The name of the family."""
        return self.vocabulary.family

    @property
    def frontend(self) -> FrontEnd:
        """How recordings become features."""
        return self.vocabulary.frontend

    @property
    def learns(self) -> bool:
        """Whether what it hears of a speaker can help it with what it hears next."""
        able = self.frontend.transform.remembers or why_not_adaptable(self.family, MLLR) is None
        return able and len(self._factors) == 1

    def like(self, vocabulary: Vocabulary) -> "Recognizer":
        """Make one of another vocabulary that hears with the same settings."""
        return Recognizer(vocabulary, self.method, **self._settings)

    def save(self, path: PathLike) -> Path:
        """Write the model as `asrkit train` does.

        Parameters
        ----------
        path : path
            A file `*.npz`, or a folder: there it is final.npz.

        Returns
        -------
        Path
            The file, which is there whole or not at all.

        Raises
        ------
        DataError
            It can't be written.
        """
        path = check_path(path, "path", "a folder, or a file *.npz")
        path = path if path.suffix == ".npz" else path / "final.npz"
        write_model(path, self.vocabulary)
        return path

    def speaker(self, path: PathLike | None = None) -> "Speaker":
        """Begin to know a speaker, or go on with what a file holds of him.

        Parameters
        ----------
        path : path, optional
            A file that `Speaker.save` wrote.

        Returns
        -------
        Speaker
            For `recognize`: what it hears of him helps it with what it hears next.

        Raises
        ------
        DataError
            The model remembers nothing of a speaker, or there is no such file, or it was heard in features of another kind.
        """
        self._check_learns()
        if not self.learns:
            raise DataError(
                f"the model remembers nothing of a speaker: it was trained with cmvn={self.frontend.transform.cmvn} (cmvn=map does)"
            )
        from asrkit.io.memory_file import (
            read_memory,  # late, as below: many a recording's speaker is nobody known
        )
        from asrkit.words.memory import Memory
        from asrkit.workflows.speaker import Speaker

        if path is None:
            return Speaker(Memory.of_nobody(self.frontend))
        path = check_path(path, "path", "a file that Speaker.save wrote")
        memory = read_memory(path)
        self._check_memory(memory, str(path))
        return Speaker(memory)

    def _check_learns(self) -> None:
        if len(self._factors) > 1:
            raise DataError("with test_warps= nothing is learned of a speaker (leave one out)")

    def _check_memory(self, memory: "Memory", name: str) -> None:
        difference = self.frontend.difference(memory.dim, memory.kind)
        if difference:
            raise DataError(
                f"{name}: heard in features of another kind than the model's: {difference} (begin with a new one)"
            )

    @one_thread()
    def features(
        self, samples: np.ndarray, rate_hz: float | None = None, *, endpoint: bool | None = None
    ) -> np.ndarray:
        """Make model features of samples.

        Parameters
        ----------
        samples : (N,)
            One channel: floats in [-1, 1), or integers over their type's range.
        rate_hz : int, optional
            Samples a second; the model's own rate where it is not given. Others are resampled.
        endpoint : bool, optional
            As `recognize` has it.

        Returns
        -------
        numpy.ndarray
            float32 (T, model_dim).

        Raises
        ------
        DataError
            These are no such samples, or there is nothing to hear in them.
        """
        endpoint, wanted_hz = check_auto(endpoint, "endpoint"), self._rate_hz()
        samples = check_samples(samples)
        samples = resample(samples, wanted_hz if rate_hz is None else check_rate(rate_hz), wanted_hz)
        return self.frontend.features(samples, endpoint=endpoint)

    @one_thread()
    def score(self, feats: np.ndarray, name: str = "feats") -> Hypothesis:
        """Find the word of model features.

        Parameters
        ----------
        feats : (T, model_dim)
            As `features` makes them.
        name : str
            What errors call it.

        Raises
        ------
        DataError
            The array is none of the model's features, or too short for every word.
        """
        feats = check_feats(feats, name, self.frontend.model_dim)
        (row,), (sure,) = self._scorer.judged([(name, feats)])
        return self._heard(row, len(feats), name, sure)

    def _heard(self, row: np.ndarray, num_frames: int, name: str, sure: float = np.nan) -> Hypothesis:
        ((word, log_likelihood, margin),) = best_words(self.vocabulary, row[None])
        if word is None:
            raise DataError(
                f"{name}: {no_path_reason(self.vocabulary, num_frames)} (the word was cut too short, or is not one)"
            )
        scores = dict(zip(self.words, row.tolist(), strict=True))
        if sure < self._limit:
            word = UNKNOWN
        if np.isnan(sure):
            return Hypothesis(word, log_likelihood, margin, scores)
        (shares,) = posteriors(row[None], np.array([num_frames]), np.array([sure])).tolist()
        return Hypothesis(
            word, log_likelihood, margin, scores, float(sure), dict(zip((*self.words, UNKNOWN), shares))
        )

    def recognize(
        self,
        recording: Recording,
        rate_hz: float | None = None,
        *,
        endpoint: bool | None = None,
        channel: int = 0,
        strict: bool = False,
        speaker: "Speaker | None" = None,
    ) -> Hypothesis:
        """Hear one recording of one word.

        Parameters
        ----------
        recording : path, binary file, (N,) array, or pair of an array and its rate
            Whatever libsndfile or ffmpeg reads, or samples: floats in [-1, 1), or integers over their type's range.
        rate_hz : int, optional
            Samples a second, for an array.
        endpoint : bool, optional
            Find the speech first; false takes all of the recording. By default as the training did, with its settings; where that
            took recordings whole, one that is clearly not trimmed is cut.
        channel : int
            Of files with several channels.
        strict : bool
            Refuse files with several channels.
        speaker : Speaker, optional
            Who says it, where that is known: what was heard of him before helps, and what is heard now is added to it. Of a
            recording in which no word is heard, or `<unk>`, nothing is.

        Returns
        -------
        Hypothesis

        Raises
        ------
        DataError
            It can't be read, holds no speech, or is too short for every word.

        Examples
        --------
        >>> import asrkit, numpy as np
        >>> def tone(hz, seed):
        ...     noise = np.random.default_rng(seed).normal(0, 0.02, 4000)
        ...     return 0.3 * np.sin(2 * np.pi * hz * np.arange(4000) / 8000) + noise
        >>> words = {"high": [tone(1500, i) for i in range(5)], "low": [tone(300, i) for i in range(5)]}
        >>> model = asrkit.train(words, rate_hz=8000, family="gmm", num_gauss=1)
        >>> model.recognize(tone(310, 9), rate_hz=8000).word
        'low'
        """
        channel, strict = check_count(channel, "channel"), check_flag(strict, "strict")
        if rate_hz is not None and not isinstance(recording, np.ndarray):
            raise DataError(
                f"rate_hz={rate_hz!r} goes with an array; recording is {told(recording)}, which says its own"
            )
        self._check_speaker(speaker)
        stored = self._stored(recording, "recording", rate_hz, endpoint, channel, strict)
        return self.hear_stored(stored, _label(recording, "recording"), speaker)

    def hear_stored(
        self, stored: np.ndarray, name: str, speaker: "Speaker | None" = None, *, cut: bool = False
    ) -> Hypothesis:
        """Hear features as they are stored, float32 (T, dim); a DataError where they are too short for every word.

        With `cut`, of a stretch of a stream, nothing is learned of what lasts too long for its word, nor of what is not very sure.
        """
        if speaker is not None:
            row, sure = self._hear(stored, speaker, cut)
        elif len(self._factors) > 1:
            (row,), sure = self._scored([self._copies(stored, name)]), np.nan
        else:
            (row,), (sure,) = self._judged([(name, stored)])
        return self._heard(row, len(stored), name, sure)

    def stream(
        self,
        rate_hz: float | None = None,
        *,
        speaker: "Speaker | None" = None,
        detection: "WordDetectorConfig | None" = None,
    ) -> "Stream":
        """Begin to hear sound as it comes.

        Parameters
        ----------
        rate_hz : int, optional
            Samples a second; the model's own rate where it is not given. Others are resampled.
        speaker : Speaker, optional
            Who speaks, or which microphone it is: what was heard before helps, and every word that is believed is added to it.
        detection : WordDetectorConfig, optional
            How words are found.

        Returns
        -------
        Stream
            `push` samples, and get what has ended.

        Raises
        ------
        DataError
            The model hears no recordings, or can't know this speaker.
        """
        from asrkit.workflows.stream import Stream

        self._check_speaker(speaker)
        return Stream(self, rate_hz, speaker=speaker, detection=detection)

    def _check_speaker(self, speaker: Any) -> None:
        if speaker is None:
            return
        from asrkit.workflows.speaker import Speaker

        if not isinstance(speaker, Speaker):
            raise DataError(f"speaker is {told(speaker)}, it should be one that Recognizer.speaker made")
        self._check_learns()
        self._check_memory(speaker.memory, "speaker")

    @one_thread()
    def _hear(self, stored: np.ndarray, speaker: "Speaker", cut: bool) -> tuple[np.ndarray, float]:
        least = max(self._limit, LEARNED) if cut and self.vocabulary.confidence is not None else self._limit
        listener = speaker.listener(self.vocabulary, self.method, self._scorer, least, cut)
        (row,), (sure,) = listener.hear([stored])
        if np.isfinite(row).any():
            speaker.memory = listener.memory
        return row, sure

    @one_thread()
    def _judged(self, items: list[tuple[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        feats = self.frontend.model_features([stored for _, stored in items], [None] * len(items))
        return self._scorer.judged([(name, own) for (name, _), own in zip(items, feats, strict=True)])

    @one_thread()
    def scores(
        self, recordings: Iterable[Recording], rate_hz: float | None = None, *, endpoint: bool | None = None
    ) -> np.ndarray:
        """Score many recordings against every word.

        Parameters
        ----------
        recordings : iterable of what `recognize` takes
        rate_hz : int, optional
            Samples a second, for arrays without a rate of their own.
        endpoint : bool, optional
            As there.

        Returns
        -------
        numpy.ndarray
            float64 (U, W), words in the order of `words`; -inf where a word has no path of that length.

        Raises
        ------
        DataError
            One can't be read, or holds no speech; the message names it.
        """
        if (
            is_path(recordings)
            or isinstance(recordings, (bytes, Mapping, Set))
            or hasattr(recordings, "read")
        ):
            raise DataError(f"recordings is {told(recordings)}, it should be a list of recordings")
        if rate_hz is not None:
            check_rate(rate_hz)
        try:
            given = enumerate(recordings)
        except TypeError:
            raise DataError(f"recordings is {told(recordings)}, it should be a list of recordings") from None
        remarks: dict[str, Remarks] = {}

        def copies(name: str, own: Any) -> Copies:
            note = functools.partial(remarks.setdefault, name)
            return self._copies(self._stored(own, name, rate_hz, endpoint, 0, False, note), name)

        items = (copies(f"recordings[{index}]", own) for index, own in given)
        rows = [self._scored(some) for some in chunks(items)]
        warn_of(remarks)
        return np.concatenate(rows) if rows else np.zeros((0, len(self.words)))

    def _rate_hz(self) -> int:
        """Samples a second that the features are made of; a DataError where they are not made of samples."""
        self.frontend.check_hears()
        assert self.frontend.rate_hz is not None
        return self.frontend.rate_hz

    @one_thread()
    def _copies(self, stored: np.ndarray, name: str) -> Copies:
        return Copies(name, *self.frontend.copies(stored, self._factors))

    @one_thread()
    def _scored(self, some: list[Copies]) -> np.ndarray:
        return score_copies(self._scorer, some)[2]

    @one_thread()
    def _stored(
        self,
        recording: Any,
        name: str,
        rate_hz: float | None,
        endpoint: bool | None,
        channel: int,
        strict: bool,
        on_remarks: Callable[[Remarks], object] | None = None,
    ) -> np.ndarray:
        endpoint, wanted_hz = check_auto(endpoint, "endpoint"), self._rate_hz()
        samples, own_hz = read_recording(
            recording,
            name,
            rate_hz,
            wanted_hz=wanted_hz,
            channel=channel,
            strict=strict,
            on_remarks=on_remarks,
        )
        name = _label(recording, name)
        if own_hz < wanted_hz:
            log.warning(
                "%s: recorded at %d Hz, the model expects %d Hz: its upper band is empty",
                name,
                own_hz,
                wanted_hz,
            )
        try:
            return self.frontend.stored(samples, endpoint=endpoint, name=name)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None


def _label(recording: Any, name: str) -> str:
    return str(recording) if is_path(recording) else name


def load(
    path: PathLike,
    method: str = "viterbi",
    *,
    test_warps: str = "",
    reject: float = 0.0,
    min_confidence: float = 0.0,
) -> Recognizer:
    """Load a trained vocabulary.

    Parameters
    ----------
    path : path
        A model file, or a folder with final.npz.
    method : {"viterbi", "forward"}
        A word's score: its best path, or the sum over all.
    test_warps, reject, min_confidence
        As `Recognizer` takes them.

    Returns
    -------
    Recognizer

    Raises
    ------
    DataError
        There is no such file, or it is no model.

    Examples
    --------
    >>> import asrkit
    >>> asrkit.load("no/such/folder")
    Traceback (most recent call last):
        ...
    asrkit.errors.DataError: no/such/folder: no such file or folder (asrkit train makes it)
    """
    vocabulary = read_model(check_path(path, "path", "a model file or its folder"))
    return Recognizer(vocabulary, method, test_warps=test_warps, reject=reject, min_confidence=min_confidence)


def recognize_files(
    exp: PathLike,
    paths: Iterable[PathLike],
    *,
    method: str = "viterbi",
    endpoint: bool | None = None,
    channel: int = 0,
    strict: bool = False,
    same_speaker: bool = False,
    speaker_file: PathLike | None = None,
    test_warps: str = "",
    accept: AcceptConfig | None = None,
) -> Iterator[tuple[PathLike, Hypothesis | DataError]]:
    """Hear files one by one.

    Parameters
    ----------
    same_speaker : bool
        One speaker says all of them: what was heard helps with what comes next.
    speaker_file : path, optional
        The same, and what was heard of him goes on from this file, where it is there, and is written to it at the end.
    test_warps : str
        As `Recognizer` takes it; of files whose speakers are strangers.
    accept : AcceptConfig, optional
        When a word is believed; others are `<unk>`.

    Yields
    ------
    path : path
    heard : Hypothesis or DataError
        The error is why that file has no word; the others are heard all the same.

    Raises
    ------
    DataError
        The model can't be read, or hears no recordings, or knows no speakers; or the speaker's file is none of this model's.
    """
    accept = accept or AcceptConfig()
    recognizer, speaker = load(exp, method, test_warps=test_warps, **vars(accept)), None
    known = speaker_file is not None and as_path(speaker_file).exists()
    if speaker_file is not None:
        from asrkit.io.memory_file import check_writable

        check_writable(speaker_file)
    try:
        recognizer.frontend.check_hears()
        if same_speaker or speaker_file is not None:
            speaker = recognizer.speaker()
    except DataError as error:
        raise DataError(f"{exp}: {error}") from None
    if known:
        speaker = recognizer.speaker(speaker_file)
    hear = functools.partial(
        recognizer.recognize, endpoint=endpoint, channel=channel, strict=strict, speaker=speaker
    )
    for path in paths:
        try:
            yield path, hear(path)
        except DataError as error:
            yield path, error
    if speaker is not None and speaker_file is not None:
        speaker.save(speaker_file)
