"""Processor time of a message: the whole path against a server that only parses.

    python -m benchmarks.ingest [--devices 200] [--seconds 3] [--only "50 readings"]

Servers on the same uvicorn and event loop: Onset, which receives, parses, numbers,
detects and commits; Onset again, whose streams are not due before the end, so that it
is seen what commits cost; and a bare FastAPI route that receives a message and parses
it.  The same frames are sent to all in turns: in waves, 64 connections with one message
each at once, as a busy fleet does, and one message at a time, where most of the time
goes into waking up.  What is compared is the processor time of the serving process a
message, less what it uses while nobody sends.  PostgreSQL's own time is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import msgspec
import numpy as np
import uvloop
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from benchmarks.connections import (
    SETTLING_SECONDS,
    Line,
    Tally,
    frame,
    prepare,
)
from benchmarks.place import Place, cpu_seconds, free_ports, place

CHANNELS = 3
RATE_HZ = 50
TURNS = 3
WAVE = 64
WITHOUT_COMMITS = {
    "ONSET_ACK_INTERVAL_MS": "60000",
    "ONSET_EAGER_STREAMS": "0",
    "ONSET_WINDOW_READINGS": "1000000",
}
KINDS = {
    # name: (subprotocol, readings a message, messages a wave, messages a second)
    "JSON, 1 reading": ("onset.v1.json", 1, WAVE, 16_000),
    "JSON, 50 readings": ("onset.v1.json", 50, WAVE, 8_000),
    "float32 block, 50 readings": ("onset.v1.msgpack", 50, WAVE, 16_000),
    "JSON, 1 reading, one at a time": ("onset.v1.json", 1, 1, 2_000),
}

bare = FastAPI()


@bare.websocket("/devices/{device_id}/stream")
async def parse_only(websocket: WebSocket, device_id: str) -> None:
    """Receive and parse, nothing else."""
    name = websocket.scope["subprotocols"][0]
    await websocket.accept(subprotocol=name)
    try:
        while True:
            if name == "onset.v1.json":
                msgspec.json.decode(await websocket.receive_text())
            else:
                said = msgspec.msgpack.decode(await websocket.receive_bytes())
                np.frombuffer(said.get("values", b""), dtype="<f4")
    except WebSocketDisconnect:
        return


class Sender(Line):
    """A connection that does not wait for a welcome where there is none."""

    def __init__(self, device: str, key: str, kind: str, boot: str, greets: bool):
        super().__init__(device, key, Tally(), boot)
        self.protocol, self.readings, *_ = KINDS[kind]
        self.json = self.protocol == "onset.v1.json"
        self.greets = greets
        self.frames: list[bytes] = []
        rng = np.random.default_rng(0)
        self.block = rng.normal(0, 0.1, (self.readings, CHANNELS)).astype("<f4")
        self.values = (
            self.block.round(4).tolist() if self.json else self.block.tobytes()
        )

    def take(self, kind: int, body: bytes) -> None:
        """Take the welcome, and nothing else."""
        if kind == 8:
            self.fail(f"closed {int.from_bytes(body[:2], 'big')}")
        elif not self.welcome.done():
            self.welcome.set_result(True)

    def send(self, message: dict) -> None:
        """Send a message in the connection's form; the hello answers itself."""
        if self.transport is not None:
            self.transport.write(self.framed(message))
        if not self.greets and not self.welcome.done():
            self.welcome.set_result(True)

    def framed(self, message: dict) -> bytes:
        """Write a message as a frame."""
        if self.json:
            return frame(1, msgspec.json.encode(message))
        return frame(2, msgspec.msgpack.encode(message))

    def prepare(self) -> None:
        """Make the next message of readings."""
        message = {"type": "readings", "seq": self.seq, "values": self.values}
        if not self.json:
            message["n"] = self.readings
        self.frames.append(self.framed(message))
        self.seq += self.readings


class Process:
    """A serving process, as the benchmark sees it."""

    def __init__(self, port: int, pid: int, greets: bool) -> None:
        self.port, self.pid, self.greets = port, pid, greets
        self.cpu = partial(cpu_seconds, pid)


async def cost(
    server: Process, pairs: list[tuple[str, str]], kind: str, seconds: float, boot: str
) -> float:
    """Return microseconds of processor a message."""
    loop = asyncio.get_running_loop()
    lines = [Sender(d, k, kind, boot, server.greets) for d, k in pairs]
    for line in lines:
        await loop.create_connection(lambda line=line: line, "127.0.0.1", server.port)
    for line in lines:
        if not await line.welcome:
            raise SystemExit(f"not welcome: {line.tally.closes}")
    _, _, wave, rate = KINDS[kind]
    waves = int(seconds * rate / wave)
    queue = []
    for i in range(waves * wave):
        line = lines[i % len(lines)]
        line.prepare()
        queue.append(
            (line.transport.get_extra_info("socket").fileno(), line.frames[-1])
        )
    await asyncio.sleep(0.5)
    began, before = time.perf_counter(), server.cpu()
    await asyncio.sleep(1.0)
    idle = (server.cpu() - before) / (time.perf_counter() - began)
    began, before, at = time.perf_counter(), server.cpu(), 0
    while at < len(queue):
        if wave > 1:  # all of it is there before the first is read
            os.kill(server.pid, signal.SIGSTOP)
        for descriptor, said in queue[at : at + wave]:
            if os.write(descriptor, said) < len(said):
                raise SystemExit("the server does not keep up: nothing is measured")
        if wave > 1:
            os.kill(server.pid, signal.SIGCONT)
        at += wave
        await asyncio.sleep(max(0.0, began + at / rate - time.perf_counter()))
    await asyncio.sleep(1.0)
    used = server.cpu() - before - idle * (time.perf_counter() - began)
    failed = sum((line.tally.closes for line in lines), start=Tally().closes)
    if failed:
        raise SystemExit(f"connections were closed: {failed}")
    for line in lines:
        if line.transport is not None:
            line.transport.abort()
    await asyncio.sleep(0.5)
    return used / len(queue) * 1e6


async def measure(
    where: Place, calm: Process, other: Process, devices: int, seconds: float, only: str
) -> None:
    """Print the table."""
    await asyncio.sleep(SETTLING_SECONDS)
    pairs = prepare(where, devices, RATE_HZ)
    ours = Process(where.port, where.service.pid, greets=True)
    print("| message | Onset us | without commits | bare us | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for number, kind in enumerate(KINDS):
        if only not in kind:
            continue
        got: dict[Process, list[float]] = {ours: [], calm: [], other: []}
        for turn in range(TURNS):
            for server, costs in got.items():
                boot = f"{number}-{turn}-{server.port}"
                costs.append(await cost(server, pairs, kind, seconds, boot))
        mine, alone, theirs = (float(np.median(costs)) for costs in got.values())
        print(
            f"| {kind} | {mine:.1f} | {alone:.1f} | {theirs:.1f} | "
            f"{mine / theirs:.2f} |",
            flush=True,
        )


@contextmanager
def bare_server(app: str) -> Iterator[Process]:
    """Run a bare application of this folder on uvicorn's fastest WebSocket."""
    (port,) = free_ports(1)
    words = ["uvicorn", app, "--port", str(port), "--no-access-log"]
    words += ["--ws", "websockets-sansio", "--ws-per-message-deflate", "false"]
    process = subprocess.Popen([sys.executable, "-m", *words, "--log-level", "error"])
    try:
        time.sleep(3)
        yield Process(port, process.pid, greets=False)
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Start the servers, measure, stop them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", default="", help="messages whose name has this in it")
    asked = parser.parse_args()
    with place() as where, bare_server("benchmarks.ingest:bare") as other:
        port = where.beside(**WITHOUT_COMMITS)
        calm = Process(port, where.running[f"serve {port}"].pid, greets=True)
        uvloop.run(
            measure(where, calm, other, asked.devices, asked.seconds, asked.only)
        )


if __name__ == "__main__":
    main()
