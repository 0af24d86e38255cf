"""Samples that come from Python, checked: arrays of one channel, float32 in [-1, 1), at the rate that is wanted."""

import logging
import sys
from collections.abc import Callable

import numpy as np

from asrkit.errors import DataError, told

MIN_RATE_HZ, MAX_RATE_HZ = 1000, 10_000_000
WARN_FULL_SCALES = 2  # float samples of so many times full scale are hardly meant so
FULL_SCALES = 10  # and these are of another scale
OTHER_SCALE = "divide by 32768 if these are 16-bit values, and write it anew"
INTEGERS = {("i", 2): "int16", ("i", 4): "int32", ("u", 1): "uint8"}  # as in WAV

log = logging.getLogger("asrkit")


def check_samples(
    samples: np.ndarray, name: str = "samples", on_loud: Callable[[float], object] | None = None
) -> np.ndarray:
    """Check one channel of sound and bring it to float32 (N,) in [-1, 1).

    Parameters
    ----------
    samples : (N,)
        Floats in [-1, 1), or integers over the whole range of their type: int16, int32, uint8 as in WAV.
    name : str
        What errors call it.
    on_loud : callable, optional
        Called with the largest sample in times of full scale where it is 2 or more, in place of the warning.

    Raises
    ------
    DataError
        It is no array of one dimension, is empty, holds NaN or infinite values, or is not on that scale.

    Examples
    --------
    >>> import numpy as np
    >>> check_samples(np.array([0, 16384, -32768], dtype=np.int16)).tolist()
    [0.0, 0.5, -1.0]
    """
    if not isinstance(samples, np.ndarray):
        raise DataError(
            f"{name} is {told(samples)}, it should be a numpy array of samples, (N,): np.asarray makes one of a list"
        )
    if "numpy.ma" in sys.modules and isinstance(samples, np.ma.MaskedArray):  # slow to import, so never first
        raise DataError(f"{name} is a masked array, it should be one without a mask: .filled(0)")
    if samples.ndim != 1:
        one = ", such as [:, 0] of it" if samples.ndim == 2 else ""
        raise DataError(f"{name} has shape {samples.shape}, it should be one channel, (N,){one}")
    dtype = samples.dtype
    if dtype.kind != "f" and (dtype.kind, dtype.itemsize) not in INTEGERS:
        raise DataError(
            f"{name} is an array of {dtype}, it should be one of floats in [-1, 1), or of {', '.join(INTEGERS.values())} "
            f"over their range"
        )
    if not len(samples):
        raise DataError(f"{name} is empty, it should hold a recording")
    if dtype.kind != "f":
        return _of_integers(samples, name)
    peak = np.abs(samples).max()  # NaN if any sample is
    if not np.isfinite(peak):
        raise DataError(
            f"{name} holds {np.sum(~np.isfinite(samples))} NaN or infinite values, it should hold none"
        )
    if peak >= FULL_SCALES:
        raise DataError(
            f"{name} reaches {peak:g} times full scale, it should lie in [-1, 1): divide by 32768 if these are 16-bit values"
        )
    if peak >= WARN_FULL_SCALES:
        if on_loud:
            on_loud(float(peak))
        else:
            log.warning("%s reaches %g times full scale, it should lie in [-1, 1)", name, peak)
    return np.ascontiguousarray(samples, dtype=np.float32)


def _of_integers(samples: np.ndarray, name: str) -> np.ndarray:
    if samples.dtype.itemsize == 4 and 0 < max(abs(int(samples.min())), int(samples.max())) <= 32768:
        raise DataError(
            f"{name} is an array of {samples.dtype} within 16 bit, it should fill its 32: .astype(np.int16) "
            f"if these are 16-bit values"
        )
    middle, half = (128, 128) if samples.dtype.kind == "u" else (0, 2 ** (8 * samples.dtype.itemsize - 1))
    return ((samples.astype(np.float64) - middle) / half).astype(np.float32)


def check_rate(rate_hz: float | None, name: str = "rate_hz") -> int:
    """Check a sampling rate: a whole number of Hz, from 1000 to ten million.

    Raises
    ------
    DataError
        It is missing, no number, or no rate for speech.
    """
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, (int, float, np.integer, np.floating)):
        raise DataError(f"{name} is {told(rate_hz)}, it should be the samples a second, such as 16000")
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ or rate_hz != int(rate_hz):
        raise DataError(
            f"{name} is {rate_hz}, no rate for speech, it should be a whole number from {MIN_RATE_HZ} to {MAX_RATE_HZ}"
        )
    return int(rate_hz)


def resample(samples: np.ndarray, rate_hz: int, wanted_hz: int) -> np.ndarray:
    """Resample float32 (N,) from one rate to another."""
    if rate_hz == wanted_hz:
        return samples
    import soxr  # late: needed here only

    return soxr.resample(samples, rate_hz, wanted_hz)
