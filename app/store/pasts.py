"""What is known of devices from their events: made now and then, read when they come.

Only the newest is kept; the one that was used stays with each event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Beside, Float32Array, Past
from app.domain.context import past_json, past_of
from app.store.arrays import unpack_values
from app.store.columns import NOW
from app.store.tables import device_pasts, events, labels, predictions, profiles

_DUE = text(
    """
    SELECT d.id FROM devices d
    LEFT JOIN device_pasts h ON h.device = d.id AND h.profile = :profile
    CROSS JOIN LATERAL (
        SELECT e.position FROM events e
        WHERE e.device = d.id AND e.profile = :profile
          AND e.position > coalesce(h.position, 0)
        ORDER BY e.position OFFSET :least - 1 LIMIT 1
    ) AS enough
    WHERE d.profile = :profile ORDER BY h.at NULLS FIRST, d.id LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True, eq=False)
class PastEvent:
    """An event as a device's past knows it; `label` "" if nobody knows any."""

    position: int
    window: Float32Array
    pre_roll: int
    post_roll: int
    label: str


async def wanting(conn: AsyncConnection) -> list[str]:
    """Return the profiles whose devices' past is kept."""
    asked = profiles.c.retrain["context"].astext == Beside.DEVICE.value
    return list(await conn.scalars(select(profiles.c.name).where(asked)))


async def due(conn: AsyncConnection, profile: str, least: int, limit: int) -> list[str]:
    """Return devices that have so many events that their past does not know."""
    asked = {"profile": profile, "least": least, "limit": limit}
    return list(await conn.scalars(_DUE, asked))


async def newest(
    conn: AsyncConnection, device: str, profile: str, as_of: datetime, limit: int
) -> list[PastEvent]:
    """Return the newest events of a device as known at a time, newest first.

    Each with the label that counted then, else with what was answered first by then.
    """
    e, said, p = events.c, labels.c, predictions.c
    last = (
        select(events)
        .where(e.device == device, e.profile == profile, e.created_at <= as_of)
        .order_by(e.position.desc())
        .limit(limit)
        .subquery("last")
    )
    told = (
        select(said.event, said.label)
        .ext(distinct_on(said.event))
        .where(said.event.in_(select(last.c.id)), said.at <= as_of)
        .order_by(said.event, said.id.desc())
        .subquery("told")
    )
    rows = await conn.execute(
        select(
            last,
            func.coalesce(func.nullif(told.c.label, ""), p.label, "").label("name"),
        )
        .outerjoin(told, told.c.event == last.c.id)
        .outerjoin(predictions, (p.event == last.c.id) & p.first & (p.at <= as_of))
        .order_by(last.c.position.desc())
    )
    return [
        PastEvent(
            row.position,
            unpack_values(row.window, (row.n_readings, row.n_channels)),
            row.pre_roll,
            row.post_roll,
            row.name,
        )
        for row in rows
    ]


async def put(
    conn: AsyncConnection, device: str, profile: str, position: int, past: Past | None
) -> None:
    """Keep what is known of a device, instead of what was; None: looked at in vain."""
    made = upsert(device_pasts).values(
        device=device,
        profile=profile,
        position=position,
        past=None if past is None else past_json(past),
    )
    await conn.execute(
        made.on_conflict_do_update(
            index_elements=["device", "profile"],
            set_={
                "position": made.excluded.position,
                "past": made.excluded.past,
                "at": NOW,
            },
        )
    )


async def of(
    conn: AsyncConnection, wanted: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Past]:
    """Return what is known of devices, by (device, profile); others are left out."""
    h = device_pasts.c
    rows = await conn.execute(
        select(device_pasts).where(
            tuple_(h.device, h.profile).in_(wanted), h.past.is_not(None)
        )
    )
    return {(row.device, row.profile): past_of(row.past) for row in rows}


async def since(
    conn: AsyncConnection, at: datetime | None
) -> dict[tuple[str, str], Past]:
    """Return what was worked out since a time (None: ever), by (device, profile)."""
    query = select(device_pasts).where(device_pasts.c.past.is_not(None))
    if at is not None:
        query = query.where(device_pasts.c.at >= at)
    rows = await conn.execute(query)
    return {(row.device, row.profile): past_of(row.past) for row in rows}
