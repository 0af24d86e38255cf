"""Paths and URLs: what is one, what asrkit's stand-in for a path far away does, and what happens where a store does not."""

import io
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from stores import far_root, put_tree, s3_root, s3_server, unsteady  # noqa: F401

from asrkit.errors import DataError, StoreError
from asrkit.io.archive import read_ark, read_matrix, read_scp, resolve, write_archive
from asrkit.io.audio import audio_blocks, audio_info, located, read_audio
from asrkit.io.data_dir import read_data_dir, subset
from asrkit.io.files import atomic_write, read_table, remove, write_table
from asrkit.io.holds import hold
from asrkit.io.model_file import npz_kind, read_npz, write_npz
from asrkit.io.pieces import pieces
from asrkit.io.places import RemotePath, absolute, as_path, is_url, local, open_place, present

TREE = {"a.txt": b"one", "below/b.txt": b"two", "below/deeper/c.ark": b"three", "below2/d.ark": b""}


@pytest.fixture
def tree(tmp_path):
    for name, content in TREE.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(content)
    return tmp_path / "tree"


def test_what_is_a_url(tmp_path, monkeypatch):
    assert all(map(is_url, ("s3://bucket/key", "GS://b", "memory://x/y:13", "file:///a")))
    assert not any(
        map(is_url, ("s3:", "s3:/bucket/key", "./s3://bucket", "/a/s3://b", "C://data", "://x", ""))
    )
    monkeypatch.chdir(tmp_path)
    pathlib.Path("s3:").mkdir()
    pathlib.Path("s3:/text").write_text("a b\n")
    assert read_table("s3:/text") == {"a": "b"}
    assert as_path("s3:/text") == pathlib.Path("s3:/text")
    assert isinstance(as_path("s3://text"), RemotePath)


def test_file_urls_are_paths(tmp_path):
    write_table(f"file://{tmp_path}/text", {"a": "b"})
    assert (tmp_path / "text").read_text() == "a b\n"
    assert as_path(f"FILE://localhost{tmp_path}/text") == tmp_path / "text"
    with pytest.raises(DataError, match=r"file://host/a: names a machine.*write file:///"):
        as_path("file://host/a")


@pytest.mark.parametrize("url", ["zip://a.txt::s3://bucket/a.zip", "reference://b/x.json"])
def test_urls_that_lead_on_are_refused(url):
    with pytest.raises(DataError, match="leads on to others is not followed"):
        as_path(url)


def test_names_are_those_of_pathlib():
    url, path = (
        as_path("S3://bucket/exp/mono.1/final.npz/"),
        pathlib.PurePosixPath("bucket/exp/mono.1/final.npz"),
    )
    assert str(url) == "s3://bucket/exp/mono.1/final.npz"
    assert (url.name, url.stem, url.suffix) == (path.name, path.stem, path.suffix)
    assert str(url.parent) == f"s3://{path.parent}" and str(url.parent.parent.parent) == "s3://bucket"
    assert url.parent.parent.parent.parent == as_path("s3://bucket")
    assert str(url.with_suffix(".scp")) == f"s3://{path.with_suffix('.scp')}"
    assert str(url.parent / "a/../b" / ".") == "s3://bucket/exp/mono.1/b"
    assert url.relative_to(as_path("s3://bucket/exp")).as_posix() == "mono.1/final.npz"
    assert absolute(url) == url and {url: 1}[as_path(str(url))] == 1
    assert sorted([url, url.parent])[0] == url.parent


def test_a_store_looks_like_the_folder_that_was_put_there(tree, far_root):
    put_tree(tree, f"{far_root}/tree")
    far = as_path(f"{far_root}/tree")
    for name in ("", "a.txt", "below", "below/deeper", "below/deeper/c.ark", "none", "below/a.txt", "bel"):
        one, other = far / name if name else far, tree / name
        for question in ("exists", "is_dir", "is_file"):
            assert getattr(one, question)() == getattr(other, question)(), (name, question)
    for names, expected in (
        (far.iterdir(), tree.iterdir()),
        (far.rglob("*.ark"), tree.rglob("*.ark")),
        (far.glob("*.txt"), tree.glob("*.txt")),
        (far.glob("below*/*.ark"), tree.glob("below*/*.ark")),
        ((far / "none").glob("*"), ()),
    ):
        assert [one.relative_to(far).as_posix() for one in names] == sorted(
            one.relative_to(tree).as_posix() for one in expected
        )
    assert (far / "below/b.txt").stat().st_size == 3
    assert present(far, ["a.txt", "none"]) == present(tree, ["a.txt", "none"]) == {"a.txt"}
    with pytest.raises(FileNotFoundError):
        (far / "none").read_bytes()


def test_an_object_written_anew_has_another_date(far_root):
    one = as_path(f"{far_root}/x")
    one.write_bytes(b"1")
    first = one.stat().st_mtime_ns
    assert one.stat().st_mtime_ns == first
    one.write_bytes(b"2")
    assert one.stat().st_mtime_ns != first


def test_range_reads_are_those_of_a_file(unsteady):
    content = np.random.default_rng(0).bytes(3_000_000)
    as_path("unsteady://b/x").write_bytes(content)
    rng, oracle = np.random.default_rng(1), io.BytesIO(content)
    with open_place("unsteady://b/x") as stream:
        for _ in range(60):
            offset, size = int(rng.integers(3_100_000)), int(rng.choice([1, 100, 2_000_000]))
            assert stream.seek(offset) == oracle.seek(offset)
            assert stream.read(size) == oracle.read(size) and stream.tell() == oracle.tell()
        assert stream.seek(-5, io.SEEK_END) == oracle.seek(-5, io.SEEK_END) and stream.read() == oracle.read()


def test_an_entry_of_an_archive_costs_a_range(unsteady):
    arrays = {f"u{i}": np.full((20_000, 13), i, dtype=np.float32) for i in range(6)}  # 1 MB each
    write_archive("unsteady://b/feats.ark", "unsteady://b/feats.scp", arrays.items())
    table = read_table("unsteady://b/feats.scp")
    assert table["u3"].startswith("unsteady://b/feats.ark:")
    unsteady.asked.clear()
    assert (read_matrix(table["u3"]) == 3).all()
    assert (read_matrix(table["u4"] + "[2:3]") == arrays["u4"][2:4]).all()
    read = sum(end - start for what, _, start, end in unsteady.asked if what == "cat")
    assert 2_000_000 < read < 4_300_000  # of 6.2 million
    for one in (read_scp(table), read_ark("unsteady://b/feats.ark")):
        assert {key: float(array[0, 0]) for key, array in one} == {f"u{i}": i for i in range(6)}


def test_where_entries_of_an_scp_lead(tree, tmp_path, far_root, monkeypatch):
    put_tree(tree, f"{far_root}/data")
    base = as_path(f"{far_root}/data")
    assert resolve("below/b.txt", base) == base / "below/b.txt"
    assert resolve("data/a.txt", base) == base / "a.txt"  # from its parent
    assert resolve(str(tree / "a.txt"), base) == tree / "a.txt"
    assert resolve(f"{far_root}/data/a.txt", tree) == base / "a.txt"
    monkeypatch.chdir(tree)
    assert resolve("a.txt", base) == pathlib.Path("a.txt")  # from here, as ever
    with pytest.raises(DataError, match="none.ark: no such file from here, from"):
        resolve("none.ark", base)


def test_recordings(tmp_path, far_root):
    samples = (np.random.default_rng(0).uniform(-0.5, 0.5, 4000) * 2**15).astype(np.int16)
    for name in ("x.wav", "x.flac"):
        soundfile.write(tmp_path / name, samples, 8000)
    (tmp_path / "wav.ark").write_bytes(b"u1 " + (tmp_path / "x.wav").read_bytes() * 2)
    put_tree(tmp_path, f"{far_root}/wavs")
    expected, _ = read_audio(tmp_path / "x.wav")
    for spec in ("x.wav", "x.flac", "wav.ark:3", f"wav.ark:{3 + (tmp_path / 'x.wav').stat().st_size}"):
        found, rate_hz = read_audio(f"{far_root}/wavs/{spec}")
        assert rate_hz == 8000 and (found == expected).all()
    assert audio_info("x.wav", base=as_path(f"{far_root}/wavs")) == (8000, 4000, 1)
    blocks, _ = audio_blocks(f"{far_root}/wavs/x.wav")
    assert (np.concatenate(list(blocks)) == expected).all()
    assert located(f"{far_root}/wavs/x.wav:3") == f"{far_root}/wavs/x.wav:3"
    with pytest.raises(DataError, match=r"none.wav: cannot be read: No such file"):
        read_audio(f"{far_root}/wavs/none.wav")
    with pytest.raises(DataError, match="shell pipe"):
        read_audio(f"cat {far_root}/wavs/x.wav |")


def test_what_is_written_appears_whole(far_root):
    path = f"{far_root}/exp/text"
    write_table(path, {"a": "é"})
    with pytest.raises(KeyError), atomic_write(path) as stream:
        stream.write("half")
        stream.flush()
        raise KeyError
    assert as_path(path).read_bytes() == "a é\n".encode()
    assert [one.name for one in as_path(f"{far_root}/exp").iterdir()] == ["text"]
    with hold(f"{far_root}/exp"), hold(f"{far_root}/exp"):
        remove(path)
        remove(path)
    assert not as_path(path).exists()


def test_large_objects_are_put_from_a_file(unsteady, tmp_path):
    as_path("unsteady://b/x").write_file(_of_size(tmp_path / "small", 10))
    (as_path("unsteady://b") / "y").write_file(_of_size(tmp_path / "large", 65 << 20))
    assert as_path("unsteady://b/x").stat().st_size == 10
    assert as_path("unsteady://b/y").stat().st_size == 65 << 20


def _of_size(path, size):
    with open(path, "wb") as stream:
        stream.truncate(size)
    return path


def test_arrays_of_a_model_file(far_root):
    write_npz(f"{far_root}/x.npz", "codebook", {}, {"a": np.arange(5)})
    assert npz_kind(f"{far_root}/x.npz") == "codebook"
    assert list(read_npz(f"{far_root}/x.npz", "codebook")[1]["a"]) == list(range(5))


def test_arrays_of_a_large_model_file(unsteady):
    arrays = {str(i): np.random.default_rng(i).random((100, 200)) for i in range(20)}
    write_npz("unsteady://b/x.npz", "codebook", {}, arrays)
    unsteady.asked.clear()
    found = read_npz("unsteady://b/x.npz", "codebook")[1]
    assert all((found[name] == array).all() for name, array in arrays.items())
    assert len(unsteady.asked) < 12  # 3.2 MB


def test_what_passes_is_tried_again(unsteady):
    one = as_path("unsteady://b/x")
    unsteady.fail(ConnectionError("reset"), times=2)
    one.write_bytes(b"content")
    unsteady.fail(TimeoutError(), times=1)
    assert one.read_bytes() == b"content"


def test_a_store_that_stays_away_is_named(unsteady):
    one = as_path("unsteady://b/x")
    one.write_bytes(b"content")
    unsteady.fail(ConnectionError("Could not connect\nto the endpoint"))
    with pytest.raises(
        StoreError, match=r"^unsteady://b/x: cannot be read: Could not connect \(once the store"
    ):
        one.read_bytes()
    with (
        pytest.raises(StoreError, match="x: cannot be written: Could not connect"),
        atomic_write(one) as stream,
    ):
        stream.write("new")
    unsteady.fail(None, 0)
    assert one.read_bytes() == b"content"


def test_a_store_that_refuses_is_asked_once(unsteady):
    unsteady.fail(PermissionError("Access Denied"))
    for call in (as_path("unsteady://b/x").exists, as_path("unsteady://b/x").read_bytes):
        unsteady.asked.clear()
        with pytest.raises(StoreError, match=r"no permission: Access Denied \(correct the credentials"):
            call()
        assert len(unsteady.asked) == 1


def test_a_bucket_that_is_not_there(s3_root):
    with pytest.raises(StoreError, match="s3://no-such-bucket/x: cannot be written: no such bucket"):
        write_table("s3://no-such-bucket/x", {"a": "b"})
    with pytest.raises(DataError, match="s3://no-such-bucket/x: no such file"):
        read_table("s3://no-such-bucket/x")


def test_what_another_process_writes_is_seen(s3_root):
    import s3fs

    folder = as_path(f"{s3_root}/exp")
    (folder / "a").write_bytes(b"1")
    assert [one.name for one in folder.iterdir()] == ["a"] and not (folder / "b").exists()
    other = s3fs.S3FileSystem(skip_instance_cache=True)
    other.pipe_file(f"{s3_root}/exp/b", b"22")
    other.pipe_file(f"{s3_root}/exp/a", b"333")
    assert (folder / "b").exists() and (folder / "a").stat().st_size == 3
    assert [one.name for one in folder.iterdir()] == ["a", "b"]


def test_what_can_not_be_opened_says_what_to_install():
    with pytest.raises(
        StoreError, match=r"nosuch://b/x: fsspec knows no nosuch:// \(a local path.*\./nosuch://b/x"
    ):
        as_path("nosuch://b/x").exists()
    pytest.importorskip("fsspec")
    try:
        import gcsfs  # noqa: F401
    except ImportError:
        with pytest.raises(StoreError, match=r"what opens gs:// is not installed \(pip install gcsfs\)"):
            as_path("gs://b/x").exists()


def test_without_fsspec_local_paths_work_and_urls_name_it(tmp_path):
    code = (
        "import sys; sys.modules['fsspec'] = None\n"
        "from asrkit.io.files import read_table, write_table\n"
        f"write_table({str(tmp_path / 'text')!r}, {{'a': 'b'}}); read_table({str(tmp_path / 'text')!r})\n"
        "try: read_table('s3://b/text')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("StoreError s3://b/text needs fsspec (") and "pip install" in ran.stdout


def test_what_must_be_local_says_so(tmp_path):
    assert local(tmp_path, "the model") == tmp_path
    with pytest.raises(DataError, match=r"s3://b/x: the model must be on this machine"):
        local("s3://b/x", "the model")


def test_urls_in_other_tables_are_words(make_data_dir, unsteady):
    folder = make_data_dir()
    text = dict.fromkeys(read_data_dir(folder).text, "unsteady://b/word")
    write_table(folder / "text", text)
    data = read_data_dir(folder)
    subset(data, data.utts[:2], folder.parent / "part")
    assert set(read_data_dir(folder.parent / "part").text.values()) == {"unsteady://b/word"}
    assert not unsteady.asked


def test_pieces_go_on(unsteady):
    folder = as_path("unsteady://b/.work")
    signature, kept = {"of": 1}, [(bytes([i]) * (i + 1), {"i": i}) for i in range(7)]
    work = pieces(folder, signature)
    work._each_bytes = 6  # in objects of 3, 2, 1 pieces
    for piece in kept[:6]:
        work.append(*piece)
    work.close()
    assert len(list(folder.iterdir())) > 1
    again = pieces(folder, signature)
    assert [(again.read(i), again.facts[i]) for i in range(len(again))] == kept[:6]
    again.keep(4)
    assert all(int(one.name) < 4 for one in folder.iterdir())
    for piece in kept[4:]:
        again.append(*piece)
    again.close()
    last = pieces(folder, signature)
    assert [(last.read(i), last.facts[i]) for i in range(len(last))] == kept
    next(iter(sorted(folder.iterdir()))).write_bytes(b"damaged\n\n")
    assert len(pieces(folder, signature)) == 0 and not folder.exists()
    work = pieces(folder, signature)
    work.append(*kept[0])
    work.close()
    assert len(pieces(folder, {"of": 2})) == 0 and not folder.exists()
