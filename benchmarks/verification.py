"""Memory and speed of `onset verify` over one stream, short and long.

    python -m benchmarks.verification [--readings 100000 2000000]

Each length is stored over an embedded PostgreSQL as its device would have left it, six
channels at 50 Hz with an event every half minute, and verified in a process of its own,
whose greatest memory is read.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from app.cli import kernels
from app.detection import Stream
from app.domain import Channel, Event, Profile, Readings
from app.service.jobs import verify, verifying
from app.service.jobs.progress import Progress
from app.store import devices, jobs, migrate, profiles, streams
from app.store import engine as database
from app.store.artefacts import Artefacts
from app.store.embedded.postgres import EmbeddedPostgres
from app.store.streams import Claim, StreamCommit

RATE_HZ, CHANNELS, CHUNK = 50.0, 6, 3000


async def record(url: str, name: str, n: int) -> int:
    """Store a stream; return how many events it has."""
    channels = tuple(Channel(f"c{i}") for i in range(CHANNELS))
    profile = Profile(name, channels, RATE_HZ, record=True)
    engine = database.create(url, pool_size=1)
    random = np.random.default_rng(1)
    count = 0
    async with engine.begin() as conn:
        version = (await profiles.put(conn, profile, None)).detector
        await devices.put(conn, f"{name}-1", name)
        (row,) = await streams.take_over(
            conn, [Claim(f"{name}-1", "b1", version.number)]
        )
    stream = Stream(profile, version, f"{name}-1", "b1")
    for at in range(0, n, CHUNK):
        values = random.normal(0, 0.1, (min(CHUNK, n - at), CHANNELS))
        for begin in range(500, len(values) - 200, 1500):
            values[begin : begin + 150] *= 30
        times = 1.75e9 + np.arange(at, at + len(values)) / RATE_HZ
        readings = Readings(at + 1, values.astype(np.float32), times, True)
        found = [one for one in stream.receive(readings) if isinstance(one, Event)]
        count += len(found)
        commit = StreamCommit(
            device=f"{name}-1",
            boot="b1",
            generation=row.generation,
            old=at,
            new=stream.next_seq - 1,
            state=stream.state(),
            detector_version=version.number,
            events=tuple(found),
            readings=(readings,),
        )
        async with engine.begin() as conn:
            await streams.commit(conn, [commit])
    await engine.dispose()
    return count


async def run(url: str, name: str) -> dict[str, object]:
    """Verify a profile as the trainer does."""
    engine = database.create(url, pool_size=2)
    asked = await verify.enqueue(engine, name, None, "benchmark")
    async with engine.begin() as conn:
        job = await jobs.start(conn, asked.id)
    await verifying.verify(engine, Artefacts(Path("no-models")), job, Progress())
    async with engine.connect() as conn:
        result = (await jobs.get(conn, job.id)).result
    await engine.dispose()
    return dict(result)


def measure(url: str, name: str, answer) -> None:
    """Verify in this process, and say what it took."""
    kernels.keep()
    begun = time.perf_counter()
    result = asyncio.run(run(url, name))
    took = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer.put((result, took, peak))


def main(arguments=None) -> None:
    """Print one line a length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readings", type=int, nargs="+", default=[100_000, 2_000_000])
    asked = parser.parse_args(arguments)
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "postgres", durable=False) as server,
    ):
        migrate.upgrade(server.url)
        for n in asked.readings:
            name = f"of-{n}"
            events = asyncio.run(record(server.url, name, n))
            answer = context.Queue()
            process = context.Process(target=measure, args=(server.url, name, answer))
            process.start()
            result, took, peak = answer.get()
            process.join()
            print(
                f"{n:10,} readings, {events:6,} events: {result['verdict']}, "
                f"{took:6.1f} s, {n / took:10,.0f} readings/s, "
                f"{n / RATE_HZ / took:9,.0f} x real time, peak {peak:5.0f} MiB"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
