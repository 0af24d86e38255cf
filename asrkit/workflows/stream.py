"""Words heard as they are spoken: sound in, piece by piece, and out of it each word as soon as it has ended."""

import json
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from asrkit.audio.samples import check_rate, check_samples
from asrkit.audio.word_detector import WordDetector, WordDetectorConfig
from asrkit.errors import DataError
from asrkit.words.confidence import UNKNOWN
from asrkit.workflows.hypothesis import Hypothesis
from asrkit.workflows.speaker import Speaker

if TYPE_CHECKING:
    from asrkit.workflows.recognizer import Recognizer

FAR_DB, PEAK_PERCENT, QUIET_S = 45.0, 98, 0.01  # below a stretch's peak, over hops of so many seconds
CLIPPED, CLIPPED_SHARE = 0.999, 0.01  # of full scale, and of a stretch's samples
QUIET_DB = -50.0  # re full scale: the loudest sample of a stretch that is hardly there
ZEROS_S = 5.0  # so long nothing but one value: no microphone does that

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class HeardWord:
    """A word of a stream, or something that is none.

    Attributes
    ----------
    word : str
        `<unk>` where no word is sure enough, where none has a path of that length, and where it lasted far too long.
    start_s, end_s : float
        From the first sample of the stream on.
    confidence : float or None
        As `Hypothesis` has it; 0 of what can't be the word.
    hypothesis : Hypothesis or None
        What `Recognizer.recognize` says of that stretch, with `endpoint=False`; None where it hears no word.
    """

    word: str
    start_s: float
    end_s: float
    confidence: float | None
    hypothesis: Hypothesis | None = field(default=None, repr=False)

    def line(self) -> str:
        """Give the line `start end word p`."""
        sure = "-" if self.confidence is None else f"{self.confidence:.3f}"
        return f"{self.start_s:.3f} {self.end_s:.3f} {self.word} {sure}"

    def json_line(self) -> str:
        """Give it as a JSON object in one line."""
        sure = None if self.confidence is None else round(self.confidence, 4)
        values = {
            "word": self.word, "p": sure, "start": round(self.start_s, 3), "end": round(self.end_s, 3)
        }  # fmt: skip
        return json.dumps(values, ensure_ascii=False)


class Stream:
    """Sound that a Recognizer hears as it comes: `Recognizer.stream` makes one.

    It has no threads and no clock: what it gives depends on the samples alone, not on how they are cut into pieces.

    Attributes
    ----------
    speaker : Speaker or None
        What is known of who speaks; another memory after each word that is believed.

    Examples
    --------
    >>> import asrkit, numpy as np
    >>> def tone(hz, seed):
    ...     noise = np.random.default_rng(seed).normal(0, 0.002, 3000)
    ...     return 0.3 * np.sin(2 * np.pi * hz * np.arange(3000) / 8000) + noise
    >>> words = {"high": [tone(1500, i) for i in range(5)], "low": [tone(300, i) for i in range(5)]}
    >>> model = asrkit.train(words, rate_hz=8000, family="gmm", num_gauss=1)
    >>> pause = np.random.default_rng(0).normal(0, 0.002, 8000)
    >>> sound = np.concatenate([pause, tone(300, 7), pause, tone(1500, 8), pause])
    >>> stream = model.stream(rate_hz=8000)
    >>> [heard.word for piece in np.array_split(sound, 50) for heard in stream.push(piece)]
    ['low', 'high']
    """

    def __init__(
        self,
        recognizer: "Recognizer",
        rate_hz: float | None = None,
        *,
        speaker: Speaker | None = None,
        detection: WordDetectorConfig | None = None,
    ) -> None:
        """
        Parameters are those of `Recognizer.stream`.
        """
        recognizer.frontend.check_hears()
        self._recognizer, self.speaker = recognizer, speaker
        wanted_hz = recognizer.frontend.rate_hz
        assert wanted_hz is not None
        self._rate_hz = wanted_hz
        own_hz = wanted_hz if rate_hz is None else check_rate(rate_hz)
        self._resampler = None
        if own_hz != wanted_hz:
            import soxr  # late: needed here only

            self._resampler = soxr.ResampleStream(own_hz, wanted_hz, 1, dtype="float32")
        if own_hz < wanted_hz:
            log.warning(
                "the stream comes at %d Hz, the model expects %d Hz: its upper band is empty",
                own_hz,
                wanted_hz,
            )
        endpoint = recognizer.frontend.endpoint
        detection = detection or WordDetectorConfig()
        if endpoint is not None and detection.padding_ms < 0:
            detection = replace(detection, padding_ms=endpoint.padding_ms)
        self._trims = endpoint is None
        self._detector = WordDetector(wanted_hz, detection)
        self._kept, self._first = np.zeros(0, dtype=np.float32), 0  # samples from the `first` on
        self._constant, self._value = 0, np.nan
        self._said: set[str] = set()
        self._closed = False

    @property
    def speaking(self) -> bool:
        """Whether something has begun that may become a word."""
        return self._detector.open

    @property
    def position_s(self) -> float:
        """How much has been heard, in seconds."""
        return (self._first + len(self._kept)) / self._rate_hz

    def push(self, samples: np.ndarray) -> list[HeardWord]:
        """Hear more.

        Parameters
        ----------
        samples : (N,)
            The next samples of one channel, as many as there are: floats in [-1, 1), or integers over their type's range.

        Returns
        -------
        list of HeardWord
            What has ended; mostly nothing.

        Raises
        ------
        DataError
            These are no samples, or the stream is closed. It goes on without them.
        """
        if self._closed:
            raise DataError("the stream is closed (Recognizer.stream begins a new one)")
        if isinstance(samples, np.ndarray) and samples.ndim == 1 and not len(samples):
            return []
        samples = check_samples(samples, on_loud=self._loud)
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples)
        heard = self._hear(samples, self._detector.push(samples))
        if (
            not heard and self.speaker is not None
        ):  # what was heard last has been told, now there is time to learn of it
            self.speaker.settle()
        return heard

    def close(self) -> list[HeardWord]:
        """Hear no more.

        Returns
        -------
        list of HeardWord
            The word that was being said, as far as it came.
        """
        if self._closed:
            return []
        self._closed, found, rest = True, [], np.zeros(0, dtype=np.float32)
        if self._resampler is not None:
            rest = self._resampler.resample_chunk(rest, last=True)
            found = self._detector.push(rest)
        return self._hear(rest, found + self._detector.close())

    def _hear(self, samples: np.ndarray, found: list[tuple[int, int]]) -> list[HeardWord]:
        self._kept = np.concatenate([self._kept, samples])
        self._watch(samples)
        heard = [self._stretch(*self._trimmed(start, end)) for start, end in found]
        drop = self._detector.needed - self._first
        self._kept, self._first = self._kept[drop:], self._first + drop
        return heard

    def _samples(self, start: int, end: int) -> np.ndarray:
        return self._kept[max(0, start - self._first) : end - self._first]

    def _trimmed(self, start: int, end: int) -> tuple[int, int]:
        """A stretch without what is far too quiet at its ends: models of trimmed recordings have never heard the like, those whose
        endpoints were found have.
        """
        if not self._trims:
            return start, end
        samples, hop = self._samples(start, end), round(QUIET_S * self._rate_hz)
        power = (
            np.square(samples[: len(samples) // hop * hop].astype(np.float64)).reshape(-1, hop).mean(axis=1)
        )
        power = np.convolve(power, np.ones(3) / 3, mode="same")
        loud = np.flatnonzero(power > np.percentile(power, PEAK_PERCENT) * 10 ** (-FAR_DB / 10))
        if not len(loud):
            return start, end
        return start + int(loud[0]) * hop, min(start + (int(loud[-1]) + 1) * hop, end)

    def _stretch(self, start: int, end: int) -> HeardWord:
        samples, recognizer = self._samples(start, end), self._recognizer
        end = start + len(samples)
        self._judge_level(samples)
        place = (start / self._rate_hz, end / self._rate_hz)
        try:
            stored = recognizer.frontend.stored(samples, endpoint=False)
            found = recognizer.hear_stored(stored, "the stretch", self.speaker, cut=True)
        except DataError:  # too short for every word
            return HeardWord(UNKNOWN, *place, None if recognizer.vocabulary.confidence is None else 0.0)
        known, best = recognizer.vocabulary.confidence, max(found.scores, key=found.scores.__getitem__)
        if known is not None and known.lasts_too_long(best, len(stored)):
            return HeardWord(UNKNOWN, *place, 0.0, found)
        return HeardWord(found.word, *place, found.confidence, found)

    def _say_once(self, what: str, text: str, *values: Any) -> None:
        if what not in self._said:
            self._said.add(what)
            log.warning(text, *values)

    def _loud(self, peak: float) -> None:
        self._say_once("loud", "samples reach %g times full scale, they should lie in [-1, 1)", peak)

    def _judge_level(self, samples: np.ndarray) -> None:
        size = np.abs(samples)
        if (size >= CLIPPED).mean() >= CLIPPED_SHARE:
            self._say_once(
                "clipped",
                "at %.1f s the sound is clipped: lower the level of the microphone",
                self.position_s,
            )
        peak_db = 20 * np.log10(max(float(size.max(initial=0)), 1e-6))
        if peak_db < QUIET_DB:
            self._say_once(
                "quiet",
                "at %.1f s a word reaches %.0f dB of full scale: raise the level of the microphone",
                self.position_s,
                peak_db,
            )

    def _watch(self, samples: np.ndarray) -> None:
        """Say once where nothing but one value comes."""
        if not len(samples):
            return
        if samples[0] == self._value and not np.ptp(samples):
            self._constant += len(samples)
        else:
            back = np.flatnonzero(np.diff(samples[::-1]))
            self._constant = int(back[0]) + 1 if len(back) else len(samples)
        self._value = samples[-1]
        if self._constant >= ZEROS_S * self._rate_hz:
            self._say_once("zeros", "%g s of digital silence: is the microphone muted?", ZEROS_S)
