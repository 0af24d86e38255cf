"""What libsndfile does not know goes through ffmpeg: a stand-in shows how it is called, the real one what it makes of it."""

import io
import os
import shutil
import subprocess

import numpy as np
import pytest
import soundfile

import asrkit
from asrkit.cli import main as cli
from asrkit.errors import DataError
from asrkit.io import ffmpeg
from asrkit.io.audio import audio_info, read_audio

RATE_HZ = 8000
SOUND = (0.3 * np.sin(np.cumsum(np.linspace(0.2, 0.9, 9000)))).astype(np.float32)
M4A = b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0" + bytes(2000)

# How such files begin, and a name each may have.
BEGINNINGS = {
    "m4a": M4A, "3gp": b"\0\0\0\x18ftyp3gp4" + bytes(900), "mov": b"\0\0\0\x14ftypqt  " + bytes(900),
    "webm": b"\x1aE\xdf\xa3" + bytes(900), "wma": b"0&\xb2u\x8ef\xcf\x11\xa6\xd9" + bytes(900),
    "amr": b"#!AMR\n" + bytes(900), "aac": b"\xff\xf1\x6c\x40" + bytes(900), "ape": b"MAC \x96\x0f" + bytes(900),
    "spx": b"OggS" + bytes(24) + b"Speex   1.2" + bytes(900),
}  # fmt: skip


def wav(samples=SOUND, **settings):
    stream = io.BytesIO()
    soundfile.write(stream, samples, RATE_HZ, **{"format": "WAV", "subtype": "FLOAT", **settings})
    return stream.getvalue()


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A program called ffmpeg, alone on the PATH but for what a shell needs; a function says what it shall do."""
    if os.name != "posix":
        pytest.skip("the stand-in is a shell script")
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    (folder / "gives").write_bytes(wav())

    def does(then="", gives=None):
        if gives is not None:
            (folder / "gives").write_bytes(gives)
        script = f'#!/bin/sh\nprintf "%s\\n" "$@" > {folder}/args\ncat {folder}/gives\n{then}\n'
        (folder / "ffmpeg").write_text(script)
        (folder / "ffmpeg").chmod(0o755)
        return folder / "args"

    does()
    return does


@pytest.fixture
def none_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("suffix", BEGINNINGS)
def test_a_format_is_known_by_how_it_begins_or_by_its_name(tmp_path, stand_in, suffix):
    for name in (f"x.{suffix}", f"x.{suffix.upper()}", "x", "x.wav"):
        (tmp_path / name).write_bytes(BEGINNINGS[suffix])
        np.testing.assert_array_equal(read_audio(tmp_path / name)[0], SOUND)
    (tmp_path / f"x.{suffix}").write_bytes(b"\0\1\2\3 of a format that nobody knows")
    assert audio_info(tmp_path / f"x.{suffix}") == (RATE_HZ, len(SOUND), 1)
    assert f".{suffix}" in ffmpeg.FFMPEG_SUFFIXES


def test_ffmpeg_is_called_without_a_shell_for_this_file_alone(tmp_path, stand_in, monkeypatch):
    args = stand_in()
    monkeypatch.chdir(tmp_path)
    name = "-i $(touch ran); %d.m4a"
    (tmp_path / name).write_bytes(M4A)
    np.testing.assert_array_equal(read_audio(name)[0], SOUND)
    words = args.read_text().splitlines()
    assert f"file:{tmp_path}/{name}" in words and "-nostdin" in words and "-xerror" in words
    assert words[words.index("-protocol_whitelist") + 1] == "file,pipe"
    allowed = words[words.index("-format_whitelist") + 1].split(",")
    assert not {"hls", "concat", "dash", "sdp", "image2", "lavfi", "imf", "rtsp", "tee"} & set(allowed)
    assert not (tmp_path / "ran").exists()


def test_open_files_and_paths_from_a_data_directory(tmp_path, stand_in):
    (tmp_path / "x.m4a").write_bytes(M4A)
    np.testing.assert_array_equal(read_audio("x.m4a", base=tmp_path)[0], SOUND)
    np.testing.assert_array_equal(asrkit.read_audio(tmp_path / "x.m4a")[0], SOUND)
    args = stand_in()
    np.testing.assert_array_equal(asrkit.read_audio(io.BytesIO(M4A))[0], SOUND)
    held = next(word for word in args.read_text().splitlines() if word.startswith("file:"))
    assert not os.path.exists(held.removeprefix("file:"))
    twice = np.stack([SOUND, SOUND / 2], 1)
    stand_in(gives=wav(twice))
    np.testing.assert_array_equal(read_audio(tmp_path / "x.m4a", channel=1)[0], SOUND / 2)


# What ffmpeg does, and what is said of it.
FAILURES = {
    "status": ("exit 3", None, "it broke off, exit status 3"),
    "complaint": ("echo '[aac @ 0x55e6ec] Input buffer exhausted' >&2", None, "Input buffer exhausted, exit status 0"),
    "both": ("echo 'moov atom not found' >&2; exit 183", b"", "moov atom not found, exit status 183"),
    "nothing": ("", b"", "no sound came out"),
    "killed": ("kill -9 $$", None, "it broke off, exit status -9"),
}  # fmt: skip


@pytest.mark.parametrize(("then", "gives", "why"), FAILURES.values(), ids=FAILURES)
def test_what_ffmpeg_reads_in_part_is_refused(tmp_path, stand_in, then, gives, why):
    stand_in(then, gives)
    (tmp_path / "x.m4a").write_bytes(M4A)
    for read in (read_audio, audio_info):
        with pytest.raises(
            DataError, match=rf"x.m4a: ffmpeg cannot read all of it: {why}.*\(copy or convert"
        ):
            read(tmp_path / "x.m4a")


def test_a_program_that_does_not_run(tmp_path, stand_in):
    (tmp_path / "x.m4a").write_bytes(M4A)
    args = stand_in()
    args.with_name("ffmpeg").write_bytes(b"\x7fELF, but no program")
    with pytest.raises(DataError, match="ffmpeg: ffmpeg does not run: "):
        read_audio(tmp_path / "x.m4a")


# Not for ffmpeg, whatever they are called: libsndfile knows them, or they are no sound.
OTHERS = {
    "cut off": (wav()[:-100], "cut off, 100 bytes"),
    "FLAC that is cut off": (wav(format="FLAC", subtype="PCM_16")[:-100], "cut off|not a recording|damaged"),
    "web page": (b"<!DOCTYPE html><html>Please log in</html>\r\n" * 20, "not a recording"),
    "web page in UTF-8": ("<html>été</html>".encode() * 20, "not a recording"),
    "list of other files": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not a recording"),
    "nothing": (b"", "the file is empty"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "message"), OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("name", ["x.m4a", "x.wav"])
def test_what_is_not_for_ffmpeg(tmp_path, stand_in, name, data, message):
    args = stand_in()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=f"{name}: .*({message})"):
        read_audio(tmp_path / name)
    assert not args.exists()


def test_a_wave_file_with_the_wrong_name_needs_no_ffmpeg(tmp_path, none_there):
    (tmp_path / "x.m4a").write_bytes(wav())
    np.testing.assert_array_equal(read_audio(tmp_path / "x.m4a")[0], SOUND)


@pytest.mark.parametrize("suffix", BEGINNINGS)
def test_without_ffmpeg_the_message_says_how_to_convert(tmp_path, none_there, suffix):
    path = tmp_path / f"my phone.{suffix}"
    path.write_bytes(BEGINNINGS[suffix])
    with pytest.raises(DataError) as raised:
        read_audio(path)
    assert str(raised.value).startswith(
        f"{path}: a format that libsndfile does not read, and there is no ffmpeg"
    )
    assert f"ffmpeg -i '{path}' 'my phone.wav'" in str(raised.value)


# The real program


def real_ffmpeg():
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return None


REAL = real_ffmpeg()
needs_ffmpeg = pytest.mark.skipif(
    REAL is None, reason="no ffmpeg on the PATH, nor imageio-ffmpeg, whose wheel has one"
)


@pytest.fixture
def real(tmp_path, monkeypatch):
    """A function that has ffmpeg make a file of SOUND."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / ("ffmpeg.exe" if os.name == "nt" else "ffmpeg")).symlink_to(REAL)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    (tmp_path / "sound.wav").write_bytes(wav())

    def make(name, *options):
        command = [REAL, "-nostdin", "-v", "error", "-i", tmp_path / "sound.wav", *options, tmp_path / name]
        made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if made.returncode:
            pytest.skip(f"this ffmpeg makes no {name}: {made.stderr[-200:]}")
        return tmp_path / name

    return make


# A file, how it is made, and whether its header says how much sound there is, so that a cut is noticed anywhere.
MADE = {
    "x.m4a": ((), True), "fast.m4a": (("-movflags", "faststart"), True), "lossless.m4a": (("-c:a", "alac"), True),
    "x.mp4": ((), True), "x.mov": ((), True), "x.3gp": (("-c:a", "aac"), True), "x.webm": (("-c:a", "libopus"), True),
    "x.mka": (("-c:a", "aac"), True), "x.wma": ((), True), "x.aac": ((), False), "x.tta": ((), True),
    "x.wv": ((), True), "x.amr": (("-c:a", "libopencore_amrnb"), False),
}  # fmt: skip


@needs_ffmpeg
@pytest.mark.parametrize(("name", "how"), [(name, how) for name, (how, _) in MADE.items()], ids=MADE)
def test_sound_comes_through(real, name, how):
    samples, rate_hz = read_audio(path := real(name, *how))
    assert rate_hz == (48000 if name == "x.webm" else RATE_HZ)  # Opus has no other
    samples, _ = read_audio(path, rate=RATE_HZ)
    delays = np.correlate(samples, SOUND, "full")
    assert len(samples) >= 0.9 * len(SOUND)
    assert delays.max() > 0.8 * np.sqrt((samples @ samples) * (SOUND @ SOUND))


@needs_ffmpeg
@pytest.mark.parametrize("name", [name for name, (_, ends) in MADE.items() if ends])
def test_a_file_cut_off_is_refused_or_lacks_no_sound(real, name):
    path = real(name, *MADE[name][0])
    whole, data = read_audio(path)[0], path.read_bytes()
    for share in (0.2, 0.5, 0.8, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        try:
            samples = read_audio(path)[0]
        except DataError as error:
            assert path.name in str(error)
        else:
            np.testing.assert_array_equal(samples, whole)


@needs_ffmpeg
@pytest.mark.parametrize(
    "kind", ["#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n\0", "ffconcat version 1.0\nfile {}\n\0"]
)
def test_a_list_of_other_files_is_not_followed(real, tmp_path, kind):
    other = real("other.m4a")
    path = tmp_path / "list.m4a"
    path.write_bytes(kind.format(other).encode())
    with pytest.raises(DataError, match="list.m4a: ffmpeg cannot read all of it"):
        read_audio(path)


@needs_ffmpeg
def test_a_recording_of_a_phone_is_recognised(real, tmp_path, capsys):
    rng, t = np.random.default_rng(0), np.arange(4000) / RATE_HZ
    words = {
        word: [
            0.3 * np.sin(2 * np.pi * (hz + rng.normal(0, 9)) * t) + rng.normal(0, 0.01, 4000)
            for _ in range(5)
        ]
        for word, hz in {"high": 1500, "low": 400}.items()
    }
    model = asrkit.train(words, rate_hz=RATE_HZ, family="gmm", num_gauss=1)
    model.save(tmp_path / "exp")
    (tmp_path / "sound.wav").write_bytes(wav(words["high"][0]))
    path = real("phone.m4a")
    assert model.recognize(path).word == model.recognize(io.BytesIO(path.read_bytes())).word == "high"
    assert cli.main(["recognize", str(tmp_path / "exp"), str(path)]) == 0
    assert "phone.m4a high " in capsys.readouterr().out
