"""After a record like this one: how long until the next error, the latest times."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

LATEST = 32
"""Occurrences that are remembered of each template."""

_EDGES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Leads:
    """How the latest occurrences of one template ended: with an error, or with the next occurrence.

    Every occurrence counts once. Windows overlap: counted by them, one coincidence looks like sixty.
    """

    __slots__ = ("errors", "failed", "lasted", "lives")

    def __init__(self) -> None:
        # Lists: an empty deque takes 600 bytes, and there is one for each template.
        self.lasted: list[float] = []
        self.failed: list[bool] = []
        self._sort()

    def add(self, lasted: float, failed: bool) -> None:
        """An occurrence is over, *lasted* seconds later."""
        self.lasted.append(lasted)
        self.failed.append(failed)
        if len(self.lasted) > LATEST:
            del self.lasted[0], self.failed[0]
        self._sort()

    def chance(self, age: float, horizon: float, usual: float) -> tuple[float, int]:
        """How many that lived to *age* saw an error within *horizon*; and how many lived so long.

        Args:
            usual: What one is to expect who knows nothing; counts like one occurrence.
        """
        alive = len(self.lives) - bisect_right(self.lives, age)
        hits = bisect_right(self.errors, age + horizon) - bisect_right(self.errors, age)
        return (hits + usual) / (alive + 1.0), alive

    def _sort(self) -> None:
        """What is asked for at each decision, but changes only with an occurrence."""
        self.lives = sorted(self.lasted)
        self.errors = sorted(lasted for lasted, failed in zip(self.lasted, self.failed, strict=True) if failed)

    def state(self) -> list[Any]:
        """For `restored`."""
        return [self.lasted, [int(failed) for failed in self.failed]]

    @classmethod
    def restored(cls, state: list[Any]) -> Leads:
        """The leads that *state* was taken of."""
        leads = cls()
        leads.lasted.extend(state[0])
        leads.failed.extend(bool(failed) for failed in state[1])
        leads._sort()
        return leads


def grade(chance: float) -> int:
    """The bin of a probability, 0 to 12.

    >>> [grade(chance) for chance in (0.0, 0.3, 0.95)]
    [0, 6, 12]
    """
    return bisect_right(_EDGES, chance)
