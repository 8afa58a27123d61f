"""What commands share: options, and how things look on a terminal."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import enum
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from llama_logging.cli import registries
from llama_logging.config import as_bytes, as_seconds
from llama_logging.context import ErrorContext, ErrorSeverity
from llama_logging.exceptions import ConfigError, ErrorNotFound
from llama_logging.opening import open_registry
from llama_logging.outbox import Outbox
from llama_logging.plain import last_line
from llama_logging.registry.groups import ErrorGroup
from llama_logging.registry.origins import EVERYWHERE, Origin
from llama_logging.stores import urls
from llama_logging.tried import OutcomeStatus
from llama_logging.visible import counted, printable, wants_colour
from llama_logging.wording import ago, local

T = TypeVar("T")

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


def add_store(parser: argparse.ArgumentParser, told: str = registries.HELP) -> None:
    """Add `--store`, of which that is told, and `--json`."""
    parser.add_argument("--store", metavar="URL", help=told)
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_selection(parser: argparse.ArgumentParser, severity: ErrorSeverity = ErrorSeverity.DEBUG) -> None:
    """Add `--since` (an aware datetime, or None) and `--severity` (an ErrorSeverity)."""
    parser.add_argument(
        "--since",
        type=moment,
        metavar="WHEN",
        help="only from then on: 30m, 24h, 7d, or an ISO date and time (local if naive)",
    )
    parser.add_argument(
        "--severity",
        type=_severity,
        default=severity,
        metavar="LEVEL",
        help=f"only this bad or worse; default {severity.name}",
    )


def add_origin(parser: argparse.ArgumentParser) -> None:
    """Add `--service` and `--environment`; `opened` has the registry answer for these alone."""
    for name in ("service", "environment"):
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only what came from that {name}")


def origin_of(args: argparse.Namespace) -> Origin:
    """What they were given; everywhere, if the command has neither."""
    return Origin(getattr(args, "service", None), getattr(args, "environment", None))


def moment(text: str) -> datetime:
    """The moment that *text* names, in UTC.

    Raises:
        argparse.ArgumentTypeError: If it names none.
    """
    with contextlib.suppress(ValueError):
        if not text.isdigit():
            return datetime.fromisoformat(text).astimezone(UTC)
    try:
        return datetime.now(UTC) - timedelta(seconds=as_seconds(text))
    except (ConfigError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"expected 30m, 24h, 7d or an ISO date and time, got {text!r}") from error


def seconds(text: str) -> float:
    """A duration, such as 30m, 24h or 7d.

    Raises:
        argparse.ArgumentTypeError: If *text* is none.
    """
    return _converted(as_seconds, text)


def size(text: str) -> int:
    """A number of bytes, such as 500M or 2G.

    Raises:
        argparse.ArgumentTypeError: If *text* is none.
    """
    return _converted(as_bytes, text)


def count(text: str) -> int:
    """A number of things.

    Raises:
        argparse.ArgumentTypeError: If *text* is no whole number from 0 on.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}")
    return int(text)


def _converted(convert: Callable[[object], T], text: str) -> T:
    try:
        return convert(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _severity(text: str) -> ErrorSeverity:
    try:
        return ErrorSeverity.parse(int(text) if text.isdecimal() else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


@contextlib.contextmanager
def opened(args: argparse.Namespace, *, whole: bool = False) -> Iterator[Outbox]:
    """The registry that the command is about, with all that waits in journals; a hint if there is none.

    Args:
        whole: See `open_registry`.
    """
    url = registries.named(args)
    store = open_registry(url, whole=whole)
    if not store.exists:
        tell_of_none(url)
    try:
        for incident in store.incidents():
            print(printable(f"llama-logging: {local(incident.at)} {incident.kind}: {incident.detail}"), file=sys.stderr)
        store.origin = origin_of(args)
        _tell_of_unknown(store)
        yield store
    finally:
        store.close()


def _tell_of_unknown(store: Outbox) -> None:
    """Say which services and environments there are, if none is called as was asked for."""
    known = store.origins() if store.origin != EVERYWHERE else []
    for name in ("service", "environment"):
        asked, names = getattr(store.origin, name), sorted({getattr(origin, name) for origin in known})
        if asked is not None and known and asked not in names:
            there = ", ".join(each or "(none named)" for each in names)
            told = printable(f"no error came from the {name} {asked!r}; there are {there}")
            print(f"llama-logging: {told}", file=sys.stderr)


def tell_of_none(url: urls.StoreURL) -> None:
    """Say that there is no registry, and whether its folder is there at all."""
    folder = os.path.dirname(url.path)
    gone = f", nor the folder {folder}" if url.path and not os.path.isdir(folder) else ""
    print(
        f"llama-logging: there is no registry at {url} yet{gone}: nothing was captured, or --store must name another",
        file=sys.stderr,
    )


def told(problem: str, before: str) -> str:
    """*problem*, said if it is another than the one *before*, or none any more."""
    if problem != before:
        print(f"llama-logging: {printable(problem) or 'the registry is there again'}", file=sys.stderr, flush=True)
    return problem


def fingerprint_named(store: Outbox, name: str) -> str:
    """The fingerprint that *name* is, or begins, or that the error has whose id begins with it.

    Raises:
        ErrorNotFound: If there is no such error.
    """
    found = _looked_up(store, name)
    return found if isinstance(found, str) else found.fingerprint


def error_named(store: Outbox, name: str) -> ErrorContext:
    """The error whose id begins with *name*, or the newest of the group that it names.

    Raises:
        ErrorNotFound: If there is no such error, or its details were pruned.
    """
    found = _looked_up(store, name)
    if not isinstance(found, str):
        return found
    group = store.group(found)
    try:
        return store.find(group.last_error_id if group is not None else name)
    except ErrorNotFound:
        if group is None:
            raise
        raise ErrorNotFound(
            f"the details of {last_line(group.error_type, group.error_message)} in {group.source} were pruned: "
            f"{counted(group.count, 'error')}, the last {ago(group.last_seen)}"
        ) from None


def _looked_up(store: Outbox, name: str) -> ErrorContext | str:
    """The error whose id begins with *name*; else the fingerprint that it is or begins."""
    if not name:
        raise ErrorNotFound("the name of an error is empty; expected how its id or its fingerprint begins")
    if ":" in name:
        return store.fingerprint_of(name)
    try:
        return store.find(name)
    except ErrorNotFound:
        with contextlib.suppress(ErrorNotFound):
            return store.fingerprint_of(name)
        raise


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
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
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


def _fitted(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _jsonable(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)
