"""Fifty swaps under load: no prediction fails, none is told by the wrong version."""

import asyncio
import contextlib
import random
import time

from sqlalchemy.ext.asyncio import AsyncEngine

from app.learning import classify
from app.service.champion import Champions
from app.store import models
from app.store.artefacts import Artefacts
from tests.service.scene import add_version, profile_of, put_profile, window

SWAPS = 50
TAGS = 5


async def test_fifty_swaps_under_load_fail_no_prediction_and_mix_no_versions(
    engine: AsyncEngine, artefacts: Artefacts, database_url: str
):
    await put_profile(engine, profile_of())
    versions = {
        await add_version(engine, artefacts, f"v{k}"): f"v{k}" for k in range(TAGS)
    }
    served: list[tuple[float, int]] = []
    swapped = asyncio.Event()
    champions = Champions(
        engine,
        artefacts,
        on_swap=lambda model: (
            served.append((time.monotonic(), model.version)),
            swapped.set(),
        ),
    )
    await promote(engine, next(iter(versions)), None)
    await champions.refresh()
    task = asyncio.create_task(champions.run(database_url))
    stop = asyncio.Event()
    clients = [asyncio.create_task(ask(champions, versions, stop)) for _ in range(8)]
    await swap_often(engine, list(versions), served, swapped)
    stop.set()
    answers = [answer for client in clients for answer in await client]
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert len(served) >= SWAPS
    assert len(answers) >= 1000
    assert wrong(answers, served) == []


async def ask(
    champions: Champions, versions: dict[int, str], stop: asyncio.Event
) -> list[tuple[float, float, int]]:
    """Classify for as long as swaps go on; check that label and version agree."""
    answers = []
    loud = window("wave", 999)
    while not stop.is_set():
        began = time.monotonic()
        model = champions.model("arm")
        assert model is not None
        await asyncio.sleep(0)  # a swap may come between choosing and asking
        said = classify(model, loud, 10, 10)
        assert said.label == f"{versions[said.model_version]}:wave"
        answers.append((began, time.monotonic(), said.model_version))
        await asyncio.sleep(0.001)
    return answers


async def swap_often(
    engine: AsyncEngine,
    versions: list[int],
    served: list[tuple[float, int]],
    swapped: asyncio.Event,
) -> None:
    """Promote and roll back, each time until this process serves it."""
    choose = random.Random(0)
    for k in range(SWAPS):
        now = served[-1][1]
        swapped.clear()
        if k % 2 and k > 1:
            async with engine.begin() as conn:
                await models.rollback(conn, "arm", "ann", "test")
        else:
            await promote(engine, choose.choice([v for v in versions if v != now]), now)
        async with asyncio.timeout(5):
            await swapped.wait()


async def promote(engine: AsyncEngine, version: int, expected: int | None) -> None:
    async with engine.begin() as conn:
        await models.promote(conn, "arm", version, expected, "ann", "test")


def wrong(
    answers: list[tuple[float, float, int]], served: list[tuple[float, int]]
) -> list[tuple[float, float, int]]:
    """Answers of a version that served at no time between request and reply."""
    spans = [
        (begin, end, version)
        for (begin, version), (end, _) in zip(
            served, [*served[1:], (float("inf"), 0)], strict=True
        )
    ]
    return [
        (asked, told, version)
        for asked, told, version in answers
        if not any(v == version and b <= told and asked <= e for b, e, v in spans)
    ]
