from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import llama_logging

# These do something when they are imported; they hold no examples.
PROGRAMS = ("llama_logging.__main__", "llama_logging.demo.story", "llama_logging.attachment.bootstrap.sitecustomize")
MODULES = [
    module.name
    for module in pkgutil.walk_packages(llama_logging.__path__, "llama_logging.")
    if module.name not in PROGRAMS
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) > 15
