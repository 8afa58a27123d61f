"""A trace is followed from the request or the job that came to those that are made, through any library here.

Nothing is sent, nothing measured, no span begun: headers are read and passed on.
"""

from __future__ import annotations

from llama_logging.bridging import build_when_imported

BRIDGES = {
    "asyncio.base_events": "asyncio_tasks",
    "celery.signals": "celery_jobs",
    "django.core.handlers.asgi": "django_requests",
    "django.core.handlers.wsgi": "django_requests",
    "flask.app": "flask_requests",
    "httpx._client": "httpx_calls",
    "httpx2._client": "httpx_calls",
    "requests.sessions": "requests_calls",
    "rq.job": "rq_jobs",
    "rq.worker": "rq_jobs",
    "starlette.applications": "starlette_requests",
    "uvloop": "asyncio_tasks",
}
"""Module of the application's: name of the bridge to it."""

_installed = False


def install() -> None:
    """Build the bridges to what is imported already, and wait for the rest; once in a process."""
    global _installed
    if not _installed:
        _installed = True
        build_when_imported({name: f"{__name__}.{bridge}" for name, bridge in BRIDGES.items()}, "traces end there")
