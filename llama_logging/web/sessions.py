"""The session of a request: the cookie that stands for it, and the path below which it holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from llama_logging.web.keys import SESSION, Keys, Session


def session_of(request: Request, keys: Keys | None) -> Session | None:
    """The session; None if there is none."""
    return keys.session(request.cookies.get(_cookie(request), "")) if keys else None


def root_of(request: Request) -> str:
    """What stands before every path; empty where nothing does."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def is_proxied(request: Request) -> bool:
    """Whether a proxy has passed it on: then it may come from anywhere, whatever host it names."""
    return any(
        name in request.headers for name in ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via")
    )


def begun(request: Request, keys: Keys) -> Response:
    """To the same page without the token, and with a session."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
    answer = RedirectResponse(request.url.path + (f"?{urlencode(kept)}" if kept else ""), 303)
    answer.set_cookie(
        _cookie(request),
        keys.begin(),
        max_age=SESSION,
        path=f"{root_of(request)}/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",  # strict, it would not come with a link in a chat or a mail; a change needs more anyway
    )
    return answer


def leave(keys: Keys | None) -> Callable[[Request], Awaitable[Response]]:
    """The handler that ends a session: to the first page, without one."""

    async def left(request: Request) -> Response:
        if keys is not None:
            keys.end(request.cookies.get(_cookie(request), ""))
        answer = RedirectResponse(f"{root_of(request)}/", 303)
        answer.delete_cookie(_cookie(request), path=f"{root_of(request)}/")
        return answer

    return left


def _cookie(request: Request) -> str:
    """Cookies know no ports: two dashboards on one machine must not take each other's."""
    return f"llama_logging_{request.url.port or request.url.scheme}"
