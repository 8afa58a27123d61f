"""What is to be sent outside, in SQL that both databases understand. The contract: outbox.Outbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from llama_logging.context import from_microseconds, to_microseconds
from llama_logging.ids import new_id
from llama_logging.registry.outbox import (
    GIVEN_UP,
    LONGEST_HOLD,
    SENT,
    WAITING,
    ChannelState,
    Delivery,
    Healing,
    Quota,
    Wanted,
)
from llama_logging.registry.triage import Change
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.origins import Within
from llama_logging.stores.statements import HOUR, MINUTE, Execute
from llama_logging.tried import ENDS

OUTAGE = 2
"""After so many failures in a row, it is the channel that was down, and not one report that was at fault."""

_DELIVERY = (
    "SELECT delivery_id, channel, about, content, created_at, due_at, tries, held_back, failure, status FROM outbox"
)
_CHANGE = """
    SELECT changes.id, shown.fingerprint, changes.at, changes.kind, changes.by, changes.detail
    FROM changes JOIN groups ON groups.id = changes.group_id
    JOIN groups AS shown ON shown.id = coalesce(groups.root, groups.id)
"""
_HOUR_OF_WEEK = "(counts.minute / 60) % 168"
LONGEST_TRY = 2 * HOUR
"""Microseconds: of a step of recovery that takes longer it may not come to light that it failed."""
_ENDS = ", ".join(f"'{status.value}'" for status in ENDS)
AFTERWARDS = "NOT EXISTS (SELECT 1 FROM predictions WHERE predictions.prediction_id = attempts.error_id)"
"""Of attempts: that they were not made ahead of an error."""
MADE = "attempts.status <> 'shared'"
"""Of attempts: that they were made, and not only hold for the error."""


class SQLOutbox(SQLAccess):
    """Part of SQLStore."""

    # --- what is to be sent

    def advance(self, name: str, before: str, after: str, wanted: Sequence[Wanted], at: datetime) -> bool:
        with self._transaction() as execute:
            if before:
                swap = execute("UPDATE registry SET value = ? WHERE name = ? AND value = ?", (after, name, before))
            else:
                swap = execute(
                    "INSERT INTO registry (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, after)
                )
            if swap.rowcount != 1:
                return False
            for each in wanted:
                _enqueue(execute, each, to_microseconds(at))
            return True

    def enqueue(self, wanted: Sequence[Wanted], at: datetime) -> int:
        with self._transaction() as execute:
            return sum([_enqueue(execute, each, to_microseconds(at)) for each in wanted])

    def due(self, at: datetime) -> list[str]:
        with self._reading() as execute:
            rows = execute(
                "SELECT DISTINCT outbox.channel FROM outbox LEFT JOIN channels ON channels.channel = outbox.channel "
                "WHERE outbox.ended_at IS NULL AND outbox.due_at <= ? AND coalesce(channels.due_at, 0) <= ?",
                (to_microseconds(at), to_microseconds(at)),
            )
            return sorted(row[0] for row in rows)

    def next_delivery(self, channel: str, at: datetime) -> Delivery | None:
        now = to_microseconds(at)
        with self._reading() as execute:
            row = execute(
                f"{_DELIVERY} WHERE channel = ? AND ended_at IS NULL AND due_at <= ? AND NOT EXISTS ("
                "SELECT 1 FROM channels WHERE channels.channel = outbox.channel AND channels.due_at > ?"
                ") ORDER BY due_at, id LIMIT 1",
                (channel, now, now),
            ).fetchone()
            return None if row is None else _delivery(row)

    def sent(self, delivery: Delivery, at: datetime) -> None:
        now = to_microseconds(at)
        with self._transaction() as execute:
            ended = execute(
                "UPDATE outbox SET ended_at = ?, status = ?, tries = tries + 1, content = '' "
                "WHERE delivery_id = ? AND ended_at IS NULL",
                (now, SENT, delivery.delivery_id),
            )
            _know(execute, delivery.channel)
            execute(
                "UPDATE outbox SET due_at = ? WHERE channel = ? AND ended_at IS NULL AND due_at > ? "
                "AND (SELECT failures FROM channels WHERE channels.channel = outbox.channel) >= ?",
                (now, delivery.channel, now, OUTAGE),
            )
            execute(
                "UPDATE channels SET sent = sent + ?, sent_at = ?, failures = 0, due_at = 0 WHERE channel = ?",
                (ended.rowcount, now, delivery.channel),
            )

    def failed(
        self, delivery: Delivery, at: datetime, failure: str, due_at: datetime, held_until: datetime | None, final: bool
    ) -> None:
        now = to_microseconds(at)
        with self._transaction() as execute:
            execute(
                "UPDATE outbox SET tries = tries + 1, failure = ?, due_at = ?, ended_at = ?, status = ?, content = ? "
                "WHERE delivery_id = ? AND ended_at IS NULL",
                (
                    failure,
                    to_microseconds(due_at),
                    now if final else None,
                    GIVEN_UP if final else WAITING,
                    "" if final else delivery.content,
                    delivery.delivery_id,
                ),
            )
            _know(execute, delivery.channel)
            held = 0 if held_until is None else to_microseconds(held_until)
            execute(
                "UPDATE channels SET failure = ?, failed_at = ?, failures = failures + ?, "
                "due_at = CASE WHEN due_at > ? THEN due_at ELSE ? END WHERE channel = ?",
                (failure, now, int(held_until is not None), held, held, delivery.channel),
            )

    def deliveries(self, limit: int = 50) -> list[Delivery]:
        with self._reading() as execute:
            return [_delivery(row) for row in execute(f"{_DELIVERY} ORDER BY id DESC LIMIT ?", (limit,))]

    def channels(self) -> list[ChannelState]:
        with self._reading() as execute:
            rows = execute(
                """
                SELECT known.channel, coalesce(known.waiting, 0), coalesce(known.given_up, 0),
                       coalesce(channels.sent, 0), channels.sent_at, coalesce(channels.failures, 0),
                       coalesce(channels.failure, ''), channels.failed_at, coalesce(channels.due_at, 0)
                FROM (
                    SELECT channel, sum(waiting) AS waiting, sum(given_up) AS given_up FROM (
                        SELECT channel, CASE WHEN ended_at IS NULL THEN 1 ELSE 0 END AS waiting,
                               CASE WHEN status = 'given up' THEN 1 ELSE 0 END AS given_up FROM outbox
                        UNION ALL SELECT channel, 0, 0 FROM channels
                    ) AS told GROUP BY channel
                ) AS known LEFT JOIN channels ON channels.channel = known.channel ORDER BY known.channel
                """
            ).fetchall()
        return [
            ChannelState(
                channel=channel,
                waiting=int(waiting),
                given_up=int(given_up),
                sent=sent,
                sent_at=_moment(sent_at),
                failures=failures,
                failure=failure,
                failed_at=_moment(failed_at),
                due_at=_moment(due_at),
            )
            for channel, waiting, given_up, sent, sent_at, failures, failure, failed_at, due_at in rows
        ]

    def sweep(self, before: datetime, at: datetime) -> None:
        with self._transaction() as execute:
            execute("DELETE FROM outbox WHERE ended_at < ?", (to_microseconds(before),))
            execute(
                "UPDATE outbox SET ended_at = ?, status = ?, content = '' WHERE ended_at IS NULL AND created_at < ?",
                (to_microseconds(at), GIVEN_UP, to_microseconds(before)),
            )
            for table in ("outbox", "channels"):
                due = to_microseconds(at), to_microseconds(at + LONGEST_HOLD)
                execute(f"UPDATE {table} SET due_at = ? WHERE due_at > ?", due)
            execute("DELETE FROM quotas WHERE hour < ?", (to_microseconds(before) // HOUR,))

    # --- what there is to tell of

    def positions(self, before: datetime) -> tuple[int, int]:
        moment = (to_microseconds(before),)
        with self._reading() as execute:
            # From the end: nearly always it is the first row looked at.
            change = execute("SELECT id FROM changes WHERE at < ? ORDER BY id DESC LIMIT 1", moment).fetchone()
            error = execute(
                "SELECT position FROM errors WHERE timestamp < ? ORDER BY position DESC LIMIT 1", moment
            ).fetchone()
            return (change[0] if change else 0), (error[0] if error else 0)

    def changes_after(self, position: int, limit: int = 100) -> list[tuple[int, Change]]:
        with self._reading() as execute:
            rows = execute(f"{_CHANGE} WHERE changes.id > ? ORDER BY changes.id LIMIT ?", (position, limit))
            return [(row[0], _change(row)) for row in rows]

    def changes_between(self, since: datetime, until: datetime) -> list[Change]:
        with self._reading() as execute:
            there = Within(execute, self.origin).change
            rows = execute(
                f"{_CHANGE} WHERE changes.at >= ? AND changes.at < ?{there} ORDER BY changes.id",
                (to_microseconds(since), to_microseconds(until)),
            )
            return [_change(row) for row in rows]

    def frequent(self, since: datetime, until: datetime, count: int) -> dict[str, int]:
        start, end = to_microseconds(since), to_microseconds(until)
        with self._reading() as execute:
            there = Within(execute, self.origin).counted
            rows = execute(
                f"""
                SELECT shown.fingerprint, sum(counts.count)
                FROM groups JOIN counts ON counts.group_id = groups.id
                JOIN groups AS shown ON shown.id = coalesce(groups.root, groups.id)
                WHERE groups.last_seen >= ? AND counts.minute >= ? AND counts.minute <= ?{there}
                GROUP BY shown.id, shown.fingerprint HAVING sum(counts.count) >= ? ORDER BY 2 DESC, 1 LIMIT 1000
                """,
                (start // MINUTE * MINUTE, start // MINUTE, end // MINUTE, count),
            )
            return {fingerprint: int(total) for fingerprint, total in rows}

    def weekly(self, since: datetime, until: datetime) -> list[tuple[str, int, int, int, datetime]]:
        start, end = to_microseconds(since) // MINUTE, to_microseconds(until) // MINUTE
        with self._reading() as execute:
            rows = execute(
                f"""
                SELECT shown.fingerprint, {_HOUR_OF_WEEK}, count(*), sum(counts.count), min(counts.minute)
                FROM groups JOIN counts ON counts.group_id = groups.id
                JOIN groups AS shown ON shown.id = coalesce(groups.root, groups.id)
                WHERE groups.last_seen >= ? AND counts.minute >= ? AND counts.minute < ?
                GROUP BY shown.fingerprint, {_HOUR_OF_WEEK} ORDER BY 1, 2
                """,
                (start * MINUTE, start, end),
            ).fetchall()
        return [
            (group, hour, minutes, int(errors), from_microseconds(first * MINUTE))
            for group, hour, minutes, errors, first in rows
        ]

    def minutes(self, since: datetime, until: datetime, limit: int = 100_000) -> list[tuple[datetime, str, int]]:
        start, end = to_microseconds(since) // MINUTE, to_microseconds(until) // MINUTE
        with self._reading() as execute:
            rows = execute(
                """
                SELECT counts.minute, shown.fingerprint, sum(counts.count)
                FROM groups JOIN counts ON counts.group_id = groups.id
                JOIN groups AS shown ON shown.id = coalesce(groups.root, groups.id)
                WHERE groups.last_seen >= ? AND counts.minute >= ? AND counts.minute < ?
                GROUP BY counts.minute, shown.fingerprint ORDER BY counts.minute DESC, shown.fingerprint DESC LIMIT ?
                """,
                (start * MINUTE, start, end, limit),
            ).fetchall()
        return [(from_microseconds(minute * MINUTE), group, int(count)) for minute, group, count in reversed(rows)]

    def unhealed(self, since: datetime, until: datetime) -> list[tuple[str, str]]:
        with self._reading() as execute:
            rows = execute(
                f"""
                SELECT error_id, min(fingerprint) FROM attempts WHERE started_at >= ? AND {AFTERWARDS}
                GROUP BY error_id
                HAVING sum(pending) = 0
                    AND max(started_at + CAST(duration * 1000000 AS BIGINT)) BETWEEN ? AND ?
                    AND sum(CASE WHEN status IN ({_ENDS}) THEN 1 ELSE 0 END) = 0
                    AND sum(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) > 0
                ORDER BY max(started_at), error_id LIMIT 1000
                """,
                (to_microseconds(since) - LONGEST_TRY, to_microseconds(since), to_microseconds(until)),
            )
            return [(error_id, fingerprint) for error_id, fingerprint in rows]

    def healings(self, since: datetime, until: datetime) -> list[Healing]:
        with self._reading() as execute:
            there = Within(execute, self.origin).attempt
            rows = execute(
                f"""
                SELECT attempts.strategy, sum(CASE WHEN attempts.status = 'recovered' THEN 1 ELSE 0 END),
                       sum(CASE WHEN attempts.status = 'failed' THEN 1 ELSE 0 END),
                       avg(CASE WHEN attempts.status = 'recovered'
                           THEN (attempts.started_at - errors.timestamp) / 1000000.0 + attempts.duration END)
                FROM attempts LEFT JOIN errors ON errors.error_id = attempts.error_id
                WHERE attempts.started_at >= ? AND attempts.started_at < ?
                    AND attempts.status IN ('recovered', 'failed'){there}
                GROUP BY attempts.strategy ORDER BY 2 DESC, 1
                """,
                (to_microseconds(since), to_microseconds(until)),
            )
            return [
                Healing(
                    strategy=strategy,
                    recovered=int(recovered),
                    failed=int(failed),
                    seconds=None if seconds is None else max(0.0, float(seconds)),
                )
                for strategy, recovered, failed, seconds in rows
            ]


def _enqueue(execute: Execute, wanted: Wanted, now: int) -> bool:
    known = execute("SELECT 1 FROM outbox WHERE channel = ? AND about = ?", (wanted.channel, wanted.about)).fetchone()
    if known or not _passes(execute, wanted.quotas, now // HOUR):
        return False
    row = execute(
        "INSERT INTO outbox (delivery_id, channel, about, created_at, due_at, status, tries, held_back, failure, "
        "content) VALUES (?, ?, ?, ?, ?, ?, 0, ?, '', ?) ON CONFLICT (channel, about) DO NOTHING",
        (
            new_id(),
            wanted.channel,
            wanted.about,
            now,
            now,
            WAITING,
            _untold(execute, wanted.quotas),
            wanted.content,
        ),
    )
    return bool(row.rowcount == 1)


def _passes(execute: Execute, quotas: Sequence[Quota], hour: int) -> bool:
    """Whether all *quotas* have room; then it is taken, else the first that has none counts it as held."""
    for quota in quotas:
        # Written first: in PostgreSQL that locks the row until the end of the transaction.
        execute(
            "INSERT INTO quotas (name, hour, passed, held, told) VALUES (?, ?, 0, 0, 0) "
            "ON CONFLICT (name, hour) DO UPDATE SET passed = quotas.passed",
            (quota.name, hour),
        )
        where = (quota.name, hour)
        row = execute("SELECT passed FROM quotas WHERE name = ? AND hour = ?", where).fetchone()
        if row[0] >= quota.hourly:
            execute("UPDATE quotas SET held = held + 1 WHERE name = ? AND hour = ?", where)
            return False
    for quota in quotas:
        execute("UPDATE quotas SET passed = passed + 1 WHERE name = ? AND hour = ?", (quota.name, hour))
    return True


def _untold(execute: Execute, quotas: Sequence[Quota]) -> int:
    """How many were held back by *quotas* and not told of; now they are."""
    count = 0
    for quota in quotas:
        row = execute("SELECT sum(held - told) FROM quotas WHERE name = ? AND held > told", (quota.name,)).fetchone()
        count += int(row[0] or 0)
        execute("UPDATE quotas SET told = held WHERE name = ? AND held > told", (quota.name,))
    return count


def _know(execute: Execute, channel: str) -> None:
    execute(
        "INSERT INTO channels (channel, sent, failures, failure, due_at) VALUES (?, 0, 0, '', 0) "
        "ON CONFLICT (channel) DO NOTHING",
        (channel,),
    )


def _delivery(row: Sequence[Any]) -> Delivery:
    delivery_id, channel, about, content, created_at, due_at, tries, held_back, failure, status = row
    return Delivery(
        delivery_id=delivery_id,
        channel=channel,
        about=about,
        content=content,
        created_at=from_microseconds(created_at),
        due_at=from_microseconds(due_at),
        tries=tries,
        held_back=held_back,
        failure=failure,
        status=status,
    )


def _change(row: Sequence[Any]) -> Change:
    _, fingerprint, at, kind, by, detail = row
    return Change(fingerprint=fingerprint, at=from_microseconds(at), kind=kind, by=by, detail=detail)


def _moment(value: int | None) -> datetime | None:
    return from_microseconds(value) if value else None
