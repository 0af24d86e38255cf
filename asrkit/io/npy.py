"""Arrays of .npy files and .npz archives. What their headers announce are claims: nothing is allocated before it is
known to be there, and no pickle is read.
"""

import io
import math
import re
import warnings
import zipfile

import numpy as np

from asrkit.io.places import size_of

LONGEST_HEADER = 1024  # bytes; numpy's are some hundred, and Python takes a second to parse 10,000 brackets
NUMBERS = "biuf"  # kinds of dtype
ROOM = 64 << 20  # bytes that any archive may hold once it is inflated,
RATIO = 8  # and a large one so many times its own size: asrkit deflates nothing, and parameters hardly shrink
BLOCK = 1 << 20
# The header that numpy's own save writes of numbers: to parse it as Python takes longer than to read a small array.
COUNT = rb"(?:0|[1-9][0-9]{0,8})"
USUAL = re.compile(
    rb"\{'descr': '(<f[248]|<[iu][248]|\|[iu]1)', 'fortran_order': (True|False), "
    rb"'shape': \((|%b,|%b(?:, %b)+)\), \} *\n" % ((COUNT,) * 3)
)


class Arrays:
    """The arrays of an .npz archive, which are read when they are asked for; as a context manager it closes the archive.

    Everything that is wrong with it is an exception of any type: use it in `asrkit.io.reading.reading`.
    """

    def __init__(self, stream):
        """Of a file that is open for reading in binary mode, and stays so."""
        self._zip = zipfile.ZipFile(stream)
        self._left = max(ROOM, RATIO * size_of(stream))
        self._members = {}
        for info in self._zip.infolist():
            name = info.filename.removesuffix(".npy")
            if name in self._members:
                raise ValueError(f"{info.filename} is in it twice")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{info.filename} is compressed by method {info.compress_type}")
            self._members[name] = info
        self._unread = dict(self._members)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:  # those that nobody had a use for are not read, but a broken file is one
                for info in self._unread.values():
                    with self._zip.open(info) as stream:
                        read_header(stream, info.file_size, NUMBERS)
        finally:
            self._zip.close()

    def __iter__(self):
        return iter(self._members)

    def read(self, name, kinds=NUMBERS):
        """Read one array; KeyError if it is not there."""
        info = self._members[name]
        self._unread.pop(name, None)
        self._left -= info.file_size
        if self._left < 0:
            raise ValueError(f"{info.filename} would be {info.file_size} bytes, far more than the file has")
        with self._zip.open(info) as stream:
            return read_array(stream, info.file_size, kinds)


def read_array(stream, size, kinds=NUMBERS):
    """Read the array of a .npy file.

    Parameters
    ----------
    stream : binary stream
        At the beginning of the file.
    size : int
        Bytes of the file; it must hold so many, no more and no fewer.
    kinds : str
        Kinds of dtype that it may have.

    Raises
    ------
    Exception
        Of any type, as Python's parser has one for each way in which a header can be wrong.
    """
    dtype, shape, fortran_order = read_header(stream, size, kinds)
    array = np.empty(math.prod(shape), dtype)
    rest = memoryview(array.view(np.uint8))
    while rest:
        count = stream.readinto(rest[:BLOCK])
        if not count:
            raise EOFError(f"{len(rest)} bytes are missing")
        rest = rest[count:]
    stream.read(1)  # a zip archive looks at the checksum where it ends
    return array.reshape(shape[::-1]).transpose() if fortran_order else array.reshape(shape)


def read_header(stream, size, kinds):
    """Read the header of a .npy file as `read_array` does: dtype, shape and whether the order is Fortran's."""
    start = stream.read(8)
    version = np.lib.format.read_magic(io.BytesIO(start))
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"a .npy file of version {version[0]}.{version[1]}, which holds no plain numbers")
    length = stream.read(2 * version[0])
    count = int.from_bytes(length, "little")
    if count > LONGEST_HEADER:
        raise ValueError(f"its header is {count} bytes long")
    text = stream.read(count)
    usual = USUAL.fullmatch(text)
    if usual:
        shape = tuple(int(count) for count in usual[3].split(b",") if count)
        fortran_order, dtype = usual[2] == b"True", np.dtype(usual[1].decode())
    else:
        shape, fortran_order, dtype = _parsed(version, length + text)
    if dtype.kind == "O":
        raise ValueError("it is pickled, objects and no numbers")
    if dtype.kind not in kinds or not dtype.itemsize or min(shape, default=0) < 0:
        raise ValueError(f"an array of {str(dtype)[:60]}, shape {shape}")
    found = size - 8 - len(length) - count
    if math.prod(shape) * dtype.itemsize != found:
        raise ValueError(f"an array of {dtype}, shape {shape}, is announced, and {found} bytes are there")
    return dtype, shape, fortran_order


def _parsed(version, header):
    """Parse the header of a .npy file, with its length before it, as numpy does: shape, whether the order is Fortran's, dtype."""
    parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Python thinks of the header's style
        return parse(io.BytesIO(header))
