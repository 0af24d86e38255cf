"""Reading, writing, splitting and selecting data directories, and making them from folders of recordings."""

import dataclasses
import os
import shutil

import numpy as np
import pytest
import soundfile

from asrkit.cli.main import main
from asrkit.errors import DataError, SettingsError
from asrkit.io.archive import read_matrix
from asrkit.io.data_dir import DataDir, Segment, read_data_dir, subset, write_data_dir
from asrkit.workflows.fix_data import fix_data
from asrkit.workflows.prepare_wavs import prepare_wavs
from asrkit.workflows.split_data import split_data
from asrkit.workflows.subset_data import subset_data


def lines(path):
    return path.read_text().splitlines()


def put(path, *texts):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in texts))


def put_wavs(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, np.full(400, 0.1), 8000)


def same_data(one, other):
    return dataclasses.replace(one, path=other.path) == other


# reading and writing


@pytest.mark.parametrize("segments", [False, True])
def test_round_trip(make_data_dir, tmp_path, segments):
    data = read_data_dir(make_data_dir(segments=segments))
    write_data_dir(data, tmp_path / "copy")
    copy = read_data_dir(tmp_path / "copy")
    assert same_data(data, copy)
    names = {path.name for path in (tmp_path / "copy").iterdir()}
    assert {"spk2utt", "utt2num_frames", "utt2dur", "frame_shift", "frontend.conf", "spk2gender"} <= names
    for name in names - {"segments"}:
        assert (data.path / name).read_bytes() == (tmp_path / "copy" / name).read_bytes()


def test_segments_are_read(make_data_dir):
    data = read_data_dir(make_data_dir(segments=True))
    assert data.segments["bob-no"] == Segment("bob", 0.0, 0.25)
    assert data.segments["bob-yes"] == Segment("bob", 0.25, -1)
    assert set(data.wav) == {"amy", "bob", "cid"}


def test_course_directory_without_speakers_and_recordings(tmp_path):
    put(tmp_path / "wav.scp", "a1 nowhere/a 1.wav", "b1 nowhere/b1.wav")
    put(tmp_path / "text", "a1 Z", "b1")
    data = read_data_dir(tmp_path)
    assert data.utts == ["a1", "b1"]
    assert data.speaker("a1") == "a1"
    assert data.wav["a1"] == "nowhere/a 1.wav"
    assert data.text["b1"] == ""


def test_utts_are_in_byte_order():
    assert DataDir("x", text=dict.fromkeys(["é", "z", "Z", "a-b", "a_b"], "")).utts == [
        "Z",
        "a-b",
        "a_b",
        "z",
        "é",
    ]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("feats.scp", "compute-mfcc"), ("cmvn.scp", "compute-cmvn"), ("text", "utterance word")],
)
def test_required_file(make_data_dir, name, remedy):
    folder = make_data_dir()
    (folder / name).unlink()
    read_data_dir(folder, require=("wav.scp",))
    with pytest.raises(DataError, match=f"{name}: no such file .*{remedy}"):
        read_data_dir(folder, require=(name,))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text", "b x\na y\n", "text:2: 'a' comes after 'b'"),
        ("text", "a x\na y\n", "text:2: key 'a' appears twice"),
        ("segments", "a r 0 1\nb r 1 0.5\n", "segments:2: utterance 'b': end 0.5 s is not after start 1 s"),
        ("other", "a x\n", "no data directory"),
    ],
)
def test_malformed(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_data_dir(tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        read_data_dir(tmp_path / "none")


def test_tables_of_an_earlier_run_go(make_data_dir):
    folder = make_data_dir(segments=True)
    data = dataclasses.replace(read_data_dir(folder), segments={}, feats={}, cmvn={})
    write_data_dir(data, folder)
    assert not {"segments", "feats.scp", "cmvn.scp", "utt2num_frames", "frontend.conf"} & set(
        os.listdir(folder)
    )
    assert {"text", "wav.scp", "utt2spk", "spk2utt", "spk2gender"} <= set(os.listdir(folder))


# subset


def test_subset_filters_every_table(make_data_dir, tmp_path):
    data = read_data_dir(make_data_dir(segments=True))
    part = subset(data, ["amy-no", "amy-yes", "cid-no"], tmp_path / "part")
    assert same_data(part, read_data_dir(tmp_path / "part"))
    assert (
        part.utts
        == list(part.text)
        == list(part.feats)
        == list(part.segments)
        == ["amy-no", "amy-yes", "cid-no"]
    )
    assert list(part.wav) == list(part.cmvn) == ["amy", "cid"]
    assert lines(tmp_path / "part" / "spk2utt") == ["amy amy-no amy-yes", "cid cid-no"]
    assert lines(tmp_path / "part" / "utt2dur") == ["amy-no 0.25", "amy-yes 0.25", "cid-no 0.25"]
    assert lines(tmp_path / "part" / "spk2gender") == ["amy f", "cid m"]
    assert main(["validate-data", str(tmp_path / "part")]) == 0


def test_relative_paths_still_lead_to_their_files(make_data_dir, tmp_path):
    folder = make_data_dir()
    for name in ("wav.scp", "feats.scp", "cmvn.scp"):
        (folder / name).write_text((folder / name).read_text().replace(f"{folder}/", ""))
    data = read_data_dir(folder)
    assert data.wav["amy-no"] == "wav/amy-no.wav"
    subset(data, data.utts[:3], tmp_path / "far" / "away" / "part")
    assert main(["validate-data", str(tmp_path / "far" / "away" / "part")]) == 0
    part = read_data_dir(tmp_path / "far" / "away" / "part")
    np.testing.assert_array_equal(
        read_matrix(part.feats["amy-yes"]), read_matrix(data.feats["amy-yes"], base=folder)
    )


SELECTIONS = {
    "first": (["--first", "2"], ["amy-no", "amy-yes"]),
    "last": (["--last=1"], ["cid-yes"]),
    "utt list": (["--utt-list", "{utts}"], ["amy-yes", "cid-no"]),
    "spk list": (["--spk-list", "{spks}"], ["cid-no", "cid-yes"]),
    "not spk list": (
        ["--spk-list", "{spks}", "--exclude", "true"],
        ["amy-no", "amy-yes", "bob-no", "bob-yes"],
    ),
    "regex": (["--utt-regex", "^(amy|bob)-y"], ["amy-yes", "bob-yes"]),
    "not regex": (["--utt-regex", "yes|bob", "--exclude"], ["amy-no", "cid-no"]),
    "per speaker": (["--per-spk", "1"], ["amy-no", "bob-no", "cid-no"]),
    "per word": (["--per-word", "2"], ["amy-no", "amy-yes", "bob-no", "bob-yes"]),
    "shortest": (["--shortest", "2"], ["amy-no", "bob-yes"]),
}


@pytest.mark.parametrize(("options", "expected"), SELECTIONS.values(), ids=SELECTIONS)
def test_subset_data(make_data_dir, tmp_path, capsys, options, expected):
    folder = make_data_dir()
    put(tmp_path / "utts", "cid-no", "amy-yes")
    put(tmp_path / "spks", "cid")
    frames = {"bob-yes": 7, "amy-no": 8}
    put(folder / "utt2num_frames", *(f"{utt} {frames.get(utt, 20)}" for utt in read_data_dir(folder).utts))
    options = [option.format(utts=tmp_path / "utts", spks=tmp_path / "spks") for option in options]
    assert main(["subset-data", str(folder), str(tmp_path / "out"), *options]) == 0
    assert read_data_dir(tmp_path / "out").utts == expected
    assert f"from 6 to {len(expected)}" in capsys.readouterr().out


def test_random_subset_depends_on_the_seed_alone(make_data_dir, tmp_path):
    folder = make_data_dir()
    drawn = []
    for number, seed in enumerate((1, 1, 2, 3, 4)):
        assert (
            main(
                [
                    "subset-data",
                    str(folder),
                    str(tmp_path / str(number)),
                    "--random",
                    "3",
                    "--seed",
                    str(seed),
                ]
            )
            == 0
        )
        drawn.append(read_data_dir(tmp_path / str(number)).utts)
    assert drawn[0] == drawn[1]
    assert len({tuple(utts) for utts in drawn}) > 1
    assert all(len(utts) == 3 for utts in drawn)


REFUSED_SELECTIONS = {
    "none": ([], 2, "one of the arguments"),
    "two": (["--first", "1", "--last", "1"], 2, "not allowed with"),
    "zero": (["--first", "0"], 2, "at least 1"),
    "exclude first": (
        ["--first", "1", "--exclude"],
        2,
        "--exclude true goes with --spk-list FILE, --utt-list FILE or --utt-regex RE",
    ),
    "bad regex": (["--utt-regex", "("], 2, "--utt-regex '('"),
    "too many": (["--first", "7"], 1, "there are 6 utterances"),
    "unknown id": (["--utt-list", "{utts}"], 1, "utts: 1 of 2 utterances not in"),
    "nothing": (["--utt-regex", "zebra"], 1, "none of 6 utterances"),
}


@pytest.mark.parametrize(
    ("options", "status", "message"), REFUSED_SELECTIONS.values(), ids=REFUSED_SELECTIONS
)
def test_refused_subset_writes_nothing(make_data_dir, tmp_path, capsys, options, status, message):
    folder = make_data_dir()
    put(tmp_path / "utts", "cid-no", "dan-no")
    argv = [
        "subset-data",
        str(folder),
        str(tmp_path / "out"),
        *(o.format(utts=tmp_path / "utts") for o in options),
    ]
    try:
        assert main(argv) == status
    except SystemExit as stop:
        assert stop.code == status
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_skip_missing(make_data_dir, tmp_path):
    put(tmp_path / "utts", "cid-no", "dan-no")
    argv = ["subset-data", str(make_data_dir()), str(tmp_path / "out"), "--utt-list", str(tmp_path / "utts")]
    assert main([*argv, "--skip-missing", "true"]) == 0
    assert read_data_dir(tmp_path / "out").utts == ["cid-no"]


def test_shortest_needs_lengths(make_data_dir, tmp_path, capsys):
    folder = make_data_dir()
    (folder / "utt2num_frames").unlink()
    (folder / "utt2dur").unlink()
    assert main(["subset-data", str(folder), str(tmp_path / "out"), "--shortest", "1"]) == 1
    assert "neither utt2num_frames nor utt2dur" in capsys.readouterr().err


def test_subset_from_python(make_data_dir, tmp_path, capsys):
    folder = make_data_dir()
    part = subset_data(folder, tmp_path / "out", utt_regex="yes", exclude=True)
    assert part.data.utts == ["amy-no", "bob-no", "cid-no"] and part.num_before == 6
    assert same_data(part.data, read_data_dir(tmp_path / "out"))
    assert capsys.readouterr().out == ""
    assert main(["subset-data", str(folder), str(tmp_path / "out"), "--utt-regex=yes", "--exclude"]) == 0
    assert capsys.readouterr().out.splitlines() == part.lines()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "exactly one of .* 0 are given"),
        ({"first": 1, "per_word": 1}, "exactly one of .* 2 are given"),
        ({"per_spk": 0}, "per_spk=0: at least 1"),
        ({"random": 1, "seed": -1}, "seed=-1 is less than 0"),
        ({"last": 1, "exclude": True}, "exclude=true goes with spk_list=FILE"),
        ({"utt_regex": "("}, r"utt_regex='\('"),
    ],
)
def test_settings_that_choose_nothing(make_data_dir, tmp_path, settings, message):
    with pytest.raises(SettingsError, match=message):
        subset_data(make_data_dir(), tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_a_part_is_written_elsewhere(make_data_dir, capsys):
    folder = make_data_dir()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit) as stop:
        main(["subset-data", str(folder), f"{folder}/../data", "--first", "1"])
    assert stop.value.code == 2
    assert f"{folder}/../data: the output folder is the data directory" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# split-data


def test_split_keeps_speakers_whole(make_data_dir):
    folder = make_data_dir()
    assert main(["split-data", str(folder), "2"]) == 0
    parts = [read_data_dir(folder / "split2" / str(number)) for number in (1, 2)]
    assert parts[0].utts + parts[1].utts == read_data_dir(folder).utts
    assert not set(parts[0].utt2spk.values()) & set(parts[1].utt2spk.values())
    assert all(main(["validate-data", str(part.path)]) == 0 for part in parts)


@pytest.mark.parametrize("sizes", [[50] * 6, [1, 1, 1, 100, 1, 1], [100, 1, 1, 1, 1, 1], [3, 5, 2, 8, 1, 1]])
@pytest.mark.parametrize("parts", [1, 2, 3, 5, 6])
def test_split_is_a_balanced_partition(tmp_path, sizes, parts):
    utts = [f"s{speaker}-{number:03}" for speaker, size in enumerate(sizes) for number in range(size)]
    put(tmp_path / "utt2spk", *(f"{utt} {utt[:2]}" for utt in utts))
    assert main(["split-data", str(tmp_path), str(parts)]) == 0
    split = [read_data_dir(tmp_path / f"split{parts}" / str(number + 1)).utts for number in range(parts)]
    assert sum(split, []) == utts
    assert max(map(len, split)) <= len(utts) / parts + max(sizes)
    assert min(map(len, split)) >= min(sizes)


def test_split_more_parts_than_speakers(make_data_dir, capsys):
    folder = make_data_dir()
    assert main(["split-data", str(folder), "4"]) == 1
    assert (
        "4 parts asked for, but there are 3 speakers (ask for fewer, or --per-utt true)"
        in capsys.readouterr().err
    )
    assert main(["split-data", str(folder), "4", "--per-utt", "true"]) == 0
    sizes = [len(read_data_dir(folder / "split4" / str(number)).utts) for number in range(1, 5)]
    assert sum(sizes) == 6 and set(sizes) == {1, 2}
    assert main(["split-data", str(folder), "7", "--per-utt"]) == 1


def test_split_without_utt2spk(tmp_path):
    put(tmp_path / "text", "a 1", "b 2", "c 3")
    assert main(["split-data", str(tmp_path), "3"]) == 0
    assert lines(tmp_path / "split3" / "2" / "text") == ["b 2"]


def test_split_from_python(make_data_dir, capsys):
    folder = make_data_dir()
    split = split_data(folder, 2)
    assert split.folder == folder / "split2" and list(map(len, split.parts)) == [4, 2]
    assert split.parts == [read_data_dir(split.folder / number).utts for number in "12"]
    assert capsys.readouterr().out == ""
    assert main(["split-data", str(folder), "2"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == split.lines() == [f"split 6 utterances into 2 parts of 4 2 in {folder}/split2"]
    with pytest.raises(SettingsError, match="parts=0"):
        split_data(folder, 0)


# fix-data


def test_fix_data_tells_what_it_drops(make_data_dir, capsys):
    folder = make_data_dir()
    old = (folder / "text").read_text()
    (folder / "text").write_text(old.replace("bob-no no\n", "").replace("cid-yes yes", "cid-yes"))
    damaged = (folder / "text").read_bytes()
    assert main(["fix-data", str(folder)]) == 0
    captured = capsys.readouterr()
    assert captured.out == "kept 4 utterances out of 6\n"
    assert "dropped 'bob-no': not in text" in captured.err
    assert "dropped 'cid-yes': empty transcript in text" in captured.err
    assert (folder / ".backup" / "text").read_bytes() == damaged
    assert len(lines(folder / "wav.scp")) == len(lines(folder / "utt2dur")) == 4
    assert main(["validate-data", str(folder)]) == 0


def test_fix_data_leaves_a_sound_directory(make_data_dir, capsys):
    folder = make_data_dir()
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert main(["fix-data", str(folder)]) == 0
    assert capsys.readouterr().out == "kept all 6 utterances.\n"
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_fix_data_with_nothing_left_changes_nothing(make_data_dir, capsys):
    folder = make_data_dir()
    put(folder / "text", "zoe-no no")
    assert main(["fix-data", str(folder)]) == 1
    assert "none of 7 utterances is in all of" in capsys.readouterr().err
    assert not (folder / ".backup").exists()
    assert len(lines(folder / "wav.scp")) == 6


def test_fix_data_takes_speakers_from_spk2utt(make_data_dir):
    folder = make_data_dir()
    old = (folder / "utt2spk").read_text()
    (folder / "utt2spk").unlink()
    assert main(["fix-data", str(folder)]) == 0
    assert (folder / "utt2spk").read_text() == old


def test_fix_data_names_twenty(tmp_path, capsys):
    put(tmp_path / "utt2spk", *(f"u{number:02} s" for number in range(30)))
    put(tmp_path / "text", "u00 yes")
    assert main(["fix-data", str(tmp_path)]) == 0
    err = capsys.readouterr().err
    assert err.count("not in text") == 20 and "dropped 9 more" in err


def test_fix_from_python(make_data_dir, capsys):
    folder = make_data_dir()
    damaged = (folder / "text").read_text().replace("cid-yes yes", "cid-yes")
    (folder / "text").write_text(damaged)
    fixed = fix_data(folder)
    assert fixed.kept == ["amy-no", "amy-yes", "bob-no", "bob-yes", "cid-no"]
    assert fixed.dropped == {"cid-yes": "empty transcript in text"}
    assert (fixed.backup / "text").read_text() == damaged
    assert capsys.readouterr().out == ""
    (folder / "text").write_text(damaged)
    for name in ("utt2spk", "wav.scp", "feats.scp"):
        shutil.copy(fixed.backup / name, folder / name)
    assert main(["fix-data", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == fixed.lines()


# prepare-wavs


def test_folders_are_words(tmp_path, capsys):
    put_wavs(
        tmp_path / "src", "yes/1.wav", "yes/2.WAV", "turn on/my take.flac", "no/.hidden.wav", "stray.wav"
    )
    put(tmp_path / "src" / "README.txt", "not a recording")
    assert main(["prepare-wavs", str(tmp_path / "src"), str(tmp_path / "data")]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[:2] == [
        f"prepared 3 recordings of 2 words by unknown speakers in {tmp_path}/data",
        "left out: 1 files: .txt 1",
    ]
    assert "speakers are not known" in captured.out and "--speaker NAME" in captured.out
    assert "left out: 1 of 4 recordings do not match '{word}/{index}': stray.wav" in captured.err
    data = read_data_dir(tmp_path / "data")
    assert data.text == {"turn_on-my_take": "turn_on", "yes-1": "yes", "yes-2": "yes"}
    assert data.wav["turn_on-my_take"] == f"{tmp_path}/src/turn on/my take.flac"
    assert main(["validate-data", str(tmp_path / "data")]) == 0


PATTERNS = {
    "fsdd": ("{word}_{speaker}_{index}", "7_jackson_32.wav", "jackson-7-32", "7", "jackson"),
    "with extension": ("{word}_{speaker}_{index}.wav", "7_jackson_32.wav", "jackson-7-32", "7", "jackson"),
    "speech commands": (
        "{word}/{speaker}_nohash_{index}",
        "bed/00f0204f_nohash_1.wav",
        "00f0204f-bed-1",
        "bed",
        "00f0204f",
    ),
    "tidigits": ("{*}/{speaker}/{word}{index}_endpt", "MAN/AE/ZA_endpt.wav", "AE-Z-MAN-A", "zero", "AE"),
    "twice": ("{speaker}/{word}-{speaker}", "ann/yes-ann.wav", "ann-yes", "yes", "ann"),
    "letters beside": ("{word}take{index}", "twotake3.wav", "two-3", "two", "two-3"),
}


@pytest.mark.parametrize(("pattern", "file", "utt", "word", "speaker"), PATTERNS.values(), ids=PATTERNS)
def test_pattern(tmp_path, pattern, file, utt, word, speaker):
    put_wavs(tmp_path / "src", file)
    put(tmp_path / "map", "Z zero")
    argv = ["prepare-wavs", str(tmp_path / "src"), str(tmp_path / "data"), "--pattern", pattern]
    assert main([*argv, "--map", str(tmp_path / "map")]) == 0
    data = read_data_dir(tmp_path / "data")
    assert data.text == {utt: word}
    assert data.utt2spk == {utt: speaker}


def test_one_speaker(tmp_path):
    put_wavs(tmp_path / "src", "yes/1.wav", "no/1.wav")
    assert (
        main(["prepare-wavs", str(tmp_path / "src"), str(tmp_path / "data"), "--speaker", "Ann-Marie B"]) == 0
    )
    assert lines(tmp_path / "data" / "spk2utt") == ["Ann_Marie_B Ann_Marie_B-no-1 Ann_Marie_B-yes-1"]


def test_speakers_that_begin_alike_sort_as_kaldi_wants(tmp_path):
    put_wavs(
        tmp_path / "src", *(f"yes/{name}_1.wav" for name in ("bob", "bob-a", "bob b", "bob2", "bobby", "Bob"))
    )
    pattern = ["--pattern", "{word}/{speaker}_{index}"]
    assert main(["prepare-wavs", str(tmp_path / "src"), str(tmp_path / "data"), *pattern]) == 0
    assert main(["validate-data", str(tmp_path / "data")]) == 0


REFUSED = {
    "no folder": ([], [], 1, "no such folder"),
    "no audio": (["a/x.txt"], [], 1, "no recordings, but .txt"),
    "no match": (
        ["7_ann_1_2.wav"],
        ["--pattern", "{word}_{speaker}_{index}"],
        1,
        "1 of 1 recordings do not match",
    ),
    "same id": (["yes/1.wav", "yes/1.flac"], [], 1, "1.flac both become utterance 'yes-1'"),
    "same speaker": (
        ["a-b_yes.wav", "a b_yes.wav"],
        ["--pattern", "{speaker}_{word}"],
        1,
        "both become 'a_b'",
    ),
    "no word": (["yes/1.wav"], ["--pattern", "{speaker}/{index}"], 2, "has no {word}"),
    "unknown": (["yes/1.wav"], ["--pattern", "{wort}/{index}"], 2, "{wort} (did you mean word?)"),
    "two speakers": (
        ["yes/1.wav"],
        ["--pattern", "{word}/{speaker}", "--speaker", "ann"],
        2,
        "has a {speaker} too",
    ),
}


@pytest.mark.parametrize(("files", "options", "status", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_preparation_writes_nothing(tmp_path, capsys, files, options, status, message):
    put_wavs(tmp_path / "src", *(name for name in files if not name.endswith(".txt")))
    if files == ["a/x.txt"]:
        put(tmp_path / "src" / "x.txt", "text")
    try:
        assert main(["prepare-wavs", str(tmp_path / "src"), str(tmp_path / "data"), *options]) == status
    except SystemExit as stop:
        assert stop.code == status
    assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_bad_recordings(tmp_path, capsys):
    put_wavs(tmp_path / "src", "yes/good.wav")
    put(tmp_path / "src" / "yes" / "text.wav", "hello")
    soundfile.write(tmp_path / "src" / "yes" / "empty.wav", np.zeros(0), 8000)
    whole = (tmp_path / "src" / "yes" / "good.wav").read_bytes()
    (tmp_path / "src" / "yes" / "short.wav").write_bytes(whole[:300])
    argv = ["prepare-wavs", str(tmp_path / "src"), str(tmp_path / "data")]
    assert main(argv) == 1
    err = capsys.readouterr().err
    assert (
        "text.wav: not a recording" in err and "empty.wav: 0 samples" in err and "short.wav: cut off" in err
    )
    assert "3 of 4 recordings cannot be used (--skip-bad true leaves them out)" in err
    assert not (tmp_path / "data").exists()
    assert main([*argv, "--skip-bad", "true"]) == 0
    assert read_data_dir(tmp_path / "data").utts == ["yes-good"]


@pytest.mark.skipif(os.name == "nt", reason="such names do not exist there")
@pytest.mark.parametrize("folder", [b"new\nline", b"not\xffutf8"])
def test_paths_that_a_table_cannot_hold(tmp_path, capsys, folder):
    put_wavs(tmp_path, "one.wav")
    source = os.path.join(os.fsencode(tmp_path / "src"), b"yes", folder)
    os.makedirs(source)
    shutil.copy(tmp_path / "one.wav", os.path.join(source, b"1.wav"))
    argv = ["prepare-wavs", str(tmp_path / "src"), str(tmp_path / "data"), "--pattern", "{word}/{*}/{index}"]
    assert main(argv) == 1
    assert "rename it" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_preparing_again_forgets_old_segments(tmp_path):
    put_wavs(tmp_path / "src", "yes/1.wav")
    argv = ["prepare-wavs", str(tmp_path / "src"), str(tmp_path / "data")]
    assert main(argv) == 0
    put(tmp_path / "data" / "segments", "yes-1 yes-1 0.0 0.01")
    assert main(argv) == 0
    assert not (tmp_path / "data" / "segments").exists()


def test_prepare_from_python(tmp_path, capsys):
    put_wavs(tmp_path / "src", "ann_Z_1.wav", "bob_yes_1.wav", "bob_no_2.wav")
    put(tmp_path / "src" / "bob_no_1.wav", "no sound")
    put(tmp_path / "map", "Z zero")
    settings = {"pattern": "{speaker}_{word}_{index}", "word_map": tmp_path / "map"}
    with pytest.raises(
        DataError, match=r"1 of 4 recordings cannot be used \(skip_bad=true leaves them out\)"
    ):
        prepare_wavs(tmp_path / "src", tmp_path / "data", **settings)
    prepared = prepare_wavs(tmp_path / "src", tmp_path / "data", **settings, skip_bad=True)
    assert prepared.data.text == {"ann-Z-1": "zero", "bob-no-2": "no", "bob-yes-1": "yes"}
    assert list(prepared.skipped) == ["bob-no-1"] and "not a recording" in prepared.skipped["bob-no-1"]
    assert same_data(prepared.data, read_data_dir(tmp_path / "data"))
    assert capsys.readouterr().out == ""
    words = ["--pattern", "{speaker}_{word}_{index}", "--map", str(tmp_path / "map"), "--skip-bad"]
    assert main(["prepare-wavs", str(tmp_path / "src"), str(tmp_path / "data"), *words]) == 0
    assert capsys.readouterr().out.splitlines() == prepared.lines()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pattern": "{index}"}, "pattern='{index}' has no {word}"),
        ({"pattern": "{word}/{speaker}", "speaker": "ann"}, "speaker=ann, but the pattern"),
    ],
)
def test_impossible_patterns(tmp_path, settings, message):
    with pytest.raises(SettingsError, match=message):
        prepare_wavs(tmp_path, tmp_path / "data", **settings)
