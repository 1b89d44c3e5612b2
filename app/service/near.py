"""What nearly was an event, of a device's newest streams."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.detection.near import near_misses
from app.domain import NearMiss
from app.store import devices, profiles, stream_list

log = structlog.get_logger()

MOST_STREAMS = 20
"""Of a device, the newest: each remembers a bounded number."""


@dataclass(frozen=True, slots=True)
class StreamNearMiss:
    """A near miss of one stream."""

    boot: str
    detector_version: int
    near: NearMiss


async def of_device(conn: AsyncConnection, device: str) -> list[StreamNearMiss]:
    """Return the near misses of a device, newest stream and newest miss first.

    They are read out of the streams' stored states, so they are as durable as those.

    Raises
    ------
    NotFound
        If there is no such device.
    """
    await devices.get(conn, device)
    found: list[StreamNearMiss] = []
    for boot, number, state in await stream_list.states(conn, device, MOST_STREAMS):
        version = await profiles.detector_version(conn, number)
        profile = await profiles.get(conn, version.profile)
        try:
            nears = near_misses(profile, version, state)
        except ValueError as error:
            log.warning("state_unreadable", device=device, boot=boot, why=str(error))
            continue
        found += [StreamNearMiss(boot, number, near) for near in reversed(nears)]
    return found
