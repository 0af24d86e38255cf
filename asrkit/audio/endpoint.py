"""Find where the speech in a recording starts and ends: by its level, and its weak edges band by band.

Two steps as in Rabiner and Sambur (1975), "An algorithm for determining the endpoints of isolated utterances". The first takes
its thresholds from the recording's own distribution of levels instead of its first 100 ms, so that a recording that begins with
speech is not taken for noise. The second looked at zero crossings; here it looks at each band's power over that band's own noise,
by the likelihood ratio of Sohn, Kim and Sung (1999), "A statistical model-based voice activity detection", so that an s, f or th
is heard over a noise that is louder elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from asrkit.audio.frame_levels import measure_frames, median, percentile
from asrkit.config import check_fields, option
from asrkit.errors import SettingsError


@dataclass(frozen=True)
class EndpointConfig:
    """Settings of the endpoint detection; thresholds adapt to each recording's own noise and peak level."""

    frame_length_ms: float = option(
        25.0, "window of the energy", flag="endpoint-frame-length", minimum=1, maximum=1000
    )
    frame_shift_ms: float = option(
        10.0, "hop of the energy", flag="endpoint-frame-shift", minimum=1, maximum=1000
    )
    high_fraction: float = option(0.4, "of the way from noise to peak level, in dB: certainly speech")
    low_fraction: float = option(0.15, "of the way from noise to peak level, in dB: the speech's edges")
    low_db: float = option(3.0, "the edges are at least this far above the noise", minimum=0, maximum=100)
    crossing_ms: float = option(
        150.0,
        "how far from an edge weak fricatives are looked for, band by band (once by zero crossings, hence the name)",
        minimum=0,
        maximum=60000,
    )
    max_gap_ms: float = option(
        250.0,
        "pauses inside a word up to this length are kept (stops, for example)",
        minimum=0,
        maximum=60000,
    )
    padding_ms: float = option(75.0, "kept before and after the speech", minimum=0, maximum=60000)
    min_speech_ms: float = option(100.0, "shorter bursts are no speech", minimum=0, maximum=60000)
    min_range_db: float = option(
        8.0,
        "less than this between noise and peak: the whole recording is taken as one level",
        minimum=0,
        maximum=100,
    )

    def __post_init__(self):
        check_fields(self)
        if not 0 < self.low_fraction <= self.high_fraction < 1:
            raise SettingsError(
                f"low_fraction={self.low_fraction} and high_fraction={self.high_fraction} must rise between 0 and 1"
            )


# Beside the word are 0.08 to 0.13 s in the median of trimmed corpora, 0.25 s in the worst tenth of one of their speakers, and 0.9 s and more in
# nine of ten recordings that a button started and stopped.
UNTRIMMED_S = 0.3
PHRASE_GAP_MS = 500.0  # between the words of a phrase, as `max_gap_ms`; no word has such a stop
SILENCE_DB = -80.0  # below this, relative to full scale, a recording holds nothing to hear
STEADY = 0.02  # variation of the spectrum below which a stretch is a tone or a buzz: words have .03 to .4
TONE_ABOVE_DB = 25.0  # a tone that much louder than all else is what was recorded
PEAK_FRAMES = 5  # that are louder than the peak level, in a recording of five seconds and more
RIVAL = 0.25  # of the chosen stretch's loudness: another one of as much makes the choice doubtful
NOISE_SPREAD_DB = 6.0  # of the lowest levels beside digital silence: more is a word's own rise, less is noise
TONE_ALONE = "holds a steady tone and nothing else"
CLICK_MS = 40.0  # so short, and so long before the rest, or behind it, where a stop is released late: no stop of a word
CLICK_BEFORE_MS, CLICK_BEHIND_MS = 100.0, 150.0
# Of the weak edges: frames this near are averaged; pauses up to this are passed over, longer ones at the end, for a stop may be
# released late; frames this near to a loud stretch are no noise, and beyond that distance noise is not the word's.
SMOOTHED_MS, PAUSE_MS, CLOSURE_MS, GUARD_MS, NEAR_MS = 20.0, 40.0, 100.0, 50.0, 10000.0
FEWEST_NOISE = 10  # frames that it takes to know the bands' noise
EVIDENCE, DEVIATIONS = 0.1, 4.0  # least that is no noise; and above the noise's own
LOUD = (
    3.2  # times the noise: a frame's most in a band, or one loud frame would be taken for several weak ones
)


@dataclass(frozen=True)
class Speech:
    """The one word of a recording.

    Attributes
    ----------
    start_s, end_s : float
        Padding included, inside the recording.
    doubt : str
        Why this may not be the word, as the end of a sentence that begins with the recording; empty where nothing speaks against it.
    beside_s : float
        How much of the recording is not the word, padding not counted as word.
    """

    start_s: float
    end_s: float
    doubt: str = ""
    beside_s: float = 0.0

    @property
    def untrimmed(self) -> bool:
        """Whether so much of the recording is no word that nobody has cut it."""
        return self.beside_s > UNTRIMMED_S


def detect_endpoints(
    samples: np.ndarray, rate_hz: int, config: EndpointConfig = EndpointConfig()
) -> tuple[float, float] | None:
    """Find the one word in a recording.

    Parameters
    ----------
    samples : numpy.ndarray
        float (N,), in [-1, 1).
    rate_hz : int
    config : EndpointConfig

    Returns
    -------
    (start_s, end_s) or None
        Padding included, inside the recording; None where nothing but silence was found.
    """
    found = find_speech([samples], rate_hz, config)
    return None if found is None else (found.start_s, found.end_s)


def find_speech(
    blocks: Iterable[np.ndarray], rate_hz: int, config: EndpointConfig = EndpointConfig()
) -> Speech | None:
    """Find the one word in a recording that comes in blocks, float (N,), and say whether the choice is doubtful.

    Of several stretches the word is the one with the most loudness over time, but a steady tone only where there is nothing
    else. An hour of sound takes some 100 MB.
    """
    length, hop = (
        max(1, round(rate_hz * ms / 1000)) for ms in (config.frame_length_ms, config.frame_shift_ms)
    )
    frames = measure_frames(blocks, rate_hz, length, hop)
    level_db = frames.level_db
    if not len(level_db) or level_db.max() <= SILENCE_DB:
        return None
    duration_s, shift_s = frames.num_samples / rate_hz, hop / rate_hz
    least = config.min_speech_ms / 1000 / shift_s
    noise_db, loudest_db = _noise_level(level_db), _peak_level(level_db, least)
    peak_db = _peak_level(_without_tones(frames, noise_db + config.low_db), least)
    if peak_db < max(noise_db + config.min_range_db, loudest_db - TONE_ABOVE_DB):
        peak_db = loudest_db
    if peak_db - noise_db < config.min_range_db:
        if level_db.max() - peak_db > config.min_range_db:
            return None  # a click alone
        # no pause to measure noise in: a recording that was trimmed already
        return Speech(0.0, duration_s, TONE_ALONE if _steady(frames, (0, len(level_db))) else "")
    low = noise_db + max(config.low_db, config.low_fraction * (peak_db - noise_db))
    high = max(low, noise_db + config.high_fraction * (peak_db - noise_db))
    runs = _speech_runs(frames, low, high, config.max_gap_ms / 1000 / shift_s, shift_s)
    runs = [run for run in runs if run[1] - run[0] >= least]
    if not runs:
        return None
    chosen, doubt = _choose(runs, frames, low)
    start, end = _widen(chosen, runs, frames, config.crossing_ms, shift_s * 1000)
    center_s = length / rate_hz / 2
    start_s = start * shift_s + center_s - shift_s / 2
    end_s = (end - 1) * shift_s + center_s + shift_s / 2
    padding_s = config.padding_ms / 1000
    return Speech(
        float(max(0.0, start_s - padding_s)),
        float(min(duration_s, end_s + padding_s)),
        doubt,
        float(start_s + duration_s - end_s),
    )


def _noise_level(level_db):
    """The level of the pauses in dB: of those that a microphone recorded, where digital silence is among them."""
    heard = level_db[level_db > SILENCE_DB]
    if len(heard) < len(level_db) and percentile(heard, 15) - percentile(heard, 2) < NOISE_SPREAD_DB:
        level_db = heard
    return max(percentile(level_db, 10), SILENCE_DB)


def _without_tones(frames, low):
    """The levels (T,) of all but the steady stretches above `low`: a loud beep must not raise what speech has to reach."""
    kept = np.ones(len(frames.level_db), dtype=bool)
    for run in _runs_above(frames.level_db, low):
        kept[slice(*run)] = not _steady(frames, run)
    return frames.level_db[kept]


def _runs_above(level_db, low):
    """Find (first frame, frame behind the last) of all stretches above a level."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], level_db > low, [False]])))
    return list(zip(edges[::2], edges[1::2], strict=True))


def _peak_level(level_db, least):
    """The level of the loudest speech in dB; what is shorter than speech, as a click, has no say."""
    if not len(level_db):
        return SILENCE_DB
    width = max(1, round(0.7 * least) // 2 * 2 + 1)
    levels = _running_median(level_db, min(width, len(level_db)))
    return percentile(
        levels, max(99, 100 * (1 - PEAK_FRAMES / len(levels)))
    )  # one word may be all in an hour


def _running_median(values, width):
    """The median of `width` values about each, (T,); beyond the ends the last one goes on. scipy.ndimage has it, and takes long to import."""
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    near = np.sort(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    return near[:, width // 2]


def _choose(runs, frames, low):
    """The stretch that is the word, and why that may be wrong."""
    loudness = [np.maximum(frames.level_db[a:b] - low, 0).sum() for a, b, _ in runs]
    steady = [run[2] for run in runs]
    best = max(range(len(runs)), key=lambda i: (not steady[i], loudness[i]))
    rivals = [i for i in range(len(runs)) if i != best and loudness[i] >= RIVAL * loudness[best]]
    if steady[best]:
        return runs[best], TONE_ALONE
    if rivals:
        what = "a steady tone" if all(steady[i] for i in rivals) else "another stretch of sound"
        return runs[best], f"holds {what} beside the word"
    return runs[best], ""


def _speech_runs(frames, low, high, max_gap, shift_s):
    """Find stretches above `low` that reach `high` somewhere, joined across gaps of up to `max_gap` frames; a steady tone is
    joined with steady tones alone, and a click with nothing that lies far from it. A list of (first frame, frame behind the
    last, whether it is steady).
    """
    level_db = frames.level_db
    runs = [(a, b) for a, b in _runs_above(level_db, low) if level_db[a:b].max() >= high]
    joined = []
    for run in [(*run, _steady(frames, run)) for run in runs]:
        if joined and _belong(joined[-1], run, max_gap, shift_s):
            joined[-1] = (joined[-1][0], *run[1:])
        else:
            joined.append(run)
    return joined


def _belong(before, after, max_gap, shift_s):
    """Whether two stretches are of one word."""
    gap = after[0] - before[1]
    if gap > max_gap:
        return False
    gap_ms, before_ms, after_ms = (
        count * shift_s * 1000 for count in (gap, before[1] - before[0], after[1] - after[0])
    )
    if (before_ms <= CLICK_MS and gap_ms > CLICK_BEFORE_MS) or (
        after_ms <= CLICK_MS and gap_ms > CLICK_BEHIND_MS
    ):
        return False
    return before[2] == after[2]


def _steady(frames, run):
    """Whether a stretch is a tone or a buzz, as far as it is long enough to tell."""
    return frames.variation(*run) < STEADY


def _widen(chosen, runs, frames, reach_ms, shift_ms):
    """Move the edges of the chosen stretch over the weak sounds beside it, but never into another stretch."""
    reach, smoothed, pause, closure, guard, near = (
        round(ms / shift_ms) for ms in (reach_ms, SMOOTHED_MS, PAUSE_MS, CLOSURE_MS, GUARD_MS, NEAR_MS)
    )
    start, end, _ = chosen
    first, last = max(0, start - near), min(len(frames.level_db), end + near)
    noise = frames.level_db[first:last] > SILENCE_DB
    for a, b, _ in runs:
        noise[max(0, a - guard - first) : max(0, b + guard - first)] = False
    if noise.sum() < FEWEST_NOISE:
        return start, end
    evidence = _evidence(frames.bands[first:last].astype(np.float64), noise, smoothed)
    usual = median(evidence[noise])
    spread = 1.4826 * median(np.abs(evidence[noise] - usual))  # a normal distribution's standard deviation
    speech = evidence > max(EVIDENCE, usual + DEVIATIONS * spread)
    low = max([first, start - reach, *(b for _, b, _ in runs if b <= start)])
    high = min([last, end + reach, *(a for a, _, _ in runs if a >= end)])
    before = _reached(speech[low - first : start - first][::-1], pause)
    return start - before, end + _reached(speech[end - first : high - first], closure)


def _evidence(bands, noise, reach):
    """How little each frame is like the noise: the mean over bands of γ - ln γ - 1, γ the power of `reach` frames on each side over
    the median of the noise's, (T,); 0 where no band is louder. Sohn, Kim and Sung (1999), eq. 4 with the maximum likelihood of ξ.
    """
    power = bands / np.maximum(median(bands[noise], axis=0), 1e-20)
    # what is loud must not look weak and long
    ends = np.concatenate([np.zeros((1, bands.shape[1])), np.cumsum(np.minimum(power, LOUD), axis=0)])
    t = np.arange(len(bands))
    low, high = np.maximum(t - reach, 0), np.minimum(t + reach + 1, len(t))
    gamma = (ends[high] - ends[low]) / (high - low)[:, None]
    gamma = np.maximum(gamma / median(gamma[noise], axis=0), 1)
    return (gamma - np.log(gamma) - 1).mean(axis=1)


def _reached(speech, pause):
    """Count the frames up to the last of speech (T,) that no longer pause than `pause` parts from those before it."""
    places = np.concatenate([[-1], np.flatnonzero(speech)])
    breaks = np.flatnonzero(np.diff(places) > pause + 1)
    return int(places[breaks[0] if len(breaks) else -1]) + 1
