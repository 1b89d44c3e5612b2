"""Asking for a retrain: what the web process and the policies do, in one transaction.

The row that people see and the message that a worker fetches commit together, so the
asking process needs no second pool and no worker.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain import Profile
from app.errors import InvalidInput
from app.learning import kinds
from app.store import audit, jobs, profiles, queue
from app.store.jobs import Job

KIND = "retrain"
PROMOTE = ("auto", "never")
SHADOW = "shadow"
"""Instead of serving, a challenger that earned it answers beside the champion."""


def require_retrain(profile: Profile, mode: str, promote: str) -> None:
    """Check what is asked for before a worker spends time on it.

    Raises
    ------
    CannotLearn
        If the profile's estimator is unknown or cannot learn in this mode.
    InvalidInput
        If `promote` is unknown.
    """
    if promote not in (*PROMOTE, SHADOW):
        known = ", ".join((*PROMOTE, SHADOW))
        raise InvalidInput(f"promote={promote!r} is none of {known}")
    kinds(profile, mode)


async def enqueue(
    engine: AsyncEngine,
    *,
    profile: str,
    mode: str | None = None,
    promote: str | None = None,
    by: str,
    reason: str,
) -> tuple[Job, bool]:
    """Ask for a retrain of a profile; at most one of a profile is under way.

    Parameters
    ----------
    mode : {"auto", "full", "incremental"} or None for the profile's own
    promote : {"auto", "never", "shadow"} or None for the profile's own
    by, reason : str
        Who asks and why: kept with the job and in the audit trail.

    Returns
    -------
    job : Job
        The new one, or the one that is under way.
    created : bool

    Raises
    ------
    NotFound
        If there is no such profile.
    CannotLearn, InvalidInput
        As `require_retrain`.
    """
    async with engine.begin() as conn:
        return await enqueue_in(
            conn, profile=profile, mode=mode, promote=promote, by=by, reason=reason
        )


async def enqueue_in(
    conn: AsyncConnection,
    *,
    profile: str,
    mode: str | None,
    promote: str | None,
    by: str,
    reason: str,
) -> tuple[Job, bool]:
    """As `enqueue`, within the caller's transaction."""
    asked = await profiles.get(conn, profile)
    request = {
        "mode": asked.retrain.mode if mode is None else mode,
        "promote": asked.retrain.promote if promote is None else promote,
        "by": by,
        "reason": reason,
    }
    require_retrain(asked, request["mode"], request["promote"])
    job, created = await jobs.create(conn, KIND, profile, request)
    if created:
        await queue.defer(conn, job.id, profile)
        await audit.record(conn, by, KIND, f"profile:{profile}", after=request)
    return job, created


def asked_for(profile: Profile, job: Job) -> Profile:
    """Return the profile with the mode and the promotion that the job asks for."""
    policy = replace(
        profile.retrain, mode=job.request["mode"], promote=job.request["promote"]
    )
    return replace(profile, retrain=policy)
