"""An exception as text and as data.

The text is the standard library's own (`traceback.TracebackException`). Everything an exception may
do to us while we look at it (a `__str__` that raises, blocks of a chain that lead back to itself,
groups of fifty thousand) is bounded or caught here.
"""

from __future__ import annotations

import functools
import os
import sysconfig
import traceback
from collections.abc import Iterator
from types import CodeType, FrameType, TracebackType

from llama_logging import plain
from llama_logging.context import ExceptionDetail, Frame, StackText

MAX_EXCEPTIONS = 50
MAX_FRAMES = 60
MAX_TEXT = 65_536
"""Characters of stack text that are kept."""

_KNOWN_FRAMES = 20_000
_frames: dict[tuple[int, int], tuple[CodeType, Frame]] = {}

_HEADER = "Traceback (most recent call last):\n"
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"

# Read past what a class may pretend: BaseException's own slots, not attribute access.
_cause = BaseException.__dict__["__cause__"].__get__
_context = BaseException.__dict__["__context__"].__get__
_suppressed = BaseException.__dict__["__suppress_context__"].__get__
_traceback = BaseException.__dict__["__traceback__"].__get__
_members = BaseExceptionGroup.__dict__["exceptions"].__get__


def describe(exception: BaseException) -> tuple[StackText, tuple[ExceptionDetail, ...]]:
    """The stack text of *exception*, and the data of it and of all it is chained to.

    Never raises, whatever the exception does.
    """
    chain = list(_walk(exception))
    details = tuple(_detail(error, relation) for error, relation in chain)
    if len(chain) >= MAX_EXCEPTIONS:
        return _own_text(details), details
    try:
        return _standard_text(exception), details
    except BaseException:
        # P4 of the fault catalogue: whatever foreign code raises here, SystemExit too, stays here.
        return _own_text(details), details


def frames_of(tb: TracebackType | None) -> tuple[Frame, ...]:
    """The calls on *tb*, innermost last; of a deep recursion the first and the last."""
    entries = list(traceback.walk_tb(tb))
    if len(entries) > MAX_FRAMES:
        entries = entries[:20] + entries[20 - MAX_FRAMES :]
    return tuple(_frame(frame, line) for frame, line in entries)


def _frame(frame: FrameType, line: int) -> Frame:
    code = frame.f_code
    # The code object is kept with what was made of it, so that no other can get its id.
    known = _frames.get((id(code), line))
    if known is None:
        (entry,) = traceback.StackSummary.extract(iter([(frame, line)]))
        described = Frame(
            module=_text(frame.f_globals.get("__name__"), "?"),
            function=plain.text(code.co_qualname, 200),
            file=plain.text(code.co_filename, 1000),
            line=line,
            source=plain.text(entry.line or "", 500),
            in_app=in_app(code.co_filename),
        )
        if len(_frames) >= _KNOWN_FRAMES:
            _frames.clear()
        known = _frames[id(code), line] = (code, described)
    return known[1]


@functools.lru_cache(maxsize=4096)
def in_app(file: str) -> bool:
    """Whether *file* is the application's own: not the standard library's, not an installed package's."""
    if file.startswith("<frozen ") or "site-packages" in file or "dist-packages" in file:
        return False
    return not os.path.abspath(file).startswith(_LIBRARY)


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


def _detail(error: BaseException, relation: str) -> ExceptionDetail:
    cls = type(error)
    try:
        frames = frames_of(_traceback(error))
    except Exception:
        frames = ()
    return ExceptionDetail(
        type=plain.type_name(cls).rpartition(plain.module_name(cls) + ".")[2],
        module=plain.module_name(cls),
        message=message_of(error),
        bases=tuple(plain.type_name(base) for base in type.__dict__["__mro__"].__get__(cls)[:-2])[:20],
        relation=relation,
        frames=frames,
        attributes=_attributes(error),
    )


def message_of(error: BaseException) -> str:
    """`str(error)`, bounded; if that raises, text that says so, as the standard library puts it."""
    try:
        return plain.text(str(error))
    except BaseException:
        return "<exception str() failed>"


def _attributes(error: BaseException) -> dict[str, int]:
    found = {}
    for name in ("errno", "status_code", "status", "code"):
        value = _quiet(error, name)
        if type(value) is int:
            found[name] = value
    if "status_code" not in found:
        status = _quiet(_quiet(error, "response"), "status_code")
        if type(status) is int:
            found["status_code"] = status
    return found


def _quiet(owner: object, name: str) -> object:
    try:
        return getattr(owner, name, None)
    except BaseException:
        return None


def _standard_text(exception: BaseException) -> StackText:
    rendered = traceback.TracebackException(type(exception), exception, _traceback(exception), compact=True)
    chain = list(_rendered_chain(rendered))
    if any(link.exceptions is not None for link, _ in chain):
        return _bounded("\0", ["".join(rendered.format())])
    template: list[str] = []
    parts: list[str] = []
    for link, joint in reversed(chain):
        if link.stack:
            template += [_HEADER, *(line.replace("\0", " ") for line in link.stack.format())]
        template += ["\0", joint]
        parts.append("".join(link.format_exception_only()))
    return _bounded("".join(template), parts)


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


def _own_text(details: tuple[ExceptionDetail, ...]) -> StackText:
    """Plain text from the data alone, where the standard library's way is not to be had."""
    error = details[0]
    lines = [f'  File "{f.file}", line {f.line}, in {f.function}\n    {f.source}\n' for f in error.frames]
    also = f"... and {len(details) - 1} chained exceptions\n" if len(details) > 1 else ""
    return _bounded(_HEADER + "".join(lines) + "\0" + also, [f"{error.qualified_type}: {error.message}\n"])


def _bounded(template: str, parts: list[str]) -> StackText:
    room = max(1000, MAX_TEXT // max(1, len(parts)))
    clean = tuple(plain.text(part, room) for part in parts)
    pieces = template.split("\0")
    room = max(1000, MAX_TEXT // len(pieces))
    return StackText("\0".join(plain.text(piece, room) for piece in pieces), clean)


def _text(value: object, default: str) -> str:
    return plain.text(value, 200) if type(value) is str else default


_LIBRARY = tuple(
    {
        os.path.join(os.path.abspath(path), "")
        for path in (
            sysconfig.get_path("stdlib"),
            sysconfig.get_path("platstdlib"),
            os.path.dirname(__file__),
        )
        if path
    }
)
