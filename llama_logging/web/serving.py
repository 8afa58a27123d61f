"""Serves the dashboard: one process, its own ingester, and nothing said to any logger."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from llama_logging.exceptions import ConfigError, MissingExtraError
from llama_logging.ingest import Ingester
from llama_logging.recovery.rules import Rule
from llama_logging.registry import Store
from llama_logging.stores import open_store
from llama_logging.stores.urls import StoreURL
from llama_logging.web import NEEDED
from llama_logging.web.app import dashboard
from llama_logging.web.door import Door
from llama_logging.web.guard import ANY_ADDRESS, LOOPBACK
from llama_logging.web.keys import Keys

try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as error:
    raise MissingExtraError(f"{NEEDED} ({error})") from error

STEPS = 5
"""How often a second words of some thousand errors are indexed: some 70 ms each (measured)."""
PATIENCE = 20.0
"""Seconds for which a connection may be open on which nothing is asked for."""
EVERYWHERE = ("0.0.0.0", "::", "")
"""Bound to all addresses of the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the dashboard is served.

    Attributes:
        hosts: Names it may be asked under, besides those that follow from *bind*.
        token: Signs in as often as it is shown; None: links that sign in once are printed.
        private: To read needs the token too; it always does where others than this machine can ask.
        certificate, key: Files of PEM, for TLS; empty for none.
        root: The path below which a proxy shows it.
    """

    url: StoreURL
    bind: str = "127.0.0.1"
    port: int = 8321
    hosts: Sequence[str] = ()
    token: str | None = None
    read_only: bool = False
    private: bool = False
    certificate: str = ""
    key: str = ""
    root: str = ""
    rules: Sequence[Rule] = ()


def serve(settings: Settings) -> None:
    """Serve until the process is interrupted.

    Raises:
        ConfigError: If the address cannot be bound, or a file of TLS is not there.
    """
    for path in filter(None, (settings.certificate, settings.key)):
        if not os.path.isfile(path):
            raise ConfigError(f"there is no {path}")
    bound = _bound(settings)
    where = (
        f"{'https' if settings.certificate else 'http'}://{_shown(settings)}:{bound.getsockname()[1]}{_root(settings)}"
    )
    keys = Keys(settings.token, lambda token: _say(f"a link for another browser: {where}/?token={token}"))
    with _ingesting(settings.url) as ingester:
        app = dashboard(
            settings.url,
            read_only=settings.read_only,
            keys=keys,
            hosts=_hosts(settings),
            private=settings.private or None,
            rules=settings.rules,
            failure=lambda: "" if ingester.failure is None else str(ingester.failure),
            ending=lambda: server.should_exit,
        )
        config = uvicorn.Config(
            Below(app, _root(settings)),
            loop="asyncio",  # another may take connections past the door
            http=Connection,
            log_config=None,
            log_level="critical",  # of each request that is none it would tell
            access_log=False,
            server_header=False,
            ssl_certfile=settings.certificate or None,
            ssl_keyfile=settings.key or None,
            timeout_graceful_shutdown=3,  # what is told to open pages ends within a second; what is cut off is logged
            callback_notify=lambda: _awake(ingester),
            timeout_notify=10,
        )
        # The server hands the signal on once it has ended; it would else end us before the ingester has.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        shown = "... with the token of LLAMA_LOGGING_DASHBOARD_TOKEN" if settings.token is not None else keys.token
        server = _Server(
            config,
            f"{settings.url} at {where}/  (Ctrl-C to stop)",
            f"to sign in, open {where}/?token={shown}",
        )
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[bound])


class _Server(uvicorn.Server):
    """Says where it is once it can be ended well."""

    def __init__(self, config: uvicorn.Config, *said: str) -> None:
        super().__init__(config)
        self._said = said

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        for message in self._said:
            _say(message)


class Connection(H11Protocol):
    """Is ended once nothing was asked for a while: who sends a request byte by byte would keep it for ever."""

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        super().connection_made(transport)
        self._patience = self.loop.call_later(PATIENCE, self._look, self.cycle)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._patience.cancel()
        super().connection_lost(exc)

    def _look(self, before: object) -> None:
        """End it, if the last request is that of *before*, and was answered."""
        if self.cycle is before and (before is None or self.cycle.response_complete):
            self.transport.abort()
        else:
            self._patience = self.loop.call_later(PATIENCE, self._look, self.cycle)


class Below:
    """An application below a path, whether a proxy passes that on or takes it off."""

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app, self._root = app, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        if self._root and scope["type"] == "http":
            path = scope["path"]
            is_below = path == self._root or path.startswith(f"{self._root}/")
            scope = {**scope, "root_path": self._root, "path": path if is_below else self._root + path}
        await self._app(scope, receive, send)


@contextlib.contextmanager
def _ingesting(url: StoreURL) -> Iterator[Ingester]:
    """What processes of this machine write comes into the registry meanwhile."""
    ingester = Ingester(lambda: open_store(url), url.directories, _index, url.path or None)
    ingester.wake()
    try:
        yield ingester
    finally:
        ingester.end(2.0)


async def _awake(ingester: Ingester) -> None:
    """Have it begin again, should it have ended by a fault."""
    ingester.wake()


def _index(store: Store) -> None:
    """Have a search find the words of what came in ready; no more at once than the ingester can wait for."""
    for _ in range(STEPS):
        if not (store.exists and store.index_words()):
            return


def _bound(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    bound = Door(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.bind, settings.port))
        bound.listen(128)  # from now on: who follows the link that is printed may be faster than the server's start
    except (OSError, OverflowError) as error:
        bound.close()
        raise ConfigError(f"cannot listen on {settings.bind}:{settings.port}: {error}") from error
    return bound


def _hosts(settings: Settings) -> tuple[str, ...]:
    own: tuple[str, ...] = () if settings.bind in LOOPBACK else (settings.bind,)
    if settings.bind in EVERYWHERE:
        own = (ANY_ADDRESS, socket.gethostname(), socket.getfqdn())
    return (*LOOPBACK, *own, *settings.hosts)


def _shown(settings: Settings) -> str:
    if settings.bind in EVERYWHERE:
        return socket.gethostname()
    return f"[{settings.bind}]" if ":" in settings.bind else settings.bind


def _root(settings: Settings) -> str:
    return f"/{settings.root.strip('/')}" if settings.root.strip("/") else ""


def _say(text: Any) -> None:
    print(f"llama-logging: {text}", file=sys.stderr, flush=True)
