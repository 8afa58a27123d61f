from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from llama_logging import process
from llama_logging.context import Process


def test_threads_that_are_the_first_at_once_are_of_the_same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal tells of one: the errors of another would be of no service."""
    both, describe = threading.Barrier(2, timeout=10), process._describe

    def describe_together() -> Process:
        both.wait()
        return describe()

    monkeypatch.setattr(process, "_known", {})
    monkeypatch.setattr(process, "_describe", describe_together)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: process.current(), range(2))
    assert one is other
