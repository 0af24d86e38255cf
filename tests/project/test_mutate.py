"""tools/mutate.py: every reader takes files that are broken by chance, or refuses them in one line that names the file."""

import sys
from pathlib import Path

import pytest

TOOLS = str(Path(__file__).parents[2] / "tools")


@pytest.fixture(scope="module")
def mutate():
    sys.path.insert(0, TOOLS)
    try:
        import mutate
    finally:
        sys.path.remove(TOOLS)
    return mutate


sys.path.insert(0, TOOLS)
from mutate_readers import READERS, Reader  # noqa: E402

sys.path.remove(TOOLS)


@pytest.mark.parametrize("name", READERS)
def test_broken_files(mutate, name):
    findings, refused = mutate.try_reader(name, 1000, seed=1, memory=False)
    assert not findings, "\n".join(findings)
    assert refused > 100  # the files are broken indeed


@pytest.mark.parametrize(
    ("read", "found"),
    [
        (lambda path: 1 / 0, "ZeroDivisionError"),
        (lambda path: __import__("warnings").warn("no", stacklevel=1), "UserWarning"),
        (lambda path: bytearray(300 << 20) and None, "300 MB for a file of"),
        (lambda path: [0 for _ in iter(int, 1)], "took more than"),
        (lambda path: ["two\nlines"], "no one line"),
    ],
)
def test_what_is_a_finding(mutate, monkeypatch, tmp_path, read, found):
    path = tmp_path / "x" / "a.txt"

    def make(folder):
        path.write_text("1 2 3\n")
        return [path]

    monkeypatch.setitem(READERS, "x", Reader(make, lambda _: None))
    trial = mutate.Trial("x", tmp_path / "x")
    with mutate.watched():
        assert found in trial.problem(path, read, seconds=0.05)


def test_a_finding_is_told_and_can_be_replayed(mutate, monkeypatch, tmp_path, capsys):
    def make(folder):
        (folder / "a.txt").write_text("1 2 3\n")
        return [folder / "a.txt"]

    def read(path):
        if path.read_text(errors="replace") != "1 2 3\n":
            raise ValueError("no")

    monkeypatch.setitem(READERS, "x", Reader(make, read))
    assert mutate.main(["--reader=x", "--count=9", f"--keep={tmp_path}"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("x: 9 files, 0 refused") and len(lines) > 5, lines
    options = lines[1].split(" (")[0].split()
    assert mutate.main(options) == 1 and lines[1] in capsys.readouterr().out
    assert len(list(tmp_path.glob("x-0-*-a.txt"))) == len(lines) - 1
