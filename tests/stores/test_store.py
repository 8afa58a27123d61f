"""The contract of registry.Store; every store must pass it."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llama_logging import process, wire
from llama_logging.context import ErrorContext, ErrorSeverity
from llama_logging.exceptions import ConfigError, ErrorNotFound, StoreError
from llama_logging.registry import Batch, Move, OutcomeStatus, RecoveryAttempt, Store
from llama_logging.stores import open_store, urls
from tests.conftest import NOON, make_context

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def store(store_url: urls.StoreURL) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()


def frames_of(*contexts: ErrorContext) -> list[str]:
    frames = []
    for context in contexts:
        error, _, stack = wire.encode_error(context)
        frames += [stack, error]
    return frames


def add(store: Store, *contexts: ErrorContext, journal: str = "j") -> int:
    start = store.checkpoint(journal)
    return store.ingest(Batch(journal, start, start + 1, frames_of(*contexts)))


def test_what_was_added_is_found_whole(store: Store) -> None:
    context = make_context(process=process.current(), additional_context={"a": [1]})
    store.ingest(Batch("j", 0, 1, [wire.dumps(wire.encode_process(process.current())), *frames_of(context)]))
    assert store.find(context.error_id) == context
    assert store.errors() == [context]


def test_adding_the_same_error_twice_changes_nothing(store: Store) -> None:
    context = make_context()
    add(store, context, context, journal="one")
    add(store, context, journal="two")
    assert store.count_by_severity(None, ErrorSeverity.DEBUG) == {ErrorSeverity.ERROR: 1}
    assert [group.count for group in store.groups()] == [1]


def test_a_batch_that_another_process_has_added_is_left_out(store: Store) -> None:
    """The checkpoint decides, in the same transaction as the rows."""
    assert store.ingest(Batch("j", 0, 100, frames_of(make_context()))) == 100
    assert store.ingest(Batch("j", 0, 50, frames_of(make_context()))) == 100
    assert store.checkpoint("j") == 100
    assert sum(store.count_by_severity(None, ErrorSeverity.DEBUG).values()) == 1


def test_a_checkpoint_is_forgotten(store: Store) -> None:
    add(store, make_context())
    store.forget("j")
    assert store.checkpoint("j") == 0


def test_first_seen_never_moves_and_last_seen_follows(store: Store) -> None:
    newest = make_context(timestamp=NOON + HOUR, error_message="newest")
    add(store, make_context())
    add(store, newest, make_context(timestamp=NOON + MINUTE))
    add(store, make_context(timestamp=NOON - HOUR, severity=ErrorSeverity.CRITICAL))
    (group,) = store.groups()
    assert (group.first_seen, group.last_seen) == (NOON - HOUR, NOON + HOUR)
    assert (group.count, group.severity) == (4, ErrorSeverity.CRITICAL)
    assert (group.last_error_id, group.error_message) == (newest.error_id, "newest")
    assert group.source == "shop.cart.add"


def test_groups_come_latest_first_and_can_be_limited(store: Store) -> None:
    add(store, *(make_context(fingerprint=f"v1:{n}", timestamp=NOON + n * HOUR) for n in range(5)))
    assert [group.fingerprint for group in store.groups(limit=2)] == ["v1:4", "v1:3"]
    assert len(store.groups(since=NOON + 2 * HOUR)) == 3
    assert store.groups(at_least=ErrorSeverity.CRITICAL) == []


def test_types_are_counted_most_frequent_first(store: Store) -> None:
    kinds = ["KeyError", "OSError", "OSError", "AError", "AError", "BError"]
    add(store, *(make_context(error_type=kind, fingerprint=f"v1:{kind}") for kind in kinds))
    assert list(store.count_by_type(None, ErrorSeverity.DEBUG, 3).items()) == [
        ("AError", 2),
        ("OSError", 2),
        ("BError", 1),
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(-200_000_000, 200_000_000), st.sampled_from(list(ErrorSeverity)))),
    st.integers(-200_000_000, 200_000_000),
    st.sampled_from(list(ErrorSeverity)),
)
def test_counts_are_exact_to_the_microsecond(
    tmp_path: Path, errors: list[tuple[int, ErrorSeverity]], since: int, at_least: ErrorSeverity
) -> None:
    """Also where `since` falls into the middle of a minute."""
    moments = [(NOON + timedelta(microseconds=offset), severity) for offset, severity in errors]
    start = NOON + timedelta(microseconds=since)
    path = tmp_path / f"{os.urandom(6).hex()}.db"
    store = open_store(urls.parse(f"sqlite:///{path}"))
    add(store, *(make_context(timestamp=moment, severity=severity) for moment, severity in moments))
    expected = sum(moment >= start and severity >= at_least for moment, severity in moments)
    assert sum(store.count_by_severity(start, at_least).values()) == expected
    assert sum(store.count_by_type(start, at_least, 10).values()) == expected
    assert len(store.errors(since=start, at_least=at_least, limit=1000)) == expected
    store.close()


def test_errors_come_newest_first_and_by_group(store: Store) -> None:
    contexts = [make_context(timestamp=NOON + n * SECOND, fingerprint=f"v1:{n % 2}") for n in range(6)]
    add(store, *contexts)
    assert store.errors(limit=2) == [contexts[5], contexts[4]]
    assert store.errors(fingerprint="v1:0") == [contexts[4], contexts[2], contexts[0]]


def test_errors_can_be_followed_as_they_arrive(store: Store) -> None:
    add(store, make_context())
    position, _ = store.errors_after(-1)
    late = make_context(timestamp=NOON - HOUR)
    add(store, late)
    position, errors = store.errors_after(position)
    assert errors == [late]
    assert store.errors_after(position) == (position, [])


def test_an_error_is_found_by_how_its_id_begins(store: Store) -> None:
    add(store, make_context(error_id="01abc-1"), make_context(error_id="01abd-2"))
    assert store.find("01ABC").error_id == "01abc-1"
    with pytest.raises(ErrorNotFound, match="more than one error has an id that begins with '01ab'"):
        store.find("01ab")
    with pytest.raises(ErrorNotFound, match="no error has the id '99'"):
        store.find("99")
    with pytest.raises(ErrorNotFound):
        store.find("%")


def test_the_last_word_on_an_attempt_counts(store: Store) -> None:
    """It is written before it begins and again when it is over; a journal read twice must not undo that."""
    before = RecoveryAttempt(
        attempt_id="a", error_id="e", fingerprint="", rule="r", strategy="s", scope="",
        status=OutcomeStatus.PENDING, started_at=NOON,
    )  # fmt: skip
    after = RecoveryAttempt(
        attempt_id="a", error_id="e", fingerprint="", rule="r", strategy="s", scope="",
        status=OutcomeStatus.RECOVERED, started_at=NOON, detail="done", duration=2.0,
    )  # fmt: skip
    frames = [wire.dumps(wire.encode_attempt(attempt)) for attempt in (before, after, before)]
    store.ingest(Batch("j", 0, 1, frames))
    assert store.attempts("e") == [after]
    assert store.attempts("other") == []


def test_frames_of_a_later_version_are_passed_over(store: Store) -> None:
    context = make_context()
    store.ingest(Batch("j", 0, 1, ['{"k":"hologram","x":1}', *frames_of(context)]))
    assert store.errors() == [context]


@pytest.mark.parametrize(
    "bad", ["not json", '{"k":"error"}', '{"k":"error","id":"x","ts":1}', "[]", "7", '{"k":"audit"}', '{"k":"stack"}']
)
def test_a_frame_that_is_not_what_it_should_be_holds_up_no_other(store: Store, bad: str) -> None:
    one, other = make_context(), make_context()
    assert store.ingest(Batch("j", 0, 9, [*frames_of(one), bad, *frames_of(other)])) == 9
    assert {context.error_id for context in store.errors()} == {one.error_id, other.error_id}
    assert store.groups()[0].count == 2


def test_hostile_text_comes_back(store: Store) -> None:
    text = "'; DROP TABLE errors; -- \x1b[2J \u202e \\ud800 \" \n é 🦙"
    context = make_context(error_message=text, error_type=text, fingerprint=text, logger_name=text)
    add(store, context)
    assert store.find(context.error_id) == context
    assert store.count_by_type(None, ErrorSeverity.DEBUG, 5) == {text: 1}


def test_threads_may_share_a_store(store: Store) -> None:
    def work(name: str) -> None:
        for _ in range(20):
            add(store, make_context(), journal=name)
            store.groups()

    threads = [threading.Thread(target=work, args=[name]) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.groups()[0].count == 80


def test_a_closed_store_opens_again(store: Store) -> None:
    add(store, make_context())
    store.close()
    assert len(store.errors()) == 1


# --- what is SQLite's own


def test_asking_does_not_make_a_registry(store_url: urls.StoreURL) -> None:
    store = open_store(store_url)
    assert store.errors() == []
    assert store.groups() == []
    assert not os.path.exists(store_url.path)


def test_the_file_is_its_owners(store_url: urls.StoreURL, store: Store) -> None:
    add(store, make_context())
    assert os.stat(store_url.path).st_mode & 0o777 == 0o600


def test_a_file_of_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("my notes, and nobody's registry")
    store = open_store(urls.parse(f"sqlite:///{tmp_path}/notes.txt"))
    with pytest.raises(StoreError, match="not a SQLite database; it was left as it is"):
        add(store, make_context())
    assert (tmp_path / "notes.txt").read_text() == "my notes, and nobody's registry"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/errors\.db"):
        add(open_store(urls.parse(f"sqlite:///{tmp_path}/file/errors.db")), make_context())


def test_a_registry_of_a_newer_version_is_refused(store_url: urls.StoreURL, store: Store) -> None:
    add(store, make_context())
    store.close()
    with sqlite3.connect(store_url.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer version"):
        store.errors()


def test_a_child_does_not_use_its_parents_connection(store: Store) -> None:
    add(store, make_context())
    child = os.fork()
    if not child:
        add(store, make_context(), journal="child")
        os._exit(0 if len(store.errors()) == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(store.errors()) == 2


def test_a_killed_transaction_leaves_nothing_half_done(store_url: urls.StoreURL, store: Store) -> None:
    """Rows, counts and checkpoint are one: a child dies between them."""
    add(store, make_context())
    store.close()
    child = os.fork()
    if not child:
        own = open_store(store_url)
        with own._transaction() as execute:
            execute("INSERT INTO journals VALUES ('half', 5, 0)")
            execute("UPDATE groups SET count = 99")
            os._exit(0)
    os.waitpid(child, 0)
    assert store.checkpoint("half") == 0
    assert store.groups()[0].count == 1


@pytest.mark.parametrize("url", ["", "x.db", "mysql://host/db", "sqlite://x", "sqlite:///", 7, None])
def test_what_is_no_store_is_refused(url: object) -> None:
    with pytest.raises(ConfigError, match="expected sqlite:///PATH"):
        urls.parse(url)


def test_a_relative_path_counts_from_where_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = urls.parse("sqlite:///a.db")
    monkeypatch.chdir("/")
    assert url.path == str(tmp_path / "a.db")


def test_the_default_is_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert urls.default().path == str(tmp_path / "llama_logging.db")
    monkeypatch.setenv("LLAMA_LOGGING_STORE", "sqlite:////srv/x.db")
    assert urls.default().path == "/srv/x.db"


def test_json_documents_may_be_large(store: Store) -> None:
    contexts = [make_context(additional_context={"n": n, "text": "x" * 500}) for n in range(3000)]
    add(store, *contexts)
    assert store.groups()[0].count == 3000
    assert json.loads(json.dumps(store.errors(limit=1)[0].additional_context))["n"] == 2999


def test_an_early_version_of_an_error_gives_way_to_the_whole(store: Store) -> None:
    """In one batch or in two; and never the other way round."""
    for journals in (("one", "one"), ("two", "three")):
        whole = make_context(error_message="whole")
        early = replace(whole, error_message="early", complete=False)
        add(store, early, journal=journals[0])
        add(store, whole, journal=journals[1])
        add(store, early, journal="late")
        assert store.find(whole.error_id) == whole
    both = make_context(error_message="whole")
    add(store, replace(both, error_message="early", complete=False), both)
    assert store.find(both.error_id) == both
    assert [(group.count, group.error_message) for group in store.groups()] == [(3, "whole")]


def counted(store: Store) -> dict[str, int]:
    """What groups and rollups say must be the same."""
    groups = {group.fingerprint: group.count for group in store.groups()}
    assert sum(groups.values()) == sum(store.count_by_severity(None, ErrorSeverity.DEBUG).values())
    return groups


def test_merged_groups_are_shown_as_one(store: Store) -> None:
    """Also what comes later; and nothing of the groups themselves is touched, so they can be had apart again."""
    add(store, *(make_context(fingerprint=f"v1:{n}", timestamp=NOON + n * HOUR) for n in range(4)))
    store.merge("v1:0", ["v1:1", "v1:3"], NOON)
    late = make_context(fingerprint="v1:1", timestamp=NOON + 9 * HOUR, severity=ErrorSeverity.CRITICAL)
    add(store, late)
    merged, single = store.groups()
    assert (merged.fingerprint, merged.merged, merged.count) == ("v1:0", ("v1:1", "v1:3"), 4)
    assert (merged.first_seen, merged.last_seen) == (NOON, NOON + 9 * HOUR)
    assert (merged.severity, merged.last_error_id) == (ErrorSeverity.CRITICAL, late.error_id)
    assert (single.fingerprint, single.count) == ("v1:2", 1)
    assert len(store.errors(fingerprint="v1:0")) == 4
    assert store.unmerge(["v1:1", "v1:3", "v1:2"]) == 2
    assert counted(store) == {"v1:0": 1, "v1:1": 2, "v1:2": 1, "v1:3": 1}


def test_a_merge_into_a_merged_group_goes_to_the_one_that_is_shown(store: Store) -> None:
    """And never round in a circle."""
    add(store, *(make_context(fingerprint=f"v1:{n}") for n in range(3)))
    store.merge("v1:0", ["v1:1"], NOON)
    store.merge("v1:1", ["v1:2", "v1:0"], NOON)
    store.merge("v1:2", ["v1:0"], NOON)
    (group,) = store.groups()
    assert (group.fingerprint, group.merged, group.count) == ("v1:0", ("v1:1", "v1:2"), 3)


def test_a_limit_counts_what_is_shown(store: Store) -> None:
    add(store, *(make_context(fingerprint=f"v1:{n}", timestamp=NOON - n * HOUR) for n in range(6)))
    store.merge("v1:5", ["v1:0", "v1:1", "v1:2"], NOON)
    assert [group.fingerprint for group in store.groups(limit=2)] == ["v1:5", "v1:3"]


def test_errors_move_with_all_that_is_counted(store: Store) -> None:
    """The group they leave is as if they had never been there, and back again."""
    first = make_context(fingerprint="v1:a", timestamp=NOON, error_message="first")
    worst = make_context(fingerprint="v1:a", timestamp=NOON + HOUR, severity=ErrorSeverity.CRITICAL)
    last = make_context(fingerprint="v1:a", timestamp=NOON + 2 * HOUR, error_message="last")
    add(store, first, worst, last)
    before, errors = store.groups(), store.errors()

    store.move([Move(worst.error_id, "v1:b", ("by rule",)), Move(last.error_id, "v1:b", ("by rule",))], NOON)
    assert counted(store) == {"v1:a": 1, "v1:b": 2}
    left = next(group for group in store.groups() if group.fingerprint == "v1:a")
    assert (left.first_seen, left.last_seen, left.severity) == (NOON, NOON, ErrorSeverity.ERROR)
    assert (left.last_error_id, left.error_message) == (first.error_id, "first")
    assert store.find(last.error_id).grouping == ("by rule",)
    assert store.find(last.error_id).fingerprint == "v1:b"

    assert store.undo_move() == 2
    assert (store.groups(), store.errors()) == (before, errors)
    assert store.undo_move() == 0


def test_only_the_latest_moves_are_undone(store: Store) -> None:
    context = make_context(fingerprint="v1:a")
    add(store, context)
    store.move([Move(context.error_id, "v1:b", ("b",))], NOON)
    store.move([Move(context.error_id, "v1:c", ("c",))], NOON + HOUR)
    assert store.undo_move() == 1
    assert counted(store) == {"v1:b": 1}
    assert store.undo_move() == 1
    assert counted(store) == {"v1:a": 1}


def test_what_is_not_there_or_already_there_does_not_move(store: Store) -> None:
    context = make_context(fingerprint="v1:a")
    add(store, context)
    store.move([Move("no such error", "v1:b", None), Move(context.error_id, "v1:a", None)], NOON)
    assert counted(store) == {"v1:a": 1}
    assert store.undo_move() == 0
