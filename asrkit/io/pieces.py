"""What a long work has finished so far, in order, in a hidden folder: killed, it goes on from there."""

import contextlib
import hashlib
import json
import shutil
import tempfile
import time
import weakref
from pathlib import Path

from asrkit.errors import DataError, StoreError
from asrkit.io.places import RemotePath

BYTES, RECORD = "bytes", "record"  # the pieces one after another; a line of JSON for each
EACH_S, EACH_BYTES = 5.0, 16 << 20  # what a kill may cost at a URL


def pieces(folder, signature):
    """Find what an earlier run has left in a folder, or at a URL: Pieces."""
    kind = RemotePieces if isinstance(folder, RemotePath) else Pieces
    return kind(folder, signature)


class Pieces:
    """The pieces of one work, each some bytes and some facts.

    A piece counts if its bytes, its facts and all pieces before it are as they were written, and the work is the
    same. Others, and what was half written, are cut off.

    Attributes
    ----------
    facts : list of JSON values
        One a piece.
    ends : list of int
        Where each piece ends in the file `path`, after a 0.
    """

    def __init__(self, folder, signature):
        """Find what an earlier run has left.

        Parameters
        ----------
        folder : path
            It is made with the first piece.
        signature : JSON value
            All that decides about the pieces.
        """
        self._folder, self._streams = Path(folder), None
        self.path = self._folder / BYTES
        first = json.dumps(signature, sort_keys=True, default=str).encode()
        self._digests, self.facts, self.ends = [hashlib.sha256(first).hexdigest()], [], [0]
        with contextlib.suppress(OSError), open(self.path, "rb") as stream:
            size = self.path.stat().st_size
            for line in (self._folder / RECORD).read_bytes().splitlines():
                try:
                    digest, length, facts = json.loads(line)
                    content = stream.read(length) if 0 <= length <= size else b""
                    found = digest == self._next_digest(content, facts)
                except (ValueError, TypeError, RecursionError):
                    break
                if not found:
                    break
                self._add(digest, length, facts)
        if not self.facts:
            self.remove()

    def __len__(self):
        return len(self.facts)

    def keep(self, count):
        """Keep the first `count` pieces alone."""
        del self._digests[count + 1 :], self.facts[count:], self.ends[count + 1 :]
        if not count:
            self.remove()

    def append(self, content, facts):
        """Write a piece: bytes, and facts as JSON values."""
        digest = self._next_digest(content, facts)
        try:
            if self._streams is None:
                self._open()
            for stream, part in zip(
                self._streams, (content, _line(digest, len(content), facts)), strict=True
            ):
                stream.write(part)
                stream.flush()
        except OSError as error:
            raise DataError(f"{self._folder}: cannot be written: {error.strerror}") from None
        self._add(digest, len(content), facts)

    def read(self, place):
        """The bytes of a piece."""
        with open(self.path, "rb") as stream:
            stream.seek(self.ends[place])
            return stream.read(self.ends[place + 1] - self.ends[place])

    def close(self):
        for stream in self._streams or ():
            stream.close()
        self._streams = None

    def remove(self):
        """Remove the folder: the whole is there, or the pieces are of another work."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self):
        self._folder.mkdir(parents=True, exist_ok=True)
        lines = b"".join(self._lines())
        self._streams = open(self.path, "ab"), open(self._folder / RECORD, "ab")
        for stream, size in zip(self._streams, (self.ends[-1], len(lines)), strict=True):
            stream.truncate(size)

    def _lines(self):
        lengths = [end - start for start, end in zip(self.ends, self.ends[1:])]
        return list(map(_line, self._digests[1:], lengths, self.facts))

    def _next_digest(self, content, facts):
        digest = hashlib.sha256(f"{self._digests[-1]}\n{json.dumps(facts)}\n".encode())
        digest.update(content)
        return digest.hexdigest()

    def _add(self, digest, length, facts):
        self._digests.append(digest)
        self.facts.append(facts)
        self.ends.append(self.ends[-1] + length)


class RemotePieces(Pieces):
    """Pieces that are in a temporary folder here, and at a URL as objects of several pieces each: lines of JSON, a blank line,
    and the bytes.
    """

    def __init__(self, folder, signature, *, each_s=EACH_S, each_bytes=EACH_BYTES):
        """Fetch what an earlier run has left.

        Parameters
        ----------
        each_s, each_bytes : float, int
            Seconds, and bytes of pieces, after which they are put there.
        """
        self._far, self._each_s, self._each_bytes = folder, each_s, each_bytes
        self._firsts, self._sent, self._since = (
            [],
            0,
            time.monotonic(),
        )  # of each object, and what all of them hold
        path = Path(tempfile.mkdtemp(prefix="asrkit-"))
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        with open(path / BYTES, "wb") as content, open(path / RECORD, "wb") as record:
            for one in folder.glob("[0-9]*"):
                lines, _, rest = one.read_bytes().partition(b"\n\n")
                record.write(lines + b"\n")
                content.write(rest)
                self._firsts.append(int(one.name))
                self._sent += lines.count(b"\n") + 1
        super().__init__(path, signature)
        self.keep(len(self))

    def keep(self, count):
        if count < self._sent:
            kept, whole = [first for first in self._firsts if first < count], count in self._firsts
            last = (
                count if whole or not kept else kept.pop()
            )  # of an object that goes on, all is put once more
            for first in set(self._firsts) - set(kept):
                self._object(first).unlink(missing_ok=True)
            self._firsts, self._sent = kept, last
        super().keep(count)

    def append(self, content, facts):
        super().append(content, facts)
        large = self.ends[-1] - self.ends[self._sent] >= self._each_bytes
        if large or time.monotonic() - self._since >= self._each_s:
            self._send()

    def close(self):
        super().close()
        with contextlib.suppress(StoreError):  # of which somebody has said so, or will
            self._send()

    def remove(self):
        super().close()
        for one in self._far.glob("[0-9]*"):
            one.unlink(missing_ok=True)
        self._firsts, self._sent = [], 0
        super().remove()

    def _send(self):
        first, self._since = self._sent, time.monotonic()
        if first == len(self):
            return
        with open(self.path, "rb") as stream:
            stream.seek(self.ends[first])
            content = stream.read(self.ends[-1] - self.ends[first])
        lines = b"".join(self._lines()[first:])
        self._object(first).write_bytes(lines + b"\n" + content)
        self._firsts.append(first)
        self._sent = len(self)

    def _object(self, first):
        return self._far / f"{first:09d}"


def _line(digest, length, facts):
    return json.dumps([digest, length, facts]).encode() + b"\n"
