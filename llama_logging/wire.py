"""Errors and attempts as journal frames, and back: the names on disk.

What all errors of one place share (stack text, frames, types, grouping) goes into a `stack` frame,
named by a hash of its content and written once per journal; an `error` frame refers to it. So a
repeated error is a few hundred bytes.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from llama_logging.context import (
    ErrorContext,
    ErrorSeverity,
    ExceptionDetail,
    Frame,
    Process,
    StackText,
    from_microseconds,
    to_microseconds,
)
from llama_logging.registry import OutcomeStatus, RecoveryAttempt

Json = dict[str, Any]

dumps: Callable[[Any], str] = functools.partial(json.dumps, ensure_ascii=True, separators=(",", ":"))
"""ASCII on purpose: one escaped line per frame, whatever the text holds."""


def encode_error(context: ErrorContext) -> tuple[Json, str, Json]:
    """*context* as an `error` frame, the name of its `stack` frame, and that frame."""
    stack = _stack(context)
    name = hashlib.blake2b(dumps(stack).encode(), digest_size=8).hexdigest()
    frame: Json = {
        "k": "error",
        "id": context.error_id,
        "ts": to_microseconds(context.timestamp),
        "sev": int(context.severity),
        "type": context.error_type,
        "msg": context.error_message,
        "logger": context.logger_name,
        "fp": context.fingerprint,
        "stack": name,
        "proc": context.process.process if context.process else "",
    }
    optional = {
        "log": "" if context.log_message == context.error_message else context.log_message,
        "parts": _parts(context),
        "messages": [error.message for error in context.exceptions[1:]],
        "ctx": dict(context.additional_context),
        "thread": "" if context.thread_name == "MainThread" else context.thread_name,
        "task": context.task_name,
        "via": "" if context.mechanism == "logging" else context.mechanism,
        "implicit": context.implicit,
        "unhandled": not context.handled,
    }
    frame.update((key, value) for key, value in optional.items() if value)
    return frame, name, {"k": "stack", "name": name, **stack}


def decode_error(frame: Json, stack: Json, process: Json | None) -> ErrorContext:
    """The error that was encoded; of a *stack* that was lost, what the frame alone tells."""
    messages = [frame["msg"], *frame.get("messages", ())]
    exceptions = tuple(
        _exception(error, messages[index] if index < len(messages) else "")
        for index, error in enumerate(stack.get("exceptions", ()))
    )
    parts = tuple(_line(exceptions[part]) if isinstance(part, int) else part for part in frame.get("parts", ()))
    template = stack.get("text", "\0" * len(parts))
    module, function, file, line = stack.get("site", ("", "", "", 0))
    return ErrorContext(
        error_id=frame["id"],
        timestamp=from_microseconds(frame["ts"]),
        severity=ErrorSeverity(frame["sev"]),
        source_module=module,
        source_function=function,
        source_file=file,
        source_line=line,
        error_type=frame["type"],
        error_message=frame["msg"],
        stack=StackText(template, parts),
        additional_context=frame.get("ctx", {}),
        fingerprint=frame["fp"],
        grouping=tuple(stack.get("grouping", ())),
        logger_name=frame["logger"],
        log_message=str(frame.get("log", frame["msg"])),
        log_template=stack.get("template", ""),
        exceptions=exceptions,
        thread_name=frame.get("thread", "MainThread"),
        task_name=frame.get("task", ""),
        mechanism=frame.get("via", "logging"),
        implicit=frame.get("implicit", False),
        handled=not frame.get("unhandled", False),
        process=_process(process),
    )


def encode_process(process: Process) -> Json:
    """*process* as the `open` frame every journal begins with; `v` is the version of this format."""
    return {"k": "open", "v": 1, **asdict(process)}


def encode_attempt(attempt: RecoveryAttempt) -> Json:
    """*attempt* as an `audit` frame; the same attempt_id again replaces what was said before."""
    frame: Json = {"k": "audit", **asdict(attempt), "started_at": to_microseconds(attempt.started_at)}
    return {**frame, "status": attempt.status.value}


def decode_attempt(frame: Json) -> RecoveryAttempt:
    """The attempt that was encoded."""
    values = {field.name: frame[field.name] for field in fields(RecoveryAttempt)}
    values["started_at"] = from_microseconds(values["started_at"])
    values["status"] = OutcomeStatus(values["status"])
    return RecoveryAttempt(**values)


def as_document(context: ErrorContext) -> Json:
    """*context* as one JSON-able document, for people and programs to read."""
    document = asdict(context)
    del document["stack"]
    document.update(
        timestamp=context.timestamp.isoformat(),
        severity=context.severity.name,
        stack_trace=context.stack_trace,
    )
    return document


def _stack(context: ErrorContext) -> Json:
    return {
        "text": context.stack.template,
        "site": [context.source_module, context.source_function, context.source_file, context.source_line],
        "grouping": list(context.grouping),
        "template": context.log_template,
        "exceptions": [
            {
                "type": error.type,
                "module": error.module,
                "bases": list(error.bases),
                "relation": error.relation,
                "attributes": dict(error.attributes),
                "frames": [[f.module, f.function, f.file, f.line, f.source, f.in_app] for f in error.frames],
            }
            for error in context.exceptions
        ],
    }


def _parts(context: ErrorContext) -> list[str | int]:
    """What differs in the stack text; a line that type and message already tell, as their number."""
    told = {_line(error): index for index, error in reversed(list(enumerate(context.exceptions)))}
    return [told.get(part, part) for part in context.stack.parts]


def _line(error: ExceptionDetail) -> str:
    return f"{error.qualified_type}: {error.message}\n"


def _exception(error: Json, message: str) -> ExceptionDetail:
    frames = tuple(
        Frame(module=module, function=function, file=file, line=line, source=source, in_app=in_app)
        for module, function, file, line, source, in_app in error["frames"]
    )
    values: Mapping[str, Any] = {**error, "bases": tuple(error["bases"]), "frames": frames}
    return ExceptionDetail(message=message, **values)


def _process(frame: Json | None) -> Process | None:
    names = {field.name for field in fields(Process)}
    return Process(**{key: value for key, value in frame.items() if key in names}) if frame else None
