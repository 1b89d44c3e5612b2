"""Five minutes of devices that come and go: memory, descriptors and tasks.

    python -m benchmarks.soak [--devices 200] [--minutes 5]

Devices stream, hold their connection for some seconds, break it, and come again; a
dashboard follows the live stream.  What is printed: the slope of the service's memory
over the second half, and its descriptors, threads and tasks before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from pathlib import Path

import httpx
import numpy as np
import uvloop

from benchmarks.fleet import Device, Ledger, readings, register
from benchmarks.place import KEY, Place, memory, place

HELD_SECONDS = (2.0, 20.0)


def descriptors(process: int) -> int:
    """Count the open descriptors of a process."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def threads(process: int) -> int:
    """Count the threads of a process."""
    return len(list(Path(f"/proc/{process}/task").iterdir()))


async def gauges(where: Place) -> tuple[int, int]:
    """Ask how many connections the service has, and how many tasks."""
    access = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=where.url, trust_env=False) as api:
        said = (await api.get("/metrics", headers=access)).text
    rows = dict(x.split() for x in said.splitlines() if x.count(" ") == 1)
    return int(float(rows["onset_connections"])), int(float(rows["onset_tasks"]))


async def churn(device: Device, where: Place, end: float) -> None:
    """Stream under one boot after another, until the time is over."""
    rng, boot = random.Random(device.name), 0
    while time.perf_counter() < end:
        boot += 1
        device.boot, device.acked, device.sent = f"b{boot}", 0, 0
        device.values = readings(3000, rng.randint(0, 1000))
        run = asyncio.ensure_future(device.run(where.ports))
        await asyncio.wait([run], timeout=rng.uniform(*HELD_SECONDS))
        run.cancel()
        await asyncio.wait([run])
        if device.socket is not None and device.socket.transport is not None:
            device.socket.transport.abort()
        await asyncio.sleep(rng.uniform(0, 1))


async def dashboard(where: Place, end: float) -> int:
    """Follow the live stream, leaving it now and then; return how much was told."""
    told = 0
    access = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(
        base_url=where.url, headers=access, trust_env=False, timeout=None
    ) as api:
        while time.perf_counter() < end:
            leave = min(end, time.perf_counter() + 10)
            try:
                async with (
                    asyncio.timeout(leave - time.perf_counter() + 0.1),
                    api.stream("GET", "/live") as live,
                ):
                    async for line in live.aiter_lines():
                        told += line.startswith("event:")
            except TimeoutError:
                continue
    return told


async def measure(where: Place, count: int, minutes: float) -> bool:
    """Print what came of it."""
    names = [f"d{i}" for i in range(count)]
    keys = await asyncio.to_thread(register, where, names, "soak")
    ledger = Ledger()
    nothing = np.zeros((0, 3), np.float32)
    devices = [Device(n, keys[n], nothing, ledger, pace=0.4) for n in names]
    process = where.service.pid
    end = time.perf_counter() + 20  # until everything has been used once
    await asyncio.gather(
        *(churn(d, where, end) for d in devices), dashboard(where, end)
    )
    await asyncio.sleep(5)
    before = descriptors(process), threads(process), memory(process) / 2**20
    _, tasks_before = await gauges(where)
    began = time.perf_counter()
    end = began + minutes * 60
    tasks = [asyncio.ensure_future(churn(d, where, end)) for d in devices]
    watching = asyncio.ensure_future(dashboard(where, end))
    seen: list[tuple[float, float]] = []
    while time.perf_counter() < end:
        seen.append(((time.perf_counter() - began) / 60, memory(process) / 2**20))
        await asyncio.sleep(2)
    await asyncio.wait(tasks)
    told = await watching
    await asyncio.sleep(8)
    after = descriptors(process), threads(process), memory(process) / 2**20
    minutes_, mib = np.array([row for row in seen if row[0] > minutes / 2]).T
    slope = float(np.polyfit(minutes_, mib, 1)[0])
    left, tasks_after = await gauges(where)
    print(
        f"{minutes:g} min, {count} devices, {ledger.connections} connections, "
        f"{told} messages to a dashboard: memory {before[2]:.0f} MiB before, "
        f"{max(m for _, m in seen):.0f} at most, {after[2]:.0f} after; slope of the "
        f"second half {slope:+.2f} MiB/min; descriptors {before[0]} -> {after[0]}, "
        f"threads {before[1]} -> {after[1]}, tasks {tasks_before} -> {tasks_after}; "
        f"connections {left}"
    )
    same = after[0] <= before[0] + 3 and tasks_after <= tasks_before + 3
    return slope < 1.0 and same and left == 0


def main() -> None:
    """Start everything, let it churn, look."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=5.0)
    asked = parser.parse_args()
    with place() as where:
        right = uvloop.run(measure(where, asked.devices, asked.minutes))
    raise SystemExit(not right)


if __name__ == "__main__":
    main()
