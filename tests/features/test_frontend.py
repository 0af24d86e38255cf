"""Features: equal to those of Kaldi's and librosa's own code, and to the definitions written out by hand.

kaldi-native-fbank is Kaldi's code in float32, ours counts in float64: what differs between them is its
rounding, most where a filter holds almost nothing beside much elsewhere.
"""

import dataclasses
import json
import re
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
import pytest

from asrkit.audio.endpoint import EndpointConfig
from asrkit.config import flags_of, in_flags
from asrkit.errors import SettingsError
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.kinds.mfcc import MfccConfig, compute_mfcc
from asrkit.features.kinds.mfcc import kaldi_mfcc as own_mfcc
from asrkit.features.mel import BLOCK, tables
from asrkit.features.transform import (
    TransformConfig,
    apply_cmvn,
    cmvn_stats,
    compute_deltas,
    sliding_cmvn,
    transform,
)
from asrkit.io.archive import read_matrix
from asrkit.io.audio import read_audio
from asrkit.io.files import read_table

RNG = np.random.default_rng(3)
COURSE = Path(__file__).parents[3] / "shared" / "data" / "ASR_Course" / "03-GMM-EM"


def sound(num_samples=8000, seed=0):
    """Something like speech: harmonics that come and go over noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(num_samples) / 16000
    voice = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 20)) * np.sin(2 * np.pi * 3 * t) ** 2
    return (0.1 * voice + 0.01 * rng.standard_normal(num_samples) + 0.002).astype(np.float32)


# MFCC


KALDIS_NAMES = {"sample_rate_hz": "samp_freq", "low_hz": "low_freq", "high_hz": "high_freq"}
KALDIS_NAMES |= {"num_mel_bins": "num_bins", "preemphasis": "preemph_coeff"}
OPTIONS = [
    {}, {"sample_rate_hz": 8000}, {"use_energy": False}, {"raw_energy": False}, {"energy_floor": 1e9}, {"htk_compat": True},
    {"htk_compat": True, "use_energy": False}, {"window_type": "hamming"}, {"window_type": "hanning"}, {"window_type": "rectangular"},
    {"window_type": "sine"}, {"window_type": "blackman"}, {"window_type": "blackman", "blackman_coeff": 0.3},
    {"cepstral_lifter": 0.0}, {"cepstral_lifter": 10.0}, {"low_hz": 100.0, "high_hz": 3400.0}, {"high_hz": -500.0},
    {"frame_length_ms": 32.0, "frame_shift_ms": 16.0}, {"round_to_power_of_two": False}, {"snip_edges": False},
    {"preemphasis": 0.5, "remove_dc_offset": False}, {"num_mel_bins": 40, "num_ceps": 20},
]  # fmt: skip


def kaldi_mfcc(samples, settings):
    """Kaldi's own code, on the int16 scale."""
    options = knf.MfccOptions()
    options.frame_opts.dither = 0.0
    for name, value in settings.items():
        name = KALDIS_NAMES.get(name, name)
        owner = next(o for o in (options.frame_opts, options.mel_opts, options) if hasattr(o, name))
        setattr(owner, name, value)
    mfcc = knf.OnlineMfcc(options)
    mfcc.accept_waveform(options.frame_opts.samp_freq, (samples.astype(np.float64) * 32768).tolist())
    mfcc.input_finished()
    return np.array([mfcc.get_frame(i) for i in range(mfcc.num_frames_ready)]).reshape(-1, options.num_ceps)


@pytest.mark.parametrize("settings", OPTIONS, ids=str)
def test_kaldi_preset_is_kaldis(settings):
    feats = compute_mfcc(sound(), MfccConfig(**settings))
    expected = kaldi_mfcc(sound(), settings)
    assert feats.dtype == np.float32 and feats.shape == expected.shape
    np.testing.assert_allclose(feats, expected, atol=1e-4)
    if settings:
        default = kaldi_mfcc(sound(), {})
        # the option does something
        assert expected.shape != default.shape or np.abs(expected - default).max() > 0.05


CHOICES = {
    "sample_rate_hz": (8000, 11025, 16000, 22050, 44100), "frame_length_ms": (10.0, 17.5, 25.0, 32.0, 50.0),
    "frame_shift_ms": (5.0, 10.0, 12.5, 40.0), "window_type": ("povey", "hamming", "hanning", "rectangular", "blackman", "sine"),
    "blackman_coeff": (0.42, 0.3), "preemphasis": (0.97, 0.5, 0.0, 1.0), "remove_dc_offset": (True, False),
    "round_to_power_of_two": (True, False), "snip_edges": (True, False), "num_mel_bins": (23, 10, 15, 30),
    "low_hz": (0.0, 20.0, 300.0), "high_hz": (0.0, 3400.0, -200.0), "num_ceps": (1, 5, 10), "cepstral_lifter": (22.0, 0.0, 3.5),
    "use_energy": (True, False), "raw_energy": (True, False), "energy_floor": (0.0, 1.0, 1e9), "htk_compat": (True, False),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(10))
def test_kaldi_preset_is_kaldis_whatever_the_options(seed):
    rng, differences = np.random.default_rng(seed), []
    while len(differences) < 20:
        settings = {name: values[rng.integers(len(values))] for name, values in CHOICES.items()}
        try:
            config = MfccConfig(**settings)
        except ValueError:
            continue
        samples = sound(rng.integers(1, 12000), seed)
        feats, expected = compute_mfcc(samples, config), kaldi_mfcc(samples, settings)
        assert feats.shape == expected.shape, settings
        if len(feats):
            differences.append(np.abs(feats - expected).max())
            assert differences[-1] < 1e-3, settings
    assert np.median(differences) < 1e-4


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
@pytest.mark.parametrize("snip_edges", [True, False])
def test_kaldi_preset_at_the_ends(rate_hz, snip_edges):
    settings = {"sample_rate_hz": rate_hz, "snip_edges": snip_edges}
    window, shift = rate_hz * 25 // 1000, rate_hz // 100
    half, both = shift // 2, window + shift
    for num_samples in (
        1,
        2,
        half - 1,
        half,
        half + 1,
        shift,
        window - 1,
        window,
        window + 1,
        both - 1,
        both,
        both + 1,
    ):
        expected = kaldi_mfcc(sound(num_samples), settings)
        feats = compute_mfcc(sound(num_samples), MfccConfig(**settings))
        assert feats.shape == expected.shape
        np.testing.assert_allclose(feats, expected, atol=2e-4)


SIGNALS = {
    "zeros": lambda t, rng: 0 * t, "silence beside zero": lambda t, rng: 0 * t + 1000,
    "the last bit": lambda t, rng: rng.integers(-1, 2, len(t)),
    "square, full scale": lambda t, rng: np.where(np.sin(400 * np.pi * t) >= 0, 32767, -32768),
    "noise, full scale": lambda t, rng: rng.integers(-32768, 32768, len(t)),
    "noise, clipped": lambda t, rng: np.clip(40000 * rng.normal(size=len(t)), -32768, 32767),
    "noise beside zero": lambda t, rng: 9000 + rng.integers(-300, 300, len(t)),
    "half of it silence": lambda t, rng: np.where(t < 0.25, 500, rng.integers(-3000, 3000, len(t))),
}  # fmt: skip


@pytest.mark.parametrize("use_energy", [True, False])
@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
@pytest.mark.parametrize("signal", SIGNALS.values(), ids=SIGNALS)
def test_kaldi_preset_of_odd_signals(signal, rate_hz, use_energy):
    samples = (signal(np.arange(rate_hz // 2) / rate_hz, np.random.default_rng(0)) / 32768).astype(np.float32)
    settings = {"sample_rate_hz": rate_hz, "use_energy": use_energy}
    np.testing.assert_allclose(
        compute_mfcc(samples, MfccConfig(**settings)), kaldi_mfcc(samples, settings), atol=1e-3
    )


def test_silence_sits_on_the_floor():
    """float32's least step for a filter and a frame, whatever the offset; Kaldi's sums in float32 leave some
    noise instead.
    """
    floor = np.log(np.finfo(np.float32).eps)
    for offset in (0.0, 0.002, 0.7):
        feats = compute_mfcc(np.full(44100, offset, np.float32), MfccConfig(sample_rate_hz=44100))
        np.testing.assert_allclose(feats[:, 0], floor, atol=1e-5)
        np.testing.assert_allclose(feats[:, 1:], 0, atol=1e-4)
        c0 = compute_mfcc(
            np.full(44100, offset, np.float32), MfccConfig(sample_rate_hz=44100, use_energy=False)
        )[:, 0]
        np.testing.assert_allclose(c0, np.sqrt(23) * floor, atol=1e-4)


@pytest.mark.parametrize("num_frames", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
def test_long_recordings_are_done_in_blocks(num_frames):
    samples = sound(400 + 160 * (num_frames - 1))
    feats = compute_mfcc(samples, MfccConfig())
    assert len(feats) == num_frames
    np.testing.assert_allclose(feats, kaldi_mfcc(samples, {}), atol=1e-3)


def test_tables_are_made_once():
    assert tables(MfccConfig(low_hz=60.0)) is tables(MfccConfig(low_hz=60.0))
    before = [x.copy() for x in tables(MfccConfig())[3:]]
    samples, kept = sound(), sound()
    samples.flags.writeable = False
    (first,) = own_mfcc([samples], MfccConfig())
    np.testing.assert_array_equal(own_mfcc([np.repeat(samples, 2)[::2]], MfccConfig())[0], first)
    np.testing.assert_array_equal(samples, kept)
    for x, y in zip(tables(MfccConfig())[3:], before, strict=True):
        np.testing.assert_array_equal(x, y)


def plain_mfcc(samples, rate_hz=16000, num_bins=23, num_ceps=13, lifter=22.0, use_energy=True):
    """Kaldi's default MFCC, each step by its definition."""
    length, shift = rate_hz * 25 // 1000, rate_hz * 10 // 1000
    num_fft = 2 ** int(np.ceil(np.log2(length)))
    i = np.arange(length)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * i / (length - 1))) ** 0.85  # povey

    def mel(hz):
        return 1127 * np.log(1 + hz / 700)

    left, right = mel(20.0), mel(rate_hz / 2)
    step = (right - left) / (num_bins + 1)
    points = mel(np.arange(num_fft // 2) * rate_hz / num_fft)
    centers = left + step * np.arange(1, num_bins + 1)[:, None]
    banks = np.maximum(0, 1 - np.abs(points - centers) / step)  # (num_bins, num_fft / 2): triangles in mel
    n, k = np.arange(num_bins), np.arange(num_ceps)[:, None]
    dct = np.sqrt(np.where(k == 0, 1, 2) / num_bins) * np.cos(np.pi * k * (n + 0.5) / num_bins)
    lift = 1 + 0.5 * lifter * np.sin(np.pi * np.arange(num_ceps) / lifter)
    out = []
    for start in range(0, len(samples) - length + 1, shift):
        x = samples[start : start + length].astype(np.float64) * 32768
        x = x - x.mean()
        energy = np.log((x**2).sum())
        x = x - 0.97 * np.concatenate([x[:1], x[:-1]])
        power = np.abs(np.fft.rfft(x * window, num_fft)[:-1]) ** 2
        ceps = lift * (dct @ np.log(banks @ power))
        out.append(np.concatenate([[energy], ceps[1:]]) if use_energy else ceps)
    return np.array(out)


@pytest.mark.parametrize("use_energy", [True, False])
@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_kaldi_preset_is_the_definition(rate_hz, use_energy):
    feats = compute_mfcc(sound(), MfccConfig(sample_rate_hz=rate_hz, use_energy=use_energy))
    np.testing.assert_allclose(feats, plain_mfcc(sound(), rate_hz, use_energy=use_energy), atol=2e-5)


@pytest.mark.parametrize("snip_edges", [True, False])
@pytest.mark.parametrize(("round_up", "num_fft"), [(True, 512), (False, 400)])
def test_librosa_preset_is_librosas(snip_edges, round_up, num_fft):
    import librosa

    config = MfccConfig(
        preset="librosa", snip_edges=snip_edges, round_to_power_of_two=round_up, num_ceps=12, cepstral_lifter=0.0,
        low_hz=60.0, high_hz=-400.0, num_mel_bins=30,
    )  # fmt: skip
    expected = librosa.feature.mfcc(
        y=sound(), sr=16000, n_mfcc=12, n_fft=num_fft, win_length=400, hop_length=160, n_mels=30, fmin=60, fmax=7600,
        center=not snip_edges,
    )  # fmt: skip
    feats = compute_mfcc(sound(), config)
    assert feats.dtype == np.float32 and feats.flags.c_contiguous
    np.testing.assert_allclose(feats, expected.T, atol=1e-4)
    lifted = compute_mfcc(sound(), dataclasses.replace(config, cepstral_lifter=22.0))
    assert np.abs(lifted - feats).max() > 1


def test_subtract_mean():
    feats = compute_mfcc(sound(), MfccConfig())
    np.testing.assert_allclose(
        compute_mfcc(sound(), MfccConfig(subtract_mean=True)), feats - feats.mean(axis=0), atol=1e-4
    )


@pytest.mark.parametrize("preset", ["kaldi", "librosa"])
def test_recordings_shorter_than_a_window_have_no_frames(preset):
    config = MfccConfig(preset=preset)
    window = 400 if preset == "kaldi" else 512
    for num_samples, num_frames in (
        (0, 0),
        (1, 0),
        (window - 1, 0),
        (window, 1),
        (window + 159, 1),
        (window + 160, 2),
    ):
        assert compute_mfcc(sound(num_samples), config).shape == (num_frames, 13)


def test_dither_is_reproducible_and_of_its_size():
    quiet = np.zeros(16000, np.float32)
    for size in (1.0, 3.0):
        config = MfccConfig(dither=size, window_type="rectangular")
        first = compute_mfcc(quiet, config)
        np.testing.assert_array_equal(compute_mfcc(quiet.copy(), config), first)
        assert np.exp(first[:, 0]).mean() / 400 == pytest.approx(size**2, rel=0.05)  # energy of 400 samples
    loud = compute_mfcc(sound(), MfccConfig(dither=1.0))
    assert 0 < np.abs(loud - compute_mfcc(sound(), MfccConfig())).mean() < 0.5
    other = compute_mfcc(quiet[:-1], MfccConfig(dither=1.0))  # another recording, another noise
    assert np.abs(other - compute_mfcc(quiet, MfccConfig(dither=1.0))[: len(other)]).max() > 0.1


# deltas and normalisation


def convolved(feats, order, window):
    """Deltas of one utterance by their definition, float64: convolutions, the ends repeated."""
    slope, scale, beyond = np.arange(-window, window + 1.0), np.ones(1), order * window
    columns = [feats]
    for _ in range(order):
        scale = np.convolve(scale, slope / (slope @ slope))
        x = np.pad(np.float64(feats), ((beyond, beyond), (0, 0)), "edge")
        whole = np.stack([np.correlate(column, scale, "same") for column in x.T], axis=1)
        columns.append(whole[beyond : beyond + len(feats)])
    return np.concatenate(columns, axis=1)


@pytest.mark.parametrize(("order", "window"), [(1, 1), (2, 2), (3, 2), (2, 9)])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_deltas_of_many_utterances_are_those_of_each(order, window, size):
    rng = np.random.default_rng(0)
    lengths = [*rng.integers(1, 60, 150).tolist(), 0, 1, 5000, 0, 2]
    some = [
        (size * rng.normal(rng.choice([0, 1000]), 1, (length, 3))).astype(np.float32) for length in lengths
    ]
    some[3][:, 1], some[4][:, 2], some[5][:] = some[3][0, 1], 0.0, some[5][0]
    some[6][:] = np.float32(size) * (
        1 + np.finfo(np.float32).eps * rng.integers(0, 2, some[6].shape)
    )  # rounding
    found = np.split(compute_deltas(np.concatenate(some), order, window, lengths), np.cumsum(lengths)[:-1])
    for x, own in zip(some, found, strict=True):
        assert own.tobytes() == compute_deltas(x, order, window).tobytes()
        if len(x):
            expected = convolved(x, order, window)
            if x is some[6]:
                expected[:, 3:] = 0.0
            np.testing.assert_allclose(own, expected, rtol=2**-23, atol=1e-12 * np.abs(x).max())
    assert not found[3][:, 4::3].any() and not found[4][:, 5::3].any() and not found[5][:, 3:].any()


@pytest.mark.skipif(not hasattr(knf, "compute_deltas"), reason="this kaldi-native-fbank has no deltas")
@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("window", [1, 2, 3])
@pytest.mark.parametrize("num_frames", [1, 2, 30])
def test_deltas_are_kaldis(order, window, num_frames):
    feats = RNG.normal(size=(num_frames, 4)).astype(np.float32)
    found = compute_deltas(feats, order, window)
    assert found.dtype == np.float32 and found.shape == (num_frames, 4 * (order + 1))
    np.testing.assert_allclose(
        found, knf.compute_deltas(knf.DeltaOptions(order=order, window=window), feats), atol=1e-5
    )


def test_deltas_by_hand():
    found = compute_deltas(np.array([[0], [1], [4], [9], [16]]), order=2, window=1)
    # (-1 0 1) / 2 and (1 0 -2 0 1) / 4, the ends repeated
    slope, bend = [0.5, 2, 4, 6, 3.5], [1, 1.75, 2, -0.25, -3]
    np.testing.assert_allclose(found, np.stack([[0, 1, 4, 9, 16], slope, bend], axis=1))


def test_statistics_are_kaldis():
    feats = RNG.normal(3, 2, size=(50, 4)).astype(np.float32)
    stats = cmvn_stats(feats)
    np.testing.assert_allclose(stats, [[*feats.sum(axis=0), 50], [*(feats**2).sum(axis=0), 0]], rtol=1e-5)
    np.testing.assert_allclose(cmvn_stats(feats[:20]) + cmvn_stats(feats[20:]), stats)
    other = RNG.normal(size=(7, 4))
    np.testing.assert_allclose(apply_cmvn(other, stats), other - feats.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(
        apply_cmvn(other, stats, True), (other - feats.mean(axis=0)) / feats.std(axis=0), atol=1e-5
    )


@pytest.mark.parametrize("norm_vars", [False, True])
def test_cmvn_of_an_utterance(norm_vars):
    feats = RNG.normal(5, [1, 10, 0.1], size=(80, 3)).astype(np.float32)
    found = transform(feats, TransformConfig(cmvn="utterance", norm_vars=norm_vars, delta_order=0))
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=0), 1 if norm_vars else feats.std(axis=0), rtol=1e-4)


def kaldi_sliding(feats, window, center, norm_vars, min_window):
    """Kaldi's SlidingWindowCmn, frame by frame."""
    out = np.empty(feats.shape)
    for t in range(len(feats)):
        start = t - window // 2 if center else t - window
        end = start + window if center else t + 1
        if start < 0:
            start, end = 0, end - start
        if not center and end > t:
            end = max(t + 1, min_window)
        if end > len(feats):
            start, end = max(0, start - (end - len(feats))), len(feats)
        part = feats[start:end].astype(np.float64)
        out[t] = feats[t] - part.mean(axis=0)
        if norm_vars:
            out[t] = 0 if len(part) == 1 else out[t] / np.sqrt(np.maximum(part.var(axis=0), 1e-10))
    return out


@pytest.mark.parametrize("norm_vars", [False, True])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize(
    "sizes", [(50, 10, 5), (50, 11, 3), (9, 20, 5), (30, 200, 100), (1, 5, 5), (40, 1, 1)]
)
def test_sliding_cmvn_is_kaldis(sizes, center, norm_vars):
    num_frames, window, min_window = sizes
    feats = RNG.normal(100, 3, size=(num_frames, 3)).astype(np.float32)
    found = sliding_cmvn(feats, window, center, norm_vars, min_window)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, kaldi_sliding(feats, window, center, norm_vars, min_window), atol=1e-4)


def test_transform_normalises_before_the_deltas():
    feats = RNG.normal(5, 3, size=(40, 3)).astype(np.float32)
    stats = cmvn_stats(RNG.normal(4, 2, size=(100, 3)))
    normalised = {
        "none": feats, "utterance": apply_cmvn(feats, cmvn_stats(feats), True),
        "speaker": apply_cmvn(feats, stats, True), "sliding": sliding_cmvn(feats, 10, False, True),
    }  # fmt: skip
    for cmvn, expected in normalised.items():
        config = TransformConfig(
            cmvn=cmvn, norm_vars=True, cmn_window=10, cmn_center=False, delta_order=1, delta_window=3
        )
        found = transform(feats, config, stats)
        np.testing.assert_array_equal(found, compute_deltas(expected, 1, 3))
        assert transform(feats[:0], config, stats).shape == (0, 6)
    config = TransformConfig(cmvn="speaker")  # an unknown speaker is known by this utterance alone
    np.testing.assert_array_equal(
        transform(feats, config), transform(feats, dataclasses.replace(config, cmvn="utterance"))
    )


# settings


def test_front_end_says_what_differs():
    own = FrontEnd(13, MfccConfig(), TransformConfig())
    assert own.difference(13, MfccConfig()) is None
    given = FrontEnd(13, GivenFeatures(), TransformConfig())
    assert given.difference(13, GivenFeatures()) is None
    assert own.difference(13, GivenFeatures()).startswith(
        "how the model's were made is known, how these were is not"
    )
    assert given.difference(13, MfccConfig()).startswith(
        "how these were made is known, how the model's were is not"
    )
    assert given.difference(39, GivenFeatures()) == "dimension is 39, the model's is 13"
    other = MfccConfig(preset="librosa", dither=1.0)
    assert (
        own.difference(13, other)
        == "dither is 1.0, the model's is 0.0, preset is librosa, the model's is kaldi"
    )


@pytest.mark.parametrize("kind", [GivenFeatures(), MfccConfig(low_hz=64.0, snip_edges=False)])
def test_front_end_survives_json(kind):
    own = FrontEnd(
        13,
        kind,
        TransformConfig(cmvn="sliding", cmn_window=50),
        EndpointConfig(padding_ms=9.0) if kind.hears else None,
    )
    values = json.loads(json.dumps(own.to_dict()))
    assert FrontEnd.from_dict(values) == own
    values["transform"]["cmn_windo"] = 1
    with pytest.raises(ValueError, match=r"'cmn_windo' \(did you mean cmn_window\?\)"):
        FrontEnd.from_dict(values)


IMPOSSIBLE = {
    "--num-ceps=24": {"num_ceps": 24}, "--num-ceps=0": {"num_ceps": 0}, "--sample-frequency=0": {"sample_rate_hz": 0},
    "--frame-length=0": {"frame_length_ms": 0.0}, "--frame-length=nan": {"frame_length_ms": float("nan")},
    "--frame-length=inf": {"frame_length_ms": float("inf")}, "--frame-length=0.05": {"frame_length_ms": 0.05},
    "--frame-shift=-10": {"frame_shift_ms": -10.0}, "--frame-shift=0.01": {"frame_shift_ms": 0.01},
    "--num-mel-bins=2 ": {"num_mel_bins": 2, "num_ceps": 2}, "--num-mel-bins=200": {"num_mel_bins": 200},
    "--num-mel-bins=23 are .* for --frame-length=2": {"frame_length_ms": 2.0},
    "--round-to-power-of-two=false": {"round_to_power_of_two": False, "sample_rate_hz": 11025}, "--low-freq=-1": {"low_hz": -1.0},
    "--low-freq=4000": {"low_hz": 4000.0, "high_hz": 3000.0}, "--low-freq=nan": {"low_hz": float("nan")},
    "--high-freq=9000": {"high_hz": 9000.0}, "--high-freq=-8000": {"high_hz": -8000.0}, "--dither=-1": {"dither": -1.0},
    "--dither=inf": {"dither": float("inf")}, "--window-type=gauss": {"window_type": "gauss"}, "--preset=htk": {"preset": "htk"},
    "--cmvn=mean": {"cmvn": "mean"}, "--delta-order": {"delta_order": -1}, "--delta-window": {"delta_window": 0},
    "--cmn-window": {"cmn_window": 0},
}  # fmt: skip


@pytest.mark.parametrize(("flag", "settings"), IMPOSSIBLE.items(), ids=IMPOSSIBLE)
def test_impossible_settings_name_their_flag(flag, settings):
    config_class = TransformConfig if set(settings) <= set(vars(TransformConfig())) else MfccConfig
    with pytest.raises(SettingsError) as caught:
        config_class(**settings)
    assert re.search(flag, in_flags(str(caught.value), flags_of(config_class)))
    assert isinstance(caught.value, ValueError)


# the course's features


@pytest.mark.skipif(not COURSE.exists(), reason=f"{COURSE} is not here")
@pytest.mark.parametrize("use_energy", [True, False])
def test_kaldi_preset_of_the_course_recordings(use_energy):
    base, settings = COURSE / "test", {"sample_rate_hz": 8000, "use_energy": use_energy}
    for path in read_table(base / "wav.scp").values():
        samples, _ = read_audio(path, rate=8000, base=base)
        np.testing.assert_allclose(
            compute_mfcc(samples, MfccConfig(**settings)), kaldi_mfcc(samples, settings), atol=2e-3
        )


@pytest.mark.skipif(not COURSE.exists(), reason=f"{COURSE} is not here")
def test_course_features():
    """The course dithered at random; without dither its features come back within that noise."""
    config, base = MfccConfig(sample_rate_hz=8000, use_energy=False, subtract_mean=True), COURSE / "test"
    wav, scp = read_table(base / "wav.scp"), read_table(base / "feats.scp")
    sums, count = np.zeros(39), 0
    for utt, spec in scp.items():
        samples, _ = read_audio(wav[utt], rate=8000, base=base)
        feats, given = (
            transform(compute_mfcc(samples, config), TransformConfig()),
            read_matrix(spec, base=base),
        )
        assert feats.shape == given.shape
        sums, count = sums + np.abs(feats - given).sum(axis=0), count + len(feats)
    statics, *slopes = (sums / count).reshape(3, 13).mean(axis=1)
    assert len(scp) == 110 and statics < 0.3 and max(slopes) < 0.1
