"""How often what came in was there, by shape and minute, and what there is new of each group.

Counted here and not by the database, which would have to be told every error twice for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from llama_logging.runtime.native import breathe
from llama_logging.stores.arriving import Count, Error, Shape
from llama_logging.stores.statements import LONGEST, MINUTE, Execute, parts
from llama_logging.stores.temporary import NEWS, SHAPES, TOLD, Fill, Row

_AT_ONCE = 2_048
"""Errors between two moments in which other threads get the interpreter: half a millisecond."""

_moment = itemgetter(1)


@dataclass(frozen=True, slots=True)
class Tally:
    """What there is to tell: rows of TOLD and of NEWS, and the number that each shape has in them."""

    numbers: Mapping[Shape, int]
    told: Sequence[Row]
    news: Sequence[Row]

    def tell(self, fill: Fill, execute: Execute) -> None:
        """Tell the database."""
        fill(execute, SHAPES, [(number, *shape) for shape, number in self.numbers.items()])
        fill(execute, TOLD, self.told)
        fill(execute, NEWS, self.news)


def tally(errors: Sequence[Error], counts: Sequence[Count] = ()) -> Tally:
    """Count them."""
    kept: defaultdict[tuple[Shape, int], list[Error]] = defaultdict(list)
    for some in parts(errors, _AT_ONCE):
        for error in some:
            kept[error[2], error[1] // MINUTE].append(error)
        breathe()
    counted: defaultdict[tuple[Shape, int], list[Count]] = defaultdict(list)
    for count in counts:
        counted[count[0][2], count[0][1] // MINUTE].append(count)

    numbers: dict[Shape, int] = {}
    told: list[Row] = []
    groups: dict[str, _Group] = {}

    def add(shape: Shape, minute: int, ours: Sequence[Error], amount: int, errors: int) -> None:
        first, last = min(ours, key=_moment), max(reversed(ours), key=_moment)
        told.append((numbers.setdefault(shape, len(numbers)), minute, amount, errors, first[1], last[1]))
        group = groups.get(shape.fingerprint) or groups.setdefault(shape.fingerprint, _Group(first))
        group.add(amount, first, last)

    for (shape, minute), ours in kept.items():
        add(shape, minute, ours, len(ours), len(ours))
    for (shape, minute), those in counted.items():
        add(shape, minute, [one for one, _ in those], sum(amount for _, amount in those), 0)
    return Tally(numbers, told, [group.row(numbers) for group in groups.values()])


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

    def row(self, numbers: Mapping[Shape, int]) -> Row:
        """Of NEWS."""
        first, (error_id, _, newest, message, *_) = self._first[2], self._newest
        return (
            *(newest.fingerprint, self._count, self._severity, self._first[1], self._last_seen),
            *(numbers[first], numbers[newest], error_id, message[:LONGEST]),
        )
