"""An error as Markdown, to be pasted into an issue."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from llama_logging.context import ErrorContext
from llama_logging.plain import last_line
from llama_logging.registry.groups import ErrorGroup
from llama_logging.tried import RecoveryAttempt
from llama_logging.visible import counted, printable, printable_lines

STACK = 20_000
"""At most so many characters of the stack trace: what GitHub and GitLab take is 65,536 for all."""
CRUMBS = 20
"""At most so many breadcrumbs, the latest."""
VALUE = 500
"""At most so many characters of a value."""

_TICKS = re.compile("`+")


def as_markdown(context: ErrorContext, group: ErrorGroup | None, attempts: Sequence[RecoveryAttempt]) -> str:
    """*context*, and what is known of its group and of its recovery."""
    said = _inline(last_line(context.error_type, _cut(context.error_message, VALUE)))
    parts = [f"### {said}", _table(_facts(context, group))]
    if context.stack_trace:
        parts.append(_block(_ends(context.stack_trace.rstrip(), STACK), "pytb"))
    if context.breadcrumbs:
        crumbs = [
            f"{crumb.severity.name:<8} {crumb.logger_name}  {_cut(crumb.message, VALUE)}"
            for crumb in context.breadcrumbs
        ]
        parts += ["**Before it**", _block("\n".join(printable(crumb) for crumb in crumbs[-CRUMBS:]))]
    if context.additional_context:
        values = json.dumps(dict(context.additional_context), indent=2, ensure_ascii=False)
        parts += ["**Context**", _block(_ends(values, STACK), "json")]
    if attempts:
        tries = [
            f"- {attempt.status.value}: {_inline(attempt.strategy)} ({attempt.duration:.2f} s)"
            f" {_inline(_cut(attempt.detail, VALUE))}"
            for attempt in attempts
        ]
        parts += ["**Recovery**", "\n".join(tries)]
    return "\n\n".join(parts) + "\n"


def _facts(context: ErrorContext, group: ErrorGroup | None) -> dict[str, str]:
    process = context.process
    ran = (
        [process.service, process.release, process.environment, process.host, f"Python {process.python}"]
        if process
        else []
    )
    seen = ""
    if group is not None:
        since = group.first_seen.isoformat(sep=" ", timespec="seconds")
        seen = f"{counted(group.count, 'time')} since {since}"
    return {
        "where": f"{context.source_module}.{context.source_function} ({context.source_file}:{context.source_line})",
        "when": context.timestamp.isoformat(sep=" ", timespec="milliseconds"),
        "severity": f"{context.severity.name} of {context.logger_name}",
        "logged": context.log_message if context.log_message != context.error_message else "",
        "carries": context.carried,
        "ran": ", ".join(filter(None, ran)),
        "tags": ", ".join(f"{key}={value}" for key, value in context.tags.items()),
        "trace": context.trace_id,
        "group": f"{context.fingerprint}, {group.state.value}" if group else context.fingerprint,
        "seen": seen,
        "id": context.error_id,
    }


def _table(facts: dict[str, str]) -> str:
    rows = [
        f"| {name} | {_inline(_cut(value, VALUE)).replace('|', chr(92) + '|')} |"
        for name, value in facts.items()
        if value
    ]
    return "\n".join(["| | |", "|---|---|", *rows])


def _inline(text: str) -> str:
    """*text* as code: no Markdown, no HTML, no mention in it is taken for one."""
    shown = printable(text)
    if not shown.strip():
        return ""
    ticks = "`" * (max((len(run) for run in _TICKS.findall(shown)), default=0) + 1)
    space = " " if len(ticks) > 1 else ""
    return f"{ticks}{space}{shown}{space}{ticks}"


def _block(text: str, language: str = "") -> str:
    shown = printable_lines(text)
    ticks = "`" * max(3, max((len(run) for run in _TICKS.findall(shown)), default=0) + 1)
    return f"{ticks}{language}\n{shown}\n{ticks}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _ends(text: str, length: int) -> str:
    """Both ends of *text*: where it began, and how it ended."""
    if len(text) <= length:
        return text
    return f"{text[: length // 2]}\n… {len(text) - length} characters left out …\n{text[-length // 2 :]}"
