"""Deletes what is older than profiles keep it, in the trainer's process.

Some hundred rows a transaction, with a pause after each: nothing that is stored
meanwhile waits.  Recordings go first, so that none outlives its events: those would be
found again by a verification, and be missing.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Profile
from app.store import audit, profiles, retention

log = structlog.get_logger()

BY = "onset:retention"
BATCH = 300
"""Rows that one transaction deletes."""
MOST = 6000
"""Events that are looked for at once: finding them sorts all labelled ones."""
PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was too old: rows of recordings, events without and with a label."""

    recordings: int = 0
    events: int = 0
    labelled: int = 0


async def look(engine: AsyncEngine) -> dict[str, Deleted]:
    """Delete what is too old; return how much, by profile."""
    async with engine.connect() as conn:
        declared = await profiles.list_(conn)
    done = {}
    for profile in declared:
        found = Deleted(
            await _recordings(engine, profile),
            await _events(engine, profile, labelled=False),
            await _events(engine, profile, labelled=True),
        )
        if found != Deleted():
            done[profile.name] = found
            log.info("retention", profile=profile.name, **asdict(found))
            async with engine.begin() as conn:
                about = f"profile:{profile.name}"
                await audit.record(conn, BY, "expire", about, after=asdict(found))
    return done


async def try_look(engine: AsyncEngine) -> None:
    """As `look`; a database that is away is met again next time."""
    try:
        await look(engine)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("retention_postponed", error=type(error).__name__)


async def _recordings(engine: AsyncEngine, profile: Profile) -> int:
    days = profile.retention.recordings_days
    if days is None:
        return 0
    total, gone = 0, BATCH
    while gone == BATCH:
        async with engine.begin() as conn:
            gone = await retention.delete_recordings(conn, profile.name, days, BATCH)
        total += gone
        await asyncio.sleep(PAUSE_SECONDS)
    return total


async def _events(engine: AsyncEngine, profile: Profile, *, labelled: bool) -> int:
    policy = profile.retention
    if policy.shortest_days is None:
        return 0
    total = 0
    while True:
        async with engine.connect() as conn:
            old = await retention.expired(
                conn, profile.name, policy, labelled=labelled, most=MOST
            )
        gone = 0
        for begin in range(0, len(old), BATCH):
            some = old[begin : begin + BATCH]
            async with engine.begin() as conn:
                gone += await retention.delete_events(conn, some, labelled=labelled)
            await asyncio.sleep(PAUSE_SECONDS)
        total += gone
        if len(old) < MOST or not gone:
            return total
