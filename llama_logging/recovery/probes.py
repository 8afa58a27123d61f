"""Does it work? Probes answer with what is wrong; the empty text means all is well."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

from llama_logging.config.values import as_callable, as_text
from llama_logging.exceptions import ConfigError
from llama_logging.plain import last_line
from llama_logging.recovery import apart
from llama_logging.recovery.strategy import Deadline, called, function_name

Probe = Callable[[Deadline], str]
ANSWER_TIMEOUT = 5.0
"""Seconds one request may take, unless the deadline comes first."""
GRACE = 0.2
"""Seconds in which a function that keeps its deadline can still say what it saw."""

# A proxy of the environment must not stand between us and a server on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def as_probe(value: object) -> Probe:
    """A probe by its address: `http://HOST/PATH`, `tcp://HOST:PORT`, or the dotted path of a function.

    The function gets nothing, and may be a coroutine function; what is true means well, what is false or an
    exception does not.

    Raises:
        ConfigError: If *value* is none of these.
    """
    text = as_text(value)
    parts = urlsplit(text)
    if parts.scheme in ("http", "https") and parts.hostname:
        return lambda deadline: _http_problem(text, deadline)
    if parts.scheme == "tcp" and parts.hostname and parts.port:
        address = (parts.hostname, parts.port)
        return lambda deadline: _tcp_problem(address, deadline)
    if "://" in text or text.rpartition(":")[2].isdecimal():
        raise ConfigError(f"unknown probe {text!r}; expected http://..., tcp://HOST:PORT or a dotted path")
    function = as_callable(text)
    return lambda deadline: _function_problem(function, deadline)


def problem_now(probe: Probe | None) -> str | None:
    """What *probe* says is wrong at this moment; None without a probe."""
    return None if probe is None else probe(Deadline(ANSWER_TIMEOUT))


def look(probe: Probe, deadline: Deadline) -> str:
    """What *probe* says at one look, for which there is half of the time: the rest is for what is to be done then."""
    return probe(deadline.within(deadline.remaining() / 2))


def steadily(probe: Probe, settle: float) -> Probe:
    """A probe that is content once *probe* has been so for *settle* seconds, at every look.

    What has just been restarted works for a moment, whatever ails it.
    """
    since: float | None = None
    problem = ""

    def steady(deadline: Deadline) -> str:
        nonlocal since, problem
        if problem and not deadline.remaining():
            return problem  # no time for another look, which would only say so
        problem = probe(deadline)
        if problem:
            since = None
            return problem
        left = deadline.remaining()
        since = left if since is None else since
        return "" if since - left >= settle else f"it works, but not yet for {settle:g} s"

    return steady


def _http_problem(url: str, deadline: Deadline) -> str:
    try:
        with _opener.open(url, timeout=_seconds(deadline)) as response:
            response.read(2**20)
    except urllib.error.HTTPError as error:
        with error:
            return f"{url} answered {error.code} {error.reason}"
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {getattr(error, 'reason', None) or error or type(error).__name__}"
    return ""


def _tcp_problem(address: tuple[str, int], deadline: Deadline) -> str:
    try:
        socket.create_connection(address, _seconds(deadline)).close()
    except OSError as error:
        return f"{address[0]}:{address[1]}: {error}"
    return ""


def _function_problem(function: Callable[[], object], deadline: Deadline) -> str:
    def asked() -> str:
        try:
            return "" if called(function, deadline) else "the probe said no"
        except BaseException as error:
            return last_line(type(error).__name__, str(error))

    try:
        answer = apart.begin(f"probe {function_name(function)}", asked)
    except RuntimeError:  # no more threads
        return asked()
    if answer is None:
        return f"{apart.MOST} looks of the probe are at work, and do not come to an end"
    try:
        return answer.result(max(0.05, deadline.remaining()) + GRACE)
    except TimeoutError:
        return "the probe gave no answer in time"


def _seconds(deadline: Deadline) -> float:
    # 0 would mean non-blocking to a socket.
    return max(0.05, min(ANSWER_TIMEOUT, deadline.remaining()))
