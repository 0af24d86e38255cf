"""Recordings that come over the network: bytes in, samples out, no more of them than is wanted."""

import io

import numpy as np

from asrkit.audio.samples import check_rate, check_samples
from asrkit.errors import DataError
from asrkit.io.containers import decode_blocks
from asrkit.web.limits import Refused

BLOCK = 1 << 16  # samples that are decoded at a time
NAME = "the recording"


def read_sound(data: bytes | bytearray, most_s: float, name: str = NAME) -> tuple[np.ndarray, int]:
    """Decode a recording that libsndfile reads; its first channel.

    Only libsndfile: what it does not know (m4a, webm, ...) the page decodes itself, in the browser's sandbox.

    Parameters
    ----------
    data : bytes
    most_s : float
        How long it may last; decoding ends there, whatever its header announces.

    Returns
    -------
    samples : numpy.ndarray
        float32 (N,) in [-1, 1).
    rate_hz : int

    Raises
    ------
    Refused
        400: nothing came; 415: it is no sound; 413: it lasts too long; 422: it is damaged, or not to be heard.
    """
    if not data:
        raise Refused(400, f"{name}: empty, 0 bytes (send a recording)")
    pieces = decode_blocks(io.BytesIO(data), data, name, BLOCK)
    try:
        rate_hz = next(pieces)
    except DataError as error:
        raise Refused(415, str(error)) from None
    blocks, count = [], 0
    try:
        for block in pieces:
            blocks.append(np.ascontiguousarray(block[:, 0]))
            count += len(block)
            if count > most_s * rate_hz:
                raise Refused(413, f"{name}: longer than {most_s:g} s (a recording is of one word)")
        samples = np.concatenate(blocks)
        if not count:
            raise Refused(422, f"{name}: 0 samples (record it again)")
        return check_samples(samples, name), rate_hz
    except Refused:
        raise
    except DataError as error:
        raise Refused(422, str(error)) from None


def from_pcm(data: bytes) -> np.ndarray:
    """Make float32 samples in [-1, 1) of 16-bit little-endian ones; a Refused, 422, where half a sample is left over."""
    if len(data) % 2:
        raise Refused(422, f"{len(data)} bytes, half a sample is left over (send 16-bit samples)")
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(2**15)


def checked_rate(value: object) -> int:
    """Refuse, 422, what is no rate of a stream."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DataError(f"rate is {value!r:.40}, it should be a number (samples a second)")
        return check_rate(value)
    except DataError as error:
        raise Refused(422, str(error)) from None
