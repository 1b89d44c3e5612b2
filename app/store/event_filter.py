"""Which events a list has, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidInput
from app.store.tables import BLOCK, event_blocks

ORDERS = ("asc", "desc")


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; what is None does not matter.

    Parameters
    ----------
    label : str
        The latest label.
    predicted, model_version, unknown, min_probability
        Of the prediction that was answered first.
    labelled : bool
        Whether there is a label that was not withdrawn.
    flag : str
        One of the event's flags.
    since, until : datetime, aware, UTC
        ``since <= onset < until``.
    order : {"asc", "desc"}
        In commit order (oldest first), or against it.
    """

    device: str | None = None
    boot: str | None = None
    profile: str | None = None
    label: str | None = None
    predicted: str | None = None
    model_version: int | None = None
    unknown: bool | None = None
    labelled: bool | None = None
    flag: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_probability: float | None = None
    order: str = "asc"

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise InvalidInput(f"order={self.order!r} must be asc or desc")


async def bounds(conn: AsyncConnection, wanted: EventFilter) -> range | None:
    """Return the positions between which a list that is bound by time lies.

    None: anywhere.  Times and positions mostly rise together, which the planner cannot
    know: left alone it reads all events before `since`.  Looked up before, as numbers,
    because of numbers it knows how many lie between.  A clock that was wrong makes the
    range wider, never too narrow.
    """
    b = event_blocks.c
    fits = []
    if wanted.since is not None:
        fits.append(b.max_onset >= wanted.since)
    if wanted.until is not None:
        fits.append(b.min_onset < wanted.until)
    if not fits:
        return None
    found = select(func.min(b.block), func.max(b.block)).where(*fits)
    first, last = (await conn.execute(found)).one()
    return range(0) if first is None else range(first * BLOCK, (last + 1) * BLOCK)
