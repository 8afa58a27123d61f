"""The pages, asked without a browser: what they show, who may see them, and who may change something."""

from __future__ import annotations

import io
import logging
import re
import sqlite3
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the dashboard's packages are not installed")

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from llama_logging import transfer
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError
from llama_logging.ids import new_id
from llama_logging.prediction.forecast import Fate
from llama_logging.prediction.ledger import Action
from llama_logging.recovery.switch import ROW
from llama_logging.registry.groups import GroupState
from llama_logging.registry.outbox import Outbox
from llama_logging.stores import open_store, urls
from llama_logging.web import dashboard, guard
from llama_logging.web.keys import Keys
from llama_logging.web.pages import deciding
from llama_logging.web.pages.deciding import by
from tests.cli.test_commands import in_place
from tests.conftest import make_context
from tests.stores.test_ledger import ending, make_announcement, make_quality
from tests.stores.test_store import add
from tests.web.story import TRACE, tell

NOW = datetime.now(UTC)
TOKEN = "a token of twenty-four"
PAGES = ("/", "/overview", "/recovery", "/predictions", "/trace", "/health")


@pytest.fixture
def store(store_url: urls.StoreURL) -> Iterator[Outbox]:
    opened = open_store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def client(store: Outbox) -> Iterator[TestClient]:
    """A browser that has not signed in."""
    with TestClient(dashboard(store, token=TOKEN), base_url="http://127.0.0.1:8321") as client:
        yield client


@pytest.fixture
def signed(client: TestClient) -> TestClient:
    """A browser that has."""
    assert client.get(f"/?token={TOKEN}").status_code == 200
    return client


def csrf(client: TestClient) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', client.get("/recovery").text)
    assert found
    return found[1]


def decide(client: TestClient, do: str, *names: str, **fields: str) -> Any:
    form = {"csrf": csrf(client), "do": do, "back": "?state=open", "id": list(names), **fields}
    return client.post("/decide", data=form, follow_redirects=False)


def test_pages_are_shown_of_a_registry_that_is_not_there(client: TestClient) -> None:
    for page in PAGES:
        assert client.get(page).status_code == 200, page
    assert "No errors captured yet" in client.get("/").text


def test_pages_show_what_the_registry_holds(store: Outbox, client: TestClient) -> None:
    newest = tell(store)
    assert "AIGenerationError" in client.get("/").text
    assert "OperationalError" in client.get("/?state=regressed").text
    assert "could not convert" in client.get("/?state=muted").text
    assert "Stock" not in client.get("/?q=ollama").text
    group = client.get(f"/g/{newest[0].fingerprint.partition(':')[2]}").text
    for text in ("ConnectError", "caused by", "Writer._generate", "max_tokens", "breadcrumbs", "acme", "Recoveries"):
        assert text.lower() in group.lower(), text
    assert f"/e/{newest[0].error_id}.md" in client.get(f"/e/{newest[0].error_id}").text
    for since in ("1h", "24h", "7d", "30d"):
        assert client.get(f"/overview?since={since}").status_code == 200
    assert "node-2 pid 4100 is at it" in client.get("/recovery").text
    trace = client.get(f"/trace/{TRACE}").text
    assert trace.index("OperationalError") < trace.index("TimeoutError") < trace.index("AIGenerationError")
    assert "2.9.0" in client.get("/health").text


def test_members_stand_below_their_group(store: Outbox, client: TestClient) -> None:
    newest = tell(store)
    text = client.get(f"/e/{newest[4].error_id}").text
    assert [f"member {number} of 3" in text for number in (1, 2, 3)] == [True] * 3


def test_a_group_and_an_error_are_found_by_how_their_names_begin(store: Outbox, client: TestClient) -> None:
    context = make_context()
    add(store, context)
    for path in ("/g/01234567", "/g/v1:0123456789abcdef", f"/e/{context.error_id[:30]}"):
        assert "no such article" in client.get(path).text, path
    for path in ("/g/none", "/e/none", "/nowhere", "/static/none"):
        assert client.get(path).status_code == 404, path


def test_one_walks_from_error_to_error(store: Outbox, client: TestClient) -> None:
    contexts = [make_context(timestamp=NOW - timedelta(minutes=n)) for n in range(60)]
    add(store, *contexts)
    text = client.get(f"/e/{contexts[30].error_id}").text
    for label, number in (("First", 59), ("Previous", 31), ("Next", 29), ("Last", 0)):
        assert re.search(rf'href="/e/{contexts[number].error_id}"[^>]*>\W*{label}', text), label
    older = client.get(f"/e/{contexts[30].error_id}?older={contexts[19].error_id}").text
    assert contexts[20].error_id in older
    assert contexts[39].error_id in older
    assert f'href="/e/{contexts[19].error_id}"' not in older
    newest = client.get(f"/e/{contexts[0].error_id}").text
    assert "<span>Next →</span>" in newest


def test_pages_are_about_one_service_or_environment(store: Outbox, client: TestClient) -> None:
    transfer.add(store, [in_place("shop", "live"), in_place("shop", "test"), in_place("<api>", "live")])
    assert "1</b> <span>error<" in client.get("/?service=shop&environment=live").text
    assert "2</b> <span>errors<" in client.get("/?service=shop").text
    assert "No errors from there" in client.get("/?service=none").text
    text = client.get("/?service=shop&sort=count&q=article").text
    # Every way from here stays there, but the one to all services.
    assert 'href="/?sort=count&amp;q=article&amp;service=%3Capi%3E"' in text
    assert 'href="/?sort=count&amp;q=article"' in text
    assert '<input type="hidden" name="service" value="shop">' in text
    assert "&lt;api&gt;" in text
    assert "<api>" not in text
    overview = client.get("/overview?service=shop&environment=test").text
    assert '<h2>Errors</h2><p class="value">1</p>' in overview
    assert "Recovered everywhere" in overview
    assert overview.count("none before") >= 2
    assert not re.search(r"(none|as) before</span>\s*<span class=.soft.>0 before", overview)
    assert 'href="/overview?since=7d&amp;service=shop&amp;environment=test"' in overview
    # The next one asks about all of them.
    assert '<h2>Errors</h2><p class="value">3</p>' in client.get("/overview").text
    assert "3</b> <span>errors<" in client.get("/").text


def test_one_service_is_nothing_to_choose_from(store: Outbox, client: TestClient) -> None:
    transfer.add(store, [in_place("shop", "live")])
    assert "All services" not in client.get("/").text


def test_groups_come_page_by_page(store: Outbox, client: TestClient) -> None:
    add(store, *(make_context(fingerprint=f"v1:{n:04}", timestamp=NOW - timedelta(minutes=n)) for n in range(120)))
    seen = [re.findall(r'href="/g/(\d{4})"', client.get(f"/?page={page}").text) for page in (1, 2, 3, 4)]
    assert [len(page) for page in seen] == [50, 50, 20, 0]
    assert len({name for page in seen for name in page}) == 120
    assert 'rel="next"' not in client.get("/?page=3").text


def test_the_details_of_a_group_may_be_gone(store: Outbox, client: TestClient) -> None:
    add(store, make_context())
    with sqlite3.connect(store.url.removeprefix("sqlite:///")) as file:
        file.execute("DELETE FROM errors")
    file.close()
    assert (
        "have been pruned" in client.get("/g/0123456789abcdef").text or "were pruned" in client.get("/g/01234567").text
    )


def test_an_error_is_given_as_markdown_and_as_json(store: Outbox, client: TestClient) -> None:
    context = make_context(error_message="``` <script> |", tags={"tenant": "a"})
    add(store, context)
    markdown = client.get(f"/e/{context.error_id}.md")
    assert markdown.headers["content-type"].startswith("text/plain")
    assert "### ```` ValueError: ``` <script> | ````" in markdown.text
    assert "tenant=a" in markdown.text
    assert client.get(f"/e/{context.error_id}.json").json()["tags"] == {"tenant": "a"}


def test_predictions_are_listed_with_how_far_they_are_to_be_believed(store: Outbox, client: TestClient) -> None:
    add(store, make_context())
    assert "No predictions" in client.get("/predictions").text
    now = datetime.now(UTC)
    early = now - timedelta(hours=1)
    acted, held = (make_announcement(early, action, probability=0.82) for action in (Action.ACTED, Action.CONTROL))
    store.predicted([acted, held])
    store.resolve_predictions([ending(held, Fate.HIT, 30.0, "e" * 9)])
    store.settle_predictions(now)
    store.rate_predictions("shop 1", now, [make_quality(), make_quality(trusted=False, why="too few errors yet")])
    text = client.get("/predictions").text
    for part in (
        *("no such article", "82&nbsp;%", "app: pool at &lt;n&gt;", "acted", "hit"),
        *("7 of 9 early warnings came true", "6 of 8 onsets foreseen", "too few errors yet", "0.250"),
        *("after 0 of 1 that were acted on", "after 1 of 1 that were held back"),
        # One that was acted on is no false one.
        "Of the latest 2: 1 came true, 0 did not, 1 cannot tell",
    ):
        assert part in text, part


@pytest.mark.parametrize("name", ["%ED%9F%BF", "%F4%8F%BF%BF", "%00", "%FF"])
def test_no_error_has_a_name_that_is_none(store: Outbox, client: TestClient, name: str) -> None:
    add(store, make_context())
    assert [client.get(f"/{kind}/{name}").status_code for kind in ("e", "g")] == [404, 404]


# --- who may look


def test_every_answer_says_what_a_browser_may_do_with_it(client: TestClient) -> None:
    for path in (*PAGES, "/nowhere", "/static/dashboard.css", "/e/none.json"):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert headers["cache-control"] == ("public, max-age=31536000, immutable" if "css" in path else "no-store")


def test_nothing_in_a_page_runs_or_is_styled_in_line(store: Outbox, signed: TestClient) -> None:
    newest = tell(store)
    for path in (*PAGES, f"/e/{newest[0].error_id}", f"/trace/{TRACE}"):
        text = signed.get(path).text
        assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son\w+=|javascript:", text), path
        assert not re.search(r'(?:src|href)="(?:https?:)?//', text), path


def test_no_weight_is_asked_for_that_browsers_understand_differently(client: TestClient) -> None:
    """Where a font has 400 and 700 alone, 540 is the one to Chromium and the other to Firefox, and takes more room."""
    weights = re.findall(r"font-weight: (\d+)", client.get("/static/dashboard.css").text)
    assert weights
    assert not [weight for weight in weights if 500 < int(weight) < 600]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "0.0.0.0", ""])
def test_it_is_not_asked_under_another_name(client: TestClient, host: str) -> None:
    """A page of somebody else's could else read it, by a name that leads here."""
    assert client.get("/", headers={"host": host}).status_code == 421


def test_one_host_must_be_named(client: TestClient) -> None:
    answer = client.get("/", headers=[("host", "localhost"), ("host", "evil.example")])
    assert answer.status_code == 400


def test_any_address_in_digits_will_do_where_all_are_listened_on(store: Outbox) -> None:
    app = dashboard(store, token=TOKEN, hosts=(*guard.LOOPBACK, guard.ANY_ADDRESS, "errors.example"))
    client = TestClient(app, base_url="http://10.1.2.3:8321")
    assert client.get("/").status_code == 401
    assert client.get("/", headers={"host": "[2001:db8::1]:80"}).status_code == 401
    assert client.get("/", headers={"host": "errors.example"}).status_code == 401
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421


def test_elsewhere_a_token_is_needed_to_read(store: Outbox) -> None:
    with pytest.raises(ConfigError, match="token"):
        dashboard(store, hosts=["errors.example"])
    with pytest.raises(ConfigError, match="16 characters"):
        dashboard(store, token="short")
    client = TestClient(dashboard(store, token=TOKEN, hosts=["errors.example"]), base_url="https://errors.example")
    for page in (*PAGES, "/live", "/e/x.json", "/g/x"):
        assert client.get(page).status_code == 401, page
    assert client.get("/?token=wrong").status_code == 403
    answer = client.get(f"/overview?since=7d&token={TOKEN}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/overview?since=7d")
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=lax", "Secure", "Path=/"))
    assert TOKEN not in cookie
    assert client.get("/overview").status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host"])
def test_what_a_proxy_passes_on_may_come_from_anywhere(client: TestClient, header: str) -> None:
    """A proxy that names this machine as the host would else show it to all the world."""
    assert client.get("/", headers={header: "203.0.113.9"}).status_code == 401
    client.get(f"/?token={TOKEN}")
    assert client.get("/", headers={header: "203.0.113.9"}).status_code == 200


def test_a_link_signs_in_once() -> None:
    told: list[str] = []
    keys = Keys(renewed=told.append)
    first = keys.token
    assert not keys.admits("wrong")
    assert keys.admits(first)
    assert not keys.admits(first)
    assert told == [keys.token]
    assert keys.admits(told[0])


def test_a_session_ends_and_cannot_be_made_up() -> None:
    now = 1000.0
    keys = Keys(TOKEN, clock=lambda: now)
    cookie = keys.begin()
    session = keys.session(cookie)
    assert session is not None
    assert Keys(TOKEN, clock=lambda: now).session(cookie) == session  # another worker, or after a restart
    assert Keys(clock=lambda: now).session(cookie) is None
    later, _, rest = cookie.partition(".")
    for forged in ("", ".", cookie[:-1], f"{int(later) + 1}.{rest}", "9999999999.x.y"):
        assert keys.session(forged) is None
    now += 8 * 86_400
    assert keys.session(cookie) is None


# --- who may change something


def test_groups_are_decided_about(store: Outbox, signed: TestClient) -> None:
    add(store, *(make_context(fingerprint=f"v1:{n}") for n in range(3)))
    answer = decide(signed, "resolve", "v1:0", "v1:1")
    assert answer.headers["location"] == "/?state=open&did=resolve&many=2"
    assert "2 groups" in signed.get(answer.headers["location"]).text
    assert store.states()[GroupState.RESOLVED] == 2
    assert store.changes("v1:0")[0].by.endswith("dashboard)") or store.changes("v1:0")[0].by == "dashboard"
    decide(signed, "mute:24h", "v1:2")
    group = store.group("v1:2")
    assert group is not None
    assert group.muted_until is not None
    assert timedelta(hours=23) < group.muted_until - datetime.now(UTC) <= timedelta(hours=24)
    decide(signed, "mute:often", "v1:2")
    group = store.group("v1:2")
    assert group is not None
    assert (group.muted_count, group.muted_period) == (100, 3600.0)
    decide(signed, "reopen", "v1:0", "v1:1", "v1:2")
    assert store.states()[GroupState.OPEN] == 3


def test_groups_are_deleted(store: Outbox, signed: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, *(make_context(fingerprint=f"v1:{n}") for n in range(3)))
    assert "Delete for good" in signed.get("/").text
    answer = decide(signed, "delete", "v1:0", "v1:1")
    assert answer.headers["location"] == "/?state=open&did=delete&many=2"
    assert [group.fingerprint for group in store.groups()] == ["v1:2"]
    assert store.changes()[0].by == by()
    # From its own page, one goes back to the others.
    assert "Delete for good" in signed.get("/g/2").text
    answer = decide(signed, "delete", "v1:2", back="g/2?older=1")
    assert answer.headers["location"] == "/?did=delete&many=1"
    assert store.groups() == []

    # Groups that are shown as one are deleted as one; and a page does not wait for ever.
    add(store, *(make_context(fingerprint=f"v1:{n}") for n in range(4, 6)), make_context(fingerprint="v1:5"))
    store.merge("v1:4", ["v1:5"], datetime.now(UTC))
    monkeypatch.setattr(deciding, "AT_ONCE", 1)
    monkeypatch.setattr(deciding, "PATIENCE", -1.0)
    told = decide(signed, "delete", "v1:4", "v1:5").text
    assert "say it again" in told
    assert "`" not in told
    monkeypatch.setattr(deciding, "PATIENCE", 20.0)
    assert decide(signed, "delete", "v1:4", "v1:5").status_code == 303
    assert store.groups() == []
    assert store.errors() == []


def test_half_a_decision_is_none(store: Outbox, signed: TestClient) -> None:
    add(store, make_context())
    assert decide(signed, "resolve", "v1:0123456789abcdef", "v1:none").status_code == 404
    assert decide(signed, "resolve").status_code == 400
    assert decide(signed, "unheard-of", "v1:0123456789abcdef").status_code == 400
    assert store.states()[GroupState.RESOLVED] == 0


def test_recovery_is_switched_off_and_on(store: Outbox, signed: TestClient) -> None:
    decide(signed, "switch-off", why="maintenance <b>")
    assert store.recall(ROW).endswith("maintenance <b>")
    assert "maintenance &lt;b&gt;" in signed.get("/recovery").text
    decide(signed, "switch-on")
    assert store.recall(ROW) == ""


def test_who_has_not_signed_in_changes_nothing(store: Outbox, client: TestClient) -> None:
    add(store, make_context())
    form = {"do": "resolve", "id": "v1:0123456789abcdef", "csrf": ""}
    assert client.post("/decide", data=form).status_code == 403
    assert 'method="post"' not in client.get("/").text
    assert store.states()[GroupState.RESOLVED] == 0


@pytest.mark.parametrize(
    ("headers", "with_csrf"),
    [
        ({}, False),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"origin": "http://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": "http://["}, True),
        ({"origin": "http://127.0.0.1:9999"}, True),
    ],
)
def test_a_form_of_another_site_changes_nothing(
    store: Outbox, signed: TestClient, headers: dict[str, str], with_csrf: bool
) -> None:
    add(store, make_context())
    token = csrf(signed) if with_csrf else "x"
    form = {"do": "resolve", "id": "v1:0123456789abcdef", "csrf": token}
    assert signed.post("/decide", data=form, headers=headers).status_code == 403
    assert store.states()[GroupState.RESOLVED] == 0


@pytest.mark.parametrize(
    ("site", "mode", "dest", "status"),
    [
        ("cross-site", "navigate", "document", 200),
        ("none", "navigate", "document", 200),
        ("same-origin", "cors", "empty", 200),
        ("cross-site", "no-cors", "image", 403),
        ("same-site", "cors", "empty", 403),
        ("cross-site", "navigate", "iframe", 403),
    ],
)
def test_of_another_site_only_links_lead_here(client: TestClient, site: str, mode: str, dest: str, status: int) -> None:
    """It would else learn words of errors from how long a search takes."""
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
    assert client.get("/?q=secret", headers=headers).status_code == status


def test_a_form_of_another_session_changes_nothing(store: Outbox, signed: TestClient) -> None:
    add(store, make_context())
    theirs = csrf(signed)
    signed.cookies.clear()
    signed.get(f"/?token={TOKEN}")
    form = {"do": "resolve", "id": "v1:0123456789abcdef", "csrf": theirs}
    assert csrf(signed) != theirs
    assert signed.post("/decide", data=form).status_code == 403


@pytest.mark.parametrize("options", [{"read_only": True, "token": TOKEN}, {}])
def test_what_only_shows_changes_nothing(store: Outbox, options: dict[str, Any]) -> None:
    add(store, make_context())
    client = TestClient(dashboard(store, **options), base_url="http://localhost")
    client.get(f"/?token={TOKEN}")
    assert client.get("/").status_code == 200
    assert client.post("/decide", data={"do": "resolve", "id": "v1:0123456789abcdef"}).status_code == 403
    assert '<form method="post" action="/decide"' not in client.get("/g/01234567").text


def test_where_the_registry_may_only_be_read_nothing_is_offered_that_would_be_refused(
    store: Outbox, signed: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a role of PostgreSQL with SELECT alone."""
    add(store, make_context())
    assert '<form method="post" action="/decide"' in signed.get("/g/01234567").text
    assert "has indexed" not in signed.get("/?q=nowhere").text
    monkeypatch.setattr(type(store), "may_write", False)
    text = signed.get("/g/01234567").text
    assert '<form method="post" action="/decide"' not in text
    assert "it may only read the registry" in text
    assert "has indexed" in signed.get("/?q=nowhere").text


def test_nobody_is_sent_elsewhere(store: Outbox, signed: TestClient) -> None:
    add(store, make_context())
    for back in (
        "?" + "a=b&" * 100,
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "\r\nx: y",
    ):
        form = {"csrf": csrf(signed), "do": "resolve", "id": "v1:0123456789abcdef", "back": back}
        location = signed.post("/decide", data=form, follow_redirects=False).headers["location"]
        assert re.match(r"/(?![/\\])", location), location
        assert not set(location) & set("\r\n\\"), location


def test_too_much_is_refused(signed: TestClient) -> None:
    body = b"do=" + b"x" * guard.BODY_BYTES
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert signed.post("/decide", content=body, headers=form).status_code == 413
    assert signed.post("/decide", content=iter([body, body]), headers=form).status_code == 413
    assert signed.post("/decide", headers={"content-length": "9" * 5000}).status_code == 413
    assert signed.post("/decide", content="&".join(["a=b"] * 1000), headers=form).status_code == 403


def test_signing_out_ends_the_session(signed: TestClient) -> None:
    assert "Signed in" in signed.get("/").text
    copied = dict(signed.cookies)
    signed.post("/leave")
    assert not signed.cookies
    assert "Signed in" not in signed.get("/").text
    signed.cookies.update(copied)
    assert "Signed in" not in signed.get("/").text
    signed.get(f"/?token={TOKEN}")  # another session
    assert "Signed in" in signed.get("/").text


def test_what_is_kept_of_sessions_that_were_ended_is_let_go_of() -> None:
    now = 1000.0
    keys = Keys(TOKEN, clock=lambda: now)
    other = keys.begin()
    for _ in range(3):
        keys.end(keys.begin())
    keys.end("9999999999.x.y")
    assert len(keys._ended) == 3
    assert keys.session(other) is not None
    now += 8 * 86_400
    keys.end(keys.begin())
    assert len(keys._ended) == 1


# --- inside another application


def test_it_is_mounted_in_another_application(store: Outbox) -> None:
    newest = tell(store)
    app = Starlette(routes=[Mount("/errors", app=dashboard(store, token=TOKEN))])
    client = TestClient(app, base_url="http://localhost")
    answer = client.get(f"/errors/?token={TOKEN}", follow_redirects=False)
    assert answer.headers["location"] == "/errors/"
    assert "Path=/errors/" in answer.headers["set-cookie"]
    client.get(f"/errors/?token={TOKEN}")
    for path in ("/errors/", "/errors/overview", f"/errors/e/{newest[0].error_id}"):
        text = client.get(path).text
        assert not re.search(r'(?:href|src|action)="/(?!errors/)', text), path
        for link in set(re.findall(r'(?:href|src)="(/[^"#]*)', text)):
            assert client.get(link.replace("&amp;", "&")).status_code == 200, link


def test_a_store_that_cannot_be_read_is_told_of_and_nothing_is_logged(
    store: Outbox, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    add(store, make_context())
    store.close()
    path = store.url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 999")
    file.close()
    answer = client.get("/")
    assert answer.status_code == 503
    assert "newer version" in answer.text
    assert not caplog.records


def test_a_fault_nobody_foresaw_is_one_line_on_standard_error(
    store: Outbox, client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> dict[GroupState, int]:
        raise ZeroDivisionError("password=hunter2secret")

    monkeypatch.setattr(store, "states", fail)
    told = io.StringIO()
    with redirect_stderr(told):
        answer = client.get("/")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text + told.getvalue()
    assert told.getvalue().count("\n") == 1
    assert "ZeroDivisionError" in told.getvalue()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_an_error_keeps_its_size_whatever_it_holds(store: Outbox, client: TestClient) -> None:
    """No page grows with what an error says."""
    huge: ErrorContext = replace(
        make_context(),
        error_id=new_id(),
        error_message="x" * 1_000_000,
        log_message="y " * 500_000,
        additional_context={f"k{n}": "z" * 10_000 for n in range(200)},
        tags={f"t{n}": "v" * 10_000 for n in range(200)},
    )
    add(store, huge)
    assert len(client.get("/").content) < 100_000
    assert len(client.get(f"/e/{huge.error_id}").content) < 400_000
