"""From the database's notifications to this process's hub.

Events are read by their commit-ordered position, so every replica publishes the same
ones in the same order, and one that was away catches up without a hole.
"""

from __future__ import annotations

import json

from sqlalchemy.ext.asyncio import AsyncEngine

from app.service.hub import Hub, Message
from app.store import engine as database
from app.store import events

PAGE = 500
CHANNELS = {
    "onset_labels": "label",
    "onset_models": "model",
    "onset_jobs": "job",
    "onset_predictions": "prediction",
}


class Feed:
    """Publishes what any process committed."""

    def __init__(self, engine: AsyncEngine, database_url: str, hub: Hub) -> None:
        self._engine = engine
        self._url = database_url
        self._hub = hub
        self._position: int | None = None

    async def run(self) -> None:
        """Follow the database for ever; cancel to stop."""
        channels = ["onset_events", *CHANNELS]
        async for note in database.listen(self._url, channels):
            if note.channel in ("onset_events", "connected"):
                await self._catch_up()
            else:
                data = json.loads(note.payload)
                self._hub.publish(Message(CHANNELS[note.channel], data))

    async def _catch_up(self) -> None:
        while True:
            async with self._engine.begin() as conn:
                if self._position is None:
                    self._position = await events.last_position(conn)
                rows = await events.after(conn, self._position, PAGE)
            for row in rows:
                self._position = row.position
                self._hub.publish(Message("event", row, row.position))
            if len(rows) < PAGE:
                return
