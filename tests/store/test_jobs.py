import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.errors import Conflict, NotFound
from app.store import jobs
from tests.store.conftest import World


async def _new(conn: AsyncConnection, kind: str = "retrain") -> int:
    job, created = await jobs.create(conn, kind, "arm", {"mode": "full"})
    assert created
    return job.id


async def test_a_job_from_asking_to_result(conn: AsyncConnection, world: World):
    number = await _new(conn)
    job = await jobs.get(conn, number)
    assert (job.state, job.progress, job.request) == ("queued", 0.0, {"mode": "full"})
    begun = await jobs.start(conn, number)
    assert begun is not None
    assert begun.state == "running"
    await jobs.progress(conn, number, 0.5, "fitting")
    job = await jobs.get(conn, number)
    assert (job.progress, job.stage) == (0.5, "fitting")
    await jobs.finish(conn, number, {"model_version": 3})
    job = await jobs.get(conn, number)
    assert (job.state, job.progress) == ("succeeded", 1.0)
    assert (job.result, job.error) == ({"model_version": 3}, None)
    assert job.ended_at is not None
    assert job.started_at is not None
    assert job.started_at <= job.ended_at


async def test_one_unfinished_job_of_a_kind_and_profile(
    conn: AsyncConnection, world: World
):
    number = await _new(conn)
    await jobs.start(conn, number)
    again, created = await jobs.create(conn, "retrain", "arm", {"mode": "auto"})
    assert (again.id, created) == (number, False)
    await _new(conn, "replay")
    await jobs.fail(conn, number, "no labels")
    assert await _new(conn) != number


async def test_of_many_who_ask_at_once_one_creates(engine: AsyncEngine, world: World):
    async def ask() -> tuple[int, bool]:
        async with engine.begin() as conn:
            job, created = await jobs.create(conn, "retrain", "arm", {})
            return job.id, created

    answers = await asyncio.gather(*(ask() for _ in range(8)))
    assert len({number for number, _ in answers}) == 1
    assert sum(created for _, created in answers) == 1


async def test_a_queued_job_is_cancelled_at_once(conn: AsyncConnection, world: World):
    number = await _new(conn)
    assert (await jobs.cancel(conn, number)).state == "cancelled"
    assert await jobs.start(conn, number) is None


async def test_a_running_job_is_asked_to_stop(conn: AsyncConnection, world: World):
    number = await _new(conn)
    await jobs.start(conn, number)
    assert not await jobs.cancel_requested(conn, number)
    assert (await jobs.cancel(conn, number)).state == "running"
    assert await jobs.cancel_requested(conn, number)
    await jobs.cancelled(conn, number, "cancelled by request")
    job = await jobs.cancel(conn, number)
    assert (job.state, job.error) == ("cancelled", "cancelled by request")


async def test_what_comes_too_late_changes_nothing(conn: AsyncConnection, world: World):
    number = await _new(conn)
    await jobs.start(conn, number)
    await jobs.fail(conn, number, "worker died")
    with pytest.raises(Conflict):
        await jobs.finish(conn, number, {})
    await jobs.progress(conn, number, 0.9, "late")
    await jobs.cancelled(conn, number, "late")
    job = await jobs.get(conn, number)
    assert (job.state, job.error, job.progress) == ("failed", "worker died", 0.0)


async def test_a_job_of_a_dead_worker_begins_anew(conn: AsyncConnection, world: World):
    number = await _new(conn)
    await jobs.start(conn, number)
    await jobs.progress(conn, number, 0.7, "fitting")
    again = await jobs.start(conn, number)
    assert again is not None
    assert (again.state, again.progress, again.stage) == ("running", 0.0, "")


async def test_lists_are_newest_first(conn: AsyncConnection, world: World):
    numbers = []
    for _ in range(3):
        numbers.append(await _new(conn))
        await jobs.fail(conn, numbers[-1], "x")
    page, cursor = await jobs.list_(conn, 2)
    assert [job.id for job in page] == numbers[:0:-1]
    rest, after = await jobs.list_(conn, 2, cursor, profile="arm", state="failed")
    assert [job.id for job in rest] == numbers[:1]
    assert after is None
    found = await jobs.recent(conn, "retrain", "arm", 2)
    assert [job.id for job in found] == numbers[:0:-1]
    assert await jobs.list_(conn, kind="replay") == ([], None)


async def test_a_job_that_is_not_there(conn: AsyncConnection, world: World):
    for ask in (jobs.get, jobs.start, jobs.cancel):
        with pytest.raises(NotFound):
            await ask(conn, 10**9)
