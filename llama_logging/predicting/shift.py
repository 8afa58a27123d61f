"""What is done at each look at what was noted: it is learned from, told, acted on and put down."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from llama_logging.predicting import telling
from llama_logging.predicting.acting import Acting
from llama_logging.predicting.announcing import Announcer
from llama_logging.predicting.books import Books
from llama_logging.predicting.learning import Learner, Lesson
from llama_logging.predicting.notes import Notes
from llama_logging.predicting.settings import Settings
from llama_logging.prediction.ledger import GRACE
from llama_logging.recovery import active
from llama_logging.registry import Store

SAVE_EVERY = 300.0
"""Seconds between two times that what was learned is kept, and how good it is."""
LOOK_EVERY = 60.0
"""Seconds between two looks at what else there is to do: which gates have closed, what is over in the registry."""


class Shift:
    """From the first look until the watch is closed, for one thread: notes -> learner -> announcer -> books.

    Attributes:
        learner: None before the first look.
    """

    def __init__(self, settings: Settings, notes: Notes, folder: str, open_store: Callable[[], Store]) -> None:
        self._settings, self._notes, self._folder = settings, notes, folder
        self.books = Books(open_store)
        acting = Acting(active.current, self.books.latest, trust=settings.act, control=settings.control)
        self._announcer = Announcer(self.books, acting)
        self._saved = self._looked = 0.0
        self._is_kept = True
        self.learner: Learner | None = None

    def step(self, now: float) -> None:
        """Learn from what has come until *now*, seconds since the epoch, and see to what the predictor says."""
        learner = self._begun(now)
        if learner.is_ahead_of(now):
            self._announcer.end(learner.set_back(now))
            self._announcer.set_back()
            self._saved = self._looked = now
        for prediction in self._learn(learner, now).predictions:
            if self._announcer.announce(prediction):
                learner.act(prediction)
        self._announcer.follow_up()
        self.books.write()
        self._look_after(learner)

    def save(self) -> None:
        """Say how good it is what was learned, and keep it.

        Raises:
            OSError: If it cannot be kept.
        """
        learner = self.learner
        if learner is None:
            return
        self._saved = learner.now
        qualities = [quality for quality in learner.quality if quality.decisions]
        self.books.rate(learner.name, _moment(learner.now), qualities)
        learner.keep()

    def end(self, now: float) -> None:
        """Learn from what has come, keep it, and let go of everything."""
        with contextlib.suppress(Exception):
            # Nothing is announced any more: who closes handlers may hold the lock of `logging`.
            learner = self._begun(now)
            self._learn(learner, now)
            self._announcer.end(learner.break_off())
            self.books.write()
        with contextlib.suppress(Exception):
            self.save()
        self.release()
        self.books.close()

    def release(self) -> None:
        """Let another process go on with what was learned."""
        if self.learner is not None:
            self.learner.release()

    def _begun(self, now: float) -> Learner:
        if self.learner is None:
            self._saved = self._looked = now
            self.learner = Learner(self._settings, self._notes, self._folder, now)
        return self.learner

    def _learn(self, learner: Learner, now: float) -> Lesson:
        lesson = learner.learn(now)
        self._announcer.came(lesson.errors)
        self._announcer.end(lesson.resolutions)
        return lesson

    def _look_after(self, learner: Learner) -> None:
        if learner.now - self._looked >= LOOK_EVERY:
            self._looked = learner.now
            self._announcer.tell_of_closed_gates(learner.quality)
            self.books.settle(_moment(learner.now) - timedelta(seconds=GRACE))
        if learner.now - self._saved >= SAVE_EVERY:
            try:
                self.save()
                self._is_kept = True
            except OSError as error:
                if self._is_kept:  # once, and again after it could be
                    telling.not_kept(str(error))
                self._is_kept = False


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
