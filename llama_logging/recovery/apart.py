"""What may hang, as code of the application's and what a strategy does: on a thread that is left behind then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from llama_logging.runtime.background import Thread, stand_apart

T = TypeVar("T")

MOST = 16
"""Threads of one name. More than are at work at once have been left behind, and each further one would be, too."""


def begin(name: str, job: Callable[[], T]) -> Future[T] | None:
    """What *job*, which must not raise, gives on a thread of its own; None if MOST of that name do not come to an end.

    Of what it logs nothing is to be recovered.

    Raises:
        RuntimeError: If no thread can be started.
    """
    name = f"llama_logging-{name}"
    if sum(thread.name == name for thread in threading.enumerate()) >= MOST:
        return None
    answer: Future[T] = Future()

    def work() -> None:
        stand_apart()
        answer.set_result(job())

    Thread(name, work).start()
    return answer
