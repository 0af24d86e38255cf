"""Every command that docs/look.md shows is run here, on invented words; the pictures that it names are there, and small."""

import re
import shlex
from pathlib import Path

import numpy as np
import soundfile
from command import MFCC, asrkit
from pages import TOP, commands
from synthetic import RATE_HZ, word_samples, write_words

import asrkit as package

DOCS = TOP / "docs"
TEXT = (DOCS / "look.md").read_text(encoding="utf-8")
COMMANDS = commands(DOCS / "look.md")


def test_pictures_are_there_and_small():
    pictures = re.findall(r"!\[[^]]*\]\(([^)]*)\)", TEXT)
    assert len(pictures) == 2
    for picture in pictures:
        content = (DOCS / picture).read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) < 300_000, picture


def test_commands_run_as_written(tmp_path, monkeypatch, capsys):
    write_words(tmp_path, "wavs/{word}/{speaker}_{take}.wav", words=("one", "two"), takes=range(4))
    soundfile.write(tmp_path / "new.wav", word_samples("one", np.random.default_rng(9), pad_s=0.4), RATE_HZ)
    monkeypatch.chdir(tmp_path)
    asrkit("prepare-wavs", "wavs", "data/train", "--pattern", "{word}/{speaker}_{index}")
    asrkit("compute-mfcc", "data/train", *MFCC)
    asrkit("train-codebook", "data/train", "exp/dhmm", "--codebook-size=16")
    for family in ("gmm", "chmm", "dhmm"):
        asrkit(
            "train", "data/train", f"exp/{family}", "--family", family, "--max-iters=2", "--calibrate=false"
        )
    capsys.readouterr()
    for command in COMMANDS:
        program, *words = shlex.split(command)
        assert program == "asrkit"
        asrkit(*words)
        if words[0] == "plot":
            assert Path(words[-1]).stat().st_size > 5000
    out = capsys.readouterr().out
    assert out.count("picture in ") == 7 and "AIC" in out and '"transitions"' not in out.splitlines()[0]
    asrkit("plot", "codebook", "exp/gmm", "-o", "no.png", status=1)
    assert "of a gmm there is gmm, features" in capsys.readouterr().err
    assert len(package.load("exp/chmm").vocabulary.models["one"].inside.chain.exit) == 8
