"""The README and the code hold together."""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import os
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

import llama_logging
from llama_logging.attachment.checking import OURS, check
from llama_logging.cli.main import COMMANDS, parser
from llama_logging.formatters import ConsoleFormatter
from llama_logging.handling import ContextHandler
from llama_logging.matching import MATCH_OPTIONS
from llama_logging.recovery.presets import PRESETS
from llama_logging.recovery.rules import RULE_OPTIONS, STEP_OPTIONS
from llama_logging.recovery.strategies import SHIPPED, load
from llama_logging.reporters.configuration import DIGEST_OPTIONS, REPORT_MATCH_OPTIONS, WHEN
from llama_logging.reporters.configuration import RULE_OPTIONS as RULE_WORDS
from llama_logging.reporters.configuration import SHIPPED as REPORTERS
from llama_logging.reporters.http import OPTIONS as HTTP_OPTIONS
from llama_logging.tried import OutcomeStatus
from llama_logging.web import dashboard
from tests import hosts

PARTS = {"channels": "ReportHandler", "rules": "RecoveryHandler", "grouping": "RegistryHandler"}
"""Options that stand alone in an example, and whose they are."""
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
STRATEGIES = ROOT / "docs" / "strategies.md"
DOCS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}


def section(heading: str) -> str:
    """The text below a heading of the documentation that contains *heading*, as far as the next."""
    for text in (*DOCS.values(), README):
        found = re.search(rf"^#+ .*{re.escape(heading)}.*\n((?:(?!^##).*\n)*)", text, re.MULTILINE)
        if found:
            return found[1]
    raise AssertionError(f"there is no section {heading}")


def table(text: str, head: str) -> dict[str, list[str]]:
    """What the table that begins with *head* says of each name in its first column."""
    rows = text.partition(f"| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    return {name: rest for first, *rest in cells for name in re.findall(r"`([^`]+)`", first)}


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    found = parser()._subparsers._group_actions[0]  # type: ignore[union-attr]
    assert isinstance(found, argparse._SubParsersAction)
    return dict(found.choices)


def below(command: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A command, and those below it."""
    yield command
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def options_of(command: argparse.ArgumentParser) -> Iterator[set[str]]:
    """The names of each option of a command, and of those below it."""
    for each in below(command):
        yield from (set(action.option_strings) for action in each._actions if action.option_strings)


def test_every_command_is_documented_with_the_options_that_it_has() -> None:
    """In rows of its own; `--store` and `--json` are told of below, for all."""
    rows: dict[str, str] = {}
    for first, name in re.findall(r"^\| (`(\w+).*?) \| ", section("Command line"), re.MULTILINE):
        rows[name] = rows.get(name, "") + first
    assert set(rows) == set(commands()) == set(COMMANDS)
    for name, command in commands().items():
        told = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", rows[name]))
        assert told <= set().union(*options_of(command)), name
        for option in options_of(command):
            assert option & {"--help", "--store", "--json", *told}, f"{name} {option}"


def test_the_help_of_store_names_a_configuration_only_where_one_is_taken() -> None:
    for command in (each for found in commands().values() for each in below(found)):
        options = command._option_string_actions
        if "--store" in options:
            assert ("-c FILE" in str(options["--store"].help)) is ("--config" in options), command.prog


@pytest.mark.parametrize("cls", [cls for cls in OURS if issubclass(cls, ContextHandler)])
def test_every_option_of_a_handler_is_documented(cls: type[ContextHandler]) -> None:
    text = section(cls.__name__)
    for option in cls.option_names:
        assert f"`{option}`" in text, option
        assert re.search(rf"\b{option}[,:]", cls.__doc__ or ""), option
    assert set(table(text, "option | meaning | default")) <= set(cls.option_names)


def test_the_tables_of_rules_have_no_word_too_many() -> None:
    text, reports = section("RecoveryHandler"), DOCS["reports.md"]
    assert set(table(text, "of a rule | meaning | default")) == set(RULE_OPTIONS)
    assert set(table(text, "in `match` | holds if")) == set(MATCH_OPTIONS)
    assert set(table(reports, "of a rule | meaning | default")) == set(RULE_WORDS)
    assert set(table(reports, "`when` | is reported")) == {*WHEN, "50 in 5 minutes"}
    for option in DIGEST_OPTIONS:
        assert f"{option}:" in section("The digest"), option


def test_the_options_of_a_mounted_dashboard_are_those_of_the_table() -> None:
    known = inspect.signature(dashboard).parameters
    for name, (_, default) in table(DOCS["dashboard.md"], "of `dashboard` | meaning | default").items():
        assert name in known
        assert default == f"`{known[name].default}`" or default not in ("`True`", "`False`"), name


def test_every_word_of_a_rule_is_documented() -> None:
    text = section("RecoveryHandler")
    for option in (*RULE_OPTIONS, *MATCH_OPTIONS, *STEP_OPTIONS):
        assert f"`{option}`" in text, option
    strategies = STRATEGIES.read_text()
    for name in SHIPPED:
        row = next((line for line in strategies.splitlines() if line.startswith(f"| `{name}` |")), "")
        assert row, name
        strategy: Any = load(name)
        for option in strategy.option_names:
            assert f"`{option}`" in row, f"{name}.{option}"
        assert strategy.destructive is ("*Destructive*" in row), name
    for status in OutcomeStatus:
        assert status.value in text, status


def test_every_option_of_the_formatters_is_documented() -> None:
    text = section("JsonFormatter")
    for name in inspect.signature(ConsoleFormatter).parameters:
        assert f"`{name}`" in text or name == "options", name


def test_every_environment_variable_is_documented() -> None:
    text = section("Environment")
    used = set()
    for path in (ROOT / "llama_logging").rglob("*.py"):
        if "demo" not in path.parts:
            used |= set(
                re.findall(
                    r"[\"'](LLAMA_LOGGING_[A-Z_]+|OTEL_[A-Z_]+|SENTRY_[A-Z]+|OLLAMA_[A-Z]+)[\"']", path.read_text()
                )
            )
    assert used
    for name in used:
        assert f"`{name}`" in text, name
    assert {name for name in table(text, "variable | meaning") if name.startswith("LLAMA_LOGGING")} <= used


def test_every_word_of_a_report_rule_is_in_its_page() -> None:
    text = DOCS["reports.md"]
    for word in (*RULE_WORDS, *WHEN, *REPORT_MATCH_OPTIONS, *HTTP_OPTIONS):
        assert f"`{word}`" in text, word
    for name, place in REPORTERS.items():
        row = next((line for line in text.splitlines() if line.startswith(f"| `{name}` |")), "")
        module, _, cls = place.partition(".")
        reporter: Any = getattr(importlib.import_module(f"llama_logging.reporters.{module}"), cls)
        for option in reporter.option_names:
            assert f"`{option}`" in row or option in HTTP_OPTIONS, f"{name}.{option}"


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("page", ["README.md", *DOCS])
def test_every_configuration_in_the_docs_is_valid(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it names functions of the reader's own, they are there."""
    own = ModuleType("shop.db")
    own.__dict__.update(engine=SimpleNamespace(dispose=print), ping=print)
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.db", own)
    for text in re.findall(r"```yaml\n(.*?)[ ]*```", {"README.md": README, **DOCS}[page], re.DOTALL):
        data = yaml.safe_load(textwrap.dedent(text))
        for option, name in PARTS.items():
            if option in data:
                data = {"handlers": {"it": {"class": f"llama_logging.handlers.{name}", **data}}}
        usual = {"version": 1, "disable_existing_loggers": False, "root": {"handlers": list(data["handlers"])}}
        data = {**usual, **data}
        assert check(data) == []


def test_the_readme_is_read_in_one_sitting_and_names_every_page() -> None:
    assert len(README.splitlines()) <= 300
    for page in DOCS:
        assert f"(docs/{page})" in README, page


def test_every_python_example_is_python_and_every_public_name_is_named() -> None:
    for text in re.findall(r"```python\n(.*?)```", "".join([README, *DOCS.values()]), re.DOTALL):
        ast.parse(text)
    assert {
        name for row in re.findall(r"^\| (`[^|]+)\|", section("In code"), re.MULTILINE) for name in row.split("`")[1::2]
    } == {*llama_logging.__all__}


def test_every_link_into_the_repository_leads_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)]+)\)", page.read_text()):
            path, _, anchor = target.partition("#")
            aim = page.parent / path if path else page
            assert aim.exists(), target
            assert not anchor or anchor in headings(aim), target


def test_every_measurement_can_be_repeated() -> None:
    """Benchmarks and tests that a page names are there, and know the options and variables that it gives them."""
    text = "".join([README, *DOCS.values(), (ROOT / "CONTRIBUTING.md").read_text()])
    for module, options in re.findall(r"python -m ((?:benchmarks|tests)[\w.]*)([^`\n)]*)", text):
        place = ROOT / module.replace(".", "/")
        code = (place / "__main__.py" if place.is_dir() else place.with_suffix(".py")).read_text()
        for option in re.findall(r"--\w+", options):
            assert f'"{option}"' in code, f"{module} {option}"
    for variable, file in re.findall(r"`(LLAMA_LOGGING_TEST_\w+)=\d+ python -m pytest (\S+?)`", text):
        assert variable in (ROOT / file).read_text(), file


def test_the_table_of_hosts_is_that_of_the_tests() -> None:
    assert hosts.document() == DOCS["hosts.md"]


def headings(page: Path) -> set[str]:
    """What the headings of a page are linked by."""
    return {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in page.read_text().splitlines()
    }


def test_every_option_of_a_preset_is_described() -> None:
    text = STRATEGIES.read_text()
    for name, (options, _) in PRESETS.items():
        table = text.partition(f"use: {name}")[2].partition("\n## ")[0]
        for option in options:
            assert f"`{option}`" in table, f"{name}.{option}"


def test_the_test_command_is_what_ci_runs() -> None:
    line = next(line for line in README.splitlines() if "python -m pytest" in line)
    assert line in (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def public(module: str) -> list[tuple[str, ast.AST]]:
    """Public classes and functions of a file, and public methods of its public classes."""
    found: list[tuple[str, ast.AST]] = []
    waiting: list[tuple[str, ast.AST]] = [("", ast.parse((ROOT / module).read_text()))]
    while waiting:
        prefix, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and child.name[0] != "_":
                found.append((f"{prefix}{child.name}", child))
                if isinstance(child, ast.ClassDef):
                    waiting.append((f"{prefix}{child.name}.", child))
    return found


def test_every_public_name_has_a_docstring() -> None:
    """The methods of a store are documented once, at the protocol."""
    for name in llama_logging.__all__:
        value = getattr(llama_logging, name)
        assert (value.__doc__ or "").strip(), name
    for path in (ROOT / "llama_logging").rglob("*.py"):
        module = str(path.relative_to(ROOT))
        for name, node in public(module):
            if not module.startswith("llama_logging/stores/"):
                assert ast.get_docstring(node), f"{module}: {name}"  # type: ignore[arg-type]


def test_no_module_hides_a_public_name() -> None:
    """Importing a submodule puts it on the package, in the place of whatever has its name."""
    modules = {path.stem for path in (ROOT / "llama_logging").iterdir()}
    assert not modules & set(llama_logging.__all__)
