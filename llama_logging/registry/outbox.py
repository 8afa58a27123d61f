"""What is to be sent outside, as the registry keeps it, and the port through which it is reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from llama_logging.registry.figures import Figures
from llama_logging.registry.triage import Change

WAITING, SENT, GIVEN_UP = "waiting", "sent", "given up"
"""What becomes of a delivery."""
LONGEST_HOLD = timedelta(days=1)
"""For so long a receiver that asks for it is left alone, at most."""


@dataclass(frozen=True, slots=True)
class Quota:
    """At most so many reports in an hour, counted under a name by all who share the registry."""

    name: str
    hourly: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A report that a channel shall get.

    Attributes:
        about: What it tells of; a channel gets it once, whoever wants it.
        content: The report, as JSON.
        quotas: All of them must have room, else it is counted as held back and never sent.
    """

    channel: str
    about: str
    content: str
    quotas: tuple[Quota, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A report on its way to a channel.

    Attributes:
        delivery_id: The same at every try, so that a receiver can tell it came before.
        content: The report, as JSON; empty once nobody is to get it any more.
        held_back: How many reports before it were held back by the quotas, and not yet told of.
        failure: Of its latest try; empty if there was none.
        status: `waiting`, `sent` or `given up`.
    """

    delivery_id: str
    channel: str
    about: str
    content: str
    created_at: datetime
    due_at: datetime
    tries: int
    held_back: int
    failure: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """How sending to a channel goes.

    Attributes:
        waiting, given_up: Deliveries of now, and of the past week.
        sent: Of all times.
        failures: In a row.
        failure: The last one there was, however long ago.
        due_at: Until when it is left alone; None if nothing keeps us.
    """

    channel: str
    waiting: int
    given_up: int
    sent: int
    sent_at: datetime | None
    failures: int
    failure: str
    failed_at: datetime | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Healing:
    """What a strategy has done in a time.

    Attributes:
        seconds: From the error to the end of the try that healed it, on average; None if none did.
    """

    strategy: str
    recovered: int
    failed: int
    seconds: float | None


class Outbox(Figures, Protocol):
    """A Store that keeps what is to be sent, too. Moments given are aware."""

    def advance(self, name: str, before: str, after: str, wanted: Sequence[Wanted], at: datetime) -> bool:
        """Have these reports sent, and what is remembered under *name* go on, in one transaction.

        Returns:
            False, and nothing is changed, if it is not *before* any more: another process did it.
        """
        ...

    def enqueue(self, wanted: Sequence[Wanted], at: datetime) -> int:
        """Have these reports sent; how many are new."""
        ...

    def due(self, at: datetime) -> list[str]:
        """The channels for which something is to be sent now."""
        ...

    def next_delivery(self, channel: str, at: datetime) -> Delivery | None:
        """What is to be sent next; None if nothing is due, or the channel is left alone."""
        ...

    def sent(self, delivery: Delivery, at: datetime) -> None:
        """Say that it has arrived; after an outage, all that waits is due at once."""
        ...

    def failed(
        self, delivery: Delivery, at: datetime, failure: str, due_at: datetime, held_until: datetime | None, final: bool
    ) -> None:
        """Say that it has not arrived.

        Args:
            due_at: When to try it again; *final* for never.
            held_until: Until when the whole channel is left alone; None if it is this report alone.
        """
        ...

    def deliveries(self, limit: int = 50) -> list[Delivery]:
        """The latest deliveries, the latest first."""
        ...

    def channels(self) -> list[ChannelState]:
        """How sending goes, of every channel there ever was."""
        ...

    def sweep(self, before: datetime, at: datetime) -> None:
        """Drop what ended before then, and give up what has waited since before then.

        What shall wait for longer than LONGEST_HOLD is due now: some clock was ahead.
        """
        ...

    def positions(self, before: datetime) -> tuple[int, int]:
        """Where in the changes and in the errors that stands which came last before that moment."""
        ...

    def changes_after(self, position: int, limit: int = 100) -> list[tuple[int, Change]]:
        """What became of groups, in order, and where it stands."""
        ...

    def changes_between(self, since: datetime, until: datetime) -> list[Change]:
        """What became of groups in a time, in order."""
        ...

    def frequent(self, since: datetime, until: datetime, count: int) -> dict[str, int]:
        """Groups with at least so many errors from that minute on and up to that one, and how many."""
        ...

    def weekly(self, since: datetime, until: datetime) -> list[tuple[str, int, int, int, datetime]]:
        """What each group is like by hours of the week, numbered from the epoch's first, in whole minutes of a time.

        Returns:
            Group, hour (0 to 167), minutes with an error, errors in them, and the first of these minutes.
        """
        ...

    def minutes(self, since: datetime, until: datetime, limit: int = 100_000) -> list[tuple[datetime, str, int]]:
        """Errors by minute and group, in order, from that minute on and before that one; of too many the latest."""
        ...

    def unhealed(self, since: datetime, until: datetime) -> list[tuple[str, str]]:
        """Errors whose recovery was in vain, and over in that time: ids and fingerprints, in order."""
        ...

    def healings(self, since: datetime, until: datetime) -> list[Healing]:
        """What the strategies have done in a time."""
        ...
