"""Kaldi's mel filterbank: the frames of many recordings in a few array operations, every table made once a setting.

All is float64 up to the features, which are float32: in a spectrum of float32 lines far below the loudest would drown in its rounding, and nothing would be won,
for numpy's transform of float32 is no quicker.

Formulas are those of the HTK book, section 5 (mel filters eq. 5.13); the rest is what Kaldi's compute-fbank-feats does. kaldi-native-fbank, Kaldi's own code in float32, is the oracle
of the tests.
"""

import functools
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from asrkit.config import check_fields, option
from asrkit.errors import SettingsError
from asrkit.features.kind import FeatureKind

EPSILON = np.finfo(np.float32).eps  # Kaldi's least energy, of a frame and of a filter
# Frames at a time, always: their spectra stay in the cache, and a product of BLAS may round a row by how many there are. So what becomes
# of a frame does not depend on its neighbours.
BLOCK = 128


@dataclass(frozen=True)
class MelConfig(FeatureKind):
    """What all features on Kaldi's mel filterbank share: its options under Kaldi's names, with units in ours.

    Subclasses add `use_energy`, `raw_energy`, `energy_floor` and `htk_compat`, whose defaults differ.
    """

    sample_rate_hz: int = option(
        16000,
        "rate that recordings are resampled to",
        flag="sample-frequency",
        minimum=100,
        maximum=10_000_000,
    )
    frame_length_ms: float = option(25.0, "window", flag="frame-length", minimum=0, maximum=1000)
    frame_shift_ms: float = option(10.0, "hop", flag="frame-shift", minimum=0, maximum=1000)
    window_type: str = option(
        "povey",
        "window shape; the librosa preset takes hann",
        choices=("povey", "hamming", "hanning", "rectangular", "blackman", "sine"),
    )
    blackman_coeff: float = option(0.42, "constant of the blackman window", minimum=0, maximum=1)
    preemphasis: float = option(
        0.97, "first-order high-pass (kaldi preset)", flag="preemphasis-coefficient", minimum=0, maximum=1
    )
    remove_dc_offset: bool = option(True, "subtract each window's mean (kaldi preset)")
    round_to_power_of_two: bool = option(True, "pad the window to a power of two")
    snip_edges: bool = option(True, "only windows that lie wholly inside the recording")
    dither: float = option(
        0.0,
        "Gaussian noise added to the samples, on the int16 scale; seeded by the recording (Kaldi: 1.0)",
        minimum=0,
        maximum=32768,
    )
    num_mel_bins: int = option(23, "mel filters", minimum=1, maximum=1000)
    low_hz: float = option(20.0, "lowest edge of the filters", flag="low-freq")
    high_hz: float = option(0.0, "highest edge; 0 or less counts down from half the rate", flag="high-freq")
    vtln_low_hz: float = option(
        100.0, "below it a warped frequency axis is bent back to its end (train --warps)", flag="vtln-low"
    )
    vtln_high_hz: float = option(
        -500.0, "the same at the upper end; 0 or less counts down from --high-freq", flag="vtln-high"
    )

    def __post_init__(self):
        check_fields(self)
        window, shift = (
            self.sample_rate_hz * ms / 1000 for ms in (self.frame_length_ms, self.frame_shift_ms)
        )
        if not (2 <= window < np.inf and 1 <= shift < np.inf):
            raise SettingsError(
                f"frame_length_ms={self.frame_length_ms} frame_shift_ms={self.frame_shift_ms} are {window:g} and {shift:g} samples "
                f"at sample_rate_hz={self.sample_rate_hz}, at least 2 and 1 are needed"
            )
        nyquist_hz = self.sample_rate_hz / 2
        high_hz = self.high_hz if self.high_hz > 0 else nyquist_hz + self.high_hz
        if not 0 <= self.low_hz < high_hz <= nyquist_hz:
            raise SettingsError(
                f"low_hz={self.low_hz} high_hz={self.high_hz} is no band below half the rate, {nyquist_hz:g} Hz"
            )

    @property
    def rate_hz(self):
        return self.sample_rate_hz

    @property
    def frame_shift_s(self):
        return self.frame_shift_ms / 1000

    def check_kaldi(self):
        """Raise a SettingsError for what Kaldi's code refuses, or dies of, once it sees the first recording."""
        window, _, num_fft = frame_sizes(self)
        if window % 2 and not self.round_to_power_of_two:
            raise SettingsError(
                f"round_to_power_of_two=false needs an even number of samples a window, not {window}"
            )
        edges, lines = mel_edges(self), mel_lines(self)
        inside = np.searchsorted(lines, edges[2:], "left") - np.searchsorted(lines, edges[:-2], "right")
        if self.num_mel_bins < 3 or inside.min() < 1:
            raise SettingsError(
                f"num_mel_bins={self.num_mel_bins} are fewer than 3, or too many for frame_length_ms={self.frame_length_ms}: "
                f"{np.sum(inside < 1)} filters hold none of its {num_fft // 2} spectral lines"
            )


class Tables(NamedTuple):
    """What is the same for all frames, L samples long: in samples, then arrays of float64."""

    length: int
    shift: int
    num_fft: int
    window: np.ndarray  # (L,)
    filters: np.ndarray  # (num_fft + 2, num_mel_bins): of the squared real and imaginary parts, in turn


def frame_sizes(config):
    """Samples of a window, of a hop and of the Fourier transform."""
    length, shift = (
        int(config.sample_rate_hz * ms / 1000) for ms in (config.frame_length_ms, config.frame_shift_ms)
    )
    return length, shift, 1 << (length - 1).bit_length() if config.round_to_power_of_two else length


def mel(hz):
    return 1127 * np.log1p(np.asarray(hz) / 700)


def mel_edges(config):
    """Where the triangles begin, peak and end, in mel: filter i from edge i over i + 1 to i + 2;
    (num_mel_bins + 2,).
    """
    high_hz = config.high_hz if config.high_hz > 0 else config.sample_rate_hz / 2 + config.high_hz
    return np.linspace(mel(config.low_hz), mel(high_hz), config.num_mel_bins + 2)


def mel_lines(config):
    """The lines of the spectrum, in mel; Kaldi leaves out the last one, half the rate; (num_fft / 2,)."""
    num_fft = frame_sizes(config)[2]
    return mel(np.arange(num_fft // 2) * config.sample_rate_hz / num_fft)


def window_shape(name, length, blackman_coeff):
    """float64 (length,), symmetric; `povey` is Kaldi's own, a Hann window that is blunter at its ends."""
    turn = 2 * np.pi * np.arange(length) / (length - 1)
    hann = 0.5 - 0.5 * np.cos(turn)
    return {
        "povey": hann**0.85, "hanning": hann, "hamming": 0.54 - 0.46 * np.cos(turn), "rectangular": np.ones(length),
        "sine": np.sin(turn / 2), "blackman": blackman_coeff - 0.5 * np.cos(turn) + (0.5 - blackman_coeff) * np.cos(2 * turn),
    }[name]  # fmt: skip


@functools.lru_cache(maxsize=8)
def tables(config):
    length, shift, num_fft = frame_sizes(config)
    edges, lines = mel_edges(config), mel_lines(config)[:, None]
    step = edges[1] - edges[0]
    filters = np.zeros((num_fft // 2 + 1, config.num_mel_bins))
    filters[:-1] = np.maximum(0, 1 - np.abs(lines - edges[1:-1]) / step)
    window = window_shape(config.window_type, length, config.blackman_coeff)
    return Tables(length, shift, num_fft, window, np.repeat(filters, 2, axis=0))


def features(
    recordings: Sequence[np.ndarray],
    config: MelConfig,
    dim: int,
    finish: Callable[[np.ndarray, np.ndarray | None], np.ndarray],
    *,
    magnitude: bool = False,
) -> list[np.ndarray]:
    """Make features of recordings by their mel filters; those of one don't depend on the others, byte for byte.

    Parameters
    ----------
    recordings : sequence of float32 (N,)
        In [-1, 1), at `config.sample_rate_hz`.
    config : MelConfig
    dim : int
        Of the features.
    finish : callable
        Makes features, (n, dim), of what passes the filters, float64 (n, num_mel_bins), and of the frames' log energies, float64 (n,); these
        are None without `config.use_energy`.
    magnitude : bool
        Filter the magnitudes of the spectrum, not the power.

    Returns
    -------
    list of float32 (T, dim)
    """
    t = tables(config)
    counts = [_num_frames(len(samples), t, config.snip_edges) for samples in recordings]
    feats = [np.empty((count, dim), dtype=np.float32) for count in counts]
    room = np.empty((BLOCK, t.length)), np.empty((BLOCK, t.num_fft // 2 + 1), np.complex128)
    for signal, parts in _blocks(recordings, counts, t, config.snip_edges):
        made = finish(*_filtered(signal, t, config, magnitude, *room))
        for place, frames, rows in parts:
            feats[place][frames] = made[rows]
    return feats


def _num_frames(num_samples: int, t: Tables, snip_edges: bool) -> int:
    if snip_edges:
        return max(0, (num_samples - t.length) // t.shift + 1)
    return (num_samples + t.shift // 2) // t.shift


def _blocks(
    recordings: Sequence[np.ndarray], counts: Sequence[int], t: Tables, snip_edges: bool
) -> Iterator[tuple[np.ndarray, list[tuple[int, slice, slice]]]]:
    """Lay recordings end to end, so that all frames are one hop apart, and cut that into signals of BLOCK frames.

    Yields
    ------
    signal : float64 ((BLOCK - 1) * shift + length,)
        On Kaldi's scale, that of int16; the same array each time.
    parts : list of (int, slice, slice)
        A recording, some of its frames, and which of the signal's these are. Others begin in one recording and end in the next.
    """
    signal = np.zeros((BLOCK - 1) * t.shift + t.length)
    between = max(0, -(-(t.length - t.shift) // t.shift))  # frames that begin in a recording's last samples
    parts: list[tuple[int, slice, slice]] = []
    row = 0
    for place, (samples, count) in enumerate(zip(recordings, counts, strict=True)):
        if count and not snip_edges:
            samples = _mirrored(samples, count, t)
        done = 0
        while done < count:
            n = min(count - done, BLOCK - row)
            some = samples[done * t.shift : (done + n - 1) * t.shift + t.length]
            np.multiply(some, 32768.0, out=signal[row * t.shift : row * t.shift + len(some)])
            parts.append((place, slice(done, done + n), slice(row, row + n)))
            done, row = done + n, row + n + between
            if row >= BLOCK:
                yield signal, parts
                parts, row = [], 0
    if parts:
        yield signal, parts


def _mirrored(samples: np.ndarray, count: int, t: Tables) -> np.ndarray:
    """Let frame k be centred on hop k: beyond its ends the sound is mirrored as often as it takes."""
    first = t.shift // 2 - t.length // 2
    lacking = first + t.shift * (count - 1) + t.length - len(samples)
    return np.pad(samples, (max(0, -first), max(0, lacking)), mode="symmetric")[max(0, first) :]


def _frames(signal: np.ndarray, t: Tables) -> np.ndarray:
    """A view of a signal of `_blocks` as frames, (BLOCK, length); numpy refuses what would reach beyond the buffer."""
    strides = (signal.itemsize * t.shift, signal.itemsize)
    return np.ndarray((BLOCK, t.length), signal.dtype, signal, strides=strides)


def _filtered(
    signal: np.ndarray,
    t: Tables,
    config: MelConfig,
    magnitude: bool,
    shaped: np.ndarray,
    spectrum: np.ndarray,
) -> tuple[np.ndarray, np.ndarray | None]:
    """What passes the filters, (BLOCK, num_mel_bins), and log energies, (BLOCK,), of a signal's frames.

    `shaped`, (BLOCK, length), and `spectrum` are room that is written over: to get new memory from the system takes as long as to fill it.
    """
    frames, rest = _frames(signal, t), 1 - config.preemphasis
    emphasised = np.zeros_like(signal)  # all of it at once: frames overlap
    np.subtract(signal[1:], config.preemphasis * signal[:-1], out=emphasised[1:])
    mean = frames.sum(axis=1, keepdims=True) / t.length if config.remove_dc_offset else np.zeros((BLOCK, 1))
    np.subtract(_frames(emphasised, t), mean * rest, out=shaped)
    # of the first sample: as if the one before it were the same
    shaped[:, 0] = (frames[:, 0] - mean[:, 0]) * rest
    shaped *= t.window
    energy = None
    if config.use_energy:
        energy = _energy(frames, mean) if config.raw_energy else np.vecdot(shaped, shaped)
        np.log(np.maximum(energy, max(EPSILON, config.energy_floor), out=energy), out=energy)
    np.fft.rfft(shaped, t.num_fft, out=spectrum)
    if magnitude:
        return np.abs(spectrum) @ t.filters[::2], energy
    parts = spectrum.view(np.float64)
    return np.square(parts, out=parts) @ t.filters, energy


def _energy(frames: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Sum the squares of frames (n, L) less their means (n, 1)."""
    square = np.vecdot(frames, frames)
    energy = square - frames.shape[1] * np.square(mean[:, 0])
    drowned = energy < 1e-6 * square  # a frame that hardly differs from its mean: subtract that first
    if drowned.any():
        rest = frames[drowned] - mean[drowned]
        energy[drowned] = np.vecdot(rest, rest)
    return energy


def dithered(samples: np.ndarray, dither: float) -> np.ndarray:
    """Add Gaussian noise, on the int16 scale, that is drawn from the sound itself: the same features in any job or order."""
    if not dither:
        return samples
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(samples).tobytes()))
    return samples + rng.standard_normal(len(samples)).astype(np.float32) * np.float32(dither / 32768)
