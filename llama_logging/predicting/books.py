"""The registry as predictions use it: what it is to know waits here until it takes it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from llama_logging.context import ErrorContext
from llama_logging.exceptions import StoreError
from llama_logging.prediction.forecast import Quality
from llama_logging.prediction.ledger import Announcement, Ending
from llama_logging.registry import Store

RETRY_AFTER = 30.0
"""Seconds for which a registry that failed is left alone."""
MOST = 1_000
"""Announcements that may wait, and as many endings; the oldest make room."""

_abandoned: list[Store | None] = []


class Books:
    """What predictions tell the registry and ask it, for one thread; it is opened when first needed.

    Args:
        open_store: Gives a store for the thread.

    Attributes:
        failure: Why the registry could not be asked, the last time that it could not.
    """

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open_store = open_store
        self._store: Store | None = None
        self._rest_until = 0.0
        self._announcements: deque[Announcement] = deque(maxlen=MOST)
        self._endings: deque[Ending] = deque(maxlen=MOST)
        self.failure: StoreError | None = None

    def enter(self, announcement: Announcement) -> None:
        """Put down what was announced; or of one that is known, what is right now."""
        self._announcements.append(announcement)

    def end(self, ending: Ending) -> None:
        """Put down what became of a prediction."""
        self._endings.append(ending)

    def write(self) -> None:
        """Have the registry take what waits, if it can."""
        announcements, endings = list(self._announcements), list(self._endings)

        def write(store: Store) -> None:
            if announcements:
                store.predicted(announcements)
            if endings:
                store.resolve_predictions(endings)

        if (announcements or endings) and self._ask(write):
            self._announcements.clear()
            self._endings.clear()

    def rate(self, role: str, at: datetime, qualities: Sequence[Quality]) -> None:
        """Tell how good the predictions of *role* are; what it does not take now, the next word will replace."""
        if qualities:
            self._ask(lambda store: store.rate_predictions(role, at, qualities) if store.exists else None)

    def settle(self, before: datetime) -> None:
        """Have it see to predictions that were over before then, also those of processes that are gone."""
        self._ask(lambda store: store.settle_predictions(before))

    def latest(self, group: str) -> ErrorContext | None:
        """The latest error of *group*, by its fingerprint."""
        found: list[ErrorContext] = []
        self._ask(lambda store: found.extend(store.errors(fingerprint=group, limit=1)))
        return found[0] if found else None

    def close(self) -> None:
        """Let go of the registry."""
        if self._store is not None:
            self._store.close()

    def abandon(self) -> None:
        """Leave the connection to the parent, after a fork: it must not be closed here, nor collected."""
        _abandoned.append(self._store)

    def _ask(self, question: Callable[[Store], object]) -> bool:
        """Whether the registry could be asked."""
        if time.monotonic() < self._rest_until:
            return False
        try:
            if self._store is None:
                self._store = self._open_store()
            question(self._store)
        except Exception as error:
            self.failure = StoreError.of(error)
            self._rest_until = time.monotonic() + RETRY_AFTER
            return False
        return True
