"""Which engine this process uses where none is named."""

from __future__ import annotations

from llama_logging.recovery.engine import Engine

_engine: Engine | None = None


def use(engine: Engine) -> None:
    """Make *engine* the one; the RecoveryHandler that was configured last does."""
    global _engine
    _engine = engine


def current() -> Engine:
    """The engine in use; without a RecoveryHandler, one that knows only what code has registered."""
    return _engine if _engine is not None else _DEFAULT


_DEFAULT = Engine()
