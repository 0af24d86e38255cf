"""Many of each kind of bad request, slow senders and readers among them: the server answers on, with the memory that it had."""

import base64
import contextlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="the extra web is not installed")

from served import make_model, sound_file, spoken

MANY = int(os.environ.get("ASRKIT_MANY", "100"))  # of each kind; .ci/run asks for a thousand
SERVER = """
import sys
from asrkit.web.limits import Limits
from asrkit.web.server import ServerConfig, prepare
limits = Limits(per_s=1e9, burst=10**9, header_s=1.0, body_s=1.0, stall_s=1.0, hello_s=1.0, silent_s=1.0, connections=40)
server = prepare(sys.argv[1], config=ServerConfig(port=0), limits=limits)
print(server.address, flush=True)
server.run()
"""
pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="memory is read from /proc")


class Target:
    """A server in a process of its own."""

    def __init__(self, exp):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(exp)], stdout=subprocess.PIPE, text=True
        )
        found = re.fullmatch(r"http://127.0.0.1:(\d+)/\?token=(\S+)", self.process.stdout.readline().strip())
        self.port, self.token = int(found[1]), found[2]
        self.word = sound_file(spoken("one"))
        end_s = time.monotonic() + 20
        while True:
            try:
                assert self.hears()
                break
            except ConnectionError:
                assert time.monotonic() < end_s
                time.sleep(0.05)
        time.sleep(0.3)
        self.files = self.resources()[1]  # open while nobody asks

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def request(self, method, path, body=b"", headers=(), proof=True, length=None, close=False):
        """The bytes of a request."""
        lines = [f"{method} {path} HTTP/1.1"]
        if not any(line.lower().startswith("host:") for line in headers):
            lines.append(f"Host: 127.0.0.1:{self.port}")
        if proof:
            lines.append(f"Authorization: Bearer {self.token}")
        if method != "GET":
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        lines += [*headers, *(["Connection: close"] if close else [])]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def hears(self):
        """Whether a word is heard now."""
        with self.connect() as sock:
            sock.sendall(self.request("POST", "/api/hear", self.word, close=True))
            answer = read_all(sock)
        return b" 200 OK" in answer[:20] and b'"word":"one"' in answer

    def hears_again(self, within_s):
        """Whether a word is heard, who is told to try again does."""
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            with contextlib.suppress(ConnectionError):
                if self.hears():
                    return True
            time.sleep(0.05)
        return False

    def resources(self):
        """(bytes in memory, open files) of the process."""
        with open(f"/proc/{self.process.pid}/statm") as stream:
            pages = int(stream.read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{self.process.pid}/fd"))


def read_all(sock):
    data = b""
    while more := sock.recv(1 << 16):
        data += more
    return data


def read_answer(stream):
    """Status of the next answer on a connection, read to its end."""
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    stream.read(length)
    return status


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    target = Target(make_model(tmp_path_factory.mktemp("model")))
    yield target
    target.process.terminate()
    target.process.wait(20)
    target.process.stdout.close()


def again_and_again(target, asked, count=MANY, at_a_time=20):
    """The statuses of equal requests on connections that stay open."""
    statuses = []
    with target.connect() as sock, sock.makefile("rb") as stream:
        for start in range(0, count, at_a_time):
            some = min(at_a_time, count - start)
            sock.sendall(asked * some)
            statuses += [read_answer(stream) for _ in range(some)]
    return set(statuses), len(statuses)


def kinds(target):
    post = lambda body, **more: target.request("POST", "/api/hear", body, **more)  # noqa: E731
    hour = sound_file(np.zeros(3600 * 1000, dtype=np.int16), 1000, "FLAC")
    return {
        "no sound": (post(b"no sound at all"), 415),
        "empty": (post(b""), 400),
        "an hour": (post(hour), 413),
        "silence": (post(sound_file(np.zeros(800))), 422),
        "no token": (post(b"x" * 100, proof=False), 401),
        "another origin": (post(b"x" * 100, headers=["Origin: http://evil.example"]), 403),
        "another host": (post(b"x" * 100, headers=["Host: evil.example"]), 421),
        "no path": (target.request("GET", "/nothing"), 404),
        "no JSON": (target.request("POST", "/api/teach", b"{" * 100), 400),
        "no recording to teach": (
            target.request("POST", "/api/teach", json.dumps({"word": "up", "recordings": [base64.b64encode(b"x" * 100).decode()]}).encode()),
            415,
        ),
    }  # fmt: skip


def ended_early(target):
    """What ends before it is whole: half a head, half a body, 200 MB announced, no HTTP, half a WebSocket."""
    post = target.request("POST", "/api/hear", b"x" * 50, length=100)
    upgrade = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    return {
        "half a head": (post[:40], b" 400 "),
        "half a body": (post, b""),
        "200 MB": (target.request("POST", "/api/hear", b"x" * 50, length=200_000_000), b" 413 "),
        "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b" 400 "),
        "nothing": (b"", b" 400 "),
        "a WebSocket of another origin": (target.request("GET", "/api/listen", headers=[*upgrade, "Origin: http://evil.example"]), b" 403 "),
        "a WebSocket that goes away": (target.request("GET", "/api/listen", headers=upgrade), b" 101 "),
    }  # fmt: skip


def test_many_of_each_leave_it_as_it_was(target):
    for asked, _ in kinds(target).values():
        again_and_again(target, asked, 30)
    for sent, _ in ended_early(target).values():
        cut_off(target, sent)
    before = settled(target)
    for kind, (asked, status) in kinds(target).items():
        assert again_and_again(target, asked) == ({status}, MANY), kind
    for kind, (sent, answer) in ended_early(target).items():
        answers = [cut_off(target, sent) for _ in range(MANY)]
        assert all(answer in one[:20] for one in answers), (kind, {one[:20] for one in answers})
    assert target.hears()
    assert settled(target) - before < 16 << 20


def cut_off(target, data):
    """What is answered to who sends that, and then no more."""
    with target.connect() as sock:
        sock.sendall(data)
        try:
            sock.shutdown(socket.SHUT_WR)
            return read_all(sock)
        except ConnectionError:
            return b""


def settled(target, wait_s=10.0):
    """Bytes in memory once nothing is open any more but what is always."""
    end_s = time.monotonic() + wait_s
    while True:
        memory, files = target.resources()
        if files <= target.files:
            return memory
        assert time.monotonic() < end_s, f"{files} files are open, {target.files} were"
        time.sleep(0.05)


def test_many_at_once_and_slow_ones_among_them(target):
    """All of them hold their connections; a word is heard meanwhile, and each of them is told something in the end."""
    before = settled(target)
    heads = [
        target.request("POST", "/api/hear", b"x", length=1000),  # a body that does not come
        target.request("POST", "/api/hear", b"x", length=1000)[:50],  # a head that does not end
        target.request("POST", "/api/hear", b"x", length=1000, proof=False),  # a body that nobody waits for
        b"",
    ]
    held, answers = {}, []
    for number in range(MANY):
        sock = target.connect()
        sock.sendall(heads[number % len(heads)])
        held[sock] = b""
        if number % 100 == 50:
            assert target.hears_again(10)
    end_s = time.monotonic() + 20
    while held and time.monotonic() < end_s:
        ready, _, _ = select.select(list(held)[:500], [], [], 0.5)
        for sock in ready:
            data = b""
            with contextlib.suppress(ConnectionError):
                data = sock.recv(4096)
            if data:
                held[sock] += data
            else:
                sock.close()
                answers.append(held.pop(sock)[9:12])
    assert b"503" in answers  # who waited longest made room
    assert not held and set(answers) <= {b"408", b"503", b"401", b""} and answers.count(b"") < MANY / 4
    assert settled(target) - before < 16 << 20


def test_who_does_not_read_is_left(target):
    """Of many answers none is taken: the server waits for so long, and then breaks off."""
    before = settled(target)
    with target.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(0.5)
        asked = target.request("GET", "/assets/draw.js") * 100
        with contextlib.suppress(TimeoutError, ConnectionError):
            for _ in range(1000):
                sock.sendall(asked)
        time.sleep(0.3)
        assert target.resources()[1] > target.files
        assert settled(target) - before < 16 << 20
    assert target.hears()


def test_200_megabytes_that_really_come(target):
    """They are refused before they are there, and read away without being kept."""
    before, most = settled(target), 0
    with target.connect() as sock:
        sock.sendall(target.request("POST", "/api/hear", length=200_000_000))
        piece = bytes(1 << 20)
        try:
            for _ in range(190):
                sock.sendall(piece)
                most = max(most, target.resources()[0])
        except ConnectionError:  # patience ended
            pass
        assert b" 413 " in sock.recv(100)[:20]
    assert most - before < 32 << 20 and target.hears()
