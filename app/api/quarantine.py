"""`/quarantine`: readings on which a detector failed, so that somebody can see why."""

from __future__ import annotations

from datetime import datetime
from math import isfinite
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf
from pydantic import Field

from app.api.fields import Answer, Name, Page, Query
from app.api.state import State, current
from app.store import quarantine

router = APIRouter(tags=["Devices"])


class QuarantineQuery(Query):
    """Of which device; without one, of all."""

    device: Name | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class QuarantineAnswer(Answer):
    """A reading that was set aside: the stream goes on behind it, with a gap.

    `values` has null where a value is not a number or beyond the finite ones.
    """

    device: str
    boot: str
    seq: int
    detector_version: int
    values: list[float | None]
    time: float
    why: str
    at: datetime


@router.get("/quarantine")
async def list_quarantine(
    query: Annotated[QuarantineQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> Page[QuarantineAnswer]:
    """List readings on which a detector failed, newest first, each with the reason.

    The newest 10,000 of all devices are kept.
    """
    async with state.engine.begin() as conn:
        rows = await quarantine.list_(conn, query.device, query.limit)
    items = [
        QuarantineAnswer(
            device=row.device,
            boot=row.boot,
            seq=row.reading.seq,
            detector_version=row.detector_version,
            values=[v if isfinite(v) else None for v in row.reading.values.tolist()],
            time=row.reading.time,
            why=row.reading.why,
            at=row.at,
        )
        for row in rows
    ]
    return Page(items=items)
