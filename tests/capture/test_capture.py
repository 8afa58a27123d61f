from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from logging.handlers import QueueHandler
from queue import SimpleQueue
from typing import Any

import pytest

from llama_logging.capture.capturing import capture
from llama_logging.capture.seen import Taken, error_id
from llama_logging.capture.tracing import followed
from llama_logging.capture.unlogged import make_record
from llama_logging.context import ErrorContext, ErrorSeverity
from llama_logging.matching import Match
from llama_logging.runtime import room
from tests.conftest import Run

Records = list[logging.LogRecord]


@pytest.fixture
def records() -> Iterator[Records]:
    """What the logger `app` logs."""
    kept: Records = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            capture(record)
            kept.append(record)

    logger, handler = logging.getLogger("app"), Keep()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield kept
    logger.removeHandler(handler)


log = logging.getLogger("app")


def captured(records: Records) -> ErrorContext:
    context = capture(records[-1])
    assert context is not None
    return context


def fail() -> None:
    raise ValueError("no such article")


def log_failure(how: Callable[..., None], *args: Any, **kwargs: Any) -> None:
    try:
        fail()
    except ValueError:
        how(*args, **kwargs)


def test_an_exception_that_is_logged_is_captured(records: Records) -> None:
    log_failure(log.exception, "cannot add %s", "apple", extra={"user": 7})
    context = captured(records)
    assert (context.error_type, context.error_message) == ("ValueError", "no such article")
    assert (context.log_message, context.log_template) == ("cannot add apple", "cannot add %s")
    assert context.severity is ErrorSeverity.ERROR
    assert context.additional_context == {"user": 7}
    assert (context.source_module, context.source_function) == (__name__, "fail")
    assert context.stack_trace.endswith("ValueError: no such article\n")
    assert context.logger_name == "app"
    assert context.handled
    assert not context.implicit
    assert context.timestamp.utcoffset().total_seconds() == 0  # type: ignore[union-attr]
    assert context.process is not None


def test_it_is_made_once(records: Records) -> None:
    log_failure(log.exception, "x")
    assert capture(records[0]) is capture(records[0])


def test_one_exception_is_one_error_however_many_layers_log_it(records: Records) -> None:
    """The same object, also implicitly, and what was raised from it."""
    try:
        try:
            try:
                fail()
            except ValueError:
                log.exception("the cart cannot add it")
                raise
        except ValueError as error:
            log.error("the shop cannot either")
            raise RuntimeError("the order failed") from error
    except RuntimeError:
        log.exception("Exception in ASGI application")
    contexts = [capture(record) for record in records]
    assert len({context.error_id for context in contexts}) == 1  # type: ignore[union-attr]
    assert [context.again for context in contexts] == [False, True, True]  # type: ignore[union-attr]


def test_what_a_task_has_logged_its_task_group_raises_again(records: Records) -> None:
    """Where one task has failed; several that did are errors of their own, and so is their group."""

    async def work() -> None:
        try:
            fail()
        except ValueError:
            log.exception("the task failed")
            raise

    async def together(tasks: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(work())

    for tasks, errors in ((1, 1), (2, 3)):
        records.clear()
        try:
            asyncio.run(together(tasks))
        except ExceptionGroup:
            log.exception("the request failed")
        contexts = [capture(record) for record in records]
        assert len(contexts) == tasks + 1
        assert len({context.error_id for context in contexts if context}) == errors


def test_a_group_of_one_that_has_a_cause_was_raised_from_that(records: Records) -> None:
    cause = ValueError("cause")
    for error in (cause, raised(ExceptionGroup("g", [raised(KeyError("k"))]), cause)):
        log.error("failed", exc_info=error)
    assert len({capture(record).error_id for record in records}) == 1  # type: ignore[union-attr]


def test_each_failure_of_a_retry_loop_is_an_error(records: Records) -> None:
    """Each has the one before as its context; that does not make it the same."""
    try:
        fail()
    except ValueError:
        log.exception("first try")
        log_failure(log.exception, "second try")
    assert len({capture(record).error_id for record in records}) == 2  # type: ignore[union-attr]


FIRST = """
import logging, sys
from llama_logging.handlers import RegistryHandler
handler = RegistryHandler()
handler.pipeline.ingester._started = True
log = logging.getLogger("app")
log.addHandler(handler)
def fail(error): raise error
def first():
    for error in (KeyError("x"), OSError(2, "gone"), SyntaxError("bad"), ExceptionGroup("g", [ValueError("pwd=xyz")])):
        try:
            fail(error) + len(str(error))
        except Exception:
            log.exception("asked %s", error, extra={"k": {"a": [1]}})
    try:
        try: [].first
        except AttributeError as error: raise ValueError("no") from error
    except ValueError: log.exception("chained")
    log.error("plain")
before = set(sys.modules)
first()
print(sorted(set(sys.modules) - before))
"""


def test_the_first_errors_import_nothing(run: Run) -> None:
    """A child that was forked while another thread imports waits for ever; and there may be no descriptor left."""
    done = run("-c", FIRST)
    assert (done.out, done.code) == ("[]\n", 0)


def test_an_exception_that_is_kept_and_raised_again_later_is_an_error_again(records: Records) -> None:
    kept = ValueError("kept")
    for age in (100, 0):
        record = logging.LogRecord("app", logging.ERROR, "a.py", 1, "x", None, (ValueError, kept, None))
        record.created -= age
        records.append(record)
    assert [capture(record).again for record in records] == [False, False]  # type: ignore[union-attr]


def test_the_id_of_an_error_is_told_by_its_exception(records: Records) -> None:
    """Whoever answers a request that failed may tell it."""
    error = LookupError("no order")
    assert error_id(error) == ""
    try:
        try:
            fail()
        except ValueError as cause:
            log.exception("failed")
            raise error from cause
    except LookupError:
        assert error_id(error) == captured(records).error_id


def test_whom_errors_have_passed_is_known_of_the_latest_thousands() -> None:
    """Of many that are under way at once, as in a storm; without end would be a leak."""
    taken = Taken()
    for number in range(20_000):
        taken.add(f"{number}")
        assert f"{max(0, number - 4_000)}" in taken
    assert "9000" not in taken


def test_errors_without_exception_are_captured_too(records: Records) -> None:
    log.error("disk %s is full", "sda")
    context = captured(records)
    assert (context.error_type, context.error_message) == ("LogMessage", "disk sda is full")
    assert context.source_function == "test_errors_without_exception_are_captured_too"
    assert context.source_line == records[-1].lineno
    assert context.stack_trace == ""


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
def test_less_is_captured_only_with_an_exception(records: Records, level: str) -> None:
    getattr(log, level)("nothing of note")
    assert capture(records[-1]) is None
    log_failure(getattr(log, level), "odd", exc_info=True)
    assert captured(records).severity is ErrorSeverity.parse(level)


def test_the_exception_being_handled_is_linked_to_an_error(records: Records) -> None:
    """Most error logs inside `except` come without exc_info."""
    log_failure(log.error, "failed")
    context = captured(records)
    assert context.implicit
    assert context.error_type == "ValueError"
    log_failure(log.warning, "failed")
    assert capture(records[-1]) is None


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("%s failed: %r", ("job", "error")),
        ("%(job)s failed: %(error)s", ({"job": 7, "error": "error"},)),
        ("error", ()),
        ({"event": "failed", "error": "error"}, ()),
    ],
)
def test_an_exception_that_a_message_tells_of_is_linked_to_it(records: Records, message: Any, arguments: Any) -> None:
    """Far from where it was caught, as what `gather(return_exceptions=True)` returns."""

    async def work() -> None:
        fail()

    async def gather() -> Any:
        return await asyncio.gather(work(), return_exceptions=True)

    (error,) = asyncio.run(gather())

    def put_in(given: Any) -> Any:
        if isinstance(given, dict):
            return {key: put_in(value) for key, value in given.items()}
        return error if given == "error" else given

    log.error(put_in(message), *map(put_in, arguments))
    context = captured(records)
    assert context.implicit
    assert (context.error_type, context.source_function) == ("ValueError", "fail")
    assert "failed" in context.log_message or context.log_message == "no such article"
    assert records[-1].exc_text is None, "the application's own output stays as it was"
    log.warning(put_in(message), *map(put_in, arguments))
    assert capture(records[-1]) is None


def test_what_was_never_raised_is_part_of_the_message_alone(records: Records) -> None:
    log.error("refused: %s", ValueError("no such article"))
    assert captured(records).error_type == "LogMessage"


def test_what_failed_in_another_process_is_linked_though_it_has_no_traceback_here(records: Records) -> None:
    with ProcessPoolExecutor(1) as pool:
        log.error("the job failed: %s", pool.submit(fail).exception())
    context = captured(records)
    assert (context.error_type, context.implicit) == ("ValueError", True)
    assert "in fail" in context.stack_trace


def test_the_exception_being_handled_comes_before_one_that_is_told_of(records: Records) -> None:
    try:
        fail()
    except ValueError as error:
        earlier = error
    try:
        raise KeyError("x")
    except KeyError:
        log.error("after %s", earlier)
    assert captured(records).error_type == "KeyError"


def test_a_finaliser_is_not_concerned_with_what_is_being_handled(records: Records) -> None:
    class Noisy:
        def __del__(self) -> None:
            log.error("collected")

    def drop() -> None:
        Noisy()

    try:
        fail()
    except ValueError:
        drop()
    assert captured(records).error_type == "LogMessage"
    assert not captured(records).implicit


def test_our_own_records_are_not_errors_of_the_application() -> None:
    def made(name: str) -> logging.LogRecord:
        return logging.LogRecord(name, logging.ERROR, "f", 1, "x", None, None)

    assert capture(made("llama_logging")) is None
    assert capture(made("llama_logging.recovery")) is None
    assert capture(made("llama_logging_app")) is not None


def test_formatters_after_us_find_the_text_made(records: Records) -> None:
    log_failure(log.exception, "x")
    assert records[0].exc_text == logging.Formatter().formatException(records[0].exc_info)  # type: ignore[arg-type]


def test_same_place_same_fingerprint_whatever_the_message(records: Records) -> None:
    for number in range(3):
        log_failure(log.exception, "try %s", number)
    assert len({capture(record).fingerprint for record in records}) == 1  # type: ignore[union-attr]
    assert len({capture(record).error_id for record in records}) == 3  # type: ignore[union-attr]
    log_failure(log.error, "elsewhere", exc_info=True)
    log.error("no exception")
    assert len({capture(record).fingerprint for record in records}) == 2  # type: ignore[union-attr]


def test_a_fingerprint_may_be_given(records: Records) -> None:
    log.error("a", extra={"fingerprint": ["payment", 7]})
    log.critical("b", extra={"fingerprint": ["payment", 7]})
    assert captured(records).grouping == ("explicit payment", "explicit 7")
    assert capture(records[0]).fingerprint == captured(records).fingerprint  # type: ignore[union-attr]


class Unprintable:
    def __str__(self) -> str:
        raise SystemExit

    __repr__ = __str__


@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("too %s many %s", ("one",)),
        ("%d", ("text",)),
        (Unprintable(), ()),
        ("%s", (Unprintable(),)),
        ({"event": "dict", "x": Unprintable()}, ()),
        (b"bytes", ()),
        (None, ()),
        ("lone \udcff and \x00 and \x1b[31m\n", ()),
        ("x" * 10_000_000, ()),
    ],
)
def test_whatever_is_logged_is_captured(message: Any, args: tuple[Any, ...]) -> None:
    record = logging.LogRecord("app", logging.ERROR, "app.py", 1, message, args, None)
    context = capture(record)
    assert context is not None
    assert len(context.log_message) < 10_000
    context.log_message.encode()


@pytest.mark.parametrize("info", [True, (), (None, None, None), ("a", "b", "c"), 7])
def test_strange_exc_info_does_no_harm(info: Any) -> None:
    record = logging.LogRecord("app", logging.ERROR, "app.py", 1, "x", None, None)
    record.exc_info = info
    context = capture(record)
    assert context is not None
    assert context.error_message == "x"


def test_a_task_group_is_named_after_what_failed_in_it(records: Records) -> None:
    import asyncio

    async def task() -> None:
        fail()

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(task())

    try:
        asyncio.run(main())
    except ExceptionGroup:
        log.exception("the batch failed")
    context = captured(records)
    assert (context.error_type, context.error_message) == ("ValueError", "no such article")
    assert context.source_function == "fail"
    assert "unhandled errors in a TaskGroup" in context.stack_trace
    assert Match(classes=("ValueError",))(context)
    assert Match(classes=("ExceptionGroup",))(context)
    assert not Match(classes=("KeyError",))(context)
    from llama_logging import wire

    frame, _, stack = wire.encode_error(context)
    assert wire.decode_error(json.loads(frame), json.loads(stack), None).exceptions == context.exceptions


TOOLS = """
def call(function):
    try:
        function()
    except Exception as error:
        wrap(error)
def wrap(error):
    raise RuntimeError("a tool failed") from error
def serve(function):
    try:
        call(function)
    except Exception:
        log.exception("a tool failed")
"""


def test_what_a_library_raises_of_the_applications_error_is_placed_where_that_was_raised(records: Records) -> None:
    """None of the application's calls is among those that its own exception has left."""
    library: dict[str, Any] = {"log": log, "__name__": "tools"}
    exec(compile(TOOLS, "/x/site-packages/tools.py", "exec"), library)
    library["serve"](fail)

    context = captured(records)
    assert (context.error_type, context.source_module, context.source_function) == ("RuntimeError", __name__, "fail")


def test_what_the_body_of_a_task_group_raised_is_one_of_its_members(records: Records) -> None:
    """And not only what it was handling, which its `from None` hides."""

    async def task() -> None:
        raise KeyError("k")

    async def main(tasks: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(task())
            await asyncio.sleep(0)
            fail()

    def of(tasks: int) -> ErrorContext:
        try:
            asyncio.run(main(tasks))
        except ExceptionGroup:
            log.exception("the batch failed")
        return captured(records)

    assert (of(0).error_type, of(0).source_function) == ("ValueError", "fail")
    assert [(error.type, error.relation) for error in of(1).exceptions] == [
        ("ExceptionGroup", "raised"),
        ("KeyError", "member"),
        ("ValueError", "member"),
    ]


def test_a_stack_trace_in_a_message_is_read_back(records: Records) -> None:
    """As a QueueHandler or structlog's format_exc_info leave it."""
    for number in range(2):
        try:
            try:
                dict[int, int]()[number]
            except KeyError as cause:
                raise ValueError(f"no article {number}") from cause
        except ValueError:
            text = traceback.format_exc()
        log.error(f"failed for {number}\n{text}")
    first, second = (capture(record) for record in records)
    assert first is not None
    assert second is not None
    assert (second.error_type, second.error_message) == ("ValueError", "no article 1")
    assert second.log_message == "failed for 1"
    assert second.stack_trace == text
    assert (second.source_function, second.mechanism) == ("test_a_stack_trace_in_a_message_is_read_back", "text")
    assert first.fingerprint == second.fingerprint


def local_error() -> Exception:
    class Local(Exception):
        pass

    return Local("x")


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:
        return caught


def grouped(*errors: Exception) -> Exception:
    return raised(ExceptionGroup("several", errors))


LOCAL = f"{__name__}.local_error.<locals>.Local"


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (raised(ValueError()), ["ValueError"]),
        (raised(ValueError("one\n\n  two: 2")), ["ValueError"]),
        (raised(local_error()), [LOCAL]),
        (raised(RuntimeError("r"), grouped(ValueError("a"))), ["RuntimeError"]),
        (grouped(raised(ValueError("a")), raised(ValueError("b"))), ["ExceptionGroup", "ValueError", "ValueError"]),
        (grouped(raised(ValueError("a\n\nb")), TypeError("t")), ["ExceptionGroup", "ValueError", "TypeError"]),
        (grouped(raised(KeyError("k"), raised(OSError(2, "cause")))), ["ExceptionGroup", "KeyError"]),
        (
            grouped(grouped(raised(TypeError("t")), ValueError()), raised(local_error())),
            ["ExceptionGroup", "ExceptionGroup", "TypeError", "ValueError", LOCAL],
        ),
        (
            grouped(raised(TypeError("t")), raised(KeyError("k"), grouped(raised(OSError(2, "below"))))),
            ["ExceptionGroup", "TypeError", "KeyError"],
        ),
        (raised(ExceptionGroup("g", [TypeError("t")]), raised(ValueError("c"))), ["ExceptionGroup", "TypeError"]),
        (grouped(*[raised(ValueError(str(number))) for number in range(20)]), ["ExceptionGroup", *["ValueError"] * 15]),
    ],
)
def test_what_is_read_back_is_what_was_printed(error: Exception, names: list[str]) -> None:
    """But for what it was raised from, and members that the standard library leaves out."""
    info = (type(error), error, error.__traceback__)
    direct = logging.LogRecord("app", 40, "app.py", 7, "failed", (), info)
    queued = QueueHandler(SimpleQueue()).prepare(copy.copy(direct))
    expected, context = capture(direct), capture(queued)
    assert expected is not None
    assert context is not None
    assert (context.mechanism, context.log_message) == ("text", "failed")
    assert (context.error_type, context.error_message) == (expected.error_type, expected.error_message)
    assert context.stack_trace == expected.stack_trace
    assert (context.source_function, context.source_line) == (expected.source_function, expected.source_line)
    assert [each.qualified_type for each in context.exceptions] == names
    said = {(each.qualified_type, each.message) for each in expected.exceptions}
    assert {(each.qualified_type, each.message) for each in context.exceptions} <= said


def test_of_a_cause_that_is_printed_last_its_own_message_is_read_back(records: Records) -> None:
    """One that was never raised has no stack trace of its own."""
    error = KeyError("never raised")
    error.__cause__ = raised(ValueError("cause"))
    log.error("failed\n" + "".join(traceback.format_exception(error)))
    assert captured(records).error_message == "cause"


def test_a_group_whose_text_was_cut_is_read_back_as_far_as_it_goes(records: Records) -> None:
    error = grouped(*[raised(ValueError("x" * 1_000)) for _ in range(15)])
    log.error("failed\n" + "".join(traceback.format_exception(error)))
    context = captured(records)
    assert (context.error_type, context.log_message) == ("ValueError", "failed")
    assert len(context.exceptions) > 2


@pytest.mark.parametrize(
    "text",
    [
        "  + Exception Group Traceback (most recent call last):\n",
        "  + Exception Group Traceback (most recent call last):\n" * 2000,
        "  + Exception Group Traceback (most recent call last):\n  | Error: x\n",
        "  + Exception Group Traceback (most recent call last):\n" + "    +-\n    | E\n" * 2000,
        "  | Traceback (most recent call last):\nError: x",
        "Traceback (most recent call last):\n",
        "Traceback (most recent call last):\nnonsense",
        "Traceback (most recent call last):\n  File nonsense\n",
        "Traceback (most recent call last):\n  nonsense\nError: x",
        "Traceback (most recent call last):\n" * 2000,
        "Traceback (most recent call last):\n" + "  x\n" * 3000,
    ],
)
def test_what_only_looks_like_a_stack_trace_is_a_message(records: Records, text: str) -> None:
    log.error(text)
    assert captured(records).error_type == "LogMessage"


def test_tags_and_fingerprint_are_no_context(records: Records) -> None:
    log.error("x", extra={"tags": {"tenant": "a", "tries": 3, "api_key": "k"}, "fingerprint": "one", "order": 7})
    context = captured(records)
    assert context.tags == {"tenant": "a", "tries": "3", "api_key": "[redacted]"}
    assert context.additional_context == {"order": 7}
    assert context.grouping == ("explicit one",)
    log.error("x", extra={"tags": ["not", "a", "mapping"]})
    assert captured(records).additional_context == {"tags": ["not", "a", "mapping"]}


def test_a_message_of_arguments_alone_is_grouped_by_them(records: Records) -> None:
    """As Django has it for its answers, and many a wrapper."""
    for said in (("Service Unavailable", "/a/1"), ("Service Unavailable", "/a/2"), ("Bad Gateway", "/a/1")):
        log.error("%s: %s", *said)
    log.error("%s", ValueError("no 7"))
    one, other, third, fourth = [context for context in map(capture, records) if context is not None]
    assert one.fingerprint == other.fingerprint != third.fingerprint
    assert one.grouping == ("logger app", "message Service Unavailable: /a/<n>")
    assert (fourth.grouping[1], fourth.log_message) == ("message ValueError('no <n>')", "no 7")


def test_data_that_names_no_event_is_grouped_by_what_it_says(records: Records) -> None:
    """Under `message` or `msg`; else by all of it."""
    for data in ({"msg": "no stock", "n": 1}, {"message": "no stock", "n": 2}, {"msg": "paid", "n": 3}, {"n": 4}):
        log.error(data)
    found = [context for context in map(capture, records) if context is not None]
    assert [context.log_message for context in found] == ["no stock", "no stock", "paid", "{'n': 4}"]
    assert [found[0].fingerprint == context.fingerprint for context in found] == [True, True, False, False]
    assert found[3].grouping == ("logger app", "message {'n': <n>}")


def test_a_message_may_be_data(records: Records) -> None:
    """As structlog hands it over: the event is what is said each time, the rest is context."""
    for number in range(2):
        log.error({"event": "order failed", "order": number, "client": object()})
    first, second = (capture(record) for record in records)
    assert first is not None
    assert second is not None
    assert second.log_message == "order failed"
    assert second.additional_context == {"order": 1, "client": "<object>"}
    assert first.fingerprint == second.fingerprint


TRACE = 'Traceback (most recent call last):\n  File "/srv/shop.py", line 7, in price\n    return 1 / 0\nKeyError: 7\n'


def test_a_message_that_is_json_is_data(records: Records) -> None:
    """As structlog's JSONRenderer makes it before `logging`, and many a logging call of services in the cloud."""
    for order in (7, 8):
        data = {"event": "no stock", "order": order, "password": "hunter2hunter2", "name": f"article {order}"}
        log.error(json.dumps(data))
        context = captured(records)
        assert (context.log_message, context.error_message) == ("no stock", "no stock")
        assert context.additional_context == {"order": order, "password": "[redacted]", "name": f"article {order}"}
    assert len({context.fingerprint for context in map(capture, records) if context is not None}) == 1


@pytest.mark.parametrize(("given", "explicit"), [("SHA256:4hYx", False), (["stock", "none"], True)])
def test_a_fingerprint_in_json_groups_if_it_can_be_nothing_else(
    records: Records, given: object, explicit: bool
) -> None:
    log.error(json.dumps({"event": "no stock", "fingerprint": given}))
    context = captured(records)
    assert (context.grouping == ("explicit stock", "explicit none")) is explicit
    assert context.additional_context == ({} if explicit else {"fingerprint": given})


def test_what_json_tells_of_an_exception_is_not_told_twice(records: Records) -> None:
    for number in range(3):
        log_failure(log.exception, json.dumps({"message": "cannot add", "number": number, "exception": TRACE}))
        context = captured(records)
        assert (context.error_type, context.log_message) == ("ValueError", "cannot add")
        assert context.additional_context == {"message": "cannot add", "number": number}


def test_an_exception_that_json_alone_tells_of_is_read_back(records: Records) -> None:
    log.error(json.dumps({"event": "cannot add", "exception": TRACE}))
    context = captured(records)
    assert (context.error_type, context.error_message, context.log_message) == ("KeyError", "7", "cannot add")
    assert (context.source_function, context.source_line, context.mechanism) == ("price", 7, "text")
    assert context.additional_context == {}


@pytest.mark.parametrize(
    "message",
    ["{}", "{a}", '{"a": 1}', '{"event": 7}', "{" * 60_000 + "}", '{"event": "x"} and more', '[{"event": "x"}]'],
)
def test_what_is_no_data_with_a_message_is_text(records: Records, message: str) -> None:
    log.error(message)
    context = captured(records)
    assert context.additional_context == {}
    assert context.log_message[:10] == message[:10]


def test_the_stack_of_the_logging_call_if_it_asks_for_it(records: Records) -> None:
    log.error("x", stack_info=True)
    assert "test_the_stack_of_the_logging_call" in captured(records).stack_info


def test_the_trace_is_that_of_the_record_or_of_opentelemetry(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    log.error("x")
    assert (captured(records).trace_id, captured(records).span_id) == ("", "")
    log.error("x", extra={"otelTraceID": "a" * 32, "otelSpanID": "b" * 16})
    assert (captured(records).trace_id, captured(records).span_id) == ("a" * 32, "b" * 16)
    for trace in ("c" * 32, "1234567890123456789"):
        log.error("x", extra={"dd.trace_id": trace, "dd.span_id": "1234567890123456789"})
        told = trace if trace == "c" * 32 else f"{'0' * 16}112210f47de98115"
        assert (captured(records).trace_id, captured(records).span_id) == (told, "112210f47de98115")

    class Context:
        trace_id, span_id, is_valid = 0xABC, 0xDEF, True

    class Span:
        def get_span_context(self) -> Context:
            return Context()

    class Api:
        get_current_span = Span

    monkeypatch.setitem(sys.modules, "opentelemetry.trace", Api())
    log.error("x")
    assert captured(records).trace_id == f"{0xABC:032x}"


def test_an_error_that_was_wrapped_outside_of_its_trace_belongs_to_it(records: Records) -> None:
    """As a server wraps what an application leaves to it; the nearest to what is logged counts."""
    ours, theirs = f"00-{0xABC:032x}-{0xDEF:016x}-01", f"00-{0x123:032x}-{0x456:016x}-01"
    for header in (ours, theirs):
        try:
            try:
                with followed(ours):
                    fail()
            except ValueError as error:
                with followed(header) if header != ours else contextlib.nullcontext():
                    raise LookupError("wrapped") from error
        except LookupError:
            log.exception("left to whoever stands outside")
        assert captured(records).trace_id == header.split("-")[1]


class Refusing(dict[str, Any]):
    def __bool__(self) -> bool:
        raise SystemExit


@pytest.mark.parametrize(
    "changes",
    [
        {"name": 7},
        {"name": "lone \udcff"},
        {"created": float("nan")},
        {"created": -1.0},
        {"created": 1e30},
        {"created": None},
        {"args": Refusing(a=1)},
        {"levelno": "ERROR"},
        {"lineno": None, "pathname": None, "funcName": 3, "module": None},
        {"threadName": Unprintable(), "taskName": Unprintable()},
    ],
)
def test_a_record_with_odd_attributes_is_captured(changes: dict[str, Any]) -> None:
    from llama_logging import wire

    try:
        fail()
    except ValueError as error:
        record = logging.LogRecord(
            "app", logging.ERROR, "app.py", 1, "x", None, (ValueError, error, error.__traceback__)
        )
    record.__dict__.update(changes)
    context = capture(record)
    assert context is not None
    assert (context.error_type, context.logger_name == "app") == ("ValueError", "name" not in changes)
    assert abs(context.timestamp.timestamp() - time.time()) < 60
    assert wire.dumps(wire.encode_error(context)[0]).isascii()


def test_at_the_bottom_of_the_stack_something_is_captured_still(records: Records) -> None:
    def dig() -> None:
        try:
            dig()
        except RecursionError:
            log.exception("too deep")
            raise

    with pytest.raises(RecursionError):
        dig()
    assert records
    assert {capture(record).error_type for record in records} == {"RecursionError"}  # type: ignore[union-attr]


def test_what_never_ends_on_another_stack_is_given_up_with_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the `__str__` of an exception that waits for what the thread holds which has logged it."""
    monkeypatch.setattr(room, "TIMEOUT", 0.01)
    gate = threading.Event()
    with pytest.raises(TimeoutError, match="no end within"):
        room.with_room(RecursionError(), gate.wait)
    gate.set()


def test_extra_may_hold_anything(records: Records) -> None:
    cycle: dict[str, Any] = {"self": None}
    cycle["self"] = cycle
    log_failure(log.exception, "x", extra={"request": Unprintable(), "cycle": cycle, "ok": 1})
    context = captured(records)
    assert context.additional_context["request"] == "<tests.capture.test_capture.Unprintable>"
    assert context.additional_context["ok"] == 1


def test_an_error_captured_by_hand_need_not_be_in_its_except_block() -> None:
    try:
        fail()
    except ValueError as caught:
        error = caught
    record = make_record(
        error, logger_name="app", severity=ErrorSeverity.WARNING, mechanism="capture_error",
        additional_context={"name": "any key", "msg": 1},
    )  # fmt: skip
    context = capture(record)
    assert context is not None
    assert (context.source_function, context.severity) == ("fail", ErrorSeverity.WARNING)
    assert "in fail" in context.stack_trace
    assert context.additional_context == {"name": "any key", "msg": 1}
    assert (record.funcName, record.pathname) == ("fail", __file__)


def test_an_error_captured_by_hand_has_its_traceback_whatever_its_class_pretends() -> None:
    class Pretending(Exception):
        @property
        def __traceback__(self) -> None:  # type: ignore[override]
            raise RuntimeError

    with pytest.raises(Pretending) as caught:
        raise Pretending
    record = make_record(caught.value, logger_name="app", severity=ErrorSeverity.ERROR, mechanism="capture_error")
    assert record.pathname == __file__


def test_an_unrelated_exception_being_handled_is_not_linked_to_it() -> None:
    try:
        fail()
    except ValueError:
        record = make_record("a message", logger_name="app", severity=ErrorSeverity.ERROR, mechanism="capture_error")
        context = capture(record)
    assert context is not None
    assert context.error_type == "LogMessage"


def test_who_we_are_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from llama_logging import process

    monkeypatch.setattr(process, "_known", {})
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop,service.version=1.2")
    monkeypatch.setenv("SENTRY_ENVIRONMENT", "production")
    monkeypatch.setattr(sys, "argv", ["/srv/shop.py", "serve"])
    us = process.current()
    assert (us.service, us.release, us.environment) == ("shop", "1.2", "production")
    assert us.program == "/srv/shop.py"
    monkeypatch.setattr(process, "_known", {})


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("service.name=a%20shop%2Cnorth%3D%C3%A9,host.name=web%2D1", ("a shop,north=é", "web-1", "")),
        ("deployment.environment=staging, service.name = 100% ", ("100%", "", "staging")),
        ("deployment.environment.name=new,deployment.environment=old,service.name=%ff", ("\ufffd", "", "new")),
    ],
)
def test_resource_attributes_are_those_of_opentelemetry(
    monkeypatch: pytest.MonkeyPatch, attributes: str, expected: tuple[str, str, str]
) -> None:
    """Their octets are percent-encoded, as in W3C Baggage."""
    from llama_logging import process

    service, host, environment = expected
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", attributes)
    us = process._describe()
    assert (us.service, us.host, us.environment) == (service, host or process._host(), environment)


def test_no_live_object_is_kept(records: Records) -> None:
    """An exception, frame or traceback would pin everything it saw in memory."""
    import gc
    import types

    log_failure(log.exception, "x")
    context = captured(records)
    waiting: list[object] = [context]
    seen: set[int] = set()
    while waiting:
        thing = waiting.pop()
        assert not isinstance(thing, (BaseException, types.FrameType, types.TracebackType))
        if id(thing) not in seen and not isinstance(thing, (type, types.ModuleType, types.FunctionType)):
            seen.add(id(thing))
            waiting.extend(gc.get_referents(thing))
