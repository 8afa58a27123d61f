"""From what was noted to what a predictor says, which goes on from what its role has learned."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import Any

from llama_logging import process
from llama_logging.predicting import telling
from llama_logging.predicting.memory import Learned, Memory
from llama_logging.predicting.notes import Notes
from llama_logging.predicting.settings import Settings
from llama_logging.prediction.forecast import Prediction, Quality, Resolution
from llama_logging.prediction.predictor import Predictor

SET_BACK = 60.0
"""Seconds by which the clock falls behind what it was, from which on it was wrong before; less is waited for."""


@dataclass(frozen=True, slots=True)
class Came:
    """An error that was logged; the ids are empty where it was not captured."""

    at: float
    group: str
    error_id: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a look at the notes has brought.

    Attributes:
        errors: In the order of their time.
        resolutions: What became of earlier predictions.
        predictions: What is to be announced.
    """

    errors: list[Came]
    resolutions: list[Resolution]
    predictions: list[Prediction]


class Learner:
    """A predictor that learns from what is noted.

    Args:
        notes: What the threads of the application leave.
        folder: Where what was learned is kept.
        now: Seconds since the epoch.

    Attributes:
        now: The time until which it has learned; it runs back only where the clock is set right.
        memory: None where nothing can be kept.
    """

    def __init__(self, settings: Settings, notes: Notes, folder: str, now: float) -> None:
        self._settings, self._notes = settings, notes
        self._dropped = 0
        self.now = -math.inf
        self.memory: Memory | None = Memory(folder, _role())
        try:
            learned = self.memory.adopt()
        except OSError as error:
            self.memory, learned = None, Learned()
            telling.not_kept(str(error))
        self.predictor = self._of(learned, now, folder)

    @property
    def name(self) -> str:
        """The role of this process, and which of several of the same it is."""
        return self.memory.name if self.memory is not None else _role()

    @property
    def quality(self) -> list[Quality]:
        """How good its predictions are."""
        return self.predictor.quality()

    def learn(self, now: float) -> Lesson:
        """Take in what was noted until *now*, and let time pass to it."""
        errors: list[Came] = []
        found: list[Prediction] = []
        for seen in self._notes.take():
            # Threads note in another order than they logged, by microseconds; and no record is from the future.
            at = self.now = max(self.now, min(seen.observation.at, now))
            if seen.observation.level >= self._settings.error_level:
                errors.append(Came(at, seen.observation.group, seen.error_id))
            found += self.predictor.observe(replace(seen.observation, at=at))
        # They were dropped behind the last of these: what was open then, nobody will know.
        self._leave_out_what_was_dropped()
        self.now = max(self.now, now)
        found += self.predictor.advance(self.now)
        resolutions = self.predictor.resolutions()
        # What time alone foretold, and came before anybody could look, is no warning.
        late = {resolution.prediction_id for resolution in resolutions} & {one.prediction_id for one in found}
        return Lesson(
            errors,
            [resolution for resolution in resolutions if resolution.prediction_id not in late],
            [prediction for prediction in found if prediction.prediction_id not in late],
        )

    def is_ahead_of(self, now: float) -> bool:
        """Whether the clock was wrong before, as it says *now*."""
        return now < self.now - SET_BACK

    def set_back(self, now: float) -> list[Resolution]:
        """Go on as after a restart: by a clock that was ahead, nothing would be due before it comes by there again.

        Returns:
            What became of the predictions that were open.
        """
        resolutions = self.break_off()
        self.predictor = Predictor.restored(self.predictor.state(), now, **self._settings.of_predictor)
        self.now = now
        return resolutions

    def act(self, prediction: Prediction) -> None:
        """It is acted on *prediction*: what would have happened, nobody will know."""
        self.predictor.censor(prediction.at, prediction.group, prediction.at + prediction.horizon)

    def break_off(self) -> list[Resolution]:
        """Nobody will know how what is open would have gone on; what that means for predictions."""
        self.predictor.censor(self.now)
        return self.predictor.resolutions()

    def keep(self) -> None:
        """Keep what was learned.

        Raises:
            OSError: If it cannot be written; what was kept before stays.
        """
        if self.memory is not None:
            self.memory.keep({"release": process.current().release, "predictor": self.predictor.state()})

    def release(self) -> None:
        """Let another process go on with what is kept."""
        if self.memory is not None:
            self.memory.release()

    def _of(self, learned: Learned, now: float, folder: str) -> Predictor:
        options = self._settings.of_predictor
        problem = learned.problem
        if learned.content is not None:
            try:
                predictor = Predictor.restored(learned.content["predictor"], now, **options)
                if learned.inherited:
                    predictor.disown()
                elif _differ(learned.content.get("release"), process.current().release):
                    predictor.renewed()
                return predictor
            except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                problem = f"{type(error).__name__}: {error}"
        if problem:
            telling.begun_anew(f"{folder}/{self.name}.json", problem)
        return Predictor(**options)

    def _leave_out_what_was_dropped(self) -> None:
        dropped, self._dropped = self._notes.dropped - self._dropped, self._notes.dropped
        if dropped > 0:
            self.predictor.censor(self.now)
            telling.lost(dropped)


def _role() -> str:
    who = process.current()
    folder, name = os.path.split(who.program)
    return who.service or (os.path.basename(folder) if name == "__main__.py" else name) or "python"


def _differ(release: Any, other: str) -> bool:
    return bool(release and other and release != other)
