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
from app.store.embedded.postgres import EmbeddedPostgres

KEY = "ons_benchmrk_0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass
class Place:
    """What runs: `url` of the service, `database` to look into, and how to go on.

    Where there are replicas, `ports` has one each; `url` and `port` are the first's.
    """

    ports: list[int]
    server: EmbeddedPostgres
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """Port of the service."""
        return self.ports[0]

    @property
    def url(self) -> str:
        """Address of the service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> str:
        """Address of the database."""
        return self.server.url

    @property
    def service(self) -> subprocess.Popen[bytes]:
        """The serving process, the first where there are several."""
        return self.running[f"serve {self.port}"]

    def start(self, command: str, port: int | None = None) -> None:
        """Start a process of the command line's."""
        port = port or self.port
        words = [sys.executable, "-m", "app.cli", command]
        name = f"{command} {port}" if command == "serve" else command
        environment = self.environment | {"ONSET_PORT": str(port)}
        self.running[name] = subprocess.Popen(words, env=environment)

    def beside(self, **settings: str) -> int:
        """Serve with other settings, too; return the port, once it is ready."""
        (port,) = free_ports(1)
        usual, self.environment = self.environment, self.environment | settings
        self.start("serve", port)
        self.environment = usual
        self.wait(port)
        return port

    def kill(self, port: int) -> None:
        """Kill -9 the service of a port."""
        process = self.running.pop(f"serve {port}")
        process.kill()
        process.wait()

    def wait(self, port: int | None = None) -> None:
        """Wait until the service is ready."""
        url = f"http://127.0.0.1:{port or self.port}/health/ready"
        for _ in range(600):
            try:
                if httpx.get(url, trust_env=False).is_success:
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


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def place(
    *commands: str, replicas: int = 1, disk: Path | None = None, **settings: str
) -> Iterator[Place]:
    """Run the service, and whatever else is named; stop all of it at the end.

    The database's data lie on `disk`, if that is given.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres((disk or Path(folder)) / "postgres") as server,
    ):
        migrate.upgrade(server.url)
        ports = free_ports(replicas)
        environment = os.environ | {
            "DATABASE_URL": server.url,
            "ONSET_DATA_DIR": folder,
            "ONSET_MODELS_DIR": f"{folder}/models",
            "ONSET_ADMIN_KEY": KEY,
            "ONSET_LOG_LEVEL": "warning",
            **settings,
        }
        made = Place(ports, server, environment)
        try:
            for port in ports:
                made.start("serve", port)
            for command in commands:
                made.start(command)
            for port in ports:
                made.wait(port)
            yield made
        finally:
            for process in made.running.values():
                process.terminate()
            for process in made.running.values():
                process.wait()
