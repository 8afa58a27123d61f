"""What is done about a prediction: the ladder of a rule that says `when: predicted`, or nothing on purpose."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from llama_logging.context import PREDICTED, ErrorContext
from llama_logging.prediction.forecast import Prediction
from llama_logging.prediction.ledger import Action
from llama_logging.prediction.scoring import wilson
from llama_logging.recovery.engine import Engine
from llama_logging.recovery.outcome import Outcome
from llama_logging.tried import OutcomeStatus

_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done about a prediction.

    Attributes:
        outcome: Of the ladder that was begun for it; None if none was.
    """

    action: Action
    outcome: Outcome | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.outcome is None or self.outcome.is_over

    @property
    def undone(self) -> bool:
        """Whether the ladder came to nothing: what forbids it was met only in climbing."""
        return self.outcome is not None and self.outcome.status is OutcomeStatus.REFUSED


class Acting:
    """Decides on the predictions of named groups.

    One that several horizons predict is decided on once: what is done about it, or not done on purpose, holds
    until the time of the first prediction is over. Else the control would be treated by the next.

    Args:
        engine: The one in use.
        latest: Gives the latest error of a group, by its fingerprint; None if there is none.
        trust: What the lower end of the interval of the share that came true must be.
        control: Share of them about which nothing is done, to compare with.
        chance: From 0 to 1; tests pass their own.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        latest: Callable[[str], ErrorContext | None],
        *,
        trust: float,
        control: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._engine, self._latest, self._chance = engine, latest, chance
        self._trust, self._control = trust, control
        self._decided: dict[str, tuple[float, Decision]] = {}

    def forget(self) -> None:
        """Decide anew: the clock was ahead."""
        self._decided.clear()

    def decide(self, prediction: Prediction) -> Decision:
        """Decide on *prediction*, and begin what is to be done."""
        until, decision = self._decided.get(prediction.group, (0.0, Decision(Action.NONE)))
        if prediction.at < until:
            return Decision(Action.NONE) if decision.undone else decision
        context = self._latest(prediction.group) if prediction.group else None
        rule = self._engine().ahead(_ahead(context, prediction)) if context is not None else None
        if context is None or rule is None or wilson(prediction.hits, prediction.announced)[0] < self._trust:
            return Decision(Action.NONE)
        action = Action.OBSERVED if not rule.acts else Action.ACTED
        if action is Action.ACTED and self._chance() < self._control:
            action = Action.CONTROL
        treated = action is not Action.CONTROL
        decision = Decision(action, self._engine().prevent(rule, _ahead(context, prediction)) if treated else None)
        if len(self._decided) >= _MOST:
            self._decided.clear()
        self._decided[prediction.group] = prediction.at + prediction.horizon, decision
        return decision


def _ahead(context: ErrorContext, prediction: Prediction) -> ErrorContext:
    """*context*, the latest of its group, as the one that is coming."""
    told = {"horizon": prediction.horizon, "probability": prediction.probability, "usual": prediction.usual,
            "prediction_id": prediction.prediction_id}  # fmt: skip
    return dataclasses.replace(
        context,
        error_id=prediction.prediction_id,
        timestamp=datetime.fromtimestamp(prediction.at, UTC),
        additional_context={**context.additional_context, PREDICTED: told},
    )
