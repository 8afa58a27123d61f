from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llama_logging import process, transfer
from llama_logging.context import ErrorContext, ErrorSeverity
from llama_logging.exceptions import StoreError
from llama_logging.registry import Store
from llama_logging.registry.groups import GroupState
from llama_logging.registry.origins import EVERYWHERE, Origin
from llama_logging.retention import Retention
from llama_logging.stores import open_source, open_store, urls
from tests.conftest import NOON, make_context


def store_at(path: Path) -> Store:
    return open_store(urls.parse(f"sqlite:///{path}"))


def some(name: str, count: int) -> list[ErrorContext]:
    return [make_context(fingerprint=f"v1:{name}", process=process.current()) for _ in range(count)]


def totals(store: Store) -> dict[str, int]:
    groups = {group.fingerprint: group.count for group in store.groups()}
    assert sum(groups.values()) == sum(store.count_by_severity(None, ErrorSeverity.DEBUG).values())
    return groups


def test_registries_are_put_together_with_right_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what was pruned; states of groups that are new here; and all of it once."""
    monkeypatch.setattr(transfer, "BATCH", 3)
    one, other = store_at(tmp_path / "one.db"), store_at(tmp_path / "other.db")
    shared = some("both", 2)
    transfer.add(one, [*some("one", 4), *shared])
    transfer.add(other, [*some("other", 7), *shared, *some("both", 1), *some("muted", 1)])
    other.resolve("v1:other", NOON, "ada", release="1.2")
    other.mute("v1:muted", NOON)
    other.mute("v1:both", NOON)
    while other.prune(Retention(errors=5), NOON, 100):
        pass
    assert transfer.merge(other, one) == 5
    expected = {"v1:one": 4, "v1:both": 3, "v1:other": 7, "v1:muted": 1}
    assert totals(one) == expected
    states = {group.fingerprint: group.state for group in one.groups()}
    assert states["v1:other"] is GroupState.RESOLVED
    assert states["v1:muted"] is GroupState.MUTED
    assert states["v1:both"] is GroupState.OPEN
    transfer.merge(other, one)
    assert totals(one) == expected
    for store in (one, other):
        store.close()


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=90)])
def test_what_a_copy_has_counted_is_not_counted_again(tmp_path: Path, age: timedelta) -> None:
    """Of a registry of which a copy was put back; the one counts by the day by now, the other by the minute."""
    now = datetime.now(UTC) - age
    one, copy = store_at(tmp_path / "one.db"), tmp_path / "copy.db"
    transfer.add(one, [replace(error, timestamp=now) for error in some("a", 5)])
    assert one.prune(Retention(errors=2), now, 100) == 3
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "one.db")) as file,
        contextlib.closing(sqlite3.connect(copy)) as other,
    ):
        file.backup(other)
    transfer.add(one, [replace(error, timestamp=now) for error in some("a", 4)])
    for at in (now, datetime.now(UTC)):
        one.prune(Retention(errors=0), at, 100)
    (minute,) = [minute for _, minute, _ in one.tallies()]
    assert (minute.hour, minute.minute) == ((0, 0) if age else (now.hour, now.minute))
    restored = store_at(copy)
    transfer.add(
        restored, [replace(error, timestamp=datetime.now(UTC) - timedelta(minutes=5)) for error in some("a", 1)]
    )
    for _ in range(2):
        transfer.merge(one, restored)
        assert totals(restored) == {"v1:a": 10}
    one.close()
    restored.close()


def test_who_dies_after_the_counts_came_over_does_not_count_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = store_at(tmp_path / "one.db"), store_at(tmp_path / "other.db")
    transfer.add(one, some("a", 5))
    assert one.prune(Retention(errors=0), NOON, 100) == 5

    def die(name: str, value: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as at_once:
        at_once.setattr(other, "remember", die)
        with pytest.raises(KeyboardInterrupt):
            transfer.merge(one, other)
    transfer.merge(one, other)
    assert totals(other) == {"v1:a": 5}
    one.close()
    other.close()


@pytest.mark.parametrize("kept", [0, 1, 5])
def test_what_is_only_counted_stays_with_its_service(tmp_path: Path, kept: int) -> None:
    shop, cron = (replace(process.current(), process=name, service=name, environment="live") for name in "sc")
    one, other = store_at(tmp_path / "one.db"), store_at(tmp_path / "other.db")
    transfer.add(one, [make_context(process=whose) for whose in (shop, cron, shop, None, shop)])
    while one.prune(Retention(errors=kept), NOON, 100):
        pass
    transfer.merge(one, other)
    for store in (one, other):
        for origin, count in ((EVERYWHERE, 5), (Origin("s"), 3), (Origin("c", "live"), 1), (Origin(""), 1)):
            store.origin = origin
            assert sum(totals(store).values()) == count
        store.close()


def test_what_comes_over_is_whole(tmp_path: Path) -> None:
    one, other = store_at(tmp_path / "one.db"), store_at(tmp_path / "other.db")
    transfer.add(one, some("a", 3))
    transfer.merge(one, other)
    assert other.errors() == one.errors()
    assert other.health().problems == ()
    one.close()
    other.close()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_can_be_read_of_a_damaged_registry_comes_over_and_it_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    path = tmp_path / "source" / "one.db"
    one = store_at(path)
    errors = [make_context(error_message=os.urandom(400).hex()) for _ in range(2_000)]
    transfer.add(one, errors)
    one.close()
    damaged = bytearray(path.read_bytes())
    page = damaged.index(errors[1_000].error_message.encode()) // 4096 * 4096
    damaged[page : page + 4096] = os.urandom(4096)
    path.write_bytes(damaged)
    before = contents(path.parent)
    source, other = open_source(str(path)), store_at(tmp_path / "other.db")
    with pytest.raises(StoreError, match=r"one\.db: .*malformed; \d+ errors could be read all the same"):
        transfer.merge(source, other)
    assert contents(path.parent) == before
    assert 1_000 < len(other.errors(limit=10_000)) < 2_000
    assert other.health().problems == ()
    for store in (source, other):
        store.close()


@pytest.mark.parametrize("state", ["closed", "in use", "of an earlier version"])
def test_nothing_is_done_to_what_is_imported(tmp_path: Path, state: str) -> None:
    path = tmp_path / "source" / "one?#%41.db"
    one, other = store_at(path), store_at(tmp_path / "other.db")
    transfer.add(one, some("a", 3))
    if state != "in use":
        one.close()
    if state == "of an earlier version":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript("DROP TABLE day_counts; PRAGMA user_version = 6")
    before = contents(path.parent)
    source = open_source(str(path))
    if state == "of an earlier version":
        with pytest.raises(StoreError, match=r"by an earlier version .*\(schema 6\).*; no error could be read"):
            transfer.merge(source, other)
    else:
        assert transfer.merge(source, other) == 3
    with pytest.raises(StoreError):
        source.note(NOON, "new", "")
    source.close()
    before.pop("one?#%41.db-shm", None)
    after = contents(path.parent)
    after.pop("one?#%41.db-shm", None)  # where who reads it says so
    assert after == before
    one.close()
    other.close()


def test_errors_without_end_that_cannot_be_read_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_PATIENCE", 50)
    one, other = store_at(tmp_path / "one.db"), store_at(tmp_path / "other.db")
    transfer.add(one, some("a", 3))
    one.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "one.db")) as connection:
        connection.executescript(
            f"UPDATE errors SET position = {2**62}, content = '{'[' * 100_000}' WHERE position = 3"
        )
    source = open_source(str(tmp_path / "one.db"))
    with pytest.raises(StoreError, match="2 errors could be read all the same"):
        transfer.merge(source, other)
    for store in (source, other):
        store.close()


def test_an_error_that_cannot_be_written_holds_up_no_other(tmp_path: Path) -> None:
    """A column of SQLite takes what it is not declared for."""
    one, other = store_at(tmp_path / "one.db"), store_at(tmp_path / "other.db")
    transfer.add(one, [*some("a", 1), *some("b", 2)])
    one.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "one.db")) as connection, connection:
        connection.execute("UPDATE groups SET fingerprint = CAST(fingerprint AS BLOB) WHERE fingerprint = 'v1:a'")
    source = open_source(str(tmp_path / "one.db"))
    with pytest.raises(StoreError, match="2 errors could be read all the same"):
        transfer.merge(source, other)
    assert len(other.errors()) == 2
    for store in (source, other):
        store.close()


def test_a_view_in_place_of_a_table_is_not_read(tmp_path: Path) -> None:
    """It may have no end."""
    path = tmp_path / "one.db"
    with contextlib.closing(store_at(path)) as store:
        store.note(NOON, "new", "")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "DROP TABLE Changes; CREATE VIEW Changes AS "
            "WITH RECURSIVE n (id) AS (VALUES (1) UNION ALL SELECT id FROM n) "
            "SELECT id, 1 AS group_id, 1 AS at, 'new' AS kind, '' AS by, '' AS detail FROM n"
        )
    for store in (open_source(str(path)), store_at(path)):
        with pytest.raises(StoreError, match="somebody has changed this registry"):
            store.groups()
