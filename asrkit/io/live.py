"""Sound that is still coming, block by block: raw PCM or WAV from a pipe, a microphone. Blocks are float32 (N,) of one channel."""

import contextlib
import logging
import struct
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from asrkit.distribution import missing_extra
from asrkit.errors import DataError

BLOCK_S = 0.02  # of a microphone: what a word waits for at the most
CHUNK = 1 << 16  # bytes that are taken of a pipe at a time, if there are so many
# By what `--format` calls them, as `arecord -f` and `sox -e` do in their ways: numpy's type, zero, full scale
FORMATS = {"s16": ("<i2", 0, 2**15), "s32": ("<i4", 0, 2**31), "u8": ("u1", 128, 128), "f32": ("<f4", 0, 1)}
MOST_HEADER = 1 << 20  # bytes of a WAV before its samples
UNKNOWN_SIZE = (
    0x7FFF0000  # bytes from which on a writer did not know how many would come (or 0): sox, arecord, ffmpeg
)

log = logging.getLogger("asrkit")


def pcm_blocks(
    stream: IO[bytes],
    rate_hz: int,
    form: str = "s16",
    channels: int = 1,
    channel: int = 0,
    name: str = "stdin",
) -> tuple[Iterator[np.ndarray], int]:
    """Read samples from a pipe as they come.

    Parameters
    ----------
    stream : binary file
        Raw little-endian samples, channels interleaved; or a WAV, whose header then says all that the next three say.
    rate_hz : int
    form : str
        Of `FORMATS`.
    channels, channel : int
        How many there are, and which is heard.
    name : str
        What errors call it.

    Returns
    -------
    blocks : iterator of numpy.ndarray
    rate_hz : int
        As it is: the header's.

    Raises
    ------
    DataError
        The header is of a WAV that holds other than plain samples, or there is no such channel.
    """
    head, size = _read(stream, 4, name), None
    if head == b"RIFF":
        rate_hz, form, channels, size = _wav_header(stream, name)
        head = b""
    if not 0 <= channel < channels:
        raise DataError(f"{name}: channel {channel} asked for, but it has {channels} (count starts at 0)")
    if channels > 1 and not head:
        log.warning("%s: %d channels, channel %d is used (channel= takes another)", name, channels, channel)
    return _pcm(stream, head, size, form, channels, channel, name), rate_hz


def _pcm(stream, rest, size, form, channels, channel, name):
    """Samples of `rest` and of what comes behind it: of so many bytes, or to the end where `size` is None."""
    dtype, zero, full = FORMATS[form]
    width = np.dtype(dtype).itemsize * channels
    take = getattr(stream, "read1", stream.read)  # what is there, without waiting for more
    more, came = True, False
    while more:
        whole = len(rest) // width * width
        samples, rest = np.frombuffer(rest[:whole], dtype).reshape(-1, channels)[:, channel], rest[whole:]
        if len(samples):
            came = True
            yield ((samples.astype(np.float32) - zero) / full).astype(np.float32)
        with _reading(name):
            more = take(CHUNK if size is None else min(CHUNK, size))
        rest += more
        if size is not None:
            size -= len(more)
    if size is not None:
        _read_away(stream, name)
    if not came:
        log.warning("%s: ended before a sample came (does what writes into the pipe run?)", name)
    if rest:
        log.warning("%s: ended in the middle of a sample: %d bytes are left out", name, len(rest))


def _read_away(stream, name):
    """Take what a WAV holds behind its samples, so that who writes it is not told of a broken pipe."""
    with _reading(name):
        while stream.read(CHUNK):
            pass


@contextlib.contextmanager
def _reading(name):
    try:
        yield
    except (OSError, ValueError) as error:
        raise DataError(f"{name}: cannot be read: {error}") from None


def _read(stream, size, name):
    """`size` bytes, or what there is at the end."""
    data = b""
    while len(data) < size:
        with _reading(name):
            more = stream.read(size - len(data))
        if not more:
            break
        data += more
    return data


def _wav_header(stream, name):
    """Rate, format, channels and bytes of the samples of a WAV whose first four bytes are read already; its samples come next. The
    bytes are None where the writer did not know them.
    """
    left, found = MOST_HEADER, None
    if _read(stream, 8, name)[4:] != b"WAVE":
        raise DataError(f"{name}: begins like a WAV, but is none (send raw samples, or a WAV)")
    while left > 0:
        chunk = _read(stream, 8, name)
        if len(chunk) < 8:
            raise DataError(f"{name}: a WAV that ends before its samples")
        kind, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if kind == b"data" and found:
            return (*found, size if 0 < size < UNKNOWN_SIZE else None)
        size = min(size + size % 2, left + 1)
        left -= size
        body = _read(stream, size, name)
        if kind == b"fmt " and len(body) >= 16:
            found = _wav_format(body, name)
    raise DataError(f"{name}: a WAV without samples")


def _wav_format(body, name):
    code, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if code == 0xFFFE and len(body) >= 26:  # extensible: the code stands further behind
        code = struct.unpack("<H", body[24:26])[0]
    form = {(1, 8): "u8", (1, 16): "s16", (1, 32): "s32", (3, 32): "f32"}.get((code, bits))
    if form is None or not channels or not 1000 <= rate_hz <= 10_000_000:
        raise DataError(
            f"{name}: a WAV of format {code} with {bits} bits, {channels} channels at {rate_hz} Hz, which is not read from "
            f"a pipe (send 16-bit samples: arecord -f S16_LE, sox -b 16)"
        )
    return rate_hz, form, channels


def microphone_blocks(rate_hz: int, device: str = "", channel: int = 0) -> tuple[Iterator[np.ndarray], int]:
    """Record from a microphone.

    Parameters
    ----------
    rate_hz : int
        Wanted; a device that can't gives its own.
    device : str
        Its number, or a part of its name; empty for the default one.
    channel : int

    Returns
    -------
    blocks : iterator of numpy.ndarray
        Without end. Going on raises a DataError where the device is gone.
    rate_hz : int
        As it is.

    Raises
    ------
    DataError
        There is no device, or it can't be opened, or the library is missing.
    """
    try:
        import sounddevice  # late: an extra, which opens the sound system
    except ImportError as error:
        raise missing_extra("live", "a microphone needs sounddevice", error) from None
    except OSError as error:
        raise DataError(
            f"a microphone needs PortAudio: {error} (on Debian: apt-get install libportaudio2; or pipe: arecord ... | asrkit listen EXP -)"
        ) from None
    wanted = int(device) if device.isdecimal() else device or None
    try:
        found = sounddevice.query_devices(wanted, "input")
        channels = channel + 1
        try:
            sounddevice.check_input_settings(
                device=wanted, channels=channels, samplerate=rate_hz, dtype="float32"
            )
        except sounddevice.PortAudioError:
            rate_hz = int(found["default_samplerate"])
        stream = sounddevice.InputStream(
            device=wanted,
            channels=channels,
            samplerate=rate_hz,
            dtype="float32",
            blocksize=round(BLOCK_S * rate_hz),
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        raise DataError(
            f"no microphone: {_why(error)}; there are {_devices(sounddevice)} (device= chooses one)"
        ) from None
    log.info("listening to %s at %d Hz", found["name"], rate_hz)
    return _recorded(sounddevice, stream, channel, str(found["name"])), rate_hz


def _recorded(sounddevice: Any, stream: Any, channel: int, name: str) -> Iterator[np.ndarray]:
    said = False
    with stream:
        while True:
            try:
                block, lost = stream.read(stream.blocksize)
            except sounddevice.PortAudioError as error:
                raise DataError(f"{name}: the microphone is gone: {_why(error)}") from None
            if lost and not said:
                said = True
                log.warning("%s: samples were lost, the machine is too busy", name)
            yield np.ascontiguousarray(block[:, channel])


def _why(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _devices(sounddevice: Any) -> str:
    try:
        able = [
            f"{place} {own['name']}"
            for place, own in enumerate(sounddevice.query_devices())
            if own["max_input_channels"]
        ]
    except sounddevice.PortAudioError:
        able = []
    return ", ".join(able) or "none"
