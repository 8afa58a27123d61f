"""Where errors come from, and questions about one such place. The contract: registry.origins.Origins."""

from __future__ import annotations

from llama_logging.registry.origins import EVERYWHERE, Origin
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.statements import DAY, ORIGIN, Execute, listed


class SQLOrigins(SQLAccess):
    """Part of SQLStore."""

    def origins(self) -> list[Origin]:
        with self._reading() as execute:
            rows = execute(
                "SELECT service, environment FROM origins "
                "WHERE EXISTS (SELECT 1 FROM group_origins WHERE group_origins.origin = origins.id) "
                "ORDER BY service, environment"
            )
            return [Origin(service, environment) for service, environment in rows]


class Within:
    """The conditions under which a row is of *origin*; none where that is everywhere.

    Attributes:
        narrow: Whether there are any.
        origins: Their numbers, of all services and environments that there are.
        totals: The table of these, by severity and type; with `counted`.
        counted: Of a row that counts errors of one origin.
        error: Of a row of `errors`.
        attempt: Of a row of `attempts`; of one whose error is gone nobody knows.
        change: Of a row of `changes`.
        shown: The groups in which those are shown that have been there, as a question for their numbers.
    """

    def __init__(self, execute: Execute, origin: Origin) -> None:
        self.narrow, self.origins = origin != EVERYWHERE, list[int]()
        self.totals = "origin_totals" if self.narrow else "totals"
        self.counted = self.error = self.attempt = self.change = self.shown = ""
        if self.narrow:
            given = {"service": origin.service, "environment": origin.environment}
            chosen = {name: value for name, value in given.items() if value is not None}
            conditions = " AND ".join(f"{name} = ?" for name in chosen)
            found = execute(f"SELECT id FROM origins WHERE {conditions}", list(chosen.values())).fetchall()
            self.origins = [int(row[0]) for row in found]
            self.counted = f" AND origin IN ({listed(self.origins)})"
            self.error = f" AND {ORIGIN} IN ({listed(self.origins)})"
            # Bounded in time: PostgreSQL need not look for the error in every day's table.
            self.attempt = (
                " AND EXISTS (SELECT 1 FROM errors WHERE errors.error_id = attempts.error_id "
                f"AND errors.timestamp BETWEEN attempts.started_at - {DAY} AND attempts.started_at + {DAY}{self.error})"
            )
            seen = f"SELECT group_id FROM group_origins WHERE true{self.counted}"
            self.shown = f"SELECT coalesce(root, id) FROM groups WHERE count > 0 AND id IN ({seen})"
            self.change = (
                " AND EXISTS (SELECT 1 FROM group_origins JOIN groups AS seen ON seen.id = group_origins.group_id "
                f"WHERE (seen.id = changes.group_id OR seen.root = changes.group_id){self.counted})"
            )
