"""Functions of the application that a strategy calls to close, reset or rebuild what is the application's."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from llama_logging.capture.tracebacks import message_of
from llama_logging.config.values import as_callable, as_list
from llama_logging.plain import last_line
from llama_logging.recovery.strategy import Deadline, called, function_name

Hook = Callable[..., object]


def as_hooks(value: object) -> tuple[Hook, ...]:
    """Functions without arguments, by their dotted paths; they may be coroutine functions."""
    return tuple(as_callable(path) for path in as_list(value))


def as_named(value: object) -> tuple[str, Hook]:
    """A function with its dotted path; by the name of its class alone a method of one object is that of any other."""
    hook = as_callable(value)
    return value if isinstance(value, str) else function_name(hook), hook


def problem_of(hook: Hook, deadline: Deadline, *arguments: object) -> str:
    """What went wrong in *hook*; empty if it came to its end. What it returns is not looked at."""
    try:
        called(hook, deadline, *arguments)
    except Exception as error:
        return f"{function_name(hook)}: {last_line(type(error).__name__, message_of(error))}"
    return ""


def problems_of(hooks: Iterable[Hook], deadline: Deadline) -> str:
    """What went wrong in any of *hooks*; each is called, whatever the others do."""
    return "; ".join(problem for hook in hooks if (problem := problem_of(hook, deadline)))
