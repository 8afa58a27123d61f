from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from llama_logging import regrouping, wire
from llama_logging.capture import fingerprint
from llama_logging.capture.grouping import GroupingRule, parse_grouping
from llama_logging.config.options import Options
from llama_logging.context import ErrorContext, ErrorSeverity, ExceptionDetail
from llama_logging.exceptions import ConfigError
from llama_logging.registry import Store
from llama_logging.registry.groups import GroupState
from llama_logging.registry.intake import Batch
from llama_logging.stores import open_store, urls
from tests.conftest import make_context

RULE = {"match": {"class": "OSError"}, "fingerprint": ["network"]}


@pytest.fixture
def store(any_url: urls.StoreURL) -> Iterator[Store]:
    opened = open_store(any_url)
    yield opened
    opened.close()


def rules(*given: dict[str, Any]) -> tuple[GroupingRule, ...]:
    return parse_grouping(Options("registry", {}, (), strict=True), list(given))


def add(store: Store, *contexts: ErrorContext) -> None:
    frames = [frame for context in contexts for frame in reversed(wire.encode_error(context)) if frame[0] == "{"]
    start = store.reached("j")[0]
    store.ingest(Batch("j", start, start + 1, frames))


def error(name: str, bases: tuple[str, ...], message: str = "m") -> ErrorContext:
    detail = ExceptionDetail(type=name, module="shop", message=message, bases=bases)
    inputs = fingerprint.of_exceptions([detail])
    return make_context(
        exceptions=(detail,),
        error_type=name,
        error_message=message,
        grouping=inputs,
        fingerprint=fingerprint.fingerprint(inputs),
    )


def some(store: Store) -> None:
    add(store, *[error("Timeout", ("shop.Timeout", "OSError")) for _ in range(3)])
    add(store, error("Refused", ("shop.Refused", "OSError")), error("KeyError", ("KeyError",)))


def test_what_would_change_is_told_and_nothing_is_changed(store: Store) -> None:
    some(store)
    before = store.groups()
    found = regrouping.changes(store, rules(RULE))
    assert [(change.count, change.whole, change.example.error_type) for change in found] == [
        (3, True, "Timeout"),
        (1, True, "Refused"),
    ]
    assert {change.grouping for change in found} == {("rule network",)}
    assert len({change.after for change in found}) == 1
    assert store.groups() == before


def test_a_group_that_is_split_says_so(store: Store) -> None:
    bases = ("shop.Timeout", "OSError")
    add(store, error("Timeout", bases, "eu"), error("Timeout", bases, "us"))
    (change,) = regrouping.changes(store, rules({"match": {"message": "eu"}, "fingerprint": ["eu"]}))
    assert (change.count, change.whole) == (1, False)


def test_history_is_moved_and_moved_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In many transactions, and undone as one."""
    monkeypatch.setattr(regrouping, "BATCH", 2)
    some(store)
    before = store.groups()
    looked: list[int] = []
    assert regrouping.apply(store, rules(RULE), looked.append) == 4
    assert sorted(group.count for group in store.groups()) == [1, 4]
    assert looked == [1, 2, 3, 4, 5]
    assert regrouping.changes(store, rules(RULE)) == []
    assert store.undo_move() == 4
    assert store.groups() == before


def test_without_rules_everything_goes_back_to_its_own_group(store: Store) -> None:
    some(store)
    before = store.groups()
    regrouping.apply(store, rules(RULE))
    regrouping.apply(store, ())
    assert store.groups() == before


def test_fingerprints_of_an_earlier_version_are_made_anew(store: Store) -> None:
    """Their inputs are made again from the frames, so that old and new errors meet."""
    new = error("Timeout", ("shop.Timeout", "OSError"))
    old = make_context(
        exceptions=new.exceptions, error_type="Timeout", grouping=("old",), fingerprint="v0:0000", error_message="m"
    )
    add(store, old, new)
    regrouping.apply(store, ())
    (group,) = store.groups()
    assert (group.fingerprint, group.count) == (new.fingerprint, 2)
    assert store.find(old.error_id).grouping == new.grouping
    assert store.count_by_severity(None, ErrorSeverity.DEBUG) == {ErrorSeverity.ERROR: 2}


def test_half_the_rules_are_never_used() -> None:
    """Other than in an application, where half of them is better than none."""
    configuration = {"handlers": {"registry": {"grouping": [RULE, {"match": {"class": "A"}}]}, "console": None}}
    with pytest.raises(ConfigError, match=r"registry: grouping\[1\]: the option 'fingerprint' is needed"):
        regrouping.rules_in(configuration)
    assert len(regrouping.rules_in({"handlers": {"registry": {"grouping": [RULE]}}})) == 1
    assert regrouping.rules_in({}) == ()


def test_messages_that_were_groups_of_their_own_meet(store: Store) -> None:
    """What is taken out of messages has grown under the same version; the others stay where they are."""
    for said, then in (("no commit 1d2c3b4", "no commit <n>d<n>c<n>b<n>"), ("no order 7", "no order <n>")):
        inputs = ("logger app", f"message {then}")
        key = fingerprint.fingerprint(inputs)
        add(store, make_context(logger_name="app", log_message=said, grouping=inputs, fingerprint=key))
    (change,) = regrouping.changes(store, ())
    assert (change.count, change.whole) == (1, True)
    assert change.after == fingerprint.fingerprint(fingerprint.of_message("app", "no commit 8", rendered=True))


AT = datetime(2026, 7, 1, tzinfo=UTC)


def joined(store: Store, *classes: str) -> str:
    """The fingerprint of the group that the errors of these classes are now in."""
    regrouping.apply(store, rules(*({"match": {"class": name}, "fingerprint": ["joined"]} for name in classes)))
    return fingerprint.fingerprint(("rule joined",))


def state_of(store: Store, key: str) -> GroupState:
    group = store.group(key)
    assert group is not None
    return group.state


def test_what_was_decided_about_a_group_goes_on_in_the_one_that_it_becomes(store: Store) -> None:
    some(store)
    before = {group.error_type: group for group in store.groups()}
    store.mute(before["Timeout"].fingerprint, AT, count=5, period=60)
    key = joined(store, "Timeout")
    muted = store.group(key)
    assert muted is not None
    assert (muted.state, muted.state_at, muted.muted_count, muted.muted_period) == (GroupState.MUTED, AT, 5, 60)
    assert [(change.kind, change.detail) for change in store.changes(key)] == [("moved", before["Timeout"].fingerprint)]
    decided = store.group(key), store.group(before["Timeout"].fingerprint)
    store.undo_move()
    assert store.changes(key) == []
    assert state_of(store, before["Timeout"].fingerprint) is GroupState.MUTED
    joined(store, "Timeout")
    assert (store.group(key), store.group(before["Timeout"].fingerprint)) == decided


def test_a_group_that_another_became_is_not_new_with_its_next_error(store: Store) -> None:
    some(store)
    key = joined(store, "KeyError")
    context = make_context(fingerprint=key, grouping=("rule joined",))
    add(store, context)
    assert [change.kind for change in store.changes(key)] == ["moved"]


def test_groups_in_one_state_that_become_one_leave_it_in_this_and_others_leave_it_open(store: Store) -> None:
    some(store)
    before = {group.error_type: group.fingerprint for group in store.groups()}
    for name in ("Timeout", "Refused"):
        store.resolve(before[name], AT, release="1.1")
    key = joined(store, "Timeout", "Refused")
    assert state_of(store, key) is GroupState.RESOLVED
    store.undo_move()
    key = joined(store, "Timeout", "KeyError")
    assert state_of(store, key) is GroupState.OPEN
    store.undo_move()
    assert state_of(store, joined(store, "Refused")) is GroupState.RESOLVED


def test_groups_that_are_shown_in_different_places_become_one_of_its_own(store: Store) -> None:
    some(store)
    before = {group.error_type: group.fingerprint for group in store.groups()}
    store.merge(before["Refused"], [before["Timeout"]], AT)
    store.mute(before["Refused"], AT)
    store.mute(before["KeyError"], AT)
    group = store.group(joined(store, "Timeout", "KeyError"))
    assert group is not None
    assert (group.count, group.state, group.merged) == (4, GroupState.OPEN, ())


def test_a_group_of_which_a_part_stays_hands_nothing_over(store: Store) -> None:
    bases = ("shop.Timeout", "OSError")
    add(store, error("Timeout", bases, "eu"), error("Timeout", bases, "us"))
    store.mute(store.groups()[0].fingerprint, AT)
    regrouping.apply(store, rules({"match": {"message": "eu"}, "fingerprint": ["eu"]}))
    key = fingerprint.fingerprint(("rule eu",))
    assert (state_of(store, key), store.changes(key)) == (GroupState.OPEN, [])


def test_what_came_by_itself_to_a_group_is_not_resolved(store: Store) -> None:
    """The rule was there before it was applied to the past: such errors come after all."""
    some(store)
    add(store, make_context(fingerprint=fingerprint.fingerprint(("rule joined",)), grouping=("rule joined",)))
    before = {group.error_type: group.fingerprint for group in store.groups()}
    store.resolve(before["KeyError"], AT)
    key = joined(store, "KeyError")
    assert state_of(store, key) is GroupState.OPEN
    store.undo_move()
    store.mute(before["KeyError"], AT)
    assert state_of(store, joined(store, "KeyError")) is GroupState.MUTED
    store.undo_move()
    assert state_of(store, key) is GroupState.OPEN


def test_what_was_decided_about_a_group_before_or_since_stays(store: Store) -> None:
    some(store)
    key = fingerprint.fingerprint(("rule joined",))
    add(store, make_context(fingerprint=key, grouping=("rule joined",)))
    before = {group.error_type: group.fingerprint for group in store.groups()}
    store.mute(before["KeyError"], AT)
    store.resolve(key, AT + timedelta(days=1))
    joined(store, "KeyError")
    assert state_of(store, key) is GroupState.RESOLVED
    store.undo_move()
    assert state_of(store, key) is GroupState.RESOLVED


@pytest.mark.parametrize("moves", ["Timeout", "KeyError"])
def test_a_group_that_was_merged_or_merged_into_is_shown_where_it_was(store: Store, moves: str) -> None:
    some(store)
    before = {group.error_type: group.fingerprint for group in store.groups()}
    store.merge(before["Timeout"], [before["KeyError"]], AT)
    store.mute(before["Timeout"], AT)
    key = joined(store, moves)
    group = store.group(key)
    assert group is not None
    assert (group.fingerprint, group.count, group.state) == (before["Timeout"], 4, GroupState.MUTED)
    store.undo_move()
    shown = store.group(before["KeyError"])
    assert shown is not None
    assert (shown.fingerprint, shown.count, shown.merged) == (before["Timeout"], 4, (before["KeyError"],))
