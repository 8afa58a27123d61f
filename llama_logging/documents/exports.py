"""Errors as documents of our own: what `llama-logging export` writes, `--json` shows, and `import` reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar
from uuid import UUID

from llama_logging import plain
from llama_logging.capture.chains import MAX_EXCEPTIONS
from llama_logging.capture.fingerprint import main_of
from llama_logging.capture.frames import in_app
from llama_logging.capture.sights import MAX_TEXT
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
from llama_logging.documents.values import Json, count_of, list_of, mapping_of, moment_of, seconds_of, string_of
from llama_logging.frozen import Frozen, replace
from llama_logging.redaction import clean, clean_data

T = TypeVar("T", bound=Frozen)

_TEXTS = (
    "error_message", "trace_id", "span_id", "logger_name", "log_message", "log_template", "thread_name", "task_name",
)  # fmt: skip
_FLAGS = ("handled", "implicit", "complete")
_PROCESS = re.compile(r"[0-9a-z ]{1,40}")
_FINGERPRINT = re.compile(r"[\w:.-]{1,100}", re.ASCII)
_RELATIONS = ("raised", "cause", "context", "suppressed", "member")
_WHOLE = plain.Limits(depth=6, items=1_000)
"""Of an exception with all its frames."""


def as_document(context: ErrorContext) -> dict[str, Any]:
    """*context* as one JSON-able document, for people and programs to read."""
    document = asdict(context)
    for internal in ("stack", "parts", "messages", "attributes"):
        del document[internal]
    document.update(
        timestamp=context.timestamp.isoformat(),
        severity=context.severity.name,
        error_type=context.error_type,
        source_module=context.source_module,
        source_function=context.source_function,
        source_file=context.source_file,
        source_line=context.source_line,
        exceptions=[asdict(error) for error in context.exceptions],
        stack_trace=context.stack_trace,
    )
    return document


def read(document: Json) -> ErrorContext:
    """The error that `as_document` has told of; bounded and redacted as what is captured here."""
    raised = tuple(_exported(clean_data(entry, _WHOLE)) for entry in list_of(document["exceptions"])[:MAX_EXCEPTIONS])
    exceptions = tuple(replace(error, message="", attributes={}) for error in raised)
    grouping = tuple(map(clean, list_of(document["grouping"])))
    stack_trace = clean(document["stack_trace"], MAX_TEXT)
    fingerprint = string_of(document["fingerprint"])
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"no group is called {fingerprint!r:.100}")
    process = _made(Process, clean_data(document["process"])) if document["process"] else None
    if process is not None and not _PROCESS.fullmatch(process.process):
        raise ValueError(f"no process is called {process.process!r}")
    stack = Stack(
        error_type=clean(document["error_type"]),
        module=clean(document["source_module"]),
        function=clean(document["source_function"]),
        file=clean(document["source_file"]),
        line=count_of(document["source_line"]),
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
        timestamp=moment_of(string_of(document["timestamp"])),
        severity=ErrorSeverity[document["severity"]],
        stack=stack,
        parts=(stack_trace,) if stack_trace else (),
        messages=tuple(error.message for error in raised),
        attributes=tuple(error.attributes for error in raised),
        additional_context=clean_data(mapping_of(document["additional_context"])),
        tags={clean(key): clean(value) for key, value in mapping_of(document["tags"]).items()},
        stack_info=clean(document["stack_info"], MAX_TEXT),
        fingerprint=stack.fingerprint,
        grouping=grouping,
        breadcrumbs=tuple(
            _made(Breadcrumb, clean_data(crumb), severity=ErrorSeverity(crumb["severity"]))
            for crumb in list_of(document["breadcrumbs"])
        ),
        locals=tuple(
            _made(FrameLocals, entry, values=mapping_of(entry["values"]))
            for entry in map(clean_data, list_of(document["locals"]))
        ),
        mechanism="import",
        process=process,
        **values,
    )


def _exported(entry: Json) -> ExceptionDetail:
    if entry["relation"] not in _RELATIONS:
        raise ValueError(f"no exception is another's {entry['relation']!r}")
    return _made(
        ExceptionDetail,
        entry,
        bases=tuple(map(string_of, list_of(entry["bases"]))),
        frames=tuple(
            _made(Frame, frame, in_app=frame["in_app"] is not False and in_app(string_of(frame["file"])))
            for frame in list_of(entry["frames"])
        ),
        attributes={
            name: value if type(value) is int else string_of(value)
            for name, value in mapping_of(entry["attributes"]).items()
        },
    )


def _made(cls: type[T], given: Json, **made: Any) -> T:
    """A *cls* of what is *given*, each field of the type that it is declared with; those of *made* are made already."""
    read = {name: _KINDS[cls._field_types[name]](value) for name, value in given.items() if name not in made}
    return cls(**read, **made)


_KINDS: Mapping[str, Callable[[Any], object]] = {"str": string_of, "int": count_of, "float": seconds_of}
