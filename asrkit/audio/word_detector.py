"""Find words in sound that is still coming: stretches that are no noise, cut as soon as they have ended.

Each frame is compared with the noise of the room, band by band, by the likelihood ratio of Sohn, Kim and Sung (1999), "A statistical
model-based voice activity detection", eq. 4 with the maximum likelihood of ξ. What the noise is follows the room: slowly where
nothing is said, and by the least power of the last seconds (Martin 2001, "Noise power spectral density estimation based on optimal
smoothing and minimum statistics") where a fan has come on. How far the ratio of mere noise varies is known too, so that a threshold is
a number of its deviations. `endpoint.py` finds the one word of a recording that is there as a whole.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from asrkit.config import check_fields, option
from asrkit.errors import SettingsError

BANDS, LOWEST_HZ = 16, 100.0
FRAME_MS, SHIFT_MS = 25.0, 10.0
# Kept before and after a word, where its edges are under the noise; the more it stands out, in dB over the noise, the less.
PADDING_MS, HIDDEN_DB, CLEAR_DB = 50.0, 18.0, 22.0
REACH = 3  # frames on each side that are averaged
QUIETEST_DB = -90.0  # re full scale; below lie zeros and the last bit
FIRST_MS, FIRST_SHARE = 700.0, 0.2  # nothing is decided before; the quietest frames of it are the first noise
LOUD = 12.8  # times the noise: the most of a frame in a band, or a click would be long
FOLLOW = 0.02  # of the way to a frame's power, where nothing is said
SMOOTH, PIECE, PIECES, BIAS = (
    0.1,
    25,
    6,
    1.6,
)  # of the minimum: 6 pieces of 25 frames; a minimum is less than the mean
# Above the noise's own mean, in its deviations, but within bounds: what is no noise, and what a stretch must reach somewhere. In the babble of
# many voices evidence varies so much that without the upper bounds no word would reach it.
DEVIATIONS, EVIDENCE = 4.0, (0.07, 1.5)
SURE_DEVIATIONS, SURE_EVIDENCE = 12.0, (0.4, 3.0)
NOISE_EVIDENCE = 0.3  # what the statistics of noise take at the most, so that a start in the middle of a word does not spoil them


@dataclass(frozen=True)
class WordDetectorConfig:
    """Settings of the detection of words in a stream."""

    pause_ms: float = option(
        185.0, "silence that ends a word, in ms; more where phrases have pauses", minimum=50, maximum=2000
    )
    shortest_ms: float = option(60.0, "sound of less, in ms, is no word", minimum=10, maximum=2000)
    longest_ms: float = option(
        5000.0, "after so many ms a stretch ends, whatever comes", minimum=500, maximum=60000
    )
    padding_ms: float = option(
        -1.0,
        f"kept before and after a word, in ms; -1: as the training had it where endpoints were found, else 0 to {PADDING_MS:g}, the louder the noise the more",
        minimum=-1,
        maximum=1000,
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.shortest_ms >= self.longest_ms:
            raise SettingsError(
                f"shortest_ms={self.shortest_ms:g} and longest_ms={self.longest_ms:g}: nothing would be a word (the first is the less)"
            )


class WordDetector:
    """Cuts words out of sound that comes piece by piece; what it finds does not depend on where the pieces are cut.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> sound = rng.normal(0, 0.001, 24000)
    >>> sound[12000:16000] += 0.2 * np.sin(np.arange(4000))
    >>> detector = WordDetector(8000)
    >>> [round(place / 8000, 1) for piece in np.split(sound, 30) for found in detector.push(piece) for place in found]
    [1.5, 2.0]
    """

    def __init__(self, rate_hz: int, config: WordDetectorConfig = WordDetectorConfig()) -> None:
        """
        Parameters
        ----------
        rate_hz : int
        config : WordDetectorConfig
        """
        self._config, self._rate_hz = config, rate_hz
        self._length, self._hop = (round(rate_hz * ms / 1000) for ms in (FRAME_MS, SHIFT_MS))
        self._window = np.hanning(self._length + 2)[1:-1]
        edges = np.geomspace(LOWEST_HZ, rate_hz / 2, BANDS, endpoint=False)
        places = np.searchsorted(np.fft.rfftfreq(self._length, 1 / rate_hz), edges)
        self._edges = np.unique(np.minimum(places, self._length // 2))
        bins = np.diff(np.append(self._edges, self._length // 2 + 1))
        self._quietest = 10 ** (QUIETEST_DB / 10) * (self._window**2).sum() * bins
        self._samples = np.zeros(0)  # from the next frame's first on
        self._frames = 0  # that have been measured
        self._waiting: list[
            np.ndarray
        ] = []  # powers (B,) of the first frames, until the first noise is known
        self._powers: deque[np.ndarray] = deque(maxlen=2 * REACH + 1)
        self._noise = np.zeros(0)
        self._smooth, self._least = np.zeros(0), np.zeros(0)
        self._pieces: deque[np.ndarray] = deque(maxlen=PIECES)
        self._mean, self._variance = 0.05, 0.05**2
        self._next = 0  # frame that is decided next
        self._start: int | None = None  # of the stretch that is open
        self._last = self._count = 0
        self._sure, self._loudest = False, 0.0

    @property
    def open(self) -> bool:
        """Whether a word has begun that has not ended."""
        return self._start is not None and bool(self._sure)

    @property
    def needed(self) -> int:
        """First sample that a stretch which is still to come may hold."""
        first = self._next if self._start is None else self._start
        return max(0, self._sample(first) - self._padding(-np.inf))

    def push(self, samples: np.ndarray) -> list[tuple[int, int]]:
        """Hear more.

        Parameters
        ----------
        samples : (N,)
            Floats in [-1, 1).

        Returns
        -------
        list of (int, int)
            First sample, and the one behind the last, of each stretch that has ended, padding included; counted from the first
            that was pushed.
        """
        found: list[tuple[int, int]] = []
        self._samples = np.concatenate([self._samples, samples])
        begin = 0
        while begin + self._length <= len(self._samples):
            self._frame(self._power(self._samples[begin : begin + self._length]), found)
            begin += self._hop
        self._samples = self._samples[begin:]
        return found

    def close(self) -> list[tuple[int, int]]:
        """Hear no more: give the stretch that is open, and whatever was not decided."""
        found: list[tuple[int, int]] = []
        end = self._frames * self._hop + len(self._samples)
        self._know_noise(found)
        for _ in range(REACH):
            if self._powers:
                self._decide(self._powers[-1], found)
        self._end(found)
        return [(start, min(stop, end)) for start, stop in found if start < end]

    def _padding(self, over_noise_db: float) -> int:
        ms = self._config.padding_ms
        if ms < 0:
            ms = PADDING_MS * np.clip((CLEAR_DB - over_noise_db) / (CLEAR_DB - HIDDEN_DB), 0, 1)
        return round(ms / 1000 * self._rate_hz)

    def _count_of(self, ms: float) -> int:
        return round(ms / SHIFT_MS)

    def _sample(self, frame: int) -> int:
        """The sample where a frame's middle hop begins."""
        return frame * self._hop + (self._length - self._hop) // 2

    def _power(self, frame):
        """Power in bands (B,)."""
        spectrum = np.fft.rfft((frame - frame.mean()) * self._window)
        return np.add.reduceat(spectrum.real**2 + spectrum.imag**2, self._edges) + self._quietest

    def _frame(self, power, found):
        self._frames += 1
        if len(self._noise):
            self._decide(power, found)
            return
        self._waiting.append(power)
        if len(self._waiting) == self._count_of(FIRST_MS):
            self._know_noise(found)

    def _know_noise(self, found):
        """Take the quietest of the frames that wait for the noise, and decide all of them."""
        if len(self._noise) or not self._waiting:
            return
        waiting = np.stack(self._waiting)
        quiet = np.argsort(np.log(waiting).mean(axis=1), kind="stable")
        self._noise = waiting[quiet[: max(1, round(FIRST_SHARE * len(waiting)))]].mean(axis=0)
        self._smooth = self._least = self._noise
        self._waiting = []
        for power in waiting:
            self._decide(power, found)

    def _decide(self, power, found):
        """Decide the frame that lies REACH before this one."""
        self._powers.append(power)
        self._follow_least(power)
        if len(self._powers) <= REACH:
            return
        near = list(self._powers)
        ratio = np.maximum(np.minimum(np.stack(near) / self._noise, LOUD).mean(axis=0), 1.0)
        evidence = float((ratio - np.log(ratio) - 1.0).mean())
        deviation = self._variance**0.5
        limit = float(np.clip(self._mean + DEVIATIONS * deviation, *EVIDENCE))
        frame, self._next = self._next, self._next + 1
        if evidence > limit:
            if self._start is None:
                self._start, self._count, self._sure, self._loudest = frame, 0, False, 0.0
            self._last, self._count = frame, self._count + 1
            self._loudest = max(self._loudest, float(power.sum() / self._noise.sum()))
            sure = np.clip(self._mean + SURE_DEVIATIONS * deviation, *SURE_EVIDENCE)
            self._sure = self._sure or evidence > sure
            if frame - self._start >= self._count_of(self._config.longest_ms):
                self._end(found)
            return
        self._follow(near[len(near) - 1 - REACH], min(evidence, max(limit, NOISE_EVIDENCE)))
        if self._start is not None and frame - self._last >= self._count_of(self._config.pause_ms):
            self._end(found)

    def _follow(self, power, evidence):
        """Noise follows a frame that is none but noise."""
        self._noise = self._noise + FOLLOW * (np.minimum(power, LOUD / 2 * self._noise) - self._noise)
        step = max(0.01, 1 / (self._next + 1))
        self._mean += step * (evidence - self._mean)
        self._variance += step * ((evidence - self._mean) ** 2 - self._variance)

    def _follow_least(self, power):
        """Noise is at least what the power has not fallen below in the last seconds."""
        self._smooth = self._smooth + SMOOTH * (power - self._smooth)
        self._least = np.minimum(self._least, self._smooth)
        if self._next % PIECE == 0:
            self._pieces.append(self._least)
            self._least = self._smooth
            if len(self._pieces) == PIECES:
                self._noise = np.maximum(self._noise, BIAS * np.minimum.reduce(list(self._pieces)))

    def _end(self, found):
        """End the stretch that is open; it is a word if it is long and loud enough."""
        if self._start is None:
            return
        # a click lasts as long as the frames that it is averaged into
        if self._sure and self._count - 2 * REACH >= self._count_of(self._config.shortest_ms):
            start, end = self._sample(self._start), self._sample(self._last) + self._hop
            padding = self._padding(10 * np.log10(self._loudest))
            found.append((max(0, start - padding), end + padding))
        self._start = None
