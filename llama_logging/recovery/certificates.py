"""What a certificate says of itself: from when, until when, and of whom (RFC 5280), trusted or not.

The standard library tells that only of certificates it has verified, and it is those which it has
not that need to be explained.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_SEQUENCE = 0x30
_UTC_TIME = 0x17
_EXTENSIONS = 0xA3
_DNS_NAME, _ADDRESS = 0x82, 0x87
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"  # 2.5.29.17


@dataclass(frozen=True, slots=True)
class Certificate:
    """Of a server.

    Attributes:
        names: Hosts and addresses it is for.
    """

    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]


def read(der: bytes) -> Certificate:
    """The certificate that *der* is.

    Raises:
        ValueError: If it is none.
    """
    try:
        [(_, certificate)] = _elements(der)
        [(_, signed), *_rest] = _elements(certificate)
        elements = list(_elements(signed))
        # Issuer, validity, subject: the second of these three SEQUENCEs is the one that holds two moments.
        validity = [value for tag, value in elements if tag == _SEQUENCE][2]
        not_before, not_after = [_moment(tag, value) for tag, value in _elements(validity)]
    except (IndexError, TypeError) as error:
        raise ValueError(f"no certificate: {error}") from error
    names: tuple[str, ...] = ()
    for tag, value in elements:
        if tag == _EXTENSIONS:
            with contextlib.suppress(IndexError):
                names = tuple(_names(value))
    return Certificate(not_before, not_after, names)


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The tags and values that lie in *der* one after another (X.690, definite lengths)."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(der[at : at + size], "big")
            at += size
        if at + length > len(der):
            raise IndexError("it is cut short")
        yield tag, der[at : at + length]
        at += length


def _moment(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        # RFC 5280 4.1.2.5.1: 50 and above are of the last century.
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _names(extensions: bytes) -> Iterator[str]:
    [(_, listed)] = _elements(extensions)
    for _, extension in _elements(listed):
        (_, kind), *_critical, (_, value) = _elements(extension)
        if kind == _SUBJECT_ALT_NAME:
            [(_, names)] = _elements(value)
            for tag, name in _elements(names):
                if tag == _DNS_NAME:
                    yield name.decode("ascii", "replace")
                elif tag == _ADDRESS and len(name) in (4, 16):
                    yield str(ipaddress.ip_address(name))
