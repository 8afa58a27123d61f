"""Errors as documents from elsewhere: our own export, and events of Sentry's format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from llama_logging import plain
from llama_logging.capture import NO_EXCEPTION
from llama_logging.context import (
    Breadcrumb,
    ErrorContext,
    ErrorSeverity,
    ExceptionDetail,
    Frame,
    FrameLocals,
    Process,
    Stack,
)
from llama_logging.exceptions import ConfigError
from llama_logging.fingerprint import fingerprint, main_of, of_message
from llama_logging.frames import in_app
from llama_logging.grouping import EXPLICIT
from llama_logging.ids import new_id
from llama_logging.redaction import clean, clean_data
from llama_logging.tracebacks import CAUSE, HEADER, MAX_TEXT, stack_of

Json = Mapping[str, Any]

# https://develop.sentry.dev/sdk/data-model/event-payloads/
_SENTRY = ("event_id", "exception", "logentry", "message")
_LEVELS = {"fatal": "CRITICAL", "critical": "CRITICAL", "error": "ERROR", "warning": "WARNING", "info": "INFO"}
_TEXTS = (
    "error_message", "trace_id", "span_id", "logger_name", "log_message", "log_template", "thread_name", "task_name",
)  # fmt: skip
_FLAGS = ("handled", "implicit", "complete")
_HEX = re.compile(r"[0-9a-f]{32}")
_PROCESS = re.compile(r"[0-9a-z ]{1,40}")
_WHOLE = plain.Limits(depth=6, items=1_000)
"""Of an exception with all its frames."""


def context_of(document: object) -> ErrorContext:
    """The error that *document* tells of: one that `llama-logging export` wrote, or an event as Sentry has it.

    What comes from elsewhere is bounded and redacted as what is captured here.

    Raises:
        ConfigError: If it is neither.
    """
    try:
        if isinstance(document, dict) and "error_id" in document:
            return _of_export(document)
        if isinstance(document, dict) and any(name in document for name in _SENTRY):
            return _of_sentry(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"not an error: {type(error).__name__}: {error}") from error
    raise ConfigError("not an error: expected a line of `llama-logging export` or an event of Sentry's format")


def _of_export(document: Json) -> ErrorContext:
    entries = [clean_data(entry, _WHOLE) for entry in document["exceptions"]]
    exceptions = tuple(_exported(entry) for entry in entries)
    grouping = tuple(map(_text, document["grouping"]))
    stack_trace = clean(document["stack_trace"], MAX_TEXT)
    process = Process(**clean_data(document["process"])) if document["process"] else None
    if process is not None and not _PROCESS.fullmatch(process.process):
        raise ValueError(f"no process is called {process.process!r}")
    stack = Stack(
        error_type=_text(document["error_type"]),
        module=_text(document["source_module"]),
        function=_text(document["source_function"]),
        file=_text(document["source_file"]),
        line=int(document["source_line"]),
        template="\0" if stack_trace else "",
        exceptions=exceptions,
        main=main_of(exceptions) if exceptions else 0,
        grouping=grouping,
        fingerprint=_text(document["fingerprint"]),
    )
    values: dict[str, Any] = {name: _text(document[name]) for name in _TEXTS}
    values |= {name: bool(document[name]) for name in _FLAGS}
    return ErrorContext(
        error_id=str(UUID(document["error_id"])),
        timestamp=datetime.fromisoformat(document["timestamp"]).astimezone(UTC),
        severity=ErrorSeverity[document["severity"]],
        stack=stack,
        parts=(stack_trace,) if stack_trace else (),
        messages=tuple(_text(entry["message"]) for entry in entries),
        attributes=tuple(entry["attributes"] for entry in entries),
        additional_context=clean_data(dict(document["additional_context"])),
        tags={_text(key): _text(value) for key, value in document["tags"].items()},
        stack_info=clean(document["stack_info"], MAX_TEXT),
        fingerprint=stack.fingerprint,
        grouping=grouping,
        breadcrumbs=tuple(
            Breadcrumb(**{**clean_data(crumb), "severity": ErrorSeverity(crumb["severity"])})
            for crumb in document["breadcrumbs"]
        ),
        locals=tuple(FrameLocals(**clean_data(entry)) for entry in document["locals"]),
        mechanism="import",
        process=process,
        **values,
    )


def _exported(entry: Json) -> ExceptionDetail:
    frames = tuple(
        Frame(**{**frame, "in_app": frame["in_app"] is not False and in_app(frame["file"])})
        for frame in entry["frames"]
    )
    return ExceptionDetail(
        **{**entry, "bases": tuple(entry["bases"]), "frames": frames, "message": "", "attributes": {}}
    )


def _of_sentry(event: Json) -> ErrorContext:
    # The cause comes first and what was raised last; ours is the other way round.
    raised = list(reversed(_values(event.get("exception"))))
    shapes = tuple(_raised(entry, "cause" if number else "raised") for number, entry in enumerate(raised))
    messages = tuple(_text(entry.get("value")) for entry in raised)
    entry = event.get("logentry") or event.get("message") or ""
    entry = entry if isinstance(entry, dict) else {"message": entry}
    template = _text(entry.get("message"))
    log_message = _text(entry.get("formatted")) or template or (messages[0] if messages else "")
    logger = _text(event.get("logger")) or "root"
    stack = _stack_of(shapes, logger, template or log_message, rendered="params" not in entry)
    grouping, key = _explicit(event.get("fingerprint"), stack)
    trace = (event.get("contexts") or {}).get("trace") or {}
    mechanism = (raised[0].get("mechanism") or {}) if raised else {}
    return ErrorContext(
        error_id=_id(event.get("event_id")),
        timestamp=_moment(event.get("timestamp")),
        severity=ErrorSeverity[_LEVELS.get(str(event.get("level") or "error"), "DEBUG")],
        error_message=messages[0] if messages else log_message,
        stack=stack,
        messages=messages,
        additional_context=clean_data(event.get("extra") or {}),
        tags={_text(key): _text(value) for key, value in _pairs(event.get("tags"))},
        trace_id=_text(trace.get("trace_id")),
        span_id=_text(trace.get("span_id")),
        breadcrumbs=tuple(_breadcrumb(crumb) for crumb in _values(event.get("breadcrumbs"))[-100:]),
        fingerprint=key,
        grouping=grouping,
        logger_name=logger,
        log_message=log_message,
        log_template=template if template != log_message else "",
        thread_name="MainThread",
        mechanism="sentry",
        handled=mechanism.get("handled") is not False,
        process=_process(event),
    )


def _raised(entry: Json, relation: str) -> ExceptionDetail:
    frames = (entry.get("stacktrace") or {}).get("frames") or ()
    name, module = _text(entry.get("type")) or "Error", _text(entry.get("module")) or "builtins"
    return ExceptionDetail(
        type=name,
        module=module,
        message="",
        bases=(name if module == "builtins" else f"{module}.{name}",),
        relation=relation,
        frames=tuple(_frame(frame) for frame in frames[-60:]),
    )


def _frame(frame: Json) -> Frame:
    file = _text(frame.get("abs_path") or frame.get("filename")) or "?"
    return Frame(
        module=_text(frame.get("module")) or "?",
        function=_text(frame.get("function")) or "?",
        file=file,
        line=int(frame.get("lineno") or 0),
        source=_text(frame.get("context_line")).strip(),
        in_app=frame.get("in_app") is not False and in_app(file),
        column=int(frame.get("colno") or 0),
    )


def _stack_of(shapes: Sequence[ExceptionDetail], logger: str, said: str, *, rendered: bool) -> Stack:
    if not shapes:
        grouping = of_message(logger, said, rendered=rendered)
        return Stack(error_type=NO_EXCEPTION, grouping=grouping, fingerprint=fingerprint(grouping))
    pieces: list[str] = []
    for shape in reversed(shapes):
        lines = [
            f'  File "{frame.file}", line {frame.line}, in {frame.function}\n'
            + (f"    {frame.source}\n" if frame.source else "")
            for frame in shape.frames
        ]
        pieces.append((CAUSE if pieces else "") + (HEADER + "".join(lines) if lines else ""))
    shown = tuple(reversed(range(len(shapes))))
    return stack_of("\0".join([*pieces, ""]), tuple(shapes), shown)


def _explicit(given: Any, stack: Stack) -> tuple[tuple[str, ...], str]:
    parts = [part for part in given if isinstance(part, str)] if isinstance(given, list) else []
    if not parts or parts == ["{{ default }}"] or parts == ["{{default}}"]:
        return stack.grouping, stack.fingerprint
    grouping = tuple(EXPLICIT + _text(part) for part in parts)
    return grouping, fingerprint(grouping)


def _breadcrumb(crumb: Json) -> Breadcrumb:
    return Breadcrumb(
        created=_moment(crumb.get("timestamp")).timestamp(),
        severity=ErrorSeverity[_LEVELS.get(str(crumb.get("level") or "info"), "DEBUG")],
        logger_name=_text(crumb.get("category")),
        message=_text(crumb.get("message")),
    )


def _process(event: Json) -> Process:
    runtime = (event.get("contexts") or {}).get("runtime") or {}
    host, release, environment = (_text(event.get(name)) for name in ("server_name", "release", "environment"))
    return Process(
        process=f"sentry {fingerprint((host, release, environment)).partition(':')[2]}",
        pid=0,
        host=host,
        boot="",
        program="",
        python=_text(runtime.get("version")),
        release=release,
        environment=environment,
    )


def _id(given: Any) -> str:
    text = str(given or "").replace("-", "").lower()
    return str(UUID(text)) if _HEX.fullmatch(text) else new_id()


def _moment(given: Any) -> datetime:
    if isinstance(given, int | float):
        return datetime.fromtimestamp(given, UTC)
    if isinstance(given, str):
        moment = datetime.fromisoformat(given)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return datetime.now(UTC)


def _values(given: Any) -> list[Json]:
    entries = given.get("values") if isinstance(given, dict) else given
    return [entry for entry in entries or () if isinstance(entry, dict)]


def _pairs(given: Any) -> Iterable[tuple[Any, Any]]:
    return given.items() if isinstance(given, dict) else [pair for pair in given or () if pair and len(pair) == 2]


def _text(value: Any) -> str:
    return "" if value is None else clean(str(value))
