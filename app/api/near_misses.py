"""`/near-misses`: what nearly was an event, so that thresholds rest on evidence."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf

from app.api.fields import Answer, Name, Page, Query
from app.api.state import State, current
from app.service import near

router = APIRouter(tags=["Detectors"])


class NearMissQuery(Query):
    """Of which device, or of which profile."""

    device: Name | None = None
    profile: Name | None = None


class NearMissAnswer(Answer):
    """Readings ``[onset_seq, offset_seq)`` that nearly were an event.

    `score` is the peak as a share of what an event needs, 0.5 to 1; 1 is one that was
    too short.  `event` is what somebody made of it.
    """

    device: str
    boot: str
    onset_seq: int
    offset_seq: int
    score: float
    detector_version: int
    event: UUID | None


@router.get("/near-misses")
async def list_near_misses(
    query: Annotated[NearMissQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> Page[NearMissAnswer]:
    """List what nearly was an event of a device or profile, newest first, with scores.

    A stream remembers its eight newest since its last gap; the 20 newest streams are
    looked at.
    """
    async with state.engine.begin() as conn:
        rows = await near.newest(conn, device=query.device, profile=query.profile)
    items = [
        NearMissAnswer(
            device=row.device,
            boot=row.boot,
            onset_seq=row.near.onset,
            offset_seq=row.near.offset,
            score=row.near.score,
            detector_version=row.detector_version,
            event=row.event,
        )
        for row in rows
    ]
    return Page(items=items)


class RecallAnswer(Answer):
    """How much of what happens is found, as far as it comes near; with 95 % limits.

    `recall` is null without any event.  The counts are of the readings after the oldest
    near miss that each stream remembers.
    """

    recall: float | None
    low: float | None
    high: float | None
    found_true: int
    found_false: int
    found_unsure: int
    near_true: int
    near_false: int
    near_unsure: int


@router.get("/near-misses/recall")
async def estimate_recall(
    query: Annotated[NearMissQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> RecallAnswer:
    """Estimate the recall of a device's or profile's detector from its near misses.

    From what people said of found events and of near misses; what they did not look at
    is taken to be alike.  An upper bound: what never came near is not seen.
    """
    async with state.engine.begin() as conn:
        seen, said = await near.recall_of(
            conn, device=query.device, profile=query.profile
        )
    return RecallAnswer(
        recall=None if said is None else said.recall,
        low=None if said is None else said.low,
        high=None if said is None else said.high,
        **asdict(seen),
    )
