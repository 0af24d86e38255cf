"""Hands-free: sound over a WebSocket, and each word as soon as it has ended, then why it was heard.

The browser sends `{"rate": 48000}` and then 16-bit samples; it is sent objects of a `type`: `ready`, `speaking` (on, off), `word`, `why`.
"""

import asyncio
import json
import time
from collections import deque
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from asrkit.errors import AsrkitError
from asrkit.web.lanes import Lane
from asrkit.web.limits import Limits, Refused
from asrkit.web.notes import noting
from asrkit.web.sound import checked_rate, from_pcm
from asrkit.web.studio import Studio, ranked
from asrkit.workflows.stream import HeardWord

KEPT_S = 12.0  # of what was said last: more than a word may last
POLICY, UNUSABLE, FAILED, LATER = 1008, 1003, 1011, 1013  # why a WebSocket is closed


class Session:
    """What is heard of one microphone. It is called by one thread at a time."""

    def __init__(self, studio: Studio, rate_hz: int) -> None:
        self._studio, self._rate_hz = studio, rate_hz
        self._recognizer, self._stream = studio.stream(rate_hz)
        self._kept: deque[np.ndarray] = deque()  # blocks of samples, from the `first` on
        self._first = self._count = 0
        self._begun = 0  # sample with which the stream began that hears now
        self.speaking = False

    @property
    def heard_s(self) -> float:
        """How much has come."""
        return self._count / self._rate_hz

    def push(self, samples: np.ndarray) -> tuple[list[dict[str, Any]], list[str]]:
        """Hear more; a model that has become another one hears from here on.

        Returns
        -------
        list of dict
            Messages: what has begun and what has ended.
        list of str
            What was odd.
        """
        if self._studio.recognizer is not self._recognizer:
            self._recognizer, self._stream = self._studio.stream(self._rate_hz)
            self._begun = self._count
        self._kept.append(samples)
        self._count += len(samples)
        while self._count - self._first - len(self._kept[0]) > KEPT_S * self._rate_hz:
            self._first += len(self._kept.popleft())
        with noting() as notes:
            found = self._stream.push(samples)
        messages = [self._message(word) for word in found]
        if self._stream.speaking != self.speaking:
            self.speaking = self._stream.speaking
            messages.append({"type": "speaking", "on": self.speaking})
        return messages, notes

    def _message(self, word: HeardWord) -> dict[str, Any]:
        begun_s = self._begun / self._rate_hz
        more = {"ranked": []} if word.hypothesis is None else ranked(word.hypothesis)
        place = {"start": round(begun_s + word.start_s, 4), "end": round(begun_s + word.end_s, 4)}
        return {"type": "word", **more, "word": word.word, "p": word.confidence, **place}

    def stretch(self, start_s: float, end_s: float) -> tuple[np.ndarray, int]:
        """Samples of a stretch that was heard lately, and their rate."""
        start, end = (max(0, round(at * self._rate_hz) - self._first) for at in (start_s, end_s))
        return np.concatenate(self._kept)[start:end], self._rate_hz


async def hear_live(
    websocket: WebSocket, studio: Studio, hearing: Lane, looking: Lane, limits: Limits, keep: Any = None
) -> None:
    """Hear one browser until it ends, or is asked to."""
    await websocket.accept()
    code, reason, tasks = 1000, "", set()
    try:
        session = await _begin(websocket, studio, hearing, limits)
        began_s = time.monotonic()
        await websocket.send_json({"type": "ready"})
        while time.monotonic() - began_s < limits.stream_s:
            data = await _next(websocket, limits)
            if data is None:
                return
            samples = from_pcm(data)
            if session.heard_s > time.monotonic() - began_s + limits.ahead_s:
                raise Refused(429, "sound comes faster than it can have been spoken")
            messages, notes = await hearing.run(session.push, samples)
            for message in messages:
                await websocket.send_json(message)
            for note in notes:
                await websocket.send_json({"type": "note", "text": note})
            for message in messages:
                if message["type"] == "word" and not looking.full:
                    sound = session.stretch(message["start"], message["end"])
                    task = asyncio.ensure_future(_why(websocket, studio, looking, message, sound, keep))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
        code, reason = LATER, "heard for hours: begin anew"
    except WebSocketDisconnect:
        return
    except asyncio.TimeoutError:
        code, reason = POLICY, "no sound comes"
    except Refused as refused:
        codes = {503: FAILED, 409: FAILED, 429: POLICY}
        code, reason = codes.get(refused.status, UNUSABLE), str(refused)
    except AsrkitError as error:
        code, reason = FAILED, str(error)
    finally:
        for task in tasks:
            task.cancel()
        if websocket.application_state is WebSocketState.CONNECTED and code:
            await _close(websocket, code, reason)


async def _begin(websocket: WebSocket, studio: Studio, hearing: Lane, limits: Limits) -> Session:
    message = await asyncio.wait_for(websocket.receive(), limits.hello_s)
    if message["type"] != "websocket.receive":
        raise WebSocketDisconnect()
    try:
        hello = json.loads(message.get("text") or "")
        rate = hello["rate"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused(422, 'the first message is {"rate": 48000}') from None
    return await hearing.run(Session, studio, checked_rate(rate))


async def _next(websocket: WebSocket, limits: Limits) -> bytes | None:
    """The bytes of the next message, None where there is none any more."""
    message = await asyncio.wait_for(websocket.receive(), limits.silent_s)
    if message["type"] != "websocket.receive":
        return None
    data = message.get("bytes")
    if data is None:
        raise Refused(422, "text, where samples should come")
    if len(data) > limits.message_bytes:
        raise Refused(422, f"{len(data)} bytes at once, at most {limits.message_bytes}")
    return data


async def _why(websocket, studio, looking, word, sound, keep):  # type: ignore[no-untyped-def]
    """Send what explains a word; nothing where that can't be made, or nobody waits for it."""
    try:
        if keep is not None:
            await looking.run(keep, sound, word)
        if word["ranked"]:
            why = await looking.run(studio.hear, sound, False)
            await websocket.send_json({"type": "why", "start": word["start"], "why": why})
    except (AsrkitError, WebSocketDisconnect, RuntimeError):
        return


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    try:
        await websocket.close(code, reason.encode()[:120].decode("utf-8", "ignore"))
    except (RuntimeError, WebSocketDisconnect):  # it is closed already
        return
