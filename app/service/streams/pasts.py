"""What is known of the devices whose streams are open here, as it gets newer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Past
from app.store import pasts

log = structlog.get_logger()

MOST_DEVICES = 20_000
"""Of more, those are forgotten that came first; a kilobyte each."""
POLL_SECONDS = 30.0
OVERLAP = timedelta(minutes=5)
"""Rows are looked at again for so long: they may be committed late."""


class Pasts:
    """Follows what is known of devices; open streams ask it between two events."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Past | None] = OrderedDict()
        self._looked: datetime | None = None

    def watch(self, device: str, profile: str, past: Past | None) -> None:
        """Follow a device from now on."""
        self._known[device, profile] = past
        self._known.move_to_end((device, profile))
        if len(self._known) > MOST_DEVICES:
            self._known.popitem(last=False)

    def forget(self, device: str, profile: str) -> None:
        """Follow a device no longer."""
        self._known.pop((device, profile), None)

    def of(self, device: str, profile: str) -> Past | None:
        """Return what is known of a device that is followed, if anything is."""
        return self._known.get((device, profile))

    async def refresh(self, engine: AsyncEngine) -> None:
        """Look once for what is newer."""
        if not self._known:
            return
        begun = datetime.now(UTC)
        async with engine.connect() as conn:
            found = await pasts.since(conn, self._looked)
        for key, past in found.items():
            if key in self._known:
                self._known[key] = past
        self._looked = begun - OVERLAP

    async def run(self, engine: AsyncEngine) -> None:
        """Follow for ever; cancel to stop."""
        while True:
            try:
                await self.refresh(engine)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("pasts_not_read", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)
