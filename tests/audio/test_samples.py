"""asrkit.audio.samples: arrays from Python on one scale."""

import numpy as np
import pytest

from asrkit.audio.samples import MAX_RATE_HZ, MIN_RATE_HZ, check_rate, check_samples, resample
from asrkit.errors import DataError

SOUND = np.random.default_rng(0).uniform(-1, 1, 999)


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<i4", ">i4", "u1", "<f2", "<f4", ">f4", "<f8", "g"])
def test_every_type_comes_to_one_scale(dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        held, step = SOUND.astype(dtype), np.finfo(dtype).eps
    else:
        step = 2.0 ** (1 - 8 * dtype.itemsize)
        held = (np.round(SOUND / step).clip(-1 / step, 1 / step - 1) + (dtype.kind == "u") * 128).astype(
            dtype
        )
    held.flags.writeable = False
    before = held.tobytes()
    found = check_samples(held)
    assert found.dtype == np.float32 and found.flags.c_contiguous and held.tobytes() == before
    np.testing.assert_allclose(found, SOUND, atol=max(step, 1e-7))
    np.testing.assert_array_equal(check_samples(np.repeat(held, 2)[::2]), found)
    np.testing.assert_array_equal(check_samples(held[::-1]), found[::-1])


@pytest.mark.parametrize("dtype", ["i2", "i4", "u1"])
def test_the_whole_range_is_from_minus_one_to_below_one(dtype):
    about = np.iinfo(dtype)
    low, high = check_samples(np.array([about.min, about.max], dtype=dtype))
    assert low == -1 and 1 - 2.0 ** (2 - 8 * np.dtype(dtype).itemsize) <= high <= 1


@pytest.mark.parametrize("samples, message", [
    ([0.1], r"it is \[0.1\] \(list\), it should be a numpy array of samples, \(N,\): np.asarray makes one of a list"),
    (0.1, "it is 0.1 .float., it should be a numpy array"),
    (np.float64(0.1), "it is np.float64.0.1. .float64., it should be a numpy array"),
    (np.zeros((3, 2)), r"it has shape \(3, 2\), it should be one channel, \(N,\), such as \[:, 0\] of it"),
    (np.array(0.1), r"it has shape \(\), it should be one channel, \(N,\)$"),
    (np.zeros(0), "it is empty, it should hold a recording"),
    (np.array([0, np.nan, np.inf]), "it holds 2 NaN or infinite values, it should hold none"),
    (np.array([0, -32768.0]), "it reaches 32768 times full scale, .*: divide by 32768 if these are 16-bit values"),
    (np.array([1e308, -1e308]), "it reaches 1e.308 times full scale"),
    (np.array([0, 32768], dtype="i4"), r"it is an array of int32 within 16 bit, .*: .astype\(np.int16\)"),
    (np.arange(9), "it is an array of int64, it should be one of floats in .*, or of int16, int32, uint8 over their range"),
    *[(np.zeros(9, dtype), f"it is an array of {dtype}, it should be") for dtype in ("int8", "uint16", "bool", "complex64")],
    (np.array(["a"]), "it is an array of <U1, it should be"),
    (np.array([0.1, None]), "it is an array of object, it should be"),
    (np.ma.masked_array(SOUND), "it is a masked array, it should be one without a mask"),
], ids=lambda value: type(value).__name__)  # fmt: skip
def test_what_is_refused_and_why(samples, message):
    with pytest.raises(DataError, match=f"^{message}"):
        check_samples(samples, "it")


def test_silence_of_integers_is_no_other_scale():
    np.testing.assert_array_equal(check_samples(np.zeros(9, dtype="i4")), np.zeros(9))


@pytest.mark.parametrize("rate_hz", [MIN_RATE_HZ, 8000.0, np.int16(8000), np.float32(44100), MAX_RATE_HZ])
def test_rates(rate_hz):
    assert check_rate(rate_hz) == rate_hz and type(check_rate(rate_hz)) is int


@pytest.mark.parametrize("rate_hz", [None, 0, -8000, MIN_RATE_HZ - 1, MAX_RATE_HZ + 1, 10**400, 8000.5, np.nan, -np.inf, 1e300,
                                     "8000", True, np.bool_(True), [8000], np.array([8000]), 8000j])  # fmt: skip
def test_what_is_no_rate(rate_hz):
    with pytest.raises(
        DataError, match="^rate_hz is .* it should be (the samples a second|a whole number from 1000)"
    ):
        check_rate(rate_hz)


def test_resampling_keeps_a_tone():
    t = np.arange(8000) / 8000
    tone = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    assert resample(tone, 8000, 8000) is tone
    up = resample(tone, 8000, 16000)
    assert up.dtype == np.float32 and len(up) == 16000
    np.testing.assert_allclose(
        up[500:-500], np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)[500:-500], atol=1e-3
    )
