"""Change samples as another voice, another room or a noisy place would have given them.

The order is that of nature: the voice (speed, warp, tempo), the room (reverberation), the noise, the
microphone (gain).
"""

import hashlib
import itertools
import math
from dataclasses import dataclass

import numpy as np
import soxr

from asrkit.config import check_fields, nearest, option, out_of_bounds, parse_number, shortened
from asrkit.errors import DataError, SettingsError

NOISES = ("none", "white", "pink", "babble", "recorded")
# Settings that hold comma lists, and the bounds of their numbers. Their order is that of the drawing.
LISTS = {
    "noise": None,
    "snr": (-50, 100),
    "reverb": (0, 10),
    "speed": (0.5, 2),
    "tempo": (0.5, 2),
    "warp": (0.5, 2),
}
NEUTRAL = {"noise": "none", "reverb": 0.0, "speed": 1.0, "tempo": 1.0, "warp": 1.0}

GAP_S = 0.003  # from the direct sound to the first of the reverberation
LOWEST_PINK_HZ = 20  # pink noise has as much power below as in any octave: nothing there can be heard
HALF_WINDOW_S = 0.015  # of what is moved about when the tempo changes: two periods of the lowest voice
SILENT = 1e-8  # noise weaker than this, relative to full scale, is none


@dataclass(frozen=True)
class PerturbConfig:
    """Settings of the perturbations; those that are text hold comma lists, which `parse_lists` reads."""

    noise: str = option("none", f"kinds of noise, of {', '.join(NOISES[1:])} and none")
    snr: str = option("20,15,10,5,0", "signal-to-noise ratios in dB; --snr=-5,0 where the first is negative")
    babble_voices: int = option(6, "speakers that babble at once", minimum=1, maximum=100)
    reverb: str = option("0", "reverberation times (RT60) in seconds; 0 is none")
    drr: float = option(0.0, "direct-to-reverberant ratio in dB, of the energies", minimum=-30, maximum=60)
    speed: str = option("1", "factors of pitch and tempo together, as Kaldi's speed perturbation")
    tempo: str = option("1", "factors of the tempo, the pitch is kept")
    warp: str = option("1", "factors of pitch and formants, the duration is kept")
    gain_db: float = option(0.0, "a gain drawn from plus or minus this many dB", minimum=0, maximum=60)
    copies: int = option(1, "copies of every utterance", minimum=1)
    grid: bool = option(
        False, "a copy is one utterance for every combination of the lists' values, instead of one drawn"
    )
    seed: int = option(0, "of all that is drawn", minimum=0)

    def __post_init__(self):
        check_fields(self)


@dataclass(frozen=True)
class Treatment:
    """What is done to one copy of an utterance; the defaults change nothing."""

    noise: str = "none"
    snr: float | None = None
    reverb: float = 0.0
    speed: float = 1.0
    tempo: float = 1.0
    warp: float = 1.0
    gain_db: float = 0.0

    @property
    def suffix(self):
        """What tells one copy's name from another's, such as `-sp0.9-rt0.3-white10`."""
        short = {"speed": "sp", "warp": "wp", "tempo": "tp", "reverb": "rt"}
        parts = [
            f"-{sign}{getattr(self, name):g}"
            for name, sign in short.items()
            if getattr(self, name) != NEUTRAL[name]
        ]
        return "".join(parts) + (f"-{self.noise}{self.snr:g}" if self.noise != "none" else "")


def parse_lists(config):
    """Read the comma lists of a PerturbConfig.

    Returns
    -------
    dict of str to tuple
        The values of each setting of LISTS.

    Raises
    ------
    SettingsError
        A value is none that its setting can have or stands there twice, or nothing at all would be changed.
    """
    lists = {name: _parse_list(name, getattr(config, name), bounds) for name, bounds in LISTS.items()}
    if lists["noise"] == ("none",) and config.snr != PerturbConfig.snr:
        raise SettingsError(f"snr={config.snr}, but of which noise? (noise={', '.join(NOISES[1:])})")
    if not config.gain_db and all(lists[name] == (value,) for name, value in NEUTRAL.items()):
        needed = ", ".join(f"{name}=..." for name in (*NEUTRAL, "gain_db"))
        raise SettingsError(f"nothing to do: one of {needed} is needed")
    return lists


def _parse_list(name, text, bounds):
    values = []
    for word in text.split(","):
        word, own = word.strip(), f"{name}={shortened(text)}"
        if bounds is None:
            if word not in NOISES:
                raise SettingsError(
                    f"{own}: '{shortened(word)}' is none of {', '.join(NOISES)}{nearest(word, NOISES)}"
                )
            value = word
        else:
            try:
                value = parse_number(word) + 0.0  # -0 is 0
            except ValueError:
                raise SettingsError(f"{own}: '{shortened(word)}' is no number") from None
            problem = out_of_bounds(value, *bounds)
            if problem:
                raise SettingsError(f"{own}: {shortened(word)} {problem}")
        if value in values:
            raise SettingsError(f"{own}: {shortened(word)} stands there twice")
        values.append(value)
    return tuple(values)


def chance(seed, utt, copy, purpose):
    """Make a generator for one thing about one copy of one utterance, whatever other utterances there are.

    What is drawn for one purpose does not hang on the settings of another: at 20 dB and at 0 dB it is the
    same noise.

    Parameters
    ----------
    seed : int
    utt : str
    copy : int
        Its number.
    purpose : {"treatment", "room", "noise"}

    Returns
    -------
    numpy.random.Generator
    """
    number = int.from_bytes(hashlib.sha256(utt.encode()).digest()[:8], "big")
    return np.random.default_rng([seed, number, copy, ("treatment", "room", "noise").index(purpose)])


def treatments(config, lists, utt):
    """Draw the treatments of all copies of an utterance.

    Parameters
    ----------
    config : PerturbConfig
    lists : dict of str to tuple
        What `parse_lists` read of it.
    utt : str

    Returns
    -------
    list of (int, Treatment)
        With the number of the copy, counted from 1.
    """
    found = []
    for copy in range(1, config.copies + 1):
        rng = chance(config.seed, utt, copy, "treatment")
        drawn = [
            values[int(place * len(values))]
            for values, place in zip(lists.values(), rng.random(len(lists)), strict=True)
        ]
        combinations = itertools.product(*lists.values()) if config.grid else [drawn]
        chosen = [dict(zip(lists, values, strict=True)) for values in combinations]
        chosen = [{**values, "snr": None} if values["noise"] == "none" else values for values in chosen]
        # without noise, once for all SNRs
        for values in {tuple(values.items()): values for values in chosen}.values():
            gain_db = round(rng.uniform(-config.gain_db, config.gain_db), 2) + 0.0
            found.append((copy, Treatment(**values, gain_db=gain_db)))
    return found


def perturb(samples, rate_hz, treatment, *, room, noise, drr_db=0.0, other_noise=None):
    """Do to an utterance what a treatment says.

    Parameters
    ----------
    samples : numpy.ndarray
        float (N,), in [-1, 1].
    rate_hz : int
    treatment : Treatment
    room, noise : numpy.random.Generator
        Of the reverberation and of the noise.
    drr_db : float
        Direct-to-reverberant ratio of the energies.
    other_noise : callable, optional
        `other_noise(kind, count, generator)` gives so many samples of babble or recorded noise.

    Returns
    -------
    samples : numpy.ndarray
        float64, in [-1, 1]: scaled down where they would go beyond.
    gain_db : float
        Of the whole: the treatment's, less what the scaling took.
    """
    out = np.asarray(samples, dtype=np.float64)
    out = change_tempo(
        warp(change_speed(out, treatment.speed), rate_hz, treatment.warp), rate_hz, treatment.tempo
    )
    if treatment.reverb:
        out = reverberate(out, rate_hz, treatment.reverb, drr_db, room)
    if treatment.noise != "none":
        out = mix(out, _noise(treatment.noise, len(out), rate_hz, noise, other_noise), treatment.snr)
    gain = 10 ** (treatment.gain_db / 20)
    peak = np.abs(out).max(initial=0.0) * gain
    if peak > 1:
        gain *= 0.9999 / peak
    return out * gain, 20 * math.log10(gain)


# The voice


def change_speed(samples, factor):
    """Multiply all frequencies of samples (N,) by `factor` and divide the duration by it: (N / factor,)."""
    if factor == 1:
        return samples
    return soxr.resample(samples, factor, 1)


def change_tempo(samples, rate_hz, factor):
    """Divide the duration of samples (N,) by `factor` and keep the frequencies: (N / factor,).

    WSOLA (Verhelst and Roelands, 1993): windows of the input are added at even distances, each taken where it
    goes on most like the one before. Unlike a phase vocoder it leaves the onsets of short words sharp.
    """
    if factor == 1:
        return samples
    hop = max(2, round(rate_hz * HALF_WINDOW_S))
    seek = hop // 2  # to both sides: in all one period of the lowest voice
    length = 2 * hop
    window = 0.5 - 0.5 * np.cos(np.pi * np.arange(length) / hop)  # two that overlap by half add up to one
    count = round(len(samples) / factor)
    steps = -(-count // hop) + 1
    padded = np.pad(samples, (hop + seek, math.ceil(hop * factor) + 2 * seek + 2 * length))
    squares = np.concatenate([[0.0], np.cumsum(padded**2)])
    out = np.zeros((steps + 1) * hop)
    place = seek
    for step in range(steps):
        if step:
            first = round(step * hop * factor)
            wanted = padded[place + hop : place + hop + length]
            likeness = np.correlate(padded[first : first + length + 2 * seek], wanted, "valid")
            energy = (
                squares[first + length : first + length + 2 * seek + 1]
                - squares[first : first + 2 * seek + 1]
            )
            place = first + int(np.argmax(likeness / np.sqrt(np.maximum(energy, 0) + 1e-12)))
        out[step * hop : step * hop + length] += window * padded[place : place + length]
    return out[hop : hop + count]


def warp(samples, rate_hz, factor):
    """Multiply all frequencies of samples (N,), formants and pitch, by `factor`; keep the duration."""
    if factor == 1:
        return samples
    faster = change_speed(samples, factor)
    return change_tempo(faster, rate_hz, len(faster) / len(samples))


# The room


def impulse_response(rate_hz, rt60_s, drr_db, rng):
    """Draw a room's answer to a click (R,): the click, after a gap noise that falls by 60 dB in `rt60_s`."""
    gap = max(1, round(GAP_S * rate_hz))
    times_s = np.arange(gap, gap + max(1, round(rt60_s * rate_hz))) / rate_hz
    tail = rng.standard_normal(len(times_s)) * 10 ** (-3 * times_s / rt60_s)
    tail *= 10 ** (-drr_db / 20) / np.linalg.norm(tail)
    return np.concatenate([[1.0], np.zeros(gap - 1), tail])


def reverberate(samples, rate_hz, rt60_s, drr_db, rng):
    """Put samples (N,) into a room: (N,).

    The direct sound stays where and as strong as it was, what rings on after the end is cut.
    """
    response = impulse_response(rate_hz, rt60_s, drr_db, rng)
    size = 1 << (len(samples) + len(response) - 2).bit_length()
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)]


# The noise


def _noise(kind, count, rate_hz, rng, other_noise):
    if kind == "white":
        return rng.standard_normal(count)
    if kind == "pink":
        return pink_noise(count, rate_hz, rng)
    return other_noise(kind, count, rng)


def pink_noise(count, rate_hz, rng):
    """Draw noise (count,) whose density falls by 3 dB an octave, from 20 Hz on."""
    size = 1 << max(count - 1, rate_hz // 10).bit_length()  # at least 0.1 s, for the low end's sake
    freqs_hz = np.arange(size // 2 + 1) * rate_hz / size
    shape = np.where(freqs_hz >= LOWEST_PINK_HZ, 1 / np.sqrt(np.maximum(freqs_hz, LOWEST_PINK_HZ)), 0)
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * shape, size)[:count]


def babble_noise(count, voices, rng):
    """Sum voices, each a stream of utterances at equal power that begins at a random place in its first one.

    Parameters
    ----------
    count : int
        Samples wanted.
    voices : iterable of iterables of numpy.ndarray
        Of each voice no more utterances are asked for than it takes to fill `count` samples; one that ends
        begins anew.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray
        float64 (count,)
    """
    total = np.zeros(count)
    for utterances in voices:
        parts, start = [], 0
        for samples in utterances:
            level = np.std(samples)
            if level > SILENT:
                if not parts:
                    start = int(rng.integers(len(samples)))
                parts.append(samples / level)
                if sum(map(len, parts)) >= start + count:
                    break
        if parts:
            total += np.resize(np.concatenate(parts), start + count)[start:]
    return total


def stretch(count, recording, rng):
    """Take `count` samples from a random place of a recording (N,); one that is too short goes round."""
    room = len(recording) - count
    start = int(rng.integers(room + 1 if room >= 0 else len(recording)))
    return np.take(recording, np.arange(start, start + count), mode="wrap")


def mix(samples, noise, snr_db):
    """Add noise (N,) to samples (N,); `snr_db` is the ratio of their energies (about their means).

    Raises
    ------
    DataError
        The noise is silent.
    """
    level = np.std(noise)
    if not level > SILENT:
        raise DataError("the noise drawn for it is silent")
    return samples + noise * (np.std(samples) / level * 10 ** (-snr_db / 20))
