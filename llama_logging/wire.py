"""Errors and attempts as journal frames, and back: the names on disk.

What all errors of one place share (stack text, frames, types, grouping) goes into a `stack` frame,
named by a hash of its content and written once per journal; an `error` frame refers to it. So a
repeated error is a few hundred bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring_ascii as _text
from typing import Any

from llama_logging.capture.fingerprint import digest
from llama_logging.capture.tracing import NO_TRACE
from llama_logging.context import (
    Breadcrumb,
    ErrorContext,
    ErrorSeverity,
    ExceptionDetail,
    Form,
    Frame,
    FrameLocals,
    Process,
    Sighting,
    Stack,
    from_microseconds,
    to_microseconds,
)
from llama_logging.frozen import Frozen, fields_of
from llama_logging.tried import OutcomeStatus, RecoveryAttempt

Json = dict[str, Any]

HEAD, AFTER_ID = '{"k":"error","id":"', '","ts":'
"""Of an `error` frame: how it begins, and what follows its id, which all have at the same place."""
ID_CHARACTERS = 36

MAX_STACK = 200_000
"""Characters of a `stack` frame; of a longer one the calls of the exceptions after the third are left out."""

_KNOWN_STACKS = 4_096
_KNOWN_CHARACTERS = 4_000_000
_room = _KNOWN_CHARACTERS
_known: dict[int, _Shared] = {}
_of_form: dict[Form, tuple[str, str, str]] = {}

dumps: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
"""ASCII on purpose: one escaped line per frame, whatever the text holds."""


def encode_error(context: ErrorContext) -> tuple[str, str, str]:
    """*context* as an `error` frame, the name of its `stack` frame, and that frame; all as JSON texts."""
    form, process, message, log = context.form, context.process, context.error_message, context.log_message
    if form is None:
        (middle, name, definition), more = _middle(context), _optional(context)
    else:
        (middle, name, definition), more = _of_form.get(form) or _learn_form(form, context), _whereabouts(context)
    if log != message:
        more = f',"log":{_text(log)}{more}'
    frame = (
        f"{HEAD}{context.error_id}{AFTER_ID}{context.microseconds},"
        f'"proc":"{process.process if process else ""}",{middle},"msg":{_text(message)}{more}}}'
    )
    return frame, name, definition


def error_ids(frames: Iterable[str]) -> set[str]:
    """Of the errors among *frames*; one whose own code was still to speak has two frames."""
    begin, end = len(HEAD), len(HEAD) + ID_CHARACTERS
    return {frame[begin:end] for frame in frames if frame.startswith(HEAD)}


def _middle(context: ErrorContext) -> tuple[str, str, str]:
    """What the frames of a form's errors share, the name of their `stack` frame, and that frame."""
    shared = _known.get(id(context.stack)) or _learn(context.stack)
    fingerprint, logger = _text(context.fingerprint), _text(context.logger_name)
    middle = f'{shared.middle},"sev":{context.severity.value},"fp":{fingerprint},"logger":{logger}'
    return middle, shared.name, shared.definition


def _learn_form(form: Form, context: ErrorContext) -> tuple[str, str, str]:
    if len(_of_form) >= _KNOWN_STACKS:
        _of_form.clear()
    known = _of_form[form] = _middle(context)
    return known


def _whereabouts(context: ErrorContext) -> str:
    """As `_optional`, of an error that has a form."""
    more = f',"tmpl":{_text(context.log_template)}' if context.log_template else ""
    if context.thread_name != "MainThread":
        more += f',"thread":{_text(context.thread_name)}'
    if context.task_name:
        more += f',"task":{_text(context.task_name)}'
    return more


def _optional(context: ErrorContext) -> str:
    """What most errors do not have."""
    members: Json = {}
    if context.parts:
        members["parts"] = context.parts
    if context.log_template:
        members["tmpl"] = context.log_template
    if len(context.messages) > 1:
        main = context.stack.main
        members["messages"] = [*context.messages[:main], *context.messages[main + 1 :]]
    if any(context.attributes):
        members["attrs"] = list(context.attributes)
    if context.grouping is not context.stack.grouping and context.grouping != context.stack.grouping:
        members["group"] = list(context.grouping)
    if context.additional_context:
        members["ctx"] = context.additional_context
    if context.tags:
        members["tags"] = context.tags
    if context.trace_id:
        members["trace"] = [context.trace_id, context.span_id]
    if context.breadcrumbs:
        members["crumbs"] = [[c.created, c.severity, c.logger_name, c.message] for c in context.breadcrumbs]
    if context.locals:
        members["locals"] = [[found.exception, found.frame, found.values] for found in context.locals]
    if context.stack_info:
        members["at"] = context.stack_info
    if context.thread_name != "MainThread":
        members["thread"] = context.thread_name
    if context.task_name:
        members["task"] = context.task_name
    if context.mechanism != "logging":
        members["via"] = context.mechanism
    if context.implicit:
        members["implicit"] = True
    if not context.handled:
        members["unhandled"] = True
    if not context.complete:
        members["partial"] = True
    return f",{dumps(members)[1:-1]}" if members else ""


def decode_error(frame: Json, stack: Json, process: Json | None) -> ErrorContext:
    """The error that was encoded; of a *stack* that was lost, what the frame alone tells."""
    main, shapes = stack.get("main", 0), len(stack.get("exceptions", ()))
    others = frame.get("messages", ())
    parts = tuple(frame.get("parts", () if stack else (f"{frame['type']}: {frame['msg']}\n",)))
    shared = _stack(stack, frame["type"], parts)
    return ErrorContext(
        error_id=frame["id"],
        timestamp=from_microseconds(frame["ts"]),
        severity=ErrorSeverity(frame["sev"]),
        error_message=frame["msg"],
        stack=shared,
        parts=parts,
        messages=(*others[:main], frame["msg"], *others[main:])[:shapes],
        attributes=tuple(frame.get("attrs", ()))[:shapes],
        additional_context=dict(frame.get("ctx", {})),
        tags=dict(frame.get("tags", {})),
        trace_id=frame.get("trace", NO_TRACE)[0],
        span_id=frame.get("trace", NO_TRACE)[1],
        breadcrumbs=tuple(
            Breadcrumb(created=created, severity=ErrorSeverity(severity), logger_name=logger, message=message)
            for created, severity, logger, message in frame.get("crumbs", ())
        ),
        locals=tuple(
            FrameLocals(exception=exception, frame=place, values=values)
            for exception, place, values in frame.get("locals", ())
        ),
        stack_info=frame.get("at", ""),
        fingerprint=frame["fp"],
        grouping=tuple(frame.get("group", shared.grouping)),
        logger_name=frame["logger"],
        log_message=str(frame.get("log", frame["msg"])),
        log_template=frame.get("tmpl", ""),
        thread_name=frame.get("thread", "MainThread"),
        task_name=frame.get("task", ""),
        mechanism=frame.get("via", "logging"),
        implicit=frame.get("implicit", False),
        handled=not frame.get("unhandled", False),
        complete=not frame.get("partial", False),
        process=_process(process),
    )


def encode_count(context: ErrorContext) -> Json:
    """*context* as no more than a mark that there was one; `count`, where it stands, says how many."""
    return {
        "k": "count",
        "proc": context.process.process if context.process else "",
        "ts": to_microseconds(context.timestamp),
        "sev": int(context.severity),
        "fp": context.fingerprint,
        "type": context.error_type,
        "stack": (_known.get(id(context.stack)) or _learn(context.stack)).name,
    }


def encode_sighting(context: ErrorContext) -> Json:
    """What *context* adds to the error that it is `again`."""
    return {
        "k": "again",
        "id": context.error_id,
        "ts": to_microseconds(context.timestamp),
        "sev": int(context.severity),
        "logger": context.logger_name,
        "log": context.log_message,
        "type": context.error_type,
    }


def decode_sighting(frame: Json) -> Sighting:
    """The sighting that was encoded."""
    return Sighting(
        error_id=frame["id"],
        timestamp=from_microseconds(frame["ts"]),
        logger_name=frame["logger"],
        log_message=frame["log"],
        error_type=frame["type"],
    )


def encode_process(process: Process) -> Json:
    """*process* as the `open` frame every journal begins with; `v` is the version of this format."""
    return {"k": "open", "v": 1, **fields_of(process)}


def encode_attempt(attempt: RecoveryAttempt) -> Json:
    """*attempt* as an `audit` frame; the same attempt_id again replaces what was said before."""
    frame: Json = {"k": "audit", **fields_of(attempt), "started_at": to_microseconds(attempt.started_at)}
    return {**frame, "status": attempt.status.value}


def decode_attempt(frame: Json) -> RecoveryAttempt:
    """The attempt that was encoded."""
    values = {name: frame[name] for name in RecoveryAttempt._fields if name in frame}
    values["started_at"] = from_microseconds(values["started_at"])
    values["status"] = OutcomeStatus(values["status"])
    return RecoveryAttempt(**values)


class _Shared(Frozen, kw_only=False):
    """What is encoded once for a stack.

    Attributes:
        stack: Held, so that no other can get its id.
        name: Hash of the definition; errors refer to it.
        definition: The `stack` frame.
        middle: The members of an error frame that are the same each time.
    """

    stack: Stack
    name: str
    definition: str
    middle: str


def _learn(stack: Stack) -> _Shared:
    global _room
    shared = _encode_stack(stack)
    _room -= len(shared.definition)
    if len(_known) >= _KNOWN_STACKS or _room < 0:
        # Those of groups, and of what was read back from a message, are no other error's.
        _known.clear()
        _room = _KNOWN_CHARACTERS
    _known[id(stack)] = shared
    return shared


def _encode_stack(stack: Stack) -> _Shared:
    content: Json = {
        "fp": stack.fingerprint,
        "main": stack.main,
        "site": [stack.module, stack.function, stack.file, stack.line],
        "grouping": list(stack.grouping),
        "exceptions": [
            {
                "type": error.type,
                "module": error.module,
                "bases": list(error.bases),
                "relation": error.relation,
                "frames": [[f.module, f.function, f.file, f.line, f.source, f.in_app, f.column] for f in error.frames],
            }
            for error in stack.exceptions
        ],
        "shown": list(stack.shown),
        "text": stack.template,
    }
    text = dumps(content)
    if len(text) > MAX_STACK:
        # Frames are the most of it; types and places stay in the text.
        for error in content["exceptions"][max(3, stack.main + 1) :]:
            error["frames"] = []
        text = dumps(content)
    name = digest(text)
    middle = f'"type":{_text(stack.error_type)},"stack":"{name}"'
    return _Shared(stack, name, f'{{"k":"stack","name":"{name}",{text[1:]}', middle)


def _stack(frame: Json, error_type: str, parts: tuple[str, ...]) -> Stack:
    module, function, file, line = frame.get("site", ("", "", "", 0))
    return Stack(
        error_type=error_type,
        module=module,
        function=function,
        file=file,
        line=line,
        template=frame.get("text", "\0" * len(parts)),
        exceptions=tuple(_exception(error) for error in frame.get("exceptions", ())),
        shown=tuple(frame.get("shown", ())),
        main=frame.get("main", 0),
        grouping=tuple(frame.get("grouping", ())),
        fingerprint=frame.get("fp", ""),
    )


def _exception(error: Json) -> ExceptionDetail:
    frames = tuple(
        Frame(module=module, function=function, file=file, line=line, source=source, in_app=in_app, column=column)
        for module, function, file, line, source, in_app, column in error["frames"]
    )
    values: Json = {**error, "bases": tuple(error["bases"]), "frames": frames}
    return ExceptionDetail(message="", **values)


def _process(frame: Json | None) -> Process | None:
    return Process(**{name: frame[name] for name in Process._fields if name in frame}) if frame else None
