"""Kaldi's mel filterbank: all frames of a recording in a few array operations, every table made once a setting.

Formulas are those of the HTK book, section 5 (mel filters eq. 5.13); the rest is what Kaldi's compute-fbank-feats does. kaldi-native-fbank, Kaldi's own code in float32, is the oracle
of the tests.
"""

import functools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from asrkit.config import check_fields, option
from asrkit.errors import SettingsError
from asrkit.features.kind import FeatureKind

EPSILON = np.finfo(np.float32).eps  # Kaldi's least energy, of a frame and of a filter
BLOCK = 256  # frames at a time: their spectra stay in the cache, and an hour of sound in memory


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


def frames_of(samples, t, snip_edges):
    """A view of the samples as frames, (T, L)."""
    num_frames = _num_frames(len(samples), t, snip_edges)
    if (
        not snip_edges
    ):  # frame k is centred on hop k, and beyond its ends the sound is mirrored as often as it takes
        first = t.shift // 2 - t.length // 2
        lacking = first + t.shift * (num_frames - 1) + t.length - len(samples)
        if num_frames:
            samples = np.pad(samples, (max(0, -first), max(0, lacking)), mode="symmetric")[max(0, first) :]
    samples = np.ascontiguousarray(samples)
    # numpy refuses what would reach beyond the buffer
    strides = (samples.itemsize * t.shift, samples.itemsize)
    return np.ndarray((num_frames, t.length), samples.dtype, samples, strides=strides)


def filterbank(
    samples: np.ndarray, config: MelConfig, *, magnitude: bool = False
) -> Iterator[tuple[slice, np.ndarray, np.ndarray | None]]:
    """Go through the mel filters of one recording, some frames at a time.

    Parameters
    ----------
    samples : float32 (N,)
        In [-1, 1), at `config.sample_rate_hz`.
    config : MelConfig
    magnitude : bool
        Filter the magnitudes of the spectrum, not the power.

    Yields
    ------
    frames : slice
    filtered : float64 (n, num_mel_bins)
    log_energy : float64 (n,) or None
        None without `config.use_energy`.
    """
    t = tables(config)
    frames = frames_of(samples, t, config.snip_edges)
    for start in range(0, len(frames), BLOCK):
        part = slice(start, min(start + BLOCK, len(frames)))
        yield part, *_filtered(frames[part], t, config, magnitude)


def count_frames(num_samples: int, config: MelConfig) -> int:
    """Count the frames that so many samples make."""
    return _num_frames(num_samples, tables(config), config.snip_edges)


def _num_frames(num_samples, t, snip_edges):
    if snip_edges:
        return max(0, (num_samples - t.length) // t.shift + 1)
    return (num_samples + t.shift // 2) // t.shift


def _filtered(frames, t, config, magnitude):
    x = frames * np.float64(32768)  # Kaldi's scale, that of int16
    if config.remove_dc_offset:
        x -= x.sum(axis=1, keepdims=True) / t.length
    # of the first sample: as if the one before it were the same
    shaped = x * (1 - config.preemphasis)
    shaped[:, 1:] = x[:, 1:] - config.preemphasis * x[:, :-1]
    shaped *= t.window
    energy = None
    if config.use_energy:
        loud = x if config.raw_energy else shaped
        energy = np.log(np.maximum(np.einsum("tn,tn->t", loud, loud), max(EPSILON, config.energy_floor)))
    spectrum = np.fft.rfft(shaped, t.num_fft)
    if magnitude:
        return np.abs(spectrum) @ t.filters[::2], energy
    parts = spectrum.view(np.float64)
    return np.square(parts, out=parts) @ t.filters, energy


def dithered(samples: np.ndarray, dither: float) -> np.ndarray:
    """Add Gaussian noise, on the int16 scale, that is drawn from the sound itself: the same features in any job or order."""
    if not dither:
        return samples
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(samples).tobytes()))
    return samples + rng.standard_normal(len(samples)).astype(np.float32) * np.float32(dither / 32768)
