"""Stack traces that some formatter has put into a message, read back."""

from __future__ import annotations

import os
import re

from llama_logging import plain
from llama_logging.context import ExceptionDetail, Frame
from llama_logging.frames import in_app
from llama_logging.patterns import regex
from llama_logging.tracebacks import Described, stack_of

HEADER = "Traceback (most recent call last):\n"

_FRAME = regex(
    r'  File "(?P<file>[^"\n]{1,1000})", line (?P<line>\d{1,9}), in (?P<function>[^\n]{1,200})\n'
    r"(?:    (?P<source>[^\n]{0,500})\n)?(?:    [ ~^]+\n)?"
)
_TRACE = regex(r"(?P<frames>(?:  [^\n]*\n)+)(?P<type>[A-Za-z_][\w.]{0,200})(?:: (?P<message>[^\n]{0,8000}))?(?:\n|\Z)")


def parse(text: str) -> Described | None:
    """Read a stack trace back that some formatter has put into a message; None if there is none.

    The last resort, behind a QueueHandler or a processor that renders exceptions: only the last
    exception of a chain is made data, and only what the text tells of it.
    """
    begin = text.rfind(HEADER)
    found = _TRACE.match(text, begin + len(HEADER)) if begin >= 0 else None
    frames = tuple(_frame(entry) for entry in _FRAME.finditer(found["frames"])) if found is not None else ()
    if found is None or not frames:
        return None
    dotted = plain.of_main(found["type"])
    module, _, name = dotted.rpartition(".")
    shape = ExceptionDetail(type=name, module=module or "builtins", message="", bases=(dotted,), frames=frames)
    stack = stack_of(text[text.find(HEADER) : found.end("frames")] + "\0", (shape,))
    part = text[found.end("frames") :].rstrip("\n") + "\n"
    return Described(stack, (part,), (found["message"] or "",))


def _frame(entry: re.Match[str]) -> Frame:
    return Frame(
        module=os.path.splitext(os.path.basename(entry["file"]))[0],
        function=entry["function"],
        file=entry["file"],
        line=int(entry["line"]),
        source=entry["source"] or "",
        in_app=in_app(entry["file"]),
    )
