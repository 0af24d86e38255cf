"""How the benchmark measures: contestants in turn, processes with their memory, rows of a table.

Run by itself it is the small process that starts a measured command: the peak memory that Linux reports for a
process counts the process it was forked from, and a benchmark with its data in memory would be counted in.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

SLOW_S = 20.0  # a contestant that has used that much is not run again, unless --full


class Failed(Exception):
    """A measured command failed; the message names the log."""


@dataclass(frozen=True)
class Usage:
    """What one or several commands, run one after the other, have used."""

    seconds: float
    peak_mb: float
    cpu_s: float = 0.0


@dataclass
class Contestant:
    """One system in a task.

    Attributes
    ----------
    call : callable
        Does the work. Where it returns a Usage, that is the time; else the time of the call is taken.
    quality : callable
        From what the last call returned to a few words for the table; not timed.
    target : float
        Least ratio of its seconds to asrkit's, or None.
    scale : float
        By which the seconds are multiplied where the work was a part of the task; `system` says so.
    missing : str
        Why it can't take part; the table gives the reason.
    warm_up : bool
        Run once before, untimed: what is measured is the steady state (`first-use` measures the first).
    against : str
        The system that the target's ratio is to, where that is not the first one.
    """

    system: str
    call: Callable | None = None
    quality: Callable = lambda result: "–"
    target: float | None = None
    scale: float = 1.0
    missing: str | None = None
    warm_up: bool = False
    against: str | None = None


@dataclass
class Row:
    task: str
    system: str
    seconds: list = field(default_factory=list)
    cpu_s: list = field(default_factory=list)
    ratio: float | None = None
    ratios: list = field(default_factory=list)  # turn by turn
    quality: str = "–"
    target: str = "–"
    missing: str | None = None

    def cells(self):
        if not self.seconds:
            return [self.task, self.system, self.missing, "–", "–", "–", "–"]
        ratio = "–" if self.ratio is None else figure(self.ratio)
        return [
            self.task,
            self.system,
            f"{figure(statistics.median(self.seconds))} {spread(self.seconds) or '[1 run]'}",
            figure(statistics.median(self.cpu_s)) if self.cpu_s else "–",
            f"{ratio} {spread(self.ratios)}".rstrip(),
            self.quality,
            self.target,
        ]


HEADINGS = [
    "task", "system", "seconds, median [min–max]", "CPU seconds", "ratio to asrkit, by turn", "quality", "target met"
]  # fmt: skip


AT_A_GLANCE = ["task", "peer", "seconds, asrkit : peer", "ratio, by turn", "asrkit", "peer's quality"]


def at_a_glance(rows):
    """The rows of the peers alone, each beside asrkit's, for a table of them all."""
    ours = {}
    for row in rows:
        own = ours.setdefault(row.task, row)
        if row is own or row.ratio is None or row.system.startswith(("asrkit", "floor")):
            continue
        seconds = " : ".join(figure(statistics.median(each.seconds)) for each in (own, row))
        yield [
            row.task,
            row.system,
            seconds,
            f"{figure(row.ratio)} {spread(row.ratios)}".rstrip(),
            own.quality,
            row.quality,
        ]


def spread(values):
    """The least and the largest of several."""
    return f"[{figure(min(values))}–{figure(max(values))}]" if len(values) > 1 else ""


def figure(value):
    """Three figures, never in powers of ten."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else f"{value:.6f}"


def table(rows, headings=None):
    """A GitHub-markdown table of the rows' cells."""
    lines = [headings or HEADINGS, ["---"] * len(headings or HEADINGS), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def say(text):
    print(text, file=sys.stderr, flush=True)


def compete(task, contestants, repeats, full=False):
    """Run the contestants in turn, A B A B, and give a row for each; the first one is asrkit, which the
    ratios are to.

    A contestant that fails gives a row with the reason: a peer's trouble must not cost the other numbers.
    """
    rows = {c.system: Row(task, c.system, missing=c.missing) for c in contestants}
    running = {c.system: c for c in contestants if c.missing is None}
    results = {}
    for turn in range(repeats + 1):
        for contestant in list(running.values()):
            row = rows[contestant.system]
            if (turn == 0 and not contestant.warm_up) or (
                not full and sum(row.seconds) / contestant.scale > SLOW_S
            ):
                continue
            try:
                started, used = time.perf_counter(), time.process_time()
                result = contestant.call()
                seconds, cpu_s = time.perf_counter() - started, time.process_time() - used
                if isinstance(result, Usage):
                    seconds, cpu_s = result.seconds, result.cpu_s
            except Exception as error:
                row.missing, row.seconds = f"failed: {type(error).__name__}: {error}".replace("\n", " "), []
                row.cpu_s = []
                del running[contestant.system]
                say(f"{task}: {contestant.system}: {row.missing}")
                continue
            if turn:
                row.seconds.append(seconds * contestant.scale)
                row.cpu_s.append(cpu_s * contestant.scale)
                results[contestant.system] = result
                say(f"{task}: {contestant.system}: {seconds:.3g} s ({turn} of {repeats})")
    judge_rows(rows, running, results, contestants[0].system)
    return list(rows.values())


def judge_rows(rows, running, results, reference):
    """Fill in ratios, qualities and targets."""
    ours = rows[reference].seconds
    for system, contestant in running.items():
        row = rows[system]
        try:
            row.quality = contestant.quality(results[system])
        except Exception as error:
            row.quality = f"not judged: {type(error).__name__}: {error}"
        if ours:
            row.ratio = statistics.median(row.seconds) / statistics.median(ours)
            row.ratios = [theirs / own for theirs, own in zip(row.seconds, ours)]
        if contestant.target is not None and row.ratio is not None:
            ratio, to = row.ratio, ""
            if contestant.against and rows[contestant.against].seconds:
                ratio = statistics.median(row.seconds) / statistics.median(rows[contestant.against].seconds)
                to = f" of {contestant.against}'s ({figure(ratio)})"
            row.target = f"≥ {figure(contestant.target)}{to}: {yes_no(ratio >= contestant.target)}"


def yes_no(condition):
    return "yes" if condition else "no"


def measure(commands, log, *, environment=None, folder=None, one_core=False, memory=False):
    """Run commands one after the other in processes of their own.

    Parameters
    ----------
    commands : list of list of str
    log : path
        Takes what they print.
    one_core : bool
        Hold them, and all that they start, to one core.
    memory : bool
        Look at the whole process tree a few times a second; without it the peak is that of the largest
        process.

    Returns
    -------
    Usage
    """
    job = {
        "commands": commands,
        "log": str(log),
        "environment": environment or dict(os.environ),
        "folder": str(folder or Path.cwd()),
        "one_core": one_core,
        "memory": memory,
    }
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    starter = [sys.executable, "-I", "-S", __file__]
    done = subprocess.run(starter, input=json.dumps(job), capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise Failed(
            done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}"
        )
    return Usage(**json.loads(done.stdout))


def run_job(job):
    """The small process: run the commands, add their seconds, those of the processor, too, take the largest of their peaks."""
    if job["one_core"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    seconds, peak_mb, cpu_s = 0.0, 0.0, 0.0
    with open(job["log"], "ab") as log:
        for command in job["commands"]:
            started = time.perf_counter()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=job["environment"],
                cwd=job["folder"],
                start_new_session=True,
            )
            watch = TreeWatch(process.pid)
            try:
                if job["memory"]:
                    watch.start()
                _, status, used = os.wait4(process.pid, 0)
            except BaseException:
                os.killpg(process.pid, 15)
                raise
            seconds += time.perf_counter() - started
            cpu_s += used.ru_utime + used.ru_stime
            process.returncode = os.waitstatus_to_exitcode(status)
            watch.stop()
            unit = 1024 if sys.platform != "darwin" else 1024**2  # Linux counts kB, macOS bytes
            peak_mb = max(peak_mb, used.ru_maxrss / unit, watch.peak_mb)
            if process.returncode:
                sys.exit(failure(command, process.returncode, job["log"]))
    return Usage(seconds, peak_mb, cpu_s)


def failure(command, status, log):
    """One line: what failed, the last thing it said, and where the rest of it stands."""
    said = Path(log).read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    return f"{' '.join(command[:4])} …: status {status}: {said} (see {log})"


class TreeWatch(threading.Thread):
    """Adds up the memory of a session's processes, shared pages by their share; needs /proc."""

    def __init__(self, session):
        super().__init__(daemon=True)
        self.session, self.peak_mb, self.done = session, 0.0, threading.Event()

    def run(self):
        while not self.done.wait(0.2):
            self.peak_mb = max(self.peak_mb, sum(map(self.share_mb, Path("/proc").glob("[0-9]*"))))

    def share_mb(self, process):
        try:
            if (
                int((process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[3])
                != self.session
            ):
                return 0.0
            lines = (process / "smaps_rollup").read_text(encoding="utf-8").splitlines()
            return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
        except (OSError, IndexError, ValueError):  # it has ended meanwhile
            return 0.0

    def stop(self):
        self.done.set()
        if self.ident is not None:
            self.join()


if __name__ == "__main__":
    print(json.dumps(asdict(run_job(json.load(sys.stdin)))))
