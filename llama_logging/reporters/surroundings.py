"""The lines of source around a call, read where a report is sent from.

They are kept nowhere. Whether a file is still what ran is told by the line of the call, which is kept.
"""

from __future__ import annotations

import linecache

from llama_logging.capture.frames import MAX_SOURCE
from llama_logging.context import Frame
from llama_logging.redaction import clean

AROUND = 5
"""Lines before the call, and after it."""
_READ = 60
"""Lines on each side that are looked at for secrets: of a PEM, which has up to 51, the last alone say nothing."""
_MOST = 50_000
_LINE = 200


def surroundings(frame: Frame) -> tuple[list[str], str, list[str]] | None:
    """The lines before the call, its own, and those after it, redacted; None if this machine does not have them."""
    lines = linecache.getlines(frame.file)
    at = frame.line - 1
    if not frame.source or not 0 <= at < len(lines) or clean(lines[at].strip(), MAX_SOURCE) != frame.source:
        return None
    first = max(0, at - _READ)
    near = [line.rstrip() for line in lines[first : at + _READ + 1]]
    text = "\n".join(near)
    told = clean(text, _MOST).split("\n")
    if len(text) > _MOST or len(told) != len(near):  # a secret of several lines: whose is whose is no longer known
        return None
    cut = [line[:_LINE] for line in told]
    at -= first
    return cut[max(0, at - AROUND) : at], cut[at], cut[at + 1 : at + 1 + AROUND]
