"""What pages show: questions whose cost does not grow with the number of errors. The contract: figures.Figures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from llama_logging.context import ErrorSeverity, from_microseconds, to_microseconds
from llama_logging.exceptions import ErrorNotFound
from llama_logging.registry.attempts import PRUNING
from llama_logging.registry.figures import Facets, JournalState, Recoveries, Steps, Vitals
from llama_logging.registry.groups import GroupState
from llama_logging.registry.upkeep import Gap
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.origins import Within
from llama_logging.stores.outbox import MADE
from llama_logging.stores.statements import MINUTE, UNITS, Execute, marks, only
from llama_logging.tried import OutcomeStatus

HEALED = 100
"""The time to heal is the median of so many, the latest."""
JOURNALS = 100
"""At most so many journals are named."""
GAPS = 50
"""At most so many processes that lost frames are named."""

_FACETS = ("service", "environment", "release", "host", "python")
"""What a process adds to the tags of its errors."""


class SQLCharts(SQLAccess):
    """Part of SQLStore."""

    def index_words(self) -> bool:
        return self._index().step()

    def pulse(self) -> str:
        with self._reading() as execute:
            row = execute(
                """
                SELECT (SELECT max(position) FROM errors), (SELECT max(id) FROM changes),
                       (SELECT sum("offset") FROM journals),
                       (SELECT sum(token) FROM scopes WHERE scope NOT LIKE ?),
                       (SELECT max(id) FROM predictions),
                       (SELECT count(*) FROM predictions WHERE followed IS NULL AND fate = 'pending'),
                       (SELECT value FROM registry WHERE name = 'recovery off')
                """,
                (f"{PRUNING}%",),
            ).fetchone()
            return " ".join(str(value or 0) for value in row)

    def states(self) -> dict[GroupState, int]:
        with self._reading() as execute:
            counts, within = dict.fromkeys(GroupState, 0), Within(execute, self.origin)
            there = f" AND id IN ({within.shown})" if within.narrow else ""
            for state, count, over in execute(
                "SELECT state, count(*), sum(CASE WHEN muted_until <= ? THEN 1 ELSE 0 END) FROM groups "
                f"WHERE count > 0 AND root IS NULL{there} GROUP BY state",
                (self._now(execute),),
            ):
                counts[GroupState(state)] += count - int(over)
                counts[GroupState.OPEN] += int(over)
            return counts

    def fingerprint_of(self, prefix: str) -> str:
        with self._reading() as execute:
            # There are few groups to look through, compared with errors; a version may stand before the digits.
            text = "".join(f"!{c}" if c in "!%_" else c for c in prefix)
            rows = execute(
                "SELECT fingerprint FROM groups WHERE fingerprint = ? "
                "OR ((fingerprint LIKE ? ESCAPE '!' OR last_error_id LIKE ? ESCAPE '!') AND count > 0) "
                "ORDER BY fingerprint <> ?, fingerprint LIMIT 3",
                (prefix, f"%:{text}%" if ":" not in prefix else f"{text}%", f"{text}%", prefix),
            ).fetchall()
        names = [row[0] for row in rows]
        named = [name for name in names if name == prefix or name.partition(":")[2] == prefix] or names
        if len(named) != 1:
            problem = "more than one group has a fingerprint that begins with" if named else "no group is called"
            raise ErrorNotFound(f"{problem} {prefix[:80]!r} in {self.url}")
        return str(named[0])

    def activity(self, fingerprints: Sequence[str], steps: Steps) -> dict[str, tuple[int, ...]]:
        found = {name: [0] * steps.count for name in fingerprints}
        with self._reading() as execute:
            shown = _shown(execute, fingerprints)
            if not shown:
                return {name: tuple(counts) for name, counts in found.items()}
            # Each step by its own way through the index: one GROUP BY over all would sort what it reads, and
            # take five times as long (measured, of 72 thousand minutes of five groups in 30 days).
            size, numbers = int(steps.minutes), range(steps.first, steps.first + steps.count)
            there = Within(execute, self.origin).counted
            table, part = "counts", "minute"
            if size % 1440 == 0:
                size, table, part = size // 1440, "day_counts", "day"
            rows = execute(
                f"WITH chosen (id) AS (VALUES {', '.join(f'({int(group)})' for group in shown)}), "
                f"steps (step) AS (VALUES {', '.join(f'({int(number)})' for number in numbers)}) "
                f"SELECT id, step, (SELECT sum(count) FROM {table} WHERE group_id = id "
                f"AND {part} >= step * {size} AND {part} < (step + 1) * {size}{there}) FROM chosen CROSS JOIN steps"
            )
            for group, step, count in rows:
                for name in shown[group] if count else ():
                    found[name][step - steps.first] += int(count)
        return {name: tuple(counts) for name, counts in found.items()}

    def timeline(self, steps: Steps) -> dict[ErrorSeverity, tuple[int, ...]]:
        unit = max(unit for unit in UNITS if steps.minutes % unit == 0)
        each = steps.minutes // unit
        found: dict[ErrorSeverity, list[int]] = {}
        with self._reading() as execute:
            within = Within(execute, self.origin)
            rows = execute(
                f"SELECT bucket / {int(each)}, severity, sum(count) FROM {within.totals} "
                f"WHERE unit = ? AND bucket >= ? AND bucket < ?{within.counted} GROUP BY 1, 2",
                (unit, steps.first * each, (steps.first + steps.count) * each),
            )
            for step, severity, count in rows:
                counts = found.setdefault(ErrorSeverity(severity), [0] * steps.count)
                counts[step - steps.first] += int(count)
        return {severity: tuple(found[severity]) for severity in sorted(found, reverse=True)}

    def facets(self, fingerprint: str, sample: int = 300) -> Facets:
        with self._reading() as execute:
            members = list(_shown(execute, [fingerprint]))
            ways = " UNION ALL ".join(
                [
                    "SELECT * FROM (SELECT position, timestamp FROM errors WHERE group_id = ? "
                    "ORDER BY timestamp DESC, position DESC LIMIT ?) AS way"
                ]
                * len(members)
            )
            if not members:
                return Facets(sample=0, values={})
            places = execute(
                f"SELECT position, timestamp FROM ({ways}) AS ways ORDER BY timestamp DESC, position DESC LIMIT ?",
                [value for member in members for value in (member, sample)] + [sample],
            ).fetchall()
            if not places:
                return Facets(sample=0, values={})
            rows = execute(
                "SELECT errors.content, processes.content FROM errors "
                "LEFT JOIN processes ON processes.id = errors.process "
                f"WHERE errors.position IN ({marks(places)}) AND errors.timestamp >= ? AND errors.timestamp <= ?",
                [*(row[0] for row in places), min(row[1] for row in places), max(row[1] for row in places)],
            ).fetchall()
        return Facets(sample=len(rows), values=_counted(rows))

    def changed(self, since: datetime, until: datetime) -> dict[str, int]:
        with self._reading() as execute:
            within = Within(execute, self.origin)
            rows = execute(
                "SELECT kind, count(DISTINCT group_id) FROM changes "
                f"WHERE at >= ? AND at < ?{within.change} GROUP BY kind",
                (to_microseconds(since), to_microseconds(until)),
            )
            return dict(rows)

    def recoveries(self, since: datetime, until: datetime) -> Recoveries:
        begin, end = to_microseconds(since), to_microseconds(until)
        with self._reading() as execute:
            there = Within(execute, self.origin).attempt
            rows = execute(
                "SELECT status, count(*) FROM attempts "
                f"WHERE started_at >= ? AND started_at < ? AND {MADE}{there} GROUP BY status",
                (begin, end),
            )
            counts = {OutcomeStatus(status): count for status, count in rows}
            healed = execute(
                "SELECT error_id, started_at + CAST(duration * 1000000 AS BIGINT) FROM attempts "
                f"WHERE started_at >= ? AND started_at < ? AND status = 'recovered'{there} "
                "ORDER BY started_at DESC LIMIT ?",
                (begin, end, HEALED),
            ).fetchall()
            # Bounded in time: PostgreSQL need not look for them in every day's table.
            began = dict(
                execute(
                    f"SELECT error_id, timestamp FROM errors WHERE error_id IN ({marks(healed)}) "
                    "AND timestamp >= ? AND timestamp < ?",
                    (*(row[0] for row in healed), begin - 1440 * MINUTE, end),
                ).fetchall()
            )
        seconds = sorted(max(0, over - began[name]) / 1_000_000 for name, over in healed if name in began)
        # The statistics module would take longer to import than all of this to be asked.
        return Recoveries(counts=counts, seconds=seconds[len(seconds) // 2] if seconds else None)

    def vitals(self) -> Vitals:
        with self._reading() as execute:
            gaps = execute(
                "SELECT last_number - frames, content FROM processes WHERE last_number > frames "
                "ORDER BY id DESC LIMIT ?",
                (GAPS,),
            ).fetchall()
            missing = only(execute("SELECT sum(last_number - frames) FROM processes WHERE last_number > frames"))
            # Asked for one by one, each is the end of an index.
            low, high = (only(execute(f"SELECT {end}(position) FROM errors")) for end in ("min", "max"))
            newest = only(execute("SELECT max(last_seen) FROM groups"))
            total = only(execute("SELECT sum(count) FROM totals WHERE unit = 1440"))
            indexed = only(execute("SELECT value FROM registry WHERE name = 'errors indexed'"))
            return Vitals(
                version=self.version,
                errors=int(total or 0),
                kept_at_most=0 if high is None else high - low + 1,
                groups=only(execute("SELECT count(*) FROM groups WHERE count > 0")),
                size_bytes=self._disk(execute),
                newest=from_microseconds(newest) if newest else None,
                unindexed=max(0, (high or 0) - int(indexed)),
                damaged=int(only(execute("SELECT value FROM registry WHERE name = 'damaged'"))),
                missing=int(missing or 0),
                gaps=tuple(Gap(missing=count, process=json.loads(content)) for count, content in gaps),
            )

    def journals(self) -> list[JournalState]:
        with self._reading() as execute:
            rows = execute(
                'SELECT journals.journal, journals."offset", journals.damaged, processes.content FROM journals '
                "LEFT JOIN processes ON processes.name = journals.process ORDER BY processes.id DESC LIMIT ?",
                (JOURNALS,),
            )
            return [
                JournalState(name=name, offset=offset, damaged=damaged, process=json.loads(content) if content else {})
                for name, offset, damaged, content in rows
            ]


def _shown(execute: Execute, fingerprints: Sequence[str]) -> dict[int, list[str]]:
    """The groups that are shown in these, themselves among them, and in which of *fingerprints*."""
    roots: dict[int, list[str]] = {}
    for name, root in execute(
        f"SELECT fingerprint, coalesce(root, id) FROM groups WHERE fingerprint IN ({marks(fingerprints)})",
        list(fingerprints),
    ).fetchall():
        roots.setdefault(root, []).append(name)
    members = execute(f"SELECT id, root FROM groups WHERE root IN ({marks(list(roots))})", list(roots)).fetchall()
    return {**roots, **{member: roots[root] for member, root in members}}


def _counted(rows: Sequence[Sequence[Any]]) -> dict[str, tuple[tuple[str, int], ...]]:
    """Of each tag its values and how often they came, the most frequent first."""
    counts: dict[str, Counter[str]] = {}
    for content, process in rows:
        facts = json.loads(process) if process else {}
        own = {name: facts[name] for name in _FACETS if facts.get(name)}
        for key, value in {**own, **json.loads(content).get("tags", {})}.items():
            counts.setdefault(key, Counter())[str(value)] += 1
    return {key: tuple(values.most_common()) for key, values in counts.items()}
