"""What runs in a worker of a cluster: items of an ordered map, one after another, as they would run here."""

import contextlib
import functools
import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from asrkit.config import is_url
from asrkit.distribution import VERSION
from asrkit.errors import AsrkitError, DataError, StoreError
from asrkit.runtime import inside_worker, one_thread

SEEN = "(every machine must see it under this name, as on a shared disk; TMPDIR moves temporary files)"

_folders = threading.Condition()  # the folder is the whole process's: who works in another one waits
_working = 0


class Done(NamedTuple):
    """What became of an item: its result or what it raised, and what was logged, as (level, text)."""

    result: Any
    error: Exception | None
    trace: str
    records: list[tuple[int, str]]


@dataclass(frozen=True)
class Work:
    """The function of a map with all its constants: sent once, opened once in each worker.

    Attributes
    ----------
    packed : bytes
        The pickled function.
    folder : str
        Where it is called from: relative paths begin there.
    level : int
        What is logged at all.
    versions : dict of str to str
        Those of the caller.
    """

    packed: bytes
    folder: str
    level: int
    versions: dict[str, str]

    @functools.cached_property
    def function(self) -> Callable[[Any], Any]:
        from distributed.protocol.pickle import loads

        _keep_pages()
        return loads(self.packed)

    def __reduce__(self) -> tuple:
        return Work, (self.packed, self.folder, self.level, self.versions)


def keep(work: Work) -> Work:
    """Give it back: as a task it lies in the scheduler, so that it comes again if the worker that had it is lost."""
    return work


def run(work: Work, packed: list[bytes]) -> tuple[float, list[Done]]:
    """Call the function with each item, up to the first that fails: seconds, and what became of them.

    What the function raises is a result, for it would raise it again; only what another worker may be spared, as want of memory, is
    raised, so that the engine tries again.
    """
    from distributed.protocol.pickle import loads

    started, done = time.perf_counter(), []
    with _in_folder(work.folder):
        for item in packed:
            records: list[tuple[int, str]] = []
            try:
                if fault := differing(work.versions, versions()):
                    raise DataError(f"worker {address()}: {fault}")
                with inside_worker(work.level, records), one_thread():
                    result = work.function(loads(item))
                done.append(Done(result, None, "", records))
            except Exception as error:
                if memory := _cause(error, MemoryError):
                    raise MemoryError(_named(memory)) from None
                done.append(Done(None, _portable(error), traceback.format_exc(), records))
                break
    return time.perf_counter() - started, done


def _portable(error: Exception) -> Exception:
    """The error as it can travel. What is missing is missing on this worker: a module, rights in a store, or a file, but for a URL's."""
    from distributed.protocol.pickle import dumps, loads

    ours = isinstance(error, AsrkitError)
    module = _cause(error, ImportError)
    if isinstance(error, StoreError) or (ours and module):
        return type(error)(_named(error))
    if module:
        return DataError(f"{_named(module)} (install the same on all machines)")
    file = _cause(error, FileNotFoundError)
    far = isinstance(file, OSError) and isinstance(file.filename, str) and is_url(file.filename)
    if isinstance(file, OSError) and not far and isinstance(error, (AsrkitError, OSError)):
        what = str(error) if ours else f"{file.filename}: not found"
        return DataError(f"{what}: worker {address()} does not see it {SEEN}")
    try:
        loads(dumps(error))
    except Exception:  # whatever an error of another library can't do
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _cause(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The first error of a kind, of this one and what it came of."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, kind):
        cause = cause.__cause__ or cause.__context__
    return cause


def _named(error: BaseException) -> str:
    return f"worker {address()}: {str(error) or type(error).__name__}"


def _keep_pages() -> None:
    """Let glibc keep what arrays have freed. Dask's nannies set MALLOC_TRIM_THRESHOLD_, so that each large array is pages anew from the
    system: six times the time of np.exp on 700 KB.
    """
    import ctypes

    with contextlib.suppress(OSError, AttributeError, TypeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD, at its most
        mallopt(-1, 256 << 20)  # M_TRIM_THRESHOLD


def address() -> str:
    """Where this worker is reached."""
    from distributed import get_worker

    return get_worker().address


@contextlib.contextmanager
def _in_folder(folder: str) -> Iterator[None]:
    """Work in a folder, in which others of this process's threads may work, too, but in no other."""
    global _working
    with _folders:
        _folders.wait_for(lambda: not _working or os.getcwd() == folder)
        try:
            os.chdir(folder)
        except OSError:
            raise DataError(f"{folder}: worker {address()} does not see it {SEEN}") from None
        _working += 1
    try:
        yield
    finally:
        with _folders:
            _working -= 1
            _folders.notify_all()


def versions() -> dict[str, str]:
    """What equal bytes depend on, by name."""
    import platform

    import numpy
    import scipy

    python = ".".join(platform.python_version_tuple()[:2])
    return {"asrkit": VERSION, "Python": python, "numpy": numpy.__version__, "scipy": scipy.__version__}


def differing(here: dict[str, str], there: dict[str, str]) -> str:
    """Say which version of a worker is another one; empty where none is."""
    for name, version in here.items():
        if there.get(name) != version:
            return f"{name} {there.get(name, 'missing')}, here it is {version} (install the same on all machines)"
    return ""


def about(folder: str, paths: list[str]) -> tuple[dict[str, str], list[str], str]:
    """This worker's versions, which of the paths it does not see, and which processor its BLAS has found."""
    import threadpoolctl

    own = versions()
    missing = [path for path in (folder, *paths) if not os.path.exists(path)]
    kernels = {str(one.get("architecture")) for one in threadpoolctl.threadpool_info()}
    return own, missing, ", ".join(sorted(kernels - {"None"}))


def tell(records: list[tuple[int, str]]) -> None:
    """Log what a worker has logged."""
    for level, text in records:
        logging.getLogger("asrkit").log(level, "%s", text)
