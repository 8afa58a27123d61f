"""Frames of plain errors, taken apart by one regular expression: nearly all are such, and a parser costs more."""

from __future__ import annotations

import re
from typing import NamedTuple

HOT = ("k", "id", "ts", "sev", "fp", "type", "msg", "stack", "proc", "n", "crc")
"""Members of an error's frame that have a column of their own; `content` is what is left."""

# As `wire` writes it, without escapes in what has a column of its own.
_PLAIN = re.compile(
    r'\{"k":"error","id":"([^"\\]*)","ts":(\d+),"proc":"([^"\\]*)","type":"([^"\\]*)","stack":"([^"\\]*)",'
    r'"sev":(\d+),"fp":"([^"\\]*)",("logger":"([^"\\]*)"),"msg":"([^"\\]*)"(.*)'
)


class PlainError(NamedTuple):
    """The columns of `batch`, in this order."""

    error_id: str
    timestamp: str
    process: str
    error_type: str
    stack: str
    severity: str
    fingerprint: str
    logger_name: str
    message: str
    partial: int
    details: int
    content: str


def taken_apart(frame: str) -> PlainError | None:
    """The columns of *frame*; None if it is another, or one with escapes."""
    found = _PLAIN.fullmatch(_unsealed(frame))
    if found is None:
        return None
    error_id, ts, proc, kind, stack, sev, fp, member, logger, message, rest = found.groups()
    details = ',"ctx":' in rest or ',"crumbs":' in rest or ',"locals":' in rest
    partial = rest.endswith(',"partial":true')
    return PlainError(
        error_id, ts, proc, kind, stack, sev, fp, logger, message, int(partial), int(details), f"{{{member}{rest}}}"
    )


def _unsealed(frame: str) -> str:
    """*frame* without its end: the number and the checksum that the journal gave it, and the brace.

    Empty if the journal had more to say there.
    """
    if frame[-18:-10] == ',"crc":"':
        body, _, number = frame[:-18].rpartition(',"n":')
        return body if number.isdecimal() else ""
    return frame[:-1]
