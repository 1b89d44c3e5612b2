import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import Cancelled
from app.service.jobs.progress import Progress, reported
from app.store import jobs


def test_progress_never_runs_backwards():
    progress = Progress()
    progress("fitting", 0.6)
    progress("fitting again", 0.2)
    assert progress.now == ("fitting again", 0.6)
    progress("too much", 7.0)
    assert progress.now == ("too much", 1.0)


def test_a_stopped_job_is_told_at_its_next_word():
    progress = Progress()
    progress.stop("cancelled by request")
    with pytest.raises(Cancelled, match="cancelled by request"):
        progress.part(0.0, 1.0)("fitting", 0.1)


async def test_the_row_follows_and_the_wish_to_cancel_comes_back(engine: AsyncEngine):
    async with engine.begin() as conn:
        job, _ = await jobs.create(conn, "retrain", None, {})
        await jobs.start(conn, job.id)
    progress = Progress()
    async with reported(engine, job.id, progress, 0.01), asyncio.timeout(5):
        progress("fitting", 0.5)
        await until(engine, job.id, "fitting")
        async with engine.begin() as conn:
            await jobs.cancel(conn, job.id)
        with pytest.raises(Cancelled):
            await asyncio.to_thread(talk, progress)


def talk(progress: Progress) -> None:
    while True:
        progress("fitting", 0.6)


async def until(engine: AsyncEngine, job: int, stage: str) -> None:
    while True:
        async with engine.connect() as conn:
            if (await jobs.get(conn, job)).stage == stage:
                return
        await asyncio.sleep(0.01)
