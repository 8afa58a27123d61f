"""What recovery acts on, what it has done, and the switch that stops it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from llama_logging.answers.wording import local
from llama_logging.recovery.switch import ROW
from llama_logging.registry.outbox import Outbox
from llama_logging.web.asked import Asked
from llama_logging.web.pages.deciding import Deed, Fields, by, one

ATTEMPTS = 30
"""Attempts that are listed, the latest."""
SCOPES = 100
"""Things that are listed."""


def view(asked: Asked) -> dict[str, Any]:
    """Scopes, attempts, rules and the switch."""
    scopes = asked.store.scopes()
    return {
        "pulse": asked.pulse,
        "off": asked.store.recall(ROW),
        "scopes": sorted(scopes, key=lambda scope: not scope.leased_for)[:SCOPES],
        "unshown": max(0, len(scopes) - SCOPES),
        "attempts": asked.store.recent_attempts(ATTEMPTS),
        "rules": asked.rules,
    }


def _off(store: Outbox, fields: Fields, at: datetime) -> int:
    why = one(fields, "why").strip()[:200]
    store.remember(ROW, f"by {by()} at {local(at)}" + (f": {why}" if why else ""))
    return 1


def _on(store: Outbox, fields: Fields, at: datetime) -> int:
    store.remember(ROW, "")
    return 1


def _forget(store: Outbox, fields: Fields, at: datetime) -> int:
    store.forget_scope(one(fields, "scope"))
    return 1


DEEDS: dict[str, Deed] = {"switch-off": _off, "switch-on": _on, "forget": _forget}
