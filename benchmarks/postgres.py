"""`python -m benchmarks.postgres` prints how fast frames get into PostgreSQL, as a ratio to COPY of the same rows.

COPY has nothing to do but take finished rows into a table with the same columns, indexes and days: no
frame is read, nothing is looked up, nothing counted. Each round measures both, one after the other,
so that a machine that is fast now and slow then is so for both; ratios are the median over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from llama_logging import process, wire
from llama_logging.context import ErrorContext
from llama_logging.ids import new_id
from llama_logging.journal.framing import seal, unseal
from llama_logging.registry.intake import Batch
from llama_logging.stores import open_store, urls
from tests import servers
from tests.conftest import make_context

GROUPS = 200
SIZES = (10, 100, 1_000, 3_000)
"""Errors in a batch; 3000 are about what one look at a busy journal gives."""

HOT = ("k", "id", "ts", "sev", "fp", "type", "msg", "stack", "proc", "n", "crc")
"""Members of a frame that have a column of their own, or end with the journal."""

Times = dict[str, list[float]]


def frames(count: int) -> list[str]:
    """What a journal holds after *count* errors of GROUPS groups, within some minutes."""
    now, proc = datetime.now(UTC), process.current()
    stacks, sealed = [], []
    for number in range(GROUPS):
        context = make_context(line=number, fingerprint=f"v1:{number:016x}")
        stacks.append((context.stack, context.fingerprint))
    opening = wire.dumps(wire.encode_process(proc))
    sealed.append(seal(opening))
    known: set[str] = set()
    for number in range(count):
        stack, fingerprint = stacks[number % GROUPS]
        frame, name, definition = wire.encode_error(_error(number, now, stack, fingerprint, proc))
        if name not in known:
            known.add(name)
            sealed.append(seal(definition))
        sealed.append(seal(frame, f',"n":{number + 1}'))
    return unseal(b"".join(sealed))[0]


def _error(number: int, now: datetime, stack: Any, fingerprint: str, proc: Any) -> ErrorContext:
    return replace(
        make_context(error_id=new_id()),
        timestamp=now - timedelta(milliseconds=100 * number),
        stack=stack,
        fingerprint=fingerprint,
        grouping=stack.grouping,
        error_message=f"no price for a{number} in order {number}",
        additional_context={"order": number, "tenant": f"t{number % 7}"},
        process=proc,
    )


@contextmanager
def database(given: str) -> Iterator[str]:
    """The URL of a server: the one that is *given*, or one that lives as long as this."""
    if given:
        yield given
        return
    with closing(servers.Server({"shared_buffers": "256MB", "max_wal_size": "4GB", "fsync": "on"})) as server:
        yield server.url()


def measure(url: str, rounds: int, size: int) -> dict[str, Any]:
    """Ratios of ingestion to COPY, for batches of *size* errors."""
    schema = f"bench_{os.urandom(4).hex()}"
    parsed = urls.parse(f"{url}{'&' if '?' in url else '?'}schema={schema}")
    batches = max(3, 3_000 // size)
    times: Times = {}
    rows = bytes_per_error = 0
    with closing(open_store(parsed)) as store, psycopg.connect(url, autocommit=True) as connection:
        store.ingest(Batch("warm up", 0, 1, frames(GROUPS)))
        _make_reference(connection, schema)
        for number in range(rounds):
            made = [frames(size) for _ in range(batches)]
            lines = [_finished(batch) for batch in made]
            turns: list[tuple[str, Callable[[], None]]] = [
                ("ingest", lambda made=made, number=number: _ingest(store, f"j{number}", made)),  # type: ignore[misc]
                ("copy", lambda lines=lines: _copy(connection, schema, lines)),  # type: ignore[misc]
            ]
            for name, turn in turns if number % 2 else reversed(turns):
                began = time.perf_counter()
                turn()
                times.setdefault(name, []).append(time.perf_counter() - began)
            rows += size * batches
        health = store.health(thorough=False)
        bytes_per_error = health.size_bytes // health.errors
        connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
    ratios = sorted(copy / ingest for copy, ingest in zip(times["copy"], times["ingest"], strict=True))
    return {
        "errors in a batch": size,
        "ratio": round(statistics.median(ratios), 3),
        "ratio p10": round(ratios[len(ratios) // 10], 3),
        "ratio p90": round(ratios[-1 - len(ratios) // 10], 3),
        "errors/s": int(size * batches / statistics.median(times["ingest"])),
        "bytes per error": bytes_per_error,
    }


def _ingest(store: Any, journal: str, made: Sequence[Sequence[str]]) -> None:
    for number, batch in enumerate(made):
        store.ingest(Batch(journal, number, number + 1, batch))


def _make_reference(connection: psycopg.Connection[Any], schema: str) -> None:
    """The table of errors once more, with its indexes and days."""
    connection.execute(
        f"""
        SET search_path = {schema};
        CREATE TABLE reference (LIKE errors INCLUDING ALL) PARTITION BY RANGE (timestamp);
        CREATE TABLE reference_all PARTITION OF reference FOR VALUES FROM (MINVALUE) TO (MAXVALUE)
        """.encode()
    )


def _finished(batch: Sequence[str]) -> str:
    lines = []
    for frame in batch:
        if frame.startswith(wire.HEAD):
            error = json.loads(frame)
            content = wire.dumps({name: error[name] for name in error if name not in HOT})
            values = [error["ts"], 1, 1, 1, error["sev"], 0, 1, error["id"], error["type"], error["msg"], content]
            lines.append("\t".join(str(value).replace("\\", "\\\\") for value in values))
    return "\n".join(lines) + "\n"


def _copy(connection: psycopg.Connection[Any], schema: str, lines: Sequence[str]) -> None:
    columns = "timestamp, group_id, stack, process, severity, partial, details, error_id, error_type, message, content"
    for text in lines:
        with connection.cursor().copy(f"COPY reference ({columns}) FROM STDIN".encode()) as copy:
            copy.write(text)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.postgres", description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="", help="of a database; by default a server is started")
    parser.add_argument("--rounds", type=int, default=9, help="default 9")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    with database(args.url) as url, psycopg.connect(url) as connection:
        version = connection.execute("SHOW server_version").fetchone()
        results = [measure(url, args.rounds, size) for size in SIZES]
    document = {"PostgreSQL": version[0] if version else "", "rounds": args.rounds, "ingest / COPY": results}
    if args.json:
        print(json.dumps(document, indent=2))
        return 0
    print(
        f"PostgreSQL {document['PostgreSQL']}, {args.rounds} rounds; errors a second to those of COPY in the same round"
    )
    for result in results:
        print(
            f"{result['errors in a batch']:>6} errors in a batch: {result['ratio']:.2f} "
            f"({result['ratio p10']:.2f}-{result['ratio p90']:.2f}), {result['bytes per error']} bytes an error"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
