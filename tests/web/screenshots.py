"""`python -m tests.web.screenshots` makes the pictures of the dashboard in docs/images anew."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from llama_logging.stores import open_store, urls
from tests.web.served import CHROMIUM, serving
from tests.web.story import TRACE, tell

FOLDER = Path(__file__).parents[2] / "docs" / "images"
SIZE: Any = {"width": 1200, "height": 760}


def main() -> int:
    """Make them."""
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as (url, base, link), sync_playwright() as api:
        store = open_store(urls.parse(url))
        newest = tell(store)
        store.close()
        group = f"/g/{newest[0].fingerprint.partition(':')[2]}"
        browser = api.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context()
        context.new_page().goto(link)
        state = context.storage_state()
        pictures: Any = (
            ("groups", "/", "light"),
            ("group", group, "light"),
            ("overview", "/overview", "light"),
            ("group-dark", group, "dark"),
            ("trace", f"/trace/{TRACE}", "light"),
            ("predictions", "/predictions", "light"),
        )
        for name, path, scheme in pictures:
            context = browser.new_context(viewport=SIZE, color_scheme=scheme, storage_state=state)
            page = context.new_page()
            page.goto(base + path)
            page.locator("#pulse:not([hidden])").wait_for()
            page.screenshot(path=FOLDER / f"{name}.png")
            context.close()
            print(f"{name}.png {(FOLDER / f'{name}.png').stat().st_size // 1000} kB")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
