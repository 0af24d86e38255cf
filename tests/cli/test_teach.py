"""Teach, forget and merge as commands and from Python: what they say, that nothing is lost, and what they refuse."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from command import MFCC, asrkit
from synthetic import RATE_HZ, write_words

import asrkit as face
from asrkit.io.model_file import read_model, write_model

SMALL = ["--family=chmm", "--num-states=4", "--warps="]
WHOLE = "--endpoint=false"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Recordings of four words by three speakers, and a model of three of the words by two of them."""
    top = tmp_path_factory.mktemp("world")
    write_words(
        top / "wavs", "{speaker}/{word}_{take}.wav", ("one", "two", "three", "four"), ("anna", "bert", "carl")
    )
    write_words(top / "train_wavs", "{word}_{speaker}_{take}.wav")
    asrkit("prepare-wavs", top / "train_wavs", top / "train", "--pattern", "{word}_{speaker}_{index}")
    asrkit("compute-mfcc", top / "train", *MFCC)
    asrkit("train", top / "train", top / "exp", *SMALL)
    return top


@pytest.fixture
def exp(world, tmp_path):
    """A model of one's own."""
    return copied(world / "exp", tmp_path / "exp")


def copied(folder, to):
    to.mkdir()
    (to / "final.npz").write_bytes((folder / "final.npz").read_bytes())
    return to


def takes(world, word, *numbers, speaker="carl"):
    return [world / "wavs" / speaker / f"{word}_{take}.wav" for take in numbers]


def test_a_word_is_taught_heard_and_forgotten(world, exp, capsys):
    before = (exp / "final.npz").read_bytes()
    capsys.readouterr()
    asrkit("teach", exp, "four", *takes(world, "four", 0, 1, 2))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "four: a new word, 3 recordings"
    assert said[1].startswith("four: 3 of its 3 recordings are heard as four by what the others taught, p ")
    assert said[2] == "0 of 15 kept recordings of other words are now heard as four" and said[-1] == "4 words"
    asrkit("recognize", exp, *takes(world, "four", 3, 4), *takes(world, "one", 3), "--min-confidence=0.05")
    heard = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[1] for row in heard] == ["four", "four", "one"] and all(
        0 < float(row[4]) <= 1 for row in heard
    )
    asrkit("teach", exp, "four", *takes(world, "four", 3, 2))
    said = capsys.readouterr().out
    assert (
        "four: was there; 1 recording more, 4 taught now" in said
        and "1 of the recordings had been taught before" in said
    )
    asrkit("forget", exp, "four")
    assert capsys.readouterr().out == "four and its 4 taught recordings forgotten, 3 words are left\n"
    assert (exp / "final.npz").read_bytes() == before


def test_a_trained_word_is_taught_more_and_as_it_was(world, exp, capsys):
    before = (exp / "final.npz").read_bytes()
    asrkit("teach", exp, "two", *takes(world, "two", 0, 1, 2))
    assert (exp / "final.npz").read_bytes() != before
    asrkit("forget", exp, "two", "--taught=true")
    assert "3 taught recordings forgotten, the word is as it was trained" in capsys.readouterr().out
    assert (exp / "final.npz").read_bytes() == before
    asrkit("forget", exp, "two", "--taught=true", status=1)
    assert "'two' was trained and taught nothing" in capsys.readouterr().err
    asrkit("teach", exp, "two", *takes(world, "two", 0, 1))
    asrkit("forget", exp, "two")
    assert read_model(exp).words == ("one", "three") and set(read_model(exp).confidence.states) == {
        "one",
        "three",
    }
    asrkit("forget", exp, "one")
    assert "one, which was trained, forgotten, 1 words are left" in capsys.readouterr().out
    asrkit("forget", exp, "three", status=1)
    assert "'three' is its only word" in capsys.readouterr().err


def test_a_vocabulary_begins_with_a_word(world, tmp_path, capsys):
    exp = tmp_path / "new"
    for word in ("one", "two", "three", "four"):
        asrkit("teach", exp, word, *takes(world, word, 0, 1, 2), WHOLE)
    assert "confidence: where 5 % of the right words are rejected, " in capsys.readouterr().out
    asrkit(
        "recognize",
        exp,
        *(path for word in ("one", "two", "three", "four") for path in takes(world, word, 3, 4)),
        "--json=true",
    )
    heard = [json.loads(line)["word"] for line in capsys.readouterr().out.splitlines()]
    assert heard == ["one"] * 2 + ["two"] * 2 + ["three"] * 2 + ["four"] * 2
    first = tmp_path / "first.npz"
    asrkit("teach", first, "yes", *takes(world, "one", 0), WHOLE)
    said = capsys.readouterr().out
    assert "yes: 1 recording can't tell how sure it is (3 to 5 can: asrkit teach adds to it)" in said
    asrkit("info", first)
    assert (
        "taught, by recordings: yes 1\nfeatures: " in (said := capsys.readouterr().out)
        and "trained on" not in said
    )


def test_python_makes_the_bytes_of_the_commands_in_any_order(world, tmp_path):
    asrkit("teach", tmp_path / "a", "one", *takes(world, "one", 0, 1), WHOLE)
    asrkit("teach", tmp_path / "b", "two", *takes(world, "two", 0, 1), WHOLE)
    asrkit("merge", tmp_path / "a", tmp_path / "b", tmp_path / "merged")
    sounds = [soundfile.read(path, dtype="float32")[0] for path in takes(world, "two", 1, 0)]
    model = face.teach(None, "two", sounds, RATE_HZ, endpoint=False)
    model = face.teach(model, "one", takes(world, "one", 0, 1), endpoint=False)
    model.save(tmp_path / "c")
    face.merge(tmp_path / "b", face.load(tmp_path / "a")).save(tmp_path / "d")
    files = {(tmp_path / name / "final.npz").read_bytes() for name in ("merged", "c", "d")}
    assert len(files) == 1
    face.forget(model, "two").save(tmp_path / "e")
    assert (tmp_path / "e" / "final.npz").read_bytes() == (tmp_path / "a" / "final.npz").read_bytes()


def test_recordings_that_disagree_are_named(world, tmp_path, capsys):
    odd = takes(world, "three", 5)
    asrkit("teach", tmp_path / "x", "two", *takes(world, "two", 0, 1, 2), *odd, WHOLE)
    assert f"{odd[0]}: unlike the other recordings of two (is another word in it?" in capsys.readouterr().out
    asrkit("teach", tmp_path / "y", "two", *takes(world, "two", 0), *odd, WHOLE)
    assert "two: its recordings are unlike each other" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("silent", "silent (check the microphone)"),
        ("text", "bad.wav: "),
        ("slow", "recorded at 4000 Hz, the model hears 8000 Hz: the upper band is empty"),
        ("click", "no speech found"),
        ("missing", "No such file"),
    ],
)
def test_what_can_not_be_taught_leaves_all_as_it_was(world, exp, tmp_path, capsys, bad, complaint):
    before, path = (exp / "final.npz").read_bytes(), tmp_path / "bad.wav"
    rng = np.random.default_rng(0)
    if bad == "text":
        path.write_text("no sound")
    elif bad != "missing":
        samples = rng.normal(0, 0.003, 16000 if bad == "click" else 4000)
        samples[2000:2040] += 0.3
        samples *= bad != "silent"
        soundfile.write(path, samples, 4000 if bad == "slow" else RATE_HZ)
    for folder in (exp, tmp_path / "new"):
        asrkit("teach", folder, "four", *takes(world, "four", 0), path, status=1)
        error = capsys.readouterr().err
        assert complaint in error and str(path) in error and error.count("\n") == 2, error
    assert (exp / "final.npz").read_bytes() == before and not (tmp_path / "new").exists()


def test_a_model_file_of_any_name_is_taught(world, exp, tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes((exp / "final.npz").read_bytes())
    asrkit("teach", file, "four", *takes(world, "four", 0, 1))
    assert "four" in face.load(file).words
    asrkit("forget", file, "four")
    assert file.read_bytes() == (exp / "final.npz").read_bytes()


def test_what_is_taught_hears_with_the_settings_of_before(world, exp):
    careful = face.load(exp, "forward", min_confidence=1.0)
    taught = face.teach(careful, "four", takes(world, "four", 0, 1))
    for model in (careful, taught, face.forget(taught, "four")):
        assert model.method == "forward" and model.recognize(takes(world, "one", 0)[0]).word == "<unk>"


def test_what_is_no_word_or_too_much_is_refused(world, exp, capsys):
    files = takes(world, "four", 0, 1)
    for word in ("two  words", "", "x" * 1001):
        asrkit("teach", exp, word, *files, status=1)
        assert "it should be a str without white space" in capsys.readouterr().err
    asrkit("teach", exp, "four", *files)
    before = (exp / "final.npz").read_bytes()
    asrkit("teach", exp, "four", *files, status=1)
    assert "'four': these recordings had been taught before" in capsys.readouterr().err
    many = [path for speaker in ("anna", "bert") for path in takes(world, "four", *range(6), speaker=speaker)]
    asrkit("teach", exp, "four", *many, status=1)
    assert "'four': 14 recordings, a word is taught at most 10" in capsys.readouterr().err
    asrkit("forget", exp, "five", status=1)
    assert "no word 'five'" in capsys.readouterr().err
    assert (exp / "final.npz").read_bytes() == before


def test_models_that_can_not_be_taught_say_how_to_get_there(world, tmp_path, capsys):
    asrkit("train", world / "train", tmp_path / "raw", *SMALL, "--calibrate=false")
    asrkit("teach", tmp_path / "raw", "four", *takes(world, "four", 0), status=1)
    assert (
        "does not know how often its states are visited, of which a new word is made (asrkit calibrate"
        in capsys.readouterr().err
    )
    asrkit("calibrate", tmp_path / "raw", world / "train")
    kept = [read_model(folder).kept.recorded for folder in (tmp_path / "raw", world / "exp")]
    assert [own[:2] for own in kept[0]] == [own[:2] for own in kept[1]]
    write_model(tmp_path / "raw" / "final.npz", replace(read_model(tmp_path / "raw"), kept=None))
    asrkit("teach", tmp_path / "raw", "four", *takes(world, "four", 0, 1, 2))
    assert "no recordings were kept of 3 words: whether they suffer is not known" in capsys.readouterr().out
    asrkit("calibrate", tmp_path / "raw", world / "train", status=1)
    assert "no recording of 'four', a word of the model" in capsys.readouterr().err


def test_models_that_can_not_be_merged_say_why(world, exp, tmp_path, capsys):
    asrkit("merge", exp, exp, tmp_path / "out", status=1)
    assert "'one' is a word of " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        asrkit("merge", exp, tmp_path / "out")
    assert "one model alone is merged with nothing" in capsys.readouterr().err
    asrkit("teach", tmp_path / "new", "four", *takes(world, "four", 0), WHOLE)
    asrkit("merge", exp, tmp_path / "new", tmp_path / "out", status=1)
    assert "each is normalised by the mean and variance of its own training" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    for word, more in (("one", []), ("two", []), ("three", ["--cmvn=utterance"])):
        asrkit("subset-data", world / "train", tmp_path / f"{word}_data", f"--utt-regex=-{word}-")
        asrkit("train", tmp_path / f"{word}_data", tmp_path / word, *SMALL, "--cmvn=none", *more)
    capsys.readouterr()
    asrkit("merge", tmp_path / "one", tmp_path / "two", tmp_path / "both")
    assert f"confidence: by the weights and thresholds of {tmp_path / 'one'}" in capsys.readouterr().out
    asrkit(
        "recognize",
        tmp_path / "both",
        *takes(world, "one", 1, speaker="anna"),
        *takes(world, "two", 1, speaker="anna"),
    )
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["one", "two"]
    asrkit("merge", tmp_path / "one", tmp_path / "three", tmp_path / "out", status=1)
    assert "cmvn=utterance and cmvn=none" in capsys.readouterr().err.replace("--", "")


def test_a_phrase_is_taught_and_is_no_other_word_in_columns(world, tmp_path, capsys):
    recordings = takes(world, "four", 0, 1, 2)
    asrkit("teach", tmp_path / "new", "turn left", *recordings)
    asrkit("teach", tmp_path / "new", "one", *takes(world, "one", 0, 1, 2))
    asrkit("recognize", tmp_path / "new", recordings[0], "--json=true")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["word"] == "turn left"
    before = (tmp_path / "new" / "final.npz").read_bytes()
    for word, why in (
        ("turn_left", "'turn left' and 'turn_left' would be one word"),
        ("<unk>", "no word is"),
    ):
        asrkit("teach", tmp_path / "new", word, *recordings, status=1)
        assert why in capsys.readouterr().err
    assert (tmp_path / "new" / "final.npz").read_bytes() == before
    asrkit("teach", tmp_path / "other", "turn_left", *recordings)
    asrkit("merge", tmp_path / "new", tmp_path / "other", tmp_path / "both", status=1)
    assert "would be one word" in capsys.readouterr().err
    asrkit("forget", tmp_path / "new", "turn left")
    assert face.load(tmp_path / "new").words == ("one",)
