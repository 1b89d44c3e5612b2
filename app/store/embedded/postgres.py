"""A PostgreSQL of Onset's own: made once, started as a child, gone with its parent.

    absent --initdb beside, rename--> stopped --launch--> starting --ready--> running
                                         ^                                       |
                                         +--- SIGINT, parent's death, kill -9 ---+

* An flock on `postgres.lock`, inherited by the server and all its backends, is held as
  long as any of them lives.  "Is it still in use?" then needs no guessing from process
  ids, and a zombie (a container without an init) counts as what it is: dead.
* Root's server runs as `nobody`, or as the owner of the data (see `child`),
  and still keeps its data where the operator wants it, root's 0700 home included.
"""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from app.errors import Unavailable
from app.store.embedded.binaries import PostgresBinaries, find_postgres
from app.store.embedded.child import OpenFolder
from app.store.embedded.cluster import ROLE, Cluster

DATABASE = "onset"
PORT_TRIES = 5
START_SECONDS = 300.0  # recovery may have max_wal_size (1 GB) to replay
STOP_SECONDS = 60.0

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",  # our queries are short; compiling one costs more than running it
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
}


class EmbeddedPostgres:
    """Run a PostgreSQL server as a child of this process.

    Parameters
    ----------
    data_dir : Path
        Folder of the database cluster, made at first start; `cluster` says
        what lies beside it.
    durable : bool
        False gives up what a crash of the machine would need (tests only).
    binaries : PostgresBinaries or None
        Programs to use; None looks for them.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with EmbeddedPostgres(Path(folder) / "postgres", durable=False) as server:
    ...         with psycopg.connect(server.url) as connection:
    ...             connection.execute("select 6 * 7").fetchone()
    (42,)
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        durable: bool = True,
        binaries: PostgresBinaries | None = None,
    ) -> None:
        self.cluster = Cluster(data_dir)
        self._durable = durable
        self._binaries = binaries
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """`postgresql://` URL with the password; any process may use it.

        Raises
        ------
        Unavailable
            If the server is not started.
        """
        if not self._url:
            raise Unavailable(
                f"the PostgreSQL of {self.cluster.data_dir} is not started"
            )
        return self._url

    @property
    def pid(self) -> int | None:
        """Process id of the server, None when it is not started."""
        return self._process.pid if self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Start the server, make its data first if there is none, return its URL.

        Blocks until the server takes connections.

        Raises
        ------
        Unavailable
            If it does not come up; the message ends with the end of its log.
        RuntimeError
            If called outside the main thread: the kernel would interrupt the server
            when that thread ends.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("EmbeddedPostgres.start() belongs to the main thread")
        if self.running:
            return self._url
        self.stop()
        try:
            lock = self._lock = self.cluster.lock()
            binaries = self._binaries or find_postgres()
            if os.geteuid() == 0:
                binaries = binaries.open_to_all()
            if not self.cluster.exists:
                self.cluster.initialise(binaries, lock, sync=self._durable)
            self.cluster.check(binaries)
            self._url = self._connect(self._serve(binaries.tool("postgres"), lock))
        except OSError as error:
            self.stop()
            raise Unavailable(f"PostgreSQL cannot be started: {error}") from error
        except BaseException:
            self.stop()
            raise
        return self._url

    def stop(self) -> None:
        """Stop the server cleanly; transactions under way are rolled back."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _serve(self, program: Path, lock: int) -> int:
        """Launch the server and return its port, which another program may snatch."""
        options = _OPTIONS | ({} if self._durable else _NOT_DURABLE)
        settings = [f"--{name}={value}" for name, value in options.items()]
        for _ in range(PORT_TRIES):
            port = self.cluster.choose_port()
            log_begin = self.cluster.log_size()
            with OpenFolder(self.cluster.data_dir) as seen:
                where = ["-D", str(seen.path), f"--port={port}"]
                command = [str(program), *where, *settings]
                self._process = self.cluster.launch(command, [lock, seen.descriptor])
            if self._became_ready(self._process, port):
                self.cluster.keep_port(port)
                return port
            failure = self.cluster.failure("PostgreSQL does not come up", log_begin)
            if "could not bind" not in str(failure):
                break
            self.cluster.keep_port(None)
        raise failure

    def _became_ready(self, process: subprocess.Popen[bytes], port: int) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if self.cluster.is_ready(process.pid, port):
                return True
            time.sleep(0.01)
        return False

    def _connect(self, port: int) -> str:
        server = f"postgresql://{ROLE}:{self.cluster.password}@127.0.0.1:{port}"
        try:
            with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
                there = "select 1 from pg_database where datname = %s"
                if connection.execute(there, [DATABASE]).fetchone() is None:
                    create = sql.SQL("create database {}")
                    connection.execute(create.format(sql.Identifier(DATABASE)))
        except psycopg.Error as error:
            raise Unavailable(
                f"the PostgreSQL of {self.cluster.data_dir} refuses us: {error}"
            ) from error
        return f"{server}/{DATABASE}"


def _end(process: subprocess.Popen[bytes]) -> None:
    for number, patience_seconds in (
        (signal.SIGINT, STOP_SECONDS),  # fast: disconnect, checkpoint, exit
        (signal.SIGQUIT, 10.0),  # immediate: recovery at the next start
        (signal.SIGKILL, None),
    ):
        process.send_signal(number)  # does nothing to a process that has ended
        try:
            process.wait(patience_seconds)
            return
        except subprocess.TimeoutExpired:
            continue
