import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import ChampionMoved, NotFound
from app.service.jobs import trainer
from app.service.jobs.policies import Policies
from app.service.jobs.retrain import enqueue
from app.service.jobs.sweep import MAX_ATTEMPTS, sweep
from app.store import events, jobs, labels, models
from app.store.artefacts import Artefacts
from app.store.jobs import Job
from app.store.models import NewVersion
from tests.service.doomed_trainer import PACE
from tests.service.scene import (
    add_events,
    add_version,
    cycle,
    event_of,
    profile_of,
    put_profile,
)

CHECKOUT = Path(__file__).resolve().parents[2]


@contextlib.asynccontextmanager
async def running(database_url: str, artefacts: Artefacts) -> AsyncIterator[None]:
    task = asyncio.create_task(trainer.run(database_url, artefacts, pace=PACE))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def job_when(
    engine: AsyncEngine, number: int, ready: Callable[[Job], bool], seconds: float = 30
) -> Job:
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(NotFound):  # policies take their time to ask
                async with engine.connect() as conn:
                    job = await jobs.get(conn, number)
                if ready(job):
                    return job
            await asyncio.sleep(0.05)


def ended(job: Job) -> bool:
    return job.state not in ("queued", "running")


async def ask(engine: AsyncEngine, **request: Any) -> int:
    job, _ = await enqueue(engine, profile="arm", by="ann", reason="test", **request)
    return job.id


async def ledger(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as conn:
        return [p.version for p in await models.history(conn, "arm")]


async def test_a_retrain_asked_by_hand_is_done_and_late_events_are_classified(
    engine: AsyncEngine, artefacts: Artefacts, database_url: str
):
    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(45))
    await add_events(engine, "arm", cycle(150), start=100, labelled=False)
    number = await ask(engine)
    async with running(database_url, artefacts):
        job = await job_when(engine, number, ended)
        assert (job.state, job.result["promoted"]) == ("succeeded", True)
        async with asyncio.timeout(10):
            while True:
                async with engine.connect() as conn:
                    if not await events.unclassified(conn, "arm", 1):
                        break
                await asyncio.sleep(0.05)
    async with engine.connect() as conn:
        count = await conn.scalar(text("SELECT count(*) FROM predictions"))
    assert count == 195


async def test_labels_retrain_by_themselves_and_not_again_without_new_ones(
    engine: AsyncEngine, artefacts: Artefacts, database_url: str
):
    await put_profile(engine, profile_of(every_labels=20))
    async with running(database_url, artefacts):
        await add_events(engine, "arm", cycle(20))
        job = await job_when(engine, 1, ended)
        assert job.request["reason"] == "20 new labels (every 20)"
        await add_events(engine, "arm", cycle(19), start=50)
        policies = Policies(engine, 1.0, 0.0)
        assert await policies.look(datetime.now(UTC)) == []


async def test_a_policy_asks_only_for_what_is_due(engine: AsyncEngine):
    await put_profile(engine, profile_of("arm", every_labels=5))
    await put_profile(engine, profile_of("leg"))
    policies = Policies(engine, 1.0, 0.0)
    assert await policies.look(datetime.now(UTC)) == []
    await add_events(engine, "arm", cycle(5))
    await add_events(engine, "leg", cycle(5))
    [number] = await policies.look(datetime.now(UTC))
    assert await policies.look(datetime.now(UTC)) == []
    async with engine.connect() as conn:
        assert (await jobs.get(conn, number)).profile == "arm"


async def test_a_cancelled_job_stops_and_promotes_nothing(
    engine: AsyncEngine,
    artefacts: Artefacts,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    def endless(*_: Any, progress: Callable[[str, float], None], **__: Any) -> None:
        while True:
            progress("training for ever", 0.5)

    monkeypatch.setattr(trainer.training, "challenge", endless)
    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(12))
    number = await ask(engine)
    async with running(database_url, artefacts):
        await job_when(engine, number, lambda job: job.progress > 0.4)
        async with engine.begin() as conn:
            await jobs.cancel(conn, number)
        job = await job_when(engine, number, ended)
    assert job.state == "cancelled"
    assert await ledger(engine) == []


async def test_a_job_that_cannot_be_done_fails_with_its_reason(
    engine: AsyncEngine,
    artefacts: Artefacts,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a secret: hunter2")

    monkeypatch.setattr(trainer.training, "challenge", broken)
    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(12))
    number = await ask(engine)
    async with running(database_url, artefacts):
        job = await job_when(engine, number, ended)
    assert job.state == "failed"
    assert "unexpected ZeroDivisionError" in str(job.error)
    assert "hunter2" not in str(job.error)


async def test_a_trainer_that_stops_hands_its_job_to_the_next(
    engine: AsyncEngine,
    artefacts: Artefacts,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    began = asyncio.Event()

    async def slow(*_: Any) -> None:
        began.set()
        await asyncio.Event().wait()

    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(45))
    number = await ask(engine)
    with monkeypatch.context() as patch:
        patch.setattr(trainer.training, "retrain", slow)
        async with running(database_url, artefacts):
            await began.wait()
    async with running(database_url, artefacts):
        job = await job_when(engine, number, ended)
    assert job.state == "succeeded"


async def test_killed_at_every_step_the_job_is_done_once(
    engine: AsyncEngine, artefacts: Artefacts, database_url: str, tmp_path: Path
):
    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(45))
    number = await ask(engine)
    async with doomed(database_url, tmp_path / "models") as trained_until_killed:
        for step in ("learning", "keeping", "committing", "committed"):
            async with engine.connect() as conn:
                assert not ended(await jobs.get(conn, number))
            assert await ledger(engine) == []
            assert await trained_until_killed(step) == -signal.SIGKILL
    async with engine.connect() as conn:
        job = await jobs.get(conn, number)
        listed, _ = await models.list_(conn, "arm", 10, None)
    assert job.state == "succeeded"
    assert await ledger(engine) == [job.result["model_version"]] == [listed[0].version]
    async with running(database_url, artefacts):  # sweeps up what the last one left
        again = await ask(engine)
        assert again != number
        assert (await job_when(engine, again, ended)).state == "succeeded"


@contextlib.asynccontextmanager
async def doomed(
    database_url: str, folder: Path
) -> AsyncIterator[Callable[[str], Awaitable[int]]]:
    """Run trainers that are killed at a step, each in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.service.doomed_trainer"),
        *(database_url, str(folder)),
        cwd=CHECKOUT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    steps, codes = process.stdin, process.stdout

    async def until_killed(step: str) -> int:
        steps.write(f"{step}\n".encode())
        async with asyncio.timeout(60):
            return int(await codes.readline())

    try:
        yield until_killed
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def test_a_job_that_kills_every_worker_fails_in_the_end(engine: AsyncEngine):
    await put_profile(engine, profile_of())
    number = await ask(engine)
    for _ in range(MAX_ATTEMPTS):
        async with engine.begin() as conn:
            fetched = await conn.scalar(
                text("SELECT (procrastinate_fetch_job_v2(NULL, NULL)).id")
            )
            assert fetched is not None
            await jobs.start(conn, number)
        await sweep(engine, 0.0)
    async with engine.connect() as conn:
        job = await jobs.get(conn, number)
    assert job.state == "failed"
    assert "died 4 times" in str(job.error)
    assert await sweep(engine, 0.0) == 0


async def test_a_lost_message_is_sent_again(engine: AsyncEngine):
    await put_profile(engine, profile_of())
    await ask(engine)
    async with engine.begin() as conn:
        await conn.execute(text("DELETE FROM procrastinate_jobs"))
    assert await sweep(engine, 10.0) == 1
    assert await sweep(engine, 10.0) == 0
    async with engine.connect() as conn:
        assert await conn.scalar(text("SELECT count(*) FROM procrastinate_jobs")) == 1


async def test_two_promotions_from_one_champion_promote_exactly_one(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    first = await add_version(engine, artefacts, "v0", promote_from=None)
    rivals = [await add_version(engine, artefacts, f"v{k}") for k in range(1, 5)]

    async def promote(version: int) -> None:
        async with engine.begin() as conn:
            await models.promote(conn, "arm", version, first, "ann", "race")

    done = await asyncio.gather(*map(promote, rivals), return_exceptions=True)
    won = [v for v, said in zip(rivals, done, strict=True) if said is None]
    assert len(won) == 1
    assert {type(said).__name__ for said in done if said} == {"ChampionMoved"}
    async with engine.connect() as conn:
        row = await models.champion(conn, "arm")
    assert row is not None
    assert [row.version] == won


async def test_a_promotion_waits_for_no_ingest_and_no_publication(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    first = await add_version(engine, artefacts, "v0", promote_from=None)
    async with engine.connect() as ingest, engine.connect() as trained:
        await events.add(ingest, [event_of("arm", "arm-1", 1, "fist")])
        row = await models.get(trained, first)
        new = NewVersion(**{f.name: getattr(row, f.name) for f in fields(NewVersion)})
        version = await models.add(trained, new)
        async with asyncio.timeout(5):
            by_hand = await add_version(engine, artefacts, "v1", promote_from=first)
            with pytest.raises(ChampionMoved, match=f"version {by_hand}, not version"):
                await models.promote(trained, "arm", version, first, "job:1", "better")


async def test_a_corrected_label_counts_as_new(engine: AsyncEngine):
    await put_profile(engine, profile_of(every_labels=1))
    [event] = await add_events(engine, "arm", ["fist"])
    async with engine.begin() as conn:
        await labels.add(conn, event.id, "wave", "bob", "test")
        assert await labels.count_since(conn, "arm", None) == 2
