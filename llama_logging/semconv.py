"""Attribute names of what leaves the process.

Source: OpenTelemetry semantic conventions 1.37+ (exceptions, code, service, deployment: stable);
what they have no name for sits under `llama_logging.`.
"""

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
TRACE_ID = "trace_id"
SPAN_ID = "span_id"
SEVERITY_TEXT = "severity_text"
SEVERITY_NUMBER = "severity_number"

ERROR_ID = "llama_logging.error_id"
FINGERPRINT = "llama_logging.fingerprint"
RECOVERY_STATUS = "llama_logging.recovery.status"
REPORT_KIND = "llama_logging.report"
TAG = "llama_logging.tag."

SEVERITY_NUMBERS = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}
"""ErrorSeverity name → OpenTelemetry severity_number (logs data model, "Mapping of SeverityNumber")."""
