"""Locks on open files that end with their process: flock, and msvcrt's on Windows."""

import os

from asrkit.config import PathLike

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

FAR = 1 << 30  # the byte that Windows locks: what is locked there can't be read


def try_lock(handle: int) -> bool:
    """Lock an open file for this process; False where another has it.

    Raises
    ------
    OSError
        The file system knows no locks.
    """
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            os.lseek(handle, FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except (BlockingIOError, PermissionError):
        return False
    return True


def same_file(handle: int, path: PathLike) -> bool:
    """Whether `path` is still the file that was opened, not one that has been removed or made anew since."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
