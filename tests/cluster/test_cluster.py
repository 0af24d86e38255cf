"""Commands and maps on Dask's workers: the bytes of one process, whatever becomes of a worker; one line where there is no going on."""

import errno
import functools
import logging
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from command import asrkit as command
from scored import TRAIN as MIXGOP
from workers import CHMM, client, content, distributed, local_workers, scheduler, workers, world  # noqa: F401

import asrkit
from asrkit.engines import dask_map, worker
from asrkit.errors import DataError
from asrkit.io import store
from asrkit.io.kept_steps import FOLDER as STEPS
from asrkit.io.store import FileSource
from asrkit.runtime import ordered_map, progress
from asrkit.words.settings import TrainingSettings
from asrkit.workflows import train as train_module
from asrkit.workflows.train import train

CALLS = {
    "train": ["train", "data", "OUT", *CHMM],
    "train-codebook": ["train-codebook", "data", "OUT", "--codebook-size=8"],
    "decode": ["decode", "chmm", "data", "OUT"],
    "decode, learning": ["decode", "chmm", "data", "OUT", "--adapt=map"],
    "adapt": ["adapt", "chmm", "data", "OUT", "--method=mllr-map"],
    "crossval": ["crossval", "data", "OUT", "--folds=2", *CHMM],
    "tune": [
        "tune",
        "data",
        "OUT",
        "--folds=2",
        "--try",
        "num-gauss",
        "1",
        "2",
        "--minutes=0",
        "--delta-order=1",
        *CHMM,
    ],
    "learning-curve": ["learning-curve", "data", "data", "OUT", "--counts=3,all", "--draws=1", *CHMM],
    "mixgop train": ["mixgop", "train", "phones/data", "phones/ali", "OUT", *MIXGOP],
    "mixgop score": ["mixgop", "score", "mixgop", "phones/data", "phones/ali", "OUT"],
}


@pytest.mark.bytes
@pytest.mark.parametrize("call", CALLS)
def test_a_command_writes_what_one_process_writes(call, world, scheduler, tmp_path, monkeypatch):
    monkeypatch.chdir(world)  # relative paths must mean the same to a worker
    found = {}
    for place, more in {"one": [], "dask": ["--backend=dask", f"--scheduler={scheduler}"]}.items():
        command(*(tmp_path / place if word == "OUT" else word for word in CALLS[call]), *more)
        found[place] = content(tmp_path / place)
    assert found["dask"].keys() == found["one"].keys() and found["one"]
    assert not [name for name in found["one"] if found["one"][name] != found["dask"][name]]


@pytest.mark.bytes
@pytest.mark.parametrize("kind", ["mfcc", "fbank"])
def test_features_are_those_of_one_process(kind, world, scheduler, tmp_path):
    found = []
    for place, more in (("one", []), ("dask", ["--backend=dask", f"--scheduler={scheduler}"])):
        folder = tmp_path / place / "data"
        folder.mkdir(parents=True)
        for name in ("wav.scp", "text", "utt2spk"):
            (folder / name).write_bytes((world / "data" / name).read_bytes())
        command(f"compute-{kind}", folder, "--sample-frequency=8000", *more)
        found.append(content(folder))
    assert found[0] == found[1] and "data/raw_mfcc_data.1.ark".replace("mfcc", kind) in found[0]


def kill_once(client, due=lambda: True):
    """Kill a worker at work, as soon as that is due: a list that then has its address, and the thread that waits."""
    killed = []

    def kill_at_work():
        while not killed:
            busy = [address for address, keys in client.processing().items() if any("run" in k for k in keys)]
            if busy and due():
                os.kill(client.run(os.getpid)[busy[0]], signal.SIGKILL)
                killed.append(busy[0])

    thread = threading.Thread(target=kill_at_work, daemon=True)
    thread.start()
    return killed, thread


def test_a_killed_worker_changes_no_byte_of_a_stepwise_training(world, scheduler, client, tmp_path):
    how = {"method": "stepwise", "passes": 3, "batch_frames": 100, "num_states": 3, "calibrate": False}
    settings = TrainingSettings.of("chmm", **how)
    train(world / "data", tmp_path / "one", settings)
    killed, thread = kill_once(client, (tmp_path / "dask" / STEPS / "0.npz").exists)
    with asrkit.cluster(scheduler):
        train(world / "data", tmp_path / "dask", settings, keep_s=0)
    thread.join(60)
    assert killed and content(tmp_path / "dask") == content(tmp_path / "one")


@pytest.mark.bytes
def test_any_number_of_processes_and_workers_writes_the_same(world, tmp_path, monkeypatch):
    monkeypatch.setattr(train_module, "GROUP", 1)  # each word may train elsewhere

    def made(place, *more):
        command("train", world / "data", tmp_path / place, *CHMM, *more)
        command("decode", tmp_path / place, world / "data", tmp_path / place / "decode", *more)
        with monkeypatch.context() as patch:  # few words with many data: their blocks go elsewhere
            patch.setattr(store, "MEMORY", 0)
            patch.setattr(store, "BLOCK", 40)
            command("train", world / "data", tmp_path / place / "blocks", *CHMM, *more)
        return content(tmp_path / place)

    expected = made("1")
    assert {"final.npz", "decode/hyp", "blocks/final.npz"} <= expected.keys()
    assert expected["final.npz"] != expected["blocks/final.npz"], "there are several blocks"
    for number in (2, 3):
        assert made(f"{number}", f"--nj={number}") == expected, number
    kills = []
    with local_workers(1) as own, distributed.Client(own, set_as_default=False) as client:
        for number in (1, 2, 4):
            own.scale(number)
            client.wait_for_workers(number)
            if number > 1:  # of four one in the first training, of two one that has blocks
                where = tmp_path / f"dask{number}" / ("" if number == 4 else "blocks")
                killed, thread = kill_once(client, where.exists)
                kills.append(killed)
            found = made(f"dask{number}", "--backend=dask", f"--scheduler={own.scheduler_address}")
            assert found == expected, number
            if number > 1:
                thread.join(60)
    assert all(kills)


def waits(item):
    time.sleep(0.01 if item else 0.3)
    return item


def test_results_come_in_order_and_leave_nothing_behind(scheduler, client):
    shown = []

    def show(results, total, label):
        shown.append((total, label))
        return results

    drawn = []
    items = (drawn.append(item) or item for item in range(60))
    with asrkit.cluster(scheduler):
        with progress(show):
            assert list(ordered_map(waits, range(200), jobs=1, label="items")) == list(range(200))
        results = ordered_map(waits, items, jobs=1)
        assert next(results) == 0 and len(drawn) <= 5, "no more than a window is drawn"
        results.close()
        assert list(ordered_map(here, range(2))) == [os.getpid()] * 2, "without jobs it is this process's"
    assert shown == [(200, "items")]
    assert not client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))


def here(_):
    return os.getpid()


def nested(item):
    pids = set(ordered_map(here, range(3), jobs=2))
    logging.getLogger("asrkit").warning("item %d", item)
    return pids == {os.getpid()}


def test_maps_in_a_worker_are_serial_and_its_log_comes_back(scheduler, caplog):
    with asrkit.cluster(scheduler):
        assert list(ordered_map(nested, range(3), jobs=1)) == [True] * 3
    assert caplog.messages == ["item 0", "item 1", "item 2"]


def test_blocks_take_about_a_second(scheduler, monkeypatch):
    """And no longer than a share of what is left."""
    sizes = []
    real = dask_map._block

    def block(*arguments):
        sizes.append(len(made := real(*arguments)))
        return made

    monkeypatch.setattr(dask_map, "_block", block)
    with asrkit.cluster(scheduler):
        list(ordered_map(waits, iter(range(1, 300)), jobs=1))
    assert sizes[:5] == [1] * 5 and 16 <= max(sizes) <= 110 and sum(sizes) == 299


def large(constant, item):
    return constant[item]


def test_constants_go_once(scheduler, monkeypatch):
    constant, sent = np.arange(1 << 20), []
    real = dask_map.DaskMap._submit

    def submit(self, function, *arguments):
        sent.append(
            len(distributed.protocol.pickle.dumps(arguments))
            if function is dask_map.keep
            else sum(map(len, arguments[1]))
        )
        return real(self, function, *arguments)

    monkeypatch.setattr(dask_map.DaskMap, "_submit", submit)
    with asrkit.cluster(scheduler):
        assert list(ordered_map(functools.partial(large, constant), range(50), jobs=1)) == list(range(50))
    assert sent[0] > constant.nbytes and max(sent[1:]) < 1000


def fails(item):
    if item == 2:
        raise ValueError("item 2 is odd")
    if item == 5:
        open("/nowhere/at/all", "rb")
    if item == 6:  # as io/places has it
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "s3://bucket/key")
    return item


def killed(item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def starved(item):
    raise MemoryError("Unable to allocate 8.00 GiB")


def test_what_a_function_raises_is_raised_here(scheduler):
    with asrkit.cluster(scheduler):
        with pytest.raises(ValueError, match="item 2 is odd"):
            list(ordered_map(fails, range(4), jobs=1))
        with pytest.raises(DataError, match="^/nowhere/at/all: not found: worker tcp://.* does not see it"):
            list(ordered_map(fails, [5], jobs=1))
        with pytest.raises(FileNotFoundError, match="No such file or directory: 's3://bucket/key'$"):
            list(ordered_map(fails, [6], jobs=1))  # all see a URL


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (killed, "worker tcp://.* was killed, the last of 3 that died of the same work: out of memory?"),
        (starved, "out of memory: worker tcp://.*: Unable to allocate 8.00 GiB"),
    ],
)
def test_lost_work_is_one_line_and_the_next_map_works(work, says, scheduler):
    with asrkit.cluster(scheduler):
        with pytest.raises(DataError, match=says) as lost:
            list(ordered_map(work, range(6), jobs=1))
        assert len(str(lost.value).splitlines()) == 1
        assert list(ordered_map(abs, [-1, -2], jobs=1)) == [1, 2]


def test_a_temporary_file_that_a_worker_does_not_see_is_named(scheduler, tmp_path):
    source = FileSource(str(tmp_path / "gone"), [{"utt": (0, (2, 2), np.dtype("f4"))}])
    with asrkit.cluster(scheduler), pytest.raises(DataError, match="gone.*worker tcp://.* does not see it"):
        list(ordered_map(list, [source], jobs=1))


def test_workers_are_held_against_this_machine(scheduler, tmp_path, monkeypatch):
    with (
        pytest.raises(DataError, match=f"^{tmp_path}/none: worker tcp://.* does not see it"),
        asrkit.cluster(scheduler, shared=[tmp_path / "none"]),
    ):
        pass
    with asrkit.cluster(scheduler, shared=[tmp_path, "s3://bucket/key"]):
        pass
    monkeypatch.setattr(worker, "VERSION", "0.1")
    with (
        pytest.raises(DataError, match=r"worker tcp://.*: asrkit .*, here it is 0\.1 \(install the same"),
        asrkit.cluster(scheduler),
    ):
        pass


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_an_interrupt_ends_the_workers_too(world, tmp_path):
    """Of `--scheduler local`, as a terminal sends it: to all processes of the group."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "asrkit",
            "crossval",
            world / "data",
            tmp_path,
            "--folds=3",
            *CHMM,
            "--backend=dask",
        ],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "fold_1" / "log").exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 130 and said.splitlines()[-1] == "asrkit crossval: interrupted"
    ends_s = time.monotonic() + 60
    while time.monotonic() < ends_s:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("a worker outlives the command")
