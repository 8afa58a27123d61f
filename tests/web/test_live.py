"""What open pages are told while they are open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from llama_logging.exceptions import StoreError

live = pytest.importorskip("llama_logging.web.live", reason="the dashboard's packages are not installed")
requests = pytest.importorskip("starlette.requests")


class Desk:
    """Of a registry that fails while it is told to."""

    fails = False

    async def ask(self, question: Callable[[Any], object]) -> str:
        if self.fails:
            raise StoreError("the server is gone")
        return "7"


def test_a_page_is_not_live_while_the_registry_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it is calm in the midst of what it is open for, and says that this is how it is."""
    monkeypatch.setattr(live, "PAUSE", 0.0)
    desk = Desk()

    async def told() -> list[str]:
        request = requests.Request({"type": "http", "query_string": b"seen=7", "headers": []})
        events = (await live.stream(desk, lambda: False)(request)).body_iterator
        seen = [await anext(events)]
        for desk.fails in (True, False):
            seen.append(await anext(events))
        await events.aclose()
        return seen

    assert anyio.run(told) == ["retry: 3000\n\n", "event: down\ndata: -\n\n", "event: up\ndata: -\n\n"]
