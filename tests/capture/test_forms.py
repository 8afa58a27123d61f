from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_logging import wire
from llama_logging.capture import forms
from llama_logging.capture.capturing import capture
from llama_logging.capture.grouping import GROUPING, parse_grouping
from llama_logging.context import ErrorContext
from llama_logging.handlers import RegistryHandler
from llama_logging.opening import open_registry
from tests.conftest import Run


class PlainError(Exception):
    pass


class SpeakingError(Exception):
    def __str__(self) -> str:
        return "in its own words"


class GroupedError(Exception):
    __fingerprint__ = "by its class"


class DetailedError(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.status_code = 404
        self.user = "a"


def fail(error: BaseException) -> None:
    raise error


def fail_elsewhere(error: BaseException) -> None:
    raise error


def record_of(
    error: BaseException,
    message: Any = "cannot add",
    args: Any = (),
    *,
    name: str = "app",
    level: int = logging.ERROR,
    fails: Callable[[BaseException], None] = fail,
    **attributes: Any,
) -> logging.LogRecord:
    """As a logger makes it, of *error* once it was raised."""
    try:
        fails(error)
    except BaseException as caught:
        info = (type(caught), caught, caught.__traceback__)
        record = logging.LogRecord(name, level, "app.py", 7, message, args, info)
    record.__dict__.update(attributes)
    return record


def told(context: ErrorContext | None) -> ErrorContext:
    assert context is not None
    return replace(context, error_id="")


def frame_of(context: ErrorContext | None) -> dict[str, Any]:
    assert context is not None
    frame, name, definition = wire.encode_error(context)
    found = json.loads(frame)
    assert (found.pop("id"), found["stack"]) == (context.error_id, name)
    assert json.loads(definition)["name"] == name
    return dict(found)


def both_ways(make: Callable[[], logging.LogRecord]) -> tuple[ErrorContext, ErrorContext, logging.LogRecord]:
    """The contexts of the same error with and without a form, and the record of the first."""
    capture(make())  # from here on its form is known, if it has one
    one, other = make(), make()
    other.created, other.threadName = one.created, one.threadName
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "recognise", lambda *_: None)
        without = capture(other)
    context = capture(one)
    assert context is not None
    assert without is not None
    assert without.form is None
    assert told(context) == told(without)
    assert frame_of(context) == frame_of(without)
    assert one.exc_text == other.exc_text
    assert one.exc_text == logging.Formatter().formatException(one.exc_info)  # type: ignore[arg-type]
    return context, without, one


HOSTILE = ["", "a\0b", "lone \udcff", "\x1b[31m\n\r\u2028", "x" * 9_000, "password=hunter2", 'quote " \\', "🦙", "%s"]
arguments = st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), max_size=3)


@given(
    said=st.lists(st.text() | st.integers() | st.sampled_from(HOSTILE), max_size=3),
    # What begins with a brace may be JSON, which has no form.
    message=st.text().filter(lambda text: text[:1] != "{") | st.sampled_from([*HOSTILE, "%s and %s", "%(a)s"]),
    args=arguments,
    kind=st.sampled_from([PlainError, ValueError, KeyError]),
    name=st.sampled_from(["app", "app.deep", "täglich", "a\0b", "n" * 300]),
    level=st.sampled_from([0, 10, 30, 35, 40, 50, 1000]),
    thread=st.sampled_from(["MainThread", "worker-1", "lone \udcff", "", None]),
    task=st.sampled_from([None, "Task-9", "lone \udcff"]),
)
def test_with_a_form_an_error_is_captured_as_without(
    said: list[Any],
    message: str,
    args: Sequence[Any],
    kind: type[Exception],
    name: str,
    level: int,
    thread: str | None,
    task: str | None,
) -> None:
    """Whatever it says, whoever logs it, and wherever."""
    more: dict[str, Any] = {} if task is None else {"taskName": task}

    def make() -> logging.LogRecord:
        return record_of(kind(*said), message, tuple(args), name=name, level=level, threadName=thread, **more)

    context, _, _ = both_ways(make)
    assert context.form is not None


@pytest.mark.parametrize(
    "make",
    [
        lambda: record_of(SpeakingError("x")),
        lambda: record_of(GroupedError("x")),
        lambda: record_of(DetailedError("x")),
        lambda: record_of(OSError(2, "no such file", "name")),
        lambda: record_of(NameError("x", name="valu")),
        lambda: record_of(ExceptionGroup("x", [ValueError("y")])),
        lambda: record_of(PlainError(PlainError("x"))),
        lambda: record_of(PlainError("x"), "%s", (PlainError("y"),)),
        lambda: record_of(PlainError("x"), PlainError("y")),
        lambda: record_of(PlainError("x"), {"event": "data", "order": 7}),
        lambda: record_of(PlainError("x"), "%(a)s", ({"a": 1},)),
        lambda: record_of(PlainError("x"), args=None),
        lambda: record_of(PlainError("x"), stack_info="Stack (most recent call last):"),
        lambda: record_of(PlainError("x"), user=7),
        lambda: record_of(PlainError("x"), fingerprint="given", tags={"tenant": "a"}),
        lambda: record_of(PlainError("x"), otelTraceID="a" * 32, otelSpanID="b" * 16),
        lambda: record_of(noted(PlainError("x"))),
        lambda: record_of(grouped(PlainError("x"))),
        lambda: record_of(numbered(PlainError("x"))),
        lambda: record_of(caused(PlainError("x"))),
        lambda: record_of(chained(PlainError("x"))),
    ],
)
def test_who_has_more_to_say_is_captured_without_a_form(make: Callable[[], logging.LogRecord]) -> None:
    """Also where errors of a form came from the same place before."""
    capture(record_of(PlainError("x")))
    context, _, _ = both_ways(make)
    assert context.form is None


def noted(error: PlainError) -> PlainError:
    error.add_note("mind this")
    return error


def grouped(error: PlainError) -> PlainError:
    error.__fingerprint__ = "its own"  # type: ignore[attr-defined]
    return error


def numbered(error: PlainError) -> PlainError:
    error.code = 7  # type: ignore[attr-defined]
    return error


def caused(error: PlainError) -> PlainError:
    error.__cause__ = ValueError("why")
    return error


def chained(error: PlainError) -> PlainError:
    error.__context__ = ValueError("before")
    return error


def handed(how: str) -> logging.LogRecord:
    """A record whose exc_info is not that of its exception."""
    record, other = record_of(PlainError("x")), record_of(PlainError("y"))
    assert record.exc_info is not None
    assert other.exc_info is not None
    cls, error, tb = record.exc_info
    assert error is not None
    assert tb is not None
    if how == "raised again since":
        record_of(error, fails=fail_elsewhere)
    record.exc_info = {  # type: ignore[assignment]
        "shortened": (cls, error, tb.tb_next),
        "none": (cls, error, None),
        "another's": (cls, error, other.exc_info[2]),
        "of one never raised": (KeyError, KeyError("a"), tb),
        "another class": (KeyError, error, tb),
    }.get(how, record.exc_info)
    return record


@pytest.mark.parametrize(
    ("how", "functions"),
    [
        ("shortened", ["fail"]),
        ("none", []),
        ("another's", ["record_of", "fail"]),
        ("of one never raised", ["record_of", "fail"]),
        ("another class", ["record_of", "fail"]),
        ("raised again since", ["record_of", "fail"]),
    ],
)
def test_the_traceback_that_is_given_counts(how: str, functions: list[str]) -> None:
    """Whether what is known of the place came with this traceback or with the exception's own."""
    capture(record_of(PlainError("x")))
    context, without, _ = both_ways(lambda: handed(how))
    assert (context.form is not None) == bool(functions)  # what tells of no call is grouped by what was logged
    for one in (context, without):
        assert [frame.function for frame in one.stack.exceptions[0].frames] == functions


@pytest.mark.parametrize("odd", ["no traceback", 7, SimpleNamespace(tb_frame=None, tb_next=None)])
def test_what_is_no_traceback_is_left_to_the_standard_library(odd: object) -> None:
    """The exception's own serves us."""
    for _ in range(3):
        record = record_of(PlainError("x"))
        assert record.exc_info is not None
        record.exc_info = (PlainError, record.exc_info[1], odd)  # type: ignore[assignment]
        context = capture(record)
        assert context is not None
        assert context.stack.function == "fail"
        assert record.exc_text is None


@pytest.mark.parametrize("odd", [float("nan"), -1.0, 1e30, None])
def test_a_moment_that_no_calendar_has_is_now(odd: Any) -> None:
    capture(record_of(PlainError("x")))
    before = datetime.now(UTC)
    context = capture(record_of(PlainError("y"), created=odd))
    assert context is not None
    assert context.form is not None
    assert before <= context.timestamp <= datetime.now(UTC)


def test_a_moment_in_whole_seconds_is_that_moment() -> None:
    """As in records that were made anew from JSON."""
    for _ in range(2):
        context = capture(record_of(PlainError("y"), created=1_700_000_000))
    assert context is not None
    assert context.form is not None
    assert context.timestamp.timestamp() == 1_700_000_000


def test_what_is_logged_again_is_the_same_error() -> None:
    capture(record_of(PlainError("x")))
    error = PlainError("y")
    first, second = capture(record_of(error)), capture(record_of(error))
    assert first is not None
    assert second is not None
    assert first.form is not None
    assert (second.again, second.error_id) == (True, first.error_id)


def test_rules_breadcrumbs_and_locals_are_minded(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = RegistryHandler(breadcrumbs=2, locals=10)
    handler.handle(record_of(PlainError("first")))
    monkeypatch.setattr(GROUPING, "rules", parse_grouping(handler._options, [RULE]))
    record = record_of(PlainError("x"))
    handler.handle(record)
    context = capture(record)
    assert context is not None
    assert context.grouping == ("rule one PlainError",)
    assert [crumb.message for crumb in context.breadcrumbs] == ["cannot add"]
    assert context.locals[0].values["error"].endswith("PlainError('x')")
    assert frame_of(context)["group"] == ["rule one PlainError"]
    assert {"crumbs", "locals"} <= frame_of(context).keys()


RULE = {"match": {"class": "PlainError"}, "fingerprint": ["one {type}"]}


def test_the_trace_that_is_active_is_minded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Api:
        trace_id, span_id, is_valid = 0xABC, 0xDEF, True

        def get_current_span(self) -> Api:
            return self

        get_span_context = get_current_span

    capture(record_of(PlainError("x")))
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", Api())
    context, _, _ = both_ways(lambda: record_of(PlainError("x")))
    assert frame_of(context)["trace"] == [f"{0xABC:032x}", f"{0xDEF:016x}"]


def test_tracebacklimit_is_minded(monkeypatch: pytest.MonkeyPatch) -> None:
    capture(record_of(PlainError("x")))
    monkeypatch.setattr(sys, "tracebacklimit", 1, raising=False)
    both_ways(lambda: record_of(PlainError("x")))


def test_a_changed_or_copied_context_tells_what_it_says() -> None:
    """Nothing that was remembered for the form is left in it."""
    capture(record_of(PlainError("x")))
    context = capture(record_of(PlainError("y")))
    assert context is not None
    assert context.form is not None
    changed = replace(context, logger_name="other", fingerprint="v1:other", additional_context={"a": 1})
    frame = frame_of(changed)
    assert (frame["logger"], frame["fp"], frame["ctx"]) == ("other", "v1:other", {"a": 1})
    for same in (copy.copy(context), copy.deepcopy(context), pickle.loads(pickle.dumps(context))):
        assert same == context
        assert same.form is None
        assert frame_of(same) == frame_of(context)


def test_a_form_is_not_shared_by_loggers_levels_or_places() -> None:
    made = [
        lambda: record_of(PlainError("x")),
        lambda: record_of(PlainError("x"), name="other"),
        lambda: record_of(PlainError("x"), level=logging.CRITICAL),
        lambda: record_of(ValueError("x")),
        lambda: record_of(PlainError("x"), fails=fail_elsewhere),
    ]
    found = [both_ways(make)[0] for make in made]
    assert len({id(context.form) for context in found}) == len(made)
    assert [context.logger_name for context in found] == ["app", "other", "app", "app", "app"]
    assert [context.severity for context in found] == [40, 40, 50, 40, 40]


def test_forms_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "_KNOWN_FORMS", 3)
    for number in range(10):
        both_ways(lambda: record_of(PlainError("x"), name=f"logger.{number}"))  # noqa: B023
    context = capture(record_of(PlainError("x"), name="logger.9"))
    assert context is not None


def test_threads_use_one_form_at_once() -> None:
    found: list[ErrorContext | None] = []

    def work() -> None:
        for number in range(200):
            found.append(capture(record_of(PlainError(f"{threading.current_thread().name} {number}"))))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(context and context.error_message.startswith(f"{context.thread_name} ") for context in found)
    assert len({context.error_id for context in found if context}) == 800


def test_a_class_may_get_notes_later() -> None:
    class LateError(Exception):
        pass

    assert both_ways(lambda: record_of(LateError("x")))[0].form is not None
    LateError.__notes__ = ["mind this"]
    context, _, record = both_ways(lambda: record_of(LateError("x")))
    assert context.form is None
    assert record.exc_text is not None
    assert record.exc_text.endswith("LateError: x\nmind this")


FORKING = """
import logging, os
from llama_logging.handlers import RegistryHandler
log = logging.getLogger("app")
log.addHandler(RegistryHandler())
def fail(number):
    try:
        raise ValueError(number)
    except ValueError:
        log.exception("failed")
fail(1)
fail(2)
child = os.fork()
fail(3)
if child:
    os.waitpid(child, 0)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork_an_error_names_its_own_process(run: Run) -> None:
    done = run("-W", "ignore", "-c", FORKING)
    assert (done.code, done.err) == (0, "")
    opened = open_registry(RegistryHandler().pipeline.url)
    errors = [(error.error_message, error.process.process) for error in opened.errors() if error.process]
    opened.close()
    assert sorted(message for message, _ in errors) == ["1", "2", "3", "3"]
    assert len({process for message, process in errors if message == "3"}) == 2


def test_a_class_may_get_another_name() -> None:
    class RenamedError(Exception):
        pass

    both_ways(lambda: record_of(RenamedError("x")))
    RenamedError.__qualname__, RenamedError.__module__ = "Shop.Error", "shop"
    _, _, record = both_ways(lambda: record_of(RenamedError("x")))
    assert record.exc_text is not None
    assert record.exc_text.endswith("\nshop.Shop.Error: x")
