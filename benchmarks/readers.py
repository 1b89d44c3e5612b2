"""Ten readers of two replicas: each must see every event once, in one order.

    python -m benchmarks.readers [--events 20000] [--seed 1]

Two processes store events as two replicas do, several transactions at once, and wait a
random time before each COMMIT.  Five readers page through `GET /events` by cursor and
go on from `last_cursor` at the end; five hear `GET /live`, are cut at random and come
back with `Last-Event-ID`.  Both change the replica all the time.  At the end each must
have seen what the database has, in its order, nothing twice.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import re
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import psycopg

from app.domain import Event
from app.store import engine as database
from app.store import events
from benchmarks.place import KEY, Place, place

ACCESS = {"Authorization": f"Bearer {KEY}"}
WRITERS = 6
"""Transactions at once of each writing process."""
MOST_AT_ONCE = 12
EVENT = re.compile(r'"id":"([0-9a-f-]{36})"')


def event(number: int) -> Event:
    """Make an event."""
    onset = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    return Event(
        id=uuid.uuid5(uuid.NAMESPACE_OID, str(number)),
        device=f"d{number % 7}",
        boot="b",
        profile="arm",
        detector_version=0,
        onset_seq=1 + 50 * number,
        offset_seq=21 + 50 * number,
        onset=onset,
        offset=onset + timedelta(seconds=1),
        peak=1.0,
        window=np.zeros((4, 2), np.float32),
        pre_roll=1,
        post_roll=1,
    )


def delay(chance: random.Random) -> float:
    """Return how long a transaction stays open, in seconds."""
    return chance.choice((0.0, 0.001, 0.003, 0.01, 0.04)) * chance.random()


async def store(url: str, first: int, count: int, seed: int) -> None:
    """Store events from several transactions at once."""
    engine = database.create(url, pool_size=WRITERS)
    chance = random.Random(seed)
    left = list(range(first, first + count))

    async def write() -> None:
        while left:
            n = chance.randint(1, MOST_AT_ONCE)
            mine, left[:n] = [event(i) for i in left[:n]], []
            async with engine.begin() as conn:
                await asyncio.sleep(delay(chance))
                await events.add(conn, mine)
                await asyncio.sleep(delay(chance))
            await asyncio.sleep(delay(chance))

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    await engine.dispose()


def storing(url: str, first: int, count: int, seed: int) -> None:
    """Run one writing process."""
    asyncio.run(store(url, first, count, seed))


@dataclass
class Reader:
    """What a reader saw."""

    name: str
    chance: random.Random
    seen: list[str] = field(default_factory=list)
    turns: int = 0
    told: Counter[str] = field(default_factory=Counter)

    async def by_cursor(self, where: Place, count: int) -> None:
        """Read page after page, and wait at the end."""
        cursor = None
        async with httpx.AsyncClient(headers=ACCESS, trust_env=False) as client:
            while len(self.seen) < count:
                base = f"http://127.0.0.1:{self.chance.choice(where.ports)}"
                query = {"profile": "arm", "limit": self.chance.randint(1, 300)}
                if cursor is not None:
                    query["cursor"] = cursor
                answer = await client.get(f"{base}/events", params=query, timeout=30)
                page = answer.raise_for_status().json()
                self.turns += 1
                self.seen += [one["id"] for one in page["items"]]
                cursor = page["last_cursor"]
                if page["next_cursor"] is None:
                    await asyncio.sleep(0.05 * self.chance.random())

    async def by_events(self, where: Place, count: int) -> None:
        """Hear events; go away at random and come back."""
        last: str | None = None
        while len(self.seen) < count:
            self.turns += 1
            stay = self.chance.choice((0.05, 0.3, 1.0, 3.0)) * self.chance.random()
            port = self.chance.choice(where.ports)
            line, out = await asyncio.open_connection("127.0.0.1", port)
            head = "GET /live?kind=event HTTP/1.1\r\nHost: here\r\n"
            head += f"Authorization: Bearer {KEY}\r\n"
            head += "" if last is None else f"Last-Event-ID: {last}\r\n"
            out.write((head + "\r\n").encode())
            end = time.monotonic() + stay
            rest = ""
            try:
                while len(self.seen) < count:
                    left = end - time.monotonic()
                    if left <= 0 and last is not None:
                        break
                    async with asyncio.timeout(max(left, 0.2)):
                        data = await line.read(65536)
                    if not data:
                        break
                    *blocks, rest = (rest + data.decode().replace("\r", "")).split(
                        "\n\n"
                    )
                    for block in blocks:
                        last = self.take(block) or last
            except TimeoutError:
                pass
            finally:
                out.transport.abort()

    def take(self, block: str) -> str | None:
        """Take a message; return its id, if it has one."""
        number = re.search(r"^id: (\d+)$", block, re.MULTILINE)
        kind = re.search(r"^event: (\w+)$", block, re.MULTILINE)
        if kind is None:
            return None
        self.told[kind[1]] += 1
        found = EVENT.search(block)
        if kind[1] == "event" and found is not None:
            self.seen.append(found[1])
        return None if number is None else number[1]


async def read(where: Place, count: int, seed: int) -> list[Reader]:
    """Let ten readers read until each has seen enough."""
    by_cursor = [Reader(f"cursor {i}", random.Random(seed + i)) for i in range(5)]
    by_events = [Reader(f"live {i}", random.Random(seed + 9 + i)) for i in range(5)]
    tasks = [one.by_events(where, count) for one in by_events]
    tasks += [one.by_cursor(where, count) for one in by_cursor]
    reading = asyncio.gather(*tasks)
    await asyncio.sleep(3)  # those who listen have heard where they begin
    context = multiprocessing.get_context("spawn")
    half = count // 2
    writers = [
        context.Process(target=storing, args=(where.database, first, n, seed + first))
        for first, n in ((0, half), (half, count - half))
    ]
    begun = time.monotonic()
    for writer in writers:
        writer.start()
    for writer in writers:
        await asyncio.to_thread(writer.join)
    print(f"{count} events stored in {time.monotonic() - begun:.1f} s", flush=True)
    try:
        async with asyncio.timeout(60):
            await reading
    except TimeoutError:
        print("not all readers have seen as many events as there are")
    return by_cursor + by_events


def judge(truth: list[str], readers: list[Reader]) -> int:
    """Print what each reader saw; return how many saw something else than is there."""
    wrong = 0
    for one in readers:
        twice = len(one.seen) - len(set(one.seen))
        missed = len(set(truth) - set(one.seen))
        ordered = one.seen == truth
        wrong += not ordered
        print(
            f"{one.name:9} {len(one.seen):6} seen, {missed} missed, {twice} twice, "
            f"{'in order' if ordered else 'NOT IN ORDER'}; {one.turns} requests"
            f"{f', told {dict(one.told)}' if one.told else ''}"
        )
    return wrong


def main() -> int:
    """Store, read, judge; return 1 when a reader was told something else."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with place(replicas=2, ONSET_REQUESTS_PER_SECOND="1000000") as where:
        profile = {"channels": [{"name": "x"}, {"name": "y"}], "rate_hz": 50}
        url = f"{where.url}/profiles/arm"
        httpx.put(url, json=profile, headers=ACCESS, trust_env=False).raise_for_status()
        readers = asyncio.run(read(where, asked.events, asked.seed))
        with psycopg.connect(where.database) as conn:
            rows = conn.execute("SELECT id FROM events ORDER BY position").fetchall()
    wrong = judge([str(row[0]) for row in rows], readers)
    print(f"{len(rows)} events in the database; {wrong} readers saw something else")
    return int(wrong > 0 or len(rows) != asked.events)


if __name__ == "__main__":
    sys.exit(main())
