"""asrkit info --word: what a word's model is made of, as lines and as JSON."""

import json
import math
import re
import shutil

import numpy as np
import pytest
from command import MFCC, asrkit
from synthetic import write_words

from asrkit.io.model_file import read_model
from asrkit.workflows.info import info_words

SMALL = {
    "gmm": ["--num-gauss=3", "--num-starts=1", "--covariance=diag"],
    "dhmm": ["--num-states=4"],
    "chmm": ["--num-states=4", "--num-gauss=2", "--shared-frames=0"],
    "schmm": ["--num-states=4", "--num-gauss=6"],
    "dtw": ["--num-frames=8"],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav", words=("one", "two"), takes=range(4))
    asrkit("prepare-wavs", top / "wavs", top / "data", "--pattern", "{word}_{speaker}_{index}")
    asrkit("compute-mfcc", top / "data", *MFCC)
    asrkit("train-codebook", top / "data", top / "dhmm", "--codebook-size=16")
    for family, options in SMALL.items():
        asrkit("train", top / "data", top / family, "--family", family, "--calibrate=false", *options)
    return top


def numbers(line):
    return [float(cell) for cell in line.split()]


@pytest.mark.parametrize("family", SMALL)
def test_lines_and_json_say_what_the_model_holds(world, family, capsys):
    exp = world / family
    model = read_model(exp).models["two"]
    capsys.readouterr()
    asrkit("info", exp, "--word", "two", "--most=0")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"word two ({family}): {model.num_states} state")
    assert f" {model.num_parameters} parameters" in lines[0]
    asrkit("info", exp, "--word=two", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["family"] == family and list(told["words"]) == ["two"]
    values, inside = told["words"]["two"], model.inside
    assert values["parameters"] == model.num_parameters and values["states"] == model.num_states
    assert values["dimensions"][:2] == ["c0", "c1"] and values["dimensions"][13] == "Δc0"
    if inside.chain is not None:
        np.testing.assert_allclose(values["transitions"], np.exp(model.log_trans), rtol=1e-14)
        row = lines.index(next(line for line in lines if line.split()[:2] == ["state", "entry"])) + 1
        for i in range(4):
            cells = ["0" if cell == "." else cell for cell in lines[row + i].split()]
            shown = numbers(" ".join(cells))
            expected = [i + 1, math.exp(model.log_start[i]), *np.exp(model.log_trans[i])]
            stay = 1 / (1 - math.exp(model.log_trans[i, i]))
            expected += [math.exp(model.log_exit[i]), stay, 0.01 * stay]
            np.testing.assert_allclose(shown, expected, atol=6e-3 * stay)
            assert values["mean_s"][i] == pytest.approx(0.01 * stay)
    if family == "chmm":
        own = values["mixtures"][2]
        np.testing.assert_allclose(own["means"], model.emission.means[2], rtol=1e-14)
        shown = next(line.split() for line in lines if line.split()[:2] == ["3", "1"] and "mean" in line)
        np.testing.assert_allclose([float(x) for x in shown[4:]], model.emission.means[2, 0, :13], atol=0.06)
    if family == "dhmm":
        np.testing.assert_allclose(values["symbols"], np.exp(model.emission.log_probs), rtol=1e-14)
        (line,) = (line for line in lines if line.split()[:2] == ["2", "3"])  # state, stream
        pairs = re.findall(r"(\d+): (\S+)", line)
        p = np.array(values["symbols"][1][2])
        assert [int(m) for m, _ in pairs[:3]] == np.argsort(-p, kind="stable")[:3].tolist()
        assert float(line.split()[2]) == pytest.approx(2 ** -(p * np.log2(p)).sum(), abs=0.05)
    if family == "dtw":
        assert any(line.startswith("templates: ") and "8 recordings" in line for line in lines)


@pytest.mark.parametrize("family", ["gmm", "dhmm", "chmm", "schmm"])
def test_aic_and_bic_are_those_of_the_last_entry_of_the_log(world, family, capsys):
    entries = [json.loads(line) for line in (world / family / "train.jsonl").read_text().splitlines()]
    last = [entry for entry in entries if entry["word"] == "one"][-1]
    found = info_words(world / family, ["one"]).values["words"]["one"]
    k = found["free_parameters"]
    assert (found["log_likelihood"], found["frames"]) == (last["objective"], last["frames"])
    assert found["aic"] == pytest.approx(2 * k - 2 * last["objective"])
    assert found["bic"] == pytest.approx(k * math.log(last["frames"]) - 2 * last["objective"])
    capsys.readouterr()
    asrkit("info", world / family, "--word=one")
    assert f"AIC {found['aic']:.1f}, BIC {found['bic']:.1f}" in capsys.readouterr().out


def test_without_the_log_or_with_that_of_another_model_there_are_none(world, tmp_path):
    shutil.copy(world / "chmm" / "final.npz", tmp_path / "final.npz")
    assert "aic" not in info_words(tmp_path / "final.npz", ["one"]).values["words"]["one"]
    shutil.copy(world / "gmm" / "train.jsonl", tmp_path / "train.jsonl")
    assert "aic" not in info_words(tmp_path, ["one"]).values["words"]["one"]


def test_several_words_and_all(world, capsys):
    for words in (["--word=two", "--word=one"], ["--json"]):
        capsys.readouterr()
        asrkit("info", world / "gmm", *words)
        out = capsys.readouterr().out
        if words == ["--json"]:
            assert list(json.loads(out)["words"]) == ["one", "two"]
        else:
            assert [line.split()[1] for line in out.splitlines() if line.startswith("word ")] == [
                "two",
                "one",
            ]


def test_the_likeliest_alone_are_shown(world, capsys):
    asrkit("info", world / "gmm", "--word=one", "--most=1")
    out = capsys.readouterr().out
    assert out.count("mean") == 4 and "2 lighter ones are left out (--most 0 shows all)" in out


def test_another_word_is_refused_with_those_that_there_are(world, capsys):
    asrkit("info", world / "gmm", "--word=seven", status=1)
    _, told = capsys.readouterr().err.splitlines()  # the command, and one line
    assert told == f"asrkit info: error: {world / 'gmm'}: no word 'seven'; it has one two"
    asrkit("info", world / "data", "--word=one", status=1)
    assert "final.npz" in capsys.readouterr().err
