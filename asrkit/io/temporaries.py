"""Temporary files beside what they will become: those of a killed run are told from those of a live one.

Whoever writes one holds a lock on it, which ends with its process; so a file that can be locked is left over. Windows
removes no open file, and needs no lock.
"""

import contextlib
import os
import re
from pathlib import Path

from asrkit.errors import DataError
from asrkit.io.locks import fcntl, same_file, try_lock

SUFFIX = ".asrkit-part"
OURS = re.compile(r"\..*\.[a-z0-9_]{8}" + re.escape(SUFFIX), re.DOTALL)
LONGEST = 40  # characters of the file's name in that of its temporary, which may be 255 bytes long

_swept: set[str] = set()  # folders that this process has looked through since it last began a run


def make_temporary(folder, name):
    """Make a temporary file for `name`, once what killed runs have left in the folder is removed.

    Returns
    -------
    (int, str)
        Its open handle, which is locked until it is closed, and its path.
    """
    import tempfile  # late, as below: who only reads needs none

    sweep(folder)
    while True:
        handle, path = tempfile.mkstemp(dir=folder, prefix=f".{name[:LONGEST]}.", suffix=SUFFIX)
        if fcntl is not None:
            with contextlib.suppress(
                OSError
            ):  # no locks there: nobody else will take it for left over either
                try_lock(handle)
            if not same_file(handle, path):  # swept away before it was locked
                os.close(handle)
                continue
        return handle, path


@contextlib.contextmanager
def temporary_folder(folder, name):
    """Make a folder in one that this run holds, once those of killed runs are removed; it goes at the end.

    Raises
    ------
    DataError
        Nothing can be written there.
    """
    import shutil
    import tempfile

    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for old in Path(folder).glob(f".{name}.*{SUFFIX}"):
            if OURS.fullmatch(old.name):
                shutil.rmtree(old, ignore_errors=True)
        # under a name of its own: a worker whose run was killed may still be writing into an old one
        path = tempfile.mkdtemp(dir=folder, prefix=f".{name}.", suffix=SUFFIX)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written: {error.strerror} (choose another output folder)"
        ) from None
    try:
        yield Path(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def sweep(folder):
    """Remove the temporary files that killed runs have left in a folder, once a run."""
    name = os.path.abspath(folder)
    if name in _swept:
        return
    _swept.add(name)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for path in [entry.path for entry in entries if OURS.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                _remove_dead(Path(path))


def sweep_anew():
    """Look through every folder once more: a run begins."""
    _swept.clear()


def _remove_dead(path):
    if fcntl is None:
        path.unlink()
        return
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        if try_lock(handle):
            path.unlink()
    finally:
        os.close(handle)
