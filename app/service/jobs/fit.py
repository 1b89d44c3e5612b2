"""Asking for a detector that learns from labelled boundaries."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import Conflict, InvalidInput
from app.service.jobs.retrain import PROMOTE
from app.store import audit, devices, jobs, profiles, queue
from app.store.jobs import Job

KIND = "fit"


async def enqueue(
    engine: AsyncEngine,
    *,
    profile: str,
    promote: str,
    by: str,
    reason: str,
    device: str | None = None,
) -> Job:
    """Ask for a fit; at most one of a profile is under way.

    Parameters
    ----------
    promote : {"auto", "never"}
        Whether a detector that earned it serves by itself.
    device : str or None
        Learn from this device only, for it only.

    Raises
    ------
    NotFound
        If there is no such profile, or no such device of it.
    InvalidInput
        If `promote` is unknown.
    Conflict
        If a fit for somebody else is under way.
    """
    if promote not in PROMOTE:
        raise InvalidInput(f"promote={promote!r} is none of {', '.join(PROMOTE)}")
    request = {"promote": promote, "by": by, "reason": reason, "device": device}
    async with engine.begin() as conn:
        await profiles.get(conn, profile)
        if device is not None:
            await devices.require(conn, device, profile)
        job, created = await jobs.create(conn, KIND, profile, request)
        if created:
            await queue.defer(conn, job.id, profile)
            await audit.record(conn, by, KIND, f"profile:{profile}", after=request)
        elif job.request.get("device") != device:
            raise Conflict(f"another fit of {profile!r} is under way: job {job.id}")
    return job
