"""An error as Markdown."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from llama_logging.answers.markdown import STACK, as_markdown
from llama_logging.context import Breadcrumb, ErrorSeverity
from llama_logging.tried import OutcomeStatus, RecoveryAttempt
from tests.cli.test_commands import HOSTILE, answer, keep
from tests.conftest import NOON, make_context
from tests.web.hostile import PAYLOADS

NOW = datetime.now(UTC)


def test_an_error_is_shown_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    context = make_context(timestamp=NOW, error_message=HOSTILE)
    keep(context)
    text = answer(capsys, "show", context.error_id, "--markdown")
    assert text.startswith(r"### `ValueError: \x1b[2J\nFORGED \u202e`")
    assert "```pytb" in text


def test_what_is_known_of_an_error_is_there() -> None:
    context = make_context(
        tags={"tenant": "acme"},
        additional_context={"cart": 7},
        trace_id="abc",
        breadcrumbs=(
            Breadcrumb(created=1.0, severity=ErrorSeverity.INFO, logger_name="shop.http", message="POST /cart"),
        ),
    )
    attempt = RecoveryAttempt(
        attempt_id="a", error_id=context.error_id, fingerprint="f", rule="r", strategy="restart", scope="s",
        status=OutcomeStatus.RECOVERED, started_at=NOON + timedelta(seconds=1), detail="it answers", duration=2.0,
    )  # fmt: skip
    text = as_markdown(context, None, [attempt])
    for part in ("tenant=acme", '"cart": 7', "`abc`", "POST /cart", "recovered: `restart` (2.00 s) `it answers`"):
        assert part in text, part


@pytest.mark.parametrize("payload", [*PAYLOADS, "```\n# heading\n```", "@everyone | cell", "`tick", "a\n\n<details>"])
def test_nothing_in_an_error_is_taken_for_markdown(payload: str) -> None:
    """Whatever is not ours stands within ticks, on a line or in a block that it cannot end."""
    context = make_context(error_message=payload, log_message=payload, tags={payload: payload}, parts=(payload,))
    outside, fence = [], ""
    for line in as_markdown(context, None, ()).splitlines():
        ticks = re.match(r"`{3,}", line)
        if fence:
            fence = "" if line == fence else fence
        elif ticks and not line.endswith("`"):
            fence = ticks[0]
        else:
            outside.append(re.sub(r"(?<!`)(`+)(?!`)(?:.*?[^`])\1(?!`)", "", line))
    assert not fence
    assert not re.search(r"[<@]|everyone|pwned|heading", "\n".join(outside)), outside


def test_a_long_stack_keeps_both_ends() -> None:
    text = as_markdown(make_context(template="\0", parts=("first\n" + "x" * 100_000 + "\nlast\n",)), None, ())
    assert len(text) < STACK + 5_000
    assert "first" in text
    assert "last" in text
    assert "characters left out" in text
