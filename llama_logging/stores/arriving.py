"""Frames as they come in, taken apart: errors, what is only counted, and everything else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from llama_logging import wire
from llama_logging.context import ErrorSeverity
from llama_logging.exceptions import UNREADABLE
from llama_logging.journal.framing import DIGITS, number_of
from llama_logging.runtime.native import breathe
from llama_logging.stores.statements import END, MOST, parts
from llama_logging.stores.temporary import BATCH
from llama_logging.tried import OutcomeStatus
from llama_logging.wire import AFTER_ID, HEAD, ID_CHARACTERS

AT_ONCE = 256
"""Frames between two moments in which other threads get the interpreter: half a millisecond. To give it costs 80 us."""
HOT = ("k", "id", "ts", "sev", "fp", "type", "msg", "stack", "proc", "n", "crc")
"""Members of an error's frame that have a column of their own; `content` is what is left."""

# An error's frame as `wire` writes it: the id and the moment are where they always are, and what stands between these
# and the message is the same for all errors of one place.
_PLAIN = r'[^"\\\x00-\x1f]'
_TEXT = rf'"({_PLAIN}*)"'
_HEAD = re.compile(rf"{re.escape(HEAD)}({_PLAIN}{{{ID_CHARACTERS}}}){re.escape(AFTER_ID)}(\d{{16}})")
_SHARED_AT = len(HEAD) + ID_CHARACTERS + len(AFTER_ID) + 16
_SHARED = re.compile(rf',"proc":{_TEXT},"type":{_TEXT},"stack":{_TEXT},"sev":([1-5]0),"fp":{_TEXT},("logger":{_TEXT})')
_NUMBER, _SEAL = len(',"n":'), len(',"crc":"01234567"}')
_PARTIAL = ',"partial":true'


class Shape(NamedTuple):
    """What errors of one place in one process have in common; `stack` and `process` are names, empty if not known."""

    fingerprint: str
    stack: str
    process: str
    severity: int
    error_type: str
    logger_name: str


Error = tuple[str, int, Shape, str, int, int, str]
"""Its id, moment (microseconds since the epoch), shape, message, whether it is partial, whether it has details, and
what is left of its frame."""
Count = tuple[Error, int]
"""Of errors of which no more is left: one of them, without id, words and the rest, and how many they are."""


@dataclass
class Arrived:
    """What frames hold.

    Attributes:
        errors, counts: In their order.
        rows: What BATCH takes.
        numbers: Sequence numbers of the frames.
        writer: The process whose journal begins among them; empty if none does.
        gone: How many numbered frames were given up on purpose, where there was no room: those are no loss.
        refused: How many of the frames no version of ours has written.
    """

    errors: list[Error] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    writer: str = ""
    gone: int = 0
    refused: int = 0


def read(frames: Sequence[str]) -> Arrived:
    """Take *frames* apart.

    Nearly all are errors as `wire` writes them, and taken apart by slices: a parser takes four times as long. One that
    is alone is looked at closely, for it may be alone because a store has refused something among others.
    """
    arrived, shapes = Arrived(), _Shapes()
    if len(frames) == 1:
        _look_closely(frames[0], arrived)
        return arrived
    for some in parts(frames, AT_ONCE):
        _take_apart(some, shapes, arrived)
        breathe()
    return arrived


class _Shapes(dict[str, tuple[Shape, str]]):
    """By what frames of one place have in common: their shape, and how what is left of each begins.

    Raises:
        ValueError: Of what `wire` does not write, or not without escapes.
    """

    def __missing__(self, shared: str) -> tuple[Shape, str]:
        found = _SHARED.fullmatch(shared)
        if found is None:
            raise ValueError(shared)
        process, error_type, stack, severity, fingerprint, member, logger = found.groups()
        shape = Shape(fingerprint, stack, process, int(severity), error_type, logger)
        self[shared] = shape, f"{{{member}"
        return self[shared]


def _take_apart(frames: Sequence[str], shapes: _Shapes, arrived: Arrived) -> None:
    # In one loop, without a call for each: it is what every error passes.
    for frame in frames:
        head, _, tail = frame.partition(',"msg":"')
        found = _HEAD.match(head)
        try:
            shape, rest = shapes[head[_SHARED_AT:]]
            message, end = scanstring(tail, 0)
            cut = tail.rindex(',"n":', end)
        except ValueError:
            is_plain = False
        else:
            left, number = tail[end:cut], tail[cut + _NUMBER : -_SEAL]
            partial = left.endswith(_PARTIAL)
            is_plain = (
                number.isdigit()
                and len(number) <= DIGITS
                and tail.startswith(',"crc":"', len(tail) - _SEAL)
                and (partial or ',"partial":' not in left)
                and ((message.isascii() and "\0" not in message) or _is_text(message))
            )
        if found is None or not is_plain:
            _look_closely(frame, arrived)
            continue
        error_id, moment = found.groups()
        details = 1 if ',"ctx":' in left or ',"crumbs":' in left or ',"locals":' in left else 0
        arrived.errors.append((error_id, int(moment), shape, message, int(partial), details, f"{rest}{left}}}"))
        arrived.numbers.append(int(number))


def _look_closely(frame: str, arrived: Arrived) -> None:
    """Add what any *frame* holds."""
    if (number := number_of(frame)) is not None:
        arrived.numbers.append(number)
    try:
        told = json.loads(frame)
        kind = told["k"]
        if kind == "error":
            arrived.errors.append(_error(told))
        elif kind == "count":
            one = "", _number(told["ts"], END), _shape(told), "", 0, 0, ""
            arrived.counts.append((one, _number(told.get("count", 1), MOST, 1)))
        elif kind == "compacted":
            arrived.gone += _number(told["gone"], MOST)
        elif kind in _OTHERS:
            values = {"place": len(arrived.rows), "kind": kind, "content": frame, **_OTHERS[kind](told)}
            if kind == "open":
                arrived.writer = values["name"]
            arrived.rows.append([values.get(column) for column in BATCH.columns])
    except UNREADABLE:
        arrived.refused += 1


def _error(told: wire.Json) -> Error:
    return (
        _text(told["id"]),
        _number(told["ts"], END),
        _shape(told)._replace(logger_name=_text(told["logger"])),
        _text(told["msg"]),
        1 if told.get("partial") else 0,
        1 if any(told.get(name) is not None for name in ("ctx", "crumbs", "locals")) else 0,
        wire.dumps({name: value for name, value in told.items() if name not in HOT}),
    )


def _shape(told: wire.Json) -> Shape:
    return Shape(
        fingerprint=_text(told["fp"]),
        stack=_text(told.get("stack") or ""),
        process=_text(told.get("proc") or ""),
        severity=int(ErrorSeverity(told["sev"])),
        error_type=_text(told["type"]),
        logger_name="",
    )


def _stack(told: wire.Json) -> wire.Json:
    module, function = (*(told.get("site") or ()), "", "")[:2]
    return {"name": _text(told["name"]), "module": _text(module), "function": _text(function)}


def _process(told: wire.Json) -> wire.Json:
    names = {name: _text(told.get(name) or "") for name in ("release", "service", "environment")}
    return {"name": _text(told["process"]), **names}


def _sighting(told: wire.Json) -> wire.Json:
    severity = told.get("sev")
    return {
        "error_id": _text(told["id"]),
        "timestamp": _number(told["ts"], END),
        "severity": None if severity is None else int(ErrorSeverity(severity)),
    }


def _attempt(told: wire.Json) -> wire.Json:
    status = OutcomeStatus(told["status"])
    return {
        "attempt_id": _text(told["attempt_id"]),
        "error_id": _text(told["error_id"]),
        "fingerprint": _text(told.get("fingerprint") or ""),
        "strategy": _text(told["strategy"]),
        "timestamp": _number(told["started_at"], END),
        "status": status.value,
        "duration": float(_bounded(told.get("duration") or 0, END)),
        "pending": int(status is OutcomeStatus.PENDING),
    }


_OTHERS: dict[object, Callable[[wire.Json], wire.Json]] = {
    "stack": _stack, "open": _process, "again": _sighting, "audit": _attempt,
}  # fmt: skip
"""What those frames say that has a column; of others, which a later version may write, nothing has."""


def _text(value: object) -> str:
    text = str(value).replace("\0", "\\x00")
    if value is None or not _is_text(text):
        raise ValueError(value)
    return text


def _is_text(value: str) -> bool:
    """Whether both stores can keep it: it has no NUL, and no half of a pair of surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _number(value: object, most: int, least: int = 0) -> int:
    if type(value) is not int:
        raise ValueError(value)
    return int(_bounded(value, most, least))


def _bounded(value: float, most: int, least: int = 0) -> float:
    """*value*: what is out of bounds could neither be shown nor added up."""
    if not least <= value <= most:
        raise ValueError(value)
    return value
