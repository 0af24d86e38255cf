"""Text tables and atomic writing: the two habits every file of a data directory shares."""

import contextlib
import os
import re
import unicodedata

from asrkit.characters import BYTE_ORDER_MARK, CONTROL, UNSEEN, composed, unseen
from asrkit.config import shortened
from asrkit.errors import DataError
from asrkit.io.places import RemotePath, as_path, is_url, open_place
from asrkit.io.temporaries import make_temporary

ORDINARY = bytes([*b"\t\n", *range(ord(" "), 127)])  # what the lines of a table are made of, nearly always


@contextlib.contextmanager
def atomic_write(path, mode="w", *, sync=False):
    """Open a temporary file beside `path` and rename it to `path` when the block ends well.

    The file appears whole or not at all; at a URL it is put when the block ends well. Text is UTF-8 with `\\n` line ends on every system.

    Parameters
    ----------
    sync : bool
        Have the disk take the content before the name, and then the name, or a file may be empty after a power
        failure: for what took long and what says that it is done, such as models, features, hypotheses and records
        of runs. The many others are soon made again, or are held against those.
    """
    path = as_path(path)
    if isinstance(path, RemotePath):
        with path.writing(mode) as stream:
            yield stream
        return
    encoding = None if "b" in mode else "utf-8"
    newline = None if "b" in mode else "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = make_temporary(path.parent, path.name)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written: {error.strerror} (choose another output folder)"
        ) from None
    lock = os.dup(handle)  # until the file has its name; Windows renames no open file
    try:
        with os.fdopen(handle, mode, encoding=encoding, newline=newline) as stream:
            yield stream
            if sync:
                stream.flush()
                os.fsync(handle)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes files private; a data directory is shared
        if os.name == "nt":
            os.close(lock)
            lock = None
        os.replace(temporary, path)
        if sync:
            sync_folder(path.parent)
    except BaseException as error:
        if os.name == "nt" and lock is not None:
            os.close(lock)
            lock = None
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        full = isinstance(error, OSError) and not isinstance(error, BrokenPipeError)
        if full and error.filename in (None, temporary):  # the disk is full, or a folder is in the way
            raise DataError(f"{path}: cannot be written: {error.strerror}") from None
        raise
    finally:
        if lock is not None:
            os.close(lock)


def sync_folder(folder):
    """Have the disk take the names in a folder, where the system can."""
    with contextlib.suppress(OSError):  # Windows opens no folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove(path):
    """Delete a file if it is there."""
    try:
        as_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written: {error.strerror} (choose another output folder)"
        ) from None


def read_table(path, *, check_sorted=True):
    """Read a Kaldi table: a key, white space, the rest of the line.

    Keys are in Unicode's composed form, and so is what follows them, but for file names (see `is_free`).

    Parameters
    ----------
    check_sorted : bool
        Refuse keys that are not in C-locale order, as Kaldi does.

    Returns
    -------
    dict of str to str
        In file order, or, where letters were composed and the order is checked, in the C locale's; the value may be empty.

    Raises
    ------
    DataError
        The file is missing, not UTF-8, has an empty line, a repeated key, keys out of order, or a character that no
        word may hold.
    """
    path = as_path(path)
    content = read_bytes(path)
    table = plain_table(content, check_sorted)
    return table_by_lines(content, path, check_sorted) if table is None else table


def plain_table(content, check_sorted):
    """Read a table whose every line has a key and a value and whose characters are all ordinary, at once: what nearly all tables are.

    Returns
    -------
    dict of str to str
        As `read_table` gives it; None where anything is unusual or wrong, which reading line by line takes or tells.
    """
    if content.isascii():
        text, unusual = content.decode("ascii"), content.translate(None, ORDINARY)
    else:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            return None
        unusual = not unicodedata.is_normalized("NFC", text) or UNSEEN.search(text.replace("\n", ""))
    if unusual:
        return None
    # of all white space only blanks, tabs and line ends are left
    lines = [line.rstrip().split(None, 1) for line in text.splitlines()]
    if not all(len(cells) == 2 for cells in lines):
        return None
    table = dict(lines)
    keys = list(table)
    return None if len(keys) != len(lines) or (check_sorted and keys != c_sorted(keys)) else table


def table_by_lines(content, path, check_sorted):
    """Read any table from the bytes of its file, line by line: the dict and the errors of `read_table`."""
    table, previous, recomposed, free = {}, None, False, is_free(path)
    for number, line in lines_of(content, path, free=True):
        own, value = split_line(line)
        if not own:
            raise DataError(f"{path}:{number}: empty line (asrkit fix-data {path.parent} removes it)")
        key = in_words(own, f"{path}:{number}")
        recomposed |= key != own
        if key in table:
            raise DataError(
                f"{path}:{number}: key '{key}' appears twice (asrkit fix-data {path.parent} keeps the first)"
            )
        # Byte order of UTF-8, as LC_ALL=C sort gives, of the file as it is: composed letters sort elsewhere.
        if check_sorted and previous is not None and own.encode() < previous.encode():
            raise DataError(
                f"{path}:{number}: '{key}' comes after '{previous}', not in C-locale order (asrkit fix-data {path.parent} sorts it)"
            )
        table[key] = value if free else in_words(value, f"{path}:{number}")
        previous = own
    return {key: table[key] for key in c_sorted(table)} if check_sorted and recomposed else table


def read_numbers(path, parse, *, check_sorted=False, remedy="asrkit compute-mfcc writes it anew"):
    """Read a table of numbers, by `parse` (`asrkit.config.parse_int`, `parse_float`): dict of key to number.

    Raises
    ------
    DataError
        As of `read_table`, or a value is no number.
    """
    numbers = {}
    for key, text in read_table(path, check_sorted=check_sorted).items():
        try:
            numbers[key] = parse(text)
        except ValueError as error:
            raise DataError(f"{path}:{line_of(path, key)}: '{key}': {error} ({remedy})") from None
    return numbers


def is_free(path):
    """Whether what follows a table's keys may be anything: file names are what the file system has, reasons are prose."""
    return path.suffix == ".scp" or path.name == "skipped"


def split_line(line):
    """Split a line of a table into (key, value), as Kaldi does: at blanks and tabs, not at a no-break space."""
    line = line.strip(" \t")
    key = re.match(r"[^ \t]*", line)[0]
    return key, line[len(key) :].lstrip(" \t")


def line_of(path, key):
    """Find the number of the line of a table that a key stands on, or None: errors name it."""
    lines = read_lines(path, free=True)
    return next((number for number, line in lines if composed(split_line(line)[0]) == key), None)


def read_lines(path, *, free=False):
    """Yield (line number, line) of a UTF-8 text file, in Unicode's composed form, without byte order marks.

    Parameters
    ----------
    free : bool
        Lines hold more than words and names: they come as they are, and may hold any white space.

    Raises
    ------
    DataError
        The file is missing or not UTF-8, or a line holds a control character or, unless `free`, another that nobody sees.
    """
    return lines_of(read_bytes(path), path, free)


def lines_of(content, path, free):
    """The same of the bytes of a file."""
    lines = content.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        text, fault = decode_line(line)
        if fault:
            raise DataError(f"{path}:{number}: {fault}")
        yield number, text if free else in_words(text, f"{path}:{number}")


def decode_line(line):
    """Decode a line of a text file: (text, what is wrong with it or None)."""
    try:
        text, fault = line.decode("utf-8"), None
    except UnicodeDecodeError:
        text, fault = line.decode("utf-8", "replace"), "not UTF-8 text (convert it, for example with iconv)"
    # Not only of the first line: files are put together with cat.
    text = text.removeprefix(BYTE_ORDER_MARK).rstrip("\r")
    sign = unseen(text, CONTROL)
    if sign:
        fault = fault or f"'{shortened(split_line(text)[0])}': holds {sign}, no text (write the line anew)"
    return text, fault


def in_words(text, where):
    """Compose a text that holds words and names; a DataError where it has a character that nobody sees."""
    sign = unseen(text)
    if sign:
        raise DataError(f"{where}: {fault_of_unseen(sign)}")
    return composed(text)


def fault_of_unseen(sign):
    """What is wrong with a line that holds a character that nobody sees."""
    return f"holds {sign}, which would be part of a word (take it out, or put a plain space there)"


def read_bytes(path):
    """The bytes of a file; missing or unreadable files are a DataError."""
    try:
        if is_url(path) and isinstance(found := as_path(path), RemotePath):
            return found.read_bytes()
        with open_bytes(path) as stream:
            return stream.read()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def open_bytes(path):
    """Open a file for reading; likewise."""
    try:
        return open_place(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from None


def c_sorted(keys):
    """Keys in C-locale (byte) order: UTF-8's is that of the code points, by which Python compares."""
    return sorted(keys)


def write_table(path, table, *, sync=False):
    """Write `table` sorted by key in C-locale order, atomically; `sync` as in `atomic_write`."""
    with atomic_write(path, sync=sync) as stream:
        stream.write(format_table(table))


def format_table(table):
    """The text of a table, sorted by key in C-locale order."""
    return "".join(f"{key} {table[key]}".rstrip() + "\n" for key in c_sorted(table))
