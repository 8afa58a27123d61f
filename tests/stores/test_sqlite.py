"""What is SQLite's own: the way frames take into it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llama_logging import wire
from llama_logging.exceptions import ErrorNotFound, StoreError
from llama_logging.registry.intake import Batch
from llama_logging.retention import Retention
from llama_logging.stores import sqlite_words, urls, words
from llama_logging.stores.schema import STEPS
from llama_logging.stores.sqlite import SQLiteStore
from tests.conftest import NOON, make_context
from tests.stores.test_store import HOUR, add


@pytest.fixture
def store(store_url: urls.StoreURL) -> Iterator[SQLiteStore]:
    opened = SQLiteStore(store_url)
    yield opened
    opened.close()


def test_a_frame_that_is_alone_is_looked_at_closely(store: SQLiteStore) -> None:
    frame = wire.encode_error(make_context(additional_context={"a": 1}))[0]
    store.ingest(Batch("j", 0, 1, [frame.replace('"ctx":{', '"ctx":{{')]))
    assert (store.health().damaged, store.errors()) == (1, [])


def test_what_a_full_disk_has_no_room_for_is_not_refused(store: SQLiteStore) -> None:
    """The frames are not to blame: they come again."""
    frames = [wire.encode_error(make_context(additional_context={"text": "x" * 5000}))[0] for _ in range(20)]
    with store._transaction() as execute:
        pages = execute("PRAGMA page_count").fetchone()[0]
        execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full"):
        store.ingest(Batch("j", 0, 1, frames))
    with store._reading() as execute:
        execute("PRAGMA max_page_count = 1000000")
    assert store.ingest(Batch("j", 0, 1, frames)) == 1
    assert (store.health().damaged, store.health().errors) == (0, 20)


def test_questions_to_a_registry_that_is_not_there_yet_are_answered_from_one_empty(
    store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Journals that are made smaller before there is one ask for each of their errors."""
    places: list[str] = []
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def noted(place: str, **options: Any) -> sqlite3.Connection:
        places.append(place)
        return connect(place, **options)

    monkeypatch.setattr(sqlite3, "connect", noted)
    absent = SQLiteStore(store_url)
    with contextlib.closing(absent):
        for _ in range(3):
            with pytest.raises(ErrorNotFound):
                absent.find("01a21a9c")
            assert absent.groups() == []
        assert places == [":memory:"]
        add(absent, make_context())
        assert len(absent.groups()) == 1


def scheme_of(path: str) -> tuple[bytes, list[str]]:
    """The header of the file, which tells its version and the mode of its journal, and what is in it."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master ORDER BY name")]
    return Path(path).read_bytes()[:100], names


@pytest.mark.parametrize(
    "tables", ["", "CREATE TABLE users (id)", "CREATE TABLE errors (id); CREATE VIEW groups AS SELECT 1"]
)
@pytest.mark.parametrize("version", [0, 3, len(STEPS), 42])
def test_a_database_of_something_else_is_left_as_it_is(store: SQLiteStore, tables: str, version: int) -> None:
    """Also where its number is one of ours, which says little."""
    path = urls.parse(store.url).path
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"CREATE TABLE first (id); {tables}; PRAGMA user_version = {version}")
    before = scheme_of(path)
    for ask in (store.errors, lambda: store.note(NOON, "new", "")):
        with pytest.raises(StoreError, match=r"errors\.db: this is a SQLite database of something else"):
            ask()
    assert scheme_of(path) == before
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def test_who_waits_in_vain_while_it_is_brought_up_to_date_is_told_so(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llama_logging.stores.sqlite_file.BUSY_TIMEOUT", 0.05)
    with contextlib.closing(sqlite3.connect(urls.parse(store.url).path, isolation_level=None)) as other:
        other.executescript(f"PRAGMA journal_mode = WAL; {';'.join(STEPS[:5])}; PRAGMA user_version = 5")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=rf"locked, perhaps by .* up to date \(schema 5 to {len(STEPS)}\)"):
            store.errors()
        other.execute("ROLLBACK")
    assert store.errors() == []


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TRIGGER t AFTER INSERT ON incidents BEGIN SELECT count(*) FROM (WITH RECURSIVE n (id) AS "
        "(VALUES (1) UNION ALL SELECT id FROM n) SELECT id FROM n); END",
        "CREATE VIEW no_end AS WITH RECURSIVE n (id) AS (VALUES (1) UNION ALL SELECT id FROM n) "
        "SELECT id AS rowid, id AS words FROM n; DROP TABLE group_texts; "
        "CREATE VIRTUAL TABLE group_texts USING fts5(words, content='no_end')",
        "ALTER TABLE groups ADD COLUMN much TEXT AS (hex(zeroblob(400000000)))",
    ],
    ids=["trigger", "virtual table", "computed column"],
)
def test_a_registry_that_somebody_has_changed_is_neither_read_nor_written(store: SQLiteStore, change: str) -> None:
    """What it would do has no end, or takes all memory."""
    store.note(NOON, "new", "")
    store.close()
    path = urls.parse(store.url).path
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(change)
    source = SQLiteStore(urls.parse(store.url), reading=True)
    for ask in (store.errors, lambda: store.note(NOON, "new", ""), source.groups):
        with pytest.raises(StoreError, match=r"errors\.db: somebody has changed this registry"):
            ask()


@pytest.mark.parametrize(
    "change",
    ["severity = 'x'", "state = 'x'", "last_seen = 9223372036854775807", "error_message = x'ff'"],
)
def test_values_that_no_registry_has_are_told_as_such(store: SQLiteStore, change: str) -> None:
    add(store, make_context())
    store.close()
    with contextlib.closing(sqlite3.connect(urls.parse(store.url).path)) as connection, connection:
        connection.execute(f"UPDATE groups SET {change}")
    with pytest.raises(StoreError, match=r"errors\.db: it holds what no registry does: \w+Error: "):
        store.groups(search="no")


def test_a_registry_that_is_being_made_is_none_of_somebody_else(store: SQLiteStore) -> None:
    """Its file is there, and nothing in it."""
    Path(urls.parse(store.url).path).touch()
    assert store.errors() == []
    store.note(NOON, "new", "")
    assert [incident.kind for incident in store.incidents()] == ["new"]


def tables_of_words(store: SQLiteStore) -> list[int]:
    with store._reading() as execute:
        return store._words._numbers(execute)


def test_the_words_of_errors_that_are_gone_go_too(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of so many errors as one table has, at once; the others are found whichever table they are in."""
    monkeypatch.setattr(sqlite_words, "SPAN", 4)
    add(store, *(make_context(timestamp=NOON + n * HOUR, error_message=f"a{n} b") for n in range(14)))
    assert {len(store.groups(search=f"a{n}")) for n in (0, 3, 4, 13)} == {1}
    assert tables_of_words(store) == [3, 2, 1, 0]
    with store._reading() as execute:
        assert store._words.errors(execute, "b a1") == [14, 13, 12, 11, 2]
    while store.prune(Retention(period=5 * 3600.0), NOON + 14 * HOUR, 1):
        assert store.groups(search="a13")
    assert tables_of_words(store) == [3, 2]
    assert (store.groups(search="a0"), len(store.groups(search="a9"))) == ([], 1)
    while store.prune(Retention(period=1.0), NOON + 14 * HOUR, 1):
        pass
    assert tables_of_words(store) == [3]
    add(store, make_context(timestamp=NOON + 20 * HOUR, error_message="a20"), journal="k")
    assert len(store.groups(search="a20")) == 1


def test_the_words_of_errors_that_are_gone_take_no_room_of_others(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever chooses what is logged makes the words of an error more than all else of it."""
    monkeypatch.setattr(sqlite_words, "_FEW", 20)
    for start in range(0, 600, 100):
        add(
            store,
            *(make_context(error_message=f"no{n} {os.urandom(1500).hex(' ', 5)}") for n in range(start, start + 100)),
            journal=f"j{start}",
        )
    add(store, make_context(error_message="kept", additional_context={"a": 1}), journal="k")
    assert len(store.groups(search="no7")) == 1
    size = store.health().size_bytes
    while store.prune(Retention(size_bytes=size // 4), NOON, 50):
        pass
    health = store.health()
    assert health.size_bytes <= size // 4
    assert 30 < health.errors < 300
    assert store.groups(search="no7") == []
    assert len(store.groups(search="no599")) == len(store.groups(search="kept")) == 1


def test_words_of_a_registry_that_was_deleted_are_forgotten(store: SQLiteStore) -> None:
    add(store, make_context(error_message="beta"))
    assert len(store.groups(search="beta")) == 1
    store.close()
    for each in Path(urls.parse(store.url).path).parent.glob("errors.db*"):
        each.unlink()
    add(store, make_context(error_message="gamma"))
    assert len(store.groups(search="gamma")) == 1
    add(store, make_context(error_message="beta", timestamp=NOON + HOUR), journal="k")
    assert len(store.groups(search="beta")) == 1


def test_no_more_tables_are_searched_than_needed(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_words, "SPAN", 4)
    monkeypatch.setattr(words, "MOST", 5)
    add(store, *(make_context(error_message=f"a{n}") for n in range(14)))
    store.groups(search="none")
    with store._transaction() as execute:
        execute("DROP TABLE error_words_0")  # as if it were not there: nobody asks it
        execute("CREATE TABLE error_words_0 (no_words)")
        assert store._words.errors(execute, "a") == [14, 13, 12, 11, 10]


def test_a_registry_waits_for_another_process_that_is_making_it(store: SQLiteStore) -> None:
    with contextlib.closing(
        sqlite3.connect(urls.parse(store.url).path, isolation_level=None, check_same_thread=False)
    ) as other:
        # As far as it is at first: no longer without a schema, not yet with a log.
        other.executescript("CREATE TABLE first (id); DROP TABLE first; BEGIN IMMEDIATE")
        done = threading.Timer(0.2, other.execute, ["COMMIT"])
        done.start()
        store.note(NOON, "new", "")
        done.join()
    assert [incident.kind for incident in store.incidents()] == ["new"]
