"""Archives: every kind is read and written as Kaldi defines it, in whole and in part, from wherever it lies."""

import io
import struct

import numpy as np
import pytest

from asrkit.errors import DataError
from asrkit.io.archive import Archives, entry, read_ark, read_matrix, read_scp, write_archive

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
    return (
        b"\0B"
        + kind
        + (b"M " if array.ndim == 2 else b"V ")
        + sizes
        + struct.pack(f"<{array.size}{code}", *array.ravel())
    )


def put(path, data):
    path.write_bytes(data)
    return str(path)


def same(one, other):
    return (
        one.dtype == other.dtype
        and one.shape == other.shape
        and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    )


# reading


def read_each(scp):
    """What is read of each entry alone, or its error."""
    for key, spec in scp.items():
        try:
            yield read_matrix(spec)
        except DataError as error:
            yield f"utterance '{key}': {error}"


@pytest.mark.parametrize("order", ["as it lies", "backwards", "any"])
@pytest.mark.parametrize("rows", [(0, 1, 40), (100, 2000, 30000)], ids=["short", "long"])
def test_entries_in_a_row_are_read_as_each_alone(tmp_path, order, rows):
    rng, scp = np.random.default_rng(0), {}
    sizes = rng.choice(rows, 24)
    for name in "ab":
        some = [rng.normal(size=(size, 13)).astype(np.float32) for size in sizes] + [*ARRAYS.values()]
        items = ((f"{name}{place}" * (1 + place % 3), array) for place, array in enumerate(some))
        write_archive(tmp_path / f"{name}.ark", tmp_path / f"{name}.scp", items)
        scp |= dict(line.split() for line in (tmp_path / f"{name}.scp").read_text().splitlines())
    a, b = tmp_path / "a.ark", tmp_path / "b.ark"
    b.write_bytes(b.read_bytes()[:-500])
    a.write_bytes(
        a.read_bytes().replace(number(sizes[9]), number(-1), 3).replace(number(sizes[0]), number(10**6), 3)
    )
    for place, (key, spec) in enumerate(list(scp.items())[::5]):
        scp[key] = spec + ["[0:0]", "1", "[0:9,0:1]", " ", "x", "٣"][place % 6]
    keys = {"as it lies": [*scp], "backwards": [*scp][::-1], "any": rng.permutation([*scp]).tolist()}[order]
    with Archives() as archives:
        for key, expected in zip(keys, read_each({key: scp[key] for key in keys}), strict=True):
            try:
                found = archives.read(scp[key])
            except DataError as error:
                found = f"utterance '{key}': {error}"
            assert found == expected if isinstance(expected, str) else same(found, expected), scp[key]
            assert isinstance(found, str) or found.flags.aligned


def test_what_is_read_in_a_row_holds_no_more_than_itself(tmp_path):
    write_archive(
        tmp_path / "a.ark", tmp_path / "a.scp", ((str(n), FEATS.astype(np.float32)) for n in range(30))
    )
    scp = dict(line.split() for line in (tmp_path / "a.scp").read_text().splitlines())
    for _, array in read_scp(scp):
        held = array
        while isinstance(held.base, np.ndarray):
            held = held.base
        assert len(held.base) == array.nbytes


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
    assert [(key, same(array, expected)) for key, array in read_ark(tmp_path / "two.ark")] == [
        ("u1", True),
        ("u2", True),
    ]


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
@pytest.mark.parametrize("array", [*ARRAYS.values(), np.zeros(0, np.int32)], ids=[*ARRAYS, "empty"])
def test_round_trip(tmp_path, array, text):
    write_archive(tmp_path / "x.ark", tmp_path / "x.scp", [("u1", array), ("u2", -array)], text=text)
    scp = dict(line.split() for line in (tmp_path / "x.scp").read_text().splitlines())
    kind = np.float32 if text and array.dtype == np.float64 else array.dtype  # nine digits carry a float32
    for pairs in (read_scp(scp), read_ark(tmp_path / "x.ark")):
        (key1, found1), (key2, found2) = pairs
        assert (key1, key2) == ("u1", "u2")
        assert same(found1, array.astype(kind)) and same(found2, (-array).astype(kind))


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
    np.testing.assert_allclose(
        read_matrix(put(tmp_path / "CM", data)), -1 + 4 * np.array(steps).T / 65535, atol=1e-6
    )


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
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == (
        {"x.ark": before, "x.scp": before} if before else {}
    )


# where the file is


def test_relative_paths(tmp_path, monkeypatch):
    here, base, spec = tmp_path / "here", tmp_path / "data" / "train", "train/x.ark"
    for folder in (here, base):
        (folder / "train").mkdir(parents=True)
    monkeypatch.chdir(here)
    with pytest.raises(DataError, match=r"train/x.ark: no such file from here, .*absolute paths"):
        read_matrix(spec, base=base)
    with pytest.raises(DataError, match="train/x.ark: cannot be read: No such file"):
        read_matrix(spec)
    for value, folder in enumerate((base.parent, base, here)):  # the strongest last
        put(folder / spec, packed(np.full(3, value, np.float32)))
        assert read_matrix(spec, base=base)[0] == value
    assert read_matrix(str(base / spec), base=here)[0] == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (0, 0), (3, 4)])
def test_arrays_are_written_as_kaldiio_writes_them(dtype, shape):
    from kaldiio.matio import write_array

    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    if dtype == np.int32 and array.ndim == 2:
        return  # which Kaldi has not
    for own in (array, array[::-1], array.T, np.asfortranarray(array)):
        theirs = io.BytesIO()
        write_array(theirs, own)
        assert entry("key", own) == (b"key " + theirs.getvalue(), 4)
