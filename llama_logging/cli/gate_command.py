"""`llama-logging gate`."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, datetime, timedelta

from llama_logging.answers.wording import ago
from llama_logging.cli.looking import opened
from llama_logging.cli.options import add_origin, add_store, moment
from llama_logging.cli.terminal import COLOURS, group_document, print_json, print_table
from llama_logging.plain import last_line
from llama_logging.registry.groups import ErrorGroup, GroupState
from llama_logging.registry.outbox import Outbox

HELP = "fail a pipeline: exit with 1 if groups are new or regressed since a release"
EPILOG = "Example: llama-logging gate --since 1.4.2 --fail-on new,regressed"

KINDS = ("new", "regressed")

_WHEN = re.compile(r"\d+(\.\d+)?[smhdw]|\d{4}-\d\d-\d\d.*")
"""A time with its unit, or a date: `1.1` is a release."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_store(parser)
    add_origin(parser)
    parser.add_argument(
        "--since",
        required=True,
        type=_named,
        metavar="RELEASE",
        help="since the first error of this release; or 30m, 24h, 7d, an ISO date and time",
    )
    parser.add_argument("--missing-ok", action="store_true", help="pass if there is no registry yet")
    parser.add_argument("--fail-on", type=_kinds, default=KINDS, metavar="KINDS", help=f"default {','.join(KINDS)}")


def execute(args: argparse.Namespace) -> int:
    """Look, print what there is, and say so by the exit code."""
    with opened(args, whole=True) as store:
        if not store.exists and not args.missing_ok:
            # A wrong name, too, and then every release would pass.
            print(
                "llama-logging: the gate cannot read a registry, so it fails; --missing-ok lets it pass",
                file=sys.stderr,
            )
            return 2
        since = _since(store, args.since)
        found = _found(store, since, args.fail_on) if since is not None else []
    if args.json:
        print_json([{"kind": kind, **group_document(group)} for kind, group in found])
    elif found:
        rows = [
            [
                kind,
                ago(group.last_seen),
                str(group.count),
                group.severity.name,
                last_line(group.error_type, group.error_message),
                group.last_error_id,
            ]
            for kind, group in found
        ]
        heading = ["KIND", "LAST SEEN", "COUNT", "SEVERITY", "ERROR", "ID"]
        print_table([heading, *rows], {3: [COLOURS[group.severity] for _, group in found]})
    return 1 if found else 0


def _since(store: Outbox, name: str) -> datetime | None:
    """When the release was first seen; None if no error has named it. Else the moment that *name* is."""
    first = store.releases().get(name)
    if first is not None:
        return first
    try:
        if not _WHEN.fullmatch(name):
            raise argparse.ArgumentTypeError(name)
        return moment(name)
    except argparse.ArgumentTypeError:
        # A release without an error is what one hopes for; a wrong name looks the same, so it is said.
        print(f"llama-logging: no error of release {name!r}", file=sys.stderr)
        return None


def _found(store: Outbox, since: datetime, kinds: tuple[str, ...]) -> list[tuple[str, ErrorGroup]]:
    """Groups that became so since then and ask for attention, each once, the latest first."""
    became: dict[str, list[str]] = {}
    for change in store.changes_between(since, datetime.now(UTC) + timedelta(days=1)):
        if change.kind in kinds:
            became.setdefault(change.fingerprint, []).append(change.kind)
    found = []
    for name, each in became.items():
        group = store.group(name)
        if group is not None and group.state in (GroupState.OPEN, GroupState.REGRESSED):
            # What is merged with something older is not new.
            left = [kind for kind in each if kind != "new" or group.first_seen >= since]
            found += [(kind, group) for kind in left[-1:]]
    return sorted(found, key=lambda pair: pair[1].last_seen, reverse=True)


def _named(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it is empty; expected a release or a time")
    return text


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(word.strip() for word in text.split(","))
    if not all(kind in KINDS for kind in kinds):
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(KINDS)}, got {text!r}")
    return kinds
