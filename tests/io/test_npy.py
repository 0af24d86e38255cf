"""Features in .npy files that feats.scp names."""

import io
import math

import numpy as np
import pytest
from command import asrkit
from test_ssl import TRAIN, Harmful

from asrkit.errors import DataError
from asrkit.features.transform import TransformConfig
from asrkit.io.archive import read_matrix
from asrkit.io.features import read_features
from asrkit.io.mixgop_file import read_mixgop
from asrkit.io.npy import USUAL, _parsed, read_header


def npy_data_dir(folder, dtype="<f4", frames=20, dim=5, utts=("ann-1", "ann-2", "bob-1")):
    (folder / "npy").mkdir(parents=True)
    feats = {
        utt: np.random.default_rng(i).normal(size=(frames, dim)).astype(dtype) for i, utt in enumerate(utts)
    }
    for utt, x in feats.items():
        np.save(folder / "npy" / f"{utt}.npy", x)
    (folder / "feats.scp").write_text("".join(f"{utt} npy/{utt}.npy\n" for utt in utts))
    (folder / "utt2spk").write_text("".join(f"{utt} {utt[:3]}\n" for utt in utts))
    (folder / "spk2utt").write_text("ann ann-1 ann-2\nbob bob-1\n")
    return feats


@pytest.mark.parametrize(
    "dtype, order, read",
    [
        ("<f4", "C", "<f4"),
        (">f4", "C", "<f4"),
        ("<f8", "F", "<f8"),
        ("<f2", "C", "<f4"),
        (">f8", "C", "<f8"),
        ("<f4", "F", "<f4"),
    ],
)
def test_npy_matrices(tmp_path, dtype, order, read):
    x = np.asarray(np.random.default_rng(0).normal(size=(7, 3)), dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", x)
    own = read_matrix(f"{tmp_path}/x.npy")
    assert own.dtype == np.dtype(read) and own.flags.c_contiguous and np.array_equal(own, x)
    assert np.array_equal(read_matrix("x.npy[1:3]", base=tmp_path), x[1:4])
    assert np.array_equal(read_matrix("x.npy[1:3,0:1]", base=tmp_path), x[1:4, :2])


def test_npy_features_are_validated_trained_on_and_scored(tmp_path, capsys):
    data = tmp_path / "data"
    feats = npy_data_dir(data)
    (data / "frame_shift").write_text("0.02\n")
    asrkit("validate-data", data, "--no-wav", "--no-text")
    features = read_features(data, transform_config=TransformConfig(delta_order=0))
    assert features.frame_shift_s() == 0.02
    for utt, x in features:
        np.testing.assert_array_equal(x, feats[utt])
    (tmp_path / "phones.ctm").write_text(
        "".join(f"{utt} 1 {0.1 * t:.2f} 0.10 {'AB'[t % 2]}\n" for utt in feats for t in range(4))
    )
    for words in ([], ["--frame-shift=0.02"]):
        asrkit("mixgop", "train", data, tmp_path / "phones.ctm", tmp_path / "exp", *TRAIN, *words)
        assert read_mixgop(tmp_path / "exp").frame_shift_s == 0.02
        asrkit(
            "mixgop", "score", tmp_path / "exp", data, tmp_path / "phones.ctm", tmp_path / "scores", *words
        )
        (data / "frame_shift").unlink(missing_ok=True)
    assert "scored 12 phones of 3 utterances" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content, message",
    [
        (np.arange(6), "an array of int64, shape (6,)"),
        (np.ones((2, 3), dtype=int), "an array of int64, shape (2, 3)"),
        (np.ones(5), "an array of float64, shape (5,)"),
        (np.ones((1, 2, 3)), "shape (1, 2, 3)"),
        (np.ones((2, 2), dtype=complex), "an array of complex128"),
        (
            np.array([[Harmful()]], dtype=object),
            "cut off or pickled, and is refused: it is pickled",
        ),
        (b"", "no .npy file"),
        (b"\x93NUMPY\x01\x00", "no .npy file"),
        (b"PK\x03\x04 a zip", "no .npy file"),
        (b"a-1 \0BFM \4", "no .npy file"),
        ("cut", "no .npy file, cut off"),
        (None, "no such file"),
    ],
)
def test_npy_refused(tmp_path, content, message, capsys):
    data = tmp_path / "data"
    npy_data_dir(data)
    path = data / "npy" / "ann-2.npy"
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, np.ndarray):
        np.save(path, content, allow_pickle=True)
    elif content == "cut":
        np.save(path, np.ones((20, 5), dtype=np.float32))
        path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError) as error_info:
        list(read_features(data, transform_config=TransformConfig(delta_order=0)))
    told = str(error_info.value)
    assert (
        message in told
        and "utterance 'ann-2'" in told
        and "npy/ann-2.npy" in told
        and str(data / "feats.scp") in told
    )
    asrkit("validate-data", data, "--no-wav", "--no-text", status=1)
    out = "".join(capsys.readouterr())
    assert "utterance 'ann-2'" in out and message in out


def test_npy_with_values_that_are_none(tmp_path):
    data = tmp_path / "data"
    feats = npy_data_dir(data)
    feats["ann-1"][3, 2] = np.nan
    np.save(data / "npy" / "ann-1.npy", feats["ann-1"])
    np.save(data / "npy" / "bob-1.npy", np.zeros((0, 5), dtype=np.float32))
    features = read_features(data, transform_config=TransformConfig(delta_order=0))
    assert [utt for utt, _ in features] == ["ann-2"]
    assert features.skipped == {"ann-1": "1 of 20 frames hold NaN or infinite values", "bob-1": "no frames"}


HEADERS = ["{'descr': '<f8', 'fortran_order': False, 'shape': (9, 2), }", "{'descr': '|u1', 'fortran_order': True, 'shape': (), }", "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }"]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
def test_a_usual_header_is_read_as_python_reads_it(header):
    rng, usual = np.random.default_rng(0), 0
    parts = [
        "9",
        "0",
        "09",
        ",",
        ", ",
        " ",
        "(",
        ")",
        "'",
        "True",
        "<f8",
        "<f1",
        "|b1",
        "|f4",
        "<i8",
        "-1",
        "1e1",
        "\n",
        "2, 3",
        "_",
    ]
    for _ in range(4000):
        text = header
        for _ in range(rng.integers(3)):
            place = rng.integers(len(text) * 3 // 4 * rng.integers(2), len(text) + 1)  # more in the shape
            text = text[:place] + parts[rng.integers(len(parts))] + text[place + rng.integers(3) :]
        text = text.encode() + b" " * int(rng.integers(5)) + b"\n"
        found = USUAL.fullmatch(text)
        if found:
            usual += 1
            shape, fortran_order, dtype = _parsed((1, 0), len(text).to_bytes(2, "little") + text)
            assert (dtype.str, fortran_order) == (found[1].decode(), found[2] == b"True"), text
            stream = io.BytesIO(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text)
            size = len(stream.getvalue()) + math.prod(shape) * dtype.itemsize
            assert read_header(stream, size, "biuf") == (dtype, shape, fortran_order), text
    assert usual > 10


def test_what_numpy_saves_of_numbers_has_a_usual_header():
    for dtype in ("f4", "f8", "f2", "i4", "i8", "u1", "u2"):
        for shape in ((), (0,), (7,), (3, 0), (10, 200), (2, 3, 4)):
            for order in "CF":
                stream = io.BytesIO()
                np.save(stream, np.zeros(shape, dtype, order=order))
                assert USUAL.fullmatch(
                    stream.getvalue()[10 : -math.prod(shape) * np.dtype(dtype).itemsize or None]
                )
