"""prepare-wavs: which files are recordings, and what it says of those that are not."""

import os
import re
import unicodedata

import numpy as np
import pytest
import soundfile
from synthetic import RATE_HZ, word_samples

from asrkit.cli.main import main
from asrkit.errors import DataError
from asrkit.io.ffmpeg import FFMPEG_SUFFIXES
from asrkit.workflows import prepare_wavs as room
from asrkit.workflows.prepare_wavs import AUDIO_SUFFIXES, OTHER_SOUND, prepare_wavs

SAMPLES = np.random.default_rng(0).uniform(-0.1, 0.1, 800)
UNREAD = b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0" + bytes(200)


@pytest.fixture(autouse=True)
def no_ffmpeg(monkeypatch):
    monkeypatch.setattr(room, "ffmpeg_path", lambda: None)


def put(folder, *names, content=None):
    """Write files below a folder: recordings, or such with the bytes `content`."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            soundfile.write(path, SAMPLES, 8000, format="WAV")
        else:
            path.write_bytes(content)


def test_what_is_passed_over_is_counted_by_suffix(tmp_path):
    put(tmp_path / "src", "yes/1.wav", "no/1.wav")
    put(
        tmp_path / "src",
        "yes/2.m4a",
        "yes/3.M4A",
        "no/2.webm",
        "no/notes",
        "no/.hidden.m4a",
        ".git/x.m4a",
        content=UNREAD,
    )
    put(tmp_path / "src", "yes/1.TextGrid", "yes/1.txt", content=b"text")
    prepared = prepare_wavs(tmp_path / "src", tmp_path / "data")
    assert prepared.left_out == {".m4a": 2, ".webm": 1, "": 1, ".textgrid": 1, ".txt": 1}
    assert prepared.lines()[1] == (
        "left out: 6 files: .m4a 2, without suffix 1, .textgrid 1, .txt 1, .webm 1 "
        "(.m4a, .webm: install ffmpeg, or convert them: ffmpeg -i FILE FILE.wav)"
    )


def test_ordinary_companions_frighten_nobody(tmp_path):
    put(tmp_path / "src", "yes/1.wav")
    put(tmp_path / "src", "yes/1.lab", "notes/read.txt", content=b"text")
    (said,) = [
        line for line in prepare_wavs(tmp_path / "src", tmp_path / "data").lines() if "left out" in line
    ]
    assert said == "left out: 2 files: .lab 1, .txt 1"


def test_words_without_recordings_are_named_though_nobody_knows_what_their_files_are(tmp_path, caplog):
    put(tmp_path / "src", "yes/1.wav", "notes.txt")
    put(tmp_path / "src", "maybe/1.xyz", "perhaps/1", content=bytes(range(256)))
    (tmp_path / "src/no").mkdir()
    prepare_wavs(tmp_path / "src", tmp_path / "data")
    assert "of 2 words: 'maybe' (.xyz 1), 'perhaps' (without suffix 1)" in caplog.text
    assert "1 empty folders: no" in caplog.text


@pytest.mark.parametrize("suffix", [*FFMPEG_SUFFIXES, *OTHER_SOUND])
@pytest.mark.parametrize(
    ("pattern", "name"), [("{word}/{index}", "maybe/1"), ("{word}_{speaker}.wav", "maybe_ann"), ("a/{word}", "a/maybe")]
)  # fmt: skip
def test_a_word_without_recordings_is_refused(tmp_path, suffix, pattern, name):
    put(tmp_path / "src", f"{name.replace('maybe', 'yes')}.wav")
    put(tmp_path / "src", f"{name}{suffix}", content=UNREAD)
    with pytest.raises(
        DataError, match=rf"'maybe' \({re.escape(suffix)} 1\) \(install ffmpeg, or convert them"
    ):
        prepare_wavs(tmp_path / "src", tmp_path / "data", pattern=pattern)
    assert not (tmp_path / "data").exists()


def test_a_word_is_not_lost_that_the_map_gives_another_name(tmp_path):
    put(tmp_path / "src", "yes/1.wav")
    put(tmp_path / "src", "Y/1.m4a", content=UNREAD)
    (tmp_path / "map").write_text("Y yes\n")
    assert prepare_wavs(tmp_path / "src", tmp_path / "data", word_map=tmp_path / "map").left_out == {
        ".m4a": 1
    }


def test_a_word_whose_recordings_are_all_bad_is_refused_though_bad_ones_are_left_out(tmp_path):
    put(tmp_path / "src", "yes/1.wav")
    put(tmp_path / "src", "no/1.wav", content=b"no sound")
    with pytest.raises(DataError, match="no recording can be used of 1 words: 'no'"):
        prepare_wavs(tmp_path / "src", tmp_path / "data", skip_bad=True)


def test_with_ffmpeg_its_formats_are_recordings(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "ffmpeg_path", lambda: "/usr/bin/ffmpeg")
    put(tmp_path / "src", "yes/1.wav")
    put(tmp_path / "src", "yes/2.m4a")  # whose reading is not the question here
    assert len(prepare_wavs(tmp_path / "src", tmp_path / "data").data.wav) == 2


@pytest.mark.parametrize("kind", sorted(set(soundfile.available_formats()) - {"RAW", "SD2"}))
def test_whatever_libsndfile_opens_is_a_recording(tmp_path, kind):
    put(tmp_path / "src", "yes/1.wav")
    subtype = soundfile.default_subtype(kind) or next(iter(soundfile.available_subtypes(kind)))
    try:
        for name in (f"a.{kind.lower()}", "b.unheard_of", "c"):
            soundfile.write(tmp_path / "src/yes" / name, SAMPLES, 8000, format=kind, subtype=subtype)
    except soundfile.LibsndfileError:
        pytest.skip(f"libsndfile does not write {kind}")
    prepared = prepare_wavs(tmp_path / "src", tmp_path / "data")
    assert sorted(prepared.data.wav) == ["yes-1", "yes-a", "yes-b", "yes-c"] and not prepared.left_out


@pytest.mark.parametrize("suffix", AUDIO_SUFFIXES)
def test_what_is_called_a_recording_and_is_none_is_named(tmp_path, suffix, caplog):
    put(tmp_path / "src", "yes/1.wav")
    put(tmp_path / "src", f"yes/2{suffix}", content=b"")
    with pytest.raises(DataError, match="1 of 2 recordings cannot be used"):
        prepare_wavs(tmp_path / "src", tmp_path / "data")
    assert f"2{suffix}" in caplog.text


@pytest.mark.parametrize("name", ["1.wav.bak", "1.wav~", "1.orig", "1.part"])
def test_a_copy_put_aside_is_no_recording(tmp_path, name):
    put(tmp_path / "src", "yes/1.wav", f"yes/{name}")
    prepared = prepare_wavs(tmp_path / "src", tmp_path / "data")
    assert len(prepared.data.wav) == 1 and sum(prepared.left_out.values()) == 1


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_names_patterns_and_maps_meet_in_one_form(tmp_path, form, other):
    put(tmp_path / "src", unicodedata.normalize(form, "prüfung/é_zoë.wav"))
    (tmp_path / "map").write_text(unicodedata.normalize(other, "\ufeffé café\n"), encoding="utf-8")
    pattern = unicodedata.normalize(other, "prüfung/{word}_{speaker}")
    prepared = prepare_wavs(tmp_path / "src", tmp_path / "data", pattern=pattern, word_map=tmp_path / "map")
    assert prepared.data.text == {"zoë-é": "café"} and prepared.data.utt2spk == {"zoë-é": "zoë"}
    assert os.path.exists(prepared.data.wav["zoë-é"])  # as the file system has it


def test_signs_that_nobody_sees_leave_names(tmp_path):
    put(tmp_path / "src", "yes\u200b/take\u202f1.wav", "yes/2.wav")
    assert set(prepare_wavs(tmp_path / "src", tmp_path / "data").data.text.items()) == {
        ("yes-take_1", "yes"),
        ("yes-2", "yes"),
    }


def test_a_folder_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    put(tmp_path / "src", "yes/1.wav")
    real = os.scandir

    def closed(path):
        if str(path).endswith("yes"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(DataError, match=r"yes: cannot be read: Permission denied"):
        prepare_wavs(tmp_path / "src", tmp_path / "data")


@pytest.mark.parametrize(
    ("options", "known"),
    [([], False), (["--speaker", "me"], True), (["--pattern", "{word}/{speaker}"], True)],
)
def test_it_says_whether_it_knows_who_speaks(tmp_path, capsys, options, known):
    put(tmp_path / "src", "yes/1.wav")
    assert main(["prepare-wavs", str(tmp_path / "src"), str(tmp_path / "data"), *options]) == 0
    out = capsys.readouterr().out
    assert ("by 1 speaker in" in out) == known == ("speakers are not known" not in out)
    assert known or ("--speaker NAME" in out and "--by random" in out)


# are they trimmed?


def words(folder, pads_s, *, empty=0):
    """Recordings of a word between pauses of so many seconds each, the last ones without a word."""
    for index, pad_s in enumerate(pads_s):
        rng = np.random.default_rng(index)
        path = folder / f"word/{index}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        if index >= len(pads_s) - empty:
            sound = rng.normal(0, 1e-3, round(8000 * 2 * pad_s) + 4000)
            sound[-900:-870] += 0.3
        else:
            sound = word_samples("one", rng, 130, pad_s)
        soundfile.write(path, sound, RATE_HZ)


@pytest.mark.parametrize(
    ("pads_s", "cut"),
    [
        ([0.0] * 4, False),
        ([0.4] * 4, True),
        ([0.0, 0.4, 0.4], True),
        ([0.0, 0.0, 0.4], False),
        ([0.1] * 4, False),
    ],
)
def test_ends_are_found_where_recordings_are_not_trimmed(tmp_path, capsys, pads_s, cut):
    words(tmp_path / "src", pads_s)
    assert main(["prepare-wavs", str(tmp_path / "src"), str(tmp_path / "data")]) == 0
    out = capsys.readouterr().out
    assert ("not trimmed: 0." in out) == cut and ("\ntrimmed, taken whole: 0." in out) != cut
    assert {path.name for path in (tmp_path / "data").iterdir()} >= {"wav.scp", "text"}
    assert (tmp_path / "data" / "segments").exists() == (tmp_path / "data" / "endpoint.conf").exists() == cut
    if cut:
        found = (
            (tmp_path / "data" / "segments").read_bytes(),
            (tmp_path / "data" / "endpoint.conf").read_bytes(),
        )
        assert main(["detect-endpoints", str(tmp_path / "data"), "--force"]) == 0
        assert found == tuple(
            (tmp_path / "data" / name).read_bytes() for name in ("segments", "endpoint.conf")
        )
    assert main(["validate-data", str(tmp_path / "data"), "--no-feats"]) == 0


def test_who_asks_is_obeyed(tmp_path, capsys):
    words(tmp_path / "trimmed", [0.0] * 3)
    words(tmp_path / "untrimmed", [0.4] * 3)
    folder = tmp_path / "data"
    for source, options, cut in (
        ("trimmed", ["--endpoints"], True),
        ("untrimmed", ["--endpoints", "false"], False),
        ("untrimmed", ["--endpoints=true", "--nj", "2"], True),
        ("trimmed", ["--endpoints", "auto"], False),
    ):
        assert main(["prepare-wavs", str(tmp_path / source), str(folder), *options]) == 0
        assert (folder / "segments").exists() == (folder / "endpoint.conf").exists() == cut
        assert ("beside the word" in capsys.readouterr().out) == ("auto" in options)
    prepared = prepare_wavs(tmp_path / "untrimmed", folder, endpoints=True)
    assert prepared.beside_s is None and list(prepared.ends.times) == list(prepared.data.segments)


def test_a_recording_without_a_word_is_taken_whole(tmp_path):
    """It is doubtful; one that breaks off is as bad as one that can't be opened."""
    words(tmp_path / "src", [0.4] * 5, empty=1)
    prepared = prepare_wavs(tmp_path / "src", tmp_path / "data")
    last = soundfile.info(tmp_path / "src/word/4.wav").duration
    assert prepared.ends.doubtful["word-4"] == "no speech found, taken whole"
    assert prepared.ends.times["word-4"] == (0.0, pytest.approx(last)) and "doubtful" in prepared.lines()[-2]
    path = tmp_path / "src/word/0.flac"
    sound, rate_hz = soundfile.read(tmp_path / "src/word/0.wav")
    (tmp_path / "src/word/0.wav").unlink()
    soundfile.write(path, sound, rate_hz)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(DataError, match=r"1 of 5 recordings cannot be used \(skip_bad=true"):
        prepare_wavs(tmp_path / "src", tmp_path / "data")
    prepared = prepare_wavs(tmp_path / "src", tmp_path / "data", skip_bad=True)
    assert (
        list(prepared.skipped) == ["word-0"] and len(prepared.data.text) == len(prepared.data.segments) == 4
    )
