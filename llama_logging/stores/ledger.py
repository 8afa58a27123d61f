"""Predictions, in SQL that both databases understand. The contract: prediction.ledger.Ledger."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from llama_logging.context import from_microseconds, to_microseconds
from llama_logging.prediction.forecast import Fate, Precursor, Prediction, Quality, Skill
from llama_logging.prediction.ledger import KEPT, Action, Announcement, Arm, Ending, Rating
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.statements import DAY, Execute, only, start_of

QUALITY_DAYS = 400
"""Days for which it is kept how good predictions were."""

_COLUMNS = (
    "prediction_id", "at", "fingerprint", "horizon", "probability", "usual", "persistence", "hazard", "threshold",
    "hits", "announced", "precursors", "action", "fate", "error_id", "lead", "followed", "host", "service", "process",
)  # fmt: skip
_SELECT = f"SELECT id, {', '.join(_COLUMNS)} FROM predictions"
_INSERT = f"""
    INSERT INTO predictions ({", ".join(_COLUMNS)}, until) VALUES ({", ".join("?" * (len(_COLUMNS) + 1))})
    ON CONFLICT (prediction_id) DO UPDATE SET
        action = excluded.action, fate = CASE WHEN predictions.fate = 'pending' THEN excluded.fate
                                              ELSE predictions.fate END
"""
# The first error of the service in the time of a prediction, each by its own way through the indexes of `errors`.
_THERE = """coalesce((
    SELECT origins.service FROM processes JOIN origins ON origins.id = processes.origin
    WHERE processes.id = errors.process
), '') = predictions.service"""
_FIRST_OF = {
    "<> ''": "errors.group_id = (SELECT id FROM groups WHERE groups.fingerprint = predictions.fingerprint)"
    f" AND {_THERE}",
    "= ''": f"errors.severity IN (40, 50) AND {_THERE}",
}
_SETTLE = """
    UPDATE predictions SET
        followed = CASE WHEN fate = 'hit' OR EXISTS (SELECT 1 FROM errors WHERE {which}
            AND errors.timestamp > predictions.at AND errors.timestamp <= predictions.until) THEN 1 ELSE 0 END,
        error_id = CASE WHEN error_id <> '' THEN error_id ELSE coalesce((SELECT errors.error_id FROM errors WHERE
            {which} AND errors.timestamp > predictions.at AND errors.timestamp <= predictions.until
            ORDER BY errors.timestamp LIMIT 1), '') END,
        fate = CASE WHEN fate = 'pending' THEN 'censored' ELSE fate END
    WHERE followed IS NULL AND until < ? AND fingerprint {form}
"""


class SQLLedger(SQLAccess):
    """Part of SQLStore."""

    def predicted(self, announcements: Sequence[Announcement]) -> None:
        with self._transaction() as execute:
            for announcement in announcements:
                execute(_INSERT, _row(announcement))

    def resolve_predictions(self, endings: Sequence[Ending]) -> None:
        with self._transaction() as execute:
            for ending in endings:
                resolution = ending.resolution
                execute(
                    "UPDATE predictions SET fate = ?, lead = ?, error_id = ? "
                    "WHERE prediction_id = ? AND fate = 'pending'",
                    (resolution.fate.value, resolution.lead, ending.error_id, resolution.prediction_id),
                )

    def settle_predictions(self, before: datetime) -> int:
        with self._reading() as execute:
            # Nearly always there is nothing to do, and nobody waits for it.
            overdue = "SELECT count(*) FROM predictions WHERE followed IS NULL AND until < ?"
            due = only(execute(overdue, (to_microseconds(before),)))
        if not due:
            return 0
        with self._transaction() as execute:
            count = sum(
                execute(_SETTLE.format(which=which, form=form), (to_microseconds(before),)).rowcount
                for form, which in _FIRST_OF.items()
            )
            drop(execute, "id <= (SELECT max(id) FROM predictions) - ?", KEPT)
            oldest = to_microseconds(before - timedelta(days=QUALITY_DAYS)) // DAY
            execute("DELETE FROM prediction_quality WHERE day < ?", (oldest,))
            return int(count)

    def predictions(
        self, *, since: datetime | None = None, group: str | None = None, limit: int = 50
    ) -> list[Announcement]:
        where, parameters = "at >= ?", [start_of(since)]
        if group is not None:
            where += " AND fingerprint = ?"
            parameters.append(group)  # type: ignore[arg-type]
        with self._reading() as execute:
            rows = execute(f"{_SELECT} WHERE {where} ORDER BY at DESC, id DESC LIMIT ?", (*parameters, limit))
            return [_announcement(row) for row in rows]

    def predictions_after(self, position: int, limit: int = 100) -> list[tuple[int, Announcement]]:
        with self._reading() as execute:
            rows = execute(f"{_SELECT} WHERE id > ? ORDER BY id LIMIT ?", (position, limit))
            return [(row[0], _announcement(row)) for row in rows]

    def prediction_position(self, before: datetime) -> int:
        with self._reading() as execute:
            row = execute("SELECT max(id) FROM predictions WHERE at < ?", (to_microseconds(before),)).fetchone()
            return int(row[0] or 0)

    def prediction_arms(self, since: datetime | None = None) -> list[Arm]:
        with self._reading() as execute:
            rows = execute(
                "SELECT fingerprint, horizon, action, count(*), sum(followed) FROM predictions "
                "WHERE followed IS NOT NULL AND at >= ? GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
                (start_of(since),),
            )
            return [
                Arm(group=group, horizon=horizon, action=Action(action), announced=int(count), followed=int(followed))
                for group, horizon, action, count, followed in rows
            ]

    def rate_predictions(self, role: str, at: datetime, qualities: Sequence[Quality]) -> None:
        now = to_microseconds(at)
        with self._transaction() as execute:
            for quality in qualities:
                execute(
                    "INSERT INTO prediction_quality (day, role, fingerprint, horizon, at, content) "
                    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (day, role, fingerprint, horizon) "
                    "DO UPDATE SET at = excluded.at, content = excluded.content",
                    (now // DAY, role, quality.group, quality.horizon, now, json.dumps(dataclasses.asdict(quality))),
                )

    def prediction_quality(self, since: datetime | None = None) -> list[Rating]:
        with self._reading() as execute:
            rows = execute(
                "SELECT role, at, content FROM (SELECT role, at, content, fingerprint, horizon, row_number() OVER "
                "(PARTITION BY role, fingerprint, horizon ORDER BY day DESC) AS turn FROM prediction_quality "
                "WHERE at >= ?) AS told WHERE turn = 1 ORDER BY role, fingerprint, horizon",
                (start_of(since),),
            )
            return [
                Rating(role=role, at=from_microseconds(at), quality=_quality(content)) for role, at, content in rows
            ]


def drop(execute: Execute, which: str, limit: int | str) -> None:
    """Drop predictions, and the recovery attempts made ahead for them."""
    execute(f"DELETE FROM attempts WHERE error_id IN (SELECT prediction_id FROM predictions WHERE {which})", (limit,))
    execute(f"DELETE FROM predictions WHERE {which}", (limit,))


def _row(announcement: Announcement) -> list[Any]:
    prediction = announcement.prediction
    at, seconds = int(prediction.at * 1_000_000), prediction.horizon
    return [
        prediction.prediction_id, at, prediction.group, seconds, prediction.probability, prediction.usual,
        prediction.persistence, prediction.hazard, prediction.threshold, prediction.hits, prediction.announced,
        json.dumps([dataclasses.asdict(precursor) for precursor in prediction.precursors]), announcement.action.value,
        announcement.fate.value, announcement.error_id, announcement.lead,
        None if announcement.followed is None else int(announcement.followed), announcement.host,
        announcement.service, announcement.process, at + int(seconds * 1_000_000),
    ]  # fmt: skip


def _announcement(row: Sequence[Any]) -> Announcement:
    values = dict(zip(_COLUMNS, row[1:], strict=True))
    names = ("prediction_id", "horizon", "probability", "usual", "persistence", "hazard", "threshold", "hits",
             "announced")  # fmt: skip
    return Announcement(
        prediction=Prediction(
            at=values["at"] / 1_000_000,
            group=values["fingerprint"],
            precursors=tuple(Precursor(**each) for each in json.loads(values["precursors"])),
            **{name: values[name] for name in names},
        ),
        action=Action(values["action"]),
        fate=Fate(values["fate"]),
        error_id=values["error_id"],
        lead=values["lead"],
        followed=None if values["followed"] is None else bool(values["followed"]),
        host=values["host"],
        service=values["service"],
        process=values["process"],
    )


def _quality(content: str) -> Quality:
    values = json.loads(content)
    return Quality(**{**values, "skills": tuple(Skill(**skill) for skill in values["skills"])})
