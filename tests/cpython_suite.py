"""Runs one of CPython's own test modules and writes down how each of its tests went.

`python cpython_suite.py MODULE RESULT`. What handlers the root logger has when the process begins, it
has while the tests' own methods run: their `setUp` and `tearDown` want to find none.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import logging
import sys
import threading
import traceback
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class Outcomes(unittest.TestResult):
    """How each test went, by its id, and the text of what went wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}
        self.texts: dict[str, str] = {}

    def startTest(self, test: unittest.TestCase) -> None:
        # What an earlier test has left open is not this one's: one asks whether nothing was, when garbage is collected.
        gc.collect()
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:
        self.outcomes.setdefault(test.id(), "ok")
        super().stopTest(test)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.outcomes[test.id()] = "skip"

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._went_wrong(test, "fail", err)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        self._went_wrong(test, "error", err)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self.outcomes[test.id()] = "fail"

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            self._went_wrong(test, "fail" if issubclass(err[0], test.failureException) else "error", err)

    def _went_wrong(self, test: unittest.TestCase, outcome: str, err: Any) -> None:
        self.outcomes[test.id()] = outcome
        self.texts[test.id()] = "".join(traceback.TracebackException(*err).format())


class Comparison:
    """Compares the texts that `traceback` makes of exceptions with those that this package makes."""

    def __init__(self) -> None:
        self.equal = 0
        self.differences: list[tuple[str, str]] = []

    def install(self) -> None:
        """Compare at every call of `format_exception` that asks for the whole text of an exception."""
        original: Callable[..., list[str]] = traceback.format_exception

        @functools.wraps(original)
        def format_exception(*args: Any, **options: Any) -> list[str]:
            lines = original(*args, **options)
            if options in ({}, {"limit": None, "chain": True}):
                self._compare(args, "".join(lines))
            return lines

        traceback.format_exception = format_exception

    def _compare(self, args: tuple[Any, ...], expected: str) -> None:
        from llama_logging.capture import tracebacks

        error = args[min(1, len(args) - 1)]
        if isinstance(error, BaseException) and args[2:] in ((), (error.__traceback__,)):
            text = tracebacks.describe(error).text
            self.equal += text == expected
            if text not in (expected, None):
                self.differences.append((expected, str(text)))


def tests_of(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def under(handlers: list[logging.Handler], method: Callable[[], object]) -> Callable[[], object]:
    """*method* with *handlers* at the root, ahead of all others."""

    @functools.wraps(method)
    def wrapped() -> object:
        logging.root.handlers[:0] = handlers
        try:
            return method()
        finally:
            for handler in handlers:
                logging.root.removeHandler(handler)

    return wrapped


def main(module: str, result: str) -> None:
    """Run the tests of *module* and write what came of them to the file *result*."""
    handlers = logging.root.handlers[:]
    logging.root.handlers.clear()
    comparison = Comparison()
    if "llama_logging" in sys.modules:
        comparison.install()
    # Else the processes that the tests start are isolated, and have no handlers.
    helper: Any = importlib.import_module("test.support.script_helper")
    helper.interpreter_requires_environment = lambda: True
    suite = unittest.defaultTestLoader.loadTestsFromName(module)
    for test in tests_of(suite):
        name = test.id().rpartition(".")[2]
        setattr(test, name, under(handlers, getattr(test, name)))
    outcomes = Outcomes()
    hooks = [sys.excepthook.__module__, threading.excepthook.__module__]
    suite.run(outcomes)
    written = {
        "handlers": [type(handler).__name__ for handler in handlers],
        "hooks": hooks,
        "outcomes": outcomes.outcomes,
        "texts": outcomes.texts,
        "equal": comparison.equal,
        "differences": comparison.differences,
    }
    Path(result).write_text(json.dumps(written), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
