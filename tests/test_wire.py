from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llama_logging import process, wire
from llama_logging.context import Breadcrumb, ErrorContext, ErrorSeverity, ExceptionDetail, Frame
from llama_logging.plain import plain
from llama_logging.tried import OutcomeStatus, RecoveryAttempt
from tests.conftest import NOON, make_context


def there_and_back(context: ErrorContext) -> ErrorContext:
    frame, _, stack = wire.encode_error(context)
    origin = json.loads(wire.dumps(wire.encode_process(context.process))) if context.process else None
    return wire.decode_error(json.loads(frame), json.loads(stack), origin)


def full() -> ErrorContext:
    frame = Frame(module="app", function="f", file="/app.py", line=3, source="f()", in_app=True)
    outer = ExceptionDetail(type="A", module="app", message="first", bases=("app.A", "Exception"), frames=(frame,))
    cause = ExceptionDetail(type="OSError", module="builtins", message="2", relation="cause", attributes={"errno": 2})
    return make_context(
        error_message="first",
        exceptions=(outer, cause),
        template="head\0joint\0",
        parts=("OSError: 2\n", "app.A: first\nnote\n"),
        additional_context={"user": {"id": 7, "tags": ["a", None]}},
        log_template="cannot %s",
        thread_name="worker-1",
        task_name="Task-9",
        mechanism="threading",
        handled=False,
        implicit=True,
        tags={"tenant": "a"},
        trace_id="a" * 32,
        span_id="b" * 16,
        breadcrumbs=(Breadcrumb(created=1.5, severity=ErrorSeverity.INFO, logger_name="app", message="before"),),
        stack_info="Stack (most recent call last):",
        process=process.current(),
    )


def test_an_error_comes_back_as_it_was() -> None:
    context = full()
    assert there_and_back(context) == context


@given(st.text(), st.text(), st.recursive(st.none() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_text_and_data_comes_back(message: str, log: str, value: Any) -> None:
    context = make_context(error_message=message, log_message=log or message, additional_context={"v": plain(value)})
    back = there_and_back(context)
    assert (back.error_message, back.log_message) == (message, log or message)
    assert back.additional_context == context.additional_context


def test_a_repeated_error_is_small() -> None:
    frame, _, stack = wire.encode_error(make_context(process=process.current()))
    assert len(frame) < 350
    assert '"text"' in stack
    assert '"text"' not in frame


def test_errors_of_one_place_share_one_stack() -> None:
    one, other = (wire.encode_error(make_context(error_message=text)) for text in ("a", "b"))
    assert one[1] == other[1]
    assert wire.encode_error(make_context(line=99))[1] != one[1]


def test_without_its_stack_an_error_still_tells_what_it_can() -> None:
    frame, _, _ = wire.encode_error(full())
    back = wire.decode_error({**json.loads(frame), "parts": ["A: first\n"]}, {}, None)
    assert back.error_message == "first"
    assert back.stack_trace == "A: first\n"


def test_an_attempt_comes_back_as_it_was() -> None:
    attempt = RecoveryAttempt(
        attempt_id="a1",
        error_id="e1",
        fingerprint="v1:0",
        rule="r",
        strategy="s",
        scope="x",
        status=OutcomeStatus.RECOVERED,
        started_at=NOON,
        detail="did it",
        duration=1.25,
    )
    assert wire.decode_attempt(json.loads(wire.dumps(wire.encode_attempt(attempt)))) == attempt


def test_stacks_that_are_no_other_errors_do_not_pile_up() -> None:
    """Those of groups and of what was read back from a message: each error has its own."""
    frame = Frame(module="m", function="f" * 500, file="/srv/app/m.py", line=1, source="x" * 500, in_app=True)
    for _ in range(200):
        detail = ExceptionDetail(type="E", module="app", message="m", frames=(frame,) * 60)
        wire.encode_error(make_context(exceptions=(detail,)))
    assert 0 < sum(len(shared.definition) for shared in wire._known.values()) <= wire._KNOWN_CHARACTERS
