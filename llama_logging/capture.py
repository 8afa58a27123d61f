"""LogRecord → ErrorContext, once."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from json import dumps, loads
from types import TracebackType
from typing import Any

from llama_logging import fingerprint, forks, forms, plain, printed, process, seen, sights, tagging, tracebacks, tracing
from llama_logging.breadcrumbs import TRAILS
from llama_logging.chains import was_raised
from llama_logging.context import ErrorContext, ErrorSeverity, Form, Stack, from_fields, make_context, microseconds_of
from llama_logging.grouping import EXPLICIT, GROUPING
from llama_logging.ids import new_id
from llama_logging.records import CONTEXT, MECHANISM, OUTCOME, SEEN, event_of, has_arguments, is_quiet
from llama_logging.redaction import clean, clean_data, message_of, redact
from llama_logging.redaction.own import on_more
from llama_logging.room import with_room
from llama_logging.slots import attributes_of, traceback_of
from llama_logging.variables import VARIABLES

NO_EXCEPTION = "LogMessage"
"""The error_type of a record that has no exception."""

_LATEST = 253_402_300_799.0
"""Seconds since the epoch: no calendar has later ones."""
_KNOWN_SITES = 4_096
_sites: dict[tuple[Any, ...], Stack] = {}
_TRACE = "exception"
"""The key under which structlog's processors tell of an exception."""
_LONGEST_JSON = 65_536
_SHORT = 200
_KNOWN_CONSTANTS = 2_048
_constants: dict[str, str] = {}
_NO_EXCEPTION = tracebacks.Described(Stack(error_type=NO_EXCEPTION), (), (), (), None)

_STANDARD = forms.USUAL | {CONTEXT, OUTCOME, SEEN, "error_context"}  # the last by our filter


def capture(record: logging.LogRecord, keep: Callable[[ErrorContext], object] | None = None) -> ErrorContext | None:
    """The ErrorContext of *record*, made at the first call and the same at every later one.

    Captured are records with exc_info and records of level ERROR and above; at ERROR and above
    without exc_info, the exception the caller is handling is linked as an implicit one, else one
    among the message and its arguments. Our own records are not errors of the application. What is
    logged on a thread of ours is: a collection may run the application's `__del__` on any thread.

    Args:
        record: What was logged.
        keep: Makes an error durable. If code of the application's has to be run, a `__str__` say, it
            gets what can be told without (`complete` is False) before: that code may never return.

    Returns:
        None if there is nothing to capture.
    """
    known = record.__dict__.get(CONTEXT)
    if known is not None:
        return known  # type: ignore[no-any-return]
    exception, tb = _given(record)
    try:
        try:
            form = forms.recognise(record, exception, tb) if exception is not None else None
            if form is not None and exception is not None and (not TRAILS.size or TRAILS.is_quiet()):
                context = _of_form(form, record, exception, tb)
            elif _is_no_error(record, exception):
                return None
            else:
                context = _capture(record, exception, tb, keep)
        except RecursionError as problem:
            context = with_room(problem, partial(_capture, record, exception, tb, keep))
    except Exception as failure:
        # No room in memory, or an attribute that nobody foresaw: less is better than nothing.
        context = _bare(record, exception, failure)
    record.__dict__[CONTEXT] = context
    return context


def make_record(
    error: object,
    *,
    logger_name: str,
    severity: ErrorSeverity,
    mechanism: str,
    additional_context: Mapping[str, Any] | None = None,
) -> logging.LogRecord:
    """A record for an error that was not logged; it need not be inside its except block.

    Its place is where the exception was raised, its traceback the exception's own. An *error* that
    is no exception counts as a message.
    """
    exc_info: Any = None
    path, line, function, message = "(unknown file)", 0, "", str(clean_data(error))
    if isinstance(error, BaseException):
        tb = traceback_of(error)
        exc_info = (type(error), error, tb)
        path, line, function = _raised_at(tb)
        message = tracebacks.message_of(error)
    record = logging.LogRecord(logger_name, int(severity), path, line, message, None, exc_info, function)
    # Apart from the record's attributes: an additional_context may hold any key, `name` and `msg` too.
    record.__dict__[MECHANISM] = (mechanism, dict(additional_context or {}))
    return record


def _capture(
    record: logging.LogRecord,
    exception: BaseException | None,
    tb: Any,
    keep: Callable[[ErrorContext], object] | None,
) -> ErrorContext:
    sight, before, implicit, printed_here = None, "", False, False
    if exception is None:
        exception = _linked(record)
        implicit = exception is not None
    if exception is not None:
        # What is no traceback, the standard library may know how to print.
        printed_here = not implicit and (tb is None or type(tb) is TracebackType)
        sight = sights.look(exception, tb if printed_here else traceback_of(exception))
        before = seen.captured_before(exception, record.created)
    forks.look()
    error_id, said = before or new_id(), _said(record)
    if keep is not None and not before and not _is_quiet(record, sight):
        described = tracebacks.told_by_arguments(sight) if sight is not None else _NO_EXCEPTION
        template = _template(record, said)
        keep(_context(record, said, error_id, described, template, sight, implicit=implicit, complete=False))
    if exception is not None and not before:
        seen.mark_captured(exception, error_id, record.created)
    described = tracebacks.tell(sight) if sight is not None else _NO_EXCEPTION
    if printed_here and described.text is not None and record.exc_text is None:
        # Every stock handler after us formats nothing: it finds the text made.
        record.exc_text = described.text[:-1]
    message = _message(record, said)
    context = _context(record, said, error_id, described, message, sight, implicit=implicit, again=before != "")
    if sight is not None:
        forms.learn(record, sight.known, context)
    return context


def _of_form(form: Form, record: logging.LogRecord, exception: BaseException, tb: TracebackType | None) -> ErrorContext:
    """As `_capture`, for an error of which little is new."""
    said, error_id = str(exception), new_id()
    message = clean(said)
    fields = form.fields.copy()
    fields["form"] = form
    fields["error_id"] = error_id
    created = record.created
    if type(created) is float and 0 <= created < _LATEST:
        fields["microseconds"] = microseconds_of(created)
    else:
        fields["timestamp"] = _moment(created)
    fields["error_message"] = message
    fields["messages"] = (message,)
    fields["log_message"] = (
        _message(record, record.msg) if record.args else _constants.get(record.msg) or _constant(record.msg)
    )
    fields["thread_name"] = _word(record.threadName)
    fields["process"] = process.current()
    if record.args:
        fields["log_template"] = _constant(record.msg)
    task = record.__dict__.get("taskName")
    if task is not None:
        fields["task_name"] = _word(task)
    if TRAILS.size or VARIABLES.first or tracing.may_be_active() or tagging.may_be_active():
        _add_surroundings(fields, exception, tb)
    if record.exc_text is None and len(said) < sights.MAX_TEXT:
        record.exc_text = form.opening + tracebacks.last_line(exception, said)
    attributes_of(exception)[seen.MARK] = error_id, created
    context = from_fields(fields)
    return GROUPING.applied(context) if GROUPING.rules else context


def _add_surroundings(fields: dict[str, Any], exception: BaseException, tb: TracebackType | None) -> None:
    """What stood around the error, where it is asked for."""
    key = fields["fingerprint"]
    trace_id, span_id = tracing.active_or_of(exception)
    trail, variables = TRAILS.before(key), VARIABLES.of((exception,), tb, key)
    tags = _tags({}, (exception,))
    if trace_id or trail or variables or tags:
        fields.update(trace_id=trace_id, span_id=span_id, breadcrumbs=trail, locals=variables, tags=tags, form=None)


def _context(
    record: logging.LogRecord,
    said: Any,
    error_id: str,
    described: tracebacks.Described,
    message: str,
    sight: sights.Sight | None,
    *,
    implicit: bool,
    again: bool = False,
    complete: bool = True,
) -> ErrorContext:
    attributes = record.__dict__
    mechanism, extra = _beside(record, said)
    trace: Any = message
    if type(said) is dict:
        trace = extra.get(_TRACE)
        if sight is not None:
            extra.pop(_TRACE, None)
    if described is _NO_EXCEPTION and type(trace) is str and sights.HEADER in trace:
        trace = clean(trace, sights.MAX_TEXT)
        if (parsed := printed.parse(trace)) is not None:
            described, mechanism = parsed, "text"
            message = message[: printed.begin(message)].rstrip() if type(said) is not dict else message
            extra.pop(_TRACE, None)
    logger_name = _word(record.name)
    stack = described.stack if described is not _NO_EXCEPTION else _site(record, said, logger_name, message)
    given = sight.fingerprint if sight is not None else None
    # JSON may be somebody's payload, in which a text of this name is a device's or a key's.
    if extra and (said is record.msg or type(extra.get("fingerprint")) is list):
        given = extra.pop("fingerprint", given)
    tags = _tags(extra, sight.chain if sight is not None else ())
    grouping = _grouping(stack, described, sight, given)
    key = stack.fingerprint if grouping is stack.grouping else fingerprint.fingerprint(grouping)
    trace_id, span_id = tracing.current(attributes, *(sight.chain if sight is not None else ()))
    context = make_context(
        error_id=error_id,
        timestamp=_moment(record.created),
        severity=ErrorSeverity.from_level(record.levelno),
        error_message=described.messages[stack.main] if described.messages else message,
        stack=stack,
        parts=described.parts,
        messages=described.messages,
        attributes=described.attributes,
        additional_context=clean_data(extra) if extra else {},
        tags=tags,
        trace_id=trace_id,
        span_id=span_id,
        breadcrumbs=TRAILS.before(key) if complete else (),
        locals=VARIABLES.of(sight.chain, sight.tb, key) if sight is not None and complete and not again else (),
        stack_info=clean(record.stack_info, sights.MAX_TEXT) if record.stack_info else "",
        fingerprint=key,
        grouping=grouping,
        logger_name=logger_name,
        log_message=message,
        log_template=clean(record.msg) if has_arguments(record) and isinstance(record.msg, str) else "",
        thread_name=_word(record.threadName),
        task_name=_word(attributes.get("taskName")),
        mechanism=mechanism,
        handled=mechanism not in ("excepthook", "threading"),
        implicit=implicit,
        again=again,
        complete=complete,
        process=process.current(),
    )
    return GROUPING.applied(context) if GROUPING.rules else context


def _beside(record: logging.LogRecord, said: Any) -> tuple[str, dict[str, Any]]:
    """The mechanism by which *record*, which has *said* that, has come, and what it says besides its message."""
    attributes = record.__dict__
    if MECHANISM in attributes:
        mechanism, given = attributes[MECHANISM]
        return mechanism, dict(given)
    extra: dict[str, Any] = {}
    if not _STANDARD.issuperset(attributes):
        extra = {key: value for key, value in attributes.items() if key not in _STANDARD and not key.startswith("_")}
    if type(said) is dict:
        extra = {**{key: value for key, value in said.items() if key != "event"}, **extra}
    return "logging", extra


def _grouping(stack: Stack, described: tracebacks.Described, sight: sights.Sight | None, given: Any) -> tuple[str, ...]:
    """What the error is grouped by: what the logging call or the exception has *given*, else its place.

    What a worker of a pool has handed over, by where that failed, too.
    """
    if type(given) is list or type(given) is tuple or type(given) is str:
        parts = [given] if isinstance(given, str) else given
        return tuple(redact(f"{EXPLICIT}{plain.plain(part, plain.FLAT)}") for part in parts)
    if sight is not None and sight.known.remote >= 0:
        there = printed.parse(described.messages[sight.known.remote])
        if there is not None:
            return (*stack.grouping, *(f"worker {line}" for line in there.stack.grouping))
    return stack.grouping


def _bare(record: logging.LogRecord, exception: BaseException | None, failure: Exception) -> ErrorContext:
    """The least that can be told of an error."""
    name = clean(type(exception).__name__) if exception is not None else NO_EXCEPTION
    grouping = (name, f"not captured in full: {type(failure).__name__}")
    return ErrorContext(
        error_id=new_id(),
        timestamp=datetime.now(UTC),
        severity=ErrorSeverity.from_level(record.levelno) if type(record.levelno) is int else ErrorSeverity.ERROR,
        error_message=grouping[1],
        stack=Stack(error_type=name, grouping=grouping, fingerprint=fingerprint.fingerprint(grouping)),
        log_message=grouping[1],
        mechanism=record.__dict__[MECHANISM][0] if MECHANISM in record.__dict__ else "logging",
        grouping=grouping,
        fingerprint=fingerprint.fingerprint(grouping),
        logger_name=redact(record.name) if type(record.name) is str and record.name.isascii() else "",
    )


def _is_no_error(record: logging.LogRecord, exception: BaseException | None) -> bool:
    if MECHANISM in record.__dict__:
        return False
    name = str(record.name)
    ours = name == "llama_logging" or name.startswith("llama_logging.")
    return ours or (exception is None and record.levelno < logging.ERROR)


def _given(record: logging.LogRecord) -> tuple[BaseException | None, Any]:
    """The exception that *record* was given, and the traceback to print of it, which may be anything."""
    info: Any = record.exc_info
    if info is None:
        return None, None
    if isinstance(info, tuple) and len(info) == 3:
        return (info[1], info[2]) if issubclass(type(info[1]), BaseException) else (None, None)
    return (info, traceback_of(info)) if issubclass(type(info), BaseException) else (None, None)


def exception_of(record: logging.LogRecord) -> BaseException | None:
    """The exception of which `capture` makes an error, as long as it is asked for where *record* was logged."""
    exception, _ = _given(record)
    return exception if exception is not None else _linked(record)


def _linked(record: logging.LogRecord) -> BaseException | None:
    # A finaliser runs in the midst of anything: what is being handled there is not its concern.
    if MECHANISM in record.__dict__ or record.funcName == "__del__":
        return None
    handled = sys.exc_info()[1]
    return handled if handled is not None else _told_of(record)


def _told_of(record: logging.LogRecord) -> BaseException | None:
    """What was raised and is told of elsewhere: `gather(return_exceptions=True)` and futures hand it on."""
    given: list[Any] = [record.msg]
    for values in (record.msg, record.args):
        if type(values) is tuple:
            given += values
        elif type(values) is dict:
            given += values.values()
    return next((error for error in given if issubclass(type(error), BaseException) and was_raised(error)), None)


def _is_quiet(record: logging.LogRecord, sight: sights.Sight | None) -> bool:
    """Whether all can be told without running any code of the application's."""
    return is_quiet(record) and (sight is None or sight.is_quiet()) and TRAILS.is_quiet()


def _template(record: logging.LogRecord, data: Any) -> str:
    """The message as far as it goes without running any code of the application's."""
    template = clean_data(data)
    said = template if type(template) is str else plain.text(dumps(template))
    if not has_arguments(record):
        return said
    if type(record.msg) is str:
        arguments = clean_data(record.args)
        # Put in their places, not beside: "password=%s" says what an argument is.
        with contextlib.suppress(Exception):
            return clean(record.msg % (tuple(arguments) if type(arguments) is list else arguments))
    return plain.text(f"{said} [arguments not formatted]")


def _message(record: logging.LogRecord, data: Any) -> str:
    try:
        if type(data) is dict:  # structlog, and others that log data
            return clean(str(event_of(data, clean_data)))
        if type(data) is str and type(record) is logging.LogRecord and not has_arguments(record):
            return _constant(data)
        return clean(message_of(record) if type(record.args) is dict else record.getMessage())
    except KeyboardInterrupt:
        raise  # somebody's wish; what can be told of the error without its message is kept already
    except BaseException as error:
        # Arguments that do not fit, a __str__ that raises: the template is still worth keeping.
        template = plain.plain(record.msg, plain.FLAT)
        return clean(f"{template} [arguments not formatted: {type(error).__name__}]")


def _said(record: logging.LogRecord) -> Any:
    """What was logged: its data, also where JSON was made of them, as structlog's JSONRenderer does."""
    said = record.msg
    if type(said) is str and said[:1] == "{" and said[-1:] == "}" and len(said) <= _LONGEST_JSON:
        with contextlib.suppress(ValueError, RecursionError):
            data = loads(said) if not has_arguments(record) else {}
            if type(event_of(data, lambda _: None)) is str:
                return data
    return said


def _constant(message: str) -> str:
    """A message without arguments, or a name: most are literals, the same objects each time."""
    constants = _constants
    known = constants.get(message)
    if known is None:
        known = clean(message)
        if len(message) < _SHORT:
            if len(constants) >= _KNOWN_CONSTANTS:
                constants.clear()
            constants[message] = known
    return known


@on_more
def _forget() -> None:
    global _constants, _sites
    _constants, _sites = {}, {}


def _word(value: Any) -> str:
    """A name of a logger, thread, task or function: short text, whatever it is."""
    if type(value) is str and len(value) <= 200:
        return _constants.get(value) or _constant(value)
    return "" if value is None else clean(str(plain.plain(value, plain.FLAT)), 200)


def _moment(created: float) -> datetime:
    """The record's own moment; now, if no calendar has it."""
    try:
        return datetime.fromtimestamp(created if created >= 0 else float("nan"), UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return datetime.now(UTC)


def _tags(extra: dict[str, Any], errors: Iterable[BaseException]) -> Mapping[str, str]:
    """The tags that hold, and those that a logging call gave; what is no mapping is left, as context."""
    given = extra.pop("tags", None)
    if type(given) is not dict:
        if given is not None:
            extra["tags"] = given
        given = {}
    held = tagging.current(*errors) if tagging.may_be_active() else tagging.NO_TAGS
    return tagging.as_tags({**given, **held, **given}) if given or held else tagging.NO_TAGS


def _site(record: logging.LogRecord, data: Any, logger_name: str, message: str) -> Stack:
    """The stack of a record without exception: where the logging call stands, and what it says each time."""
    sites, rendered = _sites, not has_arguments(record)
    said = event_of(data, lambda _: message) if type(data) is dict else data
    if not rendered and type(said) is str and fingerprint.is_wordless(said):
        # `"%s: %s"` would be one group for a whole logger. As far as no code of the application's is run, for the
        # error that is kept before that.
        said, rendered = _template(record, data), True
    grouping = fingerprint.of_message(logger_name, redact(str(plain.plain(said, plain.FLAT))), rendered=rendered)
    line = record.lineno if type(record.lineno) is int else 0
    file = _word(record.pathname)
    place = (file, line, *grouping)
    known = sites.get(place)
    if known is None:
        if len(sites) >= _KNOWN_SITES:
            sites.clear()
        known = sites[place] = Stack(
            error_type=NO_EXCEPTION,
            module=_word(record.module),
            function=_word(record.funcName),
            file=file,
            line=line,
            grouping=grouping,
            fingerprint=fingerprint.fingerprint(grouping),
        )
    return known


def _raised_at(tb: TracebackType | None) -> tuple[str, int, str]:
    if tb is None:
        return "(unknown file)", 0, ""
    while tb.tb_next is not None:
        tb = tb.tb_next
    return tb.tb_frame.f_code.co_filename, tb.tb_lineno, tb.tb_frame.f_code.co_name
