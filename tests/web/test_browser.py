"""The dashboard in a real browser, served by a real process."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from llama_logging import wire
from llama_logging.ids import new_id
from llama_logging.registry.groups import GroupState
from llama_logging.registry.intake import Batch
from llama_logging.stores import open_store, urls
from llama_logging.web.pages.groups import SIZE
from tests.conftest import make_context
from tests.stores.test_store import add
from tests.web.hostile import TRACE as HOSTILE_TRACE
from tests.web.hostile import hostile
from tests.web.served import CHROMIUM, serving
from tests.web.story import TRACE, tell

pytest.importorskip("starlette", reason="the dashboard's packages are not installed")
api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if CHROMIUM is None:
    pytest.skip("there is no chromium", allow_module_level=True)

SIZES = ((1280, 900), (390, 844))
LATE = """
import logging
from llama_logging.handlers import RegistryHandler
logging.getLogger().addHandler(RegistryHandler())
try:
    {}["a key that nobody has"]
except KeyError:
    logging.exception("from elsewhere")
"""


@dataclass(frozen=True)
class Served:
    """A dashboard that runs.

    Attributes:
        link: Signs in, once.
        paths: A page of each kind.
    """

    store: str
    base: str
    link: str
    paths: tuple[str, ...]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for all; closed before other tests, for it leaves an event loop running."""
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A shop's month."""
    with serving(tmp_path_factory.mktemp("told")) as (store, base, link):
        newest = tell(opened := open_store(urls.parse(store)))
        again = replace(newest[4], again=True, logger_name="uvicorn.error", log_message="Exception in ASGI application")
        opened.ingest(Batch("again", 0, 1, [wire.dumps(wire.encode_sighting(again))]))
        opened.close()
        group = newest[0].fingerprint.partition(":")[2]
        pages = ("/overview", "/recovery", "/predictions", "/health", f"/trace/{TRACE}", "/?state=all&q=model")
        paths = ("/", f"/g/{group}", f"/e/{newest[4].error_id}", *pages)
        yield Served(store, base, link, paths)


@pytest.fixture(scope="module")
def signed(browser: Any, told: Served) -> Any:
    """The state of a browser that has signed in to `told`."""
    return _signed(browser, told.link)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A registry full of what has broken pages before."""
    with serving(tmp_path_factory.mktemp("attacked")) as (store, base, link):
        contexts = hostile(opened := open_store(urls.parse(store)))
        opened.close()
        errors = [f"/e/{context.error_id}" for context in contexts]
        pages = ("/overview", "/recovery", "/health", f"/trace/{HOSTILE_TRACE}", "/predictions")
        search = "/?state=all&q=%22%3E%3Cscript%3Ewindow.pwned%3D1%3C%2Fscript%3E"
        yield Served(store, base, link, ("/?state=all", search, *pages, *errors))


@pytest.fixture(scope="module")
def attacked_state(browser: Any, attacked: Served) -> Any:
    """The state of a browser that has signed in to `attacked`."""
    return _signed(browser, attacked.link)


def _signed(browser: Any, link: str) -> Any:
    context = browser.new_context()
    page = context.new_page()
    assert page.goto(link).status == 200
    state = context.storage_state()
    context.close()
    return state


@contextlib.contextmanager
def watched(browser: Any, state: Any, size: tuple[int, int] = SIZES[0], scheme: str = "light") -> Iterator[Any]:
    """A page of which every complaint fails the test, and every request to elsewhere."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, storage_state=state
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    complaints: list[str] = []

    def follow(asked: Any) -> None:
        if not asked.url.startswith("http://127.0.0.1:"):
            complaints.append(asked.url)

    def refuse(dialog: Any) -> None:
        complaints.append(f"dialog {dialog.message}")
        dialog.dismiss()

    page.on("dialog", refuse)
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", follow)
    yield page
    assert complaints == []
    context.close()


def fits(page: Any) -> bool:
    """Whether nothing has to be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
def test_every_page_fits_and_complains_of_nothing(
    browser: Any, told: Served, signed: Any, size: tuple[int, int], scheme: str
) -> None:
    with watched(browser, signed, size, scheme) as page:
        for path in told.paths:
            assert page.goto(told.base + path).status == 200, path
            assert fits(page), path
            light = sum(
                map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3])
            )
            assert (light > 600) == (scheme == "light"), path


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
def test_no_id_and_no_name_is_broken_in_a_table(browser: Any, told: Served, signed: Any, size: tuple[int, int]) -> None:
    """What is to be recognised at a glance; what an error says may be broken anywhere."""
    broken = """() => [...document.querySelectorAll("td")].filter(cell => !cell.querySelector("bdi")).flatMap(cell => {
        const words = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), found = [];
        for (let text; text = words.nextNode();)
            for (const word of text.data.matchAll(/\\S+/g)) {
                const range = document.createRange();
                range.setStart(text, word.index);
                range.setEnd(text, word.index + word[0].length);
                const lines = new Set([...range.getClientRects()].map(place => Math.round(place.top)));
                // A hyphen may end a line, and what stands before `@` or behind `/`.
                if (lines.size > 1 && !/[-@/]/.test(word[0])) found.push(word[0]);
            }
        return found;
    })"""
    with watched(browser, signed, size) as page:
        for path in told.paths:
            page.goto(told.base + path)
            assert page.evaluate(broken) == [], path
            rows = page.evaluate("[...document.querySelectorAll('tbody tr')].map(row => row.offsetHeight)")
            assert max(rows, default=0) < 240, path  # nor is what is said pressed into a column of a word's width


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_that_a_page_is_for_lies_beyond_its_edge(browser: Any, told: Served, signed: Any, width: int) -> None:
    """Names of pages, what came of attempts, how good predictions were: no table has to be scrolled sideways."""
    beyond = """() => [...document.querySelectorAll(".top nav a, .tabs a, main td, main th")]
        .filter(one => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth)
        .map(one => one.textContent)"""
    with watched(browser, signed, (width, 740)) as page:
        for path in told.paths:
            page.goto(told.base + path)
            assert page.evaluate(beyond) == [], path
            narrow = (
                "[...document.querySelectorAll('.wordy li > :first-child')].map(part => part.offsetWidth / innerWidth)"
            )
            assert min(page.evaluate(narrow), default=1) > 0.5, path


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
def test_no_heading_sticks_to_what_stands_above_it(
    browser: Any, told: Served, signed: Any, size: tuple[int, int]
) -> None:
    sticking = """() => [...document.querySelectorAll("main :is(h2, h3)")].filter(one => one.checkVisibility() &&
        one.previousElementSibling?.checkVisibility() && one.previousElementSibling.offsetHeight &&
        Math.abs(one.getBoundingClientRect().top - one.previousElementSibling.getBoundingClientRect().bottom) < 4)
        .map(one => one.textContent)"""
    with watched(browser, signed, size) as page:
        for path in told.paths:
            page.goto(told.base + path)
            assert page.evaluate(sticking) == [], path


@pytest.mark.parametrize("width", [360, 768, 1000, 1440])
def test_no_figure_stands_alone_beside_a_gap(browser: Any, told: Served, signed: Any, width: int) -> None:
    ends = "[...document.querySelectorAll('.figures, .figure:last-child')].map(e => e.getBoundingClientRect().right)"
    with watched(browser, signed, (width, 740)) as page:
        for path in ("/overview", "/health"):
            page.goto(told.base + path)
            assert len({round(end) for end in page.evaluate(ends)}) == 1, path


def test_the_columns_of_what_was_tried_have_names_on_a_phone(browser: Any, told: Served, signed: Any) -> None:
    """They are not seen where a row is a block, and told by a screen reader all the same."""
    with watched(browser, signed, SIZES[1]) as page:
        page.goto(f"{told.base}/recovery")
        heads = page.get_by_role("columnheader").all_inner_texts()
        assert heads == ["When", "Ended", "Strategy", "On", "Took", "Detail", "Error"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(browser: Any, told: Served, signed: Any, scheme: str) -> None:
    """By axe-core: nothing serious, nothing critical."""
    axe = resources.files(pytest.importorskip("axe_playwright_python")).joinpath("axe.min.js").read_text()
    found = []
    for size in SIZES if scheme == "light" else SIZES[:1]:
        with watched(browser, signed, size, scheme) as page:
            for path in told.paths:
                page.goto(told.base + path)
                page.evaluate(axe)
                result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
                found += [
                    f"{path} {size[0]}: {each['id']} {each['nodes'][0]['html'][:150]}"
                    for each in result["violations"]
                    if each["impact"] in ("serious", "critical")
                ]
    assert found == []


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
def test_hostile_errors_execute_nothing_and_break_no_page(
    browser: Any, attacked: Served, attacked_state: Any, size: tuple[int, int]
) -> None:
    with watched(browser, attacked_state, size) as page:
        for path in attacked.paths:
            assert page.goto(attacked.base + path).status == 200, path
            assert page.evaluate("window.pwned") is None, path
            assert fits(page), path
            assert page.locator("main").count() == 1, path
            assert page.locator("main script, main iframe, main img, main base, main meta, main style").count() == 0, (
                path
            )
            text = page.locator("#live").inner_text()
            assert "${49}" not in text, path
            assert page.locator("a[href^='javascript']").count() == 0, path
            assert not set(text) & set("\u202e\u2066\u200f\u061c\x1b\x07\x00\u2028"), path


def test_groups_are_triaged_by_mouse(browser: Any, told: Served, signed: Any) -> None:
    with watched(browser, signed) as page:
        page.goto(told.base)
        open_before = page.locator(".groups > li").count()
        assert page.get_by_role("button", name="Mute", exact=True).is_disabled()  # nothing is chosen
        page.locator(".tick input").nth(0).check()
        page.locator(".tick input").nth(1).check()
        assert page.locator("#chosen").inner_text() == "2 chosen"
        page.get_by_role("button", name="Mute", exact=True).click()
        assert "2 groups" in page.locator(".told").inner_text()
        assert page.locator(".groups > li").count() == open_before - 2
        page.goto(f"{told.base}/?state=muted")
        page.locator("a.title").first.click()
        page.get_by_role("button", name="Reopen").click()
        assert page.locator(".head .state").inner_text() == "open"
        page.locator("summary", has_text="in…").click()
        page.get_by_role("button", name="in the next release").click()
        assert page.locator(".head .state").inner_text() == "resolved in 2.9.0"
        page.get_by_role("button", name="Reopen").click()
        assert page.locator(".history li").first.inner_text().startswith("reopened")


def test_groups_and_overview_are_narrowed_to_a_service_by_mouse(browser: Any, told: Served, signed: Any) -> None:
    with watched(browser, signed) as page:
        for path in ("/", "/overview"):
            page.goto(told.base + path)
            page.get_by_text("All services").first.click()
            page.locator(".places a", has_text="worker").click()
            assert page.locator(".places summary").first.inner_text() == "worker"
            assert "service=worker" in page.url
        assert page.get_by_text("Recovered everywhere").is_visible()
        page.locator("#find").fill("thumbs")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=thumbs**")
        assert "service=worker" in page.url
        assert page.locator(".groups > li").count() == 1


def test_a_group_is_deleted_by_mouse_and_not_by_mistake(browser: Any, told: Served, signed: Any) -> None:
    with watched(browser, signed) as page:
        page.goto(told.base)
        before = page.locator(".groups > li").count()
        store = open_store(urls.parse(told.store))
        add(store, make_context(timestamp=datetime.now(UTC), fingerprint="v1:grave"), journal="grave")
        store.close()
        page.goto(told.base)
        assert page.locator(".groups > li").count() == before + 1
        page.locator("a.title").first.click()
        assert page.get_by_role("button", name="Delete for good").is_hidden()
        page.locator("summary", has_text="Delete…").click()
        page.get_by_role("button", name="Delete for good").click()
        assert "Deleted for good" in page.locator(".told").inner_text()
        assert page.locator(".groups > li").count() == before


def test_groups_are_triaged_by_keyboard(browser: Any, told: Served, signed: Any) -> None:
    with watched(browser, signed) as page:
        page.goto(told.base)
        focused = "document.activeElement.closest('[data-item]')?.dataset.item"
        names = page.evaluate("[...document.querySelectorAll('.groups > li')].map(item => item.dataset.item)")
        for key, expected in (("j", 0), ("j", 1), ("k", 0), ("k", 0)):
            page.keyboard.press(key)
            assert page.evaluate(focused) == names[expected]
        with page.expect_navigation():
            page.keyboard.press("r")
        assert names[0] not in page.evaluate("[...document.querySelectorAll('.groups > li')].map(i => i.dataset.item)")
        for _ in "jj":  # from the first, for there one goes on
            page.keyboard.press("j")
        with page.expect_navigation():
            page.keyboard.press("m")
        assert "Muted" in page.locator(".told").inner_text()
        assert page.evaluate(focused) == names[4]
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator("article.one").count() == 1
        with page.expect_navigation():
            page.keyboard.press("r")
        assert page.locator(".head .state").inner_text().startswith("resolved")
        with page.expect_navigation():
            page.keyboard.press("r")
        assert page.locator(".head .state").inner_text() == "open"
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()
        page.keyboard.press("Escape")
        assert page.locator("#help").is_hidden()
        page.keyboard.press("/")
        page.keyboard.type("model")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator(".searched").inner_text().startswith("Groups with")
        narrowed = page.url
        page.keyboard.press("j")
        for key in "ou":
            with page.expect_navigation():
                page.keyboard.press(key)
        assert page.url == narrowed
        page.keyboard.press("?")
        page.locator("#no-keys").check()
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        assert page.evaluate(focused) is None
        for name in (names[0], names[3]):
            page.goto(f"{told.base}/g/{name.partition(':')[2]}")
            page.get_by_role("button", name="Reopen").click()


def test_library_frames_are_folded_until_asked_for(browser: Any, told: Served, signed: Any) -> None:
    with watched(browser, signed) as page:
        page.goto(told.base + told.paths[1])
        assert page.locator(".frame.hides:visible").count() == 0
        page.locator("#every").check()
        assert page.locator(".frame.hides:visible").count() == 3
        page.reload()
        assert page.locator("#every").is_checked()


def test_where_one_is_can_be_seen_in_colours_of_the_system(browser: Any, told: Served, signed: Any) -> None:
    with watched(browser, signed) as page:
        page.emulate_media(forced_colors="active")
        page.goto(told.base)
        outlines = "(those) => those.map(one => getComputedStyle(one).outlineStyle)"
        assert set(page.locator("nav [aria-current]").evaluate_all(outlines)) == {"solid"}


def test_paper_is_light(browser: Any, told: Served, signed: Any) -> None:
    with watched(browser, signed, scheme="dark") as page:
        page.goto(told.base)
        for chosen in ("light", "dark"):
            page.locator("#theme").click()
            page.emulate_media(media="print")
            inks = "getComputedStyle(document.body).color.match(/\\d+/g).slice(0, 3).map(Number)"
            assert max(page.evaluate(inks)) < 100, chosen
            page.emulate_media(media="screen")


def test_the_theme_that_was_chosen_stays(browser: Any, told: Served, signed: Any) -> None:
    with watched(browser, signed) as page:
        page.goto(told.base)
        page.locator("#theme").click()
        page.goto(told.base + "/overview")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_page_shows_what_another_process_logs(browser: Any, told: Served, signed: Any, tmp_path: Path) -> None:
    with watched(browser, signed) as page:
        page.goto(told.base)
        page.locator("#pulse:not([hidden])").wait_for()
        page.locator(".tick input").nth(1).check()
        chosen = page.locator(".tick input:checked").input_value()
        page.keyboard.press("j")
        at = page.evaluate("document.activeElement.closest('[data-item]').dataset.item")
        env = {**os.environ, "LLAMA_LOGGING_STORE": told.store}
        subprocess.run([sys.executable, "-c", LATE], env=env, check=True, cwd=tmp_path, stderr=subprocess.DEVNULL)
        page.locator(".title", has_text="a key that nobody has").wait_for(timeout=15_000)
        assert page.locator(".tick input:checked").input_value() == chosen
        assert page.evaluate("document.activeElement.closest('[data-item]').dataset.item") == at


def test_a_storm_pushes_nothing_away_that_somebody_is_about_to_decide_about(browser: Any, tmp_path: Path) -> None:
    """Sorted by the latest, what was chosen would soon be on the second page, and nobody would have been told."""
    with serving(tmp_path) as (url, base, link), watched(browser, _signed(browser, link)) as page:
        store = open_store(urls.parse(url))
        now = datetime.now(UTC)
        add(store, *(make_context(fingerprint=f"v1:calm{n}", timestamp=now) for n in range(3)), journal="calm")
        page.goto(base)
        page.locator("#pulse:not([hidden])").wait_for()
        page.locator(".groups > li").nth(2).locator(".tick input").check()
        chosen = page.locator(".tick input:checked").input_value()
        page.keyboard.press("j")
        at = page.evaluate("document.activeElement.closest('[data-item]').dataset.item")
        add(store, *(make_context(fingerprint=f"v1:storm{n}", timestamp=now) for n in range(SIZE)), journal="storm")
        page.locator("[data-item='v1:storm1']").wait_for()
        assert page.locator(".tick input:checked").input_value() == chosen
        assert page.evaluate("document.activeElement.closest('[data-item]').dataset.item") == at
        page.get_by_role("button", name="Resolve", exact=True).click()
        page.locator(".told").wait_for()
        assert [group.fingerprint for group in store.groups(state=GroupState.RESOLVED)] == [chosen]
        store.close()


def _again(url: str, error_id: str) -> str:
    """Have an error come once more; the new one's id."""
    store = open_store(urls.parse(url))
    again = replace(store.find(error_id), error_id=new_id(), timestamp=datetime.now(UTC))
    store.ingest(Batch(again.error_id, 0, 1, [wire.encode_error(again)[0]]))
    store.close()
    return again.error_id


def test_what_is_selected_focused_and_scrolled_stays_so_while_errors_come(
    browser: Any, told: Served, signed: Any
) -> None:
    with watched(browser, signed, SIZES[1]) as page:
        page.goto(told.base + told.paths[1])
        page.locator("#pulse:not([hidden])").wait_for()
        page.locator(".raw summary").first.click()
        page.evaluate("document.querySelector('.raw pre').scrollLeft = 40")
        page.evaluate("getSelection().selectAllChildren(document.querySelector('.raw pre'))")
        page.locator("summary", has_text="Delete…").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        now = "[document.activeElement.value, getSelection().toString(), document.querySelector('.raw pre').scrollLeft]"
        before = page.evaluate(now)
        assert before[::2] == ["delete", 40]
        assert "Traceback" in before[1]
        again = _again(told.store, page.locator("article").get_attribute("data-error"))
        page.locator(f".walk a[rel=next][href$='{again}']").wait_for()
        assert page.evaluate(now) == before
        assert page.get_by_role("button", name="Delete for good").is_visible()


def test_pages_that_nobody_sees_leave_connections_to_the_next(browser: Any, told: Served, signed: Any) -> None:
    """A browser has six to a server, and one that is live holds one."""
    with watched(browser, signed) as page:
        page.context.add_init_script("Object.defineProperty(document, 'hidden', {get: () => window.unseen === true})")
        seen = "window.unseen = %s; document.dispatchEvent(new Event('visibilitychange'))"
        page.goto(told.base + told.paths[1])
        article, opened = page.locator("article"), []
        for _ in range(8):
            opened.append(page.context.new_page())
            assert opened[-1].goto(f"{told.base}/?state=all").status == 200
            opened[-1].locator("#pulse:not([hidden])").wait_for()
            opened[-1].evaluate(seen % "true")
        count = opened[0].locator(f"[data-item='{article.get_attribute('data-item')}'] .count b")
        before = int(count.inner_text())
        _again(told.store, article.get_attribute("data-error"))
        opened[0].evaluate(seen % "false")
        count.get_by_text(str(before + 1)).wait_for()


def test_what_was_done_is_not_said_to_whom_the_address_is_sent(browser: Any, told: Served, signed: Any) -> None:
    with watched(browser, signed) as page:
        page.goto(f"{told.base}/?sort=count&did=mute&many=3#find")
        assert "3 groups" in page.locator(".told").inner_text()
        assert page.url == f"{told.base}/?sort=count#find"


def test_an_error_that_is_read_stays_though_newer_ones_come(browser: Any, told: Served, signed: Any) -> None:
    with watched(browser, signed) as page:
        page.goto(told.base + told.paths[1])
        page.locator("#pulse:not([hidden])").wait_for()
        shown = page.locator("article").get_attribute("data-error")
        again = _again(told.store, shown)
        page.locator(f".walk a[rel=next][href$='{again}']").wait_for()
        assert page.locator("article").get_attribute("data-error") == shown


def test_the_link_signs_in_once(browser: Any, told: Served, signed: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    assert page.goto(told.link).status == 403
    assert page.goto(told.base).status == 200
    assert page.locator("form[method=post]").count() == 0
    context.close()


def test_a_link_from_elsewhere_leads_to_a_page_one_is_signed_in_to(browser: Any, told: Served, signed: Any) -> None:
    context = browser.new_context(storage_state=signed)
    page = context.new_page()
    page.route("http://chat.example/", lambda route: route.fulfill(body=f"<a href='{told.base}'>see</a>"))
    page.goto("http://chat.example/")
    page.get_by_text("see").click()
    page.get_by_role("button", name="Sign out").wait_for()
    context.close()


def test_without_scripts_everything_is_there(browser: Any, told: Served, signed: Any) -> None:
    context = browser.new_context(java_script_enabled=False, storage_state=signed)
    page = context.new_page()
    page.goto(told.base)
    page.locator(".tick input").first.check()
    page.get_by_role("button", name="Mute", exact=True).click()
    assert "Muted" in page.locator(".told").inner_text()
    page.goto(f"{told.base}/?state=muted")
    page.locator("a.title").first.click()
    page.get_by_role("button", name="Reopen").click()
    assert page.locator(".head .state").inner_text() == "open"
    context.close()


def test_a_dashboard_ends_when_it_is_told_to_though_pages_are_open(browser: Any, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        _, base, _ = stack.enter_context(serving(tmp_path))
        page = browser.new_context().new_page()
        page.goto(base)
        page.locator("#pulse:not([hidden])").wait_for()
        began = time.monotonic()
        stack.close()
    assert time.monotonic() - began < 15  # else `serving` would have failed by its own limit
    page.context.close()
