"""A child process without root's rights that dies with its parent.

A small shim gives up root, asks the kernel to be interrupted when its parent dies
(Linux), then becomes the program.  It runs in a session of its own, so that Ctrl-C on
the terminal reaches the parent alone, who stops the child when it is done with it.
"""

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_SHIM = """
import ctypes, os, signal, sys
parent, uid, gid = (int(word) for word in sys.argv[1:4])
if uid >= 0:
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
os.umask(0o077)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG
if os.getppid() != parent:
    sys.exit("the parent has gone")
os.execv(sys.argv[4], sys.argv[4:])
"""


@dataclass(frozen=True, slots=True)
class Account:
    """Who a child runs as; -1 is whoever we are."""

    uid: int = -1
    gid: int = -1

    @classmethod
    def for_data(cls, folder: Path) -> "Account":
        """Choose ourselves, or if we are root: the folder's owner, else `nobody`."""
        if os.geteuid() != 0:
            return cls()
        if folder.exists() and folder.stat().st_uid != 0:
            return cls(folder.stat().st_uid, folder.stat().st_gid)
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)

    def give(self, path: Path) -> None:
        """Make the account the owner of `path`."""
        if self.uid >= 0:
            os.chown(path, self.uid, self.gid)


class OpenFolder:
    """A folder held open, so that a child can name it from outside its parents.

    `nobody` may not walk through root's 0700 home; through a descriptor that root
    opened it need not.  On systems without `/proc` the folder's own path is all there
    is.
    """

    def __init__(self, folder: Path) -> None:
        self.descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        through = Path(f"/proc/self/fd/{self.descriptor}")
        self.path = through if os.geteuid() == 0 and through.exists() else folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.descriptor)


def launch(
    command: Sequence[str | Path],
    account: Account,
    *,
    keep: Sequence[int],
    log: int,
) -> subprocess.Popen[bytes]:
    """Start a program as `account`.

    Parameters
    ----------
    command : sequence of str or Path
        Absolute path of the program and its arguments.
    account : Account
        Who it runs as.
    keep : sequence of int
        Descriptors it inherits.
    log : int
        Descriptor that takes its standard output and error.
    """
    words = [str(os.getpid()), str(account.uid), str(account.gid), *map(str, command)]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _SHIM, *words],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=keep,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        start_new_session=True,
    )


def is_alive(pid: str) -> bool:
    """Whether a process of that number runs; a zombie does not.

    Parameters
    ----------
    pid : str
        As read from a file, so possibly no number at all.
    """
    if not pid.isdigit() or int(pid) == 0:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return sys.platform != "linux"
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def works_in(pid: str, folder: Path) -> bool | None:
    """Whether the process has `folder` as its working folder; None: cannot be told."""
    if not Path("/proc/self/cwd").exists():
        return None
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False
