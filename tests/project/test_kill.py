"""tools/kill.py: what it compares, what it finds, and one kill."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "kill.py"
spec = importlib.util.spec_from_file_location("kill", TOOL)
kill = importlib.util.module_from_spec(spec)
sys.modules["kill"] = kill  # dataclasses look their module up
spec.loader.exec_module(kill)

posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


def test_times_alone_may_differ(tmp_path):
    for name, seconds, bits in (("a", 1.5, b"\x00"), ("b", 22, b"\x00"), ("c", 1.5, b"\x01")):
        folder = tmp_path / name
        (folder / "sub").mkdir(parents=True)
        (folder / "train.json").write_text(f'{{"seconds": {seconds}, "utts": 3}}\n')
        (folder / "sub" / "model.npz").write_bytes(b"1.5 s" + bits)
    a, b, c = (kill.contents(tmp_path / name) for name in "abc")
    assert a == b and kill.compare(a, b) == []
    assert kill.compare(a, c) == ["sub/model.npz has other bytes"]
    (tmp_path / "b" / "sub" / ".model.npz.x1").touch()
    (tmp_path / "b" / "train.json").unlink()
    assert kill.compare(a, kill.contents(tmp_path / "b")) == [
        "train.json is missing",
        "sub/.model.npz.x1 is left over",
    ]


@pytest.mark.parametrize(
    ("kind", "status", "said", "falls_short"),
    [
        ("SIGKILL", -9, "", False),
        ("SIGTERM", 143, "asrkit train: terminated", False),
        ("SIGTERM", -15, "", False),
        ("SIGINT", 130, "asrkit train: interrupted", False),
        ("SIGINT", 0, "", True),
        ("SIGTERM", 1, "asrkit train: error: x", True),
        ("SIGINT", 130, 'Traceback (most recent call last):\n  File "asrkit/x.py"', True),
    ],
)
def test_how_a_killed_command_must_end(kind, status, said, falls_short):
    if falls_short:
        with pytest.raises(kill.Finding):
            kill.check_ending("x", kind, status, said)
    else:
        kill.check_ending("x", kind, status, said)


@posix
def test_a_command_that_leaves_something_is_found(tmp_path, monkeypatch, capsys):
    case = kill.Case(["test -e began && touch left; touch began; sleep 0.3; echo done > out"], [])
    monkeypatch.setattr(kill, "CASES", {"careless": case})
    monkeypatch.setattr(kill.Bench, "start", start_shell)
    assert kill.main(["--count", "1"]) == 1
    out = capsys.readouterr().out
    assert (
        "careless: FELL SHORT: SIGKILL" in out and "left is left over (--seed 0 --first 0 --count 1)" in out
    )


def start_shell(bench, commands, log):
    return subprocess.Popen(
        ["sh", "-c", *commands], cwd=bench.work, stdout=log, stderr=log, start_new_session=True
    )


@posix
def test_a_kill_of_each_kind():
    command = [sys.executable, TOOL, "--count", "3", "--only", "prepare-wavs"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert [line.split()[2] for line in lines[:3]] == list(kill.SIGNALS)
    assert lines[3] == "3 of 3 kills left what an undisturbed run leaves"
