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


def _layer(index: int) -> Callable[[Order], float]:
    # Each layer is compiled apart, with a source of its own: a recursion would be folded by the formatter.
    source = (
        f"def layer_{index}(order):\n"
        f"    rates = {{'layer': {index}, 'rate': 0.5}}\n"
        f"    return rates['layer'] * 2 + (following[{index}](order) - rates['rate'])\n"
    )
    file = f"<layer {index}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names: dict[str, Any] = {"following": following}
    exec(compile(source, file, "exec"), names)
    layer: Callable[[Order], float] = names[f"layer_{index}"]
    return layer


following: list[Callable[[Order], float]] = []
handlers = [_layer(index) for index in range(15)]
following.extend([*handlers[1:], checkout])
SCENARIOS: dict[str, Callable[[], float]] = {"5 frames": five, "20 frames": twenty}
