"""Where errors come from, and questions about one such place. The contract: registry.origins.Origins."""

from __future__ import annotations

from llama_logging.registry.origins import EVERYWHERE, Origin
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.statements import ORIGIN, Execute


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
        single: Whether it is one service in one environment.
        totals: The table of these, by severity and type; with `counted`.
        counted: Of a row that counts errors of one origin.
        error: Of a row of `errors`.
        groups: Those that have been there, as a question for their numbers.
    """

    def __init__(self, execute: Execute, origin: Origin) -> None:
        self.narrow, self.single = origin != EVERYWHERE, False
        self.totals = "origin_totals" if self.narrow else "totals"
        self.counted = self.error = self.groups = ""
        if self.narrow:
            given = {"service": origin.service, "environment": origin.environment}
            chosen = {name: value for name, value in given.items() if value is not None}
            conditions = " AND ".join(f"{name} = ?" for name in chosen)
            found = execute(f"SELECT id FROM origins WHERE {conditions}", list(chosen.values())).fetchall()
            self.single = len(found) == 1
            listed = ", ".join(str(int(row[0])) for row in found) or "NULL"
            self.counted = f" AND origin IN ({listed})"
            self.error = f" AND {ORIGIN} IN ({listed})"
            self.groups = f"SELECT group_id FROM group_origins WHERE origin IN ({listed})"
