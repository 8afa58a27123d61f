"""Reports in Sentry's format, to a DSN: Sentry, GlitchTip, Bugsink and others take them.

An envelope over HTTP and not sentry-sdk: that one would meet the application's own, and what is sent
was captured long ago, perhaps by another process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit
from uuid import UUID

from llama_logging import semconv
from llama_logging.config.options import Options
from llama_logging.context import Breadcrumb, ErrorContext, Process
from llama_logging.documents.sentry import LEVELS
from llama_logging.exceptions import ConfigError
from llama_logging.reporters import http
from llama_logging.reporters.raised import raised
from llama_logging.reporters.report import Report

_SDK = {"name": "llama_logging", "version": "1"}
"""Who has made it; the version is that of what we send."""
_NOBODY = Process(process="", pid=0, host="", boot="", program="", python="")


@dataclass(frozen=True)
class SentryReporter:
    """Sends each report as an event (https://develop.sentry.dev/sdk/foundations/envelopes/)."""

    target: http.Target
    key: str

    option_names: ClassVar[tuple[str, ...]] = ("dsn", *http.OPTIONS)

    @classmethod
    def configure(cls, options: Options) -> Self:
        """See `Reporter.configure`."""
        dsn = options.required("dsn", _as_dsn)
        return cls(http.target(options, dsn[0]), dsn[1])

    @property
    def secrets(self) -> tuple[str, ...]:
        """The public key, which is one for who may send."""
        return (self.key,)

    def send(self, report: Report, timeout: float) -> None:
        """Send it."""
        payload = event(report)
        lines = ({"event_id": payload["event_id"]}, {"type": "event", "content_type": "application/json"}, payload)
        body = "\n".join(json.dumps(line) for line in lines).encode()
        client = "/".join(_SDK.values())
        headers = {
            "Content-Type": "application/x-sentry-envelope",
            "X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={self.key}, sentry_client={client}",
        }
        self.target.post(body, headers, timeout)


def event(report: Report) -> dict[str, Any]:
    """*report* as an event (https://develop.sentry.dev/sdk/foundations/envelopes/event-payloads/)."""
    context = report.occurrence
    if context is None:
        told = {"event_id": _hex(report.report_id), "platform": "python", "level": "info", "logger": _SDK["name"]}
        moment = report.created_at.isoformat()
        return {**told, "timestamp": moment, "sdk": _SDK, "logentry": {"formatted": report.message}}
    process = context.process or _NOBODY
    tags = {semconv.SERVICE_NAME: process.service, semconv.REPORT_KIND: report.kind}
    payload = {
        # The error's own id: one that is sent twice is one event.
        "event_id": _hex(context.error_id),
        "timestamp": context.timestamp.isoformat(),
        "platform": "python",
        "sdk": _SDK,
        "level": LEVELS[context.severity.name],
        "logger": context.logger_name,
        "logentry": {"message": context.log_template or context.log_message, "formatted": context.log_message},
        "fingerprint": [context.fingerprint],
        "release": process.release,
        "environment": process.environment,
        "server_name": process.host,
        "tags": {**{name: value for name, value in tags.items() if value}, **context.tags},
        "extra": dict(context.additional_context),
        "breadcrumbs": {"values": [_breadcrumb(crumb) for crumb in context.breadcrumbs]},
        "contexts": _contexts(report, context, process),
        "exception": {"values": raised(context)},
    }
    return {name: value for name, value in payload.items() if value not in ("", {}, {"values": []})}


def _as_dsn(value: object) -> tuple[str, str]:
    """The URL of the envelopes' endpoint, and the key."""
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        folder, _, project = parts.path.rpartition("/")
        known = parts.scheme in ("http", "https") and parts.username and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known or not project.isalnum():
        raise ConfigError("expected a DSN such as https://KEY@sentry.example/1; what stands there is none")
    user, _, host = parts.netloc.rpartition("@")  # an IPv6 address keeps its brackets
    return f"{parts.scheme}://{host}{folder}/api/{project}/envelope/", user.partition(":")[0]


def _hex(text: str) -> str:
    try:
        return UUID(text).hex
    except ValueError:
        return UUID(int=0).hex


def _breadcrumb(crumb: Breadcrumb) -> dict[str, Any]:
    return {
        "timestamp": crumb.created,
        "level": LEVELS[crumb.severity.name],
        "category": crumb.logger_name,
        "message": crumb.message,
    }


def _contexts(report: Report, context: ErrorContext, process: Process) -> dict[str, dict[str, Any]]:
    ours = {
        "report": report.title,
        "command": report.command,
        "thread": context.thread_name,
        "task": context.task_name,
        "stack_info": context.stack_info,
    }
    contexts: dict[str, dict[str, Any]] = {"llama_logging": {name: value for name, value in ours.items() if value}}
    if process.python:
        contexts["runtime"] = {"name": "Python", "version": process.python}
    if context.trace_id and context.span_id:
        contexts["trace"] = {"trace_id": context.trace_id, "span_id": context.span_id}
    return contexts
