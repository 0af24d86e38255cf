"""Every command that docs/report.md shows is run here, on invented words; the picture that it names is there, and small."""

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import soundfile
from command import MFCC, asrkit
from pages import TOP, commands
from synthetic import RATE_HZ, word_samples, write_words

DOCS = TOP / "docs"
TEXT = (DOCS / "report.md").read_text(encoding="utf-8")
COMMANDS = commands(DOCS / "report.md")


def test_pictures_are_there_and_small():
    for picture in re.findall(r"!\[[^]]*\]\(([^)]*)\)", TEXT):
        content = (DOCS / picture).read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) < 200_000, picture


def test_commands_run_as_written(tmp_path, monkeypatch, capsys):
    names = {"one": "left", "three": "right"}
    for word, name in names.items():
        pattern = "wavs/" + name + "/{speaker}_{take}.wav"
        write_words(tmp_path, pattern, words=(word,), speakers=("anna", "bert", "carl"), takes=range(2))
    soundfile.write(tmp_path / "new.wav", word_samples("three", np.random.default_rng(9), pad_s=0.5), RATE_HZ)
    monkeypatch.chdir(tmp_path)
    asrkit("prepare-wavs", "wavs", "data", "--pattern", "{word}/{speaker}_{index}")
    asrkit("compute-mfcc", "data", *MFCC)
    for command in COMMANDS:
        program, *words = shlex.split(command)
        if program == "cut":
            told = subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout
            assert told.splitlines()[0].split("\t") == ["utt", "said", "heard", "p"]
            continue
        # small models: what they are like is tested elsewhere
        asrkit(*words, *(["--max-iters=2", "--warps="] if words[0] == "crossval" else []))
    assert capsys.readouterr().out.count("Heard ‘right’") == 3
    for name in (
        "exp/report/report.html",
        "exp/report/errors.tsv",
        "exp/report/report.json",
        "new.png",
        "new.html",
    ):
        assert Path(name).exists()
    text = Path("exp/report/report.html").read_text(encoding="utf-8")
    for heading in re.findall(r"^- .*?\*\*(\w+)", TEXT, flags=re.MULTILINE):
        assert f">{heading.capitalize()}" in text, heading
