"""What was announced of one kind of error at one horizon, and how it came out."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llama_logging.prediction.forecast import Fate, Quality, Resolution
from llama_logging.prediction.scoring import wilson
from llama_logging.prediction.tally import Tallies
from llama_logging.prediction.trust import Gate

_LEADS = 200


@dataclass(frozen=True, slots=True)
class Announced:
    """A prediction that is not over."""

    prediction_id: str
    at: float


class Account:
    """Keeps the books: of every decision its log loss, of every onset and every announcement what became of it.

    Attributes:
        censored: Until then nobody knows what would have come.
    """

    def __init__(self, gate: Gate, names: tuple[str, ...]) -> None:
        self.gate = gate
        self.pending: Announced | None = None
        self.censored = -math.inf
        self._open_books(names)

    def disown(self) -> None:
        """How it came out so far was another's."""
        self._open_books(self.tallies.names)

    def _open_books(self, names: tuple[str, ...]) -> None:
        self.tallies = Tallies(names)
        self.onsets = self.foreseen = self.announced = self.hits = 0
        self.leads: deque[float] = deque(maxlen=_LEADS)

    def settle(self, probabilities: tuple[float, ...], followed: bool, weight: float) -> None:
        """A decision is over: what each said, the predictor first."""
        self.gate.settle(self.tallies.add(probabilities, followed), weight)

    def decide(self, at: float, probability: float, quiet: bool) -> bool:
        """Whether a prediction goes out."""
        return at > self.censored and self.gate.decide(at, probability, quiet) and not self.gate.why()

    def announce(self, prediction_id: str, at: float) -> None:
        """A prediction goes out."""
        self.pending = Announced(prediction_id, at)

    @property
    def due(self) -> float:
        """Before that, there is nothing to be done about time that passes."""
        return self.gate.until

    def pass_time(self, now: float) -> list[Resolution]:
        """What is over because nothing came."""
        self.gate.pass_time(now)
        if self.pending is None or now - self.pending.at <= self.gate.horizon:
            return []
        return [self._close(Fate.MISS)]

    def fail(self, at: float, quiet: bool) -> list[Resolution]:
        """There was an error: what came true."""
        quiet = quiet and at > self.censored
        self.gate.fail(at, quiet)
        pending = self.pending if self.pending is not None and self.pending.at < at else None
        if quiet:
            self.onsets += 1
            self.foreseen += pending is not None and at - pending.at >= 1.0
        if pending is None:
            return []
        self.leads.append(at - pending.at)
        return [self._close(Fate.HIT, at - pending.at)]

    def censor(self, until: float) -> list[Resolution]:
        """Nobody will know what would have come, *until* then."""
        self.censored = max(self.censored, until)
        self.gate.censor()
        return [self._close(Fate.CENSORED)] if self.pending is not None else []

    def _close(self, fate: Fate, lead: float | None = None) -> Resolution:
        pending, self.pending = self.pending, None
        assert pending is not None
        if fate is not Fate.CENSORED:
            self.announced += 1
            self.hits += fate is Fate.HIT
        return Resolution(prediction_id=pending.prediction_id, fate=fate, lead=lead)

    def quality(self, group: str, hours: int) -> Quality:
        """All of it; *hours* is how many had a record."""
        low, high = wilson(self.hits, self.announced)
        why = self.gate.why()
        return Quality(
            horizon=self.gate.horizon,
            group=group,
            decisions=self.tallies.decisions,
            positives=self.tallies.positives,
            skills=self.tallies.skills(),
            onsets=self.onsets,
            foreseen=self.foreseen,
            announced=self.announced,
            hits=self.hits,
            precision_low=low,
            precision_high=high,
            false_alarms_per_day=(self.announced - self.hits) * 24.0 / max(1, hours),
            median_lead=statistics.median(self.leads) if self.leads else None,
            trusted=not why,
            why=why,
        )

    def state(self) -> dict[str, Any]:
        """For `restore`."""
        return {
            "gate": self.gate.state(),
            "tallies": self.tallies.state(),
            "counts": [self.onsets, self.foreseen, self.announced, self.hits],
            "leads": list(self.leads),
            "pending": self.pending.prediction_id if self.pending is not None else None,
        }

    def restore(self, state: Mapping[str, Any]) -> list[Resolution]:
        """Go on from *state*; what was pending is censored."""
        self.gate.restore(state["gate"])
        self.tallies.restore(state["tallies"])
        self.onsets, self.foreseen, self.announced, self.hits = state["counts"]
        self.leads.extend(state["leads"])
        pending = state["pending"]
        return [Resolution(prediction_id=pending, fate=Fate.CENSORED)] if pending else []
