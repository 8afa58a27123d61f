"""What people decide about groups."""

from __future__ import annotations

import contextlib
import getpass
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from llama_logging.exceptions import ConfigError, ErrorNotFound
from llama_logging.registry.outbox import Outbox
from llama_logging.retention import AT_ONCE

Fields = Mapping[str, list[str]]
Deed = Callable[[Outbox, Fields, datetime], int]

MOST = 200
"""Groups that are decided about at once."""
PATIENCE = 20.0
"""Seconds for which a page is waited for."""
_HOURS = {"1h": 1, "24h": 24, "7d": 168}


def one(fields: Fields, name: str) -> str:
    """The value of a field; empty if it was not sent."""
    return fields.get(name, [""])[0]


def by() -> str:
    """Who decides, for the history."""
    try:
        return f"{getpass.getuser()} (dashboard)"
    except (KeyError, OSError):  # no such user in this container
        return "dashboard"


def _resolve(store: Outbox, fields: Fields, at: datetime) -> int:
    how = one(fields, "how")
    for name in _named(store, fields):
        if how == "next":
            store.resolve(name, at, by(), after_latest=True)
        else:
            group = store.group(name) if how == "latest" else None
            store.resolve(name, at, by(), release=group.last_release if group else "")
    return len(_names(fields))


def _mute(store: Outbox, fields: Fields, at: datetime) -> int:
    how = one(fields, "how")
    until = at + timedelta(hours=_HOURS[how]) if how in _HOURS else None
    often = how == "often"
    for name in _named(store, fields):
        store.mute(name, at, by(), until=until, count=100 if often else None, period=3600.0 if often else None)
    return len(_names(fields))


def _reopen(store: Outbox, fields: Fields, at: datetime) -> int:
    for name in _named(store, fields):
        store.reopen(name, at, by())
    return len(_names(fields))


def _delete(store: Outbox, fields: Fields, at: datetime) -> int:
    end = time.monotonic() + PATIENCE
    for name in _named(store, fields):
        with contextlib.suppress(ErrorNotFound):  # it was shown in one that is gone
            while not store.delete(name, by(), limit=AT_ONCE):
                if time.monotonic() > end:
                    raise ConfigError("more than a page can wait for: say it again, or use llama-logging delete")
    return len(_names(fields))


def _names(fields: Fields) -> list[str]:
    names = list(dict.fromkeys(fields.get("id", [])))
    if not 0 < len(names) <= MOST:
        raise ConfigError(f"choose from one to {MOST} groups")
    return names


def _named(store: Outbox, fields: Fields) -> list[str]:
    """The fingerprints, all of which are looked for first: half a decision would be worse than none."""
    return [store.fingerprint_of(name) for name in _names(fields)]


DEEDS: dict[str, Deed] = {"resolve": _resolve, "mute": _mute, "reopen": _reopen, "delete": _delete}
