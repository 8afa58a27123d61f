from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import pytest

from llama_logging.exceptions import LlamaLoggingError
from llama_logging.recovery.commands import fenced, run, safe_name
from llama_logging.recovery.strategy import Deadline


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_a_command_says_and_how_it_ends() -> None:
    done = run(python("print('well')"), Deadline(20))
    assert (done.code, done.said, done.problem) == (0, "well", "")
    done = run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), Deadline(20))
    assert done.problem.startswith("exit code 3: ")
    assert {"out", "err"} <= set(done.said.split())
    assert "No such file" in run(["no-such-command"], Deadline(20)).problem


def test_no_secret_of_its_output_is_kept_and_not_all_of_it() -> None:
    done = run(python("print('x' * 100_000, 'password=hunter22')"), Deadline(20))
    assert len(done.said) <= 4096
    assert "hunter22" not in done.said


def test_a_command_gets_no_more_of_the_environment_than_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "x")
    monkeypatch.setenv("WANTED", "y")
    code = python("import os; print(sorted(os.environ.keys() & {'DB_PASSWORD', 'WANTED', 'LLAMA_LOGGING_TOKEN'}))")
    assert run(code, Deadline(20)).said == "['LLAMA_LOGGING_TOKEN']"
    assert run(code, Deadline(20), passed=["WANTED"]).said == "['LLAMA_LOGGING_TOKEN', 'WANTED']"


def test_a_command_is_told_the_token_of_its_lease() -> None:
    code = python("import os; print(os.environ['LLAMA_LOGGING_TOKEN'])")
    with fenced(7):
        assert run(code, Deadline(20)).said == "7"
    assert run(code, Deadline(20)).said == "0"


def test_what_takes_too_long_is_killed_with_all_it_has_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid)); time.sleep(60)"
    )
    done = run(python(code), Deadline(3))
    assert (done.code, "was killed" in done.problem) == (None, True)
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid.read_text()}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("the command's child is still there")


def test_a_command_is_over_when_it_ends_itself() -> None:
    """What it has started, in a session of its own even, goes on and holds up nobody."""
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "print(child.pid)"
    )
    done = run(python(code), Deadline(20))
    assert done.code == 0
    os.kill(int(done.said), signal.SIGKILL)


def test_what_holds_the_output_open_keeps_nobody_waiting() -> None:
    """It is not in the group that is killed."""
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "open(sys.argv[1], 'w').write(str(child.pid)); time.sleep(60)"
    )
    with tempfile.NamedTemporaryFile("r") as pid:
        done = run([*python(code), pid.name], Deadline(3))
        assert "was killed" in done.problem
        os.kill(int(pid.read()), signal.SIGKILL)


def test_of_what_is_said_without_end_only_the_end_is_kept() -> None:
    tracemalloc.start()
    done = run(python("for _ in range(50): print('x' * 2**20)\nprint('over')"), Deadline(50))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (done.code, done.said[-4:], len(done.said)) == (0, "over", 4096)
    assert most < 2**20


def test_a_command_that_does_not_listen_is_no_problem() -> None:
    assert run(python("pass"), Deadline(20), given=b"x" * 2**20).code == 0
    code = "import sys; print(len(sys.stdin.read()))"
    assert run(python(code), Deadline(20), given=b"x" * 2**20).said == str(2**20)


@pytest.mark.parametrize(
    "text", ["llama3.2:1b", "library/llama3", "hf.co/a/b-GGUF:Q4_K_M", "ollama.service", "web-1", "user@host"]
)
def test_a_name_is_a_name(text: str) -> None:
    assert safe_name(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-rf",
        "a b",
        "$(x)",
        "a;b",
        "../x",
        "a/../x",
        "a/./x",
        "a//x",
        "/x",
        "x/",
        "a/-x",
        "a\n",
        "x" * 200,
        "é",
        "aé",
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(LlamaLoggingError, match="not a name"):
        safe_name(text)


def test_nothing_is_left_of_the_processes() -> None:
    run(python(""), Deadline(20))
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
