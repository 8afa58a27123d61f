"""What one error is: plain frozen data, without live objects.

No exception, frame or traceback is kept: they pin memory.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from os.path import isabs
from typing import TYPE_CHECKING, Any, ClassVar

from llama_logging.frozen import Frozen, replace
from llama_logging.plain import last_line

PREDICTED = "llama_logging.predicted"
"""In the additional context of an error that is only predicted: what says so."""


class ErrorSeverity(enum.IntEnum):
    """How bad an error is; the numbers are `logging`'s level numbers, so they compare with them.

    >>> ErrorSeverity.ERROR > ErrorSeverity.WARNING
    True
    """

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50

    @classmethod
    def from_level(cls, levelno: int) -> ErrorSeverity:
        """Map a level number to the nearest severity at or below it (DEBUG below 10).

        >>> ErrorSeverity.from_level(35).name
        'WARNING'
        """
        return _SEVERITIES.get(levelno) or cls(min(50, max(10, levelno // 10 * 10)))

    @classmethod
    def parse(cls, value: object) -> ErrorSeverity:
        """Read a severity from itself, a name in any case, or a level number.

        Raises:
            ValueError: If *value* is none of these; the message lists the names.
        """
        if isinstance(value, str) and value.upper() in cls.__members__:
            return cls[value.upper()]
        if isinstance(value, int) and not isinstance(value, bool):
            return cls.from_level(value)
        raise ValueError(f"unknown severity {value!r}; expected one of {', '.join(cls.__members__)}")


_SEVERITIES = {severity.value: severity for severity in ErrorSeverity}


class Frame(Frozen):
    """One call on a stack.

    Attributes:
        module: Dotted name of the module, as in `__name__`.
        function: Qualified name of the function.
        file: Path of the source file.
        line: Line number, from 1.
        column: Column where the failing expression begins, from 1; 0 where that is not known.
        source: The source line, stripped; empty where it is not to be had.
        in_app: Whether the code is the application's own: neither the standard library's nor an
            installed package's.
    """

    module: str
    function: str
    file: str
    line: int
    source: str
    in_app: bool
    column: int = 0


def own_calls(frames: Sequence[Frame]) -> list[Frame]:
    """The application's own calls among *frames*.

    Of what a library has compiled or generated the file does not tell that it is one's, `<string>` or
    `pandas/_libs/parsers.pyx`: other calls of its package do.
    """
    own = [frame for frame in frames if frame.in_app]
    if not [frame for frame in own if not is_file(frame.file)]:
        return own
    libraries = {_package(frame) for frame in frames if not frame.in_app} - {"__main__"}
    return [frame for frame in own if is_file(frame.file) or _package(frame) not in libraries]


@functools.lru_cache(maxsize=4_096)
def is_file(name: str) -> bool:
    """Whether what a frame has as its file can be one; to ask the path each time is dear."""
    return isabs(name)


def _package(frame: Frame) -> str:
    return frame.module.partition(".")[0]


class ExceptionDetail(Frozen):
    """One exception of a chain or group.

    Attributes:
        type: Name of its class, without the module.
        module: Module of its class.
        message: `str(exception)`, bounded; empty in a Stack.
        bases: Dotted names of its class and the classes it derives from, as far as Exception.
        relation: What it is to the one before it: `raised` (the first), `cause`, `context`,
            `suppressed` (a context hidden by `from None`) or `member` (of a group).
        frames: Its stack, innermost last.
        attributes: `errno`, `status_code`, `status` or `code` where it carries one, as an int; `sqlstate`;
            headers that say when to come back, such as `retry-after`. Where it carries a request or an
            answer that was read: `server`, as host:port, and `response`, what the server said was wrong;
            `endpoint`, the view or task that a framework was serving when it arose in the framework's own code.
    """

    type: str
    module: str
    message: str
    bases: tuple[str, ...] = ()
    relation: str = "raised"
    frames: tuple[Frame, ...] = ()
    attributes: Mapping[str, int | str] = {}

    @property
    def qualified_type(self) -> str:
        """The class as a traceback shows it: dotted, built-ins by their bare name."""
        return self.type if self.module in ("builtins", "__main__") else f"{self.module}.{self.type}"

    @property
    def texts(self) -> tuple[str, ...]:
        """What there is to search: its message, and what a server said was wrong."""
        said = self.attributes.get("response")
        return (self.message, said) if isinstance(said, str) else (self.message,)


class Stack(Frozen):
    """What all errors of one place share; it is made, written and stored once.

    Attributes:
        error_type: Name of the exception's class; `LogMessage` for a record without exception.
        module, function, file, line: Where the exception was raised in the application's own code, or else what it was
            raised from; without an exception, where the logging call stands.
        template: The stack text with a NUL in place of each exception's own lines.
        exceptions: The exception, then its causes, contexts and members; messages left out.
        shown: Which of them each NUL stands for; empty where one stands for the whole text.
        main: Which of them gives the error its name and message: the first, or of a group whose
            members are all alike the first member.
        grouping: The readable inputs the fingerprint is made from.
        fingerprint: Errors with the same one are the same error; `v1:` and 16 hex digits.
    """

    error_type: str
    module: str = ""
    function: str = ""
    file: str = ""
    line: int = 0
    template: str = ""
    exceptions: tuple[ExceptionDetail, ...] = ()
    shown: tuple[int, ...] = ()
    main: int = 0
    grouping: tuple[str, ...] = ()
    fingerprint: str = ""

    def lines(self, messages: Sequence[str]) -> tuple[str, ...]:
        r"""The lines of the exceptions that are shown, if they say no more than type and message.

        >>> error = ExceptionDetail(type="E", module="app", message="")
        >>> Stack(error_type="E", exceptions=(error,), shown=(0,)).lines(["no"])
        ('app.E: no\n',)
        """
        heads = [(self.exceptions[index].qualified_type, messages[index]) for index in self.shown]
        return tuple([f"{head}: {message}\n" if message else f"{head}\n" for head, message in heads])

    def text(self, parts: Sequence[str]) -> str:
        r"""The stack text with *parts* in the places that the template leaves for them.

        >>> Stack(error_type="E", template="head\0joint\0").text(("one", "two"))
        'headonejointtwo'
        """
        if len(parts) == 1:
            return self.template.replace("\0", parts[0])
        pieces = self.template.split("\0")
        tail = (piece for pair in zip(parts, pieces[1:], strict=True) for piece in pair)
        return pieces[0] + "".join(tail)


class Breadcrumb(Frozen):
    """A record that came before the error, on the same thread or task.

    Attributes:
        created: Seconds since the epoch.
    """

    created: float
    severity: ErrorSeverity
    logger_name: str
    message: str


class FrameLocals(Frozen):
    """The local variables of one call.

    Attributes:
        exception: Which of the error's `exceptions`.
        frame: Which of its `frames`.
        values: JSON-able, bounded, without secrets; of what is no built-in the type is named.
    """

    exception: int
    frame: int
    values: Mapping[str, Any]


class Process(Frozen):
    """Who we are, once per process.

    Attributes:
        process: Random hex text that names this process; a pid is used again, this is not.
        host: `host.name` of OTEL_RESOURCE_ATTRIBUTES, else what the machine calls itself.
        service, environment, release: From OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
            SENTRY_ENVIRONMENT and SENTRY_RELEASE, else the commit that is checked out; empty where unset.
    """

    process: str
    pid: int
    host: str
    boot: str
    program: str
    python: str
    service: str = ""
    environment: str = ""
    release: str = ""


class ErrorContext(Frozen):
    """One error, as it was at the moment it was logged.

    Attributes:
        error_id: UUID version 7, so ids sort by time.
        timestamp: Aware UTC.
        error_message: `str(exception)`; without an exception, the log message.
        stack: What it shares with all errors of its place.
        messages, attributes: Of each exception in `stack.exceptions`, in their order; no attributes at
            all where none carries any.
        parts: The exceptions' own lines of the stack text, in the text's order; empty where they say
            no more than type and message.
        additional_context: `extra` of the logging call, as JSON-able data.
        tags: What `extra={"tags": {...}}` gave: short texts to search and count by.
        trace_id, span_id: Hex digits, of the trace that was active; empty without one.
        breadcrumbs: What the thread or task logged before, oldest first.
        locals: Of the application's own calls, innermost first, where the configuration asks for them.
        stack_info: The stack of the logging call, if it asked for it.
        fingerprint, grouping: The stack's, or what `extra={"fingerprint": ...}` gave.
        log_message: The rendered log message.
        log_template: `record.msg` before its arguments were put in; empty if it had none.
        mechanism: Where it came from: `logging`, `capture_error`, `excepthook`, `threading`, `text`
            for a stack trace that was read back from a message, or `import` and `sentry` for what
            somebody else has recorded: whatever it says may be made up.
        handled: False if nobody caught the exception.
        implicit: True if the record had no exc_info, and the exception being handled was linked, or one it tells of.
        again: True if this exception, or one it was raised from, was captured before: then
            `error_id` is that error's, and this is one more layer that logged it.
        complete: False while code of the application's that tells the rest, such as the exception's
            `__str__`, has not returned: then the messages are what the arguments tell. It stays
            False if the process died in it.
        form: What it shares with others, if it says no more than that, two messages and where it ran. Not
            a field, so that a changed copy has none.
        microseconds: What `timestamp` is made of, or that is made of it: since the epoch.
    """

    error_id: str
    timestamp: datetime
    severity: ErrorSeverity
    error_message: str
    stack: Stack
    parts: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    attributes: tuple[Mapping[str, int | str], ...] = ()
    additional_context: Mapping[str, Any] = {}
    tags: Mapping[str, str] = {}
    fingerprint: str = ""
    grouping: tuple[str, ...] = ()
    trace_id: str = ""
    span_id: str = ""
    breadcrumbs: tuple[Breadcrumb, ...] = ()
    locals: tuple[FrameLocals, ...] = ()
    stack_info: str = ""
    logger_name: str = ""
    log_message: str = ""
    log_template: str = ""
    thread_name: str = ""
    task_name: str = ""
    mechanism: str = "logging"
    handled: bool = True
    implicit: bool = False
    again: bool = False
    complete: bool = True
    process: Process | None = None
    form: ClassVar[Form | None] = None
    microseconds: ClassVar[int]

    def __getstate__(self) -> dict[str, Any]:
        state = {**vars(self), "timestamp": self.timestamp}
        return {name: value for name, value in state.items() if name not in ("form", "microseconds")}

    @property
    def predicted(self) -> bool:
        """Whether it has not happened: then it is the latest of its group, to be prevented from coming again."""
        return PREDICTED in self.additional_context

    @property
    def error_type(self) -> str:
        """Name of the exception's class; `LogMessage` for a record without exception."""
        return self.stack.error_type

    @property
    def source_module(self) -> str:
        """Where it was raised in the application's own code; else where the logging call stands."""
        return self.stack.module

    @property
    def source_function(self) -> str:
        """Qualified name of the function."""
        return self.stack.function

    @property
    def source_file(self) -> str:
        """Path of the source file."""
        return self.stack.file

    @property
    def source_line(self) -> int:
        """Line number, from 1."""
        return self.stack.line

    @property
    def stack_trace(self) -> str:
        """The whole text, as the standard library prints it; empty without an exception."""
        return self.stack.text(self.parts or self.stack.lines(self.messages))

    @property
    def exceptions(self) -> tuple[ExceptionDetail, ...]:
        """The exception, then its causes, contexts and members."""
        codes = self.attributes or ({},) * len(self.messages)
        return tuple(
            replace(shape, message=message, attributes=attributes)
            for shape, message, attributes in zip(self.stack.exceptions, self.messages, codes, strict=True)
        )

    @property
    def carried(self) -> str:
        """What its exceptions carry beside their messages, for people; of others than the one that names it, whose."""
        told = []
        for at, error in enumerate(self.exceptions):
            words = ", ".join(f"{name}={value}" for name, value in error.attributes.items())
            if words:
                told.append(words if at == self.stack.main else f"{error.type}: {words}")
        return "; ".join(told)

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The stack of the exception that was raised, innermost last."""
        return self.stack.exceptions[0].frames if self.stack.exceptions else ()

    def __str__(self) -> str:
        return f"{last_line(self.error_type, self.error_message)} [{self.error_id}]"


class Sighting(Frozen):
    """One more layer that logged an error already captured: who, when, and in which words.

    Attributes:
        error_type: Of the exception as that layer saw it; it may have been raised from the first.
    """

    error_id: str
    timestamp: datetime
    logger_name: str
    log_message: str
    error_type: str


class Form:
    """What all errors share that one logger logs at one level from one place, put together once.

    Attributes:
        fields: Those of their contexts that are the same each time.
        held: What it is kept by, so that nothing else can get the ids.
        opening: Their stack text as far as the last line, as the standard library has it.
    """

    __slots__ = ("fields", "held", "opening")

    def __init__(self, fields: dict[str, Any], held: object, opening: str) -> None:
        self.fields = fields
        self.held = held
        self.opening = opening


def from_fields(fields: dict[str, Any]) -> ErrorContext:
    """As ErrorContext(**fields), for a fifth of its price; *fields* is taken over.

    A frozen dataclass sets each field by a call; this gives the object its fields at once. Those that
    have a default, unless it is a mapping, may be left out: the class has them.
    """
    context = _new(ErrorContext)
    _set(context, "__dict__", fields)
    return context


if TYPE_CHECKING:
    make_context = ErrorContext
else:

    def make_context(**fields: Any) -> ErrorContext:
        """As `from_fields`, with names and types that are checked."""
        return from_fields(fields)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since the epoch, exactly; a naive *moment* is local time.

    >>> to_microseconds(datetime(1970, 1, 1, 0, 0, 1, 5, UTC))
    1000005
    """
    since = (moment if moment.tzinfo is UTC else moment.astimezone(UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def microseconds_of(created: float) -> int:
    """Microseconds of seconds since the epoch, rounded as `datetime.fromtimestamp` rounds them.

    >>> microseconds_of(1.5)
    1500000
    """
    whole = int(created)
    return whole * 1_000_000 + round((created - whole) * 1_000_000)


def from_microseconds(value: int) -> datetime:
    """The aware UTC moment of *value* microseconds since the epoch."""
    return datetime.fromtimestamp(value // 1_000_000, UTC).replace(microsecond=value % 1_000_000)


class _Made:
    """An attribute that is made when it is first asked for; without the lock of 3.11's functools.cached_property."""

    def __init__(self, name: str, make: Callable[[ErrorContext], object]) -> None:
        self.name, self._make = name, make

    def __get__(self, context: ErrorContext | None, owner: type) -> object:
        if context is None:
            return self
        made = vars(context)[self.name] = self._make(context)
        return made


# Each of the other, whichever a context was given. Not within the class: it would be the field's default.
for _made in (
    _Made("timestamp", lambda context: from_microseconds(context.microseconds)),
    _Made("microseconds", lambda context: to_microseconds(context.timestamp)),
):
    setattr(ErrorContext, _made.name, _made)

_new, _set = object.__new__, object.__setattr__

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
