"""A detector version that was judged: kept, perhaps promoted, told, in one COMMIT."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Json
from app.errors import ChampionMoved, NotFound
from app.store import audit, detectors, jobs
from app.store.detectors import NewDetector
from app.store.jobs import Job


async def keep(engine: AsyncEngine, job: Job, new: NewDetector) -> None:
    """Keep a version; it serves if its verdict is "promote" and the job lets it.

    The job's request has ``promote``, ``by`` and ``reason``.
    """
    try:
        await _keep(engine, job, new, promotes=True)
    except (ChampionMoved, NotFound):
        # Somebody promoted meanwhile, or the device has gone: keep the work, leave
        # their choice alone.
        await _keep(engine, job, new, promotes=False)


async def _keep(
    engine: AsyncEngine, job: Job, new: NewDetector, *, promotes: bool
) -> None:
    by, asked = job.request["by"], job.request["reason"]
    async with engine.begin() as conn:
        number = await detectors.add(conn, new)
        serves = (
            promotes and new.verdict == "promote" and job.request["promote"] == "auto"
        )
        if serves:
            await detectors.promote(
                conn,
                new.profile,
                number,
                new.parent,
                by,
                str(new.reason),
                new.device,
            )
        result: Json = {
            "detector_version": number,
            "device": new.device,
            "verdict": new.verdict,
            "reason": new.reason,
            "promoted": serves,
            "report": new.report,
        }
        about = {
            "detector_version": number,
            "device": new.device,
            "verdict": new.verdict,
            "promoted": serves,
            "why": asked,
        }
        await audit.record(conn, by, job.kind, f"profile:{new.profile}", after=about)
        await jobs.finish(conn, job.id, result)
