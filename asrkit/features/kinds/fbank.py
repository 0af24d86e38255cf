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
        return self.compute_many([samples])[0]

    def compute_many(self, recordings):
        noisy = [mel.dithered(samples, self.dither) for samples in recordings]
        feats = mel.features(noisy, self, self.dim, self._of_filters, magnitude=not self.use_power)
        if self.subtract_mean:
            return [own - own.mean(axis=0) if len(own) else own for own in feats]
        return feats

    def _of_filters(self, filtered, energy):
        if self.use_log_fbank:
            np.log(np.maximum(filtered, mel.EPSILON, out=filtered), out=filtered)
        if energy is None:
            return filtered
        return np.column_stack([filtered, energy] if self.htk_compat else [energy, filtered])

    def dimension_names(self, dim):
        """Bands from the lowest on, from 1."""
        names = [f"band{i + 1}" for i in range(self.num_mel_bins)]
        if self.use_energy:
            names = [*names, "energy"] if self.htk_compat else ["energy", *names]
        return names if dim == len(names) else super().dimension_names(dim)

    def warp_matrix(self, factor):
        """Read the filters at warped frequencies, linearly between two neighbours; the energy stays as it is."""
        if not self.use_log_fbank:
            return None
        place = np.clip(warp.filter_places(factor, self), 0, self.num_mel_bins - 1)
        matrix = np.eye(self.dim)
        rows = np.arange(self.num_mel_bins) + (self.use_energy and not self.htk_compat)
        matrix[np.ix_(rows, rows)] = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(self.num_mel_bins)))
        return matrix
