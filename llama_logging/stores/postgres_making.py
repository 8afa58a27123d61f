"""Whether there is a registry in a schema of PostgreSQL, of which version; how it is made and brought up to date."""

from __future__ import annotations

from llama_logging.stores.postgres_schema import STEPS
from llama_logging.stores.statements import Execute, only

# Whether something is there is asked of the catalogue's tables: to_regclass() may answer from before the wait for a
# lock, as it was when the transaction began.
_EXISTS = """
    SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = ?), EXISTS (
        SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = ? AND relname = 'registry')
"""
# PostgreSQL 17 may end transactions that take long: one that brings a registry up to date would never get through.
AS_LONG_AS_IT_TAKES = """
    SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('transaction_timeout', true) <> '0'
"""
# Whatever is usual in the database: it takes as long as it takes, and sees what others did that it waited for.
MAKING = f"""
    BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; {AS_LONG_AS_IT_TAKES};
    SET LOCAL standard_conforming_strings = on
"""
"""How a transaction begins in which tables are made."""


class Refused(Exception):
    """A registry, or a server, that this version has no use for; the message says why."""


def taken(execute: Execute, schema: str) -> int | None:
    """How many steps of the schema were taken; None if there is no registry.

    Raises:
        Refused: If a newer version has made it.
    """
    _, exists = execute(_EXISTS, (schema, schema)).fetchone()
    if not exists:
        return None
    row = execute(f"SELECT value FROM {schema}.registry WHERE name = 'version'").fetchone()
    steps = int(row[0]) if row else 0
    refuse_newer(steps)
    return steps


def refuse_newer(steps: int) -> None:
    """Raise Refused if that is more of them than this version knows."""
    if steps > len(STEPS):
        raise Refused(f"it was made by a newer version of llama_logging (schema {steps})")


def make(execute: Execute, schema: str) -> None:
    """Take the steps that were not taken yet, each once: nobody else does it now.

    Raises:
        Refused: As `taken`.
    """
    begin = taken(execute, schema) or 0
    # Asked for first: IF NOT EXISTS wants the right to make it also where it is there.
    if not only(execute(_EXISTS, (schema, schema))):
        execute(f"CREATE SCHEMA {schema}")
    execute(f"SET LOCAL search_path = {schema}")
    for step in STEPS[begin:]:
        execute(step)
    execute("UPDATE registry SET value = ? WHERE name = 'version'", (str(len(STEPS)),))


def make_empty(execute: Execute) -> None:
    """Have a registry without errors for this transaction, that of who asks where there is none."""
    execute("SET LOCAL search_path = pg_temp")
    for step in STEPS:
        execute(step)
