"""What a strategy is, and the table of those that the application's code registers."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from llama_logging import plain
from llama_logging.config.options import Options
from llama_logging.config.values import as_callable
from llama_logging.context import ErrorContext
from llama_logging.redaction import clean_data
from llama_logging.runtime import tasks
from llama_logging.tried import OutcomeStatus


@dataclass(frozen=True, slots=True)
class Remedy:
    """What one try brought.

    Attributes:
        status: `recovered`, `fallback`, `advice` or `failed`.
        value: What the caller gets: the strategy's result or the value that stands in.
        detail: What was done and seen, for the audit trail.
        advice: What somebody should do, where no strategy can.
        retry_at: When it is worth trying again, where that is known; aware UTC. What has `recovered` is over only then.
        is_hint: Whether the value is for another try, such as a smaller model, and stands in for no result.
    """

    status: OutcomeStatus
    value: object = None
    detail: str = ""
    advice: str = ""
    retry_at: datetime | None = None
    is_hint: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", OutcomeStatus(self.status))
        object.__setattr__(self, "detail", str(self.detail))  # an exception, often
        if self.retry_at is not None and self.retry_at.tzinfo is None:
            raise ValueError("retry_at needs a time zone, such as datetime.now(UTC)")


class Deadline:
    """A moment by which something must be over.

    Args:
        timeout: Seconds from now.
        clock: Monotonic, in seconds; tests pass their own.
    """

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + timeout

    def remaining(self) -> float:
        """Seconds left; 0.0 when it is over."""
        return max(0.0, self._at - self._clock())

    def within(self, timeout: float) -> Deadline:
        """A deadline *timeout* seconds from now, but never later than this one."""
        return Deadline(min(timeout, self.remaining()), self._clock)

    def wait_for(self, check: Callable[[Deadline], str], *, delay: float = 0.1, longest: float = 2.0) -> str:
        """Ask *check* again and again until it gives the empty text or the time is over.

        Args:
            check: Gives what is still wrong, empty when all is well; it gets this deadline.
            delay: Seconds before the second look; doubled each time, with jitter.
            longest: Seconds between two looks at most.

        Returns:
            What was wrong at the last look; empty if all is well.
        """
        while True:
            problem = check(self)
            if not problem or not self.remaining():
                return problem
            time.sleep(min(delay * random.uniform(0.8, 1.2), self.remaining()))
            delay = min(delay * 2, longest)


class Strategy(ABC):
    """One thing that may be tried when an error has happened.

    It runs on a thread of its own. It may block and may log; what it raises is a failed attempt.
    After *deadline* nobody listens any more, and a blocked one is left behind.
    """

    name: ClassVar[str]
    option_names: ClassVar[tuple[str, ...]] = ()
    destructive: ClassVar[bool] = False
    """Whether it stops, restarts or deletes something: then it acts only where the rule says `mode: act`."""
    instant: ClassVar[bool] = False
    """Whether it only hands over what is there: that takes no time, and is done also where none is left."""
    verified: ClassVar[bool] = True
    """Whether its success is believed only if the rule's `verify` works; not where the caller goes another way."""
    for_all: ClassVar[bool] = False
    """Whether what it brings holds for all errors that share the recovery; with a scope it does anyway."""

    @classmethod
    @abstractmethod
    def configure(cls, options: Options) -> Self:
        """Make one from the options of the YAML.

        Raises:
            ConfigError: If an option is missing or wrong.
        """

    @property
    def scope(self) -> str:
        """Name of the thing acted on, so that two errors do not act on it at once; empty for none."""
        return ""

    @property
    @abstractmethod
    def intent(self) -> str:
        """What it would do, for the audit trail."""

    def doubt(self, context: ErrorContext) -> str:
        """Why what it does may have nothing to do with *context*, for the audit trail; empty if nothing tells so."""
        return ""

    def look(self, context: ErrorContext, deadline: Deadline) -> Remedy | None:
        """Look before anything is done, and do nothing.

        Returns:
            That it works already, or why nothing that can be done would help. None where it is to be done, or
            where nothing can be seen.
        """
        return None

    @abstractmethod
    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Try, after `look` gave None. A returned `failed` and an exception mean the same."""


@dataclass(frozen=True)
class Call(Strategy):
    """Calls a function of the application with the ErrorContext; what it returns is the result.

    The function may be a coroutine function, and may return a Remedy to say more than a value.
    """

    name: ClassVar[str] = "call"
    option_names: ClassVar[tuple[str, ...]] = ("function",)
    function: Callable[[ErrorContext], Any]

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `function`, a dotted path."""
        return cls(options.required("function", as_callable))

    @property
    def intent(self) -> str:
        """The function's name."""
        return f"call {function_name(self.function)}"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Call it; a coroutine is run to its end on a loop of its own."""
        result = called(self.function, deadline, context)
        if isinstance(result, Remedy):
            return result
        detail = f"{function_name(self.function)} returned {clean_data(result, plain.Limits(depth=1))}"
        return Remedy(OutcomeStatus.RECOVERED, result, plain.text(detail, 500))


class StrategyTable:
    """Functions that code has registered, by the error type they are for.

    Args:
        parent: Where to look for what is not in here.
    """

    def __init__(self, parent: StrategyTable | None = None) -> None:
        self._functions: dict[str, Callable[[ErrorContext], Any]] = {}
        self._parent = parent

    def register(self, error_type: str | type[BaseException], function: Callable[[ErrorContext], Any]) -> None:
        """Use *function* for *error_type* and its subclasses, in place of an earlier one.

        Args:
            error_type: The class, or its name with or without the module.

        Raises:
            TypeError: If *error_type* is no exception class or name, or *function* cannot be called.
        """
        if isinstance(error_type, type) and issubclass(error_type, BaseException):
            error_type = plain.type_name(error_type)
        if not isinstance(error_type, str):
            raise TypeError(f"expected an exception class or its name, got {error_type!r}")
        if not callable(function):
            raise TypeError(f"expected a function that takes an ErrorContext, got {function!r}")
        self._functions[error_type] = function

    def find(self, context: ErrorContext) -> tuple[str, Callable[[ErrorContext], Any]] | None:
        """The function for *context* and the type it is registered for: its own class, else the nearest base."""
        if self._functions:
            errors = context.stack.exceptions
            for name in errors[0].bases if errors else (context.error_type,):
                for known in (name, name.rpartition(".")[2]):
                    if known in self._functions:
                        return known, self._functions[known]
        return self._parent.find(context) if self._parent else None


def called(function: Callable[..., Any], deadline: Deadline, *arguments: object) -> Any:
    """What *function* gives; a coroutine is run to its end on a loop of its own."""
    # 0 would not let it begin, and hide what it has to say at the last look.
    return tasks.ended(function(*arguments), max(0.05, deadline.remaining()))


def function_name(function: Callable[..., Any]) -> str:
    """`module.qualified_name` of *function*, or the name of its class."""
    owner: Any = function if hasattr(function, "__qualname__") else type(function)
    return f"{owner.__module__}.{owner.__qualname__}"


REGISTERED = StrategyTable()
"""What `llama_logging.register_recovery_strategy` fills; every engine looks here last."""
