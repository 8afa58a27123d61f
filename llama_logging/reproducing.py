"""An error as a test to begin from: it fails as the application did, at the same place where that can be called."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator

from llama_logging.context import ErrorContext, ExceptionDetail, Frame
from llama_logging.visible import printable

VALUE = 200
"""At most so many characters of a local variable, or of a message."""
VALUES = 20
"""At most so many local variables."""

_WORD = re.compile(r"\W+")


def as_test(context: ErrorContext) -> str:
    """A file for pytest.

    It calls the application's innermost function, if that stands in a module and can be imported; else it
    raises what was raised. What was known of its variables stands in it as comments.
    """
    raised = context.exceptions[0] if context.exceptions else None
    frame = next((frame for frame in reversed(context.frames) if frame.in_app), None)
    function = _callable(frame)
    name = _WORD.sub("_", f"{function or context.source_function}_{context.error_type}".lower()).strip("_")
    lines = [
        *_comment(f"{context.error_type}: {context.error_message}"),
        *_comment(
            f"Captured at {context.timestamp.isoformat(timespec='seconds')}; llama-logging show {context.error_id}"
        ),
        *(
            _comment(f"Raised in {frame.module}.{frame.function}, {frame.file}:{frame.line}: {frame.source}")
            if frame
            else ()
        ),
        "import pytest",
        "",
        "",
        f"def test_{name[:80] or 'error'}():",
        *(f"    {line}" for line in _variables(context)),
        *(f"    {line}" for line in _body(context, raised, frame, function)),
    ]
    return "\n".join(lines) + "\n"


def _body(context: ErrorContext, raised: ExceptionDetail | None, frame: Frame | None, function: str) -> Iterator[str]:
    kind, importing = _kind(raised)
    yield from importing
    message = _cut(context.error_message)
    if function and frame is not None:
        yield f"from {frame.module} import {function}"
        yield ""
        yield "# Give it the arguments that it failed with. Once it is mended, say here what it is to do instead."
        yield f"with pytest.raises({kind}):"
        yield f"    {function}()"
    else:
        yield "# What has failed cannot be called from here (a method, an inner function, or no exception at all):"
        yield "# put a call that leads to it in place of this line, and take the rest away once it is mended."
        yield f"with pytest.raises({kind}):"
        yield f"    raise {kind if importing or raised is None or _is_builtin(raised) else 'RuntimeError'}({message!a})"


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


def _variables(context: ErrorContext) -> Iterator[str]:
    found = next((found for found in context.locals if found.exception == 0), None)
    if found is not None:
        yield "# The local variables of the call that has failed:"
        for name, value in list(found.values.items())[:VALUES]:
            yield from _comment(f"    {name} = {value!r}")


def _comment(text: str) -> Iterator[str]:
    """*text* on one line that cannot end: it is somebody else's."""
    yield f"# {_cut(printable(text).replace(chr(9), ' '))}"


def _cut(text: str) -> str:
    return text if len(text) <= VALUE else text[: VALUE - 1] + "…"
