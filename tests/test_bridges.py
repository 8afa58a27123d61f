from __future__ import annotations

import builtins
import importlib
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from llama_logging import bridging
from llama_logging.attachment import bridges
from tests.conftest import Run


@pytest.fixture
def waiting(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Bridges to a module `strange` that is not imported yet."""
    (own_place / "strange.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(own_place))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(bridges, "BRIDGES", {"strange": "loguru_sink", "absent": "loguru_sink"})
    bridges.install()
    yield sys.meta_path[0].waiting  # type: ignore[attr-defined]
    sys.modules.pop("strange", None)


def test_every_bridge_is_there() -> None:
    for name in bridges.BRIDGES.values():
        assert callable(importlib.import_module(f"{bridges.__name__}.{name}").install)


def test_a_bridge_is_built_when_its_module_has_been_executed(
    waiting: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[tuple[str, int]] = []
    monkeypatch.setattr(bridging._Finder, "build", lambda self, bridge, module: built.append((bridge, module.value)))
    module = importlib.import_module("strange")
    assert built == [(f"{bridges.__name__}.loguru_sink", 1)]
    importlib.reload(module)
    assert len(built) == 1
    assert "exec_module" not in vars(module.__loader__)


def test_a_module_that_another_thread_is_importing_is_bridged_once_it_is_whole(
    own_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_place / "slow.py").write_text("import builtins\nbuiltins.begun.set()\nbuiltins.bridged.wait(0.5)\nvalue = 1\n")
    begun, bridged, built = threading.Event(), threading.Event(), []
    monkeypatch.setattr(builtins, "begun", begun, raising=False)
    monkeypatch.setattr(builtins, "bridged", bridged, raising=False)
    monkeypatch.syspath_prepend(str(own_place))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(bridging._Finder, "build", lambda self, bridge, module: built.append(vars(module).get("value")))
    importing = threading.Thread(target=importlib.import_module, args=("slow",))
    importing.start()
    begun.wait()
    bridging.build_when_imported({"slow": "a bridge"}, "lost")
    bridged.set()
    importing.join()
    assert built == [1]
    del sys.modules["slow"]


@pytest.mark.usefixtures("own_place")
def test_a_module_that_may_not_be_imported_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setitem(sys.modules, "forbidden", None)
    bridging.build_when_imported({"forbidden": "a bridge"}, "lost")
    assert capsys.readouterr().err == ""


def test_a_module_that_is_not_there_is_waited_for(waiting: dict[str, str]) -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("absent")
    assert "absent" in waiting


@pytest.mark.usefixtures("waiting")
def test_a_module_that_is_not_as_we_know_it_is_imported_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(importlib.import_module("strange"), ModuleType)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("llama_logging: strange: its errors are not seen: AttributeError: ")


def test_what_is_bound_for_a_request_is_context_of_structlogs_errors(cli: Run) -> None:
    pytest.importorskip("structlog")
    code = """
import structlog
structlog.contextvars.bind_contextvars(tenant="a", order=1)
structlog.get_logger().bind(order=2).error("no stock", article="apple")
"""
    cli("run", "--", sys.executable, "-c", code)
    (line,) = cli("tail", "--json").out.splitlines()
    assert json.loads(line)["additional_context"] == {
        "tenant": "a",
        "order": 2,
        "article": "apple",
    }


def test_a_wrapper_around_structlog_that_it_is_told_of_is_not_the_place_of_an_error(cli: Run, own_place: Path) -> None:
    pytest.importorskip("structlog")
    (own_place / "wrapper.py").write_text("def fail(log, said):\n    log.error(said)\n")
    (own_place / "shop.py").write_text("""
import structlog, wrapper
structlog.configure(
    processors=[
        structlog.processors.CallsiteParameterAdder(additional_ignores=["wrapper"]),
        structlog.processors.KeyValueRenderer(),
    ],
    logger_factory=structlog.WriteLoggerFactory(),
)
wrapper.fail(structlog.get_logger(), "no stock")
""")
    cli("run", "--", sys.executable, "shop.py")
    (line,) = cli("tail", "--json").out.splitlines()
    error = json.loads(line)
    assert (Path(error["source_file"]).name, error["source_line"]) == ("shop.py", 10)


def test_what_is_awaited_of_structlog_stands_where_it_was_called(cli: Run, own_place: Path) -> None:
    """It does the work on another thread."""
    pytest.importorskip("structlog")
    (own_place / "shop.py").write_text("""
import asyncio, structlog
async def sell():
    await structlog.get_logger().aerror("no stock")
asyncio.run(sell())
""")
    cli("run", "--", sys.executable, "shop.py")
    (line,) = cli("tail", "--json").out.splitlines()
    error = json.loads(line)
    assert (error["source_function"], error["source_line"], error["logger_name"]) == ("sell", 4, "__main__")


def test_a_structlog_that_is_not_as_we_know_it_logs_all_the_same(cli: Run) -> None:
    pytest.importorskip("structlog")
    code = """
import structlog
structlog._frames._find_first_app_frame_and_name = None
structlog.get_logger().error("no stock")
"""
    done = cli("run", "--", sys.executable, "-c", code)
    assert (done.code, "no stock" in done.out) == (0, True)
    assert "\nllama_logging: an error was not kept: TypeError: " in done.err


def test_the_name_of_structlogs_logger_is_that_of_its_errors(cli: Run) -> None:
    pytest.importorskip("structlog")
    code = """
import structlog
class Named(structlog.PrintLogger):
    name = "shop.cart"
structlog.wrap_logger(Named()).error("no stock")
"""
    cli("run", "--", sys.executable, "-c", code)
    (line,) = cli("tail", "--json").out.splitlines()
    assert json.loads(line)["logger_name"] == "shop.cart"


def test_what_airflows_supervisor_says_again_of_a_task_was_seen_in_the_task(cli: Run, own_place: Path) -> None:
    pytest.importorskip("structlog")
    package = own_place / "airflow" / "sdk" / "execution_time"
    package.mkdir(parents=True)
    (package / "supervisor.py").write_text("def to(log, said, **event):\n    log.error(said, **event)\n")
    code = """
import structlog
from airflow.sdk.execution_time.supervisor import to
log = structlog.get_logger()
to(log, "Task failed with exception", logger="task", filename="task_runner.py", lineno=1676)
to(log, "what it has printed", logger="task.stderr")
"""
    cli("run", "--", sys.executable, "-c", code)
    (line,) = cli("tail", "--json").out.splitlines()
    assert json.loads(line)["error_message"] == "what it has printed"


def test_what_is_no_error_is_still_a_breadcrumb_where_loguru_hands_it_on(cli: Run, own_place: Path) -> None:
    pytest.importorskip("loguru")
    handler = {"class": "llama_logging.handlers.RegistryHandler", "breadcrumbs": 5}
    (own_place / "logging.yaml").write_text(
        json.dumps({"version": 1, "handlers": {"h": handler}, "root": {"handlers": ["h"]}})
    )
    code = """
import logging
from loguru import logger
class Propagate(logging.Handler):
    def emit(self, record):
        logging.getLogger(record.name).handle(record)
logger.remove()
logger.add(Propagate(), format="{message}")
logger.info("opened")
logger.error("no stock")
"""
    cli("run", "--", sys.executable, "-c", code)
    (line,) = cli("tail", "--json").out.splitlines()
    assert [crumb["message"] for crumb in json.loads(line)["breadcrumbs"]] == ["opened"]
