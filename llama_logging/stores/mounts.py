"""What a path allows SQLite: it must not be kept on a file system that other machines write to, nor in others' files.

Its write-ahead log needs shared memory, "all processes using a database must be on the same host
computer" (sqlite.org/wal.html), and the locks of network file systems do not hold
(sqlite.org/howtocorrupt.html, 2.1).
"""

from __future__ import annotations

import os

from llama_logging.exceptions import StoreError
from llama_logging.patterns import regex
from llama_logging.runtime.state import is_planted

# Their types; as far as they are programs, after `fuse.`.
_NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "9p", "afs", "coda", "davfs", "gpfs", "lustre", "beegfs",
    "orangefs", "pvfs2", "panfs", "ceph", "glusterfs",
}  # fmt: skip
_PROGRAMS = {
    "sshfs", "glusterfs", "ceph", "davfs", "s3fs", "s3ql", "goofys", "gcsfuse", "blobfuse", "blobfuse2", "rclone",
    "juicefs", "seaweedfs", "mfs", "moosefs", "lizardfs", "curlftpfs", "smbnetfs", "gvfsd-fuse",
}  # fmt: skip
_ESCAPE = regex(r"\\([0-7]{3})")


def file_system(path: str, mountinfo: str) -> str:
    r"""The type of the file system that *path* lies on; empty if *mountinfo* does not tell.

    Args:
        path: Absolute, without links.
        mountinfo: What /proc/self/mountinfo holds (proc_pid_mountinfo(5)).

    >>> lines = r'''27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
    ... 40 27 0:35 / /mnt/my\040files rw shared:1 - nfs4 server:/files rw'''
    >>> file_system("/mnt/my files/errors.db", lines), file_system("/mnt/my", lines)
    ('nfs4', 'ext4')
    """
    best, found = "", ""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = fields[4]
        if "\\" in point:
            point = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), point)
        # Of several mounted at one place, the last hides the others.
        if len(point) >= len(best) and (path == point or path.startswith(point.rstrip("/") + "/")):
            best, found = point, kinds[0]
    return found


def is_network(kind: str) -> bool:
    """Whether file systems of this type lie on another machine.

    >>> is_network("fuse.sshfs"), is_network("fuse.ntfs-3g"), is_network("nfs4"), is_network("tmpfs")
    (True, False, True, False)
    """
    return kind in _NETWORK or (kind.startswith("fuse.") and kind.removeprefix("fuse.") in _PROGRAMS)


def refusal(path: str, *, reading: bool = False) -> str:
    """Why no registry is to be kept in a SQLite file at *path*, and what to do instead; empty if it may be.

    Args:
        reading: Whether nothing is to be written there.
    """
    kind = file_system(os.path.realpath(path), _mountinfo())
    if is_network(kind):
        return (
            f"{path} lies on a network file system ({kind}), where SQLite's locks do not hold; "
            "name a file on a local disk, or a PostgreSQL database"
        )
    return "" if reading else _planted(path)


def refuse(path: str, *, reading: bool = False) -> None:
    """Let no SQLite database be opened where it would be damaged, or is another's to read; arguments as of `refusal`.

    Raises:
        StoreError: If there is a reason.
    """
    problem = refusal(path, reading=reading)
    if problem:
        raise StoreError(f"sqlite:///{path}: {problem}")


def _planted(path: str) -> str:
    """What to say if another user has put a registry, or a link to one, where ours is to be made."""
    for place in (path, *(f"{path}{ending}" for ending in ("-wal", "-shm", "-journal"))):
        if is_planted(place):
            return (
                f"{place} belongs to another user, in a folder that all may write to: "
                "who has put it there could read what errors say; name a file in another folder"
            )
    return ""


def may_write(path: str) -> bool:
    """Whether this process may write to the SQLite database at *path*: to it and to the log beside it; or make it."""
    folder = os.path.dirname(path)
    if os.path.exists(path):
        return os.access(path, os.W_OK) and (os.access(folder, os.W_OK) or os.path.exists(f"{path}-wal"))
    while not os.path.exists(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return os.access(folder, os.W_OK)


def has_no_room(path: str) -> bool:
    """Whether the disk of *path* has no room for what SQLite puts beside it: its shared memory is made in 32 KiB."""
    try:
        room = os.statvfs(os.path.dirname(path))
    except (OSError, AttributeError):  # Windows
        return False
    return room.f_bavail * room.f_frsize < 2**15


def _mountinfo() -> str:
    try:
        with open("/proc/self/mountinfo", "rb", buffering=0) as file:
            return (file.readall() or b"").decode(errors="surrogateescape")
    except OSError:  # not Linux
        return ""
