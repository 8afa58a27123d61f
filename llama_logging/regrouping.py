"""The history under other rules: which errors would be in which group, and putting them there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from llama_logging.capture import fingerprint
from llama_logging.capture.grouping import GroupingRule, parse_grouping, regrouped
from llama_logging.config.options import Options
from llama_logging.config.values import as_text
from llama_logging.context import ErrorContext
from llama_logging.registry import Store
from llama_logging.registry.errors import errors_of
from llama_logging.registry.triage import Move

BATCH = 1_000
"""So many errors are moved in one transaction."""

Progress = Callable[[int], object]
"""Gets how many errors were looked at."""


@dataclass(frozen=True, slots=True)
class Change:
    """Errors of one group that belong into another.

    Attributes:
        before, after: Fingerprints.
        count: How many errors.
        whole: Whether all that is known of the group *before* goes there.
        grouping: What *after* is made from.
        example: One of them.
    """

    before: str
    after: str
    count: int
    whole: bool
    grouping: tuple[str, ...]
    example: ErrorContext


def rules_in(configuration: Mapping[str, Any]) -> tuple[GroupingRule, ...]:
    """The `grouping` rules of the handlers in *configuration*, what a logging.yaml holds.

    Raises:
        ConfigError: At the first mistake in them: half the rules would make groups nobody asked for.
    """
    rules: list[GroupingRule] = []
    for name, handler in (configuration.get("handlers") or {}).items():
        given = handler.get("grouping") if isinstance(handler, dict) else None
        if given is not None:
            rules += parse_grouping(Options(as_text(name), {}, (), strict=True), given)
    return tuple(rules)


def changes(store: Store, rules: tuple[GroupingRule, ...], progress: Progress = bool) -> list[Change]:
    """What *rules* would change in *store*, the most errors first."""
    totals: Counter[str] = Counter()
    moved: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], tuple[ErrorContext, tuple[str, ...]]] = {}
    for looked, error in enumerate(errors_of(store), 1):
        progress(looked)
        after = _after(error, rules)
        totals[error.fingerprint] += 1
        if after.fingerprint != error.fingerprint:
            key = (error.fingerprint, after.fingerprint)
            moved[key] += 1
            examples.setdefault(key, (error, after.grouping))
    return [
        Change(
            before=key[0],
            after=key[1],
            count=count,
            whole=count == totals[key[0]],
            grouping=examples[key][1],
            example=examples[key][0],
        )
        for key, count in moved.most_common()
    ]


def apply(store: Store, rules: tuple[GroupingRule, ...], progress: Progress = bool) -> int:
    """Move the errors in *store* to where *rules* put them; how many. `store.undo_move` undoes it."""
    at, moved = datetime.now(UTC), 0
    waiting: list[Move] = []
    for looked, error in enumerate(errors_of(store), 1):
        progress(looked)
        after = _after(error, rules)
        if after.fingerprint != error.fingerprint:
            own = after.grouping == error.stack.grouping
            waiting.append(Move(error.error_id, after.fingerprint, None if own else after.grouping))
        if len(waiting) >= BATCH:
            store.move(waiting, at)
            moved += len(waiting)
            waiting = []
    store.move(waiting, at)
    store.hand_over(at)
    return moved + len(waiting)


def _after(error: ErrorContext, rules: tuple[GroupingRule, ...]) -> ErrorContext:
    return regrouped(fingerprint.renewed(error), rules)
