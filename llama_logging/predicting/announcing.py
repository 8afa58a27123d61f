"""What a prediction goes through: it is told, decided on and put down, and it ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from llama_logging import process
from llama_logging.plain import last_line
from llama_logging.predicting import telling
from llama_logging.predicting.acting import Acting, Decision
from llama_logging.predicting.books import MOST, Books
from llama_logging.predicting.learning import Came
from llama_logging.prediction.forecast import ANY, Fate, Prediction, Quality, Resolution
from llama_logging.prediction.ledger import Action, Announcement, Ending

_ERRORS = 200


class Announcer:
    """Sees to predictions from the announcement to the end.

    Args:
        books: Where they are put down.
        acting: What decides on them.
    """

    def __init__(self, books: Books, acting: Acting) -> None:
        self._books, self._acting = books, acting
        self._open: dict[str, Prediction] = {}
        self._climbing: list[tuple[Announcement, Decision]] = []
        self._errors: deque[Came] = deque(maxlen=_ERRORS)
        self._trusted: set[tuple[str, float]] = set()

    def announce(self, prediction: Prediction) -> bool:
        """Tell of *prediction*, and do what is to be done about it; whether it is acted on."""
        # First: what is done about it tells of itself, from a thread of its own.
        telling.announce(prediction, self._name_of(prediction.group))
        decision = self._acting.decide(prediction)
        acted = decision.action is Action.ACTED
        who = process.current()
        announcement = Announcement(
            prediction=prediction,
            action=decision.action,
            fate=Fate.CENSORED if acted else Fate.PENDING,
            host=who.host,
            service=who.service,
            process=who.process,
        )
        self._open[prediction.prediction_id] = prediction
        while len(self._open) > MOST:
            self._open.pop(next(iter(self._open)))
        self._books.enter(announcement)
        if decision.outcome is not None:
            self._climbing.append((announcement, decision))
        return acted

    def came(self, errors: Sequence[Came]) -> None:
        """Remember *errors*: one may be what was predicted."""
        self._errors += errors

    def end(self, resolutions: Sequence[Resolution]) -> None:
        """Put down what became of predictions, and which error came."""
        for resolution in resolutions:
            self._books.end(Ending(resolution, self._error_of(resolution)))

    def follow_up(self) -> None:
        """Correct what was said to be done, where nothing could be."""
        over = [pair for pair in self._climbing if pair[1].is_over]
        self._climbing = [pair for pair in self._climbing if pair not in over]
        for announcement, decision in over:
            if decision.undone:
                self._books.enter(replace(announcement, action=Action.NONE))

    def tell_of_closed_gates(self, qualities: Sequence[Quality]) -> None:
        """Say once of each group what is announced no longer."""
        known = {(quality.group, quality.horizon): quality for quality in qualities}
        trusted = {key for key, quality in known.items() if quality.trusted}
        for key in sorted(self._trusted - trusted):
            if key in known:
                telling.no_longer(known[key], self._name_of(key[0]))
        self._trusted = trusted

    def set_back(self) -> None:
        """Forget what was by a clock that was ahead."""
        self._errors.clear()
        self._acting.forget()

    def _error_of(self, resolution: Resolution) -> str:
        """The id of the error that a prediction foresaw, where it was captured."""
        prediction = self._open.pop(resolution.prediction_id, None)
        if prediction is None or resolution.fate is not Fate.HIT:
            return ""
        fitting = (
            error.error_id
            for error in self._errors
            if error.at > prediction.at and prediction.group in (ANY, error.group) and error.error_id
        )
        return next(fitting, "")

    def _name_of(self, group: str) -> str:
        if group == ANY:
            return "any error"
        context = self._books.latest(group)
        return group if context is None else last_line(context.error_type, context.error_message)
