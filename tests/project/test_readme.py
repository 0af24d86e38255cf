"""Every command that README.md shows is run here, as written; the two with pip are run by .ci/run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from synthetic import RATE_HZ, word_samples, write_words

TOP = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```bash\n(.*?)```", (TOP / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)

PYTHON = re.findall(r"```python\n(.*?)```", (TOP / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
# What the second block of Python is given: recordings by three speakers.
GIVEN = """
from pathlib import Path
recordings = sorted(map(str, Path("my-words").glob("*/*_*.wav")))
words = [Path(path).parent.name for path in recordings]
speakers = [index % 2 for index, _ in enumerate(recordings)]
"""


def test_no_place_is_left_open():
    assert not re.search(r"@[A-Z]+@|TODO|XXX", (TOP / "README.md").read_text(encoding="utf-8"))


def test_opens_with_the_two_commands():
    assert BLOCKS[0] == "pip install -e . && egs/digits/run.sh\n"
    assert BLOCKS[1] == "pip install -e '.[test]' && python -m pytest\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="the README's commands need bash")
def test_commands_run_as_written(tmp_path):
    import numpy as np

    shutil.copytree(TOP / "egs", tmp_path / "egs", ignore=shutil.ignore_patterns("data", "exp"))
    for word, name in (("one", "left"), ("three", "right")):
        write_words(
            tmp_path, "my-words/" + name + "/{speaker}_{take}.wav", words=(word,), takes=range(3), pad_s=0.3
        )
    soundfile.write(tmp_path / "new.wav", word_samples("three", np.random.default_rng(9), pad_s=0.5), RATE_HZ)
    evening = [word_samples(word, np.random.default_rng(8), pad_s=0.4) for word in ("one", "three", "one")]
    soundfile.write(tmp_path / "evening.wav", np.concatenate(evening), RATE_HZ)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    shown = []
    for block in BLOCKS[2:]:
        if shutil.which("jq") is None:
            block = re.sub(r"^.*\| jq .*\n", "", block, flags=re.MULTILINE)
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", block],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        shown.append(done.stdout)
    assert re.search(r"^right: \d+ of 12 words .*\nconfused: .*\nrecord next: ", shown[0], flags=re.MULTILINE)
    assert re.search(r"^new.wav right -?\d+\.\d+ \d+\.\d+$", shown[0], flags=re.MULTILINE)
    # The blocks of Python, in the same place; two recordings have the short names that they show.
    for word in ("left", "right"):
        for number, path in enumerate(sorted((tmp_path / "my-words" / word).glob("*.wav"))[:2], 1):
            shutil.copy(path, path.with_name(f"{number}.wav"))
    for block in PYTHON:
        done = subprocess.run(
            [sys.executable, "-c", GIVEN + block],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{block}\n{done.stderr[-2000:]}"
        shown.append(done.stdout)
    assert shown[-2].startswith("right ")
    shown = shown[: len(BLOCKS[2:])]
    listened = next(out for block, out in zip(BLOCKS[2:], shown, strict=True) if "asrkit listen" in block)
    assert listened.count('"start": ') == 6
    recipe = next(out for block, out in zip(BLOCKS[2:], shown, strict=True) if "grep WER" in block)
    assert recipe.count("%WER") == 6  # three scored again by stages 6 to 8, three found by grep
    assert "egs/digits/exp/chmm/decode_test/wer_1:%WER" in recipe


def test_every_command_is_in_the_table():
    from asrkit.cli.main import all_commands

    text = (TOP / "README.md").read_text(encoding="utf-8")
    assert not [name for name in all_commands() if f"`{name}" not in text]
