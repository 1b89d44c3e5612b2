"""What is known of each device from its events, worked out in the trainer's process.

A device is due when `LEAST_NEW` events came that its past does not know.  What is made
is a function of what was stored at the time that it names.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import features
from app.domain import Past, Profile
from app.errors import OnsetError
from app.features.kernels import COLUMNS
from app.store import pasts, profiles
from app.store.pasts import PastEvent

log = structlog.get_logger()

LEAST_NEW = 20
NEWEST = 200
"""Events that a device's past is made of, at most."""
DEVICES_AT_ONCE = 50
LOG_POWER = COLUMNS.index("log_power")


async def remember(engine: AsyncEngine, at: datetime | None = None) -> int:
    """Work out what is known of all devices that are due; return of how many.

    Parameters
    ----------
    at : datetime, aware, UTC, or None
        As of when; None: now.
    """
    done = 0
    async with engine.connect() as conn:
        wanting = [await profiles.get(conn, n) for n in await pasts.wanting(conn)]
    for profile in wanting:
        async with engine.connect() as conn:
            found = await pasts.due(conn, profile.name, LEAST_NEW, DEVICES_AT_ONCE)
        for device in found:
            done += await _of_device(engine, profile, device, at or datetime.now(UTC))
    return done


async def try_remember(engine: AsyncEngine) -> None:
    """As `remember`; a database that is away is met again next time."""
    try:
        await remember(engine)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("pasts_postponed", error=type(error).__name__)


async def _of_device(
    engine: AsyncEngine, profile: Profile, device: str, at: datetime
) -> bool:
    async with engine.connect() as conn:
        rows = await pasts.newest(conn, device, profile.name, at, NEWEST)
    if not rows:
        return False
    past = None
    try:
        past = await asyncio.to_thread(past_of, profile, rows, at)
    except OnsetError as error:
        log.warning("past_not_made", device=device, error=str(error))
    async with engine.begin() as conn:
        await pasts.put(conn, device, profile.name, rows[0].position, past)
    return past is not None


def past_of(profile: Profile, rows: Sequence[PastEvent], at: datetime) -> Past | None:
    """Sum up a device's events; None without any that still has its readings."""
    rows = [row for row in rows if row.window.size]
    if not rows:
        return None
    n = features.width(profile.n_channels)
    table = np.empty((len(rows), n), dtype=np.float32)
    for i, row in enumerate(rows):
        table[i] = features.extract(
            row.window, profile.rate_hz, row.pre_roll, row.post_roll
        )
    own = table[:, : profile.n_channels * len(COLUMNS)].astype(np.float64)
    power = own.reshape(len(rows), profile.n_channels, len(COLUMNS))[:, :, LOG_POWER]
    seconds = own[:, COLUMNS.index("count")] / profile.rate_hz
    low, median, high = np.quantile(seconds, (0.25, 0.5, 0.75)).tolist()
    named = Counter(row.label for row in rows if row.label)
    total = sum(named.values())
    return Past(
        at.isoformat(),
        len(rows),
        (round(median, 6), round((high - low) / 2, 6)),
        {name: round(n / total, 6) for name, n in sorted(named.items())},
        tuple(
            (round(mean, 6), round(deviation, 6))
            for mean, deviation in zip(
                power.mean(axis=0).tolist(), power.std(axis=0).tolist(), strict=True
            )
        ),
    )
