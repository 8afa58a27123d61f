"""An exception as text and as data.

In two steps. `look` takes what is there without running any code of the application's: classes,
places, chain. `tell` asks the exceptions what they have to say. Everything one may do to us
meanwhile (a `__str__` that raises, a chain that leads back to itself, groups of fifty thousand) is
bounded or caught here.

The text is the standard library's own. What was seen before (the same classes and places along the
whole chain) is not put together again; an exception's own lines are made here where the standard
library is known to write `Type: message`, and left to it everywhere else.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from json import dumps
from types import TracebackType
from typing import Any

from llama_logging import fingerprint, plain, seen
from llama_logging.codes import CARRYING, TELLING, Codes, codes_of
from llama_logging.context import ExceptionDetail, Form, Frame, Stack
from llama_logging.frames import MAX_SOURCE, Call, calls_of, frames_of, in_app, innermost, module_in, text_of
from llama_logging.frozen import Frozen
from llama_logging.kinds import Kind, kind_of
from llama_logging.redaction import clean, clean_data
from llama_logging.redaction.own import on_more, own_patterns

MAX_EXCEPTIONS = 50
MAX_TEXT = 65_536
"""Characters of stack text that are kept."""

_REMOTE = ("_RemoteTraceback", "RemoteTraceback")
"""The causes that concurrent.futures and multiprocessing give what failed in a worker."""
_TELLING = TELLING | {"__notes__", "__fingerprint__", seen.MARK}

_MOST_LINES = 2**31
_KEY_LENGTH = 1_000
_KNOWN_STACKS = 4_096
_known: dict[tuple[int, ...], Known] = {}

HEADER = "Traceback (most recent call last):\n"
CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"

# Read past what a class may pretend: the slots themselves, not attribute access.
_cause = BaseException.__dict__["__cause__"].__get__
_context = BaseException.__dict__["__context__"].__get__
_suppressed = BaseException.__dict__["__suppress_context__"].__get__
own_traceback = BaseException.__dict__["__traceback__"].__get__
_args = BaseException.__dict__["args"].__get__
_members = BaseExceptionGroup.__dict__["exceptions"].__get__
_filename = OSError.__dict__["filename"].__get__
_written_at = [SyntaxError.__dict__[name].__get__ for name in ("filename", "lineno", "text", "offset")]
_dict = BaseException.__dict__["__dict__"].__get__
_sys = sys.__dict__


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


class Sight:
    """What is to be seen of an exception from outside.

    Attributes:
        chain: The exception, then its causes, contexts and members.
        known: What is known of its place.
        tb: The traceback that it was given with.
    """

    __slots__ = ("chain", "known", "tb")

    def __init__(self, chain: list[BaseException], known: Known, tb: TracebackType | None) -> None:
        self.chain, self.known, self.tb = chain, known, tb

    @property
    def stack(self) -> Stack:
        """What all exceptions of this place share."""
        return self.known.stack

    @property
    def fingerprint(self) -> object:
        """What the exception says of its fingerprint, as `__fingerprint__`; None if nothing."""
        own = _dict(self.chain[0]).get("__fingerprint__")
        return self.known.given if own is None else own

    def is_quiet(self) -> bool:
        """Whether `tell` runs no code of the application's."""
        return self.known.quiet and all(map(_is_quiet, self.chain))


class Known(Frozen):
    """A place that was seen before, or several of a chain.

    Attributes:
        held: What holds the classes and code objects in its key, so that no others can get their ids.
        pieces: The text, taken apart at the places for the exceptions' own lines; empty where that
            text is the standard library's to make, or too long.
        plain_spoken: Whether each of those lines is the class's name and the message, nothing else.
        names: For each exception, where its class may have a number.
        given: The `__fingerprint__` of the class that was raised.
        quiet: Whether the exceptions' classes have no code of their own that `tell` would run.
        single: Whether it is one exception with one line, without numbers and not too long, as most are.
        formal: Whether besides it is quiet and gives no fingerprint: then a message is all there is to it.
        remote: Which of the exceptions is no more than the text of a traceback in another process; -1 for none.
        forms: Those of the errors that were logged from here, by `forms`.
    """

    stack: Stack
    held: tuple[object, ...]
    pieces: tuple[str, ...]
    plain_spoken: bool
    names: tuple[tuple[str, ...], ...]
    given: object
    quiet: bool
    single: bool
    formal: bool
    remote: int
    forms: dict[tuple[int, int], Form]


def describe(exception: BaseException) -> Described:
    """Describe *exception* and all it is chained to. Never raises, whatever the exception does."""
    return tell(look(exception, own_traceback(exception)))


def look(exception: BaseException, tb: TracebackType | None) -> Sight:
    """What is to be seen of *exception* without running any code of the application's.

    Args:
        exception: What was raised.
        tb: Whatever traceback it was given with, which need not be its own.
    """
    chain, key = _identify(exception, tb)
    memory = _known
    known = memory.get(key)
    if known is None or "tracebacklimit" in _sys:  # the standard library's text depends on it
        walked = list(_walk(exception))
        chain = [error for error, _ in walked]
        known = _learn(walked, tb)
        if len(key) < _KEY_LENGTH and known.pieces:
            if len(memory) >= _KNOWN_STACKS:
                memory.clear()
            memory[key] = known
    return Sight(chain, known, tb)


@on_more
def _forget() -> None:
    global _known
    _known = {}


def tell(sight: Sight) -> Described:
    """What the exceptions in *sight* say of themselves."""
    chain, known = sight.chain, sight.known
    if known.single:
        error = chain[0]
        if TELLING.isdisjoint(_dict(error)) and not _has_notes(error) and type(raw := _said(error)) is str:
            whole = f"{known.pieces[0]}{_line(_head(error), raw)}{known.pieces[1]}" if len(raw) < MAX_TEXT else None
            return Described(known.stack, (), (clean(raw),), (), whole)
    messages = [_said(error) for error in chain]
    told = tuple([clean(message) for message in messages])
    numbers = tuple([codes_of(error, names) for error, names in zip(chain, known.names, strict=True)])
    stack = known.stack
    parts: tuple[str, ...] = ()
    lines: list[str] | None
    if known.plain_spoken and not any(map(_has_notes, chain)) and all(type(message) is str for message in messages):
        lines = [_line(_head(chain[index]), messages[index]) for index in stack.shown]
    else:
        lines = _lines(chain[0], sight.tb, stack)
        parts = _bounded(lines) if lines is not None else _own_lines(stack, told)
    whole = _joined(known.pieces, lines) if lines is not None and (known.pieces or not stack.shown) else None
    return Described(stack, parts, told, numbers if any(numbers) else (), whole)


def told_by_arguments(sight: Sight) -> Described:
    """As `tell`, from the exceptions' arguments alone: no code of the application's is run.

    Of a class with a `__str__` of its own they are told by their kinds, not their values.
    """
    messages = tuple(_arguments(error) for error in sight.chain)
    stack = sight.known.stack
    return Described(stack, () if stack.shown else _own_lines(stack, messages), messages)


def stack_of(template: str, shapes: tuple[ExceptionDetail, ...], shown: tuple[int, ...] = ()) -> Stack:
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
        shown=shown,
        main=main,
        grouping=grouping,
        fingerprint=fingerprint.fingerprint(grouping),
    )


def text_of_frames(frames: Sequence[Frame]) -> str:
    """The calls of one exception, as the standard library prints them; empty without any."""
    lines = [
        f'  File "{frame.file}", line {frame.line}, in {frame.function}\n'
        + (f"    {frame.source}\n" if frame.source else "")
        for frame in frames
    ]
    return HEADER + "".join(lines) if lines else ""


def recognise(exception: BaseException, tb: object) -> Known | None:
    """What is known of the place that *tb* tells of *exception*.

    None if nothing is, if the exception may have more to say than a message, or if *tb* is no traceback.
    """
    if not _TELLING.isdisjoint(_dict(exception)) or not plain.are_quiet(_args(exception)) or "tracebacklimit" in _sys:
        return None
    if _cause(exception) is not None or _context(exception) is not None:
        return None
    if type(tb) is not TracebackType and tb is not None:
        return None
    # As `_identify` does it for a whole chain.
    key = [id(type(exception))]
    while tb is not None:
        key.append(id(tb.tb_frame.f_code) + tb.tb_lasti)
        tb = tb.tb_next
    known = _known.get(tuple(key))
    return known if known is not None and known.formal and not hasattr(exception, "__notes__") else None


def last_line(exception: BaseException, said: str) -> str:
    """The last of the standard library's text for an exception whose place is `formal`, and that says *said*."""
    head = _head(exception)
    return f"{head}: {said}" if said else head


def was_raised(error: BaseException) -> bool:
    """Whether *error* was raised, here or in another process."""
    return own_traceback(error) is not None or _cause(error) is not None


def message_of(error: BaseException) -> str:
    """`str(error)`, bounded, secrets out; if that raises, text that says so, as the standard library puts it."""
    return clean(_said(error))


def _identify(exception: BaseException, tb: TracebackType | None) -> tuple[list[BaseException], tuple[int, ...]]:
    """The exceptions of the chain, and what identifies it: the ids of classes and places.

    The bytecode lies within the code object (since 3.11), so that its id plus the offset of an
    instruction is unique among all code objects that are alive. Groups are never known.
    """
    chain, key = [exception], []
    for error in chain:
        key.append(id(type(error)))
        if error is not exception:
            tb = own_traceback(error)
        while tb is not None:
            key.append(id(tb.tb_frame.f_code) + tb.tb_lasti)
            tb = tb.tb_next
        cause, context = _cause(error), _context(error)
        if cause is not None or context is not None:
            key.append(-2 if _suppressed(error) else -1)
            for linked in (cause, context):
                key.append(_place_in(chain, linked))
        if len(key) > _KEY_LENGTH:
            break
    return chain, tuple(key)


def _place_in(chain: list[BaseException], error: BaseException | None) -> int:
    if error is None:
        return -3
    for index, known in enumerate(chain):
        if known is error:
            return index
    chain.append(error)
    return len(chain) - 1


def _learn(walked: Sequence[tuple[BaseException, str]], tb: TracebackType | None) -> Known:
    chain, kinds = [error for error, _ in walked], [kind_of(type(error)) for error, _ in walked]
    calls = [calls_of(tb), *[calls_of(own_traceback(error)) for error in chain[1:]]]
    frames = [
        _written(error) if _is_unread(type(error), own) else frames_of(own)
        for error, own in zip(chain, calls, strict=True)
    ]
    shapes = tuple([_shape(kind, walk[1], own) for kind, walk, own in zip(kinds, walked, frames, strict=True)])
    alone = any(kind.pretends or _is_unread(kind.cls, own) for kind, own in zip(kinds, calls, strict=True))
    joints, shown = ([], ()) if alone else _rendered(chain)
    pieces = []
    for index, joint in zip(shown, joints, strict=True):
        text = text_of(calls[index])
        pieces.append(f"{joint}{HEADER}{text}" if text else joint)
    pieces += [""] if shown else ["", ""]
    fits = bool(shown) and sum(map(len, pieces)) < MAX_TEXT
    plain_spoken = bool(shown) and all(kind.says_no_more for kind in kinds)
    quiet = plain_spoken and not any(kind.speaks for kind in kinds)
    single = len(chain) == 1 and plain_spoken and fits and not kinds[0].names
    return Known(
        stack=stack_of("\0".join(_cleaned(pieces, calls)), shapes, shown),
        held=(*kinds, *[call.code for own in calls for call in own]),
        pieces=tuple(pieces) if fits else (),
        plain_spoken=plain_spoken,
        names=tuple([kind.names for kind in kinds]),
        given=kinds[0].fingerprint,
        quiet=quiet,
        single=single,
        formal=single and quiet and kinds[0].fingerprint is None,
        remote=next((index for index, error in enumerate(chain) if type(error).__name__ in _REMOTE), -1),
        forms={},
    )


def _cleaned(pieces: Sequence[str], calls: Sequence[Sequence[Call]]) -> Sequence[str]:
    """*pieces*, the text around the exceptions' own lines, bounded and without secrets."""
    longest = max(map(len, pieces))
    # Most calls are known from other places. No pattern reaches over the `  File "` between two of them.
    if longest <= _room(pieces) and not own_patterns and all(call.harmless for own in calls for call in own):
        return pieces
    return _bounded(piece.replace("\0", " ") for piece in pieces)


def _rendered(chain: Sequence[BaseException]) -> tuple[list[str], tuple[int, ...]]:
    """Which exceptions of *chain* the text shows, in its order, and what joins each to the one before.

    None of a group, of a chain too long, or under `sys.tracebacklimit`: those texts are not put together here.
    """
    if len(chain) >= MAX_EXCEPTIONS or "tracebacklimit" in _sys or any(map(_is_group, chain)):
        return [], ()
    joints, shown = [""], [0]
    while True:
        error = chain[shown[-1]]
        cause, context = _place(chain, _cause(error)), _place(chain, _context(error))
        if cause is not None and cause not in shown:
            joints.append(CAUSE)
            shown.append(cause)
        elif context is not None and context not in shown and not _suppressed(error):
            joints.append(CONTEXT)
            shown.append(context)
        else:
            # The one that was raised comes last, and what was said of a link stands behind it.
            return ["", *reversed(joints[1:])], tuple(reversed(shown))


def _place(chain: Sequence[BaseException], error: BaseException | None) -> int | None:
    return next((index for index, known in enumerate(chain) if known is error), None)


def _is_group(error: BaseException) -> bool:
    return issubclass(type(error), BaseExceptionGroup)


def _is_quiet(error: BaseException) -> bool:
    arguments = _args(error)
    if issubclass(type(error), OSError):
        arguments = (*arguments, _filename(error))
    own = _dict(error)
    if own and ("__notes__" in own or any(own.get(name) is not None for name in CARRYING)):
        return False
    return plain.are_quiet(arguments)


def _arguments(error: BaseException) -> str:
    if kind_of(type(error)).speaks:
        # Its own words alone would say which of them is a secret: `password=%s`.
        return ", ".join(map(_measured, _args(error)[: plain.LIMITS.items]))
    (arguments,) = clean_data([_args(error)])  # in a list a name and what stands under it are known as such
    told = arguments[0] if len(arguments) == 1 else arguments
    return plain.text(told if type(told) is str else dumps(told))


def _measured(argument: Any) -> str:
    kind = plain.type_name(type(argument))
    return f"<{kind}, {str.__len__(argument)} characters>" if issubclass(type(argument), str) else f"<{kind}>"


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
    members = _members(error)[:MAX_EXCEPTIONS] if _is_group(error) else ()
    # A member is told as that: what the body of a TaskGroup raised is one, and is hidden by its `from None` as well.
    if cause is not None and _place(members, cause) is None:
        yield cause, "cause"
    if context is not None and context is not cause and _place(members, context) is None:
        yield context, "suppressed" if _suppressed(error) else "context"
    for member in members:
        yield member, "member"


def _is_unread(cls: type[BaseException], calls: Sequence[Call]) -> bool:
    """Whether it is a SyntaxError without a traceback, as of a main script, which says itself where it is."""
    return not calls and issubclass(cls, SyntaxError)


def _written(error: BaseException) -> tuple[Frame, ...]:
    file, line, source, column = (get(error) for get in _written_at)
    if type(file) is not str:
        return ()
    place = Frame(
        module=clean(module_in(file), 200),
        function="<module>",
        file=clean(file, 1000),
        line=_count(line),
        source=clean(source.strip(), MAX_SOURCE) if type(source) is str else "",
        in_app=in_app(file),
        column=_count(column),
    )
    return (place,)


def _count(number: object) -> int:
    return number if type(number) is int and 0 < number < _MOST_LINES else 0


def _shape(kind: Kind, relation: str, frames: tuple[Frame, ...]) -> ExceptionDetail:
    return ExceptionDetail(
        type=kind.type,
        module=kind.module,
        message="",
        bases=kind.bases,
        relation=relation,
        frames=frames,
    )


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
    return _bounded([f"{text_of_frames(error.frames)}{_line(error.qualified_type, messages[0])}{also}"])


def _bounded(texts: Iterable[str]) -> tuple[str, ...]:
    texts = tuple(texts)
    return tuple(clean(text, _room(texts)) for text in texts)


def _room(texts: Sequence[str]) -> int:
    """How many characters of each are kept."""
    return max(1000, MAX_TEXT // max(1, len(texts)))
