"""Serve a model to browsers: `asrkit serve`."""

import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from asrkit.audio.word_detector import WordDetectorConfig
from asrkit.config import PathLike, check_fields, option
from asrkit.distribution import missing_extra
from asrkit.errors import DataError, SettingsError
from asrkit.web.limits import USUAL, Limits
from asrkit.web.studio import Studio
from asrkit.words.confidence import AcceptConfig

TOKEN_BYTES = 32
BACKLOG = 256
PAGE_BYTES = 1 << 14  # the most of a request's head


@dataclass(frozen=True)
class ServerConfig:
    """Where a server is reached."""

    host: str = option(
        "127.0.0.1",
        "the address that it listens on: another one than 127.0.0.1 lets other machines in that know the token",
    )
    port: int = option(8765, "0: one that is free", minimum=0, maximum=65535)
    allow_host: str = option(
        "", "names that this machine is called by in addresses, commas between, beside its own"
    )
    certificate: str = option(
        "", "PEM file: serve https, without which browsers of others give no microphone"
    )
    key: str = option("", "PEM file with the certificate's key, where that is not in it")

    def __post_init__(self) -> None:
        check_fields(self)


class Server:
    """A server that is bound to its port, and answers as soon as it runs: `prepare` makes one.

    Attributes
    ----------
    token : str
        Who knows it is let in.
    address : str
        What to open, token included.
    port : int
    answers : bool
        Whether it runs.
    """

    def __init__(
        self,
        studio: Studio,
        config: ServerConfig,
        sock: socket.socket,
        app: Any,
        report_key: str,
        limits: Limits,
    ) -> None:
        import uvicorn  # late: an extra

        from asrkit.web.guard import Guard
        from asrkit.web.patience import protocols

        self._studio, self._config, self._socket = studio, config, sock
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        place, self.port = sock.getsockname()[:2]
        self._place = ip_address(place.partition("%")[0])
        http, live = protocols(limits)
        anywhere = self._place.is_unspecified
        own = [socket.gethostname(), f"{socket.gethostname()}.local"]
        if not anywhere:
            own = [_bracketed(config.host), _bracketed(place)]
        names = (*own, *filter(None, (name.strip() for name in config.allow_host.split(","))))
        guard = Guard(
            app,
            token=self.token,
            port=self.port,
            names=tuple(names),
            any_address=anywhere,
            secure=bool(config.certificate),
            report_key=report_key,
            limits=limits,
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                guard,
                http=http,
                ws=live,
                lifespan="on",
                interface="asgi3",
                log_config=None,
                log_level="critical",  # no line for each attempt of a stranger
                access_log=False,  # the token is in an address
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=20,
                timeout_graceful_shutdown=2,
                backlog=BACKLOG,
                h11_max_incomplete_event_size=PAGE_BYTES,
                ws_max_size=limits.message_bytes,
                ws_per_message_deflate=False,  # a small message may not become a large one
                ws_ping_interval=20.0,
                ws_ping_timeout=20.0,
                ssl_certfile=config.certificate or None,
                ssl_keyfile=config.key or None,
            )
        )
        try:
            self._server.config.load()
        except OSError as error:  # ssl's own errors, too
            sock.close()
            raise DataError(f"{config.certificate}: no certificate to serve https with: {error}") from None

    @property
    def address(self) -> str:
        shown = socket.gethostname() if self._place.is_unspecified else _bracketed(self._config.host)
        scheme = "https" if self._config.certificate else "http"
        return f"{scheme}://{shown}:{self.port}/?token={self.token}"

    def lines(self) -> list[str]:
        """What to open, and what listening to others means."""
        lines = [self.address]
        if self._studio.begins:
            lines.append(
                f"{self._studio.exp}: there is no model yet, the first word that is taught begins one"
            )
        if not self._place.is_loopback:
            lines.append(
                "other machines reach it: whoever has this address, token included, can hear with the model, teach it and make it forget"
            )
            if not self._config.certificate:
                lines.append(
                    "without https (certificate=FILE) what is said and the token cross the network in the clear, and browsers give no microphone but to "
                    "this machine (others drop files, or come through ssh -L)"
                )
        return lines

    def run(self) -> None:
        """Answer until a signal comes."""
        self._server.run(sockets=[self._socket])

    @property
    def answers(self) -> bool:
        return self._server.started

    def close(self) -> None:
        """Let go of the port, where it never ran."""
        self._socket.close()

    def stop(self) -> None:
        """End `run`, from another thread."""
        self._server.should_exit = True


def prepare(
    exp: PathLike,
    *,
    config: ServerConfig | None = None,
    accept: AcceptConfig | None = None,
    detection: WordDetectorConfig | None = None,
    method: str = "viterbi",
    same_speaker: bool = True,
    keep: PathLike | None = None,
    report: PathLike | None = None,
    limits: Limits = USUAL,
) -> Server:
    """Bind a server for the model of EXP.

    Parameters
    ----------
    exp : path
        A folder with final.npz, or a model file; or where one begins.
    config : ServerConfig, optional
    accept, detection, method, same_speaker
        As `listen` has them.
    keep : path, optional
        Where recordings are kept; without it none is.
    report : path, optional
        An HTML file that the page links to, and its pages beside it.
    limits : Limits

    Raises
    ------
    DataError
        The model can't be used, the port is taken, or the extra is missing.
    SettingsError
        A key without its certificate.
    """
    config = config or ServerConfig()
    if config.key and not config.certificate:
        raise SettingsError(f"key={config.key}, but no certificate (certificate=FILE)")
    studio = Studio(exp, accept=accept, detection=detection, method=method, same_speaker=same_speaker)
    try:
        from asrkit.web.app import make_app  # late: an extra
        from asrkit.web.patience import protocols  # noqa: F401
    except ImportError as error:
        raise missing_extra("web", "asrkit serve needs starlette, uvicorn and websockets", error) from None
    report_key = secrets.token_urlsafe(TOKEN_BYTES)
    app = make_app(studio, limits=limits, keep=keep, report=report, report_key=report_key)
    return Server(studio, config, _bound(config.host, config.port), app, report_key, limits)


def _bound(host: str, port: int) -> socket.socket:
    try:
        found: Sequence[Any] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, place = found[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":  # elsewhere it would let others have the port, too
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(place)
            sock.listen(BACKLOG)  # who comes before `run` waits
        except OSError:
            sock.close()
            raise
        return sock
    except (OSError, UnicodeError) as error:
        raise DataError(
            f"host={host} port={port} can't be listened on: {error} (port=0 takes one that is free)"
        ) from None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
