"""What stands before every page: the hosts it is asked under, how much may be sent, what a browser may do with it."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llama_logging.redaction import redact
from llama_logging.visible import printable

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts under which only this machine asks."""
ANY_ADDRESS = "*"
"""Among the hosts: every address in digits. A page of somebody else's can only be led here by a name."""
BODY_BYTES = 65_536
"""The most that a form may send."""

_DIGITS = 10
"""Of a Content-Length; thousands of them are no number to Python."""

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: a form of our own would then be sent with the origin `null`, as one of somebody else's is.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Guard:
    """Wraps the dashboard's application.

    Args:
        hosts: Names it may be asked under, without port.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower().strip("[]") for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it; nothing is raised to the server, which would log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            refusal = self._refusal(scope)
            answer = self._app if refusal is None else refusal
            await answer(scope, _bounded(receive), guarded)
        except TooLarge:
            await PlainTextResponse("Too much was sent.", 413)(scope, receive, guarded)
        except (ClientDisconnect, OSError):
            return  # nobody is there any more
        except Exception as error:
            # Logged it would become an error in the registry that it shows.
            print(printable(redact(f"llama-logging: dashboard: {_told(error)}")), file=sys.stderr)
            if not begun:
                await PlainTextResponse("The dashboard has failed; its standard error tells why.", 500)(
                    scope, receive, guarded
                )

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) != 1:
            return PlainTextResponse("One Host header is needed.", 400)
        host = host_of(headers["host"])
        if not self._knows(host):
            return PlainTextResponse(
                f"This is not {printable(host)[:100]}. Start the dashboard with --allow-host to allow that name.",
                421,
            )
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > _DIGITS or int(length) > BODY_BYTES:
            return PlainTextResponse("Too much was sent.", 413)
        if not is_own(headers) and not (scope["method"] in ("GET", "HEAD") and is_followed(headers)):
            return PlainTextResponse("This request came from another site.", 403)
        return None

    def _knows(self, host: str) -> bool:
        if host in self._hosts:
            return True
        try:
            return ANY_ADDRESS in self._hosts and bool(ipaddress.ip_address(host))
        except ValueError:
            return False


class TooLarge(Exception):
    """The request is larger than any form of the dashboard."""


def is_own(headers: Headers) -> bool:
    """Whether a page of ours has sent the request, as far as a browser says."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc.lower() == headers["host"].lower()
    except ValueError:
        return False


def is_followed(headers: Headers) -> bool:
    """Whether somebody has followed a link, or typed the address, as far as a browser says.

    All else another site sends to have work done here, or to learn from how long it takes.
    """
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def host_of(header: str) -> str:
    """The name in a Host header, without port and brackets.

    >>> host_of("[::1]:80"), host_of("LOCALHOST:80")
    ('::1', 'localhost')
    """
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def _bounded(receive: Receive) -> Receive:
    """*receive*, that raises once too much has come."""
    taken = 0

    async def receive_some() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > BODY_BYTES:
            raise TooLarge
        return message

    return receive_some


def _told(error: BaseException) -> str:
    place, trace = "", error.__traceback__
    while trace is not None:
        place = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{place}"
