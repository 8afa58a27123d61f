"""An application that fails: exceptions with five and with twenty frames.

Calls, subscripts, operators and calls over several lines, so that carets are to be computed; another
message every time, so that no text can be cached whole.
"""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable
from typing import Any

_numbers = itertools.count(1)


class Order:
    """Something to fail with."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.lines: list[dict[str, Any]] = [{"article": f"a{number}", "count": number % 7}]

    def total(self, prices: dict[str, float]) -> float:
        """Fail: the price is missing."""
        result = 0.0
        for line in self.lines:
            result += line["count"] * self.price(line, prices)
        return result

    def price(self, line: dict[str, Any], prices: dict[str, float]) -> float:
        """Fail."""
        if line["article"] not in prices:
            raise LookupError(f"no price for {line['article']} in order {self.number}")
        return prices[line["article"]]


def checkout(order: Order) -> float:
    """Fail, two calls down."""
    return (
        order.total(
            {"pen": 1.5},
        )
        + 1
    )


def five() -> float:
    """Fail with a traceback of five frames, the caller's included."""
    return checkout(Order(next(_numbers)))


def twenty() -> float:
    """Fail with a traceback of twenty frames: handed on through fifteen places."""
    return handlers[0](Order(next(_numbers)))


def first_seen() -> float:
    """Fail with a traceback of five frames; the three innermost are new every time."""
    number = next(_numbers)
    linecache.cache.pop(f"<release {number - 1}>", None)
    checkout_anew: Callable[[dict[str, Any]], float] = _compiled(f"<release {number}>", _RELEASE, {})["checkout"]
    return checkout_anew({"lines": [{"article": f"a{number}", "count": 2}]})


def nothing() -> None:
    """Do not fail."""


def _layer(index: int) -> Callable[[Order], float]:
    # Each layer is compiled apart, with a source of its own: a recursion would be folded by the formatter.
    source = (
        f"def layer_{index}(order):\n"
        f"    rates = {{'layer': {index}, 'rate': 0.5}}\n"
        f"    return rates['layer'] * 2 + (following[{index}](order) - rates['rate'])\n"
    )
    layer: Callable[[Order], float] = _compiled(f"<layer {index}>", source, {"following": following})[f"layer_{index}"]
    return layer


def _compiled(file: str, source: str, names: dict[str, Any]) -> dict[str, Any]:
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), names)
    return names


_RELEASE = """
def checkout(order):
    return total(order, prices={"pen": 1.5}) + 1

def total(order, prices):
    return sum([line["count"] * price(line, prices) for line in order["lines"]][:1])

def price(line, prices):
    if line["article"] not in prices:
        raise LookupError(f"no price for {line['article']}")
    return prices[line["article"]]
"""
following: list[Callable[[Order], float]] = []
handlers = [_layer(index) for index in range(15)]
following.extend([*handlers[1:], checkout])
SCENARIOS: dict[str, Callable[[], object]] = {
    "5 frames": five,
    "20 frames": twenty,
    "5 frames, first seen": first_seen,
    "info": nothing,
}
