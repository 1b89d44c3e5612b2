"""Garbage is looked for without a look at everything that lives."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from app import main
from app.loading import uncollected
from app.service.garbage import tidy


class Device:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.unfreeze()


@asynccontextmanager
async def tidied(looked_through_seconds: float) -> AsyncIterator[None]:
    task = asyncio.create_task(tidy(0.001, looked_through_seconds))
    try:
        yield
    finally:
        task.cancel()


async def comes(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def test_what_lives_is_not_looked_at_again() -> None:
    living = [Device() for _ in range(10_000)]
    async with tidied(3600.0):
        # between two looks new objects may have grown old: soon they are set aside, too
        await comes(lambda: len(gc.get_objects(2)) < len(living))
        assert gc.get_freeze_count() > len(living)


async def test_what_refers_to_itself_ends_when_all_is_looked_through() -> None:
    device = Device()
    gone = weakref.ref(device)
    async with tidied(3600.0):
        await comes(lambda: gc.get_freeze_count() > 0)
        assert gone() is not None
    async with tidied(0.0):
        del device
        await comes(lambda: gone() is None)


async def test_nothing_is_looked_for_while_modules_are_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[bool] = []
    monkeypatch.setattr(gc, "collect", lambda *_: looked.append(gc.isenabled()))
    task = asyncio.create_task(tidy(0.0))
    with uncollected():
        for _ in range(10):
            await asyncio.sleep(0)
    await comes(lambda: bool(looked))
    task.cancel()
    assert all(looked)


async def test_a_process_that_serves_is_tidied(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def noted() -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(main, "tidy", noted)
    server = main.Server(uvicorn.Config("nothing"), main.Front(None, noted))
    serving = asyncio.create_task(server.main_loop())
    await begun.wait()
    server.should_exit = True
    await serving
