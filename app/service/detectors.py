"""Which detector version serves each profile and device, as this process knows it."""

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
from app.store.detectors import Serving

log = structlog.get_logger()


class Detectors:
    """Follows the ledger of detectors; open streams ask it between two events.

    It knows what served when it last began to look.  A stream that took its detector
    after that knows better.  Of devices with a detector of their own it keeps the
    number, and reads the version when their stream here asks for it.
    """

    def __init__(self, engine: AsyncEngine, poll_seconds: float = 2.0) -> None:
        self._engine = engine
        self._poll_seconds = poll_seconds
        self._serving = Serving({}, {})
        self._versions: dict[int, DetectorVersion] = {}
        self._wanted: set[int] = set()
        self._looked = -math.inf
        self._wake = asyncio.Event()

    def newer(
        self, present: DetectorVersion, device: str, since: float
    ) -> DetectorVersion | None:
        """Give the version that serves in place of a stream's own, if another does.

        Parameters
        ----------
        since : float, seconds of the monotonic clock
            When the stream took its version.
        """
        if since >= self._looked:
            return None
        profile = present.profile
        own = self._serving.devices
        number = own.get((profile, device)) if own else None
        if number is None:
            number = self._serving.profiles.get(profile)
        if number is None or number == present.number:
            return None
        if number not in self._versions and number not in self._wanted:
            self._wanted.add(number)
            self._wake.set()
        return self._versions.get(number)

    async def refresh(self) -> None:
        """Look once which versions serve."""
        begun = time.monotonic()
        wanted, self._wanted = self._wanted, set()
        async with self._engine.connect() as conn:
            serving = await detectors.serving(conn)
            needed = wanted | set(serving.profiles.values())
            known = {n: v for n, v in self._versions.items() if n in needed}
            known |= await profiles.detector_versions_of(conn, needed - set(known))
        self._serving, self._versions, self._looked = serving, known, begun

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
