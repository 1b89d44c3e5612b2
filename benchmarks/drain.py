"""SIGTERM while a thousand devices stream: how long it takes, and what is left to send.

    python -m benchmarks.drain [--devices 1000] [--times 10]

Each time the service must end within ten seconds, close every device with 1012, and
have made durable all that it was sent: a device that comes back has nothing to send
again.  What was on the line when it was closed is told by the next welcome.
"""

from __future__ import annotations

import argparse
import asyncio
import time

import psycopg
import uvloop

from benchmarks.fleet import Device, Ledger, readings, register
from benchmarks.place import Place, place

EVERY_SECONDS = 1.0


async def measure(where: Place, count: int, times: int) -> bool:
    """Print what came of each time."""
    names = [f"d{i}" for i in range(count)]
    keys = await asyncio.to_thread(register, where, names, "drain")
    right = True
    for turn in range(times):
        ledger = Ledger()
        devices = [
            Device(
                n,
                keys[n],
                readings(3000, i),
                ledger,
                boot=f"b{turn}",
                pace=2 * EVERY_SECONDS,
            )
            for i, n in enumerate(names)
        ]
        running = [asyncio.ensure_future(d.run(where.ports)) for d in devices]
        for _ in range(600):
            await asyncio.sleep(0.1)
            if ledger.connections >= count:
                break
        await asyncio.sleep(3)
        before = ledger.connections
        began = time.perf_counter()
        service = where.service
        service.terminate()
        status = await asyncio.to_thread(service.wait)
        took = time.perf_counter() - began
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        closed = dict(ledger.closes)
        stored = await asyncio.to_thread(watermarks, where, f"b{turn}")
        replay = sum(max(0, d.sent - stored.get(d.name, 0)) for d in devices)
        lost = sum(max(0, d.acked - stored.get(d.name, 0)) for d in devices)
        unsaid = sum(max(0, stored.get(d.name, 0) - d.acked) for d in devices)
        print(
            f"{turn + 1}: {took:.2f} s, status {status}, closes {closed}, "
            f"of {sum(d.sent for d in devices)} readings {replay} to send again, "
            f"{unsaid} of them told by the next welcome, lost {lost}"
        )
        fine = took <= 10 and not lost and not replay and closed == {"1012": before}
        right = right and fine
        where.start("serve")
        await asyncio.to_thread(where.wait)
    return right


def watermarks(where: Place, boot: str) -> dict[str, int]:
    """Look up what is durable."""
    with psycopg.connect(where.database) as conn:
        asked = "SELECT device, watermark FROM streams WHERE boot = %s"
        return dict(conn.execute(asked, [boot]))


def main() -> None:
    """Start everything, end it again and again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--times", type=int, default=10)
    asked = parser.parse_args()
    with place() as where:
        right = uvloop.run(measure(where, asked.devices, asked.times))
    raise SystemExit(not right)


if __name__ == "__main__":
    main()
