"""The PredictionHandler: what it takes of a record, and what it leaves alone."""

from __future__ import annotations

import gc
import inspect
import logging
import logging.config
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llama_logging import tap
from llama_logging.attachment.checking import check
from llama_logging.config.mistakes import collecting
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError
from llama_logging.handlers import PredictionHandler, RegistryHandler
from llama_logging.predicting.notes import KEPT, NUMBERS, Notes, Seen
from llama_logging.predicting.settings import Settings
from llama_logging.prediction.predictor import Predictor
from llama_logging.recovery.strategy import Deadline, Remedy
from llama_logging.runtime.background import ours
from tests.conftest import Run, our_threads
from tests.recovery.test_engine import RECOVERED, Act, engine, failing
from tests.test_handlers import configure, log_failure


@pytest.fixture
def notes() -> Notes:
    return Notes(100)


@pytest.fixture
def made() -> Iterator[Callable[..., PredictionHandler]]:
    """Makes handlers that hang at the root, and closes them."""
    handlers: list[PredictionHandler] = []

    def make(**options: Any) -> PredictionHandler:
        handlers.append(PredictionHandler(**options))
        logging.root.addHandler(handlers[-1])
        return handlers[-1]

    logging.root.setLevel(logging.DEBUG)
    yield make
    for handler in handlers:
        logging.root.removeHandler(handler)
        handler.close()


def record(message: object = "checked out", *args: object, name: str = "app", level: int = logging.INFO) -> Any:
    return logging.LogRecord(name, level, "app.py", 1, message, args, None)


def taken(notes: Notes, *records: logging.LogRecord) -> list[Seen]:
    for one in records:
        notes.note(one)
    return notes.take()


class Foreign:
    """An argument that tells when it is asked anything."""

    def __init__(self, said: list[str]) -> None:
        self._said = said

    def __getattribute__(self, name: str) -> Any:
        if name != "_said" and not name.startswith("__"):
            object.__getattribute__(self, "_said").append(name)
        return object.__getattribute__(self, name)

    def __str__(self) -> str:
        self._said.append("str")
        return "x"

    __repr__ = __str__

    def __bool__(self) -> bool:
        self._said.append("bool")
        return True

    def __len__(self) -> int:
        self._said.append("len")
        return 1

    def __eq__(self, other: object) -> bool:
        self._said.append("eq")
        return False

    __hash__ = None  # type: ignore[assignment]


class Number(int):
    pass


def test_of_the_arguments_numbers_alone_are_taken(notes: Notes) -> None:
    (seen,) = taken(notes, record("%s %d %f %s %d", "secret", 17, 2.5, True, Number(3)))
    assert seen.observation.numbers == (17.0, 2.5)
    assert "secret" not in repr(seen)


def test_only_so_many_numbers_are_taken_and_only_those_that_are_finite(notes: Notes) -> None:
    (seen,) = taken(notes, record("%d" * 9, *range(9)))
    assert seen.observation.numbers == tuple(map(float, range(NUMBERS)))
    (seen,) = taken(notes, record("%f %f %d", float("nan"), float("inf"), 10**400))
    assert seen.observation.numbers == ()


def test_arguments_of_a_mapping_are_taken_too(notes: Notes) -> None:
    (seen,) = taken(notes, record("%(size)d in %(place)s", {"size": 3, "place": "here"}))
    assert seen.observation.numbers == (3.0,)


def test_nothing_of_the_application_is_asked(notes: Notes) -> None:
    """No `__str__`, `__bool__`, `__len__` or `__eq__` of an argument or a message runs."""
    said: list[str] = []
    argument = Foreign(said)
    one = record("%s")
    one.args = (argument,)
    other = record(argument)
    whole = record("%(x)s")
    whole.args = argument
    assert len(taken(notes, one, other, whole)) == 3
    assert said == []


def test_no_argument_and_no_message_is_kept_alive(notes: Notes) -> None:
    class Thing:
        pass

    argument, message = Thing(), Thing()
    gone = [weakref.ref(argument), weakref.ref(message)]
    notes.note(record("%s", argument))
    notes.note(record(message))
    del argument, message
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    assert len(notes.take()) == 2


def test_records_are_not_kept_alive(notes: Notes) -> None:
    one = record()
    gone = weakref.ref(one)
    notes.note(one)
    del one
    assert gone() is None


def test_no_secret_of_a_message_is_kept(notes: Notes) -> None:
    """What is learned is written to a file."""
    (seen,) = taken(notes, record("login with password=hunter22 failed"))
    assert "login with password=" in seen.observation.template
    (other,) = taken(notes, logging.LogRecord("app.token=hunter22", 20, "a.py", 1, "x", None, None))
    assert "app.token=" in other.observation.template
    assert "hunter22" not in other.observation.template
    assert "hunter22" not in seen.observation.template


def test_a_long_message_is_cut(notes: Notes) -> None:
    (seen,) = taken(notes, record("x" * 100_000))
    assert len(seen.observation.template) < KEPT


def test_data_for_a_message_is_known_by_its_event(notes: Notes) -> None:
    event, other = taken(notes, record({"event": "paid", "amount": 12.5}), record({"amount": 3}))
    assert "paid" in event.observation.template
    assert event.observation.numbers == (12.5,)
    assert "dict" in other.observation.template


def test_a_record_that_comes_by_two_ways_counts_once(notes: Notes) -> None:
    one = record()
    assert len(taken(notes, one, one, record())) == 2


def test_of_a_clock_that_stands_still_no_record_is_lost(notes: Notes) -> None:
    """The memory of the record before is that of the next."""
    for number in range(20):
        one = logging.LogRecord("app", logging.INFO, "", 1, f"step {'ab'[number % 2]}", (), None)
        one.created = 1e9
        notes.note(one)
        del one
    assert len(notes.take()) == 20


def test_what_comes_out_of_order_is_put_in_order(notes: Notes) -> None:
    early, late = record("early"), record("late")
    late.created = early.created + 1
    assert [seen.observation.at for seen in taken(notes, late, early)] == [early.created, late.created]


def test_what_we_log_ourselves_never_feeds_it(notes: Notes) -> None:
    assert taken(notes, record(name="llama_logging.prediction"), record(name="llama_logging")) == []
    assert len(taken(notes, record(name="llama_loggings"))) == 1
    with ours():
        assert taken(notes, record()) == []


def test_what_a_strategy_logs_never_feeds_it(made: Any) -> None:
    handler = made(tick=60)

    def act(context: ErrorContext, deadline: Deadline) -> Remedy:
        logging.getLogger("app").info("within the strategy")
        return RECOVERED

    assert engine(Act(act)).dispatch(failing()).wait(10)
    logging.getLogger("app").info("without")
    assert ["without" in seen.observation.template for seen in handler.watch.notes.take()] == [True]


def test_too_many_are_told_of_once_and_it_goes_on(made: Any, caplog: pytest.LogCaptureFixture) -> None:
    handler = made(tick=60, limits={"queue": 10})
    for number in range(25):
        logging.getLogger("app").info("%d", number)
    handler.watch.shift.step(time.time())
    handler.watch.shift.step(time.time())
    (told,) = [one for one in caplog.records if one.name == "llama_logging.prediction"]
    assert told.getMessage().startswith("15 records came too fast")
    logging.getLogger("app").info("after")
    assert len(handler.watch.notes.take()) == 1


def test_loggers_can_be_ignored() -> None:
    notes = Notes(100, ignore=("asyncio", "urllib3"))
    seen = taken(notes, record(name="asyncio"), record(name="urllib3.pool"), record(name="asyncio_pool"))
    assert len(seen) == 1


def test_more_than_may_wait_are_dropped_and_counted() -> None:
    notes = Notes(10)
    assert len(taken(notes, *(record() for _ in range(15)))) == 10
    assert notes.dropped == 5


def test_the_group_of_an_error_is_known_where_it_was_captured(own_place: Path, made: Any) -> None:
    registry = RegistryHandler()
    logging.root.addHandler(registry)
    handler = made(tick=60)
    log_failure(logging.getLogger("app"))
    logging.getLogger("app").error("no exception")
    failed, told = handler.watch.notes.take()
    assert failed.observation.group.startswith("v1:")
    assert failed.error_id
    assert told.observation.group != failed.observation.group
    assert failed.observation.level == logging.ERROR


def test_an_error_that_nobody_captured_has_no_group(made: Any) -> None:
    handler = made(tick=60)
    log_failure(logging.getLogger("app"))
    (seen,) = handler.watch.notes.take()
    assert (seen.observation.group, seen.error_id) == ("", "")


def test_level_and_filters_hold(made: Any) -> None:
    handler = made(tick=60, level="INFO")
    handler.addFilter(lambda one: "secret" not in one.name)
    logging.getLogger("app").debug("too low")
    logging.getLogger("app.secret").info("dropped")
    logging.getLogger("app").info("seen")
    assert ["seen" in seen.observation.template for seen in handler.watch.notes.take()] == [True]


def test_a_filter_may_replace_the_record(made: Any) -> None:
    if sys.version_info < (3, 12):
        pytest.skip("Python 3.12 has filters replace records")
    handler = made(tick=60)
    handler.addFilter(lambda one: record("another"))
    logging.getLogger("app").info("one")
    assert "another" in handler.watch.notes.take()[0].observation.template


def test_making_one_starts_no_thread_and_writes_nothing(own_place: Path) -> None:
    before = our_threads()
    handler = PredictionHandler()
    assert our_threads() == before
    assert list(own_place.iterdir()) == []
    handler.close()


def test_what_cannot_be_noted_is_told_and_nothing_is_raised(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made(tick=60)
    odd = record()
    del odd.created
    logging.root.handle(odd)
    assert "PredictionHandler failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"horizons": [60, "soon"]}, "horizons: expected a duration"),
        ({"horizon": 60}, "unknown option, did you mean 'horizons'?"),
        ({"min_precision": {"warm": 0.3}}, "min_precision.warm: unknown option, did you mean 'warn'?"),
        ({"limits": {"queue": 0}}, "limits.queue: expected a whole number above 0"),
        ({"control": 20}, "control: expected a share from 0 to 1"),
        ({"forget": 0}, "forget: expected at least 0.9"),
        ({"tick": "1h"}, "tick: expected 50 ms to a minute"),
        ({"error_level": "ERORR"}, "did you mean 'ERROR'?"),
        ({"horizons": "30m"}, "horizons: 1800 seconds; beyond 900 no skill was measured"),
        ({"ignore": 3}, "ignore: expected a list"),
    ],
)
def test_a_wrong_option_is_told_in_one_line(
    options: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    PredictionHandler(**options).close()
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_what_is_not_said_is_as_it_was_measured() -> None:
    parameters = inspect.signature(Predictor).parameters
    for name, value in Settings().of_predictor.items():
        assert value == parameters[name].default, name


def test_strict_raises_at_a_mistake_and_not_at_a_long_horizon() -> None:
    with pytest.raises(ConfigError, match="control"):
        PredictionHandler(strict=True, control=20)
    PredictionHandler(strict=True, horizons=1800).close()


def test_a_check_tells_of_mistakes_and_makes_nothing(own_place: Path) -> None:
    entry = {"class": "llama_logging.handlers.PredictionHandler", "horizons": [60, 3600], "shadw": {}}
    problems = [
        str(problem)
        for problem in check(
            {"version": 1, "disable_existing_loggers": False, "handlers": {"p": entry}, "root": {"handlers": ["p"]}}
        )
    ]
    assert problems == [
        "handlers.p.shadw: unknown option, did you mean 'shadow'?",
        "warning: handlers.p.horizons: 3600 seconds; beyond 900 no skill was measured",
    ]
    assert list(own_place.iterdir()) == []
    with collecting() as found:
        PredictionHandler(horizons=1000)
    assert len(found) == 1


@pytest.mark.parametrize(("order", "right"), [(["r", "p"], True), (["p", "r"], False), (["p"], True)])
def test_a_check_tells_of_one_that_sees_errors_before_they_are_captured(order: list[str], right: bool) -> None:
    handlers = {
        "r": {"class": "llama_logging.handlers.RegistryHandler"},
        "p": {"class": "llama_logging.handlers.PredictionHandler"},
    }
    used = {name: handlers[name] for name in order}
    problems = check({"version": 1, "disable_existing_loggers": False, "handlers": used, "root": {"handlers": order}})
    assert [str(problem) for problem in problems] == (
        [] if right else ["root.handlers: p must come after r, or else it cannot tell errors apart"]
    )


def until(check: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def threads() -> list[threading.Thread]:
    return [thread for thread in our_threads() if thread.name == "llama_logging-prediction"]


def test_the_first_record_starts_the_thread_and_it_takes_what_comes(made: Any) -> None:
    handler = made(tick=0.05)
    logging.getLogger("app").info("one")
    assert handler.watch.awake
    until(lambda: not handler.watch.notes.take() and handler.watch.shift.learner is not None)


def test_a_second_configuration_closes_the_first(own_place: Path) -> None:
    entry = {"class": "llama_logging.handlers.PredictionHandler", "tick": 0.05}
    configure({"predict": entry})
    (first,) = logging.root.handlers
    logging.getLogger("app").info("one")
    configure({"predict": entry})
    (second,) = logging.root.handlers
    assert isinstance(first, PredictionHandler)
    assert isinstance(second, PredictionHandler)
    assert first is not second
    assert not first.watch.awake
    logging.getLogger("app").info("two")
    until(lambda: second.watch.shift.learner is not None)
    assert second.watch.shift.learner is not None
    # What the first had is free again, and the second has adopted it.
    assert second.watch.shift.learner.name.endswith("-0")
    second.close()


def test_inline_there_is_no_thread(made: Any) -> None:
    before = len(threads())
    handler = made(inline=True)
    logging.getLogger("app").info("one")
    assert handler.watch.shift.learner is not None
    assert handler.watch.notes.take() == []
    assert len(threads()) == before


def test_it_sticks_where_it_was_asked_to(made: Any) -> None:
    handler = PredictionHandler(sticky=True, tick=60)
    logging.getLogger("app").info("hangs nowhere")
    assert len(handler.watch.notes.take()) == 1
    tap._use(())
    handler.close()


def test_what_sticks_and_hangs_in_the_tree_sees_each_record_once(made: Any) -> None:
    handler = made(sticky=True, tick=60)
    logging.getLogger("app").info("told")
    log_failure(logging.getLogger("app"))
    tap._use(())
    assert len(handler.watch.notes.take()) == 2


FORKED = """
import logging, os, sys, time
from llama_logging.handlers import PredictionHandler
handler = PredictionHandler(tick=0.05)
logging.root.addHandler(handler)
logging.root.setLevel("INFO")
log = logging.getLogger("app")
log.info("parent")
while handler.watch.shift.learner is None: time.sleep(0.01)
child = os.fork()
if child == 0:
    assert not handler.watch.notes.take()
    log.info("child")
    while handler.watch.shift.learner is None: time.sleep(0.01)
    print("child", handler.watch.shift.learner.name[-1], flush=True)
    os._exit(0)
os.waitpid(child, 0)
log.info("parent again")
print("parent", handler.watch.shift.learner.name[-1])
"""


def test_a_forked_child_has_a_thread_and_a_file_of_its_own(run: Run) -> None:
    done = run("-W", "ignore::DeprecationWarning", "-c", FORKED)
    assert (done.out.split(), done.err) == (["child", "1", "parent", "0"], "")


OUTLIVED = """
import logging, os, sys, time
from llama_logging.handlers import PredictionHandler
handler = PredictionHandler(tick=0.05)
logging.root.addHandler(handler)
logging.root.setLevel("INFO")
logging.getLogger("app").info("parent")
while handler.watch.shift.learner is None: time.sleep(0.01)
if os.fork() == 0:
    print("ready", flush=True)
    time.sleep(60)
    os._exit(0)
os.kill(os.getpid(), 9)
"""


def test_a_child_that_outlives_its_parent_does_not_keep_its_file(own_place: Path, run: Run) -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", OUTLIVED], stdout=subprocess.PIPE, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        parent.wait()
        try:
            done = run("-c", OUTLIVED.partition("if os.fork")[0] + "print(handler.watch.shift.learner.name[-1])")
        finally:
            os.killpg(parent.pid, signal.SIGKILL)
    assert done.out == "0\n"


ENDED = """
import logging, os
from llama_logging.handlers import PredictionHandler
handler = PredictionHandler(tick=60)
logging.root.addHandler(handler)
logging.root.setLevel("INFO")
logging.getLogger("app").info("one")
"""


def test_what_was_learned_is_kept_at_the_end_of_the_process(
    own_place: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    done = run("-c", ENDED)
    assert (done.code, done.err) == (0, "")
    (folder,) = own_place.glob("*.prediction")
    assert [path.name for path in folder.glob("*.json")] == ["shop-0.json"]


def test_under_run_it_sees_what_the_levels_of_the_host_let_through(own_place: Path, cli: Run) -> None:
    """The host's own output stays as it was."""
    (own_place / "logging.yaml").write_text(
        "version: 1\n"
        "handlers:\n"
        "  registry: {class: llama_logging.handlers.RegistryHandler}\n"
        "  predict: {class: llama_logging.handlers.PredictionHandler, tick: 0.05}\n"
        "root: {handlers: [registry, predict]}\n"
    )
    (own_place / "app.py").write_text(
        "import logging\n"
        "logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        "log = logging.getLogger('app')\n"
        "log.debug('stopped')\n"
        "log.info('passed')\n"
        "from llama_logging import tap\n"
        "tap.settle(5)\n"
        "handler = [sink.handler for sink in tap._sinks if sink.notes][0]\n"
        "handler.close()\n"
        "import json, glob\n"
        "print(open(glob.glob('*.prediction/*.json')[0]).read().count('stopped'), handler.watch.settings.tick)\n"
    )
    done = cli("run", "--", sys.executable, "app.py")
    assert (done.code, done.out, done.err) == (0, "0 0.05\n", "passed\n")


GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, logging, time
from llama_logging.handlers import PredictionHandler
handler = PredictionHandler(tick=0.05)
logging.root.addHandler(handler)
logging.root.setLevel("INFO")
log = logging.getLogger("app")
gevent.joinall([gevent.spawn(log.info, "from %d", n) for n in range(50)])
gevent.sleep(0.3)
print(len(handler.watch.notes.take()), handler.watch.shift.learner is not None)
"""


def test_under_gevent_it_is_one_more_greenlet(run: Run) -> None:
    pytest.importorskip("gevent", reason="gevent is not installed")
    done = run("-c", GEVENT)
    assert (done.code, done.out) == (0, "0 True\n"), done.err
