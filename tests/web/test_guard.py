"""Who is let in, and what every answer says to the browser: the middleware by itself, around an application that says yes."""

import asyncio
import json

import pytest

from asrkit.web.guard import HEADERS, Guard
from asrkit.web.limits import Limits

TOKEN, PORT = "a-token-that-nobody-knows", 8765
HOST = f"127.0.0.1:{PORT}"
OWN = f"http://{HOST}"
COOKIE = f"asrkit_{PORT}={TOKEN}"
CALLED = []


async def application(scope, receive, send):
    CALLED.append(scope["path"])
    if scope["path"] == "/broken":
        raise RuntimeError("what nobody thought of")
    kind = "http" if scope["type"] == "http" else "websocket.http"
    await send({"type": f"{kind}.response.start", "status": 200, "headers": []})
    await send({"type": f"{kind}.response.body", "body": b"yes"})


def make(clock=lambda: 0.0, **settings):
    return Guard(application, token=TOKEN, port=PORT, clock=clock, **settings)


def ask(guard, path="/api/model", headers=None, method="GET", kind="http", query="", denial=True):
    """(status, headers, body) of a request; a WebSocket that is closed has status None."""
    sent = []

    async def receive():
        return {"type": "websocket.connect" if kind == "websocket" else "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    given = {"host": HOST, **(headers or {})}
    scope = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "headers": [
            (name.encode(), value.encode("latin-1"))
            for name, values in given.items()
            for value in ([values] if isinstance(values, str) else values)
        ],
        "extensions": {"websocket.http.response": {}} if denial else {},
        **({"method": method} if kind == "http" else {}),
    }
    CALLED.clear()
    asyncio.run(guard(scope, receive, send))
    if sent[0]["type"] == "websocket.close":
        return None, {}, sent[0]["reason"]
    said = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], said, b"".join(message["body"] for message in sent[1:])


LET_IN = [
    {"headers": {"cookie": COOKIE}},
    {"headers": {"cookie": f"other=1; {COOKIE}"}},
    {"headers": {"cookie": COOKIE, "origin": OWN, "sec-fetch-site": "same-origin"}},
    {"headers": {"cookie": COOKIE, "host": f"localhost:{PORT}", "origin": f"http://localhost:{PORT}"}},
    {"headers": {"cookie": COOKIE, "host": f"[::1]:{PORT}"}},
    {"headers": {"cookie": COOKIE, "sec-fetch-site": "none"}},
    {"headers": {"authorization": f"Bearer {TOKEN}"}},
    {"headers": {"authorization": f"bearer {TOKEN}"}, "method": "POST"},
    {"headers": {"cookie": COOKIE, "origin": OWN}, "method": "POST"},
    {"headers": {"cookie": COOKIE, "origin": OWN}, "kind": "websocket"},
    {"headers": {"authorization": f"Bearer {TOKEN}"}, "kind": "websocket"},
    {"path": "/", "query": f"token={TOKEN}"},
    {"path": "/", "query": f"token={TOKEN}", "headers": {"sec-fetch-site": "cross-site"}},  # a link in a mail
]
KEPT_OUT = [
    ({}, 401),
    ({"headers": {"cookie": COOKIE + "x"}}, 401),
    ({"headers": {"cookie": f"asrkit_{PORT}="}}, 401),
    ({"headers": {"cookie": f"asrkit_{PORT + 1}={TOKEN}"}}, 401),
    ({"headers": {"cookie": ";=;\xff\xfe=\x01"}}, 401),
    ({"headers": {"authorization": f"Basic {TOKEN}"}}, 401),
    ({"headers": {"authorization": f"Bearer \xe9{TOKEN}"}}, 401),
    ({"headers": {"authorization": "Bearer "}}, 401),
    ({"path": "/", "query": "token=" + TOKEN[:-1]}, 401),
    ({"path": "/", "query": "token=%ff%00"}, 401),
    ({"path": "/api/model", "query": f"token={TOKEN}"}, 401),  # only the page is entered so
    ({"path": "/", "query": f"token={TOKEN}", "method": "POST"}, 401),
    ({"path": "/", "query": f"token={TOKEN}", "kind": "websocket"}, 401),
    ({"headers": {"cookie": COOKIE, "host": f"evil.example:{PORT}"}}, 421),
    ({"headers": {"cookie": COOKIE, "host": "127.0.0.1"}}, 421),
    ({"headers": {"cookie": COOKIE, "host": f"127.0.0.1:{PORT + 1}"}}, 421),
    ({"headers": {"cookie": COOKIE, "host": f"127.0.0.1.evil.example:{PORT}"}}, 421),
    ({"headers": {"cookie": COOKIE, "host": f"10.0.0.1:{PORT}"}}, 421),
    ({"headers": {"cookie": COOKIE, "host": []}}, 421),
    ({"headers": {"cookie": COOKIE, "host": [HOST, "evil.example"]}}, 421),
    ({"headers": {"cookie": COOKIE, "origin": "http://evil.example"}}, 403),
    ({"headers": {"cookie": COOKIE, "origin": "null"}, "method": "POST"}, 403),  # a page in a sandbox
    ({"headers": {"cookie": COOKIE, "origin": f"https://{HOST}"}, "method": "POST"}, 403),
    ({"headers": {"cookie": COOKIE, "origin": f"http://127.0.0.1:{PORT + 1}"}, "method": "POST"}, 403),
    ({"headers": {"cookie": COOKIE, "origin": f"http://localhost:{PORT}"}, "method": "POST"}, 403),
    ({"headers": {"cookie": COOKIE, "origin": [OWN, "http://evil.example"]}, "method": "POST"}, 403),
    ({"headers": {"authorization": f"Bearer {TOKEN}", "origin": "http://evil.example"}}, 403),
    ({"headers": {"cookie": COOKIE, "origin": "http://evil.example"}, "kind": "websocket"}, 403),
    ({"headers": {"cookie": COOKIE}, "kind": "websocket"}, 403),
    ({"headers": {"cookie": COOKIE}, "method": "POST"}, 403),
    ({"headers": {"cookie": COOKIE}, "method": "DELETE"}, 403),
    ({"headers": {"cookie": COOKIE, "sec-fetch-site": "same-site"}}, 403),  # another port of this machine
    ({"headers": {"cookie": COOKIE, "sec-fetch-site": "cross-site"}}, 403),
    ({"path": "/", "query": f"token={TOKEN}", "headers": {"host": f"evil.example:{PORT}"}}, 421),
]  # fmt: skip


@pytest.mark.parametrize("asked", LET_IN, ids=str)
def test_who_knows_the_token_is_let_in(asked):
    status, headers, body = ask(make(), **asked)
    assert status == 200 and body == b"yes" and len(CALLED) == 1
    assert ("set-cookie" in headers) == (asked.get("path") == "/")


@pytest.mark.parametrize(("asked", "want"), KEPT_OUT, ids=str)
def test_who_does_not_is_kept_out_and_told_why(asked, want):
    status, headers, body = ask(make(), **asked)
    assert status == want and not CALLED and "set-cookie" not in headers
    assert len(json.loads(body)["error"]) > 10 and headers["content-type"] == "application/json"
    assert TOKEN not in body.decode()


def test_the_cookie_is_for_this_server_alone():
    _, headers, _ = ask(make(), path="/", query=f"token={TOKEN}")
    assert headers["set-cookie"] == f"{COOKIE}; Path=/; HttpOnly; SameSite=Strict"
    _, headers, _ = ask(make(secure=True), path="/", query=f"token={TOKEN}")
    assert headers["set-cookie"].endswith("; Secure")


def test_every_answer_has_the_headers():
    for asked in (LET_IN[0], KEPT_OUT[0][0], {"path": "/broken", **LET_IN[0]}):
        _, headers, _ = ask(make(), **asked)
        assert {name: headers[name] for name in HEADERS} == HEADERS
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'" and policy["script-src"] == "'self'"
    assert not any("http" in sources or "*" in sources or "unsafe" in sources for sources in policy.values())


def test_a_websocket_that_can_not_be_answered_is_closed():
    assert ask(make(), kind="websocket", denial=False)[0] is None


def test_an_error_that_nobody_thought_of_is_logged_and_told_without_details(caplog):
    status, _, body = ask(make(), path="/broken", **LET_IN[0])
    assert status == 500 and b"thought" not in body and "what nobody thought of" in caplog.text


def test_other_names_of_the_machine():
    guard = make(names=("Studio.local",))
    assert ask(guard, headers={"cookie": COOKIE, "host": f"studio.LOCAL:{PORT}"})[0] == 200
    guard = make(any_address=True)
    for host in (f"192.168.1.7:{PORT}", f"[fe80::1]:{PORT}"):
        assert ask(guard, headers={"cookie": COOKIE, "host": host})[0] == 200
    for host in (f"evil.example:{PORT}", f"192.168.1.7.evil.example:{PORT}", f"1.2:{PORT}", f"[:]:{PORT}"):
        assert ask(guard, headers={"cookie": COOKIE, "host": host})[0] == 421


def test_the_usual_port_is_not_written():
    guard = Guard(application, token=TOKEN, port=80)
    assert ask(guard, headers={"host": "localhost", "authorization": f"Bearer {TOKEN}"})[0] == 200


def test_the_pace_is_of_those_who_are_let_in():
    now = [0.0]
    guard = make(clock=lambda: now[0], limits=Limits(per_s=2, burst=3))
    for _ in range(50):
        ask(guard)  # without a token: costs the others nothing
    statuses = [ask(guard, **LET_IN[0])[0] for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    now[0] += 1.0
    assert [ask(guard, **LET_IN[0])[0] for _ in range(3)] == [200, 200, 429]
    assert ask(guard, **LET_IN[0])[1]["retry-after"] == "1"


def test_so_many_bodies_at_a_time():
    async def together():
        gate, answers = asyncio.Event(), []

        async def waits(scope, receive, send):
            await gate.wait()
            await application(scope, receive, send)

        guard = Guard(waits, token=TOKEN, port=PORT, limits=Limits(posts=2))
        scope = {
            "type": "http",
            "path": "/",
            "method": "POST",
            "query_string": b"",
            "headers": [(b"host", HOST.encode()), (b"authorization", f"Bearer {TOKEN}".encode())],
        }

        async def one():
            async def send(message):
                answers.append(message.get("status"))

            await guard(dict(scope), None, send)

        tasks = [asyncio.ensure_future(one()) for _ in range(5)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*tasks)
        await one()
        return [status for status in answers if status]

    assert sorted(asyncio.run(together())) == [200, 200, 200, 503, 503, 503]
