"""Errors as events of Sentry's format: https://develop.sentry.dev/sdk/data-model/event-payloads/."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from llama_logging.capture.chains import MAX_EXCEPTIONS
from llama_logging.capture.fingerprint import fingerprint, of_message
from llama_logging.capture.frames import in_app
from llama_logging.capture.grouping import EXPLICIT
from llama_logging.capture.sights import CAUSE, stack_of
from llama_logging.capture.sites import NO_EXCEPTION
from llama_logging.capture.tracebacks import text_of_frames
from llama_logging.capture.variables import MAX_CALLS, MAX_VARIABLES
from llama_logging.capture.variables import MAX_EXCEPTIONS as MAX_OF
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
from llama_logging.documents.values import Json, count_of, mapping_of, moment_of
from llama_logging.ids import new_id
from llama_logging.redaction import clean, clean_data

SIGNS = ("event_id", "exception", "logentry", "message")
"""What an event has at least one of."""
LEVELS = {"CRITICAL": "fatal", "ERROR": "error", "WARNING": "warning", "INFO": "info", "DEBUG": "debug"}
"""How an event names a severity."""
SOURCES = {"cause": "__cause__", "context": "__context__", "member": "exceptions"}
"""How an event names what an exception is to another; behind that of a member stands which it is, in brackets."""
_SEVERITIES = {**{level: name for name, level in LEVELS.items()}, "critical": "CRITICAL"}
_RELATIONS = {source: relation for relation, source in SOURCES.items()}
_HEX = re.compile(r"[0-9a-f]{32}")


def read(event: Json) -> ErrorContext:
    """The error that *event* tells of, bounded and redacted as what is captured here."""
    family = _family(_values(event.get("exception")))
    raised = [entry for entry, _ in family]
    shapes = tuple(_raised(entry, relation) for entry, relation in family)
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
        timestamp=moment_of(event.get("timestamp")),
        severity=ErrorSeverity[_SEVERITIES.get(str(event.get("level") or "error"), "DEBUG")],
        error_message=messages[stack.main] if messages else log_message,
        stack=stack,
        messages=messages,
        additional_context=clean_data(mapping_of(event.get("extra") or {})),
        tags={_text(key): _text(value) for key, value in _pairs(event.get("tags"))},
        trace_id=_text(trace.get("trace_id")),
        span_id=_text(trace.get("span_id")),
        breadcrumbs=tuple(_breadcrumb(crumb) for crumb in _values(event.get("breadcrumbs"))[-100:]),
        locals=tuple(_locals(raised)),
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


def _family(values: Sequence[Json]) -> list[tuple[Json, str]]:
    """The exceptions, what was raised first, then breadth first as ours are, each with what it is to its parent.

    In an event the cause comes first and what was raised last. Which belongs to which stands there with groups alone.
    """
    raised = list(reversed(values))[:MAX_EXCEPTIONS]
    mechanisms = [entry.get("mechanism") or {} for entry in raised]
    numbers = [mechanism.get("exception_id") for mechanism in mechanisms]
    order = [0] if raised else []
    for at in order:
        order += [
            index
            for index, mechanism in enumerate(mechanisms)
            if numbers[at] is not None and index not in order and mechanism.get("parent_id") == numbers[at]
        ]
    if len(order) < len(raised):
        return [(entry, "cause" if number else "raised") for number, entry in enumerate(raised)]
    return [(raised[at], _RELATIONS.get(_source(mechanisms[at]), "cause") if at else "raised") for at in order]


def _source(mechanism: Json) -> str:
    return _text(mechanism.get("source")).partition("[")[0]


def _raised(entry: Json, relation: str) -> ExceptionDetail:
    name, module = _text(entry.get("type")) or "Error", _text(entry.get("module")) or "builtins"
    is_group = (entry.get("mechanism") or {}).get("is_exception_group") is True
    return ExceptionDetail(
        type=name,
        module=module,
        message="",
        bases=(name if module == "builtins" else f"{module}.{name}", *(("BaseExceptionGroup",) if is_group else ())),
        relation=relation,
        frames=tuple(_frame(frame) for frame in _frames(entry)),
    )


def _frames(entry: Json) -> Sequence[Json]:
    frames: Sequence[Json] = (entry.get("stacktrace") or {}).get("frames") or ()
    return frames[-60:]


def _locals(raised: Sequence[Json]) -> Iterator[FrameLocals]:
    """The variables of the innermost calls that have some, innermost first, as many as we keep ourselves."""
    for number, entry in enumerate(raised[:MAX_OF]):
        frames = [(place, frame["vars"]) for place, frame in enumerate(_frames(entry)) if frame.get("vars")]
        for place, values in reversed(frames[-MAX_CALLS:]):
            told = clean_data(dict([*mapping_of(values).items()][:MAX_VARIABLES]))
            yield FrameLocals(exception=number, frame=place, values=told)


def _frame(frame: Json) -> Frame:
    file = _text(frame.get("abs_path") or frame.get("filename")) or "?"
    return Frame(
        module=_text(frame.get("module")) or "?",
        function=_text(frame.get("function")) or "?",
        file=file,
        line=count_of(int(frame.get("lineno") or 0)),
        source=_text(frame.get("context_line")).strip(),
        in_app=frame.get("in_app") is not False and in_app(file),
        column=count_of(int(frame.get("colno") or 0)),
    )


def _stack_of(shapes: Sequence[ExceptionDetail], logger: str, said: str, *, rendered: bool) -> Stack:
    if not shapes:
        grouping = of_message(logger, said, rendered=rendered)
        return Stack(error_type=NO_EXCEPTION, grouping=grouping, fingerprint=fingerprint(grouping))
    template = f"\0{CAUSE}".join(text_of_frames(shape.frames) for shape in reversed(shapes)) + "\0"
    return stack_of(template, tuple(shapes), tuple(reversed(range(len(shapes)))))


def _explicit(given: Any, stack: Stack) -> tuple[tuple[str, ...], str]:
    parts = [part for part in given if isinstance(part, str)] if isinstance(given, list) else []
    if not parts or parts == ["{{ default }}"] or parts == ["{{default}}"]:
        return stack.grouping, stack.fingerprint
    grouping = tuple(EXPLICIT + _text(part) for part in parts)
    return grouping, fingerprint(grouping)


def _breadcrumb(crumb: Json) -> Breadcrumb:
    return Breadcrumb(
        created=moment_of(crumb.get("timestamp")).timestamp(),
        severity=ErrorSeverity[_SEVERITIES.get(str(crumb.get("level") or "info"), "DEBUG")],
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


def _values(given: Any) -> list[Json]:
    entries = given.get("values") if isinstance(given, dict) else given
    return [entry for entry in entries or () if isinstance(entry, dict)]


def _pairs(given: Any) -> Iterable[tuple[Any, Any]]:
    return given.items() if isinstance(given, dict) else [pair for pair in given or () if pair and len(pair) == 2]


def _text(value: Any) -> str:
    return "" if value is None else clean(str(value))
