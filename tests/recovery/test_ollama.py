"""Each strategy against the stand-in server, over real HTTP."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from llama_logging.config.options import Options
from llama_logging.context import ErrorContext, ExceptionDetail
from llama_logging.exceptions import ConfigError
from llama_logging.recovery.engine import Engine
from llama_logging.recovery.flags import flags
from llama_logging.recovery.rules import Rule, Step
from llama_logging.recovery.strategies import load
from llama_logging.recovery.strategies.ollama.models import allowed, missing
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy, StrategyTable
from llama_logging.tried import OutcomeStatus, RecoveryAttempt
from tests.conftest import Start, make_context
from tests.recovery.acting import tried
from tests.stand_in import Ollama

RECOVERED, FAILED = OutcomeStatus.RECOVERED, OutcomeStatus.FAILED
GIB = 2**30


def configured(name: str, **options: Any) -> Strategy:
    cls: Any = load(name)
    strategy: Strategy = cls.configure(Options(name, options, cls.option_names, strict=True))
    return strategy


def failing(message: str = "it failed", **changes: Any) -> ErrorContext:
    error = ExceptionDetail(type="ResponseError", module="ollama._types", message=message, bases=("ollama.E",))
    return make_context(exceptions=(error,), **changes)


def recover(strategy: Strategy, message: str = "it failed", timeout: float = 20, **changes: Any) -> Remedy:
    return tried(strategy, failing(message, **changes), Deadline(timeout))


@pytest.mark.parametrize(
    "name", ["ollama.wait", "ollama.warm", "ollama.unload", "ollama.restart", "ollama.smaller_model", "ollama.pull"]
)
def test_what_it_acts_on_is_named(name: str) -> None:
    needed = {
        "ollama.restart": {"start": ["x"]},
        "ollama.smaller_model": {"models": ["a"]},
        "ollama.pull": {"models": ["a"]},
    }
    strategy = configured(name, base_url="http://h:1", **needed.get(name, {}))
    assert strategy.scope.startswith("ollama@h:1")
    assert strategy.intent


class TestRestart:
    def test_a_server_that_is_down_is_started_and_generates(self, start: Start) -> None:
        server = start()
        server.process.kill()
        server.process.wait()
        strategy = configured("ollama.restart", base_url=server.url, restart=server.command("restart"))
        remedy = recover(strategy)
        assert (remedy.status, "generates again" in remedy.detail) == (RECOVERED, True)
        assert server.commands() == ["restart"]
        assert server.requests("/api/generate")

    def test_what_works_already_is_left_alone(self, ollama: Ollama) -> None:
        remedy = recover(configured("ollama.restart", base_url=ollama.url, restart=ollama.command("restart")))
        assert (remedy.status, ollama.commands()) == (RECOVERED, [])
        assert "works already" in remedy.detail

    def test_one_that_accepts_and_never_answers_is_restarted_and_timeouts_advised(self, start: Start) -> None:
        server = start()
        server.fault("hang", times=None)
        strategy = configured("ollama.restart", base_url=server.url, restart=server.command("restart"), patience=0.3)
        remedy = recover(strategy)
        assert remedy.status is RECOVERED
        assert "timeout" in remedy.advice

    def test_a_restart_that_does_not_help_is_a_failure_at_once(self, start: Start) -> None:
        """An error that does not pass is not waited for: the deadline is far away."""
        server = start()
        server.like(memory=GIB)
        strategy = configured("ollama.restart", base_url=server.url, restart=server.command("restart"))
        remedy = recover(strategy, timeout=300)
        assert (remedy.status, server.commands()) == (FAILED, ["restart"])
        assert "requires more system memory" in remedy.detail

    def test_a_slow_start_is_waited_for(self, start: Start) -> None:
        server = start("--start-delay", "0.3")
        server.process.kill()
        server.process.wait()
        assert (
            recover(configured("ollama.restart", base_url=server.url, restart=server.command("start"))).status
            is RECOVERED
        )

    @pytest.mark.parametrize(("fault", "generation"), [("busy", "0.6"), ("busy", "2026"), ("unauthorized", "0.6")])
    def test_one_that_refuses_or_has_much_to_do_is_not_restarted(
        self, ollama: Ollama, fault: str, generation: str
    ) -> None:
        """Its calls under way would be lost, and it would say the same again."""
        ollama.fault(fault, times=None, generation=generation, path="/api/generate")
        remedy = recover(configured("ollama.restart", base_url=ollama.url, restart=ollama.command("restart")))
        assert (remedy.status, ollama.commands()) == (FAILED, [])
        assert "changes nothing" in remedy.detail

    def test_for_a_request_that_a_proxy_did_not_get_nothing_is_restarted(self, ollama: Ollama) -> None:
        """The server behind it works, and its calls under way would be lost."""
        ollama.fault("status", times=None, status=408, error="request timeout", path="/api/generate")
        remedy = recover(configured("ollama.restart", base_url=ollama.url, restart=ollama.command("restart")))
        assert (remedy.status, ollama.commands()) == (FAILED, [])
        assert "changes nothing" in remedy.detail

    def test_for_a_model_that_is_not_there_nothing_is_restarted(self, ollama: Ollama) -> None:
        restart = ollama.command("restart")
        remedy = recover(configured("ollama.restart", base_url=ollama.url, restart=restart, model="nope"))
        assert (remedy.status, "not found" in remedy.detail, ollama.commands()) == (FAILED, True, [])

    def test_without_a_command_that_restarts_one_that_answers_is_left_alone(self, ollama: Ollama) -> None:
        ollama.fault("died", path="/api/generate")
        remedy = recover(configured("ollama.restart", base_url=ollama.url, start=["no-such-command"]))
        assert (remedy.status, "no `restart` is configured" in remedy.detail) == (FAILED, True)

    @pytest.mark.parametrize("command", [{"start": ["no-such-command"]}, {"restart": ["no-such-command"]}])
    def test_a_command_that_is_not_there_is_told_of(self, command: Any) -> None:
        remedy = recover(configured("ollama.restart", base_url="http://127.0.0.1:1", **command))
        assert (remedy.status, "No such file" in remedy.detail) == (FAILED, True)


class TestPull:
    MISSING = "model 'mistral' not found"

    @pytest.mark.parametrize(
        "message",
        [
            MISSING,
            'model "mistral" not found, try pulling it first',
            "404 - {'error': \"model \\'mistral\\' not found\"}",
        ],
    )
    def test_the_missing_model_is_pulled_and_listed(self, ollama: Ollama, message: str) -> None:
        remedy = recover(configured("ollama.pull", base_url=ollama.url, models=["mistral*"]), message)
        assert (remedy.status, remedy.detail) == (RECOVERED, "pulled mistral")
        assert [entry["model"] for entry in ollama.requests("/api/pull")] == ["mistral"]
        assert ollama.generate(model="mistral")[0] == 200

    @pytest.mark.parametrize(("message", "status"), [("model 'gpt-4' not found", FAILED), (MISSING, None)])
    def test_whether_it_may_be_is_seen_before_anything_is_leased(
        self, ollama: Ollama, message: str, status: OutcomeStatus | None
    ) -> None:
        """Else whoever names models that may not be pulled keeps those that may from being."""
        seen = configured("ollama.pull", base_url=ollama.url, models=["mistral*"]).look(failing(message), Deadline(9))
        assert (seen and seen.status, ollama.requests("/api/pull")) == (status, [])

    def test_one_that_has_come_meanwhile_is_not_pulled(self, ollama: Ollama) -> None:
        remedy = recover(configured("ollama.pull", base_url=ollama.url, models=["*"]), "model 'llama3.2' not found")
        assert (remedy.status, ollama.requests("/api/pull")) == (RECOVERED, [])

    @pytest.mark.parametrize(
        "name",
        [
            "evil",
            "mistral/evil",
            "evil/mistral",
            "registry.example/x/mistral",
            "mistral; rm -rf /",
            "$(reboot)",
            "--help",
            "../mistral",
            "mistral\n",
        ],
    )
    def test_what_is_not_allowed_is_never_asked_for(self, ollama: Ollama, name: str) -> None:
        remedy = recover(
            configured("ollama.pull", base_url=ollama.url, models=["mistral*"]), f"model '{name}' not found"
        )
        assert (remedy.status, ollama.requests("/api/pull")) == (FAILED, [])

    def test_an_error_that_names_no_model_pulls_nothing(self, ollama: Ollama) -> None:
        assert recover(configured("ollama.pull", base_url=ollama.url, models=["*"])).status is FAILED
        assert ollama.requests("/api/pull") == []

    def test_one_that_is_too_large_is_broken_off(self, ollama: Ollama) -> None:
        ollama.like(pull_delay=0.02)
        remedy = recover(configured("ollama.pull", base_url=ollama.url, models=["*"], max_size="1G"), self.MISSING)
        assert (remedy.status, "`max_size` is 1073741824" in remedy.detail) == (FAILED, True)

    def test_the_disk_is_not_filled(self, ollama: Ollama, own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Usage:
            free = 3 * GIB

        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage)
        ollama.like(pull_delay=0.02)
        strategy = configured("ollama.pull", base_url=ollama.url, models=["*"], directory=str(own_place))
        assert "would leave less" in recover(strategy, self.MISSING).detail

    @pytest.mark.parametrize(
        "fault", [("stall", {"after": 2}), ("hang", {}), ("cut", {"after": 2}), ("busy", {}), ("stream_error", {})]
    )
    def test_one_that_stands_still_or_breaks_is_told_of(self, ollama: Ollama, fault: Any) -> None:
        ollama.fault(fault[0], path="/api/pull", **fault[1])
        strategy = configured("ollama.pull", base_url=ollama.url, models=["*"], stall=0.3)
        assert recover(strategy, self.MISSING).status is FAILED

    def test_nothing_may_be_pulled_unless_it_is_listed(self) -> None:
        with pytest.raises(ConfigError, match="models"):
            configured("ollama.pull")
        with pytest.raises(ConfigError, match="at least one"):
            configured("ollama.pull", models=[])


def test_a_star_never_means_another_owner() -> None:
    assert allowed("llama3.2:1b", ["llama3*"])
    assert allowed("llama3.2", ["llama3.2"])
    assert allowed("llama3.2:latest", ["llama3.2"])
    assert not allowed("llama3.2:1b", ["llama3.2"])
    assert not allowed("me/llama3.2", ["llama3*"])
    assert not allowed("llama3/me", ["llama3*"])


def test_a_long_message_is_not_searched_for_ever() -> None:
    assert missing(failing("model '" * 100_000)) == ""


class TestUnload:
    def test_the_others_are_unloaded_and_the_wanted_one_generates(self, ollama: Ollama) -> None:
        ollama.like(memory=3 * GIB, loaded=["qwen2.5:0.5b"])
        assert ollama.generate()[0] == 500
        remedy = recover(configured("ollama.unload", base_url=ollama.url, model="llama3.2"))
        assert (remedy.status, remedy.detail) == (RECOVERED, "unloaded qwen2.5:0.5b; llama3.2 generates")
        assert [model["name"] for model in ollama.ask("GET", "/api/ps")[1][0]["models"]] == ["llama3.2:latest"]

    def test_the_wanted_one_may_be_told_by_the_call(self, ollama: Ollama) -> None:
        ollama.like(loaded=["llama3.2", "qwen2.5:0.5b"])
        recover(configured("ollama.unload", base_url=ollama.url), additional_context={"model": "qwen2.5:0.5b"})
        assert [model["name"] for model in ollama.ask("GET", "/api/ps")[1][0]["models"]] == ["qwen2.5:0.5b"]

    def test_where_nothing_else_is_loaded_nothing_is_done(self, ollama: Ollama) -> None:
        ollama.like(loaded=["llama3.2"])
        remedy = recover(configured("ollama.unload", base_url=ollama.url, model="llama3.2"))
        assert (remedy.status, ollama.requests("/api/generate")) == (FAILED, [])

    def test_room_that_is_not_enough_is_a_failure(self, ollama: Ollama) -> None:
        ollama.like(memory=GIB, loaded=["qwen2.5:0.5b"])
        assert "system memory" in recover(configured("ollama.unload", base_url=ollama.url, model="llama3.2")).detail


class TestSmaller:
    def test_the_next_smaller_model_that_generates_becomes_the_flag(self, ollama: Ollama) -> None:
        ollama.fault("memory", model="llama3.2", times=None)
        strategy = configured(
            "ollama.smaller_model", base_url=ollama.url, models=["llama3.1:70b", "llama3.2", "qwen2.5:0.5b"]
        )
        remedy = recover(strategy)
        assert (remedy.status, remedy.value, flags.get("ollama.model")) == (RECOVERED, "qwen2.5:0.5b", "qwen2.5:0.5b")
        assert recover(strategy).detail == "there is no smaller model"

    def test_what_the_call_says_is_in_use_counts(self, ollama: Ollama) -> None:
        strategy = configured(
            "ollama.smaller_model", base_url=ollama.url, models=["a", "llama3.2", "qwen2.5:0.5b"], flag="m"
        )
        assert recover(strategy, additional_context={"model": "llama3.2"}).value == "qwen2.5:0.5b"
        assert flags.get("m") == "qwen2.5:0.5b"

    def test_the_context_is_halved_until_it_fits(self, ollama: Ollama) -> None:
        ollama.like(memory=2.3 * GIB)
        strategy = configured("ollama.reduce_context", base_url=ollama.url, num_ctx=32_768)
        remedy = recover(strategy)
        assert (remedy.status, remedy.value, flags.get("ollama.num_ctx")) == (RECOVERED, 4_096, 4_096)
        assert [entry["options"]["num_ctx"] for entry in ollama.requests("/api/generate")] == [16_384, 8_192, 4_096]

    def test_it_goes_no_lower_than_the_floor(self, ollama: Ollama) -> None:
        flags.set("ollama.num_ctx", 2_048)
        assert recover(configured("ollama.reduce_context", base_url=ollama.url, num_ctx=8_192)).status is FAILED
        assert ollama.requests("/api/generate") == []
        ollama.like(memory=GIB)
        flags.set("ollama.num_ctx", 3_000)
        assert recover(configured("ollama.reduce_context", base_url=ollama.url, num_ctx=8_192)).status is FAILED
        assert [entry["options"]["num_ctx"] for entry in ollama.requests("/api/generate")] == [2_048]


class TestPatience:
    def test_a_model_is_loaded_however_often_that_breaks_off(self, ollama: Ollama) -> None:
        ollama.fault("load_timeout", times=2, path="/api/generate")
        remedy = recover(configured("ollama.warm", base_url=ollama.url))
        assert (remedy.status, remedy.detail) == (RECOVERED, "llama3.2:latest is loaded")

    def test_a_full_queue_is_waited_for(self, ollama: Ollama) -> None:
        ollama.fault("busy", times=3, path="/api/generate")
        assert recover(configured("ollama.wait", base_url=ollama.url, delay=0.01)).status is RECOVERED
        assert len(ollama.requests("/api/generate")) == 4

    def test_a_queue_that_stays_full_is_a_failure_in_time(self, ollama: Ollama) -> None:
        ollama.fault("busy", times=None, generation="2026")
        remedy = recover(configured("ollama.wait", base_url=ollama.url, delay=0.01), timeout=0.3)
        assert (remedy.status, "overloaded" in remedy.detail) == (FAILED, True)


def test_a_server_without_models_works_when_it_answers(ollama: Ollama) -> None:
    ollama.like(models=[])
    assert recover(configured("ollama.wait", base_url=ollama.url)).status is RECOVERED


def test_a_model_for_embeddings_works_though_it_does_not_generate(ollama: Ollama) -> None:
    ollama.fault("status", status=400, error='"nomic-embed-text" does not support generate')
    assert recover(configured("ollama.wait", base_url=ollama.url)).status is RECOVERED


@pytest.mark.parametrize(("asked", "told"), [("gpu.example:11434", True), ("localhost:PORT", False), ("", False)])
def test_an_attempt_says_that_the_error_was_of_another_server(ollama: Ollama, asked: str, told: bool) -> None:
    """A rule without an address is about this machine's, which works: that heals nothing of the other's."""
    port = ollama.url.rpartition(":")[2]
    server = {"server": asked.replace("PORT", port)} if asked else {}
    refused = ExceptionDetail(type="ConnectError", module="httpx", message="refused", attributes=server)
    attempts: list[RecoveryAttempt] = []
    engine = Engine(
        [Rule(name="rule", match=bool, ladder=(Step(configured("ollama.wait", base_url=ollama.url)),))],
        audit=attempts.append,
        table=StrategyTable(),
    )
    outcome = engine.dispatch(make_context(exceptions=(refused,)))
    assert outcome.wait(20)
    doubt = f"; but the error is of gpu.example:11434, and this is about {ollama.url}" if told else ""
    assert outcome.detail == attempts[-1].detail == f"{ollama.url} generates{doubt}"
