"""Bridges to what fails without a record of `logging`."""

from __future__ import annotations

from llama_logging.bridging import build_when_imported

BRIDGES = {
    "asyncio.base_events": "event_loop",
    "IPython.core.interactiveshell": "ipython_cells",
    "flask.signals": "flask_debug",
    "httpcore": "http_clients",
    "httpcore2": "http_clients",
    "loguru": "loguru_sink",
    "rich.console": "rich_tracebacks",
    "streamlit.error_util": "streamlit_scripts",
    "structlog._base": "structlog_events",
    "twisted.logger._global": "twisted_logger",
    "uvloop": "event_loop",
}
"""Module of the application's: name of the bridge to it."""


def install() -> None:
    """Build the bridges to what is imported already, and wait for the rest."""
    build_when_imported({name: f"{__name__}.{bridge}" for name, bridge in BRIDGES.items()}, "its errors are not seen")
