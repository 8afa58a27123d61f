"""The pages: one file each, that asks the store; a template of the same name shows the answer."""

from __future__ import annotations

from collections.abc import Callable

from llama_logging.web.asked import Answer, Asked
from llama_logging.web.pages import deciding, group, groups, health, overview, predictions, recovery, trace

PAGES: tuple[tuple[str, str, Callable[[Asked], Answer]], ...] = (
    ("/", "groups", groups.view),
    ("/g/{name:path}", "group", group.of_group),
    ("/e/{name}.md", "group", group.as_markdown_text),
    ("/e/{name}.json", "group", group.as_json_text),
    ("/e/{name}", "group", group.of_error),
    ("/overview", "overview", overview.view),
    ("/recovery", "recovery", recovery.view),
    ("/predictions", "predictions", predictions.view),
    ("/trace", "trace", trace.view),
    ("/trace/{name}", "trace", trace.view),
    ("/health", "health", health.view),
)
"""The path, the template, and what asks the store."""

FORMS = {**deciding.DEEDS, **recovery.DEEDS}
"""What forms do, by the name in `do`: each gets the store, the fields and now, and says to how many things."""
