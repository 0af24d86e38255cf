"""Announced lengths are claims: every container that libsndfile writes, whole, cut, of unknown length, and hostile."""

import functools
import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import soundfile

from asrkit.errors import DataError
from asrkit.io import containers
from asrkit.io.audio import read_audio
from asrkit.io.containers import decode
from tests.command import MFCC, asrkit

RATE_HZ, NUM = 8000, 1500
NO_HEADER = {"RAW", "SD2"}  # SD2 keeps its header in another file
NO_LENGTH = {"PAF", "IRCAM", "PVF", "XI"}  # libsndfile writes no length into XI
# how far a sample may be off; what is not here is coded coarsely
STEPS = {
    "PCM_S8": 2**-7, "PCM_U8": 2**-7, "PCM_16": 2**-15, "DPCM_8": 2**-6, "DPCM_16": 2**-14, "DWVW_16": 2**-15,
    "ALAC_16": 2**-15, "PCM_24": 2**-23, "DWVW_24": 2**-23, "ALAC_20": 2**-19, "ALAC_24": 2**-23,
    "PCM_32": 2**-24, "ALAC_32": 2**-24, "FLOAT": 0, "DOUBLE": 0,
}  # fmt: skip


@functools.cache
def written():
    """Samples, float32 (NUM,), of a tone whose loudness changes."""
    times = np.arange(NUM) / RATE_HZ
    return (0.4 * np.sin(2 * np.pi * 440 * times) * (1 + np.sin(40 * times))).astype(np.float32)


@functools.cache
def encoded(kind, subtype, times=1):
    stream = io.BytesIO()
    soundfile.write(stream, np.tile(written(), times), RATE_HZ, format=kind, subtype=subtype)
    return stream.getvalue()


def writable():
    for kind in sorted(set(soundfile.available_formats()) - NO_HEADER):
        for subtype in soundfile.available_subtypes(kind):
            try:
                encoded(kind, subtype)
            except soundfile.LibsndfileError:  # libsndfile reads it only
                continue
            yield kind, subtype


ALL = list(writable())
FIRST = dict(reversed(ALL))  # one for each container


def heard(data):
    """Samples (N,) of a recording of one channel."""
    return decode(io.BytesIO(data), data, "x.sound")[0][:, 0]


def changed(data, place, form, *values):
    data = bytearray(data)
    struct.pack_into(form, data, place, *values)
    return bytes(data)


@pytest.mark.parametrize(("kind", "subtype"), ALL)
def test_a_whole_file(kind, subtype):
    samples = heard(encoded(kind, subtype))
    assert NUM <= len(samples) < NUM + 600  # filled up to a block
    if subtype in STEPS:
        assert np.abs(samples[:NUM] - written()).max() <= STEPS[subtype]
    assert np.corrcoef(samples[:NUM], written())[0, 1] > 0.9


@pytest.mark.parametrize(("kind", "subtype"), [each for each in ALL if each[0] not in NO_LENGTH])
def test_a_cut_is_no_shorter_recording(kind, subtype):
    data = encoded(kind, subtype)
    whole, rng = heard(data), np.random.default_rng(zlib.crc32(f"{kind} {subtype}".encode()))
    for size in sorted({*rng.integers(0, len(data), 10).tolist(), len(data) - 1}):
        try:
            np.testing.assert_array_equal(heard(data[:size]), whole)  # padding, a chunk behind the sound
            assert size > len(data) - 20
        except DataError as error:
            assert str(error).startswith("x.sound: ")
            assert any(figure.isdigit() for figure in str(error)), error


@pytest.mark.parametrize(
    "kind", ["WAV", "AIFF", "AU", "NIST", "VOC", "W64", "RF64", "CAF", "SVX", "AVR", "MPC2K", "HTK"]
)
def test_the_missing_bytes_are_counted(tmp_path, kind):
    data = encoded(kind, "PCM_16").rstrip(b"\0")
    end = len(encoded(kind, "PCM_16")) - (kind == "VOC")  # its end has a block, too
    path = tmp_path / "x.sound"
    path.write_bytes(data[: end - 100])
    with pytest.raises(DataError, match=r"x\.sound: cut off, 100 bytes of the announced sound are missing"):
        read_audio(path)


# where a container says how long its sound is: what stands before it, how far behind its beginning, of which form
FIELDS = {
    "WAV": (b"data", 4, "<I"), "WAVEX": (b"data", 4, "<I"), "AIFF": (b"SSND", 4, ">I"), "SVX": (b"BODY", 4, ">I"),
    "AU": (b"", 8, ">I"), "AVR": (b"", 26, ">I"), "MPC2K": (b"", 30, "<I"), "WVE": (b"", 18, ">I"), "HTK": (b"", 0, ">I"),
    "MAT4": (b"wavedata", -12, "<I"), "MAT5": (b"wavedata", 12, "<I"), "XI": (b"", 298, "<I"),
    "CAF": (b"data", 4, ">Q"), "W64": (b"data", 16, "<Q"), "RF64": (b"", 28, "<Q"),
}  # fmt: skip
SIZES = [
    0,
    0xFFFFFFFF,
    0xFFFFFFFE,
    0xFFFFFF00,
    0xFFFFFFDB,
    0x80000000,
    0x80000024,
    0x7FFFFFFF,
    0x7FFFF000,
    0x7FFFEFFD,
]


@pytest.mark.parametrize(("kind", "subtype"), [each for each in ALL if each[0] in FIELDS])
def test_an_unknown_length_is_read_to_the_end(kind, subtype):
    data = encoded(kind, subtype)
    before, place, form = FIELDS[kind]
    if kind == "MAT4" and data[2]:
        form = ">I"
    place, whole = data.rindex(before) + place if before else place, heard(data)
    for size in SIZES + ([2**64 - 1, 2**64 - 256, 2**63 - 1, 2**63] if form[1] == "Q" else []):
        samples = heard(changed(data, place, form, size))
        np.testing.assert_array_equal(samples[:NUM], whole[:NUM], f"{size:#x}")
        assert len(samples) < len(whole) + 600


def test_other_signs_of_an_unknown_length():
    data = encoded("SDS", "PCM_16")
    for said in (b"\0\0\0", b"\x7f\x7f\x7f"):
        np.testing.assert_array_equal(heard(data[:10] + said + data[13:]), heard(data))
    data = encoded("VOC", "PCM_16")
    for said in (b"\0\0\0", b"\xff\xff\xff"):
        np.testing.assert_array_equal(heard(data[:27] + said + data[30:]), heard(data))
    data = encoded("NIST", "PCM_16")
    for said in (b"sample_count -i 0", b"some_thing -i 12"):
        np.testing.assert_array_equal(
            heard(data.replace(b"sample_count -i 1500", said.ljust(20))), heard(data)
        )
    data = encoded("AIFF", "PCM_16")  # as ffmpeg writes it into a pipe
    for size in (0, 0xFFFFFFFF):
        data = changed(data, 4, ">I", size)
        data = changed(data, data.index(b"COMM") + 10, ">I", size)
        data = changed(data, data.index(b"SSND") + 4, ">I", size)
        np.testing.assert_array_equal(heard(data), heard(encoded("AIFF", "PCM_16")))


def test_gsm_has_no_block_too_many():
    """libsndfile makes one of the padding of a WAV file, but not in W64."""
    wav, w64 = (heard(encoded(kind, "GSM610")) for kind in ("WAV", "W64"))
    np.testing.assert_array_equal(wav, w64)


def test_no_sound_is_not_an_unknown_length():
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros(0), RATE_HZ, format="WAV", subtype="PCM_16")
    empty = stream.getvalue()
    for behind in (
        b"",
        b"LIST" + struct.pack("<I", 6) + b"hello\0",
        b"LIST" + struct.pack("<I", 5) + b"hello",
    ):
        assert len(heard(empty + behind)) == 0
    assert len(heard(empty + bytes(3000))) == NUM  # digital silence is sound


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "CAF", "SVX", "W64"])
def test_a_chunk_behind_the_sound_is_no_sound(kind):
    data = encoded(kind, "PCM_16", 3)
    chunk = {
        "WAV": b"LIST\x04\0\0\0abcd", "CAF": b"info" + struct.pack(">q4x", 4),
        "W64": bytes(-len(data) % 8) + b"bext" + bytes(12) + struct.pack("<q16x", 40),
    }.get(kind, b"ANNO\0\0\0\x04abcd")  # fmt: skip
    np.testing.assert_array_equal(heard(data + chunk), heard(data))


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
@pytest.mark.parametrize("texts", [b"abcd", b"abc"])
def test_texts_behind_sound_of_unknown_length_are_no_sound(size, texts):
    whole = encoded("WAV", "PCM_16")
    place = whole.index(b"data")
    behind = b"LIST" + struct.pack("<I", 4 + len(texts)) + b"INFO" + texts
    data = whole[: place + 4] + struct.pack("<I", size) + whole[place + 8 :] + behind
    np.testing.assert_array_equal(heard(data), heard(whole))


def test_a_wave_file_within_id3():
    tag = b"ID3\x03\0\0\0\0\0\x0a" + bytes(10)
    for kind, subtype in {("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")} & set(ALL):
        data = encoded(kind, subtype)
        np.testing.assert_array_equal(heard(tag + data), heard(data))
        with pytest.raises(DataError, match="cut off"):
            heard((tag + data)[:-50])


# FLAC


def flac_that_says(total, times=10):
    data = encoded("FLAC", "PCM_16", times)
    return changed(data, 21, ">BI", data[21] & 0xF0 | total >> 32, total & 0xFFFFFFFF)


def test_flac_of_unknown_length():
    whole = heard(encoded("FLAC", "PCM_16", 10))
    np.testing.assert_array_equal(heard(flac_that_says(0)), whole)
    with pytest.raises(DataError, match=r"damaged, \d+ samples can be read"):
        heard(flac_that_says(0)[:-200])


@pytest.mark.parametrize("total", [15001, 2**31, 2**36 - 1])
def test_flac_that_announces_more_than_it_has(total):
    data = flac_that_says(total)
    tracemalloc.start()
    try:
        with pytest.raises(
            DataError, match=f"cut off, {total - 15000} samples of the announced sound are missing"
        ):
            heard(data)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def test_a_recording_that_lies_costs_itself_alone(make_data_dir, tmp_path, capsys):
    for name, data in (("bad", flac_that_says(2**36 - 1)), ("good", encoded("FLAC", "PCM_16", 10))):
        (tmp_path / f"{name}.flac").write_bytes(data)
    names = ("bad", "good")
    data_dir = make_data_dir()
    (data_dir / "wav.scp").write_text("".join(f"{name} {tmp_path / name}.flac\n" for name in names))
    (data_dir / "text").write_text("".join(f"{name} word\n" for name in names))
    (data_dir / "utt2spk").write_text("".join(f"{name} {name}\n" for name in names))
    asrkit("compute-mfcc", data_dir, "--max-skipped=1", *MFCC)
    assert "computed 1, skipped 1 (bad: " in capsys.readouterr().out


@pytest.mark.parametrize(("place", "missing"), [(0.5, range(4096, 11000)), (0.95, range(1, 4097))])
def test_an_error_in_the_middle_is_an_error(place, missing):
    data = encoded("FLAC", "PCM_16", 10)
    place = int(place * len(data))
    for damaged in (data[:place] + bytes(20) + data[place + 20 :], data[:place]):
        with pytest.raises(DataError, match=r"cut off or damaged, \d+ samples .*: .*flac decoder") as told:
            heard(damaged)
        assert int(str(told.value).split("damaged, ")[1].split()[0]) in missing


def test_more_samples_than_bytes_can_hold():
    data = encoded("FLAC", "PCM_16", 10)
    assert sum(map(len, list(containers._decoded(io.BytesIO(data), data, "x", 2**16))[1:])) == 15000
    silence = io.BytesIO()
    soundfile.write(silence, np.zeros(100_000), RATE_HZ, format="FLAC", subtype="PCM_16")
    silence = silence.getvalue()
    with pytest.raises(DataError, match=f"x: {len(silence)} bytes hold more than 95000 samples"):
        list(containers._decoded(io.BytesIO(silence), silence, "x", 2**16, most=95_000))


# MP3


@pytest.fixture
def mp3():
    if "MP3" not in soundfile.available_formats():
        pytest.skip("this libsndfile knows no MP3")
    return encoded("MP3", "MPEG_LAYER_III", 10)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_without_a_length(mp3, rate_hz, channels):
    """libsndfile would estimate it by the first frames, and stop there."""
    stream = io.BytesIO()
    samples = np.tile(written(), 10)[:, None].repeat(channels, axis=1)
    soundfile.write(stream, samples, rate_hz, format="MP3", subtype="MPEG_LAYER_III")
    data = stream.getvalue()
    whole, tag = decode(io.BytesIO(data), data, "x")[0], data.index(b"Xing")
    bare = data[data.index(data[:2], tag + 100) :]
    found = decode(io.BytesIO(bare), bare, "x")[
        0
    ]  # with the encoder's delay, which only the lost frame tells
    delay = 576
    np.testing.assert_array_equal(found[delay : delay + len(whole)], whole)
    for lost in (changed(data, tag + 8, ">I", 0), changed(data, tag + 4, ">I", 0)):
        found = heard(lost)
        assert any(np.array_equal(found[at : at + len(whole)], whole[:, 0]) for at in (0, delay))


def test_mp3_with_a_length(mp3):
    tag = mp3.index(b"Xing")
    np.testing.assert_array_equal(heard(mp3 + b"TAG".ljust(128, b"\0")), heard(mp3))
    np.testing.assert_array_equal(heard(mp3 + mp3)[:15000], heard(mp3))
    assert len(heard(mp3 + mp3)) > 30000  # not only the first
    with pytest.raises(DataError, match="cut off, 300 bytes"):
        heard(mp3[:-300])
    with pytest.raises(DataError, match=r"cut off, \d+ samples"):
        heard(changed(mp3, tag + 4, ">I", struct.unpack_from(">I", mp3, tag + 4)[0] & ~2)[:-300])


# Ogg


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_pages_of_ogg(subtype):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 40000)
    stream = io.BytesIO()
    soundfile.write(stream, noise, RATE_HZ, format="OGG", subtype=subtype)
    data = stream.getvalue()
    pages = [place for place in range(len(data)) if data.startswith(b"OggS", place)]
    assert len(pages) > 4 and len(heard(data)) == 40000
    for place in (pages[2] + 50, pages[-1] + 40):
        with pytest.raises(DataError, match="damaged, the checksum of the page at byte"):
            heard(changed(data, place, "B", data[place] ^ 1))
    with pytest.raises(DataError, match=r"cut off, \d+ samples"):
        heard(data[: pages[3]] + data[pages[4] :])
    for place in pages[1:]:
        with pytest.raises(DataError, match=f"cut off after {place} bytes, its last page is missing"):
            heard(data[:place])
    with pytest.raises(DataError, match=f"a second recording begins at byte {len(data)}"):
        heard(data + data)


def test_voc_of_several_blocks():
    """libsndfile takes the heads of the others for samples."""
    data = encoded("VOC", "PCM_16")
    half = data[:27] + (1012).to_bytes(3, "little") + data[30:1042]
    with pytest.raises(DataError, match="several blocks"):
        heard(half + b"\2" + (2000).to_bytes(3, "little") + data[1042:])


# hostile headers


@pytest.mark.parametrize("kind", FIRST)
def test_mutated_headers(tmp_path, capfd, kind):
    """Samples or a DataError, no more memory than the bytes are worth, and nothing printed by a library's callback."""
    data, path = encoded(kind, FIRST[kind]), tmp_path / "x.sound"
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    tracemalloc.start()
    try:
        for turn in range(300):
            mutated = bytearray(data)
            for place in rng.integers(0, min(len(data) - 4, (60, 400)[turn % 2]), 1 + turn % 4):
                if rng.random() < 0.3:
                    mutated[place : place + 4] = (b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x80")[
                        rng.integers(3)
                    ]
                else:
                    mutated[place] = rng.integers(256)
            try:
                if turn % 3:
                    heard(bytes(mutated))
                else:
                    path.write_bytes(mutated)
                    read_audio(path, rate=RATE_HZ, on_remarks=lambda _: None)
            except DataError as error:
                assert "x.sound: " in str(error) and "\n" not in str(error)
        assert tracemalloc.get_traced_memory()[1] < 8e6
    finally:
        tracemalloc.stop()
    printed = capfd.readouterr()
    assert not printed.out and "Traceback" not in printed.err


@pytest.mark.parametrize("rate_hz", [1, 999, 10_000_001, 2**31 - 1, 2**32 - 1])
def test_rates_that_nobody_records_at(rate_hz):
    data = encoded("WAV", "PCM_16")
    with pytest.raises(DataError, match="x.sound: "):
        heard(changed(data, 24, "<I", rate_hz))


@pytest.mark.parametrize("channels", [0, 1024, 65535])
def test_channels_that_nobody_has(channels):
    data = changed(encoded("WAV", "PCM_16"), 22, "<H", channels)
    try:
        samples, _ = decode(io.BytesIO(data), data, "x.sound")
        assert samples.size <= NUM
    except DataError as error:
        assert "x.sound: " in str(error)
