"""What tests of strategies share: one made from options, one try of it, functions for its hooks."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llama_logging.config.options import Options
from llama_logging.context import ErrorContext, ExceptionDetail
from llama_logging.recovery.strategies import load
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy
from tests.conftest import make_context


def make(name: str, **options: Any) -> Strategy:
    """The shipped strategy *name*, as a rule makes it; a mistake in *options* raises."""
    cls: Any = load(name)
    strategy: Strategy = cls.configure(Options(name, options, cls.option_names, strict=True))
    return strategy


def attempt(strategy: Strategy, context: ErrorContext | None = None, timeout: float = 20) -> Remedy:
    """One try."""
    return tried(strategy, context or failed(), Deadline(timeout))


def tried(strategy: Strategy, context: ErrorContext, deadline: Deadline) -> Remedy:
    """What comes of looking, or else of acting."""
    return strategy.look(context, deadline) or strategy.recover(context, deadline)


def failed(message: str = "m", *, attributes: dict[str, int | str] | None = None, **changes: Any) -> ErrorContext:
    """An error with one exception."""
    error = ExceptionDetail(
        type="E", module="app", message=message, bases=("app.E", "Exception"), attributes=attributes or {}
    )
    return make_context(exceptions=(error,), **changes)


def napping(monkeypatch: pytest.MonkeyPatch, timeout: float) -> Deadline:
    """A deadline on a clock that is moved by the pauses of a strategy and by nothing else."""
    now = [0.0]
    pauses = SimpleNamespace(sleep=lambda seconds: now.__setitem__(0, now[0] + seconds), monotonic=lambda: now[0])
    monkeypatch.setattr("llama_logging.recovery.strategy.time", pauses)
    return Deadline(timeout, lambda: now[0])


class Patient:
    """Something that is ill until it is treated, and notes what is done to it."""

    def __init__(self, well: bool = False, treatments: int = 1) -> None:
        self.notes: list[str] = []
        self._needed = 0 if well else treatments

    def treat(self) -> None:
        self.notes.append("treated")
        self._needed -= 1

    async def treat_later(self) -> None:
        self.treat()

    def harm(self) -> None:
        self.notes.append("harmed")
        raise ValueError("password=hunter22")

    def is_well(self) -> bool:
        self.notes.append("looked at")
        return self._needed <= 0


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str = "") -> Callable[[], list[str]]:
    """Put an executable *name* on an otherwise empty PATH; it notes each of its command lines.

    Returns:
        What gives the command lines so far.
    """
    folder.mkdir(exist_ok=True)
    notes = folder / f"{name}.notes"
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "$0 $*" >> {notes}\n{script}\n'.replace("$0", name))
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return lambda: notes.read_text().splitlines() if os.path.exists(notes) else []
