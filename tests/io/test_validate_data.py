"""validate-data: a sound directory passes, and every kind of damage is named with file and key."""

import shutil

import kaldiio
import numpy as np
import pytest
import soundfile

from asrkit.cli.main import main
from asrkit.io.validation import Checks
from asrkit.workflows.validate_data import validate_data


def edit(folder, name, old, new):
    """Replace `old`, which must be there, by `new` in one file."""
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def set_line(folder, name, number, *new):
    """Put the lines `new` in the place of one line."""
    lines = (folder / name).read_text().splitlines()
    lines[number - 1 : number] = new
    (folder / name).write_text("".join(f"{line}\n" for line in lines))


def drop_line(folder, name, number):
    set_line(folder, name, number)


def set_feats_of_bob_no(folder, array):
    kaldiio.save_ark(str(folder / "other.ark"), {"bob-no": array}, scp=str(folder / "other.scp"))
    set_line(folder, "feats.scp", 3, (folder / "other.scp").read_text().strip())


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])


def pickle_entry(folder):
    (folder / "p.ark").write_bytes(b"amy-no PKL whatever")
    set_line(folder, "feats.scp", 1, f"amy-no {folder}/p.ark:7")


def nan_frame():
    array = np.ones((20, 4), dtype=np.float32)
    array[3, 2] = np.nan
    return array


# id: (damage, what the message must hold). The directory has amy, bob, cid, each saying no and yes.
DAMAGES = {
    "no directory": (lambda d: shutil.rmtree(d), ["no such directory"]),
    "no utt2spk": (lambda d: (d / "utt2spk").unlink(), ["utt2spk: no such file", "fix-data"]),
    "no spk2utt": (lambda d: (d / "spk2utt").unlink(), ["spk2utt: no such file", "fix-data"]),
    "no text": (lambda d: (d / "text").unlink(), ["text: no such file", "--no-text true"]),
    "no wav and feats": (
        lambda d: [(d / name).unlink() for name in ("wav.scp", "feats.scp")],
        ["neither wav.scp nor feats.scp"],
    ),
    "empty file": (lambda d: (d / "text").write_text(""), ["text: empty file"]),
    "unsorted": (lambda d: edit(d, "text", "amy-no no\namy-yes yes", "amy-yes yes\namy-no no"), ["text:2:", "'amy-no' comes after 'amy-yes'"]),
    "duplicate": (lambda d: edit(d, "text", "amy-yes yes", "amy-no yes"), ["text:2:", "'amy-no' appears twice"]),
    "empty line": (lambda d: edit(d, "text", "amy-yes", "\namy-yes"), ["text:2: empty line"]),
    "byte order mark": (lambda d: edit(d, "text", "amy-no", "\ufeffamy-no"), ["text:1:", "byte order mark"]),
    "not UTF-8": (
        lambda d: (d / "text").write_bytes((d / "text").read_bytes().replace(b"amy-no no", b"amy-no n\xf6")),
        ["text:1: not UTF-8"],
    ),
    "no transcript": (lambda d: edit(d, "text", "bob-no no", "bob-no"), ["text:3:", "'bob-no': empty transcript"]),
    "no value": (lambda d: edit(d, "utt2spk", "bob-no bob", "bob-no"), ["utt2spk:3:", "'bob-no'", "nothing follows"]),
    "two speakers": (lambda d: edit(d, "utt2spk", "bob-no bob", "bob-no bob b"), ["utt2spk:3:", "'bob-no'", "3 fields"]),
    "text lacks": (lambda d: drop_line(d, "text", 3), ["utt2spk:3", "'bob-no'", "is not in text"]),
    "utt2spk lacks": (lambda d: drop_line(d, "utt2spk", 3), ["text:3", "'bob-no'", "is not in utt2spk"]),
    "wav.scp lacks": (lambda d: drop_line(d, "wav.scp", 6), ["utt2spk:6", "'cid-yes'", "is not in wav.scp"]),
    "feats.scp lacks": (lambda d: drop_line(d, "feats.scp", 1), ["utt2spk:1", "'amy-no'", "is not in feats.scp"]),
    "frames lack": (lambda d: drop_line(d, "utt2num_frames", 1), ["'amy-no'", "is not in utt2num_frames", "compute-mfcc"]),
    "speaker order": (
        lambda d: edit(d, "utt2spk", "amy-no amy", "amy-no zoe"),
        ["utt2spk:1: utt2spk is not in sorted order when sorted first on speaker-id "
         "(fix this by making speaker-ids prefixes of utt-ids)", "'amy-no'"],
    ),
    "spk2utt extra": (lambda d: edit(d, "spk2utt", "amy-yes", "amy-yes amy-zap"), ["spk2utt:1:", "'amy-zap'", "is not in utt2spk"]),
    "spk2utt lacks": (lambda d: edit(d, "spk2utt", " amy-yes", ""), ["utt2spk:2:", "'amy-yes'", "is not in spk2utt"]),
    "spk2utt differs": (
        lambda d: (edit(d, "spk2utt", " amy-yes", ""), edit(d, "spk2utt", "bob-yes", "bob-yes amy-yes")),
        ["spk2utt:2:", "'amy-yes' of speaker 'bob' belongs to 'amy' in utt2spk:2"],
    ),
    "wav missing": (lambda d: (d / "wav" / "amy-no.wav").unlink(), ["wav.scp:1:", "'amy-no'", "o such file"]),
    "wav is no wav": (lambda d: (d / "wav" / "amy-no.wav").write_text("hello"), ["wav.scp:1:", "'amy-no'", "not a recording"]),
    "wav empty": (
        lambda d: soundfile.write(d / "wav" / "amy-no.wav", np.zeros(0), 8000), ["wav.scp:1:", "'amy-no'", "0 samples"],
    ),
    "wav cut off": (lambda d: cut(d / "wav" / "amy-no.wav", 1000), ["wav.scp:1:", "'amy-no'", "cut off"]),
    "wav pipe": (
        lambda d: set_line(d, "wav.scp", 1, "amy-no cat x.wav |"), ["wav.scp:1:", "'amy-no'", "pipe", "--allow-pipes true"],
    ),
    "feats pipe": (
        lambda d: set_line(d, "feats.scp", 1, "amy-no cat x.ark |"), ["feats.scp:1:", "'amy-no'", "pipe", "--allow-pipes true"],
    ),
    "ark missing": (lambda d: (d / "feats.ark").unlink(), ["feats.scp:1:", "'amy-no'", "feats.ark"]),
    "ark cut off": (lambda d: cut(d / "feats.ark", -50), ["feats.scp:6:", "'cid-yes'", "cut off"]),
    "ark pickled": (pickle_entry, ["feats.scp:1:", "'amy-no'", "pickled"]),
    "other dimension": (
        lambda d: set_feats_of_bob_no(d, np.ones((20, 3), dtype=np.float32)),
        ["feats.scp:3:", "'bob-no': dimension 3, but 5 others have 4"],
    ),
    "not a number": (lambda d: set_feats_of_bob_no(d, nan_frame()), ["feats.scp:3:", "'bob-no'", "1 of 80 values are NaN"]),
    "zero frames": (
        lambda d: set_feats_of_bob_no(d, np.ones((0, 4), dtype=np.float32)), ["feats.scp:3:", "'bob-no'", "0 frames"],
    ),
    "a vector": (lambda d: set_feats_of_bob_no(d, np.ones(4, dtype=np.float32)), ["feats.scp:3:", "'bob-no'", "vector of 4"]),
    "frames contradict": (
        lambda d: edit(d, "utt2num_frames", "bob-no 20", "bob-no 21"), ["utt2num_frames:3:", "'bob-no': 21 frames", "has 20"],
    ),
    "frames no count": (lambda d: edit(d, "utt2num_frames", "bob-no 20", "bob-no x"), ["utt2num_frames:3:", "'bob-no': 'x' is not"]),
    "duration": (lambda d: edit(d, "utt2dur", "bob-no 0.25", "bob-no -1"), ["utt2dur:3:", "'bob-no': '-1' is not a positive"]),
    "cmvn unknown": (lambda d: edit(d, "cmvn.scp", "cid ", "dan "), ["cmvn.scp:3:", "'dan'", "is not in utt2spk"]),
    "cmvn lacks": (lambda d: drop_line(d, "cmvn.scp", 3), ["utt2spk:5:", "'cid'", "is not in cmvn.scp", "compute-cmvn"]),
    "gender": (lambda d: edit(d, "spk2gender", "bob m", "bob x"), ["spk2gender:2:", "'bob'", "'x' is neither m nor f"]),
}  # fmt: skip

SEGMENT_DAMAGES = {
    "fields": (lambda d: edit(d, "segments", "bob-no bob 0.0", "bob-no 0.0"), ["segments:3:", "'bob-no'", "3 fields"]),
    "no number": (lambda d: edit(d, "segments", "bob-no bob 0.0", "bob-no bob zero"), ["segments:3:", "'bob-no'", "'zero 0.25' are not two times"]),
    "end before start": (lambda d: edit(d, "segments", "bob-no bob 0.0", "bob-no bob 0.3"), ["segments:3:", "'bob-no'", "not after"]),
    "negative": (lambda d: edit(d, "segments", "bob-no bob 0.0", "bob-no bob -0.1"), ["segments:3:", "'bob-no'", "negative"]),
    "unknown recording": (
        lambda d: edit(d, "segments", "bob-no bob", "bob-no dan"), ["segments:3:", "'bob-no'", "'dan' is not in wav.scp"],
    ),
    "recording unused": (lambda d: [drop_line(d, "segments", 5), drop_line(d, "segments", 5)], ["wav.scp:3:", "'cid' is not in segments"]),
    "past the end": (
        lambda d: edit(d, "segments", "bob-yes bob 0.25 -1", "bob-yes bob 0.25 0.6"), ["segments:4:", "'bob-yes'", "0.25 to 0.6 s", "0.500 s"],
    ),
    "no wav.scp": (lambda d: (d / "wav.scp").unlink(), ["segments", "no wav.scp"]),
}  # fmt: skip


def check(folder, damage, expected, capsys):
    damage(folder)
    assert main(["validate-data", str(folder)]) == 1
    out = capsys.readouterr().out
    assert any(all(part in line for part in expected) for line in out.splitlines()), out
    assert "Successfully" not in out


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_named(make_data_dir, capsys, damage, expected):
    check(make_data_dir(), damage, expected, capsys)


@pytest.mark.parametrize(("damage", "expected"), SEGMENT_DAMAGES.values(), ids=SEGMENT_DAMAGES)
def test_damage_of_segments_is_named(make_data_dir, capsys, damage, expected):
    check(make_data_dir(segments=True), damage, expected, capsys)


@pytest.mark.parametrize("segments", [False, True])
def test_sound_directory_passes(make_data_dir, capsys, segments):
    folder = make_data_dir(segments=segments)
    assert main(["validate-data", str(folder)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"Successfully validated data-directory {folder}\n"
    assert "2 words have fewer than 5 recordings (no, ...)" in captured.err
    assert captured.err.count("WARNING") == 1


def test_every_fault_is_listed(make_data_dir, capsys):
    folder = make_data_dir()
    edit(folder, "text", "amy-no no", "amy-no")
    (folder / "wav" / "bob-no.wav").unlink()
    drop_line(folder, "feats.scp", 6)
    assert main(["validate-data", str(folder)]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "flag"), [("text", "--no-text"), ("wav.scp", "--no-wav"), ("feats.scp", "--no-feats")]
)
def test_flags_allow_absence_but_check_presence(make_data_dir, capsys, name, flag):
    folder = make_data_dir()
    lines = (folder / name).read_text()
    drop_line(folder, name, 1)
    assert main(["validate-data", str(folder), flag]) == 1
    (folder / name).write_text(lines)
    for gone in (name, *(["utt2num_frames"] if name == "feats.scp" else [])):
        (folder / gone).unlink()
    assert main(["validate-data", str(folder), flag]) == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("WARNING")]
    assert all("fewer than 5 recordings" in line for line in warned)


def test_unread_files_need_only_exist(make_data_dir):
    folder = make_data_dir()
    cut(folder / "feats.ark", 10)
    cut(folder / "wav" / "amy-no.wav", 10)
    assert main(["validate-data", str(folder), "--read-feats", "false", "--read-wavs=false"]) == 0
    (folder / "wav" / "amy-no.wav").unlink()
    assert main(["validate-data", str(folder), "--read-feats", "false", "--read-wavs=false"]) == 1


def test_allowed_pipes_are_read(make_data_dir):
    folder = make_data_dir()
    set_line(folder, "wav.scp", 1, f"amy-no cat {folder}/wav/amy-no.wav |")
    assert main(["validate-data", str(folder)]) == 1
    assert main(["validate-data", str(folder), "--allow-pipes"]) == 0


def test_a_pipe_is_not_run(make_data_dir, tmp_path):
    folder = make_data_dir()
    set_line(folder, "wav.scp", 1, f"amy-no touch {tmp_path}/ran |")
    main(["validate-data", str(folder)])
    assert not (tmp_path / "ran").exists()


def test_different_rates_are_a_warning(make_data_dir, capsys):
    folder = make_data_dir()
    soundfile.write(folder / "wav" / "cid-yes.wav", np.zeros(4000), 16000)
    assert main(["validate-data", str(folder)]) == 0
    assert "5 at 8000 Hz (first 'amy-no'), 1 at 16000 Hz (first 'cid-yes')" in capsys.readouterr().err


def test_from_python(make_data_dir, capsys):
    folder = make_data_dir()
    found = validate_data(folder)
    assert found.faults == []
    assert found.lines() == [f"Successfully validated data-directory {folder}"]
    (folder / "text").unlink()
    assert validate_data(folder, checks=Checks(no_text=True)).faults == []
    drop_line(folder, "wav.scp", 1)
    found = validate_data(folder)
    assert len(found.faults) == 2 and found.lines() == found.faults
    assert "; no_text=true if by design)" in found.faults[0]
    assert capsys.readouterr().out == ""
    assert main(["validate-data", str(folder)]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [line.replace("no_text=", "--no-text ") for line in found.lines()]
    assert f"asrkit validate-data: 2 faults in {folder}\n" in err


HEALED = (
    "no utt2spk", "no spk2utt", "unsorted", "duplicate", "empty line", "byte order mark", "no transcript", "no value",
    "text lacks", "utt2spk lacks", "wav.scp lacks", "feats.scp lacks", "spk2utt extra", "spk2utt lacks", "spk2utt differs",
)  # fmt: skip


@pytest.mark.parametrize("name", HEALED)
def test_fix_data_heals(make_data_dir, capsys, name):
    folder = make_data_dir()
    DAMAGES[name][0](folder)
    assert main(["fix-data", str(folder)]) == 0
    assert main(["validate-data", str(folder)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["fields", "no number", "end before start", "negative", "unknown recording", "recording unused"]
)
def test_fix_data_heals_segments(make_data_dir, capsys, name):
    folder = make_data_dir(segments=True)
    SEGMENT_DAMAGES[name][0](folder)
    assert main(["fix-data", str(folder)]) == 0
    assert main(["validate-data", str(folder)]) == 0, capsys.readouterr().out
