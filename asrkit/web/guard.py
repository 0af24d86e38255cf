"""Who is let in: the token, Host against DNS rebinding, Origin, how many at a time; and what every answer says to the browser.

Around the application as ASGI middleware, so that nothing of it is reached by who is not let in.
"""

import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs

from asrkit.web.limits import USUAL, Limits, Refused

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("asrkit")

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Of a report, which is a page by itself: it may run what it brings, reaches nothing, and is not of our origin.
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:; "
    "font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-downloads allow-modals"
)
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": PAGE_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
NAVIGATION = ("none", "same-origin")  # of Sec-Fetch-Site
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Guard:
    """ASGI middleware that refuses with a status and one line, and never lets an error through."""

    def __init__(
        self,
        app: App,
        *,
        token: str,
        port: int,
        names: tuple[str, ...] = (),
        any_address: bool = False,
        secure: bool = False,
        report_key: str = "",
        limits: Limits = USUAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Parameters
        ----------
        app : ASGI application
        token : str
            Who knows it is let in.
        port : int
        names : tuple of str
            What this machine may be called by in Host, beside 127.0.0.1, localhost and [::1].
        any_address : bool
            Any address in figures may be it: no name leads there, so none can be turned (DNS rebinding) to it.
        secure : bool
            Over TLS.
        report_key : str
            Addresses below /report/KEY/ are open to who knows the key: the pages of a report are in a sandbox, whence no cookie comes.
        limits : Limits
        clock : callable
            Seconds.
        """
        self._app, self._token, self._limits, self._clock = app, token.encode(), limits, clock
        self._names = {name.lower() for name in (*LOOPBACK, *names)}
        self._port, self._any_address = port, any_address
        self._report_path = f"/report/{report_key}/".encode() if report_key else b""
        self._scheme = "https" if secure else "http"
        self.cookie = f"asrkit_{port}"  # cookies know no ports
        self._left, self._last = float(limits.burst), clock()
        self._posts = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        posting = scope["type"] == "http" and scope["method"] not in ("GET", "HEAD")
        try:
            entering = self._admit(scope, headers)
            if posting and self._posts >= self._limits.posts:
                raise Refused(503, "busy: too many recordings at a time (try again in a second)")
        except Refused as refused:
            await _refuse(scope, receive, send, refused)
            return
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                _complete(message, self._entry_cookie() if entering else None)
            await send(message)

        self._posts += posting
        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            if type(error).__name__ != "ClientDisconnect":  # nobody is there to be answered
                log.error("%s %s: %s", scope["type"], scope["path"], repr(error), exc_info=error)
                if not begun:
                    await _refuse(scope, receive, send, Refused(500, "an error in asrkit: its log says more"))
        finally:
            self._posts -= posting

    def _admit(self, scope: Scope, headers: dict[str, list[str]]) -> bool:
        """Let a request in, or raise a Refused; whether it brought the token in its address, and gets the cookie."""
        host = self._host(headers)
        own = f"{self._scheme}://{host}"
        origins = headers.get("origin", [])
        if any(origin.lower() != own for origin in origins):
            raise Refused(403, "asked by a page of another origin")
        entering, bearer, cookie = self._proofs(scope, headers)
        sites, paging = headers.get("sec-fetch-site", []), self._is_report(scope)
        if any(site not in NAVIGATION for site in sites) and not (entering or paging):
            raise Refused(403, "asked by a page of another site")
        if not (entering or paging or bearer or cookie):
            raise Refused(
                401, "no token, or a wrong one (open the address that asrkit serve has printed, all of it)"
            )
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if changes and not origins and not bearer:
            raise Refused(403, "no Origin: browsers send one (else send the token as Authorization: Bearer)")
        self._pace()
        return entering

    def _host(self, headers: dict[str, list[str]]) -> str:
        given = headers.get("host", [])
        host = given[0].lower() if len(given) == 1 else ""
        name, _, port = host.rpartition(":")
        if host.endswith("]") or not port.isdecimal():
            name, port = host, "443" if self._scheme == "https" else "80"
        known = name in self._names or (self._any_address and _is_address(name))
        if not known or port != str(self._port):
            raise Refused(421, f"this server is not called {host[:100]!r} (--allow-host lets it be)")
        return host

    def _proofs(self, scope: Scope, headers: dict[str, list[str]]) -> tuple[bool, bool, bool]:
        entering = False
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/":
            given = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=10).get("token", [])
            entering = any(map(self._is_token, given))
        bearer = any(
            self._is_token(value[7:])
            for value in headers.get("authorization", [])
            if value[:7].lower() == "bearer "
        )
        cookies: SimpleCookie = SimpleCookie()
        for value in headers.get("cookie", []):
            try:
                cookies.load(value)
            except CookieError:
                continue
        kept = cookies.get(self.cookie)
        return entering, bearer, kept is not None and self._is_token(kept.value)

    def _is_report(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "GET" or not self._report_path:
            return False
        begin = scope["path"].encode("utf-8", "surrogateescape")[: len(self._report_path)]
        return secrets.compare_digest(begin, self._report_path)

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), self._token)

    def _entry_cookie(self) -> str:
        secure = "; Secure" if self._scheme == "https" else ""
        return f"{self.cookie}={self._token.decode()}; Path=/; HttpOnly; SameSite=Strict{secure}"

    def _pace(self) -> None:
        now, limits = self._clock(), self._limits
        self._left = min(limits.burst, self._left + (now - self._last) * limits.per_s)
        self._last = now
        if self._left < 1:
            raise Refused(429, "too many requests (try again in a second)")
        self._left -= 1


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _complete(message: Message, cookie: str | None = None) -> None:
    """Give an answer what all of them have; what it says itself stays."""
    own = list(message.get("headers", []))
    if message["type"].startswith("websocket"):  # uvicorn counts these itself, and up to 0.44 said it twice
        own = [(name, value) for name, value in own if name.lower() != b"content-length"]
    said = {name.lower() for name, _ in own}
    more = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in said]
    if cookie:
        more.append((b"set-cookie", cookie.encode()))
    message["headers"] = own + more


async def _refuse(scope: Scope, receive: Receive, send: Send, refused: Refused) -> None:
    """Answer with a status and one line; a WebSocket before it is one."""
    prefix = "http"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": str(refused)[:120]})
            return
        prefix = "websocket.http"
    body = json.dumps({"error": str(refused)}, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += retry_headers(refused.status)
    start = {"type": f"{prefix}.response.start", "status": refused.status, "headers": headers}
    _complete(start)
    await send(start)
    await send({"type": f"{prefix}.response.body", "body": body})


def retry_headers(status: int) -> list[tuple[bytes, bytes]]:
    """What goes with a status: when to come again, how to prove who one is."""
    more = {429: (b"retry-after", b"1"), 503: (b"retry-after", b"1"), 401: (b"www-authenticate", b"Bearer")}
    return [more[status]] if status in more else []
