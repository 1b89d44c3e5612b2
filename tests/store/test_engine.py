import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store import engine as database
from app.store import events, labels, models
from app.store.engine import Notification
from tests.store.conftest import World
from tests.store.rows import new_event


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
async def test_both_kinds_of_url_work(database_url: str, scheme: str):
    url = database_url.replace("postgresql://", f"{scheme}://")
    engine = database.create(url)
    async with engine.connect() as conn:
        name = await conn.scalar(text("SELECT current_setting('application_name')"))
    await engine.dispose()
    assert name == "onset"


async def test_an_idle_transaction_does_not_keep_its_locks(database_url: str):
    engine = database.create(database_url, idle_in_transaction_seconds=7)
    async with engine.connect() as conn:
        limit = await conn.scalar(text("SHOW idle_in_transaction_session_timeout"))
    await engine.dispose()
    assert limit == "7s"


async def test_what_is_under_way_ends_before_connections_are_closed(database_url: str):
    engine, begun = database.create(database_url), asyncio.Event()

    async def ask() -> int | None:
        async with engine.begin() as conn:
            begun.set()
            return await conn.scalar(text("SELECT 1 FROM pg_sleep(0.05)"))

    asking = asyncio.create_task(ask())
    await begun.wait()
    pool: Any = engine.pool
    await database.close(engine)
    assert pool.checkedout() == 0
    assert await asking == 1


@pytest.fixture
async def heard(database_url: str) -> AsyncIterator[AsyncIterator[Notification]]:
    channels = [events.CHANNEL, labels.CHANNEL, models.CHANNEL]
    said: Any = database.listen(database_url, channels)
    assert await anext(said) == Notification("connected", "")
    yield said
    await said.aclose()


async def test_what_is_said_is_heard_after_the_commit(
    engine: AsyncEngine, world: World, heard: AsyncIterator[Notification]
):
    async with engine.begin() as conn:
        await database.notify(conn, models.CHANNEL, "never")
        await conn.rollback()
    async with engine.begin() as conn:
        await events.add(conn, [new_event(1)])
        await labels.add(conn, new_event(1).id, "fist", "ann", "person")
        await models.promote(conn, "arm", world.model, None, "ann", "first")
    async with asyncio.timeout(5):
        said = [await anext(heard) for _ in range(3)]
    assert [one.channel for one in said] == [
        "onset_events",
        "onset_labels",
        "onset_models",
    ]
    assert '"label": "fist"' in said[1].payload
    assert '"act": "promote"' in said[2].payload


async def test_a_listener_survives_the_death_of_its_connection(
    engine: AsyncEngine, heard: AsyncIterator[Notification]
):
    async with engine.begin() as conn:
        killed = await conn.scalar(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
        )
    assert killed == 1
    async with asyncio.timeout(5):
        assert await anext(heard) == Notification("connected", "")
        async with engine.begin() as conn:
            await database.notify(conn, events.CHANNEL, {"position": 7})
        assert await anext(heard) == Notification(events.CHANNEL, '{"position": 7}')
