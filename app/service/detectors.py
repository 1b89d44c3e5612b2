"""Which detector version serves each profile, as this process knows it."""

from __future__ import annotations

import asyncio
import math
import time

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import DetectorVersion
from app.store import detectors, profiles
from app.store import engine as database

log = structlog.get_logger()


class Detectors:
    """Follows the ledger of detectors; open streams ask it between two events.

    It knows what served when it last began to look.  A stream that took its detector
    after that knows better.
    """

    def __init__(self, engine: AsyncEngine, poll_seconds: float = 2.0) -> None:
        self._engine = engine
        self._poll_seconds = poll_seconds
        self._serving: dict[str, DetectorVersion] = {}
        self._looked = -math.inf
        self._wake = asyncio.Event()

    def newer(self, present: DetectorVersion, since: float) -> DetectorVersion | None:
        """Give the version that serves in place of a stream's own, if another does.

        Parameters
        ----------
        since : float, seconds of the monotonic clock
            When the stream took its version.
        """
        if since >= self._looked:
            return None
        serving = self._serving.get(present.profile)
        if serving is None or serving.number == present.number:
            return None
        return serving

    async def refresh(self) -> None:
        """Look once which versions serve."""
        begun = time.monotonic()
        found: dict[str, DetectorVersion] = {}
        async with self._engine.connect() as conn:
            for profile, number in (await detectors.serving(conn)).items():
                known = self._serving.get(profile)
                if known is None or known.number != number:
                    known = await profiles.detector_version(conn, number)
                found[profile] = known
        self._serving, self._looked = found, begun

    async def run(self, database_url: str) -> None:
        """Follow for ever; cancel to stop."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear(database_url))
            while True:
                self._wake.clear()
                try:
                    await self.refresh()
                except (SQLAlchemyError, OSError, TimeoutError) as error:
                    log.warning("detectors_not_read", error=type(error).__name__)
                try:
                    async with asyncio.timeout(self._poll_seconds):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _hear(self, database_url: str) -> None:
        async for _ in database.listen(database_url, [detectors.CHANNEL]):
            self._wake.set()
