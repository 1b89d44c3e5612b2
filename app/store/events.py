"""Events: writing them, and reading what is one event's.

`app.store.listing` reads many.  Positions are given in commit order by a trigger (see
the migration), so "all events after position n" misses nothing, whoever writes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Channel, Context, Event, Float32Array
from app.errors import NotFound
from app.store.arrays import context_of, pack, unpack_values
from app.store.engine import notify
from app.store.event_filter import EventFilter
from app.store.listing import (
    EventRow,
    after,
    get,
    last_position,
    list_,
)
from app.store.predictions import (
    StoredPrediction,
    add_predictions,
    features_digests,
    first_labels,
    insert_predictions,
    predictions_of,
)
from app.store.tables import devices, events, predictions, profiles

__all__ = [
    "CHANNEL",
    "EventFilter",
    "EventRow",
    "StoredPrediction",
    "UnclassifiedEvent",
    "Window",
    "add",
    "add_predictions",
    "after",
    "features_digests",
    "first_labels",
    "get",
    "insert",
    "insert_predictions",
    "last_position",
    "list_",
    "overlapping",
    "predictions_of",
    "unclassified",
    "unclassified_of",
    "window",
    "windows",
]

CHANNEL = "onset_events"
"""Says that there are new events; readers ask for those after their position."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The readings that show an event, float32 (n_readings, n_channels)."""

    values: Float32Array
    pre_roll: int
    post_roll: int
    rate_hz: float
    channels: tuple[Channel, ...]
    context: Context | None = None


@dataclass(frozen=True, slots=True, eq=False)
class UnclassifiedEvent:
    """An event that waits for a prediction, with its window."""

    event: UUID
    device: str
    profile: str
    window: Float32Array
    pre_roll: int
    post_roll: int
    context: Context | None = None


async def add(conn: AsyncConnection, new: Sequence[Event]) -> list[UUID]:
    """Store events that come by other ways than a stream.

    Devices that are unknown are registered.  Detector version 0 stands for none.

    Returns
    -------
    list of UUID
        Those that were not there before.
    """
    if not new:
        return []
    owners = {event.device: event.profile for event in new}
    await conn.execute(
        upsert(devices).on_conflict_do_nothing(),
        # in one order, or two that register the same ones wait for each other
        [{"id": device, "profile": owners[device]} for device in sorted(owners)],
    )
    known = set(
        await conn.scalars(
            select(events.c.id).where(events.c.id.in_([event.id for event in new]))
        )
    )
    fresh = {event.id: event for event in new if event.id not in known}
    if fresh:
        await insert(conn, list(fresh.values()))
        await notify(conn, CHANNEL)
    return list(fresh)


async def insert(
    conn: AsyncConnection, new: Sequence[Event], classified: Collection[UUID] = ()
) -> None:
    """Write rows of events; those that are there already are left alone.

    Parameters
    ----------
    classified : ids of those whose prediction is stored in the same transaction
    """
    await conn.execute(
        upsert(events).on_conflict_do_nothing(index_elements=["id"]),
        [_columns(event, event.id in classified) for event in new],
    )


async def window(conn: AsyncConnection, event: UUID) -> Window:
    """Return an event's window, or raise `NotFound`."""
    e, p = events.c, profiles.c
    row = (
        await conn.execute(
            select(
                e.window,
                e.n_readings,
                e.n_channels,
                e.pre_roll,
                e.post_roll,
                e.context,
                p.rate_hz,
                p.channels,
            )
            .join(profiles, p.name == e.profile)
            .where(e.id == event)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"no event {event}")
    return Window(
        unpack_values(row.window, (row.n_readings, row.n_channels)),
        row.pre_roll,
        row.post_roll,
        row.rate_hz,
        tuple(Channel(**channel) for channel in row.channels),
        context_of(row.context),
    )


async def windows(
    conn: AsyncConnection, wanted: Sequence[UUID]
) -> dict[UUID, Float32Array]:
    """Return the windows of many events, (n_readings, n_channels) each."""
    e = events.c
    query = select(e.id, e.window, e.n_readings, e.n_channels)
    rows = await conn.execute(query.where(e.id.in_(wanted)))
    return {
        row.id: unpack_values(row.window, (row.n_readings, row.n_channels))
        for row in rows
    }


async def overlapping(
    conn: AsyncConnection, device: str, boot: str, first_seq: int, next_seq: int
) -> list[tuple[UUID, int, int]]:
    """Return (event, onset_seq, offset_seq) of what a stream has in some readings."""
    e = events.c
    rows = await conn.execute(
        select(e.id, e.onset_seq, e.offset_seq).where(
            e.device == device,
            e.boot == boot,
            e.onset_seq < next_seq,
            e.offset_seq > first_seq,
        )
    )
    return [(event, onset, offset) for event, onset, offset in rows]


async def unclassified(
    conn: AsyncConnection,
    profile: str,
    limit: int = 100,
    *,
    model_version: int | None = None,
) -> list[UnclassifiedEvent]:
    """Return the oldest events that wait for a prediction.

    Parameters
    ----------
    model_version : int or None
        Those that this version has not classified; None: that no version has.
    """
    e, p = events.c, predictions.c
    waits = ~e.classified
    if model_version is not None:
        said = select(p.event).where(p.event == e.id, p.model_version == model_version)
        waits = ~exists(said)
    rows = await conn.execute(
        select(events)
        .where(e.profile == profile, waits)
        .order_by(e.position)
        .limit(limit)
    )
    return [unclassified_of(row) for row in rows]


def unclassified_of(row: Row[Any]) -> UnclassifiedEvent:
    """Make what a model is asked about of a row of events."""
    return UnclassifiedEvent(
        row.id,
        row.device,
        row.profile,
        unpack_values(row.window, (row.n_readings, row.n_channels)),
        row.pre_roll,
        row.post_roll,
        context_of(row.context),
    )


def _columns(event: Event, classified: bool) -> dict[str, Any]:
    n_readings, n_channels = event.window.shape
    return {
        "id": event.id,
        "device": event.device,
        "boot": event.boot,
        "profile": event.profile,
        "detector_version": event.detector_version or None,
        "onset_seq": int(event.onset_seq),
        "offset_seq": int(event.offset_seq),
        "onset": event.onset,
        "offset": event.offset,
        "peak": float(event.peak),
        "flags": [str(flag) for flag in event.flags],
        "window": pack(event.window),
        "n_readings": n_readings,
        "n_channels": n_channels,
        "pre_roll": int(event.pre_roll),
        "post_roll": int(event.post_roll),
        "classified": classified,
        "context": None if event.context is None else event.context.to_json(),
    }
