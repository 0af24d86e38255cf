"""Features of many recordings at a time: what each frame's definition gives in float64, whatever else is computed beside it."""

import numpy as np
import pytest

from asrkit.features.frontend import LARGEST, SMALLEST, unusable, why_unusable
from asrkit.features.kinds.fbank import FbankConfig
from asrkit.features.kinds.mfcc import MfccConfig, cosines
from asrkit.features.mel import BLOCK, EPSILON, tables
from asrkit.runtime import one_thread

RATE_HZ = 8000
KINDS = {
    "mfcc": MfccConfig(RATE_HZ),
    "no energy": MfccConfig(RATE_HZ, use_energy=False),
    "dithered": MfccConfig(RATE_HZ, dither=1.0),
    "htk": MfccConfig(RATE_HZ, raw_energy=False, htk_compat=True, window_type="hamming", subtract_mean=True),
    "offset kept": MfccConfig(RATE_HZ, remove_dc_offset=False, preemphasis=0.0),
    "edges": MfccConfig(RATE_HZ, snip_edges=False),
    "apart": MfccConfig(RATE_HZ, frame_shift_ms=40.0, round_to_power_of_two=False),
    "uneven": MfccConfig(RATE_HZ, frame_shift_ms=7.0, snip_edges=False),
    "fbank": FbankConfig(RATE_HZ, use_energy=True),
    "magnitudes": FbankConfig(RATE_HZ, use_power=False, use_log_fbank=False),
}
T = np.arange(4000)
RNG = np.random.default_rng(0)
# on the scale of int16
SIGNALS = {
    "noise": RNG.normal(0, 1000, 4000).round(),
    "silence": np.zeros(4000),
    "least noise": RNG.integers(0, 2, 4000),
    "least noise far from zero": 32766 + RNG.integers(0, 2, 4000),
    "square": np.where(T // 20 % 2, 32767, -32768),  # of most lines of its spectrum nothing is there
    "tone": (32767 * np.sin(2 * np.pi * 1000 * T / RATE_HZ)).round(),
    "a step": np.where(T < 1999, -32768, 32767),
    "offset and silence": np.where(T < 1500, 12345, 0),
    "slope": T * 8.0 - 16000,
    "ten times full scale": RNG.normal(0, 60000, 4000),
    "hardly anything": RNG.normal(0, 1e-3, 4000) + 500,
    "one click": (T == 2000) * 32767,
}


def sound(signal):
    return (np.asarray(signal) / 32768).astype(np.float32)


def by_definition(samples, config):
    """Each frame by itself, in float64: as the HTK book and Kaldi have it."""
    t, x = tables(config), samples.astype(np.float64) * 32768
    first, count = 0, max(0, (len(x) - t.length) // t.shift + 1)
    if not config.snip_edges:
        first, count = t.shift // 2 - t.length // 2, (len(x) + t.shift // 2) // t.shift
    mirrored = np.concatenate([x, x[::-1]])
    out = []
    for k in range(count):
        frame = mirrored[(first + k * t.shift + np.arange(t.length)) % len(mirrored)]
        if config.remove_dc_offset:
            frame = frame - frame.mean()
        raw = frame @ frame
        before = np.concatenate([frame[:1], frame[:-1]])
        frame = (frame - config.preemphasis * before) * t.window
        energy = np.log(max(raw if config.raw_energy else frame @ frame, EPSILON))
        lines = np.abs(np.fft.rfft(frame, t.num_fft))
        row = lines ** (2 if getattr(config, "use_power", True) else 1) @ t.filters[::2]
        if getattr(config, "use_log_fbank", True):
            row = np.log(np.maximum(row, EPSILON))
        if isinstance(config, MfccConfig):
            row = row @ cosines(config)
            if config.use_energy:
                row[-1 if config.htk_compat else 0] = energy
        elif config.use_energy:
            row = np.append(energy, row)
        out.append(row)
    return np.array(out) - (np.mean(out, axis=0) if config.subtract_mean else 0)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("name", [name for name in KINDS if not KINDS[name].dither])
def test_they_are_what_the_definition_says(name, signal):
    config, samples = KINDS[name], sound(SIGNALS[signal])
    expected = by_definition(samples, config)
    np.testing.assert_allclose(config.compute(samples), expected, rtol=3e-7, atol=5e-5)


@pytest.mark.bytes
@pytest.mark.parametrize("name", KINDS)
def test_neighbours_change_no_byte(name):
    config, rng = KINDS[name], np.random.default_rng(1)
    shift = tables(config).shift
    longest = 2 * BLOCK * shift + 1000
    counts = [0, 1, 199, 200, 201, BLOCK * shift + 120, longest, *rng.integers(0, 6000, 30).tolist()]
    recordings = [rng.normal(0, 0.1, count).astype(np.float32) for count in counts]
    with one_thread():
        alone = [config.compute(samples).tobytes() for samples in recordings]
        for size in (2, 7, len(recordings)):
            order = rng.permutation(len(recordings)).tolist()
            for start in range(0, len(order), size):
                some = order[start : start + size]
                found = config.compute_many([recordings[place] for place in some])
                assert [own.tobytes() for own in found] == [alone[place] for place in some]
    assert config.compute_many([]) == []


@pytest.mark.bytes
def test_a_frame_does_not_know_where_it_stands():
    config = KINDS["mfcc"]
    samples = np.random.default_rng(2).normal(0, 0.1, 80 * 3 * BLOCK).astype(np.float32)
    with one_thread():
        whole = config.compute(samples)
        for first in (1, 2, 3, 5, BLOCK - 1, BLOCK + 1):
            np.testing.assert_array_equal(config.compute(samples[80 * first :]), whole[first:])


MATRICES = {
    "fine": np.ones((3, 2), np.float32),
    "zeros": np.zeros((1, 2), np.float32),
    "NaN": np.array([[1, np.nan], [2, 3]], np.float32),
    "infinite": np.array([[1, -np.inf]], np.float32),
    "large": np.array([[-2 * LARGEST, 0]], np.float32),
    "small": np.array([[0, SMALLEST / 2]], np.float32),
    "small and not": np.array([[1, SMALLEST / 2]], np.float32),
}
EMPTY = {"no frames": np.zeros((0, 2)), "no dimensions": np.zeros((2, 0)), "a vector": np.ones(3)}


def test_what_can_not_be_used_of_many_is_what_can_not_be_used_of_one():
    for some in (MATRICES, MATRICES | EMPTY, {}, {"fine": MATRICES["fine"]}):
        each = list(some.values())
        for order in (each, each[::-1]):
            assert why_unusable(order) == [unusable(feats) for feats in order]
    assert sum(reason is not None for reason in why_unusable(list(MATRICES.values()))) == 4
