import pytest
from procrastinate import PsycopgConnector
from procrastinate.manager import JobManager
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.store import engine as database
from app.store import queue


async def test_our_way_to_send_a_job_is_procrastinates_own(database_url: str):
    """A worker of the installed procrastinate understands what `defer` wrote."""
    engine = database.create(database_url)
    async with engine.begin() as conn:
        await queue.defer(conn, 7, "arm")
    await engine.dispose()
    connector = PsycopgConnector(conninfo=database_url, min_size=1, max_size=1)
    await connector.open_async()
    try:
        manager = JobManager(connector)
        worker = await manager.register_worker()
        job = await manager.fetch_job(queues=[queue.QUEUE], worker_id=worker)
    finally:
        await connector.close_async()
    assert job is not None
    assert (job.task_name, job.task_kwargs) == (queue.TASK, {"job": 7})
    assert (job.lock, job.queueing_lock) == ("retrain:arm", "job:7")


async def test_functions_of_procrastinate_are_the_ones_we_call(database_url: str):
    engine = database.create(database_url)
    async with engine.connect() as conn:
        rows = await conn.execute(
            text(
                "SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) "
                "|| ')' FROM pg_proc p WHERE p.proname = ANY(:names) ORDER BY 1"
            ),
            {
                "names": [
                    "procrastinate_defer_jobs_v1",
                    "procrastinate_finish_job_v1",
                    "procrastinate_retry_job_v2",
                ]
            },
        )
        found = list(rows.scalars())
    await engine.dispose()
    assert found == [
        "procrastinate_defer_jobs_v1(jobs procrastinate_job_to_defer_v1[])",
        "procrastinate_finish_job_v1(job_id bigint, end_status "
        "procrastinate_job_status, delete_job boolean)",
        "procrastinate_retry_job_v2(job_id bigint, retry_at timestamp with time zone, "
        "new_priority integer, new_queue_name character varying, "
        "new_lock character varying)",
    ]


async def test_a_job_waits_once(database_url: str):
    engine = database.create(database_url)
    async with engine.begin() as conn:
        await queue.defer(conn, 7, "arm")
    with pytest.raises(IntegrityError):
        async with engine.begin() as conn:
            await queue.defer(conn, 7, "arm")
    await engine.dispose()
