from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llama_logging.exceptions import ConfigError
from llama_logging.recovery.engine import Engine
from llama_logging.recovery.rules import Rule, Step
from llama_logging.recovery.strategies.disk_free import DiskFree
from llama_logging.recovery.strategy import StrategyTable
from llama_logging.tried import OutcomeStatus
from tests.recovery.acting import attempt, failed, make

OLD = time.time() - 10 * 86_400


def put(path: Path, *, age: float = 0.0, size: int = 10) -> Path:
    """A file that was last written to *age* seconds before OLD."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (OLD - age, OLD - age))
    return path


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def disk(root: Path, free: Callable[[int], int], **options: Any) -> DiskFree:
    """One whose disk has as much free as *free* says, out of 100 that are wanted."""
    given = {"roots": str(root), "patterns": ["*.tmp", "**/*.log.*"], "free": 100, **options}
    strategy = make("disk.free", **given)
    assert isinstance(strategy, DiskFree)
    return replace(strategy, free=free)


def never(folder: int) -> int:
    return 0


def test_what_matches_and_is_old_goes_and_nothing_else(root: Path) -> None:
    stay = {"notes.txt", "a/b.tmp", "young.tmp", ".hidden.tmp", ".git/x.log.1", "a/app.log"}
    for name in (*stay, "b.tmp", "app.log.1", "a/b/app.log.2"):
        put(root / name)
    os.utime(root / "young.tmp")
    remedy = attempt(disk(root, never))
    assert remedy.status is OutcomeStatus.FAILED
    assert "0 of 100 bytes are free" in remedy.detail
    assert names(root) == stay


def test_no_link_is_deleted_or_followed(root: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "precious.tmp")
    put(tmp_path / "outside" / "app.log.1")
    (root / "link.tmp").symlink_to(outside)
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "second.tmp").hardlink_to(outside)
    attempt(disk(root, never))
    assert names(root) == {"link.tmp", "folder", "second.tmp"}
    assert names(tmp_path / "outside") == {"precious.tmp", "app.log.1"}


def test_a_root_that_is_a_link_is_none(root: Path, tmp_path: Path) -> None:
    put(root / "a.tmp")
    (tmp_path / "other").symlink_to(root)
    remedy = attempt(disk(tmp_path / "other", never))
    assert (remedy.status, "other: " in remedy.detail) == (OutcomeStatus.FAILED, True)
    assert names(root) == {"a.tmp"}


def test_a_folder_that_becomes_a_link_in_between_is_not_followed(root: Path, tmp_path: Path) -> None:
    """Between the look and the deletion somebody puts a link in the folder's place."""
    put(root / "a" / "app.log.1")
    precious = put(tmp_path / "outside" / "app.log.1")
    looks = 0

    def free(folder: int) -> int:
        nonlocal looks
        looks += 1
        if looks == 3:
            (root / "a").rename(root / "moved")
            (root / "a").symlink_to(tmp_path / "outside")
        return 0

    attempt(disk(root, free))
    assert looks >= 3
    assert precious.exists()


def test_the_oldest_goes_first_and_no_more_than_is_needed(root: Path) -> None:
    for age in range(5):
        put(root / f"{age}.tmp", age=age)
    remedy = attempt(disk(root, lambda folder: 98 + 5 - len(os.listdir(root))))
    assert remedy.status is OutcomeStatus.RECOVERED
    assert remedy.detail == f"deleted: {root}/4.tmp, {root}/3.tmp"
    assert names(root) == {"0.tmp", "1.tmp", "2.tmp"}


def test_the_reserve_goes_before_all_else(root: Path, tmp_path: Path) -> None:
    put(root / "a.tmp")
    reserve = tmp_path / "reserve"
    reserve.write_bytes(b"x" * 100)
    remedy = attempt(disk(root, lambda folder: 0 if reserve.exists() else 100, reserve=str(reserve)))
    assert (remedy.status, remedy.detail) == (OutcomeStatus.RECOVERED, f"deleted: {reserve}")
    assert names(root) == {"a.tmp"}


def test_where_there_is_room_nothing_is_deleted(root: Path) -> None:
    put(root / "a.tmp")
    remedy = attempt(disk(root, lambda folder: 100))
    assert (remedy.status, remedy.detail) == (OutcomeStatus.RECOVERED, "100 bytes are free already")
    assert names(root) == {"a.tmp"}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("roots", "/"),
        ("roots", []),
        ("roots", "var/tmp"),
        ("roots", "/var/../etc"),
        ("patterns", []),
        ("patterns", "/etc/*"),
        ("patterns", "../*.tmp"),
        ("patterns", "**"),
        ("patterns", ""),
        ("reserve", "reserve"),
        ("free", "much"),
    ],
)
def test_what_might_mean_too_much_is_a_mistake(option: str, value: object) -> None:
    with pytest.raises(ConfigError, match=option):
        make("disk.free", **{"roots": "/srv/x", "patterns": "*.tmp", option: value})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    mount = ["mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_has_room_again(small_disk: Path) -> None:
    put(small_disk / "a.tmp", size=2**20)
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "data").write_bytes(bytes(2**22))
    remedy = attempt(make("disk.free", roots=str(small_disk), patterns="*.tmp", free="512K"))
    assert (remedy.status, remedy.detail) == (OutcomeStatus.RECOVERED, f"deleted: {small_disk}/a.tmp")


def test_another_disk_below_a_root_is_not_touched(small_disk: Path) -> None:
    put(small_disk / "app.log.1")
    attempt(disk(small_disk.parent, never))
    assert names(small_disk) == {"app.log.1"}


def test_a_rule_that_does_not_act_deletes_nothing(root: Path) -> None:
    put(root / "a.tmp")
    step = Step(disk(root, never))
    result = Engine([Rule(name="full", match=bool, ladder=(step,))], table=StrategyTable()).dispatch(failed())
    result.wait(20)
    assert result.status is OutcomeStatus.OBSERVED
    assert f"would delete *.tmp, **/*.log.* older than 86400 s below {root}" in result.detail
    assert names(root) == {"a.tmp"}
