"""Why an error does not reach the registry: `llama-logging doctor -- CMD`."""

from __future__ import annotations

import gc
import json
import logging
import logging.handlers
import queue
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llama_logging.attachment.configuration import configure
from llama_logging.attachment.examining import Finding, examine
from llama_logging.handlers import RegistryHandler
from tests.conftest import Run

log = logging.getLogger("app.doctor")
YAML = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"registry": {"class": "llama_logging.handlers.RegistryHandler"}},
    "root": {"handlers": ["registry"]},
}


def finding(name: str = "app.doctor") -> Finding:
    return next(finding for finding in examine() if finding.logger == name)


def cut_off() -> None:
    log.propagate = False


def wiped() -> None:
    held.append(logging.root.handlers[-1])
    logging.root.handlers.clear()


def queued() -> None:
    logging.root.handlers[:] = [logging.handlers.QueueHandler(queue.Queue())]


def filtered() -> None:
    logging.root.handlers[-1].addFilter(lambda record: False)


held: list[logging.Handler] = []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda: setattr(log, "disabled", True), "the logger is disabled"),
        (lambda: logging.disable(logging.ERROR), "logging.disable(ERROR) is in force"),
        (lambda: logging.getLogger("app").setLevel(logging.CRITICAL), "the level of 'app' is CRITICAL"),
        (lambda: logging.root.handlers[-1].setLevel(99), "the level of the registry handler at the root is Level 99"),
        (filtered, "of the registry handler at the root drops it"),
        (cut_off, "'app.doctor' has propagate: false, and the registry is at the root"),
        (wiped, "is attached to no logger on the way"),
        (queued, "the QueueHandler at the root puts it into a queue, and no QueueListener"),
    ],
    ids=["disabled", "disable", "level", "handler level", "filter", "propagate", "wiped", "queue"],
)
def test_each_reason_is_named_with_a_remedy(change: Callable[[], object], why: str) -> None:
    configure(YAML)
    assert finding() == Finding("app.doctor", True)
    change()
    try:
        found = finding()
    finally:
        logging.disable(logging.NOTSET)
        held.clear()
    assert not found.reached
    assert why in found.why
    assert found.remedy.endswith("or llama-logging run") or "registry handler at the root" in why


def test_objects_of_the_application_are_not_asked_what_they_are() -> None:
    """Every object there is gets looked at, in search of a handler that is gone from the tree."""

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise RuntimeError(name)

    configure(YAML)
    wiped()
    gc.collect()  # the handler is old now, and what follows is looked at before it

    class Strange(metaclass=Meta):
        pass

    assert "is attached to no logger on the way" in finding().why
    held.clear()


def test_a_filter_of_the_logger_is_named() -> None:
    configure(YAML)
    log.addFilter(cut_off_all := logging.Filter("other"))
    try:
        assert "filter Filter drops it" in finding().why
    finally:
        log.removeFilter(cut_off_all)


def test_what_does_no_harm_is_a_note() -> None:
    configure(YAML)
    log.addHandler(RegistryHandler())
    found = finding()
    assert found.reached
    assert [note.split()[0] for note in found.notes] == ["2"]


def test_nothing_is_said_of_a_closed_handler_of_ours_which_works_on() -> None:
    """Every server that loads a configuration of its own closes those that there are: nothing is to be done."""
    configure(YAML)
    logging.root.handlers[-1].close()
    assert (finding().reached, finding().notes) == (True, ())


APP = """
import logging, logging.config
logging.getLogger("app")
logging.getLogger("lost").propagate = False
print("ran")
"""


def test_a_command_is_started_and_examined(cli: Run, own_place: Path) -> None:
    (own_place / "app.py").write_text(APP)
    (own_place / "logging.yaml").write_text(json.dumps(YAML))
    done = cli("doctor", "-c", "logging.yaml", "--json", "--", "app.py")
    (process,) = json.loads(done.out)["processes"]
    found: dict[str, Any] = {entry["logger"]: entry for entry in process["loggers"]}
    assert (done.code, "ran" in done.err) == (1, True)
    assert (found["root"]["reached"], found["app"]["reached"], found["lost"]["reached"]) == (True, True, False)
    text = cli("doctor", "-c", "logging.yaml", "--", "app.py").out
    assert "lost: 'lost' has propagate: false, and the registry is at the root" in text
    assert "remedy: under `loggers`: lost: {handlers: [registry]}" in text


def test_a_remedy_is_one_for_that_logger(cli: Run, own_place: Path) -> None:
    """A handler at the root is none for a logger that is cut off."""
    (own_place / "app.py").write_text(APP)
    out = cli("doctor", "--", "app.py").out
    assert "app: no registry handler is on its way\n    remedy: a RegistryHandler at the root, or" in out
    assert "lost: 'lost' has propagate: false, and no registry handler is on its way\n" in out
    assert "remedy: a RegistryHandler at 'lost', or llama-logging run\n" in out


def test_what_is_the_same_of_many_loggers_is_said_once(cli: Run, own_place: Path) -> None:
    (own_place / "app.py").write_text("import logging\nfor n in range(90): logging.getLogger(f'a{n:02}')")
    out = cli("doctor", "--", "app.py").out
    assert out.count("no registry handler is on its way") == 1
    (line,) = [line for line in out.splitlines() if "no registry handler" in line]
    assert line.startswith("  root, a00, a01, a02, a03 and ")
    assert int(line.split(" and ")[1].split()[0]) >= 86


def test_a_command_that_goes_on_is_ended(cli: Run, own_place: Path) -> None:
    (own_place / "app.py").write_text(APP + "import time\ntime.sleep(600)\n")
    done = cli("doctor", "--after", "2s", "--", "app.py")
    assert done.code == 1
    assert "app: no registry handler is on its way" in done.out


def test_a_file_alone_and_a_command_that_is_none(cli: Run, own_place: Path) -> None:
    (own_place / "logging.yaml").write_text(json.dumps(YAML))
    alone = cli("doctor", "-c", "logging.yaml")
    assert (alone.code, alone.out.partition(", pid ")[0]) == (0, "logging.yaml")
    assert cli("doctor", "--", sys.executable + "-none").code == 2
    assert cli("doctor", "-c", "none.yaml").code == 2


QUEUE = """
import logging, logging.handlers, os, queue
from llama_logging.filters import CaptureFilter
from llama_logging.handlers import RegistryHandler
logging.getLogger("app")
handler = logging.handlers.QueueHandler(queue.Queue())
logging.root.addHandler(handler)
listener = logging.handlers.QueueListener(handler.queue, RegistryHandler())
"""


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        ("", 1, "the listener of the QueueHandler at the root does not run in this process"),
        ("listener.start()", 0, "makes text of the exception, which is read back"),
        ("listener.start(); listener.stop()", 0, "2 of 2"),  # as at the end of any program
        ("handler.addFilter(CaptureFilter()); listener.start()", 0, "2 of 2"),
        ("listener.start(); handler.setLevel(99)", 1, "the level of the QueueHandler at the root is Level 99"),
        ("listener.start(); os.fork() and os.wait()", 1, "does not run in this process"),
    ],
    ids=["not started", "started", "ended", "captured", "level", "forked"],
)
def test_what_stands_behind_a_queue_is_found(cli: Run, own_place: Path, more: str, code: int, told: str) -> None:
    """An error arrives where a listener takes it out of the queue."""
    (own_place / "app.py").write_text(QUEUE + more)
    done = cli("doctor", "--", "app.py")
    assert done.code == code
    assert told in done.out
    assert not ("CaptureFilter" in more and "makes text" in done.out)


HELPED = """
import multiprocessing, time
from llama_logging.attachment.configuration import configure

def work():
    configure("logging.yaml")
    time.sleep(60)

if __name__ == "__main__":
    configure("logging.yaml")
    multiprocessing.get_context("forkserver").Process(target=work).start()
"""


def test_processes_that_run_nothing_of_the_application_are_left_out(cli: Run, own_place: Path) -> None:
    """`multiprocessing` has a tracker and a server of its own; what that server starts is the application again."""
    (own_place / "app.py").write_text(HELPED)
    (own_place / "logging.yaml").write_text(json.dumps(YAML))
    done = cli("doctor", "--after", "6s", "--json", "--", "app.py")
    assert done.code == 0
    assert len(json.loads(done.out)["processes"]) == 2


def test_an_access_log_tells_of_no_error(cli: Run, own_place: Path) -> None:
    (own_place / "app.py").write_text('import logging; logging.getLogger("gunicorn.access").propagate = False')
    (own_place / "logging.yaml").write_text(json.dumps(YAML))
    assert cli("doctor", "-c", "logging.yaml", "--", "app.py").code == 0


SHARED = """
import logging, logging.handlers, multiprocessing, time
from llama_logging.handlers import RegistryHandler

def work(queue):
    logging.root.handlers[:] = [logging.handlers.QueueHandler(queue)]
    time.sleep(60)

if __name__ == "__main__":
    queue = multiprocessing.get_context("fork").Queue()
    logging.root.addHandler(RegistryHandler())
    logging.handlers.QueueListener(queue, *logging.root.handlers).start()
    multiprocessing.get_context("fork").Process(target=work, args=(queue,)).start()
"""


def test_a_queue_to_another_process_is_told_of(cli: Run, own_place: Path) -> None:
    (own_place / "app.py").write_text(SHARED)
    done = cli("doctor", "--", "app.py")
    assert done.code == 0
    assert "the QueueHandler at the root hands it to another process" in done.out


STOPPING = """
import logging, logging.handlers, queue
log = logging.getLogger("shop")
"""


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("logging.disable()", ""),
        ("log.disabled = True", ""),
        ("log.setLevel(99)", ""),
        ("log.propagate = False", ""),
        ("logging.root.handlers[:] = [logging.handlers.QueueHandler(queue.Queue())]", ""),
        ("log.disabled = True; log.addFilter(lambda record: False)", ""),
        ("log.addFilter(lambda record: False)", "the logger's filter <lambda> drops it"),
        ("logging.getLogger('lost').error('?')", "the file of `run` has no registry handler for it"),
    ],
    ids=["disable", "disabled", "level", "propagate", "queue", "disabled, filter", "filter", "elsewhere"],
)
def test_behind_run_it_is_what_run_sees_that_counts(cli: Run, own_place: Path, more: str, told: str) -> None:
    """What doctor says is what becomes of an error that is logged then."""
    (own_place / "app.py").write_text(f"{STOPPING}{more}\nlog.error('no stock')")
    (own_place / "logging.yaml").write_text(json.dumps({**YAML, "root": {}, "loggers": {"shop": YAML["root"]}}))
    done = cli("doctor", "--json", "--", sys.executable, "-m", "llama_logging", "run", "--", "app.py")
    (process,) = json.loads(done.out)["processes"]
    found = {entry["logger"]: entry for entry in process["loggers"]}
    lost = found.get("lost", found["shop"])
    assert lost["why"] == told
    arrived = json.loads(cli("list", "--json").out)
    assert found["shop"]["reached"] == bool(arrived)


def test_behind_run_a_filter_of_the_applications_own_is_named(cli: Run, own_place: Path) -> None:
    (own_place / "shop.py").write_text("class Nothing:\n    def filter(self, record): return False\n")
    (own_place / "app.py").write_text("import logging\nlogging.getLogger('shop').error('no stock')\n")
    registry = {"class": "llama_logging.handlers.RegistryHandler", "filters": ["nothing"]}
    more = {"filters": {"nothing": {"()": "shop.Nothing"}}, "handlers": {"registry": registry}}
    (own_place / "logging.yaml").write_text(json.dumps({**YAML, **more, "root": {"handlers": ["registry"]}}))
    done = cli("doctor", "--json", "--", sys.executable, "-m", "llama_logging", "run", "--", "app.py")
    (process,) = json.loads(done.out)["processes"]
    assert {entry["why"] for entry in process["loggers"]} == {
        "the filter Nothing of the registry handler of `run` drops it"
    }


def test_behind_run_the_exit_code_is_right(cli: Run, own_place: Path) -> None:
    (own_place / "app.py").write_text(f"{STOPPING}logging.disable()")
    (own_place / "logging.yaml").write_text(json.dumps(YAML))
    command = [sys.executable, "-m", "llama_logging", "run", "--", "app.py"]
    assert cli("doctor", "-c", "logging.yaml", "--", *command[-1:]).code == 1
    assert cli("doctor", "-c", "logging.yaml", "--", *command).code == 0


def test_what_sticks_is_found_wherever_it_hung(cli: Run, own_place: Path) -> None:
    sticky = {"registry": {**YAML["handlers"]["registry"], "sticky": True}}  # type: ignore[index]
    (own_place / "logging.yaml").write_text(json.dumps({**YAML, "handlers": sticky}))
    (own_place / "app.py").write_text("import logging; logging.root.handlers.clear()")
    assert cli("doctor", "-c", "logging.yaml", "--", "app.py").code == 0


def test_a_run_that_becomes_no_python_is_none_to_be_examined(cli: Run) -> None:
    Path("logging.yaml").write_text(json.dumps(YAML))
    done = cli("doctor", "--", sys.executable, "-m", "llama_logging", "run", "--", "sleep", "1")
    assert "none of its Python processes could be examined" in done.out


OWN = """
import logging
class Own(logging.Logger):
    def METHOD(self, record):
        WHAT
logging.setLoggerClass(Own)
"""


@pytest.mark.parametrize(
    ("before", "alone", "behind_run"),
    [
        (OWN.replace("METHOD", "handle").replace("WHAT", "pass"), "Own.handle", "Own.handle"),
        (OWN.replace("METHOD", "callHandlers").replace("WHAT", "pass"), "Own.callHandlers", ""),
        (OWN.replace("METHOD", "handle").replace("WHAT", "super().handle(record)"), "", ""),
        ("import logging; logging.Logger.handle = lambda self, record: None", "<lambda>", "<lambda>"),
        (
            "import importlib, logging; importlib.reload(logging)",
            "attached to no logger on the way",
            "the module was reloaded",
        ),
    ],
    ids=["handle", "callHandlers", "handed on", "replaced", "reloaded"],
)
def test_methods_that_hand_nothing_on_are_told(
    cli: Run, own_place: Path, before: str, alone: str, behind_run: str
) -> None:
    """What doctor says is what becomes of an error that is logged then."""
    (own_place / "app.py").write_text(f"{before}\nlogging.getLogger('shop').error('no stock')")
    (own_place / "logging.yaml").write_text(json.dumps(YAML))
    for config, told in ((("-c", "logging.yaml"), alone), ((), behind_run)):
        run = () if config else (sys.executable, "-m", "llama_logging", "run", "--")
        done = cli("doctor", *config, "--json", "--", *run, "app.py")
        found = {entry["logger"]: entry for entry in json.loads(done.out)["processes"][0]["loggers"]}
        assert told in found["shop"]["why"]
        assert found["shop"]["reached"] == (not told) == bool(json.loads(cli("list", "--json").out))
