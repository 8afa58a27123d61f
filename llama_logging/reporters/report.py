"""What is sent: one report, whole and redacted, whatever becomes of the registry meanwhile."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from llama_logging.context import PREDICTED, ErrorContext
from llama_logging.documents.exports import as_document
from llama_logging.documents.reading import context_of
from llama_logging.ids import new_id
from llama_logging.plain import last_line
from llama_logging.prediction.ledger import Action, Announcement
from llama_logging.prediction.wording import sentence
from llama_logging.redaction import clean
from llama_logging.registry.groups import ErrorGroup
from llama_logging.registry.outbox import Delivery
from llama_logging.visible import counted

TITLE = 200
"""Characters of a title."""
MOST = 200_000
"""Characters of an error as JSON, from which on its details stay behind: gateways before a webhook often take 256 KiB,
PagerDuty 512, and Sentry a megabyte."""
KINDS = {
    "new": "new error",
    "regressed": "is back, although resolved",
    "unmuted": "asks for attention again",
    "resolved": "resolved",
    "frequent": "comes often",
    "recovery_failed": "could not be recovered from",
    "predicted": "is predicted",
    "unusual": "comes unusually often",
    "every": "error",
    "digest": "digest",
    "test": "test",
}
"""What a report is for, and how that is said."""
NOT_NOW = ("resolved", "predicted")
"""Kinds that name an error, and do not say that it came."""


_STATUS = "llama-logging predict status"
_DONE = {
    Action.ACTED: "recovery has begun ahead of it",
    Action.CONTROL: "nothing is done about it, to compare with",
    Action.OBSERVED: "recovery would act ahead of it, if its rule said `mode: act`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is sent outside.

    Attributes:
        report_id: The same at every try, so that a receiver can tell it came before; empty until it is on its way.
        kind: One of KINDS.
        rule: Name of the rule that wants it.
        title: One line.
        text: For people, the whole of it.
        html: The same, where it is more than text.
        command: Shows all there is to it.
        error: The error it tells of, or the latest of its group, as `llama-logging export` has it; None for what
            tells of no error.
        group: What the registry says of the group.
        digest: The digest, as data.
        prediction: What is predicted, and what was done about it.
        held_back: How many reports before it were not sent, by the hourly limits.
        taken: Those of the channel's receivers that have it already; see ReportError.
    """

    kind: str
    created_at: datetime
    title: str
    text: str
    report_id: str = ""
    rule: str = ""
    html: str = ""
    command: str = ""
    error: Mapping[str, Any] | None = None
    group: Mapping[str, Any] = field(default_factory=dict)
    digest: Mapping[str, Any] | None = None
    prediction: Mapping[str, Any] | None = None
    held_back: int = 0
    taken: tuple[str, ...] = ()

    @property
    def context(self) -> ErrorContext | None:
        """The error, as it was captured; the latest of its group, marked, where it is only predicted."""
        if self.error is None:
            return None
        # It is no error from elsewhere: how it was caught is known.
        context = replace(context_of(dict(self.error)), mechanism=self.error["mechanism"])
        if self.prediction is None:
            return context
        told = {**context.additional_context, PREDICTED: self.prediction["prediction"]}
        return replace(context, additional_context=told)

    @property
    def occurrence(self) -> ErrorContext | None:
        """The error that came, for what counts errors; None for what tells of none, or of none that came."""
        return None if self.kind in NOT_NOW else self.context

    @property
    def message(self) -> str:
        """The whole text, and what was held back."""
        if not self.held_back:
            return self.text
        told = counted(self.held_back, "report before this one was", "reports before this one were")
        return f"{self.text}\n{told} held back by the hourly limits\n"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: all that there is to tell."""
        told = (name for name in self.__slots__ if name != "taken")
        content = {name: getattr(self, name) for name in told if getattr(self, name) not in ("", None, {})}
        return {**content, "created_at": self.created_at.isoformat()}


def of_error(
    kind: str, rule: str, at: datetime, context: ErrorContext | None, group: ErrorGroup | None, told: str = ""
) -> Report:
    """A report of an error, of its group, or of both.

    Args:
        told: What there is to say besides: how often it came, the release that has it again.
    """
    error_type = context.error_type if context else group.error_type if group else "error"
    message = (context.error_message if context else group.error_message if group else "").rstrip()
    error_id = context.error_id if context else group.last_error_id if group else ""
    command = f"llama-logging show {error_id}" if error_id else ""
    lines = [f"{KINDS[kind]}{f': {told}' if told else ''}", last_line(error_type, message)]
    if context is not None:
        process = context.process
        ran = [process.service, process.release, process.environment, process.host] if process else []
        lines.append(f"in {context.source_module}.{context.source_function}, {context.severity.name} of the logger "
                     f"{context.logger_name}, {context.timestamp.isoformat(sep=' ', timespec='seconds')}")  # fmt: skip
        lines += [", ".join(part for part in ran if part)] if any(ran) else []
    if group is not None:
        first = group.first_seen.isoformat(sep=" ", timespec="seconds")
        lines.append(f"{counted(group.count, 'time')} since {first}; {group.state.value}")
    if context is not None and context.stack_trace:
        lines += ["", clean(context.stack_trace, 4_000).rstrip()]
    return Report(
        kind=kind,
        rule=clean(rule, TITLE),
        created_at=at,
        title=one_line(f"{KINDS[kind]}: {last_line(error_type, message)}"),
        text=visible("\n".join([*lines, "", command, ""])),
        command=command,
        error=None if context is None else _document(context),
        group={} if group is None else _of_group(group),
    )


def of_prediction(
    rule: str, at: datetime, announcement: Announcement, context: ErrorContext | None, group: ErrorGroup | None
) -> Report:
    """A report that an error is coming.

    Args:
        context: The latest of its group; None where any error is meant.
    """
    told = sentence(announcement.prediction)
    if announcement.action is not Action.NONE:
        told += f"; {_DONE[announcement.action]}"
    if context is not None:
        report = of_error("predicted", rule, at, context, group, told)
    else:
        text = visible(f"an error is predicted: {told}\n\n{_STATUS}\n")
        title = one_line(f"an error is predicted: {told}")
        report = Report(
            kind="predicted", rule=clean(rule, TITLE), created_at=at, title=title, text=text, command=_STATUS
        )
    return replace(report, prediction=dataclasses.asdict(announcement))


def of_delivery(delivery: Delivery, content: Mapping[str, Any]) -> Report:
    """The report that is on its way."""
    known = {name: content[name] for name in Report.__slots__ if name in content}
    moment = datetime.fromisoformat(content["created_at"])
    report = Report(**{**known, "created_at": moment, "taken": tuple(content.get("taken", ()))})
    return replace(report, report_id=delivery.delivery_id, held_back=delivery.held_back)


def of_test(channel: str) -> Report:
    """One that says no more than that it arrived."""
    title = f"test of the channel {channel}"
    text = f"This is a test of the channel {channel}. Whoever reads it gets the reports.\n"
    return Report(kind="test", created_at=datetime.now(UTC), title=title, text=text, report_id=new_id())


def one_line(text: str) -> str:
    r"""*text* as a title: bounded, without line breaks and control characters.

    >>> one_line("a\r\nBcc: b")
    'a Bcc: b'
    >>> "  " in one_line("x" * 300)
    False
    """
    told = clean("".join(c if c.isprintable() else " " for c in " ".join(text.split())), TITLE)
    return " ".join(told.split())


def visible(text: str) -> str:
    r"""*text*, its control characters made visible; line breaks and tabs stay.

    >>> visible("ok\x1b[2J\n")
    'ok\\x1b[2J\n'
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _document(context: ErrorContext) -> dict[str, Any]:
    document = as_document(context)
    left_out = {"...": f"left out; `llama-logging show {context.error_id}` has it"}
    for name, instead in (("locals", []), ("breadcrumbs", []), ("additional_context", left_out)):
        if len(json.dumps(document, default=str)) > MOST:
            document[name] = instead
    return document


def _of_group(group: ErrorGroup) -> dict[str, Any]:
    return {
        "fingerprint": group.fingerprint,
        "error_type": group.error_type,
        "error_message": group.error_message,
        "severity": group.severity.name,
        "count": group.count,
        "first_seen": group.first_seen.isoformat(),
        "last_seen": group.last_seen.isoformat(),
        "first_release": group.first_release,
        "last_release": group.last_release,
        "state": group.state.value,
    }
