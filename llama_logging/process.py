"""Who this process is: host, program, service, release."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from llama_logging.context import Process
from llama_logging.patterns import regex
from llama_logging.redaction import clean
from llama_logging.release import release_of
from llama_logging.runtime import forks
from llama_logging.runtime.state import current_folder

if hasattr(os, "uname"):

    def _host() -> str:
        return os.uname().nodename  # as socket.gethostname, which takes three milliseconds to import
else:
    from socket import gethostname as _host

_COMMAND = "-c"
"""What stands in place of a program where Python was given its code on the command line."""
_FLAGS = "-bBdEhiIOPqRsSuvVx?"
"""The options of Python that are about nothing but themselves."""
_MOST_PARENTS = 4
_PYTHON = regex(r"(?i)(.*/)?(python|pypy)[\d.]*[a-z]*")
_ENCODED = regex(rb"%([0-9a-fA-F]{2})")
_known: dict[int, Process] = {}


def current() -> Process:
    """This process; made anew after a fork."""
    found = _known.get(forks.pid)
    if found is None:
        # setdefault is atomic: threads that are the first at once would have names of their own, of which the journal
        # tells one.
        found = _known.setdefault(forks.pid, _describe())
    return found


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_known.clear)


def resource_attributes(text: str) -> dict[str, str]:
    """Parse OTEL_RESOURCE_ATTRIBUTES (`key=value,key=value`, percent-encoded; OpenTelemetry resource SDK).

    >>> resource_attributes("service.name=shop%2C north,service.version=1.2")
    {'service.name': 'shop, north', 'service.version': '1.2'}
    """
    pairs = (item.split("=", 1) for item in text.split(",") if "=" in item)
    return {_decoded(key.strip()): _decoded(value.strip()) for key, value in pairs}


def _decoded(text: str) -> str:
    # As urllib.parse.unquote, which takes milliseconds to import.
    octets = _ENCODED.sub(lambda found: bytes((int(found[1], 16),)), text.encode("utf-8", "surrogateescape"))
    return octets.decode("utf-8", "replace")


def _describe() -> Process:
    env = os.environ
    resource = resource_attributes(env.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    # The second is the name it had until version 1.27 of the conventions.
    environment = resource.get("deployment.environment.name") or resource.get("deployment.environment", "")
    return Process(
        process=os.urandom(8).hex(),
        pid=forks.pid,
        host=clean(resource.get("host.name", "")) or _host(),
        boot=_boot_id(),
        program=clean(_program(), 500),
        python=sys.version.split()[0],
        service=clean(env.get("OTEL_SERVICE_NAME") or resource.get("service.name", "")),
        environment=clean(env.get("SENTRY_ENVIRONMENT") or environment),
        release=clean(release_of(env, resource, current_folder())),
    )


def _program() -> str:
    """What runs here; of `python -c` what has started that, as a worker does for its jobs, if it is Python's too."""
    words = getattr(sys, "argv", None)
    if not words or words[0] != _COMMAND:
        return words[0] if words else ""
    pid = os.getppid()
    for _ in range(_MOST_PARENTS):
        words = _read(f"/proc/{pid}/cmdline").decode("utf-8", "replace").split("\0")
        program = _run_by(words[1:]) if _PYTHON.fullmatch(words[0]) else ""
        if program != _COMMAND:
            break
        # The name in it may have blanks and parentheses of its own (proc_pid_stat(5)).
        _, above, *_ = *_read(f"/proc/{pid}/stat").rpartition(b")")[2].split(), b"0", b"0"
        pid = int(above)
    return program if program not in ("", "-", _COMMAND) else f"python {_COMMAND}"


def _run_by(words: Sequence[str]) -> str:
    """What Python runs with these on its command line: a file, a module, or `-c` for code.

    >>> _run_by(["-u", "-X", "dev", "/srv/bin/rq", "worker"]), _run_by(["-Im", "celery"]), _run_by(["-c", "pass"])
    ('/srv/bin/rq', 'celery', '-c')
    """
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            return word
        if word.startswith("--"):
            continue
        option = word.lstrip(_FLAGS)
        told = option[1:] or next(rest, "") if option else ""
        if option[:1] in ("c", "m"):
            return told if option[0] == "m" else _COMMAND
    return ""


def _boot_id() -> str:
    return _read("/proc/sys/kernel/random/boot_id").decode("ascii").strip()


def _read(path: str) -> bytes:
    """The beginning of a file of the system's; empty if there is none."""
    # Of `os`, not the built-in open: that one is gone when the last objects of an interpreter log in
    # their `__del__`. Bytes: a text would have its codec looked up, and a `__del__` amidst that breaks it.
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            return os.read(fd, 4_096)
        finally:
            os.close(fd)
    except OSError:
        return b""
