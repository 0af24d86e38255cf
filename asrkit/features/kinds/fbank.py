"""Log-mel filterbank energies: Kaldi's compute-fbank-feats. kaldi-native-fbank is the oracle of the tests."""

from dataclasses import dataclass

import numpy as np

from asrkit.config import option
from asrkit.features import mel, warp


@dataclass(frozen=True)
class FbankConfig(mel.MelConfig):
    """compute-fbank-feats' options under Kaldi's names, with units in ours."""

    title = "log-mel filterbank"
    command = "compute-fbank"

    use_energy: bool = option(False, "log energy as one more dimension, the first")
    raw_energy: bool = option(True, "energy before preemphasis and window")
    energy_floor: float = option(0.0, "least energy of a frame; 0 is none", minimum=0, maximum=1e10)
    htk_compat: bool = option(False, "HTK's order: the energy last")
    use_log_fbank: bool = option(True, "logarithms of the filters")
    use_power: bool = option(True, "filter the power; false: the magnitudes")
    subtract_mean: bool = option(False, "subtract the utterance's mean")

    def __post_init__(self):
        super().__post_init__()
        self.check_kaldi()

    @property
    def dim(self):
        return self.num_mel_bins + self.use_energy

    def compute(self, samples):
        samples = mel.dithered(samples, self.dither)
        feats = np.empty((mel.count_frames(len(samples), self), self.dim), dtype=np.float32)
        filters = (
            slice(0, self.num_mel_bins) if self.htk_compat else slice(self.dim - self.num_mel_bins, None)
        )
        for frames, filtered, energy in mel.filterbank(samples, self, magnitude=not self.use_power):
            feats[frames, filters] = (
                np.log(np.maximum(filtered, mel.EPSILON)) if self.use_log_fbank else filtered
            )
            if self.use_energy:
                feats[frames, -1 if self.htk_compat else 0] = energy
        if self.subtract_mean and len(feats):
            feats -= feats.mean(axis=0)
        return feats

    def warp_matrix(self, factor):
        """Read the filters at warped frequencies, linearly between two neighbours; the energy stays as it is."""
        if not self.use_log_fbank:
            return None
        place = np.clip(warp.filter_places(factor, self), 0, self.num_mel_bins - 1)
        matrix = np.eye(self.dim)
        rows = np.arange(self.num_mel_bins) + (self.use_energy and not self.htk_compat)
        matrix[np.ix_(rows, rows)] = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(self.num_mel_bins)))
        return matrix
