"""How work is run: BLAS held to one thread, an ordered map over processes or what else there is, progress. Knows nothing
of what is run.
"""

import contextlib
import functools
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sized
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from asrkit.errors import AsrkitError, DataError

Item = TypeVar("Item")
Result = TypeVar("Result")
Show = Callable[[Iterable, int | None, str | None], Iterable]  # what shows progress: (results, total, label)

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

_lock = threading.Lock()
_inside = 0  # how many Python threads are in a block of `one_thread` now
_shared: dict[
    str, tuple[Any, int]
] = {}  # by file, the libraries whose number of threads is the process's, and what it was
_variables: dict[str, str | None] = {}  # the environment before the first of them began
_single = False  # whether every library of this process has come up with one thread
_own = threading.local()  # .depth: how many blocks this Python thread is in
_loaded: tuple[frozenset[str], list[Any]] = (frozenset(), [])  # modules, and the libraries found beside them


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread while the block runs, whoever loaded them and whenever.

    A sum that is shared among threads depends on how many there are: held to one, a result is the same bytes
    in a command, in a worker process and in a notebook that has loaded numpy with four. Libraries that are
    loaded already are told by threadpoolctl, those that the block loads by the environment. Blocks may nest,
    and may run in several Python threads at once: what is the whole process's comes back when the last of
    them ends. Works as a decorator, too.
    """
    depth = getattr(_own, "depth", 0)
    per_thread = _hold() if not depth else []
    _own.depth = depth + 1
    try:
        yield
    finally:
        _own.depth = depth
        if not depth:
            _release(per_thread)


def _hold() -> list[tuple[Any, int]]:
    """Set all libraries to one thread; those that count for this Python thread alone come back with their
    numbers.
    """
    global _inside
    if _single:
        return []
    with _lock:
        if not _inside:
            _variables.update({name: os.environ.get(name) for name in THREAD_VARIABLES})
            os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
        _inside += 1
        per_thread = []
        for library in _libraries():
            before = library.get_num_threads()
            if "openmp" in (library.internal_api, library.info().get("threading_layer")):
                per_thread.append((library, before))
            else:
                _shared.setdefault(library.filepath, (library, before))
            _set_threads(library, 1)
        return per_thread


def _libraries() -> list[Any]:
    """Give the loaded libraries that have threads. To find them takes milliseconds, more than much of what is
    run: they are looked for again only where modules have come or gone, for libraries come with modules.
    """
    global _loaded
    modules = frozenset(sys.modules)
    if modules != _loaded[0]:
        import threadpoolctl

        _loaded = modules, threadpoolctl.ThreadpoolController().lib_controllers
    return _loaded[1]


def _release(per_thread: list[tuple[Any, int]]) -> None:
    global _inside
    if _single:
        return
    with _lock:
        _inside -= 1
        back = list(per_thread)
        if not _inside:
            back += _shared.values()
            _shared.clear()
            for name, value in _variables.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
        for library, number in back:
            _set_threads(library, number)


def _set_threads(library: Any, number: int) -> None:
    """Newer threadpoolctl lets one Python thread alone set a shared pool, and keeps silent where another
    asks: we hold a lock.
    """
    free = getattr(library, "clear_controlling_thread", lambda force: None)
    free(force=True)
    library.set_num_threads(number)
    free(force=True)


def load_one_thread() -> None:
    """Have every library that this process will load come up with one thread: for a command, before it
    imports numpy. Nobody need tell them again, then.
    """
    global _single
    _single = "numpy" not in sys.modules
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))


def count_jobs(wanted: int | None) -> int:
    """Count processes as joblib does: None is one, or what a block of `joblib.parallel_config` says; -1 is all cores."""
    import joblib

    return joblib.effective_n_jobs(wanted)


def stay_offline() -> None:
    """Keep transformers from the network: it asks the environment when it is imported."""
    os.environ["HF_HUB_OFFLINE"] = "1"


_progress: ContextVar[Show | None] = ContextVar("progress", default=None)


@contextlib.contextmanager
def progress(show: Show | None) -> Iterator[None]:
    """Let `show(iterable, total, label)` wrap what `ordered_map` yields while the block runs; it yields the
    same in turn.
    """
    token = _progress.set(show)
    try:
        yield
    finally:
        _progress.reset(token)


_log_file: ContextVar[logging.Handler | None] = ContextVar("log_file", default=None)
_package_log = logging.getLogger("asrkit")
_files = {
    "open": 0,
    "level": logging.NOTSET,
    "shown": logging.WARNING,
}  # who writes to files; the levels before


def _divert(record: logging.LogRecord) -> bool:
    """Whether a record goes its ordinary way: not where a block of `log_to` takes it, nor if it is there for one alone."""
    handler = _log_file.get()
    if handler is not None:
        handler.handle(record)
        return False
    return not _files["open"] or record.levelno >= _files["shown"]


_package_log.addFilter(_divert)


@contextlib.contextmanager
def log_to(path: Any) -> Iterator[None]:
    """Write what asrkit logs in this Python thread while the block runs to the file `path` alone, at last the error that ends it.

    The handlers and the level of other loggers stay as they are, and so does what other Python threads log.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream, _diverted(logging.StreamHandler(stream), logging.INFO):
        try:
            yield
        except AsrkitError as error:
            stream.write(f"error: {error}\n")
            raise
        except Exception:
            traceback.print_exc(file=stream)
            raise


@contextlib.contextmanager
def _diverted(handler: logging.Handler, level: int) -> Iterator[None]:
    """Let a handler alone have what asrkit logs in this Python thread, and nobody its progress."""
    with _lock:
        if not _files["open"]:
            _files.update(level=_package_log.level, shown=_package_log.getEffectiveLevel())
        _package_log.setLevel(min(level, _package_log.getEffectiveLevel()))
        _files["open"] += 1
    token = _log_file.set(handler)
    try:
        with progress(None):
            yield
    finally:
        _log_file.reset(token)
        with _lock:
            _files["open"] -= 1
            if not _files["open"]:
                _package_log.setLevel(_files["level"])


def log_level() -> int:
    """Give the level below which nobody hears what asrkit logs."""
    return _package_log.getEffectiveLevel()


class _Gather(logging.Handler):
    def __init__(self, level: int, records: list[tuple[int, str]]) -> None:
        super().__init__(level)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append((record.levelno, record.getMessage()))


class Engine(Protocol):
    """What runs the items of an `ordered_map` elsewhere."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Yield results in the order of the items; closed, leave nothing on its way."""

    def width(self) -> int:
        """Count how many items run at once."""


_engine: ContextVar[Engine | None] = ContextVar("engine", default=None)
_in_worker: ContextVar[bool] = ContextVar("in_worker", default=False)


@contextlib.contextmanager
def backend(engine: Engine | None) -> Iterator[None]:
    """Let `ordered_map` run its items on an engine while the block runs; None: in processes of this machine."""
    token = _engine.set(engine)
    try:
        yield
    finally:
        _engine.reset(token)


def elsewhere() -> bool:
    """Say whether an ordered map goes to an engine now."""
    return _engine.get() is not None


def width(jobs: int) -> int:
    """Count how many items an ordered map of so many jobs runs at once."""
    engine = _engine.get()
    if engine is not None:
        return engine.width()
    return 1 if _in_worker.get() else jobs


@contextlib.contextmanager
def inside_worker(level: int, records: list[tuple[int, str]]) -> Iterator[None]:
    """Run an item of an engine: maps within it are serial, and what is logged is gathered as (level, text)."""
    tokens = _in_worker.set(True), _engine.set(None)
    try:
        with _diverted(_Gather(level, records), level):
            yield
    finally:
        _in_worker.reset(tokens[0])
        _engine.reset(tokens[1])


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    jobs: int | None = None,
    label: str | None = None,
) -> Iterator[Result]:
    """Yield `function(item)` for every item, in the order of the items whatever the number of jobs, and wherever they run.

    Parameters
    ----------
    function : callable
        Must be importable by name (a module's function, or a functools.partial of one) when it runs elsewhere.
    items : iterable
        A generator is gone through as the work goes on.
    jobs : int, optional
        Processes; 1 runs in this one. Where `backend` names an engine it decides. None: in this process whatever was named, as for work
        that is nothing but reading.
    label : str, optional
        What is counted, for whoever shows the progress.
    """
    count = len(items) if isinstance(items, Sized) else None
    engine = None if jobs is None else _engine.get()
    parallel = engine is None and (jobs or 1) > 1 and count != 1 and not _in_worker.get()
    broken: tuple[type[Exception], ...] = ()
    results: Any
    if engine is not None:
        results = engine.map(function, items)
    elif parallel:
        from concurrent.futures import BrokenExecutor  # late, as joblib: one process needs neither

        import joblib

        broken = (BrokenExecutor,)

        class Parallel(joblib.Parallel):
            def _warn_exit_early(self) -> None:
                """Keep silent of results that nobody waits for: it would be said when a command is stopped."""

        alone = joblib.delayed(functools.partial(_alone, function))
        with deaf_children():
            results = Parallel(
                n_jobs=min(jobs or 1, count or jobs or 1), backend=_backend(), return_as="generator"
            )(alone(item) for item in items)
    else:
        results = map(functools.partial(_alone, function), items)
    show = _progress.get()
    try:
        for result in results if show is None else show(results, count, label):  # noqa: UP028 (so that we close it, below)
            yield result
    except broken as error:
        raise DataError("a worker was killed: out of memory? nj=1 needs less") from error
    except MemoryError as error:
        raise out_of_memory(error, parallel) from error
    finally:
        if parallel or engine is not None:  # stopped in the middle: no process may outlive us
            results.close()


def out_of_memory(error: MemoryError, parallel: bool = False) -> DataError:
    """Make the DataError of a failed allocation."""
    remedy = "nj=1 needs less" if parallel else "free some, or work on fewer data at a time"
    return DataError(f"out of memory{f': {error}' if str(error) else ''} ({remedy})")


def _alone(function: Callable[[Item], Result], item: Item) -> Result:
    """One item in whatever process: a worker has loaded BLAS with as many threads as joblib gave it."""
    with one_thread():
        return function(item)


def _backend() -> Any:
    """joblib's processes, which here end with the one that started them; what a block of `joblib.parallel_config` chose stays."""
    from joblib import parallel

    usual = parallel.BACKENDS["loky"]

    class Watched(usual):  # type: ignore[misc, valid-type]
        def configure(self, *args: Any, **more: Any) -> int:
            return super().configure(*args, initializer=_begin_worker, initargs=(os.getpid(),), **more)

    return Watched() if type(parallel.get_active_backend()[0]) is usual else None


def _begin_worker(parent: int) -> None:
    if os.name == "posix":
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    else:  # elsewhere blocked already
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


@contextlib.contextmanager
def deaf_children() -> Iterator[None]:
    """Let processes that start in this block never hear what a terminal sends to all: their parent hears it, and ends them.

    They inherit SIGINT and SIGHUP blocked, so that no moment of their start is open to these; here both wait until the block ends.
    """
    if os.name != "posix":
        yield
        return
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as its_own

    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    try:
        for tracker in (resource_tracker, its_own):
            tracker.ensure_running()  # starting with the first worker they would unblock SIGINT
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
