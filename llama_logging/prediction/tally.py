"""How a predictor did, kept in bounded memory: a histogram of what it said over what came."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from llama_logging.prediction.forecast import Skill
from llama_logging.prediction.scoring import FLOOR

BINS = 160
"""Over logits from -9.2 to 9.2: what differs by less than a ninth of a nat is one operating point."""

WINDOW = 50_000
"""Decisions; at twice as many all counts are halved, so that what is told is of the last 50,000 to 100,000."""

_EDGE = 9.3
_SCALE = BINS / 2 / _EDGE


class Tally:
    """What one predictor said, and what came.

    Average precision and calibration are those of the histogram: beside the exact ones of 20,000 decisions
    they differ in the third digit.
    """

    __slots__ = ("bins", "count", "loss")

    def __init__(self) -> None:
        self.bins: dict[int, list[float]] = {}
        self.count = 0.0
        self.loss = 0.0

    def add(self, probability: float, followed: bool) -> float:
        """Count a decision; its log loss."""
        # As `log_loss` and `logit` have it, by the same two logarithms: with 32 groups it is a third of the cost.
        chance = probability if FLOOR < probability < 1.0 - FLOOR else FLOOR if probability < 0.5 else 1.0 - FLOOR
        came, not_come = math.log(chance), math.log(1.0 - chance)
        loss = -came if followed else -not_come
        place = int((came - not_come + _EDGE) * _SCALE)
        found = self.bins.get(place)
        if found is None:
            found = self.bins[place] = [0.0, 0.0, 0.0]
        found[0] += 1.0
        found[1] += followed
        found[2] += probability
        self.count += 1.0
        self.loss += loss
        return loss

    def halve(self) -> None:
        """Let all that was counted weigh half."""
        self.count *= 0.5
        self.loss *= 0.5
        for found in self.bins.values():
            found[:] = [value * 0.5 for value in found]

    def skill(self, name: str) -> Skill:
        """All of it, for people."""
        return Skill(
            name=name,
            average_precision=self.average_precision(),
            log_loss=self.loss / self.count if self.count else 0.0,
            calibration_error=self.calibration_error(),
        )

    def average_precision(self) -> float:
        """The area under precision over recall, by steps; a bin is one operating point."""
        positives = sum(found[1] for found in self.bins.values())
        if not positives:
            return 0.0
        area = seen = hits = 0.0
        for place in sorted(self.bins, reverse=True):
            count, followed, _ = self.bins[place]
            seen += count
            hits += followed
            area += followed / positives * hits / seen
        return area

    def calibration_error(self, parts: int = 10) -> float:
        """Mean distance of what was said from what came, over *parts* of equal size."""
        if not self.count:
            return 0.0
        size = self.count / parts
        total = room = off = 0.0
        room = size
        for place in sorted(self.bins):
            count, followed, said = self.bins[place]
            left = count
            while left > room:
                off += (said - followed) * room / count
                total += abs(off)
                left -= room
                room, off = size, 0.0
            off += (said - followed) * left / count
            room -= left
        return (total + abs(off)) / self.count

    def state(self) -> list[Any]:
        """For `restored`."""
        return [self.count, self.loss, {str(place): found for place, found in self.bins.items()}]

    @classmethod
    def restored(cls, state: list[Any]) -> Tally:
        """The tally that *state* was taken of."""
        tally = cls()
        tally.count, tally.loss, bins = state
        tally.bins = {int(place): list(found) for place, found in bins.items()}
        return tally


class Tallies:
    """Of a predictor and its baselines, over the same decisions."""

    __slots__ = ("decisions", "names", "positives", "tallies")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.tallies = [Tally() for _ in names]
        self.decisions = self.positives = 0

    def add(self, probabilities: tuple[float, ...], followed: bool) -> list[float]:
        """Count a decision; the log loss of each."""
        self.decisions += 1
        self.positives += followed
        losses = [
            tally.add(probability, followed) for tally, probability in zip(self.tallies, probabilities, strict=True)
        ]
        if self.tallies[0].count >= 2 * WINDOW:
            for tally in self.tallies:
                tally.halve()
        return losses

    def skills(self) -> tuple[Skill, ...]:
        """One for each name."""
        return tuple(tally.skill(name) for name, tally in zip(self.names, self.tallies, strict=True))

    def state(self) -> dict[str, Any]:
        """For `restore`."""
        return {
            "decisions": self.decisions,
            "positives": self.positives,
            "tallies": [tally.state() for tally in self.tallies],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from *state*."""
        self.decisions, self.positives = state["decisions"], state["positives"]
        self.tallies = [Tally.restored(tally) for tally in state["tallies"]]
