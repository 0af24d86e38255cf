"""The recipe that tests models of one corpus on others, run as a user would, on invented recordings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import write_words

TOP = Path(__file__).resolve().parents[2]
CORPORA = "mine=words,fsdd=digits"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the recipe needs bash")


def run(top, *words, status=0):
    """egs/cross/run.sh of a copy below `top`."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [str(top / "egs/cross/run.sh"), *words],
        cwd=top,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=280,
    )
    assert done.returncode == status, done.stdout[-3000:] + done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def top(tmp_path_factory):
    top = tmp_path_factory.mktemp("cross")
    shutil.copytree(TOP / "egs", top / "egs", ignore=shutil.ignore_patterns("data", "exp"))
    write_words(top / "words", "{word}/{speaker}_{take}.wav", takes=range(2), pad_s=0.2)
    write_words(top / "digits/recordings", "{word}_{speaker}_{take}.wav", ("one", "two"), takes=range(4, 6))
    for path in list((top / "digits/recordings").iterdir()):
        digit = {"one": "1", "two": "2"}[path.name.partition("_")[0]]
        path.rename(path.with_name(digit + path.name[3:]))
    return top


def rows(page):
    """Dict of (trained on, tested on) to words and what was wrong of them in the three ways."""
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| mine | ")]
    return {
        (one, other): (words, *(way.split(",")[0] for way in ways)) for one, other, words, *ways in cells[1:]
    }


def table(path):
    return dict(line.split() for line in path.read_text(encoding="utf-8").splitlines())


def test_models_of_one_corpus_hear_another(top):
    options = ["--corpora", CORPORA, "--pattern", "{word}/{speaker}_{index}", "--train", "mine", "--nj", "1"]
    first = run(top, *options)
    data, exp = top / "egs/cross/data", top / "egs/cross/exp"
    assert first.stdout.endswith((exp / "RESULTS.md").read_text(encoding="utf-8"))
    assert "mine: left out, because not all corpora have it: three" in first.stderr
    text = table(data / "fsdd/shared/text")
    assert (
        sorted(set(text.values())) == sorted(set(table(data / "mine/shared/text").values())) == ["one", "two"]
    )
    assert rows(first.stdout).keys() == {("mine", "(mine)"), ("mine", "fsdd")}

    def wrong(way):
        heard = table(exp / f"chmm/mine/decode_fsdd_{way}/hyp")
        return str(sum(heard.get(utt) != word for utt, word in text.items()))

    # What the table counts is what was heard.
    hyp = exp / "chmm/mine/decode_fsdd_causal/hyp"
    hyp.write_text(hyp.read_text(encoding="utf-8").replace(" two", " one"), encoding="utf-8")
    counts = ("8", wrong("alone"), wrong("causal"), wrong("whole"))
    assert rows(run(top, *options, "--stage", "4").stdout)["mine", "fsdd"] == counts
    assert counts[2] != rows(first.stdout)["mine", "fsdd"][2]

    # Called again it makes anew what is not as it was, and that alone.
    again = run(top, *options, "--stage", "1")
    assert again.stdout == (exp / "RESULTS.md").read_text(encoding="utf-8") and first.stdout.endswith(
        again.stdout
    )
    assert "trained on mine (kept)" in again.stderr and again.stderr.count("# asrkit decode") == 1


def test_help_and_wrong_usage(top):
    assert "--corpora NAME=DIR,..." in run(top, "--help").stdout
    for words, status, says in (
        ([], 2, "--corpora NAME=DIR,NAME=DIR says what to compare"),
        (["--corpora", "mine=words"], 2, "there must be two"),
        (["--corpora", "mine=words,digits"], 2, "'digits': NAME=DIR"),
        (["--corpora", "mine=words,mine=digits"], 2, "'mine' twice"),
        (["--corpora", "mine=words,fsdd=nowhere"], 1, "no such folder: --corpora fsdd=nowhere"),
        (["--corpora", CORPORA, "--train", "yours"], 2, "--train yours: there are mine fsdd"),
        (["--corpora", CORPORA, "--family", "rnn"], 2, "unknown family 'rnn'"),
        (["--corpora", CORPORA, "--stage", "5"], 2, "they go from 0 to 4"),
        (["--corpus", "fsdd"], 2, "unknown option --corpus"),
    ):
        assert says in run(top, *words, "--data", "data2", "--exp", "exp2", status=status).stderr
