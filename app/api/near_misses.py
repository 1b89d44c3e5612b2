"""`/near-misses`: what nearly was an event, so that thresholds rest on evidence."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf

from app.api.fields import Answer, Name, Page, Query
from app.api.state import State, current
from app.service import near

router = APIRouter(tags=["Detectors"])


class NearMissQuery(Query):
    """Of which device."""

    device: Name


class NearMissAnswer(Answer):
    """Readings ``[onset_seq, offset_seq)`` that nearly were an event.

    `score` is the peak as a share of what an event needs, 0.5 to 1; 1 is one that was
    too short.
    """

    device: str
    boot: str
    onset_seq: int
    offset_seq: int
    score: float
    detector_version: int


@router.get("/near-misses")
async def list_near_misses(
    query: Annotated[NearMissQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> Page[NearMissAnswer]:
    """List what nearly was an event of a device, newest first, each with its score.

    A stream remembers its eight newest since its last gap.
    """
    async with state.engine.begin() as conn:
        rows = await near.of_device(conn, query.device)
    items = [
        NearMissAnswer(
            device=query.device,
            boot=row.boot,
            onset_seq=row.near.onset,
            offset_seq=row.near.offset,
            score=row.near.score,
            detector_version=row.detector_version,
        )
        for row in rows
    ]
    return Page(items=items)
