"""Which view or task a framework was serving when an error arose in its own code, which is the same for all of them.

A local variable of the framework's leads there. Nothing is imported, and no property asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import CodeType, FunctionType, MethodType, TracebackType
from typing import Any

from llama_logging import plain
from llama_logging.capture.frames import Call
from llama_logging.context import own_calls
from llama_logging.redaction import clean
from llama_logging.runtime.slots import held_by

_ASGI = ("scope.endpoint", "request.scope.endpoint")
_DJANGO = ("request.resolver_match.func",)
_FLASK = ("ctx.request.url_rule.endpoint", "ctx._request.url_rule.endpoint", "rule.endpoint")
_PATHS = {
    "celery.app.trace": ("task",),
    "django.core.handlers.base": _DJANGO,
    "django.core.handlers.exception": _DJANGO,
    "fastapi.routing": _ASGI,
    "flask.app": _FLASK,
    "quart.app": _FLASK,
    "starlette._exception_handler": _ASGI,
    "starlette.routing": _ASGI,
}
"""Modules of frameworks, and where their variables lead to what they serve."""


def knowing(calls: Sequence[Call]) -> int | None:
    """Which of an exception's *calls* is the last of a framework's that knows what it serves.

    None if there is none, or if the application's own code was called after it: that tells more.
    """
    theirs = [at for at, call in enumerate(calls) if call.frame.module in _PATHS]
    at = next((at for at in reversed(theirs) if _paths(calls[at].frame.module, calls[at].code)), None)
    return None if at is None or own_calls([call.frame for call in calls[at:]]) else at


def served(tb: TracebackType | None, at: int) -> str:
    """The view or task that call *at* of *tb* was serving: `module.function`, or Flask's name of it; empty if none."""
    for _ in range(at):
        tb = tb.tb_next if tb is not None else None
    if tb is None:
        return ""
    variables, module = tb.tb_frame.f_locals, tb.tb_frame.f_globals.get("__name__", "")
    found = (_followed(variables, path) for path in _paths(module, tb.tb_frame.f_code))
    return next((_name(target) for target in found if target is not None), "")


def _paths(module: str, code: CodeType) -> list[list[str]]:
    """Those that begin at a variable of *code*."""
    paths = [path.split(".") for path in _PATHS.get(module, ())]
    return [path for path in paths if path[0] in code.co_varnames or path[0] in code.co_freevars]


def _followed(variables: Any, path: Sequence[str]) -> object:
    found = variables.get(path[0])
    for name in path[1:]:
        found = found.get(name) if type(found) is dict else held_by(found).get(name)
    return found


def _name(target: Any) -> str:
    """What people call it; of Django's class-based views that is the class, not what each has as its view."""
    while type(target) is partial:
        target = target.func
    if type(target) is MethodType:
        target = target.__func__
    target = held_by(target).get("view_class", target)
    if type(target) is FunctionType:
        module = target.__module__ if type(target.__module__) is str else "?"
        return clean(plain.of_main(f"{module}.{plain.text(target.__qualname__)}"), 300)
    if type(target) is str:
        return clean(target, 300)
    return clean(plain.type_name(target if issubclass(type(target), type) else type(target)), 300)
