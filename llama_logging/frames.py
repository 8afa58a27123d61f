"""The calls on a traceback, as data."""

from __future__ import annotations

import functools
import itertools
import linecache
import os
import sysconfig
from types import CodeType, TracebackType

from llama_logging import plain
from llama_logging.context import Frame
from llama_logging.redaction import redact

MAX_FRAMES = 60

_KNOWN_FRAMES = 20_000
_frames: dict[tuple[int, int], tuple[CodeType, Frame]] = {}


def frames_of(tb: TracebackType | None) -> tuple[Frame, ...]:
    """The calls on *tb*, innermost last; of a deep recursion the first and the last."""
    entries = []
    while tb is not None:
        entries.append(tb)
        tb = tb.tb_next
    if len(entries) > MAX_FRAMES:
        entries = entries[:20] + entries[20 - MAX_FRAMES :]
    return tuple(_frame(entry) for entry in entries)


def innermost(frames: tuple[Frame, ...]) -> Frame | None:
    """The last call in the application's own code; the last of all if there is none."""
    return next((frame for frame in reversed(frames) if frame.in_app), frames[-1] if frames else None)


@functools.lru_cache(maxsize=4096)
def in_app(file: str) -> bool:
    """Whether *file* is the application's own: not the standard library's, not an installed package's."""
    if file.startswith("<frozen ") or "site-packages" in file or "dist-packages" in file:
        return False
    return not os.path.abspath(file).startswith(_LIBRARY)


def _frame(tb: TracebackType) -> Frame:
    frame, code, line = tb.tb_frame, tb.tb_frame.f_code, tb.tb_lineno
    # The code object is kept with what was made of it, so that no other can get its id.
    known = _frames.get((id(code), tb.tb_lasti))
    if known is None:
        described = Frame(
            module=_text(frame.f_globals.get("__name__"), "?"),
            function=plain.text(code.co_qualname, 200),
            file=plain.text(code.co_filename, 1000),
            line=line,
            source=redact(plain.text(linecache.getline(code.co_filename, line, frame.f_globals).strip(), 500)),
            in_app=in_app(code.co_filename),
            column=_column(code, tb.tb_lasti),
        )
        if len(_frames) >= _KNOWN_FRAMES:
            _frames.clear()
        known = _frames[id(code), tb.tb_lasti] = (code, described)
    return known[1]


def _column(code: CodeType, offset: int) -> int:
    if offset < 0:
        return 0
    # One entry for each code unit of two bytes (PEP 657).
    position = next(itertools.islice(code.co_positions(), offset // 2, None), None)
    return position[2] + 1 if position is not None and position[2] is not None else 0


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
