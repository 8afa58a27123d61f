"""The calls on a traceback, as text and as data: each place once, whoever comes through it.

A place is a code object and the offset of an instruction in it. What the standard library prints for
it is made when it is seen first and kept: the source may be edited under a running process.
"""

from __future__ import annotations

import ast  # noqa: F401  as tokenize and _suggestions: see below
import contextlib
import functools
import itertools
import linecache
import os
import tokenize  # noqa: F401
import traceback
from collections.abc import Iterable, Sequence
from types import CodeType, TracebackType

from llama_logging import plain
from llama_logging.context import Frame, is_file, own_calls
from llama_logging.frozen import Frozen
from llama_logging.patterns import regex
from llama_logging.redaction import clean
from llama_logging.redaction.own import forget_all, on_more
from llama_logging.runtime.state import absolute

# traceback and linecache import these three when they first need them. A child that was forked while another thread
# did so would wait for ever, and there may be no descriptor left to open a file with.
with contextlib.suppress(ImportError):
    import _suggestions  # type: ignore[import-not-found]  # noqa: F401

MAX_FRAMES = 60
"""So many calls of one exception are kept as data: of a deep recursion the first and the last."""
MAX_SOURCE = 500
"""Characters of a source line."""

_FIRST = 20
_REPEATED = 3
_LONG = 4_000
_KNOWN_CALLS = 20_000
_known: dict[tuple[int, int], Call] = {}
_INSTALLED = regex(r"(?:site|dist)-packages[/\\]")
_own_packages: set[str] = set()


class Call(Frozen):
    """A place on a traceback.

    Attributes:
        code: Held, so that no other code object can get its id.
        text: The lines that the standard library prints for it.
        harmless: Whether nothing in them may be a secret, as far as this package knows.
    """

    code: CodeType
    frame: Frame
    text: str
    harmless: bool


def calls_of(tb: TracebackType | None) -> list[Call]:
    """The calls on *tb*, innermost last."""
    calls = []
    while tb is not None:
        known = _known.get((id(tb.tb_frame.f_code), tb.tb_lasti))
        calls.append(known if known is not None else _learn(tb))
        tb = tb.tb_next
    return calls


def frames_of(calls: Sequence[Call]) -> tuple[Frame, ...]:
    """The data of *calls*, MAX_FRAMES at most."""
    if len(calls) > MAX_FRAMES:
        calls = [*calls[:_FIRST], *calls[_FIRST - MAX_FRAMES :]]
    return tuple([call.frame for call in calls])


def text_of(calls: Sequence[Call]) -> str:
    """The lines of *calls*; those of a recursion folded, as the standard library folds them."""
    lines: list[str] = []
    for _, run in itertools.groupby(calls, key=_printed):
        same = list(run)
        lines += [call.text for call in same[:_REPEATED]]
        more = len(same) - _REPEATED
        if more > 0:
            lines.append(f"  [Previous line repeated {more} more time{'s' if more > 1 else ''}]\n")
    return "".join(lines)


def innermost(frames: tuple[Frame, ...]) -> Frame | None:
    """The last call in the application's own code that a file has, if one has; the last of all if there is none."""
    own = own_calls(frames)[::-1] or frames[-1:]
    return next((frame for frame in own if frame.source and is_file(frame.file)), own[0] if own else None)


@functools.lru_cache(maxsize=4096)
def in_app(file: str) -> bool:
    """Whether *file* is the application's own: not the standard library's, not an installed package's of others."""
    if file.startswith("<frozen "):
        return False
    if "site-packages" in file or "dist-packages" in file:
        place = _INSTALLED.split(file)[-1].replace(os.sep, "/")
        return any(place.startswith((f"{package}/", f"{package}.")) for package in _own_packages)
    return file[:1] == "<" or not absolute(file).startswith(_LIBRARY)


def count_as_own(packages: Iterable[str]) -> None:
    """Have these installed packages be the application's own, from now on and in the whole process.

    Args:
        packages: Dotted names, such as `acme` or `acme.shop`.
    """
    more = {package.replace(".", "/") for package in packages} - _own_packages
    if more:
        _own_packages.update(more)
        in_app.cache_clear()
        forget_all()


def module_in(file: str) -> str:
    """The module that *file* holds, as far as its name tells.

    >>> module_in("/srv/shop/cart.py")
    'cart'
    """
    return os.path.splitext(os.path.basename(file))[0]


def _printed(call: Call) -> tuple[str, int, str]:
    return call.code.co_filename, call.frame.line, call.code.co_name


def _learn(tb: TracebackType) -> Call:
    known = _known
    try:
        summary, text = _summary(tb)
        call = _call(tb, text, summary.line or "", -1 if summary.colno is None else summary.colno)
    except BaseException:
        # A loader that cannot give the source, or no room to look for it: the place is known all the same.
        code = tb.tb_frame.f_code
        return _call(tb, f'  File "{code.co_filename}", line {tb.tb_lineno}, in {code.co_name}\n', "", -1)
    if len(known) >= _KNOWN_CALLS:
        known.clear()
    known[id(call.code), tb.tb_lasti] = call
    return call


def _summary(tb: TracebackType) -> tuple[traceback.FrameSummary, str]:
    """The call that *tb* begins with, and the lines that the standard library prints for it."""
    file, cached = tb.tb_frame.f_code.co_filename, linecache.cache
    known = file in cached
    (summary,) = found = traceback.extract_tb(tb, limit=1)
    text = found.format_frame_summary(summary)
    if not known and len(cached.get(file, ())) == 1:
        # A loader that has no source, as of what Cython has compiled: asked by its path alone, as loguru does next,
        # linecache finds it beside, but would not look.
        cached.pop(file, None)
    return summary, text


@on_more
def _forget() -> None:
    global _known
    _known = {}


def _call(tb: TracebackType, text: str, source: str, column: int) -> Call:
    code, names = tb.tb_frame.f_code, tb.tb_frame.f_globals
    module, origin = names.get("__name__"), names.get("__file__")
    file, shown = code.co_filename, text.partition("\n")[2]
    harmless = len(shown) <= _LONG and clean(shown, _LONG) == shown
    frame = Frame(
        # A configuration that is executed, Buildbot's say, has no name.
        module=plain.of_main(clean(module if type(module) is str else module_in(file), 200)),
        function=clean(code.co_qualname, 200),
        file=clean(file, 1000),
        line=tb.tb_lineno or 0,
        source=plain.text(source, MAX_SOURCE) if harmless and source in shown else clean(source, MAX_SOURCE),
        # The file of what Cython has compiled is `uvloop/loop.pyx`, wherever it lies.
        in_app=in_app(file if is_file(file) or file[:1] == "<" or type(origin) is not str else origin),
        column=column + 1,
    )
    harmless = harmless and frame.file == file and frame.function == code.co_qualname
    return Call(code=code, frame=frame, text=text, harmless=harmless)


# The standard library lies where any of its modules does: to import sysconfig, which knows, takes two milliseconds.
_LIBRARY = tuple(
    os.path.join(os.path.dirname(os.path.abspath(file)), "") for file in (traceback.__file__, os.path.dirname(__file__))
)
