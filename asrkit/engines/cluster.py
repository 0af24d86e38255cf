"""Dask's workers in place of processes of this machine: found, held against this one, and left."""

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from asrkit.config import PathLike, check_fields, is_url, option
from asrkit.distribution import missing_extra
from asrkit.errors import DataError, SettingsError
from asrkit.runtime import backend, deaf_children

LOKY, DASK, LOCAL = "loky", "dask", "local"
CONNECT_S = 10.0
WAIT_S = 60.0  # for a first worker
DEATHS = 2  # of workers that the same work may cost, where we start them
SLOW = "300 s"  # for what takes seconds, on a machine that has no time
END_S = 10.0

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class ClusterConfig:
    """Where work runs."""

    backend: str = option(LOKY, "processes of this machine, or workers of Dask", choices=(LOKY, DASK))
    scheduler: str = option(
        "",
        "Dask's scheduler: its address, the FILE.json that it writes, or local, which starts one with nj= workers here and is the "
        "default",
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.scheduler and self.backend != DASK:
            raise SettingsError(f"scheduler={self.scheduler}: is Dask's (backend={DASK} goes with it)")


@contextlib.contextmanager
def cluster(
    scheduler: PathLike = LOCAL, *, jobs: int = 1, shared: Iterable[PathLike] = (), wait_s: float = WAIT_S
) -> Iterator[None]:
    """Run the work of this block on the workers of a Dask scheduler, whatever `jobs` its calls have.

    Results are those of one process, byte for byte.

    Parameters
    ----------
    scheduler : path
        `tcp://HOST:PORT`, or `tls://`; the path of a scheduler file, `FILE.json`; or `local`: a scheduler and workers on this machine,
        which end with the block. Of a cluster of Dask's or dask-jobqueue's, its `scheduler_address`.
    jobs : int
        Workers that `local` starts.
    shared : iterable of path
        What every worker must see under the same name, beside this process's folder; a URL all see.
    wait_s : float
        How long the scheduler (10 s at the most) and a first worker are waited for.

    Returns
    -------
    context manager

    Raises
    ------
    DataError
        The scheduler or its workers are not there, a worker has other versions or does not see a path, or distributed is not installed.
    SettingsError
        `jobs` is less than 1, or `scheduler` no path.

    Examples
    --------
    >>> import asrkit
    >>> with asrkit.cluster("tcp://10.0.0.1:8786"):                       # doctest: +SKIP
    ...     model = asrkit.train("data/train", family="chmm")
    """
    if not isinstance(scheduler, PathLike):
        raise SettingsError(
            f"scheduler={type(scheduler).__name__}: is an address or the path of a file (of a cluster, its scheduler_address)"
        )
    if jobs < 1:
        raise SettingsError(f"jobs={jobs} is less than 1")
    scheduler = os.fspath(scheduler)
    try:
        import dask
        import distributed
    except ImportError as error:
        raise missing_extra("cluster", f"backend={DASK} needs distributed", error) from None
    from asrkit.engines.dask_map import DaskMap

    settings = {
        "distributed.admin.large-graph-warning-threshold": "1 TB",  # items travel with their task, so that they come again
        "distributed.scheduler.allowed-failures": DEATHS,
    }
    if scheduler == LOCAL:
        settings["distributed.comm.timeouts.connect"] = SLOW
    with dask.config.set(settings), _silent(), contextlib.ExitStack() as stack:
        if scheduler == LOCAL:
            own = stack.enter_context(local_workers(jobs))
            client = stack.enter_context(distributed.Client(own, set_as_default=False))
            name, remedy = f"scheduler={LOCAL}", "fewer workers have more memory each"
        else:
            client = stack.enter_context(_connected(scheduler, wait_s))
            name, remedy = f"scheduler={scheduler}", "give the workers more memory"
            here = [os.path.abspath(path) for path in shared if not is_url(path)]
            _check_workers(client, name, here, wait_s)
        with backend(DaskMap(client, name, remedy=remedy)):
            yield


@contextlib.contextmanager
def local_workers(jobs: int, **options: Any) -> Iterator[Any]:
    """Start a scheduler and workers on this machine: a LocalCluster, which ends with the block, however far its start went.

    Parameters
    ----------
    jobs : int
    options
        Others of LocalCluster.

    Raises
    ------
    DataError
        They did not start.
    """
    import multiprocessing

    from distributed import LocalCluster
    from distributed.core import Status

    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(
            1
        )  # a worker that runs a script which does not look whether it is the main one: told there
    own = LocalCluster.__new__(LocalCluster)  # ours before it starts, for a start may fail or be interrupted
    try:
        with deaf_children():  # the thread that starts the workers, now and later, inherits it
            try:
                own.__init__(  # type: ignore[misc]
                    n_workers=jobs,
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.CRITICAL,
                    **options,
                )
            except Exception as error:
                raise DataError(
                    f"scheduler={LOCAL}: its workers did not start: {_first_line(error)} (in a script, what starts them "
                    "stands below if __name__ == '__main__':)"
                ) from None
        yield own
    finally:
        _close(own, Status.closed, END_S)  # workers end with this process at the latest


@contextlib.contextmanager
def _connected(scheduler: str, wait_s: float) -> Iterator[Any]:
    from distributed import Client

    options: dict[str, Any] = {"timeout": min(max(wait_s, 1.0), CONNECT_S), "set_as_default": False}
    in_file = scheduler.endswith(".json") and not is_url(scheduler)
    address = _address_in(scheduler, wait_s) if in_file else scheduler
    client = Client.__new__(Client)
    try:
        try:
            client.__init__(address, **options)  # type: ignore[misc]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(
                f"scheduler={scheduler}: {_first_line(error)} (dask scheduler starts one)"
            ) from None
        yield client
    finally:
        _close(client, "closed", 1.0)  # the scheduler may be gone


def _address_in(file: str, wait_s: float) -> str:
    """Wait for a scheduler's file that is whole, and give the address in it."""
    ends_s, fault = time.monotonic() + wait_s, "not found"
    while True:
        try:
            with open(file, encoding="utf-8") as stream:
                address = json.load(stream)["address"]
            if isinstance(address, str):
                return address
            fault = "names no address"
        except FileNotFoundError:
            pass
        except OSError as error:
            fault = f"cannot be read: {error.strerror}"
        except (ValueError, TypeError, KeyError):
            fault = "names no address"
        if time.monotonic() > ends_s:
            raise DataError(f"scheduler={file}: {fault} (dask scheduler --scheduler-file writes it)")
        time.sleep(0.1)


def _close(own: Any, closed: Any, timeout_s: float) -> None:
    """Close a Client or a LocalCluster, however far its start went. What is left to the garbage collector warns there, and a Client
    closes itself: where that happens while its thread starts another one's, it waits for a lock that the thread has itself.
    """
    with contextlib.suppress(Exception):
        own.close(timeout=timeout_s)
    own.status = closed


def _check_workers(client: Any, name: str, paths: list[str], wait_s: float) -> None:
    """Raise a DataError unless there are workers, which have our versions and see our files."""
    from distributed import TimeoutError as Late  # another one before Python 3.11

    from asrkit.engines.worker import SEEN, about, differing, versions

    try:
        client.wait_for_workers(1, timeout=wait_s)
    except (Late, TimeoutError):
        raise DataError(f"{name}: no worker within {wait_s:g} s (dask worker starts one)") from None
    here, folder = versions(), os.getcwd()
    kernel = about(folder, [])[2]
    for worker, found in sorted(client.run(about, folder, paths, on_error="return").items()):
        if isinstance(found, BaseException):
            raise DataError(f"{name}: worker {worker}: {found} (install the same on all machines)")
        there, missing, its_kernel = found
        if fault := differing(here, there):
            raise DataError(f"{name}: worker {worker}: {fault}")
        if missing:
            raise DataError(f"{missing[0]}: worker {worker} does not see it {SEEN}")
        if its_kernel != kernel:
            log.warning(
                "worker %s has another processor (%s, here %s): results may be others in their last digits",
                worker,
                its_kernel,
                kernel,
            )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep Dask from telling what we tell in one line."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "distributed"]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
