"""Files that nobody writes by accident: refused in one line that names the file, in little memory."""

import gzip
import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from command import asrkit

from asrkit.config import from_conf, parse_float, parse_int
from asrkit.errors import AsrkitError, DataError, SettingsError
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.io.ali_archive import read_ali, read_phone_table
from asrkit.io.alignment import read_ctm
from asrkit.io.archive import read_matrix, write_archive
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.durations import stated_frame_shift_s, utterance_lengths
from asrkit.io.json_file import loads, read_object
from asrkit.io.model_file import read_codebook, read_stats, write_codebook, write_stat_arrays
from asrkit.io.npy import LONGEST_HEADER
from asrkit.io.packed import RATIO, ROOM
from asrkit.io.ratings import read_ratings
from asrkit.io.reading import reading
from asrkit.models.codebook import Codebook
from asrkit.workflows.info import info
from asrkit.workflows.mixgop_clusters import mixgop_clusters

FRONTEND = FrontEnd.of("mfcc", num_ceps=2, delta_order=0)
DIGITS = "9" * 5000
# Neither whole numbers nor finite ones; and what only a whole number can't be
NO_NUMBERS = (
    "",
    "x",
    "²",
    "٣",
    "1_000",
    "0x10",
    "1e400",
    "1" + "0" * 400,
    DIGITS,
    "nan",
    "inf",
    "-Infinity",
    "1 2",
    "--1",
)
NO_INTS = (*NO_NUMBERS, "1.5", "1e3", str(2**63))


def header(text, version=1):
    """A .npy file of 200 bytes whose header is `text`."""
    text = text.encode() + b" " * 20 + b"\n"
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", len(text))
        + text
        + bytes(200)
    )


def shape(text, descr="'<f8'", order=False):
    return header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {text}, }}")


def saved(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


NPYS = {
    "unclosed": header("{'descr': '<f8', 'shape': (2,3"),
    "no header": header(""),
    "deep": header("(" * 900),
    "minus": header("-" * 900),
    "escape": header("{'descr': '\\d8', 'fortran_order': False, 'shape': (5, 5), }"),
    "long header": b"\x93NUMPY\1\0" + struct.pack("<H", 60000) + b" " * 60000,
    "4 GB header": b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1) + b"{" * 200,
    "version 3": header("{'descr': '<f8', 'fortran_order': False, 'shape': (5, 5), }", version=3),
    "version 9": header("{'descr': '<f8', 'fortran_order': False, 'shape': (5, 5), }", version=9),
    "comma": shape("(5, 5)", "','"),
    "10^12": shape("(1000000000000,)"),
    "10^22": shape("(10000000000000000000000,)"),
    "10^12 rows": shape("(1000000000000, 13)"),
    "overflow": shape("(4294967296, 4294967296)"),
    "negative": shape("(-5, -5)"),
    "one negative": shape("(-1, 25)"),
    "none of many": shape("(0, 10000000000000000000000)"),
    "Fortran": shape("(1000000000000, 13)", order=True),
    "short": shape("(5, 6)"),
    "long": shape("(5, 4)"),
    "float shape": shape("(5.0, 5)"),
    "many dimensions": shape("(" + "1, " * 500 + "25)"),
    "objects": saved(np.array([print, None], dtype=object)),
    "text": saved(np.array(["a", "b"])),
    "huge text": shape("(1,)", "'<U1000000000'"),
    "fields": saved(np.zeros(4, dtype=[("a", "<f8"), ("b", "<i4")])),
    "array in array": shape("(1,)", "('<f8', (1000000000,))"),
    "no bytes": shape("(100,)", "'V0'"),
    "dates": saved(np.zeros(4, dtype="M8[s]")),
}  # fmt: skip


@pytest.fixture
def little():
    """Fails where Python or numpy held more than 100 MB."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20


def refuses(call, *names):
    """The message of the error, one line that holds all names."""
    with pytest.raises(AsrkitError) as error_info:
        call()
    told = str(error_info.value)
    assert len(told.splitlines()) == 1 and len(told) < 3000 and all(name in told for name in names), told
    return told


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.npz"
    write_codebook(path, Codebook(np.eye(2), np.ones(2)), FRONTEND, "0" * 64)
    return path


def rewrite(path, change, method=zipfile.ZIP_STORED):
    """Write an .npz anew, its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


# arrays


@pytest.mark.parametrize("content", NPYS.values(), ids=NPYS)
def test_npy_headers(tmp_path, content, little):
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    refuses(lambda: read_matrix(str(path)), "x.npy")


@pytest.mark.parametrize("member", ["vectors.npy", "junk.npy", "meta.npy", "a/junk.npy"])
@pytest.mark.parametrize("content", NPYS.values(), ids=NPYS)
def test_npz_headers(book, member, content, little):
    rewrite(book, lambda members: members.update({member: content}))
    refuses(lambda: read_codebook(book), "book.npz")
    refuses(lambda: info(book), "book.npz")


def zeros(path, name, count):
    """Append a member of `count` float64 zeros, deflated."""
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w", force_zip64=True) as stream,
    ):
        stream.write(shape(f"({count},)")[:-200])
        for _ in range(count >> 17):
            stream.write(bytes(1 << 20))


def test_arrays_that_nobody_needs_are_not_read(tmp_path, little):
    write_stat_arrays(tmp_path / "x.npz", {"a": {"occ": np.ones(2), "frames": np.array(3)}}, "0" * 64)
    zeros(tmp_path / "x.npz", "b/occ.npy", 1 << 24)  # 128 MB
    sums, _ = read_stats(tmp_path / "x.npz")
    assert list(sums) == ["a"] and info(tmp_path / "x.npz").lines()[1:] == ["words: 1", "frames: 3"]


def test_an_array_that_is_needed_is_no_larger_than_the_file_can_hold(tmp_path, little):
    path = tmp_path / "x.npz"
    write_stat_arrays(path, {"a": {"frames": np.array(3)}}, "0" * 64)
    zeros(path, "a/occ.npy", 1 << 24)
    refuses(lambda: read_stats(path), "x.npz", "134217823 bytes")


def test_compressed_models_of_ordinary_size_are_read(book):
    codebook, _ = read_codebook(rewrite(book, lambda members: None, zipfile.ZIP_DEFLATED))
    assert np.array_equal(codebook.vectors, np.eye(2))


def test_members_twice_or_with_lying_sizes(book, tmp_path):
    whole = book.read_bytes()
    place = whole.rindex(b"PK\1\2")  # the last member in the directory: its sizes stand at 20 and 24
    for at, sizes in ((20, (0, 1, 100)), (24, (0, 1, 100, 2**31 - 1, 2**32 - 2))):
        for size in sizes:
            book.write_bytes(whole[: place + at] + struct.pack("<I", size) + whole[place + at + 4 :])
            refuses(lambda: read_codebook(book), "book.npz")
    book.write_bytes(whole)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(book, "a") as archive:
        archive.writestr("vectors.npy", saved(np.zeros((2, 2))))
    refuses(lambda: read_codebook(book), "book.npz", "vectors.npy is in it twice")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(book, method):
    refuses(
        lambda: read_codebook(rewrite(book, lambda members: None, method)), "book.npz", "compressed by method"
    )


@pytest.mark.parametrize(
    "array",
    [np.full((2, 2), np.nan), np.ones((2, 3)), np.ones(4), np.ones((2, 2), dtype=bool), np.zeros((0, 2))],
)
def test_arrays_that_do_not_fit(book, array):
    rewrite(book, lambda members: members.update({"vectors.npy": saved(array)}))
    refuses(lambda: read_codebook(book), "book.npz")


@pytest.mark.parametrize(
    "meta",
    ["", "[]", "{}", "null", "[" * 100000, '{"a":' * 100000, "{\"asrkit\": NaN}", "²", '{"asrkit": "codebook", "version": [3]}',
     '{"asrkit": "codebook", "version": 3, "frontend": 1%s}' % ("0" * 400),
     f'{{"asrkit": "codebook", "version": 3, "frontend": {DIGITS}}}',
     '{"asrkit": "codebook", "version": 3, "frontend": 1e999}',
     '{"asrkit": "codebook", "version": 3}',
     '{"asrkit": ["codebook"], "version": 3}'],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_meta_that_is_none(book, meta):
    rewrite(book, lambda members: members.update({"meta.npy": saved(np.array(meta))}))
    refuses(lambda: read_codebook(book), "book.npz")
    refuses(lambda: info(book), "book.npz")


@pytest.mark.parametrize(
    "value", [10**400, 10**20, -(10**400), "1", None, [1], {}, True, 1e308], ids=lambda value: str(value)[:8]
)
def test_settings_of_a_file_that_are_none(book, value):
    def change(members):
        meta = json.loads(str(np.load(io.BytesIO(members["meta.npy"]))))
        meta["frontend"]["settings"]["num_ceps"] = value
        members["meta.npy"] = saved(np.array(json.dumps(meta)))

    rewrite(book, change)
    refuses(lambda: read_codebook(book), "book.npz")


@pytest.mark.parametrize("head", ["FM", "DM", "FV", "DV", "CM", "CM2", "CM3", "ints"])
def test_archives_announce_no_more_than_they_hold(tmp_path, head, little):
    path = tmp_path / "x.ark"
    for rows, columns in (
        (2**31 - 1, 2**31 - 1),
        (2**31 - 1, 1),
        (2**28, 2),
        (-1, 3),
        (3, -1),
        (2**20, 2**11),
        (2**31 - 1, 0),
        (0, 2**31 - 1),
    ):
        sizes = struct.pack("<bibi", 4, rows, 4, columns)
        start = {
            "ints": b"\0B" + sizes[:5],
            **dict.fromkeys(
                ("CM", "CM2", "CM3"),
                b"\0B" + head.encode() + b" " + struct.pack("<ffii", 0, 1, rows, columns),
            ),
        }.get(head, b"\0B" + head.encode() + b" " + sizes)
        path.write_bytes(b"utt " + start + bytes(500))
        if rows not in (0, 3) or head not in ("FV", "DV", "ints"):  # vectors have no columns
            refuses(lambda: read_matrix(f"{path}:4"), "x.ark")


@pytest.mark.parametrize(
    "spec",
    [
        f"x.ark:{DIGITS}",
        f"x.ark:2[0:{DIGITS}]",
        "x.ark:2[²]",
        "x.ark:٣",
        "/a\0b.ark:2",
        "x" * 5000,
        "x.ark:2[1:]",
    ],
)
def test_scp_entries(tmp_path, spec):
    write_archive(tmp_path / "x.ark", tmp_path / "x.scp", [("u", np.ones((3, 2), dtype=np.float32))])
    refuses(lambda: read_matrix(spec, base=tmp_path))
    (tmp_path / "bad.scp").write_text(f"utt {spec}\n")
    refuses(lambda: info(tmp_path / "bad.scp"), "bad.scp", "utt")


def test_an_archive_without_keys(tmp_path):
    (tmp_path / "x.ark").write_bytes(b"x" * (1 << 24))
    refuses(lambda: info(tmp_path / "x.ark"), "x.ark", "a key of more than")


# numbers


@pytest.mark.parametrize("text", NO_INTS)
def test_no_whole_numbers(text, tmp_path):
    with pytest.raises(ValueError):
        parse_int(text)
    (tmp_path / "x.conf").write_text(f"--num-ceps={text}\n")
    with pytest.raises(SettingsError, match="x.conf:1"):
        from_conf(MfccConfig, tmp_path / "x.conf")
    (tmp_path / "phones.txt").write_text(f"A 1\nB {text}\n")
    refuses(lambda: read_phone_table(tmp_path / "phones.txt"), "phones.txt:2")


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_no_finite_numbers(text, tmp_path):
    with pytest.raises(ValueError):
        parse_float(text)
    (tmp_path / "x.conf").write_text(f"--low-freq={text}\n")
    with pytest.raises(SettingsError, match="x.conf:1"):
        from_conf(MfccConfig, tmp_path / "x.conf")
    (tmp_path / "frame_shift").write_text(text)
    refuses(lambda: stated_frame_shift_s(DataDir(tmp_path), GivenFeatures()), "frame_shift")
    (tmp_path / "x.ctm").write_text(f"u 1 0.0 0.1 A\nu 1 {text} 0.1 A\n")
    refuses(lambda: read_ctm(tmp_path / "x.ctm"), "x.ctm:2")
    if text not in ("nan", ""):
        (tmp_path / "ratings").write_text(f"utt\tidx\trating\nu\t0\t1\nu\t1\t{text}\n")
        refuses(lambda: read_ratings(tmp_path / "ratings"), "ratings:3")


@pytest.mark.parametrize("text", [text for text in NO_INTS if text != "1 2"])
def test_places_and_counts_in_tables(text, tmp_path, capsys):
    (tmp_path / "ratings").write_text(f"utt\tidx\trating\nu\t0\t1\nu\t{text}\t1\n")
    if text != str(2**63):
        refuses(lambda: read_ratings(tmp_path / "ratings"), "ratings:3")
    for name in ("utt2spk", "text"):
        (tmp_path / name).write_text("u1 s\nu2 s\n")
    for name in ("utt2num_frames", "utt2dur"):
        (tmp_path / name).write_text(f"u1 10\nu2 {text}\n")
        if name == "utt2num_frames":
            refuses(lambda: info(tmp_path), f"{name}:2")
        if text in NO_NUMBERS:
            asrkit("subset-data", tmp_path, tmp_path / "out", "--shortest=1", status=1)
        elif text in NO_NUMBERS:
            refuses(lambda: utterance_lengths(read_data_dir(tmp_path), 0.01), f"{name}:2")
        asrkit("validate-data", tmp_path, "--no-wav", "--no-feats", status=1)
        err = "".join(capsys.readouterr())
        assert "Traceback" not in err and (text in ("1.5", "1e3", str(2**63)) or f"{name}:2" in err)
        (tmp_path / name).unlink()


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_numbers_on_the_command_line(text, tmp_path, capsys):
    for words in (
        ("compute-mfcc", tmp_path, f"--num-ceps={text}"),
        ("compute-mfcc", tmp_path, f"--low-freq={text}"),
        ("perturb", tmp_path, tmp_path / "out", f"--speed={text}x"),
        ("train", tmp_path, tmp_path / "exp", f"--warps=0.9,{text}x"),
        ("learning-curve", tmp_path, tmp_path / "exp", f"--counts={text}x"),
        ("combine", tmp_path, tmp_path / "out", tmp_path, tmp_path, f"--weights=1,{text}x"),
    ):
        with pytest.raises(SystemExit, match="2"):
            asrkit(*words)
        err = capsys.readouterr().err
        assert "Traceback" not in err and err.count("error:") == 1, err


def test_numbers_in_json(tmp_path):
    path = tmp_path / "x.json"
    for text in (
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "1" + "0" * 400,
        DIGITS,
        "[" * 100000,
        "",
        "1_0",
        "²",
        "\0",
        "\ufeff{}",
    ):
        with pytest.raises((ValueError, RecursionError)):
            loads(text)
        path.write_text(f'{{"seconds": {text}}}' if text[:1] != "\ufeff" else text)
        refuses(lambda: read_object(path, {"seconds": float}, "asrkit train"), "x.json")
    for value in ('"1"', "null", "true", "[1]", "{}"):
        path.write_text(f'{{"seconds": {value}}}')
        refuses(lambda: read_object(path, {"seconds": float}, "asrkit train"), "x.json", "seconds")


def test_values_of_the_python_interface():
    for value in (10**400, 10**5000, -(10**5000), 2**63):
        with pytest.raises(SettingsError, match="num_ceps="):
            MfccConfig(num_ceps=value)
        if abs(value) > 2**1000:
            with pytest.raises(SettingsError, match="low_hz="):
                MfccConfig(low_hz=value)


# tables


@pytest.mark.parametrize("name", ["wav.scp", "feats.scp", "text", "utt2spk", "segments"])
def test_nul_bytes_in_tables(tmp_path, name, capsys):
    (tmp_path / "utt2spk").write_text("utt spk\n")
    (tmp_path / name).write_bytes(b"utt /a\0b\n")
    refuses(lambda: read_data_dir(tmp_path), f"{name}:1", "utt")
    asrkit("validate-data", tmp_path, status=1)
    assert f"{name}:1" in "".join(capsys.readouterr())


@pytest.mark.parametrize("line", ["--cmvn=a\0b", "--a\0b", "\0"])
def test_nul_bytes_in_conf_files(tmp_path, line, capsys):
    (tmp_path / "x.conf").write_text(f"{line}\n")
    with pytest.raises(SystemExit, match="2"):
        asrkit("compute-mfcc", tmp_path, f"--config={tmp_path / 'x.conf'}")
    assert "x.conf:1" in capsys.readouterr().err


def test_a_message_is_one_line_whatever_the_file_holds(tmp_path):
    path = tmp_path / "x.conf"
    for text in ("a\x0bb", "a\x1b[2Jb", "a\u2028b", "a\x85b", "x" * 10**6, "\0", "\x1c"):
        path.write_text(f"--num-ceps={text}\n")
        refuses(lambda: from_conf(MfccConfig, path), "x.conf")
        path.write_text(f"{text}\n")
        if text.strip():
            refuses(lambda: from_conf(MfccConfig, path), "x.conf")


@pytest.mark.parametrize("line", [b"utt 1 0 0 a\n", b";; comment\n", b"\n", b"x", b"\0", b"u 1 0.0 0.1"])
def test_gzip_files_that_hold_far_more_than_they_are(tmp_path, line, little):
    path = tmp_path / "x.ctm.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        block = line * (2**20 // len(line))
        for _ in range(2 * ROOM // len(block)):
            stream.write(block)
    assert path.stat().st_size * RATIO < 2 * ROOM
    refuses(lambda: read_ctm(path), "x.ctm.gz", "times its own size")
    refuses(lambda: read_ali(path, {1: "A"}, 0.01), "x.ctm.gz")


def test_gzip_files_that_are_damaged(tmp_path):
    path, rng = tmp_path / "x.ctm.gz", np.random.default_rng(0)
    whole = gzip.compress(b"".join(b"u 1 %d 1 A%d\n" % (i, rng.integers(99)) for i in range(200)))
    path.write_bytes(whole)
    assert len(read_ctm(path)["u"]) == 200
    for size in range(2, len(whole) - 1, 23):
        path.write_bytes(whole[:size])
        refuses(lambda: read_ctm(path), "x.ctm.gz")
    path.write_bytes(whole[:50] + b"\0" + whole[51:])
    refuses(lambda: read_ctm(path), "x.ctm.gz")


def test_a_line_without_end(tmp_path):
    (tmp_path / "x.ctm").write_bytes(b"u 1 0 1 " + b"A" * (1 << 21))
    refuses(lambda: read_ctm(tmp_path / "x.ctm"), "x.ctm:1", "a line of more than")


def test_components_of_scores(tmp_path):
    for comp in ("²", "1_0", "x", "-1", DIGITS):
        (tmp_path / "phones.tsv").write_text(
            f"utt\tidx\tphone\tstart\tend\tloglik\tcomp\nu\t0\tAA\t0.0\t0.1\t-2\t{comp}\n"
        )
        refuses(lambda: mixgop_clusters(tmp_path), "phones.tsv:2")


# what libraries raise


class Unheard(Exception):
    """A type of the next release."""


@pytest.mark.parametrize(
    "error", [Unheard("no\nsense"), Unheard(), KeyError("x"), MemoryError(), RecursionError("deep"), SettingsError("n=1"), OSError(22, "Invalid argument")]
)  # fmt: skip
def test_whatever_a_library_raises_names_the_file(error):
    match = r"^file.npz: no model: .+ \(make it anew, or copy it again\)$"
    with pytest.raises(DataError, match=match), reading("file.npz", "no model"):
        raise error


def test_errors_that_name_a_file_stay(tmp_path):
    with pytest.raises(FileNotFoundError), reading("x", "no model"):
        open(tmp_path / "none")
    with pytest.raises(DataError, match="^as it was$"), reading("x", "no model"):
        raise DataError("as it was")
    assert LONGEST_HEADER < 10000
