"""The list of groups."""

from __future__ import annotations

from typing import Any, get_args

from llama_logging.registry.figures import Steps
from llama_logging.registry.groups import GroupState, Order
from llama_logging.web.asked import Asked
from llama_logging.web.places import narrowed

SIZE = 50
"""Groups on a page."""
LAST = 200
"""The last page there is; what is behind is found by a search."""
HOURS = 24
"""What the sparklines show."""
SEARCH = 200
"""Characters of a search."""

TABS = (
    *(state.value for state in (GroupState.OPEN, GroupState.REGRESSED, GroupState.MUTED, GroupState.RESOLVED)),
    "all",
)
ORDERS: tuple[Order, ...] = get_args(Order)


def view(asked: Asked) -> dict[str, Any]:
    """A page of groups, with what happened in the last hours."""
    store, search, places = asked.store, asked.query.get("q", "")[:SEARCH], narrowed(asked)
    tab = asked.choice("state", ("all", *TABS) if search and "state" not in asked.query else TABS)
    order, page = asked.choice("sort", ORDERS), asked.number("page", 1, LAST)
    found = store.groups(
        state=None if tab == "all" else GroupState(tab),
        search=search,
        order=order,  # type: ignore[arg-type]
        limit=SIZE + 1,
        offset=(page - 1) * SIZE,
    )
    shown, steps = found[:SIZE], Steps.ending(asked.now, 60, HOURS)
    states = store.states()
    counts: dict[str, int] = {state.value: count for state, count in states.items()}
    return {
        **places,
        "pulse": asked.pulse,
        "groups": shown,
        "activity": store.activity([group.fingerprint for group in shown], steps),
        "tabs": [(name, sum(counts.values()) if name == "all" else counts[name]) for name in TABS],
        "tab": tab,
        "order": order,
        "search": search,
        "finds_all": not search or bool(found) or not store.exists or store.may_write,
        "number_of_page": page,
        "more": len(found) > SIZE and page < LAST,
        "known": {
            "state": asked.query.get("state", "") and tab,
            "sort": "" if order == ORDERS[0] else order,
            "q": search,
            **places["place"],
        },
    }
