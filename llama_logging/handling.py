"""What all of our handlers do with a record."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from collections.abc import Callable
from logging import ERROR
from typing import Any

from llama_logging.capture.capturing import capture
from llama_logging.capture.records import CONTEXT, SEEN
from llama_logging.config.mistakes import is_collecting, warn
from llama_logging.config.options import Options
from llama_logging.config.values import as_bool, as_level, is_installed
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError
from llama_logging.matching import Match, parse_matches
from llama_logging.pipeline import Pipeline, pipeline_for
from llama_logging.runtime.room import with_room
from llama_logging.stores import urls
from llama_logging.tap import stick


class ContextHandler(logging.Handler):
    """Base of our handlers.

    A wrong option is told in one line and its default used; `strict: true` raises ConfigError.
    A record that reaches the same handler by two ways (a logger and its parent) is processed once.
    """

    option_names: tuple[str, ...] = ("level", "strict", "ignore", "sticky")
    sees_all = False
    """Whether it has a use for records that are no errors, whatever its options say."""
    answers = False
    """Whether it puts an outcome on the exceptions of what it handles."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        strict = options.get("strict") is True
        self._options = Options(type(self).__name__, options, type(self).option_names, strict=strict)
        self._options.read("strict", as_bool, False)
        self.setLevel(self._options.read("level", as_level, logging.NOTSET))
        self._ignored = self._read_ignored()
        # Handlers that are equal in this do the same work, and one of them suffices.
        self._identity: object = id(self)
        self._keep: Callable[[ErrorContext], object] | None = None
        # Sees the records too that are no errors.
        self._note: Callable[[logging.LogRecord], object] | None = None
        self._sticky = self._options.read("sticky", as_bool, False)
        self._given = repr((type(self).__qualname__, sorted(options.items(), key=str)))

    def handle_once(self, record: logging.LogRecord) -> None:
        """Handle *record*, unless this handler or one of the same work did: no filter is asked twice."""
        if self._identity not in record.__dict__.get(SEEN, ()):
            self.handle(record)

    def handle(self, record: logging.LogRecord) -> Any:
        """Filter and emit without the handler's lock: no caller waits for another thread's."""
        passed: Any = self.filter(record) if self.filters else True
        if passed is not True:
            if not passed:
                return passed
            record = passed
        # Most records are no errors, and to see that is all they cost: one has no `__dict__` until it is asked for.
        if record.levelno >= ERROR or record.exc_info is not None or hasattr(record, CONTEXT):
            self.emit(record)
        elif self._note is not None:
            self._pass_by(record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Capture *record* and process what was captured; failures go to `handleError`."""
        try:
            self._work(record)
        except (RecursionError, MemoryError) as problem:
            self._work_with_room(record, problem)
        except Exception:
            self.handleError(record)

    def _work(self, record: logging.LogRecord) -> None:
        context = capture(record, self._keep)
        if context is None:
            self._pass_by(record)
            return
        seen = record.__dict__.get(SEEN, ())
        if self._identity not in seen and not (self._ignored and self._is_ignored(context)):
            record.__dict__[SEEN] = (*seen, self._identity)
            self.process(context, record)

    def _work_with_room(self, record: logging.LogRecord, problem: Exception) -> None:
        seen = record.__dict__.get(SEEN, ())
        record.__dict__[SEEN] = tuple(identity for identity in seen if identity != self._identity)
        try:
            with_room(problem, lambda: self._work(record))
        except RecursionError:
            raise  # the application's own: there is not one call left to be made
        except Exception:
            self.handleError(record)

    def process(self, context: ErrorContext, record: logging.LogRecord) -> None:
        """Do the one job of this handler."""
        raise NotImplementedError

    def handleError(self, record: logging.LogRecord) -> None:
        """Tell on standard error what failed here; of *record* nothing: the stock method prints its arguments."""
        if logging.raiseExceptions:
            with contextlib.suppress(Exception):  # there may be no memory for it
                told = "".join(traceback.format_exception(sys.exc_info()[1], chain=False)).rstrip()
                warn(f"{type(self).__name__} failed: {told}")

    def _read_ignored(self) -> tuple[Match, ...]:
        return self._options.read("ignore", lambda given: parse_matches(self._options, "ignore", given), ())

    def _each(self, name: str, parse: Callable[[Any], object]) -> list[Any]:
        return self._options.read(
            name, lambda given: self._options.each(name, given, lambda _place, entry: parse(entry)), []
        )

    def _stick(self) -> None:
        """Stay, if that was asked for; the last thing a constructor does."""
        if self._sticky and not is_collecting():
            stick(self, self._given, notes=self.sees_all or self._note is not None)

    def _pass_by(self, record: logging.LogRecord) -> None:
        try:
            if self._note is not None:
                self._note(record)
        except Exception:
            self.handleError(record)

    def _is_ignored(self, context: ErrorContext) -> bool:
        return any(match(context) for match in self._ignored)

    def _pipeline(self) -> Pipeline:
        try:
            default = urls.default()
        except ConfigError as error:
            default = urls.parse(urls.DEFAULT)
            self._options.complain("store", f"LLAMA_LOGGING_STORE: {error}", f"it is {default}")
        url = self._options.read("store", urls.parse, default, f"the registry is {default}")
        if is_collecting() and url.scheme in urls.POSTGRES and not is_installed("psycopg"):
            self._options.complain("store", f"{urls.NEEDED}; until then errors wait in the journal")
        return pipeline_for(url)
