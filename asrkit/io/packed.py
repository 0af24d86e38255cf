"""Texts and archives that may be gzipped: read in bounded memory, line by line."""

import contextlib
import gzip
import os

from asrkit.characters import composed
from asrkit.errors import DataError
from asrkit.io.files import decode_line, open_bytes
from asrkit.io.reading import reading

BLOCK = 1 << 20  # bytes
LONGEST_LINE = 1 << 20
ROOM = 16 << 20  # bytes that any gzip file may hold,
RATIO = 100  # and a large one so many times its own size: alignments pack to a fifth, one phone a frame to a fortieth


@contextlib.contextmanager
def opened(path):
    """Open a file, gzipped or not, for reading what it holds, which must be no more than a text that was packed can hold."""
    with open_bytes(path) as stream, reading(path, "a gzip file that is cut off or damaged", "make it anew"):
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        if not packed:
            yield stream
            return
        limit, held = max(ROOM, RATIO * os.fstat(stream.fileno()).st_size), 0
        with gzip.GzipFile(fileobj=stream) as whole:
            while count := len(whole.read(BLOCK)):
                held += count
                if held > limit:
                    raise DataError(
                        f"{path}: holds more than {RATIO} times its own size (no table does; make it anew)"
                    )
            whole.seek(0)
            yield whole


def gunzipped(path):
    """Read the bytes of a file, gzipped or not."""
    with opened(path) as stream:
        return stream.read()


def text_lines(path):
    """Yield (line number, line) of a UTF-8 text file, gzipped or not, without line ends."""
    with opened(path) as stream:
        number = 0
        while line := stream.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise DataError(f"{path}:{number}: a line of more than {LONGEST_LINE} bytes (write it anew)")
            text, fault = decode_line(line.removesuffix(b"\n"))
            if fault:
                raise DataError(f"{path}:{number}: {fault}")
            yield number, composed(text)
