"""`python -m benchmarks.mutants` changes the code in small ways, and prints how many of the changes no test notices.

It needs `pip install cosmic-ray`, whose operators make most of the mutants (`benchmarks.mutations` the others). Of
the replacements of one kind at one place two are tried, chosen by a fixed seed, and in a copy of the sources.

To start Python for each mutant would take days. A process that has collected the tests once forks for each, gives
the functions their changed code, and runs the tests that call the changed one, the quickest first, to the first
failure. What is not inside a function takes a fork that imports everything anew, and runs all tests: those first
that have noticed the mutants before it.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import pytest

from benchmarks.mutations import Mutant, mutants

PATIENCE = 10.0
"""Seconds that a test of a mutant may work, and that all may take with four times what they take without."""
SLOW = 1.5
"""Seconds; a test that takes longer without is left out."""
MEMORY_BYTES, FILE_BYTES, CPU_SECONDS = 4 * 2**30, 2**28, 60
"""What a mutant may use: it may have lost its own limits."""

PYTEST = (
    "-q",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
    "-k",
    "not postgresql",
    "--hypothesis-profile=mutants",
)
"""The statements are the same for PostgreSQL, and each of its tests takes three times as long."""
_STORES = (
    *("tests/stores/test_store.py", "tests/stores/test_charts.py", "tests/stores/test_sqlite.py"),
    "tests/stores/test_origins.py",
)
_JOURNAL = ("tests/test_journal.py",)
_CAPTURE = (
    *(
        "tests/capture/test_capture.py",
        "tests/capture/test_forms.py",
        "tests/test_handlers.py",
        "tests/capture/test_tagging.py",
    ),
    *("tests/test_formatters.py", "tests/test_imperative.py"),
)
_RECOVERY = (
    *("tests/recovery/test_engine.py", "tests/recovery/test_incident.py", "tests/recovery/test_retrying.py"),
    *("tests/recovery/test_rules.py", "tests/recovery/test_waiting.py", "tests/recovery/test_later.py"),
    *("tests/recovery/test_predicted.py", "tests/stores/test_leases.py"),
)
_SECRETS = ("tests/test_redaction.py", "tests/test_credentials.py", "tests/test_secrets.py")


@dataclass(frozen=True, slots=True)
class Target:
    """A module, the tests that are to notice its mutants, and the functions that count; none for all of it."""

    tests: Sequence[str]
    names: str = ""


TARGETS = {
    "journal.writing": Target(_JOURNAL),
    "journal.file": Target(_JOURNAL),
    "journal.framing": Target((*_JOURNAL, "tests/test_ingest.py")),
    "journal.reading": Target((*_JOURNAL, "tests/test_ingest.py")),
    "journal.folders": Target(_JOURNAL),
    "journal.pressure": Target(("tests/test_journal.py", "tests/test_handlers.py", "tests/test_compaction.py")),
    "journal.descriptors": Target(_JOURNAL),
    "capture.fingerprint": Target(
        ("tests/capture/test_fingerprint.py", "tests/capture/test_grouping.py", "tests/test_regrouping.py")
    ),
    "redaction": Target(_SECRETS),
    "redaction.credentials": Target(_SECRETS),
    "redaction.finding": Target(_SECRETS),
    "redaction.ends": Target(_SECRETS),
    "redaction.sql": Target(_SECRETS),
    "redaction.keys": Target(_SECRETS),
    "redaction.cards": Target(_SECRETS),
    "redaction.own": Target(_SECRETS, "SEPARATORS also forgotten remembered safe_pattern _seconds"),
    "capture.about": Target(_CAPTURE),
    "capture.capturing": Target(_CAPTURE),
    "capture.messages": Target(_CAPTURE),
    "capture.sites": Target(_CAPTURE),
    "capture.forms": Target(_CAPTURE),
    "capture.seen": Target(_CAPTURE),
    "ingest": Target(("tests/test_ingest.py",)),
    "recovery.engine": Target(_RECOVERY),
    "recovery.incident": Target(_RECOVERY),
    "recovery.retrying": Target(_RECOVERY),
    "recovery.scopes": Target((*_RECOVERY, "tests/recovery/test_presets.py")),
    "registry.leasing": Target(("tests/stores/test_leases.py",)),
    "stores.leases": Target(("tests/stores/test_leases.py",)),
    "stores.statements": Target(_STORES),
    "stores.counting": Target((*_STORES, "tests/test_regrouping.py")),
    "stores.known": Target(_STORES),
    "stores.states": Target((*_STORES, "tests/test_regrouping.py")),
    "stores.intake": Target((*_STORES, "tests/test_regrouping.py"), "ingest _refused _add _settle _writer"),
    "stores.moves": Target((*_STORES, "tests/test_regrouping.py")),
    "stores.errors": Target(_STORES, "counts count_by_severity errors _counted _newest _newest_there"),
    "stores.origins": Target(_STORES),
    "stores.arriving": Target((*_STORES, "tests/stores/test_arriving.py")),
    "stores.tally": Target((*_STORES, "tests/stores/test_arriving.py")),
    "stores.pruning": Target((*_STORES, "tests/stores/test_ledger.py")),
    "stores.sqlite": Target(_STORES, "_keep _attempt _transaction _reading"),
    "stores.charts": Target(_STORES, "states changed recoveries activity timeline vitals _shown"),
}


@dataclass(frozen=True, slots=True)
class Test:
    """A test, how long it takes, and the first lines of the functions that it calls."""

    item: pytest.Item
    seconds: float
    called: Sequence[int]


class Rest(NamedTuple):
    """What a process has to know that tries the mutants for which everything is imported anew.

    Attributes:
        anew: Numbers of mutants of functions that are called while they are imported.
        tests: The quickest first.
        seconds: How long these take together.
        modules: What they import.
    """

    anew: list[int]
    tests: list[str]
    seconds: float
    modules: list[str]


class Server:
    """A pytest plugin that, instead of running the tests, tries mutants on them.

    Args:
        path: Of the module.
        chosen: Mutants of its functions, and their numbers.
        tell: Gets the number of each, and how it fared.
        end: Gets what is left to do.
    """

    def __init__(
        self,
        path: Path,
        chosen: Sequence[tuple[int, Mutant]],
        tell: Callable[[int, str], None],
        end: Callable[[Rest], None],
    ) -> None:
        self._path, self._chosen, self._tell, self._end = path, chosen, tell, end
        self._called: set[int] = set()
        sys.settrace(self._trace)

    def _trace(self, frame: FrameType, event: str, arg: object) -> None:
        if frame.f_code.co_filename == str(self._path):
            self._called.add(frame.f_code.co_firstlineno)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try each mutant in a fork of its own."""
        sys.settrace(None)
        while_imported = self._called
        _plant(self._path, self._path.read_text())
        seen = _answered(lambda: self._look(session), 600)
        if seen is None:
            raise RuntimeError("the tests do not pass without a mutant")
        tests = [Test(item, *seen[item.nodeid]) for item in session.items if item.nodeid in seen]
        tests.sort(key=lambda test: test.seconds)
        functions, anew = _functions(str(self._path)), []
        for number, mutant in self._chosen:
            assert mutant.function is not None
            lines = set(range(mutant.function[0], mutant.function[1] + 1))
            if lines & while_imported:
                anew.append(number)
                continue
            # Of what a fork calls, or a thread of the operating system's own, no test is seen to call it.
            mine = [test for test in tests if not lines.isdisjoint(test.called)] or tests
            _plant(self._path, mutant.source)
            notices = partial(_notices_changed, functions, mutant.source, str(self._path), [test.item for test in mine])
            self._tell(number, _tried(notices, sum(test.seconds for test in mine))[0])
        self._end(
            Rest(anew, [test.item.nodeid for test in tests], sum(test.seconds for test in tests), sorted(sys.modules))
        )
        return True

    def _look(self, session: pytest.Session) -> dict[str, tuple[float, list[int]]]:
        """Run all tests: how long each takes, and which functions it calls."""
        found: dict[str, tuple[float, list[int]]] = {}
        for item in session.items:
            self._called = set()
            began = time.monotonic()
            sys.settrace(self._trace)
            threading.settrace(self._trace)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            sys.settrace(None)
            if session.testsfailed:
                os._exit(1)
            seconds = time.monotonic() - began
            if seconds < SLOW:
                found[item.nodeid] = seconds, sorted(self._called)
        return found


Functions = dict[tuple[str, int], list[FunctionType]]


def _functions(path: str) -> Functions:
    found: Functions = {}
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename == path:
            found.setdefault((each.__qualname__, each.__code__.co_firstlineno), []).append(each)
    return found


def _change(functions: Functions, source: str, path: str) -> None:
    """Give *functions* the code that *source* has for them."""

    def codes(code: CodeType, outer: str) -> Iterator[tuple[str, CodeType]]:
        for each in code.co_consts:
            if isinstance(each, CodeType):
                yield f"{outer}{each.co_name}", each
                yield from codes(each, f"{outer}{each.co_name}.")

    for name, code in codes(compile(source, path, "exec"), ""):
        for function in functions.get((name, code.co_firstlineno), ()):
            function.__code__ = code


class First:
    """A pytest plugin that remembers which test was the first to fail; "" while there is none."""

    name = ""

    def pytest_runtest_logstart(self) -> None:
        _hurry()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid


def _notices_changed(functions: Functions, source: str, path: str, items: Sequence[pytest.Item]) -> str:
    """The first of the tests *items* that fails with the changed code; "" if none does."""
    _change(functions, source, path)
    for item, following in pairwise([*items, None]):
        assert item is not None
        _hurry()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            return item.nodeid
    return ""


def _notices_anew(tests: Sequence[str]) -> str:
    """The same in a process that has imported nothing of the package yet."""
    first = First()
    return (first.name or "an import") if pytest.main(["-x", *PYTEST, *tests], plugins=[first]) else ""


def _hurry() -> None:
    """End this process if the test that begins works too long, be it in C; by no clock that others slow down."""
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)


def _tried(notices: Callable[[], str], usual: float) -> tuple[str, str]:
    """How a mutant fared, and which test noticed it, if that is known."""
    began, most = time.monotonic(), PATIENCE + 4 * usual
    by = _answered(notices, most, bounded=True)
    if by == "":
        return "alive", by
    return "too slow" if time.monotonic() - began >= most else "killed", by or ""


def _answered(ask: Callable[[], Any], timeout: float, *, bounded: bool = False) -> Any:
    """What *ask* returns in a fork; None if that fails or takes longer."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        for what, most in (
            (resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_FSIZE, FILE_BYTES), (resource.RLIMIT_CPU, CPU_SECONDS)
        ):  # fmt: skip
            resource.setrlimit(what, (most, most) if bounded else resource.getrlimit(what))
        # A high number: some tests close or take the low ones.
        writing = os.dup2(writing, 900)
        try:
            os.write(writing, json.dumps(ask()).encode() + b"\n")
        finally:
            os._exit(0)
    os.close(writing)
    answer, until, ended = b"", time.monotonic() + timeout, 0
    while not (answer.endswith(b"\n") or ended) and time.monotonic() < until:
        # The pipe alone does not tell: what a test has forked keeps it open.
        ended, _ = os.waitpid(pid, os.WNOHANG)
        while select.select([reading], [], [], 0 if ended else 0.1)[0] and (piece := os.read(reading, 2**16)):
            answer += piece
    os.close(reading)
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    if not ended:
        os.waitpid(pid, 0)
    return json.loads(answer) if answer.endswith(b"\n") else None


def _plant(path: Path, source: str) -> None:
    """Let processes that tests start have the mutant, too; no compiled file stands before it."""
    path.write_text(source)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def work(name: str, sample: int | None) -> None:
    """Try the mutants of one module in the copy of the sources we are in; print a line of JSON for each."""
    out = os.dup(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    target, path = TARGETS[name], Path("llama_logging", *name.split(".")).resolve()
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    source = path.read_text()
    chosen = list(enumerate(mutants(source, target.names.split())[:sample]))

    def tell(number: int, word: str) -> None:
        mutant = chosen[number][1]
        answer = {"line": mutant.line, "kind": mutant.kind, "told": mutant.told, "word": word}
        os.write(out, json.dumps(answer).encode() + b"\n")

    _quick_hypothesis()
    rest = _served(path, [each for each in chosen if each[1].function is not None], tell, target.tests)
    sys.dont_write_bytecode = True
    # What begins with an underscore is the C part of another: imported first, `_asyncio` is there twice, without tasks.
    for module in sorted(rest.modules, key=lambda name: name.startswith("_")):
        if module.partition(".")[0] not in ("llama_logging", "tests", "benchmarks"):
            with contextlib.suppress(Exception):
                importlib.import_module(module)
    _plant(path, source)
    tests = rest.tests
    word, by = _tried(lambda: _notices_anew(tests), rest.seconds)
    if word != "alive":
        raise SystemExit(f"the tests do not pass without a mutant: {by or word}")
    for number, mutant in chosen:
        if mutant.function is None or number in rest.anew:
            _plant(path, mutant.source)
            word, by = _tried(lambda: _notices_anew(tests), rest.seconds)
            tests.sort(key=lambda test: test != by)
            tell(number, word)


def _served(
    path: Path, chosen: Sequence[tuple[int, Mutant]], tell: Callable[[int, str], None], tests: Sequence[str]
) -> Rest:
    """Have a process of its own try *chosen*, which then has everything imported; what is left."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)

        def end(rest: Rest) -> None:
            with os.fdopen(writing, "w") as file:
                json.dump(rest, file)

        os._exit(int(pytest.main([*PYTEST, *tests], plugins=[Server(path, chosen, tell, end)])))
    os.close(writing)
    with os.fdopen(reading) as file:
        told = file.read()
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("the tests do not pass without a mutant")
    return Rest(*json.loads(told))


def _quick_hypothesis() -> None:
    """To find the smallest example would take longer than to find one."""
    from hypothesis import HealthCheck, Phase, settings

    settings.register_profile(
        "mutants",
        max_examples=40,
        phases=[Phase.explicit, Phase.generate],
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def run(name: str, sample: int | None) -> Iterator[dict[str, Any]]:
    """Try the mutants of one module in a copy of the sources, and tell of each."""
    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for part in ("llama_logging", "tests", "benchmarks", "docs"):
            shutil.copytree(root / part, Path(folder, part), ignore=shutil.ignore_patterns("__pycache__"))
        for file in root.iterdir():
            if file.is_file():
                shutil.copy(file, folder)
        command = [sys.executable, "-m", "benchmarks.mutants", "--work", name]
        command += [f"--sample={sample}"] if sample else []
        env = {**os.environ, "PYTHONPATH": folder}
        with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                yield json.loads(line)
        if process.returncode:
            raise SystemExit(f"{name} could not be tried")


def main(arguments: Iterable[str] | None = None) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=TARGETS, help="a module; may be given more than once")
    parser.add_argument("--sample", type=int, help="so many mutants of each module")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args(None if arguments is None else list(arguments))
    if options.work:
        work(options.work, options.sample)
        return
    for name in options.only or TARGETS:
        tried = alive = 0
        for each in run(name, options.sample):
            tried += 1
            if each["word"] == "alive":
                alive += 1
                print(f"    {each['line']:4} {each['kind']}: {each['told']}", flush=True)
        print(f"{name:20} {tried:4} tried {alive:4} alive {100 * alive / max(1, tried):5.1f} %", flush=True)


if __name__ == "__main__":
    main()
