"""tools/check.py: one line a check, the output of those that failed, an exit status."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("check", TOP / "tools" / "check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def script(code):
    return [sys.executable, "-c", code]


def test_a_line_a_check_and_the_output_of_failures(tool, capsys):
    checks = {
        "good": script("print('quiet')"),
        "bad": script("import sys; print('found this'); sys.exit('and that')"),
        "missing": [sys.executable, "-m", "no_such_module_of_ours"],
    }
    assert tool.check(list(checks), checks) == ["bad", "missing"]
    out, _ = capsys.readouterr()
    assert re.search(r"^good     ok  \(\d+\.\d s\)$", out, re.MULTILINE) and "quiet" not in out
    assert re.search(r"^bad      FAILED", out, re.MULTILINE) and "found this" in out and "and that" in out
    assert "No module named no_such_module_of_ours" in out


@pytest.mark.parametrize(("code", "status"), [("pass", 0), ("raise SystemExit(3)", 1)])
def test_exit_status(tool, capsys, monkeypatch, code, status):
    monkeypatch.setitem(tool.CHECKS, "imports", script(code))
    assert tool.main(["imports"]) == status
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_an_unknown_check_is_refused(tool, capsys):
    with pytest.raises(SystemExit) as stop:
        tool.main(["formt"])
    assert stop.value.code == 2 and "unknown check 'formt'" in capsys.readouterr().err


def test_fixing_comes_first(tool, monkeypatch):
    ran = []
    monkeypatch.setattr(tool, "run", lambda command: ran.append(command) or (True, ""))
    assert tool.main(["--fix", "format"]) == 0
    assert ran == [*tool.FIXES, tool.CHECKS["format"]]


def test_the_tools_come_with_an_extra():
    text = (TOP / "setup.cfg").read_text(encoding="utf-8")
    dev = re.search(r"^dev =\n((?: .+\n)+)", text, re.MULTILINE)[1]
    assert {re.match(r" +([\w-]+)", line)[1] for line in dev.splitlines()} >= {"ruff", "mypy"}
