"""From a request to an answer: who may have it, what is asked for it, and what is said where it cannot be given."""

from __future__ import annotations

import contextlib
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from llama_logging.exceptions import ConfigError, ErrorNotFound, LlamaLoggingError
from llama_logging.registry.outbox import Outbox
from llama_logging.web.asked import Answer, Asked, Text
from llama_logging.web.board import Board
from llama_logging.web.pages import FORMS
from llama_logging.web.rendering import rendered
from llama_logging.web.sessions import begun, is_proxied, root_of, session_of

Handler = Callable[[Request], Awaitable[Response]]

SAID = {
    "resolve": "Resolved. If an error comes back, its group has regressed.",
    "mute": "Muted. Errors are still counted, but not reported.",
    "reopen": "Open again.",
    "delete": "Deleted for good.",
    "switch-off": "Recovery is switched off, on all machines that share the registry.",
    "switch-on": "Recovery may act again.",
    "forget": "Reset: its past attempts and cooldown no longer count.",
}
"""What a page says when it comes back from a form."""
SIGN_IN = (
    "Open the link that llama-logging serve has printed; where the dashboard is part of another application, "
    "its own address with ?token= and the token."
)
USED = "The link was already used, or belongs to another dashboard: llama-logging serve prints a new one each time."
FIELDS = 300
"""The most fields that a form may have; a page of groups has some fifty."""


def guarded(board: Board, handler: Handler) -> Handler:
    """*handler* for those who may read; a token in the address begins a session."""

    async def permitted(request: Request) -> Response:
        if "token" in request.query_params:
            if board.keys is not None and board.keys.admits(request.query_params["token"]):
                return begun(request, board.keys)
            return _problem(board, request, 403, "This link does not sign in", USED)
        if (board.private or is_proxied(request)) and session_of(request, board.keys) is None:
            return _problem(board, request, 401, "Sign in", SIGN_IN)
        return await handler(request)

    return permitted


def page(board: Board, name: str, view: Callable[[Asked], Answer]) -> Handler:
    """The handler that shows what *view* has found by the template *name*."""

    async def shown(request: Request) -> Response:
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
            if values["may_change"] and store.exists and not store.may_write:
                values |= {"may_change": False, "why_not": "This dashboard only shows: it may only read the registry."}
            return Response(rendered(f"{name}.html", **values), media_type="text/html")

        try:
            response = await board.desk.ask(answer)
        except LlamaLoggingError as error:
            return _failed(board, request, error)
        response.headers["server-timing"] = f"page;dur={(time.perf_counter() - began) * 1000:.1f}"
        return response

    return guarded(board, shown)


def form(board: Board) -> Handler:
    """The handler of what forms send, from those who may change something."""

    async def done(request: Request) -> Response:
        session = session_of(request, board.keys)
        if board.read_only or session is None:
            return _problem(board, request, 403, "Not allowed", board.why_not)
        fields = await _fields(request)
        if not hmac.compare_digest(session.csrf.encode(), fields.get("csrf", [""])[0].encode()):
            return _problem(board, request, 403, "Not allowed", "The form belongs to another session: reload the page.")
        what, _, how = fields.get("do", [""])[0].partition(":")
        deed = FORMS.get(what)
        if deed is None:
            return _problem(board, request, 400, "Not known", "Unknown action.")
        try:
            count = await board.desk.ask(lambda store: deed(store, {**fields, "how": [how]}, datetime.now(UTC)))
        except LlamaLoggingError as error:
            return _failed(board, request, error)
        return _back(request, fields, what, count)

    return done


def lost(board: Board) -> Callable[[Request, Exception], Awaitable[Response]]:
    """What is said where there is no such page."""

    async def told(request: Request, error: Exception) -> Response:
        return _problem(board, request, getattr(error, "status_code", 404), "Not here", "There is no such page.")

    return told


def _failed(board: Board, request: Request, error: LlamaLoggingError) -> Response:
    status, title = 503, "The registry does not answer"
    if isinstance(error, ErrorNotFound):
        status, title = 404, "Not here"
    elif isinstance(error, ConfigError):
        status, title = 400, "That cannot be done"
    return _problem(board, request, status, title, str(error))


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


def _back(request: Request, fields: Mapping[str, list[str]], did: str, count: int) -> Response:
    """To the page that the form was on, which says what was done."""
    path, _, query = fields.get("back", [""])[0].partition("?")
    if did == "delete" and path:  # the page of what is gone
        path = query = ""
    pairs: list[tuple[str, str]] = []
    with contextlib.suppress(ValueError):  # more than any page of ours has
        pairs = [pair for pair in parse_qsl(query, max_num_fields=20) if pair[0] not in ("did", "many")]
    told = urlencode([*pairs, ("did", did), ("many", str(count))])
    return RedirectResponse(f"{root_of(request)}/{quote(path.lstrip('/'), safe='/:')}?{told}", 303)


def _shared(board: Board, request: Request) -> dict[str, Any]:
    session = session_of(request, board.keys)
    root = root_of(request)
    path = request.url.path.removeprefix(root).lstrip("/")
    return {
        "root": root,
        "session": session,
        "may_change": session is not None and not board.read_only,
        "why_not": board.why_not,
        "fragment": "x-fragment" in request.headers,
        "here": f"{path}?{request.url.query}" if request.url.query else path,
        "did": request.query_params.get("did", ""),
        "many": request.query_params.get("many", ""),
        "said": SAID,
    }


async def _fields(request: Request) -> dict[str, list[str]]:
    with contextlib.suppress(ClientDisconnect, ValueError):
        body = await request.body()
        return parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS)
    return {}
