"""Asking whether what is stored can be found again."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import Conflict
from app.store import audit, devices, jobs, profiles, queue
from app.store.jobs import Job

KIND = "verify"


async def enqueue(
    engine: AsyncEngine, profile: str, device: str | None, by: str
) -> Job:
    """Ask for a verification; at most one of a profile is under way.

    Parameters
    ----------
    device : str or None
        Look at this device only.

    Raises
    ------
    NotFound
        If there is no such profile, or no such device of it.
    Conflict
        If the verification of something else is under way.
    """
    request = {"device": device, "by": by}
    async with engine.begin() as conn:
        await profiles.get(conn, profile)
        if device is not None:
            await devices.require(conn, device, profile)
        job, created = await jobs.create(conn, KIND, profile, request)
        if created:
            await queue.defer(conn, job.id, profile)
            await audit.record(conn, by, KIND, f"profile:{profile}", after=request)
        elif job.request["device"] != device:
            raise Conflict(
                f"another verification of {profile!r} is under way: job {job.id}"
            )
    return job
