from __future__ import annotations

from pathlib import Path

import pytest

from llama_logging import process, transfer
from llama_logging.context import ErrorContext, ErrorSeverity
from llama_logging.registry import Store
from llama_logging.registry.groups import GroupState
from llama_logging.retention import Retention
from llama_logging.stores import open_store, urls
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


def test_what_comes_over_is_whole(tmp_path: Path) -> None:
    one, other = store_at(tmp_path / "one.db"), store_at(tmp_path / "other.db")
    transfer.add(one, some("a", 3))
    transfer.merge(one, other)
    assert other.errors() == one.errors()
    assert other.health().problems == ()
    one.close()
    other.close()
