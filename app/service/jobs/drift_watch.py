"""The background's looks at drift, in the trainer's process.

After every `LOOK_EVENTS` new events, or `LOOK_LABELS` new labels, each champion is
looked at again.  Looks add up, so they share one budget per champion: the k-th may
alarm without drift with a probability of ``BUDGET / (k (k + 1))``, all together with
`BUDGET`, however long it serves.  The first alarm at a champion is announced.
"""

from __future__ import annotations

from dataclasses import asdict

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.errors import OnsetError
from app.service.champion import Champions
from app.service.jobs import drift
from app.service.notify.webhooks import message
from app.store import deliveries, drifts, events, labels, webhooks
from app.store.drifts import DriftLook

log = structlog.get_logger()

DRIFT = "onset.drift"
BUDGET = 0.05
"""Probability that a champion is ever said to have drifted although it has not."""
LOOK_EVENTS, LOOK_LABELS = 50, 20


class DriftWatch:
    """Looks at every champion when there is something new to see."""

    def __init__(self, engine: AsyncEngine, champions: Champions) -> None:
        self._engine = engine
        self._champions = champions

    async def look(self) -> list[DriftLook]:
        """Look at what is due; return the looks that were made."""
        async with self._engine.connect() as conn:
            serving = await drifts.champions(conn)
        made = []
        for profile, version in serving:
            try:
                found = await self._look_at(profile, version)
            except OnsetError as error:
                # one profile that cannot be looked at must not hide the others
                log.error("drift_not_seen", profile=profile, error=str(error))
            else:
                made += [] if found is None else [found]
        return made

    async def try_look(self) -> bool:
        """As `look`; say whether a champion alarmed for the first time."""
        try:
            return any(look.alarm for look in await self.look())
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("drift_postponed", error=type(error).__name__)
            return False

    async def _look_at(self, profile: str, version: int) -> DriftLook | None:
        async with self._engine.begin() as conn:
            last = await drifts.newest(conn, version)
            position = await events.last_position(conn)
            if last is None:
                begun = DriftLook(profile, version, 0, position, 0, 1.0, False, ())
                await drifts.add(conn, begun)
                return None
            if not await _due(conn, last):
                return None
        number = last.number + 1
        budget = BUDGET / (number * (number + 1))
        found = await drift.look(self._engine, self._champions, profile, budget=budget)
        if found.model_version != version:  # another one serves by now
            return None
        look = DriftLook(
            profile,
            version,
            number,
            position,
            found.events,
            budget,
            found.drift.alarm,
            [asdict(signal) for signal in found.drift.signals],
        )
        async with self._engine.begin() as conn:
            known = await drifts.first_alarm(conn, version)
            if await drifts.add(conn, look) and look.alarm and known is None:
                await _tell(conn, version)
        if look.alarm:
            log.warning("drift", profile=profile, model_version=version, number=number)
        return look


async def _due(conn: AsyncConnection, last: DriftLook) -> bool:
    new = await drifts.new_events(conn, last.profile, last.position, LOOK_EVENTS)
    if new >= LOOK_EVENTS:
        return True
    return await labels.count_since(conn, last.profile, last.at) >= LOOK_LABELS


async def _tell(conn: AsyncConnection, version: int) -> None:
    """Tell processes now, and owe it to every webhook that asked for drift."""
    look = await drifts.first_alarm(conn, version)
    if look is None or look.at is None:
        return
    await drifts.announce(conn, look)
    data = {
        "profile": look.profile,
        "model_version": version,
        "look": look.number,
        "budget": look.budget,
        "sentence": look.sentence,
        "signals": [dict(one) for one in look.signals],
    }
    said = message(f"drift:{version}", DRIFT, look.profile, look.at, data)
    for hook in await webhooks.list_(conn):
        if DRIFT in hook.types and hook.profile in (None, look.profile):
            await deliveries.add(conn, hook.id, [said])
