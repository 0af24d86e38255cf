"""What a long work has finished so far, in order, in a hidden folder: killed, it goes on from there."""

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

from asrkit.errors import DataError

BYTES, RECORD = "bytes", "record"  # the pieces one after another; a line of JSON for each


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
        lengths = [end - start for start, end in zip(self.ends, self.ends[1:])]
        lines = b"".join(map(_line, self._digests[1:], lengths, self.facts))
        self._streams = open(self.path, "ab"), open(self._folder / RECORD, "ab")
        for stream, size in zip(self._streams, (self.ends[-1], len(lines)), strict=True):
            stream.truncate(size)

    def _next_digest(self, content, facts):
        digest = hashlib.sha256(f"{self._digests[-1]}\n{json.dumps(facts)}\n".encode())
        digest.update(content)
        return digest.hexdigest()

    def _add(self, digest, length, facts):
        self._digests.append(digest)
        self.facts.append(facts)
        self.ends.append(self.ends[-1] + length)


def _line(digest, length, facts):
    return json.dumps([digest, length, facts]).encode() + b"\n"
