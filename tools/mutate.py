#!/usr/bin/env python3
"""Give every reader of asrkit files that are broken by chance: it may read them, or refuse them in one line that names the file.

Anything else is a finding: another exception, a warning, more than some seconds, memory far beyond the file's size. A finding is
printed with what replays it, and the exit status is 1.

examples:
  tools/mutate.py --count 100000 --seed 0          so many files of every reader
  tools/mutate.py --reader model --seed 0 --first 4711 --count 1 --keep DIR
"""

import argparse
import contextlib
import functools
import gzip
import io
import logging
import os
import random
import signal
import sys
import tempfile
import time
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
from mutate_readers import READERS

from asrkit.errors import AsrkitError
from asrkit.runtime import one_thread

SECONDS = 5  # of the processor, for one file
ROOM = 64 << 20  # bytes that any file may take,
RATIO = 100  # and a large one so many times its own size
LONGEST = 3000  # characters of a message
BYTES = (0, 9, 10, 13, 32, 34, 45, 48, 57, 58, 91, 93, 123, 124, 127, 128, 255)
SIZES = (
    0,
    1,
    0x7F,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFF000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63 - 1,
    2**64 - 1,
)
TEXTS = (
    "", "0", "-1", "9" * 20, "9" * 5000, "1" + "0" * 400, "1e400", "-1e308", "1e-400", "nan", "-inf", "Infinity", "1_000", "²", "٣",
    "0x10", "1.5", "-0.0", "true", "null", '"', "[" * 3000, '{"a":' * 3000, "\0", "\ufeff", "\u2028", "\x1b[2J", "é", "e\u0301", "| touch x",
    "/", "../x", "a\0b", "\t", "\r", "\n", " ", ";;", "#", "--", "=", ":", "%s", "x" * 5000,
)  # fmt: skip


class Hang(BaseException):
    """A reader took too long."""


def edit(data, rng):
    """Change some bytes by one of the ways in which files break."""
    size = len(data)
    a, b = sorted((rng.randrange(size + 1), rng.randrange(size + 1)))
    b = min(b, a + 1 + rng.randrange(64))
    way = rng.randrange(11)
    if way == 0:  # flip a bit
        a = min(a, size - 1)
        return data[:a] + bytes([data[a] ^ (1 << rng.randrange(8))]) + data[a + 1 :]
    if way == 1:
        return data[:a] + bytes([rng.choice(BYTES)]) + data[a + 1 :]
    if way == 2:  # cut off
        return data[:a]
    if way == 3:  # cut out
        return data[:a] + data[b:]
    if way == 4:  # insert
        return data[:a] + rng.randbytes(rng.randrange(1, 9)) + data[a:]
    if way == 5:  # repeat
        return data[:b] + data[a:b] * rng.choice((1, 2, 50)) + data[b:]
    if way == 6:  # swap two pieces
        middle = (a + b) // 2
        return data[:a] + data[middle:b] + data[a:middle] + data[b:]
    if way == 7:  # a length that is none
        width, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
        value = rng.choice(SIZES) % (1 << 8 * width)
        return data[:a] + value.to_bytes(width, order) + data[a + width :]
    places = numbers(data)
    if way == 8 and places:  # a number that is none
        start, end = rng.choice(places)
        return data[:start] + rng.choice(TEXTS).encode() + data[end:]
    if way == 9:  # a word instead of another
        words = data.split(b" ")
        words[rng.randrange(len(words))] = rng.choice(TEXTS).encode()
        return b" ".join(words)
    lines = data.split(b"\n")  # a line twice, or elsewhere
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"\n".join(lines)


def numbers(data):
    """Where numbers stand in a text: pairs of start and end; none in what is no text."""
    places, start = [], None
    for place, byte in enumerate(data[:2000] + b" "):
        if 48 <= byte <= 57 or (byte in b"-." and start is not None):
            start = place if start is None else start
        elif start is not None:
            places.append((start, place))
            start = None
    return places


def edits(data, rng):
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = edit(data, rng) if data else data
    return data


def mutate(data, rng):
    """Break a file; of what is packed mostly the inside, for a checksum refuses what is broken outside."""
    if data[:2] == b"\x1f\x8b" and rng.random() < 0.7:
        return gzip.compress(edits(gzip.decompress(data), rng), 1, mtime=0)
    if data[:2] == b"PK" and rng.random() < 0.8:
        return mutate_zip(data, rng)
    return edits(data, rng)


@functools.lru_cache
def members_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return tuple((name, archive.read(name)) for name in archive.namelist())


def mutate_zip(data, rng):
    """Break members of an .npz archive: bytes, the text of its meta, values, or which members there are."""
    members = list(members_of(data))
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(len(members))
        if rng.random() < 0.4:
            place = next((i for i, (name, _) in enumerate(members) if name == "meta.npy"), place)
        name, content = members[place]
        way = rng.randrange(8)
        if way == 0:
            del members[place]
            if not members:
                break
        elif way == 1:
            members.append((rng.choice((name, "junk.npy", "no/means.npy", "x")), content))
        elif way == 2:
            members[place] = (members[rng.randrange(len(members))][0], content)
        elif way == 3 or name != "meta.npy":
            head = content[: 128 if rng.random() < 0.5 else len(content)]
            members[place] = (name, edits(head, rng) + content[len(head) :])
        else:
            with contextlib.suppress(Exception):  # what was broken before is no text
                text = str(np.load(io.BytesIO(content)))
                stream = io.BytesIO()
                np.save(stream, np.array(edits(text.encode(), rng).decode("utf-8", "replace")))
                members[place] = (name, stream.getvalue())
    stream = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method, compresslevel=1) as archive:
        warnings.simplefilter("ignore")  # a member twice
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


class Trial:
    """One reader with its valid files in a folder."""

    def __init__(self, name, folder):
        self.name, self.reader = name, READERS[name]
        folder.mkdir()
        self.paths = list(self.reader.make(folder))
        self.whole = {path: path.read_bytes() for path in self.paths}
        for path in self.paths:
            found = self.problem(path) or self.refused
            if found:
                raise SystemExit(f"{name}: {path.name} is whole, but: {found}")

    def mutated(self, seed, index):
        """(path, bytes) of the broken file of this number."""
        rng = random.Random(f"{self.name} {seed} {index}")
        path = rng.choice(self.paths)
        return path, mutate(self.whole[path], rng)

    def run(self, seed, index):
        """What is wrong with reading the broken file of this number, or None; and whether it was refused."""
        path, data = self.mutated(seed, index)
        path.write_bytes(data)
        try:
            return self.problem(path), bool(self.refused)
        finally:
            path.write_bytes(self.whole[path])

    def problem(self, path, read=None, seconds=SECONDS):
        """What is wrong with how a file is read, or None."""
        self.refused = ""
        if tracemalloc.is_tracing():
            tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        try:
            with deadline(seconds):
                told = (read or self.reader.read)(path)
        except AsrkitError as error:
            self.refused = str(error)
            named = any(one.name in str(error) or str(one.parent) in str(error) for one in self.paths)
            told = [str(error)] if named else [f"{error}\n(names no file)"]
        except Hang:
            return f"took more than {seconds} s"
        except Exception as error:
            trace = error.__traceback__
            while trace.tb_next:
                trace = trace.tb_next
            where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
            return f"{type(error).__name__}: {str(error)[:200]!r} at {where}"
        peak = tracemalloc.get_traced_memory()[1] - before
        if peak > ROOM + RATIO * path.stat().st_size:
            return f"{peak >> 20} MB for a file of {path.stat().st_size} bytes"
        for line in told if isinstance(told, list) else ():
            if isinstance(line, str) and (len(line.splitlines()) > 1 or len(line) > LONGEST):
                return f"no one line: {line[:300]!r}"
        return None


@contextlib.contextmanager
def deadline(seconds):
    """Interrupt what takes longer, where the system can count it."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def late(*_):
        raise Hang

    old = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)


@contextlib.contextmanager
def watched(memory=True):
    """Warnings are errors, memory is counted (which takes its time), and log lines go nowhere."""
    log = logging.getLogger("asrkit")
    level = log.level
    if memory:
        tracemalloc.start()
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), one_thread():
            warnings.simplefilter("error")
            yield
    finally:
        log.setLevel(level)
        tracemalloc.stop()


def try_reader(name, count, seed, first=0, keep=None, progress=lambda *_: None, memory=True):
    """Read `count` broken files.

    Returns
    -------
    findings : list of str
    refused : int
        How many were refused; the others could be read.
    """
    findings, refused = [], 0
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None  # quicker than a disk
    with tempfile.TemporaryDirectory(dir=place) as top, watched(memory):
        trial = Trial(name, Path(top) / name)
        for index in range(first, first + count):
            found, no = trial.run(seed, index)
            refused += no and not found
            if found:
                path, data = trial.mutated(seed, index)
                findings.append(
                    f"--reader {name} --seed {seed} --first {index} --count 1 ({path.name}): {found}"
                )
                if keep:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{name}-{seed}-{index}-{path.name}").write_bytes(data)
            progress(index - first + 1, len(findings))
    return findings, refused


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="files of each reader (default: 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--reader", action="append", choices=READERS, help="this one alone; may be repeated")
    parser.add_argument("--keep", type=Path, help="folder for the files of findings")
    options = parser.parse_args(argv)
    failed = False
    for name in options.reader or READERS:
        started = time.perf_counter()

        def progress(done, bad, name=name):
            if done % 1000 == 0 and sys.stderr.isatty():
                end = "\r" if done < options.count else "\r\033[K"
                print(f"{name}: {done} of {options.count}, {bad} findings", end=end, file=sys.stderr)

        findings, refused = try_reader(
            name, options.count, options.seed, options.first, options.keep, progress
        )
        took = time.perf_counter() - started
        print(
            f"{name}: {options.count} files, {refused} refused, {options.count - refused - len(findings)} read, "
            f"{len(findings)} findings ({took:.0f} s)",
            flush=True,
        )
        print("".join(f"  {line}\n" for line in findings[:20]), end="", flush=True)
        failed = failed or bool(findings)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
