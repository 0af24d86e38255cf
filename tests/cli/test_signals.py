"""Signals at any moment: one line, 128 + number, no traceback, no file and no process left."""

import os
import signal
import subprocess
import sys
import time

import kaldiio
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")

SAID = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}

# A process that gets a signal when something happens: a module is imported, an audited event (PEP 578).
PROGRAM = """
import os, signal, sys
kind, what, number = sys.argv[1:4]
def hear(): os.kill(os.getpid(), int(number))
class Finder:
    def find_spec(self, name, path=None, target=None):
        if kind == "import" and name == what: hear()
times = int(kind) if kind.isdigit() else 0
def audit(event, args):
    global times
    if event == what and times:
        times -= 1
        times or hear()
sys.meta_path.insert(0, Finder())
sys.addaudithook(audit)
sys.argv[:] = ["asrkit", *sys.argv[4:]]
from asrkit.cli.start import main
sys.exit(main())
"""
# What a command does is replaced by a few lines.
WORK = """
import contextlib, os, signal, sys, time
def main(args):
    hear = lambda: os.kill(os.getpid(), signal.SIGINT)
    {work}
    return 0
import asrkit.cli.commands.info as info
info.main = main
sys.argv[:] = ["asrkit", "info", "x"]
from asrkit.cli.start import main as start
sys.exit(start())
"""


def write_dir(folder, num_utts, frames):
    """A data directory of two words."""
    folder.mkdir()
    rng, text = np.random.default_rng(0), {f"u{i:02d}": "ab"[i % 2] for i in range(num_utts)}
    feats = {utt: rng.normal(size=(frames, 3)).astype(np.float32) for utt in text}
    kaldiio.save_ark(str(folder / "feats.ark"), feats, scp=str(folder / "feats.scp"))
    (folder / "text").write_text("".join(f"{utt} {word}\n" for utt, word in text.items()), encoding="utf-8")
    return folder


def ended(code, *words, folder, **more):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, cwd=folder, **more
    )
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("# ", "INFO: ", "WARNING: "))]
    return done.returncode, lines, done.stdout


@pytest.mark.parametrize(
    ("kind", "what", "number"),
    [
        ("import", "asrkit.cli.main", signal.SIGINT),
        ("import", "argparse", signal.SIGTERM),
        ("import", "numpy._core.multiarray", signal.SIGINT),
        ("import", "asrkit.words.training", signal.SIGHUP),
        ("import", "scipy.special", signal.SIGINT),
        ("1", "tempfile.mkstemp", signal.SIGTERM),
        ("1", "os.rename", signal.SIGINT),
        ("2", "os.rename", signal.SIGHUP),
    ],
)
def test_a_signal_when_something_happens(tmp_path, kind, what, number):
    data = write_dir(tmp_path / "data", 8, 20)
    words = ["train", data, tmp_path / "exp", "--family", "chmm", "--num-states", "2", "--max-iters", "2"]
    if what == "scipy.special":  # imported in the middle of the work
        words = ["compare", data, tmp_path / "a", tmp_path / "b"]
        for name in "ab":
            (tmp_path / name).mkdir()
            (tmp_path / name / "hyp").write_text(
                (data / "text").read_text(encoding="utf-8"), encoding="utf-8"
            )
    status, lines, out = ended(PROGRAM, kind, what, int(number), *words, folder=tmp_path)
    assert (status, len(lines), out) == (128 + number, 1, ""), lines
    assert lines[0].startswith("asrkit") and lines[0].endswith(f": {SAID[number]}")
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize(
    "work",
    {
        "in a finalizer": "class Last:\n        def __del__(self): hear()\n    Last()\n    time.sleep(30)",
        "half made": "class Made:\n        def __init__(self): hear(); time.sleep(30); self.file = 1\n"
        "        def __del__(self): self.file\n    Made()",
        "swallowed": "try: hear(); time.sleep(30)\n    except BaseException: pass\n    time.sleep(30)",
        "swallowed, and nothing follows": "try: hear(); time.sleep(30)\n    except BaseException: pass",
        "turned into another error": "try: hear(); time.sleep(30)\n    except BaseException: raise ImportError('numpy') from None",
        "turned into an error of ours": "from asrkit.errors import DataError\n    try: hear(); time.sleep(30)\n"
        "    except BaseException: raise DataError('x: broken')",
        "while a lock is waited for": "import _thread\n    _thread.start_new_thread(lambda: (time.sleep(0.2), hear()), ())\n"
        "    lock = _thread.allocate_lock(); lock.acquire(); lock.acquire()",
        "while it prints": "print('x', flush=True); hear(); print('y')",
    }.items(),
    ids=lambda item: item[0],
)
def test_no_signal_is_lost(work, tmp_path):
    status, lines, _ = ended(WORK.format(work=work[1]), folder=tmp_path, timeout=20)
    assert (status, lines) == (130, ["asrkit info: interrupted"])


def test_the_next_signals_wait_for_cleaning_up(tmp_path):
    work = (
        "try: hear(); time.sleep(30)\n    finally:\n        for _ in range(3): hear(); time.sleep(0.3)\n"
        "        print('clean')"
    )
    assert ended(WORK.format(work=work), folder=tmp_path) == (130, ["asrkit info: interrupted"], "clean\n")


def test_what_does_not_return_is_ended(tmp_path):
    code = WORK.format(
        work="while True:\n        try: hear(); time.sleep(30)\n        except BaseException: pass"
    )
    code = "import asrkit.cli.signals as signals\nsignals.PATIENCE_S = signals.INSIST_S = 0.3\n" + code
    assert ended(code, folder=tmp_path)[:2] == (130, ["asrkit info: interrupted"])


def test_a_signal_that_comes_when_all_is_done(tmp_path):
    code = WORK.format(work="import atexit; atexit.register(hear)")
    assert ended(code, folder=tmp_path) == (130, ["asrkit: interrupted"], "")


def test_who_ignores_a_signal_goes_on(tmp_path):
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + WORK.format(
        work="hear(); print('on')"
    )
    assert ended(code, folder=tmp_path) == (0, [], "on\n")


def all_end(group):
    """Whether the processes of a group end, in a few seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [
        (signal.SIGINT, True),
        (signal.SIGTERM, False),
        (signal.SIGKILL, False),
    ],
    ids=str,
)
def test_workers_end_with_their_parent(tmp_path, number, whole_group):
    """A terminal sends SIGINT to the whole group; SIGKILL hits the parent alone."""
    work = (
        "from asrkit.runtime import ordered_map\n"
        "    for _ in ordered_map(time.sleep, [0, 60, 60, 60], jobs=2): print('begun', flush=True)"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", WORK.format(work=work)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=tmp_path,
    )
    assert running.stdout.readline() == b"begun\n"
    (os.killpg if whole_group else os.kill)(running.pid, number)
    # The pipe ends only when the last process that holds it has ended.
    _, err = running.communicate(timeout=30)
    assert all_end(running.pid)
    if number == signal.SIGKILL:
        assert running.returncode == -number and "Traceback" not in err.decode()
    else:
        assert running.returncode == 128 + number
        assert err.decode().splitlines() == ["# asrkit info x", f"asrkit info: {SAID[number]}"]
