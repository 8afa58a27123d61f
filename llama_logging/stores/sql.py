"""The registry in SQL: what SQLite and PostgreSQL have in common, which is nearly all of it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from llama_logging import wire
from llama_logging.context import ErrorContext, ErrorSeverity, Sighting, from_microseconds, to_microseconds
from llama_logging.exceptions import ErrorNotFound
from llama_logging.registry import (
    Batch,
    Change,
    Denial,
    ErrorGroup,
    Gap,
    GroupState,
    Health,
    Incident,
    Lease,
    Move,
    Order,
    Policy,
    Record,
    ScopeState,
    Unkept,
)
from llama_logging.retention import Retention
from llama_logging.stores import leases, pruning, statements, words
from llama_logging.stores.charts import SQLCharts
from llama_logging.stores.ledger import SQLLedger
from llama_logging.stores.outbox import AFTERWARDS, SQLOutbox
from llama_logging.stores.statements import MINUTE, UNITS, Execute, marks
from llama_logging.tried import OutcomeStatus, RecoveryAttempt

_GROUPS = """
    SELECT groups.id, groups.fingerprint, groups.error_type, groups.error_message, groups.severity,
           groups.logger_name, stacks.module, stacks.function, groups.count, groups.first_seen, groups.last_seen,
           groups.last_error_id, groups.first_release, groups.last_release, groups.root, groups.state,
           groups.state_at, groups.resolved_in, groups.muted_until, groups.muted_count, groups.muted_period
    FROM groups LEFT JOIN stacks ON stacks.id = groups.stack
"""
_ERRORS = """
    SELECT errors.position, errors.error_id, errors.timestamp, errors.severity, groups.fingerprint,
           errors.error_type, errors.message, errors.regrouped, errors.content, stacks.content, processes.content
    FROM errors JOIN groups ON groups.id = errors.group_id
    LEFT JOIN stacks ON stacks.id = errors.stack
    LEFT JOIN processes ON processes.id = errors.process
"""

# Of a whole line: in a text of the frame's own the quotes would be escaped.
_NUMBER = re.compile(r',"n":(\d+)(?:,"lost_before":\d+)?(?:,"crc":"[0-9a-f]{8}")?\}$', re.MULTILINE)


# SQLite 3.31 takes 999 parameters.
_PART = 500
_EARLIEST = -(2**62)
"""Before every error."""


class SQLStore(SQLOutbox, SQLCharts, SQLLedger):
    """See `registry.Store` for the contract; a subclass knows how to connect.

    Its `_reading` and `_transaction` give an Execute; the temporary tables are there in both.
    """

    url: str
    version = 0

    def _reading(self) -> contextlib.AbstractContextManager[Execute]:
        raise NotImplementedError

    def _transaction(self) -> contextlib.AbstractContextManager[Execute]:
        raise NotImplementedError

    def _ingestion(self) -> contextlib.AbstractContextManager[Execute]:
        """The transaction in which a batch comes in."""
        return self._transaction()

    def _claim(self, execute: Execute, journal: str) -> int:
        """How much of *journal* is known; nobody else takes it further before this transaction ends."""
        return self._offset(execute, journal)

    def _together(self) -> contextlib.AbstractContextManager[object]:
        """In it, statements may be sent without waiting for what they give."""
        return contextlib.nullcontext()

    def _now(self, execute: Execute) -> int:
        """By the clock that decides, in microseconds since the epoch."""
        return to_microseconds(datetime.now(UTC))

    def _stage(self, execute: Execute, frames: Sequence[str]) -> None:
        """Fill `batch` with *frames*."""
        raise NotImplementedError

    def _attempt(self, execute: Execute, frames: Sequence[str]) -> bool:
        """`_add`, all or nothing; False if the database refuses what is in one of the frames."""
        raise NotImplementedError

    def _size(self, execute: Execute) -> int:
        """Bytes of the whole registry."""
        raise NotImplementedError

    def _problems(self, execute: Execute) -> list[str]:
        """What a check of the database itself finds."""
        raise NotImplementedError

    def _clock(self, execute: Execute) -> tuple[float, str]:
        """Seconds on a clock that all who share the registry have, and a name for what it counts from."""
        raise NotImplementedError

    def _index(self) -> words.Index:
        """The index of words."""
        raise NotImplementedError

    @property
    def exists(self) -> bool:
        """Whether there is a registry; one that never was is empty, and asking does not make it."""
        return True

    # --- frames come in

    def ingest(self, batch: Batch) -> int:
        with self._ingestion() as execute:
            known = self._claim(execute, batch.journal)
            if known > batch.start:
                return known
            damaged, process = batch.damaged + self._refused(execute, batch.frames), _writer(batch.frames)
            with self._together():
                execute(
                    'INSERT INTO journals (journal, "offset", damaged, process) VALUES (?, ?, ?, ?) '
                    'ON CONFLICT (journal) DO UPDATE SET "offset" = excluded."offset", '
                    "damaged = journals.damaged + excluded.damaged, "
                    "process = CASE WHEN excluded.process = '' THEN journals.process ELSE excluded.process END",
                    (batch.journal, batch.end, damaged, process),
                )
                numbers, gone = _numbers(batch.frames), _gone(batch.frames)
                if numbers or gone:
                    latest = max(numbers, default=0)
                    execute(
                        "UPDATE processes SET frames = frames + ?, last_number = "
                        "CASE WHEN last_number < ? THEN ? ELSE last_number END "
                        "WHERE name = (SELECT process FROM journals WHERE journal = ?)",
                        (len(numbers) + gone, latest, latest, batch.journal),
                    )
                if damaged:
                    execute(
                        "UPDATE registry SET value = CAST(CAST(value AS BIGINT) + ? AS TEXT) WHERE name = 'damaged'",
                        (damaged,),
                    )
                _turn(execute, self._now(execute))
        return batch.end

    def checkpoint(self, journal: str) -> int:
        with self._reading() as execute:
            return self._offset(execute, journal)

    def sync(self) -> None:
        # A commit waits for the disk; a store whose commits do not says otherwise.
        return

    def forget(self, journal: str) -> None:
        with self._transaction() as execute:
            execute("DELETE FROM journals WHERE journal = ?", (journal,))

    # --- questions

    def count_by_severity(self, since: datetime | None, at_least: ErrorSeverity) -> dict[ErrorSeverity, int]:
        sql, parameters = _counted("severity", since, at_least)
        with self._reading() as execute:
            rows = execute(f"{sql} ORDER BY 1 DESC", parameters)
            return {ErrorSeverity(severity): int(count) for severity, count in rows}

    def count_by_type(self, since: datetime | None, at_least: ErrorSeverity, limit: int) -> dict[str, int]:
        sql, parameters = _counted("error_type", since, at_least)
        with self._reading() as execute:
            rows = execute(f"{sql} ORDER BY 2 DESC, 1 LIMIT ?", (*parameters, limit))
            return {error_type: int(count) for error_type, count in rows}

    def errors(
        self,
        *,
        since: datetime | None = None,
        at_least: ErrorSeverity = ErrorSeverity.DEBUG,
        fingerprint: str | None = None,
        limit: int = 10,
    ) -> list[ErrorContext]:
        with self._reading() as execute:
            # Each severity by its own way through the index: a rare one would else be looked for everywhere.
            ways = [("severity = ?", [int(severity)]) for severity in ErrorSeverity if severity >= at_least]
            if fingerprint is not None:
                members = _members(execute, fingerprint)
                ways = [(f"group_id IN ({marks(members)}) AND severity >= ?", [*members, int(at_least)])]
            parameters = [value for _, own in ways for value in (*own, _start(since), limit)]
            places = execute(_newest([way for way, _ in ways]), [*parameters, limit]).fetchall()
            return [context for _, context in _decoded(execute, *_placed(places))]

    def errors_after(self, position: int, limit: int = 100) -> tuple[int, list[ErrorContext]]:
        with self._reading() as execute:
            if position < 0:
                return execute("SELECT coalesce(max(position), 0) FROM errors").fetchone()[0], []
            places = [
                row[0]
                for row in execute(
                    "SELECT position FROM errors WHERE position > ? ORDER BY position LIMIT ?", (position, limit)
                )
            ]
            rows = _decoded(execute, places)
        return (rows[-1][0] if rows else position), [context for _, context in rows]

    def groups(
        self,
        *,
        since: datetime | None = None,
        at_least: ErrorSeverity = ErrorSeverity.DEBUG,
        state: GroupState | None = None,
        search: str = "",
        order: Order = "last_seen",
        limit: int = 50,
        offset: int = 0,
    ) -> list[ErrorGroup]:
        if search and self.exists:
            self._index().catch_up()
        with self._reading() as execute:
            roots = _roots(execute)
            where = "groups.count > 0 AND groups.last_seen >= ? AND groups.severity >= ?"
            parameters: list[Any] = [_start(since), int(at_least)]
            if state is not None:
                shown = "(SELECT root.state FROM groups AS root WHERE root.id = groups.root)"
                where += f" AND {f'coalesce({shown}, groups.state)' if roots else 'groups.state'} = ?"
                parameters.append(state.value)
            if search:
                matching = sorted(self._index().groups(execute, search)) if self.exists else []
                where += f" AND groups.id IN ({marks(matching)})"
                parameters += matching
            members: dict[int, list[int]] = {}
            # What is skipped is no more than a number.
            for (each,) in execute(
                f"SELECT groups.id FROM groups WHERE {where} ORDER BY groups.{order} DESC, groups.id DESC LIMIT ?",
                (*parameters, offset + limit + len(roots)),
            ).fetchall():
                members.setdefault(roots.get(each, each), []).append(each)
            chosen = [each for found in list(members.values())[offset : offset + limit] for each in found]
            rows: list[Sequence[Any]] = []
            for begin in range(0, len(chosen), _PART):
                part = chosen[begin : begin + _PART]
                rows += execute(f"{_GROUPS} WHERE groups.id IN ({marks(part)})", part).fetchall()
            # Of the rows of a merged group the latest speaks for all.
            latest: dict[int, Sequence[Any]] = {}
            for row in sorted(rows, key=lambda row: (row[10], row[0]), reverse=True):
                latest.setdefault(roots.get(row[0], row[0]), row)
            groups = [_whole(execute, root, row, roots) for root, row in latest.items()]
        return sorted(groups, key=lambda group: getattr(group, order), reverse=True)

    def group(self, fingerprint: str) -> ErrorGroup | None:
        with self._reading() as execute:
            members = _members(execute, fingerprint)
            row = execute(
                f"{_GROUPS} WHERE groups.count > 0 AND groups.id IN ({marks(members)}) "
                "ORDER BY groups.last_seen DESC LIMIT 1",
                members,
            ).fetchone()
            return None if row is None else _whole(execute, members[0], row, _roots(execute))

    def find(self, id_prefix: str) -> ErrorContext:
        # Everything that begins with the prefix lies between it and it with the last digit raised.
        low = id_prefix.lower()
        high = low[:-1] + chr(ord(low[-1]) + 1) if low and low[-1] < "\U0010ffff" else "g"
        with self._reading() as execute:
            places = execute(
                "SELECT position FROM errors WHERE error_id >= ? AND error_id < ? LIMIT 2", (low, high)
            ).fetchall()
            if len(places) != 1:
                problem = "more than one error has an id that begins with" if places else "no error has the id"
                raise ErrorNotFound(f"{problem} {id_prefix!r} in {self.url}")
            return _decoded(execute, [places[0][0]])[0][1]

    def errors_beside(self, error_id: str, *, later: bool = False, limit: int = 1) -> list[ErrorContext]:
        with self._reading() as execute:
            row = execute(
                "SELECT errors.timestamp, errors.position, groups.fingerprint FROM errors "
                "JOIN groups ON groups.id = errors.group_id WHERE errors.error_id = ?",
                (error_id,),
            ).fetchone()
            if row is None:
                return []
            timestamp, position, fingerprint = row
            sign, order = (">", "ASC") if later else ("<", "DESC")
            where = f"(timestamp {sign} ? OR (timestamp = ? AND position {sign} ?)) AND timestamp {sign}= ?"
            return self._in_order(
                execute, fingerprint, order, where, [timestamp, timestamp, position, timestamp], limit
            )

    def first_error(self, fingerprint: str) -> ErrorContext | None:
        with self._reading() as execute:
            return next(iter(self._in_order(execute, fingerprint, "ASC", "timestamp >= ?", [_EARLIEST], 1)), None)

    def _in_order(
        self, execute: Execute, fingerprint: str, order: str, where: str, parameters: list[Any], limit: int
    ) -> list[ErrorContext]:
        """Errors of a group by their moments; each member of it by its own way through the index."""
        members = _members(execute, fingerprint)
        if not members:
            return []
        by = f"ORDER BY timestamp {order}, position {order} LIMIT ?"
        way = f"SELECT * FROM (SELECT position, timestamp FROM errors WHERE group_id = ? AND {where} {by}) AS way"
        places = execute(
            f"SELECT position, timestamp FROM ({' UNION ALL '.join([way] * len(members))}) AS ways {by}",
            [*(value for member in members for value in (member, *parameters, limit)), limit],
        ).fetchall()
        return [context for _, context in _decoded(execute, *_placed(places))]

    def errors_of_trace(self, trace_id: str, limit: int = 1000) -> list[ErrorContext]:
        if not self.exists:
            return []
        self._index().catch_up()
        with self._reading() as execute:
            places = self._index().match(execute, "error_words", trace_id.lower())[:limit]
            found = [context for _, context in _decoded(execute, places) if context.trace_id == trace_id.lower()]
        return sorted(found, key=lambda context: (context.timestamp, context.error_id))

    def sightings(self, error_id: str) -> list[Sighting]:
        with self._reading() as execute:
            rows = execute("SELECT content FROM sightings WHERE error_id = ? ORDER BY timestamp", (error_id,))
            return [wire.decode_sighting(_loaded(row[0])) for row in rows]

    def attempts(self, error_id: str) -> list[RecoveryAttempt]:
        return self.attempts_of([error_id]).get(error_id, [])

    def attempts_of(self, error_ids: Sequence[str]) -> dict[str, list[RecoveryAttempt]]:
        found: dict[str, list[RecoveryAttempt]] = {}
        with self._reading() as execute:
            for start in range(0, len(error_ids), 500):
                some = error_ids[start : start + 500]
                where = f"error_id IN ({marks(some)}) ORDER BY started_at"
                for row in execute(f"SELECT content FROM attempts WHERE {where}", some):
                    attempt = wire.decode_attempt(_loaded(row[0]))
                    found.setdefault(attempt.error_id, []).append(attempt)
        return found

    def changes(self, fingerprint: str | None = None, limit: int = 50) -> list[Change]:
        with self._reading() as execute:
            where, parameters = "", []
            if fingerprint is not None:
                parameters = _members(execute, fingerprint)
                where = f"WHERE changes.group_id IN ({marks(parameters)})"
            rows = execute(
                "SELECT groups.fingerprint, changes.at, changes.kind, changes.by, changes.detail "
                f"FROM changes JOIN groups ON groups.id = changes.group_id {where} ORDER BY changes.id DESC LIMIT ?",
                (*parameters, limit),
            )
            return [
                Change(fingerprint=name, at=from_microseconds(at), kind=kind, by=by, detail=detail)
                for name, at, kind, by, detail in rows
            ]

    def releases(self) -> dict[str, datetime]:
        with self._reading() as execute:
            rows = execute("SELECT release, first_seen FROM releases ORDER BY first_seen DESC, release DESC")
            return {release: from_microseconds(first_seen) for release, first_seen in rows}

    # --- what people decide

    def resolve(
        self, fingerprint: str, at: datetime, by: str = "", *, release: str = "", after_latest: bool = False
    ) -> None:
        with self._transaction() as execute:
            if after_latest:
                row = execute("SELECT release FROM releases ORDER BY first_seen DESC, release DESC LIMIT 1").fetchone()
                release = row[0] if row else ""
            told = f"after {release}" if after_latest and release else release
            how = {"resolved_in": release, "resolved_after": int(after_latest and release != "")}
            self._decide(execute, fingerprint, GroupState.RESOLVED, "resolved", at, by, told, **how)

    def mute(
        self,
        fingerprint: str,
        at: datetime,
        by: str = "",
        *,
        until: datetime | None = None,
        count: int | None = None,
        period: float | None = None,
    ) -> None:
        told = f"until {until.isoformat()}" if until else f"until {count} in {period:g} s" if count and period else ""
        how = {
            "muted_until": None if until is None else to_microseconds(until),
            "muted_count": count if period else None,
            "muted_period": None if period is None else int(period * 1_000_000),
        }
        with self._transaction() as execute:
            self._decide(execute, fingerprint, GroupState.MUTED, "muted", at, by, told, **how)

    def reopen(self, fingerprint: str, at: datetime, by: str = "") -> None:
        with self._transaction() as execute:
            self._decide(execute, fingerprint, GroupState.OPEN, "reopened", at, by)

    def _decide(
        self,
        execute: Execute,
        fingerprint: str,
        state: GroupState,
        kind: str,
        at: datetime,
        by: str,
        detail: str = "",
        **how: Any,
    ) -> None:
        root = self._members(execute, fingerprint)[0]
        columns = {
            "state": state.value,
            "state_at": to_microseconds(at),
            "resolved_in": "",
            "resolved_after": 0,
            "muted_until": None,
            "muted_count": None,
            "muted_period": None,
            **how,
        }
        assignments = ", ".join(f"{column} = ?" for column in columns)
        execute(f"UPDATE groups SET {assignments} WHERE id = ?", (*columns.values(), root))
        _log(execute, root, at, kind, by, detail)

    def merge(self, target: str, fingerprints: Sequence[str], at: datetime, by: str = "") -> None:
        with self._transaction() as execute:
            root = self._members(execute, target)[0]
            for fingerprint in fingerprints:
                member, *inner = self._members(execute, fingerprint)
                if member != root:
                    for each in (member, *inner):
                        execute("UPDATE groups SET root = ? WHERE id = ?", (root, each))
                    _log(execute, member, at, "merged", by, target)

    def unmerge(self, fingerprints: Sequence[str], at: datetime, by: str = "") -> int:
        undone = 0
        with self._transaction() as execute:
            for fingerprint in fingerprints:
                row = execute(
                    "SELECT id FROM groups WHERE fingerprint = ? AND root IS NOT NULL", (fingerprint,)
                ).fetchone()
                if row is not None:
                    execute("UPDATE groups SET root = NULL WHERE id = ?", (row[0],))
                    _log(execute, row[0], at, "unmerged", by, "")
                    undone += 1
        return undone

    def move(self, moves: Sequence[Move], at: datetime) -> None:
        with self._transaction() as execute:
            for move in moves:
                regrouped = wire.dumps(move.grouping)
                execute(
                    "INSERT INTO moving (error_id, fingerprint, regrouped) VALUES (?, ?, ?)",
                    (move.error_id, move.fingerprint, regrouped),
                )
            _rearrange(execute)
            execute(
                "INSERT INTO moves (moved_at, error_id, group_id, regrouped) "
                "SELECT ?, error_id, was, was_regrouped FROM moving WHERE true ON CONFLICT DO NOTHING",
                (to_microseconds(at),),
            )
            execute("DELETE FROM moving")

    def undo_move(self) -> int:
        with self._transaction() as execute:
            latest = execute("SELECT max(moved_at) FROM moves").fetchone()[0]
            if latest is None:
                return 0
            execute(
                "INSERT INTO moving (error_id, fingerprint, regrouped) SELECT moves.error_id, groups.fingerprint, "
                "moves.regrouped FROM moves JOIN groups ON groups.id = moves.group_id WHERE moved_at = ?",
                (latest,),
            )
            _rearrange(execute)
            execute("DELETE FROM moving")
            return int(execute("DELETE FROM moves WHERE moved_at = ?", (latest,)).rowcount)

    # --- recovery

    def acquire(self, scope: str, owner: str, seconds: float, policy: Policy) -> Lease | Denial:
        with self._transaction() as execute:
            return leases.acquire(execute, scope, owner, seconds, policy, *self._clock(execute))

    def renew(self, lease: Lease, seconds: float) -> bool:
        with self._transaction() as execute:
            return leases.renew(execute, lease, seconds, *self._clock(execute))

    def finish(self, lease: Lease, status: OutcomeStatus, detail: str, policy: Policy) -> bool:
        with self._transaction() as execute:
            return leases.finish(execute, lease, status, detail, policy, *self._clock(execute))

    def scopes(self) -> list[ScopeState]:
        with self._reading() as execute:
            return leases.every(execute, *self._clock(execute))

    def forget_scope(self, scope: str) -> None:
        with self._transaction() as execute:
            leases.forget(execute, scope)

    def records(self, fingerprint: str) -> list[Record]:
        with self._reading() as execute:
            rows = execute(
                "SELECT strategy, count(*), sum(CASE WHEN status = 'recovered' THEN 1 ELSE 0 END), avg(duration) "
                f"FROM attempts WHERE fingerprint = ? AND status IN ('recovered', 'failed') AND {AFTERWARDS} "
                "GROUP BY strategy",
                (fingerprint,),
            )
            return [
                Record(strategy=strategy, tried=tried, recovered=int(recovered), seconds=float(seconds))
                for strategy, tried, recovered, seconds in rows
            ]

    def recent_attempts(self, limit: int = 50) -> list[RecoveryAttempt]:
        with self._reading() as execute:
            rows = execute("SELECT content FROM attempts ORDER BY started_at DESC, attempt_id DESC LIMIT ?", (limit,))
            return [wire.decode_attempt(_loaded(row[0])) for row in rows]

    # --- upkeep

    def prune(self, retention: Retention, at: datetime, limit: int) -> int:
        with self._transaction() as execute:
            size = self._size(execute) if retention.size_bytes is not None else 0
            return pruning.prune(execute, retention, to_microseconds(at), size, limit)

    def recall(self, name: str) -> str:
        with self._reading() as execute:
            row = execute("SELECT value FROM registry WHERE name = ?", (name,)).fetchone()
            return str(row[0]) if row else ""

    def remember(self, name: str, value: str) -> None:
        with self._transaction() as execute:
            execute(
                "INSERT INTO registry (name, value) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, value),
            )

    def unkept(self) -> Iterator[Unkept]:
        with self._reading() as execute:
            rows = execute(
                f"""
                SELECT groups.fingerprint, groups.error_type, groups.severity, counts.minute,
                       counts.count - coalesce(kept.count, 0)
                FROM counts JOIN groups ON groups.id = counts.group_id
                LEFT JOIN (
                    SELECT group_id, timestamp / {MINUTE} AS minute, count(*) AS count FROM errors GROUP BY 1, 2
                ) AS kept ON kept.group_id = counts.group_id AND kept.minute = counts.minute
                WHERE counts.count > coalesce(kept.count, 0)
                """
            ).fetchall()
        for fingerprint, error_type, severity, minute, count in rows:
            yield Unkept(
                fingerprint=fingerprint,
                error_type=error_type,
                severity=ErrorSeverity(severity),
                minute=from_microseconds(minute * MINUTE),
                count=count,
            )

    def note(self, at: datetime, kind: str, detail: str) -> None:
        with self._transaction() as execute:
            execute("INSERT INTO incidents (at, kind, detail) VALUES (?, ?, ?)", (to_microseconds(at), kind, detail))

    def incidents(self) -> list[Incident]:
        with self._reading() as execute:
            rows = execute("SELECT at, kind, detail FROM incidents ORDER BY at")
            return [Incident(at=from_microseconds(at), kind=kind, detail=detail) for at, kind, detail in rows]

    def accept(self) -> None:
        with self._transaction() as execute:
            execute("UPDATE processes SET frames = last_number WHERE frames < last_number")
            execute("UPDATE registry SET value = '0' WHERE name = 'damaged'")
            execute("DELETE FROM incidents")

    def health(self, *, thorough: bool = True) -> Health:
        with self._reading() as execute:
            gaps = execute(
                "SELECT last_number - frames, content FROM processes WHERE last_number > frames ORDER BY id"
            ).fetchall()
            return Health(
                version=self.version,
                errors=execute("SELECT count(*) FROM errors").fetchone()[0],
                groups=execute("SELECT count(*) FROM groups WHERE count > 0").fetchone()[0],
                size_bytes=self._size(execute),
                damaged=int(execute("SELECT value FROM registry WHERE name = 'damaged'").fetchone()[0]),
                gaps=tuple(Gap(missing=missing, process=_loaded(content)) for missing, content in gaps),
                incidents=tuple(self.incidents()),
                problems=tuple(self._problems(execute)) if thorough else (),
            )

    # --- parts

    def _offset(self, execute: Execute, journal: str) -> int:
        row = execute('SELECT "offset" FROM journals WHERE journal = ?', (journal,)).fetchone()
        return int(row[0]) if row else 0

    def _refused(self, execute: Execute, frames: Sequence[str]) -> int:
        """Add *frames*; how many of them cannot be.

        One that no version of ours wrote, or a later one did, must not hold up all the others.
        """
        if not frames or self._attempt(execute, frames):
            return 0
        half = len(frames) // 2
        return self._refused(execute, frames[:half]) + self._refused(execute, frames[half:]) if half else 1

    def _add(self, execute: Execute, frames: Sequence[str]) -> None:
        self._stage(execute, frames)
        self._settle(execute)

    def _settle(self, execute: Execute) -> None:
        """Make rows of what is in `batch`."""
        if execute(statements.HAS_TWICE).fetchone()[0]:
            execute(statements.ONCE)
        for statement in statements.STACKS:
            execute(statement)
        span = execute(statements.SPAN).fetchone()
        if span[0] is not None and execute(statements.HAS_KNOWN, span).fetchone()[0]:
            execute(statements.SPOKEN)
            for statement in statements.KNOWN:
                execute(statement, span)
        for statement in (statements.GROUPS, statements.ERRORS):
            execute(statement)
        for statement in (statements.COUNTS, statements.TOTALS, *statements.STATES, *statements.OTHERS):
            execute(statement)
        execute("DELETE FROM batch")
        if execute("SELECT EXISTS (SELECT 1 FROM moving)").fetchone()[0]:
            _move(execute)
            execute("DELETE FROM moving")

    def _members(self, execute: Execute, fingerprint: str) -> list[int]:
        members = _members(execute, fingerprint)
        if not members:
            raise ErrorNotFound(f"no group has the fingerprint {fingerprint!r} in {self.url}")
        return members


def _move(execute: Execute) -> None:
    """Give the errors in `moving` their new groups; the table is left with what was moved."""
    for statement in (*statements.LEAVE, statements.GROUPS, statements.COUNTS, statements.STATES[0], *statements.ENTER):
        execute(statement)
    execute("DELETE FROM batch")


def _rearrange(execute: Execute) -> None:
    """The same for errors of the past: a group that they make is new with its next error, and then only."""
    _move(execute)
    execute("DELETE FROM turned")


def _turn(execute: Execute, now: int) -> None:
    """Give groups the states that what came makes of them."""
    execute(statements.UNMUTE_AT, (now,))
    for statement in statements.TURN:
        execute(statement)


def _log(execute: Execute, group: int, at: datetime, kind: str, by: str, detail: str) -> None:
    execute(
        "INSERT INTO changes (group_id, at, kind, by, detail) VALUES (?, ?, ?, ?, ?)",
        (group, to_microseconds(at), kind, by, detail),
    )


def _writer(frames: Sequence[str]) -> str:
    """The process that wrote *frames*, if they begin with the first of a journal."""
    if frames and frames[0].startswith('{"k":"open"'):
        with contextlib.suppress(ValueError, AttributeError):
            return str(json.loads(frames[0]).get("process", ""))
    return ""


def _numbers(frames: Sequence[str]) -> list[int]:
    """The sequence numbers of *frames*."""
    return list(map(int, _NUMBER.findall("\n".join(frames))))


def _gone(frames: Sequence[str]) -> int:
    """How many numbered frames were given up on purpose, where there was no room: those are no loss."""
    return sum([int(json.loads(frame)["gone"]) for frame in frames if frame.startswith('{"k":"compacted"')])


def _counted(column: str, since: datetime | None, at_least: ErrorSeverity) -> tuple[str, list[Any]]:
    """Counts by *column*: whole days, hours and minutes from the totals, what is left from the errors."""
    start = _start(since)
    parts: list[str] = []
    parameters: list[Any] = []
    end: int | None = None
    for unit in sorted(UNITS, reverse=True):
        size = MINUTE * unit
        first = -(-start // size)
        parts.append(
            f"SELECT {column} AS what, count FROM totals WHERE unit = ? AND bucket >= ? AND severity >= ?"
            + ("" if end is None else " AND bucket < ?")
        )
        parameters += [unit, first, int(at_least)] + ([] if end is None else [end // size])
        end = first * size
    # Named one by one, each is looked up in the index by severity and moment.
    levels = [int(severity) for severity in ErrorSeverity if severity >= at_least]
    parts.append(
        f"SELECT {column}, 1 FROM errors WHERE severity IN ({marks(levels)}) AND timestamp >= ? AND timestamp < ?"
    )
    parameters += [*levels, start, end]
    return f"SELECT what, sum(count) FROM ({' UNION ALL '.join(parts)}) AS counted GROUP BY 1", parameters


def _newest(ways: Sequence[str]) -> str:
    """Positions of the newest errors, each of *ways* by an index of its own."""
    parts = [
        f"SELECT * FROM (SELECT position, timestamp FROM errors WHERE {way} AND timestamp >= ? "
        "ORDER BY timestamp DESC, position DESC LIMIT ?) AS way"
        for way in ways
    ]
    ways_of_all = " UNION ALL ".join(parts)
    return f"SELECT position, timestamp FROM ({ways_of_all}) AS ways ORDER BY timestamp DESC, position DESC LIMIT ?"


def _placed(rows: Sequence[Sequence[int]]) -> tuple[list[int], tuple[int, int] | None]:
    """The positions in rows of position and timestamp, and the span of these."""
    moments = [row[1] for row in rows]
    return [row[0] for row in rows], (min(moments), max(moments)) if moments else None


def _decoded(
    execute: Execute, positions: Sequence[int], span: tuple[int, int] | None = None
) -> list[tuple[int, ErrorContext]]:
    """The errors at *positions*, in that order.

    Args:
        span: Where in time they lie: PostgreSQL need not look for them in any other day's table.
    """
    found: dict[int, ErrorContext] = {}
    if positions:
        within = " AND errors.timestamp >= ? AND errors.timestamp <= ?" if span is not None else ""
        for row in execute(
            f"{_ERRORS} WHERE errors.position IN ({marks(positions)}){within}", [*positions, *(span or ())]
        ):
            found[row[0]] = _error(row)
    return [(position, found[position]) for position in positions if position in found]


def _error(row: Sequence[Any]) -> ErrorContext:
    _, error_id, timestamp, severity, fingerprint, error_type, message, regrouped, content, stack, process = row
    frame = {
        **_loaded(content), "id": error_id, "ts": timestamp, "sev": severity, "fp": fingerprint, "type": error_type,
        "msg": message,
    }  # fmt: skip
    if regrouped is not None:
        frame["group"] = _loaded(regrouped)
        if frame["group"] is None:
            del frame["group"]
    return wire.decode_error(frame, _loaded(stack) if stack else {}, _loaded(process) if process else None)


def _loaded(content: Any) -> Any:
    return json.loads(content) if isinstance(content, str) else content


def _roots(execute: Execute) -> dict[int, int]:
    """For each group that is shown as part of another: the one it is shown in."""
    return dict(execute("SELECT id, root FROM groups WHERE root IS NOT NULL").fetchall())


def _members(execute: Execute, fingerprint: str) -> list[int]:
    """The group that errors with *fingerprint* are shown in, then those merged into it; empty if there is none."""
    row = execute("SELECT coalesce(root, id) FROM groups WHERE fingerprint = ?", (fingerprint,)).fetchone()
    if row is None:
        return []
    return [row[0], *(each[0] for each in execute("SELECT id FROM groups WHERE root = ? ORDER BY id", (row[0],)))]


def _start(since: datetime | None) -> int:
    return 0 if since is None else to_microseconds(since)


def _whole(execute: Execute, root: int, latest: Sequence[Any], roots: Mapping[int, int]) -> ErrorGroup:
    """The group *root* with all that is merged into it; *latest* speaks for it."""
    group = _group(latest)
    members = [root, *(member for member, target in roots.items() if target == root)]
    if len(members) == 1:
        return group
    counted = execute(
        f"SELECT sum(count), min(first_seen), max(severity) FROM groups WHERE count > 0 AND id IN ({marks(members)})",
        members,
    ).fetchone()
    own = _group(execute(f"{_GROUPS} WHERE groups.id = ?", (root,)).fetchone())
    names = execute(f"SELECT fingerprint FROM groups WHERE id IN ({marks(members[1:])}) ORDER BY 1", members[1:])
    return replace(
        group,
        fingerprint=own.fingerprint,
        count=int(counted[0]),
        first_seen=from_microseconds(counted[1]),
        severity=ErrorSeverity(counted[2]),
        merged=tuple(row[0] for row in names),
        first_release=own.first_release,
        state=own.state,
        state_at=own.state_at,
        resolved_in=own.resolved_in,
        muted_until=own.muted_until,
        muted_count=own.muted_count,
        muted_period=own.muted_period,
    )


def _group(row: Sequence[Any]) -> ErrorGroup:
    (_, fingerprint, error_type, message, severity, logger, module, function, count, first_seen, last_seen, error_id,
     first_release, last_release, _, state, state_at, resolved_in, until, muted_count, period) = row  # fmt: skip
    return ErrorGroup(
        fingerprint=fingerprint,
        error_type=error_type,
        error_message=message,
        severity=ErrorSeverity(severity),
        logger_name=logger,
        source=f"{module or '?'}.{function or '?'}",
        count=count,
        first_seen=from_microseconds(first_seen),
        last_seen=from_microseconds(last_seen),
        last_error_id=error_id,
        first_release=first_release,
        last_release=last_release,
        state=GroupState(state),
        state_at=from_microseconds(state_at) if state_at else None,
        resolved_in=resolved_in,
        muted_until=None if until is None else from_microseconds(until),
        muted_count=muted_count,
        muted_period=None if period is None else period / 1_000_000,
    )
