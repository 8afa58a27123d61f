"""`llama-logging explain`."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

import yaml

from llama_logging.capture.grouping import rule_that_joins, rule_that_splits, taken_in, told_of
from llama_logging.cli.looking import error_named, opened
from llama_logging.cli.options import add_store
from llama_logging.cli.terminal import painted, print_json
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ErrorNotFound
from llama_logging.registry import Store
from llama_logging.visible import printable, printable_lines

LOOKED_AT = 1_000
"""Groups that a rule is tried on, the newest first."""

HELP = "explain why an error is in its group, or why two errors are not in one group"
EPILOG = "Errors are in one group if all inputs printed here are the same; messages and line numbers are not inputs."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("id", metavar="ID", help="an error's id, which may be shortened, or a group's fingerprint")
    parser.add_argument("other", metavar="OTHER", nargs="?", help="another")
    add_store(parser)


def execute(args: argparse.Namespace) -> int:
    """Print the inputs of the fingerprint, or where two begin to differ."""
    with opened(args) as store:
        errors = [error_named(store, name) for name in (args.id, args.other) if name]
        rule, takes_in = _rule(store, *errors) if len(errors) == 2 else (None, [])
    if args.json:
        print_json(
            {
                "errors": [
                    {"error_id": e.error_id, "fingerprint": e.fingerprint, "grouping": e.grouping} for e in errors
                ],
                "same_group": len({error.fingerprint for error in errors}) == 1,
                "differs": _differs(errors),
                "rule": rule,
                "takes_in": [error.fingerprint for error in takes_in],
            }
        )
    elif len(errors) == 1:
        _print_one(errors[0])
    else:
        _print_two(errors[0], errors[1], rule, takes_in)
    return 0


def _differs(errors: list[ErrorContext]) -> int | None:
    """The number of the first input, from 1, that is not the same in both; None if all are."""
    inputs = [error.grouping for error in errors]
    for number in range(max(map(len, inputs))):
        if len({lines[number : number + 1] for lines in inputs}) > 1:
            return number + 1
    return None


def _print_one(error: ErrorContext) -> None:
    print(painted(printable(f"{error.fingerprint} is made from"), "1"))
    for number, line in enumerate(error.grouping, 1):
        print(f"  {number:>3}  {printable(line)}")
    print(told_of(error.grouping))


def _print_two(
    one: ErrorContext, other: ErrorContext, rule: dict[str, Any] | None, takes_in: list[ErrorContext]
) -> None:
    number = _differs([one, other])
    if number is None:
        print(printable(f"They are in one group, {one.fingerprint}: all {len(one.grouping)} inputs are the same."))
    else:
        print(painted(f"They differ first in input {number}", "1"))
        for error in (one, other):
            line = error.grouping[number - 1] if number <= len(error.grouping) else "(nothing more)"
            print(printable(f"  {error.error_id}  {line}"))
    if rule is not None:
        print(f"This rule would {'split' if number is None else 'join'} them, as an option of the RegistryHandler:")
        print(printable_lines(yaml.safe_dump({"grouping": [rule]}, sort_keys=False, allow_unicode=True)).rstrip())
        for error in takes_in:
            print(printable(f"It would also affect {error.fingerprint}: {error.error_type}: {_line(error)}"))
        print("It applies to new errors; llama-logging regroup -c logging.yaml applies it to past ones.")
    else:
        print("No rule can change that: the code itself sets the fingerprint, or nothing distinguishes them.")


def _rule(store: Store, one: ErrorContext, other: ErrorContext) -> tuple[dict[str, Any] | None, list[ErrorContext]]:
    """The rule that would change whether they are one, and an error of each other group that it would take in."""
    if one.fingerprint == other.fingerprint:
        return rule_that_splits(one, other), []
    others = list(_others(store, {one.fingerprint, other.fingerprint}))
    rule = rule_that_joins(one, other, others)
    return rule, taken_in(rule, one, others) if rule is not None else []


def _others(store: Store, apart_from: set[str]) -> Iterator[ErrorContext]:
    """The newest error of each other group, as far as its details are kept."""
    for group in store.groups(limit=LOOKED_AT):
        if group.fingerprint not in apart_from and group.last_error_id:
            with contextlib.suppress(ErrorNotFound):
                yield store.find(group.last_error_id)


def _line(error: ErrorContext) -> str:
    return printable(error.error_message.partition("\n")[0])
