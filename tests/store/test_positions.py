"""A reader that polls by position sees every event once, in whatever order they commit.

The same scene without the trigger loses events, so the scene can tell.
"""

import asyncio
import random

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store import events, streams
from app.store.tables import events as table
from tests.store.conftest import World
from tests.store.rows import new_commit, new_event, take_over

WRITERS = 3
ROUNDS = 25
DELAY_SECONDS = 0.02


async def test_a_reader_sees_each_event_once_and_in_order(
    engine: AsyncEngine, world: World
):
    seen = await _scene(engine)
    assert len(seen) == WRITERS * ROUNDS * 2
    assert seen == sorted(set(seen))


async def test_without_the_trigger_the_reader_misses_events(
    engine: AsyncEngine, world: World
):
    async with engine.begin() as conn:
        await conn.execute(text("DROP TRIGGER events_in_commit_order ON events"))
    assert len(await _scene(engine)) < WRITERS * ROUNDS * 2


async def test_streams_too_number_their_events_in_commit_order(
    engine: AsyncEngine, world: World
):
    """The one that committed first has the lower number, though it began later."""
    async with engine.begin() as conn:
        for boot in ("b1", "b2"):
            await take_over(conn, "d1", boot, world.detector)
    async with engine.connect() as early, engine.connect() as late:
        await early.execute(text("SELECT 1"))
        await streams.commit(late, [new_commit(0, 9, events=(new_event(1),))])
        other = new_event(1, boot="b2")
        waiting = asyncio.create_task(
            streams.commit(early, [new_commit(0, 9, boot="b2", events=(other,))])
        )
        done, _ = await asyncio.wait({waiting}, timeout=0.1)
        assert not done
        await late.commit()
        await waiting
        await early.commit()
    async with engine.connect() as conn:
        rows = await events.after(conn, 0, 10)
    assert [row.boot for row in rows] == ["b1", "b2"]


async def _scene(engine: AsyncEngine) -> list[int]:
    """Let writers commit with random delays; return the positions that a reader saw."""
    writing = asyncio.gather(*(_write(engine, n) for n in range(WRITERS)))
    seen: list[int] = []
    while not writing.done():
        seen += await _new(engine, seen)
        await asyncio.sleep(0.001)
    await writing
    seen += await _new(engine, seen)
    return seen


async def _new(engine: AsyncEngine, seen: list[int]) -> list[int]:
    at = table.c.position
    last = seen[-1] if seen else 0
    async with engine.connect() as conn:
        return list(await conn.scalars(select(at).where(at > last).order_by(at)))


async def _write(engine: AsyncEngine, writer: int) -> None:
    delays = random.Random(writer)
    for i in range(ROUNDS):
        pair = [new_event(2 * i + k, boot=f"w{writer}") for k in (0, 1)]
        async with engine.begin() as conn:
            await events.insert(conn, pair)
            await asyncio.sleep(delays.uniform(0, DELAY_SECONDS))
