"""The product as its users meet it: `onset serve` and `onset trainer` as processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import numpy as np

from app.client import DeviceStream, Onset

ADMIN_KEY = "ons_scenario_0123456789abcdefghijklmnopqrstuvwxyz"
START_SECONDS = 90.0


class Served:
    """One serving process over a database, and perhaps a trainer beside it."""

    def __init__(self, database_url: str, folder: Path, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "ONSET_DATA_DIR": str(folder / "data"),
            "ONSET_MODELS_DIR": str(folder / "models"),
            "ONSET_PORT": str(self.port),
            "ONSET_ADMIN_KEY": ADMIN_KEY,
            **settings,
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, command: str = "serve") -> None:
        """Start a command; `serve` is awaited until it is ready."""
        with (self._folder / f"{command}.log").open("ab") as log:
            self._running[command] = subprocess.Popen(
                [sys.executable, "-m", "app.cli", command],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        if command == "serve":
            self.ready()

    def ready(self) -> None:
        """Wait until the service takes work."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            if self._running["serve"].poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the service did not start:\n{self.log()[-3000:]}")

    def kill(self, command: str = "serve") -> None:
        """Kill -9."""
        self._running[command].send_signal(signal.SIGKILL)
        self._running.pop(command).wait()

    def terminate(self, command: str = "serve") -> int:
        """SIGTERM; return the exit status."""
        process = self._running.pop(command)
        process.terminate()
        return process.wait(30)

    def stop(self) -> None:
        """End everything."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def resident_mib(self, command: str = "serve") -> float:
        """Return the memory that a command holds (Linux)."""
        status = Path(f"/proc/{self._running[command].pid}/status").read_text()
        (line,) = [row for row in status.splitlines() if row.startswith("VmRSS")]
        return int(line.split()[1]) / 1024

    def niceness(self, command: str = "serve") -> int:
        """Return how much a command lets others go before it."""
        return os.getpriority(os.PRIO_PROCESS, self._running[command].pid)

    def has_loaded(self, library: str, command: str = "serve") -> bool:
        """Whether a command has loaded compiled code of a library (Linux)."""
        maps = Path(f"/proc/{self._running[command].pid}/maps").read_text()
        return f"/{library}/" in maps

    def log(self, command: str = "serve") -> str:
        """Read what a command said."""
        return (self._folder / f"{command}.log").read_text(errors="replace")

    def api(self, key: str = ADMIN_KEY) -> Onset:
        """Make a REST client."""
        return Onset(self.url, key)

    def device(self, name: str, key: str, **how: object) -> DeviceStream:
        """Make a device's stream; use as an async context manager."""
        return DeviceStream(self.url, name, key, **how)


async def register(
    api: Onset, devices: list[str], profile: Mapping[str, object], name: str
) -> dict[str, str]:
    """Register a profile and devices; return each device's key."""
    await api.put_profile(name, profile)
    keys = {}
    for device in devices:
        await api.put_device(device, name)
        keys[device] = await api.device_key(device)
    return keys


def bursts(n: int, channels: int, seed: int) -> np.ndarray:
    """Rest with bursts of random length and strength, float32 (n, channels)."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.1, (n, channels))
    at = 300
    while at < n - 200:
        length = int(rng.integers(40, 160))
        values[at : at + length] += rng.normal(0, rng.uniform(1, 3), (length, channels))
        at += length + int(rng.integers(120, 400))
    return values.astype(np.float32)


async def events_of(
    api: Onset, device: str, boot: str
) -> list[tuple[int, int, float, tuple[str, ...]]]:
    """Return what was found in one boot of a device, in its order."""
    found = [
        (e["onset_seq"], e["offset_seq"], e["peak"], tuple(e["flags"]))
        async for e in api.events(device=device)
        if e["boot"] == boot
    ]
    return sorted(found)
