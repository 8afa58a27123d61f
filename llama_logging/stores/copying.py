"""Frames as PostgreSQL's COPY takes them: rows of `batch`.

They are read here and not by the server: of a fleet there are many, and of the server one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from llama_logging import wire
from llama_logging.native import original

_YIELD_EVERY = 500

_COLUMNS = (
    "place", "kind", "error_id", "attempt_id", "timestamp", "severity", "fingerprint", "error_type", "message",
    "logger_name", "stack", "process", "release", "module", "function", "strategy", "status", "duration",
    "partial", "details", "amount", "content",
)  # fmt: skip
COPY = f"COPY batch ({', '.join(_COLUMNS)}) FROM STDIN"
# An error as `wire` writes it, without escapes in what has a column of its own: nearly all of them.
_PLAIN_ERROR = re.compile(
    r'\{"k":"error","id":"([^"\\]*)","ts":(\d+),"proc":"([^"\\]*)","type":"([^"\\]*)","stack":"([^"\\]*)",'
    r'"sev":(\d+),"fp":"([^"\\]*)",("logger":"([^"\\]*)"),"msg":"([^"\\]*)"(.*)'
)
_HOT = ("k", "id", "ts", "sev", "fp", "type", "msg", "stack", "proc", "n", "crc")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class Refused(Exception):
    """A frame is not what it should be."""


def rows(frames: Sequence[str]) -> str:
    """A line for each of *frames*.

    Raises:
        Refused: If one is none.
    """
    lines = []
    for place, frame in enumerate(frames):
        if place % _YIELD_EVERY == 0:
            original("time", "sleep")(0)  # the application's threads need not wait for the GIL until all is done
        # One alone is looked at closely: it is alone because something among others was refused.
        found = _PLAIN_ERROR.fullmatch(_unsealed(frame)) if len(frames) > 1 else None
        lines.append(_line(place, frame) if found is None else _plain_line(place, found))
    return "".join(lines)


def _unsealed(frame: str) -> str:
    """*frame* without its end: the number and the checksum that the journal gave it, and the brace."""
    if frame[-18:-10] == ',"crc":"':
        body, _, number = frame[:-18].rpartition(',"n":')
        return body if number.isdecimal() else frame[:-18]
    return frame[:-1]


def _plain_line(place: int, match: re.Match[str]) -> str:
    error_id, ts, proc, kind, stack, sev, fp, member, logger, message, rest = match.groups()
    partial = int(rest.endswith(',"partial":true'))
    details = int(',"ctx":' in rest or ',"crumbs":' in rest or ',"locals":' in rest)
    if "\\" in rest:
        rest = rest.replace("\\", "\\\\")
    return (
        f"{place}\terror\t{error_id}\t\\N\t{ts}\t{sev}\t{fp}\t{kind}\t{message}\t{logger}\t{stack}\t{proc}"
        f"\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t{partial}\t{details}\t1\t{{{member}{rest}}}\n"
    )


def _line(place: int, text: str) -> str:
    """Of any frame.

    Raises:
        Refused: If it is not one.
    """
    try:
        frame = json.loads(text)
        if frame["k"] == "error":
            text = wire.dumps({name: value for name, value in frame.items() if name not in _HOT})
        module, function = (*(frame.get("site") or ()), None, None)[:2]
        values = {
            "place": place,
            "kind": frame["k"],
            "error_id": frame.get("id", frame.get("error_id")),
            "attempt_id": frame.get("attempt_id"),
            "timestamp": frame.get("ts", frame.get("started_at")),
            "severity": frame.get("sev"),
            "fingerprint": frame.get("fp", frame.get("fingerprint")),
            "error_type": frame.get("type"),
            "message": frame.get("msg"),
            "logger_name": frame.get("logger"),
            "stack": frame.get("stack", frame.get("name")),
            "process": frame.get("proc", frame.get("process")),
            "release": frame.get("release"),
            "module": module,
            "function": function,
            "strategy": frame.get("strategy"),
            "status": frame.get("status"),
            "duration": frame.get("duration"),
            "partial": int(bool(frame.get("partial")) or frame.get("status") == "pending"),
            "details": int(any(frame.get(name) is not None for name in ("ctx", "crumbs", "locals"))),
            "amount": frame.get("count", 1),
            "content": text,
        }
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise Refused from error
    ordered = [values[column] for column in _COLUMNS]
    return "\t".join("\\N" if value is None else str(value).translate(_ESCAPES) for value in ordered) + "\n"
