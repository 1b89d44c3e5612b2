"""How long answers take while the serving process uses half a core.

    python -m benchmarks.half_load [--devices 200] [--seconds 15] [--events 200]

Quiet devices send messages of one reading, as many as keep half a core of the server
busy; the time to the answer of each is taken.  First of a bare FastAPI server that
parses a message and answers it at once, on the same uvicorn; then of Onset, whose
acknowledgement waits until the reading is durable, and whose predictions, of a model
that was trained for it, come at once: from an event's last reading to its prediction
on the socket, of a few devices beside the quiet ones.  The time of commits is that of
the service's own metric.  Everything is on one machine, this client too.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time

import httpx
import msgspec
import numpy as np
import uvloop
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from app.client import Onset
from benchmarks.connections import Line, Tally, prepare
from benchmarks.ingest import Process, bare_server
from benchmarks.latency import CHANNELS, RATE_HZ, history, stream
from benchmarks.place import KEY, Place, place

EVENT_DEVICES = 4
HALF = 0.5
PROBE_SECONDS = 2.0
TICK_SECONDS = 0.002
FIRST_RATE = 2_000.0
MOST_RATE = 16_000.0

bare = FastAPI()


@bare.websocket("/devices/{device_id}/stream")
async def answer_at_once(websocket: WebSocket, device_id: str) -> None:
    """Parse a message and say which readings it had."""
    await websocket.accept(subprotocol=websocket.scope["subprotocols"][0])
    try:
        while True:
            said = msgspec.json.decode(await websocket.receive_text())
            if said["type"] == "hello":
                answer = {"type": "welcome", "ack": 0}
            else:
                answer = {"type": "ack", "ack": said["seq"] + len(said["values"]) - 1}
            await websocket.send_text(msgspec.json.encode(answer).decode())
    except WebSocketDisconnect:
        return


def row(name: str, seconds: list[float]) -> None:
    """Print percentiles in milliseconds."""
    p50, p95, p99 = np.percentile(np.array(seconds) * 1e3, [50, 95, 99])
    print(
        f"| {name} | {p50:.2f} | {p95:.2f} | {p99:.2f} | {len(seconds)} |", flush=True
    )


class Fleet:
    """Quiet devices of one server."""

    def __init__(self, server: Process, pairs: list[tuple[str, str]]) -> None:
        self.server = server
        self.tally = Tally()
        self.lines = [Line(d, k, self.tally, str(server.port)) for d, k in pairs]
        self.sent = 0

    async def open(self) -> None:
        """Connect all."""
        loop = asyncio.get_running_loop()
        for line in self.lines:
            await loop.create_connection(
                lambda line=line: line, "127.0.0.1", self.server.port
            )
            if not await line.welcome:
                raise SystemExit(f"not welcome: {self.tally.closes}")

    async def send(self, rate: float, seconds: float) -> float:
        """Send so many messages a second; return the share of a core they took."""
        began, before, sent = time.perf_counter(), self.server.cpu(), 0
        while (passed := time.perf_counter() - began) < seconds:
            for _ in range(int(passed * rate) - sent):
                self.lines[self.sent % len(self.lines)].reading()
                self.sent += 1
                sent += 1
            await asyncio.sleep(TICK_SECONDS)
        return (self.server.cpu() - before) / (time.perf_counter() - began)

    async def half(self) -> float:
        """Find the messages a second that take half a core."""
        rate = FIRST_RATE
        for _ in range(3):
            share = await self.send(rate, PROBE_SECONDS)
            rate = min(MOST_RATE, rate * HALF / share)
        return rate

    def close(self) -> None:
        """Drop all."""
        for line in self.lines:
            if line.transport is not None:
                line.transport.abort()
        if self.tally.closes:
            raise SystemExit(f"connections were closed: {self.tally.closes}")


def commits(where: Place) -> dict[float, float]:
    """Read how many commits took how long at most, in seconds."""
    access = {"Authorization": f"Bearer {KEY}"}
    said = httpx.get(f"{where.url}/metrics", headers=access, trust_env=False).text
    found = re.findall(r'onset_commit_seconds_bucket{le="(\S+)"} (\S+)', said)
    return {float(most): float(count) for most, count in found}


def percentile(
    before: dict[float, float], after: dict[float, float], p: float
) -> float:
    """Interpolate a percentile of what came between two looks, in milliseconds."""
    most = list(after)
    counts = np.array([after[m] - before[m] for m in most])
    wanted = counts[-1] * p / 100
    at = int(np.searchsorted(counts, wanted))
    low, least = (counts[at - 1], most[at - 1]) if at else (0.0, 0.0)
    part = (wanted - low) / max(counts[at] - low, 1)
    return 1e3 * (least + part * (min(most[at], most[-2]) - least))


async def measure(where: Place, other: Process, asked: argparse.Namespace) -> None:
    """Print the table."""
    async with Onset(where.url, KEY) as api:
        channels = [{"name": f"c{n}"} for n in range(CHANNELS)]
        policy = {"every_labels": None}
        await api.put_profile(
            "bench", {"channels": channels, "rate_hz": RATE_HZ, "retrain": policy}
        )
        keys = {}
        for n in range(EVENT_DEVICES):
            await api.put_device(f"e{n}", "bench")
            keys[f"e{n}"] = await api.device_key(f"e{n}")
        await history(api)
    pairs = prepare(where, asked.devices, RATE_HZ)
    await asyncio.sleep(6)  # the service has looked for the champion
    print("| | p50 ms | p95 ms | p99 ms | n |")
    print("| --- | --- | --- | --- | --- |")
    ours = Process(where.port, where.service.pid, greets=True)
    for name, server in (("bare server", other), ("Onset", ours)):
        fleet = Fleet(server, pairs)
        await fleet.open()
        rate = await fleet.half()
        fleet.tally.waits.clear()
        before = commits(where)
        loading = asyncio.ensure_future(fleet.send(rate, asked.seconds))
        devices = []
        if server is ours:
            devices = await stream(where.url, keys, asked.events, seed=1)
            if loading.done():
                raise SystemExit("the events took longer than the load: --seconds")
        share = await loading
        await asyncio.sleep(1)
        what = "acknowledged, durable" if devices else "answered"
        load = f"{rate:,.0f} messages a second, {share:.0%} of a core"
        row(f"{name}, {load}: a message {what}", fleet.tally.waits)
        if devices:
            row("its prediction after an event", [w for d in devices for w in d.waits])
            row("a ping on the same line", [p for d in devices for p in d.pings])
            after = commits(where)
            count = next(reversed(after.values())) - next(reversed(before.values()))
            told = " | ".join(
                f"{percentile(before, after, p):.2f}" for p in (50, 95, 99)
            )
            print(f"| a commit (onset_commit_seconds) | {told} | {count:.0f} |")
        fleet.close()


def main() -> None:
    """Start everything, measure, stop everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--events", type=int, default=200)
    asked = parser.parse_args()
    with place("trainer") as where, bare_server("benchmarks.half_load:bare") as other:
        uvloop.run(measure(where, other, asked))


if __name__ == "__main__":
    main()
