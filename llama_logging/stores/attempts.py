"""What recovery may act on, what it tried, and what came of it. The contract: registry.attempts.Attempts."""

from __future__ import annotations

import json
from collections.abc import Sequence

from llama_logging import wire
from llama_logging.registry.attempts import Denial, Lease, Policy, Record, ScopeState
from llama_logging.stores import leases
from llama_logging.stores.access import SQLAccess
from llama_logging.stores.outbox import AFTERWARDS, MADE
from llama_logging.stores.statements import marks, parts
from llama_logging.tried import OutcomeStatus, RecoveryAttempt


class SQLAttempts(SQLAccess):
    """Part of SQLStore."""

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

    def attempts(self, error_id: str) -> list[RecoveryAttempt]:
        return self.attempts_of([error_id]).get(error_id, [])

    def attempts_of(self, error_ids: Sequence[str]) -> dict[str, list[RecoveryAttempt]]:
        found: dict[str, list[RecoveryAttempt]] = {}
        with self._reading() as execute:
            for some in parts(error_ids):
                where = f"error_id IN ({marks(some)}) ORDER BY started_at"
                for row in execute(f"SELECT content FROM attempts WHERE {where}", some):
                    attempt = wire.decode_attempt(json.loads(row[0]))
                    found.setdefault(attempt.error_id, []).append(attempt)
        return found

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
            rows = execute(
                f"SELECT content FROM attempts WHERE {MADE} ORDER BY started_at DESC, attempt_id DESC LIMIT ?", (limit,)
            )
            return [wire.decode_attempt(json.loads(row[0])) for row in rows]
