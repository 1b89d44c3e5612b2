"""From the database's notifications to this process's hub.

Events are read by their commit-ordered position, so every replica publishes the same
ones in the same order, and one that was away catches up without a hole.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prometheus_client import Histogram
from sqlalchemy.ext.asyncio import AsyncEngine

from app.service.notify.hub import Hub, Message
from app.store import engine as database
from app.store import events, streams

PAGE = 500
CHANNELS = {
    "onset_labels": "label",
    "onset_models": "model",
    "onset_jobs": "job",
    "onset_alerts": "alert",
    "onset_drift": "drift",
}


class Feed:
    """Publishes what any process committed."""

    def __init__(
        self,
        engine: AsyncEngine,
        database_url: str,
        hub: Hub,
        on_owner: Callable[[str, int], None],
        published: Histogram | None = None,
    ) -> None:
        self._engine = engine
        self._url = database_url
        self._hub = hub
        self._on_owner = on_owner
        self._published = published
        self._position: int | None = None

    async def run(self) -> None:
        """Follow the database for ever; cancel to stop."""
        channels = ["onset_events", "onset_predictions", streams.CHANNEL, *CHANNELS]
        async for note in database.listen(self._url, channels):
            if note.channel in ("onset_events", "connected"):
                await self._catch_up()
                continue
            data = json.loads(note.payload)
            if note.channel == streams.CHANNEL:
                for device, connection in data.items():
                    self._on_owner(device, connection)
            elif note.channel == "onset_predictions":
                await self._classified(data)
            else:
                self._hub.publish(Message(CHANNELS[note.channel], data))

    async def _classified(self, data: dict[str, Any]) -> None:
        """Say what was answered of events that had to wait for a model."""
        async with self._engine.begin() as conn:
            rows = [await events.get(conn, UUID(one)) for one in data["events"]]
        for row in rows:
            self._hub.publish(Message("prediction", row))

    async def _catch_up(self) -> None:
        while True:
            async with self._engine.begin() as conn:
                if self._position is None:
                    self._position = await events.last_position(conn)
                rows = await events.after(conn, self._position, PAGE)
            for row in rows:
                self._position = row.position
                self._hub.publish(Message("event", row, row.position))
                if self._published is not None:
                    age = datetime.now(UTC) - row.created_at
                    self._published.observe(max(0.0, age.total_seconds()))
            if len(rows) < PAGE:
                return
