"""Errors as PostgreSQL's COPY takes them: rows of `arrived`.

They are made here and not by the server: of a fleet there are many, and of the server one.
"""

from __future__ import annotations

from collections.abc import Sequence

from llama_logging.native import breathe
from llama_logging.stores.arriving import AT_ONCE, Error, Shape
from llama_logging.stores.statements import parts

ARRIVED = """
    CREATE TEMP TABLE arrived (
        place BIGINT, fingerprint TEXT, stack TEXT, process TEXT, severity INTEGER, error_type TEXT, error_id TEXT,
        timestamp BIGINT, message TEXT, partial INTEGER, details INTEGER, content TEXT
    )
"""
COPY = "COPY arrived FROM STDIN"


def rows(errors: Sequence[Error]) -> str:
    """A line for each of *errors*."""
    lines: list[str] = []
    shared: dict[Shape, str] = {}
    for some in parts(errors, AT_ONCE):
        for error_id, moment, shape, message, partial, details, content in some:
            if shape not in shared:
                shared[shape] = "\t".join(_escaped(str(value)) for value in shape[:-1])
            lines.append(
                f"{len(lines)}\t{shared[shape]}\t{_escaped(error_id)}\t{moment}\t{_escaped(message)}\t"
                f"{partial}\t{details}\t{_escaped(content)}\n"
            )
        breathe()
    return "".join(lines)


def _escaped(text: str) -> str:
    # One after the other: str.translate() takes thirty times as long where there is anything to do, as in each content.
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
