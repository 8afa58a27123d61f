"""How exceptions hang together: causes, contexts and members, whatever leads back to itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType

from llama_logging.runtime.slots import cause_of, context_of, is_suppressed, members_of, traceback_of

MAX_EXCEPTIONS = 50
LONGEST_KEY = 1_000
"""Parts of what identifies a chain; a longer one is not gone through to its end."""


def identify(exception: BaseException, tb: TracebackType | None) -> tuple[list[BaseException], tuple[int, ...]]:
    """The exceptions of the chain, and what identifies it: the ids of classes and places.

    The bytecode lies within the code object (since 3.11), so that its id plus the offset of an
    instruction is unique among all code objects that are alive. Groups are never known.
    """
    chain, key = [exception], []
    for error in chain:
        key.append(id(type(error)))
        if error is not exception:
            tb = traceback_of(error)
        while tb is not None:
            key.append(id(tb.tb_frame.f_code) + tb.tb_lasti)
            tb = tb.tb_next
        cause, context = cause_of(error), context_of(error)
        if cause is not None or context is not None:
            key.append(-2 if is_suppressed(error) else -1)
            for linked in (cause, context):
                key.append(_place_in(chain, linked))
        if len(key) > LONGEST_KEY:
            break
    return chain, tuple(key)


def walk(exception: BaseException) -> Iterator[tuple[BaseException, str]]:
    """*exception* and all it is chained to, each once and with its relation to the one that led there."""
    seen: set[int] = set()
    waiting: list[tuple[BaseException, str]] = [(exception, "raised")]
    while waiting and len(seen) < MAX_EXCEPTIONS:
        error, relation = waiting.pop(0)
        if id(error) in seen:
            continue
        seen.add(id(error))
        yield error, relation
        waiting.extend(_linked(error))


def place_of(chain: Sequence[BaseException], error: BaseException | None) -> int | None:
    """Where in *chain* that very *error* stands."""
    return next((index for index, known in enumerate(chain) if known is error), None)


def is_group(error: BaseException) -> bool:
    """Whether it has members."""
    return issubclass(type(error), BaseExceptionGroup)


def was_raised(error: BaseException) -> bool:
    """Whether *error* was raised, here or in another process."""
    return traceback_of(error) is not None or cause_of(error) is not None


def _place_in(chain: list[BaseException], error: BaseException | None) -> int:
    if error is None:
        return -3
    for index, known in enumerate(chain):
        if known is error:
            return index
    chain.append(error)
    return len(chain) - 1


def _linked(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    cause, context = cause_of(error), context_of(error)
    members = members_of(error)[:MAX_EXCEPTIONS] if is_group(error) else ()
    # A member is told as that: what the body of a TaskGroup raised is one, and is hidden by its `from None` as well.
    if cause is not None and place_of(members, cause) is None:
        yield cause, "cause"
    if context is not None and context is not cause and place_of(members, context) is None:
        yield context, "suppressed" if is_suppressed(error) else "context"
    for member in members:
        yield member, "member"
