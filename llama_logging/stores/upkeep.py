"""What the registry has no room for, what went wrong, what it remembers. The contract: registry.upkeep.Upkeep."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from llama_logging.context import ErrorSeverity, from_microseconds, to_microseconds
from llama_logging.registry.origins import Origin
from llama_logging.registry.upkeep import Gap, Health, Incident, Unkept
from llama_logging.retention import Retention
from llama_logging.stores import leases, pruning
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.statements import MINUTE, ORIGIN, REMEMBER, only


class SQLUpkeep(SQLAccess):
    """Part of SQLStore."""

    def prune(self, retention: Retention, at: datetime, limit: int) -> int:
        with self._reading() as execute:
            is_long_ago = pruning.first_minute(execute, to_microseconds(at)) is not None
        if is_long_ago:
            with self._transaction() as execute:
                self._alone(execute)  # or two would add up the same
                if (minute := pruning.first_minute(execute, to_microseconds(at))) is not None:
                    pruning.count_by_day(execute, minute)
        with self._transaction() as execute:
            # Before it is asked how large it is: no error is to go for room that others take in vain.
            pruning.drop_unused(execute, to_microseconds(at))
            leases.drop_unused(execute, *self._clock(execute))
            size = self._size(execute) if retention.size_bytes is not None else 0
            is_too_large = retention.size_bytes is not None and size > retention.size_bytes
            if not is_too_large or not pruning.bare(execute, limit):
                return pruning.prune(execute, retention, to_microseconds(at), size, limit)
        with self._transaction() as execute:
            self._alone(execute)  # or an error might be about to come into one of them
            groups = pruning.bare(execute, limit)
            pruning.forget(execute, groups)
            self._index().drop(execute, groups)
            return len(groups)

    def recall(self, name: str) -> str:
        with self._reading() as execute:
            row = execute("SELECT value FROM registry WHERE name = ?", (name,)).fetchone()
            return str(row[0]) if row else ""

    def remember(self, name: str, value: str) -> None:
        with self._transaction() as execute:
            execute(REMEMBER, (name, value))

    def unkept(self) -> Iterator[Unkept]:
        with self._reading() as execute:
            rows = execute(
                f"""
                SELECT groups.fingerprint, groups.error_type, groups.severity, counts.minute,
                       counts.count - coalesce(kept.count, 0),
                       coalesce(origins.service, ''), coalesce(origins.environment, '')
                FROM counts JOIN groups ON groups.id = counts.group_id LEFT JOIN origins ON origins.id = counts.origin
                LEFT JOIN (
                    SELECT group_id, timestamp / {MINUTE} AS minute, {ORIGIN} AS origin, count(*) AS count
                    FROM errors GROUP BY 1, 2, 3
                ) AS kept
                ON kept.group_id = counts.group_id AND kept.minute = counts.minute AND kept.origin = counts.origin
                WHERE counts.count > coalesce(kept.count, 0)
                """
            ).fetchall()
        for fingerprint, error_type, severity, minute, count, service, environment in rows:
            yield Unkept(
                fingerprint=fingerprint,
                error_type=error_type,
                severity=ErrorSeverity(severity),
                minute=from_microseconds(minute * MINUTE),
                count=int(count),
                origin=Origin(service, environment),
            )

    def tallies(self) -> dict[tuple[str, datetime, Origin], int]:
        with self._reading() as execute:
            rows = execute(
                """
                SELECT groups.fingerprint, counts.minute, coalesce(origins.service, ''),
                       coalesce(origins.environment, ''), counts.count
                FROM counts JOIN groups ON groups.id = counts.group_id LEFT JOIN origins ON origins.id = counts.origin
                """
            )
            return {
                (fingerprint, from_microseconds(minute * MINUTE), Origin(service, environment)): int(count)
                for fingerprint, minute, service, environment, count in rows
            }

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
                errors=only(execute("SELECT count(*) FROM errors")),
                groups=only(execute("SELECT count(*) FROM groups WHERE count > 0")),
                size_bytes=self._size(execute),
                damaged=int(only(execute("SELECT value FROM registry WHERE name = 'damaged'"))),
                gaps=tuple(Gap(missing=missing, process=json.loads(content)) for missing, content in gaps),
                incidents=tuple(self.incidents()),
                problems=tuple(self._problems(execute)) if thorough else (),
            )
