"""Wrist bands that move all the time, in a process of their own."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

import httpx
import numpy as np
import psycopg

from benchmarks.connections import Line, Tally
from benchmarks.place import KEY, Place

CHANNELS = ("acc x", "acc y", "acc z", "gyro x", "gyro y", "gyro z")
CLASSES = ("knock", "turn", "wave")
RATE_HZ = 50
PERIOD = 150
"""Readings from one movement to the next: 20 a minute of each band."""
LENGTH = 70
BLOCK = 5
DETECTOR = {
    "baseline_seconds": 4,
    "smooth_seconds": 0.2,
    "min_seconds": 0.4,
    "merge_seconds": 0.3,
    "pre_seconds": 0.2,
    "post_seconds": 0.2,
}


def register(where: Place, devices: int) -> list[tuple[str, str]]:
    """Register the bands, each with a key; return names and keys."""
    profile = {
        "channels": [{"name": name, "unit": "g"} for name in CHANNELS],
        "rate_hz": RATE_HZ,
        "detector": DETECTOR,
        "classes": list(CLASSES),
        "retrain": {"every_labels": None},
    }
    access = {"Authorization": f"Bearer {KEY}"}
    httpx.put(
        f"{where.url}/profiles/wrist", json=profile, headers=access, trust_env=False
    ).raise_for_status()
    pairs = [(f"band-{i:02}", f"ons_{i:08d}_{'k' * 36}") for i in range(devices)]
    with psycopg.connect(where.database) as conn, conn.cursor() as cursor:
        for device, key in pairs:
            digest = hashlib.sha256(key.encode()).digest()
            cursor.execute(
                "INSERT INTO devices (id, profile) VALUES (%s, 'wrist')", [device]
            )
            cursor.execute(
                "INSERT INTO api_keys (id, sha256, role, name, device) "
                "VALUES (%s, %s, 'device', '', %s)",
                [key.split("_")[1], digest, device],
            )
    return pairs


def truth(onset_seq: int) -> str:
    """Name the movement that a reading belongs to."""
    return CLASSES[onset_seq // PERIOD % 3]


def cycle(random: np.random.Generator, index: int) -> np.ndarray:
    """Make rest and then a movement, (PERIOD, 6)."""
    at = np.arange(LENGTH)[:, None] / RATE_HZ
    values = random.normal(0, 0.03, (PERIOD, len(CHANNELS)))
    swing = (9.0, 2.0, 4.0)[index % 3] * random.uniform(0.9, 1.1)
    share = random.uniform(0.3, 1.3, len(CHANNELS))
    rise = np.hanning(LENGTH)[:, None] ** 0.4
    values[-LENGTH:] += rise * share * np.sin(6.283 * swing * at + random.uniform(0, 6))
    return values.round(4)


@dataclass
class Band:
    """One band: its connection and what it sends next."""

    line: Line
    blocks: Iterator[list[list[float]]]

    def send(self) -> None:
        """Send a block; the time to the acknowledgement of its end is taken."""
        values = next(self.blocks)
        line = self.line
        line.send({"type": "readings", "seq": line.seq, "values": values})
        line.seq += len(values)
        line.sent.append((line.seq - 1, time.perf_counter()))


def blocks(seed: int) -> Iterator[list[list[float]]]:
    """Cut what a band measures."""
    random = np.random.default_rng(seed)
    for index in itertools.count():
        for part in np.split(cycle(random, index), PERIOD // BLOCK):
            yield part.tolist()


async def play(port: int, pairs: list[tuple[str, str]], told: Connection) -> None:
    """Stream for ever; on request say how long the acknowledgements took."""
    loop = asyncio.get_running_loop()
    tally = Tally()
    bands = []
    for i, (device, key) in enumerate(pairs):
        line = Line(device, key, tally, f"b{time.time():.0f}")
        await loop.create_connection(lambda line=line: line, "127.0.0.1", port)
        if not await line.welcome:
            raise SystemExit(f"{device} is not welcome: {dict(tally.closes)}")
        bands.append(Band(line, blocks(i)))
    told.send("streaming")
    step = BLOCK / RATE_HZ / len(bands)
    next_at = time.perf_counter()
    for band in itertools.cycle(bands):
        band.send()
        next_at += step
        await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
        if band is bands[0] and told.poll():
            if told.recv() == "stop":
                return
            told.send(json.dumps([tally.waits, dict(tally.closes)]))
            tally.waits.clear()


def _play(port: int, pairs: list[tuple[str, str]], told: Connection) -> None:
    asyncio.run(play(port, pairs, told))


@dataclass
class Fleet:
    """The process of the bands."""

    told: Connection

    def waits(self) -> list[float]:
        """Return how long acknowledgements took since the last time, in seconds."""
        self.told.send("waits")
        waits, closes = json.loads(self.told.recv())
        if closes:
            raise SystemExit(f"bands were closed: {closes}")
        return list(waits)


@contextmanager
def streaming(where: Place, pairs: list[tuple[str, str]]) -> Iterator[Fleet]:
    """Let the bands stream for as long as the context lasts."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_play, args=(where.port, pairs, there))
    process.start()
    try:
        if not here.poll(60):
            raise SystemExit("the bands do not stream")
        here.recv()
        yield Fleet(here)
    finally:
        process.kill()
        process.join()
