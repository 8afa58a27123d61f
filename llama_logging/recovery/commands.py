"""Commands that we run: argv alone and never a shell, bounded in time, with next to no environment."""

from __future__ import annotations

import contextlib
import os
import re
import select
import selectors
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

_AT_ONCE = 65_536
_LOOK = 0.05
# Of a part between slashes the beginning keeps `..` out: no name leads to where it was not meant.
_NAME = re.compile(r"[A-Za-z0-9][\w.:@-]*(?:/\w[\w.:@-]*)*", re.ASCII)
_LONGEST = 128
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
    """Run *argv* to its end, or kill it and all it has started when the time is over. What it leaves behind goes on.

    Args:
        passed: Names of environment variables that it needs besides PASSED.
        given: What it finds on its standard input; None for nothing.
    """
    if not hasattr(selectors, "PollSelector"):
        return Finished(None, f"{argv[0]}: commands need a POSIX system")
    env = {name: os.environ[name] for name in (*PASSED, *passed) if name in os.environ}
    env["LLAMA_LOGGING_TOKEN"] = str(getattr(_local, "token", 0))
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            bufsize=0,
            start_new_session=True,  # a process group of its own, to be killed as one
        )
    except OSError as error:
        return Finished(None, f"{argv[0]}: {error.strerror or error}")
    output = _heard(process, given or b"", deadline)
    if output is None:
        _kill(process)
        return Finished(None, f"{argv[0]} was not over in time and was killed")
    # Cleaned before it is cut: half a secret is not recognised.
    return Finished(process.returncode, clean(output.decode(errors="replace"), 4 * TAIL).strip()[-TAIL:])


def safe_name(text: str) -> str:
    """*text*, if it can be nothing but a name: of a unit, a container, or, with slashes within, of a model or image.

    What an error says reaches a command only so: as one word of its argv that is no option.

    Raises:
        LlamaLoggingError: If it is anything else.
    """
    if len(text) > _LONGEST or not _NAME.fullmatch(text):
        raise LlamaLoggingError(f"not a name that may be acted on: {text[:100]!r}")
    return text


def _heard(process: subprocess.Popen[bytes], given: bytes, deadline: Deadline) -> bytes | None:
    """The end of what *process* says until it is over; None if it is not over in time.

    Not `communicate`: that keeps all that is said, and waits for a server that was started and has the output open.
    """
    said = b""
    with contextlib.ExitStack() as stack:
        # Not epoll, which needs a descriptor: the command may be there to make room for some.
        selector = stack.enter_context(contextlib.closing(selectors.PollSelector()))
        for pipe, event in ((process.stdout, selectors.EVENT_READ), (process.stdin, selectors.EVENT_WRITE)):
            if pipe is not None:
                selector.register(stack.enter_context(contextlib.closing(pipe)), event)
        while True:
            if not selector.get_map():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(deadline.remaining())
            over = process.poll() is not None
            for key, event in selector.select(0 if over else min(_LOOK, deadline.remaining())):
                if event == selectors.EVENT_READ:
                    data = os.read(key.fd, _AT_ONCE)
                    said = (said + data)[-2 * TAIL :]
                else:
                    given = data = given[_written(key.fd, given) :]
                if not data:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
            if over or not deadline.remaining():
                return said if over else None


def _written(pipe: int, given: bytes) -> int:
    try:
        return os.write(pipe, given[: select.PIPE_BUF])  # no more, or it might wait
    except BrokenPipeError:
        return len(given)  # it has heard enough


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
