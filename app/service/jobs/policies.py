"""The loop around `policy`: hears of labels, looks at every profile, asks."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain import Profile
from app.errors import OnsetError
from app.service.jobs.policy import Attempt, due, history, is_automatic
from app.service.jobs.retrain import KIND, enqueue_in
from app.store import drifts, jobs, labels, profiles
from app.store import engine as database

log = structlog.get_logger()

BY = "policy"
ATTEMPTS = 20
"""Jobs looked back upon; more failures in a row are an hour apart anyway."""
SETTLE_SECONDS = 0.1
"""A burst of labels is one look."""


class Policies:
    """Asks for the retrains that are due.

    Parameters
    ----------
    poll_seconds : float > 0
        How often to look when nothing is heard; schedules are this exact.
    cooldown_seconds : float >= 0
        Least time between two automatic retrains of one profile.
    """

    def __init__(
        self, engine: AsyncEngine, poll_seconds: float, cooldown_seconds: float
    ) -> None:
        self._engine = engine
        self._poll_seconds = poll_seconds
        self._cooldown_seconds = cooldown_seconds
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Make the loop look at once."""
        self._wake.set()

    async def run(self, database_url: str) -> None:
        """Look for ever; cancel to stop."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear(database_url))
            while True:
                self._wake.clear()
                await self._try_look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._wake.wait()
                await asyncio.sleep(SETTLE_SECONDS)

    async def look(self, now: datetime) -> list[int]:
        """Ask for what is due at an instant; return the jobs that were created."""
        async with self._engine.connect() as conn:
            listed = await profiles.list_(conn)
        asked = []
        for profile in listed:
            try:
                async with self._engine.begin() as conn:
                    job = await self._ask(conn, profile, now)
            except OnsetError as error:
                # One profile that cannot be trained must not stop the others.
                log.error("policy_refused", profile=profile.name, error=str(error))
            else:
                asked += [] if job is None else [job]
        return asked

    async def _ask(
        self, conn: AsyncConnection, profile: Profile, now: datetime
    ) -> int | None:
        policy = profile.retrain
        if not is_automatic(policy):
            return None
        past = history(
            [
                Attempt(job.state, job.started_at or job.created_at, job.ended_at)
                for job in await jobs.recent(conn, KIND, profile.name, ATTEMPTS)
            ]
        )
        if past.under_way:
            return None
        new = await labels.count_since(conn, profile.name, past.seen_until)
        reason = due(
            policy,
            past,
            new_labels=new,
            now=now,
            cooldown_seconds=self._cooldown_seconds,
            drifted=policy.drift_labels is not None
            and await drifts.has_alarmed(conn, profile.name),
        )
        if reason is None:
            return None
        job, created = await enqueue_in(
            conn, profile=profile.name, mode=None, promote=None, by=BY, reason=reason
        )
        if created:
            log.info("retrain_due", profile=profile.name, job=job.id, reason=reason)
        return job.id if created else None

    async def _hear(self, database_url: str) -> None:
        async for _ in database.listen(database_url, ["onset_labels"]):
            self._wake.set()

    async def _try_look(self) -> None:
        try:
            await self.look(datetime.now(UTC))
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("policy_postponed", error=type(error).__name__)
