"""WAV files read straight: to the bit what libsndfile makes of them, and only where nothing is odd."""

import io
import struct
import subprocess
import sys
import wave

import numpy as np
import pytest
import soundfile

from asrkit.errors import DataError
from asrkit.io import audio, containers
from asrkit.io.audio import audio_blocks, read_audio
from asrkit.io.plain_wav import read_plain_wav

FFMPEG = {size: b"INFOISFT" + struct.pack("<I", size) + b"Lavf58.29.100\0" for size in (13, 14)}


def encoded(values, channels=1, rate_hz=8000):
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setparams((channels, 2, rate_hz, 0, "NONE", None))
        sound.writeframes(np.asarray(values, "<i2").tobytes())
    return stream.getvalue()


def with_chunk(data, name, content):
    chunk = name + struct.pack("<I", len(content)) + content
    return data[:4] + struct.pack("<I", len(data) + len(chunk) - 8) + data[8:36] + chunk + data[36:]


def carefully(data):
    """What libsndfile makes of it, after all checks; or the error."""
    try:
        rate, *blocks = containers.decode_blocks(io.BytesIO(data), data, "x.wav", 1 << 20)
    except DataError as error:
        return str(error)
    return np.concatenate(blocks), rate


def assert_same(found, expected):
    assert not isinstance(expected, str), expected
    assert found[1] == expected[1] and found[0].dtype == expected[0].dtype == np.float32
    assert found[0].shape == expected[0].shape and found[0].tobytes() == expected[0].tobytes()
    assert found[0].flags.writeable


@pytest.mark.parametrize("rate_hz", [1000, 8000, 44100, 192000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_each_value(channels, rate_hz):
    data = encoded(np.resize(np.arange(-32768, 32768), 65540), channels, rate_hz)
    for whole in (data, *(with_chunk(data, b"LIST", text) for text in FFMPEG.values())):
        assert_same(read_plain_wav(whole), carefully(whole))


def changed(data, place, form, *values):
    data = bytearray(data)
    struct.pack_into(form, data, place, *values)
    return bytes(data)


ODD = {
    "empty": encoded([]),
    "cut": encoded(range(100))[:-2],
    "longer": encoded(range(100)) + b"\0\0",
    "half a sample": encoded(range(100))[:-1],
    "half a frame": changed(encoded(range(101)), 22, "<HIIH", 2, 8000, 32000, 4),
    "another length of all": changed(encoded(range(100)), 4, "<I", 0xFFFFFFFF),
    "another speed": changed(encoded(range(100)), 28, "<I", 8000),
    "nothing": b"",
    "head alone": encoded(range(9))[:44],
    "slow": encoded(range(100), rate_hz=999),
    "texts": with_chunk(encoded(range(100)), b"LIST", b"INFOINAM\6\0\0\0a name\0\0\0\0\0\0\0\0"),
    "another chunk": with_chunk(encoded(range(100)), b"bext", bytes(40)),
    "LIST at the end": encoded(range(100))[:36] + b"LIST\x1a\0\0\0" + FFMPEG[14],
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_left_to_others(name):
    assert read_plain_wav(ODD[name]) is None


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "ULAW", "MS_ADPCM"])
def test_other_codings_are_left_to_others(subtype):
    stream = io.BytesIO()
    soundfile.write(stream, np.linspace(-0.5, 0.5, 400), 8000, format="WAV", subtype=subtype)
    assert read_plain_wav(stream.getvalue()) is None


def mutated(rng):
    """A short file, its beginning or end changed in a few places; half of them announce their true size."""
    values = rng.integers(-32768, 32768, 6 * int(rng.integers(0, 20)))
    data = encoded(values, int(rng.integers(1, 4)), int(rng.choice([8000, 44100, 1000])))
    if rng.random() < 0.5:
        data = with_chunk(data, b"LIST", FFMPEG[int(rng.choice([13, 14]))])
    data = bytearray(data)
    for place in rng.integers(0, min(len(data) - 4, 84), int(rng.integers(0, 3))).tolist():
        kind = rng.integers(6)
        if kind == 0:
            data[place : place + 4] = [b"\xff" * 4, b"\0\0\0\x80", bytes(4), b"data", b"LIST", b"fmt "][
                rng.integers(6)
            ]
        elif kind == 1:
            data[place] = rng.integers(256)
        elif kind == 2:
            data[place] = (data[place] + rng.integers(-3, 4)) % 256
        elif kind == 3:
            del data[place : place + int(rng.integers(1, 5))]
        elif kind == 4:
            data[place:place] = rng.bytes(int(rng.integers(1, 5)))
        else:
            data = data[: len(data) - int(rng.integers(0, 5))] + bytes(int(rng.integers(0, 3)))
    if rng.random() < 0.5 and len(data) > 8:
        data[4:8] = struct.pack("<I", len(data) - 8)
    return bytes(data)


def test_mutated_files_are_the_same_or_left_to_others():
    rng, read = np.random.default_rng(0), 0
    for _ in range(3000):
        found = read_plain_wav(data := mutated(rng))
        if found is not None:
            read += 1
            assert_same(found, carefully(data))
    assert 500 < read < 2500


def test_whoever_reads_a_file_gets_the_same(tmp_path, monkeypatch):
    """The samples of `read_audio` and `audio_blocks`, or their errors, with and without the short way."""
    rng, path = np.random.default_rng(1), tmp_path / "x.wav"

    def heard():
        out = []
        for read in (
            lambda: read_audio(path, rate=8000, channel=1, on_remarks=out.append),
            lambda: read_audio(io.BytesIO(path.read_bytes()), on_remarks=out.append),
            lambda: (
                np.concatenate(list((opened := audio_blocks(path, on_remarks=out.append))[0])),
                opened[1],
            ),
        ):
            try:
                samples, rate_hz = read()
                out.append((samples.tobytes(), rate_hz))
            except DataError as error:
                out.append(str(error))
        return out

    for _ in range(100):
        path.write_bytes(mutated(rng))
        found = heard()
        with monkeypatch.context() as careful:
            for module in (audio, containers):
                careful.setattr(module, "read_plain_wav", lambda data: None)
            assert found == heard()


def test_they_need_no_libsndfile(tmp_path):
    (tmp_path / "x.wav").write_bytes(encoded(range(1000)))
    code = (
        "import sys; from asrkit.io.audio import audio_blocks, read_audio; read_audio('x.wav', rate=8000); "
        "list(audio_blocks('x.wav')[0]); sys.exit('soundfile' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
