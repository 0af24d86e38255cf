"""A small model behind a real server on loopback, and a client that sends what one tells it, byte for byte."""

import contextlib
import http.client
import io
import json
import threading
import time

import numpy as np
import soundfile
from synthetic import RATE_HZ, WORDS, word_samples

import asrkit
from asrkit.web.limits import Limits

MANY = 10**9
OPEN = Limits(per_s=MANY, burst=MANY)  # no pace


def make_model(folder, words=("one", "two", "three"), family="chmm", **settings):
    """EXP/final.npz of invented words, and EXP."""
    takes = {
        word: [
            word_samples(word, np.random.default_rng([sorted(WORDS).index(word), take]), 100 + 10 * take)
            for take in range(8)
        ]
        for word in words
    }
    asrkit.train(takes, rate_hz=RATE_HZ, family=family, **{"warps": "", **settings}).save(folder)
    return folder


def spoken(word, seed=99, pad_s=0.3):
    return word_samples(word, np.random.default_rng(seed), pad_s=pad_s)


def sound_file(samples, rate_hz=RATE_HZ, form="WAV", subtype=None):
    """The bytes of a sound file."""
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate_hz, format=form, subtype=subtype)
    return stream.getvalue()


class Client:
    """Who knows the token and asks."""

    def __init__(self, server):
        self.server, self.token = server, server.token
        self.port = server.port
        self.own = f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, headers=None, bearer=True):
        """(status, headers, JSON or bytes) of a request of its own connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        proof = {"Authorization": f"Bearer {self.token}"} if bearer else {}
        try:
            connection.request(method, path, body, {**proof, **(headers or {})})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        said = dict(answer.headers.items())
        return (
            answer.status,
            said,
            json.loads(data) if said.get("content-type") == "application/json" else data,
        )

    def get(self, path):
        status, _, said = self.ask("GET", path)
        assert status == 200, said
        return said

    def post(self, path, body):
        status, _, said = self.ask("POST", path, body if isinstance(body, bytes) else json.dumps(body))
        return status, said

    def listen(self, headers=None, bearer=True):
        """A WebSocket, as websockets.sync.client has it."""
        from websockets.sync.client import connect

        proof = {"Authorization": f"Bearer {self.token}"} if bearer else {}
        return connect(
            f"ws://127.0.0.1:{self.port}/api/listen",
            additional_headers={**proof, **(headers or {})},
            compression=None,
            proxy=None,
            max_size=None,
        )


@contextlib.contextmanager
def serving(exp, limits=OPEN, **settings):
    """A Client of a server of this process, which ends with the block."""
    from asrkit.web.server import ServerConfig, prepare

    server = prepare(exp, config=ServerConfig(port=0), limits=limits, **settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        end_s = time.monotonic() + 30
        while not server.answers:
            assert thread.is_alive() and time.monotonic() < end_s
            time.sleep(0.01)
        yield Client(server)
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()
