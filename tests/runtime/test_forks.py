from __future__ import annotations

import os

import pytest

from llama_logging.runtime import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_lock_is_free_in_a_forked_child_and_held_in_its_parent_as_before() -> None:
    lock = forks.lock()
    with lock:
        child = os.fork()
        if not child:
            os._exit(0 if lock.acquire(timeout=5) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert lock.locked()
    assert not lock.locked()
