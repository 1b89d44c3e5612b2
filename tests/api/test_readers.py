"""Readers of a list that grows: see `benchmarks/readers.py` for two whole replicas."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.state import State
from app.service.notify.feed import Feed
from benchmarks.readers import store
from tests.api.caller import Caller
from tests.api.reader import reading

EVENTS = 100


@asynccontextmanager
async def feeding(state: State, url: str) -> AsyncIterator[None]:
    """Follow the database as a process of the service does."""
    feed = Feed(state.engine, url, state.hub, lambda device, connection: None)
    task = asyncio.create_task(feed.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def by_cursor(api: dict[str, Caller], chance: random.Random) -> list[str]:
    """Page through a list that grows."""
    seen: list[str] = []
    cursor = None
    while len(seen) < EVENTS:
        query = {"limit": chance.randint(1, 40)} | (
            {"cursor": cursor} if cursor else {}
        )
        page = (await api["viewer"]("GET", "/events", params=query)).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["last_cursor"]
        await asyncio.sleep(0.002)
    return seen


async def by_events(app: FastAPI, secret: str, chance: random.Random) -> list[str]:
    """Hear events; come back again and again with the last id."""
    seen: list[str] = []
    last: str | None = None
    while len(seen) < EVENTS:
        headers = {} if last is None else {"last-event-id": last}
        async with reading(app, secret, "/live", "kind=event", **headers) as reader:
            for _ in range(chance.randint(1, 40)):
                said = await reader.take()
                last = said.id or last
                seen += [said.data["id"]] if said.kind == "event" else []
                if len(seen) >= EVENTS:
                    break
    return seen


async def test_readers_see_every_event_once_whoever_commits_when(
    app: FastAPI,
    state: State,
    api: dict[str, Caller],
    secrets: dict[str, str],
    database_url: str,
) -> None:
    secret = secrets["viewer"]
    async with (
        feeding(state, database_url),
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
    ):
        tasks = [
            group.create_task(by_cursor(api, random.Random(1))),
            group.create_task(by_events(app, secret, random.Random(2))),
            group.create_task(by_events(app, secret, random.Random(3))),
        ]
        await asyncio.sleep(0.1)
        half = EVENTS // 2
        group.create_task(store(database_url, 0, half, 1))
        group.create_task(store(database_url, half, EVENTS - half, 2))
    seen = [task.result() for task in tasks]
    async with state.engine.begin() as conn:
        rows = await conn.execute(text("SELECT id FROM events ORDER BY position"))
        truth = [str(row[0]) for row in rows]
    assert len(truth) == EVENTS
    for one in seen:
        assert one == truth


async def test_a_reader_at_the_end_keeps_its_place(
    api: dict[str, Caller], engine: AsyncEngine, database_url: str
) -> None:
    empty = (await api["viewer"]("GET", "/events")).json()
    assert (empty["next_cursor"], empty["last_cursor"]) == (None, None)
    await store(database_url, 0, 3, 1)
    page = (await api["viewer"]("GET", "/events")).json()
    assert page["next_cursor"] is None
    after = {"cursor": page["last_cursor"]}
    again = (await api["viewer"]("GET", "/events", params=after)).json()
    assert (again["items"], again["last_cursor"]) == ([], page["last_cursor"])
    await store(database_url, 3, 2, 1)
    news = (await api["viewer"]("GET", "/events", params=after)).json()
    assert len(news["items"]) == 2
