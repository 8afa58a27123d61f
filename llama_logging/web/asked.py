"""What a page is asked with, and what it answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llama_logging.recovery.rules import Rule
from llama_logging.registry.outbox import Outbox


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A page's question.

    Attributes:
        params: Of the path.
        query: What stands behind the question mark; of a name that stands there twice, the last.
        now: The moment that the whole page is of.
        journals: Folders in which journals may lie.
        failure: Says why errors do not come in.
    """

    store: Outbox
    params: Mapping[str, Any]
    query: Mapping[str, str]
    now: datetime
    journals: Sequence[str] = ()
    rules: Sequence[Rule] = ()
    failure: Callable[[], str] = str

    @functools.cached_property
    def pulse(self) -> str:
        """The registry's, when the page was begun."""
        return self.store.pulse()

    def number(self, name: str, least: int, most: int) -> int:
        """The number *name* of the query, within these bounds; *least* if it is none."""
        given = self.query.get(name, "")
        return min(most, max(least, int(given))) if given.isascii() and given.isdecimal() and len(given) < 9 else least

    def choice(self, name: str, known: Sequence[str]) -> str:
        """What the query chooses among *known*; the first if it is none of them."""
        given = self.query.get(name, "")
        return given if given in known else known[0]


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is no page."""

    text: str
    media_type: str


Answer = dict[str, Any] | Text
"""What a template shows, or a text."""
