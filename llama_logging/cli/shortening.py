"""A stack text without the calls that libraries make among themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from llama_logging.context import Frame

# Within an exception group a margin stands before each line.
_CALL = re.compile(r'(?P<margin>[ |]*)  File "(?P<file>.*)", line (?P<line>\d+), in ')
_FEW = 2
"""So many calls in a row stay: the line that stood for them would save nothing."""


def shortened(text: str, frames: Iterable[Frame]) -> str:
    """*text*, with a line in the place of calls that *frames* says are not the application's own.

    The one that raised stays, whose ever it is.
    """
    theirs = {(frame.file, frame.line): frame.module.partition(".")[0] for frame in frames if not frame.in_app}
    told: list[str] = []
    run: list[tuple[list[str], str]] = []  # calls in a row that are not the application's: lines, and whose
    for margin, lines, place in _calls(text.splitlines()):
        name = theirs.get(place) if place is not None else None
        if name is not None:
            run.append((lines, name))
            continue
        raised = run[-1:] if place is None else []
        told += _of_run(run[: len(run) - len(raised)], margin)
        told += [line for kept, _ in raised for line in kept]
        run = []
        told += lines
    return "\n".join([*told, *(line for lines, _ in run for line in lines)])


def _of_run(run: list[tuple[list[str], str]], margin: str) -> list[str]:
    if len(run) <= _FEW:
        return [line for lines, _ in run for line in lines]
    names = ", ".join(dict.fromkeys(name for _, name in run))
    return [f"{margin}  ... {len(run)} calls of {names}"]


def _calls(lines: list[str]) -> Iterator[tuple[str, list[str], tuple[str, int] | None]]:
    """Each call with its margin, lines, file and line; what is no call line by line."""
    at = 0
    while at < len(lines):
        found = _CALL.match(lines[at])
        end = at + 1
        if found is None:
            yield "", lines[at:end], None
        else:
            margin = found["margin"]
            while end < len(lines) and lines[end].startswith((f"{margin}    ", f"{margin}  [Previous line")):
                end += 1
            yield margin, lines[at:end], (found["file"], int(found["line"]))
        at = end
