"""What is to be seen of an exception without running any code of the application's: classes, places, chain.

What was seen before (the same classes and places along the whole chain) is not put together again.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Sequence
from types import TracebackType

from llama_logging import plain
from llama_logging.capture import endpoints, fingerprint, marks, seen
from llama_logging.capture.chains import LONGEST_KEY, MAX_EXCEPTIONS, identify, is_group, place_of, walk
from llama_logging.capture.codes import CARRYING, TELLING
from llama_logging.capture.frames import MAX_SOURCE, Call, calls_of, frames_of, in_app, innermost, module_in, text_of
from llama_logging.capture.kinds import Kind, kind_of
from llama_logging.context import ExceptionDetail, Form, Frame, Stack, own_calls
from llama_logging.frozen import Frozen
from llama_logging.redaction import clean
from llama_logging.redaction.own import on_more, own_patterns
from llama_logging.runtime.slots import (
    arguments_of,
    attributes_of,
    cause_of,
    context_of,
    filename_of,
    is_suppressed,
    traceback_of,
    written_at,
)

MAX_TEXT = 65_536
"""Characters of stack text that are kept."""
HEADER = "Traceback (most recent call last):\n"
CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"

_TELLING = TELLING | {"__notes__", "__fingerprint__", seen.MARK}
_MOST_LINES = 2**31
_KNOWN_STACKS = 4_096
_known: dict[tuple[int, ...], Known] = {}
_sys = sys.__dict__


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
        own = attributes_of(self.chain[0]).get("__fingerprint__")
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
        knowing: Which of the calls of the exception that was raised knows what a framework was serving; None where the
            application's own calls tell more.
        given: The `__fingerprint__` of the class that was raised.
        quiet: Whether the exceptions' classes have no code of their own that `tell` would run.
        single: Whether it is one exception with one line, without numbers and not too long, of no framework's own, as
            most are.
        formal: Whether besides it is quiet, gives no fingerprint, and carries what we know of it: then a message is all
            there is to it.
        forms: Those of the errors that were logged from here, by `forms`.
    """

    stack: Stack
    held: tuple[object, ...]
    pieces: tuple[str, ...]
    plain_spoken: bool
    names: tuple[tuple[str, ...], ...]
    knowing: int | None
    given: object
    quiet: bool
    single: bool
    formal: bool
    forms: dict[tuple[int, int], Form]


def look(exception: BaseException, tb: TracebackType | None) -> Sight:
    """What is to be seen of *exception* without running any code of the application's.

    Args:
        exception: What was raised.
        tb: Whatever traceback it was given with, which need not be its own.
    """
    chain, key = identify(exception, tb)
    memory = _known
    known = memory.get(key)
    if known is None or "tracebacklimit" in _sys:  # the standard library's text depends on it
        walked = list(walk(exception))
        chain = [error for error, _ in walked]
        known = _learn(walked, tb)
        if len(key) < LONGEST_KEY and known.pieces:
            if len(memory) >= _KNOWN_STACKS:
                memory.clear()
            memory[key] = known
    return Sight(chain, known, tb)


def recognise(exception: BaseException, tb: object) -> Known | None:
    """What is known of the place that *tb* tells of *exception*.

    None if nothing is, if the exception may have more to say than a message, or if *tb* is no traceback.
    """
    if (
        not _TELLING.isdisjoint(attributes_of(exception))
        or not plain.are_quiet(arguments_of(exception))
        or "tracebacklimit" in _sys
    ):
        return None
    if cause_of(exception) is not None or context_of(exception) is not None:
        return None
    if type(tb) is not TracebackType and tb is not None:
        return None
    # As `identify` does it for a whole chain.
    key = [id(type(exception))]
    while tb is not None:
        key.append(id(tb.tb_frame.f_code) + tb.tb_lasti)
        tb = tb.tb_next
    known = _known.get(tuple(key))
    return known if known is not None and known.formal and not hasattr(exception, "__notes__") else None


def stack_of(template: str, shapes: tuple[ExceptionDetail, ...], shown: tuple[int, ...] = ()) -> Stack:
    """The stack of these exceptions: named after the main one, placed where that was raised."""
    grouping, main = fingerprint.of_exceptions(shapes), fingerprint.main_of(shapes)
    place = _place(shapes[main:])
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


def _place(shapes: Sequence[ExceptionDetail]) -> Frame | None:
    """Where the first of *shapes* left the application's code; if it never was in that, what it was raised from."""
    causes = itertools.takewhile(lambda shape: shape.relation in ("cause", "context"), shapes[1:])
    return innermost(next((one.frames for one in (shapes[0], *causes) if own_calls(one.frames)), shapes[0].frames))


def bounded(texts: Iterable[str]) -> tuple[str, ...]:
    """*texts* without secrets, none longer than there is room for."""
    texts = tuple(texts)
    return tuple(clean(text, _room(texts)) for text in texts)


def _room(texts: Sequence[str]) -> int:
    """How many characters of each are kept."""
    return max(1000, MAX_TEXT // max(1, len(texts)))


@on_more
def _forget() -> None:
    global _known
    _known = {}


def _learn(walked: Sequence[tuple[BaseException, str]], tb: TracebackType | None) -> Known:
    chain, kinds = [error for error, _ in walked], [kind_of(type(error)) for error, _ in walked]
    calls = [calls_of(tb), *[calls_of(traceback_of(error)) for error in chain[1:]]]
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
    reached = any(own_calls(own) for own in frames[1:])
    knowing = None if reached else endpoints.knowing(calls[0])
    single = len(chain) == 1 and plain_spoken and fits and not kinds[0].names and knowing is None
    return Known(
        stack=stack_of("\0".join(_cleaned(pieces, calls)), shapes, shown),
        held=(*kinds, *[call.code for own in calls for call in own]),
        pieces=tuple(pieces) if fits else (),
        plain_spoken=plain_spoken,
        names=tuple([kind.names for kind in kinds]),
        knowing=knowing,
        given=kinds[0].fingerprint,
        quiet=quiet,
        single=single,
        formal=bool(calls[0])
        and single
        and quiet
        and kinds[0].fingerprint is None
        and not marks.lie_apart(kinds[0].cls),
        forms={},
    )


def _cleaned(pieces: Sequence[str], calls: Sequence[Sequence[Call]]) -> Sequence[str]:
    """*pieces*, the text around the exceptions' own lines, bounded and without secrets."""
    longest = max(map(len, pieces))
    # Most calls are known from other places. No pattern reaches over the `  File "` between two of them.
    if longest <= _room(pieces) and not own_patterns and all(call.harmless for own in calls for call in own):
        return pieces
    return bounded(piece.replace("\0", " ") for piece in pieces)


def _rendered(chain: Sequence[BaseException]) -> tuple[list[str], tuple[int, ...]]:
    """Which exceptions of *chain* the text shows, in its order, and what joins each to the one before.

    None of a group, of a chain too long, or under `sys.tracebacklimit`: those texts are not put together here.
    """
    if len(chain) >= MAX_EXCEPTIONS or "tracebacklimit" in _sys or any(map(is_group, chain)):
        return [], ()
    joints, shown = [""], [0]
    while True:
        error = chain[shown[-1]]
        cause, context = place_of(chain, cause_of(error)), place_of(chain, context_of(error))
        if cause is not None and cause not in shown:
            joints.append(CAUSE)
            shown.append(cause)
        elif context is not None and context not in shown and not is_suppressed(error):
            joints.append(CONTEXT)
            shown.append(context)
        else:
            # The one that was raised comes last, and what was said of a link stands behind it.
            return ["", *reversed(joints[1:])], tuple(reversed(shown))


def _is_quiet(error: BaseException) -> bool:
    arguments = arguments_of(error)
    if issubclass(type(error), OSError):
        arguments = (*arguments, filename_of(error))
    own = attributes_of(error)
    if own and ("__notes__" in own or any(own.get(name) is not None for name in CARRYING)):
        return False
    return plain.are_quiet(arguments)


def _is_unread(cls: type[BaseException], calls: Sequence[Call]) -> bool:
    """Whether it is a SyntaxError without a traceback, as of a main script, which says itself where it is."""
    return not calls and issubclass(cls, SyntaxError)


def _written(error: BaseException) -> tuple[Frame, ...]:
    file, line, source, column = (get(error) for get in written_at)
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
