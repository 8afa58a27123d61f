"""What `resolve`, `mute` and `reopen` share: groups by name, and what became of them."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable
from datetime import UTC, datetime

from llama_logging.answers.wording import state_of
from llama_logging.cli.looking import fingerprint_named, opened
from llama_logging.cli.options import add_store
from llama_logging.cli.terminal import group_document, print_json
from llama_logging.plain import last_line
from llama_logging.registry import Store
from llama_logging.visible import printable

Decision = Callable[[Store, str, datetime, str], None]
"""Gets the store, a fingerprint, now, and who decides."""


def add_groups(parser: argparse.ArgumentParser) -> None:
    """Add the groups that are named, `--store` and `--json`."""
    parser.add_argument(
        "ids", metavar="ID", nargs="+", help="an error's id, which may be shortened, or a group's fingerprint"
    )
    add_store(parser)


def decide(args: argparse.Namespace, decision: Decision) -> int:
    """Make *decision* for each group that is named, and say what became of it."""
    with opened(args) as store:
        # All are looked for first: half a decision would be worse than none.
        names = list(dict.fromkeys(fingerprint_named(store, name) for name in args.ids))
        for name in names:
            decision(store, name, datetime.now(UTC), user())
        decided = [(group, store.changes(name)) for name in names if (group := store.group(name)) is not None]
    if args.json:
        print_json([group_document(group) for group, _ in decided])
    else:
        for group, changes in decided:
            what = last_line(group.error_type, group.error_message)
            print(printable(f"{state_of(group, changes)}: {what}  {group.fingerprint}"))
    return 0


def user() -> str:
    """Who sits here, for the history; empty where nobody knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        return ""
