"""What passes by itself: come back later, and not all at once."""

from __future__ import annotations

import random
import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_count, as_seconds
from llama_logging.context import ErrorContext
from llama_logging.recovery.naming import in_a_row
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy
from llama_logging.runtime import forks
from llama_logging.tried import OutcomeStatus
from llama_logging.visible import counted

MARK = "idempotent"
"""The key of `extra` by which a caller says that doing it twice does no harm."""
SPREAD = 10.0
"""Seconds over which those are spread who were told one moment, at most; a tenth of how long they wait."""

_REMEMBERED = 1_000
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PIECE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)")
_DURATION = re.compile(f"(?:{_PIECE.pattern})+")
_NUMBER = re.compile(r"\d{1,13}(?:\.\d{1,9})?")
_IN_WORDS = re.compile(
    r"\b(?:again|retry|wait) (?:in|after|for) (?:about )?"
    r"(?:(\d{1,9}(?:\.\d{1,9})?) ?sec|((?:\d[\d.]{0,9}(?:ms|s|m|h))+)\b)",
    re.IGNORECASE,
)

_RELATIVE_HEADERS = ("retry-after", "x-ratelimit-reset-after")
_RESET_HEADERS = (
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "ratelimit-reset",
    "x-ratelimit-reset",
    "x-rate-limit-reset",
)


class Rounds:
    """How often errors that one caller meets in a row came back after they were told to.

    Errors of one round get one number, however many there are: the next round begins with the first
    error that happens after a moment which one of them was told.
    """

    def __init__(self) -> None:
        self._lock = forks.lock()
        self._known: OrderedDict[str, tuple[int, datetime]] = OrderedDict()

    def next(self, row: str, at: datetime, delay: float, longest: float) -> tuple[int, datetime]:
        """The number of the round in which an error has happened *at*, from 1, and when to try again."""
        with self._lock:
            number, told = self._known.pop(row, (0, at))
            if number and at > told + timedelta(seconds=2 * longest):
                number = 0  # it was well in the meantime
            if not number or at > told:
                number += 1
            # Half of it fixed, half by chance (Brooker, Exponential Backoff And Jitter, 2015).
            pause = min(delay * 2 ** min(number - 1, 30), longest) * random.uniform(0.5, 1.0)
            retry_at = at + timedelta(seconds=pause)
            self._known[row] = (number, max(told, retry_at))
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            return number, retry_at


@dataclass(frozen=True)
class Retry(Strategy):
    """Says when to try again, each time later; only where the caller has said that it may be done twice."""

    name: ClassVar[str] = "retry"
    option_names: ClassVar[tuple[str, ...]] = ("attempts", "delay", "longest")
    verified: ClassVar[bool] = False
    attempts: int = 5
    delay: float = 0.5
    longest: float = 30.0
    rounds: Rounds = field(default_factory=Rounds, compare=False, repr=False)

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `attempts` in a row; `delay`, seconds before the first, then doubled; `longest` of them."""
        return cls(
            options.read("attempts", as_count, 5),
            options.read("delay", as_seconds, 0.5),
            options.read("longest", as_seconds, 30.0),
        )

    @property
    def intent(self) -> str:
        """Says how often."""
        return f"try again, {counted(self.attempts, 'time')} at most"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Say when."""
        if context.additional_context.get(MARK) is not True:
            return Remedy(OutcomeStatus.FAILED, detail=f"the caller has not said extra={{'{MARK}': True}}")
        number, retry_at = self.rounds.next(in_a_row(context), context.timestamp, self.delay, self.longest)
        if number > self.attempts:
            told = counted(self.attempts, "attempt in a row has failed", "attempts in a row have failed")
            return Remedy(OutcomeStatus.FAILED, detail=told)
        return come_back(retry_at, deadline, f"attempt {number} of {self.attempts}")


@dataclass(frozen=True)
class RateLimit(Strategy):
    """Tells when the server wants to be asked again, as it has said itself."""

    name: ClassVar[str] = "rate_limit"
    option_names: ClassVar[tuple[str, ...]] = ("delay",)
    verified: ClassVar[bool] = False
    delay: float | None = None

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `delay`, seconds where the server has said nothing; without it, that is a failure."""
        return cls(options.read("delay", as_seconds, None))

    @property
    def intent(self) -> str:
        """Says that it waits."""
        return "come back when the server says"

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Find the moment."""
        found = next(_told(context), None)
        if found is None and self.delay is not None:
            found = ("nothing", context.timestamp + timedelta(seconds=self.delay))
        if found is None:
            return Remedy(OutcomeStatus.FAILED, detail="the server has not said when to come back")
        source, moment = found
        # A little later, and not all at the same instant: they would run into the next limit together.
        wait = max(0.0, (moment - context.timestamp).total_seconds())
        moment += timedelta(seconds=random.uniform(0.0, min(SPREAD, wait / 10)))
        return come_back(moment, deadline, f"the server said {source}")


def come_back(moment: datetime, deadline: Deadline, why: str) -> Remedy:
    """Have the recovery be over at *moment*; if that is beyond the deadline, it is advice when to try again."""
    left = (moment - datetime.now(UTC)).total_seconds()
    if left > deadline.remaining():
        advice = f"try again at {moment.isoformat(timespec='seconds')}"
        return Remedy(OutcomeStatus.ADVICE, detail=why, advice=advice, retry_at=moment)
    # Not waited for here: of those who are told so at once there may be many more than threads.
    return Remedy(OutcomeStatus.RECOVERED, detail=why, retry_at=moment)


def moment_of(text: str, now: datetime) -> datetime | None:
    """What *text* of a header means: seconds, a duration, a Unix time, an HTTP date or an ISO one.

    RFC 9110 10.2.3 has seconds and HTTP dates; the headers of rate limits have all of these.

    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> [str(moment_of(text, noon)) for text in ("90", "1m30s", "1772366490", "Sun, 01 Mar 2026 12:01:30 GMT")]
    ['2026-03-01 12:01:30+00:00', '2026-03-01 12:01:30+00:00', '2026-03-01 12:01:30+00:00', '2026-03-01 12:01:30+00:00']
    """
    text = text.strip()
    try:
        if _NUMBER.fullmatch(text):
            number = float(text)
            if number < 1e9:
                return now + timedelta(seconds=number)
            return datetime.fromtimestamp(number if number < 1e12 else number / 1000, UTC)
        if _DURATION.fullmatch(text):
            return now + timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in _PIECE.findall(text)))
        found = datetime.fromisoformat(text) if text[:1].isdigit() else parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _told(context: ErrorContext) -> Iterator[tuple[str, datetime]]:
    """What the server has said, the plainest first: which header, and the moment."""
    now = context.timestamp
    for error in context.exceptions:
        headers = {name: value for name, value in error.attributes.items() if isinstance(value, str)}
        if headers.get("retry-after-ms", "").isdecimal():
            headers["retry-after"] = f"{headers['retry-after-ms'][:9]}ms"
        for name in _RELATIVE_HEADERS:
            if (moment := moment_of(headers.get(name, ""), now)) is not None:
                yield f"{name}: {headers[name]}", moment
        # Which of several limits was met is not told: the one that ends last has surely ended.
        resets = [(moment_of(headers.get(name, ""), now), name) for name in _RESET_HEADERS]
        for moment, name in sorted(((m, name) for m, name in resets if m is not None), reverse=True):
            yield f"{name}: {headers[name]}", moment
    for error in context.exceptions:
        found = _IN_WORDS.search(error.message[:2_000])
        if found and (moment := moment_of(found[1] or found[2], now)) is not None:
            yield f"{found[0]!r}", moment
