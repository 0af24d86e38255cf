"""Archives that are damaged, or would run something when read: refused with a reason, never taken for less
data.
"""

import io
import os
import pickle
import struct
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from kaldiio.matio import write_array

from asrkit.errors import DataError
from asrkit.io import archive
from asrkit.io.archive import read_ark, read_matrix, read_scp


def put(path, data):
    path.write_bytes(data)
    return str(path)


def same(one, other):
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def entry(array, method=None):
    """The bytes of `array` in an archive, without its key."""
    stream = io.BytesIO()
    write_array(stream, array, compression_method=method)
    return stream.getvalue()


RNG = np.random.default_rng(1)
BINARY = {
    "float matrix": entry(RNG.normal(size=(4, 3)).astype(np.float32)),
    "double matrix": entry(RNG.normal(size=(4, 3))),
    "float vector": entry(RNG.normal(size=7).astype(np.float32)),
    "double vector": entry(RNG.normal(size=7)),
    "int vector": entry(np.array([3, -1, 0, 2**31 - 1, -(2**31)], dtype=np.int32)),
    **{f"method {method}": entry(RNG.normal(size=(9, 2)), method) for method in (2, 3, 5)},
}
TEXT = {
    "text matrix": b" [\n  1 2.5 \n  -3e-1 4 ]\n",
    "text matrix on one line": b" [ 1 2\n 3 4 ]\n",
    "text vector": b" [ 1 2.5 nan -inf ]\n",
    "text int vector": b"1 -2 34 \n",
}
ENTRIES = {**BINARY, **TEXT}


# what is refused


@pytest.mark.parametrize("spec", ["touch {0}; cat {1} |", "| tee {0}", " touch {0}; cat {1} | "])
def test_pipes(tmp_path, spec):
    path, marker = put(tmp_path / "x.mat", BINARY["float matrix"]), tmp_path / "ran"
    spec = spec.format(marker, path)
    with pytest.raises(DataError, match="is a shell pipe .*allow_pipes=true"):
        read_matrix(spec)
    with pytest.raises(DataError, match="utterance 'utt': .* is a shell pipe"):
        list(read_scp({"utt": spec}))
    assert not marker.exists()


def test_pipes_when_allowed(tmp_path):
    path = put(tmp_path / "x.mat", BINARY["float matrix"])
    np.testing.assert_array_equal(read_matrix(f"cat {path} |", allow_pipes=True), read_matrix(path))
    with pytest.raises(DataError, match="cut off"):
        read_matrix(f"head -c 20 {path} |", allow_pipes=True)


class Payload:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("function", ["pickle", "numpy", "soundfile"])
def test_entries_that_would_run_something(tmp_path, function):
    marker = tmp_path / "ran"
    payload = Payload(marker)
    held = {"pickle": payload, "numpy": np.array([payload]), "soundfile": (np.zeros(9), 8000)}[function]
    pickle.loads(pickle.dumps(payload))
    assert marker.exists()  # the payload is live
    marker.unlink()
    kaldiio.save_ark(f"{tmp_path}/x.ark", {"utt": held}, scp=f"{tmp_path}/x.scp", write_function=function)
    for read in (lambda: read_matrix(f"{tmp_path}/x.ark:4"), lambda: list(read_ark(tmp_path / "x.ark"))):
        with pytest.raises(DataError, match="pickled or holds no matrix"):
            read()
    assert not marker.exists()


# damage


@pytest.mark.parametrize("data", ENTRIES.values(), ids=ENTRIES)
def test_cut_off_anywhere(tmp_path, data):
    whole = read_matrix(put(tmp_path / "x", data))
    ark = b"u1 " + data + b"u2 " + data
    path, refused = put(tmp_path / "x.ark", ark), 0
    for size in reversed(range(len(ark))):
        os.truncate(path, size)
        try:
            assert same(read_matrix(f"{path}:3"), whole)
        except DataError:
            assert size < 3 + len(data)
            refused += 1
        found = 0
        try:
            for _, array in read_ark(path):
                assert same(array, whole)
                found += 1
        except DataError:
            assert found == (size > 3 + len(data))
        else:  # at the end of an entry, which a text may lack the line end of
            assert size in (0, 3 + len(data), 2 + len(data), len(ark) - 1) and found == size // (
                2 + len(data)
            )
    assert refused >= 3 + len(data) - 1


@pytest.mark.parametrize("data", BINARY.values(), ids=BINARY)
def test_a_large_entry_is_read_where_the_archive_ends_with_it(tmp_path, data, monkeypatch):
    path = put(tmp_path / "x.ark", b"u1 " + data)
    whole = read_matrix(f"{path}:3")
    monkeypatch.setattr(archive, "LARGE", 0)
    assert same(read_matrix(f"{path}:3"), whole)


@pytest.mark.parametrize("data", ENTRIES.values(), ids=ENTRIES)
def test_a_wrong_byte_anywhere_is_an_array_or_a_data_error(tmp_path, data):
    path, answers = put(tmp_path / "x", data), 0
    with open(path, "r+b", buffering=0) as stream, np.errstate(all="ignore"):
        for place, right in enumerate(data):
            for value in (0, 0x20, 0x7F, 0xFF, right):
                stream.seek(place)
                stream.write(bytes([value]))
                try:
                    answers += isinstance(read_matrix(path), np.ndarray)
                except DataError:
                    answers += value != right
    assert answers == 5 * len(data)


@pytest.mark.parametrize("data", BINARY.values(), ids=BINARY)
def test_wrong_offset_gives_no_numbers(tmp_path, data):
    path = put(tmp_path / "x.ark", b"1 " + data)
    assert read_matrix(f"{path}:2").size
    refused = 0
    for offset in {*range(2 + len(data)), 10**6, 10**30} - {2}:
        try:
            # the byte of a line end: an empty int32 vector in text
            assert read_matrix(f"{path}:{offset}").size == 0
        except DataError:
            refused += 1
    assert refused >= len(data) + 1


SIZES = [(2**31 - 1, 2**31 - 1), (-1, 3), (3, -1), (-2, -2)]
NO_ARCHIVES = {
    **{f"{rows} x {cols}": struct.pack("<5sbibi", b"\0BDM ", 4, rows, 4, cols) + bytes(200) for rows, cols in SIZES},
    "ragged": b" [ 1 2\n 3 ]\n", "letters in numbers": b" [ 1 x ]\n", "no int": b"1 2.5\n", "number before": b"1 [ 2 3 ]\n",
    "too large an int": b"2147483648\n", "text": b"hello\n", "bytes": b"\xff\xfe\n",
}  # fmt: skip


@pytest.mark.parametrize("data", NO_ARCHIVES.values(), ids=NO_ARCHIVES)
def test_no_archive(tmp_path, data):
    with pytest.raises(DataError, match="cut off in the middle, or no Kaldi archive"):
        read_matrix(put(tmp_path / "x", data))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{0}/missing.ark:5", "missing.ark: cannot be read: No such file"),
        ("{0}", "not a file"),
        ("{0}:0", "not a file"),
        ("{0}/empty", "nothing at that place, the archive is cut off"),
        (" ", "the entry names no file"),
    ],
)
def test_no_such_place(tmp_path, spec, message):
    put(tmp_path / "empty", b"")
    with pytest.raises(DataError, match=message):
        read_matrix(spec.format(tmp_path))


def test_read_ark_of_something_else(tmp_path):
    assert list(read_ark(put(tmp_path / "empty", b""))) == []
    for path, message in (
        (put(tmp_path / "bytes", b"\xff\xfe\xfd "), "its keys are not text"),
        (put(tmp_path / "key", b"utt"), "nothing at that place"),
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "missing", "cannot be read: No such file"),
    ):
        with pytest.raises(DataError, match=message):
            list(read_ark(path))
