from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.conftest import Run

APP = """
import logging, os, signal, threading, time
from llama_logging.runtime import background
log = logging.getLogger("app")
CONFIGURED
log.error("broken")
WAITED
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.kill(os.getpid(), signal.SIGTERM)
DONE
print(signal.sigwait({signal.SIGTERM}).name)
"""

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be blocked here")


def app(place: Path, *, configured: str, waited: str, done: str = "") -> None:
    text = APP.replace("CONFIGURED", configured).replace("WAITED", waited).replace("DONE", done)
    (place / "app.py").write_text(text)


def test_a_signal_that_the_application_will_fetch_does_not_come_to_the_thread_that_fills_the_registry(
    run: Run, own_place: Path
) -> None:
    """It would end the process: who blocks it does so in its own threads."""
    app(
        own_place,
        configured="from llama_logging.handlers import RegistryHandler; log.addHandler(RegistryHandler())",
        waited="while not os.path.exists('llama_logging.db'): time.sleep(0.01)",
    )
    done = run("app.py")
    assert (done.code, done.out.strip()) == (0, "SIGTERM")


@pytest.mark.skipif(sys.platform != "linux", reason="which signals the first thread has blocked is told by Linux alone")
def test_nor_does_it_come_to_a_thread_that_waits_for_work_or_is_at_work(run: Run, own_place: Path) -> None:
    app(
        own_place,
        configured="worker = background.Worker('test'); worker.submit(lambda: None); worker.finish(30)",
        waited="while threading.active_count() > 1: time.sleep(0.01)",
        done="worker.submit(lambda: print('worked', flush=True)); worker.finish(30)",
    )
    done = run("app.py")
    assert (done.code, done.out.split()) == (0, ["worked", "SIGTERM"])


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
def test_what_a_thread_of_ours_starts_can_be_ended(run: Run, own_place: Path) -> None:
    """A child has blocked what the thread that starts it has: for a server that would be for ever."""
    (own_place / "app.py").write_text(
        "import subprocess, sys\nfrom llama_logging.runtime.background import Worker\nworker = Worker('test')\n"
        "code = 'import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))'\n"
        "worker.submit(lambda: subprocess.run([sys.executable, '-c', code]))\nworker.finish(30)\n"
    )
    done = run("app.py")
    assert (done.code, done.out.strip()) == (0, "set()")


def test_a_thread_goes_on_in_a_child_that_was_forked_while_a_codec_was_imported(run: Run) -> None:
    """Such a codec can never be found there."""
    without = "import sys; sys.modules['encodings.ascii'] = None"
    done = run("-c", f"{without}; from llama_logging.runtime import signals\nwith signals.blocked(): pass")
    assert (done.code, done.err) == (0, "")
