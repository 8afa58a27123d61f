"""The registry that a command is about, and what it is asked for in it; what there is to say of it goes to stderr."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator

from llama_logging.answers.wording import ago, local
from llama_logging.cli import registries
from llama_logging.cli.options import origin_of
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ErrorNotFound
from llama_logging.opening import open_registry
from llama_logging.plain import last_line
from llama_logging.registry.origins import EVERYWHERE
from llama_logging.registry.outbox import Outbox
from llama_logging.stores import urls
from llama_logging.visible import counted, printable


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
        f"llama-logging: there is no registry at {url} yet{gone}: nothing was captured, or --store should name another",
        file=sys.stderr,
    )


def told(problem: str, before: str) -> str:
    """*problem*, said if it is another than the one *before*, or none any more."""
    if problem != before:
        print(f"llama-logging: {printable(problem) or 'the registry can be read again'}", file=sys.stderr, flush=True)
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
        raise ErrorNotFound("an ID is empty; expected the beginning of an error's id or a fingerprint")
    if ":" in name:
        return store.fingerprint_of(name)
    try:
        return store.find(name)
    except ErrorNotFound:
        with contextlib.suppress(ErrorNotFound):
            return store.fingerprint_of(name)
        raise
