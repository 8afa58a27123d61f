"""Tags of a stretch of work: every error within it has them, whoever logs it.

As a trace is followed (see tracing): by a context variable, and by a mark on an exception that leaves the
block, for whoever logs that may stand outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from json import dumps
from types import TracebackType
from typing import Any

from llama_logging.capture import marks
from llama_logging.plain import plain
from llama_logging.redaction import clean_data

MAX_TAGS = 32

NO_TAGS: Mapping[str, str] = {}

_MARK = "__llama_logging_tags__"
"""Where an exception says what held where it was raised."""

Layers = tuple[dict[str, Any], ...]
"""What each of the blocks around has given, the outermost first."""

_active: ContextVar[Layers] = ContextVar("llama_logging_tags", default=())
_used = False


class tagged:
    """Within this block, errors of this thread or task have these tags: `with tagged(tenant="a"):`.

    An exception that leaves the block takes them along to where it is logged. Those of a block within, and
    what a logging call gives by `extra={"tags": {...}}`, go before those of one around.

    Args:
        tags: Texts, or what becomes one; names with a dot by `**{"shop.order": 7}`.
    """

    def __init__(self, **tags: object) -> None:
        # A value of the application's is not kept alive by an exception that somebody keeps.
        self._tags = {key: value if type(value) is str else plain(value) for key, value in tags.items()}

    def __enter__(self) -> None:
        global _used
        _used = True
        _active.set((*_active.get(), self._tags))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        layers = _active.get()
        # A generator may be ended in another context than it was begun in, as a dependency of FastAPI's is.
        is_here = bool(layers) and layers[-1] is self._tags
        around = layers[:-1] if is_here else layers
        if is_here:
            _active.set(around)
        mark = () if error is None else _marked(error)
        if error is not None and not _stands_on(mark, (*around, self._tags)):
            within = mark[len(around) :] if not is_here and _stands_on(mark, around) else ()
            marks.put(error, _MARK, (*around, self._tags, *within))


def take_along(error: BaseException) -> None:
    """Have *error* tell of the tags that hold here, for who logs it elsewhere."""
    held = _active.get()
    if held and not _stands_on(_marked(error), held):
        marks.put(error, _MARK, held)


def may_be_active() -> bool:
    """Whether there may be tags at all."""
    return _used


def current(*errors: BaseException) -> Mapping[str, Any]:
    """The tags that hold here, not redacted yet.

    Args:
        errors: An exception and its causes: what held where they were raised holds, too.
    """
    held = _active.get()
    # Of a thread pool's, or one that is raised again: what holds here is truer.
    elsewhere = _marked(errors[0]) if errors and not _stands_on(_marked(errors[0]), held) else ()
    for mark in map(_marked, errors):
        if _stands_on(mark, held):  # was raised further in
            held = mark
    return {key: value for layer in (*elsewhere, *held) for key, value in layer.items()}


def as_tags(given: Mapping[str, Any]) -> dict[str, str]:
    """Short texts to search and count by, redacted; the first ones, if there are too many."""
    tags = clean_data(dict(given))
    return {key: value if type(value) is str else dumps(value) for key, value in list(tags.items())[:MAX_TAGS]}


def _marked(error: BaseException) -> Layers:
    mark = marks.get(error, _MARK)
    return mark if type(mark) is tuple else ()


def _stands_on(layers: Layers, around: Layers) -> bool:
    """Whether *layers* were entered within all of *around*. By identity: another request may have the same tags."""
    return len(layers) >= len(around) and all(one is other for one, other in zip(layers, around, strict=False))
