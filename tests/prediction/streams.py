"""Streams of observations for the tests."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

from llama_logging.prediction.forecast import Observation

START = 1_750_000_000.0


def record(at: float, template: str = "app: works", level: int = logging.INFO, *numbers: float) -> Observation:
    """A record *at* seconds after the start; an error is its own group."""
    group = template if level >= logging.ERROR else ""
    return Observation(at=START + at, level=level, template=template, group=group, numbers=numbers)


def error(at: float, template: str = "app: failed") -> Observation:
    """An error *at* seconds after the start."""
    return record(at, template, logging.ERROR)


def announced(hours: float, seed: int = 1) -> Iterator[Observation]:
    """An error about every half hour, 60 to 90 seconds after a warning that says so; and chatter."""
    dice = random.Random(seed)
    at = 0.0
    while at < hours * 3600.0:
        for _ in range(dice.randrange(60, 120)):
            at += 20.0
            yield record(at)
        yield record(at + 1.0, "db.pool: slow", logging.WARNING)
        at += dice.uniform(60.0, 90.0)
        yield error(at)
