"""What is lost, and how much memory it takes, while the database is away or full.

    python -m benchmarks.outage [--devices 1000] [--seconds 60]
    python -m benchmarks.outage --full-disk [--devices 50] [--seconds 20]

Devices send a message of five readings each second.  PostgreSQL is stopped meanwhile,
or the disk of its data (a small tmpfs, so root is needed) is filled up; then it comes
back, or room is made.  What is looked at: the service's memory, `/health/live` and
`/health/ready`, acknowledgements during the outage, and how long it takes until
everything that was sent is acknowledged.  Exit status 1 if anything is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import uvloop

from benchmarks.fleet import Device, Ledger, readings, register
from benchmarks.place import Place, place

PIECE = 5
EVERY_SECONDS = 1.0
CALM_SECONDS = 10.0
DISK_MIB = 192


class Metronome(Device):
    """A device that sends a piece each second, whatever happens, and keeps the rest."""

    async def _send(self, socket) -> None:
        while not socket.lost.done():
            now = asyncio.get_running_loop().time()
            while socket.next < self.due and socket.next - self.acked < 4000:
                socket.piece(self.values[socket.next : socket.next + PIECE])
            self.sent = max(self.sent, socket.next)
            if self.stopped and self.acked >= self.due:
                return
            left = EVERY_SECONDS - (asyncio.get_running_loop().time() - now)
            await asyncio.sleep(left if not self.stopped else 0.05)

    due = 0
    """Readings that were taken so far."""
    stopped = False

    @property
    def done(self) -> bool:
        """Whether everything that was taken is acknowledged."""
        return self.stopped and self.acked >= self.due


async def take(devices: list[Metronome], seconds: float) -> None:
    """Let the devices take readings for a while."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        for device in devices:
            device.due += PIECE
        await asyncio.sleep(min(EVERY_SECONDS, left))


async def health(where: Place) -> tuple[int, int, str]:
    """Ask whether it lives and whether it is ready, and why not."""
    async with httpx.AsyncClient(base_url=where.url, trust_env=False, timeout=5) as api:
        live = await api.get("/health/live")
        ready = await api.get("/health/ready")
    return live.status_code, ready.status_code, ready.text[:160]


async def measure(where: Place, asked, disk: Path | None) -> bool:
    """Run the outage, and say what came of it."""
    names = [f"d{i}" for i in range(asked.devices)]
    keys = await asyncio.to_thread(
        register, where, names, "outage", record=disk is not None
    )
    ledger = Ledger()
    longest = int((asked.seconds + 2 * CALM_SECONDS + 5) * PIECE / EVERY_SECONDS)
    devices = [
        Metronome(n, keys[n], readings(longest, i), ledger) for i, n in enumerate(names)
    ]
    for number, device in enumerate(devices):  # spread over the second
        device.random.seed(number)
    running = [asyncio.ensure_future(device.run(where.ports)) for device in devices]
    await take(devices, CALM_SECONDS)
    before = where.memory()
    ballast = disk / "ballast" if disk is not None else None
    if ballast is None:
        where.server.stop()
    else:
        fill(ballast)
    acks, most, said = len(ledger.acks), before, (0, 0, "")
    taking = asyncio.ensure_future(take(devices, asked.seconds))
    began = time.perf_counter()
    settled = None
    while not taking.done():
        await asyncio.sleep(0.5)
        most = max(most, where.memory())
        if settled is None and time.perf_counter() - began > min(5, asked.seconds / 2):
            said = await health(where)
            settled = len(ledger.acks)
    late = len(ledger.acks) - (settled or 0)
    revive(where, ballast)
    back = time.perf_counter()
    for device in devices:
        device.stopped = True
    while not all(device.done for device in devices):
        await asyncio.sleep(0.05)
        most = max(most, where.memory())
        if not where.server.running:
            revive(where, None)
        if time.perf_counter() - back > 120:
            print("not drained after two minutes")
            break
    drained = time.perf_counter() - back
    await asyncio.wait(running, timeout=5)
    kept = await asyncio.to_thread(lost, where, devices)
    print(
        f"{asked.devices} devices, {sum(d.due for d in devices)} readings; "
        f"{asked.seconds:g} s of {'a full disk' if disk else 'no database'}: "
        f"live {said[0]}, ready {said[1]} {said[2]}"
    )
    print(
        f"acknowledged at once after it began {(settled or 0) - acks}, later {late}; "
        f"memory +{(most - before) / 2**20:.0f} MiB; drained {drained:.1f} s after "
        f"the return; lost {kept}; {ledger.connections} connections, "
        f"closes {dict(ledger.closes)}"
    )
    return not kept


def fill(ballast: Path) -> None:
    """Fill the disk up."""
    block = bytes(1 << 16)
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(block)
        except OSError:
            return


def revive(where: Place, ballast: Path | None) -> None:
    """Make room, and start a server that has gone, as `onset up` does."""
    if ballast is not None:
        ballast.unlink()
    if not where.server.running:
        where.server.start()


def lost(where: Place, devices: list[Metronome]) -> int:
    """Count readings that were acknowledged and are not there."""
    with psycopg.connect(where.database) as conn:
        stored = dict(
            conn.execute("SELECT device, watermark FROM streams WHERE boot = 'b'")
        )
    return sum(max(0, d.acked - stored.get(d.name, 0)) for d in devices)


@contextmanager
def small_disk(wanted: bool) -> Iterator[Path | None]:
    """Mount a disk that is soon full."""
    if not wanted:
        yield None
        return
    if os.geteuid() != 0:
        raise SystemExit("a full disk needs root: it mounts a tmpfs")
    with tempfile.TemporaryDirectory() as folder:
        options = ["-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=755", "tmpfs"]
        subprocess.run(["mount", *options, folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def main() -> None:
    """Start everything, take the database away, look."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--full-disk", action="store_true")
    asked = parser.parse_args()
    asked.devices = asked.devices or (50 if asked.full_disk else 1000)
    asked.seconds = asked.seconds or (20.0 if asked.full_disk else 60.0)
    with small_disk(asked.full_disk) as disk, place(disk=disk) as where:
        right = uvloop.run(measure(where, asked, disk))
    raise SystemExit(not right)


if __name__ == "__main__":
    main()
