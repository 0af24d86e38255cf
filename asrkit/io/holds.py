"""One run a folder: who writes into a folder holds it, and a second run is told by whom.

The lock is the system's own (flock, on Windows msvcrt's), on a hidden file: it ends with its process, however
that ends, and a file that a killed run has left behind holds nobody up.
"""

import contextlib
import functools
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import ParamSpec, TypeVar

from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.locks import fcntl, same_file, try_lock
from asrkit.io.places import RemotePath, as_path
from asrkit.io.temporaries import sweep, sweep_anew

LOCK = ".asrkit.lock"
PATIENCE_S = 0.05  # between two looks at a lock that is waited for
LONGEST = 200  # characters of the command that are kept

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

log = logging.getLogger("asrkit")
_held: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())  # by the callers of this call


@contextlib.contextmanager
def hold(folder: PathLike, *, wait: bool = False, make: bool = True) -> Iterator[None]:
    """Hold a folder while the block runs; in a block that holds it already, nothing more happens.

    Parameters
    ----------
    wait : bool
        Wait for another holder instead of refusing: for a part of a folder that is held as a whole, which only
        another part, or a worker whose run was killed, can hold.
    make : bool
        Make the folder if it is not there, and remove it again if it stays empty. False: then there is nothing to
        hold, and the block will say so.

    Raises
    ------
    DataError
        Another run holds it; nothing was touched.

    Notes
    -----
    At a URL nothing is held: the last writer wins. Where the file system has no locks, or the folder can't be written to, the block runs without, after a warning.
    """
    folder, held = as_path(folder), _held.get()
    if isinstance(folder, RemotePath):
        yield
        return
    name = os.path.realpath(folder)
    if name in held:
        yield
        return
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    with contextlib.suppress(OSError):  # who writes there will say so
        if make:
            folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        yield
        return
    handle = _acquire(folder, wait)
    if not held:
        sweep_anew()
    sweep(folder)
    token = _held.set(held | {name})
    try:
        yield
    finally:
        _held.reset(token)
        if handle is not None:
            _release(handle, folder / LOCK)
        with contextlib.suppress(OSError):
            for path in missing:
                path.rmdir()


def holding(
    name: str, *, make: bool = True
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Make a function hold the folder that its argument `name` is."""

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        place = function.__code__.co_varnames.index(name)  # type: ignore[attr-defined]

        @functools.wraps(function, assigned=(*functools.WRAPPER_ASSIGNMENTS, "__kwdefaults__"))
        def held(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            folder = args[place] if place < len(args) else kwargs.get(name)
            is_path = isinstance(folder, (str, os.PathLike))
            with hold(folder, make=make) if is_path else contextlib.nullcontext():
                return function(*args, **kwargs)

        return held

    return decorate


def _acquire(folder: Path, wait: bool) -> int | None:
    """The handle of the folder's locked file; None where there are no locks."""
    path, told = folder / LOCK, False
    while True:
        try:
            handle = _open(path)
            try:
                free = try_lock(handle)
            except OSError:
                os.close(handle)
                with contextlib.suppress(OSError):
                    path.unlink()
                raise
        except OSError as error:
            log.warning("%s: can't be locked, a second run in it would not be noticed: %s", folder, error)
            return None
        if free and same_file(handle, path):
            break
        holder = "" if free else _holder(handle)
        os.close(handle)
        if free:  # its holder has removed it after we had opened it
            continue
        if not wait:
            raise DataError(
                f"{folder}: in use by {holder} (wait until it has ended, or choose another folder)"
            )
        if not told:
            log.warning("%s: in use by %s: waiting until it has ended", folder, holder)
            told = True
        time.sleep(PATIENCE_S)
    import platform  # late: it imports much

    command = " ".join([os.path.basename(sys.argv[0] or "python"), *sys.argv[1:]])
    about = {
        "pid": os.getpid(),
        "host": platform.node(),
        "command": command[:LONGEST],
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    with contextlib.suppress(OSError):  # a full disk: who writes there will say so
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, json.dumps(about).encode())
    return handle


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        return os.open(path, os.O_RDONLY)  # another user's


def _holder(handle: int) -> str:
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        about = json.loads(os.read(handle, 1 << 16))
        return "`{command}` (process {pid} on {host}, since {since})".format(**about)
    except Exception:  # it has only just begun
        return "another run"


def _release(handle: int, path: Path) -> None:
    with contextlib.suppress(OSError):
        if fcntl is None:  # Windows removes no open file
            os.close(handle)
            path.unlink()
        else:
            path.unlink()
            os.close(handle)
