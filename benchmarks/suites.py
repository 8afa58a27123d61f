"""`python -m benchmarks.suites`: the test suites of well-known projects, with and without `llama-logging run`.

Each is downloaded as it was published, and run twice: what passes, fails and is skipped must be the same. Those of its
tests that give different results from run to run without us are found by further runs, and named.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import xml.etree.ElementTree
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIG = """
version: 1
handlers: {registry: {class: llama_logging.handlers.RegistryHandler, breadcrumbs: 20, tracing: true}}
root: {handlers: [registry]}
"""
PROJECTS = {
    "anyio": [
        "anyio[trio]",
        "blockbuster",
        "hypothesis",
        "psutil",
        "pytest-mock",
        "pytest-timeout",
        "trustme",
        "truststore",
        "uvloop",
    ],
    "attrs": ["attrs[tests-mypy]", "hypothesis", "cloudpickle"],
    "click": ["click"],
    "httpx": [
        *("httpx[http2,socks,brotli,zstd,cli]", "trio", "trustme", "uvicorn", "chardet", "anyio"),
        "cryptography",
    ],
    "jinja2": ["jinja2", "trio"],
    "rq": ["rq", "psutil"],  # and a Redis at its usual port
    "starlette": [
        "starlette[full]",
        "httpx2[zstd]",
        "blockbuster",
        "importlib-metadata",
        "opentelemetry-sdk",
        "pytest-codspeed",
        "trio",
    ],
    "structlog": ["structlog", "simplejson", "time-machine", "pytest-asyncio", "rich", "twisted"],
    "tenacity": ["tenacity", "tornado", "typeguard", "trio", "pytest-asyncio"],
}
"""What must be installed for the tests of each."""

Results = dict[str, str]


def results(python: Path, source: Path, folder: Path, *before: str) -> Results:
    """Of each test of *source*, what came of it."""
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    words = [str(python), *before, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "tests"]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "LLAMA_LOGGING_DIR": str(folder / "state")}
    environment["LLAMA_LOGGING_STORE"] = f"sqlite:///{folder}/errors.db"
    done = subprocess.run(words, cwd=source, env=environment, capture_output=True, text=True, check=False)
    if not report.exists():
        raise SystemExit(f"{source.name}: pytest did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    found = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        found[f"{case.get('classname')}::{case.get('name')}"] = kinds[0] if kinds else "passed"
    return found


def differences(one: Results, other: Results) -> set[str]:
    """The tests that came out differently."""
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def compared(project: str, folder: Path, python: Path) -> dict[str, object]:
    """What came of the tests of a project, and which are different under `run`."""
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", *PROJECTS[project]], check=True)
    subprocess.run([*pip, "download", "--no-deps", "--no-binary", project, "--dest", str(folder), project], check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    source = folder / archive.name.removesuffix(".tar.gz")
    subprocess.run([*pip, "install", "--no-deps", str(source)], check=True)
    (folder / "logging.yaml").write_text(CONFIG)
    run = ("-m", "llama_logging", "run", "-c", str(folder / "logging.yaml"), "--", str(python))
    plain = results(python, source, folder)
    attached = results(python, source, folder, *run)
    different = differences(plain, attached)
    # A test that depends on the weather shows it without us, too.
    unsteady = different and differences(plain, results(python, source, folder)) | differences(
        attached, results(python, source, folder, *run)
    )
    return {
        "release": source.name,
        "tests": len(plain),
        **Counter(plain.values()),
        "different": sorted(different - unsteady),
        "unsteady": sorted(different & unsteady),
    }


def main() -> int:
    """Compare, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("projects", nargs="*", metavar="PROJECT", help=f"default all: {', '.join(PROJECTS)}")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    unknown = set(args.projects) - set(PROJECTS)
    if unknown:
        parser.error(f"unknown project {', '.join(sorted(unknown))}; there are {', '.join(PROJECTS)}")
    found = []
    for project in args.projects or PROJECTS:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            venv.create(folder / "venv", with_pip=True)
            python = folder / "venv" / "bin" / "python"
            subprocess.run([python, "-m", "pip", "install", "--quiet", str(ROOT), "pytest"], check=True)
            found.append(compared(project, folder, python))
        if not args.json:
            print(", ".join(f"{name} {value}" for name, value in found[-1].items() if value != []), flush=True)
    if args.json:
        print(json.dumps(found, indent=2))
    return 1 if any(one["different"] for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
