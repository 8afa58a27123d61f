from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from llama_logging.exceptions import StoreError
from llama_logging.handlers import RegistryHandler
from llama_logging.opening import open_registry
from llama_logging.stores import mounts, urls
from tests.conftest import Run, make_context

MOUNTINFO = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:40 / /home rw,relatime shared:4 master:2 - nfs4 server:/home rw,vers=4.2
31 30 8:1 / /home/local rw - xfs /dev/sda1 rw
32 27 0:41 / /mnt/a\040b\134c rw - cifs //server/share rw
33 27 0:42 / /net rw - autofs systemd-1 rw
34 33 0:43 / /net rw - lustre mgs:/fs rw
35 27 0:44 / /mnt/ssh rw - fuse.sshfs me@server: rw
36 27 0:45 / /mnt/stick rw - fuse.ntfs-3g /dev/sdb1 rw
not a line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/errors.db", "ext4"),
        ("/home/me/errors.db", "nfs4"),
        ("/home", "nfs4"),
        ("/homework/errors.db", "ext4"),
        ("/home/local/errors.db", "xfs"),
        ("/mnt/a b\\c/errors.db", "cifs"),
        ("/net/errors.db", "lustre"),
        ("/mnt/ssh/errors.db", "fuse.sshfs"),
        ("/mnt/stick/errors.db", "fuse.ntfs-3g"),
    ],
)
def test_the_longest_mount_point_counts_and_of_one_place_the_last(path: str, kind: str) -> None:
    assert mounts.file_system(path, MOUNTINFO) == kind


def test_what_cannot_be_read_is_no_network() -> None:
    for text in ("", "\n\n", "1 2 3 - nfs", "1 2 3 4 /x rw"):
        assert not mounts.is_network(mounts.file_system("/x/errors.db", text))


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "gpfs", "lustre", "ceph"])
def test_network_file_systems_are_known(kind: str) -> None:
    assert mounts.is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse.ntfs-3g", "fuseblk", ""])
def test_local_file_systems_are_fine(kind: str) -> None:
    assert not mounts.is_network(kind)


def test_this_machines_own_mounts_can_be_read() -> None:
    assert mounts.file_system("/proc/self", mounts._mountinfo()) == "proc"


@pytest.fixture
def on_nfs(store_url: urls.StoreURL, monkeypatch: pytest.MonkeyPatch) -> urls.StoreURL:
    folder = store_url.path.rpartition("/")[0]
    monkeypatch.setattr(mounts, "_mountinfo", lambda: f"{MOUNTINFO}50 27 0:50 / {folder} rw - nfs4 server:/x rw\n")
    return store_url


def test_a_registry_on_a_network_file_system_is_refused_and_the_errors_wait(
    on_nfs: urls.StoreURL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = RegistryHandler(store=on_nfs.url)
    RegistryHandler(store=on_nfs.url)
    (line,) = capsys.readouterr().err.splitlines()
    assert "RegistryHandler: store: " in line
    assert "network file system (nfs4)" in line
    assert "until then errors wait in the journal" in line
    assert handler.pipeline.add(make_context())
    with pytest.raises(StoreError, match=r"a file on a local disk, or a PostgreSQL database; 1 error is safe"):
        open_registry(on_nfs)
    monkeypatch.undo()
    store = open_registry(on_nfs)
    assert [group.count for group in store.groups()] == [1]
    store.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
@pytest.mark.parametrize("what", ["llama_logging.db", "llama_logging.db-wal", "a link"])
def test_what_another_user_has_put_where_all_may_write_is_no_registry_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """What errors say would be his to read; the folder of journals is refused for the same reason."""
    tmp_path.chmod(0o1777)
    path, aim = tmp_path / "llama_logging.db", tmp_path / "somewhere"
    planted = path if what == "a link" else tmp_path / what
    planted.symlink_to(aim) if what == "a link" else planted.touch()
    os.chown(planted, 65534, 65534, follow_symlinks=False)
    handler = RegistryHandler(store=f"sqlite:///{path}")
    assert "belongs to another user, in a folder that all may write to" in capsys.readouterr().err
    assert handler.pipeline.add(make_context())
    with pytest.raises(StoreError, match=r"name a file in another folder; 1 error is safe"):
        open_registry(urls.parse(f"sqlite:///{path}"))
    assert not aim.exists()
    tmp_path.chmod(0o755)
    planted.unlink()
    store = open_registry(urls.parse(f"sqlite:///{path}"))
    assert [group.count for group in store.groups()] == [1]
    store.close()


def test_a_link_of_ones_own_may_lead_to_where_the_registry_is_made(tmp_path: Path) -> None:
    link, aim = tmp_path / "errors.db", tmp_path / "elsewhere.db"
    link.symlink_to(aim)
    store = open_registry(urls.parse(f"sqlite:///{link}"))
    store.remember("name", "value")
    store.close()
    assert aim.stat().st_mode & 0o777 == 0o600


def test_a_local_registry_needs_no_word(store_url: urls.StoreURL, capsys: pytest.CaptureFixture[str], cli: Run) -> None:
    RegistryHandler(store=store_url.url)
    assert capsys.readouterr().err == ""
    assert json.loads(cli("summary", "--json", "--store", store_url.url).out)["total_errors"] == 0
