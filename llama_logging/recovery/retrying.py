"""The caller's own code, tried again after a recovery."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Generic, Literal, Never, ParamSpec, Self, TypeVar, overload

from llama_logging.capture import marks
from llama_logging.recovery.outcome import NONE, Outcome
from llama_logging.tried import OutcomeStatus

A = TypeVar("A")
B = TypeVar("B")
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Exceptions = type[Exception] | tuple[type[Exception], ...]

TIMEOUT = 30.0
"""Seconds that a recovery is waited for."""
_NOTHING: Any = object()


class Attempt:
    """One try: `with attempt:` around the code that may fail.

    Attributes:
        number: From 1.
        value: For the caller to put a result in; what stands in for one, if a fallback was asked for.
        error: What was raised; None if nothing was.
        outcome: How its recovery went.
    """

    def __init__(self, number: int, logger: logging.Logger, message: str, exceptions: Exceptions) -> None:
        self.number = number
        self.value: Any = None
        self.error: Exception | None = None
        self.outcome = NONE
        self._logger, self._message, self._exceptions = logger, message, exceptions

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[True] | None:
        if not isinstance(error, self._exceptions):
            return None
        self.error = error
        self._logger.error(self._message, exc_info=error, stacklevel=2)
        outcome = marks.get(error, marks.OUTCOME)
        self.outcome = NONE if outcome is None else outcome
        return True


class attempts:  # in small letters, as it is used as a function; a generator could not be iterated both ways
    """Tries of the same code, as long as a recovery says that another is worth it.

    `for attempt in attempts(logger, "generation failed"):`, then `with attempt:` around the code; on an
    event loop `async for`. A failure is logged, its recovery waited for, and if that helped the loop goes
    round again. If it did not, or this was the last, the error is raised where the loop stands, or, with a
    *fallback*, `attempt.value` gets what the recovery hands over, else the fallback, and the loop ends.

    Args:
        logger: Where failures are logged; a RecoveryHandler must see them.
        message: What is logged.
        times: How many tries at most.
        timeout: Seconds that each recovery is waited for.
        exceptions: Which failures; all others pass through.
        fallback: What stands in for a result in the end.
    """

    def __init__(
        self,
        logger: logging.Logger,
        message: str,
        *,
        times: int = 2,
        timeout: float = TIMEOUT,
        exceptions: Exceptions = Exception,
        fallback: Any = _NOTHING,
    ) -> None:
        if times < 1:
            raise ValueError(f"expected at least one try, got times={times}")
        self._make = functools.partial(Attempt, logger=logger, message=message, exceptions=exceptions)
        self._times, self._timeout, self._fallback = times, timeout, fallback

    def __iter__(self) -> Iterator[Attempt]:
        for number in range(1, self._times + 1):
            attempt = self._make(number)
            yield attempt
            if attempt.error is None:
                return
            if self._waits(number):
                attempt.outcome.wait(self._timeout)
            pause = self._pause(attempt.outcome, number)
            if pause is None:
                self._give_up(attempt)
                return
            time.sleep(pause)

    async def __aiter__(self) -> AsyncIterator[Attempt]:
        for number in range(1, self._times + 1):
            attempt = self._make(number)
            yield attempt
            if attempt.error is None:
                return
            if self._waits(number):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(attempt.outcome, self._timeout)
            pause = self._pause(attempt.outcome, number)
            if pause is None:
                self._give_up(attempt)
                return
            await asyncio.sleep(pause)

    def _waits(self, number: int) -> bool:
        """Whether it matters what becomes of the recovery after so many tries."""
        return number < self._times or self._fallback is not _NOTHING

    def _pause(self, outcome: Outcome, number: int) -> float | None:
        """Seconds until another try, as far as is known now; None if there is to be none."""
        if number == self._times:
            return None
        if outcome:
            return 0.0
        if outcome.retry_at is None or outcome.status is not OutcomeStatus.ADVICE:
            return None
        pause = max(0.0, (outcome.retry_at - datetime.now(UTC)).total_seconds())
        return pause if pause <= self._timeout else None

    def _give_up(self, attempt: Attempt) -> None:
        if self._fallback is _NOTHING:
            assert attempt.error is not None
            raise attempt.error
        outcome = attempt.outcome
        # What has recovered without a value, or for another try, was not enough: there is none any more.
        helped = outcome and outcome.value is not None
        stands_in = (helped or outcome.status is OutcomeStatus.FALLBACK) and not outcome.is_hint
        attempt.value = outcome.value if stands_in else self._fallback


class guard(Generic[T]):
    """Have a function tried again after a recovery: `@guard(logger, fallback="...")`.

    Takes what `attempts` takes; works on functions and on coroutine functions, not on generators.
    """

    @overload
    def __init__(
        self: guard[Never],
        logger: logging.Logger,
        message: str = "",
        *,
        times: int = 2,
        timeout: float = TIMEOUT,
        exceptions: Exceptions = Exception,
    ) -> None: ...

    @overload
    def __init__(
        self,
        logger: logging.Logger,
        message: str = "",
        *,
        times: int = 2,
        timeout: float = TIMEOUT,
        exceptions: Exceptions = Exception,
        fallback: T,
    ) -> None: ...

    def __init__(
        self,
        logger: logging.Logger,
        message: str = "",
        *,
        times: int = 2,
        timeout: float = TIMEOUT,
        exceptions: Exceptions = Exception,
        fallback: Any = _NOTHING,
    ) -> None:
        self._message = message
        self._attempts = functools.partial(
            attempts, logger, times=times, timeout=timeout, exceptions=exceptions, fallback=fallback
        )
        self._attempts(message)  # a mistake shows here, not at the first failure

    @overload
    def __call__(self, function: Callable[P, Coroutine[A, B, R]]) -> Callable[P, Coroutine[A, B, R | T]]: ...

    @overload
    def __call__(self, function: Callable[P, R]) -> Callable[P, R | T]: ...

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap *function*.

        Raises:
            TypeError: If it is a generator: what it has given cannot be taken back and tried again.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            name = getattr(function, "__qualname__", function)
            raise TypeError(f"guard cannot try {name} again, which gives part after part: use attempts within it")
        message = self._message or f"{getattr(function, '__qualname__', function)} failed"
        tries = self._attempts(message)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def guarded_later(*args: Any, **kwargs: Any) -> Any:
                async for attempt in tries:
                    with attempt:
                        attempt.value = await function(*args, **kwargs)
                return attempt.value

            return guarded_later

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            for attempt in tries:
                with attempt:
                    attempt.value = function(*args, **kwargs)
            return attempt.value

        return guarded
