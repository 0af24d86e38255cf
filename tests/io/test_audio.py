"""Recordings: every common format gives the same samples, and a damaged one is named instead of used."""

import io
import logging
import os
import struct

import numpy as np
import pytest
import soundfile

from asrkit.errors import DataError
from asrkit.io.audio import audio_blocks, audio_info, read_audio

RATE_HZ = 8000


def tone(num_samples=4000, rate_hz=RATE_HZ, freq_hz=440.0):
    return (0.5 * np.sin(2 * np.pi * freq_hz * np.arange(num_samples) / rate_hz)).astype(np.float32)


def put(path, data):
    path.write_bytes(data)
    return str(path)


def encoded(samples, rate_hz=RATE_HZ, kind="WAV", subtype="PCM_16"):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate_hz, format=kind, subtype=subtype)
    return stream.getvalue()


# format, subtype, and how far a sample may be off
FORMATS = {
    "WAV 8 bit": ("WAV", "PCM_U8", 1 / 128), "WAV 16 bit": ("WAV", "PCM_16", 1 / 32768),
    "WAV 24 bit": ("WAV", "PCM_24", 2**-23), "WAV 32 bit": ("WAV", "PCM_32", 2**-24),
    "WAV float": ("WAV", "FLOAT", 0), "WAV double": ("WAV", "DOUBLE", 0), "WAV mu-law": ("WAV", "ULAW", 0.02),
    "FLAC 8 bit": ("FLAC", "PCM_S8", 1 / 128), "FLAC 16 bit": ("FLAC", "PCM_16", 1 / 32768),
    "FLAC 24 bit": ("FLAC", "PCM_24", 2**-23), "OGG": ("OGG", "VORBIS", 0.05), "AIFF": ("AIFF", "PCM_16", 1 / 32768),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "subtype", "step"), FORMATS.values(), ids=FORMATS)
def test_formats(tmp_path, kind, subtype, step):
    path = put(tmp_path / "x.audio", encoded(tone(), kind=kind, subtype=subtype))
    samples, rate_hz = read_audio(path)
    assert rate_hz == RATE_HZ
    assert samples.dtype == np.float32 and samples.shape == (4000,) and samples.flags.c_contiguous
    assert np.abs(samples - tone()).max() <= step
    assert audio_info(path) == (RATE_HZ, 4000, 1)


@pytest.mark.parametrize(("kind", "subtype", "step"), FORMATS.values(), ids=FORMATS)
def test_a_pipe_gives_what_the_file_gives(tmp_path, kind, subtype, step):
    """libsndfile reads a file by itself, but a pipe through calls back into Python."""
    path = put(tmp_path / "x.audio", encoded(tone(), kind=kind, subtype=subtype))
    samples, rate_hz = read_audio(f"cat {path} |", allow_pipes=True)
    assert rate_hz == RATE_HZ
    np.testing.assert_array_equal(samples, read_audio(path)[0])


@pytest.mark.parametrize("subtype", ["GSM610", "IMA_ADPCM", "MS_ADPCM"])
def test_formats_in_blocks(tmp_path, subtype):
    """Telephone formats: coarse, and filled up to whole blocks."""
    path = put(tmp_path / "x.wav", encoded(tone(8000), subtype=subtype))
    samples, _ = read_audio(path)
    assert 8000 <= len(samples) < 8600
    assert np.corrcoef(samples[1000:7000], tone(8000)[1000:7000])[0, 1] > 0.95


def test_full_scale_is_one(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.array([-32768, 0, 16384, 32767], np.int16), RATE_HZ)
    np.testing.assert_array_equal(read_audio(str(path))[0] * 32768, [-32768, 0, 16384, 32767])


# channels


@pytest.fixture
def stereo(tmp_path):
    return put(
        tmp_path / "stereo.wav", encoded(np.stack([tone(), tone(freq_hz=1000.0)], axis=1), subtype="FLOAT")
    )


@pytest.mark.parametrize(("channel", "freq_hz"), [(0, 440.0), (1, 1000.0)])
def test_a_channel_is_taken_with_a_warning(stereo, caplog, channel, freq_hz):
    with caplog.at_level(logging.WARNING, logger="asrkit"):
        samples, _ = read_audio(stereo, channel=channel)
    np.testing.assert_array_equal(samples, tone(freq_hz=freq_hz))
    assert caplog.messages == [f"{stereo}: 2 channels, channel {channel} is used"]
    assert audio_info(stereo) == (RATE_HZ, 4000, 2)


def test_one_channel_is_no_warning(tmp_path, caplog):
    read_audio(put(tmp_path / "x.wav", encoded(tone())), strict=True)
    assert not caplog.messages


def test_channels_are_refused(stereo):
    with pytest.raises(DataError, match="2 channels, channel 0 is used: refused by strict=true"):
        read_audio(stereo, strict=True)


@pytest.mark.parametrize("channel", [2, -1])
def test_no_such_channel(stereo, channel):
    with pytest.raises(DataError, match=f"channel {channel} asked for, but it has 2"):
        read_audio(stereo, channel=channel)


# rates


@pytest.mark.parametrize("own_hz", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_a_tone_stays_a_tone(tmp_path, own_hz, rate_hz):
    num_samples = own_hz // 2 + 7
    path = put(tmp_path / "x.wav", encoded(tone(num_samples, own_hz), own_hz, subtype="FLOAT"))
    samples, found_hz = read_audio(path, rate=rate_hz)
    assert found_hz == own_hz
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert abs(len(samples) - num_samples * rate_hz / own_hz) <= 1
    middle = slice(400, -400)  # the ends ring
    assert np.abs(samples - tone(len(samples), rate_hz))[middle].max() < 2e-3


def test_what_is_above_half_the_rate_is_gone(tmp_path):
    path = put(tmp_path / "x.wav", encoded(tone(16000, 16000, 6000.0), 16000))
    assert np.abs(read_audio(path, rate=8000)[0][400:-400]).max() < 1e-3


# damage


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_U8", "FLOAT"])
def test_a_wave_file_cut_off_anywhere(tmp_path, subtype):
    data = encoded(tone(50), subtype=subtype)
    path = put(tmp_path / "x.wav", data)
    assert len(read_audio(path)[0]) == 50
    sound_ends = data.index(b"data") + 8 + 50 * {"PCM_16": 2, "PCM_U8": 1, "FLOAT": 4}[subtype]
    for size in reversed(range(sound_ends)):
        os.truncate(path, size)
        with pytest.raises(DataError):
            read_audio(path)
        if size >= data.index(b"data") + 8:
            with pytest.raises(DataError, match="cut off"):
                audio_info(path)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
        ("AIFF", "PCM_16"),
        ("AIFF", "FLOAT"),
    ],
)
def test_another_file_cut_off(tmp_path, kind, subtype):
    if kind not in soundfile.available_formats():
        pytest.skip(f"this libsndfile knows no {kind}")
    data = encoded(np.random.default_rng(0).uniform(-0.5, 0.5, 30000), kind=kind, subtype=subtype)
    path = put(tmp_path / "x.audio", data)
    assert len(read_audio(path)[0]) == 30000
    for size in reversed(range(100, len(data), len(data) // 80)):
        os.truncate(path, size)
        with pytest.raises(DataError):
            read_audio(path)


def test_the_missing_bytes_are_counted(tmp_path):
    path = put(tmp_path / "x.wav", encoded(tone())[:-100])
    with pytest.raises(DataError, match="x.wav: cut off, 100 bytes of the announced sound are missing"):
        read_audio(path)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x80000000])
def test_a_length_that_was_never_known_is_no_damage(tmp_path, size):
    """As written by `sox ... -t wav -` into a pipe."""
    data = encoded(tone())
    place = data.index(b"data") + 4
    path = put(
        tmp_path / "x.wav",
        data[:4] + struct.pack("<I", size) + data[8:place] + struct.pack("<I", size) + data[place + 4 :],
    )
    assert len(read_audio(path)[0]) == 4000


def test_chunks_beside_the_sound_are_no_sound(tmp_path):
    data, chunk = encoded(tone()), b"LIST" + struct.pack("<I", 5) + b"hello\0"
    place = data.index(b"data")
    for changed in (data + chunk, data[:place] + chunk + data[place:]):
        changed = changed[:4] + struct.pack("<I", len(changed) - 8) + changed[8:]
        assert len(read_audio(put(tmp_path / "x.wav", changed))[0]) == 4000
    with pytest.raises(DataError, match="cut off, 6 bytes"):
        read_audio(put(tmp_path / "x.wav", (data[:place] + chunk + data[place:])[:-6]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_samples_that_are_no_numbers(tmp_path, value, subtype):
    samples = tone()
    samples[[5, 900]] = value
    with pytest.raises(DataError, match="x.wav: 2 samples are NaN or infinite"):
        read_audio(put(tmp_path / "x.wav", encoded(samples, subtype=subtype)))


BAD = {
    "empty file": (b"", "the file is empty, 0 bytes"),
    "no samples": (encoded(np.zeros(0)), "the recording is empty, 0 samples"),
    "text": (b"hello, this is no sound at all\n" * 20, "not a recording that libsndfile reads"),
    "one byte": (b"R", "not a recording that libsndfile reads"),
    "zeros": (bytes(1000), "not a recording that libsndfile reads"),
    "header alone": (encoded(tone())[:44], "cut off, 8000 bytes"),
}


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD)
def test_no_recording(tmp_path, data, message):
    with pytest.raises(DataError, match=f"x.wav: {message}"):
        read_audio(put(tmp_path / "x.wav", data))


def test_no_file(tmp_path):
    for name, message in (("missing.wav", "cannot be read: No such file"), ("", "not a file")):
        with pytest.raises(DataError, match=message):
            read_audio(str(tmp_path / name))
    with pytest.raises(DataError, match="missing.wav: no such file from here"):
        read_audio("missing.wav", base=tmp_path)


def test_paths_from_the_data_directory(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    put(tmp_path / "x.wav", encoded(tone()))
    assert (
        len(read_audio("x.wav", base=tmp_path)[0])
        == len(read_audio("x.wav", base=tmp_path / "data")[0])
        == 4000
    )


def test_pipes(tmp_path):
    path, marker = put(tmp_path / "x.wav", encoded(tone())), tmp_path / "ran"
    spec = f"touch {marker}; cat {path} |"
    for read in (read_audio, audio_info):
        with pytest.raises(DataError, match="is a shell pipe .*allow_pipes=true"):
            read(spec)
    assert not marker.exists()
    np.testing.assert_array_equal(read_audio(spec, allow_pipes=True)[0], read_audio(path)[0])
    assert marker.exists()


@pytest.mark.parametrize("format_", ["WAV", "FLAC", "AU", "OGG"])
@pytest.mark.parametrize("size", [1000, 7777, 10**6])
def test_blocks_are_the_recording(tmp_path, format_, size):
    path = tmp_path / "x"
    data = np.random.default_rng(0).uniform(-0.5, 0.5, (20_000, 2)).astype(np.float32)
    soundfile.write(path, data, 16000, format=format_)
    said = []
    blocks, rate_hz = audio_blocks(path, channel=1, on_remarks=said.append, size=size)
    samples, _ = read_audio(path, channel=1, on_remarks=said.append)
    assert rate_hz == 16000 and said[0].channels == 2
    np.testing.assert_array_equal(np.concatenate(list(blocks)), samples)


def test_blocks_end_with_what_is_wrong(tmp_path):
    path = tmp_path / "x.wav"
    for scale, told in ((50, "50 times full scale"), (np.nan, "1 samples are NaN"), (1, None)):
        data = np.full(5000, 0.1, np.float32)
        data[4000] = scale
        soundfile.write(path, data, 16000, subtype="FLOAT")
        blocks, _ = audio_blocks(path, size=1000)
        if told:
            with pytest.raises(DataError, match=told):
                list(blocks)
        else:
            assert len(np.concatenate(list(blocks))) == 5000
