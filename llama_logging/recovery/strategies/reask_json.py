"""Has the application ask again where a model's answer was no JSON."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_count, as_mapping, as_seconds
from llama_logging.context import ErrorContext
from llama_logging.recovery.naming import in_a_row
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy
from llama_logging.tried import OutcomeStatus
from llama_logging.visible import counted

HINTS = {
    "temperature": 0,
    "format": "json",
    "prompt": "Answer with one JSON object alone: no other text, no code fence, every bracket closed.",
}
TIMES = 2
PERIOD = 60.0
_REMEMBERED = 1_000


@dataclass(frozen=True)
class ReaskJson(Strategy):
    """Says that it is worth asking again, and how: `outcome().value` are the hints.

    A model that never gets it right must not be asked for ever, so it says so only `times` times
    within `period` for errors that one caller meets in a row; then the ladder goes on.
    """

    name: ClassVar[str] = "llm.reask_json"
    option_names: ClassVar[tuple[str, ...]] = ("times", "period", "hints")
    verified: ClassVar[bool] = False
    times: int = TIMES
    period: float = PERIOD
    hints: dict[str, Any] = field(default_factory=HINTS.copy)
    clock: Callable[[], float] = time.monotonic
    _asked: dict[str, deque[float]] = field(default_factory=dict, compare=False)

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `times` (2) within `period` seconds (60); `hints`, a mapping that the caller gets."""
        return cls(
            options.read("times", as_count, TIMES),
            options.read("period", as_seconds, PERIOD),
            options.read("hints", as_mapping, HINTS.copy()),
        )

    @property
    def intent(self) -> str:
        """What the caller is to do."""
        return "have the caller ask again, for JSON"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Give the hints, if they were not given too often."""
        now = self.clock()
        asked = self._asked.setdefault(in_a_row(context), deque(maxlen=max(1, self.times)))
        while len(self._asked) > _REMEMBERED:
            self._asked.pop(next(iter(self._asked)), None)
        if not self.times or (len(asked) == self.times and now - asked[0] < self.period):
            detail = f"it was asked again {counted(self.times, 'time')} within {self.period:g} s"
            return Remedy(OutcomeStatus.FAILED, detail=detail)
        asked.append(now)
        return Remedy(OutcomeStatus.RECOVERED, self.hints, "ask again, with the hints", is_hint=True)
