"""Schedulers, workers and stores that fail: one line that says which, nothing left behind, and the same command goes on."""

import gc
import re
import sys
import time

import numpy as np
import pytest
from command import MFCC
from command import asrkit as command
from workers import content, distributed, local_workers, own_scheduler, scheduler, workers, world  # noqa: F401

import asrkit
from asrkit.engines import worker
from asrkit.errors import DataError, SettingsError, StoreError
from asrkit.io.pieces import Pieces
from asrkit.io.places import as_path
from asrkit.io.recordings import CHUNK
from asrkit.runtime import ordered_map


def test_a_scheduler_goes_away_or_is_started_again_and_the_same_command_goes_on(
    world, own_scheduler, tmp_path, monkeypatch, capsys
):
    file = own_scheduler.file
    lines = (world / "data" / "wav.scp").read_text().splitlines()
    entries = [f"{take}-{line}\n" for take in range(10, 10 + 5 * CHUNK // len(lines)) for line in lines]
    for name in ("data", "expected/data"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "wav.scp").write_text("".join(entries))
    folder = tmp_path / "data"
    words = ("compute-mfcc", folder, *MFCC, "--backend=dask", f"--scheduler={file}")
    real = Pieces.append
    for again in (False, True):

        def append_once(self, *piece):
            real(self, *piece)
            own_scheduler.kill()
            if again:
                own_scheduler.start()

        monkeypatch.setattr(Pieces, "append", append_once)
        command(*words, status=1)
        said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(("#", "INFO"))]
        dropped = "|has dropped the work, as after a restart" * again
        assert re.fullmatch(
            f"asrkit compute-mfcc: error: --scheduler {file}: the scheduler (went away{dropped}) "
            r"\(what was finished is kept: the same command goes on\)",
            "\n".join(said),
        )
        assert not (folder / "feats.scp").exists()
        if not again:
            own_scheduler.start()
    monkeypatch.setattr(Pieces, "append", real)
    command(*words)
    assert f"goes on: {2 * CHUNK} of {len(entries)} recordings were done" in capsys.readouterr().err
    command("compute-mfcc", tmp_path / "expected" / "data", *MFCC)
    assert content(folder) == content(tmp_path / "expected" / "data")


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:1", "nowhere.json", "s3://b/far.json", "no address"])
def test_a_scheduler_that_is_not_there_is_one_line(where, monkeypatch):
    left = []
    monkeypatch.setattr(distributed.Client, "__del__", lambda self: left.append(self.status))
    with pytest.raises(DataError, match=f"^scheduler={where}: ") as lost, asrkit.cluster(where, wait_s=0.3):
        pass
    assert len(str(lost.value).splitlines()) == 1
    assert ("scheduler-file writes it" in str(lost.value)) == (where == "nowhere.json")
    del lost
    gc.collect()
    assert set(left) <= {"closed"}  # one that closes itself there may wait for ever


@pytest.mark.parametrize("content", ["", "no json", "[]", "{}", '{"address": 3}'])
def test_a_file_that_is_no_schedulers_is_one_line(content, tmp_path):
    file = tmp_path / "scheduler.json"
    file.write_text(content)
    with (
        pytest.raises(DataError, match="names no address .dask scheduler"),
        asrkit.cluster(file, wait_s=0.0),
    ):
        pass


def test_a_scheduler_without_workers_is_one_line():
    with (
        local_workers(0) as own,
        pytest.raises(DataError, match="no worker within 0.1 s"),
        asrkit.cluster(own.scheduler_address, wait_s=0.1),
    ):
        pass


def test_a_scheduler_is_dasks(capsys):
    with pytest.raises(SystemExit):
        command("train", "data", "exp", "--family=gmm", "--scheduler=local")
    assert "--scheduler local: is Dask's (--backend dask goes with it)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "given, says",
    [({"jobs": 0}, "jobs=0 is less than 1"), ({"scheduler": object()}, "scheduler=object: is an")],
)
def test_what_no_cluster_can_be_is_said_at_once(given, says):
    with pytest.raises(SettingsError, match=says), asrkit.cluster(**given):
        pass


def test_without_distributed_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(DataError, match="backend=dask needs distributed .*pip install"), asrkit.cluster():
        pass


def test_workers_that_do_not_start_are_one_line_and_nothing_is_left(monkeypatch):
    async def fails(self):
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(distributed.Nanny, "start_unsafe", fails)
    with (
        pytest.raises(DataError, match="^scheduler=local: its workers did not start: .*__main__") as lost,
        asrkit.cluster(),
    ):
        pass
    assert len(str(lost.value).splitlines()) == 1
    del lost
    gc.collect()  # an unclosed one would warn, which is an error here


def test_workers_that_do_not_end_in_time_cost_no_result(monkeypatch):
    real = distributed.LocalCluster._close

    async def late(self):
        await real(self)
        self.status = distributed.core.Status.closing
        raise TimeoutError

    monkeypatch.setattr(distributed.LocalCluster, "_close", late)
    with asrkit.cluster():
        assert list(ordered_map(abs, [-1], jobs=1)) == [1]
    gc.collect()


def lacks(item):
    import fsspec

    fsspec.register_implementation("lacking", "no_such_package.Store", clobber=True, errtxt="")
    return as_path("lacking://b/x").exists()


def misses(item):
    import no_such_module  # noqa: F401


def refuses(item):
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Refusing(MemoryFileSystem):
        protocol = "refusing"

        def info(self, path, **kwargs):
            raise PermissionError("Access Denied")

    fsspec.register_implementation("refusing", Refusing, clobber=True)
    return as_path("refusing://b/x").exists()


@pytest.mark.parametrize(
    "work, kind, says",
    [
        (
            lacks,
            StoreError,
            "lacking://b/x: what opens lacking:// is not installed .pip install no_such_package.",
        ),
        (misses, DataError, "No module named 'no_such_module' .install the same on all machines."),
        (
            refuses,
            StoreError,
            "refusing://b/x: cannot be looked at: no permission: Access Denied .correct .*",
        ),
    ],
)
def test_what_a_worker_lacks_is_named_and_the_worker(work, kind, says, scheduler):
    pytest.importorskip("fsspec", reason="fsspec is not installed (pip install -e '.[test]')")
    with asrkit.cluster(scheduler), pytest.raises(kind, match=f"^worker tcp://[0-9.:]*: {says}$"):
        list(ordered_map(work, [0], jobs=1))


def test_a_worker_of_another_version_that_comes_later_is_named(scheduler, monkeypatch):
    with asrkit.cluster(scheduler):
        monkeypatch.setattr(worker, "VERSION", "0.1")
        with pytest.raises(
            DataError, match=r"^worker tcp://.*: asrkit .*, here it is 0\.1 \(install the same"
        ):
            list(ordered_map(abs, [0], jobs=1))


def eats(item):
    kept = []
    while item:
        kept.append(np.ones(1 << 21))
        time.sleep(0.01)
    return item


def test_a_worker_that_its_nanny_kills_for_its_memory_is_named(monkeypatch):
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        local_workers(1, memory_limit="500 MB") as own,
        asrkit.cluster(own.scheduler_address),
    ):
        with pytest.raises(DataError, match="worker tcp://.* was killed, .*: out of memory.*goes on"):
            list(ordered_map(eats, [0, 0, 1], jobs=1))
        assert list(ordered_map(eats, [0], jobs=1)) == [0]
