"""What an exception carries besides its text: numbers, an SQLSTATE, the server that was asked and its answer.

Asked for after the error is durable: a property may be the application's own code. What lies in an
object's `__dict__` is read there, so that nothing is loaded from a network or a database for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from json import loads
from typing import Any

from llama_logging.capture.kinds import CARRIERS, CODED
from llama_logging.patterns import regex
from llama_logging.redaction import clean
from llama_logging.runtime.slots import attributes_of, held_by, traceback_of

CARRYING = frozenset((*CARRIERS, "request", "_request", "request_info", "_conn_key"))
"""What may carry some of it in the exception's place; to ask it may run its code."""
TELLING = CODED | CARRYING | {"doc"}  # of what was no JSON

Codes = Mapping[str, int | str]

_NONE: Codes = {}
_SQLSTATE = regex(r"[0-9A-Z]{5}")
_WAITS = (
    "retry-after",
    "retry-after-ms",
    "ratelimit-reset",
    "x-ratelimit-reset",
    "x-ratelimit-reset-after",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "x-rate-limit-reset",
)
"""Headers that say when to come back."""
_WAIT = regex(r"[\w .,:+-]{1,40}", re.ASCII)
_BOTOCORE = {"status_code": "HTTPStatusCode", "headers": "HTTPHeaders"}
"""How a response names these that is a dict."""
_MAX_ANSWER = 8_192
"""Bytes of a server's answer that are looked into."""


def codes_of(error: BaseException, names: tuple[str, ...]) -> Codes:
    """The codes that *error* carries; some may be its response's, or those of what a wrapper hides as `orig`.

    Args:
        names: Where its class may have one.
    """
    own = attributes_of(error)
    if not names and TELLING.isdisjoint(own):
        return _NONE
    asked = {**{name: _quiet(error, name) for name in names}, **{name: own[name] for name in CODED if name in own}}
    response, headers, orig = [asked.pop(name, None) for name in CARRIERS]
    if response is not None:
        if type(asked.get("status_code")) is not int:
            asked["status_code"] = _told(response, "status_code")
        headers = _told(response, "headers") if headers is None else headers
    texts = {
        "sqlstate": _sqlstate(asked, orig),
        "response": _answer(response),
        "server": _server(_answered(error) if "doc" in own else own, response),
    }
    numbers = {name: value for name, value in asked.items() if type(value) is int}
    return {**numbers, **{name: text for name, text in texts.items() if text}, **_waits(headers)}


def _told(response: object, name: str) -> object:
    if type(response) is not dict:
        return _quiet(response, name)
    about = response.get("ResponseMetadata")
    return about.get(_BOTOCORE[name]) if type(about) is dict else None


def _sqlstate(asked: Mapping[str, object], orig: object) -> str:
    states = [asked.get(name) for name in ("sqlstate", "pgcode")]
    states += [_quiet(orig, name) for name in ("sqlstate", "pgcode")] if orig is not None else []
    return next((state for state in states if type(state) is str and _SQLSTATE.fullmatch(state)), "")


def _waits(headers: Any) -> dict[str, str]:
    if headers is None:
        return {}
    if type(headers) is dict:
        headers = {name.lower(): value for name, value in headers.items() if type(name) is str}
    found = {}
    try:
        for name in _WAITS:
            value = headers.get(name)
            if type(value) is str and _WAIT.fullmatch(value):
                found[name] = value
    except BaseException:
        return found  # no mapping after all
    return found


def _server(own: Mapping[str, Any], response: object) -> str:
    """Host and port that the request went to, of an exception with *own* in its `__dict__`."""
    try:
        scheme, host, port = _asked(own, response)
        if type(host) is not str or not (port is None or type(port) is int):
            return ""
        return clean(f"{host}:{port or (443 if scheme == 'https' else 80)}", 300)
    except Exception:
        return ""


def _asked(own: Mapping[str, Any], response: object) -> tuple[object, object, object]:
    """Scheme, host and port: requests and urllib have the address as text, httpx in parts, aiohttp in both ways."""
    if "_conn_key" in own:
        return "", own["_conn_key"].host, own["_conn_key"].port
    if "request_info" in own:
        url: Any = str(own["request_info"].real_url)
    elif type(own.get("url")) is str:
        url = own["url"]
    else:
        url = _part_of(own.get("request") or own.get("_request") or _part_of(response, "request"), "url")
    if type(url) is not str:
        parts: Any = _part_of(url, "_uri_reference")
        return tuple.__getitem__(parts, 0), tuple.__getitem__(parts, 2), tuple.__getitem__(parts, 3)
    from urllib.parse import urlsplit  # here and not above: whoever asks a server has it

    split = urlsplit(url[:_MAX_ANSWER])
    return split.scheme, split.hostname, split.port


def _answered(error: BaseException) -> Mapping[str, Any]:
    """What lies in the response whose `json()` an *error* of parsing came through: it does not carry that itself."""
    tb = traceback_of(error)
    while tb is not None:
        if tb.tb_frame.f_code.co_name == "json":
            return held_by(tb.tb_frame.f_locals.get("self"))
        tb = tb.tb_next
    return {}


def _answer(response: object) -> str:
    """What a server said was wrong, if the client has read its answer: `error` or the like of a JSON object.

    requests.HTTPError and httpx.HTTPStatusError do not say it themselves. Their `text` would read from
    the network; `_content`, of both, is there or is not. The rest of an answer is the application's.
    """
    content = _part_of(response, "_content")
    if type(content) is not bytes or not content.startswith(b"{") or len(content) > _MAX_ANSWER:
        return ""
    try:
        data = loads(content)
        said = next((data[name] for name in ("error", "message", "detail") if name in data), "")
        said = said.get("message", "") if type(said) is dict else said
        return clean(said, 1_000) if type(said) is str else ""
    except Exception:
        return ""


def _part_of(owner: object, name: str) -> object:
    """What lies in *owner* under *name*; no property is asked."""
    return held_by(owner).get(name)


def _quiet(owner: object, name: str) -> object:
    try:
        return getattr(owner, name, None)
    except BaseException:
        return None
