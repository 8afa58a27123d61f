"""The dashboard as an ASGI application: routes, who may take them, and the settings they share."""

from __future__ import annotations

import contextlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from llama_logging.exceptions import ConfigError, ErrorNotFound, LlamaLoggingError
from llama_logging.outbox import Outbox
from llama_logging.recovery.rules import Rule
from llama_logging.stores.urls import StoreURL, default, parse
from llama_logging.web import live, static
from llama_logging.web.asked import Answer, Asked, Text
from llama_logging.web.desk import Desk
from llama_logging.web.guard import LOOPBACK, Guard
from llama_logging.web.keys import Keys, Session
from llama_logging.web.pages import FORMS, PAGES
from llama_logging.web.rendering import rendered

SAID = {
    "resolve": "Resolved: what comes back has regressed.",
    "mute": "Muted: counted on, without asking for attention.",
    "reopen": "Open again.",
    "switch-off": "Recovery is switched off, on all machines that share the registry.",
    "switch-on": "Recovery may act again.",
    "forget": "It is as if it had never been acted on.",
}
"""What a page says when it comes back from a form."""
FIELDS = 300
"""The most fields that a form may have; a page of groups has some fifty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What all pages share.

    Attributes:
        keys: None where nobody can sign in.
        read_only: Nothing can be changed.
        private: Reading needs a session, too.
        journals: Folders in which journals of the registry may lie; empty where that is not known.
        rules: The recovery rules, where the configuration is known.
    """

    desk: Desk
    keys: Keys | None
    read_only: bool
    private: bool
    journals: Sequence[str] = ()
    rules: Sequence[Rule] = ()
    failure: Callable[[], str] = field(default=lambda: "")


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

    Raises:
        ConfigError: If *store* names none, or a token is needed.
    """
    if token is not None:
        keys = Keys(token)
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

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        board.desk.close()

    app = Starlette(
        routes=[
            *(Route(path, _page(board, name, view), methods=["GET"]) for path, name, view in PAGES),
            Route("/decide", _form(board), methods=["POST"]),
            Route("/leave", _leave(board), methods=["POST"]),
            Route("/live", _guarded(board, live.stream(board.desk)), methods=["GET"]),
            Route("/static/{name}", static.file, methods=["GET"]),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={404: _lost(board), 405: _lost(board)},
        lifespan=lifespan,
    )
    app.state.board = board
    return app


Handler = Callable[[Request], Awaitable[Response]]


def _session(board: Board, request: Request) -> Session | None:
    return board.keys.session(request.cookies.get(_cookie(request), "")) if board.keys else None


def _is_proxied(request: Request) -> bool:
    """Whether a proxy has passed it on: then it may come from anywhere, whatever host it names."""
    return any(
        name in request.headers for name in ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via")
    )


def _cookie(request: Request) -> str:
    """Cookies know no ports: two dashboards on one machine must not take each other's."""
    return f"llama_logging_{request.url.port or request.url.scheme}"


def _guarded(board: Board, handler: Handler) -> Handler:
    """*handler* for those who may read."""

    async def guarded(request: Request) -> Response:
        if "token" in request.query_params:
            return _sign_in(board, request)
        if (board.private or _is_proxied(request)) and _session(board, request) is None:
            return _problem(board, request, 401, "Sign in", "Open the link that `llama-logging serve` has printed.")
        return await handler(request)

    return guarded


def _page(board: Board, name: str, view: Callable[[Asked], Answer]) -> Handler:
    async def page(request: Request) -> Response:
        began = time.perf_counter()
        shared = _shared(board, request)

        def answer(store: Outbox) -> Response:
            asked = Asked(
                store=store,
                params=request.path_params,
                query=request.query_params,
                now=datetime.now(UTC),
                journals=board.journals,
                rules=board.rules,
                failure=board.failure,
            )
            found = view(asked)
            if isinstance(found, Text):
                return Response(found.text, media_type=found.media_type)
            values = {**shared, "page": name, "now": asked.now, "pulse": asked.pulse, **found}
            return Response(rendered(f"{name}.html", **values), media_type="text/html")

        try:
            response = await board.desk.ask(answer)
        except ErrorNotFound as error:
            return _problem(board, request, 404, "Not here", str(error))
        except ConfigError as error:
            return _problem(board, request, 400, "That cannot be asked", str(error))
        except LlamaLoggingError as error:
            return _problem(board, request, 503, "The registry cannot be read", str(error))
        response.headers["server-timing"] = f"page;dur={(time.perf_counter() - began) * 1000:.1f}"
        return response

    return _guarded(board, page)


def _form(board: Board) -> Handler:
    async def form(request: Request) -> Response:
        session = _session(board, request)
        if board.read_only or session is None:
            return _problem(board, request, 403, "Not allowed", _why_not(board))
        fields = await _fields(request)
        if not _same(session.csrf, fields.get("csrf", [""])[0]):
            return _problem(board, request, 403, "Not allowed", "The form is not of this session: load the page anew.")
        what, _, how = fields.get("do", [""])[0].partition(":")
        deed = FORMS.get(what)
        if deed is None:
            return _problem(board, request, 400, "Not known", "There is no such thing to do.")
        try:
            count = await board.desk.ask(lambda store: deed(store, {**fields, "how": [how]}, datetime.now(UTC)))
        except ErrorNotFound as error:
            return _problem(board, request, 404, "Not here", str(error))
        except ConfigError as error:
            return _problem(board, request, 400, "That cannot be done", str(error))
        except LlamaLoggingError as error:
            return _problem(board, request, 503, "The registry cannot be written", str(error))
        return _back(request, fields, what, count)

    return form


def _leave(board: Board) -> Handler:
    async def leave(request: Request) -> Response:
        answer = RedirectResponse(f"{_root(request)}/", 303)
        answer.delete_cookie(_cookie(request), path=f"{_root(request)}/")
        return answer

    return leave


def _back(request: Request, fields: Mapping[str, list[str]], did: str, count: int) -> Response:
    """To the page that the form was on, which says what was done."""
    path, _, query = fields.get("back", [""])[0].partition("?")
    pairs = [(name, value) for name, value in parse_qsl(query, max_num_fields=20) if name not in ("did", "many")]
    told = urlencode([*pairs, ("did", did), ("many", str(count))])
    return RedirectResponse(f"{_root(request)}/{quote(path.lstrip('/'), safe='/:')}?{told}", 303)


def _sign_in(board: Board, request: Request) -> Response:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
    if board.keys is None or not board.keys.admits(request.query_params["token"]):
        text = (
            "The link was used before, or is not of this dashboard: `llama-logging serve` prints a new one each time."
        )
        return _problem(board, request, 403, "This link does not sign in", text)
    path = request.url.path + (f"?{urlencode(kept)}" if kept else "")
    answer = RedirectResponse(path, 303)
    answer.set_cookie(
        _cookie(request),
        board.keys.begin(),
        max_age=7 * 86_400,
        path=f"{_root(request)}/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


def _lost(board: Board) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def lost(request: Request, error: Exception) -> Response:
        return _problem(board, request, getattr(error, "status_code", 404), "Not here", "There is no such page.")

    return lost


def _problem(board: Board, request: Request, status: int, title: str, text: str) -> Response:
    if request.url.path.endswith("/live"):
        return PlainTextResponse(text, status)
    shared = _shared(board, request)
    if status == 401:
        shared["session"] = None
    page = rendered(
        "problem.html", **shared, page="", pulse="", now=datetime.now(UTC), title=title, text=text, status=status
    )
    return Response(page, status, media_type="text/html")


def _shared(board: Board, request: Request) -> dict[str, Any]:
    session = _session(board, request)
    root = _root(request)
    path = request.url.path.removeprefix(root).lstrip("/")
    return {
        "root": root,
        "session": session,
        "may_change": session is not None and not board.read_only,
        "why_not": _why_not(board),
        "fragment": "x-fragment" in request.headers,
        "here": f"{path}?{request.url.query}" if request.url.query else path,
        "did": request.query_params.get("did", ""),
        "many": request.query_params.get("many", ""),
        "said": SAID,
    }


def _why_not(board: Board) -> str:
    if board.keys is None:
        return "This dashboard only shows: it was given no token."
    if board.read_only:
        return "This dashboard only shows: it was started with --read-only."
    return "To change something, open the link that `llama-logging serve` has printed."


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


async def _fields(request: Request) -> dict[str, list[str]]:
    with contextlib.suppress(ClientDisconnect, ValueError):
        body = await request.body()
        return parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS)
    return {}


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())
