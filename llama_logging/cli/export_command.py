"""`llama-logging export`."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable

from llama_logging.answers.reproducing import as_test
from llama_logging.cli.looking import error_named, fingerprint_named, opened
from llama_logging.cli.options import add_origin, add_selection, add_store
from llama_logging.cli.terminal import print_json, progress
from llama_logging.context import ErrorContext
from llama_logging.documents.exports import as_document
from llama_logging.exceptions import ConfigError
from llama_logging.registry.errors import errors_of
from llama_logging.visible import printable_lines

HELP = "print errors for other programs: JSON Lines for `import`, CSV, or the start of a pytest test"
EPILOG = "Example: llama-logging export --since 7d > week.jsonl"

_COLUMNS = (
    "error_id", "timestamp", "severity", "error_type", "error_message", "source_module", "source_function",
    "source_file", "source_line", "logger_name", "log_message", "fingerprint", "trace_id", "host", "service", "release",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="default jsonl")
    parser.add_argument("--pytest", metavar="ID", help="the start of a test that fails as this error did")
    parser.add_argument("--group", metavar="ID", help="only errors of this group: an error's id, or a fingerprint")
    add_store(parser)
    add_selection(parser)
    add_origin(parser)


def execute(args: argparse.Namespace) -> int:
    """Print them in the order in which they came."""
    if args.json and (args.format == "csv" or args.pytest):
        raise ConfigError(f"--json and {'--pytest' if args.pytest else '--format csv'} exclude each other")
    if args.pytest:
        with opened(args) as store:
            print(as_test(error_named(store, args.pytest)), end="")
        return 0
    with opened(args) as store, progress("errors exported") as tick:
        name = fingerprint_named(store, args.group) if args.group else ""
        group = store.group(name) if name else None
        names = {name, group.fingerprint, *group.merged} if group is not None else {name}
        chosen = (
            error
            for number, error in enumerate(errors_of(store), 1)
            if tick(number) is None
            and error.severity >= args.severity
            and (args.since is None or error.timestamp >= args.since)
            and (not name or error.fingerprint in names)
        )
        if args.format == "csv":
            _print_csv(chosen)
        else:
            for error in chosen:
                print_json(as_document(error), indent=None)
    return 0


def _print_csv(errors: Iterable[ErrorContext]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for error in errors:
        document = as_document(error)
        document |= document["process"] or {}
        writer.writerow([_safe(document.get(column, "")) for column in _COLUMNS])


def _safe(value: object) -> object:
    """A spreadsheet takes text that begins so for a formula (OWASP, CSV injection)."""
    # With no carriage return left: at one it begins a row.
    text = printable_lines(value) if isinstance(value, str) else value
    return f"'{text}" if isinstance(text, str) and text[:1] in ("=", "+", "-", "@", "\t", "\n") else text
