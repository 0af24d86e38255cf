"""Sound that is still coming: pipes, WAV headers, and a microphone that is made up."""

import io
import os
import struct
import sys
import threading
import types
import wave

import numpy as np
import pytest

from asrkit.errors import DataError
from asrkit.io.live import FORMATS, microphone_blocks, pcm_blocks

SOUND = np.array([0.0, 0.5, -0.25, -1.0, 0.75], dtype=np.float32)


def raw(samples, form):
    dtype, zero, full = FORMATS[form]
    return (samples.astype(np.float64) * full + zero).astype(dtype).tobytes()


def read(data, rate_hz=8000, **settings):
    blocks, own_hz = pcm_blocks(io.BytesIO(data), rate_hz, **settings)
    return np.concatenate([np.zeros(0, np.float32), *blocks]), own_hz


@pytest.mark.parametrize("form", FORMATS)
def test_samples_of_every_format(form):
    samples, rate_hz = read(raw(SOUND, form), form=form)
    assert rate_hz == 8000 and samples.dtype == np.float32
    np.testing.assert_allclose(samples, SOUND, atol=1e-6)


def test_the_channel_that_is_wanted():
    both = np.stack([SOUND, -0.5 * SOUND], axis=1).ravel()
    samples, _ = read(raw(both, "f32"), form="f32", channels=2, channel=1)
    np.testing.assert_array_equal(samples, -0.5 * SOUND)
    with pytest.raises(DataError, match=r"stdin: channel 2 asked for, but it has 2"):
        read(b"", channels=2, channel=2)


def test_samples_come_as_soon_as_they_are_there():
    """What a pipe holds is given at once, whole samples of it, though it goes on."""
    receive, send = os.pipe()
    data = raw(SOUND, "s16")
    with open(receive, "rb") as stream, open(send, "wb", buffering=0) as pipe:
        pipe.write(data[:7])
        blocks, _ = pcm_blocks(stream, 8000)
        np.testing.assert_array_equal(next(blocks), SOUND[:2])
        np.testing.assert_array_equal(next(blocks), SOUND[2:3])
        pipe.write(data[7:])
        rest = []
        threading.Timer(0.1, pipe.close).start()
        for block in blocks:
            rest.extend(block)
    np.testing.assert_array_equal(rest, SOUND[3:])


def test_half_a_sample_at_the_end_is_said(caplog):
    samples, _ = read(raw(SOUND, "s32")[:-3], form="s32")
    np.testing.assert_array_equal(samples, SOUND[:-1])
    assert "ended in the middle of a sample: 1 bytes" in caplog.text
    assert len(read(b"abc")[0]) == 1  # shorter than a header could be


def test_a_wav_says_what_it_is():
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setparams((2, 2, 44100, 0, "NONE", None))
        file.writeframes(raw(np.stack([SOUND, 0 * SOUND], axis=1).ravel(), "s16"))
    samples, rate_hz = read(stream.getvalue())
    np.testing.assert_array_equal(samples, np.float32(SOUND))
    assert rate_hz == 44100


def wav(code=1, channels=1, rate_hz=16000, bits=16, before=b"", size=0x7FFFFFFF, more=b""):
    """A WAV as programs write it into a pipe, whose length they do not know."""
    fmt = struct.pack("<HHIIHH", code, channels, rate_hz, 0, 0, bits) + more
    head = b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + before
    return head + b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", size)


def test_wavs_of_pipes_and_their_other_parts():
    samples, rate_hz = read(wav(before=b"LIST\x03\0\0\0abc\0") + raw(SOUND, "s16"))
    np.testing.assert_array_equal(samples, SOUND)
    assert rate_hz == 16000
    extensible = struct.pack("<HHI", 22, 32, 0) + struct.pack("<H", 3) + bytes(14)
    samples, _ = read(wav(0xFFFE, bits=32, size=0, more=extensible) + raw(SOUND, "f32"))
    np.testing.assert_array_equal(samples, SOUND)


def test_what_stands_behind_the_samples_of_a_wav_is_no_sound(caplog):
    data = raw(SOUND, "s16")
    stream = io.BytesIO(wav(size=len(data)) + data + b"LIST\x04\0\0\0abcd")
    blocks, _ = pcm_blocks(stream, 8000)
    np.testing.assert_array_equal(np.concatenate(list(blocks)), SOUND)
    assert not stream.read() and not caplog.text


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (wav(bits=24), "format 1 with 24 bits"),
        (wav(code=6, bits=8), "format 6 with 8 bits"),
        (wav(channels=0), "0 channels"),
        (wav(rate_hz=3), "at 3 Hz"),
        (wav()[:30], "ends before its samples"),
        (b"RIFF", "begins like a WAV"),
        (b"RIFF\0\0\0\0AVI LIST", "begins like a WAV"),
        (b"RIFF\0\0\0\0WAVE" + b"junk\xff\xff\xff\xff" + bytes(1 << 21), "without samples"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0" + bytes(4), "ends before its samples"),
    ],
)
def test_what_is_no_such_wav_is_refused(data, why):
    with pytest.raises(DataError, match=why):
        read(data)


class Broken(io.RawIOBase):
    def readinto(self, into):
        raise OSError(5, "Input/output error")


def test_a_pipe_that_breaks_is_an_error():
    with pytest.raises(DataError, match=r"stdin: cannot be read: .*Input/output error"):
        pcm_blocks(Broken(), 8000)


@pytest.fixture
def sound_system(monkeypatch):
    """A module `sounddevice` with one microphone of two channels, which gives 44100 Hz alone and is pulled out after three blocks."""
    module = types.ModuleType("sounddevice")

    class PortAudioError(Exception):
        pass

    class InputStream:
        blocks = 3

        def __init__(self, device, channels, samplerate, dtype, blocksize):
            assert dtype == "float32"
            self.blocksize, self.channels, self.opened = blocksize, channels, (device, samplerate)

        def start(self):
            pass

        def read(self, count):
            if not self.blocks:
                raise PortAudioError("Device unavailable [PaErrorCode -9985]\nmore")
            self.blocks -= 1
            return np.tile(np.arange(self.channels, dtype=np.float32), (count, 1)), self.blocks < 2

        def __enter__(self):
            return self

        def __exit__(self, *_):
            module.closed = True

    devices = [
        {"name": "speaker", "max_input_channels": 0, "default_samplerate": 48000.0},
        {"name": "usb mic", "max_input_channels": 2, "default_samplerate": 44100.0},
    ]

    def query_devices(device=None, kind=None):
        if kind is None:
            return devices
        if device in (None, 1) or (isinstance(device, str) and device in "usb mic"):
            return devices[1]
        raise ValueError(f"No input device matching {device!r}")

    def check_input_settings(device, channels, samplerate, dtype):
        if samplerate != 44100:
            raise PortAudioError("Invalid sample rate")

    module.PortAudioError, module.InputStream, module.closed = PortAudioError, InputStream, False
    module.query_devices, module.check_input_settings = query_devices, check_input_settings
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


@pytest.mark.parametrize("device", ["", "1", "usb"])
def test_a_microphone_is_heard_until_it_is_gone(sound_system, device, caplog):
    blocks, rate_hz = microphone_blocks(16000, device, channel=1)
    assert rate_hz == 44100
    heard = []
    with pytest.raises(
        DataError, match=r"^usb mic: the microphone is gone: Device unavailable \[PaErrorCode -9985\]$"
    ):
        heard.extend(blocks)
    assert [len(block) for block in heard] == [882] * 3 and (np.concatenate(heard) == 1).all()
    assert sound_system.closed and caplog.text.count("samples were lost") == 1


def test_a_microphone_that_is_not_there(sound_system):
    with pytest.raises(
        DataError, match=r"no microphone: No input device matching 'x'; there are 1 usb mic \(device="
    ):
        microphone_blocks(16000, "x")


def test_a_microphone_without_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DataError, match=r"a microphone needs sounddevice .*pip install"):
        microphone_blocks(16000)
