"""Which registry a command is about, where nothing says so, and where several do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from llama_logging.cli.main import main
from llama_logging.pipeline import pipeline_for
from llama_logging.stores import urls
from tests.cli.test_commands import answer, document
from tests.conftest import Run, make_context


def yaml(place: Path, store: str, name: str = "logging.yaml", more: str = "") -> None:
    handler = f"{{class: llama_logging.handlers.RegistryHandler, store: {store}}}"
    (place / name).write_text(f"version: 1\nhandlers: {{registry: {handler}}}\n{more}")


def messages(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    return [group["error_message"] for group in document(capsys, "list", *words)]


@pytest.fixture
def stores() -> dict[str, str]:
    """URLs of registries that each hold one error, whose message is the name."""
    names = {name: f"sqlite:///{name}.db" for name in ("given", "config", "variable", "here")}
    names["default"] = urls.DEFAULT
    for name, url in names.items():
        pipeline_for(urls.parse(url)).add(make_context(error_message=name))
    return names


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_configuration_that_another_user_has_put_where_all_may_write_is_not_used(
    own_place: Path, stores: dict[str, str], capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    """What it names is imported and executed, by whoever happens to be in that folder, such as /tmp."""
    yaml(own_place, stores["here"])
    os.chown(own_place / "logging.yaml", 65534, 65534)
    assert messages(capsys) == ["here"]
    own_place.chmod(0o1777)
    assert messages(capsys) == ["default"]
    assert main(["check", "logging.yaml"]) == 1
    assert "belongs to another user" in capsys.readouterr().out
    done = run("-m", "llama_logging", "run", "-c", "logging.yaml", "--", "-m", "this")
    assert "belongs to another user" in done.err
    assert "the shipped configuration is used instead" in done.err


def test_the_nearest_word_counts(
    own_place: Path, stores: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert messages(capsys) == ["default"]
    monkeypatch.setenv("LLAMA_LOGGING_STORE", stores["variable"])
    assert messages(capsys) == ["variable"]
    yaml(own_place, stores["here"])
    assert messages(capsys) == ["here"]
    assert messages(capsys, "--store", stores["given"]) == ["given"]


FAILS = "import logging; logging.error('no stock')"


@pytest.mark.parametrize("store", ["sqlite:///here.db", "env://LLAMA_LOGGING_STORE?default=sqlite:///here.db"])
def test_queries_look_where_run_has_written(
    own_place: Path, store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """The one went by the file first, the others by the environment: all that was captured seemed to be lost."""
    yaml(own_place, f"'{store}'", more="root: {handlers: [registry]}\n")
    monkeypatch.setenv("LLAMA_LOGGING_STORE", "sqlite:///variable.db")
    assert run("-m", "llama_logging", "run", "--", sys.executable, "-c", FAILS).code == 0
    assert main(["list"]) == 0
    told = capsys.readouterr()
    assert "no stock" in told.out
    said = "llama-logging: this is the registry that ./logging.yaml names, not the one of LLAMA_LOGGING_STORE"
    assert told.err.startswith(said) is not store.startswith("env:")


@pytest.mark.parametrize(
    "content",
    [
        "handlers: [",
        "handlers: {a: {class: llama_logging.handlers.RegistryHandler, store: 'env://UNSET'}}",
        "handlers: {a: {class: llama_logging.handlers.RegistryHandler, store: 'cfg://nothing'}}",
        "handlers: {a: {class: llama_logging.handlers.RegistryHandler, store: 'mysql://x'}}",
        "handlers: {a: {class: llama_logging.handlers.ReportHandler, store: 'sqlite:///here.db'}}",
        "handlers: [1]",
        "handlers: {a: 1}",
        "a: 2026-13-45",
        "[" * 5_000,
        "- 1",
        "",
    ],
)
def test_a_file_here_that_names_none_is_passed_by(
    own_place: Path, stores: dict[str, str], content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_place / "logging.yaml").write_text(content)
    assert main(["list"]) == 0
    told = capsys.readouterr()
    assert "default" in told.out
    assert told.err == ""


@pytest.mark.parametrize("store", ["env://WHERE", "env://UNSET?default=sqlite:///here.db", "cfg://x-names.store"])
def test_references_are_followed(
    own_place: Path,
    stores: dict[str, str],
    store: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHERE", stores["here"])
    yaml(own_place, f"'{store.replace('x-names', 'names')}'", more="names: {store: 'sqlite:///here.db'}\n")
    assert messages(capsys) == ["here"]


@pytest.mark.parametrize("words", [["regroup", "--dry-run"], ["recovery", "test", "0"], ["report", "digest"]])
def test_a_file_that_is_named_must_be_right(
    own_place: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    yaml(own_place, "env://UNSET", "broken.yaml")
    assert main([*words, "-c", "broken.yaml"]) == 2
    assert "the environment variable UNSET is not set" in capsys.readouterr().err


def test_a_file_that_is_named_comes_before_the_environment(
    own_place: Path, stores: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_LOGGING_STORE", stores["variable"])
    yaml(own_place, stores["config"], "my.yaml")
    (error,) = document(capsys, "list", "--store", stores["config"])
    assert main(["recovery", "test", error["last_error_id"], "-c", "my.yaml"]) == 2
    assert "no rule in my.yaml matches ValueError: config" in capsys.readouterr().err
    words = ["report", "digest", "--since", "2026-01-01"]
    assert "config" in answer(capsys, *words, "-c", "my.yaml")
    assert "given" in answer(capsys, *words, "-c", "my.yaml", "--store", stores["given"])
    yaml(own_place, "sqlite:///none.db", "my.yaml")
    assert main(["regroup", "--dry-run", "-c", "my.yaml"]) == 0
    assert f"there is no registry at sqlite:///{own_place}/none.db yet" in capsys.readouterr().err


def test_all_ask_the_registry_of_the_file_here(
    own_place: Path, stores: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    yaml(own_place, stores["here"])
    for words in (["doctor"], ["ingest"]):
        assert document(capsys, *words)["store"] == f"sqlite:///{own_place}/here.db"
    assert '"here"' in answer(capsys, "tail", "--json")
    assert "here" in answer(capsys, "summary")


def test_no_yaml_is_read_where_there_is_none(own_place: Path, run: Run) -> None:
    told = "import sys; from llama_logging.cli.main import main; main(['list']); print('yaml' in sys.modules)"
    assert run("-c", told).out == "False\n"
    yaml(own_place, "sqlite:///here.db")
    assert [run("-c", told).out for _ in range(2)] == ["True\n", "False\n"]
