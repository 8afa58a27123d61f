from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from llama_logging import plain, process
from llama_logging.capture.chains import MAX_EXCEPTIONS
from llama_logging.capture.tracebacks import describe
from llama_logging.capture.variables import MAX_VARIABLES
from llama_logging.cli.terminal import _jsonable
from llama_logging.context import Breadcrumb, ErrorContext, ErrorSeverity, FrameLocals
from llama_logging.documents.exports import as_document
from llama_logging.documents.reading import context_of
from llama_logging.exceptions import ConfigError
from llama_logging.reporters import sentry
from llama_logging.reporters.report import of_error
from tests.conftest import NOON, captured, make_context

EVENT: dict[str, Any] = {
    "event_id": "fc6d8c0c43fc4630ad850ee518f1b9d0",
    "timestamp": "2026-03-01T12:00:00Z",
    "level": "fatal",
    "logger": "shop.checkout",
    "platform": "python",
    "logentry": {"message": "cannot pay %s", "params": ["7"], "formatted": "cannot pay 7"},
    "exception": {
        "values": [
            {"type": "KeyError", "module": "builtins", "value": "'vat'", "stacktrace": {"frames": []}},
            {
                "type": "PaymentError",
                "module": "shop.errors",
                "value": "declined, password=hunter22",
                "mechanism": {"type": "excepthook", "handled": False},
                "stacktrace": {
                    "frames": [
                        {"module": "lib", "function": "call", "filename": "lib.py", "lineno": 3, "in_app": False},
                        {
                            "module": "shop.pay", "function": "pay", "abs_path": "/srv/shop/pay.py", "lineno": 12,
                            "colno": 5, "context_line": "    charge(card)", "in_app": True,
                        },
                    ]
                },
            },
        ]
    },
    "tags": [["tenant", "acme"], ["n", 1]],
    "extra": {"order": 7, "api_key": "abc"},
    "contexts": {"trace": {"trace_id": "a" * 32, "span_id": "b" * 16}, "runtime": {"version": "3.12.1"}},
    "release": "shop@1.2",
    "environment": "production",
    "server_name": "web-1",
    "fingerprint": ["{{ default }}"],
    "breadcrumbs": {"values": [{"timestamp": 1772366390.5, "category": "shop", "level": "info", "message": "paying"}]},
}  # fmt: skip


def real_error() -> ErrorContext:
    try:
        try:
            raise KeyError("vat")
        except KeyError as error:
            raise ValueError("no rate") from error
    except ValueError as error:
        described = describe(error)
    stack = described.stack
    return replace(
        make_context(),
        stack=stack,
        parts=described.parts,
        messages=described.messages,
        error_message="no rate",
        fingerprint=stack.fingerprint,
        grouping=stack.grouping,
        tags={"a": "b"},
        process=process.current(),
        locals=(FrameLocals(exception=0, frame=0, values={"x": 1}),),
        breadcrumbs=(Breadcrumb(created=1.5, severity=ErrorSeverity.INFO, logger_name="a", message="b"),),
    )


def test_a_document_is_json_with_the_missions_names() -> None:
    context = make_context(timestamp=NOON, severity=ErrorSeverity.ERROR)
    document = json.loads(json.dumps(as_document(context)))
    assert (document["severity"], document["timestamp"]) == ("ERROR", "2026-03-01T12:00:00+00:00")
    assert document["stack_trace"] == context.stack_trace
    assert {"error_id", "source_module", "error_type", "error_message", "additional_context"} <= document.keys()


def test_what_was_exported_comes_back() -> None:
    """All that is shown; where the text was put together from pieces, it is one piece now."""
    context = real_error()
    again = context_of(json.loads(json.dumps(as_document(context), default=_jsonable)))
    assert as_document(again) == {**as_document(context), "mechanism": "import"}
    assert again.frames == context.frames


def test_what_was_exported_elsewhere_is_bounded_and_redacted_too() -> None:
    """Whoever sends it may not have redacted, or may mean harm."""
    document = json.loads(json.dumps(as_document(real_error()), default=_jsonable))
    secret = "password=hunter22"
    for name in ("error_message", "log_message", "stack_trace", "stack_info", "thread_name", "source_function"):
        document[name] = secret
    document["additional_context"] = {"api_key": "hunter22", "note": secret}
    document["tags"] = {"a": secret}
    document["breadcrumbs"] = [{"created": 1.0, "severity": 20, "logger_name": "a", "message": secret}]
    document["locals"] = [{"exception": 0, "frame": 0, "values": {"password": "hunter22"}}]
    document["exceptions"][0]["message"] = document["exceptions"][0]["frames"][0]["source"] = secret
    document["process"]["host"] = secret
    assert "hunter22" not in json.dumps(as_document(context_of(document)), default=_jsonable)
    document["error_message"] = "x" * 100_000
    assert len(context_of(document).error_message) <= plain.MAX_TEXT


def test_whose_code_it_is_is_looked_at_again() -> None:
    """What a file says of that is not believed where the place of the code says otherwise."""
    document = json.loads(json.dumps(as_document(real_error()), default=_jsonable))
    document["exceptions"][0]["frames"][0] |= {"file": json.__file__, "in_app": True}
    assert [frame.in_app for frame in context_of(document).frames] == [False]
    event = json.loads(json.dumps(EVENT).replace("/srv/shop/pay.py", "/x/site-packages/pay.py"))
    assert not any(frame.in_app for frame in context_of(event).frames)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("error_id", '0","k":"audit'),
        ("process", {"process": '","k":"audit', "pid": 1, "host": "", "boot": "", "program": "", "python": ""}),
        ("exceptions", [{"type": "E"}]),
        ("fingerprint", "v1:\x1b[2J"),
        ("fingerprint", "v1:" + "a" * 98),
        ("source_line", "one"),
        ("source_line", 10**30),
        ("tags", ["a"]),
        ("tags", {"a": {"b": 1}}),
        ("stack_trace", 7),
        ("error_message", None),
        ("grouping", "abc"),
        ("additional_context", [["a", 1]]),
        ("timestamp", "9999-12-31T23:59:59.999999-23:59"),
        ("timestamp", "0001-01-01T00:00:00+00:00"),
        ("breadcrumbs", [{"created": 1e300, "severity": 20, "logger_name": "a", "message": "b"}]),
        ("breadcrumbs", [{"created": float("nan"), "severity": 20, "logger_name": "a", "message": "b"}]),
        ("breadcrumbs", [{"created": "x", "severity": 20, "logger_name": "a", "message": "b"}]),
        ("breadcrumbs", [{"created": 1.0, "severity": 20, "logger_name": "a", "message": ["b"]}]),
        ("locals", [{"exception": 0, "frame": {"a": 1}, "values": {}}]),
        ("locals", [{"exception": 0, "frame": -1, "values": {}}]),
        ("locals", [{"exception": 0, "frame": 0, "values": ["x"]}]),
    ],
)
def test_what_is_no_part_of_an_error_is_refused(name: str, value: object) -> None:
    """An id goes into a frame as it is, and must not end its text."""
    document = json.loads(json.dumps(as_document(real_error()), default=_jsonable))
    with pytest.raises(ConfigError, match="not an error"):
        context_of({**document, name: value})


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("process", "host", ["x"]),
        ("process", "pid", 10**40),
        ("process", "colour", "red"),
        ("exceptions", "type", 5),
        ("exceptions", "relation", {"x": 1}),
        ("exceptions", "bases", "abc"),
        ("exceptions", "attributes", {"status": {"a": [1]}}),
        ("frames", "source", [1]),
        ("frames", "module", None),
        ("frames", "line", "x"),
        ("frames", "column", 10**40),
    ],
)
def test_each_field_has_the_type_that_pages_expect(place: str, name: str, value: object) -> None:
    document = json.loads(json.dumps(as_document(real_error()), default=_jsonable))
    places = {
        "process": document["process"],
        "exceptions": document["exceptions"][0],
        "frames": document["exceptions"][0]["frames"][0],
    }
    places[place][name] = value
    with pytest.raises(ConfigError, match="not an error"):
        context_of(document)


def test_no_more_exceptions_come_in_than_are_captured() -> None:
    document = json.loads(json.dumps(as_document(real_error()), default=_jsonable))
    assert len(context_of({**document, "exceptions": document["exceptions"][:1] * 3000}).exceptions) == MAX_EXCEPTIONS
    event = context_of({**EVENT, "exception": {"values": EVENT["exception"]["values"] * 1500}})
    assert (len(event.exceptions), event.error_type) == (MAX_EXCEPTIONS, "PaymentError")


def test_an_event_of_sentrys_format_is_an_error() -> None:
    context = context_of(EVENT)
    assert context.error_id == "fc6d8c0c-43fc-4630-ad85-0ee518f1b9d0"
    assert (context.timestamp, context.severity) == (NOON, ErrorSeverity.CRITICAL)
    assert (context.error_type, context.error_message) == ("PaymentError", "declined, password=[redacted]")
    assert (context.logger_name, context.log_message, context.log_template) == (
        "shop.checkout",
        "cannot pay 7",
        "cannot pay %s",
    )
    assert (context.source_module, context.source_function, context.source_line) == ("shop.pay", "pay", 12)
    assert [error.relation for error in context.exceptions] == ["raised", "cause"]
    assert context.additional_context == {"order": 7, "api_key": "[redacted]"}
    assert context.tags == {"tenant": "acme", "n": "1"}
    assert (context.trace_id, context.span_id, context.handled) == ("a" * 32, "b" * 16, False)
    assert context.process is not None
    assert (context.process.release, context.process.host) == ("shop@1.2", "web-1")
    assert context.grouping == ("shop.errors.PaymentError", "shop.pay.pay: charge(card)", "cause KeyError")
    assert context.breadcrumbs[0].message == "paying"
    assert context.stack_trace == (
        "KeyError: 'vat'\n"
        "\nThe above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):\n"
        '  File "lib.py", line 3, in call\n'
        '  File "/srv/shop/pay.py", line 12, in pay\n'
        "    charge(card)\n"
        "shop.errors.PaymentError: declined, password=[redacted]\n"
    )


def test_an_event_groups_as_the_same_error_captured_here() -> None:
    other = json.loads(json.dumps(EVENT).replace('"lineno": 12', '"lineno": 99').replace("declined", "refused"))
    assert context_of(other).fingerprint == context_of(EVENT).fingerprint
    assert context_of({**EVENT, "fingerprint": ["pay"]}).grouping == ("explicit pay",)


def test_an_exception_group_comes_back_from_an_event_as_it_was() -> None:
    """Who belongs to whom is in what sentry-sdk sends, as in what we send: it groups as one that was captured here."""

    def fail() -> None:
        caused = KeyError("two")
        caused.__context__ = OSError("disk")
        raise ExceptionGroup("several", [ValueError("one"), ExceptionGroup("inner", [TypeError("three")]), caused])

    context = captured(fail)
    event = sentry.event(of_error("new", "rule", NOON, context, None))
    del event["fingerprint"]
    back = context_of(json.loads(json.dumps(event)))
    assert [(error.type, error.relation) for error in back.exceptions] == [
        (error.type, error.relation) for error in context.exceptions
    ]
    assert back.fingerprint == context.fingerprint


def test_an_event_of_a_group_whose_members_are_alike_is_named_as_they_are() -> None:
    def fail() -> None:
        raise ExceptionGroup("all", [ValueError("one"), ValueError("two")])

    back = context_of(sentry.event(of_error("new", "rule", NOON, captured(fail), None)))
    assert (back.error_type, back.error_message) == ("ValueError", "one")


@pytest.mark.parametrize(
    "given",
    [
        {"parent_id": 7},
        {"exception_id": "x", "parent_id": 0},
        {"exception_id": 0, "parent_id": 0},
        {"exception_id": "x"},
        {},
    ],
)
def test_an_event_may_say_anything_of_who_belongs_to_whom(given: dict[str, object]) -> None:
    first, last = ({"type": name, "value": "", "mechanism": {"type": "chained", **given}} for name in ("A", "B"))
    last["mechanism"] = {"exception_id": 0}
    context = context_of({**EVENT, "exception": {"values": [first, last]}})
    assert [error.type for error in context.exceptions] == ["B", "A"]


def test_the_variables_of_an_event_come_along_bounded_and_redacted() -> None:
    values = {"article": "7", "password": "'hunter2'", **{f"more{number}": "x" for number in range(100)}}
    frames = [{"module": "shop", "function": "pay", "filename": "/srv/shop.py", "lineno": 3, "vars": values}]
    given = {"values": [{"type": "A", "value": "", "stacktrace": {"frames": [{"filename": "x"}, *frames]}}]}
    (found,) = context_of({**EVENT, "exception": given}).locals
    assert (found.exception, found.frame, len(found.values)) == (0, 1, MAX_VARIABLES)
    assert (found.values["article"], found.values["password"]) == ("7", "[redacted]")


def test_an_event_may_have_a_message_alone() -> None:
    context = context_of({"message": "disk 7 is full", "level": "warning"})
    assert (context.error_type, context.error_message, context.stack_trace) == ("LogMessage", "disk 7 is full", "")
    assert context.fingerprint == context_of({"message": "disk 8 is full", "level": "warning"}).fingerprint


@pytest.mark.parametrize(
    "document",
    [
        None,
        7,
        [],
        {},
        {"error_id": "x"},
        {"event_id": "x", "exception": 3},
        {"message": "x", "timestamp": "yesterday"},
        {"message": "x", "timestamp": 1e300},
        {"message": "x", "extra": [1]},
    ],
)
def test_what_is_no_error_is_refused(document: object) -> None:
    with pytest.raises(ConfigError, match="not an error"):
        context_of(document)
