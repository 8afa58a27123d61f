"""Exceptions as events of Sentry's format have them: what is shown beside each other there, and with what."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llama_logging import process
from llama_logging.context import ErrorContext, FrameLocals
from llama_logging.frozen import replace as changed
from llama_logging.reporters import sentry
from llama_logging.reporters.raised import raised
from llama_logging.reporters.report import of_error
from tests.conftest import NOON, captured


def reported(fail: Callable[[], object]) -> ErrorContext:
    sent = of_error("new", "rule", NOON, captured(fail), None).context  # as it comes out of the registry
    assert sent is not None
    return sent


def written(folder: Path, text: str) -> Callable[[], object]:
    """The function `fail` of a module with this text."""
    file = folder / "shop.py"
    file.write_text(text, "utf-8")
    names: dict[str, Any] = {"__name__": "shop"}
    exec(compile(text, str(file), "exec"), names)
    function: Callable[[], object] = names["fail"]
    return function


def innermost(context: ErrorContext) -> dict[str, Any]:
    frame: dict[str, Any] = raised(context)[-1]["stacktrace"]["frames"][-1]
    return frame


def test_a_member_is_shown_where_the_group_was_raised_while_it_was_handled() -> None:
    """As a TaskGroup does it: `from None` hides what was handled, and not the member that this is, too."""

    def fail() -> None:
        try:
            raise ValueError("one")
        except ValueError as error:
            raise ExceptionGroup("several", [error, KeyError("two")]) from None

    assert [each["type"] for each in raised(reported(fail))] == ["KeyError", "ValueError", "ExceptionGroup"]


def test_a_group_says_what_belongs_to_what() -> None:
    def fail() -> None:
        caused = KeyError("two")
        caused.__cause__ = OSError("disk")
        raise ExceptionGroup("several", [ValueError("one"), ExceptionGroup("inner", [TypeError("three")]), caused])

    told = {each["type"] + each["value"][:5]: each["mechanism"] for each in raised(reported(fail))}
    group = told["ExceptionGroupsever"]
    assert (group["type"], group["exception_id"], group["is_exception_group"]) == ("logging", 0, True)
    assert {name: (each["source"], each["parent_id"]) for name, each in told.items() if each is not group} == {
        "ValueErrorone": ("exceptions[0]", 0),
        "ExceptionGroupinner": ("exceptions[1]", 0),
        "TypeErrorthree": ("exceptions[0]", told["ExceptionGroupinner"]["exception_id"]),
        "KeyError'two'": ("exceptions[2]", 0),
        "OSErrordisk": ("__cause__", told["KeyError'two'"]["exception_id"]),
    }


def test_what_from_none_hides_stays_hidden() -> None:
    def fail() -> None:
        try:
            try:
                raise OSError("deepest")
            except OSError as error:
                raise KeyError("hidden") from error
        except KeyError:
            raise ValueError("shown") from None

    assert [each["value"] for each in raised(reported(fail))] == ["shown"]


def test_notes_stand_below_their_messages() -> None:
    def fail() -> None:
        cause = OSError("disk")
        cause.add_note("of the cause")
        error = ValueError("cart")
        error.add_note("article 7")
        error.add_note("customer 8")
        raise error from cause

    assert [each["value"] for each in raised(reported(fail))] == ["disk\nof the cause", "cart\narticle 7\ncustomer 8"]


def test_notes_of_members_are_told_without_the_margin_of_their_group() -> None:
    def fail() -> None:
        one, innermost = ValueError("one"), TypeError("cart\nempty")
        one.add_note("article 7\ncustomer 8")
        innermost.add_note("of the innermost")
        group = ExceptionGroup("several", [one, ExceptionGroup("inner", [innermost])])
        group.add_note("of all")
        raise group

    assert [each["value"] for each in raised(reported(fail))] == [
        "cart\nempty\nof the innermost",
        "inner (1 sub-exception)",
        "one\narticle 7\ncustomer 8",
        "several (2 sub-exceptions)\nof all",
    ]


def test_local_variables_stand_at_their_call() -> None:
    def fail() -> None:
        raise ValueError("cart")

    context = reported(fail)
    place = len(context.frames) - 1
    told = changed(context, locals=(FrameLocals(exception=0, frame=place, values={"article": 7}),))
    frames = raised(told)[-1]["stacktrace"]["frames"]
    assert [frame.get("vars") for frame in frames] == [*[None] * place, {"article": 7}]


def test_the_lines_around_a_call_are_read_where_it_is_sent_from_and_redacted(tmp_path: Path) -> None:
    text = "password = 'hunter22secret'\n\ndef fail():\n    # before\n    raise ValueError('cart')\n    # after\n"
    frame = innermost(reported(written(tmp_path, text)))
    assert frame["pre_context"] == ["password = [redacted]", "", "def fail():", "    # before"]
    assert (frame["context_line"], frame["post_context"]) == ("    raise ValueError('cart')", ["    # after"])


@pytest.mark.parametrize("why", ["edited", "another machine", "imported", "a secret of several lines"])
def test_lines_that_may_not_be_those_that_ran_are_left_out(why: str, tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 20 + "-----END PRIVATE KEY-----\n"
    text = "def fail():\n    raise ValueError('cart')\n"
    text = f'KEY = """{key}"""\n{text}' if why == "a secret of several lines" else text
    context = reported(written(tmp_path, text))
    if why == "edited":
        (tmp_path / "shop.py").write_text(f"import os\n\n{text}", "utf-8")
        linecache.checkcache()
    elif why == "another machine":
        context = changed(context, process=changed(process.current(), host="elsewhere"))
    elif why == "imported":
        context = changed(context, mechanism="import")
    frame = innermost(context)
    assert frame["context_line"] == "raise ValueError('cart')"
    assert "pre_context" not in frame


def test_an_event_tells_the_service_and_how_to_see_the_whole() -> None:
    def fail() -> None:
        raise ValueError("cart")

    context = changed(reported(fail), process=changed(process.current(), service="shop"), tags={"tenant": "a"})
    event = sentry.event(replace(of_error("new", "rule", NOON, context, None), report_id=context.error_id))
    assert event["tags"] == {"service.name": "shop", "llama_logging.report": "new", "tenant": "a"}
    assert event["contexts"]["llama_logging"]["command"] == f"llama-logging show {context.error_id}"
    assert event["contexts"]["runtime"]["version"] == process.current().python
    assert event["sdk"]["name"] == "llama_logging"
