"""What people decide about groups, and what became of them. The contract: registry.triage.Triage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from llama_logging.context import from_microseconds, to_microseconds
from llama_logging.exceptions import ErrorNotFound
from llama_logging.registry.groups import GroupState
from llama_logging.registry.triage import Change
from llama_logging.stores import pruning
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.groups import members_of
from llama_logging.stores.statements import Execute, marks


class SQLTriage(SQLAccess):
    """Part of SQLStore."""

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

    def delete(self, fingerprint: str, by: str = "", *, limit: int) -> bool:
        with self._transaction() as execute:
            root, *merged = self._members(execute, fingerprint)
            if not pruning.delete(execute, [root, *merged], limit):
                return False
            _log(execute, root, from_microseconds(self._now(execute)), "deleted", by, "")
            return True

    def changes(self, fingerprint: str | None = None, limit: int = 50) -> list[Change]:
        with self._reading() as execute:
            where, parameters = "", []
            if fingerprint is not None:
                parameters = members_of(execute, fingerprint)
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

    def _members(self, execute: Execute, fingerprint: str) -> list[int]:
        members = members_of(execute, fingerprint)
        if not members:
            raise ErrorNotFound(f"no group has the fingerprint {fingerprint!r} in {self.url}")
        return members


def _log(execute: Execute, group: int, at: datetime, kind: str, by: str, detail: str) -> None:
    execute(
        "INSERT INTO changes (group_id, at, kind, by, detail) VALUES (?, ?, ?, ?, ?)",
        (group, to_microseconds(at), kind, by, detail),
    )
