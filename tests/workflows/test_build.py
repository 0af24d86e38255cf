"""One command from recordings to a recogniser: the steps are commands, the estimate is of what was not heard, whatever the data."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command import asrkit
from synthetic import RATE_HZ, word_samples, write_words

import asrkit as asrkit_api
from asrkit.errors import DataError, SettingsError
from asrkit.io.data_dir import DataDir
from asrkit.io.facts import data_facts
from asrkit.io.files import read_table, write_table
from asrkit.workflows.build import SourceConfig, build, plan_for, possible_halves

BY_NAME = SourceConfig(pattern="{word}/{speaker}_{index}")
SPEAKERS = ("anna", "bert", "carl")


def built(source, exp, **options):
    """What `build` gives of quick models, and the lines that it tells."""
    told = []
    return build(source, exp, family=options.pop("family", "gmm"), tell=told.append, **options), told


def commands(told):
    return [line.removeprefix("$ ").partition("  # ")[0] for line in told if line.startswith("$ ")]


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Three speakers say two words twice: the folder, EXP, what `build` gave and told."""
    top = tmp_path_factory.mktemp("several")
    write_words(top / "wavs", "{word}/{speaker}_{take}.wav", ("one", "two"), SPEAKERS, range(2), pad_s=0.3)
    return top / "wavs", top / "exp", *built(top / "wavs", top / "exp", reading=BY_NAME)


def test_the_steps_are_commands_that_give_the_same_bytes(several, tmp_path):
    source, exp, _, told = several
    names = [line.split()[1] for line in commands(told)]
    assert names == [
        "prepare-wavs",
        "compute-mfcc",
        "train",
        "crossval",
        "score",
        "report",
    ] + 2 * ["crossval"]
    for line in commands(told):
        asrkit(*shlex.split(line.replace(str(exp), str(tmp_path / "exp")))[1:])
    for name in (
        "final.npz",
        "train.jsonl",
        "data/text",
        "crossval/hyp",
        "half-speakers/hyp",
        "half-recordings/hyp",
    ):
        assert (tmp_path / "exp" / name).read_bytes() == (exp / name).read_bytes()
    assert (exp / "report" / "report.md").exists() and (exp / "report" / "alignment.png").exists() is False


def test_whole_speakers_are_held_out_where_they_are_known(several, capsys):
    _, exp, found, _ = several
    assert (found.plan.by, found.plan.folds, found.facts.speakers) == ("speaker", 3, 3)
    for fold in json.loads((exp / "crossval" / "crossval.json").read_text())["folds"]:
        assert not fold["known_speakers"] and len(fold["speakers"]) == 1
    right, confused, more = found.lines()
    assert right.startswith(
        "right: 12 of 12 words in recordings that it had not heard, 100.0 % (95 % interval 75.8 to"
    )
    assert right.endswith("; 3 folds of whole speakers, who had not been heard either)")
    assert confused == "confused: nothing" and more.startswith(
        "record next: can't be told, no word was wrong ("
    )
    new = exp.parent / "new.wav"
    soundfile.write(new, word_samples("two", np.random.default_rng(9), pad_s=0.5), RATE_HZ)
    asrkit("recognize", exp, new)
    assert capsys.readouterr().out.startswith(f"{new} two ")


def test_halves_are_drawn_within_what_is_trained(several):
    _, exp, found, _ = several
    assert set(found.halves) == {"speakers", "recordings"}
    for fold in "123":
        whole, speakers, recordings = (
            read_table(exp / name / f"fold_{fold}" / "train" / "utt2spk")
            for name in ("crossval", "half-speakers", "half-recordings")
        )
        assert len(set(whole.values())) == 2 and len(whole) == 8
        assert len(set(speakers.values())) == 1 and len(speakers) == 4 and speakers.items() <= whole.items()
        assert (
            len(set(recordings.values())) == 2
            and len(recordings) == 4
            and recordings.items() <= whole.items()
        )


def test_python_halves_as_the_command_does(several):
    _, exp, _, _ = several
    halved = asrkit_api.crossval(exp / "data", family="gmm", folds=3, train_half="speakers", max_iters=1)
    assert [fold["train_utts"] for fold in halved.folds] == [4, 4, 4]


def test_called_again_it_goes_on_where_it_stopped(several):
    source, exp, found, told = several
    files = ("data/feats.scp", "final.npz", "crossval/fold_1/final.npz", "half-speakers/fold_2/final.npz")
    before = {name: (exp / name).stat().st_mtime_ns for name in files}
    (exp / "half-speakers" / "fold_2" / "run.json").unlink()  # as a kill may leave it
    again, retold = built(source, exp, reading=BY_NAME)
    assert commands(retold) == commands(told) and again.lines() == found.lines()
    assert sum(line.endswith("  # done before") for line in retold) == 3
    after = {name: (exp / name).stat().st_mtime_ns for name in files}
    assert [name for name in files if after[name] != before[name]] == [files[-1]]


def test_recordings_of_nobody_known_are_held_out_by_chance_and_that_is_said(tmp_path):
    write_words(tmp_path / "wavs", "{word}/{take}.wav", ("one", "two"), ("anna",), range(3), pad_s=0.3)
    found, told = built(tmp_path / "wavs", tmp_path / "exp")
    assert (found.plan.by, found.plan.folds, set(found.halves)) == ("random", 5, {"recordings"})
    assert found.lines()[0].endswith(
        "; 5 folds of recordings: speakers are not known, the same voice may be in training and in test)"
    )
    assert any("--train-half=recordings" in line for line in commands(told))


def test_one_speaker_is_said_to_be_one(tmp_path):
    write_words(tmp_path / "wavs", "{word}/{take}.wav", ("one", "two"), ("anna",), range(2), pad_s=0.3)
    found, told = built(tmp_path / "wavs", tmp_path / "exp", reading=SourceConfig(speaker="anna"))
    assert found.lines()[0].endswith(
        "; 4 folds of recordings, of one speaker: of other voices this says nothing)"
    )
    assert not found.halves and "too few recordings to leave half of them out" in found.lines()[2]
    assert commands(told)[0].endswith("data --speaker anna")


def test_one_recording_a_word_makes_a_model_and_no_estimate(tmp_path):
    source, exp = tmp_path / "wavs", tmp_path / "exp"
    write_words(source, "{word}/{take}.wav", ("one", "two"), ("anna",), range(1), pad_s=0.3)
    found, told = built(source, exp)
    assert (exp / "final.npz").exists() and found.plan is None
    assert commands(told)[-1].split()[1] == "train"
    assert found.lines()[0].startswith("right: can't be told") and "once more" in found.lines()[2]
    soundfile.write(
        source / "one" / "0.wav", word_samples("one", np.random.default_rng(5), pad_s=0.3), RATE_HZ
    )
    before = (exp / "final.npz").read_bytes()
    assert not any("done before" in line for line in built(source, exp)[1])
    assert (exp / "final.npz").read_bytes() != before
    told = built(source, exp, family="dtw")[1]
    assert [line.split()[2] for line in told if line.endswith("done before")] == [
        "prepare-wavs",
        "compute-mfcc",
    ]


def test_a_data_directory_with_features_is_taken_as_it_is(several, tmp_path):
    _, exp, _, _ = several
    found, told = built(exp / "data", tmp_path / "exp")
    assert [line.split()[1] for line in commands(told)][:2] == ["combine-data", "train"]
    assert (tmp_path / "exp" / "crossval" / "hyp").exists() and found.facts.speakers == 3


class Enough(Exception):
    pass


@pytest.mark.parametrize(("segments", "ends"), [(["segments"], []), ([], ["detect-endpoints"])])
def test_segments_of_a_data_directory_stay_and_untrimmed_ones_get_some(several, tmp_path, segments, ends):
    _, exp, _, _ = several
    (tmp_path / "data").mkdir()
    for name in ("wav.scp", "text", "utt2spk", "spk2utt", *segments):
        write_table(tmp_path / "data" / name, read_table(exp / "data" / name))
    told = []

    def tell(line):
        told.append(line)
        if line.startswith("$ asrkit train "):
            raise Enough

    with pytest.raises(Enough):
        build(tmp_path / "data", tmp_path / "exp", family="gmm", tell=tell)
    names = [line.split()[1] for line in commands(told)]
    assert names == ["combine-data", *ends, "compute-mfcc", "train"]
    assert (tmp_path / "exp" / "data" / "segments").exists() and (
        tmp_path / "exp" / "data" / "feats.scp"
    ).exists()


def test_a_family_with_codes_and_processes(tmp_path):
    write_words(tmp_path / "wavs", "{word}/{take}.wav", ("one", "two"), ("anna",), range(1), pad_s=0.3)
    told = built(tmp_path / "wavs", tmp_path / "exp", family="dhmm", jobs=2)[1]
    assert (tmp_path / "exp" / "codebook.npz").exists()
    assert [line.endswith(" --nj 2") for line in commands(told)] == [True, True, True]


def test_what_can_not_be_built(several, tmp_path):
    source, exp, _, _ = several
    with pytest.raises(SettingsError, match="speaker= goes with a folder of recordings"):
        built(exp / "data", tmp_path / "exp", reading=SourceConfig(speaker="anna"))
    with pytest.raises(SettingsError, match="family='hmm'"):
        built(source, tmp_path / "exp", family="hmm")
    with pytest.raises(DataError, match="no such folder"):
        built(tmp_path / "nowhere", tmp_path / "exp")
    assert not (tmp_path / "exp" / "final.npz").exists()
    silent = tmp_path / "silent" / "one"
    silent.mkdir(parents=True)
    soundfile.write(silent / "1.wav", np.zeros(8000), RATE_HZ)
    with pytest.raises(DataError, match="one-1"):
        built(tmp_path / "silent", tmp_path / "exp")


def told_data(words, speakers=None):
    """A data directory of utterances of a word and a speaker each, and its facts."""
    utts = {f"u{place:02d}": word for place, word in enumerate(words)}
    data = DataDir(
        Path("nowhere"),
        text=utts,
        feats=dict.fromkeys(utts, ""),
        utt2spk=dict(zip(utts, speakers, strict=True)) if speakers else {},
    )
    return data, data_facts(data)


def planned(words, speakers=None):
    data, facts = told_data(words, speakers)
    plan = plan_for(data, facts)
    return None if plan is None else (plan.by, plan.folds, possible_halves(data, plan, facts))


def test_what_is_held_out_and_halved_follows_the_data():
    assert planned("abab" * 4, "ssss" + "tttt" + "uuuu" + "vvvv") == (
        "speaker",
        4,
        ["speakers", "recordings"],
    )
    assert planned("ab" * 8, [speaker for speaker in "stuvwxyz" for _ in "ab"]) == (
        "speaker",
        5,
        ["speakers"],
    )
    assert planned("aabb" * 2, "sssstttt") == ("speaker", 2, ["recordings"])
    assert planned("aabb" * 2, "ssttsstt") == ("random", 5, ["recordings"])  # each says a word of his own
    assert planned("ab" * 3) == ("random", 5, ["recordings"])
    assert planned("ab" * 2) == ("random", 4, [])
    assert planned("abcde" + "a" * 20) == ("random", 5, [])
    assert planned("abcdef") is None and planned("a") is None
