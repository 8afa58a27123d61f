from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reporters.receivers import Receiver, receiver


@pytest.fixture
def web() -> Iterator[Receiver]:
    """A web server on loopback that takes everything."""
    with receiver() as started:
        yield started
