"""Who this process is: host, program, service, release."""

from __future__ import annotations

import os
import socket
import sys

from llama_logging.context import Process

_current: Process | None = None


def current() -> Process:
    """This process; made anew after a fork, also one that runs no hooks, such as uWSGI's."""
    global _current
    if _current is None or _current.pid != os.getpid():
        _current = _describe()
    return _current


def _forget() -> None:
    global _current
    _current = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def resource_attributes(text: str) -> dict[str, str]:
    """Parse OTEL_RESOURCE_ATTRIBUTES (`key=value,key=value`; OpenTelemetry resource SDK).

    >>> resource_attributes("service.name=shop,service.version=1.2")
    {'service.name': 'shop', 'service.version': '1.2'}
    """
    pairs = (item.split("=", 1) for item in text.split(",") if "=" in item)
    return {key.strip(): value.strip() for key, value in pairs}


def _describe() -> Process:
    env = os.environ
    resource = resource_attributes(env.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    return Process(
        process=os.urandom(8).hex(),
        pid=os.getpid(),
        host=socket.gethostname(),
        boot=_boot_id(),
        program=sys.argv[0][:500] if getattr(sys, "argv", None) else "",
        python=sys.version.split()[0],
        service=env.get("OTEL_SERVICE_NAME") or resource.get("service.name", ""),
        environment=env.get("SENTRY_ENVIRONMENT") or resource.get("deployment.environment.name", ""),
        release=env.get("SENTRY_RELEASE") or resource.get("service.version", ""),
    )


def _boot_id() -> str:
    # Bytes: a text file would look its codec up, and a `__del__` that logs in the midst of that breaks it.
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as file:
            return (file.read() or b"").decode("ascii").strip()
    except OSError:
        return ""
