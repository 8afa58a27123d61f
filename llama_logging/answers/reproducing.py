"""An error as a test to begin from: it fails as the application did, at the same place where that can be called."""

from __future__ import annotations

import ast
import contextlib
import keyword
import re
import sys
from collections.abc import Iterator

from llama_logging.capture.frames import in_app, innermost
from llama_logging.context import ErrorContext, ExceptionDetail, Frame
from llama_logging.plain import last_line
from llama_logging.visible import printable

VALUE = 200
"""At most so many characters of a local variable, or of a message."""
VALUES = 20
"""At most so many local variables."""

_ELSEWHERE = ("import", "sentry", "text")
"""Mechanisms of errors whose modules, functions and values somebody has written who need not mean well."""
_BEGINS = 60
_WORD = re.compile(r"\W+")


def as_test(context: ErrorContext) -> str:
    """A file for pytest.

    It calls the application's innermost function, if that stands in a module and can be imported, with those of its
    variables that were known and are its parameters; else it raises what was raised. It asks for the message, so
    that another failure of the same type does not pass for this one. What an error chooses that was not captured
    here stands in comments, and so does what is not the application's: to run the test runs none of it.
    """
    raised = context.exceptions[0] if context.exceptions else None
    frame = innermost(tuple(frame for frame in context.frames if frame.in_app))
    function = _callable(frame)
    withheld = _withheld(context, frame)
    name = _WORD.sub("_", f"{function or context.source_function}_{context.error_type}".lower()).strip("_")
    lines = [
        *_comment(last_line(context.error_type, context.error_message)),
        *_comment(
            f"Captured at {context.timestamp.isoformat(timespec='seconds')}; llama-logging show {context.error_id}"
        ),
        *(
            _comment(f"Raised in {frame.module}.{frame.function}, {frame.file}:{frame.line}: {frame.source}")
            if frame
            else ()
        ),
        *(("import inspect",) if function and not withheld and _known(context) else ()),
        *(("import re",) if _match(context) else ()),
        "",
        "import pytest",
        "",
        "",
        f"def test_{name[:80] or 'error'}():",
        *(f"    {line}".rstrip() for line in _body(context, raised, frame, function, withheld)),
    ]
    return "\n".join(lines) + "\n"


def _body(
    context: ErrorContext, raised: ExceptionDetail | None, frame: Frame | None, function: str, withheld: str
) -> Iterator[str]:
    kind, importing = _kind(raised)
    if importing and context.mechanism in _ELSEWHERE:
        kind, importing = "Exception", []
    yield from importing
    if function and frame is not None and not withheld:
        *before, call = _calling(context, frame, function)
        yield from before
        yield "# Once it is mended, say here what it is to do instead."
        yield f"with pytest.raises({kind}{_match(context)}):"
        yield f"    {call}"
    else:
        if function and frame is not None:
            yield f"# {withheld}: see whether you would have it called, so:"
            for line in _calling(context, frame, function):
                yield f"#     {line}"
        else:
            yield from _variables(context)
            yield "# What has failed cannot be called from here (a method, an inner function, a program's own file)."
        yield "# Put a call that leads to it in place of the last line. Once it is mended, say here what it is to do"
        yield "# instead."
        yield f"with pytest.raises({kind}{_match(context)}):"
        told = kind if importing or raised is None or _is_builtin(raised) else "RuntimeError"
        yield f"    raise {told}({_argument(context.error_message, raised)})"


def _withheld(context: ErrorContext, frame: Frame | None) -> str:
    """Why the function is not called; empty if it may be."""
    if context.mechanism in _ELSEWHERE:
        return "This error was not captured here, and the names in it may be made up"
    if frame is not None and (frame.module.partition(".")[0] in sys.stdlib_module_names or not in_app(frame.file)):
        return "This is none of the application's modules"
    return ""


def _calling(context: ErrorContext, frame: Frame, function: str) -> Iterator[str]:
    """The lines that call *function*; the last is the call."""
    yield f"from {frame.module} import {function}"
    yield ""
    known = _known(context)
    if known:
        yield "# What was known of its variables; those that are parameters are given to it."
        yield f"known = {{{', '.join(f'{name!a}: {value!a}' for name, value in known.items())}}}"
        yield f"given = {{name: known[name] for name in inspect.signature({function}).parameters if name in known}}"
    else:
        yield "# Give it the arguments that it failed with."
    yield f"{function}({'**given' if known else ''})"


def _kind(raised: ExceptionDetail | None) -> tuple[str, list[str]]:
    """How the exception's class is called, and what imports it."""
    if raised is None:
        return "AssertionError", []
    if _is_builtin(raised):
        return raised.type, []
    is_named = _are_names(raised.module) and _are_names(raised.type) and "." not in raised.type
    if is_named and raised.module not in ("__main__", "builtins"):
        return raised.type, [f"from {raised.module} import {raised.type}"]
    return "Exception", []


def _is_builtin(raised: ExceptionDetail) -> bool:
    import builtins

    return raised.module == "builtins" and isinstance(getattr(builtins, raised.type, None), type)


def _callable(frame: Frame | None) -> str:
    """The function's name, if it stands at the top of a module that can be imported; else empty."""
    if frame is None or frame.module == "__main__" or not _are_names(frame.module):
        return ""
    return frame.function if _are_names(frame.function) and "." not in frame.function else ""


def _are_names(dotted: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in dotted.split("."))


def _match(context: ErrorContext) -> str:
    """What the message must begin with, as an argument; empty where it is not plain text."""
    begins = context.error_message[:_BEGINS]
    return f", match=re.escape({begins!a})" if begins and begins.isascii() and begins.isprintable() else ""


def _argument(message: str, raised: ExceptionDetail | None) -> str:
    """What the exception is made with; a KeyError shows its key's repr as its message."""
    if raised is not None and raised.type == "KeyError":
        with contextlib.suppress(ValueError, SyntaxError):
            return f"{ast.literal_eval(message)!a}"
    return f"{_cut(message)!a}"


def _known(context: ErrorContext) -> dict[str, object]:
    """The local variables of the innermost call that are short enough to be written down."""
    found = next((found for found in context.locals if found.exception == 0), None)
    values = list(found.values.items())[:VALUES] if found is not None else []
    return {name: value for name, value in values if len(repr(value)) <= VALUE}


def _variables(context: ErrorContext) -> Iterator[str]:
    known = _known(context)
    if known:
        yield "# The local variables of the call that has failed:"
        for name, value in known.items():
            yield from _comment(f"    {name} = {value!r}")


def _comment(text: str) -> Iterator[str]:
    """*text* on one line that cannot end: it is somebody else's."""
    yield f"# {_cut(printable(text).replace(chr(9), ' '))}"


def _cut(text: str) -> str:
    return text if len(text) <= VALUE else text[: VALUE - 1] + "…"
