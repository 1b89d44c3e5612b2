"""Unlabelled events that no class accounts for, gathered into possible new classes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app import features
from app.domain import Float32Array
from app.learning.clusters import Cluster, gather
from app.store import events, models, profiles
from app.store.events import EventFilter, EventRow

LOOKED_AT = 300
"""Newest unknown events without a label that are compared with one another."""


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """A cluster with its most typical event.

    Parameters
    ----------
    guess : str or None
        The class that most of the members are most like; None: no model said anything.
    """

    cluster: Cluster
    example: EventRow
    guess: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """Clusters, the largest first, of how many events, and how many belong to none."""

    items: Sequence[Proposal]
    looked_at: int
    alone: int


async def propose(
    engine: AsyncEngine, profile: str, limit: int, thinking: asyncio.Semaphore
) -> Proposals:
    """Gather the newest unknown events of a profile; all of them without a champion.

    Raises
    ------
    NotFound
        If there is no such profile.
    """
    async with engine.connect() as conn:
        rate_hz = (await profiles.get(conn, profile)).rate_hz
        learnt = await models.champion(conn, profile) is not None
        unknown = True if learnt else None
        wanted = EventFilter(
            profile=profile, labelled=False, unknown=unknown, order="desc"
        )
        rows, _ = await events.list_(conn, wanted, LOOKED_AT)
        shown = await events.windows(conn, [row.id for row in rows])
    rows = [row for row in rows if row.id in shown and shown[row.id].size]
    async with thinking:
        found = await asyncio.to_thread(_gathered, rows, shown, rate_hz)
    known = {row.id: row for row in rows}
    inside = sum(len(cluster.members) for cluster in found)
    items = [
        Proposal(cluster, known[cluster.members[0]], _guess(cluster, known))
        for cluster in found[:limit]
    ]
    return Proposals(items, len(rows), len(rows) - inside)


def _gathered(
    rows: Sequence[EventRow], shown: dict[UUID, Float32Array], rate_hz: float
) -> list[Cluster]:
    table = [
        features.extract(shown[row.id], rate_hz, row.pre_roll, row.post_roll)
        for row in rows
    ]
    return gather([row.id for row in rows], np.array(table))


def _guess(cluster: Cluster, known: dict[UUID, EventRow]) -> str | None:
    said = [known[event].prediction for event in cluster.members]
    counted = Counter(one.label for one in said if one is not None)
    return min(counted, key=lambda label: (-counted[label], label), default=None)
