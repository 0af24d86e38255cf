"""What some system refuses is nowhere, or stands behind a question for the system: asked of the code itself, and simulated."""

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asrkit import runtime

TOP = Path(__file__).resolve().parents[2]
FILES = [path for room in ("asrkit", "tools", "egs") for path in sorted((TOP / room).rglob("*.py"))]
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"}
POSIX_CALLS = {
    "os": "chown fchmod fchown fork forkpty getegid geteuid getgid getloadavg getpgid getpgrp getsid getuid kill killpg lchown "
    "mkfifo nice sched_getaffinity sched_setaffinity setsid statvfs sync sysconf ttyname uname wait wait3 wait4 waitpid O_CLOEXEC O_DIRECTORY "
    "O_NOFOLLOW O_NONBLOCK WNOHANG",
    "signal": "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 SIG_BLOCK SIG_SETMASK SIG_UNBLOCK alarm pause "
    "pthread_kill pthread_sigmask setitimer sigwait",
}  # fmt: skip
POSIX_CALLS = {module: set(names.split()) for module, names in POSIX_CALLS.items()}
# Programs of one system, which say so: the benchmark reads Linux's /proc.
OF_POSIX = {"tools/kill.py", "tools/benchmark.py", "tools/benchmark_timing.py", "tools/mutate.py"}


def with_parents(tree):
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            child.parent = node
    return tree


def asks_for_the_system(node):
    """Whether a question about the system stands around a node, or before it in its function, or its refusal is caught."""
    while node := getattr(node, "parent", None):
        tests = [node.test] if isinstance(node, (ast.If, ast.IfExp)) else []
        if isinstance(node, ast.FunctionDef):
            tests = [inner.test for inner in ast.walk(node) if isinstance(inner, (ast.If, ast.IfExp))]
        if any(
            word in ast.unparse(test) for test in tests for word in ("os.name", "sys.platform", "fcntl is")
        ):
            return True
        if isinstance(node, ast.Try) and any(
            name in ast.unparse(handler.type or handler)
            for handler in node.handlers
            for name in ("ImportError", "OSError", "PermissionError")
        ):
            return True
        if isinstance(node, ast.With) and "suppress(OSError)" in ast.unparse(node.items[0]):
            return True
    return False


def mode_of(call, place):
    given = [word.value for word in call.keywords if word.arg == "mode"] + call.args[place : place + 1]
    return given[0].value if given and isinstance(given[0], ast.Constant) else "r" if not given else None


def faults(tree):
    """What is not portable: (line, what)."""
    for node in ast.walk(with_parents(tree)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            for name in POSIX_MODULES.intersection(names):
                if not asks_for_the_system(node):
                    yield node.lineno, f"import {name}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in POSIX_CALLS.get(node.value.id, ()) and not asks_for_the_system(node):
                yield node.lineno, f"{node.value.id}.{node.attr}"
        if not isinstance(node, ast.Call):
            continue
        words = {word.arg: word.value for word in node.keywords}
        name = ast.unparse(node.func)
        last = name.rpartition(".")[2]
        if last in ("read_text", "write_text") and name != last and "encoding" not in words:
            if not (last == "read_text" and node.args):
                yield node.lineno, f"{last} without encoding"
        if (
            name in ("open", "os.fdopen", "io.open", "gzip.open")
            or last == "open"
            and name.startswith(("path.", "Path("))
        ):
            mode = mode_of(node, 1 if name in ("open", "os.fdopen", "io.open", "gzip.open") else 0)
            if (
                mode is not None
                and "b" not in mode
                and not ("gzip" in name and "t" not in mode)
                and "encoding" not in words
            ):
                yield node.lineno, "open without encoding"
        if (
            {"text", "universal_newlines"} & words.keys()
            and "encoding" not in words
            and last in ("run", "Popen", "check_output")
        ):
            yield node.lineno, "a process's text without encoding"
        if last == "NamedTemporaryFile" and "delete" not in words:
            yield node.lineno, "NamedTemporaryFile that can't be opened by name on Windows"
        if last == "get_context" and node.args and ast.unparse(node.args[0]) in ("'fork'", "'forkserver'"):
            yield node.lineno, "a way to start processes that not all systems have"
        if (
            last == "open"
            and name == "os.open"
            and "devnull" not in ast.unparse(node)
            and not asks_for_the_system(node)
        ):
            yield node.lineno, "os.open, perhaps of a folder, which Windows refuses"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TOP).as_posix())
def test_the_code_is_portable(path):
    if path.relative_to(TOP).as_posix() in OF_POSIX:
        pytest.skip("a program of POSIX systems")
    assert not list(faults(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(
    "code",
    [
        "import resource",
        "from fcntl import flock",
        "os.fork()",
        "signal.signal(signal.SIGHUP, f)",
        "def f():\n  os.geteuid()",
        "path.read_text()",
        "open('x')",
        "open('x', 'w')",
        "path.open('a')",
        "subprocess.run(words, text=True)",
        "tempfile.NamedTemporaryFile(dir=x)",
        "get_context('fork')",
        "os.fsync(os.open(folder, os.O_RDONLY))",
    ],
)
def test_what_is_found(code):
    assert len(list(faults(ast.parse(code)))) >= 1
    behind = "def g():\n  if os.name == 'posix':\n" + "".join(f"    {line}\n" for line in code.splitlines())
    if code.startswith(("import", "from", "os.", "signal")):
        assert not list(faults(ast.parse(behind)))


class Elsewhere:
    """A module without what Windows has not."""

    def __init__(self, module, **other):
        self._module, self._other = module, other

    def __getattr__(self, name):
        if name in POSIX_CALLS[self._module.__name__]:
            raise AttributeError(name)
        return self._other[name] if name in self._other else getattr(self._module, name)


def test_processes_where_the_system_is_not_posix(monkeypatch):
    monkeypatch.setattr(runtime, "os", Elsewhere(os, name="nt"))
    monkeypatch.setattr(runtime, "signal", Elsewhere(signal))
    assert list(runtime.ordered_map(abs, [-1, -2, -3], jobs=2)) == [1, 2, 3]
    before = signal.getsignal(signal.SIGINT)
    try:
        runtime._begin_worker(os.getpid())
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


WINDOWS = """
import enum, os, signal, sys
for name in {names}:
    if hasattr(signal, name): delattr(signal, name)
signal.Signals = enum.IntEnum("Signals", dict(SIGINT=2, SIGTERM=15, SIGBREAK=21))
from asrkit.cli import signals
class Elsewhere:
    name = "nt"
    def __getattr__(self, name): return getattr(os, name)
signals.os = Elsewhere()
signals.PATIENCE_S = 1.0
def main(args):
    try: signal.raise_signal(2)
    except BaseException: pass
    import time; time.sleep(20)
import asrkit.cli.commands.info as info
info.main = main
sys.argv[:] = ["asrkit", "info", "x"]
from asrkit.cli.start import main as start
sys.exit(start())
"""


def test_signals_where_there_are_few(tmp_path):
    code = WINDOWS.format(names=json.dumps(sorted(POSIX_CALLS["signal"])))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60)
    assert (done.returncode, done.stderr.splitlines()[1:]) == (130, ["asrkit info: interrupted"])
