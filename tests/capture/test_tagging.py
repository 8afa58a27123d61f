"""What is known of the work that is being done stands on each error of it, whoever logs that."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
import weakref
from collections.abc import Generator, Iterator
from contextvars import copy_context
from typing import Any

import pytest

from llama_logging import tagged
from llama_logging.capture import tagging
from llama_logging.capture.capturing import capture
from llama_logging.formatters import JsonFormatter
from llama_logging.middlewares import TraceASGI, TraceWSGI

log = logging.getLogger("app")


Records = list[logging.LogRecord]


@pytest.fixture
def records() -> Iterator[Records]:
    """What the logger `app` logs, captured where it is logged."""
    kept: Records = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            capture(record)
            kept.append(record)

    handler = Keep()
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    yield kept
    log.removeHandler(handler)
    log.setLevel(logging.NOTSET)
    log.propagate = True


def tags_of(records: Records) -> list[dict[str, str]]:
    contexts = map(capture, records)
    return [dict(context.tags) for context in contexts if context is not None]


def fail(error: Exception | None = None) -> None:
    raise error or ValueError("x")


def test_every_error_within_has_the_tags_and_the_logging_call_has_the_last_word(records: Records) -> None:
    with tagged(tenant="a", order=7):
        log.error("one")
        with tagged(order=8):
            log.error("two", extra={"tags": {"tenant": "b"}})
        log.error("three", extra={"tags": "no mapping"})
    log.error("four")

    assert tags_of(records) == [
        {"tenant": "a", "order": "7"},
        {"tenant": "b", "order": "8"},
        {"tenant": "a", "order": "7"},
        {},
    ]


def test_who_logs_an_exception_outside_has_the_tags_of_where_it_was_raised(records: Records) -> None:
    for order in (1, 2):
        try:
            with tagged(tenant="a"):
                try:
                    with tagged(order=order):
                        fail()
                except ValueError as error:
                    raise LookupError("no order") from error
        except LookupError:
            log.exception("outside")

    assert tags_of(records) == [{"tenant": "a", "order": "1"}, {"tenant": "a", "order": "2"}]


def test_an_error_like_one_before_has_its_own_tags(records: Records) -> None:
    for order in range(4):
        with tagged(order=order):
            try:
                fail()
            except ValueError:
                log.exception("again")

    assert tags_of(records) == [{"order": str(order)} for order in range(4)]


def test_an_exception_that_is_raised_again_has_the_tags_of_where_it_is(records: Records) -> None:
    kept = ValueError("kept")
    for tenant in ("a", "b"):
        try:
            with tagged(tenant=tenant):
                fail(kept)
        except ValueError:
            log.error("outside %s", tenant)
    with tagged(tenant="c"):
        try:
            fail(kept)
        except ValueError:
            log.exception("inside")

    assert [tags["tenant"] for tags in tags_of(records)] == ["a", "b", "c"]


def test_tasks_and_threads_have_their_own(records: Records) -> None:
    async def work(order: int) -> None:
        with tagged(order=order):
            await asyncio.sleep(0)
            log.error("task")

    async def all_of_it() -> None:
        await asyncio.gather(*map(work, range(3)))

    asyncio.run(all_of_it())
    with tagged(order=9):
        thread = threading.Thread(target=copy_context().run, args=(log.error, "thread"))
        thread.start()
        thread.join()

    assert [tags["order"] for tags in tags_of(records)] == ["0", "1", "2", "9"]


def test_a_block_that_ends_in_another_context_leaves_that_as_it_is() -> None:
    def work() -> Generator[None, None, None]:
        with tagged(order=1):
            yield

    stretch = work()
    copy_context().run(next, stretch)
    with tagged(order=2):
        stretch.close()
        assert tagging.current() == {"order": 2}


def test_an_exception_that_is_thrown_into_a_block_of_another_context_takes_its_tags_along(records: Records) -> None:
    def dependency() -> Generator[None, None, None]:
        with tagged(tenant="a"):
            yield

    stretch = dependency()
    copy_context().run(next, stretch)
    try:
        with tagged(path="/"):
            try:
                with tagged(order=1):
                    fail()
            except ValueError as error:
                stretch.throw(error)
    except ValueError:
        log.exception("outside")
    assert tags_of(records) == [{"path": "/", "tenant": "a", "order": "1"}]


def test_tags_are_redacted_and_run_no_code_of_the_application(records: Records) -> None:
    class Loud:
        def __str__(self) -> str:
            raise AssertionError("asked")

        __repr__ = __str__

    value = Loud()
    with tagged(password="hunter22x", note="token=abcdef0123456789abcdef", value=value):
        log.error("x")
    (tags,) = tags_of(records)
    assert (tags["password"], "abcdef" in tags["note"], "Loud" in tags["value"]) == ("[redacted]", False, True)
    gone = weakref.ref(value)
    del value
    gc.collect()
    assert gone() is None


def test_no_more_than_some_tags_are_kept_those_of_the_call_among_them(records: Records) -> None:
    with tagged(**{f"t{n}": n for n in range(100)}):
        log.error("x", extra={"tags": {"own": "1"}})
    (tags,) = tags_of(records)
    assert (len(tags), tags["own"]) == (tagging.MAX_TAGS, "1")


def test_each_line_of_json_has_the_tags(records: Records) -> None:
    formatter = JsonFormatter()
    with tagged(tenant="a", token="abcdefghij0123"):
        log.info("no error", extra={"tags": {"step": "pay"}})
        log.error("an error")
        lines = [json.loads(formatter.format(record)) for record in records]
    assert lines[0]["tags"] == {"tenant": "a", "token": "[redacted]", "step": "pay"}
    assert lines[1]["tags"] == {"tenant": "a", "token": "[redacted]"}
    after = logging.makeLogRecord({"name": "app", "msg": "after", "levelno": 20})
    assert "tags" not in json.loads(formatter.format(after))


def test_for_elastic_tags_are_labels(records: Records) -> None:
    formatter = JsonFormatter(style="ecs")
    with tagged(**{"url.path": "/a"}):
        log.info("no error", extra={"tags": {"step": "pay"}})
        log.error("an error", extra={"tags": {"step": "pay"}})
        log.info("a list", extra={"tags": ["web"]})
        lines = [json.loads(formatter.format(record)) for record in records]
    log.info("alone", extra={"tags": {"step": "pay"}})
    alone = json.loads(formatter.format(records[-1]))
    assert [line["labels"] for line in lines[:2]] == [{"url_path": "/a", "step": "pay"}] * 2
    assert [line.get("tags") for line in (*lines, alone)] == [None, None, ["web"], None]
    assert alone["labels"] == {"step": "pay"}


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    fail()


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    log.error("begins")
    yield b"a"
    fail()


def test_what_a_request_leaves_to_its_server_has_its_method_and_path(records: Records) -> None:
    scope = {"type": "http", "method": "GET", "path": "/orders/7", "query_string": b"token=x", "headers": []}
    try:
        asyncio.run(TraceASGI(asgi)(scope, None, None))  # type: ignore[arg-type]
    except ValueError:
        log.exception("Exception in ASGI application")
    environ = {"REQUEST_METHOD": "POST", "SCRIPT_NAME": "/shop", "PATH_INFO": "/caf\u00c3\u00a9", "QUERY_STRING": "a=b"}
    try:
        list(TraceWSGI(wsgi)(environ, None))  # type: ignore[arg-type]
    except ValueError:
        log.exception("Error handling request")
    log.error("after")

    posted = {"http.request.method": "POST", "url.path": "/shop/caf\u00e9"}
    assert tags_of(records) == [{"http.request.method": "GET", "url.path": "/orders/7"}, posted, posted, {}]


@pytest.mark.parametrize("kind", [list, tuple, "file"])
def test_an_answer_that_is_made_goes_to_the_server_as_it_is(kind: Any) -> None:
    class File(list[bytes]):
        pass

    answer: Any = File() if kind == "file" else kind([b"a"])
    app = TraceWSGI(lambda environ, start_response: answer)
    assert app({"wsgi.file_wrapper": File}, None) is answer  # type: ignore[arg-type]
