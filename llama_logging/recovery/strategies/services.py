"""Restarts what a supervisor keeps: a unit of systemd, a container of Docker, a workload of Kubernetes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from llama_logging.config.options import Options
from llama_logging.config.values import as_bool, as_seconds, as_text
from llama_logging.context import ErrorContext
from llama_logging.exceptions import ConfigError, LlamaLoggingError
from llama_logging.recovery.commands import Finished, run, safe_name
from llama_logging.recovery.naming import on_host
from llama_logging.recovery.probes import Probe, as_probe, look, steadily
from llama_logging.recovery.strategies.verdict import verdict
from llama_logging.recovery.strategy import Deadline, Remedy, Strategy

SETTLE = 5.0
"""Seconds that it must work after a restart: what crashes at its start comes up for a moment each time."""


@dataclass(frozen=True)
class Service(Strategy):
    """Restarts, and waits until the supervisor and the probe are content for `settle` seconds."""

    destructive: ClassVar[bool] = True
    passed: ClassVar[tuple[str, ...]] = ()
    """Environment variables that the command needs."""
    target: str
    settle: float = SETTLE
    probe: Probe | None = None

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: the target's name; `settle`; `probe`."""
        return cls(
            options.required(cls.option_names[0], as_name),
            options.read("settle", as_seconds, SETTLE),
            options.read("probe", as_probe, None),
        )

    @property
    @abstractmethod
    def scope(self) -> str:
        """What is restarted."""

    @property
    @abstractmethod
    def restart(self) -> tuple[str, ...]:
        """The command."""

    @abstractmethod
    def state_problem(self, deadline: Deadline) -> str:
        """What the supervisor says is wrong; empty if it is content."""

    @property
    def intent(self) -> str:
        """Names the command."""
        return f"run {' '.join(self.restart)}"

    def look(self, context: ErrorContext, deadline: Deadline) -> Remedy | None:
        """Whether the probe says that it works; without one nothing tells: what hangs is active too."""
        if self.probe is None or look(self._problem, deadline):
            return None
        return verdict("", f"{self.target} works already")

    def recover(self, context: ErrorContext, deadline: Deadline) -> Remedy:
        """Restart; wait until it has worked for a while."""
        done = self._run(*self.restart, deadline=deadline)
        problem = done.problem or deadline.wait_for(steadily(self._problem, self.settle), delay=0.2, longest=1.0)
        return verdict(problem and f"{self.intent}: {problem}", f"{self.intent}: {self.target} works again")

    def _problem(self, deadline: Deadline) -> str:
        return self.state_problem(deadline) or (self.probe(deadline) if self.probe is not None else "")

    def _run(self, *argv: str, deadline: Deadline) -> Finished:
        return run(argv, deadline, passed=self.passed)


@dataclass(frozen=True)
class SystemdRestart(Service):
    """Restarts a unit. Never `reset-failed`: its start limit is systemd's own guard against loops."""

    name: ClassVar[str] = "systemd.restart"
    option_names: ClassVar[tuple[str, ...]] = ("unit", "settle", "probe", "user")
    passed: ClassVar[tuple[str, ...]] = ("DBUS_SESSION_BUS_ADDRESS",)
    user: bool = False

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `unit`; `settle` seconds that it must stay active; `probe`; `user`, of the user's own systemd."""
        plain = super().configure(options)
        return cls(plain.target, plain.settle, plain.probe, options.read("user", as_bool, False))

    @property
    def scope(self) -> str:
        """The unit, on this machine."""
        return on_host(f"unit:{self.target}")

    @property
    def restart(self) -> tuple[str, ...]:
        """Without waiting for the job: the deadline is ours."""
        return (*self._systemctl, "--no-block", "restart", self.target)

    def state_problem(self, deadline: Deadline) -> str:
        """Whether it is active."""
        done = self._run(*self._systemctl, "is-active", self.target, deadline=deadline)
        return done.problem and f"{self.target} is {done.said or 'not known'}"

    @property
    def _systemctl(self) -> tuple[str, ...]:
        return ("systemctl", "--user") if self.user else ("systemctl",)


@dataclass(frozen=True)
class DockerRestart(Service):
    """Restarts a container, and waits until it runs and, where it has a health check, is healthy."""

    name: ClassVar[str] = "docker.restart"
    option_names: ClassVar[tuple[str, ...]] = ("container", "settle", "probe")
    passed: ClassVar[tuple[str, ...]] = (
        "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",
    )  # fmt: skip

    @property
    def scope(self) -> str:
        """The container, on this machine."""
        return on_host(f"container:{self.target}")

    @property
    def restart(self) -> tuple[str, ...]:
        """Docker's own command."""
        return ("docker", "restart", self.target)

    def state_problem(self, deadline: Deadline) -> str:
        """Whether it runs, and is not starting or unhealthy."""
        template = "{{.State.Status}}{{if .State.Health}} {{.State.Health.Status}}{{end}}"
        done = self._run("docker", "inspect", "--format", template, self.target, deadline=deadline)
        if done.problem:
            return done.problem
        return "" if done.said in ("running", "running healthy") else f"{self.target} is {done.said}"


@dataclass(frozen=True)
class K8sRollout(Service):
    """Rolls a workload out anew, pod by pod, and waits until that is done."""

    name: ClassVar[str] = "k8s.rollout"
    option_names: ClassVar[tuple[str, ...]] = ("workload", "settle", "probe", "namespace", "cluster")
    passed: ClassVar[tuple[str, ...]] = ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
    namespace: str = ""
    cluster: str = ""

    @classmethod
    def configure(cls, options: Options) -> Self:
        """Options: `workload`, such as deployment/web; `namespace`; `cluster`, a context of kubectl's; the others."""
        plain = super().configure(options)
        if "/" not in plain.target:
            options.refuse("workload", f"expected its kind and name, such as deployment/web, got {plain.target!r}")
        namespace, cluster = [options.read(name, as_name, "") for name in ("namespace", "cluster")]
        return cls(plain.target, plain.settle, plain.probe, namespace, cluster)

    @property
    def scope(self) -> str:
        """The workload, wherever we run."""
        return f"k8s:{self.cluster}/{self.namespace}/{self.target}"

    @property
    def restart(self) -> tuple[str, ...]:
        """Kubectl's own command."""
        return (*self._kubectl, "rollout", "restart", self.target)

    def state_problem(self, deadline: Deadline) -> str:
        """Whether all pods are the new ones; kubectl waits for that itself."""
        timeout = f"--timeout={max(1, int(deadline.remaining()))}s"
        return self._run(*self._kubectl, "rollout", "status", self.target, timeout, deadline=deadline).problem

    @property
    def _kubectl(self) -> tuple[str, ...]:
        given: tuple[tuple[str, str], ...] = (("--context", self.cluster), ("--namespace", self.namespace))
        return ("kubectl", *[word for option, value in given if value for word in (option, value)])


def as_name(value: object) -> str:
    """*value*, which must be a name and nothing else."""
    try:
        return safe_name(as_text(value))
    except LlamaLoggingError as error:
        raise ConfigError(str(error)) from error
