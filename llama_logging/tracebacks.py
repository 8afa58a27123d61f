"""An exception as text and as data.

The text is the standard library's own (`traceback.TracebackException`). Everything an exception may
do to us while we look at it (a `__str__` that raises, blocks of a chain that lead back to itself,
groups of fifty thousand) is bounded or caught here.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from llama_logging import fingerprint, plain
from llama_logging.context import ExceptionDetail, Stack
from llama_logging.frames import frames_of, innermost
from llama_logging.redaction import redact

MAX_EXCEPTIONS = 50
MAX_TEXT = 65_536
"""Characters of stack text that are kept."""

_NUMBERED = ("errno", "status_code", "status", "code")
_NONE: dict[str, int] = {}
_NO_NUMBERS = (_NONE,)

_KEY_LENGTH = 1_000
_KNOWN_STACKS = 4_096
_known: dict[tuple[int, ...], _Known] = {}

_HEADER = "Traceback (most recent call last):\n"
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"

# Read past what a class may pretend: BaseException's own slots, not attribute access.
_cause = BaseException.__dict__["__cause__"].__get__
_context = BaseException.__dict__["__context__"].__get__
_suppressed = BaseException.__dict__["__suppress_context__"].__get__
_traceback = BaseException.__dict__["__traceback__"].__get__
_members = BaseExceptionGroup.__dict__["exceptions"].__get__
_dict = BaseException.__dict__["__dict__"].__get__
_names = type.__dict__["__dict__"].__get__
_sys = sys.__dict__


class Described(NamedTuple):
    """An exception as data.

    Attributes:
        stack: What all exceptions of this place share.
        parts, messages, attributes: See ErrorContext.
        text: The text of `traceback.format_exception`, to the letter; None where it was bounded.
    """

    stack: Stack
    parts: tuple[str, ...]
    messages: tuple[str, ...]
    attributes: tuple[dict[str, int], ...]
    text: str | None


def describe(exception: BaseException) -> Described:
    """Describe *exception* and all it is chained to. Never raises, whatever the exception does.

    What was seen before (the same classes, code objects and positions along the whole chain) is not
    formatted again: only the exceptions' own lines are, and those only where the standard library is
    known to write `Type: message`. Everything else is left to it.
    """
    chain, key = _identify(exception)
    if "tracebacklimit" in _sys:  # the standard library's text depends on it; who sets it waits
        key = None
    known = _known.get(key) if key is not None else None
    if known is None:
        return _learn(exception, chain, key)
    if not known.plain or not all(_is_plain(error) for error in chain):
        return _by_standard_library(exception, chain, known)
    return _from_known(chain, known)


@dataclass(frozen=True, slots=True)
class _Known:
    """A stack that was seen before.

    Attributes:
        held: The classes and code objects in its key, so that no others can get their ids.
        pieces: The template, taken apart at the places for the exceptions' lines.
        heads: For each of those, in order, which exception of the chain it is and its `Type`.
        names: For each exception of the chain, the attributes that its class has a number in.
        plain: Whether the lines are `Type: message` and no more.
    """

    stack: Stack
    held: tuple[object, ...]
    pieces: tuple[str, ...]
    heads: tuple[tuple[int, str], ...]
    names: tuple[tuple[str, ...], ...]
    plain: bool


def _identify(exception: BaseException) -> tuple[list[BaseException], tuple[int, ...] | None]:
    """The exceptions of the chain, and what identifies it; None if it must not be remembered.

    The bytecode lies within the code object (since 3.11), so that its id plus the offset of an
    instruction is unique among all code objects that are alive.
    """
    chain, key = [exception], []
    for error in chain:
        key.append(id(type(error)))
        tb = _traceback(error)
        while tb is not None:
            key.append(id(tb.tb_frame.f_code) + tb.tb_lasti)
            tb = tb.tb_next
        cause, context = _cause(error), _context(error)
        if cause is not None or context is not None:
            key.append(-2 if _suppressed(error) else -1)
            for linked in (cause, context):
                key.append(_place_in(chain, linked))
        if len(key) > _KEY_LENGTH or issubclass(type(error), BaseExceptionGroup):
            return [error for error, _ in _walk(exception)], None
    return chain, tuple(key)


def _place_in(chain: list[BaseException], error: BaseException | None) -> int:
    if error is None:
        return -3
    for index, known in enumerate(chain):
        if known is error:
            return index
    chain.append(error)
    return len(chain) - 1


def _is_plain(error: BaseException) -> bool:
    return not _dict(error).get("__notes__")


def _from_known(chain: list[BaseException], known: _Known) -> Described:
    if len(chain) == 1 and known.heads and not known.names[0]:
        return _from_known_single(chain[0], known)
    texts, exact = [], True
    for error in chain:
        raw = _said(error)
        text = plain.text(raw)
        message = redact(text)
        exact = exact and message is raw
        texts.append(message)
    parts = tuple([_line(head, texts[index]) for index, head in known.heads])
    whole = None
    if exact:
        whole = known.pieces[0]
        for part, piece in zip(parts, known.pieces[1:], strict=True):
            whole += part + piece
    attributes = tuple(
        [_numbers(error, names) if names else _NONE for error, names in zip(chain, known.names, strict=True)]
    )
    return Described(known.stack, parts, tuple(texts), attributes, whole)


def _from_known_single(error: BaseException, known: _Known) -> Described:
    """As above, for the most frequent kind."""
    raw = _said(error)
    text = plain.text(raw)
    message = redact(text)
    head = known.heads[0][1]
    part = _line(head, message)
    whole = None
    if text is raw:
        whole = f"{known.pieces[0]}{part if message is text else _line(head, text)}{known.pieces[1]}"
    return Described(known.stack, (part,), (message,), _NO_NUMBERS, whole)


def _line(head: str, message: str) -> str:
    return f"{head}: {message}\n" if message else f"{head}\n"


def _learn(exception: BaseException, chain: list[BaseException], key: tuple[int, ...] | None) -> Described:
    walked = list(_walk(exception))
    shapes = tuple(_shape(error, relation) for error, relation in walked)
    messages = tuple(message_of(error) for error, _ in walked)
    attributes = tuple(_numbers(error, _NUMBERED) for error, _ in walked)
    template, parts, whole = _text_of(exception, shapes, messages)
    stack = stack_of(template, shapes)
    # If secrets were taken out of a source line or a message, the text is not the standard library's.
    if key is not None and len(walked) == len(chain) and whole == stack.text(parts):
        _remember(key, chain, stack, parts, messages, attributes)
    return Described(stack, parts, messages, attributes, whole)


def _remember(
    key: tuple[int, ...],
    chain: list[BaseException],
    stack: Stack,
    parts: tuple[str, ...],
    messages: tuple[str, ...],
    attributes: tuple[dict[str, int], ...],
) -> None:
    held: list[object] = [type(error) for error in chain]
    held += [frame.f_code for error in chain for frame, _ in traceback.walk_tb(_traceback(error))]
    heads = _heads(_rendered(chain), parts, messages)
    learnt = _Known(
        stack=stack,
        held=tuple(held),
        pieces=tuple(stack.template.split("\0")),
        heads=heads or (),
        names=tuple(tuple(numbers) for numbers in attributes),
        plain=heads is not None and all(_says_no_more(type(error)) for error in chain),
    )
    if len(_known) >= _KNOWN_STACKS:
        _known.clear()
    _known[key] = learnt


def _rendered(chain: list[BaseException]) -> list[int]:
    """Which exceptions of *chain* the text shows, in its order: the one that was raised comes last."""
    shown: list[int] = []
    error: BaseException | None = chain[0]
    while error is not None:
        index = next(index for index, known in enumerate(chain) if known is error)
        if index in shown:
            break
        shown.insert(0, index)
        cause = _cause(error)
        error = cause if cause is not None or _suppressed(error) else _context(error)
    return shown


def _heads(shown: list[int], parts: tuple[str, ...], messages: tuple[str, ...]) -> tuple[tuple[int, str], ...] | None:
    """Which exception each part is of, and its `Type`; None if a part is more than `Type: message`."""
    if len(shown) != len(parts):
        return None
    heads = []
    for index, part in zip(shown, parts, strict=True):
        tail = f": {messages[index]}\n" if messages[index] else "\n"
        head = part.removesuffix(tail)
        if head == part or "\n" in head:
            return None
        heads.append((index, head))
    return tuple(heads)


def _says_no_more(cls: type[BaseException]) -> bool:
    """Whether the standard library adds nothing to `Type: message` for *cls*: no hints, no source, no notes."""
    if issubclass(cls, SyntaxError | NameError | AttributeError | ImportError):
        return False
    mro = type.__dict__["__mro__"].__get__(cls)
    own = (_names(base) for base in mro if base is not BaseException and base is not object)
    return not any(
        name in names for names in own for name in ("__notes__", "__getattr__", "__getattribute__", "__class__")
    )


def _by_standard_library(exception: BaseException, chain: list[BaseException], known: _Known) -> Described:
    messages = tuple(message_of(error) for error in chain)
    template, parts, whole = _text_of(exception, known.stack.exceptions, messages)
    stack = known.stack if template == known.stack.template else replace(known.stack, template=template)
    attributes = tuple(_numbers(error, names) for error, names in zip(chain, known.names, strict=True))
    return Described(stack, parts, messages, attributes, whole)


def stack_of(template: str, shapes: tuple[ExceptionDetail, ...]) -> Stack:
    """The stack of these exceptions: named after the main one, placed where that was raised."""
    grouping, main = fingerprint.of_exceptions(shapes), fingerprint.main_of(shapes)
    place = innermost(shapes[main].frames)
    return Stack(
        error_type=shapes[main].type.rpartition(".")[2],
        module=place.module if place else "",
        function=place.function if place else "",
        file=place.file if place else "",
        line=place.line if place else 0,
        template=template,
        exceptions=shapes,
        main=main,
        grouping=grouping,
        fingerprint=fingerprint.fingerprint(grouping),
    )


def _walk(exception: BaseException) -> Iterator[tuple[BaseException, str]]:
    seen: set[int] = set()
    waiting: list[tuple[BaseException, str]] = [(exception, "raised")]
    while waiting and len(seen) < MAX_EXCEPTIONS:
        error, relation = waiting.pop(0)
        if id(error) in seen:
            continue
        seen.add(id(error))
        yield error, relation
        waiting.extend(_linked(error))


def _linked(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    cause, context = _cause(error), _context(error)
    if cause is not None:
        yield cause, "cause"
    if context is not None and context is not cause:
        yield context, "suppressed" if _suppressed(error) else "context"
    if issubclass(type(error), BaseExceptionGroup):
        for member in _members(error)[:MAX_EXCEPTIONS]:
            yield member, "member"


def _shape(error: BaseException, relation: str) -> ExceptionDetail:
    cls = type(error)
    try:
        frames = frames_of(_traceback(error))
    except Exception:
        frames = ()
    return ExceptionDetail(
        type=plain.type_name(cls).rpartition(plain.module_name(cls) + ".")[2],
        module=plain.module_name(cls),
        message="",
        bases=tuple(plain.type_name(base) for base in type.__dict__["__mro__"].__get__(cls)[:-2])[:20],
        relation=relation,
        frames=frames,
    )


def message_of(error: BaseException) -> str:
    """`str(error)`, bounded, secrets out; if that raises, text that says so, as the standard library puts it."""
    return redact(plain.text(_said(error)))


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return "<exception str() failed>"


def _numbers(error: BaseException, names: tuple[str, ...]) -> dict[str, int]:
    """Those of *names* in which *error* has a number; `status_code` may be its response's."""
    found = {}
    for name in names:
        value = _quiet(error, name)
        if name == "status_code" and type(value) is not int:
            value = _quiet(_quiet(error, "response"), name)
        if type(value) is int:
            found[name] = value
    return found


def _quiet(owner: object, name: str) -> object:
    try:
        return getattr(owner, name, None)
    except BaseException:
        return None


def _text_of(
    exception: BaseException, shapes: tuple[ExceptionDetail, ...], messages: tuple[str, ...]
) -> tuple[str, tuple[str, ...], str | None]:
    """Template, parts and whole text; the standard library's, where that is to be had in bounds."""
    if len(shapes) >= MAX_EXCEPTIONS:
        return *_own_text(shapes, messages), None
    try:
        template, raw = _standard_text(exception)
    except BaseException:
        # P4 of the fault catalogue: whatever foreign code raises here, SystemExit too, stays here.
        return *_own_text(shapes, messages), None
    bounded, parts = _bounded(template, raw)
    whole = (
        Stack(error_type="", template=template).text(tuple(raw))
        if len(template) + sum(map(len, raw)) < MAX_TEXT
        else None
    )
    return bounded, parts, whole


def _standard_text(exception: BaseException) -> tuple[str, list[str]]:
    rendered = traceback.TracebackException(type(exception), exception, _traceback(exception), compact=True)
    chain = list(_rendered_chain(rendered))
    if any(link.exceptions is not None for link, _ in chain):
        return "\0", ["".join(rendered.format())]
    template: list[str] = []
    parts: list[str] = []
    for link, joint in reversed(chain):
        if link.stack:
            template += [_HEADER, *(line.replace("\0", " ") for line in link.stack.format())]
        template += ["\0", joint]
        parts.append("".join(link.format_exception_only()))
    return "".join(template), parts


def _rendered_chain(
    link: traceback.TracebackException | None,
) -> Iterator[tuple[traceback.TracebackException, str]]:
    """*link* and what the text shows before it, each with the line that joins it to the next."""
    joint = ""
    while link is not None:
        yield link, joint
        if link.__cause__ is not None:
            link, joint = link.__cause__, _CAUSE
        elif link.__context__ is not None and not link.__suppress_context__:
            link, joint = link.__context__, _CONTEXT
        else:
            return


def _own_text(shapes: tuple[ExceptionDetail, ...], messages: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Plain text from the data alone, where the standard library's way is not to be had."""
    error = shapes[0]
    lines = [f'  File "{f.file}", line {f.line}, in {f.function}\n    {f.source}\n' for f in error.frames]
    also = f"... and {len(shapes) - 1} chained exceptions\n" if len(shapes) > 1 else ""
    return _bounded(_HEADER + "".join(lines) + "\0" + also, [f"{error.qualified_type}: {messages[0]}\n"])


def _bounded(template: str, parts: list[str]) -> tuple[str, tuple[str, ...]]:
    room = max(1000, MAX_TEXT // max(1, len(parts)))
    clean = tuple(redact(plain.text(part, room)) for part in parts)
    pieces = template.split("\0")
    room = max(1000, MAX_TEXT // len(pieces))
    return "\0".join(redact(plain.text(piece, room)) for piece in pieces), clean
