"""What is measured: each subject logs the exception that is being handled."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, NamedTuple

Log = Callable[[str], None]
"""Logs this message; and the exception being handled, if it is for errors."""

INSTALL = "pip install '.[bench]'"


def _stdlib(*handlers: logging.Handler) -> Log:
    logger = logging.getLogger("bench")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    for handler in handlers:
        logger.addHandler(handler)
    return logger.exception


def _file(name: str = "out.log") -> logging.Handler:
    handler = logging.FileHandler(name)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    return handler


def _console() -> logging.StreamHandler[Any]:
    return logging.StreamHandler(open(os.devnull, "w", encoding="utf-8"))


def file_handler() -> Log:
    """The reference: logging.FileHandler."""
    return _stdlib(_file())


def limit() -> Log:
    """What no handler can be cheaper than: the logging call and one write of 300 bytes."""
    fd, data = os.open("out.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND), b"x" * 300

    class Write(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            return os.write(fd, data) == 300

    return _stdlib(Write())


def file_and_console() -> Log:
    """logging.FileHandler and StreamHandler."""
    return _stdlib(_file(), _console())


def registry() -> Log:
    """RegistryHandler alone."""
    from llama_logging.handlers import RegistryHandler

    return _stdlib(RegistryHandler(store="sqlite:///bench.db"))


def registry_file_console() -> Log:
    """RegistryHandler, a JSON file and the console."""
    from llama_logging.formatters import ConsoleFormatter, JsonFormatter
    from llama_logging.handlers import RegistryHandler

    file, console = _file(), _console()
    file.setFormatter(JsonFormatter())
    console.setFormatter(ConsoleFormatter(colour=False))
    return _stdlib(RegistryHandler(store="sqlite:///bench.db"), file, console)


def python_json_logger() -> Log:
    """python-json-logger on a FileHandler."""
    from pythonjsonlogger.json import JsonFormatter

    file = _file()
    file.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    return _stdlib(file)


def loguru() -> Log:
    """The file sink of loguru with its defaults."""
    from loguru import logger

    logger.remove()
    logger.add("out.log")
    return logger.exception


def loguru_plain() -> Log:
    """The file sink of loguru without backtrace and diagnose."""
    from loguru import logger

    logger.remove()
    logger.add("out.log", backtrace=False, diagnose=False)
    return logger.exception


def structlog() -> Log:
    """structlog, JSON to a file."""
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=open("out.log", "w", encoding="utf-8")),  # noqa: SIM115
        cache_logger_on_first_use=True,
    )
    logger = structlog.get_logger()
    return lambda message: logger.error(message, exc_info=True)


def sentry_sdk() -> Log:
    """sentry-sdk with its defaults; what it would send is dropped."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            """Drop it."""

    sentry_sdk.init(dsn="http://key@127.0.0.1:1/1", transport=Nowhere)
    return _stdlib(logging.NullHandler())


def info_file_handler() -> Log:
    """The reference for what is no error: logging.FileHandler at ERROR."""
    handler = _file()
    handler.setLevel(logging.ERROR)
    return _info(handler)


def info_registry() -> Log:
    """RegistryHandler, which lets all pass that is no error."""
    from llama_logging.handlers import RegistryHandler

    return _info(RegistryHandler(store="sqlite:///bench.db"))


def info_breadcrumbs() -> Log:
    """RegistryHandler that keeps it, for the error that may follow."""
    from llama_logging.handlers import RegistryHandler

    return _info(RegistryHandler(store="sqlite:///bench.db", breadcrumbs=100))


def _info(handler: logging.Handler) -> Log:
    _stdlib(handler)
    logger = logging.getLogger("bench")
    logger.setLevel(logging.DEBUG)
    return logger.info


class Table(NamedTuple):
    """Subjects that are compared in some scenarios; the first is the reference."""

    title: str
    scenarios: tuple[str, ...]
    subjects: dict[str, Callable[[], Log]]


TABLES = {
    "errors": Table(
        "One logged exception",
        ("5 frames", "20 frames", "5 frames, first seen"),
        {
            "stdlib FileHandler": file_handler,
            "limit: call + one write": limit,
            "llama_logging registry": registry,
            "llama_logging registry + JSON file + console": registry_file_console,
            "stdlib file + console": file_and_console,
            "python-json-logger": python_json_logger,
            "loguru": loguru,
            "loguru, diagnose off": loguru_plain,
            "structlog JSON": structlog,
            "sentry-sdk, null transport": sentry_sdk,
        },
    ),
    "info": Table(
        "One info record, the handler there for errors",
        ("info",),
        {
            "stdlib FileHandler at ERROR": info_file_handler,
            "llama_logging registry, info": info_registry,
            "llama_logging registry, info kept as breadcrumbs": info_breadcrumbs,
        },
    ),
}
SUBJECTS = {name: make for table in TABLES.values() for name, make in table.subjects.items()}
