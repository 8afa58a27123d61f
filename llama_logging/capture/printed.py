"""Stack traces that some formatter has put into a message, read back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llama_logging import plain
from llama_logging.capture.chains import MAX_EXCEPTIONS
from llama_logging.capture.frames import in_app, module_in
from llama_logging.capture.sights import CAUSE, CONTEXT, HEADER, stack_of
from llama_logging.capture.tracebacks import Described
from llama_logging.context import ExceptionDetail, Frame
from llama_logging.patterns import regex

_GROUP = "  + Exception Group "
"""Stands before the header of an exception group."""
_STACK = "\nStack (most recent call last):\n"
"""What `logging` puts behind an exception."""

_FRAME = regex(
    r'  File "(?P<file>[^"\n]{1,1000})", line (?P<line>\d{1,9}), in (?P<function>[^\n]{1,200})\n'
    r"(?:    (?P<source>[^\n]{0,500})\n)?(?:    [ ~^]+\n)?"
)
_TRACE = regex(
    r"(?:(?:Exception Group )?Traceback \(most recent call last\):\n(?P<frames>(?:  [^\n]*\n)+))?"
    r"(?P<type>[^\W\d]\w{0,200}(?:\.[\w.<>]{1,300})?|<[\w.<>]{1,300})(?P<colon>: )?(?(colon)|(?:\n|\Z))"
)
_BLOCK = regex(r"(?: {2,100}[|+][^\n]*(?:\n|\Z))+")


def begin(text: str) -> int:
    """Where the first stack trace in *text* begins; there is one."""
    found = text.find(HEADER)
    return found - len(_GROUP) if text.endswith(_GROUP, 0, found) else found


def parse(text: str) -> Described | None:
    """Read a stack trace back that some formatter has put into a message; None if there is none.

    The last resort, behind a QueueHandler or a processor that renders exceptions: only the last
    exception of a chain is made data, or the last group and its members, and only what the text
    tells of it: notes count to the message.
    """
    last = text.rfind(HEADER)
    if text.endswith(("| ", _GROUP), 0, last):
        return _of_group(text)
    found = _TRACE.match(text, last) if last >= 0 else None
    shape = _shape(found) if found is not None else None
    if found is None or shape is None or not shape.frames:
        return None
    stack = stack_of(text[begin(text) : found.end("frames")] + "\0", (shape,))
    part = text[found.end("frames") :].rstrip("\n") + "\n"
    return Described(stack, (part,), (_message(found),))


def _of_group(text: str) -> Described | None:
    block = _BLOCK.match(text, text.rfind(_GROUP + HEADER))
    read: list[tuple[int, ExceptionDetail, str]] = []
    for depth, is_group, printed in _printed(block[0]) if block is not None else ():
        if printed.startswith((CAUSE, CONTEXT)):
            # What was read last is only what this one was raised from.
            while read and read.pop()[0] != depth:
                pass
        found = _TRACE.match(printed, max(0, *(_end(printed, joint) for joint in (CAUSE, CONTEXT))))
        if found is not None and len(read) < MAX_EXCEPTIONS:
            shape = _shape(found, "member" if read else "raised", ("BaseExceptionGroup",) if is_group else ())
            read.append((depth, shape, _message(found)))
    if not read or not read[0][1].frames:
        return None
    stack = stack_of("\0", tuple(shape for _, shape, _ in read))
    return Described(stack, (text[begin(text) :].rstrip("\n") + "\n",), tuple(message for _, _, message in read))


def _printed(block: str) -> Iterator[tuple[int, bool, str]]:
    """What is printed of a group and of its members, each with how far it is indented and whether members follow."""
    lines: list[str] = []
    depth = 0
    for line in (*block.rstrip("\n").split("\n"), "+-"):
        margin = len(line) - len(line.lstrip(" "))
        if not line.startswith("+-", margin):
            depth = margin
            lines.append(line[margin + 2 :])
        elif lines:
            yield depth, line.startswith("+-+-", margin), "\n".join(lines)
            lines = []


def _shape(found: re.Match[str], relation: str = "raised", bases: tuple[str, ...] = ()) -> ExceptionDetail:
    dotted = plain.of_main(found["type"])
    module = dotted.partition(".<locals>.")[0].rpartition(".")[0]
    return ExceptionDetail(
        type=dotted[len(module) + 1 :] if module else dotted,
        module=module or "builtins",
        message="",
        bases=(dotted, *bases),
        relation=relation,
        frames=tuple(_frame(entry) for entry in _FRAME.finditer(found["frames"] or "")),
    )


def _message(found: re.Match[str]) -> str:
    if not found["colon"]:
        return ""
    rest = found.string[found.end() :]
    for end in (CAUSE, CONTEXT, _STACK):
        rest = rest.partition(end)[0]
    return rest.rstrip("\n")


def _end(text: str, part: str) -> int:
    """Where the last *part* in *text* ends; -1 if there is none."""
    at = text.rfind(part)
    return at + len(part) if at >= 0 else -1


def _frame(entry: re.Match[str]) -> Frame:
    return Frame(
        module=module_in(entry["file"]),
        function=entry["function"],
        file=entry["file"],
        line=int(entry["line"]),
        source=entry["source"] or "",
        in_app=in_app(entry["file"]),
    )
