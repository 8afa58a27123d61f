"""Errors that somebody made to break a page: in every field there is, what has broken pages before."""

from __future__ import annotations

from collections.abc import Iterator

from llama_logging import wire
from llama_logging.context import Breadcrumb, ErrorContext, ErrorSeverity, ExceptionDetail, Frame, FrameLocals, Process
from llama_logging.ids import new_id
from llama_logging.registry.intake import Batch
from llama_logging.registry.outbox import Outbox
from llama_logging.tried import OutcomeStatus, RecoveryAttempt
from tests.conftest import make_context

TRACE = "deadbeefdeadbeefdeadbeefdeadbeef"

PAYLOADS = (
    "<script>window.pwned=1</script>",
    "</title></textarea></style></script><script>window.pwned=1</script>",
    '"><img src=x onerror=window.pwned=1>',
    "' onmouseover='window.pwned=1' autofocus onfocus='window.pwned=1",
    "javascript:window.pwned=1",
    "<svg/onload=window.pwned=1><iframe srcdoc='<script>parent.pwned=1</script>'>",
    "{{ 7*7 }}{% for x in y %}{{ ''.__class__.__mro__ }}${7*7}#{7*7}<%= 7*7 %>",
    "<a href='javascript:window.pwned=1'>click</a><base href='//evil.example/'><meta http-equiv=refresh content=0;//e>",
    "\u202egnp.exe\u2066 admin \u2069 \u200f\u061c",
    "\x00\x1b[2J\x07\x08\x85\u2028\u2029 nul and escape",
    "]]><!--<!DOCTYPE html><plaintext>",
    "W" * 5_000,
    "\u0300" * 3_000 + "zalgo",
    "مرحبا بالعالم \U0001f999 日本語 " * 30,
)


def hostile(store: Outbox) -> list[ErrorContext]:
    """Put them into *store*."""
    contexts = [_context(number, payload) for number, payload in enumerate(PAYLOADS)]
    contexts += [_long(), _deep(), _wide()]
    frames = list(_frames(contexts))
    store.ingest(Batch("hostile", 0, 1, frames))
    store.forget("hostile")
    for context in contexts[:4]:
        store.mute(context.fingerprint, context.timestamp, by=PAYLOADS[0])
        store.reopen(context.fingerprint, context.timestamp, by=PAYLOADS[2])
        store.resolve(contexts[3].fingerprint, context.timestamp, release=PAYLOADS[2])
    return contexts


def _frames(contexts: list[ErrorContext]) -> Iterator[str]:
    for number, context in enumerate(contexts):
        if context.process is not None:
            yield wire.dumps(wire.encode_process(context.process))
        error, _, stack = wire.encode_error(context)
        yield from (stack, error)
        payload = PAYLOADS[number % len(PAYLOADS)]
        attempt = RecoveryAttempt(
            attempt_id=f"{payload[:40]} {number}", error_id=context.error_id, fingerprint=context.fingerprint,
            rule=payload, strategy=payload, scope=payload, status=OutcomeStatus.FAILED, started_at=context.timestamp,
            detail=payload, duration=1.0,
        )  # fmt: skip
        yield wire.dumps(wire.encode_attempt(attempt))


def _context(number: int, text: str) -> ErrorContext:
    frame = Frame(module=text, function=text, file=text, line=1, source=text, in_app=True, column=3)
    raised = ExceptionDetail(type=text, module=text, message=text, bases=(text,), frames=(frame, frame))
    cause = ExceptionDetail(type=text, module="builtins", message=text, relation="cause", frames=(frame,))
    return make_context(
        error_type=text,
        module=text,
        function=text,
        file=text,
        template=f"Traceback {text}\n\0",
        exceptions=(raised, cause),
        grouping=(text, text),
        fingerprint=f"v1:{number:016x}",
        error_message=text,
        log_message=f"logged {text}",
        log_template=text,
        parts=(f"{text}\n",),
        logger_name=text,
        thread_name=text,
        task_name=text,
        tags={text: text, "tenant": text},
        additional_context={text: {text: [text]}, "plain": text, "half": "\ud800"},
        attributes=({"response": text}, {}),
        trace_id=TRACE,
        span_id=text,
        stack_info=text,
        breadcrumbs=(Breadcrumb(created=1.0, severity=ErrorSeverity.INFO, logger_name=text, message=text),),
        locals=(FrameLocals(exception=0, frame=0, values={text: {text: text}}),),
        process=Process(
            process=f"p{number}", pid=1, host=text, boot="", program=text, python=text, service=text,
            environment=text, release=text,
        ),
    )  # fmt: skip


def _long() -> ErrorContext:
    return make_context(fingerprint="v1:100", error_message="M" * 1_000_000, log_message="<b>" * 300_000)


def _deep() -> ErrorContext:
    frame = Frame(module="app", function="f", file="/app/f.py", line=1, source="return f(n - 1)", in_app=True)
    raised = ExceptionDetail(type="RecursionError", module="builtins", message="deep", frames=(frame,) * 10_000)
    return make_context(fingerprint="v1:101", error_type="RecursionError", exceptions=(raised,))


def _wide() -> ErrorContext:
    bases = ("ExceptionGroup", "BaseExceptionGroup")
    group = ExceptionDetail(type="ExceptionGroup", module="builtins", message="many (60 sub-exceptions)", bases=bases)
    member = ExceptionDetail(type="OSError", module="builtins", message="<i>", relation="member")
    return make_context(
        fingerprint="v1:102",
        error_id=new_id(),
        exceptions=(group, *[member] * 60),
        tags={f"tag{n}": "v" * 300 for n in range(100)},
        additional_context={f"k{n}": {"deep": ["x" * 200] * 50} for n in range(100)},
    )
