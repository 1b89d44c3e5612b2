"""A profile, a device and a model to begin with, in one of two kinds of database.

`conn` is a transaction that is rolled back, in a database that all tests share;
`engine` has a database of the test's own, for what must commit.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.store import devices, models, profiles
from app.store import engine as database
from tests.databases import Databases
from tests.store.rows import PROFILE, new_version


@dataclass(frozen=True)
class World:
    """Numbers of what is there to begin with."""

    detector: int = 1
    model: int = 1


@pytest.fixture(scope="session")
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def shared_url(databases: Databases) -> Iterator[str]:
    with databases.lend() as url:
        asyncio.run(_begin(url))
        yield url


@pytest.fixture
async def conn(shared_url: str, world: World) -> AsyncIterator[AsyncConnection]:
    engine = database.create(shared_url, pool_size=1)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


@pytest.fixture
async def engine(database_url: str, world: World) -> AsyncIterator[AsyncEngine]:
    await _begin(database_url)
    made = database.create(database_url, pool_size=4)
    yield made
    await made.dispose()


async def _begin(url: str) -> None:
    engine = database.create(url, pool_size=1)
    async with engine.begin() as conn:
        put = await profiles.put(conn, PROFILE, None)
        await devices.put(conn, "d1", PROFILE.name)
        model = await models.add(conn, new_version())
    await engine.dispose()
    assert World(put.detector.number, model) == World()
