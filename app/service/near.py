"""What nearly was an event, of the newest streams of a device or a profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.detection.near import near_misses
from app.domain import NOTHING, DetectorVersion, NearMiss, Profile
from app.errors import InvalidInput
from app.learning.recall import Recall, Reviewed, estimate
from app.store import devices, events, profiles, stream_list
from app.store.events import EventFilter
from app.store.stream_list import StreamState

log = structlog.get_logger()

MOST_STREAMS = 20
"""The newest: each remembers a bounded number."""
PAGE = 500
CLOSE_SECONDS = 1.0
"""Near misses closer than this are of one thing that happened."""


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
    rate_hz: float
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


async def recall_of(
    conn: AsyncConnection, *, device: str | None, profile: str | None
) -> tuple[Reviewed, Recall | None]:
    """Estimate how much is found, from what people said of events and near misses.

    Of each stream what came after the oldest near miss that it remembers.

    Raises
    ------
    As `newest`.
    """
    nears = await newest(conn, device=device, profile=profile)
    total = Reviewed()
    for (name, boot), of_stream in groupby(nears, lambda one: (one.device, one.boot)):
        *later, oldest = of_stream
        total += await _reviewed(conn, name, boot, oldest.near.offset, later)
    return total, estimate(total)


async def _reviewed(
    conn: AsyncConnection,
    device: str,
    boot: str,
    since: int,
    nears: Sequence[StreamNearMiss],
) -> Reviewed:
    """Count what is known of a stream from a reading on."""
    counts: Counter[str] = Counter()
    said: dict[UUID, bool] = {}
    by_detector: set[UUID] = set()
    wanted = EventFilter(device=device, boot=boot, order="desc")
    cursor = None
    while True:
        page, cursor = await events.list_(conn, wanted, PAGE, cursor)
        for event in page:
            nothing = event.label is not None and event.label.label == NOTHING
            said[event.id] = not nothing
            if event.detector_version is not None:
                by_detector.add(event.id)
            if event.detector_version is None or event.onset_seq < since:
                continue
            if event.label is None:
                counts["found_unsure"] += 1
            else:
                counts["found_false" if nothing else "found_true"] += 1
        if cursor is None or (page and page[-1].onset_seq < since):
            break
    for case in _cases(nears):
        found = {one.event for one in case}
        if found & by_detector:
            continue  # it rose again, and was found
        known = [said.get(event, True) for event in found if event is not None]
        if any(known):
            counts["near_true"] += 1
        else:
            counts["near_unsure" if None in found else "near_false"] += 1
    return Reviewed(**counts)


def _cases(nears: Sequence[StreamNearMiss]) -> list[list[StreamNearMiss]]:
    """Put near misses together that follow each other closely, newest first."""
    cases: list[list[StreamNearMiss]] = []
    for one in nears:
        close = CLOSE_SECONDS * one.rate_hz
        if cases and cases[-1][-1].near.onset - one.near.offset < close:
            cases[-1].append(one)
        else:
            cases.append([one])
    return cases


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
            profile.rate_hz,
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
