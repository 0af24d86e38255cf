"""What the page asks of the server, over a real connection: hearing, teaching, forgetting, hands-free; and clear answers to what is amiss."""

import base64
import functools
import json
import time

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="the extra web is not installed")

from dataclasses import replace

from served import OPEN, make_model, serving, sound_file, spoken
from streams import stream_of
from synthetic import RATE_HZ
from websockets.exceptions import ConnectionClosed, InvalidStatus

import asrkit
from asrkit.workflows.explain import explain

WORDS = ("one", "two", "three")


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def client(exp):
    with serving(exp) as client:
        yield client


def likeliest(said):
    """The best of the words, <unk> not among them."""
    return max(said["ranked"], key=lambda one: one["log_likelihood"] or -1e99)["word"]


@pytest.mark.parametrize("word", WORDS)
def test_a_recording_is_heard_as_recognize_hears_it(client, exp, word):
    data = sound_file(spoken(word))
    status, said = client.post("/api/hear", data)
    samples = np.round(spoken(word) * 32768) / 32768
    want = explain(asrkit.load(exp, min_confidence=0.6), samples.astype(np.float32), RATE_HZ).to_json()
    assert status == 200 and said["word"] == word
    assert said["p"] == pytest.approx(want["p"], abs=1e-3)
    assert said["contrast"]["winner"]["word"] == word and said["start_s"] == want["start_s"]


def test_what_is_odd_goes_to_who_sent_it(client):
    status, said = client.post("/api/hear", sound_file(spoken("one")[::2], RATE_HZ // 2))
    assert status == 200 and said["notes"][-1].endswith("its upper band is empty")


@functools.cache
def hostile():
    word, hour = spoken("one"), np.zeros(3600 * RATE_HZ, dtype=np.int16)
    nan = np.where(np.arange(len(word)) == 9, np.nan, word)
    return {
        "empty": (b"", 400, "empty, 0 bytes"),
        "text": (b"hello, this is no sound" * 40, 415, "not a recording"),
        "a web page": (b"<!doctype html><p>no", 415, "not a recording"),
        "an hour, packed": (sound_file(hour, form="FLAC"), 413, "longer than 30 s"),
        "silence": (sound_file(np.zeros(RATE_HZ)), 422, "check the microphone"),
        "a click": (sound_file(word[:50]), 422, "shorter than"),
        "no samples": (sound_file(word[:0]), 422, "0 samples"),
        "NaN": (sound_file(nan, subtype="FLOAT"), 422, "NaN"),
        "another scale": (sound_file(word * 32768, subtype="FLOAT"), 422, "times full scale"),
        "cut off": (sound_file(word)[: len(word)], 415, "missing"),
        "too many bytes": (bytes(OPEN.sound_bytes + 1), 413, "more than"),
    }  # fmt: skip


@pytest.mark.parametrize("kind", hostile())
def test_what_is_no_word_has_its_own_status(client, kind):
    data, want, why = hostile()[kind]
    status, said = client.post("/api/hear", data)
    assert status == want and why in said["error"] and "\n" not in said["error"]
    assert client.post("/api/hear", sound_file(spoken("two")))[1]["word"] == "two"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/assets/..%2fapp.py", None, 404),
        ("GET", "/assets/%2e%2e/app.py", None, 404),
        ("GET", "/assets/nothing.js", None, 404),
        ("GET", "/report", None, 404),
        ("GET", "/api/hear", None, 405),
        ("DELETE", "/api/model", None, 405),
        ("POST", "/api/teach", b"{", 400),
        ("POST", "/api/teach", b"[" * 100_000, 400),
        ("POST", "/api/teach", b"\xff\xfe", 400),
        ("POST", "/api/teach", b"3", 400),
        ("POST", "/api/teach", b"{}", 400),
        ("POST", "/api/teach", b'{"word": "up", "recordings": ["?"]}', 400),
        ("POST", "/api/teach", b'{"word": "up", "recordings": [""]}', 400),
        ("POST", "/api/teach", b'{"word": "up", "recordings": []}', 422),
        ("POST", "/api/teach", b'{"word": "up", "recordings": "UklGRg=="}', 400),
        ("POST", "/api/teach", json.dumps({"word": "up", "recordings": ["aGVsbG8="]}).encode(), 415),
        ("POST", "/api/teach", json.dumps({"word": "up", "recordings": ["aGVsbG8="] * 11}).encode(), 422),
        ("POST", "/api/teach", json.dumps({"word": 3, "recordings": ["aGVsbG8="]}).encode(), 400),
        ("POST", "/api/forget", b'{"word": "seven"}', 422),
        ("POST", "/api/forget", b'{"word": "\\ud800"}', 422),
        ("POST", "/api/forget", b"{}", 400),
    ],
)
def test_what_can_not_be_done_says_so(client, method, path, body, status):
    found, _, said = client.ask(method, path, body)
    assert found == status and isinstance(said["error"], str), said


def test_the_page_and_its_parts_are_there(client):
    page = client.get("/").decode()
    for name in ("page.css", "page.js", "icon.svg"):
        assert f"/assets/{name}" in page
    for name in (
        "page.css",
        "page.js",
        "api.js",
        "draw.js",
        "live.js",
        "recorder.js",
        "teach.js",
        "worklet.js",
        "icon.svg",
    ):
        data = client.get(f"/assets/{name}").decode()
        assert "http://" not in data.replace("http://www.w3.org/2000/svg", "") and "https://" not in data, (
            name
        )
        for other in [line.split('"')[-2] for line in data.splitlines() if line.startswith("import ")]:
            client.get(f"/assets/{other.removeprefix('./')}")


def in_base64(*sounds):
    return [base64.b64encode(sound_file(one)).decode() for one in sounds]


def test_a_word_is_tried_taught_heard_and_forgotten(tmp_path):
    exp = make_model(tmp_path / "exp")
    before, takes = (exp / "final.npz").read_bytes(), [spoken("four", seed) for seed in range(3)]
    with serving(exp) as client:
        asked = {"word": " four ", "recordings": in_base64(*takes)}
        status, tried = client.post("/api/teach", asked)
        assert status == 200 and not tried["kept"] and tried["count"] == 3
        assert any("kept recordings of other words" in line for line in tried["lines"])
        assert (exp / "final.npz").read_bytes() == before and len(client.get("/api/model")["words"]) == 3
        status, taught = client.post("/api/teach", {**asked, "keep": True})
        assert status == 200 and taught["kept"] and taught["lines"] == tried["lines"]
        words = {own["word"]: own for own in client.get("/api/model")["words"]}
        assert words["four"] == {"word": "four", "taught": 3, "trained": False}
        assert likeliest(client.post("/api/hear", sound_file(spoken("four", 50)))[1]) == "four"
        again = client.post("/api/teach", {**asked, "keep": True})
        assert again[0] == 422 and "taught before" in again[1]["error"]
        broken = {**asked, "recordings": [*in_base64(takes[0]), *in_base64(np.zeros(4000))]}
        status, said = client.post("/api/teach", broken)
        assert status == 422 and said["error"].startswith("recording 2: ")
        assert client.post("/api/forget", {"word": "four"})[0] == 200
        assert (exp / "final.npz").read_bytes() == before
        assert sorted(path.name for path in exp.iterdir() if not path.name.startswith(".")) == ["final.npz"]


def test_a_vocabulary_begins_with_the_first_word(tmp_path):
    with serving(tmp_path / "new") as client:
        assert client.get("/api/model")["words"] == []
        status, said = client.post("/api/hear", sound_file(spoken("one")))
        assert status == 409 and "no words yet" in said["error"]
        for word in ("one", "three"):
            takes = in_base64(*(spoken(word, seed) for seed in range(3)))
            assert client.post("/api/teach", {"word": word, "recordings": takes, "keep": True})[0] == 200
        assert likeliest(client.post("/api/hear", sound_file(spoken("one")))[1]) == "one"


def test_a_model_that_goes_and_comes_back(tmp_path):
    exp, asked = make_model(tmp_path / "exp"), sound_file(spoken("one"))
    with serving(exp) as client:
        assert client.post("/api/hear", asked)[0] == 200
        data = (exp / "final.npz").read_bytes()
        (exp / "final.npz").unlink()
        for path, body in (
            ("hear", asked),
            ("forget", {"word": "one"}),
            ("teach", {"word": "up", "recordings": in_base64(spoken("four")), "keep": True}),
        ):
            status, said = client.post(f"/api/{path}", body)
            assert status == 503 and "the model is gone" in said["error"], path
        assert not (exp / "final.npz").exists()
        (exp / "final.npz").write_bytes(data[:1000])
        status, said = client.post("/api/hear", asked)
        assert status == 503 and "final.npz" in said["error"]
        (exp / "final.npz").write_bytes(data)
        assert client.post("/api/hear", asked)[1]["word"] == "one"


@pytest.mark.parametrize("family", ["gmm", "dhmm", "dtw"])
def test_families_that_can_not_be_taught_say_so_and_hear(tmp_path, family):
    settings = {"num_symbols": 16} if family == "dhmm" else {}
    with serving(make_model(tmp_path, family=family, **settings)) as client:
        assert "can't be taught" in client.get("/api/model")["why_not_teachable"]
        status, said = client.post("/api/hear", sound_file(spoken("three")))
        assert status == 200 and likeliest(said) == "three"
        assert (said["symbols"] is not None) == (family == "dhmm")
        status, refused = client.post("/api/teach", {"word": "up", "recordings": in_base64(spoken("four"))})
        assert status == 422 and "can't be taught" in refused["error"]


def test_what_is_in_memory_is_bounded_and_let_go(exp):
    data = sound_file(spoken("one"))
    with serving(exp, replace(OPEN, held_bytes=2 * len(data))) as client:
        assert {client.post("/api/hear", data)[0] for _ in range(5)} == {200}
        status, said = client.post("/api/hear", data * 3)
        assert status == 503 and "too much" in said["error"]
        assert client.post("/api/hear", data)[0] == 200


def test_recordings_are_kept_when_that_is_asked_for(exp, tmp_path):
    with serving(exp, replace(OPEN, kept=1), keep=tmp_path / "kept") as client:
        assert client.get("/api/model")["keeps"]
        for word in ("one", "two"):
            assert client.post("/api/hear", sound_file(spoken(word)))[0] == 200
    (name,) = [path.name for path in (tmp_path / "kept").glob("*.wav")]
    rows = (tmp_path / "kept" / "heard.tsv").read_text().splitlines()
    assert len(rows) == 2 and rows[1].split("\t")[:2] == [name, "one"]
    assert asrkit.load(exp).recognize(tmp_path / "kept" / name).word == "one"


def test_a_report_is_a_page_that_reaches_nothing(exp, tmp_path):
    for name in ("report.html", "report-2.html", "secret.html", "report-x.html"):
        (tmp_path / name).write_text(name)
    with serving(exp, report=tmp_path / "report.html") as client:
        assert client.ask("GET", "/report", bearer=False)[0] == 401
        status, headers, _ = client.ask("GET", "/report")
        folder = headers["location"].removesuffix("report.html")
        assert status == 303 and len(folder) > 50
        # a page in a sandbox has no cookie, and asks for the next
        sandboxed = {"Sec-Fetch-Site": "cross-site"}
        for name in ("report-2.html", "report.html"):
            status, headers, data = client.ask("GET", folder + name, headers=sandboxed, bearer=False)
            assert status == 200 and data == name.encode()
        for path in (
            folder + "secret.html",
            folder + "report-x.html",
            folder + "report-3.html",
            folder + "..%2fapp.py",
            "/report/x/report.html",
        ):
            assert client.ask("GET", path)[0] == 404, path
        assert client.ask("GET", folder[:-3] + "x/report.html", headers=sandboxed, bearer=False)[0] == 403
        assert client.ask("POST", folder + "report.html", b"", bearer=False)[0] == 401
        policy = headers["content-security-policy"]
        assert "sandbox" in policy and "allow-same-origin" not in policy and "default-src 'none'" in policy


# Hands-free


def heard(socket, until, timeout_s=20):
    """Messages up to the one that is waited for."""
    found, end_s = [], time.monotonic() + timeout_s
    while not until(found):
        found.append(json.loads(socket.recv(timeout=end_s - time.monotonic())))
    return found


def pcm(samples):
    return np.round(samples * 32767).astype("<i2").tobytes()


def test_words_come_as_listen_finds_them_and_then_why(client, exp):
    samples, _ = stream_of(["one", "three", "two"], np.random.default_rng(0))
    stream = asrkit.load(exp, min_confidence=0.6)
    stream = stream.stream(RATE_HZ, speaker=stream.speaker() if stream.learns else None)
    want = stream.push(np.frombuffer(pcm(samples), "<i2").astype(np.float32) / 32768)
    with client.listen() as socket:
        socket.send(json.dumps({"rate": RATE_HZ}))
        data = pcm(samples)
        for start in range(0, len(data), 320):
            socket.send(data[start : start + 320])
        found = heard(socket, lambda found: sum(one["type"] == "why" for one in found) == len(want))
    words = [one for one in found if one["type"] == "word"]
    assert found[0] == {"type": "ready"} and [one["word"] for one in words] == [own.word for own in want]
    assert [own.word for own in want] == ["one", "three", "two"]
    for one, own in zip(words, want):
        assert one["start"] == pytest.approx(own.start_s, abs=1e-3) and one["p"] == pytest.approx(
            own.confidence
        )
    why = [one for one in found if one["type"] == "why"]
    assert [likeliest(one["why"]) for one in why] == ["one", "three", "two"]
    assert {one["on"] for one in found if one["type"] == "speaking"} == {True, False}


@pytest.mark.parametrize(
    ("messages", "code", "why"),
    [
        (["no JSON"], 1003, "first message"),
        (["[]"], 1003, "first message"),
        ([b"\0\0"], 1003, "first message"),
        (['{"rate": "many"}'], 1003, "rate is"),
        (['{"rate": 3}'], 1003, "3"),
        (['{"rate": NaN}'], 1003, "rate"),
        (['{"rate": 8000}', b"\0"], 1003, "half a sample"),
        (['{"rate": 8000}', "text"], 1003, "text, where samples"),
        (['{"rate": 8000}', *[bytes(OPEN.message_bytes)] * 2], 1008, "faster than"),  # nothing is on its way as it closes
        (['{"rate": 8000}', bytes(OPEN.message_bytes + 2)], 1009, ""),
    ],
)  # fmt: skip
def test_a_stream_that_is_none_is_closed_with_a_reason(client, messages, code, why):
    with client.listen() as socket, pytest.raises(ConnectionClosed) as closed:
        for message in messages:
            socket.send(message)
        while True:
            socket.recv(timeout=20)
    assert closed.value.rcvd.code == code and why in closed.value.rcvd.reason
    assert client.get("/api/model")["words"]


def test_a_stream_goes_on_with_the_model_that_was_taught(tmp_path):
    exp = make_model(tmp_path / "exp")
    with serving(exp) as client, client.listen() as socket:
        socket.send(json.dumps({"rate": RATE_HZ}))
        samples, _ = stream_of(["one", "two"], np.random.default_rng(1))
        socket.send(pcm(samples))
        assert (
            len(
                [
                    own
                    for own in heard(socket, lambda found: found and found[-1]["type"] == "why")
                    if own["type"] == "word"
                ]
            )
            >= 1
        )
        client.post(
            "/api/teach",
            {
                "word": "four",
                "recordings": in_base64(*(spoken("four", seed) for seed in range(3))),
                "keep": True,
            },
        )
        samples, _ = stream_of([spoken("four", 60, 0)], np.random.default_rng(2))
        socket.send(pcm(samples))
        found = heard(socket, lambda found: found and found[-1]["type"] == "word" and found[-1]["start"] > 2)
        assert likeliest(found[-1]) == "four"
        (exp / "final.npz").unlink()
        with pytest.raises(ConnectionClosed) as closed:
            socket.send(pcm(samples))
            while True:
                socket.recv(timeout=20)
    assert closed.value.rcvd.code == 1011 and "the model is gone" in closed.value.rcvd.reason


def test_only_so_many_are_heard_at_a_time(exp):
    with serving(exp, replace(OPEN, streams=1, silent_s=0.3, hello_s=0.3)) as client:
        with client.listen() as socket:
            with pytest.raises(InvalidStatus) as refused:
                client.listen()
            assert refused.value.response.status_code == 503
            with pytest.raises(ConnectionClosed) as closed:  # who says nothing
                socket.recv(timeout=20)
            assert closed.value.rcvd.code == 1008
        with client.listen() as socket:
            socket.send(json.dumps({"rate": RATE_HZ}))
            with pytest.raises(ConnectionClosed):  # who begins and then is silent
                while True:
                    socket.recv(timeout=20)
