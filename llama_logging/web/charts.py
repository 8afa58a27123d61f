"""Where the bars of a chart stand, in a box of given size; templates draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from llama_logging.context import ErrorSeverity
from llama_logging.registry.figures import Steps

GAP = 0.25
"""Of the width of a bar, between two."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle.

    Attributes:
        kind: What it counts, in lower case; empty for all.
    """

    x: float
    y: float
    width: float
    height: float
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """The bars of one step.

    Attributes:
        told: In words.
    """

    x: float
    width: float
    bars: tuple[Bar, ...]
    begins: datetime
    total: int
    told: str


def bars(counts: Sequence[int], width: float, height: float) -> str:
    """The path of a bar for each of *counts* that is not 0.

    >>> bars([0, 2, 4], 30, 10)
    'M10 10v-5h7.5v5zM20 10v-10h7.5v10z'
    """
    step, most = width / max(1, len(counts)), max(counts, default=0)
    wide, base = f"{step * (1 - GAP):.4g}", f"{height:g}"
    tall = [f"{max(1.0, height * count / most):.3g}" if count else "" for count in counts]
    return "".join(f"M{n * step:.4g} {base}v-{each}h{wide}v{each}z" for n, each in enumerate(tall) if each)


def stacked(counts: Mapping[ErrorSeverity, Sequence[int]], steps: Steps, width: float, height: float) -> list[Column]:
    """For each step the severities one on the other, the worst below."""
    totals = [sum(each[n] for each in counts.values()) for n in range(steps.count)]
    step, most = width / max(1, steps.count), max(totals, default=0) or 1
    columns = []
    for n, begins in enumerate(steps.moments):
        top, found = height, []
        for severity in sorted(counts, reverse=True):
            if count := counts[severity][n]:
                tall = max(1.0, height * count / most)
                top -= tall
                found.append(
                    Bar(
                        round(n * step, 2),
                        round(max(0, top), 2),
                        round(step * (1 - GAP), 2),
                        round(tall, 2),
                        severity.name.lower(),
                    )
                )
        words = ", ".join(
            f"{counts[severity][n]} {severity.name}" for severity in sorted(counts, reverse=True) if counts[severity][n]
        )
        told = f"{begins:%Y-%m-%d %H:%M} UTC: {words or 'none'}"
        columns.append(Column(round(n * step, 2), round(step, 2), tuple(found), begins, totals[n], told))
    return columns
