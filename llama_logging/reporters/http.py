"""POST over HTTP, to where the configuration says and nowhere else.

The standard library's `http.client`, and not urllib: the address that was checked is the one that is
connected to. A name that is resolved a second time may be another machine (DNS rebinding).
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import io
import ipaddress
import math
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from llama_logging.config.options import Options
from llama_logging.config.values import as_bool, as_seconds, as_text
from llama_logging.exceptions import ConfigError, ReportError
from llama_logging.redaction import clean
from llama_logging.registry.outbox import LONGEST_HOLD

TIMEOUT = 10.0
"""Seconds that one report may take, where the YAML says nothing else."""
LONGEST = 20.0
"""Seconds that it may take at most: a channel is leased for a little longer."""
REDIRECTS = 3
OPTIONS = ("timeout", "allow_private", "ca_file")

_KEPT = 65_536
_LONGEST_HOLD = LONGEST_HOLD.total_seconds()
_BUSY = (408, 425, 429)
_ASTRAY = (401, 403, 404, 405, 410)
_OURSELVES = "llama_logging"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send to.

    Attributes:
        timeout: Seconds.
        allow_private: Whether it may be this machine or one of a private network.
        ca_file: Certificates that are trusted besides the system's; empty for none.
    """

    url: str
    timeout: float = TIMEOUT
    allow_private: bool = False
    ca_file: str = ""

    def post(self, body: bytes, headers: Mapping[str, str], timeout: float) -> bytes:
        """POST *body*; the answer's own body, as far as it is short.

        Raises:
            ReportError: If it was not taken.
        """
        url, until = self.url, time.monotonic() + min(timeout, self.timeout)
        for _ in range(REDIRECTS + 1):
            status, found, said = self._ask(urlsplit(url), body, headers, until)
            if 200 <= status < 300:
                return said
            location = found.get("location", "")
            if status not in (301, 302, 307, 308) or not location:
                raise _refusal(status, found, said)
            url = _followed(url, location)
        raise ReportError(f"it redirects more than {REDIRECTS} times")

    def _ask(
        self, url: SplitResult, body: bytes, headers: Mapping[str, str], until: float
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        left = until - time.monotonic()
        if left <= 0:
            raise ReportError("no answer in time")
        secure = url.scheme == "https"
        usual = 443 if secure else 80
        host, port = url.hostname or "", url.port or usual
        connection = http.client.HTTPConnection(host, port, timeout=left)
        connection.default_port = usual  # else `Host` has it, too, and Envoy, for one, knows no such host
        try:
            connection.sock = self._connect(host, port, secure, until)
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            connection.request("POST", path, body, {"User-Agent": _OURSELVES, **headers})
            answer = http.client.HTTPResponse(Paced(connection.sock, until), method="POST")  # type: ignore[arg-type]
            with contextlib.closing(answer):
                answer.begin()
                said = answer.read(_KEPT)
                if answer.length and len(said) < _KEPT:
                    raise http.client.IncompleteRead(said, answer.length)
                return answer.status, answer.headers, said
        except TimeoutError as error:
            raise ReportError(f"no answer from {host} within {left:.1f} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise ReportError(f"{host}: {_named(error)}") from error
        finally:
            connection.close()

    def _connect(self, host: str, port: int, secure: bool, until: float) -> socket.socket:
        problem = OSError("it has no address")
        for address in addresses(host, port, self.allow_private):
            try:
                plain = socket.create_connection((address, port), timeout=max(0.05, until - time.monotonic()))
            except OSError as error:
                problem = error
                continue
            if not secure:
                return plain
            try:
                return trusted(self.ca_file).wrap_socket(plain, server_hostname=host)
            except BaseException:
                plain.close()
                raise
        raise problem


class Paced(io.RawIOBase):
    """Reads from a socket until a moment: its own timeout begins anew with every byte that trickles in."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until

    def makefile(self, mode: str) -> io.BufferedReader:
        """What `HTTPResponse` asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As a socket's."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)


def target(options: Options, url: str) -> Target:
    """*url*, with what those of OPTIONS say."""
    made = Target(
        url,
        timeout=min(LONGEST, options.read("timeout", as_seconds, TIMEOUT)),
        allow_private=options.read("allow_private", as_bool, False),
        ca_file=options.read("ca_file", as_text, ""),
    )
    host = urlsplit(url).hostname or ""
    if not made.allow_private and _is_private(host):
        options.advise("", f"{host} is a private address, where nothing is sent without `allow_private: true`")
    return made


def as_url(value: object) -> str:
    """A URL of a web server; what is wrong is said without it, for it may hold a secret."""
    text = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    if not fine or not text.isprintable() or " " in text or not f"{parts.path}{parts.query}".isascii():
        raise ConfigError("expected a URL such as https://hooks.example/a; what stands there is none")
    if parts.username or parts.password:
        raise ConfigError("a URL with a user's name or password in it is not taken; use a header")
    return text


def secrets_of(url: str) -> tuple[str, ...]:
    """What of *url* must not be told: all but its host.

    >>> secrets_of("https://hooks.example/services/T0/B0?key=1")
    ('https://hooks.example/services/T0/B0?key=1', '/services/T0/B0?key=1', '/services/T0/B0', 'services', 'key=1')
    """
    parts = urlsplit(url)
    whole = f"{parts.path}?{parts.query}" if parts.query else parts.path
    longest = max(parts.path.split("/"), key=len)
    return tuple(text for text in dict.fromkeys((url, whole, parts.path, longest, parts.query)) if len(text) > 4)


def addresses(host: str, port: int, allow_private: bool) -> list[str]:
    """The addresses of *host*.

    Raises:
        ReportError: If one is this machine's, or of a private network, and that is not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ReportError(f"the name {host} cannot be resolved: {_named(error)}") from error
    names = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private:
        for name in names:
            if not _is_public(name):
                is_a = "is" if host == name else f"is {name},"
                raise ReportError(f"{host} {is_a} a private address; `allow_private: true` allows it")
    return names


def trusted(ca_file: str) -> ssl.SSLContext:
    """Certificates and names are checked.

    Raises:
        ReportError: If *ca_file* has no certificates.
    """
    context = ssl.create_default_context()
    try:
        if ca_file:
            context.load_verify_locations(ca_file)
    except OSError as error:
        raise ReportError(f"the certificates of the ca_file {ca_file} cannot be read: {_named(error)}") from error
    return context


def _is_public(name: str) -> bool:
    address = ipaddress.ip_address(name.partition("%")[0])
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return address.is_global and not address.is_multicast and (inner is None or inner.is_global)


def _is_private(host: str) -> bool:
    """By what is written: a name is looked up where the report is sent from, and not where this is asked."""
    try:
        return not _is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _followed(url: str, location: str) -> str:
    old, new = urlsplit(url), urlsplit(urljoin(url, location))
    if (new.scheme, new.netloc) != (old.scheme, old.netloc):
        raise ReportError(f"it redirects to {new.hostname or 'nowhere'}, another host, which is not followed")
    return new.geturl()


def _refusal(status: int, headers: http.client.HTTPMessage, said: bytes) -> ReportError:
    told = clean(" ".join(said[:1_000].decode("utf-8", "replace").split()), 200)
    return ReportError(
        f"HTTP {status}" + (f": {told}" if told else ""),
        retry_after=retry_after(headers.get("retry-after", "")) if status in (429, 503) else None,
        refused=400 <= status < 500 and status not in (*_BUSY, *_ASTRAY),
    )


def retry_after(text: str, now: float | None = None) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3): a number, or a date.

    >>> retry_after("120"), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now=0.0), retry_after("soon")
    (120.0, 60.0, None)
    """
    if text.strip().isdecimal():
        return min(_LONGEST_HOLD, float(text))
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    left = moment - (time.time() if now is None else now)
    return min(_LONGEST_HOLD, max(0.0, left)) if math.isfinite(left) else None


def _named(error: Exception) -> str:
    return clean(getattr(error, "strerror", None) or str(error) or type(error).__name__, 200)
