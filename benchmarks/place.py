"""A service of a benchmark's own, over an embedded PostgreSQL with fsync."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.store import migrate
from app.store.postgres import EmbeddedPostgres

KEY = "ons_benchmrk_0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass
class Place:
    """What runs: `url` of the service, `database` to look into, and how to go on."""

    url: str
    port: int
    server: EmbeddedPostgres
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def database(self) -> str:
        """Address of the database."""
        return self.server.url

    @property
    def service(self) -> subprocess.Popen[bytes]:
        """The serving process."""
        return self.running["serve"]

    def start(self, command: str) -> None:
        """Start a process of the command line's."""
        words = [sys.executable, "-m", "app.cli", command]
        self.running[command] = subprocess.Popen(words, env=self.environment)

    def wait(self) -> None:
        """Wait until the service is ready."""
        for _ in range(600):
            try:
                if httpx.get(f"{self.url}/health/ready", trust_env=False).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise SystemExit("the service does not become ready")

    def memory(self) -> int:
        """Return the service's resident memory, in bytes."""
        return memory(self.service.pid)

    def cpu_seconds(self) -> float:
        """Return the processor time that the service has used."""
        return cpu_seconds(self.service.pid)


def memory(process: int) -> int:
    """Return a process's resident memory, in bytes."""
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(process: int) -> float:
    """Return the processor time that a process has used."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


@contextmanager
def place(*commands: str, **settings: str) -> Iterator[Place]:
    """Run the service, and whatever else is named; stop all of it at the end."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "postgres") as server,
    ):
        migrate.upgrade(server.url)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = os.environ | {
            "DATABASE_URL": server.url,
            "ONSET_DATA_DIR": folder,
            "ONSET_MODELS_DIR": f"{folder}/models",
            "ONSET_PORT": str(port),
            "ONSET_ADMIN_KEY": KEY,
            "ONSET_LOG_LEVEL": "warning",
            **settings,
        }
        made = Place(f"http://127.0.0.1:{port}", port, server, environment)
        try:
            for command in ("serve", *commands):
                made.start(command)
            made.wait()
            yield made
        finally:
            for process in made.running.values():
                process.terminate()
            for process in made.running.values():
                process.wait()
