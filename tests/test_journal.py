from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_logging import journal as journal_module
from llama_logging.journal import Journal, Reader, directories_for, journals, seal, unseal

OPENING = '{"k":"open"}'


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "errors.db.journal")


@pytest.fixture
def journal(directory: str) -> Journal:
    return Journal([directory], lambda: OPENING)


def put(journal: Journal, text: str = "x", name: str = "") -> bool:
    return journal.write(json.dumps({"k": "error", "text": text}), name, json.dumps({"k": "stack", "name": name}))


def frames(path: str) -> list[dict[str, object]]:
    with Reader(path) as reader:
        return [json.loads(frame) for frame in reader.read(0).frames]


def test_nothing_is_opened_before_the_first_write(journal: Journal, directory: str) -> None:
    assert not os.path.exists(directory)
    assert put(journal)
    assert os.listdir(directory) == [os.path.basename(journal.path)]


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
            read, start = read + len(piece.frames), piece.end
    assert read == 51


def test_a_large_journal_goes_on_in_a_new_file(
    journal: Journal, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 4096)
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
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 50_000)
    threads = [
        threading.Thread(target=lambda name=name: [put(journal, f"{name}-{n}") for n in range(500)]) for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [frame["text"] for path in journals([directory]) for frame in frames(path) if frame["k"] == "error"]
    assert len(texts) == len(set(texts)) == 2000


def test_a_closed_and_reused_descriptor_gets_none_of_our_bytes(journal: Journal, tmp_path: Path) -> None:
    """Daemonising code closes descriptors it does not know; the application's next file gets the number."""
    put(journal)
    os.close(journal._fd)
    other = os.open(tmp_path / "application.txt", os.O_CREAT | os.O_RDWR)
    try:
        assert other == journal._fd
        assert put(journal)
        assert os.path.getsize(tmp_path / "application.txt") == 0
    finally:
        os.close(other)


@pytest.mark.parametrize("times", [1, 3])
def test_a_reused_descriptor_at_our_position_is_found_out(journal: Journal, tmp_path: Path, times: int) -> None:
    """The position is looked at first; soon after, the file itself."""
    for _ in range(times):
        put(journal)
    (tmp_path / "application.txt").write_bytes(b"x" * journal._position)
    os.close(journal._fd)
    other = os.open(tmp_path / "application.txt", os.O_RDWR | os.O_APPEND)
    try:
        os.lseek(other, 0, os.SEEK_END)
        time.sleep(2 * journal_module.LOOK_EVERY)
        assert put(journal)
        assert os.path.getsize(tmp_path / "application.txt") == os.lseek(other, 0, os.SEEK_CUR)
        assert b"k" not in (tmp_path / "application.txt").read_bytes()
    finally:
        os.close(other)


def test_a_deleted_file_is_replaced(journal: Journal) -> None:
    put(journal)
    first = journal.path
    os.unlink(first)
    time.sleep(2 * journal_module.LOOK_EVERY)
    assert put(journal)
    assert journal.path != first
    assert len(frames(journal.path)) == 2


def test_the_next_directory_is_used_where_the_first_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    journal = Journal([str(tmp_path / "file" / "j"), str(tmp_path / "second")], lambda: OPENING)
    assert put(journal)
    assert journal.path.startswith(str(tmp_path / "second"))


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(0o777)
    journal = Journal([str(directory)], lambda: OPENING)
    assert not put(journal)
    assert journal.lost == 1
    assert "others may write to it" in capsys.readouterr().err


def test_a_link_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert not put(Journal([str(tmp_path / "link")], lambda: OPENING))
    assert not os.listdir(tmp_path / "elsewhere")


def test_a_full_disk_is_told_once_and_counted(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    put(journal)
    full = os.open("/dev/full", os.O_WRONLY)
    saved = os.dup(journal._fd)
    os.dup2(full, journal._fd)
    journal._device, journal._inode = os.fstat(full).st_dev, os.fstat(full).st_ino
    assert not put(journal)
    assert not put(journal)
    os.dup2(saved, journal._fd)
    os.close(full)
    os.close(saved)
    assert journal.lost == 2
    assert capsys.readouterr().err.count("No space left") == 1


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


def test_what_died_while_it_was_made_is_removed(journal: Journal, directory: str) -> None:
    put(journal)
    stale = os.path.join(directory, "j1-0000000000000001-1-000000000000.jsonl.new")
    fresh = os.path.join(directory, "j1-0000000000000002-1-000000000000.jsonl.new")
    for path in (stale, fresh):
        Path(path).write_bytes(b"")
    os.utime(stale, (0, 0))
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
