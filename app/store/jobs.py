"""Jobs: what people see of long work.

    queued --start--> running --finish--> succeeded
      |                  |------fail----> failed       (also from queued)
      '---- cancel ------+---cancelled--> cancelled    (running: asked for, then told)

At most one job of a kind is unfinished per profile.  Moves that come too late change
nothing: `finish` says so, because then a result would be lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Json
from app.errors import Conflict, NotFound
from app.store.engine import notify
from app.store.pages import cursor_of, number_in
from app.store.tables import jobs

CHANNEL = "onset_jobs"
"""Says id, kind, profile, state, progress and stage."""

UNFINISHED = ("queued", "running")
_NOW = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class Job:
    """Long work.

    Parameters
    ----------
    state : {"queued", "running", "succeeded", "failed", "cancelled"}
    progress : float, 0..1
    stage : str
        What is being done, in words.
    result : JSON object or None
        Only of a job that succeeded.
    error : str or None
        Why it failed or was cancelled.
    """

    id: int
    kind: str
    profile: str | None
    state: str
    progress: float
    stage: str
    request: Json
    result: Json | None
    error: str | None
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


async def create(
    conn: AsyncConnection, kind: str, profile: str | None, request: Json
) -> tuple[Job, bool]:
    """Ask for work, unless the same kind is unfinished for the profile.

    Returns
    -------
    job : Job
        The new one, or the unfinished one.
    created : bool
    """
    while True:
        row = (
            await conn.execute(
                upsert(jobs)
                .values(kind=kind, profile=profile, request=dict(request))
                .on_conflict_do_nothing(
                    index_elements=["kind", "profile"],
                    index_where=text("state IN ('queued', 'running')"),
                )
                .returning(jobs)
            )
        ).one_or_none()
        if row is not None:
            return await _told(conn, row), True
        row = (
            await conn.execute(
                select(jobs).where(
                    jobs.c.kind == kind,
                    jobs.c.profile == profile,
                    jobs.c.state.in_(UNFINISHED),
                )
            )
        ).one_or_none()
        if row is not None:  # else it ended between the two statements
            return _job(row), False


async def get(conn: AsyncConnection, job: int) -> Job:
    """Return a job, or raise `NotFound`."""
    row = (await conn.execute(select(jobs).where(jobs.c.id == job))).one_or_none()
    if row is None:
        raise NotFound(f"no job {job}")
    return _job(row)


async def list_(
    conn: AsyncConnection,
    limit: int = 100,
    cursor: str | None = None,
    *,
    kind: str | None = None,
    profile: str | None = None,
    state: str | None = None,
) -> tuple[list[Job], str | None]:
    """Return a page of jobs, newest first, and the cursor of the next page."""
    query = _newest_first()
    wanted = ((jobs.c.kind, kind), (jobs.c.profile, profile), (jobs.c.state, state))
    for column, value in wanted:
        if value is not None:
            query = query.where(column == value)
    if cursor is not None:
        query = query.where(jobs.c.id < number_in(cursor))
    rows = [_job(row) for row in await conn.execute(query.limit(limit + 1))]
    more = len(rows) > limit
    return rows[:limit], cursor_of(rows[limit - 1].id) if more else None


async def recent(
    conn: AsyncConnection, kind: str, profile: str, limit: int
) -> list[Job]:
    """Return the newest jobs of a kind and profile, newest first."""
    query = _newest_first().where(jobs.c.kind == kind, jobs.c.profile == profile)
    return [_job(row) for row in await conn.execute(query.limit(limit))]


async def start(conn: AsyncConnection, job: int) -> Job | None:
    """Begin a job, or begin it anew after its worker died.

    Returns
    -------
    Job or None
        None: it is finished, or was cancelled before.

    Raises
    ------
    NotFound
        If there is no such job.
    """
    row = (
        await conn.execute(
            update(jobs)
            .where(jobs.c.id == job, jobs.c.state.in_(UNFINISHED))
            .values(state="running", progress=0.0, stage="", started_at=_NOW)
            .returning(jobs)
        )
    ).one_or_none()
    if row is None:
        await get(conn, job)
        return None
    return await _told(conn, row)


async def progress(
    conn: AsyncConnection, job: int, fraction: float, stage: str
) -> None:
    """Say how far a running job is; too late, it is not heard."""
    row = (
        await conn.execute(
            update(jobs)
            .where(jobs.c.id == job, jobs.c.state == "running")
            .values(progress=min(max(float(fraction), 0.0), 1.0), stage=stage)
            .returning(jobs)
        )
    ).one_or_none()
    if row is not None:
        await _told(conn, row)


async def cancel_requested(conn: AsyncConnection, job: int) -> bool:
    """Whether somebody wants the job to stop."""
    query = select(jobs.c.cancel_requested).where(jobs.c.id == job)
    return bool(await conn.scalar(query))


async def finish(conn: AsyncConnection, job: int, result: Json) -> Job:
    """Keep the result of a running job.

    Raises
    ------
    Conflict
        If it is not running: somebody else finished it, or it was given up.
    """
    done = await _end(
        conn, job, ("running",), "succeeded", progress=1.0, result=dict(result)
    )
    if done is None:
        raise Conflict(f"job {job} is not running: its result comes too late")
    return done


async def fail(conn: AsyncConnection, job: int, error: str) -> None:
    """Say why an unfinished job failed."""
    await _end(conn, job, UNFINISHED, "failed", error=error)


async def cancelled(conn: AsyncConnection, job: int, why: str) -> None:
    """Say that an unfinished job has stopped as it was asked to."""
    await _end(conn, job, UNFINISHED, "cancelled", error=why)


async def cancel(conn: AsyncConnection, job: int) -> Job:
    """Ask a job to stop; one that is queued is cancelled at once.

    A finished job stays as it is.

    Raises
    ------
    NotFound
        If there is no such job.
    """
    done = await _end(
        conn,
        job,
        ("queued",),
        "cancelled",
        error="cancelled by request",
        cancel_requested=True,
    )
    if done is not None:
        return done
    row = (
        await conn.execute(
            update(jobs)
            .where(jobs.c.id == job, jobs.c.state == "running")
            .values(cancel_requested=True)
            .returning(jobs)
        )
    ).one_or_none()
    return await get(conn, job) if row is None else await _told(conn, row)


async def _end(
    conn: AsyncConnection,
    job: int,
    before: tuple[str, ...],
    state: str,
    **columns: object,
) -> Job | None:
    row = (
        await conn.execute(
            update(jobs)
            .where(jobs.c.id == job, jobs.c.state.in_(before))
            .values(state=state, ended_at=_NOW, **columns)
            .returning(jobs)
        )
    ).one_or_none()
    return None if row is None else await _told(conn, row)


async def _told(conn: AsyncConnection, row: Row[Any]) -> Job:
    job = _job(row)
    said = {
        "id": job.id,
        "kind": job.kind,
        "profile": job.profile,
        "state": job.state,
        "progress": job.progress,
        "stage": job.stage,
    }
    await notify(conn, CHANNEL, said)
    return job


def _newest_first() -> Select[Any]:
    return select(jobs).order_by(jobs.c.id.desc())


def _job(row: Row[Any]) -> Job:
    return Job(**row._mapping)
