"""What is given up when journals outgrow their quota, and in which order: counts stay exact.

Only journals that nobody writes to any more are touched, and of them only what the store does not
have. The new file takes the old one's name, and what follows the store's checkpoint begins at the
same position; so it does not matter which of the two is there when the process dies, and nothing
need be written to the store, which may be locked or its disk full.

A file that was made smaller begins with a frame `compacted`, which says how many numbered frames are
`gone`: those are no loss.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

from llama_logging.context import ErrorSeverity
from llama_logging.exceptions import UNREADABLE, ErrorNotFound
from llama_logging.journal.folders import Folder
from llama_logging.journal.framing import seal
from llama_logging.journal.reading import Reader, journals
from llama_logging.registry import Store

Frame = dict[str, Any]

DETAILS = ("locals", "crumbs", "ctx", "at")
"""Members of an error that go first."""
STEPS = 4
"""Details; repeats; the first of a journal up to WARNING; the same up to ERROR."""

# Gone, no room for the new file, or with frames that no version of ours wrote: the other journals may still do.
_OF_ONE = (OSError, *UNREADABLE)
_MARK = "compacted"
_MINUTE = 60_000_000
_dumps = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def compact(store: Store, directory: str, quota: int) -> bool:
    """Have the journals in *directory* take no more than *quota* bytes; False if they still do.

    Never given up are the first error of a group, what is CRITICAL, recoveries, and counts.

    Raises:
        StoreError: If the store cannot be asked what it has.
    """
    folder = Folder(directory, reading=True)
    try:
        folder.enter()
    except OSError:
        return True  # no such folder, or none of ours
    try:
        for step in range(1, STEPS + 1):
            known = Known(store)
            for path in journals([directory]):
                if folder.size() <= quota:
                    return True
                with contextlib.suppress(*_OF_ONE), Reader(path) as reader, reader.undisturbed(alone=True) as alone:
                    if alone and reader.abandoned:
                        _rewrite(store, reader, step, known)
        return folder.size() <= quota
    finally:
        folder.leave()


def reduce(frames: Sequence[Frame], step: int, known: Known) -> list[Frame]:
    """*frames* without what is given up up to this *step*; of errors, their number by minute stays."""
    counts: dict[tuple[Any, ...], Frame] = {}
    kept: list[Frame] = []
    counted: set[str] = set()
    for frame in frames:
        kind = frame.get("k")
        if kind == "error" and known.may_be_counted(frame, step):
            if frame["id"] not in counted:
                counted.add(frame["id"])
                _count(counts, frame, 1)
        elif kind == "count" and step > 1:
            _count(counts, frame, frame.get("count", 1))
        elif kind == "error":
            kept.append({key: value for key, value in frame.items() if key not in DETAILS})
        elif kind != _MARK and not (kind == "again" and frame["id"] in counted):
            kept.append(frame)
    return [*kept, *counts.values()]


class Known:
    """What was seen before, in the store or in the journals looked at."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._groups: dict[str, bool] = {}
        self._here: set[str] = set()
        self._partial: set[str] = set()

    def begin(self) -> None:
        """Another journal begins."""
        self._here.clear()

    def may_be_counted(self, frame: Frame, step: int) -> bool:
        """Whether of the error *frame* no more than the number need be kept."""
        fingerprint, severity = frame["fp"], frame["sev"]
        is_known, is_repeat = self._is_known(fingerprint), fingerprint in self._here
        self._here.add(fingerprint)
        self._groups[fingerprint] = True
        if frame.get("partial"):
            self._partial.add(frame["id"])
            return False
        if severity >= ErrorSeverity.CRITICAL or not is_known:
            return False
        at_most = {1: -1, 2: -1, 3: int(ErrorSeverity.WARNING)}.get(step, int(ErrorSeverity.ERROR))
        if not (severity <= at_most or (is_repeat and step > 1)):
            return False
        # The store, or a journal, may have it from when its own code was still to speak: that one counts.
        return frame["id"] not in self._partial and not self._is_stored(frame["id"])

    def _is_known(self, fingerprint: str) -> bool:
        if fingerprint not in self._groups:
            self._groups[fingerprint] = self._store.group(fingerprint) is not None
        return self._groups[fingerprint]

    def _is_stored(self, error_id: str) -> bool:
        try:
            self._store.find(error_id)
        except ErrorNotFound:
            return False
        return True


def _count(counts: dict[tuple[Any, ...], Frame], frame: Frame, number: int) -> None:
    minute = frame["ts"] // _MINUTE
    key = (minute, *(frame[name] for name in ("fp", "sev", "type", "stack", "proc")))
    found = counts.get(key)
    if found is None:
        members = {name: frame[name] for name in ("proc", "ts", "sev", "fp", "type", "stack")}
        found = counts[key] = {"k": "count", **members, "count": 0}
    found["count"] += number
    found["ts"] = max(found["ts"], frame["ts"])


def _rewrite(store: Store, reader: Reader, step: int, known: Known) -> None:
    start, latest = store.reached(reader.name)
    position = reader.unread(start, latest)
    texts: list[str] = []
    while (piece := reader.read(position)).end > position:
        texts += piece.frames
        position = piece.end
    frames = [json.loads(text) for text in texts]
    for frame in frames:
        frame.pop("crc", None)  # it is sealed anew: with two, its number would not be found where it always is
    marks = [frame for frame in frames if frame.get("k") == _MARK]
    known.begin()
    reduced = reduce(frames, step, known)
    if frames and max((mark["step"] for mark in marks), default=0) < step:
        gone = _numbered(frames) - _numbered(reduced) + sum(mark["gone"] for mark in marks)
        mark = {"k": _MARK, "step": step, "gone": gone}
        store.sync()  # what stands before *start* is let go of
        reader.replace(start, [seal(_dumps(frame)) for frame in (mark, *reduced)])


def _numbered(frames: Sequence[Frame]) -> int:
    return sum("n" in frame for frame in frames)
