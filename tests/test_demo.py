from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

from llama_logging.demo import leak
from llama_logging.opening import open_registry
from llama_logging.prediction.forecast import Fate
from llama_logging.prediction.ledger import Action
from llama_logging.stores import urls
from tests.conftest import Run


def test_the_demo_is_the_main_job(cli: Run, own_place: Path) -> None:
    """A server is killed in mid-sentence, restarted and verified; the story goes on; a fallback stands in."""
    done = cli("demo", "--dir", "demo")
    assert done.code == 0, done.out + done.err
    for part in (
        "SIGKILL for the server, in mid-sentence",
        "Luna rests by the fire until the words come back.",
        "Chapter 4: the way back",
        "The end.",
        "OllamaConnectionError: ollama.restart recovered",
        "AIGenerationError: llm.fallback_text fallback",
    ):
        assert part in done.out
    assert "(this chapter is missing)" not in done.out
    assert json.loads((own_place / "demo" / "server" / "boots.json").read_text()) == 2
    logged = [json.loads(line) for line in (own_place / "demo" / "story.jsonl").read_text().splitlines()]
    *broken_off, last = [line["message"] for line in logged if "exception.type" in line]
    # Once, or oftener where a slow machine needs longer for a restart than the story waits.
    assert set(broken_off) == {"chapter 2 broke off"}
    assert last == "chapter 3 was not generated"
    assert f"{len(broken_off) + 1} errors" in done.out
    assert not _running(own_place / "demo"), "the demo stops what it has started"
    story = (own_place / "demo" / "story.py").read_text()
    assert "llama_logging" not in story.partition('"""')[2].partition('"""')[2]


def test_an_interrupted_demo_stops_what_it_has_started(own_place: Path) -> None:
    command = [sys.executable, "-m", "llama_logging", "demo", "--dir", "broken-off"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Chapter 1" in line:
                process.send_signal(signal.SIGINT)
                break
        process.stdout.read()
        assert process.wait(20) == 130
    assert not _running(own_place / "broken-off")


def test_the_demo_of_prediction_sees_a_leak_coming_and_averts_it(cli: Run, own_place: Path) -> None:
    """Announced before the error, acted on, and compared with what was held back."""
    done = cli("demo", "--predict", "--dir", "demo")
    assert done.code == 0, done.out + done.err
    watched = done.out.partition("Now watch its log")[2].partition("How it came out")[0]
    announced, acted, after = (
        watched.index(part)
        for part in ("error predicted: PoolExhausted", "recycle returned", "within five minutes no outage")
    )
    assert announced < acted < after
    assert "connections in use' 0 s ago" in watched
    assert "that were held back to compare" in done.out
    store = open_registry(urls.parse(f"sqlite:///{own_place}/demo/llama_logging.db"))
    found = store.predictions(limit=1000)
    tries = store.recent_attempts(1000)
    store.close()
    errors = {one.error_id for one in found if one.fate is Fate.HIT}
    assert errors
    assert all(one.lead is not None and one.lead > 0 for one in found if one.fate is Fate.HIT)
    acted_on = {one.prediction.prediction_id for one in found if one.action is Action.ACTED}
    assert {attempt.error_id for attempt in tries} == acted_on
    story = Path(leak.__file__).read_text()
    assert "llama_logging" not in story


def _running(directory: Path) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(directory / "ollama_server.py") in path.read_text(errors="replace"):
                return True
    return False
