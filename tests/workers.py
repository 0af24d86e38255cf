"""Dask's scheduler and workers, data for them, and what must be equal of what they write."""

import logging
import socket
import subprocess
import sys

import pytest
from command import MFCC
from command import asrkit as command
from scored import TRAIN as MIXGOP
from scored import write_set
from synthetic import write_words

distributed = pytest.importorskip("distributed", reason="needs distributed (pip install -e '.[test]')")
from asrkit.engines.cluster import DEATHS, SLOW, local_workers  # noqa: E402

CHMM = ["--family=chmm", "--num-states=3", "--max-iters=3", "--warps=0.9"]
# Whose bytes hold seconds, or where they were made.
OTHERS = (
    "train.json",
    "log",
    "tune.json",
    "tune.tsv",
    "num_jobs",
    "decode.json",
    "run.json",
    "crossval.json",
)
OTHERS += ("codebook.json", "tuned.conf", "tune.png")


@pytest.fixture(scope="module")
def workers():
    """Two worker processes, the scheduler in this one."""
    import dask

    for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    patient = {"distributed.scheduler.allowed-failures": DEATHS, "distributed.comm.timeouts.connect": SLOW}
    with dask.config.set(patient), local_workers(2) as own:
        yield own


@pytest.fixture
def scheduler(workers):
    return workers.scheduler_address


@pytest.fixture
def client(workers):
    with distributed.Client(workers, set_as_default=False) as own:
        yield own


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Features, a model of each kind and what is to be scored, made in one process."""
    top = tmp_path_factory.mktemp("world")
    name = "{word}_{speaker}_{take}.wav"
    write_words(top / "wav", name, speakers=("anna", "bert", "carl"), takes=range(4))
    command("prepare-wavs", top / "wav", top / "data", "--pattern", "{word}_{speaker}_{index}")
    command("compute-mfcc", top / "data", *MFCC)
    command("train", top / "data", top / "chmm", *CHMM)
    write_set(top / "phones", 0, takes=12)
    command("mixgop", "train", top / "phones" / "data", top / "phones" / "ali", top / "mixgop", *MIXGOP)
    return top


def content(folder):
    """What must be equal of a command's files: dict of path to bytes."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in OTHERS]
    return {str(path.relative_to(folder)): path.read_bytes().replace(bytes(folder), b"") for path in paths}


class OwnScheduler:
    """A scheduler and workers in processes of their own, which may be killed and started again."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.file, self._folder, self._all = folder / "scheduler.json", folder, []
        self.start()

    def start(self):
        """Both of them; the scheduler at the address that it had."""
        self.scheduler = self._run("scheduler", "--host", "127.0.0.1", "--port", str(self._port))
        self._run("worker", "--nthreads", "1", "--no-nanny")

    def _run(self, kind, *options):
        words = [*options, "--scheduler-file", str(self.file), "--no-dashboard"]
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
        )
        self._all.append(process)
        return process

    def kill(self):
        self.scheduler.kill()
        self.scheduler.wait()
        self.file.unlink()

    def end(self):
        for process in self._all:
            process.kill()
            process.wait()


@pytest.fixture
def own_scheduler(tmp_path):
    own = OwnScheduler(tmp_path)
    yield own
    own.end()
