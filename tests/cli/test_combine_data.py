"""combine-data: several data directories as one, and when they do not go together."""

import shutil

import pytest
from command import asrkit

from asrkit.errors import SettingsError
from asrkit.io.archive import read_matrix
from asrkit.io.data_dir import read_data_dir
from asrkit.io.files import read_table, write_table
from asrkit.workflows.combine_data import combine_data

KEYED = ("text", "utt2spk", "feats.scp", "utt2num_frames", "utt2dur", "wav.scp")


def renamed(folder, target, start="x", speakers=True):
    """A copy of a data directory with other names for its utterances, and for its speakers."""
    shutil.copytree(folder, target)
    asrkit("fix-data", target)
    for name in KEYED:
        write_table(target / name, {start + key: value for key, value in read_table(target / name).items()})
    if speakers:
        write_table(
            target / "utt2spk",
            {utt: start + speaker for utt, speaker in read_table(target / "utt2spk").items()},
        )
        for name in ("spk2gender", "cmvn.scp"):
            write_table(
                target / name, {start + key: value for key, value in read_table(target / name).items()}
            )
    (target / "spk2utt").unlink()
    return target


def test_all_tables_of_both(make_data_dir, tmp_path, capsys):
    first = make_data_dir()
    second = renamed(first, tmp_path / "second")
    asrkit("combine-data", tmp_path / "all", first, second)
    assert f"combined 6 + 6 = 12 utterances in {tmp_path}/all\n" in capsys.readouterr().out
    for name in (*KEYED, "spk2gender", "cmvn.scp"):
        assert read_table(tmp_path / "all" / name) == dict(
            sorted({**read_table(first / name), **read_table(second / name)}.items())
        )
    assert (tmp_path / "all" / "frontend.conf").read_bytes() == (first / "frontend.conf").read_bytes()
    asrkit("validate-data", tmp_path / "all")


def test_relative_paths_lead_to_the_same_files(make_data_dir, tmp_path, monkeypatch):
    first = make_data_dir()
    write_table(
        first / "feats.scp",
        {utt: spec.replace(str(first), "data") for utt, spec in read_table(first / "feats.scp").items()},
    )
    (tmp_path / "elsewhere").mkdir()
    asrkit("combine-data", tmp_path / "elsewhere" / "all", first)
    monkeypatch.chdir("/")
    for spec in read_table(tmp_path / "elsewhere" / "all" / "feats.scp").values():
        assert spec.startswith(str(first)) and read_matrix(spec).shape == (20, 4)


def test_what_not_all_have_is_left_out(make_data_dir, tmp_path, capsys):
    first = make_data_dir()
    second = renamed(first, tmp_path / "second", speakers=False)
    (second / "utt2dur").unlink()
    (second / "utt2uniq").write_text("".join(f"x{utt} {utt}\n" for utt in read_table(first / "text")))
    asrkit("combine-data", tmp_path / "all", first, second)
    assert "a speaker is in several: cmvn.scp, utt2dur\n" in capsys.readouterr().err
    assert not (tmp_path / "all" / "utt2dur").exists()
    assert not (tmp_path / "all" / "cmvn.scp").exists()  # amy's statistics would be those of one half
    assert set(read_table(tmp_path / "all" / "utt2uniq").values()) == set(read_table(first / "text"))
    asrkit("subset-data", tmp_path / "all", tmp_path / "part", "--first", "2")
    assert len(read_table(tmp_path / "part" / "utt2uniq")) == 2


def test_recordings_join_segments_as_whole_ones(make_data_dir, tmp_path):
    first = make_data_dir(segments=True)
    second = renamed_whole = tmp_path / "second"
    shutil.copytree(first, renamed_whole)
    for name in ("feats.scp", "cmvn.scp", "segments", "utt2num_frames", "utt2dur", "spk2utt", "spk2gender"):
        (second / name).unlink()
    write_table(
        second / "wav.scp", {f"x{key}": value for key, value in read_table(first / "wav.scp").items()}
    )
    for name in ("text", "utt2spk"):
        write_table(second / name, {f"x{speaker}": speaker for speaker in read_table(first / "wav.scp")})
    asrkit("combine-data", tmp_path / "all", first, second)
    whole = read_data_dir(tmp_path / "all")
    assert len(whole.segments) == 9 and not whole.feats
    assert (
        whole.segments["xamy"].recording,
        whole.segments["xamy"].start_s,
        whole.segments["xamy"].end_s,
    ) == ("xamy", 0, -1)


def change(folder, name, old, new):
    (folder / name).write_text((folder / name).read_text().replace(old, new))


def rename_recording(folder, old, new):
    table = read_table(folder / "wav.scp")
    write_table(folder / "wav.scp", {new if key == old else key: f"{folder}/{key}.wav" for key in table})


@pytest.mark.parametrize(
    ("breakage", "message"),
    [
        (
            lambda f: change(f, "frontend.conf", "4", "5"),
            "second/frontend.conf: num-ceps is 5, in {first}/frontend.conf it is 4",
        ),
        (
            lambda f: change(f, "frontend.conf", "4", "4\n--num-mel-bins=7"),
            "num-mel-bins is 7, in {first}/frontend.conf it is not set",
        ),
        (
            lambda f: (f / "frontend.conf").write_text(""),
            "second/frontend.conf: num-ceps is not set, in {first}/frontend.conf it is 4",
        ),
        (
            lambda f: (f / "frontend.conf").unlink(),
            "second/frontend.conf: no such file, but {first}/frontend.conf is there",
        ),
        (
            lambda f: change(f, "frame_shift", "0.01", "0.02"),
            "second/frame_shift: frame_shift is 0.02, in {first}/frame_shift it is 0.01",
        ),
        (
            lambda f: change(f, "spk2gender", "xamy f", "amy m"),
            "second/spk2gender: 'amy' is 'm', in {first}/spk2gender it is 'f'",
        ),
        (
            lambda f: [change(f, name, "xamy-no ", "amy-no ") for name in KEYED],
            "second: utterance 'amy-no' is in {first}, too",
        ),
        (lambda f: rename_recording(f, "xbob-no", "bob-no"), "second/wav.scp: 'bob-no' is "),
    ],
    ids=range(8),
)
def test_what_does_not_go_together(make_data_dir, tmp_path, capsys, breakage, message):
    first = make_data_dir()
    second = renamed(first, tmp_path / "second")
    breakage(second)
    if "amy' is" in message:  # the speaker is in both
        change(second, "utt2spk", " xamy", " amy")
    asrkit("combine-data", tmp_path / "all", first, second, status=1)
    assert message.format(first=first) in capsys.readouterr().err and not (tmp_path / "all").exists()


def test_out_is_another_folder(make_data_dir, capsys):
    folder = make_data_dir()
    with pytest.raises(SystemExit) as stop:
        asrkit("combine-data", folder, folder)
    assert stop.value.code == 2
    assert f"{folder}: the output folder is one of the directories" in capsys.readouterr().err


def test_from_python(make_data_dir, tmp_path, capsys):
    first = make_data_dir()
    second = renamed(first, tmp_path / "second")
    (second / "utt2dur").unlink()
    capsys.readouterr()
    whole = combine_data([first, second], tmp_path / "all")
    assert whole.sizes == [6, 6] and whole.left_out == ["utt2dur"]
    assert whole.data.text == read_data_dir(tmp_path / "all").text
    assert capsys.readouterr().out == ""
    asrkit("combine-data", tmp_path / "all", first, second)
    assert capsys.readouterr().out.splitlines() == whole.lines()
    with pytest.raises(SettingsError, match="the whole is written elsewhere"):
        combine_data([first, second], first)
