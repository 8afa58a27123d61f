"""What somebody writes who has our types: read by mypy, never run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self, assert_type

import llama_logging
from llama_logging import (
    AdvancedErrorHandler,
    Deadline,
    ErrorContext,
    ErrorSeverity,
    Options,
    Outcome,
    OutcomeStatus,
    RecoveryAttempt,
    Remedy,
    Report,
    Reporter,
    Strategy,
    attempts,
    guard,
    outcome,
    recovery_strategy,
    register_recovery_strategy,
)
from llama_logging.middlewares import TraceASGI, TraceWSGI

logger = logging.getLogger(__name__)


@recovery_strategy("AIGenerationError")
def by_name(context: ErrorContext) -> str:
    return context.error_message


@recovery_strategy(TimeoutError)
async def by_class(context: ErrorContext) -> None:
    assert_type(context.timestamp, datetime)
    assert_type(context.additional_context, Mapping[str, Any])


@guard(logger, fallback="")
def ask(prompt: str) -> str:
    return prompt


@guard(logger)
def shout(prompt: str, times: int = 2) -> str:
    return prompt * times


@guard(logger, "no story", fallback=None)
def tell(prompt: str) -> str:
    return prompt


class Writer:
    @guard(logger, fallback=[])
    def lines(self, prompt: str) -> list[str]:
        return [prompt]

    @guard(logger, fallback=None)
    async def page(self, prompt: str, *, number: int = 1) -> str:
        return prompt * number


assert_type(ask("a"), str)
assert_type(shout("a", times=3), str)
assert_type(tell("a"), str | None)
for line in Writer().lines("a"):
    assert_type(line, str)
shout("a", time=3)  # type: ignore[call-arg]
guard(logger, fallbak="")  # type: ignore[call-overload]
guard(logger, times="2")  # type: ignore[call-overload]
kept = guard(logger, times=3)
assert_type(kept(len)("a"), int)
register_recovery_strategy(ConnectionError, by_name)
llama_logging.configure("logging.yaml")
llama_logging.configure({"version": 1})
assert_type(outcome(), Outcome)
with llama_logging.tagged(tenant="a", order=7):
    assert_type(llama_logging.error_id(ValueError()), str)
assert_type(outcome().status, OutcomeStatus)
assert_type(outcome().attempts, tuple[RecoveryAttempt, ...])
assert_type(outcome().retry_at, datetime | None)
assert_type(ErrorSeverity.ERROR > ErrorSeverity.WARNING, bool)
assert_type(llama_logging.get_error_summary(), dict[str, Any])
handler = AdvancedErrorHandler(error_reporting_callback=print)
context = handler.capture_error(ValueError("x"), {"prompt": "a"}, ErrorSeverity.ERROR)
assert_type(context, ErrorContext)
assert_type(handler.attempt_recovery(context), dict[str, Any])
for attempt in attempts(logger, "failed", times=3, timeout=10):
    with attempt:
        ask("b")


async def again() -> bool:
    async for attempt in attempts(logger, "failed"):
        with attempt:
            assert_type(await Writer().page("c", number=2), str | None)
    return await outcome()


class Unlock(Strategy):
    name = "unlock"
    option_names = ("door",)

    def __init__(self, door: str) -> None:
        self.door = door

    @classmethod
    def configure(cls, options: Options) -> Self:
        return cls(options.required("door", str))

    @property
    def intent(self) -> str:
        return f"unlock the {self.door} door"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        return Remedy(OutcomeStatus.RECOVERED, detail=f"{deadline.remaining():.0f}")


class Board(Reporter):
    option_names = ()

    @classmethod
    def configure(cls, options: Options) -> Self:
        return cls()

    def send(self, report: Report, timeout: float) -> None:
        assert_type(report.context, ErrorContext | None)


class Paid(Board):
    @property
    def secrets(self) -> tuple[str, ...]:
        return ("key",)


plugged: list[type[Reporter]] = [Board, Paid]


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


TraceASGI(asgi)
TraceWSGI(lambda environ, start_response: [])
raise llama_logging.MissingExtraError("x") from llama_logging.ConfigError("y")
