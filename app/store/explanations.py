"""Why versions said what they said of events: kept with the event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Json
from app.store.tables import explanations


@dataclass(frozen=True, slots=True)
class StoredExplanation:
    """An explanation as JSON, and when it was worked out."""

    body: Json
    at: datetime


async def get(
    conn: AsyncConnection, event: UUID, version: int
) -> StoredExplanation | None:
    """Return what is kept of an event and a version, or None."""
    x = explanations.c
    row = (
        await conn.execute(
            select(x.body, x.at).where(x.event == event, x.model_version == version)
        )
    ).one_or_none()
    return None if row is None else StoredExplanation(row.body, row.at)


async def put(
    conn: AsyncConnection, event: UUID, version: int, body: Json
) -> StoredExplanation:
    """Keep an explanation instead of the one that was there."""
    new = upsert(explanations).values(event=event, model_version=version, body=body)
    row = (
        await conn.execute(
            new.on_conflict_do_update(
                index_elements=["event", "model_version"],
                set_={"body": new.excluded.body, "at": func.clock_timestamp()},
            ).returning(explanations.c.body, explanations.c.at)
        )
    ).one()
    return StoredExplanation(row.body, row.at)
