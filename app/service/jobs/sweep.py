"""What dead workers left behind is done by others, or fails with its reason."""

from __future__ import annotations

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store import jobs, queue

log = structlog.get_logger()

MAX_ATTEMPTS = 4
"""A job that killed its worker so often is not given to another one."""


async def sweep(engine: AsyncEngine, stalled_seconds: float) -> int:
    """Send the jobs of dead workers again; return how many were found.

    A job that has cost `MAX_ATTEMPTS` workers fails instead.
    """
    async with engine.begin() as conn:
        stalled = await queue.stalled(conn, stalled_seconds)
        for message in stalled:
            again = message.attempts + 1 < MAX_ATTEMPTS
            await queue.release(conn, message, again=again)
            log.warning("worker_died", job=message.job, again=again)
            if not again:
                why = f"the worker died {message.attempts + 1} times while doing it"
                await jobs.fail(conn, message.job, why)
        orphans = await queue.orphans(conn)
        for job, profile in orphans:
            log.warning("job_sent_again", job=job)
            await queue.defer(conn, job, profile)
    return len(stalled) + len(orphans)
