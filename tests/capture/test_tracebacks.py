from __future__ import annotations

import asyncio
import errno
import itertools
import json
import linecache
import os
import random
import re
import sys
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from email.message import Message
from types import SimpleNamespace, TracebackType
from typing import Any

import aiohttp
import httpx
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_logging.capture import sights, tracebacks
from llama_logging.capture.chains import MAX_EXCEPTIONS
from llama_logging.capture.frames import MAX_FRAMES
from llama_logging.capture.tracebacks import Described
from llama_logging.context import ExceptionDetail, Frame
from llama_logging.redaction import clean, redact
from llama_logging.redaction.credentials import REDACTED
from llama_logging.redaction.own import also
from llama_logging.runtime import slots
from tests.reporters.receivers import receiver, saying


def describe(error: BaseException) -> tuple[str, tuple[ExceptionDetail, ...]]:
    """The stack text of *error* and what it is chained to, as data."""
    told = tracebacks.describe(error)
    codes = told.attributes or ({},) * len(told.messages)
    details = zip(told.stack.exceptions, told.messages, codes, strict=True)
    return text_of(told), tuple(replace(d, message=m, attributes=a) for d, m, a in details)


def text_of(told: Described) -> str:
    """The stack text as it is kept."""
    return told.stack.text(told.parts or told.stack.lines(told.messages))


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        if cause is not None:
            raise error from cause
        raise error
    except Exception as caught:
        return caught


def deep(depth: int) -> None:
    if depth:
        deep(depth - 1)
    raise ValueError("bottom")


def chained() -> Exception:
    try:
        try:
            dict[str, int]()["key"]
        except KeyError as error:
            raise ValueError("second\nline") from error
    except ValueError:
        try:
            raise TypeError("third")
        except TypeError as error:
            return error
    raise AssertionError


def suppressed() -> BaseException:
    try:
        try:
            raise OSError(111, "refused")
        except OSError:
            raise ConnectionError("no answer") from None
    except ConnectionError as error:
        return error


def recursion() -> BaseException:
    try:
        deep(50)
    except ValueError as error:
        return error
    raise AssertionError


def noted() -> BaseException:
    error = raised(ValueError("with notes"))
    error.add_note("one\ntwo")
    return error


def syntax() -> BaseException:
    try:
        compile("a = (\n  1 +* 2)", "nowhere.py", "exec")
    except SyntaxError as error:
        return error
    raise AssertionError


EXCEPTIONS = {
    "plain": lambda: raised(ValueError("x")),
    "empty message": lambda: raised(ValueError()),
    "no traceback": lambda: ValueError("never raised"),
    "chained": chained,
    "suppressed": suppressed,
    "recursion": recursion,
    "notes": noted,
    "syntax": syntax,
    "cause of itself": lambda: raised(error := ValueError("me"), error),
    "group": lambda: raised(ExceptionGroup("several", [chained(), raised(KeyError("k"))])),
    "cause is a group": lambda: raised(ValueError("x"), ExceptionGroup("g", [ValueError("a")])),
}


@pytest.mark.parametrize("make", EXCEPTIONS.values(), ids=EXCEPTIONS)
def test_the_text_is_the_standard_librarys(make: Any) -> None:
    for _ in range(3):  # seen for the first time, and known
        error = make()
        expected = "".join(traceback.format_exception(error))
        told = tracebacks.describe(error)
        assert text_of(told) == expected
        assert told.text == expected


# Lone surrogates and NUL are shown as escapes, which the standard library does not do.
# What looks like a secret is taken out, of which Hypothesis finds some in our own source.
MESSAGES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20).filter(
    lambda text: redact(text) is text
)


@settings(max_examples=200)
@given(st.recursive(MESSAGES, lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=8), st.booleans())
def test_the_text_of_generated_chains_is_the_standard_librarys(tree: Any, from_cause: bool) -> None:
    def build(node: Any) -> BaseException:
        if isinstance(node, str):
            return raised(ValueError(node))
        children = [build(child) for child in node]
        try:
            try:
                raise children[0]
            except BaseException as inner:
                if from_cause:
                    raise RuntimeError("outer") from inner
                raise RuntimeError("outer")  # noqa: B904 - the implicit context is what is tested
        except RuntimeError as error:
            return error

    error = build(tree)
    for _ in range(2):
        assert describe(error)[0] == "".join(traceback.format_exception(error))


def same_place(*errors: Exception) -> list[Described]:
    """Each error as it is when raised here."""
    found = []
    for error in errors:
        try:
            raise error
        except Exception as raised_here:
            found.append(tracebacks.describe(raised_here))
    return found


def test_what_repeats_is_made_once() -> None:
    """Errors of one place share the stack; only their own lines differ."""
    one, other = same_place(ValueError("number 0"), ValueError("number 1"))
    assert one.stack is other.stack
    assert one.text is not None
    assert one.text.endswith("ValueError: number 0\n")
    assert other.text == one.text.replace("number 0", "number 1")


def test_another_class_at_the_same_place_is_another_stack() -> None:
    one, other = same_place(ValueError("x"), TypeError("x"))
    assert one.stack is not other.stack
    assert other.text is not None
    assert other.text.endswith("TypeError: x\n")


def test_numbers_are_each_errors_own() -> None:
    """The same place may fail with ENOENT now and with EACCES then."""
    one, other = same_place(OSError(2, "a"), OSError(2, "b"))
    assert one.attributes == other.attributes == ({"errno": 2},)
    one, other = same_place(OSError(5, "a"), OSError(28, "b"))
    assert (one.attributes, other.attributes) == (({"errno": 5},), ({"errno": 28},))


class Talkative(Exception):
    """Says more after a while."""

    more = False

    def __str__(self) -> str:
        return "two\nlines" if Talkative.more else "one line"


def test_what_is_known_may_still_surprise() -> None:
    """Notes, messages of several lines or none, and a chain that grew: the text follows."""
    for round_ in range(3):
        Talkative.more = round_ == 1
        noted = ValueError("noted")
        if round_ == 2:
            noted.add_note("a note")
        for each in (Talkative(), ValueError("" if round_ == 1 else "x"), noted):
            error = raised(each, KeyError("k") if round_ == 2 else None)
            assert tracebacks.describe(error).text == "".join(traceback.format_exception(error))


def test_a_class_may_get_another_name() -> None:
    """Packages say that what they export is their own, some of them late."""

    class Renamed(Exception):
        pass

    for module, name in (("shop.impl", "Renamed"), ("shop", "Renamed"), ("__main__", "CartError"), ("shop", "E")):
        Renamed.__module__, Renamed.__qualname__ = module, name
        for cause in (None, KeyError("k")):
            error = raised(Renamed("x"), cause)
            assert tracebacks.describe(error).text == "".join(traceback.format_exception(error))


def pretending(name: str, value: object) -> type[Exception]:
    return type("Pretending", (Exception,), {name: property(lambda _: value)})


class Suppressing(Exception):
    __suppress_context__ = True


class Hiding(Exception):
    def __getattribute__(self, name: str) -> Any:
        return None if name == "__context__" else super().__getattribute__(name)


OTHER = ValueError("other")


@pytest.mark.parametrize(
    "cls",
    [
        Suppressing,
        Hiding,
        pretending("__cause__", OTHER),
        pretending("__cause__", None),
        pretending("__context__", OTHER),
        pretending("__context__", None),
        pretending("__suppress_context__", True),
        pretending("__traceback__", None),
    ],
)
def test_the_text_is_the_standard_librarys_whatever_a_class_pretends(cls: type[Exception]) -> None:
    def fail() -> Exception:
        try:
            try:
                raise KeyError("before")
            except KeyError:
                raise cls("x")  # noqa: B904 - the implicit context is wanted
        except cls as error:
            return error

    for _ in range(3):
        for error in (fail(), raised(ValueError("outer"), fail())):
            tb = slots.traceback_of(error)
            assert tracebacks.describe(error).text == "".join(traceback.format_exception(cls, error, tb))


class Shown(str):
    def __str__(self) -> str:
        return "shown"


class Double(Exception):
    def __str__(self) -> str:
        return Shown("kept")


def test_a_message_that_is_another_text_when_printed_is_printed_so() -> None:
    for _ in range(3):
        for error in (raised(Double()), raised(KeyError("k"), Double())):
            told = tracebacks.describe(error)
            assert told.text == "".join(traceback.format_exception(error))
            assert told.messages[-1] == "kept"


def test_a_class_may_get_notes_later() -> None:
    class Base(Exception):
        pass

    class Late(Base):
        pass

    for notes in ((), ("one", "two")):
        if notes:
            Base.__notes__ = list(notes)
        for _ in range(3):
            for error in (raised(Late("x")), raised(Late("x"), KeyError("k"))):
                assert tracebacks.describe(error).text == "".join(traceback.format_exception(error))


@pytest.mark.parametrize("own_lines", [1, 2])
def test_a_text_too_long_to_keep_is_bounded(own_lines: int) -> None:
    """No handler is given a part of it for the whole."""
    calls = [f"def f{number}(): f{number - 1}()" for number in range(1, 900)]
    names: dict[str, Any] = {}
    exec(compile("def f0(): raise ValueError('x')\n" + "\n".join(calls), f"{'long/' * 20}path.py", "exec"), names)
    try:
        names["f899"]()
    except ValueError as error:
        if own_lines == 2:
            error.add_note("a note")
        told = tracebacks.describe(error)
    assert told.text is None
    assert told.messages == ("x",)
    assert len(text_of(told)) < 2 * sights.MAX_TEXT


def test_a_secret_in_a_source_line_does_not_change_the_applications_text() -> None:
    """What is kept has it out; what the application's own handlers print is as it was."""
    for _ in range(3):
        try:
            raise ValueError("password=hunter2")
        except ValueError as error:
            told, expected = tracebacks.describe(error), "".join(traceback.format_exception(error))
        assert told.text == expected
        assert "hunter2" not in text_of(told)


def test_a_limit_of_the_interpreter_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (None, 1, 0, None):
        if limit is None:
            monkeypatch.delattr(sys, "tracebacklimit", raising=False)
        else:
            monkeypatch.setattr(sys, "tracebacklimit", limit, raising=False)
        error = chained()
        assert tracebacks.describe(error).text == "".join(traceback.format_exception(error))


class LyingMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name == "__dict__":
            raise SystemExit
        return super().__getattribute__(name)


class Lying(Exception, metaclass=LyingMeta):
    pass


def test_a_metaclass_that_raises_is_passed_by() -> None:
    assert describe(raised(Lying("x")))[0].endswith("Lying: x\n")


def unread(*where: object) -> SyntaxError:
    """As the interpreter has one in its main script: without a traceback."""
    return SyntaxError("invalid syntax", where)  # type: ignore[arg-type]


def test_a_syntax_error_without_traceback_is_where_it_says() -> None:
    found = []
    for line in (3, 7, 3):
        error = unread("/srv/shop/main.py", line, 6, "  1 +* 2\n")
        told = tracebacks.describe(error)
        assert told.text == text_of(told) == "".join(traceback.format_exception(error))
        assert (told.stack.file, told.stack.line) == ("/srv/shop/main.py", line)
        found.append(told.stack)
    assert found[0].exceptions[0].frames[0] == Frame(
        module="main", function="<module>", file="/srv/shop/main.py", line=3, source="1 +* 2", in_app=True, column=6
    )
    assert found[0].grouping == ("SyntaxError", "main.<module>: 1 +* 2")
    assert found[0].fingerprint == found[1].fingerprint


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ((None, None, None, None), ("", 0)),
        (("main.py", None, None, None), ("main.py", 0)),
        (("main.py", -1, 2**80, 7), ("main.py", 0)),
        (("main.py", 2**80, True, "x"), ("main.py", 0)),
        ((b"main.py", 3, 1, "x"), ("", 0)),
    ],
)
def test_a_syntax_error_may_say_anything_of_its_place(where: tuple[object, ...], place: tuple[str, int]) -> None:
    stack = tracebacks.describe(unread(*where)).stack
    assert (stack.file, stack.line) == place


def test_hints_are_the_standard_librarys() -> None:
    """They depend on the names that exist at the moment; they are never remembered."""
    import math

    for name in ("sqart", "zzzzzz", "cosine"):
        with pytest.raises(AttributeError) as caught:
            getattr(math, name)
        expected = "".join(traceback.format_exception(caught.value))
        assert tracebacks.describe(caught.value).text == expected


def test_an_edited_source_file_does_not_change_what_was_seen(tmp_path: Any) -> None:
    """The standard library would show the new file's lines for the old code."""
    import importlib.util

    path = tmp_path / "edited.py"
    path.write_text("def fail():\n    raise ValueError('old')\n")
    spec = importlib.util.spec_from_file_location("edited", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def text() -> str:
        try:
            module.fail()
        except ValueError as error:
            return tracebacks.describe(error).text or ""
        raise AssertionError

    first = text()
    path.write_text("# a line\n# and another\n" * 10)
    assert text() == first
    assert "raise ValueError('old')" in first


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sights, "_KNOWN_STACKS", 10)
    for number in range(50):
        names: dict[str, Any] = {}
        exec(f"def fail():\n    raise ValueError({number})", names)
        try:
            names["fail"]()
        except ValueError as error:
            tracebacks.describe(error)
    assert len(sights._known) <= 10


def test_frames_tell_where() -> None:
    _, (error, *_) = describe(recursion())
    assert error.frames[-1].function == "deep"
    assert error.frames[-1].module == __name__
    assert error.frames[-1].source == 'raise ValueError("bottom")'
    assert error.frames[-1].in_app
    assert error.frames[-1].column == 5


def test_a_chain_is_data_too() -> None:
    _, details = describe(suppressed())
    assert [(error.type, error.relation) for error in details] == [
        ("ConnectionError", "raised"),
        ("ConnectionRefusedError", "suppressed"),
    ]
    assert details[1].attributes == {"errno": 111}
    assert details[1].bases == ("ConnectionRefusedError", "ConnectionError", "OSError", "Exception")


def test_statuses_are_found_on_the_exception_and_its_response() -> None:
    class Response:
        status_code = 503

    class HTTPError(Exception):
        response = Response()

    _, (error,) = describe(HTTPError())
    assert error.attributes == {"status_code": 503}


def test_an_sqlstate_is_found_whatever_the_driver_calls_it_and_below_a_wrapper() -> None:
    class Psycopg(Exception):
        sqlstate = "57P01"

    class Psycopg2(Exception):
        def __init__(self, pgcode: object) -> None:
            self.pgcode = pgcode

    class Wrapper(Exception):
        def __init__(self, orig: object) -> None:
            self.orig = orig

    for error in (Psycopg(), Psycopg2("57P01"), Wrapper(Psycopg()), Wrapper(Psycopg2("57P01"))):
        assert describe(error)[1][0].attributes == {"sqlstate": "57P01"}
    for nonsense in (None, 57, "", "57p01", "password=hunter22", b"57P01"):
        assert describe(Wrapper(Psycopg2(nonsense)))[1][0].attributes == {}


def test_headers_say_when_to_come_back() -> None:
    """As mappings of any kind have them; anything that is no plain short text is not taken."""

    class HTTPError(Exception):
        def __init__(self, headers: object) -> None:
            self.code, self.headers = 429, headers

    message = Message()
    message["Retry-After"] = "Wed, 21 Oct 2026 07:28:00 GMT"
    message["Set-Cookie"] = "secret"
    assert describe(HTTPError(message))[1][0].attributes == {
        "code": 429,
        "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT",
    }
    for headers in ({"Retry-After": "x" * 99}, {"Retry-After": b"3"}, {7: "3"}, "Retry-After: 3", object()):
        assert describe(HTTPError(headers))[1][0].attributes == {"code": 429}

    class StatusError(Exception):
        def __init__(self) -> None:
            self.response = SimpleNamespace(status_code=429, headers={"X-RateLimit-Reset-Requests": "1m30s"})

    assert describe(StatusError())[1][0].attributes == {"status_code": 429, "x-ratelimit-reset-requests": "1m30s"}


def test_a_response_may_be_a_dict() -> None:
    """As botocore's is."""
    error: Any = Exception("An error occurred (SlowDown)")
    headers = {"retry-after": "3", "x-amz-id-2": "secret"}
    error.response = {
        "Error": {"Code": "SlowDown"},
        "ResponseMetadata": {"HTTPStatusCode": 503, "HTTPHeaders": headers},
    }
    assert describe(error)[1][0].attributes == {"status_code": 503, "retry-after": "3"}
    for response in ({}, {"ResponseMetadata": None}, {"ResponseMetadata": {"HTTPStatusCode": "503"}}):
        error.response = response
        assert describe(error)[1][0].attributes == {}


def test_a_response_is_not_asked_before_the_error_is_safe() -> None:
    """Its attributes may be properties: code of the application's."""

    class HTTPError(Exception):
        def __init__(self, response: object) -> None:
            self.response = response

    assert sights.look(HTTPError(None), None).is_quiet()
    assert not sights.look(HTTPError(object()), None).is_quiet()


class Answered:
    """As the answer of requests: its text would be read from the network."""

    def __init__(self, content: object, url: object = "http://me:secret@api.example/v1?key=secret") -> None:
        self.status_code = 404
        self._content = content
        self.request = Asked(url)

    @property
    def text(self) -> str:
        raise AssertionError("this may wait for the network")


class Asked:
    def __init__(self, url: object) -> None:
        self.url = url


def answered(*args: Any) -> Any:
    error = Exception("404")
    error.response = Answered(*args)  # type: ignore[attr-defined]
    return describe(error)[1][0].attributes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"error": "model not found", "body": "private"}', "model not found"),
        (b'{"error": {"message": "too long"}}', "too long"),
        (b'{"detail": "password=hunter22"}', "password=[redacted]"),
    ],
)
def test_what_a_server_said_was_wrong_is_kept_if_it_was_read(content: bytes, said: str) -> None:
    assert answered(content) == {"status_code": 404, "response": said, "server": "api.example:80"}


@pytest.mark.parametrize(
    "content",
    [
        False,
        None,
        b"",
        b"<html>private</html>",
        b'{"name": "private"}',
        b'{"error": ["private"]}',
        b"{",
        b'{"a":' * 1600,
        b'{"error": "' + b"x" * 10_000 + b'"}',
    ],
)
def test_nothing_else_of_an_answer_is_kept(content: object) -> None:
    assert answered(content) == {"status_code": 404, "server": "api.example:80"}


@pytest.mark.parametrize("url", [None, 7, "", "http://[", "http://h:99999/", Asked(None), "x" * 100_000])
def test_an_address_that_is_none_is_left_out(url: object) -> None:
    assert answered(b"", url) == {"status_code": 404}


def test_the_server_that_was_asked_is_kept() -> None:
    with httpx.Client() as client, pytest.raises(httpx.ConnectError) as caught:
        client.get("http://127.0.0.1:9/a?key=secret")
    assert describe(caught.value)[1][0].attributes == {"server": "127.0.0.1:9"}


def test_the_server_is_kept_that_aiohttp_or_urllib_asked() -> None:
    """Aiohttp says it in two ways: where nobody took the connection, and where the answer was a refusal."""

    async def ask(url: str) -> None:
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            await session.post(url)

    with receiver() as server:
        server.usual = saying(503, Retry_After="3")
        refusal = {"server": f"127.0.0.1:{server.port}", "retry-after": "3"}
        with pytest.raises(aiohttp.ClientResponseError) as refused:
            asyncio.run(ask(f"{server.url}/a?key=secret"))
        assert describe(refused.value)[1][0].attributes == {**refusal, "status": 503}
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(f"{server.url}/a?key=secret", b"")
        assert describe(told.value)[1][0].attributes == {**refusal, "status": 503, "code": 503}
        told.value.close()
    with pytest.raises(aiohttp.ClientConnectorError) as unreachable:
        asyncio.run(ask("http://127.0.0.1:9/a"))
    assert describe(unreachable.value)[1][0].attributes == {"errno": errno.ECONNREFUSED, "server": "127.0.0.1:9"}


@pytest.mark.parametrize("get", [httpx.get, requests.get])
def test_the_server_is_kept_whose_answer_is_no_json(get: Callable[[str], Any]) -> None:
    """The error of parsing carries no response: the traceback leads through that."""
    with receiver() as server, pytest.raises(ValueError, match="Expecting value") as caught:
        get(f"{server.url}/a?key=secret").json()
    told = [error.attributes for error in describe(caught.value)[1]]
    assert {"server": f"127.0.0.1:{server.port}"} in told
    with pytest.raises(ValueError, match="Expecting value") as of_a_file:
        json.loads("")
    assert describe(of_a_file.value)[1][0].attributes == {}


class SlottedAnswer:
    """A response that has no `__dict__`."""

    __slots__ = ("text",)

    def __init__(self) -> None:
        self.text = "{"

    def json(self) -> object:
        """As clients have it."""
        return json.loads(self.text)


def json_of_nobody() -> object:
    """A function called `json`, that is of no object."""
    return json.loads("{")


json_of_nobody.__code__ = json_of_nobody.__code__.replace(co_name="json")


@pytest.mark.parametrize("read", [SlottedAnswer().json, json_of_nobody])
def test_what_is_no_json_need_not_come_through_a_clients_response(read: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="Expecting property name") as caught:
        read()
    assert describe(caught.value)[1][0].attributes == {}


def test_an_answer_may_have_code_of_its_own_and_so_the_error_is_safe_before() -> None:
    error = Exception("404")
    assert sights.look(error, None).is_quiet()
    error.response = Answered(b"")  # type: ignore[attr-defined]
    assert not sights.look(error, None).is_quiet()


def test_bombs_are_bounded() -> None:
    error: BaseException = ValueError("end")
    for number in range(20_000):
        outer = ValueError(str(number))
        outer.__cause__ = error
        error = outer
    text, details = describe(error)
    assert len(details) == MAX_EXCEPTIONS
    assert len(str(text)) < 10_000

    group: Exception = ValueError("leaf")
    for _ in range(4):
        group = ExceptionGroup("bomb", [group] * 15)
    text, details = describe(group)
    assert len(details) <= MAX_EXCEPTIONS
    assert len(str(text)) <= sights.MAX_TEXT + 1000


def test_a_deep_recursion_keeps_its_first_and_last_frames() -> None:
    try:
        deep(500)
    except ValueError as error:
        _, (detail,) = describe(error)
    assert len(detail.frames) == MAX_FRAMES
    assert detail.frames[0].function == "test_a_deep_recursion_keeps_its_first_and_last_frames"


def hostile(how: Any) -> BaseException:
    class Hostile(Exception):
        def __str__(self) -> str:
            result: str = how()
            return result

        __repr__ = __str__

    return raised(Hostile())


def exit_now() -> str:
    raise SystemExit(3)


@pytest.mark.parametrize("how", [exit_now, lambda: 1 / 0, lambda: 7, lambda: (_ for _ in ()).throw(KeyboardInterrupt)])
def test_an_exception_whose_str_raises_is_described_all_the_same(how: Any) -> None:
    text, (error,) = describe(hostile(how))
    assert error.type.endswith("Hostile")
    assert error.message == "<exception str() failed>"
    assert "in raised" in str(text)


def test_lying_attributes_do_no_harm() -> None:
    class Liar(Exception):
        @property
        def errno(self) -> int:
            raise SystemExit

        @property
        def __cause__(self) -> None:  # type: ignore[override]
            raise RuntimeError

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    _, (error,) = describe(raised(Liar("x")))
    assert error.message == "x"
    assert error.attributes == {}


class Custom(Exception):
    """Its message is not its argument."""

    def __str__(self) -> str:
        return f"custom {self.args}"


def random_error(chance: random.Random, depth: int) -> Exception:
    """An exception as programs have them: raised somewhere, chained, grouped, noted, with or without words."""
    error = chance.choice(MAKERS)(chance, depth)
    if chance.random() < 0.15:
        error.add_note(chance.choice(["a note", "two\nlines", ""]))
    how = chance.random()
    try:
        if depth and how < 0.5:
            try:
                raise random_error(chance, depth - 1)
            except Exception as inner:
                if how < 0.2:
                    climb(chance.randrange(4), error, inner)
                elif how < 0.3:
                    raise error from None
                raise error  # noqa: B904 - the implicit context is wanted
        climb(chance.randrange(8), error, None)
    except Exception as caught:
        return caught
    raise AssertionError


def climb(depth: int, error: Exception, cause: Exception | None) -> None:
    if depth > 2:
        return (climb if depth % 2 else other)(
            depth - 1,
            error, cause,
        )  # fmt: skip
    if cause is not None:
        raise error from cause
    raise error


def other(depth: int, error: Exception, cause: Exception | None) -> None:
    for _ in range(1):
        climb(depth - 1, error, cause)


def _group(chance: random.Random, depth: int) -> Exception:
    members = [random_error(chance, max(0, depth - 1)) for _ in range(chance.randrange(1, 4))]
    return ExceptionGroup("several", members) if depth else ValueError("no more")


def _caught(action: Callable[[], object]) -> Exception:
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError


MAKERS: list[Callable[[random.Random, int], Exception]] = [
    lambda chance, depth: ValueError(chance.choice(["", "x", "two\nlines", "é 🦙", "y" * 300])),
    lambda chance, depth: KeyError(chance.randrange(100)),
    lambda chance, depth: Custom(chance.randrange(3)),
    lambda chance, depth: OSError(chance.choice([2, 13, 111]), "text", "file"),
    lambda chance, depth: _caught(lambda: [].apend),  # type: ignore[attr-defined]
    lambda chance, depth: _caught(lambda: undefined_nmae),  # type: ignore[name-defined] # noqa: F821
    lambda chance, depth: _caught(lambda: compile(chance.choice(["a = (", "if x\n  y", "\tz\n q"]), "f.py", "exec")),
    lambda chance, depth: _caught(lambda: exec("import os.nothing_there")),
    _group,
]
EXAMPLES = int(os.environ.get("LLAMA_LOGGING_TEST_EXAMPLES", "2000"))


def test_the_text_of_random_exceptions_is_the_standard_librarys() -> None:
    """LLAMA_LOGGING_TEST_EXAMPLES=100000 is the long form."""
    chance = random.Random(7)
    for number in range(EXAMPLES):
        error = random_error(chance, chance.randrange(4))
        expected = "".join(traceback.format_exception(error))
        told = tracebacks.describe(error)
        assert told.text == expected, number
        assert text_of(told) == expected, number


def test_the_traceback_that_is_given_is_the_one_in_the_text() -> None:
    """Shortened, taken away or another's, of exceptions and places that were seen with their own."""
    chance = random.Random(11)
    others: list[TracebackType | None] = [None]
    for number in range(EXAMPLES):
        error = random_error(chance, chance.randrange(4))
        own = error.__traceback__
        for tb in (own, own and own.tb_next, chance.choice(others)):
            expected = "".join(traceback.format_exception(type(error), error, tb))
            told = tracebacks.tell(sights.look(error, tb))
            assert (told.text, text_of(told)) == (expected, expected), number
        others.append(own)


def connect(**options: str) -> int:
    raise ConnectionError("no answer")


def test_carets_are_kept_but_where_the_line_above_was_redacted() -> None:
    """They count columns of the line as it is in the file."""
    with pytest.raises(ConnectionError) as caught:
        1 + connect(password="hunter2") + 1
    text, _ = describe(caught.value)
    lines = text.splitlines()
    above = next(index for index, line in enumerate(lines) if "connect(password=[redacted])" in line)
    assert lines[above + 1].startswith("  File ")
    with pytest.raises(ConnectionError) as caught:
        1 + connect(host="example") + 1
    assert any("^" in line and not line.strip(" ~^") for line in describe(caught.value)[0].splitlines())


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("    f(password=hunter2)\n      ^^^^\n    g()\n    ~^^", "    f(password=[redacted])\n    g()\n    ~^^"),
        ("  |   f(password=hunter2)\n  |   ~^^^\n  | KeyError", "  |   f(password=[redacted])\n  | KeyError"),
        ("password=hunter2\n~~~~\n a ^ b\n", "password=[redacted]\n~~~~\n a ^ b\n"),
        ("password=hunter2\n   ^", "password=[redacted]"),
    ],
)
def test_carets_of_a_redacted_line_are_left_out_of_any_text(text: str, kept: str) -> None:
    assert redact(text) == kept


BEGUN = [
    *("nothing", "password", "password =", "api_key:", "'session': ", "--token", "bearer", "Cookie:", "<Cookie", "é"),
    *("://user", "@host", "4111 1111 1111", "1111", "AKIAIOSFODNN7EXAMPLE", "token='planted'", "-----BEGIN KEY-----"),
]


@pytest.mark.parametrize(("above", "below"), [*itertools.product(BEGUN, BEGUN)])
def test_calls_that_are_harmless_alone_are_so_together(above: str, below: str) -> None:
    """Each is looked at once; all the same the text is what it is when looked at as a whole."""
    source = f"def above():\n    below()  # {above}\ndef below():\n    0 / 0  # {below}\n"
    file, names = f"<{above} {below}>", dict[str, Any]()
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), names)
    with pytest.raises(ZeroDivisionError) as caught:
        names["above"]()
    described = tracebacks.describe(caught.value)
    text = "".join(traceback.format_exception(caught.value))
    assert described.text == text
    assert described.stack.template == clean(text.removesuffix("ZeroDivisionError: division by zero\n")) + "\0"


def test_in_the_source_what_is_asked_for_goes() -> None:
    also(patterns=[re.compile("raise [A-Z]")])
    with pytest.raises(LookupError) as caught:
        raise LookupError
    assert REDACTED in tracebacks.describe(caught.value).stack.template
