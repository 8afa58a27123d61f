"""`llama-logging import`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import IO, Any

from llama_logging import transfer
from llama_logging.cli import registries
from llama_logging.cli.options import add_store
from llama_logging.cli.terminal import print_json, progress
from llama_logging.context import ErrorContext
from llama_logging.documents.reading import context_of
from llama_logging.exceptions import ConfigError
from llama_logging.ingest import waiting
from llama_logging.opening import open_registry
from llama_logging.registry.outbox import Outbox
from llama_logging.stores import open_source, urls
from llama_logging.visible import counted, printable

HELP = "import errors from another registry, from `export`, or from Sentry event files"
EPILOG = "Importing an error again changes nothing, unless it was pruned in between."

SHOWN = 5
"""Mistakes of a file that are told one by one."""
ASTRAY = 100
"""A file whose first entries, so many of them, are all no errors is another file than was meant."""

_SQLITE = b"SQLite format 3\0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="a registry, JSON Lines, or JSON; - for standard input"
    )
    add_store(parser)


def execute(args: argparse.Namespace) -> int:
    """Import them one after another."""
    target = open_registry(registries.named(args))
    read, refused = 0, 0
    try:
        for name in args.files:
            with progress(f"errors of {name}") as tick:
                if _is_registry(name):
                    read += _merged(name, target, tick)
                else:
                    mistakes: list[str] = []
                    read += transfer.add(target, _contexts(name, mistakes), tick)
                    refused += len(mistakes)
                    if len(mistakes) > SHOWN:
                        print(f"llama-logging: {name}: {len(mistakes) - SHOWN} more are refused", file=sys.stderr)
    finally:
        target.close()
    if args.json:
        print_json({"read": read, "refused": refused})
    else:
        print(f"{counted(read, 'error')} read" + (f", {refused} refused" if refused else ""))
    return 1 if refused else 0


def _merged(name: str, target: Outbox, tick: transfer.Progress) -> int:
    """Take over what is in the registry *name*, which stays as it is; how many errors."""
    with contextlib.closing(open_source(name)) as source:
        count = transfer.merge(source, target, tick)
        apart = waiting(source, urls.parse(f"sqlite:///{name}").directories)
    if apart:
        print(
            f"llama-logging: {name}: {counted(apart, 'error is', 'errors are')} still in its journal: "
            f"`llama-logging ingest --store sqlite:///{name}` brings them in, and another import takes them over",
            file=sys.stderr,
        )
    return count


def _is_registry(name: str) -> bool:
    if not os.path.isfile(name):
        return False  # what comes through a pipe comes once
    with _opened(name, "rb") as file:
        return bool(file.read(len(_SQLITE)) == _SQLITE)


def _contexts(name: str, mistakes: list[str]) -> Iterator[ErrorContext]:
    for number, (place, document) in enumerate(_documents(name), 1):
        try:
            yield context_of(document)
        except ConfigError as error:
            # Nothing is lost on one bad line but that line.
            mistakes.append(place)
            if len(mistakes) <= SHOWN:
                print(printable(f"llama-logging: {place}: {error}"), file=sys.stderr)
            if len(mistakes) == number == ASTRAY:
                raise ConfigError(
                    f"{name}: none of the first {ASTRAY} entries is an error: nothing of it is imported"
                ) from None


def _documents(name: str) -> Iterator[tuple[str, Any]]:
    with _opened(name, encoding="utf-8", errors="replace") as file:
        place, first = next(((number, line) for number, line in enumerate(file, 1) if line.strip()), (1, ""))
        document = _parsed(first)
        if isinstance(document, dict):
            # One for each line, of which none but this one is held.
            yield f"{name}:{place}", document
            yield from _lines(name, file, place + 1)
            return
        text = first + file.read()
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        yield from _lines(name, text.split("\n"), place)
    else:
        for number, document in enumerate(whole if isinstance(whole, list) else [whole], 1):
            yield f"{name}[{number}]", document


def _opened(name: str, mode: str = "r", **how: str) -> contextlib.AbstractContextManager[IO[Any]]:
    if name == "-":
        return contextlib.nullcontext(sys.stdin)
    try:
        return open(name, mode, **how)  # type: ignore[call-overload, no-any-return]
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror or error}") from error


def _lines(name: str, lines: Iterable[str], start: int) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(lines, start):
        if line.strip():
            yield f"{name}:{number}", _parsed(line)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
