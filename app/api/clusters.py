"""`/profiles/{name}/clusters`: unknown events that are alike, to be named."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf
from pydantic import Field

from app.api.fields import Answer, Page, ProfilePath, Query
from app.api.shapes import EventAnswer, event_answer
from app.api.state import State, current
from app.service import clustering

router = APIRouter(prefix="/profiles", tags=["Labels"])


class ClusterQuery(Query):
    """How many clusters at most."""

    limit: Annotated[int, Field(ge=1, le=12)] = 12


class ClusterAnswer(Answer):
    """Events without a label that are like one another.

    `id` is the same while the members are; `members` has the most typical event first,
    which is the `example`.  `tightness` is the mean silhouette, 0..1; `guess` the known
    class that most members are most like.
    """

    id: str
    size: int
    members: list[UUID]
    example: EventAnswer
    tightness: float
    guess: str | None


class ClustersAnswer(Page[ClusterAnswer]):
    """Clusters, the largest first; `alone` of the events looked at belong to none."""

    looked_at: int
    alone: int


@router.get("/{name}/clusters")
async def list_clusters(
    name: ProfilePath,
    query: Annotated[ClusterQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> ClustersAnswer:
    """Gather the newest unknown events without a label: what may be new classes.

    Name one by `POST /labels` with its members; the next training makes it a class.
    Without a champion all events without a label are gathered.
    """
    found = await clustering.propose(state.engine, name, query.limit, state.thinking)
    items = [
        ClusterAnswer(
            id=one.cluster.id,
            size=len(one.cluster.members),
            members=list(one.cluster.members),
            example=event_answer(one.example),
            tightness=one.cluster.tightness,
            guess=one.guess,
        )
        for one in found.items
    ]
    return ClustersAnswer(items=items, looked_at=found.looked_at, alone=found.alone)
