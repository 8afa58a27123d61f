from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import llama_logging
from llama_logging.handlers import RecoveryHandler
from llama_logging.recovery.engine import Engine
from llama_logging.recovery.rules import Rule, Step
from llama_logging.recovery.strategies.reask_json import ReaskJson
from llama_logging.recovery.strategy import Remedy, StrategyTable
from llama_logging.tried import OutcomeStatus
from tests.recovery.test_engine import FAILED, RECOVERED, Act

log = logging.getLogger("app.retrying")


@pytest.fixture
def recover() -> Iterator[Callable[..., list[logging.LogRecord]]]:
    """Have errors of the logger end with *remedy*, or with what it gives; gives the records."""

    def recovering(remedy: Remedy | Callable[..., Remedy]) -> list[logging.LogRecord]:
        handler = RecoveryHandler()
        act = Act(remedy if callable(remedy) else lambda context, deadline: remedy)
        rule = Rule(name="r", match=bool, ladder=(Step(act),))
        handler.engine = Engine([rule], table=StrategyTable())
        records: list[logging.LogRecord] = []
        keeper = logging.Handler()
        keeper.emit = records.append  # type: ignore[assignment,method-assign]
        log.propagate = False
        log.handlers[:] = [handler, keeper]
        return records

    yield recovering
    log.handlers.clear()
    log.propagate = True


def failing(times: int) -> Callable[[], str]:
    """A function that fails so many times."""
    left = iter(range(times))

    def ask() -> str:
        if next(left, None) is not None:
            raise ConnectionError("refused")
        return "answer"

    return ask


def answer(ask: Callable[[], str], **options: Any) -> Any:
    for attempt in llama_logging.attempts(log, "cannot ask", **options):
        with attempt:
            attempt.value = ask()
    return attempt.value


async def answer_later(ask: Callable[[], str], **options: Any) -> Any:
    async for attempt in llama_logging.attempts(log, "cannot ask", **options):
        with attempt:
            attempt.value = ask()
    return attempt.value


def on_a_loop(ask: Callable[[], str], **options: Any) -> Any:
    return asyncio.run(answer_later(ask, **options))


both = pytest.mark.parametrize("way", [answer, on_a_loop])


@both
def test_what_fails_is_tried_again_after_a_recovery(way: Any, recover: Any) -> None:
    records = recover(RECOVERED)
    assert way(failing(1)) == "answer"
    assert [record.getMessage() for record in records] == ["cannot ask"]
    assert records[0].filename == "test_retrying.py"
    assert way(failing(0)) == "answer"
    assert len(records) == 1


def test_a_try_that_succeeds_had_no_recovery(recover: Any) -> None:
    recover(RECOVERED)
    found = []
    for attempt in llama_logging.attempts(log, "cannot ask"):
        with attempt:
            attempt.value = "answer"
        found.append((attempt.number, attempt.value, attempt.error, attempt.outcome.status, bool(attempt.outcome)))
    assert found == [(1, "answer", None, OutcomeStatus.NONE, False)]


@both
def test_the_error_is_raised_when_nothing_helps(way: Any, recover: Any) -> None:
    records = recover(FAILED)
    with pytest.raises(ConnectionError, match="refused"):
        way(failing(1))
    assert len(records) == 1


@both
def test_there_is_an_end_to_it(way: Any, recover: Any) -> None:
    records = recover(RECOVERED)
    with pytest.raises(ConnectionError):
        way(failing(9), times=3)
    assert len(records) == 3
    with pytest.raises(ValueError, match="at least one"):
        way(failing(0), times=0)


@both
def test_a_fallback_stands_in(way: Any, recover: Any) -> None:
    """What the recovery hands over counts more than what the code names."""
    recover(FAILED)
    assert way(failing(9), fallback="mine") == "mine"
    recover(Remedy(OutcomeStatus.FALLBACK, "theirs"))
    assert way(failing(9), fallback="mine") == "theirs"
    recover(Remedy(OutcomeStatus.FALLBACK, None))
    assert way(failing(9), fallback="mine") is None
    recover(Remedy(OutcomeStatus.RECOVERED, "theirs"))
    assert way(failing(9), fallback="mine") == "theirs"


@both
@pytest.mark.parametrize(
    "remedy",
    [
        Remedy(OutcomeStatus.RECOVERED),
        Remedy(OutcomeStatus.RECOVERED, "a-smaller-model", is_hint=True),
        ReaskJson().recover,
    ],
)
def test_nothing_but_a_fallback_stands_in_for_what_was_tried_again_in_vain(way: Any, recover: Any, remedy: Any) -> None:
    """A recovery that helped, or a hint for the next try, is no answer."""
    recover(remedy)
    assert way(failing(9), fallback="mine") == "mine"


def test_a_loop_goes_on_while_it_is_waited_for_a_fallback(recover: Any) -> None:
    """What the recovery waits for is done on the loop."""
    gate = threading.Event()

    def wait(context: Any, deadline: Any) -> Remedy:
        return Remedy(OutcomeStatus.FALLBACK, "theirs") if gate.wait(5) else FAILED

    async def main() -> Any:
        asyncio.get_running_loop().call_later(0.05, gate.set)
        return await answer_later(failing(1), times=1, fallback="mine")

    recover(wait)
    assert asyncio.run(main()) == "theirs"


@both
def test_it_waits_until_it_is_worth_trying(way: Any, recover: Any) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    recover(Remedy(OutcomeStatus.ADVICE, advice="slow down", retry_at=soon))
    assert way(failing(1)) == "answer"
    assert datetime.now(UTC) >= soon
    recover(Remedy(OutcomeStatus.ADVICE, retry_at=datetime.now(UTC) + timedelta(hours=1)))
    with pytest.raises(ConnectionError):
        way(failing(1))


@both
def test_other_errors_pass_through(way: Any, recover: Any) -> None:
    records = recover(RECOVERED)
    with pytest.raises(ConnectionError):
        way(failing(1), exceptions=KeyError)
    assert records == []


def test_without_a_recovery_nothing_is_tried_again() -> None:
    log.handlers[:] = [logging.NullHandler()]
    with pytest.raises(ConnectionError):
        answer(failing(1))
    log.handlers.clear()


def test_a_generator_is_not_guarded_in_silence() -> None:
    def parts() -> Iterator[int]:
        yield 1

    async def parts_later() -> AsyncIterator[int]:
        yield 1

    for function in (parts, parts_later):
        with pytest.raises(TypeError, match="part after part: use attempts within it"):
            llama_logging.guard(log)(function)


def test_a_function_is_guarded(recover: Any) -> None:
    records = recover(RECOVERED)
    ask, ask_later = failing(1), failing(1)

    @llama_logging.guard(log)
    def question(text: str) -> str:
        """Ask."""
        return ask() + text

    @llama_logging.guard(log, "cannot ask", times=5)
    async def question_later(text: str) -> str:
        return ask_later() + text

    assert question("!") == "answer!"
    assert (question.__name__, question.__doc__) == ("question", "Ask.")
    assert asyncio.run(question_later("?")) == "answer?"
    assert [record.getMessage() for record in records] == [
        "test_a_function_is_guarded.<locals>.question failed",
        "cannot ask",
    ]
    with pytest.raises(TypeError):
        llama_logging.guard(log, time=3)  # type: ignore[call-overload]
