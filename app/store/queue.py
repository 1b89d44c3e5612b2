"""The queue that carries jobs to workers: procrastinate's tables, in our transactions.

A job is a row of `jobs` (what people see) and a message of procrastinate (what a worker
fetches).  Both are written by one transaction, so neither can be without the other;
`orphans` finds rows whose message was lost all the same (a worker that was aborted, a
message that somebody deleted).  A test pins the functions of procrastinate used here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

QUEUE = "training"
TASK = "retrain"

_DEFER = text(
    "SELECT procrastinate_defer_jobs_v1(array[row("
    ":queue, :task, 0, :lock, :queueing_lock, CAST(:args AS jsonb), NULL"
    ")::procrastinate_job_to_defer_v1])"
)
_ORPHANS = text(
    "SELECT j.id, j.profile FROM jobs j "
    "WHERE j.profile IS NOT NULL AND j.state IN ('queued', 'running') AND NOT EXISTS ("
    "  SELECT FROM procrastinate_jobs m WHERE m.status IN ('todo', 'doing')"
    "  AND m.queueing_lock = 'job:' || j.id) "
    "ORDER BY j.id FOR UPDATE OF j SKIP LOCKED"
)
_STALLED = text(
    "SELECT m.id, CAST(m.args ->> 'job' AS bigint) AS job, m.attempts "
    "FROM procrastinate_jobs m "
    "LEFT JOIN procrastinate_workers w ON w.id = m.worker_id "
    "WHERE m.status = 'doing' AND m.queue_name = :queue AND ("
    "  w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => :seconds)) "
    "ORDER BY m.id FOR UPDATE OF m SKIP LOCKED"
)
_HOLD = text("SELECT FROM jobs WHERE id = :job AND state = 'running' FOR NO KEY UPDATE")
_AGAIN = text("SELECT procrastinate_retry_job_v2(:id, now(), NULL, NULL, NULL)")
_NEVER = text("SELECT procrastinate_finish_job_v1(:id, 'failed', false)")


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a worker has fetched.

    Parameters
    ----------
    id, job : int
        Number of the message and of the job that it stands for.
    attempts : int >= 0
        How often it was fetched before.
    """

    id: int
    job: int
    attempts: int


async def defer(conn: AsyncConnection, job: int, profile: str) -> None:
    """Send a job to the workers when this transaction commits.

    Jobs of one profile run one after the other (`lock`), and a job waits at most once
    (`queueing_lock`).
    """
    await conn.execute(
        _DEFER,
        {
            "queue": QUEUE,
            "task": TASK,
            "lock": f"{TASK}:{profile}",
            "queueing_lock": f"job:{job}",
            "args": json.dumps({"job": job}),
        },
    )


async def orphans(conn: AsyncConnection) -> list[tuple[int, str]]:
    """Lock the unfinished jobs that no worker has or will get; (job, profile) each."""
    rows = await conn.execute(_ORPHANS)
    return [(row.id, row.profile) for row in rows]


async def stalled(conn: AsyncConnection, seconds: float) -> Sequence[Message]:
    """Lock the messages whose worker has not been heard for so many seconds."""
    rows = await conn.execute(_STALLED, {"queue": QUEUE, "seconds": seconds})
    return [Message(row.id, row.job, row.attempts) for row in rows]


async def release(conn: AsyncConnection, message: Message, *, again: bool) -> None:
    """Take a message from its dead worker: for another one, or for none."""
    await conn.execute(_AGAIN if again else _NEVER, {"id": message.id})
