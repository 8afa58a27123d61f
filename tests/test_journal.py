from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_logging.journal import file, folders, places, telling, writing
from llama_logging.journal.descriptors import more
from llama_logging.journal.file import LOOK_EVERY
from llama_logging.journal.folders import Folder, new_name
from llama_logging.journal.framing import seal, unseal
from llama_logging.journal.places import directories_for
from llama_logging.journal.reading import Reader, journals
from llama_logging.journal.writing import Journal
from llama_logging.runtime import state

OPENING = '{"k":"open"}'


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "errors.db.journal")


@pytest.fixture
def journal(directory: str) -> Iterator[Journal]:
    made = Journal([directory], lambda: OPENING)
    yield made
    made.close()


def put(journal: Journal, text: str = "x", name: str = "") -> bool:
    return journal.write(json.dumps({"k": "error", "text": text}), name, json.dumps({"k": "stack", "name": name}))


def frames(path: str) -> list[dict[str, object]]:
    with Reader(path) as reader:
        return [json.loads(frame) for frame in reader.read(0).frames]


def test_nothing_is_opened_before_the_first_write(journal: Journal, directory: str) -> None:
    journal.tend()
    assert not os.path.exists(directory)
    assert (journal.path, journal.lost, journal.pressure) == ("", 0, False)
    assert put(journal)
    assert os.listdir(directory) == [os.path.basename(journal.path)]


def test_nobody_else_may_write_to_the_folders_above(tmp_path: Path) -> None:
    """Daemons clear the umask (PEP 3143): another user could take the journals away."""
    before = os.umask(0)
    try:
        Folder(f"{tmp_path}/state/journal/shop").enter()
    finally:
        os.umask(before)
    made = [(tmp_path / name).stat().st_mode & 0o777 for name in ("state", "state/journal", "state/journal/shop")]
    assert made == [0o755, 0o755, 0o700]


def test_only_the_owner_may_look(journal: Journal, directory: str) -> None:
    put(journal)
    assert os.stat(directory).st_mode & 0o777 == 0o700
    assert os.stat(journal.path).st_mode & 0o777 == 0o600


def test_frames_come_back_in_order_and_numbered(journal: Journal) -> None:
    for text in "abc":
        put(journal, text)
    read = frames(journal.path)
    assert [frame["k"] for frame in read] == ["open", "error", "error", "error"]
    assert [frame.get("n") for frame in read[1:]] == [1, 2, 3]


def test_a_journal_is_ordinary_json_lines(journal: Journal) -> None:
    """jq, grep and pandas read it as it is."""
    put(journal, "newline \n, escape \x1b, é")
    with open(journal.path, encoding="ascii") as file:
        lines = [json.loads(line) for line in file if line.strip()]
    assert lines[1]["text"] == "newline \n, escape \x1b, é"


def test_a_definition_is_written_once(journal: Journal) -> None:
    put(journal, name="s1")
    put(journal, name="s1")
    put(journal, name="s2")
    assert [frame["k"] for frame in frames(journal.path)] == ["open", "stack", "error", "error", "stack", "error"]


def test_a_definition_is_written_anew_each_hour(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry may have dropped it since, with the last error that it kept; also where the clock was set back."""
    now = [10_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(file, "LOOK_EVERY", -1.0)
    kinds: list[object] = []
    for now[0] in (10_000.0, 13_599.0, 13_601.0, 13_602.0, 10_003.0, 10_000.0, 10_001.0):
        put(journal, name="s1")
        kinds += [frame["k"] for frame in frames(journal.path)[1 + len(kinds) :]]
    assert kinds == ["stack", "error", "error", "stack", "error", "error", "error", "stack", "error", "error"]


def test_no_more_definitions_are_remembered_than_there_is_room_for(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those beyond are written with each error."""
    monkeypatch.setattr(file, "_KNOWN", 2)
    for name in ("s1", "s2", "s3", "s3", "s1"):
        put(journal, name=name)
    assert [frame["name"] for frame in frames(journal.path) if frame["k"] == "stack"] == ["s1", "s2", "s3", "s3"]


@given(st.lists(st.text(max_size=50), max_size=6), st.data())
def test_damage_costs_only_the_damaged_frames(texts: list[str], data: st.DataObject) -> None:
    """One byte changed anywhere, or the end torn off: all other frames are read."""
    sealed = [seal(json.dumps({"k": "error", "text": text})) for text in texts]
    whole = b"".join(sealed)
    at = data.draw(st.integers(0, max(0, len(whole) - 1)))
    flipped = whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :] if whole else whole
    for damaged in (flipped, whole[:at]):
        read, _ = unseal(damaged)
        for frame in sealed:
            start = whole.index(frame)
            if not start <= at < start + len(frame) and start < len(damaged) - len(frame) + 1:
                assert frame[1:-1].decode().partition(',"crc"')[0] in "".join(read)


def test_damaged_frames_are_counted() -> None:
    good, bad = seal('{"k":"a"}'), seal('{"k":"b"}').replace(b'"b"', b'"c"')
    assert unseal(good + bad + b"garbage\n" + good)[1] == 2


def test_what_is_not_ascii_is_damage_although_its_checksum_is_right() -> None:
    """Else it would keep all journals from being read."""
    good, body = seal('{"k":"a"}'), '{"k":"é"'.encode()
    assert unseal(good + b'\n%b,"crc":"%08x"}\n' % (body, zlib.crc32(body)) + good) == unseal(good + b"torn" + good)


def test_a_hole_is_no_damage() -> None:
    """What a compaction took out, or a power cut left, reads as zeros; a torn frame behind them is damage."""
    good = seal('{"k":"a"}')
    assert unseal(b"\0" * 100 + good)[1] == 0
    assert unseal(b"\0" * 100 + b"torn" + good)[1] == unseal(b"x\n" + good)[1] == 1


@pytest.mark.parametrize(("filling", "damaged"), [(b"\0", 0), (b"x", 1)])
def test_what_is_no_line_is_passed_over_in_parts(directory: str, filling: bytes, damaged: int) -> None:
    """Read as a whole, a hole that is as large as memory would end whoever reads the journal."""
    os.mkdir(directory, 0o700)
    path, good = os.path.join(directory, new_name()), seal('{"k":"a"}')
    Path(path).write_bytes(good + filling * 2**23 + good)
    found, place, broken = [], 0, 0
    with Reader(path) as reader:
        while (piece := reader.read(place, 2**16)).end > place:
            assert piece.end - place <= 2**20
            found += piece.frames
            place, broken = piece.end, broken + piece.damaged
    assert len(found) == 2
    assert place == os.path.getsize(path)
    assert bool(broken) == damaged


def test_a_frame_that_is_too_large_is_lost_and_counted(journal: Journal, told: list[str]) -> None:
    """Half a megabyte is the most."""
    assert journal.write(json.dumps({"k": "error", "text": "x" * (2**19 - 100)}))
    assert not journal.write(json.dumps({"k": "error", "text": "x" * 2**19}))
    assert journal.lost == 1
    assert "is too large" in told[0]
    assert len(frames(journal.path)) == 2


def test_a_living_journal_is_not_abandoned_and_a_dead_one_is(journal: Journal) -> None:
    put(journal)
    path = journal.path
    with Reader(path) as reader:
        assert not reader.abandoned
        assert not reader.read(0).final
    journal.close()
    with Reader(path) as reader:
        assert reader.abandoned
        assert reader.read(0).final


def test_the_last_line_of_a_living_journal_waits_until_it_is_whole(journal: Journal) -> None:
    put(journal)
    with open(journal.path, "ab") as file:
        file.write(b'\n{"k":"error"')
    with Reader(journal.path) as reader:
        piece = reader.read(0)
        assert len(piece.frames) == 2
        assert piece.end == os.path.getsize(journal.path) - len(b'{"k":"error"')


def test_reading_goes_on_where_it_stopped(journal: Journal) -> None:
    for number in range(50):
        put(journal, "x" * 100 + str(number))
    read, start = 0, 0
    with Reader(journal.path) as reader:
        while (piece := reader.read(start, limit=300)).end > start:
            assert piece.end <= start + 300
            read, start = read + len(piece.frames), piece.end
    assert read == 51


def test_a_large_journal_is_read_by_the_megabyte(directory: str) -> None:
    """Nobody needs memory for all of it."""
    os.makedirs(directory, 0o700)
    path = Path(directory, "j1-0000000000000001-1-000000000000.jsonl")
    path.write_bytes(b"\n" * 3_000_000)
    with Reader(str(path)) as reader:
        assert [reader.read(start).end for start in (0, 2**20, 2 * 2**20)] == [2**20, 2 * 2**20, 3_000_000]


@pytest.mark.parametrize("how", ["pread", "seek and read"])
def test_a_frame_that_is_longer_than_the_piece_that_is_read_is_read(
    journal: Journal, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a system without `pread`."""
    if how != "pread":
        monkeypatch.delattr(os, "pread")
    for _ in range(3):
        put(journal, "x" * 1000)
    start = read = 0
    with Reader(journal.path) as reader:
        while (piece := reader.read(start, limit=50)).end > start:
            start, read = piece.end, read + len(piece.frames)
        assert reader.read(1, limit=10).frames
    assert read == 4


def test_a_journal_is_replaced_by_a_shorter_one_under_its_name(journal: Journal, directory: str) -> None:
    """Whoever has read as far as the hole goes reads on there; what died doing the same is no hindrance."""
    put(journal, "1")
    put(journal, "2")
    Path(f"{journal.path}.new").write_text("left behind")
    before = len(os.listdir("/proc/self/fd"))
    with Reader(journal.path) as reader:
        start = reader.read(0, limit=100).end
        reader.replace(start, [seal('{"k":"error","text":"3"}'), seal('{"k":"error","text":"4"}')])
    assert len(os.listdir("/proc/self/fd")) == before
    with Reader(journal.path) as reader:
        assert [json.loads(frame)["text"] for frame in reader.read(start).frames] == ["3", "4"]
    assert [frame["text"] for frame in frames(journal.path)] == ["3", "4"]
    assert Path(journal.path).read_bytes()[:start] == bytes(start)
    assert os.listdir(directory) == [os.path.basename(journal.path)]
    assert os.stat(journal.path).st_mode & 0o777 == 0o600


def test_what_replaces_a_journal_survives_a_power_cut(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes first, then the name; nobody takes it for left behind meanwhile, whatever the clock is set to."""
    put(journal)
    synced: list[str] = []

    def sync(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        if len(synced) == 1:
            assert not _abandoned(synced[0])

    monkeypatch.setattr(os, "fsync", sync)
    with Reader(journal.path) as reader:
        reader.replace(0, [seal(OPENING)])
    assert synced == [f"{journal.path}.new", os.path.dirname(journal.path)]


def test_a_journal_that_cannot_be_replaced_stays_as_it_is(
    journal: Journal, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(journal, "1")
    before = Path(journal.path).read_bytes()
    monkeypatch.setattr(os, "write", Failing(directory))
    with Reader(journal.path) as reader, pytest.raises(OSError, match="No space left"):
        reader.replace(0, [seal('{"k":"error","text":"2"}')])
    assert Path(journal.path).read_bytes() == before
    assert os.listdir(directory) == [os.path.basename(journal.path)]


def test_nobody_rewrites_what_another_reads(journal: Journal) -> None:
    put(journal)
    with Reader(journal.path) as one, Reader(journal.path) as other:
        with one.undisturbed() as reading, other.undisturbed() as reading_too, other.undisturbed(alone=True) as alone:
            assert (reading, reading_too, alone) == (True, True, False)
        with one.undisturbed(alone=True) as alone, other.undisturbed() as reading:
            assert (alone, reading) == (True, False)
        with other.undisturbed(alone=True) as alone:
            assert alone
        os.unlink(journal.path)
        with one.undisturbed() as reading:
            assert not reading


def test_reading_leaves_no_descriptor_behind(journal: Journal, directory: str) -> None:
    put(journal)
    before = len(os.listdir("/proc/self/fd"))
    with Reader(journal.path):
        pass
    assert list(journals([f"{directory}.none", directory])) == [journal.path]
    with pytest.raises(FileNotFoundError), Reader(f"{directory}/none"):
        pass
    with pytest.raises(FileNotFoundError), Reader(f"{directory}.none/none"):
        pass
    assert not os.path.exists(f"{directory}.none")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_large_journal_goes_on_in_a_new_file(
    journal: Journal, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 4096)
    for _ in range(100):
        assert put(journal, "x" * 100, name="s1")
    paths = list(journals([directory]))
    assert len(paths) > 2
    assert sum(frame["k"] == "error" for path in paths for frame in frames(path)) == 100
    for path in paths:
        assert [frame["k"] for frame in frames(path)][:2] == ["open", "stack"]
    assert [path for path in paths if not _abandoned(path)] == [journal.path]


def _abandoned(path: str) -> bool:
    with Reader(path) as reader:
        return reader.abandoned


def test_threads_write_whole_frames(journal: Journal, directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four threads, rotation under them: every frame is there, once."""
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 50_000)
    threads = [
        threading.Thread(target=lambda name=name: [put(journal, f"{name}-{n}") for n in range(500)]) for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [frame["text"] for path in journals([directory]) for frame in frames(path) if frame["k"] == "error"]
    assert len(texts) == len(set(texts)) == 2000


def descriptor(journal: Journal) -> int:
    assert journal._file is not None
    return journal._file.fd


def test_a_closed_and_reused_descriptor_gets_none_of_our_bytes(journal: Journal, tmp_path: Path) -> None:
    """Daemonising code closes descriptors it does not know; the application's next file gets the number."""
    put(journal)
    number = descriptor(journal)
    os.close(number)
    other = os.open(tmp_path / "application.txt", os.O_CREAT | os.O_RDWR)
    try:
        assert other == number
        assert put(journal)
        assert os.path.getsize(tmp_path / "application.txt") == 0
    finally:
        os.close(other)


def test_a_closed_descriptor_is_replaced(journal: Journal) -> None:
    """Nothing is lost."""
    for text in "ab":
        put(journal, text)
        os.close(descriptor(journal))
    assert put(journal, "c")
    assert [frame.get("text") for frame in frames_of_all(journal)] == [None, "a", None, "b", None, "c"]


def test_a_reused_descriptor_beyond_our_position_is_found_out_at_once(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    put(journal)
    put(journal)
    assert journal._file is not None
    application = b"x" * (journal._file.position + 1)
    (tmp_path / "application.txt").write_bytes(application)
    os.close(journal._file.fd)
    other = os.open(tmp_path / "application.txt", os.O_RDWR | os.O_APPEND)
    try:
        os.lseek(other, 0, os.SEEK_END)
        assert put(journal)
        assert (tmp_path / "application.txt").read_bytes() == application
    finally:
        os.close(other)


@pytest.mark.parametrize("times", [1, 3])
def test_a_reused_descriptor_at_our_position_is_found_out(journal: Journal, tmp_path: Path, times: int) -> None:
    """The position is looked at first; soon after, the file itself."""
    for _ in range(times):
        put(journal)
    assert journal._file is not None
    (tmp_path / "application.txt").write_bytes(b"x" * journal._file.position)
    os.close(journal._file.fd)
    other = os.open(tmp_path / "application.txt", os.O_RDWR | os.O_APPEND)
    try:
        os.lseek(other, 0, os.SEEK_END)
        time.sleep(2 * LOOK_EVERY)
        assert put(journal)
        assert os.path.getsize(tmp_path / "application.txt") == os.lseek(other, 0, os.SEEK_CUR)
        assert b"k" not in (tmp_path / "application.txt").read_bytes()
    finally:
        os.close(other)


def test_a_deleted_file_is_replaced(journal: Journal) -> None:
    put(journal)
    first = journal.path
    os.unlink(first)
    time.sleep(2 * LOOK_EVERY)
    assert put(journal)
    assert journal.path != first
    assert len(frames(journal.path)) == 2


def test_the_next_directory_is_used_where_the_first_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    journal = Journal([str(tmp_path / "file" / "j"), str(tmp_path / "second")], lambda: OPENING)
    assert put(journal)
    assert journal.path.startswith(str(tmp_path / "second"))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be said on standard error."""
    lines: list[str] = []
    monkeypatch.setattr(telling, "tell", lines.append)
    return lines


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path, told: list[str]) -> None:
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(0o777)
    journal = Journal([str(directory)], lambda: OPENING)
    assert not put(journal)
    assert journal.lost == 1
    assert "others may write to it" in told[0]


def test_a_link_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert not put(Journal([str(tmp_path / "link")], lambda: OPENING))
    assert not os.listdir(tmp_path / "elsewhere")


class Failing:
    """Stands in for `os.write`: fails with *number* for files in *folder*, while it is set."""

    def __init__(self, folder: str, number: int = errno.ENOSPC) -> None:
        self.folder, self.number, self.short, self.failed = folder, number, False, 0
        self._write = os.write

    def __call__(self, fd: int, data: bytes) -> int:
        if self.number and os.readlink(f"/proc/self/fd/{fd}").startswith(self.folder):
            self.failed += 1
            if self.short:
                return self._write(fd, data[: len(data) // 2])
            raise OSError(self.number, os.strerror(self.number))
        return self._write(fd, data)


def test_a_full_disk_is_told_once_and_counted(
    journal: Journal, directory: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next frame says how many were lost before it; numbers show which."""
    put(journal)
    disk = Failing(directory)
    monkeypatch.setattr(os, "write", disk)
    assert [put(journal) for _ in range(3)] == [False] * 3
    disk.number = 0
    assert put(journal, "later")
    assert put(journal, "last")
    assert journal.lost == 3
    assert told == ["1 error could not be written to the journal: [Errno 28] No space left on device"]
    read = frames(journal.path)[1:]
    assert [(frame["n"], frame.get("lost_before")) for frame in read] == [(1, None), (5, 3), (6, None)]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_what_the_disk_does_not_take_goes_to_the_next_directory(
    tmp_path: Path, directory: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = str(tmp_path / "second")
    journal = Journal([directory, second], lambda: OPENING)
    put(journal, "1", name="s1")
    disk = Failing(directory, number)
    monkeypatch.setattr(os, "write", disk)
    assert put(journal, "2", name="s1")
    assert put(journal, "3", name="s1")
    disk.number = 0
    journal._detour = 1.0  # a second later
    assert put(journal, "4", name="s1")
    kinds = [[frame.get("text", frame["k"]) for frame in frames(path)] for path in journals([directory, second])]
    assert kinds == [["open", "stack", "1", "4"], ["open", "stack", "2", "3"]]
    assert journal.lost == 0


def test_a_frame_the_disk_took_in_part_is_written_whole_elsewhere(
    tmp_path: Path, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = str(tmp_path / "second")
    journal = Journal([directory, second], lambda: OPENING)
    put(journal, "1")
    disk = Failing(directory)
    disk.short = True
    monkeypatch.setattr(os, "write", disk)
    assert put(journal, "2")
    disk.number = 0
    journal._detour = 1.0
    assert put(journal, "3")
    assert [[frame.get("text") for frame in frames(path)[1:]] for path in journals([directory, second])] == [
        ["1", "3"],
        ["2"],
    ]


def test_the_third_directory_takes_what_the_second_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directories = [str(tmp_path / name) for name in ("a", "b", "c")]
    journal = Journal(directories, lambda: OPENING)
    put(journal, "1")
    monkeypatch.setattr(os, "write", Failing(directories[0]))
    assert put(journal, "2")
    number = journal._second and journal._second.fd
    monkeypatch.setattr(os, "write", Failing(directories[0][:-1]))
    assert not put(journal, "lost")
    monkeypatch.undo()
    monkeypatch.setattr(os, "write", Failing(directories[1]))
    journal._detour = 1.0
    assert put(journal, "3")
    monkeypatch.undo()
    monkeypatch.setattr(os, "write", FailingAll(directories[:2]))
    assert put(journal, "4")
    assert journal._second is not None
    assert (journal._second.folder.path, journal._second.fd) == (directories[2], number)
    monkeypatch.undo()
    monkeypatch.setattr(os, "write", Failing(directories[0]))
    journal._detour = 1.0
    assert put(journal, "5")
    found = {
        str(frame.get("text")): os.path.dirname(path) for path in journals(directories) for frame in frames(path)[1:]
    }
    assert found == dict(zip("12345", [directories[place] for place in (0, 1, 0, 2, 2)], strict=True))


class FailingAll:
    def __init__(self, folders: list[str]) -> None:
        self.disks = [Failing(folder) for folder in folders]
        self._write = os.write

    def __call__(self, fd: int, data: bytes) -> int:
        for disk in self.disks:
            if os.readlink(f"/proc/self/fd/{fd}").startswith(disk.folder):
                return disk(fd, data)
        return self._write(fd, data)


def test_a_medium_that_failed_is_left_alone_for_a_second(
    tmp_path: Path, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is tried again; the file that stood in for it is let go of once it has had nothing for a while."""
    second = str(tmp_path / "second")
    journal = Journal([directory, second], lambda: OPENING)
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    put(journal, "0")
    disk = Failing(directory)
    monkeypatch.setattr(os, "write", disk)
    for now[0], tried in ((100.0, 1), (100.5, 1), (100.9, 1), (101.1, 2), (101.5, 2), (102.2, 3)):
        assert put(journal, "elsewhere")
        assert disk.failed == tried
    (stood_in,) = journals([second])
    for now[0], released in ((103.0, False), (112.7, False), (113.3, True)):
        journal.tend()
        assert _abandoned(stood_in) == released
    assert not list(Path(directory).glob("*.reserve"))
    disk.number = 0
    assert put(journal, "1")
    assert [frame.get("text") for frame in frames(journal.path)[1:]] == ["0", "1"]
    assert len(frames(stood_in)) == 7


def test_a_medium_that_failed_is_used_at_once_where_the_one_that_stood_in_fails(
    tmp_path: Path, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = str(tmp_path / "second")
    journal = Journal([directory, second], lambda: OPENING)
    put(journal, "1")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", Failing(directory))
        assert put(journal, "2")
    disk = Failing(second)
    monkeypatch.setattr(os, "write", disk)
    assert put(journal, "3")
    assert put(journal, "4")
    assert disk.failed == 1
    assert [frame.get("text") for frame in frames(journal.path)[1:]] == ["1", "3", "4"]


def test_any_thread_lets_go_of_what_another_had_stand_in(
    tmp_path: Path, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = str(tmp_path / "second")
    journal = Journal([directory, second], lambda: OPENING)
    put(journal)
    monkeypatch.setattr(os, "write", Failing(directory))
    put(journal)
    monkeypatch.setattr(writing, "IDLE_AFTER", -10.0)
    thread = threading.Thread(target=journal.tend)
    thread.start()
    thread.join()
    assert [_abandoned(path) for path in journals([directory, second])] == [False, True]


def test_each_medium_is_tried_once_more_before_a_frame_is_lost(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third cannot be had: what stands in its way is a file."""
    directories = [str(tmp_path / name) for name in ("a", "b", "c")]
    Path(directories[2]).write_text("")
    journal = Journal(directories, lambda: OPENING)
    put(journal)
    disks = FailingAll(directories[:1])
    monkeypatch.setattr(os, "write", disks)
    assert put(journal)
    monkeypatch.undo()
    disks = FailingAll(directories[:2])
    monkeypatch.setattr(os, "write", disks)
    assert not put(journal)
    assert [disk.failed for disk in disks.disks] == [1, 2]


def test_the_file_itself_is_asked_for_now_and_then_only(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each write it would cost more than the write; its position is looked at instead."""
    now, asked, fstat = [100.0], [0], os.fstat

    def ask(fd: int) -> os.stat_result:
        asked.append(fd)
        return fstat(fd)

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    put(journal)
    put(journal)
    monkeypatch.setattr(os, "fstat", ask)
    for now[0], times in ((100.0, 0), (100.01, 0), (100.04, 0), (100.06, 1), (100.07, 1), (100.12, 2)):
        put(journal)
        assert len(asked) == 1 + times


def test_a_file_that_fails_alone_is_not_followed_by_one_beside_it(journal: Journal, told: list[str]) -> None:
    put(journal)
    disk = Failing(journal.path, errno.EIO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", disk)
        assert not put(journal)
    assert (disk.failed, len(os.listdir(os.path.dirname(journal.path)))) == (1, 1)


class Full(Failing):
    """A disk that takes more once the space set aside was given back."""

    def __call__(self, fd: int, data: bytes) -> int:
        self.number = errno.ENOSPC if any(name.endswith(".reserve") for name in os.listdir(self.folder)) else 0
        return super().__call__(fd, data)


def test_the_space_set_aside_is_given_back_to_a_full_disk(
    tmp_path: Path, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal([directory, str(tmp_path / "second")], lambda: OPENING)
    put(journal, "1")
    journal.tend()
    disk = Full(directory)
    monkeypatch.setattr(os, "write", disk)
    assert put(journal, "2")
    assert disk.failed == 1
    assert os.listdir(directory) == [os.path.basename(journal.path)]
    assert [frame.get("text") for frame in frames(journal.path)[1:]] == ["1", "2"]


def test_a_disk_that_fails_otherwise_leaves_it_where_it_is(
    journal: Journal, directory: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(journal)
    journal.tend()
    monkeypatch.setattr(os, "write", Failing(directory, errno.EIO))
    assert not put(journal)
    assert f"{os.path.basename(journal.path)}.reserve" in os.listdir(directory)


def test_a_file_that_has_reached_its_limit_is_followed_by_another(
    journal: Journal, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In which all is defined anew that errors refer to."""
    put(journal, "1", name="s1")
    first = journal.path
    monkeypatch.setattr(os, "write", Failing(first, errno.EFBIG))
    assert put(journal, "2", name="s1")
    kinds = [[frame.get("text", frame["k"]) for frame in frames(path)] for path in journals([directory])]
    assert kinds == [["open", "stack", "1"], ["open", "stack", "2"]]
    assert os.path.dirname(journal.path) == os.path.dirname(first)


def test_where_no_new_file_can_be_had_the_old_one_goes_on(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is asked for again after as much again, not at every frame."""
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 4096)
    put(journal)
    tries = []

    def create(*folder: object) -> None:
        tries.append(folder)
        refuse()

    monkeypatch.setattr(Journal, "_create", create)
    for _ in range(100):
        assert put(journal, "x" * 100)
    assert len(frames(journal.path)) == 102
    assert 2 <= len(tries) <= 4


def test_nobody_waits_for_one_who_opens_a_file(journal: Journal) -> None:
    """Another thread has the lock: what could be done is done the next time."""
    put(journal)
    first, begun, over = journal.path, threading.Event(), threading.Event()

    def hold() -> None:
        with journal._opening_lock:
            begun.set()
            over.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait()
    journal.tend()
    assert journal._file is not None
    journal._rotate(journal._file)
    assert put(journal)
    over.set()
    thread.join()
    assert journal.path == first
    assert os.listdir(os.path.dirname(first)) == [os.path.basename(first)]
    journal._rotate(journal._file)
    assert journal.path != first


def test_a_journal_goes_on_in_a_new_file_at_16_megabytes(journal: Journal) -> None:
    put(journal)
    first = journal.path
    assert journal._file is not None
    position = journal._file.size
    put(journal)
    each, journal._file.size = journal._file.size - position, 2**24 - (journal._file.size - position)
    put(journal)
    assert (journal.path, journal._file.size) == (first, 2**24)
    journal._file.size -= each - 1
    put(journal)
    assert journal.path != first


def test_no_new_file_gets_a_number_that_the_application_has(journal: Journal, tmp_path: Path) -> None:
    """It closed ours, and opened its own, before the journal was to go on in a new file."""
    put(journal)
    number = descriptor(journal)
    os.close(number)
    with open(tmp_path / "application.txt", "wb") as other:
        assert other.fileno() == number
        assert journal._file is not None
        journal._rotate(journal._file)
        other.write(b"its own")
    assert (tmp_path / "application.txt").read_bytes() == b"its own"


def test_any_thread_may_open_the_next_file(journal: Journal) -> None:
    thread = threading.Thread(target=put, args=[journal])
    thread.start()
    thread.join()
    journal.close()
    assert put(journal)
    assert journal._file is not None
    for work, args in ((journal._rotate, [journal._file]), (journal.tend, [])):
        thread = threading.Thread(target=work, args=args)
        thread.start()
        thread.join()
    first = journal.path
    journal._rotate(journal._file)
    assert journal.path != first


def test_one_who_logs_while_the_file_is_opened_writes_to_the_same(directory: str) -> None:
    """A signal handler, say."""
    texts = iter(["signal"])

    def opening() -> str:
        for text in texts:
            assert put(opened, text)
        return OPENING

    opened = Journal([directory], opening)
    assert put(opened, "main")
    assert [frame.get("text") for frame in frames(opened.path)] == [None, "signal", "main"]
    assert [path for path in journals([directory]) if not _abandoned(path)] == [opened.path]


def test_what_could_not_be_synced_is_synced_later(
    journal: Journal, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of the file once, its bytes whenever there are new ones."""
    synced: list[str] = []

    def sync(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        if len(synced) == 1:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", sync)
    monkeypatch.setattr(os, "fsync", sync)
    put(journal)
    journal.tend()
    assert synced == [journal.path]
    journal.tend()
    assert synced[1:] == [journal.path, directory]
    put(journal)
    journal.tend()
    assert synced[3:] == [journal.path]


@pytest.mark.parametrize("error", [RecursionError, MemoryError])
def test_what_may_be_tried_again_leaves_no_gap(
    journal: Journal, told: list[str], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it forgotten what was lost before it."""
    put(journal)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", Failing(os.path.dirname(journal.path)))
        put(journal, "lost")
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(file.File, "append", lambda *_: throw(error))
            with pytest.raises(error):
                put(journal)
    assert put(journal)
    assert put(journal)
    read = frames(journal.path)[1:]
    assert [(frame["n"], frame.get("lost_before")) for frame in read] == [(1, None), (3, 1), (4, None)]


def test_two_threads_may_want_the_same_number_that_was_left(journal: Journal) -> None:
    class Taken(list[int]):
        def pop(self, *index: Any) -> int:
            raise IndexError("by another thread, just now")

    journal._unused = Taken([7])
    assert put(journal)
    assert [frame["n"] for frame in frames(journal.path)[1:]] == [1]


def throw(error: type[Exception]) -> None:
    raise error


def opened_in(directory: str) -> int:
    """How many descriptors this process has of what is there: what other tests have left open is none of it."""
    fds = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    return sum(os.readlink(fd).startswith(directory) for fd in fds if os.path.lexists(fd))


def test_a_child_leaves_what_is_its_parents_alone(journal: Journal, directory: str) -> None:
    put(journal, "parent")
    journal.tend()
    before, open_before = sorted(os.listdir(directory)), opened_in(directory)
    child = os.fork()
    if not child:
        journal.tend()
        journal.close()
        unused = journal.path == "" and sorted(os.listdir(directory)) == before
        put(journal, "child")
        os._exit(0 if unused and opened_in(directory) == open_before else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert set(before) < set(os.listdir(directory))
    assert put(journal, "parent again")
    assert [frame.get("text") for frame in frames(journal.path)[1:]] == ["parent", "parent again"]


def test_space_is_set_aside_for_a_full_disk(journal: Journal, directory: str) -> None:
    """Real blocks, gone with the journal; it goes along when the journal goes on in a new file."""
    put(journal)
    journal.tend()
    (name,) = [name for name in os.listdir(directory) if name.endswith(".reserve")]
    status = os.stat(os.path.join(directory, name))
    assert status.st_blocks * 512 >= writing.RESERVE_BYTES >= 600 * 300
    assert name.removesuffix(".reserve") == os.path.basename(journal.path)
    assert journal._file is not None
    journal._rotate(journal._file)
    reserves = [name for name in os.listdir(directory) if name.endswith(".reserve")]
    assert reserves == [f"{os.path.basename(journal.path)}.reserve"]
    journal.close()
    assert not [name for name in os.listdir(directory) if name.endswith(".reserve")]


@pytest.mark.parametrize(("free", "set_aside"), [(0, False), (2**12 - 1, False), (2**12, True)])
def test_space_is_set_aside_only_where_there_is_plenty(
    journal: Journal, directory: str, free: int, set_aside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of a megabyte of at least two: an almost full disk is not filled up by us."""
    monkeypatch.setattr(os, "fstatvfs", lambda fd: SimpleNamespace(f_bavail=free, f_frsize=512))
    put(journal)
    journal.tend()
    assert [os.path.getsize(path) for path in Path(directory).glob("*.reserve")] == [2**18] * set_aside


def test_no_space_is_set_aside_where_the_system_cannot_do_so(
    journal: Journal, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS."""
    monkeypatch.delattr(os, "posix_fallocate")
    put(journal)
    journal.tend()
    assert os.listdir(directory) == [os.path.basename(journal.path)]


def test_a_child_sets_no_space_aside_for_its_parents_journal(journal: Journal, directory: str) -> None:
    put(journal)
    child = os.fork()
    if not child:
        journal.tend()
        os._exit(len(os.listdir(directory)) - 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_space_of_a_dead_process_goes_with_its_journal(journal: Journal, directory: str) -> None:
    put(journal)
    journal.tend()
    path = journal.path
    journal._reserve = None  # it was killed
    journal.close()
    with Reader(path) as reader:
        reader.remove()
    assert os.listdir(directory) == []


def test_space_whose_journal_is_gone_is_freed(journal: Journal, directory: str) -> None:
    put(journal)
    stale = os.path.join(directory, "j1-0000000000000001-1-000000000000.jsonl.reserve")
    Path(stale).write_bytes(b"")
    os.utime(stale, (0, 0))
    journal.tend()
    os.utime(f"{journal.path}.reserve", (0, 0))
    assert list(journals([directory])) == [journal.path]
    assert (os.path.exists(stale), os.path.exists(f"{journal.path}.reserve")) == (False, True)


def test_numbers_go_on_over_files_and_begin_anew_in_a_child(
    journal: Journal, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(journal)
    journal.close()
    assert journal.path == ""
    put(journal)
    assert journal._file is not None
    journal._rotate(journal._file)
    put(journal)
    numbers = [frame["n"] for path in journals([directory]) for frame in frames(path) if "n" in frame]
    assert numbers == [1, 2, 3]
    child = os.fork()
    if not child:
        put(journal)
        os._exit(0 if frames(journal.path)[1]["n"] == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_folder_deleted_and_one_put_in_its_place(journal: Journal, directory: str) -> None:
    put(journal)
    shutil.rmtree(directory)
    time.sleep(2 * LOOK_EVERY)
    assert put(journal, "anew")
    assert os.path.dirname(journal.path) == directory
    os.rename(directory, f"{directory}.old")
    os.mkdir(directory, 0o700)
    assert journal._file is not None
    journal._rotate(journal._file)
    assert put(journal, "in its place")
    assert [frame["text"] for path in journals([directory]) for frame in frames(path)[1:]] == ["in its place"]
    assert [frame["text"] for path in journals([f"{directory}.old"]) for frame in frames(path)[1:]] == ["anew"]


def test_a_journal_goes_on_where_its_path_leads_nowhere(journal: Journal, directory: str) -> None:
    """As after chroot, or when a folder above it was renamed."""
    put(journal, "before")
    os.rename(directory, f"{directory}.moved")
    assert journal._file is not None
    journal._rotate(journal._file)
    assert put(journal, "after")
    assert not os.path.exists(directory)
    read = [frame["text"] for path in journals([f"{directory}.moved"]) for frame in frames(path)[1:]]
    assert read == ["before", "after"]


def test_a_reader_trusts_no_folder_that_others_may_write_to(journal: Journal, directory: str, tmp_path: Path) -> None:
    put(journal)
    os.chmod(directory, 0o777)
    assert list(journals([directory])) == []
    with pytest.raises(PermissionError), Reader(journal.path):
        pass
    os.chmod(directory, 0o700)
    os.symlink(directory, tmp_path / "link")
    assert list(journals([str(tmp_path / "link")])) == []
    assert list(journals([directory])) == [journal.path]


def test_a_link_or_pipe_in_place_of_a_journal_is_not_followed(journal: Journal, directory: str, tmp_path: Path) -> None:
    put(journal)
    link, pipe = (os.path.join(directory, f"j1-000000000000000{n}-1-000000000000.jsonl") for n in (1, 2))
    os.symlink(journal.path, link)
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="symbolic links"), Reader(link):
        pass
    with Reader(pipe) as reader:
        assert not reader.abandoned


def test_an_error_can_survive_a_power_cut(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for, it is on the disk before the call returns; otherwise about a second later."""
    synced: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    journal.write('{"k":"error"}')
    assert synced == []
    journal.write('{"k":"error"}', sync=True)
    assert synced == [journal.path]
    journal.tend()
    assert synced == [journal.path]
    journal.write('{"k":"error"}')
    first = journal.path
    assert journal._file is not None
    journal._rotate(journal._file)
    journal.tend()
    assert synced[1:] == [first, journal.path]


def test_the_descriptors_of_a_journal_are_few(journal: Journal) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        put(journal)
        assert journal._file is not None
        journal._rotate(journal._file)
        journal.tend()
    assert not os.get_inheritable(descriptor(journal))
    journal._spare.release()  # another descriptor was needed
    journal.tend()
    assert len(os.listdir("/proc/self/fd")) - before == 3  # the file, its folder, one to spare
    journal.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_journal_is_opened_where_no_descriptor_is_left(journal: Journal, tmp_path: Path) -> None:
    put(journal)
    with no_descriptors():
        assert journal._file is not None
        first = journal.path
        journal._rotate(journal._file)
        assert put(journal)
        assert journal.path != first


def test_the_spare_descriptor_is_used_where_no_more_are_allowed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(journal)
    first = journal.path
    monkeypatch.setattr(writing, "a_few_more", contextlib.nullcontext)
    with no_descriptors():
        assert journal._file is not None
        journal._rotate(journal._file)
        assert journal.path != first


def test_even_the_first_error_is_kept_where_no_descriptor_is_left(journal: Journal) -> None:
    with no_descriptors():
        assert put(journal)
    assert len(frames(journal.path)) == 2


def test_the_limit_of_descriptors_is_the_applications_again(journal: Journal) -> None:
    with no_descriptors():
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert put(journal)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


@pytest.mark.parametrize(
    ("hard", "raised"), [(1024, 264), (260, 260), (256, 256), (0, 0), (resource.RLIM_INFINITY, 264)]
)
def test_the_limit_of_descriptors_is_raised_as_far_as_the_administrator_allows(hard: int, raised: int) -> None:
    assert more(256, hard) == raised


def test_the_spare_descriptor_is_not_closed_when_the_application_has_its_number(
    journal: Journal, directory: str
) -> None:
    put(journal)
    (number,) = {int(fd) for fd in os.listdir("/proc/self/fd") if _leads_to(fd) == directory} - {
        journal._folders[0]._fd
    }
    os.close(number)
    other = os.open(os.devnull, os.O_RDONLY)
    assert other == number
    journal.close()
    os.close(other)


def _leads_to(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:  # the one that the list was read from
        return ""


def test_from_three_quarters_of_the_quota_on_there_is_pressure(journal: Journal, directory: str) -> None:
    """It is measured when a file is opened, and about each second: a process may end before it is tended."""
    put(journal, "x" * 100_000)
    journal.tend()
    size = sum(os.stat(entry).st_blocks * 512 for entry in os.scandir(directory))
    for share, pressure in ((0.76, True), (0.74, False)):
        journal.quota = int(size / share)
        journal.tend()
        assert journal.pressure == pressure
    other = Journal([directory], lambda: OPENING)
    other.quota = size
    put(other)
    assert other.pressure
    other.quota = 2 * size
    assert other._file is not None
    other._rotate(other._file)
    assert not other.pressure
    other.close()


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Other tests of this process may have left more open than a low limit allows.
    most = max(256, 1 + max(map(int, os.listdir("/proc/self/fd"))))
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_child_that_can_open_nothing_writes_to_its_parents_journal(
    journal: Journal, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(journal, "parent")
    child = os.fork()
    if not child:
        monkeypatch.setattr(Journal, "_create", refuse)
        os._exit(0 if put(journal, "child") and put(journal, "child again") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    put(journal, "parent again")
    texts = [[frame.get("text") for frame in frames(path)[1:]] for path in journals([directory])]
    assert texts == [["parent", "child", "child again", "parent again"]]


def test_what_neither_a_child_nor_its_parent_can_write_goes_to_the_next_directory(
    tmp_path: Path, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = str(tmp_path / "second")
    journal = Journal([directory, second], lambda: OPENING)
    put(journal, "parent")
    child = os.fork()
    if not child:
        monkeypatch.setattr(os, "write", Failing(directory))
        os._exit(0 if put(journal, "child") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    texts = [[frame.get("text") for frame in frames(path)[1:]] for path in journals([directory, second])]
    assert texts == [["parent"], ["child"]]


def refuse(*_: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")


def test_standard_error_that_was_reused_is_not_written_to(tmp_path: Path) -> None:
    code = """
import os, sys
from llama_logging.journal.telling import tell
tell("seen")
os.close(2)
assert os.open("application.txt", os.O_CREAT | os.O_WRONLY) == 2
tell("not seen")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True)
    assert done.stderr == b"llama_logging: seen\n"
    assert (tmp_path / "application.txt").read_bytes() == b""


def test_a_forked_child_writes_to_a_journal_of_its_own(journal: Journal, directory: str) -> None:
    put(journal, "parent")
    child = os.fork()
    if not child:
        os._exit(0 if put(journal, "child") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    put(journal, "parent again")
    texts = [[frame.get("text") for frame in frames(path)[1:]] for path in journals([directory])]
    assert sorted(texts) == [["child"], ["parent", "parent again"]]


def test_a_signal_handler_may_write(journal: Journal) -> None:
    previous = signal.signal(signal.SIGALRM, lambda *_: put(journal, "signal"))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        deadline = time.monotonic() + 0.3
        count = 0
        while time.monotonic() < deadline:
            put(journal, "main")
            count += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    read = [frame.get("text") for frame in frames_of_all(journal)]
    assert read.count("main") == count
    assert "signal" in read
    assert journal.lost == 0


def frames_of_all(journal: Journal) -> list[dict[str, object]]:
    return [frame for path in journals([os.path.dirname(journal.path)]) for frame in _all(path)]


def _all(path: str) -> list[dict[str, object]]:
    with open(path, "rb") as file:
        return [json.loads(frame) for frame in unseal(file.read())[0]]


def test_what_died_while_it_was_made_is_removed(
    journal: Journal, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute later."""
    put(journal)
    stale = os.path.join(directory, "j1-0000000000000001-1-000000000000.jsonl.new")
    fresh = os.path.join(directory, "j1-0000000000000002-1-000000000000.jsonl.new")
    for path, moment in ((stale, 939.5), (fresh, 940)):
        Path(path).write_bytes(b"")
        os.utime(path, (moment, moment))
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert list(journals([directory])) == [journal.path]
    assert (os.path.exists(stale), os.path.exists(fresh)) == (False, True)


def test_foreign_files_are_left_alone(directory: str) -> None:
    os.makedirs(directory)
    Path(directory, "notes.txt").write_text("mine")
    assert list(journals([directory])) == []
    assert os.listdir(directory) == ["notes.txt"]


def test_every_registry_has_directories_of_its_own() -> None:
    one, other = directories_for("/srv/a/errors.db"), directories_for("/srv/b/errors.db")
    assert one[0] == "/srv/a/errors.db.journal"
    assert not set(one) & set(other)


@pytest.mark.parametrize(
    ("variables", "state"),
    [
        ({"LLAMA_LOGGING_DIR": "/own", "STATE_DIRECTORY": "/unit", "XDG_STATE_HOME": "/xdg"}, "/own"),
        ({"STATE_DIRECTORY": "/unit", "XDG_STATE_HOME": "/xdg"}, "/unit"),
        ({"STATE_DIRECTORY": "/unit:/other"}, "/unit"),
        ({"XDG_STATE_HOME": "/xdg"}, "/xdg/llama_logging"),
        ({"XDG_STATE_HOME": "xdg"}, "/home/ada/.local/state/llama_logging"),
        # As of a user whom nothing knows: a folder named ~ was made wherever a process stood.
        ({"HOME": "~"}, "/.local/state/llama_logging"),
        ({}, "/home/ada/.local/state/llama_logging"),
    ],
)
def test_journals_lie_beside_the_registry_else_among_the_users_state_else_in_memory(
    variables: dict[str, str], state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LLAMA_LOGGING_DIR", "STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/ada", "XDG_RUNTIME_DIR": str(tmp_path), **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(places, "_SHARED_MEMORY", str(tmp_path))
    name = f"errors.db-{zlib.crc32(b'/srv/errors.db'):08x}"
    assert directories_for("/srv/errors.db") == [
        "/srv/errors.db.journal",
        f"{state}/journal/{name}",
        f"{tmp_path}/llama_logging/{name}",
        f"{tmp_path}/llama_logging-{os.geteuid()}-{name}",
    ]
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"{tmp_path}/none")
    monkeypatch.setattr(places, "_SHARED_MEMORY", f"{tmp_path}/none")
    assert directories_for("/srv/errors.db")[1:] == [f"{state}/journal/{name}"]


def test_the_environment_of_a_user_that_the_process_was_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But what names the folder of a service holds for all users that it has."""
    monkeypatch.setattr(state, "_started_as", os.geteuid() + 1)
    monkeypatch.setattr(places, "_SHARED_MEMORY", f"{tmp_path}/none")
    for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    assert state.state_folder() == f"{tmp_path}/state"
    monkeypatch.delenv("LLAMA_LOGGING_DIR")
    assert state.state_folder() == f"{pwd.getpwuid(os.geteuid()).pw_dir}/.local/state/llama_logging"
    assert not any(str(tmp_path) in folder for folder in directories_for("/srv/errors.db"))


@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_a_folder_that_any_other_may_write_to_is_refused(directory: str, mode: int) -> None:
    os.mkdir(directory)
    os.chmod(directory, mode)
    with pytest.raises(PermissionError, match="others may write to it"):
        Folder(directory).enter()
    assert opened_in(directory) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_root_reads_what_others_own_but_not_where_anybody_could_have_put_it(directory: str, tmp_path: Path) -> None:
    os.mkdir(directory, 0o755)
    os.chown(directory, 65534, 65534)
    tmp_path.chmod(0o775)
    with pytest.raises(PermissionError, match="belongs to another user"):
        Folder(directory).enter()
    reader = Folder(directory, reading=True)
    reader.enter()
    reader.leave()
    tmp_path.chmod(0o1777)
    with pytest.raises(PermissionError, match="belongs to another user"):
        reader.enter()


def test_a_file_in_place_of_the_folder_is_refused(directory: str) -> None:
    Path(directory).write_text("")
    with pytest.raises(NotADirectoryError):
        Folder(directory).enter()
    assert Path(directory).read_text() == ""


def test_a_pipe_in_place_of_the_folder_is_not_waited_for(directory: str) -> None:
    os.mkfifo(directory)
    with pytest.raises(NotADirectoryError):
        Folder(directory).enter()


def test_a_folder_that_is_held_is_not_opened_again(directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be no descriptor left."""
    folder = Folder(directory)
    folder.enter()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        folder.enter()
    folder.leave()


def test_nobody_sees_a_journal_before_it_is_locked(
    journal: Journal, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader would take it for that of a dead process, and remove it."""
    seen, write = [], os.write

    def look(fd: int, data: bytes) -> int:
        seen.append(list(journals([directory])))
        return write(fd, data)

    monkeypatch.setattr(os, "write", look)
    put(journal)
    assert seen == [[], [journal.path]]


def test_the_space_that_journals_take_is_that_of_their_blocks(directory: str) -> None:
    """Of all files of ours, and of no other; a hole takes none."""
    folder = Folder(directory)
    folder.enter()
    for number, size in enumerate((10_000, 50_000)):
        Path(directory, f"j1-000000000000000{number}-1-000000000000.jsonl").write_bytes(b"x" * size)
    Path(directory, "notes.txt").write_bytes(b"x" * 100_000)
    with open(Path(directory, "j1-0000000000000002-1-000000000000.jsonl"), "wb") as hole:
        hole.truncate(10**6)
    os.symlink("notes.txt", Path(directory, "j1-0000000000000003-1-000000000000.jsonl"))
    blocks = [os.stat(Path(directory, name), follow_symlinks=False).st_blocks for name in folder.names()]
    assert len(blocks) == 4
    assert 60_000 <= folder.size() == 512 * sum(blocks) < 100_000
    folder.leave()


@pytest.mark.parametrize("system", ["no locks", "none on this file system", "no descriptors of folders"])
def test_journals_are_written_and_read_on_other_systems(
    journal: Journal, directory: str, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be locked, nothing is taken for abandoned, and nobody rewrites."""
    if system == "no locks":
        monkeypatch.setattr(folders, "fcntl", None)
        monkeypatch.setattr(folders, "HAS_LOCKS", False)
    elif system == "no descriptors of folders":
        monkeypatch.setattr(folders, "_HAS_DESCRIPTORS", False)
        monkeypatch.setattr(folders, "_FLAGS", os.O_NOFOLLOW)
        monkeypatch.chdir("/")
    else:
        monkeypatch.setattr(fcntl, "flock", lambda *_: no_locks())
    put(journal, "1")
    assert journal._file is not None
    journal._rotate(journal._file)
    put(journal, "2")
    journal.close()
    paths = list(journals([directory]))
    assert [[frame.get("text") for frame in frames(path)[1:]] for path in paths] == [["1"], ["2"]]
    assert [_abandoned(path) for path in paths] == [system == "no descriptors of folders"] * 2
    with Reader(paths[0]) as reader:
        with reader.undisturbed() as reading:
            assert reading
        with reader.undisturbed(alone=True) as alone:
            assert not alone
        reader.remove()
    assert list(journals([directory])) == paths[1:]
    os.chmod(directory, 0o777)
    assert list(journals([directory])) == []


def no_locks() -> None:
    raise OSError(errno.ENOLCK, "No locks available")


def test_a_folder_is_the_same_wherever_it_is_moved(directory: str) -> None:
    folder, name = Folder(directory), "j1-0000000000000001-1-000000000000.jsonl"
    os.mkdir(f"{directory}.older", 0o700)
    folder.enter()
    os.mkdir(f"{directory}.newer", 0o700)
    os.rename(directory, f"{directory}.moved")
    os.close(folder.open(name, os.O_CREAT | os.O_WRONLY))
    folder.rename(name, f"{name}.new")
    assert folder.names() == os.listdir(f"{directory}.moved") == [f"{name}.new"]
    assert folder.status(f"{name}.new").st_size == 0
    assert folder.unlink(f"{name}.new")
    assert not folder.unlink(f"{name}.new")
    for other in ("older", "newer"):
        os.rename(f"{directory}.{other}", directory)
        before = len(os.listdir("/proc/self/fd"))
        folder.enter()
        os.close(folder.open(name, os.O_CREAT | os.O_WRONLY))
        assert folder.names() == os.listdir(directory) == [name]
        assert len(os.listdir("/proc/self/fd")) == before
        os.rename(directory, f"{directory}.{other}")
    folder.leave()


def test_a_folder_lets_go_of_no_file_of_the_applications(directory: str, tmp_path: Path) -> None:
    folder = Folder(directory)
    folder.enter()
    number = folder._fd
    assert number is not None
    os.close(number)
    with open(tmp_path / "application.txt", "wb") as other:
        assert other.fileno() == number
        folder.leave()
        other.write(b"still open")
    folder.enter()
    assert folder._fd is not None
    os.close(folder._fd)
    folder.leave()


@pytest.mark.parametrize(("short", "reason"), [(False, "No space left on device"), (True, "took only a part of it")])
def test_folders_above_are_made_and_what_cannot_be_begun_leaves_nothing(
    tmp_path: Path, told: list[str], short: bool, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = str(tmp_path / "a" / "b" / "journal")
    journal = Journal([directory], lambda: OPENING)
    disk = Failing(directory)
    disk.short = short
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", disk)
        assert not put(journal)
        before = len(os.listdir("/proc/self/fd"))
        assert not put(journal)
    assert (len(os.listdir("/proc/self/fd")), os.listdir(directory)) == (before, [])
    assert reason in told[0]
    assert disk.failed == 2
    assert put(journal)
    assert fcntl.fcntl(descriptor(journal), fcntl.F_GETFL) & os.O_APPEND


def test_later_journals_sort_after_earlier_ones(directory: str) -> None:
    folder = Folder(directory)
    folder.enter()
    names = [new_name() for _ in range(20)]
    for name in reversed(names):
        Path(directory, name).touch()
    assert folder.names() == sorted(names) == names
    folder.leave()


def test_killed_processes_lose_nothing(directory: str) -> None:
    """Ten processes are killed in a storm of four threads; what they said is done is there."""
    code = f"""
import sys, threading
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from tests.test_journal import Journal, put
journal = Journal([{directory!r}], lambda: '{{"k":"open"}}')
def work(name):
    for number in range(10**9):
        put(journal, f"{{name}}-{{number}}")
        sys.stdout.write(f"{{name}}-{{number}}\\n")
for name in "abcd":
    threading.Thread(target=work, args=[sys.argv[1] + name], daemon=True).start()
threading.Event().wait()
"""
    said: set[str] = set()
    for turn in range(10):
        process = subprocess.Popen([sys.executable, "-u", "-c", code, str(turn)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said.add(process.stdout.readline().strip())
        time.sleep(0.02 * turn)
        process.send_signal(signal.SIGKILL)
        said.update(line for line in process.stdout.read().split("\n")[:-1])
        process.wait()
        process.stdout.close()
    written = {str(frame.get("text")) for path in journals([directory]) for frame in _all(path)}
    assert len(said) > 100
    assert said <= written


def test_the_checksum_is_of_what_stands_before_it() -> None:
    body = b'{"k":"error"'
    assert seal('{"k":"error"}') == b'\n%b,"crc":"%08x"}\n' % (body, zlib.crc32(body))
