"""How often what came in was there, by place and minute, and what there is new of each group.

Counted here and not by the database, which would have to be told every error twice for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from llama_logging.native import breathe
from llama_logging.stores.arriving import Count, Error, Shape
from llama_logging.stores.statements import LONGEST, MINUTE, Execute, parts

_TOLD = (
    *("fingerprint", "stack", "process", "minute", "severity", "error_type", "amount", "errors"),
    *("first_seen", "last_seen"),
)
_NEWS = (
    *("fingerprint", "count", "severity", "first_seen", "last_seen", "first_process"),
    *("error_id", "error_type", "error_message", "logger_name", "stack", "last_process"),
)
Row = tuple[Any, ...]
Fill = Callable[[Execute, str, Sequence[str], Sequence[Row]], None]
"""As SQLAccess has it."""

_AT_ONCE = 2_048
"""Errors between two moments in which other threads get the interpreter: half a millisecond."""

_moment = itemgetter(1)


def tell(fill: Fill, execute: Execute, errors: Sequence[Error], counts: Sequence[Count] = ()) -> None:
    """Put into `told` and `news` what there is to tell of *errors* and *counts*."""
    told, news = tally(errors, counts)
    fill(execute, "told", _TOLD, told)
    fill(execute, "news", _NEWS, news)


def tally(errors: Sequence[Error], counts: Sequence[Count]) -> tuple[list[Row], list[Row]]:
    """Rows of `told` and of `news`."""
    kept: defaultdict[tuple[Shape, int], list[Error]] = defaultdict(list)
    for some in parts(errors, _AT_ONCE):
        for error in some:
            kept[error[2], error[1] // MINUTE].append(error)
        breathe()
    counted: defaultdict[tuple[Shape, int], list[Count]] = defaultdict(list)
    for count in counts:
        counted[count[0][2], count[0][1] // MINUTE].append(count)

    told: list[Row] = []
    groups: dict[str, _Group] = {}

    def add(shape: Shape, minute: int, ours: Sequence[Error], amount: int, errors: int) -> None:
        first, last = min(ours, key=_moment), max(reversed(ours), key=_moment)
        fingerprint, stack, process, severity, error_type, _ = shape
        told.append((fingerprint, stack, process, minute, severity, error_type, amount, errors, first[1], last[1]))
        group = groups.get(fingerprint) or groups.setdefault(fingerprint, _Group(first))
        group.add(amount, first, last)

    for (shape, minute), ours in kept.items():
        add(shape, minute, ours, len(ours), len(ours))
    for (shape, minute), those in counted.items():
        add(shape, minute, [one for one, _ in those], sum(amount for _, amount in those), 0)
    return told, [group.row() for group in groups.values()]


class _Group:
    """What there is new of a group. Its newest error speaks for it: what is only counted has neither words nor an id.

    Args:
        error: Any of it.
    """

    def __init__(self, error: Error) -> None:
        self._count = self._severity = 0
        self._first = self._newest = error
        self._last_seen = error[1]

    def add(self, amount: int, first: Error, last: Error) -> None:
        """Add *amount* errors of one shape, of which these are the *first* and the *last*."""
        self._count += amount
        self._severity = max(self._severity, first[2].severity)
        self._last_seen = max(self._last_seen, last[1])
        self._first = min(self._first, first, key=_moment)
        self._newest = max(last, self._newest, key=lambda error: (error[0] != "", error[1]))

    def row(self) -> Row:
        """Of `news`."""
        error_id, _, shape, message, *_ = self._newest
        return (
            *(shape.fingerprint, self._count, self._severity, self._first[1], self._last_seen, self._first[2].process),
            *(error_id, shape.error_type, message[:LONGEST], shape.logger_name, shape.stack, shape.process),
        )
