"""One training on Dask's workers beside one process: time, what the scheduler takes, memory of a worker, equal bytes."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import benchmark_asrkit as asrkit
import benchmark_data as data
from benchmark_timing import Failed, Row, measure, say, yes_no

STATES, GAUSS, ITERATIONS = 8, 2, 4
TIMES, SHARE, WORKER_MB = 1.6, 0.05, 1000
START_S = 120


def cluster(corpus, options):
    """A chmm of generated frames: one process, as many of joblib as there are workers, and Dask's workers, which are there already.

    The scheduler's share is its processor time to the seconds of the training; peaks are those of the system (VmHWM), of Linux alone.
    """
    folder, workers = corpus.work / f"cluster{options.cluster_frames:.0f}", options.cluster_workers
    mean = (data.FRAMES[0] + data.FRAMES[1] - 1) / 2
    words = options.cluster_words
    takes = max(4, round(options.cluster_frames / words / mean))
    try:
        frames = data.write_words(folder / "train", words, takes, 1, "train")
        task = f"cluster, {words} words, {frames:,} frames"
        one = trained(corpus, folder, "one")
        say(f"cluster: {workers} processes")
        loky = trained(corpus, folder, "loky", "--nj", workers)
        with running(folder, workers) as (file, processes):
            say(f"cluster: {workers} workers of Dask")
            before = [cpu_s(process.pid) for process in processes]
            dask = trained(corpus, folder, "dask", "--backend", "dask", "--scheduler", file)
            after = [cpu_s(process.pid) for process in processes]
            peak_mb = max(peak_mb_of(process.pid) for process in processes[1:])
        models = [(folder / name / "final.npz").read_bytes() for name in ("one", "loky", "dask")]
        times, share = one.seconds / dask.seconds, (after[0] - before[0]) / dask.seconds
        return [
            Row(
                task, "asrkit, one process", [one.seconds], [one.cpu_s], quality=f"peak {one.peak_mb:.0f} MB"
            ),
            Row(task, f"asrkit, --nj {workers}", [loky.seconds], [loky.cpu_s], one.seconds / loky.seconds),
            Row(
                task,
                f"asrkit, {workers} workers of Dask",
                [dask.seconds],
                [dask.cpu_s + sum(after) - sum(before)],
                times,
                quality=f"peak of a worker {peak_mb:.0f} MB; scheduler {100 * share:.1f} % of the time; "
                f"same bytes: {yes_no(len(set(models)) == 1)}",
                target=f"≥ {TIMES} times: {yes_no(times >= TIMES)}; < {100 * SHARE:.0f} %: {yes_no(share < SHARE)}; "
                f"< {WORKER_MB} MB: {yes_no(peak_mb < WORKER_MB)}",
            ),
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def trained(corpus, folder, name, *more):
    """The usage of a training of `folder`'s data."""
    options = [
        *asrkit.family_options("chmm", STATES, GAUSS, ITERATIONS),
        "--delta-order",
        0,
        "--cmvn",
        "none",
    ]
    command = asrkit.command("train", folder / "train", folder / name, *options, *more)
    return measure(
        [command], corpus.work / "cluster.log", environment=asrkit.environment(), memory=name == "one"
    )


@contextlib.contextmanager
def running(folder, workers):
    """A scheduler and workers, each a process: the scheduler's file, and the processes."""
    file, environment = folder / "scheduler.json", asrkit.environment()
    file.unlink(missing_ok=True)  # of a scheduler that is gone
    calls = [["dask_scheduler", "--host", "127.0.0.1", "--port", "0"]]
    calls += [["dask_worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]] * workers
    with open(folder / "dask.log", "w", encoding="utf-8") as log:
        processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    f"distributed.cli.{name}",
                    *words,
                    "--no-dashboard",
                    "--scheduler-file",
                    file,
                ],
                stdout=log,
                stderr=log,
                env=environment,
            )
            for name, *words in calls
        ]
        try:
            wait_for(file, processes, workers)
            yield file, processes
        finally:
            for process in processes:
                process.kill()
                process.wait()


def wait_for(file, processes, workers):
    """Until all workers are there."""
    ends_s = time.monotonic() + START_S
    while not file.exists():
        if time.monotonic() > ends_s or any(process.poll() is not None for process in processes):
            log = (file.parent / "dask.log").read_text(encoding="utf-8").strip().splitlines()
            raise Failed(f"no scheduler and workers: {log[-1] if log else 'nothing was said'}")
        time.sleep(0.1)
    from distributed import Client

    with Client(scheduler_file=str(file), timeout=START_S) as client:
        client.wait_for_workers(workers, timeout=START_S)


def cpu_s(pid):
    """Seconds of the processor that a process has had; 0 where the system does not say it as Linux does."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def peak_mb_of(pid):
    """The most memory a process has had."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))
    return 0.0
