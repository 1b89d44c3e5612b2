"""What to label next: the newest events without a label, ranked."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from app import features
from app.domain import Float32Array, Prediction
from app.learning.queue import Pick, Waiting, rank
from app.store import events, labels, profiles
from app.store.events import EventFilter, EventRow

LOOKED_AT = 300
"""Newest events without a label that are weighed against one another."""


async def queue(
    engine: AsyncEngine, profile: str, limit: int, now: datetime
) -> list[tuple[EventRow, Pick]]:
    """Return the events of a profile that are most worth a label, best first.

    Raises
    ------
    NotFound
        If there is no such profile.
    """
    async with engine.connect() as conn:
        rate_hz = (await profiles.get(conn, profile)).rate_hz
        wanted = EventFilter(profile=profile, labelled=False, order="desc")
        rows, _ = await events.list_(conn, wanted, LOOKED_AT)
        shown = await events.windows(conn, [row.id for row in rows])
        counted = await labels.count_by_class(conn, profile)
    known = {row.id: row for row in rows}
    picks = await asyncio.to_thread(_ranked, rows, shown, counted, rate_hz, limit, now)
    return [(known[pick.event], pick) for pick in picks]


def _ranked(
    rows: list[EventRow],
    shown: dict[UUID, Float32Array],
    counted: Counter[str],
    rate_hz: float,
    limit: int,
    now: datetime,
) -> list[Pick]:
    waiting = [
        Waiting(
            row.id,
            row.created_at,
            row.prediction.label if row.prediction else None,
            _probabilities(row.prediction),
            bool(row.prediction and row.prediction.unknown),
            features.extract(shown[row.id], rate_hz, row.pre_roll, row.post_roll),
        )
        for row in rows
        if row.id in shown and shown[row.id].size
    ]
    return rank(waiting, counted, limit, now)


def _probabilities(said: Prediction | None) -> tuple[float, ...]:
    """Of each class; where only the best one's was kept, of the most there may be."""
    if said is None:
        return ()
    best = said.probability
    return said.probabilities or (best, min(best, 1.0 - best))
