"""Celery: a task belongs to the trace of whoever sent it."""

from __future__ import annotations

import contextlib
from typing import Any

from llama_logging.capture.tracing import TRACEPARENT, TRACESTATE, carry, followed

_STACK = "_llama_logging_trace"


def install(module: Any) -> None:
    """Have the messages carry the active trace, and tasks run within it."""
    module.before_task_publish.connect(_publish, weak=False)
    module.task_prerun.connect(_begin, weak=False)
    module.task_postrun.connect(_end, weak=False)


def _publish(headers: Any = None, **_: Any) -> None:
    if isinstance(headers, dict):
        carry(headers)


def _begin(task: Any = None, **_: Any) -> None:
    request = task.request
    stack = contextlib.ExitStack()
    stack.enter_context(followed(getattr(request, TRACEPARENT, ""), getattr(request, TRACESTATE, "")))
    setattr(request, _STACK, stack)


def _end(task: Any = None, **_: Any) -> None:
    stack = getattr(task.request, _STACK, None)
    if stack is not None:
        stack.close()
