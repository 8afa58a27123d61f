from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from llama_logging import transfer
from llama_logging.cli.main import main
from llama_logging.registry.attempts import SENDING
from llama_logging.reporters import sending
from llama_logging.stores import open_store, urls
from llama_logging.tried import OutcomeStatus
from tests.cli.test_commands import HOSTILE, NOW, answer, document, in_place, keep, some_errors
from tests.conftest import make_context
from tests.reporters.receivers import Receiver, free_port, receiver, saying
from tests.stores.test_outbox import attempt

TOKEN = "T0KEN-of-the-hook"


def configuration(port: int, more: str = "") -> None:
    Path("logging.yaml").write_text(
        f"""
version: 1
handlers:
  registry: {{class: llama_logging.handlers.RegistryHandler}}
  report:
    class: llama_logging.handlers.ReportHandler
    channels:
      ops: {{webhook: {{url: "http://127.0.0.1:{port}/{TOKEN}", allow_private: true, timeout: 5}}}}
    rules: [{{when: [new, every], channels: [ops]}}]
    {more}
root: {{level: INFO, handlers: [registry, report]}}
"""
    )


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiver() as started:
        yield started


def test_cron_sends_what_the_rules_ask_for(web: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    configuration(web.port)
    keep(make_context(timestamp=NOW - timedelta(hours=2), fingerprint="v1:long ago"))
    assert document(capsys, "report", "send") == {"sent": {}, "left": {}}
    assert answer(capsys, "report", "list") == "no reports yet\n"
    keep(make_context(timestamp=NOW + timedelta(minutes=1), error_message=HOSTILE))
    assert answer(capsys, "report", "send") == "ops: 2 sent\n"
    assert [json.loads(each.body)["kind"] for each in web.received] == ["new", "every"]
    assert document(capsys, "report", "send") == {"sent": {}, "left": {}}
    listed = document(capsys, "report", "list")
    assert [(each["channel"], each["sent"], each["waiting"]) for each in listed["channels"]] == [("ops", 2, 0)]
    assert [each["status"] for each in listed["deliveries"]] == ["sent", "sent"]
    text = answer(capsys, "report", "list")
    assert "ops" in text
    assert re.findall(r"sent +1 +(\w+): ValueError: ", text) == ["every", "new"]  # and not the names of rows
    assert not set(text) & set("\x1b\u202e")


def test_cron_sends_what_a_process_ended_too_soon_to_send(web: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    """It had not asked its rules yet, or was killed while it had the channel."""
    configuration(web.port)
    keep(make_context(timestamp=NOW - timedelta(minutes=30)))
    with contextlib.closing(open_store(urls.default())) as store:
        store.acquire(f"{SENDING}ops", "a process that is gone", 0.5, sending.TURNS)
    assert answer(capsys, "report", "send") == "ops: 2 sent\n"
    assert [json.loads(each.body)["kind"] for each in web.received] == ["new", "every"]


def test_what_is_left_is_told_without_its_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    configuration(free_port())
    document(capsys, "report", "send")
    keep(make_context(timestamp=NOW + timedelta(minutes=1)))
    told = answer(capsys, "report", "send", "--json", code=1)
    assert "refused" in json.loads(told)["left"]["ops"]
    text = answer(capsys, "report", "list")
    assert "refused" in text
    assert TOKEN not in told + text


def test_a_channel_is_tested(web: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    configuration(web.port)
    assert "accepted" in answer(capsys, "report", "test", "ops")
    answer(capsys, "report", "test", "ops")
    first, second = (json.loads(each.body) for each in web.received)
    assert first["kind"] == second["kind"] == "test"
    assert first["report_id"] != second["report_id"]  # else a receiver would take it for one that came twice
    web.usual = saying(403, f"{TOKEN} is not allowed".encode())
    told = answer(capsys, "report", "test", "ops", code=1)
    assert "HTTP 403: [redacted] is not allowed" in told
    assert main(("report", "test", "opps")) == 2
    assert "no channel 'opps'; there are 'ops'" in capsys.readouterr().err
    Path("logging.yaml").write_text("{version: 1, handlers: {}}")
    answer(capsys, "report", "test", "ops", code=2)


def test_a_channel_whose_secret_is_not_set_here_holds_up_no_other(
    web: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is for it is left to a process that knows the secret, as a process with the handler leaves it."""
    configuration(web.port)
    text = Path("logging.yaml").read_text().replace("channels: [ops]", "channels: [ops, team]")
    Path("logging.yaml").write_text(
        text.replace("    rules:", "      team: {webhook: {url: 'env://TEAM_HOOK'}}\n    rules:")
    )
    assert "accepted" in answer(capsys, "report", "test", "ops")
    answer(capsys, "report", "test", "team", code=2)
    assert document(capsys, "report", "send") == {"sent": {}, "left": {}}
    keep(make_context(timestamp=NOW + timedelta(minutes=1)))
    told = json.loads(answer(capsys, "report", "send", "--json", code=1))
    assert told == {"sent": {"ops": 2}, "left": {"team": "it cannot be used here"}}
    Path("logging.yaml").write_text(text.replace("when:", "wen:"))
    answer(capsys, "report", "send", code=2)


def test_the_digest_is_printed_in_three_forms(capsys: pytest.CaptureFixture[str]) -> None:
    healed = make_context(timestamp=NOW - timedelta(minutes=5), fingerprint="v1:healed")
    keep(*some_errors(), healed, attempts=(attempt(healed, OutcomeStatus.RECOVERED),))
    store = open_store(urls.default())
    text = answer(capsys, "report", "digest", "--since", "24h")
    assert "4 errors, none in the time before" in text
    assert "New: 3" in text
    assert "restart: 1 recovered, 0 in vain, 4.0 s from the error to its end on average" in text
    assert not set(text) & set("\x1b\u202e")
    page = answer(capsys, "report", "digest", "--format", "html")
    assert page.startswith("<!DOCTYPE html>")
    assert "<td>ValueError</td><td>3</td>" in page
    told = document(capsys, "report", "digest", "--since", "48h")
    assert (told["total"], told["before"], told["new_count"]) == (4, 1, 3)
    store.close()


def test_a_digest_is_of_one_service_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.closing(open_store(urls.default())) as store:
        transfer.add(store, [in_place("shop", "live"), in_place("api", "live", fingerprint="v1:other")])
    assert document(capsys, "report", "digest", "--service", "shop")["new_count"] == 1
    assert "Errors from shop from " in answer(capsys, "report", "digest", "--service", "shop")
    page = answer(capsys, "report", "digest", "--service", "<b>", "--format", "html")
    assert "<h1>0 errors from &lt;b&gt;</h1>" in page


def test_no_error_text_can_add_markup_to_the_digest(capsys: pytest.CaptureFixture[str]) -> None:
    keep(make_context(timestamp=NOW, error_message="<script>alert(1)</script>", error_type="<b>"))
    page = answer(capsys, "report", "digest", "--format", "html")
    assert "<script" not in page
    assert "<b>" not in page


def test_a_digest_is_sent_when_asked_for(web: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    configuration(web.port)
    keep(*some_errors())
    assert "ops: 1 sent" in answer(capsys, "report", "digest", "--since", "7d", "--send")
    (received,) = web.received
    content = json.loads(received.body)
    assert (content["kind"], content["digest"]["total"]) == ("digest", 4)
    assert content["html"].startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(("words", "total"), [((), 1), (("--service", "api"), 2), (("--service", ""), 3)])
def test_a_digest_that_is_sent_is_of_the_service_that_the_yaml_names(
    web: Receiver, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], total: int
) -> None:
    configuration(web.port, "digest: {every: 24h, channels: [ops], service: shop}")
    with contextlib.closing(open_store(urls.default())) as store:
        transfer.add(store, [in_place("shop", "live"), in_place("api", "live"), in_place("api", "test")])
        transfer.add(store, [in_place("", "live") for _ in range(3)])
    answer(capsys, "report", "digest", "--since", "7d", "--send", *words)
    (received,) = web.received
    assert json.loads(received.body)["digest"]["total"] == total
