from __future__ import annotations

import asyncio
import gc
import io
import logging
import logging.config
import logging.handlers
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import llama_logging
from llama_logging import pipeline, process, retention, tap
from llama_logging.attachment.checking import check
from llama_logging.context import ErrorContext, ErrorSeverity
from llama_logging.exceptions import ConfigError, StoreError
from llama_logging.filters import CaptureFilter
from llama_logging.formatters import ConsoleFormatter
from llama_logging.handlers import RecoveryHandler, RegistryHandler, ReportHandler
from llama_logging.handling import ContextHandler
from llama_logging.opening import open_registry
from llama_logging.pipeline import flush
from llama_logging.registry import Store
from llama_logging.reporters import channel
from llama_logging.retention import Retention
from llama_logging.saying import say
from llama_logging.stores import open_store, urls
from llama_logging.tried import OutcomeStatus
from tests.conftest import Run, our_threads

reported: list[ErrorContext] = []
"""Where `report` below puts what it gets; a dotted path in the tests names it."""


def report(context: ErrorContext) -> None:
    reported.append(context)


def broken(context: ErrorContext) -> None:
    raise SystemExit("the callback is broken")


class AIGenerationError(Exception):
    pass


def registry_size(store: str = "sqlite:///llama_logging.db") -> int:
    opened = open_registry(urls.parse(store))
    size = sum(group.count for group in opened.groups())
    opened.close()
    return size


def recorded(store: str = "sqlite:///llama_logging.db") -> list[ErrorContext]:
    opened = open_registry(urls.parse(store))
    found = opened.errors(limit=100)
    opened.close()
    return found


def log_failure(logger: logging.Logger, error: Exception | None = None) -> Exception:
    try:
        raise error or ValueError("x")
    except Exception as caught:
        logger.exception("failed")
        return caught


def configure(handlers: dict[str, Any], **more: Any) -> None:
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": handlers,
        "root": {"level": "INFO", "handlers": list(handlers)},
        **more,
    }
    logging.config.dictConfig(config)


def test_the_class_alone_is_already_useful(own_place: Path) -> None:
    configure({"registry": {"class": "llama_logging.handlers.RegistryHandler"}})
    log_failure(logging.getLogger("app"))
    assert registry_size() == 1
    assert (own_place / "llama_logging.db").exists()


def test_a_record_that_comes_by_two_ways_is_one_error() -> None:
    handler = {"class": "llama_logging.handlers.RegistryHandler"}
    configure({"one": handler, "two": handler}, loggers={"app": {"handlers": ["one", "two"]}})
    log_failure(logging.getLogger("app.deep"))
    assert registry_size() == 1


def test_who_else_logged_it_is_kept_and_it_is_reported_once() -> None:
    reported.clear()
    handler = ReportHandler(callback=report)
    for each in (RegistryHandler(), handler):
        logging.root.addHandler(each)
    error = log_failure(logging.getLogger("app.inner"))
    logging.getLogger("app.outer").critical("Exception in ASGI application", exc_info=error)
    opened = open_registry(urls.default())
    (context,) = opened.errors(at_least=ErrorSeverity.CRITICAL)
    (sighting,) = opened.sightings(context.error_id)
    opened.close()
    assert (context.logger_name, sighting.logger_name) == ("app.inner", "app.outer")
    assert sighting.log_message == "Exception in ASGI application"
    assert handler.channel is not None
    assert handler.channel.finish(5)
    assert len(reported) == 1


def deep_failure(depth: int, chain: int) -> None:
    if depth:
        deep_failure(depth - 1, chain)
    elif chain:
        try:
            deep_failure(50, chain - 1)
        except Exception as error:
            raise OSError(chain, "x" * 9000) from error
    raise OSError(5, "the bottom")


def test_an_error_larger_than_a_frame_may_be_is_cut_and_can_be_read() -> None:
    logging.getLogger("app").addHandler(RegistryHandler())
    try:
        deep_failure(50, 45)
    except OSError:
        logging.getLogger("app").exception("x", extra={str(n): ["y" * 8000] * 50 for n in range(50)})
    opened = open_registry(urls.default())
    (context,) = opened.errors()
    opened.close()
    assert context.error_type == "OSError"
    assert context.exceptions[0].attributes == {"errno": 45}
    assert "bytes were too many" in str(context.additional_context)
    assert "OSError: [Errno 45]" in context.stack_trace


def test_nothing_is_done_in_a_constructor(own_place: Path) -> None:
    """Hosts build handlers in one process and use them in another, or throw them away."""
    threads = our_threads()
    RegistryHandler(store="sqlite:///never.db")
    RecoveryHandler()
    ReportHandler(callback=report)
    assert our_threads() == threads
    assert list(own_place.iterdir()) == []


def test_a_handler_closed_by_a_second_dictconfig_goes_on() -> None:
    """It closes all handlers it finds; frameworks call it behind the application's back."""
    handler = RegistryHandler()
    logging.root.addHandler(handler)
    log_failure(logging.getLogger("app"))
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    log_failure(logging.getLogger("app"))
    assert registry_size() == 2


def test_control_flow_can_be_ignored_by_rule() -> None:
    class HTTPException(Exception):
        def __init__(self, status_code: int) -> None:
            self.status_code = status_code

    logging.root.addHandler(
        RegistryHandler(ignore=[{"class": "CancelledError"}, {"class": "HTTPException", "status": [401, 404]}])
    )
    for error in (asyncio.CancelledError("x"), HTTPException(404), HTTPException(500), ValueError("y")):
        logging.getLogger("app").error("x", exc_info=error)
    assert registry_size() == 2


def test_a_mistake_in_what_to_ignore_ignores_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    logging.root.addHandler(RegistryHandler(ignore=[{"clas": "ValueError"}, {}, "CancelledError"]))
    log_failure(logging.getLogger("app"))
    err = capsys.readouterr().err
    assert "ignore[0].clas: unknown option, did you mean 'class'?" in err
    assert "ignore[1]: needs at least one of" in err
    assert "ignore[2]: expected a mapping" in err
    assert registry_size() == 1


def test_a_rule_whose_pattern_takes_too_long_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Its message is asked within the logging call; what is slow a few thousand characters long is not."""
    RegistryHandler(ignore=[{"message": r"order (\w+\s?)+closed"}, {"message": "no .* for .* of"}])
    told = capsys.readouterr().err
    assert "ignore[0].message: " in told
    assert "takes too long on text such as" in told
    assert "ignore[1]" not in told


@pytest.mark.parametrize("mistake", [{"message": "("}, {"mesage": "x"}, {"status": "x"}, {"not": {"message": "("}}])
def test_what_to_ignore_is_left_out_with_all_that_it_says(mistake: dict[str, object]) -> None:
    """What is left of it would have more errors lost than it was to."""
    logging.root.addHandler(RegistryHandler(ignore=[{"class": "ValueError", **mistake}]))
    log_failure(logging.getLogger("app"))
    assert registry_size() == 1


def test_what_was_configured_before_leaves_no_thread_behind() -> None:
    """An application that configures logging again and again has as many threads of ours as one that does it once."""
    reported.clear()
    callback = {
        "callback": f"{__name__}.report",
        "channels": {"ours": {"callback": {"function": f"{__name__}.report"}}},
    }
    handlers = {
        "registry": {"class": "llama_logging.handlers.RegistryHandler"},
        "recovery": {"class": "llama_logging.handlers.RecoveryHandler", "rules": [
            {"match": {"class": "ValueError"}, "ladder": [{"advice": {"text": "wait"}}]},
        ]},
        "report": {"class": "llama_logging.handlers.ReportHandler", **callback},
        "predict": {"class": "llama_logging.handlers.PredictionHandler"},
    }  # fmt: skip
    others = our_threads()  # of other tests, such as strategies that were left behind
    configure(handlers)
    log_failure(logging.getLogger("app"))
    before = [thread for thread in our_threads() if thread not in others]
    assert len({thread.name for thread in before}) >= 4
    configure(handlers)
    until = time.monotonic() + 10
    while left := [thread.name for thread in before if thread.is_alive()]:
        assert time.monotonic() < until, left
        # A handler and what it has made refer to each other; and what is at work just now is let go of only then.
        gc.collect()
        time.sleep(0.05)


def test_many_configurations_share_one_journal(own_place: Path) -> None:
    for _ in range(20):
        configure({"registry": {"class": "llama_logging.handlers.RegistryHandler"}})
        log_failure(logging.getLogger("app"))
    assert len(pipeline._pipelines) == 1
    assert len(list((own_place / "llama_logging.db.journal").iterdir())) == 1
    assert registry_size() == 20


def test_levels_and_filters_are_respected() -> None:
    handler = RegistryHandler(level="CRITICAL")
    logging.root.addHandler(handler)
    log_failure(logging.getLogger("app"))
    assert registry_size() == 0
    handler.setLevel(logging.NOTSET)
    handler.addFilter(lambda record: record.name != "app.noise")
    log_failure(logging.getLogger("app.noise"))
    log_failure(logging.getLogger("app"))
    assert registry_size() == 1


@pytest.mark.parametrize(
    ("handler", "options", "message"),
    [
        (RegistryHandler, {"stroe": "x"}, "RegistryHandler: stroe: unknown option, did you mean 'store'?"),
        (RegistryHandler, {"store": "mysql://x"}, "store: unknown store 'mysql://x'; expected sqlite:///PATH"),
        (RegistryHandler, {"store": 7}, "store: unknown store 7"),
        (RegistryHandler, {"store": "env://NOT_SET"}, "the environment variable NOT_SET is not set"),
        (RegistryHandler, {"level": "ERORR"}, "level: unknown level 'ERORR', did you mean 'ERROR'?"),
        (
            RegistryHandler,
            {"retention": {"ag": "90d"}},
            "retention.ag: unknown option, did you mean 'age'?",
        ),
        (RecoveryHandler, {"mode": "akt"}, "mode: unknown mode 'akt'"),
        (RecoveryHandler, {"rules": "all"}, "rules: expected a list of rules"),
        (ReportHandler, {"callback": "no.such.thing"}, "callback: cannot import 'no.such.thing'"),
        (ReportHandler, {"callback": "llama_logging.__version__"}, "is not a function"),
        (ReportHandler, {}, "channels: is needed, or `callback`"),
        (
            ReportHandler,
            {"channels": {"a": {"webhok": {}}}},
            "channels.a.webhok: unknown reporter 'webhok', did you mean",
        ),
        (ReportHandler, {"channels": {"a": {"mail": {}}}}, "channels.a.mail: the option 'host' is needed"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_harms_nobody(
    handler: type[ContextHandler], options: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = handler(**options)
    handler(**options)
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    record = logging.LogRecord("app", logging.ERROR, "a.py", 1, "still captured", None, None)
    made.handle(record)
    if handler is RegistryHandler:
        assert registry_size() == 1


@pytest.mark.parametrize("usual", ["sqlite:///usual.db", "unusable", ""])
def test_where_errors_go_instead_of_a_store_that_is_wrong_is_told(
    usual: str, own_place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLAMA_LOGGING_STORE", usual)
    url = RegistryHandler(store="env://NOT_SET").pipeline.url
    assert url.path == str(own_place / ("usual.db" if usual.startswith("sqlite") else "llama_logging.db"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].endswith(
        f"NOT_SET is not set and 'env://NOT_SET' has no ?default=; until then the registry is {url}"
    )
    assert [line.endswith(f"; until then it is {url}") for line in lines[:-1]] == [True] * (usual == "unusable")


def test_ctrl_c_in_the_midst_of_a_message_reaches_the_application_and_the_error_the_registry() -> None:
    class Slow:
        def __str__(self) -> str:
            signal.raise_signal(signal.SIGINT)
            return "never"

    logging.getLogger("app").addHandler(RegistryHandler())
    with pytest.raises(KeyboardInterrupt):
        logging.getLogger("app").error("asked %s", Slow())
    (context,) = recorded()
    assert (context.log_template, context.complete) == ("asked %s", False)


def test_a_handler_that_cannot_even_say_that_it_failed_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(ContextHandler):
        def process(self, context: ErrorContext, record: logging.LogRecord) -> None:
            raise MemoryError

    def no_memory(*args: object, **options: object) -> list[str]:
        asked.append(args)
        raise MemoryError

    asked: list[object] = []
    monkeypatch.setattr(traceback, "format_exception", no_memory)
    Failing().handle(logging.LogRecord("app", logging.ERROR, "app.py", 1, "failed", (), None))
    assert asked


def test_strict_raises_instead() -> None:
    with pytest.raises(ConfigError, match="did you mean 'store'"):
        RegistryHandler(stroe="x", strict=True)
    with pytest.raises(ConfigError, match=r"has no \?default=$"):
        RegistryHandler(store="env://NOT_SET", strict=True)


def test_options_may_name_the_environment(monkeypatch: pytest.MonkeyPatch, own_place: Path) -> None:
    monkeypatch.setenv("WHERE", "sqlite:///elsewhere.db")
    assert RegistryHandler(store="env://WHERE").pipeline.url.path == str(own_place / "elsewhere.db")
    assert RegistryHandler(store="env://NONE?default=sqlite:///d.db").pipeline.url.path == str(own_place / "d.db")


def test_an_unwritable_place_costs_no_error(own_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The application goes on; the error waits in the user's state folder and is found from there."""
    (own_place / "file").write_text("")
    store = f"sqlite:///{own_place}/file/errors.db"
    logging.root.addHandler(RegistryHandler(store=store))
    log_failure(logging.getLogger("app"))
    assert capsys.readouterr().err == ""
    with pytest.raises(llama_logging.StoreError, match="1 error is safe in the journal"):
        registry_size(store)
    (own_place / "file").unlink()
    assert registry_size(store) == 1


def test_a_filter_ahead_of_a_queue_saves_the_evidence() -> None:
    """QueueHandler takes exception and arguments off the record."""
    records: queue.Queue[logging.LogRecord] = queue.Queue()
    handler = logging.handlers.QueueHandler(records)
    handler.addFilter(CaptureFilter())
    logging.root.addHandler(handler)
    listener = logging.handlers.QueueListener(records, RegistryHandler())
    listener.start()
    log_failure(logging.getLogger("app"))
    listener.stop()
    opened = open_registry(urls.default())
    assert opened.errors()[0].error_type == "ValueError"
    assert "in log_failure" in opened.errors()[0].stack_trace
    opened.close()


def test_the_filter_puts_the_context_on_every_record() -> None:
    record = logging.LogRecord("app", logging.ERROR, "a.py", 1, "x", None, None)
    assert CaptureFilter().filter(record)
    assert isinstance(record.error_context, ErrorContext)  # type: ignore[attr-defined]
    first = record.error_context  # type: ignore[attr-defined]
    RegistryHandler().handle(record)
    assert CaptureFilter().filter(record)
    assert record.error_context is first  # type: ignore[attr-defined]
    info = logging.LogRecord("app", logging.INFO, "a.py", 1, "x", None, None)
    assert CaptureFilter().filter(info)
    assert info.error_context is None  # type: ignore[attr-defined]


def test_foreign_json_formatters_see_nothing_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    from pythonjsonlogger.json import JsonFormatter

    stream = logging.StreamHandler()
    stream.setFormatter(JsonFormatter())
    for handler in (RegistryHandler(), RecoveryHandler(), stream):
        logging.root.addHandler(handler)
    log_failure(logging.getLogger("app"))
    assert "llama_logging" not in capsys.readouterr().err


def test_reports_go_to_the_callback_off_the_callers_thread() -> None:
    reported.clear()
    configure({"report": {"class": "llama_logging.handlers.ReportHandler", "callback": f"{__name__}.report"}})
    handler = logging.root.handlers[-1]
    assert isinstance(handler, ReportHandler)
    for _ in range(3):
        log_failure(logging.getLogger("app"))
    assert handler.channel is not None
    assert handler.channel.finish(5)
    assert len(reported) == handler.channel.sent == 3


async def report_later(context: ErrorContext) -> None:
    await asyncio.sleep(0)
    reported.append(context)


def test_a_callback_may_be_a_coroutine_function() -> None:
    reported.clear()
    handler = ReportHandler(callback=report_later)
    logging.getLogger("app").addHandler(handler)
    log_failure(logging.getLogger("app"))
    assert handler.channel is not None
    assert handler.channel.finish(5)
    assert len(reported) == 1


def test_a_failing_callback_is_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    handler = ReportHandler(callback=broken)
    logging.getLogger("app").addHandler(handler)
    for _ in range(3):
        log_failure(logging.getLogger("app"))
    assert handler.channel is not None
    assert handler.channel.finish(5)
    assert (handler.channel.sent, handler.channel.failed) == (0, 3)
    told = [record for record in caplog.records if record.name == "llama_logging.reporters"]
    assert len(told) == 1
    assert "test_handlers.broken failed with SystemExit" in told[0].getMessage()


def test_a_callback_that_does_not_keep_up_is_told_of_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "CAPACITY", 1)
    go_on = threading.Event()
    handler = ReportHandler(callback=lambda context: go_on.wait(30))
    logging.getLogger("app").addHandler(handler)
    for _ in range(5):
        log_failure(logging.getLogger("app"))
    go_on.set()
    assert handler.channel is not None
    assert handler.channel.finish(5)
    assert handler.channel.sent + handler.channel.dropped == 5
    told = [record.getMessage() for record in caplog.records if record.name == "llama_logging.reporters"]
    assert len(told) == 1
    assert "does not keep up" in told[0]


def stumbling(context: ErrorContext) -> None:
    reported.append(context)
    logging.getLogger("app").error("the callback itself has a problem")


@pytest.mark.parametrize("passed_by", ["formatter", "level", "ignored", "elsewhere"])
@pytest.mark.parametrize("raised", ["again", "from it"])
def test_an_error_that_went_past_the_registry_is_there_once_another_layer_logs_it(passed_by: str, raised: str) -> None:
    """Something of ours captured it, and nothing has kept it, in this registry or at all."""
    reported.clear()
    inner, console = logging.getLogger("db"), logging.StreamHandler(io.StringIO())
    console.setFormatter(ConsoleFormatter())
    inner.addHandler(console if passed_by != "elsewhere" else RegistryHandler(store="sqlite:///other.db"))
    inner.propagate = passed_by in ("level", "ignored")
    chosen: dict[str, dict[str, Any]] = {"level": {"level": "CRITICAL"}, "ignored": {"ignore": [{"logger": "db"}]}}
    options = chosen.get(passed_by, {})
    reporting = ReportHandler(callback=report, **options)
    for handler in (RegistryHandler(**options), reporting):
        logging.getLogger().addHandler(handler)
    try:
        try:
            raise ConnectionError("gone")
        except ConnectionError as error:
            inner.exception("query failed")
            if raised == "again":
                raise
            raise RuntimeError("order not placed") from error
    except (ConnectionError, RuntimeError):
        for _ in range(2):
            logging.getLogger("shop").critical("order lost", exc_info=True)
    (context,) = recorded()
    assert (context.log_message, context.severity, registry_size()) == ("order lost", ErrorSeverity.CRITICAL, 1)
    store = open_registry(urls.parse("sqlite:///llama_logging.db"))
    assert [sighting.log_message for sighting in store.sightings(context.error_id)] == ["order lost"]
    store.close()
    assert reporting.channel is not None
    assert reporting.channel.finish(5)
    assert len(reported) == 1


def test_an_error_logged_by_a_callback_is_recorded_and_not_reported_again() -> None:
    reported.clear()
    handler = ReportHandler(callback=stumbling)
    for each in (RegistryHandler(), handler):
        logging.getLogger("app").addHandler(each)
    log_failure(logging.getLogger("app"))
    assert handler.channel is not None
    assert handler.channel.finish(5)
    assert len(reported) == 1
    assert registry_size() == 2


COLLECTED = """
import gc, itertools, logging, os
from llama_logging.handlers import RecoveryHandler, RegistryHandler
log = logging.getLogger("app")
log.propagate = False
log.addHandler(RegistryHandler())
log.addHandler(RecoveryHandler())
done = itertools.count()
class Noisy:
    def __init__(self):
        self.me = self
    def __del__(self):
        log.error("collected")
        next(done)
gc.set_threshold(50)
for number in range(1500):
    Noisy()
    try:
        raise ValueError(number)
    except ValueError:
        log.exception("failed")
    next(done)
gc.disable()
print(next(done), flush=True)
os._exit(0)
"""


def test_objects_that_log_when_they_are_collected_lose_nothing(run: Run) -> None:
    """A collection begins anywhere, also within our own code and on our own threads."""
    done = run("-X", "faulthandler", "-c", COLLECTED)
    assert (done.code, done.err) == (0, "")
    # Another thread may be in the midst of one, and go on while this is printed: but each object logs once.
    # How many are collected in time depends on how busy the machine is.
    assert 1500 < int(done.out) <= registry_size() <= 2 * 1500


LAST = """
import logging
from llama_logging.handlers import RecoveryHandler, RegistryHandler, ReportHandler
rule = {"match": {"level": "ERROR"}, "ladder": [{"fallback_value": {"value": 1}}]}
logging.root.handlers = [RegistryHandler(), RecoveryHandler(rules=[rule]), ReportHandler(callback=print)]
class Last:
    def __del__(self):
        try:
            raise ValueError("at the very end")
        except ValueError:
            logging.exception("failed")
last = Last()
"""


def test_what_the_last_objects_of_a_process_log_is_kept(run: Run) -> None:
    """Neither modules can be imported then, nor files opened by `open`, nor threads started."""
    done = run("-c", LAST)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert registry_size() == 1


INTERPRETER = """
import logging
from llama_logging.handlers import PredictionHandler, RecoveryHandler, RegistryHandler, ReportHandler
rule = {"match": {"level": "ERROR"}, "ladder": [{"fallback_value": {"value": 1}}]}
logging.root.handlers = [
    RegistryHandler(), RecoveryHandler(rules=[rule]), ReportHandler(callback=print), PredictionHandler()
]
try:
    raise ValueError("in an interpreter of its own")
except ValueError as error:
    logging.exception("failed")
    assert "no thread" in error.__llama_outcome__.detail
"""


def test_one_interpreter_of_several_may_end(run: Run) -> None:
    """The process would be aborted if a thread of it were left: so there is none."""
    pytest.importorskip("_testcapi", reason="the only way to such an interpreter before 3.12")
    done = run("-c", f"import _testcapi; print(_testcapi.run_in_subinterp({INTERPRETER!r}))")
    assert (done.code, done.out, done.err) == (0, "0\n", "")
    assert registry_size() == 1


def test_a_recovery_reaches_the_caller_of_a_call_without_exc_info() -> None:
    rules = [{"match": {"class": "AIGenerationError"}, "ladder": [{"fallback_value": {"value": "Once upon a time"}}]}]
    configure({"recovery": {"class": "llama_logging.handlers.RecoveryHandler", "rules": rules}})
    error = AIGenerationError("no model")
    try:
        raise error
    except AIGenerationError:
        logging.getLogger("app").error("not generated")
    outcome = error.__llama_outcome__  # type: ignore[attr-defined]
    assert outcome.wait(10) is False
    assert outcome.value == "Once upon a time"


def test_a_recovery_reaches_the_caller() -> None:
    """By outcome(), and on the exception for those who do not import us."""
    rules = [{"match": {"class": "AIGenerationError"}, "ladder": [{"fallback_value": {"value": "Once upon a time"}}]}]
    configure({"recovery": {"class": "llama_logging.handlers.RecoveryHandler", "rules": rules}})
    error = log_failure(logging.getLogger("app"), AIGenerationError("no model"))
    outcome = llama_logging.outcome()
    assert outcome is error.__llama_outcome__  # type: ignore[attr-defined]
    assert outcome.wait(10) is False
    assert (outcome.status, outcome.value) == (OutcomeStatus.FALLBACK, "Once upon a time")
    log_failure(logging.getLogger("app"))
    assert llama_logging.outcome().status is OutcomeStatus.UNMATCHED


def test_attempts_are_in_the_registry() -> None:
    rules = [{"name": "r", "match": {"class": "AIGenerationError"}, "ladder": ["llm.fallback_text"]}]
    logging.root.addHandler(RegistryHandler())
    logging.root.addHandler(RecoveryHandler(rules=rules))
    log_failure(logging.getLogger("app"), AIGenerationError("no model"))
    outcome = llama_logging.outcome()
    outcome.wait(10)
    opened = open_registry(urls.default())
    (attempt,) = opened.attempts(outcome.error_id)
    opened.close()
    assert (attempt.strategy, attempt.rule, attempt.status) == ("llm.fallback_text", "r", OutcomeStatus.FALLBACK)
    assert attempt == outcome.attempts[0]


def test_a_failure_of_ours_never_reaches_the_application(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("our own mistake")

    handler = RegistryHandler()
    monkeypatch.setattr(handler, "process", fails)
    logging.root.addHandler(handler)
    log_failure(logging.getLogger("app"))
    assert "our own mistake" in capsys.readouterr().err


def test_no_caller_waits_for_the_handlers_lock() -> None:
    handler = RegistryHandler()
    logging.getLogger("app").addHandler(handler)
    assert handler.lock is not None
    with handler.lock:
        thread = threading.Thread(target=log_failure, args=[logging.getLogger("app")])
        thread.start()
        thread.join(5)
        assert not thread.is_alive()
    assert registry_size() == 1


DYING = """
import logging, os, signal
from llama_logging.handlers import RegistryHandler

class Dying:
    def __str__(self):
        os.kill(os.getpid(), signal.SIGKILL)

class DyingError(Exception):
    __str__ = Dying.__str__

logger = logging.getLogger("app")
logger.addHandler(RegistryHandler(ignore=[{"logger": "app.quiet"}]))
number = 41
"""


@pytest.mark.parametrize(
    ("code", "message", "log"),
    [
        (
            "try: raise DyingError('three', 3)\nexcept Exception: logger.exception('said')",
            "<str, 5 characters>, <int>",
            "said",
        ),
        ("logger.error('loaded %s of %d', Dying(), number)", None, "loaded <Dying> of 41"),
        ("logger.error('%s of %d', Dying(), 'many')", None, "%s of %d [arguments not formatted]"),
        ("try: raise ValueError(Dying())\nexcept Exception: logger.exception('said')", "<Dying>", "said"),
        ("logger.error(Dying())", None, "<Dying>"),
        (
            "try: raise DyingError('a') from KeyError('b')\nexcept Exception: logger.exception('said')",
            "<str, 1 characters>",
            "said",
        ),
    ],
)
def test_what_kills_the_process_while_it_is_asked_for_its_text_is_recorded_all_the_same(
    run: Run, code: str, message: str | None, log: str
) -> None:
    assert run("-c", DYING + code).code == -signal.SIGKILL
    (error,) = recorded()
    assert not error.complete
    assert error.error_message.replace("__main__.", "") == (message or log)
    assert error.log_message.replace("__main__.", "") == log
    assert 'File "<string>", line' in error.stack_trace or error.error_type == "LogMessage"


def test_what_is_told_later_takes_its_place(own_place: Path) -> None:
    """Also when the first has long been in the store: counted once, with its own words."""
    handler = RegistryHandler()
    logger = logging.getLogger("app")
    logger.addHandler(handler)

    class SlowError(Exception):
        def __str__(self) -> str:
            assert registry_size() == 1
            (early,) = recorded()
            assert (early.complete, early.error_message) == (False, "<str, 8 characters>")
            return "in its own words"

    log_failure(logger, SlowError("argument"))
    assert registry_size() == 1
    store = open_registry(handler.pipeline.url)
    (error,), (group,) = store.errors(), store.groups()
    counts = store.count_by_severity(None, ErrorSeverity.DEBUG)
    store.close()
    assert error.complete
    assert error.error_message == group.error_message == "in its own words"
    assert counts == {ErrorSeverity.ERROR: 1}


def test_what_is_ignored_is_not_recorded_early_either(run: Run) -> None:
    code = "try: raise DyingError()\nexcept Exception: logging.getLogger('app.quiet').exception('said')"
    assert run("-c", DYING + code).code == -signal.SIGKILL
    assert registry_size() == 0


def test_most_errors_are_written_once(own_place: Path) -> None:
    handler = RegistryHandler()
    logger = logging.getLogger("app")
    logger.addHandler(handler)
    for error in (ValueError("x", 1), OSError(2, "no such file", "name"), KeyError("k"), AIGenerationError()):
        log_failure(logger, error)
    logger.error("message %s %d", "text", 5)
    text = Path(handler.pipeline.journal.path).read_text()
    assert text.count('"k":"error"') == 5
    assert '"partial"' not in text


CYCLES = """
import gc, logging
from llama_logging.handlers import RecoveryHandler, RegistryHandler
log = logging.getLogger("app")
log.propagate = False
log.addHandler(RegistryHandler(breadcrumbs=5))
log.addHandler(RecoveryHandler())
def fail(count):
    for number in range(count):
        log.info("before %d", number)
        try:
            raise ValueError(number) from (KeyError(number) if number % 3 == 0 else None)
        except ValueError:
            log.exception("failed for %d", number, extra={"number": number} if number % 5 == 0 else None)
fail(100)
gc.collect()
gc.disable()
fail(10_000)
gc.set_debug(gc.DEBUG_SAVEALL)
gc.collect()
print(len(gc.garbage), sorted({type(item).__qualname__ for item in gc.garbage}))
"""


def test_errors_leave_nothing_to_the_garbage_collector(run: Run) -> None:
    """No cycles: an application that has switched the collector off does not grow by its errors."""
    done = run("-c", CYCLES)
    assert (done.out, done.err) == ("0 []\n", "")


def test_a_breadcrumb_that_kills_the_process_costs_no_error(run: Run) -> None:
    """It is asked for its text when an error comes; that error is kept before."""
    code = DYING.replace('ignore=[{"logger": "app.quiet"}]', "breadcrumbs=5") + "logger.setLevel('INFO')\n"
    code += (
        "for again in range(2):\n    try: raise ValueError('safe')\n    except Exception: logger.exception('said')\n"
    )
    code += "    logger.info('asked for %s', Dying())\n"
    assert run("-c", code).code == -signal.SIGKILL
    assert registry_size() == 2


def test_more_is_pruned_than_comes_in_a_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the thread that ingests, for a part of each second, and not once in each: a disk would be full else."""
    monkeypatch.setattr(pipeline, "PRUNE_FOR", 60.0)
    monkeypatch.setattr(retention, "AT_ONCE", 10)
    handler = RegistryHandler(retention={"errors": 5})
    store = open_store(handler.pipeline.url)
    logging.getLogger("app").addHandler(handler)
    for _ in range(50):
        logging.getLogger("app").error("again")
    flush(10)
    handler.pipeline._tend(store)
    assert store.health().errors == 5
    store.close()


def looked_at_by_hand() -> tuple[RegistryHandler, Store]:
    """A handler whose registry keeps five errors, once its pipeline is told to look, and its store."""
    handler = RegistryHandler(retention={"errors": 5})
    handler.pipeline.ingester.end(0)  # nobody else looks
    return handler, open_store(handler.pipeline.url)


def test_what_is_pruned_in_part_is_gone_on_with_by_who_adds_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PRUNE_FOR", 0.0)
    monkeypatch.setattr(retention, "AT_ONCE", 10)
    handler, store = looked_at_by_hand()
    logging.getLogger("app").addHandler(handler)
    for _ in range(50):
        logging.getLogger("app").error("again")
    handler.pipeline.ingester.drain(10)
    for _ in range(6):
        handler.pipeline._tend(store)
    assert store.health().errors == 5
    store.close()


def test_a_registry_that_had_room_is_looked_at_again_a_minute_later(monkeypatch: pytest.MonkeyPatch) -> None:
    handler, store = looked_at_by_hand()
    logging.getLogger("app").addHandler(handler)
    handler.pipeline._tend(store)
    for _ in range(50):
        logging.getLogger("app").error("again")
    handler.pipeline.ingester.drain(10)
    handler.pipeline._tend(store)
    assert store.health().errors == 50
    now, since_start = time.monotonic, time.clock_gettime
    monkeypatch.setattr(time, "monotonic", lambda: now() + 61)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: since_start(clock) + 61)
    handler.pipeline._tend(store)
    assert store.health().errors == 50  # by others, as long as nothing comes in from here
    handler.pipeline.ingester.arrived_at = time.monotonic()
    handler.pipeline._tend(store)
    assert store.health().errors == 5
    store.close()


def test_what_cannot_be_pruned_now_is_not_tried_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day is not dropped while pg_dump reads it, and who writes waits for who tries to."""
    handler, store = looked_at_by_hand()
    tried: list[Retention] = []

    def fail(retention: Retention, *_: object) -> int:
        tried.append(retention)
        raise StoreError("canceling statement due to lock timeout")

    monkeypatch.setattr(store, "prune", fail)
    with pytest.raises(StoreError):
        handler.pipeline._tend(store)
    handler.pipeline.ingester.arrived_at = time.monotonic()
    handler.pipeline._tend(store)
    monkeypatch.setattr(process, "_known", {})  # another process, with the same registry
    other = pipeline.Pipeline(handler.pipeline.url)
    other.retention = handler.pipeline.retention
    other._tend(store)
    assert len(tried) == 1
    store.close()


@pytest.mark.parametrize(("most", "left"), [(5, 50), (6, 6)])
def test_one_process_looks_for_all_that_keep_as_much(most: int, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    handler, store = looked_at_by_hand()
    logging.getLogger("app").addHandler(handler)
    handler.pipeline._tend(store)
    for _ in range(50):
        logging.getLogger("app").error("again")
    handler.pipeline.ingester.drain(10)
    monkeypatch.setattr(process, "_known", {})  # another process, with the same registry
    other = pipeline.Pipeline(handler.pipeline.url)
    other.retention = Retention(errors=most)
    other._tend(store)
    assert store.health().errors == left
    assert store.scopes() == []
    store.close()


def test_the_registry_is_kept_within_its_retention() -> None:
    """By the thread that ingests, some at a time; what was counted stays counted."""
    handler = RegistryHandler(retention={"errors": 5})
    store = open_store(handler.pipeline.url)
    logger = logging.getLogger("app")
    logger.addHandler(handler)
    for _ in range(50):
        logger.error("again")
    flush(10)
    for _ in range(3):
        handler.pipeline._tend(store)
    assert store.health().errors == 5
    assert store.groups()[0].count == 50
    store.close()


@pytest.mark.parametrize(
    "again",
    [
        lambda: logging.config.dictConfig({"version": 1, "disable_existing_loggers": False}),
        lambda: logging.basicConfig(force=True),
        lambda: logging.root.handlers.clear(),
        lambda: setattr(logging.getLogger("app"), "propagate", False),
    ],
    ids=["dictConfig", "force", "clear", "propagate"],
)
def test_a_sticky_handler_stays(again: Callable[[], object]) -> None:
    """Each error is there once, before and after."""
    registry = {"class": "llama_logging.handlers.RegistryHandler", "sticky": True, "breadcrumbs": 5}
    configure({"h": registry})
    log = logging.getLogger("app")
    log.warning("crumb")
    log.error("before")
    again()
    log.error("after")
    log.setLevel(logging.CRITICAL)
    log.error("of no interest")
    store = open_registry(urls.parse(urls.DEFAULT))
    errors = {error.log_message: [crumb.message for crumb in error.breadcrumbs] for error in store.errors()}
    store.close()
    assert errors == {"before": ["crumb"], "after": ["crumb", "before"]}


def test_a_sticky_configuration_that_is_read_again_is_one() -> None:
    for _ in range(3):
        ReportHandler(callback=print, sticky=True)
    assert len(tap._sinks) == 1


def test_checking_sticks_nothing() -> None:
    assert check(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"h": {"class": "llama_logging.handlers.RegistryHandler", "sticky": True}},
        }
    )
    assert tap._sinks == ()


@pytest.mark.parametrize("name", ["recovery", "reporters", "prediction"])
def test_what_we_say_is_heard_though_dictconfig_has_disabled_our_loggers(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It does so by default, to all that are there: and importing our handlers makes ours."""
    logging.getLogger(f"llama_logging.{name}").disabled = True
    say(name, logging.WARNING, "%s is back", "the server")
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        (f"llama_logging.{name}", "the server is back")
    ]
    assert caplog.records[0].filename == "test_handlers.py"
