"""How far a job is, from its thread to its row; the wish to stop, from row to thread.

The computing thread calls `Progress` and never waits; `reported` writes what it said a
few times a second, so a chatty job costs the database nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import Cancelled
from app.store import jobs

log = structlog.get_logger()

Report = Callable[[str, float], None]


class Progress:
    """What a job last said of itself; safe to call from any one thread."""

    def __init__(self) -> None:
        self.now: tuple[str, float] = ("begun", 0.0)
        self._why = ""

    def __call__(self, stage: str, fraction: float) -> None:
        """Say the stage and how much of the job is done, 0..1.

        Raises
        ------
        Cancelled
            If the job was asked to stop.
        """
        if self._why:
            raise Cancelled(self._why)
        self.now = (stage, min(max(fraction, self.now[1]), 1.0))

    def stop(self, why: str) -> None:
        """Make the next call raise `Cancelled`."""
        self._why = why

    def part(self, begin: float, end: float, prefix: str = "") -> Report:
        """Return a function whose 0..1 is `begin`..`end` of the job.

        Examples
        --------
        >>> progress = Progress()
        >>> progress.part(0.5, 0.7, "full: ")("fitting", 0.5)
        >>> progress.now
        ('full: fitting', 0.6)
        """

        def report(stage: str, fraction: float) -> None:
            self(prefix + stage, begin + (end - begin) * fraction)

        return report


@contextlib.asynccontextmanager
async def reported(
    engine: AsyncEngine, job: int, progress: Progress, every_seconds: float
) -> AsyncIterator[None]:
    """Write the progress to the job's row, and hear of a wish to cancel."""
    task = asyncio.create_task(_report(engine, job, progress, every_seconds))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _report(
    engine: AsyncEngine, job: int, progress: Progress, every_seconds: float
) -> None:
    written = None
    while True:
        stage, fraction = now = progress.now
        try:
            async with engine.begin() as conn:
                if now != written:
                    await jobs.progress(conn, job, fraction, stage)
                wanted = await jobs.cancel_requested(conn, job)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            # The work itself needs no database until its end.
            log.warning("progress_not_written", job=job, error=type(error).__name__)
        else:
            written = now
            if wanted:
                progress.stop("cancelled by request")
        await asyncio.sleep(every_seconds)
