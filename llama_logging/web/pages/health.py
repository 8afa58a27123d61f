"""How the registry is: what was lost, what waits, how large it is."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llama_logging import __version__
from llama_logging.answers.wording import findings
from llama_logging.journal.reading import journals
from llama_logging.registry.figures import JournalState
from llama_logging.web.asked import Asked

JOURNALS = 50
"""Journals that are listed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A journal that lies on this machine.

    Attributes:
        size: In bytes; None if the file cannot be seen from here.
        behind: Bytes that are not in the registry yet; None where that is not known.
    """

    name: str
    writer: str
    size: int | None
    behind: int | None


def view(asked: Asked) -> dict[str, Any]:
    """What `llama-logging doctor` says, without reading all of the registry."""
    vitals = asked.store.vitals()
    incidents = asked.store.incidents()[-20:]
    listed = _waiting(asked.journals, asked.store.journals())
    return {
        "pulse": asked.pulse,
        "url": asked.store.url,
        "vitals": vitals,
        "findings": list(findings(vitals.gaps, vitals.damaged, incidents)),
        "failure": asked.failure(),
        "journals": listed[:JOURNALS],
        "unshown": max(0, len(listed) - JOURNALS),
        "behind": sum(each.behind or 0 for each in listed),
        "releases": list(asked.store.releases().items())[:10],
        "channels": asked.store.channels()[:20],
        "versions": [
            ("llama_logging", __version__),
            ("schema", str(vitals.version)),
            ("Python", platform.python_version()),
        ],
    }


def _waiting(folders: Sequence[str], known: Sequence[JournalState]) -> list[Waiting]:
    states = {state.name: state for state in known}
    found = []
    for path in journals(folders):
        with contextlib.suppress(OSError):  # gone meanwhile
            state, size = states.pop(os.path.basename(path), None), os.stat(path).st_size
            found.append(
                Waiting(
                    name=os.path.basename(path),
                    writer=_writer(state),
                    size=size,
                    behind=max(0, size - (state.offset if state else 0)),
                )
            )
    return found + [Waiting(state.name, _writer(state), None, None) for state in states.values()]


def _writer(state: JournalState | None) -> str:
    facts = state.process if state is not None else {}
    return f"{facts.get('program') or '?'}, pid {facts.get('pid')} on {facts.get('host')}" if facts else ""
