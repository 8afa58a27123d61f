"""Hosts that start what fails, each in its own way: `pip install prefect dagster ipykernel`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llama_logging.attachment.configuration import shipped_text
from tests.test_hosts import RUN, counted, errors, need

pytestmark = pytest.mark.timeout(300)

PREFECT = """
from prefect import flow, get_run_logger, task
@task
def broken():
    raise LookupError("broken")
@flow
def shop():
    get_run_logger().error("no stock")
    broken()
shop()
"""
DAGSTER = """
import dagster
@dagster.op
def broken(context):
    context.log.error("no stock")
    raise LookupError("broken")
@dagster.job
def shop():
    broken()
shop.execute_in_process(raise_on_error=False, instance=dagster.DagsterInstance.get())
"""
DAGSTER_YAML = """
telemetry: {enabled: false}
python_logs:
  managed_python_loggers: [root]
  dagster_handler_config: {handlers: {registry: {class: llama_logging.handlers.RegistryHandler}}}
"""


def told_of(folder: Path, text: str, *before: str, **env: str) -> dict[tuple[str, str], int]:
    (folder / "app.py").write_text(text)
    env = {**os.environ, "PREFECT_HOME": str(folder / "prefect"), "DAGSTER_HOME": str(folder), **env}
    words = [*before, sys.executable, "app.py"]
    subprocess.run(words, cwd=folder, env=env, capture_output=True, timeout=200, check=False)
    return counted(errors())


@pytest.mark.parametrize("before", [[], [*RUN, "--"]], ids=["itself", "run"])
def test_prefect_with_the_shipped_file(own_place: Path, before: list[str]) -> None:
    need("prefect")
    (own_place / "logging.yaml").write_text(shipped_text())
    env = {} if before else {"PREFECT_LOGGING_SETTINGS_PATH": str(own_place / "logging.yaml")}
    found = told_of(own_place, PREFECT, *before, **env)
    assert found["LookupError", "broken"] == 1
    assert found["LogMessage", "no stock"] == 1


def test_dagster_with_a_handler_in_its_own_file(own_place: Path) -> None:
    need("dagster")
    (own_place / "dagster.yaml").write_text(DAGSTER_YAML)
    found = told_of(own_place, DAGSTER)
    (failed,) = [name for name in found if name[0] == "DagsterExecutionStepExecutionError"]
    assert found[failed] == 1
    assert sum(count for (_, message), count in found.items() if message.endswith("no stock")) == 1
    (error,) = [error for error in errors() if error.error_type == failed[0]]
    assert "LookupError: broken" in error.stack_trace


KERNEL = """
import jupyter_client
kernel = jupyter_client.KernelManager(kernel_name="python3")
kernel.start_kernel(stdout=open("kernel.log", "w"), stderr=open("kernel.err", "w"))
client = kernel.client()
client.start_channels()
client.wait_for_ready(60)
told = [client.execute(code, reply=True, timeout=60)["content"]["status"] for code in (
    "import logging; logging.getLogger('shop').error('no stock')", "raise LookupError('broken')", "1 + 1")]
client.stop_channels()
kernel.shutdown_kernel()
print(*told)
"""


def test_a_kernel_of_jupyter_and_the_errors_of_its_cells(own_place: Path) -> None:
    """A notebook's server starts it, and is itself what `run` is put in front of."""
    need("ipykernel jupyter_client")
    (own_place / "logging.yaml").write_text(shipped_text())
    (own_place / "kernel.py").write_text(KERNEL)
    env = {**os.environ, "IPYTHONDIR": str(own_place), "JUPYTER_PLATFORM_DIRS": "1"}
    words = [*RUN, "--", sys.executable, "kernel.py"]
    done = subprocess.run(words, cwd=own_place, env=env, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout == "ok error ok\n", done.stderr
    found = counted(errors())
    assert found["LookupError", "broken"] == 1
    assert found["LogMessage", "no stock"] == 1
