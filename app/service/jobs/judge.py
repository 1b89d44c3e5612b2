"""Asking for a version of settings that somebody chose."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import check, complete
from app.domain import Json
from app.errors import Conflict, InvalidInput
from app.service.jobs.explore import briefly
from app.service.jobs.retrain import PROMOTE
from app.store import audit, devices, jobs, profiles, queue
from app.store.jobs import Job

KIND = "judge"


async def enqueue(
    engine: AsyncEngine,
    profile: str,
    *,
    detector: Json,
    promote: str,
    by: str,
    reason: str,
    device: str | None = None,
) -> Job:
    """Ask for a version of some settings; checked before a worker spends time on it.

    Parameters
    ----------
    detector : JSON object
        Settings; a ``model`` may be named by its digest.
    promote : {"auto", "never"}
        Whether they serve by themselves if they are better.
    device : str or None
        For this device only, judged on its recordings.

    Raises
    ------
    NotFound
        If there is no such profile, or no such device of it.
    InvalidDetector
        If the settings break a rule.
    InvalidInput
        If `promote` is unknown.
    Conflict
        If the settings serve already, or others are being judged.
    """
    if promote not in PROMOTE:
        raise InvalidInput(f"promote={promote!r} is none of {', '.join(PROMOTE)}")
    async with engine.begin() as conn:
        asked = await profiles.get(conn, profile)
        if device is not None:
            await devices.require(conn, device, profile)
        settings = complete(await profiles.with_model(conn, profile, detector))
        check(settings, asked)
        present = await profiles.detector(conn, profile, device)
        if present.settings == settings:
            raise Conflict(f"detector version {present.number} has these settings")
        request = {
            "detector": briefly(settings, detector),
            "device": device,
            "promote": promote,
            "by": by,
            "reason": reason,
        }
        job, created = await jobs.create(conn, KIND, profile, request)
        if created:
            await queue.defer(conn, job.id, profile)
            await audit.record(conn, by, KIND, f"profile:{profile}", after=request)
        elif job.request != request:
            raise Conflict(
                f"other settings of {profile!r} are being judged: job {job.id}"
            )
    return job
