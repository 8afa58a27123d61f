"""Options that commands share, and what their values mean."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from llama_logging.cli import registries
from llama_logging.config.values import as_bytes, as_seconds
from llama_logging.context import ErrorSeverity
from llama_logging.exceptions import ConfigError
from llama_logging.registry.origins import Origin

T = TypeVar("T")
_MOST = 2**62
"""More than there can be of anything; a store has numbers of 64 bits."""


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
        help="only since then: 30m, 24h, 7d, or an ISO date and time (local if naive)",
    )
    parser.add_argument(
        "--severity",
        type=_severity,
        default=severity,
        metavar="LEVEL",
        help=f"at least this severe; default {severity.name}",
    )


def add_origin(parser: argparse.ArgumentParser) -> None:
    """Add `--service` and `--environment`; `opened` has the registry answer for these alone."""
    for name in ("service", "environment"):
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only errors from this {name}")


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
    return min(int(text), _MOST)


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
