"""The data folder of the embedded PostgreSQL, and what lies beside it.

<folder>/postgres            the cluster, made by initdb
<folder>/postgres.password   of the role `onset`, mode 0600
<folder>/postgres.port       the port it had last, so that clients find it again
<folder>/postgres.lock       held by whoever runs the server, and by the server
<folder>/postgres.log        what initdb and the server say
"""

import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from app.errors import Unavailable
from app.store import private
from app.store.embedded.binaries import PostgresBinaries
from app.store.embedded.child import Account, OpenFolder, is_alive, launch, works_in

ROLE = "onset"
MAX_LOG_BYTES = 8 * 2**20
LOCK_SECONDS = 30.0  # by then a server whose parent died has shut down
DYING_SECONDS = 1.0  # a process that was just killed may still look alive
INITDB_SECONDS = 300.0


class Cluster:
    """The files of one embedded database.

    Parameters
    ----------
    data_dir : Path
        Folder of the cluster; the other files lie beside it.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.log_file = self.data_dir.with_name("postgres.log")
        self._lock_file = self.data_dir.with_name("postgres.lock")
        self._password_file = self.data_dir.with_name("postgres.password")
        self._port_file = self.data_dir.with_name("postgres.port")

    def lock(self) -> int:
        """Take the cluster for this process; returns the descriptor that holds it.

        Waits for a server whose parent died to finish its shutdown.

        Raises
        ------
        Unavailable
            If a living process has it; the message says which.
        """
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        begun = time.monotonic()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
            patience = DYING_SECONDS if is_alive(holder) else LOCK_SECONDS
            if time.monotonic() > begun + patience:
                os.close(lock)
                raise Unavailable(
                    f"the database in {self.data_dir} is in use by process {holder}; "
                    "stop that one or choose another ONSET_DATA_DIR"
                )
            time.sleep(0.02)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return lock

    @property
    def exists(self) -> bool:
        """Whether there is anything in the data folder."""
        return self.data_dir.is_dir() and any(self.data_dir.iterdir())

    @property
    def password(self) -> str:
        """Password of the role.

        Raises
        ------
        Unavailable
            If its file is gone.
        """
        if not self._password_file.is_file():
            raise Unavailable(f"{self._password_file} of {self.data_dir} is missing")
        return self._password_file.read_text().strip()

    @property
    def account(self) -> Account:
        """Who the server runs as."""
        return Account.for_data(self.data_dir)

    def initialise(self, binaries: PostgresBinaries, lock: int, *, sync: bool) -> None:
        """Make the cluster in a folder beside, then rename: all of it or nothing.

        Raises
        ------
        Unavailable
            If initdb fails; the message ends with what it said.
        """
        fresh = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if not self._password_file.exists():
            private.write(self._password_file, secrets.token_urlsafe(24))
        private.write(fresh / "password", self.password)
        self.account.give(fresh)
        self.account.give(fresh / "password")
        log_begin = self.log_size()
        with OpenFolder(fresh) as seen:
            command = [
                *(binaries.tool("initdb"), "-D", seen.path / "data"),
                *("-U", ROLE, f"--pwfile={seen.path}/password"),
                *("-A", "scram-sha-256", "-E", "UTF8", "--no-locale"),
                *(() if sync else ("--no-sync",)),
            ]
            process = self.launch(command, [lock, seen.descriptor])
            if process.wait(INITDB_SECONDS) != 0:
                raise self.failure("initdb cannot make a database", log_begin)
        (fresh / "data").rename(self.data_dir)
        shutil.rmtree(fresh)

    def check(self, binaries: PostgresBinaries) -> None:
        """Make sure that these binaries may serve this cluster.

        Raises
        ------
        Unavailable
            If not; the message says why and what to do.
        """
        version_file = self.data_dir / "PG_VERSION"
        if not version_file.is_file():
            raise Unavailable(
                f"{self.data_dir} is not empty and not a PostgreSQL database; move it "
                "away or choose another ONSET_DATA_DIR"
            )
        made, have = version_file.read_text().strip(), str(binaries.major())
        if made != have:
            raise Unavailable(
                f"the database in {self.data_dir} was made by PostgreSQL {made}, but "
                f"{binaries.bin} is PostgreSQL {have}: install version {made}, or dump "
                f"the data with {made} and restore it with {have}; nothing was changed"
            )
        owner = self.data_dir.stat().st_uid
        if owner == 0 or os.geteuid() not in (0, owner):
            raise Unavailable(
                f"{self.data_dir} belongs to user {owner}, as whom PostgreSQL cannot "
                "run here: give it to another with chown -R"
            )
        self._forget_dead_server()

    def launch(
        self, command: Sequence[str | Path], keep: Sequence[int]
    ) -> subprocess.Popen[bytes]:
        """Start one of PostgreSQL's programs; what it says goes to the log."""
        log = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return launch(command, self.account, keep=keep, log=log)
        finally:
            os.close(log)

    def is_ready(self, pid: int, port: int) -> bool:
        """Whether the server `pid` says that it takes connections on `port`."""
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        if len(lines) < 8:
            return False
        return (lines[0], lines[3], lines[7].strip()) == (str(pid), str(port), "ready")

    def choose_port(self) -> int:
        """Return the port of last time if it is still free, else any free one."""
        last = self._port_file.read_text() if self._port_file.exists() else ""
        for port in ([int(last)] if last.isdigit() else []) + [0]:
            with socket.socket() as probe:
                # as the server does: a port in TIME_WAIT is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return int(probe.getsockname()[1])
        raise Unavailable("there is no free TCP port on 127.0.0.1")

    def keep_port(self, port: int | None) -> None:
        """Remember a port for the next start; None forgets it."""
        if port is None:
            self._port_file.unlink(missing_ok=True)
        else:
            private.write(self._port_file, str(port))

    def log_size(self) -> int:
        """Size of the log in bytes, after turning over one that has grown too long."""
        if not self.log_file.exists():
            return 0
        if self.log_file.stat().st_size > MAX_LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
            return 0
        return self.log_file.stat().st_size

    def failure(self, what: str, log_begin: int) -> Unavailable:
        """Make an error that ends with what the log says since `log_begin` (bytes)."""
        with self.log_file.open("rb") as log:
            log.seek(log_begin)
            lines = log.read().decode(errors="replace").splitlines()[-20:]
        said = "\n".join(lines) or "(nothing)"
        return Unavailable(f"{what} in {self.data_dir}; {self.log_file} says:\n{said}")

    def _forget_dead_server(self) -> None:
        """Remove the pid file of a killed server, which a zombie may make look alive.

        The lock says that none of ours is left; a server that somebody started by
        other means works in the data folder.
        """
        pid_file = self.data_dir / "postmaster.pid"
        if not pid_file.exists():
            return
        pid = pid_file.read_text().partition("\n")[0].strip()
        works = works_in(pid, self.data_dir)
        if works:
            raise Unavailable(
                f"the database in {self.data_dir} is in use by PostgreSQL process "
                f"{pid}, which Onset did not start"
            )
        if works is False:
            pid_file.unlink()
