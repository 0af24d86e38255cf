"""One run a folder, by locks that end with their process; and temporary files that tell whether theirs lives."""

import errno
import json
import os
import platform
import subprocess
import sys
import threading
import time

import pytest

from asrkit.errors import DataError
from asrkit.io import holds, locks
from asrkit.io.files import atomic_write
from asrkit.io.holds import hold, holding
from asrkit.io.temporaries import SUFFIX, temporary_folder

HOLD = """
import sys, time
from asrkit.io.files import atomic_write
from asrkit.io.holds import hold
with hold(sys.argv[1]), atomic_write(sys.argv[1] + "/table") as stream, atomic_write(sys.argv[1] + "/below/table"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the folder and is writing two tables, one in a folder below it."""
    folder = tmp_path / "exp"
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"held"
    yield folder, process
    process.kill()
    process.wait()
    process.stdout.close()


def everything(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_a_second_run_says_who_holds_the_folder_and_touches_nothing(other):
    folder, process = other
    before = everything(folder)
    with pytest.raises(DataError) as error, hold(folder):
        pass
    said = str(error.value)
    assert (
        said.startswith(f"{folder}: in use by `")
        and f"process {process.pid} on {platform.node()}, since 2" in said
    )
    assert "-c" in said and everything(folder) == before


def test_a_killed_holder_holds_nobody_up_and_the_next_run_clears_up(other):
    folder, process = other
    (folder / ".notes").write_text("mine")
    (folder / ".table.abcdefgh").write_text("mine, too")
    with atomic_write(folder / "below" / "other") as stream:  # meanwhile others may write, and sweep
        stream.write("x\n")
    assert len(list(folder.rglob(".table.*.asrkit-part"))) == 2, "those of a live run stay"
    process.kill()
    process.wait()
    with hold(folder):
        with atomic_write(folder / "below" / "table") as stream:
            stream.write("whole\n")
        assert json.loads((folder / holds.LOCK).read_text())["pid"] == os.getpid()
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert names == [".notes", ".table.abcdefgh", "below/other", "below/table"]


def test_a_folder_is_held_once_but_by_blocks_within_each_other_and_never_by_two_threads(tmp_path):
    found = []

    def second():
        try:
            with hold(tmp_path):
                found.append("held")
        except DataError as error:
            found.append(str(error))

    with hold(tmp_path), hold(tmp_path / "." / "below" / ".."), hold(tmp_path / "below"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        with hold(tmp_path):
            pass
        assert (tmp_path / holds.LOCK).exists()
    second()
    assert f"process {os.getpid()} " in found[0] and found[1:] == ["held"]
    assert not list(tmp_path.iterdir())


def test_a_part_waits_for_another(tmp_path, caplog):
    order = []

    def first():
        with hold(tmp_path):
            started.set()
            time.sleep(0.2)
            order.append("first")

    started, thread = threading.Event(), threading.Thread(target=first)
    thread.start()
    started.wait()
    with hold(tmp_path, wait=True):
        order.append("second")
    thread.join()
    assert order == ["first", "second"] and "waiting until it has ended" in caplog.text


def test_many_threads_hold_one_after_another(tmp_path):
    inside, most = [0], []

    def work():
        for _ in range(20):
            with hold(tmp_path, wait=True):
                inside[0] += 1
                most.append(inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 60 and not list(tmp_path.iterdir())


@holding("exp")
def work(data, exp, *, fails=False):
    assert (exp / holds.LOCK).exists()
    if fails:
        raise KeyboardInterrupt
    return data


def test_a_function_holds_its_folder_and_leaves_none_that_it_did_not_need(tmp_path):
    exp = tmp_path / "new" / "exp"
    assert work(1, exp) == work(1, exp=exp) == work(exp=exp, data=1) == 1
    with pytest.raises(KeyboardInterrupt):
        work(1, exp, fails=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_where_there_are_no_locks_work_goes_on_with_a_warning(tmp_path, monkeypatch, caplog, number):
    def flock(handle, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with hold(tmp_path / "exp"), atomic_write(tmp_path / "exp" / "table") as stream:
        stream.write("x\n")
    assert "can't be locked, a second run in it would not be noticed" in caplog.text
    assert [path.name for path in (tmp_path / "exp").iterdir()] == ["table"]


def test_a_folder_that_nobody_can_write_to_is_left_to_who_writes(tmp_path, monkeypatch, caplog):
    def refuse(path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(holds, "_open", refuse)
    with hold(tmp_path):
        pass
    assert "Read-only file system" in caplog.text


def test_a_name_as_long_as_names_can_be_is_written(tmp_path):
    name = "ä" * 127
    with atomic_write(tmp_path / name) as stream:
        stream.write("x\n")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_folders_of_killed_runs_go_when_the_next_makes_one(tmp_path):
    (tmp_path / ".wavs.mine").mkdir()
    (tmp_path / f".wavs.abcdefgh{SUFFIX}").mkdir()
    (tmp_path / f".wavs.abcdefgh{SUFFIX}" / "half.wav").write_bytes(b"")
    with temporary_folder(tmp_path, "wavs") as folder:
        (folder / "whole.wav").write_bytes(b"")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([".wavs.mine", folder.name])
    assert [path.name for path in tmp_path.iterdir()] == [".wavs.mine"]
