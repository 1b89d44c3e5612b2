"""The trainer process: a worker for long jobs, the policies, and the sweeper.

Jobs are durable messages (procrastinate); a worker proves that it lives by a heartbeat.
What a dead worker left behind is swept up.  Any number of trainers may run.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import psycopg
import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import PredictionLog
from app.errors import Cancelled, NotFound, OnsetError
from app.service.background import Background
from app.service.champion import Champions
from app.service.jobs import (
    explore,
    fit,
    fitting,
    judge,
    judging,
    remembering,
    replay,
    retention,
    training,
    verify,
    verifying,
)
from app.service.jobs.classify_later import LateClassifier
from app.service.jobs.drift_watch import DriftWatch
from app.service.jobs.policies import Policies
from app.service.jobs.progress import Progress, reported
from app.service.jobs.shadowing import Shadowing
from app.service.jobs.sweep import sweep
from app.store import engine as database
from app.store import jobs, queue
from app.store.artefacts import Artefacts
from app.store.jobs import Job

log = structlog.get_logger()

AWAY = (SQLAlchemyError, ConnectorException, psycopg.Error, OSError, PoolTimeout)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the trainer looks, and how long it waits; all in seconds.

    Parameters
    ----------
    cooldown : float
        Least time between two automatic retrains of one profile.
    poll : float
        How often policies, jobs and promotions are looked at without a notification.
    heartbeat, stalled : float
        How often a worker says that it lives, and after how much silence it is dead.
    report : float
        How often a job's progress is written.
    grace : float
        How long a job may go on after the process was asked to stop.
    retention : float
        How often what is too old is looked for.
    pasts : float
        How often devices are looked for of which more is known than is kept.
    """

    cooldown: float = 5.0
    poll: float = 2.0
    heartbeat: float = 2.0
    stalled: float = 10.0
    report: float = 0.3
    grace: float = 2.0
    retention: float = 600.0
    pasts: float = 30.0


class Worker:
    """Does the jobs that the queue hands out, one at a time."""

    def __init__(
        self,
        engine: AsyncEngine,
        artefacts: Artefacts,
        pace: Pace,
        on_done: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._artefacts = artefacts
        self._pace = pace
        self._on_done = on_done

    async def run(self, database_url: str) -> None:
        """Work for ever, through restarts of the database; cancel to stop."""
        while True:
            app = build_app(database_url, self.work)
            try:
                async with app.open_async():
                    await app.run_worker_async(
                        queues=[queue.QUEUE],
                        install_signal_handlers=False,
                        fetch_job_polling_interval=self._pace.poll,
                        update_heartbeat_interval=self._pace.heartbeat,
                        stalled_worker_timeout=self._pace.stalled,
                        shutdown_graceful_timeout=self._pace.grace,
                        delete_jobs="successful",
                    )
            except AWAY as error:
                log.warning("worker_restarts", error=str(error))
            await asyncio.sleep(self._pace.poll)

    async def work(self, number: int) -> None:
        """Do one job; whatever happens is told in its row."""
        try:
            async with self._engine.begin() as conn:
                job = await jobs.start(conn, number)
        except NotFound:
            return
        if job is None:  # finished or cancelled before
            return
        progress = Progress()
        try:
            async with reported(self._engine, number, progress, self._pace.report):
                await self._do(job, progress)
        except asyncio.CancelledError:
            progress.stop("the trainer stops")
            raise  # the sweeper of the next trainer sends it again
        except Cancelled as error:
            async with self._engine.begin() as conn:
                await jobs.cancelled(conn, number, str(error))
        except Exception as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise  # the sweeper sends it again when the database is back
            log.exception("job_failed", job=number)
            async with self._engine.begin() as conn:
                await jobs.fail(conn, number, said_of(error))
        finally:
            self._on_done()

    async def _do(self, job: Job, progress: Progress) -> None:
        if job.kind == fit.KIND:
            await fitting.fit(self._engine, self._artefacts, job, progress)
            return
        if job.kind == explore.KIND:
            await explore.explore(self._engine, job, progress)
            return
        if job.kind == judge.KIND:
            await judging.judge(self._engine, self._artefacts, job, progress)
            return
        if job.kind == verify.KIND:
            await verifying.verify(self._engine, self._artefacts, job, progress)
            return
        do = replay.replay if job.kind == replay.KIND else training.retrain
        await do(self._engine, self._artefacts, job, progress)


def build_app(database_url: str, work: Callable[[int], Awaitable[None]]) -> App:
    """Build procrastinate's view of the queue; nothing is opened yet."""
    connector = PsycopgConnector(
        conninfo=database.plain(database_url), min_size=1, max_size=4, timeout=10.0
    )
    app = App(connector=connector)

    @app.task(name=queue.TASK, queue=queue.QUEUE)
    async def retrain(job: int) -> None:
        await work(job)

    return app


def said_of(error: BaseException) -> str:
    """Say why a job failed: our own errors by their sentence, others by their kind."""
    if isinstance(error, OnsetError):
        return str(error)
    return f"unexpected {type(error).__name__}: the trainer's log has the details"


async def run(
    database_url: str,
    artefacts: Artefacts,
    *,
    pace: Pace | None = None,
    engine: AsyncEngine | None = None,
    kept: PredictionLog = PredictionLog.ALL,
) -> None:
    """Be the trainer process until cancelled.

    What it predicts itself is stored as `kept` says.

    The process itself should be nice to others (`os.nice(10)`) and use one thread per
    fit; both are the caller's, since they concern the whole process.
    """
    pace = pace or Pace()
    own = engine or database.create(database_url, pool_size=4)
    swapped = asyncio.Event()
    champions = Champions(
        own, artefacts, poll_seconds=pace.poll, on_swap=lambda _: swapped.set()
    )
    policies = Policies(own, pace.poll, pace.cooldown)
    late = LateClassifier(own, kept)
    worker = Worker(own, artefacts, pace, policies.wake)
    try:
        async with Background() as background:
            background.start("champions", lambda: champions.run(database_url))
            background.start("policies", lambda: policies.run(database_url))
            background.start(
                "late", lambda: _classify_later(late, champions, swapped, pace)
            )
            shadowing = Shadowing(own, champions)
            background.start("shadows", lambda: _shadow(shadowing, pace))
            watch = DriftWatch(own, champions)
            background.start("drift", lambda: _watch(watch, policies, pace))
            background.start("pasts", lambda: _remember(own, pace))
            background.start("retention", lambda: _expire(own, pace))
            background.start("sweeper", lambda: _sweep(own, pace))
            background.start("worker", lambda: worker.run(database_url))
            await asyncio.Event().wait()  # until cancelled
    finally:
        if engine is None:
            await own.dispose()


async def _shadow(shadowing: Shadowing, pace: Pace) -> None:
    while True:
        await shadowing.try_look()
        await asyncio.sleep(pace.poll)


async def _watch(watch: DriftWatch, policies: Policies, pace: Pace) -> None:
    while True:
        if await watch.try_look():
            policies.wake()
        await asyncio.sleep(pace.poll)


async def _remember(engine: AsyncEngine, pace: Pace) -> None:
    while True:
        await remembering.try_remember(engine)
        await asyncio.sleep(pace.pasts)


async def _expire(engine: AsyncEngine, pace: Pace) -> None:
    while True:
        await retention.try_look(engine)
        await asyncio.sleep(pace.retention)


async def _sweep(engine: AsyncEngine, pace: Pace) -> None:
    while True:
        try:
            await sweep(engine, pace.stalled)
        except AWAY as error:
            log.warning("sweep_postponed", error=type(error).__name__)
        await asyncio.sleep(pace.poll)


async def _classify_later(
    late: LateClassifier, champions: Champions, swapped: asyncio.Event, pace: Pace
) -> None:
    while True:
        swapped.clear()
        for model in champions.serving():
            await late.try_run(model, partial(champions.model, model.profile))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pace.poll):
                await swapped.wait()
