"""Warped copies of cepstra: the same word from a longer or shorter vocal tract. No sound is needed, one
matrix does it.

Cepstra are a cosine series of the log spectrum along the mel scale. Its smooth curve is read at warped
frequencies and transformed back: a linear map (Panchapagesan and Alwan, 2009, "Frequency warping for VTLN and
speaker adaptation by linear transformation of standard MFCC"), close to what a warped filterbank would have
given.
"""

from dataclasses import dataclass

import numpy as np

from asrkit.config import check_fields, option, parse_numbers, shortened
from asrkit.errors import SettingsError
from asrkit.features.mel import mel, mel_edges

LOWEST, HIGHEST = 0.5, 2.0


@dataclass(frozen=True)
class WarpConfig:
    """Which copies of an utterance a training sees."""

    warps: str = option(
        "0.9,1.1",
        "train on copies with the frequency axis warped by these factors, too, as other vocal tracts would; '' for none",
    )

    train_memory: str = option(
        "none",
        "cmvn map, in training: normalise each recording alone, with its speaker's before it, or a copy each way",
        choices=("none", "speaker", "both"),
    )

    def __post_init__(self):
        check_fields(self)
        _ = self.factors  # refuses what is no list of factors

    @property
    def memories(self):
        """The ways to normalise an utterance, that of the recording itself first."""
        return ("none", "speaker") if self.train_memory == "both" else (self.train_memory,)

    @property
    def factors(self):
        """All factors, 1 (the recording itself) first."""
        return parse_factors("warps", self.warps)


@dataclass(frozen=True)
class HearWarpedConfig:
    """Of decoding: whether a recording is heard as other vocal tracts would have said it, too."""

    test_warps: str = option(
        "",
        "hear each recording also with the frequency axis warped by these factors, and take the likeliest; '' for none",
    )
    test_warps_by: str = option(
        "recording",
        "one factor for each recording, or for all of a speaker's",
        choices=("recording", "speaker"),
    )

    def __post_init__(self):
        check_fields(self)
        _ = self.factors  # refuses what is no list of factors

    @property
    def factors(self):
        """All factors, 1 (the recording itself) first."""
        return parse_factors("test_warps", self.test_warps)


def parse_factors(name, text):
    """Read a list of factors, the value of a parameter: tuple of float, 1 first."""
    factors = (1.0, *parse_numbers(name, text, LOWEST, HIGHEST))
    if len(set(factors)) < len(factors):
        raise SettingsError(
            f"{name}={shortened(text)}: a factor stands there twice, or is 1, which is always there"
        )
    return factors


def warp_hz(hz, factor, low_hz, high_hz, vtln_low_hz, vtln_high_hz):
    """Kaldi's piecewise linear warp: f / factor in the middle, bent at both ends so that the band is kept.

    Parameters
    ----------
    hz : (N,)
        Within [low_hz, high_hz], which both stay where they are.
    vtln_low_hz, vtln_high_hz : float
        Where the bends are, at factor 1.
    """
    bend_low, bend_high = vtln_low_hz * max(1.0, factor), vtln_high_hz * min(1.0, factor)
    return np.interp(
        hz, [low_hz, bend_low, bend_high, high_hz], [low_hz, bend_low / factor, bend_high / factor, high_hz]
    )


def filter_places(factor, config):
    """Where the filters' peaks lie on a warped frequency axis.

    Parameters
    ----------
    factor : float
        Above 1 formants come out higher: those of a shorter vocal tract.
    config : MelConfig
        Of Kaldi's filters.

    Returns
    -------
    numpy.ndarray
        float64 (num_mel_bins,), in filters, 0 the first: what filter i of the warped spectrum reads of the spectrum.
    """
    edges = mel_edges(config)
    return _places(factor, config, 700 * np.expm1(edges / 1127), mel, edges)


def _places(factor, config, hz, scale, edges):
    low_hz, high_hz = hz[0], hz[-1]
    bend_hz = config.vtln_high_hz if config.vtln_high_hz > 0 else high_hz + config.vtln_high_hz
    warped = warp_hz(hz[1:-1], factor, low_hz, high_hz, max(config.vtln_low_hz, low_hz), bend_hz)
    return np.interp(scale(warped), edges, np.arange(len(edges))) - 1


def cepstral_matrix(factor, config):
    """Make the matrix from cepstra to cepstra of a warped frequency axis.

    Parameters
    ----------
    factor : float
        Above 1 formants come out higher: those of a shorter vocal tract.
    config : MfccConfig
        How the cepstra were made.

    Returns
    -------
    numpy.ndarray
        float64 (num_ceps, num_ceps), to multiply column vectors from the left; with `use_energy` the energy
        stays as it is.
    """
    order = np.arange(config.num_ceps)
    if config.preset == "kaldi":
        first, place = 0, filter_places(factor, config)
    else:
        import librosa

        high_hz = config.high_hz if config.high_hz > 0 else config.sample_rate_hz / 2 + config.high_hz
        hz = librosa.mel_frequencies(config.num_mel_bins + 2, fmin=config.low_hz, fmax=high_hz)
        first, place = 1, _places(factor, config, hz, librosa.hz_to_mel, librosa.hz_to_mel(hz))
    lifter = np.ones(len(order))
    if config.cepstral_lifter:
        lifter = 1 + config.cepstral_lifter / 2 * np.sin(np.pi * (order + first) / config.cepstral_lifter)

    def cosines(at):
        series = np.sqrt(2 / config.num_mel_bins) * np.cos(
            np.pi * order * (at[:, None] + 0.5) / config.num_mel_bins
        )
        series[:, 0] /= np.sqrt(2)
        return series

    matrix = cosines(np.arange(config.num_mel_bins)).T @ cosines(place)
    matrix *= lifter[:, None] / lifter
    if config.preset == "kaldi" and config.use_energy:
        matrix[0], matrix[:, 0] = 0.0, 0.0
        matrix[0, 0] = 1.0
    if config.preset == "kaldi" and config.htk_compat:
        matrix = np.roll(matrix, (-1, -1), axis=(0, 1))
    return matrix


def warp_feats(feats, matrix):
    """Warp features (T, k x num_ceps): cepstra, or cepstra with deltas, each of the k parts alike; float32."""
    parts = feats.reshape(len(feats), -1, len(matrix))
    return (parts @ matrix.T).reshape(feats.shape).astype(np.float32)


def log_scale(stored, feats):
    """Sum the logarithms of the factors by which normalisation has scaled each dimension.

    Parameters
    ----------
    stored : (T, D)
        Before it.
    feats : (T, E)
        After it, the dimensions in the same order, deltas behind them.
    """
    before, after = (x[:, : stored.shape[1]].std(axis=0, dtype=np.float64) for x in (stored, feats))
    varies = (before > 0) & (after > 0)
    return float(np.log(after[varies] / before[varies]).sum())


def log_volumes(matrices, dim, order, scales):
    """Compute by how much a frame's copies fill more volume than the frame: what their log densities need added to compare.

    A density of [x, delta x, ...] is one of another voice's [A x, delta A x, ...], times the determinant of the whole map (Pitz
    and Ney, 2005, "Vocal tract normalization equals linear transformation in cepstral space"): that of A once for the statics
    and once for each order of deltas, which are linear in them.

    Parameters
    ----------
    matrices : list of (C, C)
        Of the copies, without the frame itself.
    dim : int
        Dimensions of the stored features: C, or a multiple of it.
    order : int
        Of the deltas that were added to them.
    scales : (K + 1,)
        `log_scale` of the frame itself and of its K copies; zeros where normalisation scales nothing.

    Returns
    -------
    numpy.ndarray
        (K + 1,): nats a frame, 0 the first.
    """
    dets = [0.0, *(dim // len(matrix) * np.linalg.slogdet(matrix)[1] for matrix in matrices)]
    return (order + 1) * (np.array(dets) + scales - scales[0])
