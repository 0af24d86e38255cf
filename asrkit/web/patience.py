"""uvicorn's connections, with an end to patience: heads that do not end, bodies nobody waits for, readers who do not read.

uvicorn itself waits for these as long as it takes.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from asrkit.web.limits import Limits

SAID = {
    400: ("Bad Request", "the request ended in its middle"),
    408: ("Request Timeout", "the request did not come in time"),
    503: ("Service Unavailable", "busy: too many connections (try again in a second)"),
}


def protocols(limits: Limits) -> tuple[type[Any], type[Any]]:
    """Make uvicorn's protocols for HTTP and for WebSockets, with these limits."""

    class Stalled:
        """Breaks off where who is answered takes nothing for a while."""

        transport: asyncio.Transport
        _stalled: asyncio.TimerHandle | None = None

        def pause_writing(self) -> None:
            super().pause_writing()  # type: ignore[misc]
            loop = asyncio.get_running_loop()
            self._stalled = loop.call_later(limits.stall_s, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()  # type: ignore[misc]
            self._go_on()

        def connection_lost(self, error: Exception | None) -> None:
            self._go_on()
            super().connection_lost(error)  # type: ignore[misc]

        def _go_on(self) -> None:
            if self._stalled is not None:
                self._stalled.cancel()
                self._stalled = None

    class Http(Stalled, H11Protocol):
        _waits: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                # Who has kept us waiting the longest makes room for who comes.
                known = (one for one in self.connections if isinstance(one, Http))
                waiting = [(one._waits.when(), id(one), one) for one in known if one._waits]
                min(waiting, default=(0, 0, self))[2]._leave(503)
            self._look()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._look()

        def eof_received(self) -> None:
            if self._waits is not None and self._unanswered():
                self._leave(400)

        def connection_lost(self, error: Exception | None) -> None:
            self._forget()
            super().connection_lost(error)

        def _unanswered(self) -> bool:
            return self.conn.our_state is h11.IDLE and (self.cycle is None or self.cycle.response_complete)

        def _look(self) -> None:
            """Wait from now on where a head has begun, or what follows an answer has not ended; else no more."""
            theirs, ours = self.conn.their_state, self.conn.our_state
            begun = theirs is h11.IDLE and (self.cycle is None or bool(self.conn.trailing_data[0]))
            answered = theirs is h11.SEND_BODY and ours in (h11.DONE, h11.MUST_CLOSE)
            if self.transport.is_closing() or not (begun or answered):
                self._forget()
            elif self._waits is None:
                self._waits = self.loop.call_later(limits.header_s, self._leave, 408)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._look()

        def _forget(self) -> None:
            if self._waits is not None:
                self._waits.cancel()
                self._waits = None

        def _leave(self, status: int) -> None:
            """Say why, where nothing has been said, and break off."""
            self._forget()
            if self.transport.is_closing():
                return
            if not self._unanswered():
                self.transport.abort()
                return
            reason, text = SAID[status]
            body = f'{{"error": "{text}"}}'
            head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write((head + body).encode())
            self.transport.close()

    class Live(Stalled, WebSocketsSansIOProtocol):
        pass

    return Http, Live
