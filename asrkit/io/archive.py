"""Kaldi archives: matrices and vectors in ark/scp files, read and written through kaldiio. scp files may name
`.npy` files, too.

Refused, because reading them would run something: pickled entries, and shell pipes unless asked for.
"""

import io
import math
import os
import re
import struct
from typing import NamedTuple

import numpy as np

from asrkit.characters import composed
from asrkit.config import parse_int, parse_number, shortened
from asrkit.errors import DataError
from asrkit.io.files import atomic_write
from asrkit.io.npy import read_array
from asrkit.io.pipes import is_pipe, run_pipe
from asrkit.io.places import RemotePath, absolute, as_path, exists, open_place, size_of
from asrkit.io.reading import reading

# path, optional byte offset, optional row (and column) range: feats.ark:15[0:10,0:12]
SPEC = re.compile(r"(?P<path>.+?)(:(?P<offset>[0-9]+))?(\[(?P<range>[0-9:, ]*)\])?")


class _Kind(NamedTuple):
    """Where the sizes stand in the head of a binary entry, and how many bytes a number takes."""

    sizes: struct.Struct
    bytes: int


KINDS = {b"\4": _Kind(struct.Struct("<3xi"), 5)}
KINDS |= {name: _Kind(struct.Struct("<6xi"), size) for name, size in ((b"FV", 4), (b"DV", 8))}
KINDS |= {name: _Kind(struct.Struct("<6xixi"), size) for name, size in ((b"FM", 4), (b"DM", 8))}
KINDS[b"CM"] = _Kind(struct.Struct("<13xii"), 1)
KINDS |= {name: _Kind(struct.Struct("<14xii"), size) for name, size in ((b"CM2", 2), (b"CM3", 1))}
FLOATS = b"\0BFM \4"  # how nearly all entries begin: a float32 matrix
AHEAD = (
    1 << 14,
    1 << 20,
)  # bytes that are read at a time where entries are wanted: the least, and the most in a row
LARGE = 1 << 20  # bytes; a smaller entry is read whatever its head announces
LONGEST_KEY = 10000  # bytes
MAX_DIGITS = 18  # of an offset
# Kaldi forgives row ranges that much past the end: two of the last window, one of rounded times
ROWS_BEYOND = 3


def resolve(path, base=None):
    """Where a relative path of an scp file leads: from the current folder, else from `base` or its parent.

    Foreign directories carry paths relative to wherever their author stood; `base` is the data directory.
    """
    if "\0" in str(path):
        raise DataError(f"{path}: no path, it holds a NUL byte (correct the scp file)")
    path = as_path(path)
    if isinstance(path, RemotePath) or os.path.exists(path) or path.is_absolute() or base is None:
        return path
    for folder in (as_path(base), as_path(base).parent):
        if exists(folder / path):
            return folder / path
    raise DataError(
        f"{path}: no such file from here, from {base} or from its parent "
        f"(run from the folder the path is relative to, or write absolute paths into the scp file)"
    )


def read_matrix(spec, *, base=None, allow_pipes=False):
    """Read one matrix or vector named by an scp entry.

    Parameters
    ----------
    spec : str
        `path`, `path:offset`, either with a row range `[first:last]`, last included, as in Kaldi; or
        `path.npy`, one matrix.
    base : path, optional
        Data directory, tried for relative paths that do not exist from the current folder.

    Returns
    -------
    numpy.ndarray
        float32, float64 or int32; (T, D) or (N,).

    Raises
    ------
    DataError
        The entry is a pipe or pickled, its file is missing, or it is cut off or no archive, or its .npy file
        holds no matrix.
    """
    with Archives(base, allow_pipes) as archives:
        return archives.read(spec)


class Archives:
    """Reads entries as `read_matrix` does; an archive stays open while the next entry is in it, too, and what follows in it
    is read ahead.
    """

    def __init__(self, base=None, allow_pipes=False):
        self._base, self._allow_pipes = base, allow_pipes
        self._name = self._stream = None
        self._ahead, self._start = b"", 0  # bytes of the archive, and where in it they lie

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._stream is not None:
            self._stream.close()

    def read(self, spec):
        array = self._floats(spec)
        return self._read(spec) if array is None else array

    def _floats(self, spec):
        """Read a float32 matrix of the archive that is open, whole and not large; None of all else, which `_read` reads or refuses."""
        name, _, offset = spec.rpartition(":")
        if name != self._name or not (offset.isascii() and offset.isdecimal() and len(offset) <= MAX_DIGITS):
            return None
        place = int(offset) - self._start
        array = _floats_in(self._ahead, place)
        if array is None:
            in_a_row = 0 <= place <= 2 * len(self._ahead)
            try:
                self._stream.seek(int(offset))
                size = min(2 * len(self._ahead), AHEAD[1]) if in_a_row else AHEAD[0]
                self._ahead, self._start = self._stream.read(max(size, AHEAD[0])), int(offset)
            except OSError:
                return None
            array = _floats_in(self._ahead, 0)
        return array

    def _read(self, spec):
        if is_pipe(spec):
            return _read(io.BytesIO(run_pipe(spec, self._allow_pipes)), spec)
        match = SPEC.fullmatch(spec.strip())
        if not match:
            raise DataError("the entry names no file (each line is a key, then path:offset)")
        name = match["path"]
        offset = match["offset"] or "0"
        if len(offset) > MAX_DIGITS:
            raise DataError(f"{name}: no file has a byte {shortened(offset)} (correct the scp file)")
        try:
            if name != self._name:
                self._open(name, spec)
            self._stream.seek(int(offset))
            npy = name.endswith(".npy") and match["offset"] is None
            array = _read_npy(self._stream, spec) if npy else _read(self._stream, spec)
        except OSError as error:
            raise DataError(f"{name}: cannot be read: {error.strerror} (named by '{spec}')") from None
        return array if match["range"] is None else _cut(array, match["range"], spec)

    def _open(self, name, spec):
        path = resolve(name, self._base)
        if not isinstance(path, RemotePath) and path.exists() and not path.is_file():
            raise DataError(f"{path}: not a file (named by '{spec}')")
        stream = open_place(path)
        self.__exit__()
        self._name, self._stream, self._ahead, self._start = name, stream, b"", 0


def _floats_in(held, place):
    """The float32 matrix whose entry begins at a place of some bytes; None where it is another one, empty, or not whole among them."""
    if place < 0 or not held.startswith(FLOATS, place) or len(held) < place + 15:
        return None
    rows, columns = KINDS[b"FM"].sizes.unpack_from(held, place)
    end = place + 15 + 4 * rows * columns
    if min(rows, columns) <= 0 or end > len(held):
        return None
    return np.frombuffer(held[place + 15 : end], "<f4").reshape(rows, columns)


def _read(stream, spec):
    place = stream.tell()
    start = stream.read(5)
    stream.seek(place)
    if start[:3] in (b"PKL", b"NPY") or start == b"AUDIO":
        raise DataError(
            f"'{spec}': the entry is pickled or holds no matrix, and is refused (write it anew as a Kaldi matrix)"
        )
    if not start:
        raise DataError(f"'{spec}': nothing at that place, the archive is cut off (write it anew)")
    with reading(f"'{spec}'", "cut off in the middle, or no Kaldi archive at that place", "write it anew"):
        return _read_binary(stream) if start[:2] == b"\0B" else _read_text(stream)


def _read_npy(stream, spec):
    """The matrix of a .npy file: float64 stays, shorter numbers become float32."""
    what = "no .npy file, cut off or pickled, and is refused"
    with reading(f"'{spec}'", what, "numpy.save of a float matrix writes one"):
        array = read_array(stream, _left(stream))
    if array.ndim != 2 or array.dtype.kind != "f":
        raise DataError(
            f"'{spec}': an array of {array.dtype}, shape {array.shape}, where a float matrix, frames by dimensions, is needed"
        )
    return np.ascontiguousarray(array, dtype=np.float64 if array.itemsize > 4 else np.float32)


def _left(stream):
    """How many bytes of a file follow."""
    return size_of(stream) - stream.tell()


def _read_binary(stream):
    """A binary matrix or vector, whose size is held against what the file has before it is believed; kaldiio
    takes a float vector that is cut off between two numbers for a shorter one.
    """
    place = stream.tell()
    head = stream.read(23)
    kind = KINDS[head[2:3] if head[2:3] == b"\4" else head[2 : head.index(b" ", 2, 6)]]
    sizes = kind.sizes.unpack_from(head)
    size = kind.bytes * math.prod(sizes)
    most = max(size, *sizes)  # of a compressed matrix without rows kaldiio makes room for all columns
    stream.seek(place)  # the head that was read may reach into the numbers
    if min(sizes) < 0 or (most > LARGE and most > _left(stream)):
        raise EOFError(f"{' x '.join(map(str, sizes))} numbers are announced")
    # what nearly all entries are, and kaldiio takes five times as long
    if head[:6] == b"\0BFM \4" and size:
        stream.seek(place + 15)
        return np.frombuffer(stream.read(size), "<f4").reshape(sizes)
    from kaldiio.matio import read_kaldi  # late, here and below: slow to import, and few entries need it

    with np.errstate(all="ignore"):  # numbers that are none are for whoever uses them
        array = read_kaldi(stream)
    if array.ndim == 1 and len(array) != sizes[0]:
        raise EOFError
    return array


def _read_text(stream):
    """A text matrix or vector `[ 1 2 \\n 3 4 ]` (float32), or an int32 vector `1 2 3`.

    kaldiio takes a matrix whose first number has no point for integers; Kaldi prints 1.0 as `1`.
    """
    first = stream.readline()
    if not first.lstrip().startswith(b"["):
        if not first.endswith(b"\n"):
            raise EOFError  # the last number may lack digits
        return np.array([parse_int(word.decode()) for word in first.split()], dtype=np.int32)
    lines = [first.replace(b"[", b"")]
    while b"]" not in lines[-1]:
        line = stream.readline()
        if not line:
            raise EOFError
        lines.append(line)
    lines[-1] = lines[-1].split(b"]")[0]
    rows = [[parse_number(word.decode()) for word in line.split()] for line in lines]
    with np.errstate(over="ignore"):  # beyond float32 is infinite, as any other number that is none
        if len(rows) == 1:
            return np.array(rows[0], dtype=np.float32)
        return np.array([row for row in rows if row], dtype=np.float32)


def _cut(array, text, spec):
    """Apply Kaldi's row (and column) range, both ends included; the row range may end a little beyond the
    matrix.
    """
    slices = []
    for axis, part in enumerate(text.split(",")):
        ends = part.strip().split(":")
        if ends in ([""], ["", ""]):
            slices.append(slice(None))
            continue
        try:
            first, last = map(parse_int, ends if len(ends) == 2 else 2 * ends)
        except ValueError:
            first, last = 0, -1
        size = array.shape[axis] if axis < array.ndim else 0
        if not (first < size and first <= last < size + (ROWS_BEYOND if axis == 0 else 0)):
            raise DataError(
                f"'{shortened(spec)}': range [{shortened(text)}] does not fit the matrix of shape {array.shape}"
            )
        slices.append(slice(first, last + 1))
    return array[tuple(slices)]


def read_scp(scp, *, base=None, allow_pipes=False, path=None):
    """Yield (key, array) for a table of scp entries, naming the key in every error, and the file `path` that has them."""
    with Archives(base, allow_pipes) as archives:
        for key, spec in scp.items():
            try:
                yield key, archives.read(spec)
            except DataError as error:
                raise DataError(f"{f'{path}: ' if path else ''}utterance '{key}': {error}") from None


def read_ark(path):
    """Yield (key, array) of a whole archive in its own order, without an scp."""
    try:
        with open_place(path) as stream:
            while True:
                with reading(path, "no Kaldi archive, its keys are not text", "write it anew"):
                    key = _read_key(stream)
                if not key:
                    break
                yield key, _read(stream, f"{path}:{stream.tell()}")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _read_key(stream):
    key = b""
    while (byte := stream.read(1)) not in (b" ", b""):
        key += byte
        if len(key) > LONGEST_KEY:
            raise EOFError(f"a key of more than {LONGEST_KEY} bytes")
    return composed(key.decode().strip())


def entry(key, array, compression=None):
    """The bytes of an entry in a binary archive, and where in them its array begins."""
    stream = io.BytesIO()
    start = stream.write(key.encode() + b" ")
    _write(stream, array, compression)
    return stream.getvalue(), start


def _write(stream, array, compression=None):
    """Write a binary entry's array: float matrices and vectors as they are, all else by kaldiio."""
    size = {np.dtype(np.float32): b"F", np.dtype(np.float64): b"D"}.get(array.dtype)
    if size is None or compression or array.ndim not in (1, 2):
        from kaldiio.matio import write_array

        write_array(stream, array, compression_method=compression)
        return
    head = b"\0B" + size + (b"M " if array.ndim == 2 else b"V ")
    sizes = b"".join([b"\4" + struct.pack("<i", count) for count in array.shape])
    stream.write(head + sizes + array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())


def write_archive(ark_path, scp_path, items, *, compression=None, text=False):
    """Write (key, array) pairs, in the order given, to an ark and its scp; both appear whole or not at all.

    Parameters
    ----------
    items : iterable of (str, numpy.ndarray)
        float32 or float64 matrices and vectors, int32 vectors; consumed one at a time.
    compression : int, optional
        Kaldi's compression method (1 to 7) for float matrices.

    Returns
    -------
    int
        How many were written.
    """
    ark_path = absolute(ark_path)
    entries, start = {}, f"{ark_path}:"
    with atomic_write(ark_path, "wb") as stream:
        for key, array in items:
            stream.write(key.encode() + b" ")
            entries[key] = f"{start}{stream.tell()}"
            if text and array.dtype == np.int32:
                stream.write(" ".join(map(str, array)).encode() + b"\n")
            elif text:
                from kaldiio.matio import write_array_ascii

                write_array_ascii(stream, array, ".9g")
            else:
                _write(stream, array, compression)
    with atomic_write(scp_path) as stream:
        stream.writelines(f"{key} {spec}\n" for key, spec in entries.items())
    return len(entries)
