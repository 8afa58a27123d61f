"""The Formatters that a logging.yaml names."""

from __future__ import annotations

import datetime
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as _escaped
from typing import Any

from pythonjsonlogger.json import JsonFormatter as _BaseJsonFormatter

from llama_logging import plain, semconv
from llama_logging.capture import tagging, tracing
from llama_logging.capture.capturing import capture
from llama_logging.capture.records import CONTEXT, OUTCOME, SEEN, USUAL
from llama_logging.context import ErrorContext, ErrorSeverity, Form, microseconds_of
from llama_logging.recovery.outcome import Outcome
from llama_logging.redaction import clean, clean_data, message_of, redact
from llama_logging.redaction.credentials import REDACTED
from llama_logging.redaction.keys import is_known_harmless, is_secret
from llama_logging.tried import OutcomeStatus
from llama_logging.visible import printable, wants_colour

# What a record has that was captured and has no extra.
_OWN = USUAL | {CONTEXT, OUTCOME, SEEN}
_KNOWN_FORMS = 4_096
# What logging.Formatter knows: how a *fmt* of one's own is written.
_FORMAT_STYLES = ("%", "{", "$")
# Nobody can guess it: it stands in no text.
_GAP = f"gap {os.urandom(16).hex()}"
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;97;41"}


class _Gaps:
    """Of all errors of a form a formatter writes the same text, but for what fills its gaps: remembers these texts."""

    def __init__(self) -> None:
        self._known: dict[Form, tuple[object, list[str]]] = {}

    def around(
        self,
        form: Form,
        record: logging.LogRecord,
        context: ErrorContext,
        write: Callable[[logging.LogRecord, ErrorContext], str],
    ) -> list[str]:
        """What stands around the gaps in what *write* gives; asked again where another handler changed *record*."""
        outcome = record.__dict__.get(OUTCOME)
        status = None if outcome is None else outcome.status
        asked = (record.name, record.levelno, record.levelname, status, context.process)
        known = self._known.get(form)
        if known is None or known[0] != asked:
            if len(self._known) >= _KNOWN_FORMS:
                self._known.clear()
            known = asked, write(record, context).split(_GAP)
            # A recovery may have ended meanwhile: then what was written is not what was asked for.
            if outcome is None or outcome.status is status:
                self._known[form] = known
        return known[1]


class JsonFormatter(_BaseJsonFormatter):
    """One JSON object a line; errors carry their id and fingerprint.

    A python-json-logger formatter: its options and `extra` work as there. In dictConfig,
    `class:` takes format, datefmt, style, validate and defaults; for the others use `'()':`.

    Args:
        style: Whose names the fields have: `otel` (OpenTelemetry's, as without it), `ecs` (the Elastic Common
            Schema's) or `plain` (an ErrorContext's). Or what a *fmt* is written in, as for logging.Formatter.

    Raises:
        ValueError: If there is no such style.
    """

    def __init__(
        self,
        fmt: Any = None,
        datefmt: str | None = None,
        style: str = "%",
        validate: bool = True,
        **options: Any,
    ) -> None:
        options.setdefault("json_ensure_ascii", True)
        # Options may ask for anything about a record; only our own line is known to have no more gaps.
        self._is_plain = type(self) is JsonFormatter and fmt is None and options == {"json_ensure_ascii": True}
        self._gaps = _Gaps()
        if style not in semconv.STYLES and style not in _FORMAT_STYLES:
            raise ValueError(f"no style {style!r}: {', '.join((*semconv.STYLES, *_FORMAT_STYLES))}")
        self._names = semconv.STYLES.get(style, {})
        if style == "ecs":
            options["static_fields"] = {**semconv.ECS_VERSION, **(options.get("static_fields") or {})}
        super().__init__(fmt or "%(message)s", datefmt, style if style in _FORMAT_STYLES else "%", validate, **options)
        # json.dumps makes an encoder for each call, at half the price of the call.
        self._encode: Callable[[Any], str] | None = None
        if self.json_serializer is json.dumps:
            encoder: Callable[..., json.JSONEncoder] = self.json_encoder or json.JSONEncoder
            self._encode = encoder(
                default=self.json_default, indent=self.json_indent, ensure_ascii=self.json_ensure_ascii
            ).encode

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """As python-json-logger's."""
        return self._encode(log_data) if self._encode is not None else str(super().jsonify_log_record(log_data))

    def format(self, record: logging.LogRecord) -> str:
        """One line; of an error the stack that was captured, not formatted anew."""
        context = capture(record)
        if context is None:
            return self._line(record)
        if self._is_plain and context.form is not None and _is_as_captured(record, context):
            return self._filled(context.form, record, context)
        kept = record.exc_info, record.exc_text
        record.exc_info = record.exc_text = None
        try:
            return self._line(record)
        finally:
            record.exc_info, record.exc_text = kept

    def _line(self, record: logging.LogRecord) -> str:
        try:
            return str(super().format(record))
        except Exception:
            # Arguments that do not fit: of a formatter that fails, logging prints them all to standard error.
            told = logging.makeLogRecord({**record.__dict__, "msg": _message(record), "args": None})
            return str(super().format(told))

    def _filled(self, form: Form, record: logging.LogRecord, context: ErrorContext) -> str:
        record.message = context.log_message
        begin, moment, message, error_id, error, end = self._gaps.around(form, record, context, self._with_gaps)
        said = _escaped(context.error_message)[1:-1]
        return (
            f"{begin}{_timestamp(record.created)}{moment}{_escaped(context.log_message)[1:-1]}{message}"
            f"{context.error_id}{error_id}{said}{error}{said}{end}"
        )

    def _with_gaps(self, record: logging.LogRecord, context: ErrorContext) -> str:
        fields: dict[str, Any] = {}
        self.add_fields(fields, record, {})
        gaps = dict.fromkeys((semconv.TIMESTAMP, "message", semconv.ERROR_ID, semconv.EXCEPTION_MESSAGE), _GAP)
        fields.update(self._named({**gaps, semconv.EXCEPTION_STACKTRACE: f"{_opening(context)}{_GAP}\n"}))
        return self.jsonify_log_record(fields)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Add who, when and how bad; for an error what was captured, in place of plain exc_info.

        Every value becomes one that JSON has, without running foreign code and without secrets.
        """
        fields: dict[str, Any] = {}
        if type(record.args) is dict and type(record.msg) is str:
            record.message = message_of(record)
        super().add_fields(fields, record, message_dict)
        fields = {
            _jsonable(key): REDACTED if is_secret(key) and not is_known_harmless(key, value) else _jsonable(value)
            for key, value in zip(map(_key, fields), fields.values(), strict=True)
        }
        severity = ErrorSeverity.from_level(record.levelno).name
        own = {
            semconv.TIMESTAMP: _timestamp(record.created),
            semconv.SEVERITY_TEXT: _jsonable(record.levelname),
            semconv.SEVERITY_NUMBER: semconv.SEVERITY_NUMBERS[severity],
            semconv.LOGGER: redact(record.name),
        }
        log_data.update(self._named(own))
        log_data.update(fields)
        context = capture(record)
        if context is not None:
            attributes = _attributes(context)
            outcome = record.__dict__.get(OUTCOME)
            if outcome is not None:
                attributes[semconv.RECOVERY_STATUS] = outcome.status.value
            log_data.update(self._named(attributes))
        elif record.thread == threading.get_ident():  # on another thread, behind a queue, all is another's
            log_data.update(self._named(_surroundings(record, log_data)))
        if semconv.TAGS in self._names:
            _have_labels(log_data, self._names[semconv.TAGS])

    def _named(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {self._names.get(name, name): value for name, value in fields.items()} if self._names else fields


class ConsoleFormatter(logging.Formatter):
    """Readable lines: time, level, logger, message; under an error its stack, id and recovery.

    Secrets are redacted. Nothing in a message can forge a line or steer the terminal: control
    characters are escaped and a stack is indented.

    Args:
        fmt, datefmt, style, validate, defaults: As for logging.Formatter; without *fmt* our own lines.
        colour: True or false; None: where standard error is a terminal, unless NO_COLOR is set
            or TERM is dumb; FORCE_COLOR forces.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Any = "%",
        *,
        colour: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(fmt, datefmt, style, **options)
        self._own = fmt is None
        self._is_plain = type(self) is ConsoleFormatter and fmt is None and datefmt is None
        self._gaps = _Gaps()
        self._colour = wants_colour() if colour is None else colour

    def format(self, record: logging.LogRecord) -> str:
        """The line of *record*, with its error below it."""
        context = capture(record)
        outcome = record.__dict__.get(OUTCOME)
        form = context.form if context is not None and self._is_plain and record.stack_info is None else None
        if context is not None and form is not None and _is_one_line(context.error_message):
            return self._filled(form, record, context, outcome)
        # JSON as it was logged: what it has besides a message is context of the error.
        is_json = type(record.msg) is str and record.msg[:1] == "{"
        message = context.log_message if context is not None and not is_json else _message(record)
        lines = [self._headline(record, printable(message))]
        trace = context.stack_trace if context is not None else self._trace(record)
        if trace:
            lines.append(_indented(trace))
        if record.stack_info:
            lines.append(_indented(redact(record.stack_info)))
        if context is not None:
            lines.append(self._painted("2", f"  {_footer(context, outcome)}"))
        return "\n".join(lines)

    def _filled(self, form: Form, record: logging.LogRecord, context: ErrorContext, outcome: Outcome | None) -> str:
        record.message = printable(context.log_message)
        begin, moment, message, error, end = self._gaps.around(form, record, context, self._with_gaps)
        return (
            f"{begin}{_clock(int(record.created))}{moment}{record.message}{message}"
            f"{context.error_message}{error}{_footer(context, outcome)}{end}"
        )

    def _with_gaps(self, record: logging.LogRecord, context: ErrorContext) -> str:
        headline = self._line(record, _GAP, _GAP)
        return "\n".join([headline, _indented(f"{_opening(context)}{_GAP}"), self._painted("2", f"  {_GAP}")])

    def _headline(self, record: logging.LogRecord, message: str) -> str:
        record.message = message
        if not self._own:
            record.asctime = self.formatTime(record, self.datefmt)
            return redact(self.formatMessage(record))
        moment = self.formatTime(record, self.datefmt) if self.datefmt else _clock(int(record.created))
        return self._line(record, moment, message)

    def _line(self, record: logging.LogRecord, moment: str, message: str) -> str:
        level = self._painted(
            _COLOURS[ErrorSeverity.from_level(record.levelno).name], f"{printable(redact(record.levelname)):<8}"
        )
        name = self._painted("2", printable(redact(record.name)))
        return f"{self._painted('2', moment)} {level} {name}  {message}"

    def _trace(self, record: logging.LogRecord) -> str:
        if record.exc_info and not record.exc_text:
            return redact(self.formatException(record.exc_info))
        return redact(record.exc_text or "")

    def _painted(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text


def _key(key: Any) -> str:
    # `extra` may have any, and logging takes them.
    return key if type(key) is str else str(plain.plain(key, plain.FLAT))


def _jsonable(value: Any) -> Any:
    if type(value) is str:
        # At half a surrogate pair, as it stands for a byte in a file's name, strict readers of JSON stop.
        return redact(value if value.isascii() else value.encode(errors="backslashreplace").decode())
    # What python-json-logger renders itself, by ISO 8601.
    return value if isinstance(value, datetime.date | datetime.time) else clean_data(value)


def _footer(context: ErrorContext, outcome: Outcome | None) -> str:
    command = f"llama-logging show {context.error_id}"
    if outcome is None or outcome.status is OutcomeStatus.UNMATCHED:
        return command
    return f"recovery {outcome.status}; {command}"


def _indented(text: str) -> str:
    text = text.rstrip("\n")
    if text.isascii() and text.replace("\n", "").isprintable():
        return "  | " + text.replace("\n", "\n  | ")
    return "\n".join("  | " + printable(line) for line in text.split("\n"))


def _message(record: logging.LogRecord) -> str:
    try:
        return redact(str(clean_data(record.msg)) if type(record.msg) is dict else message_of(record))
    except Exception as error:
        return clean(f"{plain.plain(record.msg)!r} [arguments not formatted: {type(error).__name__}]")


def _timestamp(created: float) -> str:
    whole, microseconds = divmod(microseconds_of(created), 1_000_000)
    return f"{_date(whole)}.{str(1_000_000 + microseconds)[1:]}Z"  # at half the price of {microseconds:06d}


def _is_one_line(text: str) -> bool:
    return text != "" and text.isascii() and text.isprintable()


def _is_as_captured(record: logging.LogRecord, context: ErrorContext) -> bool:
    """Whether *record* still says what it said when *context*, which has a form, was made from it, and no more."""
    if context.error_message == "" or record.stack_info is not None or not _OWN.issuperset(record.__dict__):
        return False
    try:
        said = record.getMessage() if record.args else record.msg
    except Exception:  # arguments that do not fit
        return False
    return type(said) is str and said == context.log_message


def _opening(context: ErrorContext) -> str:
    """The stack text as far as the message; there must be one."""
    return context.stack_trace.removesuffix(f"{context.error_message}\n")


def _have_labels(fields: dict[str, Any], name: str) -> None:
    """Elasticsearch refuses a document whose `tags` are no list of words, and takes a dot in a name for a level."""
    if type(fields.get(semconv.TAGS)) is dict:
        given = fields.pop(semconv.TAGS)
        fields.setdefault(name, given)
    if type(fields.get(name)) is dict:
        fields[name] = {key.replace(".", "_"): value for key, value in fields[name].items()}


def _surroundings(record: logging.LogRecord, fields: dict[str, Any]) -> dict[str, Any]:
    """What a line has of what was worked on when *record*, which is no error, was logged."""
    found: dict[str, Any] = {}
    if tracing.may_be_active():
        trace_id, span_id = tracing.current(record.__dict__)
        if trace_id:
            found.update({semconv.TRACE_ID: trace_id, semconv.SPAN_ID: span_id})
    if tagging.may_be_active() and (tags := tagging.current()):
        given = fields.get(semconv.TAGS)
        if given is None or type(given) is dict:
            found[semconv.TAGS] = {**tagging.as_tags(tags), **(given or {})}
    return found


def _attributes(context: ErrorContext) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        semconv.ERROR_ID: context.error_id,
        semconv.FINGERPRINT: context.fingerprint,
        semconv.CODE_FUNCTION_NAME: f"{context.source_module}.{context.source_function}",
        semconv.CODE_FILE_PATH: context.source_file,
        semconv.CODE_LINE_NUMBER: context.source_line,
    }
    if context.stack.exceptions:
        attributes[semconv.EXCEPTION_TYPE] = context.stack.exceptions[context.stack.main].qualified_type
        attributes[semconv.EXCEPTION_MESSAGE] = context.error_message
        attributes[semconv.EXCEPTION_STACKTRACE] = context.stack_trace
    if context.trace_id:
        attributes[semconv.TRACE_ID] = context.trace_id
        attributes[semconv.SPAN_ID] = context.span_id
    if context.tags:
        attributes[semconv.TAGS] = dict(context.tags)
    process = context.process
    if process is not None:
        named = {
            semconv.SERVICE_NAME: process.service,
            semconv.SERVICE_VERSION: process.release,
            semconv.DEPLOYMENT_ENVIRONMENT_NAME: process.environment,
        }
        attributes.update({name: value for name, value in named.items() if value})
    return attributes


def _remembering(write: Callable[[int], str]) -> Callable[[int], str]:
    """*write*, of a second; the last one is remembered, for the next record is likely to be of it too."""
    last = (-1, "")

    def written(second: int) -> str:
        nonlocal last
        known, text = last
        if second != known:
            text = write(second)
            last = second, text
        return text

    return written


_date = _remembering(lambda second: time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
_clock = _remembering(lambda second: time.strftime("%H:%M:%S", time.localtime(second)))
