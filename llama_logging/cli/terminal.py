"""How things look on a terminal, and as JSON."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from llama_logging.context import ErrorSeverity
from llama_logging.registry.groups import ErrorGroup
from llama_logging.tried import OutcomeStatus
from llama_logging.visible import printable, wants_colour

_NARROWEST, _READABLE, _SHORTEST = 12, 20, 8
"""Characters of a column that is cut at the worst and while others can be left out, and of a fingerprint."""

COLOURS = {
    ErrorSeverity.DEBUG: "2",
    ErrorSeverity.INFO: "32",
    ErrorSeverity.WARNING: "33",
    ErrorSeverity.ERROR: "31",
    ErrorSeverity.CRITICAL: "1;31",
}
_OF_ATTEMPTS = {OutcomeStatus.RECOVERED: "32", OutcomeStatus.FALLBACK: "33", OutcomeStatus.FAILED: "31"}


def colour_of(status: OutcomeStatus) -> str:
    """That of an attempt which ended so."""
    return _OF_ATTEMPTS.get(status, "2")


@contextlib.contextmanager
def progress(what: str, share: Callable[[], float] | None = None) -> Iterator[Callable[[int], None]]:
    """On a terminal, a line on standard error that counts; takes the number so far.

    Args:
        share: How much of all there is has passed, 0 to 1; None if nobody knows.
    """
    if not sys.stderr.isatty():
        yield lambda number: None
        return

    def tick(number: int) -> None:
        if number % 500 == 0:
            part = f" ({share():.0%})" if share is not None else ""
            print(f"\r{number} {what}{part}", end="", file=sys.stderr, flush=True)

    try:
        yield tick
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """*value* as one JSON document; moments as ISO text, dataclasses as objects."""
    print(json.dumps(value, indent=indent, default=_jsonable))


def group_document(group: ErrorGroup) -> dict[str, Any]:
    """*group* for `print_json`."""
    return {**dataclasses.asdict(group), "severity": group.severity.name}


def painted(text: str, colour: str) -> str:
    """*text* in a colour, where standard output wants colours."""
    return f"\x1b[{colour}m{text}\x1b[0m" if wants_colour(sys.stdout) else text


def room() -> int | None:
    """How many columns the terminal has; None where standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def short(fingerprints: Sequence[str]) -> list[str]:
    """The beginnings, all as long, that tell *fingerprints* apart: commands take them in their place.

    >>> short(["v1:0123456789abcdef", "v1:0123456780abcdef"])
    ['0123456789', '0123456780']
    """
    digits = [name.partition(":")[2] or name for name in fingerprints]
    apart, longest = len(set(digits)), max(map(len, digits), default=0)
    size = next((size for size in range(_SHORTEST, longest) if len({one[:size] for one in digits}) == apart), longest)
    return [one[:size] for one in digits]


def print_table(
    rows: Sequence[Sequence[str]],
    colours: Mapping[int, Sequence[str]] | None = None,
    *,
    cut: Sequence[int] = (-2,),
    spare: Sequence[int] = (),
) -> None:
    """Columns side by side.

    Args:
        rows: Texts, the first row the headings.
        colours: For a column, the colour of each row.
        cut: The columns that are cut to fit a terminal, the widest first: none that is a name to be typed.
        spare: The columns that are left out, one after the other, where those that are cut could not be read.
    """
    rows = [[printable(cell).replace("\t", "\\t") for cell in row] for row in rows]  # a tab is as wide as it likes
    widths = [max(_cells(row[column]) for row in rows) for column in range(len(rows[0]))]
    columns, most = list(range(len(widths))), room() or sys.maxsize
    cut = [column % len(widths) for column in cut]
    readable = [min(width, _READABLE) if column in cut else width for column, width in enumerate(widths)]
    for column in spare:
        if _across(readable, columns) > most:
            columns.remove(column)
    cut = [column for column in cut if column in columns]
    over = _across(widths, columns) - most
    while over > 0 and len(widths) > 1 and widths[widest := max(cut, key=widths.__getitem__)] > _NARROWEST:
        widths[widest] -= 1
        over -= 1
    for number, row in enumerate(rows):
        cells = [_fitted(cell, width) for cell, width in zip(row, widths, strict=True)]
        for column, shades in (colours or {}).items():
            if number:
                cells[column] = painted(cells[column], shades[number - 1])
        line = "  ".join([cells[column] for column in columns]).rstrip()
        print(painted(line, "2") if not number else line)


def _across(widths: Sequence[int], columns: Sequence[int]) -> int:
    return sum([widths[column] + 2 for column in columns]) - 2


def _cells(text: str) -> int:
    """How many columns of a terminal *text* takes.

    >>> _cells("apple"), _cells("日本"), _cells("e\u0301")
    (5, 4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else not unicodedata.combining(each) for each in text)


def _fitted(text: str, width: int) -> str:
    """*text* and blanks, or its beginning, in exactly *width* columns.

    >>> _fitted("apple", 7), _fitted("apple", 4), _fitted("日本語", 5), _fitted("日本語", 4)
    ('apple  ', 'app…', '日本…', '日… ')
    """
    if _cells(text) > width:
        text = text[:width]
        while _cells(text) >= width:
            text = text[:-1]
        text += "…"
    return text + " " * (width - _cells(text))


def _jsonable(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)
