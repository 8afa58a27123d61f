from __future__ import annotations

import asyncio
import logging
import sys
import threading
from types import ModuleType

import pytest

from llama_logging.capture import breadcrumbs
from llama_logging.context import ErrorContext
from llama_logging.handlers import RegistryHandler
from llama_logging.opening import open_registry
from llama_logging.stores import urls
from tests.conftest import Run

log = logging.getLogger("app")


@pytest.fixture(autouse=True)
def handler() -> RegistryHandler:
    """The logger `app` keeps three breadcrumbs."""
    handler = RegistryHandler(breadcrumbs=3)
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    return handler


def errors(store: str = urls.DEFAULT) -> list[ErrorContext]:
    """What is in the registry, oldest first."""
    opened = open_registry(urls.parse(store))
    found = list(reversed(opened.errors(limit=100)))
    opened.close()
    return found


def messages(context: ErrorContext) -> list[str]:
    return [crumb.message for crumb in context.breadcrumbs]


def test_an_error_carries_what_came_before_it() -> None:
    for number in range(5):
        log.info("step %d", number)
    log.error("failed")
    log.error("failed again: %s", "x")
    first, second = errors()
    assert messages(first) == ["step 2", "step 3", "step 4"]
    assert messages(second) == ["step 3", "step 4", "failed"]
    assert first.breadcrumbs[0].severity.name == "INFO"
    assert first.breadcrumbs[0].logger_name == "app"


FAILING = """
import gc, logging, weakref
from llama_logging.handlers import RegistryHandler

log = logging.getLogger("app")
for store in ("sqlite:///one.db", "sqlite:///two.db"):
    log.addHandler(RegistryHandler(store=store, breadcrumbs=3))

class Large:
    pass

def fail():
    large = Large()
    try:
        raise ValueError("x")
    except ValueError:
        log.exception("failed")
    return weakref.ref(large)

large = fail()
gc.collect()
print(large())
log.error("failed again")
"""


def test_what_was_in_the_frames_of_an_error_is_not_kept_alive(run: Run) -> None:
    """A thread that waits for work may log nothing more for hours. Two handlers have one breadcrumb of the error."""
    done = run("-c", FAILING)
    assert (done.code, done.out, done.err) == (0, "None\n", "")
    for store in ("sqlite:///one.db", "sqlite:///two.db"):
        assert messages(errors(store)[-1]) == ["failed"]


def test_threads_have_trails_of_their_own() -> None:
    log.info("main")

    def other() -> None:
        log.info("other")
        log.error("other failed")

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    log.error("main failed")
    assert [messages(context) for context in errors()] == [["other"], ["main"]]


def test_an_error_is_captured_in_full_while_another_thread_imports_asyncio() -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "asyncio.events", ModuleType("asyncio.events"))
        log.info("before")
        try:
            raise ValueError("failed")
        except ValueError:
            log.exception("failed", extra={"tags": {"shard": "7"}})
    (found,) = errors()
    assert (found.error_type, found.tags, messages(found)) == ("ValueError", {"shard": "7"}, ["before"])


def test_tasks_have_trails_of_their_own() -> None:
    async def request(name: str) -> None:
        log.info("%s begins", name)
        await asyncio.sleep(0.01)
        log.error("%s failed", name)

    async def main() -> None:
        await asyncio.gather(*(request(name) for name in "ab"))

    asyncio.run(main())
    assert [messages(context) for context in errors()] == [["a begins"], ["b begins"]]


class Counted:
    shown = 0

    def __str__(self) -> str:
        Counted.shown += 1
        return "counted"


class Unprintable:
    def __str__(self) -> str:
        raise SystemExit


def test_nothing_is_formatted_until_an_error_comes(handler: RegistryHandler) -> None:
    log.handlers[:] = [handler]  # without those of pytest, which format
    Counted.shown = 0
    for _ in range(10):
        log.info("%s", Counted())
    log.debug("%s", Unprintable())
    assert Counted.shown == 0
    log.error("failed")
    assert Counted.shown == 2
    assert messages(errors()[0])[-1] == "[arguments not formatted: SystemExit]"


def test_data_that_was_logged_is_told_by_its_message() -> None:
    """Whichever key has it, as in an error's own."""
    for key in ("event", "message", "msg"):
        log.info({key: f"paying, by {key}", "order": 7})
    log.error("failed")
    assert messages(errors()[0]) == ["paying, by event", "paying, by message", "paying, by msg"]


def test_secrets_are_taken_out_of_them() -> None:
    log.info("login with password=hunter2")
    log.error("failed")
    assert messages(errors()[0]) == ["login with password=[redacted]"]


def test_a_storm_carries_them_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breadcrumbs, "FULL_FOR", 2)
    for _ in range(20):
        log.info("before")
        log.error("storm")
    assert [bool(context.breadcrumbs) for context in errors()] == [True, True] + [n % 10 == 0 for n in range(3, 21)]


def test_they_are_off_by_default(handler: RegistryHandler) -> None:
    log.removeHandler(handler)
    breadcrumbs.TRAILS.size = 0
    log.addHandler(RegistryHandler())
    log.info("before")
    log.error("failed")
    assert messages(errors()[0]) == []
