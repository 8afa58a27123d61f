"""An exception as text and as data: what was seen of it from outside, and what it says of itself.

Everything an exception may do to us when it is asked (a `__str__` that raises, a chain that leads back
to itself, groups of fifty thousand) is bounded or caught here.

The text is the standard library's own. An exception's own lines are made here where the standard
library is known to write `Type: message`, and left to it everywhere else.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from json import dumps
from types import TracebackType
from typing import Any

from llama_logging import plain
from llama_logging.capture import endpoints
from llama_logging.capture.chains import MAX_EXCEPTIONS
from llama_logging.capture.codes import TELLING, Codes, codes_of
from llama_logging.capture.kinds import kind_of
from llama_logging.capture.sights import HEADER, MAX_TEXT, Sight, bounded, look
from llama_logging.context import Frame, Stack
from llama_logging.redaction import clean, clean_data
from llama_logging.redaction.credentials import REDACTED
from llama_logging.runtime.slots import arguments_of, attributes_of, traceback_of


class Described:
    """An exception as data.

    Attributes:
        stack: What all exceptions of this place share.
        parts, messages, attributes: See ErrorContext.
        text: The text of `traceback.format_exception`, to the letter; None where it was bounded.
    """

    __slots__ = ("attributes", "messages", "parts", "stack", "text")

    def __init__(
        self,
        stack: Stack,
        parts: tuple[str, ...],
        messages: tuple[str, ...],
        attributes: tuple[Codes, ...] = (),
        text: str | None = None,
    ) -> None:
        self.stack, self.parts, self.messages = stack, parts, messages
        self.attributes, self.text = attributes, text


def describe(exception: BaseException) -> Described:
    """Describe *exception* and all it is chained to. Never raises, whatever the exception does."""
    return tell(look(exception, traceback_of(exception)))


def tell(sight: Sight) -> Described:
    """What the exceptions in *sight* say of themselves."""
    chain, known = sight.chain, sight.known
    if known.single:
        error = chain[0]
        if TELLING.isdisjoint(attributes_of(error)) and not _has_notes(error) and type(raw := _said(error)) is str:
            whole = f"{known.pieces[0]}{_line(_head(error), raw)}{known.pieces[1]}" if len(raw) < MAX_TEXT else None
            return Described(known.stack, (), (clean(raw),), (), whole)
    messages = [_said(error) for error in chain]
    told = tuple([clean(message) for message in messages])
    numbers = tuple([codes_of(error, names) for error, names in zip(chain, known.names, strict=True)])
    if known.knowing is not None and (endpoint := endpoints.served(sight.tb, known.knowing)):
        numbers = ({**numbers[0], "endpoint": endpoint}, *numbers[1:])
    stack = known.stack
    parts: tuple[str, ...] = ()
    lines: list[str] | None
    if known.plain_spoken and not any(map(_has_notes, chain)) and all(type(message) is str for message in messages):
        lines = [_line(_head(chain[index]), messages[index]) for index in stack.shown]
    else:
        lines = _lines(chain[0], sight.tb, stack)
        parts = bounded(lines) if lines is not None else _own_lines(stack, told)
    whole = _joined(known.pieces, lines) if lines is not None and (known.pieces or not stack.shown) else None
    return Described(stack, parts, told, numbers if any(numbers) else (), whole)


def told_by_arguments(sight: Sight) -> Described:
    """As `tell`, from the exceptions' arguments alone: no code of the application's is run.

    Of a class with a `__str__` of its own they are told by their kinds, not their values.
    """
    messages = tuple(_arguments(error) for error in sight.chain)
    stack = sight.known.stack
    return Described(stack, () if stack.shown else _own_lines(stack, messages), messages)


def text_of_frames(frames: Sequence[Frame]) -> str:
    """The calls of one exception, as the standard library prints them; empty without any."""
    lines = [
        f'  File "{frame.file}", line {frame.line}, in {frame.function}\n'
        + (f"    {frame.source}\n" if frame.source else "")
        for frame in frames
    ]
    return HEADER + "".join(lines) if lines else ""


def last_line(exception: BaseException, said: str) -> str:
    """The last of the standard library's text for an exception whose place is `formal`, and that says *said*."""
    head = _head(exception)
    return f"{head}: {said}" if said else head


def message_of(error: BaseException) -> str:
    """`str(error)`, bounded, secrets out; if that raises, text that says so, as the standard library puts it."""
    return clean(_said(error))


def _arguments(error: BaseException) -> str:
    if kind_of(type(error)).speaks:
        # Its own words alone would say which of them is a secret: `password=%s`.
        return ", ".join(map(_measured, arguments_of(error)[: plain.LIMITS.items]))
    (arguments,) = clean_data([arguments_of(error)])  # in a list a name and what stands under it are known as such
    told = arguments[0] if len(arguments) == 1 else _without_repeated(arguments, arguments_of(error))
    return plain.text(told if type(told) is str else dumps(told))


def _without_repeated(cleaned: list[Any], arguments: Sequence[Any]) -> list[Any]:
    """Without what may be the secret that one of several arguments tells of: attrs gives the value besides."""
    tell = [type(said) is str and REDACTED in said for said in cleaned]
    if not any(tells and said != REDACTED for said, tells in zip(cleaned, tell, strict=True)):
        return cleaned
    pairs = zip(cleaned, arguments, tell, strict=False)
    return [said if tells else _measured(argument) for said, argument, tells in pairs]


def _measured(argument: Any) -> str:
    kind = plain.type_name(type(argument))
    return f"<{kind}, {str.__len__(argument)} characters>" if issubclass(type(argument), str) else f"<{kind}>"


def _said(error: BaseException) -> str:
    """`str(error)`; what is no plain str may be another text each time the standard library asks for it."""
    try:
        return str(error)
    except BaseException:
        return "<exception str() failed>"


def _has_notes(error: BaseException) -> bool:
    """Whether it has notes; its class may have got some since it was seen first."""
    try:
        return hasattr(error, "__notes__")
    except BaseException:
        return True


def _head(error: BaseException) -> str:
    """What the standard library prints before the message. Never remembered: a class may get another name."""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__qualname__}"


def _line(head: str, message: str) -> str:
    return f"{head}: {message}\n" if message else f"{head}\n"


def _lines(exception: BaseException, tb: TracebackType | None, stack: Stack) -> list[str] | None:
    """The exceptions' own lines as the standard library has them; its whole text where none are `shown`."""
    if len(stack.exceptions) >= MAX_EXCEPTIONS:
        return None
    try:
        rendered = traceback.TracebackException(
            type(exception), exception, tb, compact=True, limit=0 if stack.shown else None
        )
        if not stack.shown:
            return ["".join(rendered.format())]
        lines = ["".join(link.format_exception_only()) for link in _links(rendered)]
    except BaseException:
        # P4 of the fault catalogue: whatever foreign code raises here, SystemExit too, stays here.
        return None
    return lines[::-1] if len(lines) == len(stack.shown) else None


def _links(link: traceback.TracebackException | None) -> Iterator[traceback.TracebackException]:
    while link is not None:
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _joined(pieces: tuple[str, ...], lines: Sequence[str]) -> str | None:
    """The whole text; None if it is too long."""
    if not pieces:
        return lines[0] if len(lines) == 1 and len(lines[0]) < MAX_TEXT else None
    if sum(map(len, lines)) > MAX_TEXT:
        return None
    return "".join([text for pair in zip(pieces, (*lines, ""), strict=True) for text in pair])


def _own_lines(stack: Stack, messages: tuple[str, ...]) -> tuple[str, ...]:
    """From the data alone, where the standard library's lines are not to be had."""
    if stack.shown:
        return tuple(_line(stack.exceptions[index].qualified_type, messages[index]) for index in stack.shown)
    error = stack.exceptions[0]
    others = len(stack.exceptions) - 1
    also = f"... and {others} chained exceptions\n" if others else ""
    return bounded([f"{text_of_frames(error.frames)}{_line(error.qualified_type, messages[0])}{also}"])
