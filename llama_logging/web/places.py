"""Pages about one service, or one environment, of those that share a registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llama_logging.registry.origins import EVERYWHERE, Origin
from llama_logging.web.asked import Asked

LONGEST = 200
"""Characters of a name."""


@dataclass(frozen=True, slots=True)
class Menu:
    """What a page may be narrowed to.

    Attributes:
        all_of_them: What stands there if it is not.
        chosen: Empty for all.
    """

    name: str
    all_of_them: str
    chosen: str
    known: tuple[str, ...]


def narrowed(asked: Asked) -> dict[str, Any]:
    """Have the store answer for the place that the query names; what a page shows of that."""
    chosen = {name: asked.query.get(name, "")[:LONGEST] for name in ("service", "environment")}
    asked.store.origin = Origin(chosen["service"] or None, chosen["environment"] or None)
    known = asked.store.origins()
    menus = [
        Menu(name, words, chosen[name], tuple(sorted({getattr(origin, name) for origin in known} - {""})))
        for name, words in (("service", "All services"), ("environment", "All environments"))
    ]
    return {
        "menus": [menu for menu in menus if menu.chosen or len(menu.known) > 1],
        "place": chosen,
        "somewhere": asked.store.origin != EVERYWHERE,
    }
