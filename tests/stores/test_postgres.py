"""What is PostgreSQL's own: connections, days, many writers, and the way frames take into it."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import string
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from llama_logging import ingest as ingestion
from llama_logging import wire
from llama_logging.context import ErrorContext, ErrorSeverity
from llama_logging.exceptions import ConfigError, StoreError
from llama_logging.ids import new_id
from llama_logging.opening import open_registry
from llama_logging.pipeline import Pipeline
from llama_logging.registry.groups import GroupState
from llama_logging.registry.intake import Batch
from llama_logging.retention import Retention
from llama_logging.stores import urls
from llama_logging.stores.statements import Execute, only
from tests.conftest import NOON, Run, make_context
from tests.stores.test_ledger import make_announcement
from tests.stores.test_store import HOUR, add, frames_of

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")

from llama_logging.stores import counting, postgres, postgres_days, postgres_session  # noqa: E402
from llama_logging.stores.postgres import PostgresStore  # noqa: E402
from llama_logging.stores.postgres_schema import STEPS  # noqa: E402

DAY = timedelta(days=1)
DAY_MICROSECONDS = 86_400_000_000


@pytest.fixture
def store(postgres_url: urls.StoreURL) -> Iterator[PostgresStore]:
    opened = PostgresStore(postgres_url)
    yield opened
    opened.close()


@contextmanager
def admin(url: urls.StoreURL) -> Iterator[Any]:
    """A connection of somebody else's, in the schema of the store."""
    with psycopg.connect(urls.without_schema(url), autocommit=True) as connection:
        connection.execute(f"SET search_path = {url.schema}".encode())
        yield connection


@pytest.fixture
def days_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day has a table of its own, however long ago it was."""
    monkeypatch.setattr(postgres_days, "SHARED", 1)


def days(url: urls.StoreURL) -> set[str]:
    with admin(url) as connection:
        rows = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'errors'::regclass"
        )
        return {row[0] for row in rows} - {"errors_before", "errors_after"}


def day(moment: datetime) -> str:
    return f"errors_{int(moment.timestamp()) // 86400}"


# --- names


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:s3cret@db/errors", "postgresql://ada:***@db/errors"),
        ("postgres://ada:s3cret@a:1,b:2/errors?x=1", "postgres://ada:***@a:1,b:2/errors?x=1"),
        ("postgresql://db/errors?password=s3cret&sslpassword=s3cret", "postgresql://db/errors?password=***&sslpassword=***"),
        ("postgresql://:s3cret@/", "postgresql://:***@/"),
        ("postgresql://ada:s3cret&%25@db/x", "postgresql://ada:***@db/x"),
        ("postgresql://[::1]:5432/errors", "postgresql://[::1]:5432/errors"),
        ("postgresql://", "postgresql://"),
    ],
)  # fmt: skip
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    parsed = urls.parse(url)
    assert str(parsed) == shown
    assert "s3cret" not in f"{parsed} {parsed!r} {PostgresStore(parsed).url}"
    assert parsed.url == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:s3/cret@db/x",
        "postgresql://ada:s3@cret@db/x",
        "postgresql://ada:s3 cret@db/x",
        "postgresql://ada:s3cret%zz@db/x",
        "postgresql://ada:s3cret%2@db/x",
        "postgresql://ada:s3cret%00@db/x",
        "postgresql://ada@db/x?password=s3cret%",
        "postgresql://ada@db/x?password=an&s3cret",
        "mysql://a:s3@b",
    ],
)
def test_what_cannot_be_read_is_not_shown_either(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        urls.parse(url)
    assert "s3" not in str(caught.value)


def test_a_percent_sign_is_written_as_libpq_reads_it() -> None:
    with pytest.raises(ConfigError, match=r"% & and spaces in a name or password are written .* %25 %26 %20"):
        urls.parse("postgresql://ada:s3%cret@db/x")
    assert urls.parse("postgresql://ada:s3%25cret@db/x").url == "postgresql://ada:s3%25cret@db/x"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:s3%20cret@127.0.0.1:1/x",
        "postgresql://ada@127.0.0.1:1/x?connect_timeout=5&sslpassword=s3%20cret",
        "postgresql://ada:s3@127.0.0.1:1/x?sslpassword=s3%20cret",
    ],
)
@pytest.mark.parametrize("written", ["s3%20cret", "s3 cret"])
def test_no_error_says_the_password(url: str, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever libpq may quote of its connection string."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise psycopg.OperationalError(f'no good: "{written}"\n\tin it')

    monkeypatch.setattr(psycopg, "connect", refuse)
    with pytest.raises(StoreError) as caught:
        PostgresStore(urls.parse(url)).groups()
    assert str(caught.value).endswith(': no good: "***" in it')
    assert "cret" not in str(caught.value)


def test_a_schema_is_a_plain_name() -> None:
    assert urls.parse("postgresql://db/x").schema == "llama_logging"
    assert urls.parse("postgresql://db/x?schema=errors_2").schema == "errors_2"
    with pytest.raises(ConfigError, match="expected small letters"):
        urls.parse("postgresql://db/x?schema=a;b")


def test_a_journal_is_found_whoever_asks_and_however_often_the_password_changes() -> None:
    places = {
        tuple(urls.parse(url).directories)
        for url in (
            "postgresql://ada:one@a:1,b:2/errors",
            "postgres://bob:two@b:2,a:1/errors?sslmode=require",
            "postgresql://a:1,b:2/errors?schema=llama_logging",
        )
    }
    assert len(places) == 1
    others = {
        tuple(urls.parse(url).directories)
        for url in ("postgresql://a:1/errors", "postgresql://a:1/other", "postgresql://a:1/errors?schema=s")
    }
    assert len(others | places) == 4


# --- frames


def test_errors_go_in_as_they_are(store: PostgresStore) -> None:
    """What an array takes for its own is written so that it does not."""
    odd = ('tab\t, line\n\r\\N, "quote", {braces}, \\. and é🦙', "NULL", "", " ", '"', "\\")
    contexts = [
        make_context(
            **dict.fromkeys(("error_message", "error_type", "fingerprint", "logger_name"), text),
            additional_context={"a": text},
            timestamp=NOON + number * HOUR,
        )
        for number, text in enumerate(odd)
    ]
    add(store, *contexts)
    assert store.errors() == contexts[::-1]


def test_what_batches_are_told_in_grows_with_none_of_them(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement goes through all of it, and a process may bring new groups for an hour."""
    monkeypatch.setattr(postgres, "_SWEEP_AFTER", 0)

    def size(batches: int) -> int:
        for _ in range(batches):
            add(store, *(make_context(fingerprint=f"v1:{new_id()}") for _ in range(300)))
        with store._reading() as execute:
            tables = "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relnamespace = pg_my_temp_schema()"
            return int(only(execute(tables)))

    # A page of an index is used again once no other session of the database may still look for it.
    assert 1.5 * size(2) > size(4)


@pytest.fixture
def sent(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Sequence[Any]]]:
    """The statements that bring batches, with their parameters."""
    told: list[tuple[str, Sequence[Any]]] = []
    bring = store._add

    def watched(execute: Execute, arrived: Any) -> None:
        def noted(sql: str, parameters: Sequence[Any] = ()) -> Any:
            told.append((sql, parameters))
            return execute(sql, parameters)

        bring(noted, arrived)

    monkeypatch.setattr(store, "_add", watched)
    return told


def test_errors_are_sent_before_others_are_made_to_wait(
    store: PostgresStore, sent: list[tuple[str, Sequence[Any]]]
) -> None:
    """Else all wait for whoever has the slowest line."""
    contexts = [make_context(error_message=f"{'x' * 100} {number}") for number in range(700)]
    add(store, *contexts)
    turn = next(place for place, (sql, _) in enumerate(sent) if "pg_advisory_xact_lock" in sql)
    assert "x" * 100 in str(sent[:turn])
    assert len(str([parameters for _, parameters in sent[turn:]])) < 2_000
    assert [error.error_message for error in store.errors(limit=1000)] == [
        context.error_message for context in contexts[::-1]
    ]


def test_what_came_in_is_joined_without_going_through_all_of_it_for_each_row(store: PostgresStore) -> None:
    """However empty the temporary tables were when they were swept."""
    add(store, make_context())
    store._session.sweep("shapes, told")
    with store._transaction() as execute:
        execute("INSERT INTO shapes (shape) SELECT generate_series(1, 1000)")
        execute("INSERT INTO told (shape) SELECT generate_series(1, 1000)")
        with postgres._among_few(execute):
            plan = "".join(row[0] for row in execute(f"EXPLAIN {counting.PLACED[1]}"))
        assert "Hash Join" in plan
        assert only(execute("SHOW enable_nestloop")) == "on"


def test_members_in_another_order_are_read_all_the_same(store: PostgresStore) -> None:
    context = make_context(additional_context={"a": 1e16, "b": "\\"})
    turned = json.dumps(dict(reversed(json.loads(wire.encode_error(context)[0]).items())))
    store.ingest(Batch("j", 0, 1, [wire.encode_error(context)[2], turned, '{"k":"hologram"}']))
    assert store.find(context.error_id) == context


def test_one_bad_frame_among_many_costs_a_few_attempts(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it refuses can only be found by trying; a group and its state are told of once all the same."""
    attempts: list[int] = []
    attempt = store._attempt

    def counting(execute: Any, arrived: Any) -> bool:
        attempts.append(len(arrived.errors))
        return attempt(execute, arrived)

    monkeypatch.setattr(store, "_attempt", counting)
    contexts = [make_context() for _ in range(100)]
    name = "".join(random.Random(7).choices(string.printable, k=20_000))
    too_long = make_context(error_type=name, fingerprint="v1:x")
    store.ingest(Batch("j", 0, 1, frames_of(*contexts[:77], too_long, *contexts[77:])))
    assert (store.groups()[0].count, store.health().damaged) == (100, 1)
    assert len(attempts) < 30
    assert [change.kind for _, change in store.changes_after(0)] == ["new"]


def test_two_who_bring_the_same_errors_at_once_add_them_once(
    store: PostgresStore, postgres_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they are there is asked before others are made to wait, and so another may come in between."""
    frames, wait = frames_of(make_context(), make_context()), store._alone
    waits: list[int] = []

    def late(execute: Any) -> None:
        if not waits:
            with closing(PostgresStore(postgres_url)) as other:
                other.ingest(Batch("copy", 0, 1, frames))
        waits.append(1)
        wait(execute)

    monkeypatch.setattr(store, "_alone", late)
    store.ingest(Batch("j", 0, 1, frames))
    assert store.groups()[0].count == len(store.errors()) == 2
    assert (store.reached("j")[0], store.health().damaged) == (1, 0)


def test_sequences_that_were_left_behind_cost_no_error(store: PostgresStore, postgres_url: urls.StoreURL) -> None:
    """As in a logical copy: that a number is there already is no fault of the frames."""
    add(store, *(make_context(fingerprint=f"v1:{number:016x}") for number in range(20)))
    with admin(postgres_url) as connection:
        connection.execute(b"ALTER SEQUENCE groups_id_seq RESTART")
    with pytest.raises(StoreError, match="groups_pkey"):
        add(store, make_context(fingerprint="v1:ffffffffffffffff"), journal="k")
    assert (store.reached("k")[0], store.health().damaged) == (0, 0)
    with admin(postgres_url) as connection:
        connection.execute(b"SELECT setval('groups_id_seq', (SELECT max(id) FROM groups))")
    add(store, make_context(fingerprint="v1:ffffffffffffffff"), journal="k")
    assert len(store.groups()) == 21


# --- the schema and its days


def test_asking_does_not_make_a_registry(store: PostgresStore, postgres_url: urls.StoreURL) -> None:
    assert not store.exists
    assert store.groups() == store.groups(search="word") == []
    assert store.errors() == []
    assert store.health().errors == 0
    with admin(postgres_url) as connection:
        assert connection.execute("SELECT to_regnamespace(%s)", [postgres_url.schema]).fetchone() == (None,)
    add(store, make_context())
    assert store.exists


def test_ten_processes_that_start_at_once_make_it_once(postgres_url: urls.StoreURL, run: Run) -> None:
    code = (
        "import sys\nfrom llama_logging.stores import open_store, urls\n"
        "from llama_logging.registry.intake import Batch\n"
        "store = open_store(urls.parse(sys.argv[1]))\nstore.ingest(Batch(sys.argv[2], 0, 5, []))\n"
        "print(store.reached(sys.argv[2])[0])\nstore.close()"
    )
    command = [sys.executable, "-c", code, postgres_url.url]
    processes = [subprocess.Popen([*command, f"j{n}"], stdout=subprocess.PIPE, text=True) for n in range(10)]
    assert [each.communicate()[0] for each in processes] == ["5\n"] * 10


def test_a_registry_of_a_newer_version_is_refused(store: PostgresStore, postgres_url: urls.StoreURL) -> None:
    add(store, make_context())
    with admin(postgres_url) as connection:
        connection.execute("UPDATE registry SET value = '99' WHERE name = 'version'")
    store.close()
    with pytest.raises(StoreError, match="newer version"):
        store.errors()


def test_who_brings_it_up_to_date_waits_for_who_writes(store: PostgresStore, postgres_url: urls.StoreURL) -> None:
    """Which version a transaction has seen holds until it is over; others write meanwhile."""
    add(store, make_context())
    other = PostgresStore(postgres_url)
    migration = "SELECT pg_try_advisory_xact_lock(3, %s)"
    with admin(postgres_url) as connection:
        with store._session.writing(), other._session.writing():
            assert connection.execute(migration, [store._session._key]).fetchone() == (False,)
        assert connection.execute(migration, [store._session._key]).fetchone() == (True,)
    other.close()


@pytest.mark.parametrize("version", range(1, len(STEPS)))
def test_a_registry_of_every_earlier_version_is_taken_over(
    store: PostgresStore, postgres_url: urls.StoreURL, version: int
) -> None:
    with admin(postgres_url) as connection:
        connection.execute(f"CREATE SCHEMA {postgres_url.schema}".encode())
        connection.execute(f"SET search_path = {postgres_url.schema}".encode())
        connection.execute(STEPS[0].encode())
        connection.execute("INSERT INTO counts VALUES (7, 1439, 4), (7, 1440, 2), (7, 1441, 1)")
        for step in STEPS[1:version]:
            connection.execute(step.encode())
        connection.execute("UPDATE registry SET value = %s WHERE name = 'version'", (str(version),))
    assert store.behind == len(STEPS) - version
    add(store, make_context())
    store.predicted([make_announcement()])
    assert (len(store.errors()), len(store.predictions())) == (1, 1)
    assert store.health().version == len(STEPS)
    assert store.behind == 0
    with admin(postgres_url) as connection:
        connection.execute(f"SET search_path = {postgres_url.schema}".encode())
        days = connection.execute("SELECT day, count FROM day_counts WHERE group_id = 7 ORDER BY day").fetchall()
    assert days == [(0, 4), (1, 3)]


@pytest.mark.usefixtures("days_apart")
def test_every_day_has_a_table_today_and_tomorrow_too(store: PostgresStore, postgres_url: urls.StoreURL) -> None:
    now = datetime.now(UTC)
    moments = [NOON, NOON - DAY, NOON + 400 * DAY, datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)]
    add(store, *(make_context(timestamp=moment) for moment in moments))
    assert days(postgres_url) == {day(moment) for moment in (*moments[:3], now, now + DAY)}
    assert [error.timestamp for error in store.errors()] == sorted(moments, reverse=True)


def test_days_long_ago_share_tables(store: PostgresStore, postgres_url: urls.StoreURL) -> None:
    """As many as are free: of 1,500 tables a server has no memory to note who reads them."""
    today = int(datetime.now(UTC).timestamp()) // 86400
    there = (today - 500) // 32 * 32 + 5
    with admin(postgres_url) as connection:
        store.ingest(Batch("begun", 0, 1, []))
        for table in ("errors", "error_words"):
            bounds = f"FROM ({there * DAY_MICROSECONDS}) TO ({(there + 1) * DAY_MICROSECONDS})"
            connection.execute(f"CREATE TABLE {table}_{there} PARTITION OF {table} FOR VALUES {bounds}".encode())
    moments = [datetime.fromtimestamp(86400 * n, UTC) for n in range(today - 1500, today + 1)]
    add(store, *(make_context(timestamp=moment, error_message=f"a{moment:%Y%m%d}") for moment in moments))
    made, begin = days(postgres_url), there - 5
    assert len(made) < 1500 // 32 + 2 * 32 + 5
    around = (f"{begin}_{begin + 3}", begin + 4, there, f"{begin + 6}_{begin + 7}", f"{begin + 8}_{begin + 15}")
    assert {f"errors_{name}" for name in (*around, f"{begin + 16}_{begin + 31}")} <= made
    assert [error.timestamp for error in store.errors(limit=2000)] == moments[::-1]
    for moment in (moments[0], moments[700], moments[-40], moments[-1]):
        assert [group.count for group in store.groups(search=f"a{moment:%Y%m%d}")] == [1501]


def test_what_days_long_ago_share_goes_with_the_last_of_them(store: PostgresStore, postgres_url: urls.StoreURL) -> None:
    first = 12_800  # a multiple of 32: in 2005
    moments = [datetime.fromtimestamp(86400 * day, UTC) for day in (first, first + 31, first + 32)]
    add(store, *(make_context(timestamp=moment) for moment in moments))
    retention = Retention(period=DAY.total_seconds())
    assert store.prune(retention, moments[0] + 2 * DAY, 10) == 1
    assert store.prune(retention, moments[0] + 2 * DAY, 10) == 0
    assert f"errors_{first}_{first + 31}" in days(postgres_url)
    assert store.prune(retention, moments[2] + DAY, 10) == 1
    assert days(postgres_url) >= {f"errors_{first + 32}_{first + 63}"}
    assert f"errors_{first}_{first + 31}" not in days(postgres_url)
    assert [error.timestamp for error in store.errors()] == moments[2:]


@pytest.mark.parametrize(
    "usual",
    [
        "statement_timeout = 300",
        "transaction_timeout = 300",
        "default_transaction_isolation = serializable",
        "standard_conforming_strings = off",
        "array_nulls = off",
    ],
)
def test_it_is_brought_up_to_date_whatever_is_usual_in_the_database(
    postgres_url: urls.StoreURL, usual: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with admin(postgres_url) as connection:
        if usual.startswith("transaction_timeout") and connection.info.server_version < 17_00_00:
            pytest.skip("PostgreSQL has it from 17 on")
    monkeypatch.setenv("PGOPTIONS", f"-c {usual.replace(' ', '')}")
    monkeypatch.setattr("llama_logging.stores.postgres_making.STEPS", (*STEPS, "SELECT pg_sleep(0.5)"))
    with closing(PostgresStore(postgres_url)) as store:
        add(store, make_context())
        assert store.groups()[0].count == 1
        assert store.health().damaged == 0


def test_figures_are_exact_whatever_is_usual_in_the_database(
    postgres_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock of few digits leases would neither hold nor end."""
    monkeypatch.setenv("PGOPTIONS", "-c extra_float_digits=-9")
    told = make_announcement(probability=0.1 + 0.2)
    with closing(PostgresStore(postgres_url)) as store:
        store.predicted([told])
        assert store.predictions() == [told]


def test_a_registry_that_is_published_is_pruned(store: PostgresStore, postgres_url: urls.StoreURL) -> None:
    """From a table that is published nothing may be deleted unless it is known what tells its rows apart."""
    add(store, *(make_context() for _ in range(3)))
    name = f"published_{os.urandom(4).hex()}"
    with admin(postgres_url) as connection:
        tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = %s"
        names = ", ".join(row[0] for row in connection.execute(tables, (postgres_url.schema,)))
        connection.execute(f"CREATE PUBLICATION {name} FOR TABLE {names}".encode())
        try:
            assert store.prune(Retention(errors=1), NOON, 10) == 2
            store.accept()
            assert store.delete("v1:0123456789abcdef", limit=10)
        finally:
            connection.execute(f"DROP PUBLICATION {name}".encode())


@pytest.mark.usefixtures("days_apart")
def test_a_batch_opens_the_tables_of_its_own_days_alone(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: all who write wait for it."""
    add(store, *(make_context(timestamp=NOON - n * DAY) for n in range(10)))
    now, opened = store._now, set[str]()

    def look(execute: Execute) -> int:
        locked = "SELECT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation WHERE pid = pg_backend_pid()"
        opened.update(name for (name,) in execute(locked) if re.fullmatch(r"errors_\d+", name))
        return now(execute)

    monkeypatch.setattr(store, "_now", look)
    for _ in range(8):  # until its statements are prepared
        add(store, make_context(timestamp=NOON))
    assert opened == {day(NOON)}


@pytest.mark.usefixtures("days_apart")
def test_days_that_are_too_old_go_whole(store: PostgresStore, postgres_url: urls.StoreURL) -> None:
    old = [make_context(timestamp=NOON + n * HOUR) for n in range(5)]
    older = make_context(timestamp=NOON - DAY)
    add(store, older, *old, make_context(timestamp=NOON + 3 * DAY))
    store.groups(search="article")
    retention = Retention(period=DAY.total_seconds())
    assert store.prune(retention, NOON + 3 * DAY, 1) == 1
    assert store.prune(retention, NOON + 3 * DAY, 1) == 5
    assert store.prune(retention, NOON + 3 * DAY, 1) == 0
    assert days(postgres_url) & {day(NOON), day(NOON - DAY)} == set()
    assert (store.groups()[0].count, len(store.errors())) == (7, 1)
    late = make_context(timestamp=NOON)
    add(store, late)
    assert store.find(late.error_id) == late


@pytest.mark.usefixtures("days_apart")
def test_a_day_that_is_to_go_waits_for_a_search_and_stands_in_nobodys_way(
    store: PostgresStore, postgres_url: urls.StoreURL
) -> None:
    add(store, make_context(timestamp=NOON), make_context(timestamp=NOON + 9 * DAY))
    other = PostgresStore(postgres_url)
    pruning = threading.Thread(target=other.prune, args=(Retention(period=DAY.total_seconds()), NOON + 9 * DAY, 10))
    with store._reading() as execute, admin(postgres_url) as connection:
        execute("LOCK TABLE error_words IN ACCESS SHARE MODE")  # as a search does first
        pruning.start()
        while not connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
            time.sleep(0.01)
        assert only(execute("SELECT count(*) FROM errors")) == 2
    pruning.join()
    other.close()
    assert len(store.errors()) == 1


@pytest.mark.usefixtures("days_apart")
def test_days_of_which_nothing_is_left_go_too(store: PostgresStore, postgres_url: urls.StoreURL) -> None:
    add(store, make_context(timestamp=NOON), make_context(timestamp=NOON + 9 * DAY))
    while store.prune(Retention(errors=1), NOON + 10 * DAY, 10):
        pass
    assert day(NOON) not in days(postgres_url)
    assert day(NOON + 9 * DAY) in days(postgres_url)


def scanned(store: PostgresStore, word: str, table: str = "errors") -> set[str]:
    """The days whose tables the search for the errors of a word goes into."""
    lines: list[str] = []
    with store._reading() as execute:

        def explained(sql: str, parameters: Sequence[Any] = ()) -> Any:
            if " UNION ALL " in sql:
                lines.extend(row[0] for row in execute(f"EXPLAIN ANALYZE {sql}", parameters))
            return execute(sql, parameters)

        assert store._index().errors_with(explained, [word])[0]
    found = [re.search(rf" on {table}_(\d+)", line) for line in lines if "never executed" not in line]
    return {f"errors_{match[1]}" for match in found if match}


@pytest.mark.usefixtures("days_apart")
def test_the_errors_of_a_word_are_looked_for_in_their_days_alone(store: PostgresStore) -> None:
    add(store, *(make_context(timestamp=NOON + n * DAY, error_message=f"a{n // 3}") for n in range(9)))
    assert store.groups(search="a1")
    assert scanned(store, "a1") == {day(NOON + n * DAY) for n in (3, 4, 5)}


@pytest.mark.parametrize("others", [0, 500])
@pytest.mark.usefixtures("days_apart")
def test_days_are_gone_through_until_enough_errors_of_a_word_are_found(store: PostgresStore, others: int) -> None:
    """Whether nearly all of the newest errors have it, or few."""
    add(store, make_context(timestamp=NOON - DAY, error_message="a1", fingerprint="v1:older"))
    add(store, *(make_context(error_message="a1") for _ in range(2500)))
    add(store, *(make_context(error_message="b", timestamp=NOON + HOUR) for _ in range(others)))
    assert [group.count for group in store.groups(search="a1")] == [2500 + others]
    assert scanned(store, "a1", "error_words") & {day(NOON), day(NOON - DAY)} == {day(NOON)}


# --- many writers


def test_errors_are_followed_though_transactions_end_in_another_order(postgres_url: urls.StoreURL) -> None:
    """Whoever follows has seen all up to its position: nothing is committed below it later."""
    seen: list[str] = []
    done = threading.Event()

    def write(name: str) -> None:
        with closing(PostgresStore(postgres_url)) as store:
            for _ in range(15):
                add(store, *(make_context() for _ in range(20)), journal=name)

    def follow() -> None:
        with closing(PostgresStore(postgres_url)) as store:
            position, last = 0, False
            while True:
                last = done.is_set()
                position, errors = store.errors_after(position, 1000)
                seen.extend(error.error_id for error in errors)
                if last and not errors:
                    return

    follower = threading.Thread(target=follow)
    writers = [threading.Thread(target=write, args=[f"j{n}"]) for n in range(6)]
    for thread in (follower, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    follower.join()
    assert len(seen) == len(set(seen)) == 6 * 15 * 20


def test_one_journal_that_several_ingest_is_counted_once(postgres_url: urls.StoreURL) -> None:
    """Also what has no id, such as counts without details."""
    context = make_context()
    moment = int(NOON.timestamp()) * 1_000_000
    count = f'{{"k":"count","ts":{moment},"sev":40,"fp":"{context.fingerprint}","type":"ValueError","count":7}}'
    pieces = [Batch("j", n, n + 1, [*frames_of(make_context()), count]) for n in range(20)]
    started = threading.Barrier(4)

    def work() -> None:
        with closing(PostgresStore(postgres_url)) as store:
            started.wait()
            for piece in pieces:
                store.ingest(piece)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(PostgresStore(postgres_url)) as store:
        assert store.groups()[0].count == 20 * 8
        assert store.count_by_severity(None, ErrorSeverity.DEBUG) == {ErrorSeverity.ERROR: 160}


def test_a_journal_that_one_forgets_holds_up_nobody_who_ingests_it(
    postgres_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who try out whether the server takes anything do so with the same one."""
    monkeypatch.setattr(postgres_session, "_RETRIES", ())
    started, went_well = threading.Barrier(4), []

    def work() -> None:
        with closing(PostgresStore(postgres_url)) as store:
            started.wait()
            for _ in range(20):
                store.ingest(Batch("", 0, 0, ()))
                store.forget("")
            went_well.append(True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(went_well) == 4


def test_a_transaction_undone_for_another_is_tried_again(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, make_context())
    left = [psycopg.errors.DeadlockDetected("deadlock"), psycopg.errors.SerializationFailure("again")]
    claim = store._claim

    def fail(*args: Any) -> int:
        if left:
            raise left.pop()
        return claim(*args)

    monkeypatch.setattr(store, "_claim", fail)
    add(store, make_context())
    assert store.groups()[0].count == 2


def test_the_server_says_when_a_mute_is_over(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client whose clock is a year ahead must not end it for all."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + 365 * DAY

    add(store, make_context())
    store.mute("v1:0123456789abcdef", datetime.now(UTC), until=datetime.now(UTC) + HOUR)
    monkeypatch.setattr("llama_logging.stores.access.datetime", Ahead)
    add(store, make_context())
    assert store.groups()[0].state is GroupState.MUTED


# --- connections


def test_a_lost_connection_is_told_and_the_next_call_has_another(
    store: PostgresStore, postgres_url: urls.StoreURL
) -> None:
    add(store, make_context())
    with admin(postgres_url) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", (store._session._backend,))
    with pytest.raises(StoreError, match=r"^postgresql://\S+: "):
        store.groups()
    assert store.groups()[0].count == 1


def test_a_connection_lost_amidst_a_batch_is_not_told_in_the_applications_log(
    store: PostgresStore, postgres_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add(store, make_context())

    def lose(execute: Execute) -> None:
        with admin(postgres_url) as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", (store._session._backend,))

    with monkeypatch.context() as lost:
        lost.setattr(postgres_days, "make", lose)
        with pytest.raises(StoreError):
            add(store, make_context())
    assert caplog.records == []
    add(store, make_context())
    assert store.groups()[0].count == 2


@contextmanager
def stopped(url: urls.StoreURL, context: ErrorContext, where: str) -> Iterator[None]:
    """In it, a process that brings *context* is stopped there, amidst its batch; others wait for it for 2 seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_session, "LOCK_TIMEOUT", 2)
        patch.setattr(postgres_session, "IDLE_TIMEOUT", 1)
        child = os.fork()
        if not child:
            try:
                store = PostgresStore(url)
                method = getattr(store, where)

                def stop(*args: Any) -> Any:
                    os.kill(os.getpid(), signal.SIGSTOP)
                    return method(*args)

                patch.setattr(store, where, stop)
                add(store, context, journal="stopped")
            finally:
                os._exit(0)
        try:
            assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
            yield
        finally:
            os.kill(child, signal.SIGCONT)
            os.waitpid(child, 0)


@pytest.mark.parametrize("where", ["_bring", "_place", "_keep", "_settle", "_now"])
def test_who_is_stopped_amidst_a_batch_does_not_hold_up_the_others(
    store: PostgresStore, postgres_url: urls.StoreURL, where: str
) -> None:
    """Wherever it is, and nothing is lost or there twice once it goes on."""
    add(store, make_context())
    late = make_context()
    with stopped(postgres_url, late, where):
        with suppress(StoreError):
            add(store, make_context(), journal="first")
        add(store, make_context(), journal="second")
    count = store.groups()[0].count
    add(store, late, journal="late")
    assert store.groups()[0].count == len(store.errors())
    assert count <= store.groups()[0].count <= 4


def test_logins_that_act_as_one_role_end_each_others_sessions_if_they_may(postgres_url: urls.StoreURL) -> None:
    owner, shop, blog = (f"{name}_{os.urandom(4).hex()}" for name in ("owner", "shop", "blog"))
    database = psycopg.conninfo.conninfo_to_dict(urls.without_schema(postgres_url))["dbname"]
    with psycopg.connect(urls.without_schema(postgres_url), autocommit=True) as connection:
        try:
            connection.execute(f"CREATE ROLE {owner}; GRANT CREATE, TEMPORARY ON DATABASE {database} TO {owner}")
            for login in (shop, blog):
                connection.execute(f"CREATE ROLE {login} LOGIN; GRANT {owner} TO {login}")
                connection.execute(f"ALTER ROLE {login} SET role = {owner}")
                connection.execute(f"GRANT pg_signal_backend, pg_read_all_stats TO {login}")
            theirs, ours = (
                urls.parse(postgres_url.url.replace("://postgres@", f"://{login}@")) for login in (shop, blog)
            )
            with stopped(theirs, make_context(), "_keep"), closing(PostgresStore(ours)) as store:
                with pytest.raises(StoreError, match="lock timeout"):
                    add(store, make_context())
                add(store, make_context())
                assert store.groups()[0].count == 1
        finally:
            for role in (shop, blog, owner):
                connection.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_a_writer_killed_in_a_transaction_leaves_nothing_half_done(postgres_url: urls.StoreURL) -> None:
    store = PostgresStore(postgres_url)
    add(store, make_context())
    store.close()
    child = os.fork()
    if not child:
        with PostgresStore(postgres_url)._transaction() as execute:
            execute("INSERT INTO journals VALUES ('half', 5, 0, '')")
            execute("UPDATE groups SET count = 99")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert store.reached("half")[0] == 0
    add(store, make_context())
    assert store.groups()[0].count == 2
    store.close()


def test_a_schema_that_was_dropped_is_made_anew(store: PostgresStore, postgres_url: urls.StoreURL) -> None:
    add(store, make_context())
    with admin(postgres_url) as connection:
        connection.execute(f"DROP SCHEMA {postgres_url.schema} CASCADE".encode())
    with pytest.raises(StoreError):
        add(store, make_context(), journal="k")
    add(store, make_context(), journal="k")
    assert store.groups()[0].count == 1


def test_a_process_that_logs_no_more_holds_no_connection(
    postgres_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server has few, and of a fleet each process would keep one; nor is the next error kept from coming in."""
    monkeypatch.setattr("llama_logging.pipeline.REST_AFTER", 0.5)
    monkeypatch.setattr(ingestion, "TEND_EVERY", 0.0)
    url = urls.parse(f"{postgres_url.url}&application_name=rests")
    pipeline = Pipeline(url)
    with admin(postgres_url) as connection, closing(PostgresStore(postgres_url)) as store:

        def until(asked: Callable[[], bool]) -> None:
            deadline = time.monotonic() + 30
            while not asked():
                assert time.monotonic() < deadline
                time.sleep(0.05)

        def held() -> int:
            count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rests'"
            return int(only(connection.execute(count.encode())))

        for number in (1, 2):
            pipeline.add(make_context(timestamp=datetime.now(UTC)))
            until(lambda: store.exists and bool(store.groups()) and store.groups()[0].count == number)  # noqa: B023
            until(lambda: held() == 0)
    pipeline.close()


@pytest.mark.parametrize("ask", [lambda store: store.groups(), lambda store: add(store, make_context())])
def test_a_pooler_that_gives_another_session_is_refused(
    store: PostgresStore, ask: Callable[[PostgresStore], object]
) -> None:
    """What was prepared under a name is known of one alone: in another it may be somebody else's statement."""
    add(store, make_context())
    assert store._session._backend is not None
    store._session._backend += 1
    with pytest.raises(StoreError, match="pool_mode = session"):
        ask(store)
    assert store.groups()[0].count == 1


def test_the_first_batch_is_refused_in_another_session_too(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would lack the temporary tables there, and be committed before it is on the disk."""
    begin, made_ready = store._session._begin, list[int | None]()

    def look(execute: Execute) -> None:
        made_ready.append(store._session._backend)
        begin(execute)

    monkeypatch.setattr(store._session, "_begin", look)
    add(store, make_context())
    assert set(made_ready) == {store._session._backend}


def test_what_another_client_of_a_pooler_has_prepared_is_told(store: PostgresStore) -> None:
    assert not store.exists
    connection = store._session._connection
    assert connection is not None
    connection.execute(b"PREPARE _pg3_0 AS SELECT 1")
    told = [_told(store, number) for number in range(30)]
    assert any("pool_mode = session" in message for message in told)
    assert told[-1] == ""


def _told(store: PostgresStore, number: int) -> str:
    try:
        add(store, make_context(), journal=f"j{number}")
    except StoreError as error:
        return str(error)
    return ""


def test_of_several_hosts_that_the_environment_names_it_is_the_primary(
    store: PostgresStore, postgres_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of those that the URL names; whoever names but one may have a standby."""
    add(store, make_context())
    given = psycopg.conninfo.conninfo_to_dict(urls.without_schema(postgres_url))
    for variable, name in (("PGHOST", "host"), ("PGPORT", "port"), ("PGUSER", "user"), ("PGPASSWORD", "password")):
        monkeypatch.setenv(variable, str(given.get(name, "")))
    only_reads = f"schema={postgres_url.schema}&options=-c%20default_transaction_read_only%3Don"
    with closing(PostgresStore(urls.parse(f"postgresql:///{given['dbname']}?{only_reads}"))) as named:
        assert named.groups()[0].count == 1
        named.close()
        monkeypatch.setenv("PGHOST", f"{given['host']},{given['host']}")
        with pytest.raises(StoreError, match="session is read-only"):
            named.groups()


def test_a_connection_is_made_anew_after_a_while(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """And never in the midst of a transaction."""

    def backend() -> int:
        with store._reading() as execute:
            number = int(only(execute("SELECT pg_backend_pid()")))
            with store._reading() as again:
                assert only(again("SELECT pg_backend_pid()")) == number
            return number

    add(store, make_context())
    assert backend() == backend()
    monkeypatch.setattr("llama_logging.stores.postgres_session.LIFETIME", -1.0)
    assert backend() != backend()
    add(store, make_context())
    assert store.groups()[0].count == 2


def test_a_role_that_may_only_read_can(
    store: PostgresStore, postgres_url: urls.StoreURL, capsys: pytest.CaptureFixture[str]
) -> None:
    add(store, make_context())
    role = f"reader_{os.urandom(4).hex()}"
    with admin(postgres_url) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            reader = PostgresStore(urls.parse(postgres_url.url.replace("://postgres@", f"://{role}@")))
            # And no piece of our statement behind it.
            with pytest.raises(
                StoreError, match=rf"lacks a right .*: permission denied for schema {postgres_url.schema}$"
            ):
                reader.groups()
            connection.execute(f"GRANT USAGE ON SCHEMA {postgres_url.schema} TO {role}".encode())
            connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {postgres_url.schema} TO {role}".encode())
            assert reader.groups()[0].count == 1
            assert len(reader.errors()) == 1
            later = make_context(timestamp=NOON + 7 * DAY, error_message="a77")
            add(store, later)
            assert reader.groups(search="a77") == []
            assert store.groups(search="a77") == reader.groups(search="a77") == reader.groups() != []
            with pytest.raises(StoreError, match="permission denied"):
                add(reader, make_context())
            # Of what waits on the reader's machine, too.
            pipeline = Pipeline(urls.parse(reader.url))
            pipeline.ingester._started = True  # it would only be refused, too
            pipeline.add(make_context())
            with closing(open_registry(urls.parse(reader.url))) as asked:
                assert (asked.may_write, len(asked.errors())) == (False, 2)
            assert "may not be written to; 1 error is safe" in capsys.readouterr().err
            pipeline.journal.close()
            reader.close()
        finally:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_who_may_only_read_is_told_that_the_registry_is_of_an_earlier_version(
    store: PostgresStore, postgres_url: urls.StoreURL
) -> None:
    """A standby, or a role of its own: they may be brought to a new version before all who write."""
    add(store, make_context())
    with admin(postgres_url) as connection:
        connection.execute(b"UPDATE registry SET value = value::integer - 1 WHERE name = 'version'")
    url = urls.parse(f"{postgres_url.url}&options=-c%20default_transaction_read_only%3Don")
    with closing(PostgresStore(url)) as reader, pytest.raises(StoreError, match=r"an earlier version .* must open"):
        reader.groups()


def test_who_may_only_read_and_decides_something_is_told_so(store: PostgresStore, postgres_url: urls.StoreURL) -> None:
    context = make_context()
    add(store, context)
    url = urls.parse(f"{postgres_url.url}&options=-c%20default_transaction_read_only%3Don")
    standby = pytest.raises(StoreError, match="here it may only be read, as on a standby")
    with closing(PostgresStore(url)) as reader, standby:
        reader.resolve(context.fingerprint, NOON)


def test_who_writes_already_waits_while_the_server_is_read_only(store: PostgresStore) -> None:
    """As providers have it when its disk is about to be full."""
    add(store, make_context())
    assert store._session._connection is not None
    store._session._connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(StoreError, match="here it may only be read"):
        add(store, make_context())
    add(store, make_context())  # by a connection of its own, for which it is not
    assert store.groups()[0].count == 2


def test_a_server_that_does_not_answer_is_one_line_and_the_errors_wait(cli: Run) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://ada:s3cret@127.0.0.1:{closed.getsockname()[1]}/errors"
    pipeline = Pipeline(urls.parse(url))
    pipeline.ingester._started = True
    for _ in range(3):
        assert pipeline.add(make_context())
    pipeline.journal.close()
    done = cli("list", "--store", url)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith("llama-logging: postgresql://")
    assert "s3cret" not in done.err
    assert "refused" in done.err
    assert "3 errors are safe in the journal" in done.err


def test_what_waited_comes_in_when_the_server_is_back(postgres_url: urls.StoreURL, cli: Run) -> None:
    pipeline = Pipeline(postgres_url)
    pipeline.ingester._started = True
    errors = [make_context(timestamp=datetime.now(UTC)) for _ in range(3)]
    for error in errors:
        pipeline.add(error)
    pipeline.journal.close()
    assert "3" in cli("list", "--store", postgres_url.url).out
    assert cli("show", errors[0].error_id, "--store", postgres_url.url).code == 0
    found = json.loads(cli("summary", "--json", "--store", postgres_url.url).out)
    assert found["total_errors"] == 3
    store = open_registry(postgres_url)
    assert {error.error_id for error in store.errors()} == {error.error_id for error in errors}
    store.close()


def test_without_psycopg_it_is_said_what_to_install(run: Run) -> None:
    """And errors wait in the journal, the application goes on."""
    code = """
import logging, sys
sys.modules["psycopg"] = None
from llama_logging.handlers import RegistryHandler
logging.getLogger().addHandler(RegistryHandler(store="postgresql://127.0.0.1:1/x"))
logging.error("lost?")
from llama_logging.opening import open_registry
from llama_logging.stores import urls
try:
    open_registry(urls.parse("postgresql://127.0.0.1:1/x"))
except ImportError as error:
    print(type(error).__name__, error)
"""
    done = run("-c", code)
    assert done.out == "MissingExtraError a PostgreSQL store needs psycopg: pip install 'llama_logging[postgres]'\n"
    assert done.err.count("pip install 'llama_logging[postgres]'") == 1
    assert done.code == 0


def test_the_capture_path_does_without_psycopg(run: Run) -> None:
    code = (
        "import sys, llama_logging.handlers as h, llama_logging.imperative\n"
        "h.RegistryHandler(store='postgresql://127.0.0.1:1/x')\nprint('psycopg' in sys.modules)"
    )
    assert run("-c", code).out == "False\n"
