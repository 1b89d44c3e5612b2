"""From an event's last reading to its prediction on the socket, idle and retraining.

    python -m benchmarks.latency [--events 300] [--devices 4]

Starts the service and a trainer of its own over an embedded PostgreSQL (fsync on),
imports a history, trains a model, and then streams events one after the other.  The
clock starts when the reading that makes an event final is handed to the socket, and
stops when the prediction has been read: the round trip of this process included.  The
same is measured with a retrain running all the time, and beside both the round trip of
a WebSocket ping on the same connections: the floor.  Exit code 1 if the p99 while
retraining is more than `MOST_RATIO` times the mean of those before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from app.client import Onset
from benchmarks.place import KEY, place

CHANNELS = 6
RATE_HZ = 50
REST, BURST = 400, 80
MOST_RATIO = 1.5


def percentiles(seconds: list[float]) -> str:
    """Write p50, p95 and p99 in milliseconds."""
    p50, p95, p99 = np.percentile(np.array(seconds) * 1e3, [50, 95, 99])
    return f"p50 {p50:7.2f}  p95 {p95:7.2f}  p99 {p99:7.2f} ms   (n {len(seconds)})"


def signal(rng: np.random.Generator, kind: int) -> np.ndarray:
    """Rest, then a burst whose frequency is its class, then rest."""
    values = rng.normal(0, 0.05, (2 * REST + BURST, CHANNELS))
    t = np.arange(BURST)[:, None] / RATE_HZ
    phase = rng.uniform(0, 6.28, CHANNELS)
    values[REST : REST + BURST] += 2 * np.sin(6.28 * (3 + 4 * kind) * t + phase)
    return values.astype(np.float32)


class Device:
    """One connection; measures while it streams."""

    def __init__(self, line: ClientConnection, seed: int) -> None:
        self.line = line
        self.rng = np.random.default_rng(seed)
        self.seq = 1
        self.sent: list[tuple[int, float]] = []
        self.waits: list[float] = []
        self.pings: list[float] = []

    async def listen(self) -> None:
        """Note when each final prediction arrives."""
        async for frame in self.line:
            now = time.perf_counter()
            message = json.loads(frame)
            if message["type"] == "prediction" and not message["provisional"]:
                self.waits.append(now - self.sent[-1][1])

    async def event(self, pause: float) -> None:
        """Stream one event, a message a reading around its end."""
        rows = signal(self.rng, int(self.rng.integers(2)))
        at, step = 0, 50
        while at < len(rows):
            step = 1 if REST + BURST <= at < REST + BURST + 100 else 50
            part = rows[at : at + step].tolist()
            frame = {"type": "readings", "seq": self.seq, "values": part}
            text = json.dumps(frame)
            self.sent.append((self.seq, time.perf_counter()))
            await self.line.send(text)
            self.seq += len(part)
            at += len(part)
            await asyncio.sleep(pause)
        began = time.perf_counter()
        await (await self.line.ping())
        self.pings.append(time.perf_counter() - began)


async def history(api: Onset) -> None:
    """Import labelled windows and train the first model on them."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(120):
        window = signal(rng, n % 2)[REST - 25 : REST + BURST + 25]
        rows.append(
            {
                "profile": "bench",
                "window": window.tolist(),
                "label": f"class {n % 2}",
                "pre_roll": 25,
                "post_roll": 25,
            }
        )
    lines = "\n".join(map(json.dumps, rows))
    await api.import_events(lines.encode())
    job = await api.retrain("bench")
    await api.wait_job(job["id"])


async def stream(
    url: str, keys: dict[str, str], events: int, seed: int
) -> list[Device]:
    """Let every device stream its share of events."""
    devices, tasks = [], []
    for n, (name, key) in enumerate(keys.items()):
        line = await connect(
            f"{url.replace('http', 'ws')}/devices/{name}/stream",
            additional_headers={"Authorization": f"Bearer {key}"},
            compression=None,
        )
        await line.send(json.dumps({"type": "hello", "boot": f"{name}-{seed}"}))
        await line.recv()
        device = Device(line, seed + n)
        devices.append(device)
        tasks.append(asyncio.create_task(device.listen()))
    await asyncio.gather(*(share(d, events // len(devices)) for d in devices))
    await asyncio.sleep(0.5)
    for device, task in zip(devices, tasks, strict=True):
        task.cancel()
        await device.line.close()
    return devices


async def share(device: Device, events: int) -> None:
    """Stream some events, a little apart."""
    for _ in range(events):
        await device.event(pause=0.002)


async def retraining(api: Onset, stop: asyncio.Event) -> int:
    """Retrain again and again until told to stop; return how often."""
    count = 0
    while not stop.is_set():
        job = await api.retrain("bench", promote="never")
        await api.wait_job(job["id"])
        count += 1
    return count


async def measure(url: str, events: int, n_devices: int) -> float:
    """Print the table; return the p99 while retraining against that of the idle."""
    p99: dict[str, float] = {}
    async with Onset(url, KEY) as api:
        channels = [{"name": f"c{n}"} for n in range(CHANNELS)]
        policy = {"every_labels": None}
        await api.put_profile(
            "bench", {"channels": channels, "rate_hz": RATE_HZ, "retrain": policy}
        )
        keys = {}
        for n in range(n_devices):
            await api.put_device(f"d{n}", "bench")
            keys[f"d{n}"] = await api.device_key(f"d{n}")
        await history(api)
        await asyncio.sleep(6)  # the service has looked for the champion
        for name in ("idle", "while retraining", "idle again"):
            stop = asyncio.Event()
            busy = None
            if name == "while retraining":
                busy = asyncio.create_task(retraining(api, stop))
                await asyncio.sleep(1)
            devices = await stream(url, keys, events, seed=len(name))
            stop.set()
            trained = f", {await busy} retrains" if busy else ""
            waits = [w for d in devices for w in d.waits]
            pings = [p for d in devices for p in d.pings]
            p99[name] = float(np.percentile(waits, 99))
            print(f"{name}{trained}")
            print(f"  event's last reading -> prediction  {percentiles(waits)}")
            print(f"  ping on the same line               {percentiles(pings)}")
    idle = (p99["idle"] + p99["idle again"]) / 2
    return p99["while retraining"] / idle


def main() -> None:
    """Start everything, measure, stop everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--devices", type=int, default=4)
    asked = parser.parse_args()
    with place("trainer") as where:
        ratio = asyncio.run(measure(where.url, asked.events, asked.devices))
    print(f"p99 while retraining is {ratio:.2f} x idle (at most {MOST_RATIO})")
    sys.exit(ratio > MOST_RATIO)


if __name__ == "__main__":
    main()
