"""What a server answers: the page, and what the page asks. Who may ask, `guard.py` knows."""

import asyncio
import base64
import binascii
import contextlib
import json
import re
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from asrkit.config import PathLike
from asrkit.errors import AsrkitError, DataError
from asrkit.io.places import local
from asrkit.web.guard import REPORT_POLICY, retry_headers
from asrkit.web.keeping import Keeper
from asrkit.web.lanes import Lane
from asrkit.web.limits import USUAL, Limits, Refused
from asrkit.web.live import LATER, hear_live
from asrkit.web.sound import read_sound
from asrkit.web.studio import Studio
from asrkit.words.kept import MOST

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def make_app(
    studio: Studio,
    *,
    limits: Limits = USUAL,
    keep: PathLike | None = None,
    report: PathLike | None = None,
    report_key: str = "",
) -> Starlette:
    """Make the application, to stand behind a Guard.

    Parameters
    ----------
    studio : Studio
    limits : Limits
    keep : path, optional
        The folder that recordings are kept in.
    report : path, optional
        A report to link to, an HTML file; pages beside it, NAME-2.html and so on, are served, too.
    report_key : str
        What its pages' addresses hold, as the Guard has it.

    Raises
    ------
    DataError
        There is no such report, or nothing can be kept in that folder.
    """
    return _Server(studio, limits, keep, report, report_key).app


class _Server:
    def __init__(
        self,
        studio: Studio,
        limits: Limits,
        keep: PathLike | None,
        report: PathLike | None,
        report_key: str,
    ) -> None:
        self._studio, self._limits = studio, limits
        self._keep = None if keep is None else Keeper(keep, limits.kept)
        self._report = None if report is None else local(report, "the report of a server")
        self._report_key = report_key
        if self._report is not None and not self._report.is_file():
            raise DataError(f"{report}: no such file (asrkit report --html makes it)")
        self._hearing = Lane("hear", limits.waiting + limits.streams)
        self._looking = Lane("look", limits.waiting)
        self._teaching = Lane("teach", 2)
        self._streams = self._held = 0
        self._assets = _assets()
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/assets/{name}", self._asset),
                Route("/report", self._lead_to_report),
                Route("/report/{key}/{name}", self._send_report),
                Route("/api/model", self._about),
                Route("/api/hear", self._hear, methods=["POST"]),
                Route("/api/teach", self._teach, methods=["POST"]),
                Route("/api/forget", self._forget, methods=["POST"]),
                WebSocketRoute("/api/listen", self._listen),
            ],
            exception_handlers={AsrkitError: _say, 404: _say_status, 405: _say_status},
            lifespan=self._alive,
        )

    @contextlib.asynccontextmanager
    async def _alive(self, app: Starlette) -> AsyncIterator[None]:
        self._hearing.begin(self._studio.warm)
        yield
        for lane in (self._hearing, self._looking, self._teaching):
            lane.close()

    async def _page(self, request: Request) -> Response:
        return self._send("page.html")

    async def _asset(self, request: Request) -> Response:
        return self._send(request.path_params["name"])

    def _send(self, name: str) -> Response:
        if name not in self._assets:
            raise Refused(404, f"there is no {name[:100]!r} here")
        return Response(self._assets[name], media_type=TYPES[Path(name).suffix])

    async def _lead_to_report(self, request: Request) -> Response:
        if self._report is None:
            raise Refused(404, "no report was given (asrkit serve EXP --report FILE)")
        return RedirectResponse(f"/report/{self._report_key}/{quote(self._report.name)}", 303)

    async def _send_report(self, request: Request) -> Response:
        key, name = (request.path_params[part] for part in ("key", "name"))
        if self._report is None or key != self._report_key or not self._is_page(name):
            raise Refused(404, "there is nothing here")
        headers = {"content-security-policy": REPORT_POLICY}
        return FileResponse(self._report.with_name(name), media_type="text/html", headers=headers)

    def _is_page(self, name: str) -> bool:
        """Whether it names the report, or a page beside it, that is there."""
        assert self._report is not None
        stem, suffix = re.escape(self._report.stem), re.escape(self._report.suffix)
        known = re.fullmatch(rf"{stem}(-[0-9]+)?{suffix}", name)
        return known is not None and self._report.with_name(name).is_file()

    async def _about(self, request: Request) -> Response:
        about = await self._looking.run(self._studio.about)
        more = {
            "report": self._report is not None,
            "keeps": self._keep is not None,
            "sound_s": self._limits.sound_s,
            "sound_bytes": self._limits.sound_bytes,
            "most_taught": MOST,
        }
        return JSONResponse({**about, **more})

    async def _hear(self, request: Request) -> Response:
        async with self._body(request, self._limits.sound_bytes) as data:
            return JSONResponse(await self._hearing.run(self._heard, data))

    def _heard(self, data: bytearray) -> dict[str, Any]:
        sound = read_sound(data, self._limits.sound_s)
        heard = self._studio.hear(sound)
        if self._keep is not None:
            try:
                self._keep(sound, heard)
            except DataError as error:  # it was heard all the same
                heard["notes"].append(str(error))
        return heard

    async def _teach(self, request: Request) -> Response:
        async with self._body(request, self._limits.teach_bytes) as data:
            return JSONResponse(await self._teaching.run(self._taught, _object(data)))

    def _taught(self, asked: dict[str, Any]) -> dict[str, Any]:
        word, given = _word(asked), asked.get("recordings")
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise Refused(400, "recordings should be a list of recordings, each in base64")
        if len(given) > MOST:
            raise Refused(422, f"{len(given)} recordings, a word is taught at most {MOST}")
        sounds = []
        for number, text in enumerate(given, 1):
            try:
                data = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise Refused(400, f"recording {number}: it is no base64") from None
            sounds.append(read_sound(data, self._limits.sound_s, f"recording {number}"))
        return self._studio.teach(word, sounds, asked.get("keep") is True)

    async def _forget(self, request: Request) -> Response:
        async with self._body(request, self._limits.message_bytes) as data:
            asked = _object(data)
        only_taught = asked.get("only_taught") is True
        return JSONResponse(await self._teaching.run(self._studio.forget, _word(asked), only_taught))

    async def _listen(self, websocket: WebSocket) -> None:
        if self._streams >= self._limits.streams:
            refused = Refused(503, "busy: others are heard hands-free (try again in a while)")
            if "websocket.http.response" in websocket.scope.get("extensions", {}):
                await websocket.send_denial_response(_answer(refused))
            else:
                await websocket.close(LATER, str(refused))
            return
        self._streams += 1
        try:
            await hear_live(websocket, self._studio, self._hearing, self._looking, self._limits, self._keep)
        finally:
            self._streams -= 1

    @contextlib.asynccontextmanager
    async def _body(self, request: Request, most: int) -> AsyncIterator[bytearray]:
        """Read the body of a request, no more of it than `most` bytes and for no longer than is patient, and hold it while the block runs."""
        refused = Refused(413, f"more than {most} bytes (a recording is of one word)")
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > most:
            raise refused
        data = bytearray()

        async def gather() -> None:
            async for piece in request.stream():
                data.extend(piece)
                self._held += len(piece)
                if len(data) > most:
                    raise refused
                if self._held > self._limits.held_bytes:
                    raise Refused(503, "busy: too much comes at a time (try again in a second)")

        try:
            await asyncio.wait_for(gather(), self._limits.body_s)
            yield data
        except asyncio.TimeoutError:
            raise Refused(408, f"not all of it came within {self._limits.body_s:g} s") from None
        finally:
            self._held -= len(data)


def _assets() -> dict[str, bytes]:
    """Read the page's files; its picture is drawn by the script that draws those of reports."""
    folder = resources.files("asrkit.web") / "assets"
    files = [*folder.iterdir(), resources.files("asrkit.plots") / "page" / "draw.js"]
    return {one.name: one.read_bytes() for one in files if Path(one.name).suffix in TYPES}


def _object(data: bytearray) -> dict[str, Any]:
    """Read a JSON object; a Refused, 400, where it is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"no JSON: {str(error)[:100]}") from None
    if not isinstance(value, dict):
        raise Refused(400, "JSON, but no object")
    return value


def _word(asked: dict[str, Any]) -> str:
    word = asked.get("word")
    if not isinstance(word, str) or not word.strip():
        raise Refused(400, "no word was given")
    return " ".join(word.split())


def _answer(refused: Refused) -> Response:
    headers = {name.decode(): value.decode() for name, value in retry_headers(refused.status)}
    return JSONResponse({"error": str(refused)}, refused.status, headers)


async def _say(request: Request, error: Exception) -> Response:
    return _answer(error if isinstance(error, Refused) else Refused(422, str(error)))


async def _say_status(request: Request, error: Any) -> Response:
    what = {404: "there is nothing here", 405: f"no {request.method} here"}
    return _answer(Refused(error.status_code, what[error.status_code]))
