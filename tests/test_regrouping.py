from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llama_logging import fingerprint, regrouping, wire
from llama_logging.config import Options
from llama_logging.context import ErrorContext, ErrorSeverity, ExceptionDetail
from llama_logging.exceptions import ConfigError
from llama_logging.grouping import GroupingRule, parse_grouping
from llama_logging.registry import Store
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
    start = store.checkpoint("j")
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
