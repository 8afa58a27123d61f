"""Strategies that change nothing outside: flags, tokens, messages."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError
from llama_logging.recovery.flags import flags
from llama_logging.tried import OutcomeStatus
from tests.recovery.acting import attempt, failed, make, stand_in


def test_a_flag_is_set_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(flags, "_clock", lambda: now[0])
    toggle = make("flag.toggle", flag="model", value="llama3.2:1b", lasting="10m")
    assert flags.get("model", "llama3.2") == "llama3.2"
    remedy = attempt(toggle)
    assert (remedy.status, remedy.detail) == (
        OutcomeStatus.RECOVERED,
        "have the flag model be 'llama3.2:1b' for 600 s",
    )
    assert flags.get("model", "llama3.2") == "llama3.2:1b"
    now[0] = 600.0
    assert flags.get("model", "llama3.2") == "llama3.2"


def test_a_flag_without_an_end_lasts_until_it_is_cleared() -> None:
    attempt(make("flag.toggle", flag="cheap", value=True))
    assert flags.get("cheap") is True
    flags.clear("cheap")
    flags.clear("cheap")
    assert flags.get("cheap") is None


class Provider:
    """Gives tokens, and counts them."""

    def __init__(self) -> None:
        self.given = 0

    def refresh(self) -> str:
        self.given += 1
        time.sleep(0.05)
        return "secret-token"

    def refuse(self) -> None:
        raise PermissionError("the refresh token has expired")


provider, other = Provider(), Provider()


@pytest.fixture
def new_provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setitem(globals(), "provider", Provider())
    return provider


def test_many_callers_get_one_new_token(new_provider: Provider) -> None:
    """Two rules that name one credential are one, too."""
    options = {"refresh": f"{__name__}:provider.refresh", "credential": "many callers"}
    strategies = [make("token.refresh", **options), make("token.refresh", **options)]
    context, barrier, remedies = failed(timestamp=datetime.now(UTC)), Barrier(8), []

    def call(number: int) -> None:
        barrier.wait(20)
        remedies.append(attempt(strategies[number % 2], context))

    threads = [Thread(target=call, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert new_provider.given == 1
    assert {remedy.status for remedy in remedies} == {OutcomeStatus.RECOVERED}
    assert "secret-token" not in str(remedies)


def test_an_error_after_the_last_new_token_needs_another(new_provider: Provider) -> None:
    refresh = make("token.refresh", refresh=f"{__name__}:provider.refresh", credential="another")
    attempt(refresh, failed(timestamp=datetime.now(UTC)))
    attempt(refresh, failed(timestamp=datetime.now(UTC) + timedelta(seconds=1)))
    assert new_provider.given == 2


def test_two_providers_of_one_class_have_two_tokens(new_provider: Provider) -> None:
    failed_before = failed(timestamp=datetime.now(UTC))
    for one in ("provider", "other"):
        attempt(make("token.refresh", refresh=f"{__name__}:{one}.refresh"), failed_before)
    assert (new_provider.given, other.given) == (1, 1)


def test_a_refusal_is_a_failure_and_the_next_may_try(new_provider: Provider) -> None:
    refuse = make("token.refresh", refresh=f"{__name__}:provider.refuse", credential="refused")
    remedy = attempt(refuse)
    assert remedy.status is OutcomeStatus.FAILED
    assert remedy.detail.endswith("Provider.refuse: PermissionError: the refresh token has expired")
    refresh = make("token.refresh", refresh=f"{__name__}:provider.refresh", credential="refused")
    assert attempt(refresh).status is OutcomeStatus.RECOVERED


class Hook(BaseHTTPRequestHandler):
    received: list[tuple[str, Any]]
    status = 204

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, json.loads(body)))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture
def hook() -> Any:
    Hook.received, Hook.status = [], 204
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join(20)


def test_a_webhook_is_told_once_for_all_errors_of_a_rule(hook: int) -> None:
    notify = make("notify", webhook=f"http://127.0.0.1:{hook}/T0/secret")
    remedies = [attempt(notify, failed(logger_name="shop")) for _ in range(3)]
    ((path, body),) = Hook.received
    assert path == "/T0/secret"
    assert body["text"] == "`ERROR in shop: ValueError: no such article`"
    assert body["error_id"]
    assert remedies[0].detail == "nothing more can be tried; http://127.0.0.1 was told"
    assert remedies[1].detail == "http://127.0.0.1 was told less than 900 s ago"


def test_an_error_without_words_is_told_by_its_type_alone(hook: int) -> None:
    """As a timeout of httpx's: nobody looks for what stands behind a colon."""
    attempt(
        make("notify", webhook=f"http://127.0.0.1:{hook}/"),
        failed(error_type="TimeoutError", error_message="", logger_name="shop"),
    )
    ((_, body),) = Hook.received
    assert body["text"] == "`ERROR in shop: TimeoutError`"
    assert attempt(make("notify", function=f"{__name__}:says_nothing")).detail.endswith("says_nothing: OSError")


def says_nothing(_: ErrorContext) -> None:
    raise OSError


def test_told_is_not_healed(hook: int) -> None:
    """So that what stands in for the result may come after it."""
    assert attempt(make("notify", webhook=f"http://127.0.0.1:{hook}/")).status is OutcomeStatus.FAILED


def test_what_could_not_be_told_is_told_again_and_the_address_is_a_secret(hook: int) -> None:
    Hook.status = 500
    notify = make("notify", webhook=f"http://127.0.0.1:{hook}/T0/secret")
    remedy = attempt(notify)
    assert remedy.detail == "http://127.0.0.1 could not be told: it answered 500"
    assert "secret" not in notify.intent + notify.scope
    attempt(notify)
    assert len(Hook.received) == 2
    nobody = attempt(make("notify", webhook="http://127.0.0.1:1/T0/secret"))
    assert "could not be told" in nobody.detail
    assert "secret" not in nobody.detail


def test_a_command_is_told_which_error_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = stand_in(tmp_path / "bin", monkeypatch, "page")
    context = failed()
    attempt(make("notify", command=["page", "{type}", "{error_id}"]), context)
    assert said() == [f"page ValueError {context.error_id}"]


told: list[ErrorContext] = []


def test_a_function_is_told_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "told", [])
    context = failed()
    notify = make("notify", function=f"{__name__}:told.append", cooldown=0)
    attempt(notify, context)
    attempt(notify, context)
    assert told == [context, context]


@pytest.mark.parametrize(
    "options", [{}, {"command": ["a"], "webhook": "http://h"}, {"webhook": "ftp://h"}, {"webhook": "h"}]
)
def test_one_way_to_tell_is_needed(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"exactly one of|webhook: expected an address"):
        make("notify", **options)
