"""For the tests of applications: what was captured, and what recovery came to.

A plug-in of pytest that does nothing until it is asked: by the fixture `captured_errors`, by
`@pytest.mark.llama_logging(...)`, or by `llama_logging_errors = fail` in the configuration of pytest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import logging

    from llama_logging.context import ErrorContext
    from llama_logging.recovery.outcome import Outcome

INI_NAME = "llama_logging_errors"
MARKER = "llama_logging"
TIMEOUT = 30.0
"""Seconds in which a recovery must end; a rule may name a longer deadline, a test had better not."""


class CapturedErrors(Sequence["ErrorContext"]):
    """The errors of one test, in their order, however the application's logging is configured.

    One exception that several layers log is one error.
    """

    def __init__(self) -> None:
        self._errors: list[tuple[ErrorContext, logging.LogRecord]] = []

    def __len__(self) -> int:
        return len(self._errors)

    def __getitem__(self, index: Any) -> Any:
        found = [error for error, _ in self._errors]
        return found[index]

    def __repr__(self) -> str:
        from llama_logging.plain import last_line

        return f"[{', '.join(last_line(error.error_type, error.error_message) for error in self)}]"

    @property
    def outcomes(self) -> list[Outcome]:
        """What recovery came to, for each error that it began for; each has ended when this returns."""
        from llama_logging.capture.records import OUTCOME

        found: list[Any] = [record.__dict__.get(OUTCOME) for _, record in self._errors]
        outcomes = [outcome for outcome in found if outcome is not None]
        for outcome in outcomes:
            outcome.wait(TIMEOUT)
        return outcomes

    def one(self, error_type: str | type[BaseException] | None = None) -> ErrorContext:
        """The only error, or the only one of *error_type*.

        Raises:
            AssertionError: If there is none, or more; the message names them.
        """
        __tracebackhide__ = True  # what failed is the test's line
        name = error_type.__name__ if isinstance(error_type, type) else error_type
        found = [error for error in self if name in (None, error.error_type)]
        if len(found) != 1:
            raise AssertionError(f"expected one error{f' of type {name}' if name else ''}, captured {self!r}")
        return found[0]

    def clear(self) -> None:
        """Forget them: they were expected."""
        self._errors.clear()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addini(INI_NAME, "what an error that no test asked for does: 'ignore' (the default) or 'fail' its test")


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker."""
    config.addinivalue_line(
        "markers", f"{MARKER}(rules=...): recovery rules, as in a logging.yaml, that are in force during the test"
    )
    if config.getini(INI_NAME) not in ("", "ignore", "fail"):
        raise pytest.UsageError(f"{INI_NAME}: expected 'ignore' or 'fail', got {config.getini(INI_NAME)!r}")


@pytest.fixture
def captured_errors(_llama_logging_errors: CapturedErrors) -> CapturedErrors:
    """The errors that the test's code logs; what is expected need not be cleared."""
    return _llama_logging_errors


@pytest.fixture
def _llama_logging_errors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from llama_logging import tap
    from llama_logging.capture.seen import Taken
    from llama_logging.handlers import RecoveryHandler
    from llama_logging.handling import ContextHandler
    from llama_logging.recovery import active

    captured, taken = CapturedErrors(), Taken()

    class Collector(ContextHandler):
        def process(self, context: ErrorContext, record: logging.LogRecord) -> None:
            if not (context.again and context.error_id in taken):
                taken.add(context.error_id)
                captured._errors.append((context, record))

    sinks, engine = [], active._engine
    marker = request.node.get_closest_marker(MARKER)
    if marker is not None:
        store = f"sqlite:///{tmp_path_factory.mktemp('llama_logging')}/registry.db"
        recovery = RecoveryHandler(store=store, strict=True, **marker.kwargs)
        sinks.append(tap.Sink(lambda: recovery))
    sinks.append(tap.Sink(Collector))
    for sink in sinks:
        tap.add(sink)
    try:
        yield captured
    finally:
        for sink in sinks:
            tap.remove(sink)
        active._engine = engine


@pytest.fixture(autouse=True)
def _llama_logging_no_errors(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.config.getini(INI_NAME) != "fail":
        yield
        return
    captured = request.getfixturevalue("_llama_logging_errors")
    yield
    if captured and "captured_errors" not in request.fixturenames:
        pytest.fail(f"errors were logged that the test does not ask for: {captured!r}", pytrace=False)
