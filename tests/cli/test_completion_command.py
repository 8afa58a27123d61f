"""Completion, asked for in the shells themselves."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from llama_logging.cli.completion_command import words
from llama_logging.cli.main import COMMANDS, parser
from tests.cli.test_commands import answer

CASES = [
    ("re", {"resolve", "reopen", "regroup", "recovery", "report"}),
    ("list --sta", {"--state", "--stack"}),
    ("list --state re", {"resolved", "regressed"}),
    ("recovery o", {"off", "on"}),
    ("completion ", {"bash", "zsh", "fish"}),
    ("recovery log --li", {"--limit"}),
]
BASH = """
eval "$(cat script)"
COMP_WORDS=(llama-logging {}) COMP_CWORD={}
_llama_logging
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def test_every_command_is_known() -> None:
    found = {word.text for word in words(parser()) if not word.path}
    assert set(COMMANDS) <= found


@pytest.mark.parametrize(("typed", "expected"), CASES)
def test_bash_completes(capsys: pytest.CaptureFixture[str], own_place: Path, typed: str, expected: set[str]) -> None:
    Path("script").write_text(answer(capsys, "completion", "bash"))
    given = typed.split(" ")
    quoted = " ".join(f"'{word}'" for word in given)
    done = subprocess.run(["bash", "-c", BASH.format(quoted, len(given))], capture_output=True, text=True, check=True)
    assert (set(done.stdout.split()) - {"-h", "--help"}, done.stderr) == (expected, "")


@pytest.mark.parametrize(("typed", "expected"), CASES)
def test_fish_completes(capsys: pytest.CaptureFixture[str], own_place: Path, typed: str, expected: set[str]) -> None:
    if shutil.which("fish") is None:
        pytest.skip("there is no fish")
    Path("script").write_text(answer(capsys, "completion", "fish"))
    code = f"source script; complete -C 'llama-logging {typed}'"
    done = subprocess.run(["fish", "--no-config", "-c", code], capture_output=True, text=True, check=True)
    offered = {line.partition("\t")[0] for line in done.stdout.splitlines()} - {""}
    assert (offered - {"-h", "--help"}, done.stderr) == (expected, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_can_be_read_by_its_shell(capsys: pytest.CaptureFixture[str], own_place: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    Path("script").write_text(answer(capsys, "completion", shell))
    done = subprocess.run([shell, "-n", "script"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
