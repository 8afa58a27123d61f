"""Errors as documents from elsewhere: our own export, and events of Sentry's format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
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
from llama_logging.frozen import Frozen, replace
from llama_logging.grouping import EXPLICIT
from llama_logging.ids import new_id
from llama_logging.redaction import clean, clean_data
from llama_logging.tracebacks import CAUSE, HEADER, MAX_EXCEPTIONS, MAX_TEXT, stack_of
from llama_logging.variables import MAX_CALLS, MAX_VARIABLES
from llama_logging.variables import MAX_EXCEPTIONS as MAX_OF

Json = Mapping[str, Any]
T = TypeVar("T", bound=Frozen)

# https://develop.sentry.dev/sdk/data-model/event-payloads/
_SENTRY = ("event_id", "exception", "logentry", "message")
_LEVELS = {"fatal": "CRITICAL", "critical": "CRITICAL", "error": "ERROR", "warning": "WARNING", "info": "INFO"}
_TEXTS = (
    "error_message", "trace_id", "span_id", "logger_name", "log_message", "log_template", "thread_name", "task_name",
)  # fmt: skip
_FLAGS = ("handled", "implicit", "complete")
_HEX = re.compile(r"[0-9a-f]{32}")
_PROCESS = re.compile(r"[0-9a-z ]{1,40}")
_FINGERPRINT = re.compile(r"[\w:.-]{1,100}", re.ASCII)
_RELATIONS = ("raised", "cause", "context", "suppressed", "member")
_RELATION_OF = {"__cause__": "cause", "__context__": "context", "exceptions": "member"}
_MOST = 2**31 - 1
_END = datetime(9999, 1, 1, tzinfo=UTC)
"""A later moment has no local time everywhere."""
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
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise ConfigError(f"not an error: {type(error).__name__}: {error}") from error
    raise ConfigError("not an error: expected a line of `llama-logging export` or an event of Sentry's format")


def _of_export(document: Json) -> ErrorContext:
    raised = tuple(_exported(clean_data(entry, _WHOLE)) for entry in _list(document["exceptions"])[:MAX_EXCEPTIONS])
    exceptions = tuple(replace(error, message="", attributes={}) for error in raised)
    grouping = tuple(map(clean, _list(document["grouping"])))
    stack_trace = clean(document["stack_trace"], MAX_TEXT)
    fingerprint = _string(document["fingerprint"])
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"no group is called {fingerprint!r:.100}")
    process = _read(Process, clean_data(document["process"])) if document["process"] else None
    if process is not None and not _PROCESS.fullmatch(process.process):
        raise ValueError(f"no process is called {process.process!r}")
    stack = Stack(
        error_type=clean(document["error_type"]),
        module=clean(document["source_module"]),
        function=clean(document["source_function"]),
        file=clean(document["source_file"]),
        line=_count(document["source_line"]),
        template="\0" if stack_trace else "",
        exceptions=exceptions,
        main=main_of(exceptions) if exceptions else 0,
        grouping=grouping,
        fingerprint=fingerprint,
    )
    values: dict[str, Any] = {name: clean(document[name]) for name in _TEXTS}
    values |= {name: bool(document[name]) for name in _FLAGS}
    return ErrorContext(
        error_id=str(UUID(document["error_id"])),
        timestamp=_moment(_string(document["timestamp"])),
        severity=ErrorSeverity[document["severity"]],
        stack=stack,
        parts=(stack_trace,) if stack_trace else (),
        messages=tuple(error.message for error in raised),
        attributes=tuple(error.attributes for error in raised),
        additional_context=clean_data(_mapping(document["additional_context"])),
        tags={clean(key): clean(value) for key, value in _mapping(document["tags"]).items()},
        stack_info=clean(document["stack_info"], MAX_TEXT),
        fingerprint=stack.fingerprint,
        grouping=grouping,
        breadcrumbs=tuple(
            _read(Breadcrumb, clean_data(crumb), severity=ErrorSeverity(crumb["severity"]))
            for crumb in _list(document["breadcrumbs"])
        ),
        locals=tuple(
            _read(FrameLocals, entry, values=_mapping(entry["values"]))
            for entry in map(clean_data, _list(document["locals"]))
        ),
        mechanism="import",
        process=process,
        **values,
    )


def _exported(entry: Json) -> ExceptionDetail:
    if entry["relation"] not in _RELATIONS:
        raise ValueError(f"no exception is another's {entry['relation']!r}")
    return _read(
        ExceptionDetail,
        entry,
        bases=tuple(map(_string, _list(entry["bases"]))),
        frames=tuple(
            _read(Frame, frame, in_app=frame["in_app"] is not False and in_app(_string(frame["file"])))
            for frame in _list(entry["frames"])
        ),
        attributes={
            name: value if type(value) is int else _string(value)
            for name, value in _mapping(entry["attributes"]).items()
        },
    )


def _read(cls: type[T], given: Json, **made: Any) -> T:
    """A *cls* of what is *given*, each field of the type that it is declared with; those of *made* are made already."""
    read = {name: _KINDS[cls._field_types[name]](value) for name, value in given.items() if name not in made}
    return cls(**read, **made)


def _string(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"expected a text, got {value!r:.100}")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ValueError(f"expected a number from 0 to {_MOST}, got {value!r:.100}")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < _END.timestamp():
        raise ValueError(f"expected seconds since the epoch, got {value!r:.100}")
    return float(value)


def _list(value: Any) -> list[Any]:
    if type(value) not in (list, tuple):  # the latter of `as_document`, before it was text
        raise TypeError(f"expected a list, got {value!r:.100}")
    return list(value)


def _mapping(value: Any) -> Json:
    if type(value) is not dict:
        raise TypeError(f"expected a mapping, got {value!r:.100}")
    return value


_KINDS: Mapping[str, Callable[[Any], object]] = {"str": _string, "int": _count, "float": _seconds}


def _of_sentry(event: Json) -> ErrorContext:
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
        timestamp=_moment(event.get("timestamp")),
        severity=ErrorSeverity[_LEVELS.get(str(event.get("level") or "error"), "DEBUG")],
        error_message=messages[stack.main] if messages else log_message,
        stack=stack,
        messages=messages,
        additional_context=clean_data(_mapping(event.get("extra") or {})),
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
    return [(raised[at], _RELATION_OF.get(_source(mechanisms[at]), "cause") if at else "raised") for at in order]


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
            told = clean_data(dict([*_mapping(values).items()][:MAX_VARIABLES]))
            yield FrameLocals(exception=number, frame=place, values=told)


def _frame(frame: Json) -> Frame:
    file = _text(frame.get("abs_path") or frame.get("filename")) or "?"
    return Frame(
        module=_text(frame.get("module")) or "?",
        function=_text(frame.get("function")) or "?",
        file=file,
        line=_count(int(frame.get("lineno") or 0)),
        source=_text(frame.get("context_line")).strip(),
        in_app=frame.get("in_app") is not False and in_app(file),
        column=_count(int(frame.get("colno") or 0)),
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
    if given is None:
        return datetime.now(UTC)
    if not isinstance(given, str):
        return datetime.fromtimestamp(_seconds(given), UTC)
    moment = datetime.fromisoformat(given)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    _seconds(moment.timestamp())
    return moment.astimezone(UTC)


def _values(given: Any) -> list[Json]:
    entries = given.get("values") if isinstance(given, dict) else given
    return [entry for entry in entries or () if isinstance(entry, dict)]


def _pairs(given: Any) -> Iterable[tuple[Any, Any]]:
    return given.items() if isinstance(given, dict) else [pair for pair in given or () if pair and len(pair) == 2]


def _text(value: Any) -> str:
    return "" if value is None else clean(str(value))
