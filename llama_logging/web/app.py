"""The dashboard as an ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from llama_logging.exceptions import ConfigError
from llama_logging.recovery.rules import Rule
from llama_logging.registry.outbox import Outbox
from llama_logging.stores.urls import StoreURL, default, parse
from llama_logging.web import live, static
from llama_logging.web.answering import form, guarded, lost, page
from llama_logging.web.board import Board
from llama_logging.web.desk import Desk
from llama_logging.web.guard import LOOPBACK, Guard
from llama_logging.web.keys import Keys
from llama_logging.web.pages import PAGES
from llama_logging.web.sessions import leave


def dashboard(
    store: Outbox | StoreURL | str | None = None,
    *,
    read_only: bool = False,
    token: str | None = None,
    keys: Keys | None = None,
    hosts: Sequence[str] = LOOPBACK,
    private: bool | None = None,
    journals: Sequence[str] = (),
    rules: Sequence[Rule] = (),
    failure: Callable[[], str] = lambda: "",
    ending: Callable[[], bool] = lambda: False,
) -> Starlette:
    """The dashboard, to be served or mounted.

    Args:
        store: The registry, or its URL; LLAMA_LOGGING_STORE, else the default for None.
        read_only: Show, and change nothing.
        token: What a browser must show, once, as `/?token=...`, before it may change something. Without one
            nothing can be changed.
        keys: In place of *token*.
        hosts: The names it may be asked under. For others than those of this machine a token is needed.
        private: Whether to read needs the token, too; None: if it may be asked under other names.
        journals: Folders in which journals lie, to show what waits in them.
        rules: Recovery rules, to be shown.
        failure: Says why errors do not come in; empty if they do.
        ending: Says whether the server is about to end: what is told to open pages then ends by itself, and is not
            cut off, within a second or so.

    Raises:
        ConfigError: If *store* names none, or a token is needed.
    """
    keys = keys if token is None else Keys(token)
    is_local = all(host.lower().strip("[]") in LOOPBACK for host in hosts)
    if keys is None and (private or not is_local):
        raise ConfigError("the dashboard needs a token to be asked under other names than those of this machine")
    if isinstance(store, str):
        store = parse(store)
    board = Board(
        desk=Desk(default() if store is None else store),
        keys=keys,
        read_only=read_only or keys is None,
        private=not is_local if private is None else private,
        journals=tuple(journals) or (store.directories if isinstance(store, StoreURL) else ()),
        rules=tuple(rules),
        failure=failure,
    )
    return _application(board, hosts, ending)


def _application(board: Board, hosts: Sequence[str], ending: Callable[[], bool]) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        board.desk.close()

    return Starlette(
        routes=[
            *(Route(path, page(board, name, view), methods=["GET"]) for path, name, view in PAGES),
            Route("/decide", form(board), methods=["POST"]),
            Route("/leave", leave(board.keys), methods=["POST"]),
            Route("/live", guarded(board, live.stream(board.desk, ending)), methods=["GET"]),
            Route("/static/{name}", static.file, methods=["GET"]),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={404: lost(board), 405: lost(board)},
        lifespan=lifespan,
    )
