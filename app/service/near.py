"""What nearly was an event, of the newest streams of a device or a profile."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.detection.near import near_misses
from app.domain import DetectorVersion, NearMiss, Profile
from app.errors import InvalidInput
from app.store import devices, events, profiles, stream_list
from app.store.stream_list import StreamState

log = structlog.get_logger()

MOST_STREAMS = 20
"""The newest: each remembers a bounded number."""


@dataclass(frozen=True, slots=True)
class StreamNearMiss:
    """A near miss of one stream.

    Parameters
    ----------
    event : UUID or None
        What is stored of those readings by now: somebody said that it was one.
    """

    device: str
    boot: str
    detector_version: int
    near: NearMiss
    event: UUID | None


async def newest(
    conn: AsyncConnection, *, device: str | None, profile: str | None
) -> list[StreamNearMiss]:
    """Return the near misses of a device or a profile, newest stream and miss first.

    They are read out of the streams' stored states, so they are as durable as those.

    Raises
    ------
    InvalidInput
        Unless one of the two is named.
    NotFound
        If there is no such device or profile.
    """
    if (device is None) == (profile is None):
        raise InvalidInput("name a device or a profile, and not both")
    if device is not None:
        await devices.get(conn, device)
    elif profile is not None:
        await profiles.get(conn, profile)
    states = await stream_list.states(
        conn, device=device, profile=profile, limit=MOST_STREAMS
    )
    known: dict[int, tuple[Profile, DetectorVersion]] = {}
    found: list[StreamNearMiss] = []
    for one in states:
        if one.detector_version not in known:
            version = await profiles.detector_version(conn, one.detector_version)
            known[version.number] = await profiles.get(conn, version.profile), version
        found += await _of_stream(conn, *known[one.detector_version], one)
    return found


async def _of_stream(
    conn: AsyncConnection, profile: Profile, version: DetectorVersion, one: StreamState
) -> list[StreamNearMiss]:
    try:
        nears = near_misses(profile, version, one.state)
    except ValueError as error:
        log.warning(
            "state_unreadable", device=one.device, boot=one.boot, why=str(error)
        )
        return []
    if not nears:
        return []
    ends = min(n.onset for n in nears), max(n.offset for n in nears)
    stored = await events.overlapping(conn, one.device, one.boot, *ends)
    return [
        StreamNearMiss(
            one.device,
            one.boot,
            version.number,
            near,
            next(
                (
                    event
                    for event, onset, offset in stored
                    if onset < near.offset and near.onset < offset
                ),
                None,
            ),
        )
        for near in reversed(nears)
    ]
