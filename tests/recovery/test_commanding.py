"""Strategies that run commands: which ones exactly, by stand-ins for what they call."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from llama_logging.exceptions import ConfigError, LlamaLoggingError
from llama_logging.recovery.placeholders import filled
from llama_logging.tried import OutcomeStatus
from tests.recovery.acting import Patient, attempt, failed, make, napping, stand_in, tried

patient = Patient()
WELL = f"{__name__}:patient.is_well"

SERVICES: dict[str, tuple[dict[str, Any], list[str], str, str]] = {
    "systemd.restart": (
        {"unit": "ollama.service"},
        ["systemctl --no-block restart ollama.service", "systemctl is-active ollama.service"],
        'if [ "$1" = is-active ]; then echo active; fi',
        'if [ "$1" = is-active ]; then echo activating; exit 3; fi',
    ),
    "docker.restart": (
        {"container": "web-1"},
        [
            "docker restart web-1",
            "docker inspect --format {{.State.Status}}{{if .State.Health}} {{.State.Health.Status}}{{end}} web-1",
        ],
        "echo running healthy",
        'if [ "$1" = inspect ]; then echo running starting; fi',
    ),
    "k8s.rollout": (
        {"workload": "deployment/web", "namespace": "shop", "cluster": "test"},
        [
            "kubectl --context test --namespace shop rollout restart deployment/web",
            "kubectl --context test --namespace shop rollout status deployment/web --timeout=",
        ],
        "",
        'if [ "$6" = status ]; then echo timed out waiting; exit 1; fi',
    ),
}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    return tmp_path / "bin"


def test_it_is_restarted_and_looked_at_by_exactly_these_commands(
    service: str, bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, [restart, state], script, _ = SERVICES[service]
    said = stand_in(bin_folder, monkeypatch, state.split()[0], script)
    strategy = make(service, **options, settle=0)
    assert strategy.intent == f"run {restart}"
    remedy = attempt(strategy)
    assert (remedy.status, remedy.detail) == (
        OutcomeStatus.RECOVERED,
        f"run {restart}: {next(iter(options.values()))} works again",
    )
    first, second = said()
    assert first == restart
    assert second.startswith(state)
    assert second.removeprefix(state).rstrip("s").isdecimal() is (service == "k8s.rollout")


def test_it_must_work_for_a_while(service: str, bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options, [_, state], script, _ = SERVICES[service]
    said = stand_in(bin_folder, monkeypatch, state.split()[0], script)
    remedy = tried(make(service, **options, settle=3), failed(), napping(monkeypatch, 30))
    assert remedy.status is OutcomeStatus.RECOVERED
    assert len([line for line in said() if line.startswith(state)]) > 3


def test_what_does_not_come_up_has_failed(service: str, bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options, [restart, state], _, script = SERVICES[service]
    said = stand_in(bin_folder, monkeypatch, state.split()[0], script)
    remedy = tried(make(service, **options, settle=0), failed(), napping(monkeypatch, 5))
    assert remedy.status is OutcomeStatus.FAILED
    assert remedy.detail.startswith(f"run {restart}: ")
    assert said().count(restart) == 1
    assert not any("reset-failed" in line for line in said())


def test_a_restart_that_is_refused_has_failed(service: str, bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options, [restart, state], _, _ = SERVICES[service]
    said = stand_in(bin_folder, monkeypatch, state.split()[0], "echo access denied; exit 4")
    remedy = attempt(make(service, **options))
    assert remedy.detail == f"run {restart}: exit code 4: access denied"
    assert said() == [restart]


def test_what_works_already_is_not_restarted(service: str, bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "patient", Patient(well=True))
    options, [restart, state], script, _ = SERVICES[service]
    said = stand_in(bin_folder, monkeypatch, state.split()[0], script)
    assert attempt(make(service, **options, probe=WELL)).status is OutcomeStatus.RECOVERED
    assert restart not in said()


def test_a_probe_that_says_no_overrules_the_supervisor(
    service: str, bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "patient", Patient())
    options, [restart, state], script, _ = SERVICES[service]
    said = stand_in(bin_folder, monkeypatch, state.split()[0], script)
    remedy = tried(make(service, **options, probe=WELL, settle=0), failed(), napping(monkeypatch, 5))
    assert (remedy.status, "the probe said no" in remedy.detail) == (OutcomeStatus.FAILED, True)
    assert said().count(restart) == 1


def test_a_unit_of_the_users_own(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = stand_in(bin_folder, monkeypatch, "systemctl", "echo active")
    attempt(make("systemd.restart", unit="app.service", user=True, settle=0))
    assert said() == ["systemctl --user --no-block restart app.service", "systemctl --user is-active app.service"]


def test_the_scope_is_what_is_restarted() -> None:
    host = socket.gethostname()
    assert make("systemd.restart", unit="a.service").scope == f"unit:a.service@{host}"
    assert make("docker.restart", container="a").scope == f"container:a@{host}"
    assert make("k8s.rollout", workload="deployment/a", namespace="n").scope == "k8s:/n/deployment/a"


@pytest.mark.parametrize(
    ("name", "options", "mistake"),
    [
        ("systemd.restart", {"unit": "a b"}, "unit: not a name"),
        ("systemd.restart", {"unit": "--now"}, "unit: not a name"),
        ("docker.restart", {"container": "$(x)"}, "container: not a name"),
        ("k8s.rollout", {"workload": "web"}, "such as deployment/web"),
        ("k8s.rollout", {"workload": "deployment/web", "namespace": "-A"}, "namespace: not a name"),
    ],
)
def test_what_is_no_name_is_a_mistake(name: str, options: dict[str, Any], mistake: str) -> None:
    with pytest.raises(ConfigError, match=mistake):
        make(name, **options)


def test_a_command_gets_what_the_error_says_as_names_alone(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = stand_in(bin_folder, monkeypatch, "pull", "echo done")
    command = make("command", argv=["pull", "{extra.model}:{tags.tag}", "--by={logger}", "{{.Name}}", "{}"])
    assert command.intent == "run pull {extra.model}:{tags.tag} --by={logger} {{.Name}} {}"
    remedy = attempt(command, failed(additional_context={"model": "llama3"}, tags={"tag": "1b"}))
    assert (remedy.status, remedy.detail) == (
        OutcomeStatus.RECOVERED,
        "run pull llama3:1b --by=shop {{.Name}} {}: done",
    )
    assert said() == ["pull llama3:1b --by=shop {{.Name}} {}"]


@pytest.mark.parametrize("model", ["--force", "a b", "$(reboot)", "a;b", "../x", "a/../../x", "", None, 7, "x" * 200])
def test_what_is_no_name_never_reaches_a_command(
    model: object, bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = stand_in(bin_folder, monkeypatch, "pull")
    remedy = attempt(make("command", argv=["pull", "{extra.model}"]), failed(additional_context={"model": model}))
    assert remedy.status is OutcomeStatus.FAILED
    assert said() == []


def test_only_models_and_images_have_slashes_in_their_names() -> None:
    """In anything else one would choose a file of the operator's."""
    context = failed(additional_context={"model": "library/llama3"}, tags={"image": "shop/web:1", "tenant": "a/b"})
    assert filled(("{extra.model}", "{tags.image}"), context) == ("library/llama3", "shop/web:1")
    with pytest.raises(LlamaLoggingError, match=r"\{tags.tenant\} is 'a/b'"):
        filled(("/var/cache/{tags.tenant}",), context)


@pytest.mark.parametrize(
    ("argv", "mistake"),
    [
        (["{extra.program}", "x"], "must not choose the program"),
        (["a", "{lgger}"], "unknown placeholder {lgger}, did you mean 'logger'"),
        (["a", "{message}"], "unknown placeholder {message}"),
        ("rm -rf /", "expected a list of words"),
        ([], "expected a list of words"),
    ],
)
def test_a_command_that_is_none_is_a_mistake(argv: object, mistake: str) -> None:
    with pytest.raises(ConfigError, match=mistake):
        make("command", argv=argv)


def test_a_command_must_end_well_and_the_probe_agree(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = stand_in(bin_folder, monkeypatch, "mend", 'exit "$1"')
    assert attempt(make("command", argv=["mend", "0"])).status is OutcomeStatus.RECOVERED
    assert attempt(make("command", argv=["mend", "3"])).detail == "run mend 3: exit code 3"
    monkeypatch.setitem(globals(), "patient", Patient())
    remedy = tried(make("command", argv=["mend", "0"], probe=WELL), failed(), napping(monkeypatch, 5))
    assert remedy.detail == "run mend 0: the probe said no"
    monkeypatch.setitem(globals(), "patient", Patient(well=True))
    assert attempt(make("command", argv=["mend", "0"], probe=WELL)).detail == "it works already"
    assert said() == ["mend 0", "mend 3", "mend 0"]


def test_a_command_gets_the_variables_it_needs(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP", "a")
    monkeypatch.setenv("OTHER", "b")
    stand_in(bin_folder, monkeypatch, "mend", 'echo "$SHOP$OTHER"')
    assert attempt(make("command", argv=["mend"], env=["SHOP"])).detail == "run mend: a"
