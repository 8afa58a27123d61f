from __future__ import annotations

import contextvars
import logging
import logging.config
import logging.handlers
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from llama_logging import tap

log = logging.getLogger("app.tap")


class Kept(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def said(self) -> list[str]:
        return [record.getMessage() for record in self.records]


class Failing(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("of the host")


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler = Kept()
    sink = tap.Sink(lambda: handler)
    tap.add(sink)
    yield handler
    tap.remove(sink)
    logging.disable(logging.NOTSET)


def replaced() -> bool:
    return logging.Logger.handle is tap.handle or logging.Logger.isEnabledFor is tap.is_enabled_for


def test_what_a_handler_has_begun_is_not_within_its_record_any_more(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that sends by a task: what that logs through loguru or structlog is an error of its own."""
    asked: list[bool] = []
    begun: list[contextvars.Context] = []

    class Beginning(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            asked.append(tap.is_at_work())
            begun.append(contextvars.copy_context())

    monkeypatch.setattr(log, "handlers", [Beginning()])
    log.error("broken")
    assert (asked, begun[0].run(tap.is_at_work)) == ([True], False)


def test_with_the_last_sink_the_tap_is_gone(kept: Kept) -> None:
    assert replaced()
    tap._use(())
    assert not replaced()


@pytest.mark.parametrize(
    "wipe",
    [
        lambda: logging.config.dictConfig({"version": 1}),
        lambda: logging.basicConfig(force=True),
        lambda: logging.root.handlers.clear(),
        lambda: log.setLevel(logging.CRITICAL),
        lambda: log.setLevel(99),
        lambda: setattr(log, "propagate", False),
        lambda: setattr(log, "disabled", True),
        lambda: logging.disable(logging.CRITICAL),
        logging.shutdown,
    ],
    ids=["dictConfig", "force", "clear", "CRITICAL", "99", "propagate", "disabled", "disable", "shutdown"],
)
def test_it_survives_whatever_the_host_does(kept: Kept, wipe: Any) -> None:
    wipe()
    log.error("seen")
    assert kept.said == ["seen"]
    assert kept.records[0].funcName == "test_it_survives_whatever_the_host_does"


def test_the_host_comes_first_and_sees_what_it_would_have_seen(kept: Kept) -> None:
    class Host(Kept):
        def emit(self, record: logging.LogRecord) -> None:
            super().emit(record)
            order.append(len(kept.records))

    order: list[int] = []
    host = Host()
    log.addHandler(host)
    log.error("one")
    log.setLevel(logging.CRITICAL)
    log.error("two")
    assert (host.said, order, kept.said) == (["one"], [0], ["one", "two"])


def test_what_the_hosts_filters_drop_is_dropped_and_what_they_add_is_there(kept: Kept) -> None:
    def mark(record: logging.LogRecord) -> bool:
        record.__dict__["tenant"] = "a"
        return "noise" not in str(record.msg)

    log.addFilter(mark)
    try:
        log.error("noise")
        log.error("signal")
    finally:
        log.removeFilter(mark)
    assert kept.said == ["signal"]
    assert kept.records[0].__dict__["tenant"] == "a"


def test_a_failing_handler_of_the_host_fails_as_ever_and_the_error_is_kept(kept: Kept) -> None:
    handler = Failing()
    log.addHandler(handler)
    with pytest.raises(RuntimeError, match="of the host"):
        log.error("seen")
    assert kept.said == ["seen"]


def test_the_exception_being_handled_is_the_callers(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also behind a handler of the host that has failed."""
    import sys

    active: list[object] = []
    monkeypatch.setattr(kept, "emit", lambda record: active.append(sys.exc_info()[1]))
    log.addHandler(Failing())
    cause = KeyError("mine")
    try:
        raise cause
    except KeyError:
        with pytest.raises(RuntimeError):
            log.error("without exc_info")
    assert active == [cause]


def test_a_failure_of_ours_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    sink = tap.Sink(Failing)
    tap.add(sink)
    try:
        log.error("one")
        log.error("two")
    finally:
        tap.remove(sink)
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("llama_logging")] == [
        "llama_logging: an error was not kept: RuntimeError: of the host"
    ]


def test_below_error_the_host_decides(kept: Kept) -> None:
    log.setLevel(logging.ERROR)
    log.warning("quiet", exc_info=ValueError())
    log.setLevel(logging.DEBUG)
    log.warning("plain")
    log.warning("told", exc_info=ValueError())
    assert not log.isEnabledFor(1)
    assert kept.said == ["told"]


def test_who_asks_whether_a_level_is_enabled_is_told_the_truth(kept: Kept) -> None:
    """Code that an application runs only then is run no more often."""
    logging.disable(logging.CRITICAL)
    assert not log.isEnabledFor(logging.ERROR)
    logging.LoggerAdapter(log).error("seen")
    assert kept.said == ["seen"]


def test_a_record_handed_to_a_logger_asks_for_no_level(kept: Kept) -> None:
    """As `Logger.handle` has it: a receiver of records from elsewhere."""
    host = Kept()
    log.addHandler(host)
    log.setLevel(logging.CRITICAL)
    log.handle(logging.makeLogRecord({"levelno": logging.ERROR, "msg": "from elsewhere"}))
    assert (host.said, kept.said) == (["from elsewhere"], ["from elsewhere"])


def test_a_record_that_a_queue_brings_back_is_the_same(kept: Kept) -> None:
    records: queue.SimpleQueue[Any] = queue.SimpleQueue()
    log.addHandler(logging.handlers.QueueHandler(records))
    log.propagate = False
    log.error("once")
    log.handlers.clear()
    listener = threading.Thread(target=lambda: log.handle(records.get()))
    listener.start()
    listener.join()
    assert kept.said == ["once"]


def test_one_record_is_taken_once_though_two_loggers_handle_it(kept: Kept) -> None:
    record = log.makeRecord(log.name, logging.ERROR, __file__, 1, "once", (), None)
    log.handle(record)
    logging.getLogger("app").handle(record)
    assert kept.said == ["once"]


def test_a_clock_that_stands_makes_no_two_records_one(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(50):
        record = log.makeRecord(log.name, logging.ERROR, __file__, 1, "each", (), None)
        record.created = 1.0
        log.handle(record)
        del record
    assert len(kept.said) == 50


def test_a_sink_that_does_not_see_through_respects_levels(kept: Kept) -> None:
    handler = Kept()
    sink = tap.Sink(lambda: handler, see_through=False)
    tap.add(sink)
    log.setLevel(logging.CRITICAL)
    log.error("stopped")
    log.critical("passed")
    tap.remove(sink)
    assert (handler.said, kept.said) == (["passed"], ["stopped", "passed"])


def test_a_sink_may_be_for_some_loggers(kept: Kept) -> None:
    handler = Kept()
    sink = tap.Sink(lambda: handler, below=("app",))
    tap.add(sink)
    for name in ("app", "app.shop", "apples"):
        logging.getLogger(name).error(name)
    tap.remove(sink)
    assert handler.said == ["app", "app.shop"]


def test_what_is_logged_while_an_error_is_kept_ends() -> None:
    class Talking(Kept):
        def emit(self, record: logging.LogRecord) -> None:
            super().emit(record)
            log.error("again")

    handler = Talking()
    sink = tap.Sink(lambda: handler)
    tap.add(sink)
    log.error("first")
    tap.remove(sink)
    assert handler.said == ["first", "again", "again"]


def test_what_is_no_record_goes_the_way_it_went(kept: Kept) -> None:
    with pytest.raises(AttributeError):
        log.handle(object())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        log.isEnabledFor("ERROR")  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [logging.INFO, logging.ERROR])
def test_who_decides_for_himself_what_is_logged_is_not_stopped(
    level: int, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLAlchemy calls `Logger._log` for what `echo` asks for, whatever the logger's level is."""
    host = Kept()
    notes = tap.Sink(Kept, notes=True)
    monkeypatch.setattr(log, "handlers", [host])
    monkeypatch.setattr(log, "level", logging.CRITICAL)
    logging.root.manager._clear_cache()  # type: ignore[attr-defined]
    tap.add(notes)
    try:
        log._log(level, "SELECT 1", ())
        log.log(level, "stopped")
    finally:
        tap.remove(notes)
        monkeypatch.undo()
        logging.root.manager._clear_cache()  # type: ignore[attr-defined]
    assert host.said == ["SELECT 1"]
