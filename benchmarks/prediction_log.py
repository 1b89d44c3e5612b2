"""What storing predictions costs, by `ONSET_PREDICTION_LOG`.

    python -m benchmarks.prediction_log [--events 20000] [--classes 7]

Events of two readings in a database of its own, each with a prediction, in transactions
of 100.  Bytes are those of the table with its indexes.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Channel, Event, Prediction, PredictionLog, Profile, event_id
from app.store import devices, events, migrate, models, profiles
from app.store import engine as database
from app.store.embedded.postgres import EmbeddedPostgres
from app.store.models import NewVersion

BATCH = 100
T0 = datetime(2026, 1, 1, tzinfo=UTC)
VERSION = NewVersion(
    "plug", None, "full", "logistic", "v1", 1, "x", "a" * 64, None, {}, {}, {},
    "promote", "better",
)  # fmt: skip


def made(n: int) -> list[Event]:
    """Make events of one stream."""
    window = np.zeros((2, 1), np.float32)
    return [
        Event(
            event_id("d", "b", seq, 0), "d", "b", "plug", 0, seq, seq + 1,
            T0 + timedelta(seconds=seq), T0 + timedelta(seconds=seq + 1), 1.0, window,
        )
        for seq in range(1, n + 1)
    ]  # fmt: skip


def said(classes: int, version: int) -> Prediction:
    """Make what a model says of one."""
    shares = np.random.default_rng(1).dirichlet(np.ones(classes))
    return Prediction(
        "class 0", float(shares[0]), tuple(f"class {k}" for k in range(classes)),
        tuple(map(float, shares)), False, version, "0" * 64,
    )  # fmt: skip


async def fill(
    engine: AsyncEngine, log: PredictionLog, found: Sequence[Event], classes: int
) -> tuple[float, float]:
    """Return microseconds and bytes a prediction."""
    async with engine.begin() as conn:
        await conn.execute(text("TRUNCATE predictions"))
        version = await models.add(conn, VERSION)
    answer, spent = said(classes, version), 0.0
    for at in range(0, len(found), BATCH):
        batch = [(e.id, log.kept(e.id, answer)) for e in found[at : at + BATCH]]
        begun = time.perf_counter()
        async with engine.begin() as conn:
            await events.insert_predictions(conn, batch)
        spent += time.perf_counter() - begun
    async with engine.begin() as conn:
        size = await conn.scalar(text("SELECT pg_total_relation_size('predictions')"))
    return 1e6 * spent / len(found), int(size or 0) / len(found)


async def run(url: str, n: int, classes: int) -> None:
    """Print a row for each level."""
    engine = database.create(url, pool_size=2)
    profile = Profile("plug", (Channel("power"),), 10.0)
    async with engine.begin() as conn:
        await profiles.put(conn, profile, None)
        await devices.put(conn, "d", "plug")
    found = made(n)
    async with engine.begin() as conn:
        await events.add(conn, found)
    await fill(engine, PredictionLog.ALL, found[:2000], classes)  # warms
    print("| stored | us a prediction | bytes a prediction |\n| --- | --- | --- |")
    for log in PredictionLog:
        microseconds, size = await fill(engine, log, found, classes)
        print(f"| {log} | {microseconds:.0f} | {size:.0f} |")
    await engine.dispose()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--classes", type=int, default=7)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "postgres", durable=False) as server,
    ):
        migrate.upgrade(server.url)
        asyncio.run(run(server.url, asked.events, asked.classes))


if __name__ == "__main__":
    main()
