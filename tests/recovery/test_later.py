from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from llama_logging.capture.capturing import capture
from llama_logging.capture.unlogged import make_record
from llama_logging.context import ErrorContext, ErrorSeverity
from llama_logging.frozen import replace
from llama_logging.recovery.engine import THREADS, Engine
from llama_logging.recovery.rules import Rule, Step
from llama_logging.recovery.strategies.later import Rounds, moment_of
from llama_logging.recovery.strategy import StrategyTable
from llama_logging.tried import OutcomeStatus
from tests.conftest import NOON
from tests.recovery.acting import attempt, failed, make
from tests.recovery.test_engine import engine


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


LONG_AGO = datetime.now(UTC) - timedelta(days=1)


def marked(timestamp: datetime = LONG_AGO) -> ErrorContext:
    return failed(additional_context={"idempotent": True}, timestamp=timestamp)


def test_only_what_the_caller_has_marked_is_tried_again() -> None:
    remedy = attempt(make("retry"), failed())
    assert (remedy.status, remedy.retry_at) == (OutcomeStatus.FAILED, None)
    assert "extra={'idempotent': True}" in remedy.detail
    for lie in ("yes", 1):
        assert attempt(make("retry"), failed(additional_context={"idempotent": lie})).status is OutcomeStatus.FAILED
    assert attempt(make("retry"), marked()).status is OutcomeStatus.RECOVERED


def test_each_round_waits_longer_and_as_long_as_is_allowed() -> None:
    rounds, at = Rounds(), NOON
    for number, most in enumerate((1, 2, 4, 8, 10, 10), start=1):
        found, retry_at = rounds.next("group", at, delay=1, longest=10)
        assert found == number
        assert seconds(most / 2) <= retry_at - at <= seconds(most)
        at = retry_at + seconds(0.1)


def test_errors_of_one_moment_are_one_round() -> None:
    """Thirty callers who fail together have tried once, not thirty times; they come back one by one."""
    rounds = Rounds()
    told = [rounds.next("group", NOON, 1, 10) for _ in range(30)]
    assert {number for number, _ in told} == {1}
    assert len({retry_at for _, retry_at in told}) > 1
    assert rounds.next("another", NOON, 1, 10)[0] == 1


def test_what_was_well_for_long_begins_anew() -> None:
    rounds = Rounds()
    _, told = rounds.next("group", NOON, 1, 10)
    assert rounds.next("group", told + seconds(19), 1, 10)[0] == 2
    _, told = rounds.next("group", told + seconds(19), 1, 10)
    assert rounds.next("group", told + seconds(21), 1, 10)[0] == 1


def test_it_ends_after_so_many_attempts() -> None:
    retry, at = make("retry", attempts=2, delay=0.5), LONG_AGO
    statuses = []
    for _ in range(3):
        statuses.append(attempt(retry, marked(at)).status)
        at += seconds(2)
    assert statuses == [OutcomeStatus.RECOVERED, OutcomeStatus.RECOVERED, OutcomeStatus.FAILED]


@pytest.mark.parametrize("whose", ["trace_id", "task_name", "thread_name"])
def test_nobody_is_kept_from_another_try_by_what_others_have_met(whose: str) -> None:
    """A service in which one call of twenty fails has an error each second, and none of them is a second try."""
    retry, at = make("retry", attempts=2), LONG_AGO
    for number in range(20):
        context = replace(marked(at + seconds(number)), **{whose: str(number)})
        assert attempt(retry, context).status is OutcomeStatus.RECOVERED


def test_a_moment_beyond_the_deadline_is_advice() -> None:
    now = datetime.now(UTC)
    remedy = attempt(make("retry", delay=600, longest=600), marked(now), timeout=5)
    assert remedy.status is OutcomeStatus.ADVICE
    assert remedy.retry_at is not None
    assert remedy.retry_at > now + seconds(299)
    assert remedy.retry_at.isoformat(timespec="seconds") in remedy.advice


def soon() -> ErrorContext:
    return failed(attributes={"retry-after-ms": "40"}, timestamp=datetime.now(UTC))


def test_a_moment_before_the_deadline_is_waited_for() -> None:
    result = engine(make("rate_limit")).dispatch(soon())
    assert result.wait(10)
    assert result.retry_at is not None
    assert datetime.now(UTC) >= result.retry_at


def test_it_is_waited_for_on_an_event_loop() -> None:
    async def main() -> None:
        result = engine(make("rate_limit")).dispatch(soon())
        assert await result
        assert result.retry_at is not None
        assert datetime.now(UTC) >= result.retry_at

    asyncio.run(main())


def test_until_then_it_is_under_way_and_nobody_waits_longer_than_asked() -> None:
    waiting = engine(make("rate_limit", delay=20)).dispatch(failed(timestamp=datetime.now(UTC)))
    assert waiting.wait(0.2) is False
    assert (waiting.is_over, waiting.status, waiting.retry_at) == (False, OutcomeStatus.PENDING, None)


def test_those_who_wait_hold_up_no_other_recovery() -> None:
    """A limit is met by many callers at once, far more than there are threads."""
    limited, fallback = make("rate_limit", delay=20), make("fallback_value", value="instead")
    shop = Engine(
        [
            Rule(name="limited", match=lambda context: context.tags == {"limited": "yes"}, ladder=(Step(limited),)),
            Rule(name="others", match=lambda context: True, ladder=(Step(fallback),)),
        ],
        table=StrategyTable(),
    )
    told = [shop.dispatch(failed(timestamp=datetime.now(UTC), tags={"limited": "yes"})) for _ in range(THREADS * 3)]
    other = shop.dispatch(failed())
    other.wait(10)
    assert other.value == "instead"
    assert {outcome.status for outcome in told} == {OutcomeStatus.PENDING}


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("0", 0),
        ("120", 120),
        ("1.5", 1.5),
        ("6m0s", 360),
        ("1h2m3s", 3723),
        ("250ms", 0.25),
        ("Sun, 01 Mar 2026 12:02:00 GMT", 120),
        ("Sunday, 01-Mar-26 12:02:00 GMT", 120),
        ("Sun Mar  1 12:02:00 2026", 120),
        ("2026-03-01T12:02:00Z", 120),
        ("2026-03-01T13:02:00+01:00", 120),
        (str(int(NOON.timestamp()) + 9), 9),
        (str((int(NOON.timestamp()) + 9) * 1000), 9),
    ],
)
def test_a_moment_is_understood(text: str, after: float) -> None:
    assert moment_of(text, NOON) == NOON + seconds(after)


@pytest.mark.parametrize("text", ["", "soon", "-5", "9" * 40, "1e9", "5 parsecs", "9999-99-99", "Sun, 99 Mar 2026"])
def test_what_is_no_moment_is_none(text: str) -> None:
    assert moment_of(text, NOON) is None


@pytest.mark.parametrize(
    ("attributes", "message", "after"),
    [
        ({"retry-after": "30", "x-ratelimit-reset": "90"}, "", 30),
        ({"retry-after-ms": "1500", "retry-after": "2"}, "", 1.5),
        ({"x-ratelimit-reset-after": "7"}, "", 7),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, "", 360),
        ({"ratelimit-reset": "11"}, "", 11),
        ({"retry-after": "soon", "x-rate-limit-reset": str(int(NOON.timestamp()) + 60)}, "", 60),
        ({"status_code": 429}, "Rate limit reached. Please try again in 1m20.5s. Visit ...", 80.5),
        ({"status_code": 503}, "overloaded, retry after 20 seconds", 20),
    ],
)
def test_the_server_has_said_when(attributes: dict[str, int | str], message: str, after: float) -> None:
    """Up to a tenth and ten seconds later, so that not all who were told come at the same instant."""
    remedy = attempt(make("rate_limit"), failed(message, attributes=attributes))
    assert remedy.retry_at is not None
    assert seconds(after) <= remedy.retry_at - NOON <= seconds(after + min(10, after / 10))


def test_a_server_that_says_nothing() -> None:
    assert attempt(make("rate_limit"), failed("try again in a while")).status is OutcomeStatus.FAILED
    remedy = attempt(make("rate_limit", delay="2s"), failed(timestamp=LONG_AGO))
    assert (remedy.status, remedy.detail) == (OutcomeStatus.RECOVERED, "the server said nothing")


class Busy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(429)
        self.send_header("Retry-After", "3600")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be silent."""


def test_what_a_real_server_says_reaches_the_strategy() -> None:
    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        Thread(target=server.handle_request, daemon=True).start()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/", timeout=20)
        except urllib.error.HTTPError as error:
            record = make_record(error, logger_name="app", severity=ErrorSeverity.ERROR, mechanism="logging")
            error.close()
    context = capture(record)
    assert context is not None
    asked = f"127.0.0.1:{server.server_port}"
    told = {"code": 429, "status": 429, "server": asked, "retry-after": "3600"}
    assert context.exceptions[0].attributes == told
    remedy = attempt(make("rate_limit"), context)
    assert (remedy.status, remedy.detail) == (OutcomeStatus.ADVICE, "the server said retry-after: 3600")
