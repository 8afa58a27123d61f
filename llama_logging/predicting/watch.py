"""Where records become predictions, and predictions rows of the registry, records and recoveries."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from logging import LogRecord
from typing import Any

from llama_logging import forks, process
from llama_logging.background import Worker, ours, waited
from llama_logging.config import warn
from llama_logging.context import ErrorContext
from llama_logging.exceptions import StoreError
from llama_logging.native import may_have_threads
from llama_logging.plain import last_line
from llama_logging.predicting import telling
from llama_logging.predicting.acting import Acting, Decision
from llama_logging.predicting.memory import Memory
from llama_logging.predicting.notes import Notes
from llama_logging.predicting.settings import Settings
from llama_logging.prediction.forecast import ANY, Fate, Prediction, Resolution
from llama_logging.prediction.ledger import GRACE, Action, Announcement, Ending
from llama_logging.prediction.predictor import Predictor
from llama_logging.recovery import active
from llama_logging.registry import Store

SAVE_EVERY = 300.0
"""Seconds between two times that what was learned is kept, and how good it is."""
LOOK_EVERY = 60.0
"""Seconds between two looks at what else there is to do: which gates have closed, what is over in the registry."""
RETRY_AFTER = 30.0
"""Seconds for which a registry that failed is left alone, or a thread that could not be started is not tried again."""
SET_BACK = 60.0
"""Seconds by which the clock falls behind what it was, from which on it was wrong before; less is waited for."""
CLOSE_TIMEOUT = 2.0
"""Seconds that closing, and so the end of the process, may be delayed."""

_ERRORS = 200
_WAITING = 1_000
_abandoned: list[object] = []


class Watch:
    """Has a predictor learn from what is noted, and sees to what it says; in the background, or inline.

    The thread is started by the first record and again after a fork, never in the constructor.

    Args:
        settings: What the YAML says.
        open_store: Gives a store for the thread.
        folder: Where what was learned is kept, unless the settings name another.
        clock: Seconds since the epoch; tests pass their own. Inline, the records' own time counts.

    Attributes:
        awake: Whether its thread runs, in the process `pid`; else it must be told to attend.
    """

    def __init__(
        self,
        settings: Settings,
        open_store: Callable[[], Store],
        folder: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings, self._open_store, self._clock = settings, open_store, clock
        self._folder = os.path.abspath(os.path.expanduser(settings.state)) if settings.state else folder
        self.notes = Notes(settings.queue, settings.error_level, settings.ignore)
        self._worker = Worker("llama_logging-prediction")
        self.failure: Exception | None = None
        self._turn = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self.pid = os.getpid()
        self.awake = False
        self._retry_at = 0.0
        self._stop = threading.Event()
        self._predictor: Predictor | None = None
        self._memory: Memory | None = None
        self._store: Store | None = None
        self._now = self._stepped = -math.inf
        self._saved = self._looked = 0.0
        self._dropped = 0
        self._resting_until = -math.inf
        self._trusted: set[tuple[str, float]] = set()
        self._errors: deque[tuple[float, str, str]] = deque(maxlen=_ERRORS)
        self._rows: deque[Announcement] = deque(maxlen=_WAITING)
        self._endings: deque[Ending] = deque(maxlen=_WAITING)
        self._climbing: list[tuple[Announcement, Decision]] = []
        self._open: dict[str, Prediction] = {}
        self._acting = Acting(active.current, self._latest, trust=self.settings.act, control=self.settings.control)

    # --- the caller's side

    def attend(self, record: LogRecord) -> None:
        """Make sure that what was noted is looked at, *record* as the latest of it."""
        if self.pid != forks.look():
            self._after_fork()
            self.notes.note(record)
        if self.settings.inline:
            self._inline(record.created)
        elif not self.awake:
            self._wake()

    def close(self) -> None:
        """Learn from what has come, keep it, and let go of everything; a later record begins again."""
        if self.pid != os.getpid():
            return  # all of it is the parent's
        self._stop.set()
        if self.awake:
            if not self._worker.finish(CLOSE_TIMEOUT) and self._memory is not None:
                self._memory.release()  # the thread waits for something, and is left behind
        elif self._predictor is not None and self._turn.acquire(blocking=False):
            try:
                with ours():
                    self._end()
            finally:
                self._turn.release()
        self._begin()

    def _after_fork(self) -> None:
        # What waits, and what was learned so far, is the parent's; so may be the lock. Its connection must not be
        # closed here, nor collected.
        _abandoned.append(self._store)
        self._turn = threading.Lock()
        self.notes.forget()
        self._begin()

    def _wake(self) -> None:
        if time.monotonic() < self._retry_at or sys.is_finalizing():
            return
        stop = self._stop
        self.awake = may_have_threads() and self._worker.submit(lambda: self._run(stop))
        if not self.awake:
            self._retry_at = time.monotonic() + RETRY_AFTER

    def _inline(self, now: float) -> None:
        if abs(now - self._stepped) >= self.settings.tick and self._turn.acquire(blocking=False):
            try:
                with ours():
                    self._guarded(now)
            finally:
                self._turn.release()

    # --- the predictor's side

    def _run(self, stop: threading.Event) -> None:
        while not waited(stop, self.settings.tick):
            self._guarded(self._clock())
        if self.pid == os.getpid() and self._stop is stop:
            self._end()

    def _guarded(self, now: float) -> None:
        try:
            self.step(now)
        except Exception as error:
            # An unforeseen fault must not end it: the next records may be others.
            self.failure = error
            warn(f"PredictionHandler: {type(error).__name__}: {error}")

    def step(self, now: float) -> None:
        """Learn from what has come until *now*, and see to what the predictor says."""
        self._stepped = now
        if now < self._now - SET_BACK:
            self._set_back(now)
        predictor = self._ready(now)
        for prediction in self._learn(predictor, now):
            self._announce(predictor, prediction)
        self._follow_up()
        self._write()
        self._look_after(predictor)

    def _set_back(self, now: float) -> None:
        """Go on as after a restart: by a clock that was ahead, nothing would be due before it comes by there again."""
        predictor = self._ready(now)
        predictor.censor(self._now)
        self._end_predictions(predictor.resolutions())
        self._predictor = Predictor.restored(predictor.state(), now, **self.settings.of_predictor)
        self._now = self._saved = self._looked = now
        self._resting_until = -math.inf
        self._errors.clear()
        self._acting.forget()

    def _learn(self, predictor: Predictor, now: float) -> list[Prediction]:
        found: list[Prediction] = []
        for seen in self.notes.take():
            # Threads note in another order than they logged, by microseconds; and no record is from the future.
            at = self._now = max(self._now, min(seen.observation.at, now))
            if seen.observation.level >= self.settings.error_level:
                self._errors.append((at, seen.observation.group, seen.error_id))
            found += predictor.observe(replace(seen.observation, at=at))
        # They were dropped behind the last of these: what was open then, nobody will know.
        self._leave_out_what_was_dropped(predictor)
        self._now = max(self._now, now)
        found += predictor.advance(self._now)
        resolutions = predictor.resolutions()
        # What time alone foretold, and came before anybody could look, is no warning.
        late = {resolution.prediction_id for resolution in resolutions} & {one.prediction_id for one in found}
        self._end_predictions([one for one in resolutions if one.prediction_id not in late])
        return [prediction for prediction in found if prediction.prediction_id not in late]

    def _end_predictions(self, resolutions: Sequence[Resolution]) -> None:
        self._endings += [Ending(resolution, self._error_of(resolution)) for resolution in resolutions]

    def save(self) -> None:
        """Keep what was learned, and say how good it is."""
        self._saved = self._now
        if self._predictor is None:
            return
        if self._memory is not None:
            content = {"release": process.current().release, "predictor": self._predictor.state()}
            try:
                self._memory.keep(content)
            except OSError as error:
                self.failure = error
        qualities = [quality for quality in self._predictor.quality() if quality.decisions]
        role, at = self._memory.name if self._memory is not None else _role(), self._moment()
        if qualities:
            self._ask(lambda store: store.rate_predictions(role, at, qualities) if store.exists else None)

    def _end(self) -> None:
        with contextlib.suppress(Exception):
            # Nothing is announced any more: who closes handlers may hold the lock of `logging`.
            now = self._now if self.settings.inline else self._clock()
            predictor = self._ready(now)
            self._learn(predictor, now)
            predictor.censor(self._now)
            self._end_predictions(predictor.resolutions())
            self._write()
        with contextlib.suppress(Exception):
            self.save()
        if self._memory is not None:
            self._memory.release()
        if self._store is not None:
            self._store.close()

    def _ready(self, now: float) -> Predictor:
        if self._predictor is None:
            self._saved = self._looked = now
            self._predictor = self._restored(now)
        return self._predictor

    def _restored(self, now: float) -> Predictor:
        options = self.settings.of_predictor
        memory = Memory(self._folder, _role())
        try:
            learned = memory.adopt()
        except OSError as error:
            telling.not_kept(str(error))
            return Predictor(**options)
        self._memory = memory
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
            telling.begun_anew(f"{self._folder}/{memory.name}.json", problem)
        return Predictor(**options)

    def _leave_out_what_was_dropped(self, predictor: Predictor) -> None:
        dropped, self._dropped = self.notes.dropped - self._dropped, self.notes.dropped
        if dropped > 0:
            predictor.censor(self._now)
            telling.lost(dropped)

    def _error_of(self, resolution: Resolution) -> str:
        """The id of the error that a prediction foresaw, where it was captured."""
        prediction = self._open.pop(resolution.prediction_id, None)
        if prediction is None or resolution.fate is not Fate.HIT:
            return ""
        fitting = (
            error_id
            for at, group, error_id in self._errors
            if at > prediction.at and prediction.group in (ANY, group) and error_id
        )
        return next(fitting, "")

    def _announce(self, predictor: Predictor, prediction: Prediction) -> None:
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
        while len(self._open) > _WAITING:
            self._open.pop(next(iter(self._open)))
        self._rows.append(announcement)
        if decision.outcome is not None:
            self._climbing.append((announcement, decision))
        if acted:
            # What would have happened, nobody will know.
            predictor.censor(prediction.at, prediction.group, prediction.at + prediction.horizon)

    def _follow_up(self) -> None:
        """Correct what was said to be done, where nothing could be."""
        over = [pair for pair in self._climbing if pair[1].is_over]
        self._climbing = [pair for pair in self._climbing if pair not in over]
        self._rows += [replace(announcement, action=Action.NONE) for announcement, it in over if it.undone]

    def _look_after(self, predictor: Predictor) -> None:
        if self._now - self._looked >= LOOK_EVERY:
            self._looked = self._now
            self._tell_of_closed_gates(predictor)
            before = self._moment() - timedelta(seconds=GRACE)
            self._ask(lambda store: store.settle_predictions(before))
        if self._now - self._saved >= SAVE_EVERY:
            self.save()

    def _tell_of_closed_gates(self, predictor: Predictor) -> None:
        qualities = {(quality.group, quality.horizon): quality for quality in predictor.quality()}
        trusted = {key for key, quality in qualities.items() if quality.trusted}
        for key in sorted(self._trusted - trusted):
            if key in qualities:
                telling.no_longer(qualities[key], self._name_of(key[0]))
        self._trusted = trusted

    # --- the registry

    def _write(self) -> None:
        if not self._rows and not self._endings:
            return
        rows, endings = list(self._rows), list(self._endings)

        def write(store: Store) -> None:
            if rows:
                store.predicted(rows)
            if endings:
                store.resolve_predictions(endings)

        if self._ask(write):
            for _ in rows:
                self._rows.popleft()
            for _ in endings:
                self._endings.popleft()

    def _ask(self, question: Callable[[Store], object]) -> bool:
        """Whether the registry could be asked; what could not be written waits."""
        if self._now < self._resting_until:
            return False
        try:
            if self._store is None:
                self._store = self._open_store()
            question(self._store)
        except Exception as error:
            self.failure = StoreError.of(error)
            self._resting_until = self._now + RETRY_AFTER
            return False
        return True

    def _latest(self, group: str) -> ErrorContext | None:
        found: list[ErrorContext] = []
        self._ask(lambda store: found.extend(store.errors(fingerprint=group, limit=1)))
        return found[0] if found else None

    def _name_of(self, group: str) -> str:
        if group == ANY:
            return "any error"
        context = self._latest(group)
        return group if context is None else last_line(context.error_type, context.error_message)

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._now, UTC)


def _role() -> str:
    who = process.current()
    folder, name = os.path.split(who.program)
    return who.service or (os.path.basename(folder) if name == "__main__.py" else name) or "python"


def _differ(release: Any, other: str) -> bool:
    return bool(release and other and release != other)
