"""Kaldi's MFCC: all frames of a recording in a few array operations, every table made once a setting.

Formulas are those of the HTK book, section 5 (mel filters eq. 5.13, cosine transform 5.14, lifter 5.15); the
rest is what Kaldi's compute-mfcc-feats does. kaldi-native-fbank, Kaldi's own code in float32, is the oracle
of the tests.
"""

import functools
from typing import NamedTuple

import numpy as np

EPSILON = np.finfo(np.float32).eps  # Kaldi's least energy, of a frame and of a filter
BLOCK = 256  # frames at a time: their spectra stay in the cache, and an hour of sound in memory


class Tables(NamedTuple):
    """What is the same for all frames, L samples long: in samples, then arrays of float64."""

    length: int
    shift: int
    num_fft: int
    window: np.ndarray  # (L,)
    filters: np.ndarray  # (num_fft + 2, num_mel_bins): of the squared real and imaginary parts, in turn
    cosines: np.ndarray  # (num_mel_bins, num_ceps), lifter and order of the cepstra included


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
    i, n = np.arange(config.num_ceps), np.arange(config.num_mel_bins)[:, None]
    cosines = np.sqrt(2 / config.num_mel_bins) * np.cos(np.pi * i * (n + 0.5) / config.num_mel_bins)
    if config.cepstral_lifter:
        cosines *= 1 + config.cepstral_lifter / 2 * np.sin(np.pi * i / config.cepstral_lifter)
    if config.htk_compat:
        cosines = np.roll(cosines, -1, axis=1)  # C0 last, and as large as HTK's
    else:
        cosines[:, 0] /= np.sqrt(2)  # orthonormal
    window = window_shape(config.window_type, length, config.blackman_coeff)
    return Tables(length, shift, num_fft, window, np.repeat(filters, 2, axis=0), cosines)


def frames_of(samples, t, snip_edges):
    """A view of the samples as frames, (T, L)."""
    if snip_edges:
        num_frames = max(0, (len(samples) - t.length) // t.shift + 1)
    else:  # frame k is centred on hop k, and beyond its ends the sound is mirrored as often as it takes
        num_frames = (len(samples) + t.shift // 2) // t.shift
        first = t.shift // 2 - t.length // 2
        lacking = first + t.shift * (num_frames - 1) + t.length - len(samples)
        if num_frames:
            samples = np.pad(samples, (max(0, -first), max(0, lacking)), mode="symmetric")[max(0, first) :]
    samples = np.ascontiguousarray(samples)
    # numpy refuses what would reach beyond the buffer
    strides = (samples.itemsize * t.shift, samples.itemsize)
    return np.ndarray((num_frames, t.length), samples.dtype, samples, strides=strides)


def kaldi_mfcc(samples, config):
    """Cepstra of one recording.

    Parameters
    ----------
    samples : float32 (N,)
        In [-1, 1), at `config.sample_rate_hz`.
    config : MfccConfig

    Returns
    -------
    numpy.ndarray
        float32 (T, num_ceps).
    """
    t = tables(config)
    frames = frames_of(samples, t, config.snip_edges)
    feats = np.empty((len(frames), config.num_ceps), dtype=np.float32)
    for start in range(0, len(frames), BLOCK):
        feats[start : start + BLOCK] = _cepstra(frames[start : start + BLOCK], t, config)
    return feats


def _cepstra(frames, t, config):
    x = frames * np.float64(32768)  # Kaldi's scale, that of int16
    if config.remove_dc_offset:
        x -= x.sum(axis=1, keepdims=True) / t.length
    shaped = x * (1 - config.preemphasis)  # of the first sample: as if the one before it were the same
    shaped[:, 1:] = x[:, 1:] - config.preemphasis * x[:, :-1]
    shaped *= t.window
    spectrum = np.fft.rfft(shaped, t.num_fft).view(np.float64)
    power = np.square(spectrum, out=spectrum) @ t.filters
    feats = np.log(np.maximum(power, EPSILON, out=power), out=power) @ t.cosines
    if config.use_energy:
        loud = x if config.raw_energy else shaped
        energy = np.einsum("tn,tn->t", loud, loud)
        feats[:, -1 if config.htk_compat else 0] = np.log(
            np.maximum(energy, max(EPSILON, config.energy_floor))
        )
    return feats
