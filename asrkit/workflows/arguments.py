"""Check what a Python user gives: paths, numbers, features, recordings. What can't be used is an AsrkitError that says which
argument, what it was and what it should be.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, TypeGuard

import numpy as np

from asrkit.audio.endpoint import EndpointConfig
from asrkit.audio.samples import check_rate, check_samples, resample
from asrkit.characters import WORD_BYTES
from asrkit.config import PathLike, from_dict
from asrkit.errors import DataError, SettingsError, told
from asrkit.evaluation.texts import is_word
from asrkit.features import kind as kinds
from asrkit.features.frontend import unusable
from asrkit.features.kind import FeatureKind
from asrkit.io.audio import read_audio
from asrkit.io.pipes import is_pipe
from asrkit.io.places import as_path, is_url
from asrkit.io.remarks import Remarks

Recording = PathLike | IO[bytes] | np.ndarray | tuple[np.ndarray, int]

HIGHEST_HZ = 16000  # of features whose settings leave the rate open
WORD = f"a str without white space, or of words with one blank between, in UTF-8 at most {WORD_BYTES} bytes"
RECORDING = "a path, a binary file, a numpy array of samples, or (samples, rate_hz)"


def is_vocabulary_word(value: Any) -> bool:
    """Whether a model file can hold it."""
    if not is_word(value):
        return False
    try:
        return len(value.encode()) <= WORD_BYTES
    except UnicodeEncodeError:
        return False


def check_path(value: Any, name: str, wanted: str = "a path") -> Path:
    """Refuse, by a DataError, what can't be a path; whether it leads anywhere is for its reader to say."""
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise DataError(f"{name} is {told(value)}, it should be {wanted}")
    if is_url(path):
        return as_path(path)
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{name} is {told(value)}: {reason}; it should be {wanted}") from None
    return as_path(path)


def check_count(value: Any, name: str, minimum: int = 0) -> int:
    """Refuse, by a SettingsError, what is no whole number from `minimum`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise SettingsError(f"{name}={value!r} is no int")
    if value < minimum:
        raise SettingsError(f"{name}={value} is less than {minimum}")
    return int(value)


def check_flag(value: Any, name: str) -> bool:
    """Refuse, by a SettingsError, what is neither true nor false."""
    if not isinstance(value, (bool, np.bool_)):
        raise SettingsError(f"{name}={value!r} is no bool")
    return bool(value)


def check_auto(value: Any, name: str) -> bool | None:
    """Refuse, by a SettingsError, what is neither true nor false nor None, which leaves it to the data."""
    return None if value is None else check_flag(value, name)


def check_endpoint(value: Any, name: str) -> EndpointConfig | None:
    """Give the settings of the endpoint detection: those given, the default ones for true, None for false or None."""
    if value is None or isinstance(value, EndpointConfig):
        return value
    if not isinstance(value, (bool, np.bool_)):
        raise SettingsError(f"{name}={value!r} is neither a bool nor an EndpointConfig")
    return EndpointConfig() if value else None


def check_kind(name: Any, parameter: str) -> type[FeatureKind]:
    """Give the kind of features of that name; a SettingsError where it can't be made of recordings."""
    kind = kinds.load(name) if isinstance(name, str) and name in kinds.names() else None
    if kind is None or not kind.hears:
        able = [known for known in kinds.names() if kinds.load(known).hears]
        raise SettingsError(f"{parameter}={name!r} is none of {', '.join(able)}")
    return kind


def make_kind(kind: type[FeatureKind], settings: Mapping[str, Any], lowest_hz: int | None) -> FeatureKind:
    """Make it of its settings; where these leave the rate open it is that of the recordings, the lowest of theirs."""
    rate = {} if lowest_hz is None else {"sample_rate_hz": min(HIGHEST_HZ, lowest_hz)}
    known = {field.name for field in fields(kind)}
    return from_dict(kind, {**{name: hz for name, hz in rate.items() if name in known}, **settings})


def check_feats(feats: Any, name: str, dim: int | None = None) -> np.ndarray:
    """Refuse, by a DataError, what is no matrix of finite numbers, (T, dim); the others as float32."""
    wanted = f"a numpy array of floats (frames, {dim or 'dims'})"
    if not isinstance(feats, np.ndarray) or isinstance(feats, np.ma.MaskedArray):
        raise DataError(f"{name} is {told(feats)}, it should be {wanted}")
    if feats.dtype.kind not in "fiu":
        raise DataError(f"{name} is an array of {feats.dtype}, it should be {wanted}")
    if feats.ndim != 2 or (dim is not None and feats.shape[1] != dim):
        raise DataError(f"{name} has shape {feats.shape}, it should be {wanted}")
    with np.errstate(over="ignore"):
        feats = np.ascontiguousarray(feats, dtype=np.float32)
    reason = unusable(feats)
    if reason:
        raise DataError(f"{name}: {reason}; it should be {wanted}, all of them finite")
    return feats


def is_path(recording: Any) -> TypeGuard[PathLike]:
    return isinstance(recording, (str, os.PathLike))


def is_array(recording: Any) -> bool:
    """Whether a recording's samples are in memory."""
    return isinstance(recording, (np.ndarray, tuple))


def check_recording(recording: Any, name: str, rate_hz: Any = None) -> None:
    """Refuse, by a DataError, what is no recording, or an array of no known rate; what it holds is not looked at."""
    if is_array(recording):
        if isinstance(recording, tuple):
            if len(recording) != 2 or not isinstance(recording[0], np.ndarray):
                raise DataError(f"{name} is {told(recording)}, it should be {RECORDING}")
            rate_hz = recording[1]
        check_rate(rate_hz, "rate_hz" if isinstance(recording, np.ndarray) else f"the rate of {name}")
    elif is_path(recording):
        path = check_path(recording, name, RECORDING)
        if is_pipe(str(path)):
            raise DataError(f"{name} is {told(recording)}, a shell command; it should be {RECORDING}")
    elif not callable(getattr(recording, "read", None)):
        raise DataError(f"{name} is {told(recording)}, it should be {RECORDING}")


def read_recording(
    recording: Any,
    name: str,
    rate_hz: Any = None,
    *,
    wanted_hz: int | None = None,
    channel: int = 0,
    strict: bool = False,
    on_remarks: Callable[[Remarks], object] | None = None,
) -> tuple[np.ndarray, int]:
    """Read one channel of whatever is a recording.

    Parameters
    ----------
    recording : path, binary file, (N,) array, or pair of an array and its rate
    name : str
        What errors call it.
    rate_hz : int, optional
        Samples a second of an array without a rate of its own.
    wanted_hz : int, optional
        Resample to this rate.
    channel, strict
        Of files with several channels.
    on_remarks : callable, optional
        Called with the Remarks of a recording that is odd, in place of the warnings.

    Returns
    -------
    samples : numpy.ndarray
        float32 (N,), in [-1, 1).
    own_hz : int
        Samples a second, as it was recorded.

    Raises
    ------
    DataError
        It is no recording, or can't be read.
    """
    check_recording(recording, name, rate_hz)
    if not is_array(recording):
        return read_audio(
            recording, rate=wanted_hz, channel=channel, strict=strict, name=name, on_remarks=on_remarks
        )
    if isinstance(recording, tuple):
        recording, rate_hz = recording

    def on_loud(peak: float) -> None:
        assert on_remarks is not None
        on_remarks(Remarks(peak=peak))

    samples, own_hz = check_samples(recording, name, on_loud if on_remarks else None), int(rate_hz)
    return samples if wanted_hz is None else resample(samples, own_hz, wanted_hz), own_hz
