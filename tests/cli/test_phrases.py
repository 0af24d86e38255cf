"""Classes of several words: --phrases through the commands, and from Python."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from command import MFCC, asrkit
from speechlike import say
from synthetic import RATE_HZ, write_words

import asrkit as asrkit_face
from asrkit.io.files import read_table, write_table
from asrkit.workflows.unknown import read_trials

SPEAKERS = ("anna", "bert", "carl")
SMALL = ["--family=chmm", "--num-states=3", "--num-gauss=1", "--warps=", "--cmvn=none"]
SAID = {"one": "turn left", "two": "turn right", "three": "stop"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """data: three speakers say two phrases and a word six times; rough: the same text as people write it; exp: a model of it."""
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav", SAID, SPEAKERS, range(6))
    asrkit("prepare-wavs", top / "wavs", top / "data", "--pattern", "{word}_{speaker}_{index}")
    asrkit("compute-mfcc", top / "data", *MFCC)
    text = {utt: SAID[word] for utt, word in read_table(top / "data" / "text").items()}
    shutil.copytree(top / "data", top / "rough")
    write_table(top / "data" / "text", text)
    between = ["  ", " \t "]
    lines = [f"{utt} \t{said.replace(' ', between[i % 2])} \n" for i, (utt, said) in enumerate(text.items())]
    (top / "rough" / "text").write_text("".join(lines))
    asrkit("train", top / "rough", top / "exp", *SMALL, "--phrases=true")
    return top


@pytest.fixture(scope="module")
def decoded(world):
    out = world / "exp" / "decode_test"
    asrkit("decode", world / "exp", world / "rough", out, "--nbest=2", "--reject=0.05")
    return out


def test_a_line_is_a_class_however_it_is_written(world, tmp_path):
    asrkit("train", world / "data", tmp_path, *SMALL, "--phrases=true")
    assert (tmp_path / "final.npz").read_bytes() == (world / "exp" / "final.npz").read_bytes()
    assert asrkit_face.load(tmp_path).words == ("stop", "turn left", "turn right")


def test_the_model_knows_that_lines_are_classes(world, decoded, capsys):
    hyp, text = read_table(decoded / "hyp"), read_table(world / "data" / "text")
    right = sum(hyp[utt] == said for utt, said in text.items())
    assert right >= 0.9 * len(text) and set(hyp.values()) - {"<unk>"} == set(SAID.values())
    asrkit("score", world / "rough", decoded)
    assert f"[ {len(text) - right} / {len(text)}, 0 ins, 0 del," in capsys.readouterr().out
    report = json.loads((decoded / "report.json").read_text())
    assert report["per_word"]["turn left"]["total"] == 18 and not report["unknown_words"]
    asrkit("compare", world / "rough", decoded, decoded)
    assert f"B: %WER {100 * (1 - right / 54):.2f} [ {54 - right} / 54," in capsys.readouterr().out
    asrkit("report", world / "report", world / "rough", decoded)
    asrkit("unknown", world / "exp", world / "rough", world / "unknown")
    assert len(read_trials(world / "unknown" / "trials.tsv")) == 2 * len(text)


def test_where_columns_stand_side_by_side_a_phrase_is_one(world, decoded, capsys):
    asrkit("score", world / "data", decoded)
    asrkit("align", world / "exp", world / "rough", world / "align")
    capsys.readouterr()
    path = world / "wavs" / "one_anna_0.wav"
    asrkit("recognize", world / "exp", path)
    asrkit("recognize", world / "exp", path, "--json=true", "--nbest=1")
    plain, lines = capsys.readouterr().out.splitlines()
    assert plain.split(" ")[1] == "turn_left" and len(plain.split(" ")) == 4
    told = json.loads(lines)
    assert told["word"] == told["nbest"][0]["word"] == "turn left" and "turn right" in told["scores"]
    assert (decoded / "words.txt").read_text() == "stop 0\nturn_left 1\nturn_right 2\n"
    for table, columns in ((world / "align" / "ctm", 5), (decoded / "nbest", 4)):
        rows = [line.split() for line in table.read_text().splitlines()]
        assert all(len(row) == columns for row in rows) and any("turn_left" in row for row in rows)
    details = decoded / "scoring_kaldi" / "wer_details"
    assert all(len(line.split()) == 4 for line in (details / "ops").read_text().splitlines())
    assert "turn_left" in (details / "per_utt").read_text()


def test_other_commands_that_hear_with_the_model(world, tmp_path):
    shutil.copy(world / "exp" / "final.npz", tmp_path)
    asrkit("calibrate", tmp_path, world / "rough")
    assert (tmp_path / "final.npz").read_bytes() == (world / "exp" / "final.npz").read_bytes()
    asrkit("adapt", tmp_path, world / "rough", tmp_path / "moved", "--method=map")
    asrkit("acc-stats", tmp_path / "final.npz", world / "rough", tmp_path / "acc")
    asrkit("est-model", tmp_path / "final.npz", tmp_path / "acc", tmp_path / "next.npz")
    assert asrkit_face.load(tmp_path / "next.npz").words == asrkit_face.load(tmp_path / "moved").words


def test_crossval_and_combination(world, decoded, tmp_path, capsys):
    asrkit(
        "crossval", world / "rough", tmp_path / "cv", *SMALL, "--phrases=true", "--folds=2", "--unknown=each"
    )
    own = capsys.readouterr().out
    asrkit("score", world / "rough", tmp_path / "cv")
    assert next(line for line in own.splitlines() if line.startswith("%WER")) in capsys.readouterr().out
    hyp = read_table(tmp_path / "cv" / "hyp")
    assert sum(hyp[utt] == said for utt, said in read_table(world / "data" / "text").items()) >= 48
    asrkit("combine", tmp_path / "both", tmp_path / "cv", decoded, "--learn", world / "rough", "--held-out",
           f"{tmp_path / 'cv'},{decoded}")  # fmt: skip
    assert set(read_table(tmp_path / "both" / "hyp").values()) <= set(SAID.values())


def test_without_the_option_a_line_of_several_words_is_refused(world, tmp_path, capsys):
    asrkit("train", world / "data", tmp_path, *SMALL, status=1)
    err = capsys.readouterr().err
    assert (
        "says 'turn left', one word is needed" in err and "--phrases true takes a line for one class" in err
    )
    asrkit("validate-data", world / "data", status=1)
    assert "--phrases true where several words are one class" in capsys.readouterr().out
    asrkit("validate-data", world / "rough", "--phrases=true")


@pytest.mark.parametrize(
    "bad, why",
    [("turn_left", "would be one word in tables"), ("turn\u00a0left", "U+00A0"), ("", "says nothing")],
)
def test_lines_that_are_no_phrase(world, tmp_path, capsys, bad, why):
    shutil.copytree(world / "data", tmp_path / "data")
    first, *rest = (tmp_path / "data" / "text").read_text().splitlines()
    (tmp_path / "data" / "text").write_text("\n".join([f"{first.split()[0]} {bad}", *rest, ""]))
    asrkit("train", tmp_path / "data", tmp_path / "exp", *SMALL, "--phrases=true", status=1)
    assert why in capsys.readouterr().err
    asrkit("validate-data", tmp_path / "data", "--phrases=true", status=1)


def test_folders_and_maps_name_phrases(world, tmp_path, capsys):
    for word, said in SAID.items():
        (tmp_path / "wavs" / said).mkdir(parents=True)
        for path in (world / "wavs").glob(f"{word}_*_[012].wav"):
            shutil.copy(path, tmp_path / "wavs" / said / path.name.partition("_")[2])
    asrkit("prepare-wavs", tmp_path / "wavs", tmp_path / "plain", "--pattern={word}/{speaker}_{index}")
    assert set(read_table(tmp_path / "plain" / "text").values()) == {"stop", "turn_left", "turn_right"}
    asrkit(
        "prepare-wavs",
        tmp_path / "wavs",
        tmp_path / "data",
        "--phrases=true",
        "--pattern={word}/{speaker}_{index}",
    )
    assert read_table(tmp_path / "data" / "text")["anna-turn_left-0"] == "turn left"
    (tmp_path / "map").write_text("one turn \t left\ntwo turn right\nthree stop\n")
    mapped = [
        "prepare-wavs",
        world / "wavs",
        tmp_path / "mapped",
        "--map",
        tmp_path / "map",
        "--pattern={word}_{speaker}_{index}",
    ]
    asrkit(*mapped, status=1)
    assert "is not one word (--phrases true takes it for one class)" in capsys.readouterr().err
    asrkit(*mapped, "--phrases=true")
    assert set(read_table(tmp_path / "mapped" / "text").values()) == set(SAID.values())


def test_from_python(world):
    sounds = {
        said: [world / "wavs" / f"{word}_{who}_0.wav" for who in SPEAKERS] for word, said in SAID.items()
    }
    model = asrkit_face.train(sounds, num_states=3, num_gauss=1)
    assert model.words == ("stop", "turn left", "turn right") and model.vocabulary.phrases
    assert model.recognize(sounds["turn left"][0]).word == "turn left"
    trained = asrkit_face.train(
        world / "rough", num_states=3, num_gauss=1, warps="", cmvn="none", phrases=True
    )
    expected = asrkit_face.load(world / "exp").vocabulary
    for word, own in trained.vocabulary.models.items():
        for name, array in own.to_arrays().items():
            np.testing.assert_array_equal(array, expected.models[word].to_arrays()[name])
    for bad in (" turn left", "turn  left", "turn\tleft", "turn\u2003left", "turn_left"):
        with pytest.raises(asrkit_face.AsrkitError, match="one blank between|one word in tables"):
            asrkit_face.train({bad: sounds["stop"], **sounds})
    report = asrkit_face.score_errors(["turn left", "stop"], ["turn right", "stop"])
    assert report.wer == 0.5 and report.confusions == [("turn left", "turn right", 1)]


def test_a_phrase_that_is_called_like_the_codebook(world, tmp_path):
    """Its arrays stand among those of the file beside the codebook's."""
    shutil.copytree(world / "data", tmp_path / "data")
    text = read_table(tmp_path / "data" / "text")
    write_table(
        tmp_path / "data" / "text",
        {utt: said.replace("turn left", "the codebook") for utt, said in text.items()},
    )
    asrkit("train", tmp_path / "data", tmp_path / "exp", "--family=dhmm", "--num-states=3", "--warps=", "--cmvn=none", "--num-symbols=8",
           "--phrases=true")  # fmt: skip
    asrkit("decode", tmp_path / "exp", tmp_path / "data", tmp_path / "decode")
    assert "the codebook" in read_table(tmp_path / "decode" / "hyp").values()


def test_the_words_of_a_phrase_may_stand_apart(tmp_path):
    """Where the ends are found, half a second between two words is no end; for words it is."""
    rng = np.random.default_rng(0)
    sounds = [("", 0.6), ("AA", 0.2), ("IY", 0.2), ("", 0.4), ("UW", 0.15), ("AA", 0.15), ("", 0.6)]
    for take in range(3):
        path = tmp_path / "wavs" / "turn left" / f"{take}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, say(sounds, rng, RATE_HZ), RATE_HZ)
    found = {}
    for phrases in ("true", "false"):
        asrkit(
            "prepare-wavs", tmp_path / "wavs", tmp_path / phrases, "--endpoints=true", f"--phrases={phrases}"
        )
        spans = [line.split()[2:] for line in (tmp_path / phrases / "segments").read_text().splitlines()]
        found[phrases] = min(float(end) - float(start) for start, end in spans)
    assert found["true"] > 1.1 and found["false"] < 0.6
    assert "--max-gap-ms=500.0\n" in (tmp_path / "true" / "endpoint.conf").read_text()
