"""Faults that an application, its machine or its owner can make: nothing is lost, escapes, hangs or gets foreign bytes.

Each runs in a process of its own, whose standard error must stay empty.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from llama_logging.context import ErrorContext
from llama_logging.ids import new_id
from llama_logging.ingest import waiting
from llama_logging.journal.framing import seal, unseal
from llama_logging.journal.places import directories_for
from llama_logging.journal.reading import Reader, journals
from llama_logging.opening import open_registry
from llama_logging.pipeline import pipeline_for
from llama_logging.stores import urls
from tests.conftest import Finished, Run, make_context

PRELUDE = """
import logging, os, resource, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")  # forks beside threads are the point
from llama_logging.handlers import RegistryHandler

acked, escaped = [], []

def install(**options):
    global handler, journal, log
    handler = RegistryHandler(**options)
    journal = handler.pipeline.journal
    log = logging.getLogger("app")
    log.propagate = False
    log.addHandler(handler)

def fail(text):
    raise ValueError(text)

def error(text="x"):
    try:
        try:
            fail(text)
        except ValueError:
            log.exception("it failed")
        acked.append(text)
    except BaseException as problem:
        escaped.append(repr(problem))

def wait_for(what):
    until = time.monotonic() + 30
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)

def fill(disk, *sizes):
    filler = os.open(f"{disk}/filler", os.O_CREAT | os.O_WRONLY)
    for size in sizes:
        try:
            while True:
                os.write(filler, b"x" * size)
        except OSError:
            pass
    return filler

def reserve():
    return journal._reserve is not None

def done():
    text = f"{len(acked)} acked, {journal.lost} lost, escaped: {escaped}\\n".encode()
    for _ in range(9):  # some of the faults hit this too
        try:
            text = text[os.write(1, text):]
        except OSError:
            pass
"""
QUIET = "install()\nhandler.pipeline.ingester._started = True\n"


def acked(done: Finished) -> int:
    """How many logging calls returned, all well."""
    assert (done.code, done.err) == (0, "")
    count = done.out.partition(" ")[0]
    assert done.out == f"{count} acked, 0 lost, escaped: []\n"
    return int(count)


def strace() -> str:
    """The path of strace, if it may be used."""
    found = shutil.which("strace")
    if not found or subprocess.run([found, "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace is not installed, or not permitted")
    return found


def recorded(store: str = "sqlite:///llama_logging.db") -> list[ErrorContext]:
    opened = open_registry(urls.parse(store))
    found = opened.errors(limit=1_000_000)
    opened.close()
    return found


def test_a_disk_that_fills_up_and_is_freed(small_disk: Path, run: Run) -> None:
    """ENOSPC: the next folder takes what the disk does not."""
    code = f"""
install(store="sqlite:///{small_disk}/errors.db")
for number in range(100):
    error(number)
filler = fill("{small_disk}", 4096)
for number in range(100):
    error(number)
os.unlink("{small_disk}/filler")
os.close(filler)
for number in range(200):
    error(number)
done()
"""
    assert acked(run("-c", PRELUDE + code)) == 400
    assert len(recorded(f"sqlite:///{small_disk}/errors.db")) == 400


def test_a_full_disk_is_said_to_be_full(small_disk: Path, run: Run, cli: Run) -> None:
    """SQLite, which has no room for its shared memory, speaks of an error."""
    store = f"sqlite:///{small_disk}/errors.db"
    assert acked(run("-c", PRELUDE + f"install(store='{store}')\nerror()\ndone()")) == 1
    assert len(recorded(store)) == 1
    with contextlib.suppress(OSError), open(f"{small_disk}/filler", "wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
    assert f"{store}: the disk is full (disk I/O error)" in cli("list", "--store", store).err


def test_the_space_set_aside_is_used_where_there_is_no_other_folder(small_disk: Path, run: Run) -> None:
    code = f"""
from llama_logging.journal import places
places._SHARED_MEMORY = "/nowhere"
install(store="sqlite:///{small_disk}/errors.db")
error()
wait_for(reserve)
filler = fill("{small_disk}", 4096)
for number in range(300):
    error(number)
done()
"""
    state = str(small_disk / "state")
    assert acked(run("-c", PRELUDE + code, LLAMA_LOGGING_DIR=state, XDG_RUNTIME_DIR="/nowhere")) == 301
    os.unlink(small_disk / "filler")
    assert len(recorded(f"sqlite:///{small_disk}/errors.db")) == 301


def test_what_nothing_takes_is_counted_and_told_once(small_disk: Path, run: Run) -> None:
    code = f"""
from llama_logging.journal import places
places._SHARED_MEMORY = "/nowhere"
install(store="sqlite:///{small_disk}/errors.db")
handler.pipeline.ingester._started = True
error()
filler = fill("{small_disk}", 4096, 1)
for number in range(100):
    error(number)
os.unlink("{small_disk}/filler")
os.close(filler)
error()
done()
"""
    state = str(small_disk / "state")
    done = run("-c", PRELUDE + code, LLAMA_LOGGING_DIR=state, XDG_RUNTIME_DIR="/nowhere")
    assert done.err.count("\n") == 1
    assert "1 error could not be written to the journal: [Errno 28]" in done.err
    lost = int(done.out.split()[2])
    assert lost > 0
    (path,) = journals(directories_for(f"{small_disk}/errors.db"))
    with Reader(path) as reader:
        assert f'"lost_before":{lost}' in reader.read(0).frames[-1]
    assert len(recorded(f"sqlite:///{small_disk}/errors.db")) == 102 - lost


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", path], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"mount is not permitted: {made.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_a_limit_on_the_size_of_files(run: Run) -> None:
    """EFBIG: the journal goes on in a new file."""
    code = """
install()
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
for number in range(2000):
    error(number)
done()
"""
    assert acked(run("-c", PRELUDE + code)) == len(recorded()) == 2000


@pytest.mark.parametrize("fault", ["error=EIO", "error=ENOSPC", "error=EROFS", "retval=10"])
def test_a_disk_that_fails_now_and_then(run: Run, tmp_path: Path, fault: str) -> None:
    """Every seventh write fails, or is a short one."""
    (tmp_path / "fault.py").write_text(f"{PRELUDE}{QUIET}for number in range(300): error(number)\ndone()\n")
    inject = ["-f", "-qq", "-o", os.devnull, "-e", "trace=write", "-e", f"inject=write:{fault}:when=7+7"]
    done = subprocess.run(
        [strace(), *inject, sys.executable, "fault.py"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    if fault == "retval=10":  # the report itself was cut, too
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert acked(Finished(done.returncode, done.stdout, done.stderr)) == 300
    assert len(recorded()) == 300


def test_an_ingester_killed_at_any_of_its_steps(store_url: urls.StoreURL, cli: Run) -> None:
    """Killed at the Nth write to the database, sync or deletion; what is left is brought in later, once."""
    pipeline = pipeline_for(store_url)
    expected = 0
    for number in (1, 2, 3, 5, 8, 12, 17, 21, 25, 30):
        pipeline.ingester._started = True
        for _ in range(20):
            pipeline.add(make_context())
            expected += 1
        pipeline.journal.close()
        calls = "pwrite64,fdatasync,unlink,unlinkat,ftruncate"
        command = [strace(), "-f", "-qq", "-o", os.devnull, "-e", f"trace={calls}"]
        command += ["-e", f"inject={calls}:signal=SIGKILL:when={number}"]
        command += [sys.executable, "-m", "llama_logging", "ingest", "--store", store_url.url]
        subprocess.run(command, capture_output=True, check=False)
    assert len(recorded(store_url.url)) == expected
    store = open_registry(store_url)
    assert sum(group.count for group in store.groups()) == expected
    assert store.health().problems == ()
    store.close()
    assert list(journals(directories_for(store_url.path))) == []


def test_no_descriptor_is_left_and_then_a_fork(run: Run) -> None:
    """Also for the very first error, and in a child."""
    code = """
install()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
for number in range(50):
    error(number)
child = os.fork()
if not child:
    error("child")
    os._exit(len(escaped) + journal.lost)
assert os.waitpid(child, 0)[1] == 0
error()
for fd in taken:
    os.close(fd)
done()
"""
    assert acked(run("-c", PRELUDE + code)) == 51
    assert len(recorded()) == 52


def test_random_damage_to_journals_costs_only_the_damaged_frames(store_url: urls.StoreURL) -> None:
    """300 of them, each cut off or with bits flipped; the reader never raises."""
    rng, directory = random.Random(7), directories_for(store_url.path)[0]
    os.makedirs(directory, 0o700)
    whole: set[str] = set()
    everything: set[str] = set()
    for number in range(300):
        ids = [new_id() for _ in range(8)]
        sealed = [seal(_error(each)) for each in ids]
        data = bytearray(b"".join(sealed))
        touched = {rng.randrange(len(data)) for _ in range(rng.randrange(4))}
        for at in touched:
            data[at] ^= 1 << rng.randrange(8)
        end = rng.choice([len(data), rng.randrange(len(data))])
        position = 0
        for each, frame in zip(ids, sealed, strict=True):
            if position + len(frame) <= end and not touched & set(range(position, position + len(frame))):
                whole.add(each)
            position += len(frame)
        everything.update(ids)
        Path(directory, f"j1-{number:016x}-1-000000000000.jsonl").write_bytes(data[:end])
        unseal(bytes(data[:end]))
    found = {context.error_id for context in recorded(store_url.url)}
    assert whole <= found <= everything
    assert list(journals([directory])) == []


def _error(error_id: str) -> str:
    return (
        f'{{"k":"error","id":"{error_id}","ts":1772366400000000,"sev":40,"proc":"p","fp":"v1:0","type":"ValueError",'
        '"stack":"s","msg":"x","logger":"app"}'
    )


def test_a_damaged_database_harms_nobody(store_url: urls.StoreURL) -> None:
    """What is logged meanwhile is brought in, or stays in the journal."""
    rng = random.Random(3)
    pipeline = pipeline_for(store_url)
    for _ in range(50):
        pipeline.add(make_context())
    open_registry(store_url).close()
    pipeline.close()
    healthy = Path(store_url.path).read_bytes()
    for _ in range(20):
        data = bytearray(healthy)
        for _ in range(rng.randrange(1, 40)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        Path(store_url.path).write_bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(store_url.path + suffix)
        assert pipeline.add(make_context())
        pipeline.close()


@pytest.mark.parametrize("leap", [-366 * 86_400, 366 * 86_400])
def test_a_clock_that_leaps_by_a_year(run: Run, leap: int) -> None:
    """Ids stay unique, and no journal is taken for one that was left behind."""
    code = f"""
install()
error("before")
real, real_ns = time.time, time.time_ns
time.time, time.time_ns = lambda: real() + {leap}, lambda: real_ns() + {leap} * 10**9
for number in range(100):
    error(number)
    if number % 10 == 0:
        journal._rotate(journal._file)
wait_for(reserve)
time.time, time.time_ns = real, real_ns
error("after")
done()
"""
    assert acked(run("-c", PRELUDE + code)) == 102
    found = recorded()
    assert len({context.error_id for context in found}) == 102
    assert len({context.timestamp.year for context in found}) == 2


def test_forks_while_threads_log(run: Run) -> None:
    """A lock that another thread holds at the fork stays locked in the child for ever: there must be none."""
    code = """
install()
going = True
def storm(name):
    while going:
        error(name)
        time.sleep(0.0005)
threads = [threading.Thread(target=storm, args=[name]) for name in "ab"]
for thread in threads:
    thread.start()
for number in range(150):
    child = os.fork()
    if not child:
        escaped.clear()
        error(f"child {number}")
        os._exit(len(escaped) + journal.lost)
    assert os.waitpid(child, 0)[1] == 0
going = False
for thread in threads:
    thread.join()
done()
"""
    count = acked(run("-c", PRELUDE + code))
    found = [context.error_message for context in recorded()]
    assert len(found) == count + 150
    assert {f"child {number}" for number in range(150)} <= set(found)


def test_a_fork_that_runs_no_hooks(run: Run) -> None:
    """As uWSGI's: ids, numbers and journal are the child's own all the same.

    Without a thread beside it: such a fork may catch that one within a lock of the interpreter's.
    """
    code = """
import ctypes
install()
handler.pipeline.ingester._started = True
error("parent")
fork = ctypes.PyDLL(None).fork
child = fork()
if not child:
    error("child")
    os._exit(len(escaped) + journal.lost)
assert os.waitpid(child, 0)[1] == 0
error("parent again")
done()
"""
    assert acked(run("-c", PRELUDE + code)) == 2
    found = recorded()
    assert sorted(context.error_message for context in found) == ["child", "parent", "parent again"]
    assert len({context.process for context in found}) == 2


def test_signal_handlers_that_log(run: Run) -> None:
    code = """
install()
within = 0

def ring(*_):
    # One within another, but never more than a few: where a call takes longer than the pause, they would have no end.
    global within
    within += 1
    if within < 5:
        signal.setitimer(signal.ITIMER_REAL, 0.002)
    error("signal")
    within -= 1
    signal.setitimer(signal.ITIMER_REAL, 0.002)

signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.001)
until = time.monotonic() + 2
while time.monotonic() < until:
    error("main")
signal.signal(signal.SIGALRM, signal.SIG_IGN)
done()
"""
    count = acked(run("-c", PRELUDE + code))
    found = [context.error_message for context in recorded()]
    assert len(found) == count
    assert found.count("signal") > 20


def test_exceptions_that_land_anywhere_in_a_logging_thread(run: Run) -> None:
    """PyThreadState_SetAsyncExc: whatever it interrupts, the next error is written."""
    code = """
import ctypes
install()
class Landed(BaseException):
    pass
going = True
def storm():
    while going:
        try:
            error("x")
        except BaseException:
            pass
thread = threading.Thread(target=storm)
thread.start()
for _ in range(300):
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Landed))
    time.sleep(0.001)
going = False
thread.join()
landed, escaped[:] = set(escaped), []
error("last")
print(landed <= {"Landed()"}, len(acked) > 100, journal.write('{"k":"x"}'), escaped)
"""
    done = run("-c", PRELUDE + code)
    assert done.out == "True True True []\n"
    assert "last" in {context.error_message for context in recorded()}


def test_errors_logged_at_the_bottom_of_the_stack(run: Run) -> None:
    """What `logging` itself has no room for is raised, and logged again one call further up."""
    code = """
install()
class Found(Exception):
    pass
def dive():
    try:
        dive()
    except RecursionError:
        log.exception("the bottom")
        acked.append(1)
        raise Found
for _ in range(50):
    try:
        dive()
    except Found:
        pass
done()
"""
    assert acked(run("-c", PRELUDE + code)) == 50
    assert len(recorded()) == 50


def test_errors_logged_while_there_is_no_memory(run: Run) -> None:
    code = """
install()
error("first")
wait_for(lambda: os.path.exists("llama_logging.db"))  # a thread that cannot even begin, the interpreter reports
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 64 * 2**20, resource.getrlimit(resource.RLIMIT_AS)[1]))
kept, outcomes = [], [None] * 20  # there is no memory for a longer list
for number in range(20):
    block = 2**23
    while True:
        try:
            kept.append(bytearray(block))
        except MemoryError:
            if block > 2**9:
                block //= 4
                continue
            try:
                log.exception("no memory")
            except BaseException as problem:
                outcomes[number] = problem
            break
del kept
acked += ["full"] * outcomes.count(None)
escaped += filter(None, outcomes)
done()
"""
    assert acked(run("-c", PRELUDE + code)) == len(recorded()) == 21


def test_things_of_enormous_size(run: Run, tmp_path: Path) -> None:
    """100 MB of text, a group of 50,625 exceptions, a chain of 20,000 causes: cut, and recorded."""
    code = (
        QUIET
        + """
sys.setrecursionlimit(1000)
error("x" * 100_000_000)
log.error("x" * 100_000_000)
log.error("%s", "x" * 100_000_000)
def bomb(depth):
    return ValueError("leaf") if not depth else ExceptionGroup("g", [bomb(depth - 1) for _ in range(15)])
chain = ValueError(0)
for number in range(20_000):
    another = ValueError(number)
    another.__cause__ = chain
    chain = another
for each in (bomb(4), chain):
    try:
        raise each
    except Exception:
        log.exception("enormous")
        acked.append(1)
print(os.path.getsize(journal.path) < 1_000_000)
while chain.__cause__ is not None:  # CPython itself has no room to free such a chain at once
    chain, another.__cause__ = chain.__cause__, None
    another = chain
"""
    )
    done = run("-c", PRELUDE + code)
    assert (done.code, done.err, done.out) == (0, "", "True\n")
    assert len(recorded()) == 5


def test_a_daemon_whose_descriptors_are_closed_and_used_again(run: Run, tmp_path: Path) -> None:
    """Not one byte of ours gets into the application's files."""
    code = """
install()
for number in range(10):
    error(number)
if os.fork():
    os.waitpid(-1, 0)
    done()
    os._exit(0)
os.setsid()
os.closerange(0, 256)
files = [os.open(f"application-{number}.txt", os.O_CREAT | os.O_RDWR) for number in range(40)]
for number in range(10):
    error(number)
for fd in files:
    os.write(fd, b"application")
for number in range(10):
    error(number)
time.sleep(1.5)
error()
open("daemon.txt", "w").write(f"{journal.lost} {escaped}")
os._exit(0)
"""
    assert acked(run("-c", PRELUDE + code)) == 10
    assert (tmp_path / "daemon.txt").read_text() == "0 []"
    assert {path.read_bytes() for path in tmp_path.glob("application-*.txt")} == {b"application"}
    assert len(recorded()) == 31


def test_a_process_that_changes_its_root(run: Run, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("chroot needs root")
    (tmp_path / "jail").mkdir()
    code = """
install()
handler.pipeline.ingester._started = True
error("before")
os.chroot("jail")
os.chdir("/")
error("after")
journal._rotate(journal._file)
error("in a new file")
done()
os._exit(0)
"""
    assert acked(run("-c", PRELUDE + code)) == 3
    assert list((tmp_path / "jail").iterdir()) == []
    assert len(recorded()) == 3


DELETED = """
import os
os.mkdir("gone")
os.chdir("gone")
os.rmdir("../gone")
"""


def test_a_process_whose_folder_was_deleted(run: Run, tmp_path: Path) -> None:
    """As of a release that is replaced: it starts, and its errors are where they would have been."""
    done = run(
        "-c",
        f"{DELETED}import logging; from llama_logging.handlers import RegistryHandler\n"
        "logging.root.addHandler(RegistryHandler())\n"
        "logging.error('no stock')\n"
        "try: exec(compile('1/0', 'shop.py', 'exec'))\n"
        "except ZeroDivisionError: logging.exception('no price')\n",
    )
    assert (done.code, done.err) == (0, "")
    with contextlib.closing(open_registry(urls.parse(f"sqlite:///{tmp_path}/gone/llama_logging.db"))) as store:
        messages = {error.log_message: error.grouping for error in store.errors()}
    assert messages.keys() == {"no stock", "no price"}
    assert messages["no price"][0] == "ZeroDivisionError"


def test_run_starts_its_command_in_a_folder_that_was_deleted(run: Run) -> None:
    words = [sys.executable, "-m", "llama_logging", "run", "--", sys.executable, "-c", "print('started')"]
    done = run("-c", f"{DELETED}os.execv({words[0]!r}, {words!r})")
    assert (done.code, done.out) == (0, "started\n")


def test_a_server_that_gives_up_its_rights(run: Run, tmp_path: Path) -> None:
    """The journal was opened by root; what its workers log goes there, too, and is found."""
    if os.geteuid():
        pytest.skip("setuid needs root")
    code = """
install()
handler.pipeline.ingester._started = True
error("root")
for number in range(2):
    if not os.fork():
        os.setuid(65534)
        for number in range(5):
            error(number)
        os._exit(len(escaped) + journal.lost)
    assert os.waitpid(-1, 0)[1] == 0
os.setuid(65534)
error("nobody")
journal._rotate(journal._file)
error("nobody")
done()
os._exit(0)
"""
    assert acked(run("-c", PRELUDE + code)) == 3
    assert len(recorded()) == 13


def test_a_worker_that_gives_up_its_rights_says_where_its_errors_are(run: Run, cli: Run, tmp_path: Path) -> None:
    """Nothing was logged before: there is no journal of root's. They lie under the name of their own user."""
    if os.geteuid() or not os.path.isdir("/dev/shm"):
        pytest.skip("setuid needs root")
    code = """
install()
for worker in range(2):
    if not os.fork():
        os.setuid(65534)
        for number in range(5):
            error(number)
        handler.pipeline.ingester._started = True
        os._exit(len(escaped) + journal.lost)
    assert os.wait()[1] == 0
"""
    done = run("-c", PRELUDE + code)
    folder = f"/dev/shm/llama_logging-65534-llama_logging.db-{zlib.crc32(f'{tmp_path}/llama_logging.db'.encode()):08x}"
    try:
        assert done.err.splitlines() == 2 * [
            f"llama_logging: sqlite:///{tmp_path}/llama_logging.db: user 65534 may not write there; "
            f"its errors wait in {folder} until it may"
        ]
        assert len(os.listdir(folder)) == 2
        assert waiting_for(folder, user=65534) == 10
        asked = cli("list")
        assert f"llama_logging.db: another user's errors wait in {folder} and are not brought in" in asked.err
        assert "there is no registry" in asked.err
        os.makedirs(f"{tmp_path}/llama_logging.db.journal", 0o700)
        for name in os.listdir(folder):
            shutil.move(f"{folder}/{name}", f"{tmp_path}/llama_logging.db.journal")
        assert (len(recorded()), cli("list").err) == (10, "")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def waiting_for(folder: str, user: int) -> int:
    """How many errors lie in *folder*, as *user* sees it."""
    out, into = os.pipe()
    if not os.fork():
        os.setuid(user)
        os.write(into, str(waiting(None, [folder])).encode())
        os._exit(0)
    os.wait()
    os.close(into)
    with os.fdopen(out) as told:
        return int(told.read())


def test_configured_again_and_again_while_threads_log(run: Run) -> None:
    """200 times dictConfig: one journal, and no descriptor more."""
    code = """
import logging.config
config = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"registry": {"class": "llama_logging.handlers.RegistryHandler"}},
    "loggers": {"app": {"handlers": ["registry"], "propagate": False}},
}
install()
logging.config.dictConfig(config)
going = True
def storm():
    while going:
        error()
        time.sleep(0.002)
threads = [threading.Thread(target=storm) for _ in range(3)]
for thread in threads:
    thread.start()
wait_for(reserve)
before = len(os.listdir("/proc/self/fd"))
for _ in range(200):
    logging.config.dictConfig(config)
    time.sleep(0.001)
after = len(os.listdir("/proc/self/fd"))
going = False
for thread in threads:
    thread.join()
print(after <= before + 4, len(journal._folders) > 1, flush=True)
done()
"""
    done = run("-c", PRELUDE + code)
    assert (done.code, done.err) == (0, "")
    first, second = done.out.splitlines()
    assert first == "True True"
    # Between two configurations a logger has no handler for a moment; what is acked then went nowhere by design.
    count = int(second.partition(" ")[0])
    assert second == f"{count} acked, 0 lost, escaped: []"
    assert 0 < len(recorded()) <= count


@pytest.mark.parametrize("first", ["gevent", "llama_logging"])
def test_gevent_in_place_of_threads(run: Run, first: str) -> None:
    """Greenlets and native threads log; nobody is stuck, and the ingester is a thread of its own."""
    pytest.importorskip("gevent", reason="pip install gevent")
    patch = "import warnings; warnings.simplefilter('ignore'); from gevent import monkey; monkey.patch_all()\n"
    code = """
import gevent, gevent.threadpool
install()
tasks = len(os.listdir("/proc/self/task"))
error()
assert len(os.listdir("/proc/self/task")) == tasks + 1
ticks = []
def ticking():
    while True:
        ticks.append(1)
        gevent.sleep(0.001)
def work(name):
    for number in range(200):
        error(f"{name} {number}")
        if number % 10 == 0:
            gevent.sleep(0)
pool = gevent.threadpool.ThreadPool(4)
clock = gevent.spawn(ticking)
greenlets = [gevent.spawn(work, name) for name in "abcd"]
natives = [pool.spawn(lambda name=name: [error(f"{name} {number}") for number in range(200)]) for name in "efgh"]
gevent.joinall(greenlets, timeout=60)
for native in natives:
    native.get(timeout=60)
clock.kill()
assert ticks
done()
"""
    whole = patch + PRELUDE + code if first == "gevent" else PRELUDE + patch + code
    assert acked(run("-c", whole)) == len(recorded()) == 1601


def test_an_interpreter_within_the_interpreter(run: Run, tmp_path: Path) -> None:
    """One with its own GIL may have no threads that nobody waits for: its errors are brought in at its end."""
    if sys.version_info < (3, 13):
        pytest.skip("needs the interpreters of Python 3.13 or newer")
    (tmp_path / "inner.py").write_text(f"{PRELUDE}\ninstall()\nfor number in range(20): error(number)\ndone()\n")
    code = """
import _interpreters
made = _interpreters.create("isolated")
problem = _interpreters.exec(made, "import runpy; runpy.run_path('inner.py')")
_interpreters.destroy(made)
assert problem is None, problem
"""
    done = run("-c", code)
    if done.code < 0 or "does not support loading in subinterpreters" in done.err:
        pytest.skip(f"this interpreter cannot: {done.code} {done.err[-200:]}")
    assert acked(done) == len(recorded()) == 20


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_processes_of_multiprocessing(run: Run, tmp_path: Path, method: str) -> None:
    code = f"""
{PRELUDE}
install()
import multiprocessing
def work(number):
    error(f"worker {{number}}")
    return len(escaped) + journal.lost
if __name__ == "__main__":
    with multiprocessing.get_context("{method}").Pool(3) as pool:
        assert pool.map(work, range(30)) == [0] * 30
    error("main")
    done()
"""
    (tmp_path / "program.py").write_text(code)
    assert acked(run("program.py")) == 1
    assert len(recorded()) == 31


def test_an_error_of_the_main_module_is_one_however_its_process_was_started(run: Run, tmp_path: Path) -> None:
    """Under spawn that module is `__mp_main__`."""
    code = """
import logging, multiprocessing
from concurrent.futures import ProcessPoolExecutor
from llama_logging.handlers import RegistryHandler
logging.basicConfig(handlers=[RegistryHandler()])
log = logging.getLogger(__name__)
class OrderError(Exception):
    pass
def order():
    raise OrderError("failed")
def work():
    log.error("no orders")
    try:
        order()
    except OrderError:
        log.exception("failed")
if __name__ == "__main__":
    for context in map(multiprocessing.get_context, ("fork", "spawn")):
        child = context.Process(target=work)
        child.start()
        child.join()
        with ProcessPoolExecutor(1, context) as pool:
            try:
                pool.submit(order).result()
            except OrderError:
                log.exception("of a worker")
"""
    (tmp_path / "program.py").write_text(code)
    assert run("program.py").code == 0
    found = recorded()
    assert len(found) == 6
    assert len({error.fingerprint for error in found}) == 3
    raised = [error for error in found if error.stack.exceptions]
    assert {(error.source_module, *error.stack.exceptions[0].bases[:1]) for error in raised} == {
        ("__main__", "__main__.OrderError")
    }


def test_handlers_closed_in_the_midst_of_a_storm(run: Run) -> None:
    """By anybody, as often as they like; a late error is written all the same."""
    code = """
install()
going = True
def storm():
    while going:
        error()
        time.sleep(0.0005)
threads = [threading.Thread(target=storm) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(300):
    handler.close()
    logging.shutdown([lambda: handler])
    time.sleep(0.001)
going = False
for thread in threads:
    thread.join()
done()
"""
    assert acked(run("-c", PRELUDE + code)) == len(recorded())


def test_errors_at_the_very_end(run: Run) -> None:
    """In functions of atexit, finalisers, and threads that are still running."""
    code = """
import atexit
install()
atexit.register(error, "atexit")
class Last:
    def __del__(self):
        error("finaliser")
last = Last()
thread = threading.Thread(target=lambda: (time.sleep(0.2), error("thread")))
thread.start()
atexit.register(done)
"""
    done = run("-c", PRELUDE + code)
    assert (done.code, done.err) == (0, "")
    assert sorted(context.error_message for context in recorded()) == ["atexit", "finaliser", "thread"]


def test_many_processes_that_crash_at_once(run: Run, tmp_path: Path) -> None:
    """A crash loop leaves nothing behind that is not brought in and removed."""
    code = "install()\nerror()\nos.kill(os.getpid(), signal.SIGKILL)"
    for _ in range(8):
        assert run("-c", PRELUDE + code).code == -9
    assert len(recorded()) == 8
    assert os.listdir(tmp_path / "llama_logging.db.journal") == []


def test_folders_of_somebody_else_are_not_used(run: Run, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("chown needs root")
    folder = tmp_path / "llama_logging.db.journal"
    folder.mkdir(0o700)
    os.chown(folder, 65534, 65534)
    assert acked(run("-c", PRELUDE + "install()\nerror()\ndone()")) == 1
    assert os.listdir(folder) == []
    assert len(recorded()) == 1
