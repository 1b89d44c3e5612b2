"""Asking for a detector that learns from labelled boundaries."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import InvalidInput
from app.service.retrain import PROMOTE
from app.store import audit, jobs, profiles, queue
from app.store.jobs import Job

KIND = "fit"


async def enqueue(
    engine: AsyncEngine, *, profile: str, promote: str, by: str, reason: str
) -> Job:
    """Ask for a fit; at most one of a profile is under way.

    Parameters
    ----------
    promote : {"auto", "never"}
        Whether a detector that earned it serves by itself.

    Raises
    ------
    NotFound
        If there is no such profile.
    InvalidInput
        If `promote` is unknown.
    """
    if promote not in PROMOTE:
        raise InvalidInput(f"promote={promote!r} is none of {', '.join(PROMOTE)}")
    request = {"promote": promote, "by": by, "reason": reason}
    async with engine.begin() as conn:
        await profiles.get(conn, profile)
        job, created = await jobs.create(conn, KIND, profile, request)
        if created:
            await queue.defer(conn, job.id, profile)
            await audit.record(conn, by, KIND, f"profile:{profile}", after=request)
    return job
