"""Frames as PostgreSQL's COPY takes them: rows of `batch`.

They are read here and not by the server: of a fleet there are many, and of the server one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from llama_logging import wire
from llama_logging.native import original
from llama_logging.stores.plain_errors import COLUMNS, HOT, PlainError, taken_apart

_YIELD_EVERY = 500

_COLUMNS = (
    *("place", "kind", "amount"),
    *COLUMNS,
    *("attempt_id", "release", "service", "environment", "module", "function", "strategy", "status", "duration"),
)
COPY = f"COPY batch ({', '.join(_COLUMNS)}) FROM STDIN"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class Refused(Exception):
    """A frame is not what it should be."""


def rows(frames: Sequence[str]) -> str:
    """A line for each of *frames*.

    Raises:
        Refused: If one is none.
    """
    lines = []
    # One alone is looked at closely: it is alone because something among others was refused.
    errors = taken_apart(frames) if len(frames) > 1 else [None]
    for place, (frame, plain) in enumerate(zip(frames, errors, strict=True)):
        if place % _YIELD_EVERY == 0:
            original("time", "sleep")(0)  # the application's threads need not wait for the GIL until all is done
        lines.append(_line(place, frame) if plain is None else _plain_line(place, plain))
    return "".join(lines)


def _plain_line(place: int, error: PlainError) -> str:
    # Only the content may hold what COPY takes for its own.
    content = error[-1].replace("\\", "\\\\")
    columns = "\t".join(map(str, (*error[:-1], content)))
    return f"{place}\terror\t1\t{columns}" + "\t\\N" * (len(_COLUMNS) - len(error) - 3) + "\n"


def _line(place: int, text: str) -> str:
    """Of any frame.

    Raises:
        Refused: If it is not one.
    """
    try:
        frame = json.loads(text)
        if frame["k"] == "error":
            text = wire.dumps({name: value for name, value in frame.items() if name not in HOT})
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
            "service": frame.get("service"),
            "environment": frame.get("environment"),
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
        ordered = [values[column] for column in _COLUMNS]
        line = "\t".join("\\N" if value is None else str(value).translate(_ESCAPES) for value in ordered) + "\n"
        line.encode()  # half a pair of surrogates is no text
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise Refused from error
    return line
