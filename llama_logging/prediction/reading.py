"""Logs as observations: JSON lines, plain text, and traces that keep numbers alone."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from llama_logging import semconv
from llama_logging.exceptions import ConfigError
from llama_logging.prediction.forecast import Observation
from llama_logging.prediction.templates import template
from llama_logging.visible import counted

_TIMES = ("timestamp", "@timestamp", "asctime", "time", "ts", "created", "Timestamp")
_LEVELS = ("level", "levelname", "severity", "log.level", "severity_text", "SeverityText", "severityText")
_LOGGERS = ("logger", "name", "logger_name", "log.logger", "otel.scope.name")
_MESSAGES = ("message", "msg", "event", "body", "Body")
_TEMPLATES = ("template", "log.template", "msg_template")
_NAMED = {
    "TRACE": 5, "DEBUG": 10, "INFO": 20, "NOTICE": 25, "SUCCESS": 25, "WARN": 30, "WARNING": 30, "ERROR": 40,
    "ERR": 40, "EXCEPTION": 40, "CRITICAL": 50, "FATAL": 50, "ALERT": 50,
}  # fmt: skip
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,15})?(?![\w.])")
_HEAD = re.compile(
    r"\[?(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)\]?[\s|:-]+(?P<rest>.*)"
)
_LEVEL = re.compile(r"\b(?:" + "|".join(_NAMED) + r")\b")
_TRACE = "dt_ms,"


@dataclass
class Reading:
    """How far one file was read.

    Attributes:
        records: Taken.
        skipped: Lines that were no record.
    """

    path: str
    records: int = 0
    skipped: int = 0
    source: IO[bytes] | None = field(default=None, repr=False)

    def share(self) -> float:
        """Of the file's bytes, as they lie on the disk, how many were read, 0 to 1."""
        if self.source is None or self.source.closed:
            return 0.0
        return self.source.tell() / max(1, os.fstat(self.source.fileno()).st_size)


def read(reading: Reading) -> Iterator[Observation]:
    """The observations of a file; its first line tells the kind. A name that ends in .gz is unpacked.

    Raises:
        ConfigError: If the file cannot be read, or no line of it is a record.
    """
    try:
        with open(reading.path, "rb") as reading.source, _lines_of(reading.path, reading.source) as lines:
            first = lines.readline()
            source = _trace(first, lines, reading) if first.startswith(_TRACE) else _lines(first, lines, reading)
            yield from source
    except (OSError, EOFError) as error:
        raise ConfigError(f"cannot read {reading.path}: {error}") from error
    if not reading.records:
        raise ConfigError(
            f"no record in {reading.path}: expected JSON lines with a time, a level and a message, or text "
            f"like '2026-01-31 12:00:00,000 ERROR app.db message'; {counted(reading.skipped, 'line')} skipped"
        )


def _lines_of(path: str, source: IO[bytes]) -> IO[str]:
    packed = path.endswith(".gz")
    return io.TextIOWrapper(gzip.open(source) if packed else source, encoding="utf-8", errors="replace")


def _lines(first: str, rest: IO[str], reading: Reading) -> Iterator[Observation]:
    for lines in ([first], rest):
        for line in lines:
            observation = _of_json(line) if line.startswith("{") else _of_text(line)
            if observation is None:
                # A traceback, or the rest of a message of several lines.
                reading.skipped += bool(line.strip())
                continue
            reading.records += 1
            yield observation


def _trace(head: str, rest: IO[str], reading: Reading) -> Iterator[Observation]:
    for row in csv.DictReader(rest, fieldnames=head.strip().split(",")):
        try:
            at, level = int(row["dt_ms"]) / 1000.0, int(row["level"])
            name = f"{row['logger']}: {row['template']}"
        except (KeyError, TypeError, ValueError):
            reading.skipped += 1
            continue
        reading.records += 1
        group = f"{name} {row.get('etype', '')}" if level >= logging.ERROR else ""
        yield Observation(at=at, level=level, template=name, group=group)


def _of_json(line: str) -> Observation | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    at, level = _moment(_first(document, _TIMES)), _level(_first(document, _LEVELS))
    message = _first(document, _MESSAGES)
    if at is None or level is None or message is None:
        return None
    return _observation(
        at, level, str(_first(document, _LOGGERS) or "root"), str(message), _first(document, _TEMPLATES),
        str(document.get("fingerprint") or document.get(semconv.FINGERPRINT) or ""),
    )  # fmt: skip


def _of_text(line: str) -> Observation | None:
    head = _HEAD.match(line[:4096].rstrip())
    if head is None:
        return None
    rest = head["rest"]
    found = _LEVEL.search(rest[:120])
    at = _moment(head["time"])
    if found is None or at is None:
        return None
    before = rest[: found.start()].strip(" \t[]|:-()")
    after = rest[found.end() :].strip(" \t]|:-")
    logger, message = (before.split()[-1], after) if before else _split(after)
    return _observation(at, _NAMED[found.group()], logger.strip("[]():"), message, None, "")


def _split(text: str) -> tuple[str, str]:
    """The logger and the message: a first word that is dotted, in brackets or ends in a colon is a logger's name."""
    word, _, rest = text.partition(" ")
    if rest and (word[-1:] in ":]" or word[:1] == "[" or "." in word.strip(".")):
        return word, rest.lstrip(" |:-")
    return "root", text


def _observation(at: float, level: int, logger: str, message: str, given: object, group: str) -> Observation:
    name = template(logger, given, True) if isinstance(given, str) else template(logger, message, False)
    numbers = tuple(float(number) for number in _NUMBER.findall(message[:500])[:4])
    if level < logging.ERROR:
        group = ""
    return Observation(
        at=at, level=level, template=name, group=group or (name if level >= logging.ERROR else ""), numbers=numbers
    )


def _first(document: Mapping[str, Any], names: tuple[str, ...]) -> object:
    for name in names:
        value = document.get(name)
        if value is None and "." in name:
            outer, _, inner = name.partition(".")
            nested = document.get(outer)
            value = nested.get(inner) if isinstance(nested, dict) else None
        if value is not None:
            return value
    return None


def _moment(value: object) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        at = float(value)
        # Of milliseconds, microseconds and nanoseconds there are more.
        while at > 1e11:
            at /= 1000.0
        return at if math.isfinite(at) and at >= 0.0 else None
    if not isinstance(value, str):
        return None
    with contextlib.suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(value.strip().replace(",", "."))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    with contextlib.suppress(ValueError):
        return _moment(float(value))
    return None


def _level(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 1000 else None
    if isinstance(value, str):
        return int(value) if value.isdecimal() and len(value) < 4 else _NAMED.get(value.strip().upper())
    return None
