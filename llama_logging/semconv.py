"""Attribute names of what leaves the process.

Source: OpenTelemetry semantic conventions 1.37+ (exceptions, code, service, deployment, http, url: stable);
what they have no name for sits under `llama_logging.`.
"""

ERROR_TYPE = "error.type"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
CODE_FUNCTION_NAME = "code.function.name"
CODE_FILE_PATH = "code.file.path"
CODE_LINE_NUMBER = "code.line.number"
SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"
DEPLOYMENT_ENVIRONMENT_NAME = "deployment.environment.name"
HOST_NAME = "host.name"
PROCESS_PID = "process.pid"
THREAD_NAME = "thread.name"
HTTP_REQUEST_METHOD = "http.request.method"
URL_PATH = "url.path"
TAGS = "tags"
TRACE_ID = "trace_id"
SPAN_ID = "span_id"
SEVERITY_TEXT = "severity_text"
SEVERITY_NUMBER = "severity_number"

ERROR_ID = "llama_logging.error_id"
FINGERPRINT = "llama_logging.fingerprint"
RECOVERY_STATUS = "llama_logging.recovery.status"
REPORT_KIND = "llama_logging.report"
TAG = "llama_logging.tag."

TIMESTAMP = "timestamp"
LOGGER = "logger"

STYLES: dict[str, dict[str, str]] = {
    "otel": {},
    "ecs": {
        TIMESTAMP: "@timestamp",
        SEVERITY_TEXT: "log.level",
        SEVERITY_NUMBER: "event.severity",
        LOGGER: "log.logger",
        EXCEPTION_TYPE: "error.type",
        EXCEPTION_MESSAGE: "error.message",
        EXCEPTION_STACKTRACE: "error.stack_trace",
        ERROR_ID: "error.id",
        CODE_FUNCTION_NAME: "log.origin.function",
        CODE_FILE_PATH: "log.origin.file.name",
        CODE_LINE_NUMBER: "log.origin.file.line",
        TAGS: "labels",
        TRACE_ID: "trace.id",
        SPAN_ID: "span.id",
        DEPLOYMENT_ENVIRONMENT_NAME: "service.environment",
    },
    "plain": {
        SEVERITY_TEXT: "level",
        SEVERITY_NUMBER: "severity",
        EXCEPTION_TYPE: "error_type",
        EXCEPTION_MESSAGE: "error_message",
        EXCEPTION_STACKTRACE: "stack_trace",
        ERROR_ID: "error_id",
        FINGERPRINT: "fingerprint",
        RECOVERY_STATUS: "recovery",
        CODE_FUNCTION_NAME: "source_function",
        CODE_FILE_PATH: "source_file",
        CODE_LINE_NUMBER: "source_line",
        SERVICE_NAME: "service",
        SERVICE_VERSION: "release",
        DEPLOYMENT_ENVIRONMENT_NAME: "environment",
    },
}
"""Style of JSON lines → what has another name there: the Elastic Common Schema's, or an ErrorContext's."""
ECS_VERSION = {"ecs.version": "8.11.0"}

SEVERITY_NUMBERS = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}
"""ErrorSeverity name → OpenTelemetry severity_number (logs data model, "Mapping of SeverityNumber")."""
