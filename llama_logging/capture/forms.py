"""Errors like one that was captured before: what they share is put together once.

Of one form are errors that one logger logs at one level, raised at one place, that have nothing to
say beyond a message: most errors of a process are. Whatever one has besides (extra, notes, a cause,
numbers, text that code of the application's makes), it is captured without a form.
"""

from __future__ import annotations

import logging

from llama_logging import plain
from llama_logging.capture import sights
from llama_logging.capture.records import LAST, USUAL
from llama_logging.context import ErrorContext, Form

_KNOWN_FORMS = 64
"""Of one place."""


def recognise(record: logging.LogRecord, exception: BaseException, tb: object) -> Form | None:
    """The form of an error that was given with the traceback *tb*; None if it has none that is known.

    If there is one, no code but the interpreter's makes its messages.
    """
    known = sights.recognise(exception, tb) if _is_usual(record) else None
    return known.forms.get((id(record.name), id(record.levelno))) if known is not None else None


def learn(record: logging.LogRecord, known: sights.Known, context: ErrorContext) -> None:
    """Have errors like *context*, which was made from *record*, recognised from now on; if it has a form."""
    if not known.formal or _key(record) in known.forms or not _is_usual(record) or context.implicit:
        return
    if type(record.name) is not str or type(record.levelno) is not int:
        return
    stack = known.stack
    fields = {
        "severity": context.severity,
        "stack": stack,
        "fingerprint": stack.fingerprint,
        "grouping": stack.grouping,
        "logger_name": context.logger_name,
        "additional_context": {},
        "tags": {},
    }
    if len(known.forms) >= _KNOWN_FORMS:
        known.forms.clear()
    known.forms[_key(record)] = Form(fields, (record.name, record.levelno), known.pieces[0])


def _is_usual(record: logging.LogRecord) -> bool:
    """Whether *record* has nothing but a message, which no code of the application's makes, and an exception."""
    arguments = record.args
    return (
        type(record) is logging.LogRecord
        and type(record.msg) is str
        and record.msg[:1] != "{"  # JSON: what it has besides a message is context
        and type(arguments) is tuple
        and (not arguments or plain.are_quiet(arguments))
        and record.stack_info is None
        # What was added comes last; to ask for each of them takes longer than all the rest.
        and (next(reversed(record.__dict__)) == LAST or USUAL.issuperset(record.__dict__))
    )


def _key(record: logging.LogRecord) -> tuple[int, int]:
    # By identity: nothing of the application's is asked for its hash.
    return id(record.name), id(record.levelno)
