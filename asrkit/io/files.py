"""Text tables and atomic writing: the two habits every file of a data directory shares."""

import contextlib
import os
import tempfile
from pathlib import Path

from asrkit.errors import DataError


@contextlib.contextmanager
def atomic_write(path, mode="w"):
    """Open a temporary file beside `path` and rename it to `path` when the block ends well.

    The file appears whole or not at all. Text is UTF-8 with `\\n` line ends on every system.
    """
    path = Path(path)
    encoding = None if "b" in mode else "utf-8"
    newline = None if "b" in mode else "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written: {error.strerror} (choose another output folder)"
        ) from None
    try:
        with os.fdopen(handle, mode, encoding=encoding, newline=newline) as stream:
            yield stream
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes files private; a data directory is shared
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        full = isinstance(error, OSError) and not isinstance(error, BrokenPipeError)
        if full and error.filename in (None, temporary):  # the disk is full, or a folder is in the way
            raise DataError(f"{path}: cannot be written: {error.strerror}") from None
        raise


def remove(path):
    """Delete a file if it is there."""
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written: {error.strerror} (choose another output folder)"
        ) from None


def read_table(path, *, check_sorted=True):
    """Read a Kaldi table: a key, white space, the rest of the line.

    Parameters
    ----------
    check_sorted : bool
        Refuse keys that are not in C-locale order, as Kaldi does.

    Returns
    -------
    dict of str to str
        In file order; the value may be empty.

    Raises
    ------
    DataError
        The file is missing, not UTF-8, has an empty line, a repeated key or keys out of order.
    """
    path = Path(path)
    table = {}
    previous = None
    for number, line in read_lines(path):
        parts = line.split(None, 1)
        if not parts:
            raise DataError(f"{path}:{number}: empty line (asrkit fix-data {path.parent} removes it)")
        key, value = parts[0], parts[1].rstrip() if len(parts) > 1 else ""
        if key in table:
            raise DataError(
                f"{path}:{number}: key '{key}' appears twice (asrkit fix-data {path.parent} keeps the first)"
            )
        # Byte order of UTF-8, as LC_ALL=C sort gives.
        if check_sorted and previous is not None and key.encode() < previous.encode():
            raise DataError(
                f"{path}:{number}: '{key}' comes after '{previous}', not in C-locale order (asrkit fix-data {path.parent} sorts it)"
            )
        table[key] = value
        previous = key
    return table


def read_lines(path):
    """Yield (line number, line) of a UTF-8 text file; missing or undecodable files are a DataError."""
    lines = read_bytes(path).split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        try:
            yield number, line.decode("utf-8").rstrip("\r")
        except UnicodeDecodeError:
            raise DataError(f"{path}:{number}: not UTF-8 text (convert it, for example with iconv)") from None


def read_bytes(path):
    """The bytes of a file; missing or unreadable files are a DataError."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def c_sorted(keys):
    """Keys in C-locale (byte) order."""
    return sorted(keys, key=lambda key: key.encode())


def write_table(path, table):
    """Write `table` sorted by key in C-locale order, atomically."""
    with atomic_write(path) as stream:
        for key in c_sorted(table):
            stream.write(f"{key} {table[key]}".rstrip() + "\n")
