"""Reports as log records of OpenTelemetry, over OTLP/HTTP in JSON.

Its own few lines and not the SDK: that one has providers and threads of its own, which would meet the
application's.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from llama_logging import semconv
from llama_logging.config.options import Options
from llama_logging.context import ErrorContext, to_microseconds
from llama_logging.exceptions import ReportError
from llama_logging.redaction import clean
from llama_logging.reporters import http
from llama_logging.reporters.report import Report
from llama_logging.reporters.webhook import as_headers

_PATH = "/v1/logs"
_SERVICE = "unknown_service:python"
"""What the SDK says where nobody has named the service (resource semantic conventions)."""


@dataclass(frozen=True)
class OTLPReporter:
    """Sends each report as one log record named `exception`."""

    target: http.Target
    headers: tuple[tuple[str, str], ...] = ()

    option_names: ClassVar[tuple[str, ...]] = ("endpoint", "headers", *http.OPTIONS)

    @classmethod
    def configure(cls, options: Options) -> Self:
        """See `Reporter.configure`."""
        url = options.required("endpoint", http.as_url).rstrip("/")
        url = url if url.endswith(_PATH) else url + _PATH
        return cls(http.target(options, url), options.read("headers", as_headers, ()))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The headers' values."""
        return tuple(value for _, value in self.headers)

    def send(self, report: Report, timeout: float) -> None:
        """Send it."""
        body = json.dumps(request(report)).encode()
        said = self.target.post(body, {"Content-Type": "application/json", **dict(self.headers)}, timeout)
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            partial = json.loads(said or b"{}").get("partialSuccess") or {}
            if int(partial.get("rejectedLogRecords") or 0):
                raise ReportError(f"it was rejected: {clean(str(partial.get('errorMessage')), 200)}", refused=True)


def request(report: Report) -> dict[str, Any]:
    """*report* as an ExportLogsServiceRequest (opentelemetry-proto, its JSON mapping: ids in hex digits)."""
    context = report.context  # where it came from is told in any case
    process = context.process if context is not None else None
    resource: dict[str, Any] = {semconv.SERVICE_NAME: _SERVICE}
    if process is not None:
        resource = {
            semconv.SERVICE_NAME: process.service or _SERVICE,
            semconv.SERVICE_VERSION: process.release,
            semconv.DEPLOYMENT_ENVIRONMENT_NAME: process.environment,
            semconv.HOST_NAME: process.host,
            semconv.PROCESS_PID: process.pid,
        }
    occurrence = report.occurrence
    record = _plain(report) if occurrence is None else _record(report, occurrence)
    scope = occurrence.logger_name if occurrence is not None else "llama_logging"
    logs = [{"scope": {"name": scope}, "logRecords": [record]}]
    return {"resourceLogs": [{"resource": {"attributes": _attributes(resource)}, "scopeLogs": logs}]}


def _record(report: Report, context: ErrorContext) -> dict[str, Any]:
    shown = context.exceptions[context.stack.main] if context.exceptions else None
    attributes = {
        semconv.EXCEPTION_TYPE: shown.qualified_type if shown else "",
        semconv.EXCEPTION_MESSAGE: context.error_message if shown else "",
        semconv.EXCEPTION_STACKTRACE: context.stack_trace,
        semconv.CODE_FUNCTION_NAME: ".".join(part for part in (context.source_module, context.source_function) if part),
        semconv.CODE_FILE_PATH: context.source_file,
        semconv.CODE_LINE_NUMBER: context.source_line,
        semconv.THREAD_NAME: context.thread_name,
        semconv.ERROR_ID: context.error_id,
        semconv.FINGERPRINT: context.fingerprint,
        semconv.REPORT_KIND: report.kind,
        **{f"{semconv.TAG}{name}": value for name, value in context.tags.items()},
    }
    record: dict[str, Any] = {
        "timeUnixNano": str(to_microseconds(context.timestamp) * 1_000),
        "observedTimeUnixNano": str(to_microseconds(report.created_at) * 1_000),
        "severityNumber": semconv.SEVERITY_NUMBERS[context.severity.name],
        "severityText": context.severity.name,
        "body": {"stringValue": context.log_message},
        "attributes": [*_attributes(attributes), *_extra(context, attributes)],
    }
    if shown:
        record["eventName"] = "exception"
    if len(context.trace_id) == 32 and len(context.span_id) == 16:
        record.update(traceId=context.trace_id, spanId=context.span_id)
    return record


def _plain(report: Report) -> dict[str, Any]:
    moment = str(to_microseconds(report.created_at) * 1_000)
    return {
        "timeUnixNano": moment,
        "observedTimeUnixNano": moment,
        "severityNumber": semconv.SEVERITY_NUMBERS["INFO"],
        "severityText": "INFO",
        "body": {"stringValue": report.message},
        "attributes": _attributes({semconv.REPORT_KIND: report.kind}),
    }


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value not in ("", None, 0)]


def _extra(context: ErrorContext, taken: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the `extra` of the logging call gave, as OpenTelemetry's own handler has it."""
    given = context.additional_context
    return [{"key": key, "value": _value(value)} for key, value in given.items() if key and key not in taken]


def _value(value: Any) -> dict[str, Any]:
    """*value*, which JSON may hold, as an AnyValue."""
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int() if -(2**63) <= value < 2**63:
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list() | tuple():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
        case Mapping():
            values = [{"key": str(key), "value": _value(each)} for key, each in value.items()]
            return {"kvlistValue": {"values": values}}
    return {"stringValue": str(value)}
