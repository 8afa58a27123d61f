from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest
import yaml

import llama_logging
from llama_logging.attachment.checking import check
from llama_logging.attachment.configuration import configure, shipped, shipped_text, without
from llama_logging.attachment.run import BOOTSTRAP, command_line, environment
from llama_logging.config.mistakes import Problem
from llama_logging.exceptions import ConfigError
from llama_logging.handlers import ReportHandler
from tests.conftest import Finished, Run

APP = """
import logging, os, sys
log = logging.getLogger("app")
def fail():
    raise ValueError("it is broken")
try:
    fail()
except ValueError:
    log.exception("failed")
print("still running")
sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
"""
REGISTRY = "class: llama_logging.handlers.RegistryHandler"


@pytest.fixture
def app(own_place: Path) -> Path:
    (own_place / "app.py").write_text(APP)
    return own_place


def summary(cli: Run) -> Any:
    done = cli("summary", "--json")
    assert done.code == 0, done.err
    return yaml.safe_load(done.out)


def document(cli: Run, *words: str) -> Any:
    return yaml.safe_load(cli(*words, "--json").out)


def attached(cli: Run, text: str, *command: str, **env: str) -> Finished:
    Path("logging.yaml").write_text(text)
    return cli("run", "--", *(command or ("app.py",)), **env)


def minimal(handler: str = REGISTRY) -> str:
    return f"version: 1\nhandlers:\n  registry: {{{handler}}}\nroot: {{handlers: [registry]}}\n"


@pytest.mark.parametrize(
    "command",
    [["app.py", "3"], ["-m", "app", "3"], [sys.executable, "app.py", "3"], ["sh", "-c", f"{sys.executable} app.py 3"]],
)
@pytest.mark.usefixtures("app")
def test_a_command_runs_as_it_was_and_its_errors_are_caught(cli: Run, run: Run, command: list[str]) -> None:
    alone, done = run("app.py", "3"), attached(cli, minimal(), *command)
    assert (done.code, done.out) == (3, "still running\n")
    assert done == alone or command[0] != "app.py"
    (recent,) = summary(cli)["recent_errors"]
    assert (recent["error_type"], recent["error_message"]) == ("ValueError", "it is broken")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version: 1\nhandlers: [", "the shipped configuration is used instead"),
        ("a: !!python/object/apply:os.system ['touch pwned']", "only plain data is allowed"),
        (
            minimal("class: llama_logging.handlers.RegistryHandlr"),
            "did you mean 'llama_logging.handlers.RegistryHandler'",
        ),
        (minimal(f"{REGISTRY}, stroe: x"), "stroe: unknown option, did you mean 'store'?"),
        (minimal(f"{REGISTRY}, store: 7"), "store: unknown store 7"),
        (minimal(f"{REGISTRY}, level: ERORR"), "unknown level 'ERORR'"),
        (minimal("class: logging.StreamHandler, strem: x"), "strem: unknown option, did you mean 'stream'?"),
        (minimal().replace("[registry]", "[regsitry]"), "there is no handler 'regsitry', did you mean 'registry'?"),
        (minimal(f"{REGISTRY}, strict: true, stroe: x"), "did you mean 'store'"),
        ("handlers: 7\nversion: 2", "version: must be 1"),
        # Where all that stood below was made a comment.
        ("version: 1\nhandlers:\nroot: {handlers: [registry]}", "handlers: expected a mapping of names, got None"),
        (f"version: 1\nhandlers: {{registry: {{{REGISTRY}}}}}\nroot:", "the default registry is used"),
        (minimal().replace("[registry]", "7"), "root.handlers: expected a list of names, got 7"),
        (minimal().replace("[registry]", "[[registry]]"), "root.handlers: there is no handler ['registry']"),
        (minimal().replace("{handlers: [registry]}", "[registry]"), "root: expected a mapping, got ['registry']"),
        (minimal(f"{REGISTRY}, 7: x"), "handlers.registry: expected text as the name of an option, got 7"),
        (minimal("class: [x]") + "filters: [x]\n", "filters: expected a mapping of names, got ['x']"),
    ],
)
@pytest.mark.usefixtures("app")
def test_a_broken_configuration_is_told_and_the_application_and_its_errors_are_safe(
    cli: Run, own_place: Path, text: str, told: str
) -> None:
    done = attached(cli, text)
    assert (done.code, done.out) == (0, "still running\n")
    assert told in done.err
    assert "Traceback" not in done.err.partition("failed\n")[0]
    assert not (own_place / "pwned").exists()
    assert summary(cli)["total_errors"] == 1


@pytest.mark.parametrize(
    "options",
    ["store: sqlite:////proc/none/errors.db", "store: sqlite:///notes.txt"],
    ids=["unwritable", "not a database"],
)
def test_a_store_that_cannot_be_used_costs_nothing(cli: Run, run: Run, app: Path, options: str) -> None:
    (app / "notes.txt").write_text("these are my notes")
    alone = run("app.py")
    done = attached(cli, minimal(f'{REGISTRY}, "{options.partition(":")[0]}": "{options.partition(": ")[2]}"'))
    assert done == alone
    asked = cli("summary", "--store", options.partition(": ")[2])
    assert asked.code == 1
    assert "1 error is safe in the journal" in asked.err
    assert (app / "notes.txt").read_text() == "these are my notes"


def test_uncaught_exceptions_are_caught_too_and_printed_as_ever(cli: Run, run: Run, own_place: Path) -> None:
    (own_place / "app.py").write_text(
        "import threading\ndef f(): raise KeyError('thread')\n"
        "t = threading.Thread(target=f, name='T'); t.start(); t.join()\n{}['main']\n"
    )
    alone, done = run("app.py"), attached(cli, minimal(), "app.py")
    assert (done.code, done.out, done.err) == (alone.code, alone.out, alone.err)
    errors = {recent["error_message"]: recent["severity"] for recent in summary(cli)["recent_errors"]}
    assert errors == {"'main'": "CRITICAL", "'thread'": "CRITICAL"}


@pytest.mark.parametrize("hook", ["print('mine', value)", "before(kind, value, tb)"])
def test_an_uncaught_exception_is_seen_whose_hook_is_the_applications(
    cli: Run, run: Run, own_place: Path, hook: str
) -> None:
    """Typer and rich put theirs in place of whatever there was; another may call the one before."""
    (own_place / "app.py").write_text(
        f"import sys\nbefore = sys.excepthook\ndef hook(kind, value, tb): {hook}\nsys.excepthook = hook\nint('x')\n"
    )
    alone, done = run("app.py"), attached(cli, minimal(), "app.py")
    assert (done.code, done.out, done.err) == (alone.code, alone.out, alone.err)
    assert [error["error_type"] for error in summary(cli)["recent_errors"]] == ["ValueError"]


@pytest.mark.parametrize("last", ["before(kind, value, tb)", "sys.__excepthook__(kind, value, tb)", ""])
def test_an_uncaught_exception_that_the_applications_hook_logs_as_text_is_one_error(
    cli: Run, own_place: Path, last: str
) -> None:
    """As Salt does, with the traceback in the message."""
    (own_place / "app.py").write_text(f"""
import logging, sys, traceback
before = sys.excepthook
def hook(kind, value, tb):
    logging.error("uncaught: %s: %s\\n%s" % (kind.__name__, value, "".join(traceback.format_exception(value))))
    {last}
sys.excepthook = hook
int("x")
""")
    attached(cli, minimal(), "app.py")
    (error,) = summary(cli)["recent_errors"]
    assert (error["error_type"], error["severity"]) == ("ValueError", "CRITICAL")


def test_what_a_program_has_caught_and_keeps_for_a_debugger_is_not_uncaught(cli: Run, own_place: Path) -> None:
    """Pytest puts what fails a test where the interpreter puts what ends a program, for `pdb.pm()`."""
    (own_place / "app.py").write_text(
        "import sys\ndef call(f):\n    try:\n        f('x')\n    except ValueError as error:\n"
        "        sys.last_exc = sys.last_value = error\ncall(int)\n"
    )
    assert attached(cli, minimal()).code == 0
    assert document(cli, "list") == []


@pytest.mark.parametrize(("options", "errors"), [(["--configure"], 1), ([], 0)])
def test_an_error_whose_text_ends_the_process_is_kept_where_no_other_handler_asks_before(
    cli: Run, own_place: Path, options: list[str], errors: int
) -> None:
    """As docs/limits.md has it: under plain `run` the application's own handlers come first."""
    (own_place / "app.py").write_text(
        "import logging, os\nclass Last(Exception):\n    def __str__(self): os._exit(7)\n"
        "logging.basicConfig()\ntry:\n    raise Last\nexcept Last:\n    logging.exception('failed')\n"
    )
    (own_place / "logging.yaml").write_text(minimal())
    assert cli("run", *options, "--", "app.py").code == 7
    assert (own_place / "llama_logging.db.journal").is_dir() == bool(errors)
    assert cli("list").out.count("Last") == errors


def test_of_the_environment_that_run_is_of_the_application_has_nothing_else(own_place: Path) -> None:
    """On its path it would have what it uses where it is installed, and a `tests` that stands before its own."""
    home = own_place / "home"
    (home / "other-1.dist-info").mkdir(parents=True)
    (home / "other-1.dist-info" / "METADATA").write_text("Name: other\nVersion: 1\n")
    (home / "llama_logging").symlink_to(Path(llama_logging.__file__).parent)
    (home / "ours.py").write_text("import needed\ndef passes(): return needed.passes\n")
    (home / "needed.py").write_text("def passes(record): print('asked'); return True\n")
    (home / "other.py").touch()
    (home / "tests").mkdir()
    (home / "tests" / "__init__.py").touch()
    (own_place / "tests").mkdir()
    (own_place / "tests" / "mine.py").touch()
    (own_place / "app.py").write_text(
        "import importlib.metadata, importlib.util, logging, tests.mine\n"
        "print([one.name for one in importlib.metadata.distributions()], importlib.util.find_spec('other'))\n"
        "logging.error('broken')\n"
    )
    (own_place / "logging.yaml").write_text(
        minimal(f"{REGISTRY}, filters: [ours]") + "filters: {ours: {(): ours.passes}}\n"
    )
    venv.create(own_place / "venv")
    python = own_place / "venv" / "bin" / "python"
    alone = subprocess.run([python, "app.py"], capture_output=True, text=True, check=True)
    env = {**environment("logging.yaml"), "LLAMA_LOGGING_HOME": str(home)}
    done = subprocess.run([python, "app.py"], capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{alone.stdout}asked\n", alone.stderr)


def test_an_interactive_console_prints_what_it_would(cli: Run, own_place: Path) -> None:
    """It asks whether the hook for uncaught exceptions is the interpreter's own."""
    (own_place / "app.py").write_text(
        "import code, sys\n"
        "code.InteractiveInterpreter().runsource('1/0')\n"
        "sys.exit(sys.excepthook is sys.__excepthook__)\n"
    )
    alone = subprocess.run([sys.executable, "app.py"], capture_output=True, text=True, check=False)
    done = attached(cli, minimal())
    assert (done.code, done.err) == (1, alone.stderr)


def test_processes_of_one_command_have_one_registry_wherever_they_are(cli: Run, own_place: Path) -> None:
    for name in ("here", "there"):
        (own_place / name).mkdir()
    (own_place / "app.py").write_text(
        "import logging, os, subprocess, sys\n"
        "os.chdir('here')\n"
        "logging.error('parent')\n"
        "if len(sys.argv) == 1:\n"
        "    subprocess.run([sys.executable, '../app.py', 'child'], cwd='../there')\n"
    )
    Path("there/here").mkdir()
    attached(cli, minimal(f"{REGISTRY}, store: sqlite:///errors.db"))
    assert [path.name for path in own_place.rglob("*.db")] == ["errors.db"]
    assert cli("list", "--json", "--store", "sqlite:///errors.db").out.count('"fingerprint"') == 1
    assert yaml.safe_load(cli("summary", "--json", "--store", "sqlite:///errors.db").out)["total_errors"] == 2


@pytest.mark.usefixtures("app")
def test_a_configuration_that_is_not_there_keeps_nothing_from_starting(cli: Run) -> None:
    done = cli("run", "-c", "gone.yaml", "app.py", "3")
    assert (done.code, done.out) == (3, "still running\n")
    assert done.err.splitlines()[0] == (
        "llama-logging: there is no gone.yaml: errors are kept by the shipped configuration; "
        "llama-logging init writes one"
    )
    assert summary(cli)["total_errors"] == 1
    assert cli("run", "--configure", "-c", "gone.yaml", "app.py").code == 2


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("words", [["app.py", "3"], ["-m", "app", "3"], ["--printed", "-m", "app", "3"]])
def test_what_is_to_run_may_stand_without_dashes(cli: Run, words: list[str]) -> None:
    Path("logging.yaml").write_text(minimal())
    assert cli("run", *words).out == "still running\n"
    assert summary(cli)["total_errors"] == 1


SWALLOWED = """
import asyncio, logging
import LIBRARY as httpx
def ask():
    try:
        return httpx.get("http://127.0.0.1:1/")
    except httpx.HTTPError:
        return None
async def ask_without_waiting():
    async with httpx.AsyncClient() as client:
        try:
            return await client.get("http://127.0.0.1:1/")
        except httpx.HTTPError:
            return None
def ask_and_tell():
    try:
        httpx.get("http://127.0.0.1:1/")
    except httpx.HTTPError:
        logging.exception("gone")
ask()
asyncio.run(ask_without_waiting())
ask_and_tell()
"""


@pytest.mark.parametrize(("library", "asked"), [("httpx", []), ("httpx", ["--swallowed"]), ("httpx2", ["--swallowed"])])
def test_what_a_client_swallows_is_an_error_where_that_is_asked_for(
    cli: Run, run: Run, own_place: Path, library: str, asked: list[str]
) -> None:
    pytest.importorskip(library)
    (own_place / "app.py").write_text(SWALLOWED.replace("LIBRARY", library))
    Path("logging.yaml").write_text(minimal())
    done = cli("run", *asked, "app.py")
    assert done == run("app.py")
    errors = [yaml.safe_load(line) for line in cli("export").out.splitlines()]
    found = [(error["source_module"], error["source_function"], error["severity"]) for error in errors]
    logged = ("__main__", "ask_and_tell", "ERROR")
    swallowed = [("__main__", "ask", "WARNING"), ("__main__", "ask_without_waiting", "WARNING")]
    assert found == [*(swallowed if asked else []), logged]


def test_exit_and_ctrl_c_are_no_errors(cli: Run, own_place: Path) -> None:
    (own_place / "app.py").write_text("raise KeyboardInterrupt")
    attached(cli, minimal())
    assert summary(cli)["total_errors"] == 0


def test_no_configuration_is_left_in_the_environment(cli: Run, own_place: Path) -> None:
    """It may hold a password, and pages that show the environment to the world are common."""
    (own_place / "app.py").write_text(
        "import os; print([name for name, value in os.environ.items() if 'handlers' in value])"
    )
    assert attached(cli, minimal()).out == "[]\n"


FALLBACK = "The language model is not available at the moment; please try again later."
PROMISE = "['llama_logging.recovery', 'llama_logging.recovery.outcome']"
REACTING = """
import builtins, logging, os, sys, threading
imported = []
class Finder:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is threading.main_thread():
            imported.append(name)
sys.meta_path.insert(0, Finder())
class AIGenerationError(Exception):
    pass
def work():
    try:
        raise AIGenerationError("no answer")
    except AIGenerationError:
        logging.getLogger("app").exception("failed")
        print(sorted(name for name in imported if name.startswith("llama_logging.recover")))
def ask():
    import llama_logging
    outcome = llama_logging.outcome()
    outcome.wait(10)
    print(outcome.value)
async def work_and_ask():
    work()
    await asyncio.sleep(0)
    ask()
async def tasks():
    await asyncio.gather(asyncio.create_task(work_and_ask()), asyncio.create_task(asyncio.to_thread(ask)))
if "task" in sys.argv:
    import asyncio
    asyncio.run(tasks())
else:
    work()
    if "ask" in sys.argv:
        ask()
"""


def test_what_reacts_to_errors_is_imported_off_the_applications_thread(cli: Run, own_place: Path) -> None:
    (own_place / "app.py").write_text(REACTING)
    assert attached(cli, shipped_text()).out.splitlines() == [PROMISE]


@pytest.mark.parametrize(
    ("way", "told"),
    [("ask", {PROMISE, FALLBACK}), ("task", {PROMISE, FALLBACK, "None"})],  # the other task has logged none
)
def test_the_outcome_of_the_first_error_is_waited_for(cli: Run, own_place: Path, way: str, told: set[str]) -> None:
    (own_place / "app.py").write_text(REACTING)
    done = attached(cli, shipped_text(), "app.py", way)
    assert [attempt["strategy"] for attempt in document(cli, "recovery", "log")] == ["llm.fallback_text"]
    assert set(done.out.splitlines()) == told


HELD_UP = """
import logging, sys, threading
go_on = threading.Event()
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "llama_logging.recovering":
            go_on.wait(30)
sys.meta_path.insert(0, Slow())
class AIGenerationError(Exception):
    pass
import llama_logging
for way in sys.argv[1:]:
    try:
        raise AIGenerationError("no answer")
    except AIGenerationError as error:
        logging.getLogger("app").exception("failed")
        outcome = llama_logging.outcome()
        print(type(outcome).__name__, outcome.status, outcome is error.__llama_outcome__)
go_on.set()
outcome.wait(10)
print(outcome.value)
"""


@pytest.mark.parametrize("errors", [["first"], ["first", "second"]])
def test_nobody_who_asks_for_an_outcome_waits_for_recovery_to_be_imported(
    cli: Run, own_place: Path, errors: list[str]
) -> None:
    """An event loop would stand still for it: the outcome is there at once, and pending."""
    (own_place / "app.py").write_text(HELD_UP)
    done = attached(cli, shipped_text(), "app.py", *errors)
    assert done.out.splitlines() == [*["Outcome pending True"] * len(errors), FALLBACK]


TALKING = """
import logging, sys
from llama_logging.handlers import RegistryHandler
from llama_logging.saying import say
logging.basicConfig(level=logging.INFO, stream=sys.stdout, force=True)
say("recovery", logging.WARNING, "failed")
own = RegistryHandler()
say("recovery", logging.WARNING, "failed again")
"""


@pytest.mark.parametrize(("options", "said"), [([], ["again"]), (["--configure"], ["failed", "again"])])
def test_what_we_say_is_no_part_of_the_applications_log(
    cli: Run, own_place: Path, options: list[str], said: list[str]
) -> None:
    """Unless that has a handler of ours itself."""
    (own_place / "app.py").write_text(TALKING)
    (own_place / "logging.yaml").write_text(minimal())
    assert [line.split()[-1].rpartition(":")[2] for line in cli("run", *options, "app.py").out.splitlines()] == said


UNAWARE = """
import asyncio, copy, logging, pickle, sys
class AIGenerationError(Exception):
    pass
def work(call):
    try:
        raise AIGenerationError("no answer")
    except AIGenerationError as error:
        getattr(logging.getLogger("app"), call)("failed")
        return error
async def wait(outcome):
    return await outcome
error = work(sys.argv[1])
outcome = error.__llama_outcome__
print(copy.copy(error).args, bool(outcome), "pending" in repr(outcome))
print(asyncio.run(wait(outcome)) if sys.argv[2] == "await" else outcome.wait(10), outcome.status, outcome.value)
print(pickle.loads(pickle.dumps(error)).args, error.__llama_outcome__.error_id == outcome.error_id)
"""


@pytest.mark.parametrize(("call", "way"), [("exception", "wait"), ("error", "wait"), ("exception", "await")])
def test_the_outcome_of_the_first_error_is_on_its_exception(cli: Run, own_place: Path, call: str, way: str) -> None:
    """The application does not import us, and looks as soon as its logging call has returned."""
    (own_place / "app.py").write_text(UNAWARE)
    done = attached(cli, shipped_text(), "app.py", call, way)
    assert done.out.splitlines() == [
        "('no answer',) False True",
        f"False fallback {FALLBACK}",
        "('no answer',) True",
    ]


REFUSED = """
import logging
class ResponseError(Exception):
    def __init__(self, error, status_code):
        super().__init__(error)
        self.status_code = status_code
for status, said in ((404, "model 'a' not found"), (500, "out of memory"), (500, "no room")):
    try:
        raise ResponseError(said, status)
    except ResponseError:
        logging.exception("no story")
"""


def test_the_shipped_configuration_groups_what_a_server_refuses_by_status(cli: Run, own_place: Path) -> None:
    """Ollama's client has one class for a missing model and for no memory: to mute the one would hide the other."""
    (own_place / "app.py").write_text(REFUSED)
    attached(cli, shipped_text())
    found = {group["error_message"]: group["count"] for group in document(cli, "list")}
    assert found == {"model 'a' not found": 1, "no room": 2}


def test_an_outcome_that_was_promised_comes_to_nothing_where_no_handler_can_be_made(cli: Run, own_place: Path) -> None:
    (own_place / "app.py").write_text(UNAWARE)
    rules = "rules: [{match: {class: AIGenerationError}, ladder: [fallback_value]}], strict: true"
    text = (
        "version: 1\nhandlers:\n"
        f"  registry: {{{REGISTRY}}}\n"
        f"  recovery: {{class: llama_logging.handlers.RecoveryHandler, {rules}}}\n"
        "root: {handlers: [registry, recovery]}\n"
    )
    done = attached(cli, text, "app.py", "exception", "wait")
    assert done.out.splitlines()[1] == "False none None"


def test_where_no_thread_may_run_what_reacts_is_made_at_once(cli: Run, own_place: Path) -> None:
    """As in a worker of uWSGI without `enable-threads`, where a thread would be started and never run."""
    (own_place / "app.py").write_text(
        "import logging, sys, threading, types\n"
        "sys.modules['uwsgi'] = types.ModuleType('uwsgi')\n"
        "logging.getLogger('app').error('failed')\n"
        "print('llama_logging.recovery.engine' in sys.modules, threading.active_count())\n"
    )
    assert attached(cli, shipped_text()).out == "True 1\n"


@pytest.mark.parametrize(
    "waiting",
    [
        "for thread in set(threading.enumerate()) - {threading.main_thread()}: thread.join()",
        "while threading.active_count() > 1: time.sleep(0.01)",
    ],
    ids=["joins all", "counts them"],
)
def test_a_script_that_waits_for_all_threads_ends(cli: Run, own_place: Path, waiting: str) -> None:
    """Those of reports and predictions go on to the end of the process."""
    (own_place / "app.py").write_text(
        "import logging, sys, threading, time\n"
        "logging.getLogger('app').error('failed')\n"
        "while 'llama_logging.predicting.watch' not in sys.modules: time.sleep(0.01)\n"
        f"time.sleep(0.5)\n{waiting}\nprint('ended')"
    )
    reacting = """
version: 1
handlers:
  registry: {class: llama_logging.handlers.RegistryHandler}
  report: {class: llama_logging.handlers.ReportHandler, channels: {ops: {command: {argv: ["true"]}}}}
  watch: {class: llama_logging.handlers.PredictionHandler}
root: {handlers: [registry, report, watch]}
"""
    assert attached(cli, reacting).out == "ended\n"


IMPORTING = """
import sys, threading, time
from importlib.machinery import PathFinder
from llama_logging.attachment.later import _Maker
begun = threading.Event()
class Slow(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "llama_logging.registry":
            spec = super().find_spec(name, path, target)
            create = spec.loader.create_module
            spec.loader.create_module = lambda one: begun.set() or time.sleep(0.5) or create(one)
            return spec
sys.meta_path.insert(0, Slow)
def whole():
    import llama_logging.registry
def part():
    if PART == "store":
        from llama_logging.stores import open_store, urls
        open_store(urls.default())
    import llama_logging.registry.attempts
one, other = _Maker(whole), threading.Thread(target=part) if PART == "store" else _Maker(part)
one.start()
begun.wait()
other.start()
one.done.wait()
other.join()
"""


@pytest.mark.parametrize("part", ["store", "maker"])
def test_threads_that_import_the_registry_at_once_do_not_wait_for_each_other(run: Run, part: str) -> None:
    """A recovery is made for the first error while that is brought in."""
    done = run("-c", f"PART = {part!r}\n{IMPORTING}")
    assert (done.code, done.err) == (0, "")


TOLD = """
import logging, os, sys, threading
def tell(context):
    with open("told.txt", "a") as file:
        print(context.error_message, context.thread_name, context.implicit, file=file)
def fail(number):
    try:
        raise ValueError(number)
    except ValueError:
        logging.getLogger("app").error("failed")
if __name__ == "__main__":
    threads = [threading.Thread(target=fail, args=(n,), name=f"t{n}") for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(sys.argv) > 1 and os.fork() == 0:
        fail("child")
        sys.exit()
"""


@pytest.mark.parametrize("fork", [[], ["fork"]])
def test_what_comes_while_a_handler_is_made_waits_for_it(cli: Run, own_place: Path, fork: list[str]) -> None:
    (own_place / "app.py").write_text(TOLD)
    done = attached(cli, minimal("class: llama_logging.handlers.ReportHandler, callback: app.tell"), "app.py", *fork)
    assert done.code == 0
    told = sorted(Path("told.txt").read_text().splitlines())
    assert told == sorted([f"{n} t{n} True" for n in range(20)] + ["child MainThread True"] * len(fork))


def test_a_start_imports_no_more_than_it_needs(cli: Run, run: Run, own_place: Path) -> None:
    """What is absent here took two thirds of it."""
    (own_place / "app.py").write_text("import logging, sys; print(*sys.modules)")
    plain, done = run("app.py"), attached(cli, minimal(), "app.py")
    new = set(done.out.split()) - set(plain.out.split())
    assert "llama_logging.handlers" in new
    assert (
        not {
            *("argparse", "asyncio", "dataclasses", "difflib", "dis", "hashlib", "_hashlib", "inspect"),
            *("importlib.metadata", "importlib.resources", "logging.config", "logging.handlers", "pathlib", "queue"),
            *("selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sysconfig", "tempfile"),
            *("urllib", "urllib.parse", "uuid", "yaml"),
        }
        & new
    )


def test_a_start_compiles_no_pattern(run: Run) -> None:
    theirs = "import ast, fnmatch, json, logging, re, string, sys, tokenize"
    done = run("-c", f"{theirs}; re.compile = None; import llama_logging.attachment.attaching")
    assert done.code == 0, done.err


@pytest.mark.usefixtures("app")
def test_child_processes_are_attached_too(cli: Run, own_place: Path) -> None:
    (own_place / "parent.py").write_text("import subprocess, sys\nsubprocess.run([sys.executable, 'app.py'])\n")
    attached(cli, minimal(), "parent.py")
    assert summary(cli)["total_errors"] == 1


@pytest.mark.usefixtures("app")
def test_the_applications_own_sitecustomize_runs(cli: Run, own_place: Path) -> None:
    (own_place / "site").mkdir()
    (own_place / "site" / "sitecustomize.py").write_text("print('mine')")
    done = attached(cli, minimal(), PYTHONPATH=str(own_place / "site"))
    assert done.out == "mine\nmine\nstill running\n"  # first of llama-logging itself, then of the application
    assert summary(cli)["total_errors"] == 1


@pytest.mark.usefixtures("app")
def test_it_can_be_disabled_by_the_environment(cli: Run) -> None:
    assert attached(cli, minimal(), LLAMA_LOGGING_DISABLED="1").out == "still running\n"
    assert summary(cli)["total_errors"] == 0


def test_what_cannot_be_started_has_a_shells_exit_code(cli: Run, own_place: Path) -> None:
    (own_place / "text").write_text("not a program")
    assert attached(cli, minimal(), "no-such-command").code == 127
    nothing = cli("run", "--", "")
    assert (nothing.code, nothing.err.splitlines()[-1]) == (127, "llama-logging: command not found: ")
    assert attached(cli, minimal(), "./text").code == 126


def test_a_script_gets_this_python_and_a_command_its_own() -> None:
    assert command_line(["a.py", "-x"]) == [sys.executable, "a.py", "-x"]
    assert command_line(["-m", "a"]) == [sys.executable, "-m", "a"]
    assert command_line(["gunicorn", "a.py"]) == ["gunicorn", "a.py"]


def test_attaching_twice_is_attaching_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setattr(os, "environ", {**os.environ, **environment("a.yaml")})
    assert environment("a.yaml")["PYTHONPATH"].split(os.pathsep) == [BOOTSTRAP, "/mine"]


def test_the_bootstrap_folder_hides_no_other_module() -> None:
    names = {name for name in os.listdir(BOOTSTRAP) if name != "__pycache__"}
    assert names == {"sitecustomize.py"}


def test_the_shipped_file_has_no_mistakes_and_is_the_one_in_the_repository() -> None:
    assert check(shipped()) == []
    assert (Path(__file__).parents[1] / "logging.yaml").read_text(encoding="utf-8") == shipped_text()


def test_the_shipped_file_works(capsys: pytest.CaptureFixture[str]) -> None:
    configure(shipped())
    try:
        raise ValueError("it is broken")
    except ValueError:
        logging.getLogger("app").exception("failed")
    assert llama_logging.get_error_summary()["total_errors"] == 1
    assert "llama-logging show" in capsys.readouterr().err


def test_configure_names_every_mistake() -> None:
    with pytest.raises(ConfigError, match=r"handlers\.a\.class.*handlers\.b: needs a `class`"):
        configure({"version": 1, "handlers": {"a": {"class": "no.Such"}, "b": {}}, "root": {"handlers": ["a", "b"]}})


def problems(**changes: Any) -> list[str]:
    base: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"h": {"class": "llama_logging.handlers.RegistryHandler"}},
        "root": {"handlers": ["h"]},
    }
    return [str(problem) for problem in check({**base, **changes})]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"x-anchors": {"a": 1}}, []),
        ({"handler": {}}, ["handler: unknown key, did you mean 'handlers'?"]),
        ({"loggers": {"a": {"handlers": ["nope"]}}}, ["loggers.a.handlers: there is no handler 'nope'"]),
        ({"loggers": {"a": {"level": "LOUD"}}}, ["loggers.a.level: unknown level 'LOUD'"]),
        ({"loggers": {"a": {"propagat": False}}}, ["loggers.a.propagat: unknown key, did you mean 'propagate'?"]),
        ({"loggers": []}, []),
        ({"loggers": [1]}, ["loggers: expected a mapping of names, got [1]"]),
        ({"loggers": {"a": 1}}, ["loggers.a: expected a mapping, got 1"]),
        ({"loggers": {7: {}}}, ["loggers.7: expected text as the name of a logger, got 7"]),
        ({"loggers": None}, ["loggers: expected a mapping of names, got None"]),
        ({"root": 7}, ["root: expected a mapping, got 7"]),
        ({"root": {"handlers": [["h"]]}}, ["root.handlers: there is no handler ['h']"]),
        ({"handlers": ["h"]}, ["handlers: expected a mapping of names, got ['h']"]),
        ({"handlers": {"h": {"class": 7}}}, ["handlers.h.class: expected the dotted path of a class, got 7"]),
        ({"formatters": 7}, ["formatters: expected a mapping of names, got 7"]),
        ({"root": {"handlers": "h"}}, ["root.handlers: expected a list of names, got 'h'"]),
        ({"formatters": {"f": {"class": "llama_logging.formatters.JsonFormater"}}}, ["did you mean"]),
        ({"formatters": {"f": {"()": "llama_logging.formatters.ConsoleFormatter", "color": True}}}, ["'color'"]),
        (
            {"formatters": {"f": {"class": "llama_logging.formatters.JsonFormatter", "style": "esc"}}},
            ["no style 'esc'"],
        ),
        ({"formatters": {"f": {"format": "{oops", "style": "{"}}}, ["formatters.f"]),
        (
            {
                "formatters": {
                    "f": {"class": "llama_logging.formatters.ConsoleFormatter", "colour": True, "dateftm": ""}
                }
            },
            [
                "formatters.f.colour: dictConfig does not pass it to a formatter given by `class`; it does under",
                "formatters.f.dateftm: dictConfig does not pass it to a formatter given by `class`, did you mean 'd",
            ],
        ),
        ({"filters": {"f": {"()": "llama_logging.filters.CaptureFilter", "nam": ""}}}, ["did you mean 'name'"]),
        ({"root": {}}, ["handlers.h: is attached to no logger"]),
    ],
)
def test_each_mistake_is_named_with_its_place(changes: dict[str, Any], expected: list[str]) -> None:
    found = problems(**changes)
    assert len(found) >= len(expected)
    for text in expected:
        assert any(text in problem for problem in found), found
    if not expected:
        assert found == []


STREAM = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
OURS = {"class": "llama_logging.handlers.RegistryHandler"}


@pytest.mark.parametrize(
    "changes",
    [
        {"consts": {"n": 7}, "handlers": {"h": {**OURS, "breadcrumbs": "cfg://consts.n"}}},
        {"names": {"all": ["h"]}, "root": {"handlers": "cfg://names.all", "level": "cfg://names[level]"}},
        {"some": [{"age": "7d"}], "handlers": {"h": {**OURS, "retention": {"age": "cfg://some[0].age"}}}},
        {"whole": {"h": OURS}, "handlers": "cfg://whole"},
        {"one": OURS, "handlers": {"h": "cfg://one"}},
        {"handlers": {"h": {"()": "ext://llama_logging.handlers.RegistryHandler"}}},
        {"handlers": {"h": STREAM}},
    ],
)
def test_references_are_followed_as_dictconfig_does(changes: dict[str, Any]) -> None:
    changes.get("names", {}).setdefault("level", "INFO")
    assert problems(**changes) == []
    configure(
        {"version": 1, "disable_existing_loggers": False, "root": {"handlers": ["h"]}, "handlers": {"h": OURS}}
        | changes
    )


@pytest.mark.parametrize(
    ("changes", "place", "told"),
    [
        (
            {"handlers": {"h": {**STREAM, "stream": "ext://sys.stdouttt"}}},
            "handlers.h.stream",
            "'ext://sys.stdouttt' ref",
        ),
        (
            {"handlers": {"h": {**OURS, "breadcrumbs": "cfg://no.n"}}},
            "handlers.h.breadcrumbs",
            "refers to nothing: 'no'",
        ),
        ({"handlers": {"h": {"class": "cfg://no"}}}, "handlers.h.class", "'cfg://no' refers to nothing"),
        ({"handlers": "cfg://no"}, "handlers", "'cfg://no' refers to nothing"),
        ({"root": {"handlers": "cfg://no"}}, "root.handlers", "'cfg://no' refers to nothing"),
        (
            {"handlers": {"h": {**STREAM, "level": "env://L?default=INFO"}}},
            "handlers.h.level",
            "does not resolve env://",
        ),
        ({"root": {"handlers": ["h"], "level": "env://L?default=INFO"}}, "root.level", "does not resolve env://"),
        ({"root": {"handlers": ["h"], "level": "info"}}, "root.level", "unknown level 'info', did you mean 'INFO'?"),
        ({"root": {"handlers": ["h"], "level": ["INFO"]}}, "root.level", "unknown level ['INFO']"),
        ({"root": {"handlers": ["h"], "level": "20"}}, "root.level", "unknown level '20'"),
    ],
)
def test_what_dictconfig_would_refuse_is_found(changes: dict[str, Any], place: str, told: str) -> None:
    """Once, at its place, and as a thing for which the file is refused."""
    base = {"version": 1, "disable_existing_loggers": False, "root": {"handlers": ["h"]}, "handlers": {"h": OURS}}
    found = [problem for problem in check({**base, **changes}) if problem.fatal]
    assert [problem.path for problem in found if "there is no handler" not in problem.message] == [place]
    assert told in found[0].message
    with pytest.raises(ConfigError, match=re.escape(place)):
        configure({**base, **changes})


def test_a_reference_within_an_option_that_leads_nowhere_costs_that_option(capsys: pytest.CaptureFixture[str]) -> None:
    changes = {"handlers": {"h": {**OURS, "retention": {"age": "cfg://no"}}}}
    assert problems(**changes) == ["handlers.h.retention: what 'age' refers to is not there: 'no'"]
    configure({"version": 1, "disable_existing_loggers": False, "root": {"handlers": ["h"]}, **changes})
    assert "retention: what 'age' refers to is not there" in capsys.readouterr().err


def test_a_reference_that_leads_back_to_itself_costs_that_option() -> None:
    handlers = {"h": {**OURS, "retention": "cfg://handlers.h"}}
    assert problems(handlers=handlers) == ["handlers.h.retention: what it refers to holds it, without end"]
    configure({"version": 1, "disable_existing_loggers": False, "root": {"handlers": ["h"]}, "handlers": handlers})


def test_mistakes_deep_in_a_rule_are_found() -> None:
    rules = [{"match": {"clas": "X"}, "ladder": [{"wait_and_probe": {"prob": "x"}}]}]
    handlers = {"h": {"class": "llama_logging.handlers.RecoveryHandler", "rules": rules, "mod": "act"}}
    assert [problem.partition(": ")[0] for problem in problems(handlers=handlers)] == [
        "handlers.h.mod",
        "handlers.h.rules[0].match.clas",
        "handlers.h.rules[0].ladder[0].wait_and_probe.prob",
        "handlers.h.rules[0].ladder[0].wait_and_probe",
    ]


def test_one_mistake_hides_no_other(own_place: Path) -> None:
    """Not in a rule, a channel, or what stands below; each is named as the file has it, and once."""
    said = places(
        RegistryHandler={
            "retention": {"age": "9x", "siez": 4},
            "redact": ["(a", "fine", "(b"],
            "bridges": ["no.a", "no.b"],
            "grouping": [{"match": {"class": "A", "status": "x"}, "fingerprint": ["{bogus}"]}, 7],
        },
        RecoveryHandler={
            "rules": [
                {
                    "match": {"class": "A", "not": {"message": "("}},
                    "ladder": ["sudo", {"llm.fallback_model": {"models": [{"model": 3, "api": "x"}, 7]}}, 7],
                    "budget": 3,
                    "escalate": [{"notify": {"command": "x"}}],
                },
                {"deadline": "x"},
                {"use": "ollama", "num_ctx": "x", "smaller_models": 7},
            ]
        },
        ReportHandler={
            "channels": {
                "a": {"webhook": {"timeout": "x"}, "hourly": "x"},
                "b": {"mail": {"host": 3, "to": ["x"]}},
                "c": {"sentry": {"timeout": "x", "ca_file": 3}},
            },
            "rules": [{"when": ["newish", "0 in 5 minutes"], "channels": ["a", "x"]}, {"when": "nwe"}],
            "digest": {"every": "3s", "channels": ["b", "y"]},
        },
    )
    assert said == [
        "RegistryHandler.retention.siez",
        "RegistryHandler.retention.age",
        "RegistryHandler.redact[0]",
        "RegistryHandler.redact[2]",
        "RegistryHandler.grouping[0].match.status",
        "RegistryHandler.grouping[0].fingerprint",
        "RegistryHandler.grouping[1]",
        "RegistryHandler.bridges[0]",
        "RegistryHandler.bridges[1]",
        "RecoveryHandler.rules[0].match.not.message",
        "RecoveryHandler.rules[0].ladder[0]",
        "RecoveryHandler.rules[0].ladder[1].llm.fallback_model.models[0].api",
        "RecoveryHandler.rules[0].ladder[1].llm.fallback_model.models[0].model",
        "RecoveryHandler.rules[0].ladder[1].llm.fallback_model.models[1]",
        "RecoveryHandler.rules[0].ladder[2]",
        "RecoveryHandler.rules[0].budget",
        "RecoveryHandler.rules[0].escalate[0].notify.command",
        "RecoveryHandler.rules[0].escalate[0].notify",
        "RecoveryHandler.rules[1]",
        "RecoveryHandler.rules[1]",
        "RecoveryHandler.rules[1].deadline",
        "RecoveryHandler.rules[2].smaller_models",
        "RecoveryHandler.rules[2].num_ctx",
        "ReportHandler.channels.a.webhook",
        "ReportHandler.channels.a.webhook.timeout",
        "ReportHandler.channels.a.hourly",
        "ReportHandler.channels.b.mail.host",
        "ReportHandler.channels.b.mail",
        "ReportHandler.channels.b.mail.to[0]",
        "ReportHandler.channels.c.sentry",
        "ReportHandler.channels.c.sentry.timeout",
        "ReportHandler.channels.c.sentry.ca_file",
        "ReportHandler.digest.every",
        "ReportHandler.digest.channels[1]",
        "ReportHandler.rules[0].when[0]",
        "ReportHandler.rules[0].when[1]",
        "ReportHandler.rules[0].channels[1]",
        "ReportHandler.rules[1].when",
        "ReportHandler.rules[1]",
    ]


def places(**handlers: dict[str, Any]) -> list[str]:
    """Where the mistakes are in handlers of these classes, which their names are too."""
    given = {name: {"class": f"llama_logging.handlers.{name}", **options} for name, options in handlers.items()}
    found = problems(handlers=given, root={"handlers": list(given)})
    return [problem.partition(": ")[0].removeprefix("handlers.") for problem in found]


def test_a_report_goes_to_the_channels_that_have_no_mistake() -> None:
    channels = {"a": {"webhok": {}}, "b": {"callback": {"function": "os.getpid"}}}
    handler = ReportHandler(channels=channels, rules=[{"when": "new", "channels": ["a", "b"]}])
    assert handler.reporting is not None
    assert list(handler.reporting.channels) == ["b"]
    assert [rule.channels for rule in handler.reporting.rules] == [("a", "b")]


@pytest.mark.parametrize(
    ("reporter", "host"),
    [
        ({"webhook": {"url": "http://127.0.0.1:1/x"}}, "127.0.0.1"),
        ({"webhook": {"url": "http://localhost/x"}}, "localhost"),
        ({"otlp": {"endpoint": "http://[::1]:4318"}}, "::1"),
        ({"sentry": {"dsn": "https://key@10.0.0.7/1"}}, "10.0.0.7"),
        ({"webhook": {"url": "http://127.0.0.1:1/x", "allow_private": True}}, ""),
        ({"webhook": {"url": "https://hooks.example/x"}}, ""),
        ({"webhook": {"url": "http://collector:4318/x"}}, ""),  # whose address is asked for where it is sent from
    ],
)
def test_a_receiver_that_will_be_refused_is_warned_of(reporter: dict[str, Any], host: str) -> None:
    (kind,) = reporter
    given = {"class": "llama_logging.handlers.ReportHandler", "channels": {"a": reporter}, "strict": True}
    told = f"{host} is a private address, where nothing is sent without `allow_private: true`"
    expected = [Problem(f"handlers.h.channels.a.{kind}", told, warning=True)] if host else []
    data = {"version": 1, "disable_existing_loggers": False, "handlers": {"h": given}, "root": {"handlers": ["h"]}}
    assert check(data) == expected


def test_a_file_that_leaves_loggers_disabled_without_a_word_is_warned_of() -> None:
    used = {"version": 1, "root": {"level": "INFO"}}
    assert [problem.path for problem in check(used) if problem.warning] == ["disable_existing_loggers"]
    for more in ({"disable_existing_loggers": True}, {"disable_existing_loggers": False}, {"incremental": True}):
        assert check({**used, **more}) == []


def test_checking_opens_nothing(own_place: Path) -> None:
    handlers = {
        "h": {"class": "llama_logging.handlers.RegistryHandler", "store": "sqlite:///a.db"},
        "f": {"class": "logging.FileHandler", "filename": "a.log"},
    }
    assert problems(handlers=handlers, root={"handlers": ["h", "f"]}) == []
    assert list(own_place.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (", filters: [shop]", ""),
        (", filters: [shop], stroe: x", "did you mean 'store'"),
        (", filters: [shop, gone]", "a filter lets all pass: cannot import 'shop.Gone'"),
    ],
)
def test_a_filter_of_the_applications_own_drops_errors_and_adds_to_them(
    cli: Run, own_place: Path, options: str, told: str
) -> None:
    """It cannot be imported before the application has begun."""
    (own_place / "shop.py").write_text("""
import logging

class Shop(logging.Filter):
    def filter(self, record):
        record.tags = {"tenant": "a"}
        return record.getMessage() != "noise"
""")
    (own_place / "app.py").write_text("import logging\nlogging.error('noise')\nlogging.error('kept')\n")
    text = minimal(f"{REGISTRY}{options}")
    done = attached(cli, f"filters: {{shop: {{'()': shop.Shop}}, gone: {{'()': shop.Gone}}}}\n{text}", "app.py")

    assert told in done.err
    assert done.err.count("llama_logging: ") == bool(told)
    errors = [json.loads(line) for line in cli("tail", "--json").out.splitlines()]
    assert [(error["log_message"], error["tags"]) for error in errors] == [("kept", {"tenant": "a"})]


def test_what_is_left_out_is_left_out_everywhere() -> None:
    data = {
        "version": 1,
        "formatters": {"f": {"class": "no.Such"}},
        "handlers": {"a": {"class": "logging.NullHandler", "formatter": "f"}, "b": {"class": "no.Such"}},
        "loggers": {"l": {"handlers": ["a", "b"]}},
        "root": {"handlers": ["b"]},
    }
    kept = without(data, [Problem("formatters.f.class", ""), Problem("handlers.b.class", "")])
    assert kept["handlers"] == {"a": {"class": "logging.NullHandler"}}
    assert kept["loggers"]["l"]["handlers"] == ["a"]
    assert kept["root"]["handlers"] == []
    assert data["root"] == {"handlers": ["b"]}


def test_of_a_logger_with_dots_in_its_name_what_is_wrong_is_left_out_alone() -> None:
    """For the level of one the whole file had been replaced."""
    loggers = {"app.server": {"level": "LOUD", "propagate": False}, "app": {"level": "INFO"}, "app.x": 7}
    data = {"version": 1, "handlers": {}, "loggers": loggers, "root": {"level": "LOUD", "handlers": []}}
    kept = without(data, [problem for problem in check(data) if problem.fatal])
    assert kept["loggers"] == {"app.server": {"propagate": False}, "app": {"level": "INFO"}}
    assert kept["root"] == {"handlers": []}
    # What was left out as a whole takes nothing else with it.
    whole = [Problem("loggers.app.server", ""), Problem("loggers.app.server.level", "")]
    assert without(data, whole)["loggers"] == {"app": {"level": "INFO"}, "app.x": 7}
