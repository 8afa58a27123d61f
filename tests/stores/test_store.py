"""The contract of registry.Store; every store must pass it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llama_logging import process, wire
from llama_logging.context import ErrorContext, ErrorSeverity, to_microseconds
from llama_logging.exceptions import ConfigError, ErrorNotFound, StoreError
from llama_logging.ids import new_id
from llama_logging.journal.framing import seal, unseal
from llama_logging.registry import Store
from llama_logging.registry.figures import Steps
from llama_logging.registry.groups import GroupState
from llama_logging.registry.intake import Batch
from llama_logging.registry.origins import Origin
from llama_logging.registry.outbox import Outbox
from llama_logging.registry.triage import Move
from llama_logging.retention import Retention
from llama_logging.stores import known, open_store, pruning, urls, words
from llama_logging.stores.arriving import Arrived
from llama_logging.stores.schema import STEPS
from llama_logging.stores.sql import SQLStore
from llama_logging.stores.sqlite import SQLiteStore
from llama_logging.stores.statements import Execute
from llama_logging.tried import OutcomeStatus, RecoveryAttempt
from tests.conftest import NOON, Run, make_context

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def store(any_url: urls.StoreURL) -> Iterator[Store]:
    opened = open_store(any_url)
    yield opened
    opened.close()


@pytest.fixture
def file_store(store_url: urls.StoreURL) -> Iterator[SQLiteStore]:
    opened = SQLiteStore(store_url)
    yield opened
    opened.close()


def frames_of(*contexts: ErrorContext) -> list[str]:
    frames = []
    for context in contexts:
        error, _, stack = wire.encode_error(context)
        frames += [stack, error]
    return frames


def add(store: Store, *contexts: ErrorContext, journal: str = "j") -> int:
    start = store.reached(journal)[0]
    return store.ingest(Batch(journal, start, start + 1, frames_of(*contexts)))


def attempt_at(error: ErrorContext) -> RecoveryAttempt:
    """One that healed it."""
    return RecoveryAttempt(
        attempt_id=error.error_id, error_id=error.error_id, fingerprint=error.fingerprint, rule="r", strategy="s",
        scope="", status=OutcomeStatus.RECOVERED, started_at=NOON,
    )  # fmt: skip


def encoded(*attempts: RecoveryAttempt) -> list[str]:
    return [wire.dumps(wire.encode_attempt(attempt)) for attempt in attempts]


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
    assert store.health().damaged == 0


@pytest.mark.parametrize("order", [1, -1])
def test_what_two_processes_have_logged_is_one_error(store: Store, order: int) -> None:
    """The exception came from the one to the other, in some moments, and so may their journals in either order."""
    there = make_context()
    here = make_context(error_id=there.error_id, timestamp=there.timestamp + 3 * SECOND, fingerprint="v1:handed-on")
    for number, context in enumerate((there, here)[::order]):
        add(store, context, journal=str(number))
    assert [group.count for group in store.groups()] == [1]
    assert store.count_by_severity(None, ErrorSeverity.DEBUG) == {ErrorSeverity.ERROR: 1}


def test_of_ids_that_lie_anywhere_each_is_looked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of another tracker's events tell no time: to ask what lies between them would be to go through all."""
    old = make_context(error_id="7f" * 16)
    add(store, old)
    monkeypatch.setattr(known, "HAS_KNOWN", "no question")
    add(store, make_context(error_id="00" * 16), old, make_context(error_id="ff" * 16), journal="two")
    assert [group.count for group in store.groups()] == [3]


def test_what_is_new_beside_what_is_known_is_added(store: Store) -> None:
    """As in a journal of which a part was read before a crash."""
    known, new = make_context(), make_context(timestamp=NOON + SECOND, fingerprint="v1:new")
    add(store, known)
    add(store, known, new, journal="again")
    assert store.errors() == [new, known]
    assert [group.count for group in store.groups()] == [1, 1]
    assert store.count_by_severity(None, ErrorSeverity.DEBUG) == {ErrorSeverity.ERROR: 2}


def again(context: ErrorContext, severity: ErrorSeverity, after: timedelta = SECOND) -> str:
    return wire.dumps(wire.encode_sighting(replace(context, timestamp=context.timestamp + after, severity=severity)))


@pytest.mark.parametrize("together", [True, False])
def test_an_error_is_as_severe_as_the_worst_that_a_layer_called_it(store: Store, together: bool) -> None:
    """In all that is counted, too: it moves from one severity to the other."""
    one, other, calm = make_context(), make_context(severity=ErrorSeverity.WARNING), make_context(fingerprint="v1:calm")
    alone = make_context(
        error_type="Other", fingerprint="v1:other", severity=ErrorSeverity.WARNING, timestamp=NOON + HOUR
    )
    frames = frames_of(one, other, alone, calm)
    calls = ((one, "CRITICAL"), (one, "ERROR"), (other, "ERROR"), (alone, "CRITICAL"))
    worse = [again(context, ErrorSeverity[name]) for context, name in calls]
    for batch in [frames + worse] if together else [frames, worse, worse]:
        start = store.reached("j")[0]
        store.ingest(Batch("j", start, start + 1, batch))
    assert [store.find(each.error_id).severity for each in (one, other, alone)] == [
        ErrorSeverity.CRITICAL,
        ErrorSeverity.ERROR,
        ErrorSeverity.CRITICAL,
    ]
    for since in (None, NOON - timedelta(days=2), NOON - HOUR, one.timestamp):
        assert store.count_by_severity(since, ErrorSeverity.DEBUG) == {
            ErrorSeverity.ERROR: 2,
            ErrorSeverity.CRITICAL: 2,
        }
    assert {group.fingerprint: (group.severity, group.count) for group in store.groups()} == {
        one.fingerprint: (ErrorSeverity.CRITICAL, 2),
        "v1:other": (ErrorSeverity.CRITICAL, 1),
        "v1:calm": (ErrorSeverity.ERROR, 1),
    }


def test_what_is_called_worse_later_counts_for_the_time_it_came(store: Store) -> None:
    early, late = make_context(timestamp=NOON), make_context(timestamp=NOON + 2 * HOUR)
    add(store, early, late)
    store.ingest(Batch("k", 0, 1, [again(early, ErrorSeverity.CRITICAL, 59 * SECOND)]))
    assert store.count_by_severity(NOON + HOUR, ErrorSeverity.DEBUG) == {ErrorSeverity.ERROR: 1}
    for since in (NOON, None):
        assert store.count_by_severity(since, ErrorSeverity.DEBUG) == {
            ErrorSeverity.ERROR: 1,
            ErrorSeverity.CRITICAL: 1,
        }


def test_no_severity_is_lowered_and_none_that_is_gone_is_missed(store: Store) -> None:
    context = make_context(severity=ErrorSeverity.CRITICAL)
    add(store, context)
    old = json.loads(again(context, ErrorSeverity.CRITICAL))
    del old["sev"]  # as versions before had it
    unknown = make_context()
    for sighting in (again(context, ErrorSeverity.ERROR), wire.dumps(old), again(unknown, ErrorSeverity.CRITICAL)):
        start = store.reached("j")[0]
        store.ingest(Batch("j", start, start + 1, [sighting]))
    assert store.count_by_severity(None, ErrorSeverity.DEBUG) == {ErrorSeverity.CRITICAL: 1}


def test_a_batch_that_another_process_has_added_is_left_out(store: Store) -> None:
    """The checkpoint decides, in the same transaction as the rows."""
    assert store.ingest(Batch("j", 0, 100, frames_of(make_context()))) == 100
    assert store.ingest(Batch("j", 0, 50, frames_of(make_context()))) == 100
    assert store.reached("j")[0] == 100
    assert sum(store.count_by_severity(None, ErrorSeverity.DEBUG).values()) == 1


def test_it_is_told_how_many_came_in_each_minute(store: Store) -> None:
    """Whether their details are kept or not."""
    early, late = make_context(), make_context(timestamp=NOON + MINUTE)
    add(store, early, make_context(), late)
    store.prune(Retention(errors=1), NOON, 10)
    nowhere = Origin("", "")
    assert store.tallies() == {(early.fingerprint, NOON, nowhere): 2, (early.fingerprint, NOON + MINUTE, nowhere): 1}


def test_a_checkpoint_is_forgotten(store: Store) -> None:
    add(store, make_context())
    store.forget("j")
    assert store.reached("j")[0] == 0


def test_a_batch_leaves_no_gap(store: Store) -> None:
    """An older copy that was put in place of what was asked before needs what comes before it."""
    assert store.ingest(Batch("j", 50, 100, frames_of(make_context()))) == store.reached("j")[0] == 0
    assert store.errors() == []


def test_where_nothing_is_whole_reading_goes_on_behind_it(store: Store) -> None:
    assert store.ingest(Batch("j", 0, 100, [], damaged=3)) == store.reached("j")[0] == 100
    assert store.health().damaged == 3


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


def test_of_errors_of_one_moment_the_last_that_was_written_speaks_for_the_group(store: Store) -> None:
    for text in ("one", "two", "three"):
        add(store, make_context(error_message=f"not {text}"), make_context(error_message=text))
        assert store.groups()[0].error_message == text


def test_groups_come_latest_first_and_can_be_limited(store: Store) -> None:
    add(store, *(make_context(fingerprint=f"v1:{n}", timestamp=NOON + n * HOUR) for n in range(5)))
    assert [group.fingerprint for group in store.groups(limit=2)] == ["v1:4", "v1:3"]
    assert len(store.groups(since=NOON + 2 * HOUR)) == 3
    assert store.groups(at_least=ErrorSeverity.CRITICAL) == []


def test_types_are_counted_most_frequent_first(store: Store) -> None:
    kinds = ["KeyError", "OSError", "OSError", "AError", "AError", "BError"]
    add(store, *(make_context(error_type=kind, fingerprint=f"v1:{kind}") for kind in kinds))
    assert list(store.counts(None, ErrorSeverity.DEBUG, 3).by_type.items()) == [
        ("AError", 2),
        ("OSError", 2),
        ("BError", 1),
    ]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
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
    assert sum(store.counts(start, at_least, 10).by_type.values()) == expected
    assert len(store.errors(since=start, at_least=at_least, limit=1000)) == expected
    store.close()


def test_errors_come_newest_first_and_by_group(store: Store) -> None:
    contexts = [make_context(timestamp=NOON + n * SECOND, fingerprint=f"v1:{n % 2}") for n in range(6)]
    add(store, *contexts)
    assert store.errors(limit=2) == [contexts[5], contexts[4]]
    assert store.errors(fingerprint="v1:0") == [contexts[4], contexts[2], contexts[0]]


def test_the_newest_may_lie_days_apart(store: Store) -> None:
    errors = [make_context(timestamp=NOON - n * 9 * HOUR, fingerprint=f"v1:{n % 2}") for n in range(9)]
    add(store, *errors)
    assert store.errors(limit=3) == errors[:3]
    assert store.errors(limit=7) == errors[:7]
    assert store.errors(fingerprint="v1:1", limit=4) == errors[1::2]
    assert store.errors(since=NOON - 4 * 9 * HOUR) == errors[:5]


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
    # Those of one minute begin alike: of one group the newest is meant.
    assert store.find("01ab").error_id == "01abd-2"
    add(store, make_context(error_id="01abe-3", fingerprint="v1:other"))
    with pytest.raises(ErrorNotFound, match="errors of several groups have an id that begins with '01ab'"):
        store.find("01ab")
    with pytest.raises(ErrorNotFound, match="no error has the id '99'"):
        store.find("99")
    with pytest.raises(ErrorNotFound):
        store.find("%")


@pytest.mark.parametrize("together", [True, False])
def test_the_last_word_on_an_attempt_counts(store: Store, together: bool) -> None:
    """It is written before it begins and again when it is over; a journal read twice must not undo that."""
    before = RecoveryAttempt(
        attempt_id="a", error_id="e", fingerprint="", rule="r", strategy="s", scope="",
        status=OutcomeStatus.PENDING, started_at=NOON,
    )  # fmt: skip
    after = RecoveryAttempt(
        attempt_id="a", error_id="e", fingerprint="", rule="r", strategy="s", scope="",
        status=OutcomeStatus.RECOVERED, started_at=NOON, detail="done", duration=2.0,
    )  # fmt: skip
    frames = encoded(before, after, before)
    for number, batch in enumerate([frames] if together else [[frame] for frame in frames]):
        store.ingest(Batch("j", number, number + 1, batch))
    assert store.attempts("e") == [after]
    assert [(record.tried, record.recovered, record.seconds) for record in store.records("")] == [(1, 1, 2.0)]
    assert store.attempts("other") == []


OPEN = wire.encode_process(process.current())


@pytest.mark.parametrize(
    "odd",
    [
        *({**OPEN, "process": name} for name in ("\ud800", "\0", None, 7)),
        *({"k": "compacted", "gone": gone} for gone in ("all", None, 10**30)),
        {"k": "hologram", "n": 10**30},
    ],
)
def test_what_frames_say_of_their_journal_holds_up_no_error(store: Store, odd: dict[str, object]) -> None:
    context = make_context()
    assert store.ingest(Batch("j", 0, 9, [wire.dumps(odd), *frames_of(context)])) == 9
    assert [error.error_id for error in store.errors()] == [context.error_id]


@pytest.mark.parametrize("odd", [{"logger": 5}, {"log": None}, {"trace": 7}, {"tags": ["a"]}, {"ctx": 7}])
def test_a_search_passes_over_what_is_no_text(store: Store, odd: dict[str, object]) -> None:
    frame = json.loads(frames_of(make_context())[1])
    store.ingest(Batch("j", 0, 9, [wire.dumps({**frame, "id": new_id(), **odd}), *frames_of(make_context())]))
    assert [group.count for group in store.groups(search="article")] == [2]


@pytest.mark.parametrize(
    "odd",
    [
        {"crumbs": 5}, {"crumbs": [[1]]}, {"locals": "x"}, {"tags": ["a"]}, {"ctx": 7}, {"messages": 7}, {"trace": 7},
        {"group": 7}, {"attrs": 7}, {"parts": 7},
    ],
)  # fmt: skip
def test_an_error_with_odd_details_is_shown_without_them(store: Store, odd: dict[str, object]) -> None:
    context = make_context()
    frame = json.loads(frames_of(make_context())[1])
    store.ingest(Batch("j", 0, 9, [wire.dumps({**frame, "id": new_id(), **odd}), *frames_of(context)]))
    shown = store.errors()
    assert len(shown) == 2
    assert context in shown
    assert {error.error_message for error in shown} == {context.error_message}
    assert {error.fingerprint for error in shown} == {context.fingerprint}
    assert {(type(error.tags), type(error.additional_context)) for error in shown} == {(dict, dict)}


def test_a_text_that_is_none_is_refused_whatever_else_is_odd(store: Store) -> None:
    """It would keep all groups from being shown."""
    context = make_context()
    bad = wire.dumps({**wire.encode_count(make_context()), "fp": "\ud800", "site": 7})
    store.ingest(Batch("j", 0, 9, [bad, *frames_of(context)]))
    assert [group.fingerprint for group in store.groups()] == [context.fingerprint]
    assert store.health().damaged == 1


@pytest.mark.parametrize("number", [10**18, 2**63, 10**30])
def test_a_number_that_no_store_can_keep_holds_up_nothing(store: Store, number: int) -> None:
    one, other = make_context(), make_context()
    odd = unseal(seal(wire.encode_error(other)[0], f',"n":{number}'))[0]
    assert store.ingest(Batch("j", 0, 9, [*frames_of(one), *odd])) == 9
    assert store.health().errors == 2


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


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("type", "half \udc80"), ("fp", "\ud800"), ("fp", None), ("sev", 7), ("sev", "bad")),
        *(("ts", "late"), ("ts", -1), ("ts", 1.5), ("ts", 10**18), ("ts", 10**30)),
    ],
)
@pytest.mark.parametrize("kind", ["error", "count"])
def test_what_can_be_neither_shown_nor_added_up_is_refused(store: Store, kind: str, member: str, value: object) -> None:
    """One frame of whatever has written it would keep all others from being shown."""
    one, other = make_context(), make_context(error_message="a line\nand another")
    frame = json.loads(frames_of(other)[1]) if kind == "error" else wire.encode_count(other)
    bad = wire.dumps({**frame, "id": new_id(), member: value})
    assert store.ingest(Batch("j", 0, 9, [*frames_of(one), bad, bad])) == 9
    assert store.errors() == [one]
    assert [(group.count, group.severity, group.last_seen) for group in store.groups()] == [(1, one.severity, NOON)]
    assert store.count_by_severity(None, ErrorSeverity.DEBUG) == {ErrorSeverity.ERROR: 1}
    assert store.health().damaged == 2


@pytest.mark.parametrize("amount", [10**30, -5, 0, 2**62, 1.5, "7", True])
def test_a_count_of_so_many_is_refused(store: Store, amount: object) -> None:
    context = make_context()
    store.ingest(Batch("j", 0, 9, [*frames_of(context), wire.dumps({**wire.encode_count(context), "count": amount})]))
    assert store.groups()[0].count == 1
    assert store.health().damaged == 1


@pytest.mark.parametrize(("member", "value"), [("status", "splendid"), ("duration", -1.0), ("started_at", 10**18)])
def test_an_attempt_that_cannot_be_shown_is_refused(store: Store, member: str, value: object) -> None:
    attempt = attempt_at(make_context())
    bad = wire.dumps({**wire.encode_attempt(replace(attempt, attempt_id="bad")), member: value})
    store.ingest(Batch("j", 0, 1, [bad, *encoded(attempt)]))
    assert store.recent_attempts() == [attempt]
    assert store.health().damaged == 1


@pytest.mark.parametrize("place", range(4))
def test_beside_one_that_is_refused_all_others_are_added(store: Store, place: int) -> None:
    errors = [frames_of(make_context())[1] for _ in range(3)]
    for number in range(max(1, place), 4):
        start = store.reached("j")[0]
        store.ingest(Batch("j", start, start + 1, [*errors[:place], '{"k":"error"}', *errors[place:number]]))
        assert store.health().errors == number
    assert store.health().damaged == 4 - max(1, place)


def test_an_error_that_is_there_already_takes_no_second_try(
    file_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries, attempt = [], file_store._attempt

    def count(_: SQLiteStore, execute: Execute, arrived: Arrived) -> bool:
        tries.append(len(arrived.errors))
        return attempt(execute, arrived)

    monkeypatch.setattr(SQLiteStore, "_attempt", count)
    context = make_context()
    add(file_store, context, context)
    early, late = (make_context(timestamp=NOON + n * SECOND) for n in (-1, 1))
    add(file_store, early, context, late, journal="again")
    assert tries == [2, 3]


def test_what_was_refused_is_counted_with_what_was_damaged(store: Store) -> None:
    for journal in ("one", "two"):
        store.ingest(Batch(journal, 0, 9, ["not json", *frames_of(make_context()), "nor this"], damaged=3))
        store.ingest(Batch(journal, 9, 10, frames_of(make_context()), damaged=1))
    assert store.health().damaged == 12
    store.ingest(Batch("one", 10, 11, ["not json"] * 4))
    assert store.health().damaged == 16


def test_hostile_text_comes_back(store: Store) -> None:
    text = "'; DROP TABLE errors; -- \x1b[2J \u202e \\ud800 \" \n é 🦙"
    context = make_context(error_message=text, error_type=text, fingerprint=text, logger_name=text)
    add(store, context)
    assert store.find(context.error_id) == context
    assert store.counts(None, ErrorSeverity.DEBUG, 5).by_type == {text: 1}


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
    with contextlib.closing(open_store(store_url)) as store:
        assert store.errors() == []
        assert store.groups() == []
    assert not os.path.exists(store_url.path)


def test_nobody_else_may_write_to_the_folders_that_are_made(tmp_path: Path) -> None:
    """Daemons clear the umask (PEP 3143): another user could put a registry of his in place of ours."""
    url = urls.parse(f"sqlite:///{tmp_path}/a/b/errors.db")
    before = os.umask(0)
    try:
        with contextlib.closing(open_store(url)) as store:
            add(store, make_context())
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b")] == [0o755, 0o755]


def test_the_file_is_its_owners(store_url: urls.StoreURL, file_store: SQLiteStore) -> None:
    add(file_store, make_context())
    assert os.stat(store_url.path).st_mode & 0o777 == 0o600


def test_a_file_of_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("my notes, and nobody's registry")
    store = open_store(urls.parse(f"sqlite:///{tmp_path}/notes.txt"))
    with pytest.raises(StoreError, match="not a SQLite database; it was left as it is"):
        add(store, make_context())
    assert (tmp_path / "notes.txt").read_text() == "my notes, and nobody's registry"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = open_store(urls.parse(f"sqlite:///{tmp_path}/file/errors.db"))
    with contextlib.closing(store), pytest.raises(StoreError, match=r"file/errors\.db"):
        add(store, make_context())


def test_a_registry_of_a_newer_version_is_refused(store_url: urls.StoreURL, file_store: SQLiteStore) -> None:
    add(file_store, make_context())
    file_store.close()
    with sqlite3.connect(store_url.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer version"):
        file_store.errors()


def test_who_has_it_open_when_a_newer_version_comes_writes_no_more(store: Store) -> None:
    """What the newer one counts besides would be missing for good; errors wait in the journal."""
    assert isinstance(store, SQLStore)
    add(store, make_context())
    with store._transaction() as execute:
        if isinstance(store, SQLiteStore):
            execute("PRAGMA user_version = 99")
        else:
            execute("UPDATE registry SET value = '99' WHERE name = 'version'")
    group = make_context().fingerprint
    writes = (lambda: add(store, make_context()), lambda: store.mute(group, NOON), lambda: store.note(NOON, "k", ""))
    for write in (lambda: store.ingest(Batch("j", 1, 2, frames_of(make_context()))), *writes):
        with pytest.raises(StoreError, match=r"made by a newer version of llama_logging \(schema 99\)"):
            write()


def test_a_child_does_not_use_its_parents_connection(store: Store) -> None:
    add(store, make_context())
    child = os.fork()
    if not child:
        add(store, make_context(), journal="child")
        os._exit(0 if len(store.errors()) == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(store.errors()) == 2


def test_a_killed_transaction_leaves_nothing_half_done(store_url: urls.StoreURL, file_store: SQLiteStore) -> None:
    """Rows, counts and checkpoint are one: a child dies between them."""
    add(file_store, make_context())
    file_store.close()
    child = os.fork()
    if not child:
        with SQLiteStore(store_url)._transaction() as execute:
            execute("INSERT INTO journals VALUES ('half', 5, 0, '')")
            execute("UPDATE groups SET count = 99")
            os._exit(0)
    os.waitpid(child, 0)
    assert file_store.reached("half")[0] == 0
    assert file_store.groups()[0].count == 1


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
        assert [group.error_message for group in store.groups()] == ["whole"]
    for number, places in enumerate(((0, 1), (1, 0)), 3):
        whole = make_context(error_message="whole", additional_context={"cart": 7})
        versions = replace(whole, error_message="early", complete=False), whole
        add(store, *(versions[place] for place in places))
        assert store.find(whole.error_id) == whole
        assert [(group.count, group.error_message) for group in store.groups()] == [(number, "whole")]


def test_an_error_that_says_more_may_go_to_another_group(store: Store) -> None:
    """A rule groups it by what it says; the group it leaves is as if it had never been there."""
    add(store, make_context(fingerprint="v1:a", error_message="other", timestamp=NOON - HOUR))
    whole = make_context(fingerprint="v1:b", grouping=("by rule",), error_message="whole")
    add(store, replace(whole, fingerprint="v1:a", grouping=("a",), error_message="early", complete=False))
    assert counted(store) == {"v1:a": 2}
    add(store, whole)
    assert counted(store) == {"v1:a": 1, "v1:b": 1}
    assert store.find(whole.error_id) == whole
    assert kinds(store, "v1:b") == ["new"]
    assert [group.error_message for group in store.groups()] == ["whole", "other"]
    store.move([Move(whole.error_id, "v1:c", ("c",))], NOON)
    add(store, make_context(fingerprint="v1:d"))
    assert counted(store) == {"v1:a": 1, "v1:c": 1, "v1:d": 1}


def test_an_error_that_was_moved_stays_there_when_its_journal_is_read_again(store: Store) -> None:
    """Also one that came early, and then whole."""
    whole = make_context(fingerprint="v1:a")
    add(store, replace(whole, complete=False))
    add(store, whole)
    store.move([Move(whole.error_id, "v1:b", ("b",))], NOON)
    add(store, whole, journal="again")
    assert counted(store) == {"v1:b": 1}
    assert store.find(whole.error_id).grouping == ("b",)


def test_who_else_logged_an_error_is_kept_once(store: Store) -> None:
    context = make_context()
    add(store, context)
    frames = [
        wire.dumps(wire.encode_sighting(replace(context, timestamp=NOON + n * SECOND, logger_name=f"layer{n}")))
        for n in (2, 1)
    ]
    for journal in ("one", "two"):
        store.ingest(Batch(journal, 0, 1, frames))
    assert [(each.error_id, each.logger_name) for each in store.sightings(context.error_id)] == [
        (context.error_id, "layer1"), (context.error_id, "layer2"),
    ]  # fmt: skip
    assert counted(store) == {context.fingerprint: 1}


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
    assert store.unmerge(["v1:1", "v1:3", "v1:2"], NOON) == 2
    assert counted(store) == {"v1:0": 1, "v1:1": 2, "v1:2": 1, "v1:3": 1}


def test_a_merge_that_fails_changes_nothing(store: Store) -> None:
    """And what comes after it goes on."""
    add(store, make_context(fingerprint="v1:a"), make_context(fingerprint="v1:b"))
    with pytest.raises(ErrorNotFound):
        store.merge("v1:a", ["v1:b", "v1:none"], NOON)
    add(store, make_context(fingerprint="v1:b"))
    assert counted(store) == {"v1:a": 1, "v1:b": 2}


def test_each_merged_group_counts_its_own(store: Store) -> None:
    add(store, *(make_context(fingerprint=f"v1:{n}", timestamp=NOON + n * HOUR) for n in range(6)))
    store.merge("v1:0", ["v1:3"], NOON)
    store.merge("v1:2", ["v1:1", "v1:4"], NOON)
    assert {group.fingerprint: (group.count, group.merged) for group in store.groups()} == {
        "v1:0": (2, ("v1:3",)), "v1:2": (3, ("v1:1", "v1:4")), "v1:5": (1, ()),
    }  # fmt: skip


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


def test_merged_groups_have_the_place_of_the_whole(store: Store) -> None:
    numbers = {"a": 9, "b": 5, "c": 5, "d": 6, "e": 7}
    moments = {"a": 1, "b": 0, "c": 9, "d": 8, "e": 7}
    add(
        store,
        *(
            make_context(fingerprint=f"v1:{name}", timestamp=NOON + moments[name] * HOUR)
            for name, number in numbers.items()
            for _ in range(number)
        ),
    )
    store.merge("v1:b", ["v1:c"], NOON)

    def names(order: Any, limit: int, offset: int = 0) -> str:
        found = store.groups(order=order, limit=limit, offset=offset)
        return "".join(group.fingerprint.removeprefix("v1:") for group in found)

    for order, expected in {"count": "baed", "last_seen": "bdea", "first_seen": "deab"}.items():
        for limit in range(1, 6):
            assert names(order, limit) == expected[:limit]
            assert names(order, 2, limit) == expected[limit : limit + 2]


def test_merged_groups_are_asked_for_as_they_are_shown(store: Store) -> None:
    """By what the whole says, and words of any of them."""
    add(
        store,
        make_context(fingerprint="v1:a", error_message="old", severity=ErrorSeverity.CRITICAL),
        make_context(fingerprint="v1:b", error_message="new", timestamp=NOON + HOUR),
        make_context(fingerprint="v1:c", error_message="other", timestamp=NOON + HOUR),
    )
    store.merge("v1:a", ["v1:b"], NOON)
    store.resolve("v1:c", NOON + 2 * HOUR)
    whole = store.group("v1:b")
    assert whole is not None
    for search in ("old", "new", ""):
        found = store.groups(since=NOON + HOUR, at_least=ErrorSeverity.CRITICAL, state=GroupState.OPEN, search=search)
        assert found == [whole]
    for unlike in ({"since": NOON + 2 * HOUR}, {"state": GroupState.RESOLVED, "search": "new"}, {"search": "none"}):
        assert store.groups(**unlike) == []


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


def test_a_group_that_errors_leave_is_what_is_left(store: Store) -> None:
    moments = [NOON, NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR]
    severities = [ErrorSeverity.INFO, ErrorSeverity.CRITICAL, ErrorSeverity.ERROR, ErrorSeverity.WARNING]
    contexts = [
        make_context(timestamp=moment, severity=severity, error_message=f"{severity}")
        for moment, severity in zip(moments, severities, strict=True)
    ]
    add(store, *contexts)
    store.move([Move(contexts[n].error_id, "v1:b", ("b",)) for n in (0, 1)], NOON)
    left, entered = store.groups()
    assert (left.first_seen, left.last_seen, left.severity) == (moments[2], moments[3], ErrorSeverity.ERROR)
    assert (left.last_error_id, left.error_message) == (contexts[3].error_id, f"{ErrorSeverity.WARNING}")
    assert (entered.first_seen, entered.last_seen, entered.severity) == (*moments[:2], ErrorSeverity.CRITICAL)
    assert (entered.last_error_id, entered.count) == (contexts[1].error_id, 2)
    add(store, make_context(fingerprint="v1:b"))
    assert kinds(store, "v1:b") == ["new"]


def test_of_each_group_that_errors_leave_the_newest_that_stays_speaks(store: Store) -> None:
    contexts = {
        (name, hours): make_context(fingerprint=f"v1:{name}", timestamp=NOON + hours * HOUR)
        for name in "ab"
        for hours in range(2)
    }
    add(store, *contexts.values())
    store.move([Move(contexts[name, 1].error_id, "v1:c", ("c",)) for name in "ab"], NOON)
    newest = {group.fingerprint: (group.last_seen, group.last_error_id) for group in store.groups()}
    assert [newest[f"v1:{name}"] for name in "ab"] == [(NOON, contexts[name, 0].error_id) for name in "ab"]


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


# --- what becomes of a group


def kinds(store: Store, fingerprint: str | None = None) -> list[str]:
    return [change.kind for change in store.changes(fingerprint)]


def state(store: Store) -> GroupState:
    (group,) = store.groups()
    return group.state


def test_a_group_is_new_once(store: Store) -> None:
    add(store, make_context(), make_context())
    add(store, make_context())
    assert kinds(store) == ["new"]


def test_a_resolved_group_that_comes_back_has_regressed(store: Store) -> None:
    """Only by what was logged after it was resolved: what arrives late proves nothing."""
    add(store, make_context(timestamp=NOON))
    store.resolve("v1:0123456789abcdef", NOON + HOUR, "ada")
    add(store, make_context(timestamp=NOON + MINUTE), make_context(timestamp=NOON + HOUR))
    assert state(store) is GroupState.RESOLVED
    assert store.groups()[0].state_at == NOON + HOUR
    add(store, make_context(timestamp=NOON + HOUR + MINUTE), make_context(timestamp=NOON + 2 * HOUR))
    assert state(store) is GroupState.REGRESSED
    assert kinds(store) == ["regressed", "resolved", "new"]
    assert [(change.by, change.at) for change in store.changes()][:2] == [("", NOON + 2 * HOUR), ("ada", NOON + HOUR)]
    add(store, make_context(timestamp=NOON + 3 * HOUR))
    assert kinds(store) == ["regressed", "resolved", "new"]


def in_release(release: str, hours: int, name: str = "") -> ErrorContext:
    return make_context(
        timestamp=NOON + hours * HOUR, process=replace(process.current(), process=name or release, release=release)
    )


def arrive(store: Store, *contexts: ErrorContext) -> None:
    opening = [wire.dumps(wire.encode_process(context.process)) for context in contexts if context.process]
    start = store.reached("r")[0]
    store.ingest(Batch("r", start, start + 1, [*opening, *frames_of(*contexts)]))


def test_a_regression_names_the_latest_of_several_releases(store: Store) -> None:
    arrive(store, in_release("1.0", 0))
    store.resolve("v1:0123456789abcdef", NOON + HOUR)
    arrive(store, in_release("1.1", 2), in_release("1.2", 3))
    assert next((change.kind, change.detail) for change in store.changes()) == ("regressed", "1.2")


def test_of_what_is_only_counted_the_latest_tells_the_release(store: Store) -> None:
    errors = [in_release("1.0", 0), in_release("1.1", 2), in_release("1.0", 1)]
    opening = [wire.dumps(wire.encode_process(error.process)) for error in errors[:2] if error.process]
    store.ingest(Batch("r", 0, 1, [*opening, *(wire.dumps(wire.encode_count(error)) for error in errors)]))
    (group,) = store.groups()
    assert (group.count, group.first_release, group.last_release) == (3, "1.0", "1.1")


def test_releases_are_ordered_by_when_they_were_first_seen(store: Store) -> None:
    """In whichever of their processes."""
    arrive(store, *(in_release("1.9", hours, name) for hours, name in ((0, "one"), (2, "one"), (2, "other"))))
    arrive(store, in_release("2.0-beta", 1), in_release("10.0", 3))
    assert list(store.releases()) == ["10.0", "2.0-beta", "1.9"]
    (group,) = store.groups()
    assert (group.last_release, state(store)) == ("10.0", GroupState.OPEN)


@pytest.mark.parametrize(
    ("release", "after_latest", "expected"),
    [
        ("b", False, {"a": "resolved", "b": "regressed", "c": "regressed", "": "regressed"}),
        ("", True, {"a": "resolved", "b": "resolved", "c": "regressed"}),
        ("z", False, {"a": "resolved", "b": "resolved", "z": "regressed"}),
        ("never seen", False, {"a": "resolved", "b": "resolved", "later": "regressed"}),
        ("", False, {"a": "regressed"}),
    ],
)
def test_resolved_in_a_release_expects_errors_of_earlier_ones(
    store: Store, release: str, after_latest: bool, expected: dict[str, str]
) -> None:
    arrive(store, in_release("a", 0), in_release("b", 1))
    for number, (seen, becomes) in enumerate(expected.items()):
        store.resolve("v1:0123456789abcdef", NOON + 2 * HOUR, release=release, after_latest=after_latest)
        arrive(store, in_release(seen, 3 + number))
        assert state(store).value == becomes, seen


def test_a_muted_group_counts_on_until_its_time_is_up(store: Store) -> None:
    add(store, make_context())
    store.mute("v1:0123456789abcdef", NOON, "ada", until=datetime.now(UTC) + HOUR)
    add(store, make_context(timestamp=NOON + HOUR))
    assert (state(store), store.groups()[0].count) == (GroupState.MUTED, 2)
    store.mute("v1:0123456789abcdef", NOON, until=NOON + HOUR)
    add(store, make_context(fingerprint="v1:other"))
    assert {group.state for group in store.groups()} == {GroupState.OPEN}
    assert kinds(store, "v1:0123456789abcdef") == ["unmuted", "muted", "muted", "new"]


@pytest.mark.parametrize(("late", "becomes"), [(-1, GroupState.MUTED), (0, GroupState.OPEN)])
def test_the_time_is_up_at_the_very_moment(
    store: Store, monkeypatch: pytest.MonkeyPatch, late: int, becomes: GroupState
) -> None:
    add(store, make_context())
    store.mute("v1:0123456789abcdef", NOON, until=NOON + HOUR)
    monkeypatch.setattr(store, "_now", lambda _: to_microseconds(NOON + HOUR) + late)
    add(store, make_context())
    assert state(store) is becomes


def test_who_asks_sees_that_the_time_is_up_before_anything_comes_in(
    store: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is merged, too; that it has changed is written with the next batch, once."""
    group, until = "v1:a", NOON + HOUR
    add(store, make_context(fingerprint=group), make_context(fingerprint="v1:b"), make_context(fingerprint="v1:c"))
    store.merge(group, ["v1:b"], NOON)
    store.mute(group, NOON, until=until)

    def seen(now: int) -> tuple[list[str], list[str], int, int]:
        monkeypatch.setattr(store, "_now", lambda _: now)
        states, found = store.states(), (GroupState.MUTED, GroupState.OPEN)
        muted, opened = (sorted(each.fingerprint for each in store.groups(state=state)) for state in found)
        return muted, opened, states[GroupState.MUTED], states[GroupState.OPEN]

    assert seen(to_microseconds(until) - 1) == ([group], ["v1:c"], 1, 1)
    assert seen(to_microseconds(until)) == ([], [group, "v1:c"], 0, 2)
    assert kinds(store, group)[0] == "muted"
    shown = store.group(group)
    assert shown is not None
    assert (shown.state, shown.state_at, shown.muted_until) == (GroupState.OPEN, until, None)
    for _ in range(2):
        add(store, make_context(fingerprint="v1:c"))
        assert store.group(group) == shown
        assert kinds(store, group).count("unmuted") == 1


def test_who_may_only_read_sees_that_the_time_is_up(store_url: urls.StoreURL, file_store: SQLiteStore) -> None:
    add(file_store, make_context())
    file_store.mute(make_context().fingerprint, NOON, until=NOON + HOUR)
    with contextlib.closing(SQLiteStore(store_url, reading=True)) as reader:
        assert [group.state for group in reader.groups(state=GroupState.OPEN)] == [GroupState.OPEN]


def test_a_muted_group_is_open_again_once_it_comes_too_often(store: Store) -> None:
    add(store, *[make_context(timestamp=NOON - MINUTE)] * 1)
    store.mute("v1:0123456789abcdef", NOON, count=3, period=600)
    add(store, *(make_context(timestamp=NOON + n * HOUR) for n in range(4)))
    assert state(store) is GroupState.MUTED
    add(store, *(make_context(timestamp=NOON + 9 * HOUR + n * MINUTE) for n in range(3)))
    assert state(store) is GroupState.OPEN
    assert kinds(store)[0] == "unmuted"
    assert store.changes()[0].at == NOON + 9 * HOUR + 2 * MINUTE


def test_what_is_only_counted_changes_a_group_as_an_error_does(store: Store) -> None:
    def count(hours: int) -> None:
        frame = {"k": "count", "proc": "p", "ts": to_microseconds(NOON + hours * HOUR), "sev": 40, "fp": "v1:a"}
        start = store.reached("j")[0]
        store.ingest(Batch("j", start, start + 1, [wire.dumps({**frame, "type": "ValueError", "count": 5})]))

    count(0)
    assert kinds(store) == ["new"]
    store.resolve("v1:a", NOON + HOUR)
    count(2)
    assert state(store) is GroupState.REGRESSED
    assert (store.groups()[0].first_seen, store.groups()[0].last_seen) == (NOON, NOON + 2 * HOUR)
    store.mute("v1:a", NOON + 3 * HOUR, count=5, period=60)
    count(4)
    assert state(store) is GroupState.OPEN
    assert store.groups()[0].count == sum(each.count for each in store.unkept()) == 15


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("later", [0, 1])
def test_beside_what_is_only_counted_the_newest_whole_error_speaks(store: Store, known: bool, later: int) -> None:
    """For a new group, and for one whose older errors have spoken before."""
    if known:
        add(store, make_context(timestamp=NOON - HOUR, error_message="before"))
    first, newest = (make_context(timestamp=NOON + n * SECOND, error_message=f"error {n}") for n in range(2))
    until = NOON + SECOND + later * MINUTE
    count = {**wire.encode_count(replace(newest, timestamp=until)), "type": "Counted", "count": 5}
    start = store.reached("j")[0]
    store.ingest(Batch("j", start, start + 1, [*frames_of(newest, first), wire.dumps(count)]))
    (group,) = store.groups()
    assert (group.last_error_id, group.error_message) == (newest.error_id, "error 1")
    assert (group.error_type, group.logger_name) == (newest.error_type, newest.logger_name)
    assert (group.first_seen, group.last_seen, group.count) == (NOON - known * HOUR, until, 7 + known)


def test_a_whole_error_speaks_for_a_group_that_was_only_counted(store: Store) -> None:
    """However late it comes in."""
    error = make_context()
    count = wire.encode_count(replace(error, timestamp=NOON + HOUR))
    store.ingest(Batch("other", 0, 1, [wire.dumps(count)]))
    add(store, error)
    (group,) = store.groups()
    assert (group.last_error_id, group.error_message) == (error.error_id, error.error_message)
    assert (group.first_seen, group.last_seen) == (NOON, NOON + HOUR)


def test_the_first_release_of_a_group_is_that_of_its_first_error(store: Store) -> None:
    """However they come in: a journal may have waited for a database, and another process's may be older."""
    arrive(store, in_release("2.0", 2), in_release("1.0", 1), in_release("3.0", 3))
    (group,) = store.groups()
    assert (group.first_release, group.last_release) == ("1.0", "3.0")
    arrive(store, in_release("0.9", 0))
    arrive(store, in_release("2.5", 2))
    (group,) = store.groups()
    assert (group.first_release, group.last_release) == ("0.9", "3.0")


def test_the_first_release_of_merged_groups_is_that_of_the_first_of_them(store: Store) -> None:
    """Whichever of them they are shown in."""
    arrive(store, *(replace(in_release(f"{n}.0", n), fingerprint=f"v1:{n}") for n in range(3)))
    store.merge("v1:1", ["v1:0", "v1:2"], NOON)
    (group,) = store.groups()
    assert (group.first_release, group.last_release) == ("0.0", "2.0")


def test_of_errors_of_one_moment_the_first_that_was_written_was_the_first(store: Store) -> None:
    arrive(store, in_release("1.0", 0), in_release("1.1", 0))
    arrive(store, in_release("1.2", 0))
    (group,) = store.groups()
    assert (group.first_release, group.last_release) == ("1.0", "1.2")


def test_an_error_takes_its_release_to_the_group_it_moves_to(store: Store) -> None:
    contexts = [in_release("1.0", 0), in_release("2.0", 1)]
    arrive(store, *contexts)
    store.move([Move(context.error_id, "v1:b", ("b",)) for context in contexts], NOON)
    (group,) = store.groups()
    assert (group.fingerprint, group.first_release, group.last_release) == ("v1:b", "1.0", "2.0")
    assert (group.logger_name, group.source) == ("shop", "shop.cart.add")


def test_merged_groups_come_too_often_together(store: Store) -> None:
    add(store, make_context(fingerprint="v1:a"), make_context(fingerprint="v1:b"), make_context(fingerprint="v1:c"))
    store.merge("v1:a", ["v1:b"], NOON)
    store.mute("v1:a", NOON + MINUTE, count=3, period=600)
    add(store, *(make_context(fingerprint=f"v1:{name}", timestamp=NOON + HOUR) for name in "bac"))
    assert len(store.groups(state=GroupState.MUTED)) == 1
    add(store, make_context(fingerprint="v1:b", timestamp=NOON + HOUR))
    assert store.groups(state=GroupState.MUTED) == []


def test_the_minute_in_which_it_was_muted_counts(store: Store) -> None:
    add(store, make_context(timestamp=NOON - HOUR))
    store.mute("v1:0123456789abcdef", NOON + SECOND, count=3, period=600)
    add(store, *(make_context(timestamp=NOON + 2 * SECOND) for _ in range(3)))
    assert state(store) is GroupState.OPEN


@pytest.mark.parametrize("member", ["v1:a", "v1:b"])
def test_what_came_before_it_was_muted_is_no_reason_to_unmute_it(store: Store, member: str) -> None:
    """Also in the same minute, and in what is merged."""
    add(store, *(make_context(fingerprint=f"v1:{name}", timestamp=NOON + SECOND) for name in "aaabbb"))
    store.merge("v1:a", ["v1:b"], NOON)
    store.mute("v1:a", NOON + SECOND, count=3, period=600)
    add(store, *(make_context(fingerprint=member, timestamp=NOON + n * SECOND) for n in (0, 2, 3)))
    assert state(store) is GroupState.MUTED
    add(store, make_context(fingerprint=member, timestamp=NOON + MINUTE))
    assert state(store) is GroupState.OPEN


def test_the_minute_in_which_it_was_muted_is_over_with_the_period(store: Store) -> None:
    add(store, make_context(timestamp=NOON - HOUR))
    store.mute("v1:0123456789abcdef", NOON, count=3, period=120)
    for late in (SECOND, SECOND, 2 * MINUTE):
        add(store, make_context(timestamp=NOON + late))
    assert state(store) is GroupState.MUTED


@pytest.mark.parametrize(("minutes", "becomes"), [((0, 1, 2), "muted"), ((0, 1, 1), "open"), ((0, 0, 0), "open")])
def test_too_often_is_so_many_within_the_period(store: Store, minutes: Sequence[int], becomes: str) -> None:
    """Counted by minutes, those that have gone by in full."""
    add(store, make_context())
    store.mute("v1:0123456789abcdef", NOON + MINUTE, count=3, period=120)
    for minute in minutes:
        add(store, make_context(timestamp=NOON + HOUR + minute * MINUTE))
    assert state(store).value == becomes


def test_for_ever_is_for_ever_and_can_be_taken_back(store: Store) -> None:
    add(store, make_context())
    store.mute("v1:0123456789abcdef", NOON)
    add(store, *(make_context(timestamp=NOON + n * MINUTE) for n in range(50)))
    assert state(store) is GroupState.MUTED
    store.reopen("v1:0123456789abcdef", NOON)
    assert state(store) is GroupState.OPEN
    with pytest.raises(ErrorNotFound, match="no group has the fingerprint 'v1:none'"):
        store.reopen("v1:none", NOON)


def test_the_state_of_merged_groups_is_that_of_the_one_that_is_shown(store: Store) -> None:
    add(store, make_context(fingerprint="v1:a"), make_context(fingerprint="v1:b"))
    store.merge("v1:a", ["v1:b"], NOON, "ada")
    store.resolve("v1:b", NOON)
    assert state(store) is GroupState.RESOLVED
    assert [group.fingerprint for group in store.groups(state=GroupState.RESOLVED)] == ["v1:a"]
    add(store, make_context(fingerprint="v1:b", timestamp=NOON + HOUR))
    assert state(store) is GroupState.REGRESSED
    assert store.groups(state=GroupState.OPEN) == []
    assert "merged" in kinds(store, "v1:a")


def test_groups_may_be_had_in_other_orders(store: Store) -> None:
    add(
        store,
        make_context(fingerprint="v1:old", timestamp=NOON - HOUR),
        make_context(fingerprint="v1:old", timestamp=NOON),
    )
    add(
        store,
        make_context(fingerprint="v1:often", timestamp=NOON - 2 * HOUR),
        *[make_context(fingerprint="v1:often", timestamp=NOON - HOUR) for _ in range(4)],
    )
    add(store, make_context(fingerprint="v1:new", timestamp=NOON - MINUTE))

    def names(order: Any) -> list[str]:
        return [group.fingerprint.removeprefix("v1:") for group in store.groups(order=order)]

    assert names("last_seen") == ["old", "new", "often"]
    assert names("first_seen") == ["new", "old", "often"]
    assert names("count") == ["often", "old", "new"]


# --- words


def test_words_are_found_wherever_they_stand(store: Store) -> None:
    stack = {"template": "Traceback\n  File '/srv/shop/tax.py', line 3, in vat\n\0", "fingerprint": "v1:tax"}
    one = make_context(
        error_message="no rate for order A-17 of Čapek", tags={"tenant": "acme"}, trace_id="deadbeef", **stack,
        additional_context={"request_id": "8f14e45f-ceea", "pages": 4711, "deep": ["nested"], "body": "long " * 20},
    )  # fmt: skip
    other = make_context(error_message="no rate for order A-18", error_type="KeyError", fingerprint="v1:key")
    add(store, one, other, *[make_context(fingerprint="v1:many", error_message=f"lost {n}") for n in range(30)])

    def found(text: str) -> set[str]:
        return {group.fingerprint for group in store.groups(search=text)}

    assert found("order 17") == {"v1:tax"}
    assert found("17") == {"v1:tax", "v1:many"}
    assert found("rate ORDER") == {"v1:tax", "v1:key"}
    assert found("keyerr") == {"v1:key"}
    assert found("tax.py vat") == {"v1:tax"}
    assert found("acme rate") == {"v1:tax"}
    assert found("acme 18") == set()
    assert found("deadbeef") == found("čapek") == {"v1:tax"}
    assert found("8f14e45f") == found("4711 vat") == {"v1:tax"}
    assert found("nested") == found("long") == set()
    assert found("lost 29") == {"v1:many"}
    assert found("lost 31") == set()
    assert found('" OR * -') == found("or") == {"v1:tax", "v1:key"}
    assert found('"* -') == set()
    assert found("no-such-word") == set()


@pytest.mark.parametrize(
    "trace_id", ["0af7651916cd43dd8448eb211c80319c", "0AF76519-16cd-43dd-8448-eb211c80319c", "no-17", 'x"y']
)
def test_the_errors_of_a_trace_are_found_whatever_it_is_called(store: Store, trace_id: str) -> None:
    """Also where a word of it is one of the group's, which is indexed for that alone."""
    error, other = (make_context(trace_id=name, error_message="no rate") for name in (trace_id, f"{trace_id}-2"))
    add(store, error, other)
    assert store.errors_of_trace(trace_id) == store.errors_of_trace(trace_id.swapcase()) == [error]


@pytest.mark.parametrize("trace_id", ["", "-", "\0", "\0a", '"', '" OR "a', "a*", "a-b"])
def test_a_trace_that_is_none_has_no_errors(store: Store, trace_id: str) -> None:
    add(store, make_context(trace_id="ab"), make_context())
    assert store.errors_of_trace(trace_id) == []


def test_what_comes_later_is_found_too(store: Store) -> None:
    store.remember("a", "registry without errors")
    assert store.groups(search="first") == []
    add(store, make_context(error_message="first"))
    assert store.groups(search="second") == []
    add(store, make_context(error_message="second 2"))
    assert [group.count for group in store.groups(search="2")] == [2]


def test_a_word_leads_to_the_groups_that_have_its_errors(store: Store) -> None:
    """Whenever these came; where they have moved to, and as long as they are there."""
    add(store, *(make_context(timestamp=NOON - n * DAY, fingerprint=f"v1:{n % 3}", error_message="a1") for n in (0, 4)))
    late = make_context(timestamp=NOON - 40 * DAY, fingerprint="v1:2", error_message="a17")
    add(store, late)
    assert {group.fingerprint for group in store.groups(search="a1")} == {"v1:0", "v1:1", "v1:2"}
    store.move([Move(late.error_id, "v1:moved", ("moved",))], NOON)
    assert [group.fingerprint for group in store.groups(search="a17")] == ["v1:moved"]
    while store.prune(Retention(period=86400.0), NOON, 100):
        pass
    assert [group.fingerprint for group in store.groups(search="a1")] == ["v1:0"]


def test_words_that_many_errors_have_are_found_together_in_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though more of the newest have either of them than are looked at."""
    monkeypatch.setattr(words, "MOST", 20)
    number = 2501 if store.url.startswith("postgresql") else 21
    add(store, make_context(error_message="b1 b2", fingerprint="v1:both"))
    add(store, make_context(error_message="b1", error_type="LegacyError", fingerprint="v1:old", timestamp=NOON - HOUR))
    add(store, *(make_context(error_message=f"b{n % 2 + 1}", timestamp=NOON + SECOND) for n in range(2 * number)))
    assert [group.fingerprint for group in store.groups(search="b2 b1")] == ["v1:both"]
    assert [group.fingerprint for group in store.groups(search="b1 legacy")] == ["v1:old"]
    assert store.groups(search="b2 legacy") == []


def test_groups_of_one_stack_are_counted_apart(store: Store) -> None:
    """As a fingerprint of the application's own makes them."""
    one = make_context()
    names = ["v1:a", "v1:b", "v1:b", "v1:c", "v1:c", "v1:c"]
    add(store, *(replace(one, error_id=new_id(), fingerprint=name) for name in names))
    assert counted(store) == {"v1:a": 1, "v1:b": 2, "v1:c": 3}


def test_what_any_error_of_a_group_says_is_found(store: Store) -> None:
    """Not only the words that the group had when it was indexed, and what its row says now."""
    for n, name in enumerate(("alpha", "beta", "gamma")):
        more = {"error_type": f"{name.title()}Error", "logger_name": f"log.{name}"} if n else {}
        add(store, make_context(timestamp=NOON + n * SECOND, error_message=f"no {name}", line=n, function=name, **more))
        if n != 1:
            assert store.groups(search=name) == store.groups() != []
    for words_of in ("alpha", "beta", "gamma", "BetaError", "GammaError", "log.beta no", "gamma BetaError"):
        found = store.groups(search=words_of) == store.groups()
        assert found is (words_of != "gamma BetaError"), words_of


def test_words_go_with_an_error_that_is_given_to_another_group(store: Store) -> None:
    one = make_context(fingerprint="v1:one", error_message="no rate")
    add(store, one, make_context(fingerprint="v1:other", error_message="lost", timestamp=NOON + SECOND))
    assert [group.fingerprint for group in store.groups(search="rate")] == ["v1:one"]
    store.move([Move(one.error_id, "v1:other", ("other",))], NOON)
    assert [group.fingerprint for group in store.groups(search="no rate")] == ["v1:other"]
    store.undo_move()
    assert [group.fingerprint for group in store.groups(search="no rate")] == ["v1:one"]


def test_the_words_of_an_error_are_those_that_it_has_said_in_the_end(store: Store) -> None:
    """Unless it never says more."""
    now = datetime.now(UTC)
    speaking = make_context(error_message="SlowError: not asked", timestamp=now, complete=False)
    add(store, make_context(error_message="first", timestamp=now - HOUR))
    assert store.groups(search="first") == store.groups()
    add(store, speaking)
    assert store.groups(search="asked") == []
    add(store, replace(speaking, parts=("ValueError: no zanzibar\n",), complete=True, error_message="no zanzibar"))
    assert store.groups(search="zanzibar") == store.groups()
    add(store, make_context(error_message="mute", timestamp=now - HOUR, complete=False))
    assert store.groups(search="mute") == store.groups()


def test_words_of_many_groups_are_told_apart(store: Store) -> None:
    """More than are kept at hand, and met again."""
    names = [f"v1:{n}" for n in (*range(words.STEP + 50), 7)]
    add(store, *(make_context(fingerprint=name, error_type=f"E{name[3:]}", error_message="b2 E7") for name in names))
    assert {group.fingerprint for group in store.groups(search="b2 E2049")} == {"v1:2049"}
    assert len(store.groups(search="E7 b2", limit=9000)) == words.STEP + 50


# --- what is kept


def pruned_to(store: Store, errors: int) -> set[str]:
    """What is left once it was pruned to so many."""
    while store.prune(Retention(errors=errors), NOON, 7):
        pass
    return ids(*store.errors(limit=1000))


def ids(*contexts: ErrorContext) -> set[str]:
    return {context.error_id for context in contexts}


def test_pruning_drops_the_least_telling_first_and_no_count(store: Store) -> None:
    rare = make_context(fingerprint="v1:rare")
    telling = make_context(additional_context={"order": 1}, timestamp=NOON + MINUTE)
    tried = make_context(timestamp=NOON + 2 * MINUTE)
    many = [make_context(timestamp=NOON + n * MINUTE) for n in range(100)]
    add(store, many[0], telling, tried, *many[1:], rare)
    start = store.reached("j")[0]
    store.ingest(Batch("j", start, start + 1, encoded(attempt_at(tried))))
    before, counts = store.groups(), store.count_by_severity(None, ErrorSeverity.DEBUG)

    assert pruned_to(store, 24) == ids(rare, telling, tried, many[0], *many[-20:])
    assert store.groups() == before
    assert store.count_by_severity(None, ErrorSeverity.DEBUG) == counts
    assert store.attempts(tried.error_id)

    assert pruned_to(store, 23) == ids(rare, tried, many[0], *many[-20:])
    assert len(pruned_to(store, 1)) == 1
    assert store.groups() == before


def test_groups_that_have_none_to_spare_are_not_asked_one_by_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes waits for that. Of the most frequent it is likely that they have some."""
    often = [f"v1:{number:016x}" for number in range(4)]
    for fingerprint in often:
        add(store, *(make_context(fingerprint=fingerprint, timestamp=NOON + n * MINUTE) for n in range(30)))
    assert len(pruned_to(store, 84)) == 84
    add(store, *(make_context(fingerprint="v1:f", timestamp=NOON + n * MINUTE) for n in range(25)))
    asked: list[int] = []
    groups = pruning._groups

    def counting(execute: Execute, details: int, newest: int) -> Iterator[int]:
        for group in groups(execute, details, newest):
            asked.append(group)
            yield group

    monkeypatch.setattr(pruning, "_SURE", 2)
    monkeypatch.setattr(pruning, "_groups", counting)
    assert store.prune(Retention(errors=107), NOON, 10) == 2
    assert len(asked) == 2 + 1


def test_pruning_by_age(store: Store) -> None:
    old, new = make_context(timestamp=NOON - 10 * HOUR), make_context(timestamp=NOON)
    add(store, old, new)
    assert store.prune(Retention(period=3600), NOON, 10) == 1
    assert store.errors() == [new]
    assert store.groups()[0].count == 2
    assert store.prune(Retention(period=3600), NOON, 10) == 0


def test_pruning_by_age_goes_bit_by_bit_from_the_oldest_on(store: Store) -> None:
    """Of all severities; what goes by age is not counted once more where there are too many."""
    severities = (ErrorSeverity.WARNING, ErrorSeverity.ERROR, ErrorSeverity.CRITICAL)
    old = [make_context(timestamp=NOON + n * MINUTE, severity=severities[n % 3]) for n in range(12)]
    new = [make_context(timestamp=NOON + 10 * HOUR + n * MINUTE) for n in range(4)]
    add(store, *old, *new)
    retention = Retention(period=9 * 3600.0, errors=3)
    assert store.prune(retention, NOON + 10 * HOUR, 5) == 5
    kept = {error.error_id for error in store.errors(limit=100)}
    warnings = [error.error_id for error in old if error.severity is ErrorSeverity.WARNING]
    assert not kept & {*warnings, old[1].error_id}
    assert [store.prune(retention, NOON + 10 * HOUR, 5) for _ in range(3)] == [5, 3, 0]
    assert {error.error_id for error in store.errors(limit=100)} == {error.error_id for error in new[1:]}


def test_of_what_tells_much_the_first_and_the_newest_stay(store: Store) -> None:
    """Of the most frequent group the most goes."""
    often, seldom = (
        [
            make_context(timestamp=NOON + n * MINUTE, fingerprint=name, additional_context={"order": n})
            for n in range(count)
        ]
        for name, count in (("v1:often", 40), ("v1:seldom", 30))
    )
    add(store, *seldom, *often)

    assert pruned_to(store, 60) == ids(*seldom, often[0], *often[11:])
    assert pruned_to(store, 36) == ids(*seldom, often[0], *often[-5:])
    assert pruned_to(store, 12) == ids(seldom[0], *seldom[-5:], often[0], *often[-5:])
    assert pruned_to(store, 8) == ids(seldom[0], *seldom[-5:], often[0], often[-1])
    assert pruned_to(store, 4) == ids(seldom[0], seldom[-1], often[0], often[-1])
    assert pruned_to(store, 3) == ids(seldom[-1], often[0], often[-1])


def test_as_many_go_at_once_as_are_too_many(store: Store) -> None:
    """The first of a group may go too, and what was tried of one, once it is the only one that can."""
    for name, count in (("v1:often", 43), ("v1:seldom", 30)):
        errors = [make_context(timestamp=NOON + n * MINUTE, fingerprint=name) for n in range(count)]
        add(store, *errors)
    store.ingest(Batch("told", 0, 1, encoded(attempt_at(errors[-2]))))
    assert store.prune(Retention(errors=74), NOON, 100) == 0
    assert store.prune(Retention(errors=1), NOON, 100) == 72
    assert store.errors() == errors[-1:]


def test_what_was_tried_and_told_of_an_error_goes_with_it(store: Store) -> None:
    errors = [make_context(timestamp=NOON + n * MINUTE) for n in range(3)]
    add(store, *errors)
    frames = [*encoded(*map(attempt_at, errors)), *(again(error, ErrorSeverity.ERROR) for error in errors)]
    store.ingest(Batch("told", 0, 1, frames))
    assert all(store.attempts(error.error_id) and store.sightings(error.error_id) for error in errors)
    assert store.prune(Retention(period=60.0), NOON + MINUTE, 10) == 0
    assert store.prune(Retention(period=60.0), NOON + MINUTE + timedelta(microseconds=1), 10) == 1
    assert store.prune(Retention(period=60.0), NOON + HOUR, 10) == 2
    assert not any(store.attempts(error.error_id) or store.sightings(error.error_id) for error in errors)
    assert store.recent_attempts() == []


def test_attempts_that_are_told_of_after_their_error_has_gone_go_too(store: Store) -> None:
    gone, kept = make_context(), make_context(timestamp=NOON + 2 * MINUTE)
    add(store, gone, kept)
    assert store.prune(Retention(period=60.0), NOON + 2 * MINUTE, 10) == 1
    late, other = attempt_at(gone), attempt_at(kept)
    start = store.reached("j")[0]
    store.ingest(Batch("j", start, start + 1, encoded(late, other)))
    store.prune(Retention(), NOON + HOUR, 10)
    assert len(store.recent_attempts()) == 2
    store.prune(Retention(), NOON + 3 * HOUR + 30 * MINUTE, 10)
    assert store.recent_attempts() == [other]


def test_pruning_by_size(store: Store) -> None:
    """To nine tenths of what there may be, and not before there is more."""
    add(store, *(make_context(additional_context={"text": os.urandom(800).hex()}) for _ in range(1000)))
    size = store.health().size_bytes
    assert store.prune(Retention(errors=5000, size_bytes=size * 21 // 20), NOON, 1000) == 0
    assert 380 < store.prune(Retention(size_bytes=size * 2 // 3), NOON, 1000) < 420
    while store.prune(Retention(size_bytes=size // 2), NOON, 100):
        pass
    health = store.health()
    assert health.size_bytes <= size // 2
    assert 100 < health.errors < 600
    assert store.groups()[0].count == 1000


def test_groups_without_end_do_not_make_a_registry_grow_without_end(store: Outbox) -> None:
    """Whoever chooses what is logged makes as many as he likes. Those seen longest ago go first; the totals stay."""
    add(store, *(make_context(fingerprint=f"v1:{name}") for name in ("member", "resolved", "root")))
    store.resolve("v1:resolved", NOON)
    many = [
        make_context(timestamp=NOON + n * SECOND, fingerprint=f"v1:{n:03}", error_message=f"user w{n:03} {'x' * 2_000}")
        for n in range(600)
    ]
    add(store, *many)
    store.merge("v1:root", ["v1:member"], NOON)
    assert [group.fingerprint for group in store.groups(search="w007")] == ["v1:007"]
    last = store.changes_after(0, 10_000)[-1][0]

    smallest = Retention(size_bytes=1)
    assert store.prune(smallest, NOON, 500) == 500
    assert store.health().groups == 603  # of each group that is there nothing but its count is left
    while store.prune(smallest, NOON, 100):
        pass
    groups = store.groups(limit=1_000)
    assert sorted(group.fingerprint for group in groups) == ["v1:599", "v1:resolved", "v1:root"]
    assert [len(group.error_message) for group in groups if group.fingerprint == "v1:599"] == [1_000]
    assert store.groups(search="w007") == []
    assert store.count_by_severity(None, ErrorSeverity.DEBUG) == {ErrorSeverity.ERROR: 603}

    again = make_context(timestamp=NOON + HOUR, fingerprint="v1:007", error_message="user w007 once more")
    add(store, again)
    (group,) = store.groups(search="w007")
    assert (group.count, group.first_seen) == (1, again.timestamp)
    assert [change.kind for _, change in store.changes_after(last)] == ["new"]
    assert store.health().problems == ()


def test_groups_stay_while_there_is_room_for_their_counts(store: Store) -> None:
    add(store, *(make_context(fingerprint=f"v1:{n}") for n in range(5)))
    while store.prune(Retention(period=1.0, size_bytes=2**30), NOON + HOUR, 2):
        pass
    assert (store.health().errors, store.health().groups) == (0, 5)


def test_what_was_moved_out_of_a_group_that_is_gone_is_nothing_to_undo(store: Store) -> None:
    moved, stays = (make_context(fingerprint="v1:a", timestamp=NOON + n * SECOND) for n in range(2))
    add(store, moved, stays)
    store.move([Move(moved.error_id, "v1:b", ("b",))], NOON)
    while store.prune(Retention(size_bytes=1), NOON, 100):
        pass
    assert [group.fingerprint for group in store.groups()] == ["v1:b"]
    assert store.undo_move() == 0


def test_what_came_long_ago_is_counted_by_the_day_and_the_hour(store: Outbox) -> None:
    """By the minute it would take more room each day, until there is none for details. No count is lost by it."""
    moments = [NOON + n * MINUTE for n in (0, 1, 2, 61, 62)]
    add(store, *(make_context(timestamp=moment, fingerprint=f"v1:{n}") for moment in moments for n in range(2)))
    new = make_context(timestamp=NOON + 40 * DAY, fingerprint="v1:0")
    add(store, new)
    pruned_to(store, 5)
    kept = store.errors(limit=100)

    def counted() -> list[object]:
        left: list[object] = [
            store.count_by_severity(since, ErrorSeverity.DEBUG) for since in (None, NOON, NOON + HOUR)
        ]
        by_day, by_hour = (Steps.ending(NOON + HOUR, size, 3) for size in (1440, 60))
        left += [store.timeline(by_day), store.timeline(by_hour), store.activity(["v1:0", "v1:1"], by_day)]
        return [*left, [group.count for group in store.groups()], sum(each.count for each in store.unkept())]

    before, minutes = counted(), store.minutes(NOON - DAY, NOON + 50 * DAY)
    for _ in range(5):
        store.prune(Retention(), NOON + 40 * DAY, 7)
    after = store.minutes(NOON - DAY, NOON + 50 * DAY)
    assert counted() == before
    assert store.errors(limit=100) == kept
    assert sum(count for *_, count in after) == sum(count for *_, count in minutes) == 11
    day = NOON.replace(hour=0)
    details = {(error.timestamp, error.fingerprint) for error in kept}
    assert {each[:2] for each in after} == {*details, (day, "v1:0"), (day, "v1:1")}


def test_a_deleted_group_is_gone_with_all_that_was_shown_in_it(store: Store) -> None:
    merged = [make_context(fingerprint="v1:merged", error_message="name 77") for _ in range(5)]
    many = [make_context(timestamp=NOON + n * MINUTE, error_message=f"name {n}") for n in range(10)]
    other = make_context(fingerprint="v1:other")
    add(store, *many, *merged, other)
    store.merge(many[0].fingerprint, ["v1:merged"], NOON)
    attempt, kept = attempt_at(many[0]), attempt_at(other)
    start = store.reached("j")[0]
    ahead = replace(attempt, attempt_id="ahead", error_id="of a prediction")
    store.ingest(Batch("j", start, start + 1, encoded(attempt, ahead, kept)))
    assert store.groups(search="77")
    totals = store.count_by_severity(None, ErrorSeverity.DEBUG)

    # Under any of its names; bit by bit, and until the last bit it is there.
    assert not store.delete("v1:merged", "me", limit=8)
    assert [group.count for group in store.groups(order="count")] == [15, 1]
    assert not store.delete("v1:merged", "me", limit=7)
    assert store.delete("v1:merged", "me", limit=7)
    for name in ("v1:merged", many[0].fingerprint):
        assert store.group(name) is None
        assert not any((store.errors(fingerprint=name), store.changes(name), store.records(name)))
        with pytest.raises(ErrorNotFound):
            store.delete(name, limit=8)
    assert store.errors(limit=100) == [other]
    assert store.groups(search="77") == []
    assert store.recent_attempts() == [kept]
    assert list(store.unkept()) == []
    assert (store.health().groups, store.health().errors) == (1, 1)
    assert store.count_by_severity(None, ErrorSeverity.DEBUG) == totals
    assert (store.changes()[0].kind, store.changes()[0].by) == ("deleted", "me")


def test_an_error_of_a_deleted_group_makes_a_new_one(store: Outbox) -> None:
    """Also for the rules of reports and for a search, which go on from where they were."""
    add(store, make_context(severity=ErrorSeverity.CRITICAL, error_message="gone"))
    assert store.groups(search="gone")
    told = store.changes_after(0)[-1][0]
    store.mute(make_context().fingerprint, NOON)
    assert store.delete(make_context().fingerprint, limit=10)

    again = make_context(timestamp=NOON + HOUR, error_message="again")
    add(store, again)
    (group,) = store.groups()
    assert (group.count, group.first_seen, group.severity) == (1, NOON + HOUR, ErrorSeverity.ERROR)
    assert group.state is GroupState.OPEN
    new = [change for _, change in store.changes_after(told) if change.kind == "new"]
    assert [change.fingerprint for change in new] == [again.fingerprint]
    assert store.groups(search="again") == [group]
    assert store.groups(search="gone") == []


def test_what_comes_in_while_its_group_is_deleted_is_whole_or_gone(store: Store, any_url: urls.StoreURL) -> None:
    """The batch and the deletion take turns: no error is left without its group, no count without its errors."""
    over, gone = threading.Event(), threading.Event()

    def bring() -> None:
        with contextlib.closing(open_store(any_url)) as other:
            for number in range(3_000):
                if number > 60 and gone.is_set():
                    break
                add(other, *(make_context(timestamp=NOON + n * SECOND) for n in range(3)), journal=f"j{number % 2}")
        over.set()

    add(store, make_context())
    thread = threading.Thread(target=bring)
    thread.start()
    while not over.is_set():
        with contextlib.suppress(ErrorNotFound):
            if store.delete(make_context().fingerprint, limit=100):
                gone.set()
    thread.join()
    assert gone.is_set()
    counted = sum(group.count for group in store.groups())
    assert counted >= store.health().errors  # some of those that were to go may be gone
    while store.groups() and not store.delete(make_context().fingerprint, limit=100):
        pass
    assert store.health().errors == store.health().groups == 0
    assert list(store.unkept()) == []


def test_what_was_moved_out_of_a_deleted_group_stays_where_it_is(store: Store) -> None:
    moved, left = make_context(), make_context()
    add(store, moved, left)
    store.move([Move(moved.error_id, "v1:b", ("b",))], NOON)
    assert store.delete(left.fingerprint, limit=10)
    store.undo_move()
    assert [group.fingerprint for group in store.groups()] == ["v1:b"]
    assert [error.error_id for error in store.errors()] == [moved.error_id]


def test_a_stack_goes_with_the_last_error_that_has_it(store: Store) -> None:
    """A file that is compiled anew has another each time: they, and not the errors, take the room."""
    reading: Any = store._reading  # type: ignore[attr-defined]
    now = datetime.now(UTC)

    def stacks() -> int:
        with reading() as execute:
            return int(execute("SELECT count(*) FROM stacks").fetchone()[0])

    add(store, *(make_context(template=f"{os.urandom(2000).hex()}\0") for _ in range(400)))
    size = store.health().size_bytes
    while store.prune(Retention(size_bytes=size // 2), now + 3 * HOUR, 20):
        pass
    health = store.health()
    assert health.size_bytes <= size // 2
    assert 40 < health.errors < 300
    assert all(len(error.stack_trace) > 2000 for error in store.errors(limit=1000))
    while store.prune(Retention(period=1), now + 3 * HOUR, 100):
        pass
    store.prune(Retention(), now + 3 * HOUR, 100)
    assert stacks() == 1
    (group,) = store.groups()
    assert group.source == "shop.cart.add"
    # For two hours a process may still refer to it; that of the group stays with the group.
    add(store, make_context(timestamp=NOON + HOUR, template="late\0"))
    while store.prune(Retention(period=1), now + HOUR, 100):
        pass
    assert (stacks(), store.health().errors) == (2, 0)
    store.prune(Retention(), now + 3 * HOUR, 100)
    assert stacks() == 1


@pytest.mark.parametrize(("one", "many"), [("stack", "stacks"), ("process", "processes")])
def test_it_is_known_which_stacks_and_processes_are_in_use(store: Store, one: str, many: str) -> None:
    reading: Any = store._reading  # type: ignore[attr-defined]

    def uses() -> tuple[dict[int, int], dict[int, int], set[int]]:
        with reading() as execute:
            counted = execute(f"SELECT id, count FROM {one}_uses WHERE count <> 0").fetchall()
            there = execute(f"SELECT {one}, count(*) FROM errors WHERE {one} IS NOT NULL GROUP BY 1").fetchall()
            missing = execute(f"SELECT {one} FROM errors WHERE {one} NOT IN (SELECT id FROM {many})").fetchall()
            return dict(counted), dict(there), {row[0] for row in missing}

    writers = [replace(process.current(), pid=n, process=f"p{n}") for n in range(2)]
    store.ingest(Batch("opens", 0, 1, [wire.dumps(wire.encode_process(writer)) for writer in writers]))
    errors = [
        make_context(line=n % 3, fingerprint=f"v1:{n % 2}", timestamp=NOON + n * HOUR, process=writers[n // 40])
        for n in range(60)
    ]
    add(store, *errors, errors[0])
    add(store, *errors[:10], journal="again")
    late = make_context(line=9, process=writers[0])
    add(store, replace(late, complete=False))
    add(store, late)
    store.move([Move(errors[7].error_id, "v1:b", ("b",))], NOON)
    counted, there, missing = uses()
    assert counted == there
    assert sum(there.values()) == 61
    for retention in (Retention(errors=30), Retention(period=3600.0)):
        while store.prune(retention, NOON + 59 * HOUR, 7):
            counted, there, missing = uses()
            assert (counted, missing) == (there, set())
    assert store.delete("v1:1", limit=100)
    counted, there, missing = uses()
    assert (counted, missing) == (there, set())


def test_stacks_that_were_left_over_before_they_were_counted_go_too(store_url: urls.StoreURL) -> None:
    with contextlib.closing(sqlite3.connect(store_url.path)) as connection:
        for step in STEPS[:5]:
            connection.executescript(step)
        connection.execute("INSERT INTO stacks (name, module, function, content) VALUES ('s', 'm', 'f', '{}')")
        connection.execute("INSERT INTO processes (name, release, content) VALUES ('p', '', '{}')")
        connection.execute("PRAGMA user_version = 5")
        connection.commit()
    with contextlib.closing(SQLiteStore(store_url)) as store:
        store.prune(Retention(), NOON, 10)
        with store._reading() as execute:
            for table in ("stacks", "processes"):
                assert execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0


def test_definitions_that_came_before_their_errors_stay(store: Store) -> None:
    """Nor do those stay for ever that no error follows, as where repeats are counted only."""
    reading: Any = store._reading  # type: ignore[attr-defined]
    _, _, stack = wire.encode_error(make_context())
    before = datetime.now(UTC)
    store.ingest(Batch("j", 0, 1, [stack]))
    store.prune(Retention(), before + 2 * HOUR - MINUTE, 10)
    with reading() as execute:
        assert execute("SELECT count(*) FROM stacks").fetchone()[0] == 1
    store.prune(Retention(), datetime.now(UTC) + 2 * HOUR + MINUTE, 10)
    with reading() as execute:
        assert execute("SELECT count(*) FROM stacks").fetchone()[0] == 0


def test_a_process_goes_with_its_last_error_if_it_logs_no_more_and_lost_nothing(store: Store) -> None:
    """A job that starts every minute would else fill any registry."""
    reading: Any = store._reading  # type: ignore[attr-defined]

    def known() -> set[int]:
        with reading() as execute:
            return {json.loads(row[0])["pid"] for row in execute("SELECT content FROM processes")}

    for pid in range(4):
        writer = replace(process.current(), pid=pid, process=f"p{pid}")
        error, _, stack = wire.encode_error(make_context(fingerprint=f"v1:{pid}", process=writer))
        number = 2 if pid == 1 else 1
        frames = [wire.dumps(wire.encode_process(writer)), stack, f'{error[:-1]},"n":{number}}}']
        store.ingest(Batch(f"journal {pid}", 0, 1, frames))
        if pid != 2:
            store.forget(f"journal {pid}")
    assert known() == {0, 1, 2, 3}
    now = datetime.now(UTC)
    later = make_context(fingerprint="v1:3", process=writer, timestamp=now)
    add(store, later)
    while store.prune(Retention(period=3600.0), now, 100):
        pass
    assert known() == {0, 1, 2, 3}
    store.prune(Retention(), now + 31 * DAY, 100)
    # The second has a gap, the third still has a journal, the fourth an error.
    assert known() == {1, 2, 3}
    (kept,) = store.errors()
    assert (kept.error_id, kept.process) == (later.error_id, writer)


def test_a_process_stays_as_long_as_its_errors_are_counted(store: Store) -> None:
    """Where a journal has room for no more than that."""
    reading: Any = store._reading  # type: ignore[attr-defined]

    def known() -> int:
        with reading() as execute:
            return int(execute("SELECT count(*) FROM processes").fetchone()[0])

    writer, now = replace(process.current(), process="p"), datetime.now(UTC)
    frame = {"k": "count", "proc": "p", "ts": to_microseconds(now + 20 * DAY), "sev": 40, "fp": "v1:a", "type": "E"}
    store.ingest(Batch("j", 0, 1, [wire.dumps(wire.encode_process(writer))]))
    store.ingest(Batch("j", 1, 2, [wire.dumps(frame)]))
    store.forget("j")
    store.prune(Retention(), now + 50 * DAY - HOUR, 10)
    assert known() == 1
    store.prune(Retention(), now + 50 * DAY + HOUR, 10)
    assert known() == 0


def test_a_group_moves_with_counts_that_were_pruned(store: Store) -> None:
    """What is no longer there stays where it was counted, and the first moment with it."""
    errors = [make_context(timestamp=NOON + n * MINUTE) for n in range(50)]
    add(store, *errors)
    while store.prune(Retention(errors=10), NOON, 100):
        pass
    left = store.errors(limit=100)
    store.move([Move(error.error_id, "v1:b", ("b",)) for error in left], NOON)
    groups = {group.fingerprint: group for group in store.groups()}
    assert (groups["v1:0123456789abcdef"].count, groups["v1:b"].count) == (40, 10)
    assert groups["v1:0123456789abcdef"].first_seen == NOON


# --- what was lost


def test_a_number_that_is_missing_is_a_proven_loss(store: Store) -> None:
    opening = wire.dumps(wire.encode_process(process.current()))
    numbered = [
        f'{frame[:-1]},"n":{n}}}' for n, frame in enumerate(frames_of(*(make_context() for _ in range(9)))[1::2])
    ]
    store.ingest(Batch("one", 0, 1, [opening, *numbered[1:4]]))
    assert store.health().gaps == ()
    store.ingest(Batch("two", 0, 1, [opening, *numbered[6:]]))
    (gap,) = store.health().gaps
    assert (gap.missing, gap.process["pid"]) == (2, os.getpid())
    store.ingest(Batch("two", 1, 2, numbered[4:6], damaged=3))
    health = store.health()
    assert (health.gaps, health.damaged, health.errors, health.groups) == ((), 3, 8, 1)
    assert health.problems == ()


def test_counts_without_details_are_counted(store: Store) -> None:
    """What a journal under pressure has room for."""
    context = make_context()
    add(store, context)
    moment = to_microseconds(NOON)
    frame = (
        f'{{"k":"count","proc":"p","ts":{moment},"sev":40,"fp":"{context.fingerprint}","type":"ValueError","count":41}}'
    )
    start = store.reached("j")[0]
    store.ingest(Batch("j", start, start + 1, [frame, frame.replace(',"count":41', "")]))
    assert store.groups()[0].count == 43
    assert store.groups()[0].last_error_id == context.error_id
    assert store.counts(None, ErrorSeverity.DEBUG, 5).by_type == {"ValueError": 43}
    assert len(store.errors()) == 1


def test_incidents_are_remembered(store: Store) -> None:
    store.note(NOON, "corrupt", "it was damaged")
    (incident,) = store.health().incidents
    assert (incident.at, incident.kind, incident.detail) == (NOON, "corrupt", "it was damaged")


# --- what is SQLite's own, too


def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(store_url: urls.StoreURL, file_store: SQLiteStore) -> None:
    add(file_store, *(make_context(error_message=os.urandom(400).hex()) for _ in range(200)))
    file_store.close()
    path = Path(store_url.path)
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = os.urandom(len(damaged) - 4096)
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match=r"malformed; it was moved to .* and a new registry begun"):
        file_store.errors()
    context = make_context(error_message="after")
    add(file_store, context)
    assert file_store.errors() == [context]
    (incident,) = file_store.health().incidents
    aside = incident.detail.partition("moved to ")[2].partition(",")[0]
    assert Path(aside).read_bytes() == damaged


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_is_gone_is_made_anew(store_url: urls.StoreURL, file_store: SQLiteStore, how: str) -> None:
    add(file_store, make_context())
    os.unlink(store_url.path)
    if how == "replaced":
        other = open_store(store_url)
        add(other, make_context(error_message="other"), journal="other")
        other.close()
    add(file_store, make_context(error_message="after"), journal="late")
    assert file_store.errors(limit=1)[0].error_message == "after"
    assert len(file_store.errors()) == 1 + (how == "replaced")


def fill_the_first(connection: sqlite3.Connection, contexts: list[ErrorContext], attempt: RecoveryAttempt) -> None:
    """As the first version did it."""
    connection.executescript(STEPS[0])
    for number, context in enumerate(contexts):
        error, name, definition = wire.encode_error(context)
        at = to_microseconds(context.timestamp)
        row = (number + 1, context.error_id, at, 40, context.fingerprint, "ValueError", name, "r", error)
        connection.execute("INSERT INTO errors VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute("INSERT INTO stacks VALUES (?, ?) ON CONFLICT DO NOTHING", (name, definition))
        group = (context.fingerprint, "ValueError", context.error_message, 40, "shop", name, 1, at, at)
        connection.execute(
            "INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + 1, "
            "last_seen = excluded.last_seen, last_error_id = excluded.last_error_id",
            (*group, context.error_id),
        )
        connection.execute(
            "INSERT INTO counts VALUES (?, ?, 40, 'ValueError', 1)", (at // 60_000_000, context.fingerprint)
        )
    assert contexts[0].process is not None
    opening = wire.dumps(wire.encode_process(contexts[0].process))
    connection.execute("INSERT INTO processes VALUES ('r', ?)", (opening,))
    connection.execute("INSERT INTO journals VALUES ('j', 7, 2)")
    audit = wire.dumps({key: value for key, value in wire.encode_attempt(attempt).items() if key != "token"})
    connection.execute("INSERT INTO attempts VALUES ('a', 'e', ?, ?)", (to_microseconds(NOON), audit))


@pytest.mark.parametrize("version", range(1, len(STEPS)))
def test_a_registry_of_every_earlier_version_is_taken_over(store_url: urls.StoreURL, version: int) -> None:
    """Filled as the first one filled it, and brought up to that version by its own statements."""
    contexts = [in_release("r", n) for n in range(5)]
    contexts.append(make_context(fingerprint="v1:explicit", additional_context={"a": 1}))
    attempt = RecoveryAttempt(
        attempt_id="a", error_id="e", fingerprint="f", rule="r", strategy="s", scope="",
        status=OutcomeStatus.RECOVERED, started_at=NOON, duration=2.0,
    )  # fmt: skip
    with contextlib.closing(sqlite3.connect(store_url.path)) as connection:
        fill_the_first(connection, contexts, attempt)
        for step in STEPS[1:version]:
            connection.executescript(step)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()
    store = open_store(store_url)
    expected = [*(replace(context, process=contexts[0].process) for context in contexts[:5]), contexts[5]]
    found = {error.error_id: error for error in store.errors(limit=10)}
    assert found == {error.error_id: replace(error, process=found[error.error_id].process) for error in expected}
    assert counted(store) == {"v1:0123456789abcdef": 5, "v1:explicit": 1}
    assert store.count_by_severity(NOON + HOUR, ErrorSeverity.DEBUG) == {ErrorSeverity.ERROR: 4}
    assert store.activity(["v1:0123456789abcdef"], Steps.ending(NOON, 1440, 1)) == {"v1:0123456789abcdef": (5,)}
    assert (store.reached("j")[0], store.health().damaged, store.health().problems) == (7, 2, ())
    assert kinds(store) == ["new", "new"]
    assert store.attempts("e") == store.recent_attempts() == [attempt]
    assert [(record.strategy, record.recovered, record.seconds) for record in store.records("f")] == [("s", 1, 2.0)]
    add(store, make_context(timestamp=NOON + 9 * HOUR), journal="k")
    assert counted(store)["v1:0123456789abcdef"] == 6
    store.close()


LOCKED = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0)
try:
    connection.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError:
    print("locked")
"""


def test_a_second_connection_does_not_drop_the_locks_of_the_first(
    store_url: urls.StoreURL, file_store: SQLiteStore, run: Run
) -> None:
    """To open and close the file is enough for that (sqlite.org/howtocorrupt, 2.2)."""
    add(file_store, make_context())
    with file_store._transaction():
        other = open_store(store_url)
        assert len(other.errors()) == 1
        other.close()
        assert run("-c", LOCKED, store_url.path).out == "locked\n"


def test_what_was_given_up_for_want_of_room_is_no_loss(store: Store) -> None:
    opening = wire.dumps(wire.encode_process(process.current()))
    kept, late = (f'{frames_of(make_context())[1][:-1]},"n":{n}}}' for n in (9, 11))
    store.ingest(Batch("one", 0, 1, [opening, '{"k":"compacted","step":1,"gone":8}', kept]))
    assert store.health().gaps == ()
    store.ingest(Batch("one", 1, 2, [late]))
    assert [gap.missing for gap in store.health().gaps] == [1]
