"""How much a server takes, and how it refuses what is more."""

from dataclasses import dataclass

from asrkit.errors import DataError


@dataclass(frozen=True)
class Limits:
    """Bounds of what is taken at all: bytes, seconds, and how many at a time."""

    sound_bytes: int = 12 << 20  # of one recording
    teach_bytes: int = 32 << 20  # of ten, as base64
    sound_s: float = 30.0  # how long a recording may last
    header_s: float = 10.0  # for the head of a request, and for what is left of one that has been answered
    body_s: float = 30.0  # for its body
    stall_s: float = 30.0  # in which who is answered takes nothing
    connections: int = 256
    posts: int = 64  # bodies that come or wait at a time
    held_bytes: int = 96 << 20  # of all of them together
    waiting: int = 8  # recordings that wait to be heard
    per_s: float = 20.0  # requests, in the long run
    burst: int = 100  # and at once
    streams: int = 4  # people who are heard hands-free at a time
    message_bytes: int = 1 << 18
    hello_s: float = 10.0  # until a stream says what it is
    silent_s: float = 30.0  # that no sound comes
    stream_s: float = 4 * 3600.0
    ahead_s: float = 10.0  # that more sound may have come than time has passed
    kept: int = 10_000  # recordings in the folder of `keep`


class Refused(DataError):
    """A request that is not met; `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


USUAL = Limits()
