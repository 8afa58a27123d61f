"""Commands that we run: argv alone and never a shell, bounded in time, with next to no environment."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llama_logging.exceptions import LlamaLoggingError
from llama_logging.recovery.strategy import Deadline
from llama_logging.redaction import clean

TAIL = 4_096
"""Characters of what a command said that are kept."""
PASSED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT", "XDG_RUNTIME_DIR")
"""What a command gets of our environment, besides what is listed for it."""

_NAME = re.compile(r"[A-Za-z0-9][\w./:@-]{0,127}")
_local = threading.local()


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended.

    Attributes:
        code: Its exit code; None if it could not be started or had to be killed.
        said: The end of its output, secrets out.
    """

    code: int | None
    said: str

    @property
    def problem(self) -> str:
        """What went wrong; empty if it ended with 0."""
        if self.code == 0:
            return ""
        return self.said if self.code is None else f"exit code {self.code}: {self.said}".rstrip(": ")


@contextlib.contextmanager
def fenced(token: int) -> Iterator[None]:
    """Within this block, commands of this thread find *token* in LLAMA_LOGGING_TOKEN.

    It grows with every lease of a scope: what is acted on can refuse one that is older than the last
    it saw (Kleppmann, How to do distributed locking, 2016).
    """
    _local.token = token
    try:
        yield
    finally:
        _local.token = 0


def run(argv: Sequence[str], deadline: Deadline, *, passed: Sequence[str] = (), given: bytes | None = None) -> Finished:
    """Run *argv* to its end, or kill it and all it has started when the time is over.

    Args:
        passed: Names of environment variables that it needs besides PASSED.
        given: What it finds on its standard input; None for nothing.
    """
    env = {name: os.environ[name] for name in (*PASSED, *passed) if name in os.environ}
    env["LLAMA_LOGGING_TOKEN"] = str(getattr(_local, "token", 0))
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,  # a process group of its own, to be killed as one
        )
    except OSError as error:
        return Finished(None, f"{argv[0]}: {error.strerror or error}")
    try:
        output, _ = process.communicate(given, timeout=deadline.remaining())
    except subprocess.TimeoutExpired:
        _kill(process)
        return Finished(None, f"{argv[0]} was not over in time and was killed")
    # Cleaned before it is cut: half a secret is not recognised.
    return Finished(process.returncode, clean(output[-2 * TAIL :].decode(errors="replace"), 4 * TAIL).strip()[-TAIL:])


def safe_name(text: str) -> str:
    """*text*, if it can be nothing but a name: of a model, a unit, a container.

    What an error says reaches a command only so: as one word of its argv that is no option.

    Raises:
        LlamaLoggingError: If it is anything else.
    """
    if not _NAME.fullmatch(text):
        raise LlamaLoggingError(f"not a name that may be acted on: {text[:100]!r}")
    return text


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.communicate()
