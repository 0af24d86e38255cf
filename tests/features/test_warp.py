"""asrkit.features.warp: the matrix is the cosine series read elsewhere, and moves formants the way a shorter
vocal tract does.
"""

import dataclasses

import numpy as np
import pytest
from scipy.signal import lfilter

from asrkit.features.kinds.mfcc import MfccConfig, compute_mfcc
from asrkit.features.transform import compute_deltas
from asrkit.features.warp import WarpConfig, cepstral_matrix, warp_feats, warp_hz

CONFIG = MfccConfig(sample_rate_hz=8000, use_energy=False)
CONFIGS = [
    CONFIG,
    dataclasses.replace(CONFIG, use_energy=True),
    dataclasses.replace(CONFIG, use_energy=True, htk_compat=True),
    dataclasses.replace(CONFIG, htk_compat=True, cepstral_lifter=0.0, num_ceps=20),
    dataclasses.replace(CONFIG, preset="librosa"),
]


def vowel(formants_hz, rate_hz=8000, pitch_hz=100):
    """Glottal pulses through one resonance a formant."""
    samples = np.zeros(rate_hz // 2)
    samples[:: rate_hz // pitch_hz] = 1.0
    for hz in formants_hz:
        pole = 0.96 * np.exp(2j * np.pi * hz / rate_hz)
        samples = lfilter([1.0], [1.0, -2 * pole.real, abs(pole) ** 2], samples)
    return (samples / np.abs(samples).max() / 2).astype(np.float32)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_factor_one_changes_nothing(config):
    np.testing.assert_allclose(cepstral_matrix(1.0, config), np.eye(config.num_ceps), rtol=0, atol=1e-9)


@pytest.mark.parametrize("factor", [0.85, 1.17])
def test_matrix_is_the_series_read_at_warped_frequencies(factor):
    """One cepstrum, step by step: log spectrum at the filters' peaks, moved, back to cepstra; for a series
    without an end there is nothing lost.
    """
    config = dataclasses.replace(CONFIG, num_ceps=23, cepstral_lifter=0.0)
    cepstra = np.random.default_rng(0).standard_normal(23)

    def mel(hz):
        return 1127 * np.log(1 + hz / 700)

    low, high = mel(20.0), mel(4000.0)
    out = np.zeros(23)
    for n in range(23):
        hz = 700 * (np.exp((low + (n + 1) * (high - low) / 24) / 1127) - 1)
        at = (mel(kaldi_warp(hz, factor)) - low) / (high - low) * 24 - 1
        log_power = cepstra[0] * np.sqrt(1 / 23) + sum(
            cepstra[k] * np.sqrt(2 / 23) * np.cos(np.pi * k * (at + 0.5) / 23) for k in range(1, 23)
        )
        for k in range(23):
            out[k] += log_power * np.sqrt((1 if k == 0 else 2) / 23) * np.cos(np.pi * k * (n + 0.5) / 23)
    np.testing.assert_allclose(cepstral_matrix(factor, config) @ cepstra, out, rtol=0, atol=1e-9)


def kaldi_warp(hz, factor, low=20.0, high=4000.0, vtln_low=100.0, vtln_high=3500.0):
    """feat/mel-computations.cc, VtlnWarpFreq, as its comment describes it."""
    left, right = vtln_low * max(1.0, factor), vtln_high * min(1.0, factor)
    if hz < left:
        return low + (left / factor - low) / (left - low) * (hz - low)
    if hz < right:
        return hz / factor
    return high + (high - right / factor) / (high - right) * (hz - high)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_warp_of_the_axis_is_kaldis(factor):
    hz = np.linspace(20, 4000, 200)
    expected = [kaldi_warp(one, factor) for one in hz]
    np.testing.assert_allclose(warp_hz(hz, factor, 20.0, 4000.0, 100.0, 3500.0), expected, rtol=1e-12)


@pytest.mark.parametrize("preset", ["kaldi", "librosa"])
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_formants_move(preset, factor):
    """A vowel whose formants are all higher by the factor is what the warped copy comes close to, and not the
    other way.
    """
    config = dataclasses.replace(CONFIG, preset=preset)
    formants = np.array([600.0, 1200.0, 2400.0])
    own, other = (compute_mfcc(vowel(hz), config).mean(axis=0) for hz in (formants, factor * formants))
    own[0] = other[0] = 0.0  # loudness

    def distance(matrix):
        return np.linalg.norm((matrix @ own - other)[1:])

    before = distance(np.eye(config.num_ceps))
    assert distance(cepstral_matrix(factor, config)) < 0.5 * before
    assert distance(cepstral_matrix(1 / factor, config)) > before


def test_energy_stays_as_it_is():
    for config, place in ((CONFIGS[1], 0), (CONFIGS[2], -1)):
        matrix = cepstral_matrix(1.1, config)
        energy = np.zeros(config.num_ceps)
        energy[place] = 1.0
        np.testing.assert_array_equal(matrix[place], energy)
        np.testing.assert_array_equal(matrix[:, place], energy)


def test_deltas_of_the_warped_are_the_warped_deltas():
    feats, matrix = (
        np.random.default_rng(1).standard_normal((30, 13)).astype(np.float32),
        cepstral_matrix(1.1, CONFIG),
    )
    np.testing.assert_allclose(
        warp_feats(compute_deltas(feats), matrix),
        compute_deltas(warp_feats(feats, matrix)),
        rtol=0,
        atol=1e-5,
    )


@pytest.mark.parametrize("warps", ["0.9,", "0.9,,1.1", "x", "0.4", "1", "0.9,0.9", "nan"])
def test_bad_factors_are_refused(warps):
    with pytest.raises(ValueError, match="warps="):
        WarpConfig(warps)


def test_no_factors():
    assert WarpConfig("").factors == (1.0,)
    assert WarpConfig("0.9, 1.1").factors == (1.0, 0.9, 1.1)
