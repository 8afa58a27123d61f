"""Where the state of this user is kept, by the conventions of systemd and of the XDG base directories."""

from __future__ import annotations

import os


def user() -> int | None:
    """Whose rights this process has; None where there are no such users."""
    return os.geteuid() if hasattr(os, "geteuid") else None


_started_as = user()


def has_another_user() -> bool:
    """Whether it has given up those it began with: what its environment says is the former user's."""
    return user() != _started_as


def current_folder() -> str:
    """The folder that this process is in; if that was deleted, as when a release is replaced, the name that it had."""
    try:
        return os.getcwd()
    except OSError:
        pass
    try:
        return os.readlink("/proc/self/cwd").removesuffix(" (deleted)")
    except OSError:  # this is not Linux
        return os.environ.get("PWD") or os.sep


def absolute(path: str) -> str:
    """As `os.path.abspath`, which fails where the current folder was deleted."""
    return os.path.normpath(path if os.path.isabs(path) else os.path.join(current_folder(), path))


def state_folder() -> str:
    """The state folder; it may not exist yet."""
    env = os.environ
    home = "" if has_another_user() else env.get("XDG_STATE_HOME", "")
    if not os.path.isabs(home):  # which the specification has ignored
        home = os.path.join(_home(), ".local", "state")
    of_unit = env.get("STATE_DIRECTORY", "").partition(":")[0]  # the first of several: systemd.exec(5)
    return env.get("LLAMA_LOGGING_DIR") or of_unit or os.path.join(home, "llama_logging")


def is_planted(path: str) -> bool:
    """Whether *path* is another user's, in a folder that all may write to: he may have put it there for us to find."""
    own = user()
    try:
        owner, folder = os.lstat(path).st_uid, os.stat(os.path.dirname(path) or ".")
    except OSError:
        return False
    return own is not None and owner not in (0, own) and bool(folder.st_mode & 0o002)


def make_folder(path: str, mode: int = 0o755) -> None:
    """Make a folder, and those above it; others may write to none of them, whatever the umask lets them.

    Args:
        path: Absolute.
        mode: Of the folder itself.
    """
    above = os.path.dirname(path)
    if above != path and not os.path.isdir(path):  # not of a drive that is not there
        make_folder(above)
        try:  # noqa: SIM105 - contextlib is not imported for it: this stands in front of every start
            os.mkdir(path, mode)
        except FileExistsError:
            pass


def _home() -> str:
    if has_another_user():
        import pwd  # here and not above: Windows has none, and few processes change their user

        try:
            return pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:  # a number without a name
            return "/"
    home = os.path.expanduser("~")
    # As it stands for a number without a name, where HOME is not set; there is no such folder to be made.
    return home if os.path.isabs(home) else "/"
