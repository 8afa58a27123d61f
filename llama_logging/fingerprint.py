"""Which occurrences are the same error.

A fingerprint is made from readable inputs, which are kept beside it, so that a grouping can be
explained. Line numbers and rendered messages are never among them: an edit elsewhere in the file or
another user's name must not make a new group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llama_logging import plain
from llama_logging.context import ErrorContext, ExceptionDetail, Frame
from llama_logging.frozen import replace
from llama_logging.patterns import regex

try:
    from _blake2 import blake2b  # hashlib has it from there, and loads OpenSSL besides
except ImportError:
    from hashlib import blake2b

VERSION = "v1"

# One pass, no nested quantifier: linear in the length of the text.
_VARIABLE = regex(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d+")


def fingerprint(inputs: Sequence[str]) -> str:
    """The fingerprint of *inputs*: the version, then 16 hex digits (64 bits of BLAKE2b).

    >>> fingerprint(["ValueError", "app.main: int(text)"])
    'v1:290fb60c1e70c043'
    """
    named = digest("\x1f".join(inputs))
    return f"{VERSION}:{named}"


def digest(text: str) -> str:
    """16 hex digits that stand for *text*."""
    return blake2b(text.encode(), digest_size=8).hexdigest()


def of_exceptions(exceptions: Sequence[ExceptionDetail]) -> tuple[str, ...]:
    """The inputs of an exception and all it is chained to: types, and the application's own frames.

    A group is what its members are: a TaskGroup in which twenty tasks failed in one way is that one
    error, however many there were (the rule of Sentry's RFC 0079). Members that differ stand sorted,
    one of each, after the group itself.
    """
    leaves = _leaves(exceptions)
    if not leaves:
        return tuple(line for exception in exceptions for line in _of_exception(exception))
    distinct = sorted({tuple(_of_exception(replace(exceptions[leaf], relation="raised"))) for leaf in leaves})
    if len(distinct) == 1:
        return distinct[0]
    members = (line for inputs in distinct for line in ("member", *inputs))
    return (*_of_exception(exceptions[0]), *members)


def main_of(exceptions: Sequence[ExceptionDetail]) -> int:
    """Which exception gives the error its name: the first; of a group whose members are all alike, a member."""
    leaves = _leaves(exceptions)
    kinds = {tuple(_of_exception(replace(exceptions[leaf], relation="raised"))) for leaf in leaves}
    return leaves[0] if len(kinds) == 1 else 0


def renewed(context: ErrorContext) -> ErrorContext:
    """*context* with a stack that is grouped as this version groups; the same if it is already."""
    stack = context.stack
    if not stack.fingerprint or stack.fingerprint.startswith(f"{VERSION}:"):
        return context
    if stack.exceptions:
        inputs = of_exceptions(stack.exceptions)
    else:
        template = context.log_template or context.log_message
        inputs = of_message(context.logger_name, template, rendered=not context.log_template)
    key = fingerprint(inputs)
    own = context.grouping == stack.grouping
    return replace(
        context,
        stack=replace(stack, grouping=inputs, fingerprint=key),
        grouping=inputs if own else context.grouping,
        fingerprint=key if own else context.fingerprint,
    )


def of_message(logger_name: str, template: str, *, rendered: bool) -> tuple[str, ...]:
    """The inputs of a record without exception.

    Args:
        logger_name: Name of the logger.
        template: `record.msg`.
        rendered: True if *template* had no arguments: then values are likely to stand in it, and
            numbers, addresses and UUIDs are taken out.
    """
    return (f"logger {plain.of_main(logger_name)}", f"message {normalise(template) if rendered else template}")


def normalise(message: str) -> str:
    """The first line of *message* with what varies taken out.

    >>> normalise("user 8123 not found at 0x7f00aa")
    'user <n> not found at <n>'
    """
    return _VARIABLE.sub("<n>", message[:2048].partition("\n")[0])


def _leaves(exceptions: Sequence[ExceptionDetail]) -> list[int]:
    """The members of the group that was raised, and of the groups in it; empty if it was no group."""
    if not exceptions or not _is_group(exceptions[0]):
        return []
    return [
        index
        for index, exception in enumerate(exceptions)
        if exception.relation == "member" and not _is_group(exception)
    ]


def _is_group(exception: ExceptionDetail) -> bool:
    return "BaseExceptionGroup" in exception.bases


def _of_exception(exception: ExceptionDetail) -> Iterator[str]:
    yield (
        exception.qualified_type
        if exception.relation == "raised"
        else (f"{exception.relation} {exception.qualified_type}")
    )
    frames = [frame for frame in exception.frames if frame.in_app] or exception.frames
    previous: Frame | None = None
    for frame in frames:
        # A recursion ten deep is the error of a recursion a thousand deep.
        if frame != previous:
            yield f"{frame.module}.{frame.function}: {frame.source}"
        previous = frame
