from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from llama_logging import process
from llama_logging.release import commit_in, release_of


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    try:
        git(folder, "init", "-q")
    except FileNotFoundError:
        pytest.skip("git is not installed")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    return folder


def test_the_commit_is_found_from_below(repository: Path) -> None:
    below = repository / "src" / "shop"
    below.mkdir(parents=True)
    assert commit_in(str(below)) == git(repository, "rev-parse", "HEAD")


def test_a_detached_head_packed_references_and_a_worktree(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "pack-refs", "--all")
    assert commit_in(str(repository)) == head
    git(repository, "worktree", "add", "-q", "-b", "feature/x", "../other")
    git(repository.parent / "other", "commit", "-q", "--allow-empty", "-m", "two")
    assert commit_in(str(repository.parent / "other")) == git(repository, "rev-parse", "feature/x") != head
    git(repository.parent / "other", "pack-refs", "--all")
    assert commit_in(str(repository.parent / "other")) == git(repository, "rev-parse", "feature/x")
    git(repository, "checkout", "-q", "--detach")
    assert commit_in(str(repository)) == head


@pytest.mark.parametrize("head", ["", "ref: refs/heads/none", "garbage", "ref: ../../../etc/passwd"])
def test_what_is_no_repository_tells_nothing(tmp_path: Path, head: str) -> None:
    assert commit_in(str(tmp_path)) == ""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)
    assert commit_in(str(tmp_path)) == ""


def test_what_the_environment_says_comes_first(repository: Path) -> None:
    folder = str(repository)
    assert release_of({"SENTRY_RELEASE": "1"}, {"service.version": "2"}, folder) == "1"
    assert release_of({}, {"service.version": "2"}, folder) == "2"
    assert release_of({}, {}, folder) == git(repository, "rev-parse", "HEAD")[:12]


def test_a_process_knows_its_release(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    assert process._describe().release == git(repository, "rev-parse", "HEAD")[:12]
