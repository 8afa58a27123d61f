"""Who this process is: host, program, service, release."""

from __future__ import annotations

import os
import sys

from llama_logging import forks
from llama_logging.context import Process
from llama_logging.patterns import regex
from llama_logging.redaction import clean
from llama_logging.release import release_of

if hasattr(os, "uname"):

    def _host() -> str:
        return os.uname().nodename  # as socket.gethostname, which takes three milliseconds to import
else:
    from socket import gethostname as _host

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
        program=clean(sys.argv[0], 500) if getattr(sys, "argv", None) else "",
        python=sys.version.split()[0],
        service=clean(env.get("OTEL_SERVICE_NAME") or resource.get("service.name", "")),
        environment=clean(env.get("SENTRY_ENVIRONMENT") or environment),
        release=clean(release_of(env, resource, _folder())),
    )


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return ""


def _boot_id() -> str:
    # Of `os`, not the built-in open: that one is gone when the last objects of an interpreter log in
    # their `__del__`. Bytes: a text would have its codec looked up, and a `__del__` amidst that breaks it.
    try:
        fd = os.open("/proc/sys/kernel/random/boot_id", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            return os.read(fd, 100).decode("ascii").strip()
        finally:
            os.close(fd)
    except OSError:
        return ""
