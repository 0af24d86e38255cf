"""asrkit.runtime: one BLAS thread while work runs, in every process; an ordered map."""

import functools
import os
import threading

import numpy as np
import pytest
import threadpoolctl

from asrkit.runtime import THREAD_VARIABLES, one_thread, ordered_map, progress


def blas_threads():
    _ = np.ones((2, 2)) @ np.ones((2, 2))
    return {found["num_threads"] for found in threadpoolctl.threadpool_info() if found["user_api"] == "blas"}


@pytest.fixture
def four_threads():
    """A process that has loaded numpy with four BLAS threads."""
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


def test_the_last_of_several_threads_gives_them_back(four_threads):
    entered, leave = threading.Event(), threading.Event()

    def work():
        with one_thread():
            entered.set()
            leave.wait()

    other = threading.Thread(target=work)
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
