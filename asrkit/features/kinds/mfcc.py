"""MFCC: Kaldi's, equal to compute-mfcc-feats, or librosa's.

Formulas are those of the HTK book, section 5 (cosine transform eq. 5.14, lifter 5.15). kaldi-native-fbank, Kaldi's own code in
float32, and librosa are the oracles of the tests.
"""

import functools
from dataclasses import dataclass

import numpy as np

from asrkit.config import option
from asrkit.errors import SettingsError
from asrkit.features import mel, warp


@dataclass(frozen=True)
class MfccConfig(mel.MelConfig):
    """compute-mfcc-feats' options under Kaldi's names, with units in ours."""

    title = "MFCC"
    command = "compute-mfcc"

    preset: str = option(
        "kaldi", "whose MFCC: Kaldi's, or librosa.feature.mfcc's", choices=("kaldi", "librosa")
    )
    num_ceps: int = option(13, "cepstra, C0 or the energy included", minimum=1)
    cepstral_lifter: float = option(22.0, "liftering constant", minimum=0, maximum=1000)
    use_energy: bool = option(True, "log energy in place of C0 (kaldi preset)")
    raw_energy: bool = option(True, "energy before preemphasis and window")
    energy_floor: float = option(0.0, "least energy of a frame; 0 is none", minimum=0, maximum=1e10)
    htk_compat: bool = option(False, "HTK's order: energy or C0 last")
    subtract_mean: bool = option(False, "subtract the utterance's mean")

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.num_ceps <= self.num_mel_bins:
            raise SettingsError(
                f"num_ceps={self.num_ceps} must be from 1 to num_mel_bins={self.num_mel_bins}"
            )
        if self.preset == "kaldi":
            self.check_kaldi()

    @property
    def dim(self):
        return self.num_ceps

    def compute(self, samples):
        return self.compute_many([samples])[0]

    def compute_many(self, recordings):
        noisy = [mel.dithered(samples, self.dither) for samples in recordings]
        if self.preset == "kaldi":
            feats = kaldi_mfcc(noisy, self)
        else:
            feats = [_librosa_mfcc(samples, self) for samples in noisy]
        if self.subtract_mean:
            return [own - own.mean(axis=0) if len(own) else own for own in feats]
        return feats

    def describe(self):
        return f"{self.preset} MFCC at {self.sample_rate_hz} Hz, {self.frame_length_ms:g}/{self.frame_shift_ms:g} ms"

    def dimension_names(self, dim):
        """Cepstra by their numbers; the log energy is where C0 would be."""
        names = [f"c{i}" for i in range(self.num_ceps)]
        if self.use_energy and self.preset == "kaldi":
            names[0] = "energy"
        if self.htk_compat and self.preset == "kaldi":
            names = names[1:] + names[:1]
        return names if dim == len(names) else super().dimension_names(dim)

    def warp_matrix(self, factor):
        return warp.cepstral_matrix(factor, self)


def compute_mfcc(samples, config):
    """MFCC of one recording.

    Parameters
    ----------
    samples : float32 (N,)
        In [-1, 1), at `config.sample_rate_hz`.

    Returns
    -------
    numpy.ndarray
        float32 (T, num_ceps); T is 0 where the recording is shorter than one window.
    """
    return config.compute(samples)


def kaldi_mfcc(recordings, config):
    """Compute the cepstra of recordings as Kaldi does: list of float32 (N,) in [-1, 1) -> list of float32 (T, num_ceps)."""
    table = cosines(config)

    def cepstra_of(power, energy):
        cepstra = np.log(np.maximum(power, mel.EPSILON, out=power), out=power) @ table
        if config.use_energy:
            cepstra[:, -1 if config.htk_compat else 0] = energy
        return cepstra

    return mel.features(recordings, config, config.num_ceps, cepstra_of)


@functools.lru_cache(maxsize=8)
def cosines(config):
    """Tabulate the cosine transform, lifter and order of the cepstra included: float64 (num_mel_bins, num_ceps)."""
    i, n = np.arange(config.num_ceps), np.arange(config.num_mel_bins)[:, None]
    table = np.sqrt(2 / config.num_mel_bins) * np.cos(np.pi * i * (n + 0.5) / config.num_mel_bins)
    if config.cepstral_lifter:
        table *= 1 + config.cepstral_lifter / 2 * np.sin(np.pi * i / config.cepstral_lifter)
    if config.htk_compat:
        return np.roll(table, -1, axis=1)  # C0 last, and as large as HTK's
    table[:, 0] /= np.sqrt(2)  # orthonormal
    return table


def _librosa_mfcc(samples, config):
    import librosa

    length = round(config.sample_rate_hz * config.frame_length_ms / 1000)
    hop = round(config.sample_rate_hz * config.frame_shift_ms / 1000)
    num_fft = 1 << (length - 1).bit_length() if config.round_to_power_of_two else length
    center = not config.snip_edges
    if len(samples) < (1 if center else num_fft):
        return np.zeros((0, config.num_ceps), dtype=np.float32)
    high_hz = config.high_hz if config.high_hz > 0 else config.sample_rate_hz / 2 + config.high_hz
    feats = librosa.feature.mfcc(
        y=samples,
        sr=config.sample_rate_hz,
        n_mfcc=config.num_ceps,
        lifter=config.cepstral_lifter,
        n_fft=num_fft,
        win_length=length,
        hop_length=hop,
        center=center,
        n_mels=config.num_mel_bins,
        fmin=config.low_hz,
        fmax=high_hz,
    )
    return np.ascontiguousarray(feats.T, dtype=np.float32)
