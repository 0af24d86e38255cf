"""Archives: every kind is read as Kaldi wrote it, and what is damaged or would run something is refused."""

import io
import os
import pickle
import struct
from pathlib import Path

import kaldiio
import numpy as np
import pytest

from asrkit.errors import DataError
from asrkit.io.archive import read_ark, read_matrix, read_scp, write_archive

RNG = np.random.default_rng(1)
ARRAYS = {
    "float matrix": RNG.normal(size=(4, 3)).astype(np.float32),
    "double matrix": RNG.normal(size=(4, 3)),
    "float vector": RNG.normal(size=7).astype(np.float32),
    "double vector": RNG.normal(size=7),
    "int vector": np.array([3, -1, 0, 2**31 - 1, -(2**31)], dtype=np.int32),
}
FEATS = RNG.normal(size=(30, 13)).astype(np.float32) * [20, *[5] * 12]
TEXTS = {
    "text matrix": (" [\n  1 2.5 \n  -3e-1 4 ]\n", np.array([[1, 2.5], [-0.3, 4]], np.float32)),
    "text matrix of whole numbers": (" [\n  1 2 \n  3 4 ]\n", np.array([[1, 2], [3, 4]], np.float32)),
    "text matrix on one line": (" [ 1 2\n 3 4 ]\n", np.array([[1, 2], [3, 4]], np.float32)),
    "text row": (" [\n  1 2 3 ]\n", np.array([[1, 2, 3]], np.float32)),
    "text vector": (" [ 1 2.5 nan -inf ]\n", np.array([1, 2.5, np.nan, -np.inf], np.float32)),
    "empty text matrix": (" [ ]\n", np.zeros(0, np.float32)),
    "text int vector": ("1 -2 34 \n", np.array([1, -2, 34], np.int32)),
}


def number(value):
    """Kaldi's binary int32: its size in bytes, then itself, little endian."""
    return b"\4" + struct.pack("<i", value)


def packed(array):
    """The bytes of `array` by Kaldi's definition: binary mark, kind, sizes, numbers row by row."""
    if array.dtype == np.int32:
        return b"\0B" + number(len(array)) + b"".join(map(number, array))
    kind, code = {"float32": (b"F", "f"), "float64": (b"D", "d")}[array.dtype.name]
    sizes = b"".join(map(number, array.shape))
    return b"\0B" + kind + (b"M " if array.ndim == 2 else b"V ") + sizes + struct.pack(f"<{array.size}{code}", *array.ravel())


def compressed(method, feats=FEATS):
    """What Kaldi (kaldiio) makes of `feats` with one of its compression methods, without the key."""
    stream = io.BytesIO()
    kaldiio.matio.write_array(stream, feats, compression_method=method)
    return stream.getvalue()


def put(path, data):
    path.write_bytes(data)
    return str(path)


def same(one, other):
    return one.dtype == other.dtype and one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


# reading


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_binary_as_kaldi_defines_it(tmp_path, array):
    path = put(tmp_path / "x.ark", b"utt " + packed(array))
    assert same(read_matrix(f"{path}:4"), array)
    assert same(read_matrix(put(tmp_path / "x.mat", packed(array))), array)
    assert [(key, same(found, array)) for key, found in read_ark(path)] == [("utt", True)]


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_written_as_kaldi_defines_it(tmp_path, array):
    count = write_archive(tmp_path / "x.ark", tmp_path / "x.scp", [("b", array), ("a", array[:2])])
    assert count == 2
    assert (tmp_path / "x.ark").read_bytes() == b"b " + packed(array) + b"a " + packed(array[:2])
    place = 2 + len(packed(array)) + 2
    assert (tmp_path / "x.scp").read_text() == f"b {tmp_path}/x.ark:2\na {tmp_path}/x.ark:{place}\n"


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_text(tmp_path, text, expected):
    path = put(tmp_path / "x.ark", f"utt {text}".encode())
    assert same(read_matrix(f"{path}:4"), expected)
    assert same(read_matrix(put(tmp_path / "x.mat", text.encode())), expected)
    put(tmp_path / "two.ark", f"u1 {text}u2 {text}".encode())
    assert [(key, same(array, expected)) for key, array in read_ark(tmp_path / "two.ark")] == [("u1", True), ("u2", True)]


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
@pytest.mark.parametrize("array", [*ARRAYS.values(), np.zeros((0, 3), np.float32)], ids=[*ARRAYS, "no rows"])
def test_round_trip(tmp_path, array, text):
    if text and not array.size:
        pytest.skip("Kaldi's text has no columns without rows")
    write_archive(tmp_path / "x.ark", tmp_path / "x.scp", [("u1", array), ("u2", -array)], text=text)
    scp = dict(line.split() for line in (tmp_path / "x.scp").read_text().splitlines())
    for pairs in (list(read_scp(scp)), list(read_ark(tmp_path / "x.ark"))):
        assert [key for key, _ in pairs] == ["u1", "u2"]
        for (_, found), written in zip(pairs, (array, -array), strict=True):
            assert found.shape == written.shape
            assert found.dtype == (np.float32 if text and array.dtype == np.float64 else array.dtype)
            np.testing.assert_allclose(found, written, rtol=1e-7 if text else 0)


def test_compressed_by_definition(tmp_path):
    head = struct.pack("<ffii", -1.0, 4.0, 2, 3)  # least value, range, rows, columns
    grid = np.array([[0, 1, 2], [100, 254, 255]])
    two = put(tmp_path / "CM2", b"\0BCM2 " + head + struct.pack("<6H", *(257 * grid.ravel())))
    one = put(tmp_path / "CM3", b"\0BCM3 " + head + struct.pack("<6B", *grid.ravel()))
    for path in (one, two):
        np.testing.assert_allclose(read_matrix(path), -1 + 4 * grid / 255, atol=1e-6)
    # Each column has its own percentiles 0, 25, 75 and 100, between which a byte runs 0..64..192..255.
    percentiles = np.array([[0, 1000, 3000, 4000], [0, 10, 20, 65535], [5, 6, 7, 8]])
    columns = np.array([[0, 255], [32, 64], [128, 192]])
    data = b"\0BCM " + head + struct.pack("<12H", *percentiles.ravel()) + struct.pack("<6B", *columns.ravel())
    steps = [np.interp(column, [0, 64, 192, 255], p) for column, p in zip(columns, percentiles, strict=True)]
    np.testing.assert_allclose(read_matrix(put(tmp_path / "CM", data)), -1 + 4 * np.array(steps).T / 65535, atol=1e-6)


@pytest.mark.parametrize(("method", "kind"), [(2, b"CM "), (3, b"CM2 "), (5, b"CM3 "), (1, b"CM ")])
@pytest.mark.parametrize("rows", [1, 3, 8, 30])
def test_compressed_is_near_the_uncompressed(tmp_path, method, kind, rows):
    feats = FEATS[:rows]
    kind = b"CM2 " if method == 1 and rows <= 8 else kind  # method 1 decides by the size, as Kaldi
    write_archive(tmp_path / "x.ark", tmp_path / "x.scp", [("utt", feats)], compression=method)
    assert (tmp_path / "x.ark").read_bytes()[:8].startswith(b"utt \0B" + kind[:2])
    assert kind in (tmp_path / "x.ark").read_bytes()
    found = read_matrix(f"{tmp_path}/x.ark:4")
    span = np.ptp(feats)
    step = {b"CM2 ": span / 65535, b"CM3 ": span / 255}.get(kind)
    if step is None:  # the widest step of each column, and that of its percentiles
        knots = np.sort(feats, axis=0)[[0, rows // 4, 3 * (rows // 4), rows - 1]]
        step = (np.diff(knots, axis=0) / [[64], [128], [63]]).max(axis=0) + 3 * span / 65535
    assert found.shape == feats.shape and found.dtype == np.float32
    assert (np.abs(found - feats) <= 0.51 * step + 1e-5).all()
    assert not np.array_equal(found, feats) or rows == 1


RANGES = {
    "[1:2]": np.s_[1:3], "[0:3]": np.s_[:], "[2]": np.s_[2:3], "[:]": np.s_[:], "[]": np.s_[:],
    "[1:2,0:1]": np.s_[1:3, 0:2], "[,2]": np.s_[:, 2:3], "[:,0:1]": np.s_[:, 0:2], "[ 1:2 ]": np.s_[1:3],
    "[2:6]": np.s_[2:],  # Kaldi forgives three rows: the last window, and rounded times
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), RANGES.items())
def test_ranges_include_both_ends(tmp_path, text, expected):
    array = ARRAYS["float matrix"]
    path = put(tmp_path / "x.ark", b"utt " + packed(array))
    assert same(read_matrix(f"{path}:4{text}"), array[expected])


@pytest.mark.parametrize("text", ["[2:7]", "[4:5]", "[2:1]", "[1:]", "[0:1:2]", "[0:1,1:3]", "[0:1,0:1,0:1]"])
def test_ranges_that_do_not_fit(tmp_path, text):
    path = put(tmp_path / "x.ark", b"utt " + packed(ARRAYS["float matrix"]))
    with pytest.raises(DataError, match=r"does not fit the matrix of shape \(4, 3\)"):
        read_matrix(f"{path}:4{text}")


# where the file is


def test_relative_paths(tmp_path, monkeypatch):
    here, base = tmp_path / "here", tmp_path / "data" / "train"
    here.mkdir(), base.mkdir(parents=True)
    monkeypatch.chdir(here)
    spec = "train/x.ark"
    with pytest.raises(DataError, match=r"train/x.ark: no such file from here, .*absolute paths"):
        read_matrix(spec, base=base)
    with pytest.raises(DataError, match="train/x.ark: cannot be read: No such file"):
        read_matrix(spec)
    places = (base.parent, base, here)  # in the order of their precedence, the strongest last
    for value, folder in enumerate(places):
        (folder / "train").mkdir(exist_ok=True)
        put(folder / spec, packed(np.full(3, value, np.float32)))
        assert read_matrix(spec, base=base)[0] == value
    assert read_matrix(str(base / spec), base=here)[0] == 1


# what is refused


@pytest.mark.parametrize("spec", ["touch {0}; cat {1} |", "| tee {0}", " touch {0}; cat {1} | "])
def test_pipes(tmp_path, spec):
    path, marker = put(tmp_path / "x.mat", packed(ARRAYS["float matrix"])), tmp_path / "ran"
    spec = spec.format(marker, path)
    with pytest.raises(DataError, match="is a shell pipe .*--allow-pipes"):
        read_matrix(spec)
    with pytest.raises(DataError, match="utterance 'utt': .* is a shell pipe"):
        list(read_scp({"utt": spec}))
    assert not marker.exists()


def test_pipes_when_allowed(tmp_path):
    path = put(tmp_path / "x.mat", packed(ARRAYS["float matrix"]))
    assert same(read_matrix(f"cat {path} |", allow_pipes=True), ARRAYS["float matrix"])
    with pytest.raises(DataError, match="cut off"):
        read_matrix("false |", allow_pipes=True)


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

ENTRIES = {
    **{name: packed(array) for name, array in ARRAYS.items()},
    **{f"method {method}": compressed(method, FEATS[:9, :2]) for method in (2, 3, 5)},
    **{name: text.encode() for name, (text, _) in TEXTS.items()},
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_cut_off_anywhere(tmp_path, entry):
    whole = read_matrix(put(tmp_path / "x", entry))
    ark = b"u1 " + entry + b"u2 " + entry
    path, refused = put(tmp_path / "x.ark", ark), 0
    for size in reversed(range(len(ark))):
        os.truncate(path, size)
        try:
            assert same(read_matrix(f"{path}:3"), whole)
        except DataError:
            assert size < 3 + len(entry)
            refused += 1
        found = []
        try:
            found.extend(array for _, array in read_ark(path))
        except DataError:
            assert size not in (0, 3 + len(entry))
        assert len(found) <= 1 + (size >= len(ark) - 1) and all(same(array, whole) for array in found)
    assert refused >= len(entry) - 1


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_a_wrong_byte_anywhere_is_an_array_or_a_data_error(tmp_path, entry):
    path, answers = put(tmp_path / "x", entry), 0
    with open(path, "r+b", buffering=0) as stream, np.errstate(all="ignore"):
        for place, right in enumerate(entry):
            for value in (0, 0x20, 0x7F, 0xFF, right):
                stream.seek(place)
                stream.write(bytes([value]))
                try:
                    answers += isinstance(read_matrix(path), np.ndarray)
                except DataError:
                    answers += value != right
    assert answers == 5 * len(entry)


@pytest.mark.parametrize("name", [*ARRAYS, "method 2", "method 3", "method 5"])
def test_wrong_offset_gives_no_numbers(tmp_path, name):
    path = put(tmp_path / "x.ark", b"1 " + ENTRIES[name])
    assert read_matrix(f"{path}:2").size
    refused = 0
    for offset in {*range(2 + len(ENTRIES[name])), 10**6, 10**30} - {2}:
        try:
            assert read_matrix(f"{path}:{offset}").size == 0  # the byte of a line end: an empty int32 vector in text
        except DataError:
            refused += 1
    assert refused >= len(ENTRIES[name]) + 1


@pytest.mark.parametrize("sizes", [(2**31 - 1, 2**31 - 1), (-1, 3), (3, -1), (-2, -2)])
def test_impossible_sizes(tmp_path, sizes):
    data = b"\0BDM " + b"".join(map(number, sizes)) + bytes(200)
    with pytest.raises(DataError, match="cut off in the middle, or no Kaldi archive"):
        read_matrix(put(tmp_path / "x", data))


@pytest.mark.parametrize("text", [" [ 1 2\n 3 ]\n", " [ 1 x ]\n", "1 2.5\n", f"{2**31}\n", "hello\n", "\xff\xfe\n"])
def test_malformed_text(tmp_path, text):
    with pytest.raises(DataError, match="no Kaldi archive"):
        read_matrix(put(tmp_path / "x", text.encode("latin-1")))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{0}/missing.ark:5", "missing.ark: cannot be read: No such file"),
        ("{0}", "cannot be read: Is a directory"),
        ("{0}:0", "cannot be read: Is a directory"),
        ("{0}/empty", "nothing at that place, the archive is cut off"),
        ("", "no file"),
        (" ", "no file"),
    ],
)
def test_no_such_place(tmp_path, spec, message):
    put(tmp_path / "empty", b"")
    with pytest.raises(DataError, match=message):
        read_matrix(spec.format(tmp_path))


@pytest.mark.parametrize(
    ("data", "message"), [(b"", None), (b"\xff\xfe\xfd ", "its keys are not text"), (b"utt", "nothing at that place")]
)
def test_read_ark_of_something_else(tmp_path, data, message):
    path = put(tmp_path / "x.ark", data)
    if message is None:
        assert list(read_ark(path)) == []
        return
    with pytest.raises(DataError, match=message):
        list(read_ark(path))


def test_read_ark_without_a_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        list(read_ark(tmp_path))


@pytest.mark.parametrize("before", [None, b"older"])
def test_archives_appear_whole_or_not_at_all(tmp_path, before):
    for name in ("x.ark", "x.scp"):
        if before:
            put(tmp_path / name, before)

    def broken():
        yield "u1", ARRAYS["float matrix"]
        raise DataError("the second is bad")

    with pytest.raises(DataError, match="second"):
        write_archive(tmp_path / "x.ark", tmp_path / "x.scp", broken())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == ({"x.ark": before, "x.scp": before} if before else {})
