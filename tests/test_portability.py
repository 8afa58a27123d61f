"""Without what only POSIX has, as on Windows: modules, functions and signals are taken away before the first import."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = """
import asyncio, hashlib, json, logging.config, multiprocessing, os, platform, random, selectors, shutil, signal
import socket, sqlite3, ssl, subprocess, sys, tempfile, threading, uuid  # theirs, which adapt by themselves

GONE = {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in GONE:
            raise ImportError(f"No module named {name!r}")

sys.meta_path.insert(0, Missing())
for name in GONE:
    sys.modules.pop(name, None)
functions = "fork register_at_fork pread getuid geteuid getgid getgroups setsid getpgid killpg fchmod chown uname"
flags = "O_NOFOLLOW O_CLOEXEC O_DIRECTORY O_NONBLOCK"
for name in f"{functions} {flags} posix_fallocate memfd_create statvfs fstatvfs sched_getaffinity WNOHANG".split():
    if hasattr(os, name):
        delattr(os, name)
os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks = set(), set(), set()
for name in "SIGKILL SIGHUP SIGUSR1 SIGUSR2 SIGALRM SIGCHLD SIGQUIT SIGPIPE SIGWINCH pthread_sigmask".split():
    delattr(signal, name)
for name in "PollSelector EpollSelector".split():
    if hasattr(selectors, name):
        delattr(selectors, name)
"""

IMPORTED = """
import importlib, pkgutil
import llama_logging
for module in pkgutil.walk_packages(llama_logging.__path__, "llama_logging."):
    if module.name.rpartition(".")[2] not in ("__main__", "story") and ".site." not in module.name:
        importlib.import_module(module.name)
"""

USED = """
import llama_logging
from llama_logging.cli.main import main
from llama_logging.recovery import commands
from llama_logging.recovery.strategy import Deadline

logging.config.dictConfig({
    "version": 1,
    "handlers": {
        "registry": {"class": "llama_logging.handlers.RegistryHandler", "breadcrumbs": 5, "locals": 5},
        "recovery": {
            "class": "llama_logging.handlers.RecoveryHandler",
            "rules": [
                {"match": {"class": "OSError"}, "ladder": [{"disk.free": {"roots": ["/tmp"], "patterns": ["*"]}}]},
                {"match": {"class": "ValueError"}, "ladder": [{"fallback_value": {"value": 7}}]},
            ],
        },
        "prediction": {"class": "llama_logging.handlers.PredictionHandler"},
    },
    "root": {"level": "INFO", "handlers": ["registry", "recovery", "prediction"]},
})

def work():
    try:
        raise ValueError("bad 17")
    except ValueError:
        logging.exception("failed")
        result = llama_logging.outcome()
        result.wait(10)
        return result.value

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert work() == 7
llama_logging.flush()
assert llama_logging.get_error_summary()["total_errors"] == 5
assert [main(words) for words in (["list"], ["doctor"], ["recovery", "log"])] == [0, 0, 0]
print(commands.run(["true"], Deadline(5)).said)
"""


def without_posix(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True, check=False)


def test_every_module_can_be_imported() -> None:
    done = without_posix(IMPORTED)
    assert done.returncode == 0, done.stderr


def test_errors_are_kept_recovered_and_asked_for() -> None:
    done = without_posix(USED)
    assert done.returncode == 0, done.stderr
    assert "commands need a POSIX system" in done.stdout
    (told,) = done.stderr.splitlines()
    assert "which Windows does not" in told
