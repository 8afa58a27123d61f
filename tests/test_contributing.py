"""The recipes of CONTRIBUTING.md, in a package outside the tree, by dotted path and by entry point."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.conftest import Run

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
APP = """
import logging, pathlib
import acme.client
acme.client.on_failure(LookupError("kept quiet"))
try:
    raise LookupError("broken")
except LookupError:
    logging.exception("failed")
import llama_logging
outcome = llama_logging.outcome()
outcome.wait(10)
print(outcome.status, outcome.value)
try:
    raise PermissionError("shut")
except PermissionError:
    logging.exception("nobody comes in")
outcome = llama_logging.outcome()
outcome.wait(10)
print(outcome.status, outcome.detail)
"""
NAMES = {
    "dotted": ("acme.strategies.reopen", "acme.reporters.Board", "acme.stores.HomeStore", "acme.bridge"),
    "entry point": ("reopen", "board", "home", "acme"),
}


@pytest.fixture
def package(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package that the recipes make, as if it were installed."""
    folder = own_place / "site"
    info = folder / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "acme").mkdir()
    (folder / "acme" / "__init__.py").touch()
    (folder / "acme" / "client.py").write_text("def on_failure(error): pass\n")
    for name, text in re.findall(r"```python\n# acme/(\w+\.py)\n(.*?)```", TEXT, re.DOTALL):
        (folder / "acme" / name).write_text(text)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (declared,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (info / "entry_points.txt").write_text(re.sub(r'project.entry-points."([\w.]+)"|"', r"\1", declared))
    monkeypatch.setenv("HOME", str(own_place))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")])))
    return folder


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("way", NAMES)
def test_a_package_of_somebody_elses_adds_all_four(way: str, own_place: Path, cli: Run) -> None:
    strategy, reporter, store, bridge = NAMES[way]
    url = f"{store}://shop"
    handlers = {
        "registry": {"class": "llama_logging.handlers.RegistryHandler", "store": url, "bridges": [bridge]},
        "recovery": {
            "class": "llama_logging.handlers.RecoveryHandler",
            "store": url,
            "rules": [
                {"match": {"class": "LookupError"}, "ladder": [strategy]},
                {"match": {"class": "PermissionError"}, "ladder": [{"acme.doors.Unlock": {"door": "front"}}]},
            ],
        },
        "report": {
            "class": "llama_logging.handlers.ReportHandler",
            "store": url,
            "channels": {"board": {reporter: {"file": "board.txt"}}},
        },
    }
    (own_place / "logging.yaml").write_text(
        json.dumps({"version": 1, "handlers": handlers, "root": {"handlers": list(handlers)}})
    )
    (own_place / "app.py").write_text(APP)
    assert cli("check", "logging.yaml").code == 0
    assert cli("report", "send", "-c", "logging.yaml").code == 0  # rules look at what comes after they were first there
    done = cli("run", "--", "app.py")
    assert done.out == "recovered reopened after LookupError\nrecovered the front door is open\n", done.err
    assert (own_place / "shop.db").exists()
    told = json.loads(cli("list", "--json", "--store", url).out)
    assert sorted(group["error_message"] for group in told) == ["broken", "kept quiet", "shut"]
    assert cli("report", "send", "-c", "logging.yaml").code == 0
    assert len((own_place / "board.txt").read_text().splitlines()) == 3


@pytest.mark.usefixtures("package")
def test_what_no_package_offers_is_told(own_place: Path, cli: Run) -> None:
    handlers = {
        "registry": {"class": "llama_logging.handlers.RegistryHandler", "bridges": ["acme.none"]},
        "report": {"class": "llama_logging.handlers.ReportHandler", "channels": {"a": {"bord": {}}}},
        "other": {"class": "llama_logging.handlers.RegistryHandler", "store": "acme.stores.None://x"},
    }
    (own_place / "logging.yaml").write_text(json.dumps({"version": 1, "handlers": handlers}))
    told = cli("check", "logging.yaml").out
    assert "'acme.none' is no bridge: ModuleNotFoundError" in told
    assert "unknown reporter 'bord'" in told
    assert "cannot import 'acme.stores.None'" in told
