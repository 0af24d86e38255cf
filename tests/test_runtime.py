"""asrkit.runtime: one BLAS thread while work runs, in every process and thread; an ordered map; logs into files."""

import functools
import json
import logging
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import kaldiio
import numpy as np
import pytest
import threadpoolctl

import asrkit
from asrkit.cli import main as cli
from asrkit.errors import DataError
from asrkit.runtime import THREAD_VARIABLES, count_jobs, log_to, one_thread, ordered_map, progress

# Settings with which a training of wide features has other bytes where BLAS shares its sums among threads.
FAMILIES = {
    "gmm": {"num_gauss": 8},
    "chmm": {"num_states": 4, "num_gauss": 4},
    "schmm": {"num_states": 4, "num_gauss": 16},
    "dhmm": {"num_states": 4},
}
EQUAL = {"delta_order": 0, "max_iters": 5, "tol": 0.0}


def blas_threads():
    _ = np.ones((2, 2)) @ np.ones((2, 2))
    return {found["num_threads"] for found in threadpoolctl.threadpool_info() if found["user_api"] == "blas"}


@pytest.fixture
def four_threads():
    """A process that has loaded numpy and scipy, which have a BLAS each, with four threads."""
    import scipy.linalg  # noqa: F401 (what a block loads comes up with one thread)

    with threadpoolctl.threadpool_limits(limits=4, user_api="blas"):
        if blas_threads() != {4}:
            pytest.skip("this BLAS can't have four threads")
        yield


def test_blas_has_one_thread_inside_and_its_own_after(four_threads):
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    with one_thread():
        assert blas_threads() == {1} and {os.environ[name] for name in THREAD_VARIABLES} == {"1"}
        with one_thread():
            pass
        assert blas_threads() == {1}
    assert blas_threads() == {4} and {name: os.environ.get(name) for name in THREAD_VARIABLES} == before


LATER = """
import numpy, threadpoolctl
from asrkit.runtime import one_thread
def blas():
    return [lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"]
for _ in range(2):
    with one_thread():
        before = blas()
import scipy.linalg
outside = blas()
with one_thread():
    print(before, outside, blas(), sep="; ")
"""


def test_a_library_that_was_loaded_after_a_block_has_one_thread_in_the_next():
    before, outside, inside = map(json.loads, run_python(LATER, OPENBLAS_NUM_THREADS="2").split(";"))
    if len(outside) == len(before) or set(outside) != {2}:
        pytest.skip("numpy and scipy have one BLAS here, or one that can't have two threads")
    assert before == [1] and inside == [1, 1]


def test_the_last_of_several_threads_gives_them_back(four_threads):
    entered, leave = threading.Event(), threading.Event()

    def work():
        with one_thread():
            entered.set()
            leave.wait()

    other = threading.Thread(target=work, daemon=True)
    with one_thread():
        other.start()
        entered.wait()
    assert blas_threads() == {1}
    leave.set()
    other.join()
    assert blas_threads() == {4}


def test_threads_come_back_after_an_error(four_threads):
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert blas_threads() == {4}


def threads_of(_):
    return blas_threads()


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_item_of_a_map_has_one_thread(four_threads, jobs):
    assert list(ordered_map(threads_of, range(4), jobs=jobs)) == [{1}] * 4
    assert blas_threads() == {4}


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order_and_are_shown(jobs):
    shown = []

    def show(results, total, label):
        for result in results:
            shown.append((result, total, label))
            yield result

    with progress(show):
        assert list(ordered_map(functools.partial(pow, 2), [3, 1, 2], jobs=jobs, label="powers")) == [8, 2, 4]
    assert shown == [(8, 3, "powers"), (2, 3, "powers"), (4, 3, "powers")]
    assert list(ordered_map(abs, [-1, -2], jobs=jobs)) == [1, 2] and len(shown) == 3


def test_jobs_are_counted_as_joblib_counts_them():
    import joblib

    assert (count_jobs(None), count_jobs(1), count_jobs(3)) == (1, 1, 3)
    assert count_jobs(-1) == joblib.cpu_count()
    with joblib.parallel_config(n_jobs=2):
        assert count_jobs(None) == 2


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A data directory of features with 40 dimensions, enough of them for BLAS to share a product among threads."""
    top, rng = tmp_path_factory.mktemp("wide"), np.random.default_rng(0)
    feats = {f"u{i:02d}": rng.normal(i % 2, 1, (300, 40)).astype(np.float32) for i in range(16)}
    kaldiio.save_ark(str(top / "feats.ark"), feats, scp=str(top / "feats.scp"))
    (top / "text").write_text("".join(f"{utt} {'ab'[i % 2]}\n" for i, utt in enumerate(feats)))
    return top


def command_line(data, out, **environment):
    """Train all families by the command in a process of its own: dict of family to the bytes of the model."""
    calls = []
    for family, settings in FAMILIES.items():
        options = [f"--{name.replace('_', '-')}={value}" for name, value in {**settings, **EQUAL}.items()]
        calls.append(["train", str(data), str(out / family), f"--family={family}", *options])
    code = "import json, sys\nfrom asrkit.cli import main\nfor call in json.loads(sys.argv[1]): assert main.main(call) == 0"
    run_python(code, json.dumps(calls), **environment)
    return {family: (out / family / "final.npz").read_bytes() for family in FAMILIES}


def run_python(code, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def expected(wide, tmp_path_factory):
    return command_line(wide, tmp_path_factory.mktemp("expected"))


def train(data, family):
    return asrkit.train(data, family=family, **FAMILIES[family], **EQUAL)


@pytest.mark.bytes
@pytest.mark.parametrize("family", FAMILIES)
def test_a_process_with_four_threads_trains_as_the_command_line(
    wide, expected, four_threads, family, tmp_path
):
    for jobs in (1, 2) if family == "gmm" else (1,):
        model = asrkit.train(wide, family=family, jobs=jobs, **FAMILIES[family], **EQUAL)
        assert model.save(tmp_path).read_bytes() == expected[family]
    assert blas_threads() == {4}


@pytest.mark.bytes
def test_two_threads_train_as_the_command_line(wide, expected, four_threads, tmp_path):
    together = threading.Barrier(2)

    def work(families):
        together.wait()
        return {
            family: train(wide, family).save(tmp_path / f"{family}.npz").read_bytes() for family in families
        }

    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(work, [("gmm", "schmm"), ("chmm", "dhmm")]):
            assert found == {family: expected[family] for family in found}
    assert blas_threads() == {4}


THREADS = """
import sys, threading
import numpy as np
_ = np.ones((300, 300)) @ np.ones((300, 300))  # numpy has its threads
import asrkit
from asrkit.cli import main as cli
data, out = sys.argv[1:3]
def work(families):
    for family in families:
        asrkit.train(data, family=family, **settings[family], **equal).save(f"{out}/{family}")
threads = [threading.Thread(target=work, args=(families,)) for families in (["gmm", "schmm"], ["chmm", "dhmm"])]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.bytes
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="Haswell is an x86")
@pytest.mark.skipif("OPENBLAS_CORETYPE" in os.environ, reason="all tests of bytes are run on another kernel")
def test_the_same_on_another_kernel(wide, tmp_path):
    kernel = {"OPENBLAS_CORETYPE": "Haswell"}
    expected = command_line(wide, tmp_path / "command", **kernel)
    code = f"settings, equal = {FAMILIES!r}, {EQUAL!r}{THREADS}"
    run_python(code, str(wide), str(tmp_path / "python"), **kernel, OPENBLAS_NUM_THREADS="4")
    for family in FAMILIES:
        assert (tmp_path / "python" / family / "final.npz").read_bytes() == expected[family], family


log = logging.getLogger("asrkit")


@pytest.fixture
def quiet():
    """The loggers as a library finds them, which a command in this process has changed."""
    levels = {logger: logger.level for logger in (log, logging.getLogger())}
    for logger, level in zip(levels, (logging.NOTSET, logging.WARNING)):
        logger.setLevel(level)
    yield
    for logger, level in levels.items():
        logger.setLevel(level)


def test_a_block_s_log_goes_to_its_file_alone(quiet, tmp_path, caplog, capfd):
    root = logging.getLogger()
    before = (root.level, list(root.handlers), list(log.handlers))
    with log_to(tmp_path / "new" / "log"):
        log.debug("not this")
        log.info("read %d", 3)
        log.warning("beware")
        assert (root.level, list(root.handlers), list(log.handlers)) == before
    log.info("not this either")
    assert (tmp_path / "new" / "log").read_text() == "read 3\nbeware\n"
    assert not caplog.records and capfd.readouterr() == ("", "")
    assert log.level == logging.NOTSET
    log.warning("after")
    assert caplog.messages == ["after"]


def test_the_log_ends_with_the_error(quiet, tmp_path):
    with pytest.raises(DataError), log_to(tmp_path / "data"):
        log.info("begun")
        raise DataError("u1: no frames")
    assert (tmp_path / "data").read_text() == "begun\nerror: u1: no frames\n"
    with pytest.raises(ZeroDivisionError), log_to(tmp_path / "bug"):
        _ = 1 / 0
    assert (tmp_path / "bug").read_text().endswith("ZeroDivisionError: division by zero\n")
    assert (
        log.level == logging.NOTSET
        and log.isEnabledFor(logging.WARNING)
        and not log.isEnabledFor(logging.INFO)
    )


def test_every_thread_has_its_own_log(quiet, tmp_path, caplog):
    together = threading.Barrier(3)

    def work(name):
        with log_to(tmp_path / name):
            together.wait()
            for i in range(50):
                log.info("%s %d", name, i)
            together.wait()

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    together.wait()  # both are inside: who is in no block is heard as ever
    log.info("too little to be shown")
    log.warning("from outside")
    together.wait()
    for thread in threads:
        thread.join()
    for name in "ab":
        assert (tmp_path / name).read_text().splitlines() == [f"{name} {i}" for i in range(50)]
    assert caplog.messages == ["from outside"] and log.level == logging.NOTSET


def test_blocks_of_logs_may_nest(quiet, tmp_path):
    with log_to(tmp_path / "outer"):
        log.info("1")
        with log_to(tmp_path / "inner"):
            log.info("2")
        log.info("3")
    assert (tmp_path / "outer").read_text() == "1\n3\n" and (tmp_path / "inner").read_text() == "2\n"


def test_who_asks_for_more_gets_more(quiet, tmp_path, caplog):
    log.setLevel(logging.DEBUG)
    with log_to(tmp_path / "log"):
        log.debug("detail")
    assert (tmp_path / "log").read_text() == "detail\n" and log.level == logging.DEBUG
    log.debug("shown")
    assert caplog.messages == ["shown"]


def test_progress_is_not_shown_while_a_log_is_written(tmp_path):
    def show(results, total, label):
        raise AssertionError

    with progress(show), log_to(tmp_path / "log"):
        assert list(ordered_map(abs, [-1, 2])) == [1, 2]


def test_crossval_s_logs_lie_beside_its_folds(quiet, wide, tmp_path, caplog):
    asrkit.crossval(wide, tmp_path, family="gmm", num_gauss=1, by="random", folds=2, max_iters=1)
    for fold in ("fold_1", "fold_2"):
        assert "trained 2 words, on 8, skipped 0 utterances" in (tmp_path / fold / "log").read_text()
    assert not [message for message in caplog.messages if "trained" in message]


def killed(item):
    """A worker as the system's memory killer leaves it."""
    if item == 3:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    return item


def starved(item):
    if item == 3:
        raise MemoryError("Unable to allocate 8.00 GiB")
    return item


@pytest.mark.parametrize(
    ("work", "jobs", "says"),
    [
        (killed, 2, "a worker was killed: out of memory? nj=1 needs less"),
        (starved, 2, "out of memory: Unable to allocate 8.00 GiB (nj=1 needs less)"),
        (
            starved,
            1,
            "out of memory: Unable to allocate 8.00 GiB (free some, or work on fewer data at a time)",
        ),
    ],
)
def test_lost_work_is_one_line_and_the_next_map_works(work, jobs, says):
    with pytest.raises(DataError) as lost:
        list(ordered_map(work, range(8), jobs=jobs))
    assert str(lost.value) == says
    assert list(ordered_map(abs, [-1, -2, -3], jobs=2)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (killed, "a worker was killed: out of memory? --nj 1 needs less"),
        (starved, "out of memory: Unable to allocate 8.00 GiB (--nj 1 needs less)"),
        (None, "out of memory: at once (free some, or work on fewer data at a time)"),
    ],
)
def test_lost_work_of_a_command_is_one_line(monkeypatch, capsys, work, says):
    def main(args):
        if work is None:
            raise MemoryError("at once")
        list(ordered_map(work, range(8), jobs=args.nj))

    monkeypatch.setattr("asrkit.cli.commands.train.main", main)
    assert cli.main(["train", "data", "exp", "--family", "gmm", "--nj", "2"]) == 1
    assert capsys.readouterr().err.splitlines()[1:] == [f"asrkit train: error: {says}"]


def waits(item):
    time.sleep(30 if item else 0)


def test_who_stops_early_waits_for_nobody():
    """And is not warned of it: warnings are errors here."""
    results = ordered_map(waits, range(8), jobs=2)
    next(results)
    results.close()
    assert list(ordered_map(abs, [-1, -2, -3], jobs=2)) == [1, 2, 3]


def blocked(_):
    return {signal.SIGINT, signal.SIGHUP} <= signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_workers_do_not_hear_what_a_terminal_sends_to_all():
    assert list(ordered_map(blocked, range(4), jobs=2)) == [True] * 4
    assert not blocked(0)
