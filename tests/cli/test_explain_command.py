"""asrkit explain: what was heard and why, as lines, a picture and a page."""

import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile
from command import MFCC, asrkit
from synthetic import RATE_HZ, word_samples, write_words

import asrkit as package
from asrkit.plots.explained import plot_explained
from asrkit.workflows.explain import explain

MODELS = {
    "chmm": ["--num-states=4", "--max-iters=3"],
    "dhmm": ["--num-states=4", "--max-iters=3"],
    "gmm": ["--num-gauss=2", "--max-iters=2", "--calibrate=false"],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav", takes=range(4))
    asrkit("prepare-wavs", top / "wavs", top / "data", "--pattern", "{word}_{speaker}_{index}")
    asrkit("compute-mfcc", top / "data", *MFCC)
    asrkit("train-codebook", top / "data", top / "dhmm", "--codebook-size=16")
    for family, options in MODELS.items():
        asrkit("train", top / "data", top / family, "--family", family, *options)
    new = word_samples("two", np.random.default_rng(9), pad_s=0.4)
    soundfile.write(top / "<b>new.wav", new, RATE_HZ)
    return top


def page_data(path):
    text = path.read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    return text, json.loads(data)


@pytest.mark.parametrize("family", MODELS)
def test_lines_picture_and_page_say_what_is_heard(world, family, tmp_path, capsys):
    wav = world / "<b>new.wav"
    heard = package.load(world / family).recognize(wav)
    for name in ("new.png", "new.html"):
        capsys.readouterr()
        asrkit("explain", world / family, wav, "-o", tmp_path / name)
        lines = capsys.readouterr().out.splitlines()
        assert lines[:-2] == [one.line() for one in heard.nbest(10)]
        assert lines[-2].startswith("Heard ‘two’") and lines[-1] == f"picture in {tmp_path / name}"
    assert (tmp_path / "new.png").read_bytes().startswith(b"\x89PNG")
    text, values = page_data(tmp_path / "new.html")
    assert "<b>" not in text and values["word"] == "two"
    assert values["contrast"]["total"] == pytest.approx(heard.margin, abs=5e-3)
    assert (values["symbols"] is not None) == (family == "dhmm")
    (sound,) = re.findall(r'id="blob-0">(.*?)</script>', text)
    samples, _ = soundfile.read(io.BytesIO(base64.b64decode(sound)), dtype="int16")
    assert (samples == soundfile.read(wav, dtype="int16")[0]).all()


def test_another_word_is_compared(world, tmp_path, capsys):
    wav = world / "<b>new.wav"
    for word in ("one", "three"):
        asrkit("explain", world / "chmm", wav, "--word", word, "--out", tmp_path / "new.html")
        _, values = page_data(tmp_path / "new.html")
        assert values["contrast"]["other"]["word"] == word and f"ahead of ‘{word}’" in capsys.readouterr().out


def test_what_it_cannot_do_is_told(world, tmp_path, capsys):
    wav = world / "<b>new.wav"
    with pytest.raises(SystemExit, match="2"):
        asrkit("explain", world / "chmm", wav, "-o", tmp_path / "new.txt")
    assert "neither *.png nor *.html" in capsys.readouterr().err
    for words, status, told in (
        ((wav, "--word", "ten"), 1, "--word 'ten' is not in the vocabulary (one, three, two)"),
        ((tmp_path / "no.wav",), 1, "no.wav: cannot be read"),
    ):
        asrkit("explain", world / "chmm", *words, status=status)
        assert told in capsys.readouterr().err
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE_HZ), RATE_HZ)
    asrkit("explain", world / "chmm", tmp_path / "silence.wav", "-o", tmp_path / "new.png", status=1)
    assert "silence.wav: " in capsys.readouterr().err and not (tmp_path / "new.png").exists()


def test_a_picture_without_another_word_and_equal_bytes(world):
    found = explain(package.load(world / "chmm"), world / "<b>new.wav")
    pictures = []
    for _ in range(2):
        stream = io.BytesIO()
        plot_explained(found, stream, "a title")
        pictures.append(stream.getvalue())
    assert pictures[0] == pictures[1]
    alone = package.train(
        {"two": [word_samples("two", np.random.default_rng(k)) for k in range(5)]},
        rate_hz=RATE_HZ,
        family="gmm",
        num_gauss=1,
    )
    stream = io.BytesIO()
    plot_explained(explain(alone, world / "<b>new.wav"), stream)
    assert stream.getvalue().startswith(b"\x89PNG")
