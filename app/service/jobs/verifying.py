"""Whether what is stored can be found again, to the last bit.

    events        every recorded stream through the detectors that it had, as live:
                  boundaries, times, peak, flags and window of every event
    predictions   every stored prediction by the model that made it, on the window that
                  the event had then

Streams and events are read piece by piece, so memory does not grow with them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Event, Flag, Json, Profile
from app.service.jobs.progress import Progress
from app.service.jobs.reask import answers
from app.service.jobs.rerun import Recorded
from app.service.jobs.retold import Course, course_of, events_of
from app.service.jobs.tally import UNREADABLE, Tally, both
from app.store import events, jobs, profiles, recordings, verification
from app.store.artefacts import Artefacts
from app.store.jobs import Job
from app.store.verification import AsFound

PAGE = 500

_FIELDS = (
    "detector_version",
    "onset_seq",
    "offset_seq",
    "onset",
    "offset",
    "peak",
    "pre_roll",
    "post_roll",
)


async def verify(
    engine: AsyncEngine, artefacts: Artefacts, job: Job, progress: Progress
) -> None:
    """Do a verification job; its result is what could not be found again.

    Raises
    ------
    Cancelled
        If the job was asked to stop.
    """
    begun = time.monotonic()
    device = job.request["device"]
    async with engine.connect() as conn:
        profile = await profiles.get(conn, str(job.profile))
        # in this order: what is recorded reaches at least as far as these events
        position = await events.last_position(conn)
        streams = [
            Recorded(*one) for one in await recordings.of_profile(conn, profile.name)
        ]
    streams = [one for one in streams if device in (None, one.device)]
    tally = Tally()
    total = sum(len(one) for one in streams) or 1
    for stream in streams:
        progress(f"detecting in {stream.device}/{stream.boot}", 0.0)
        await _stream(engine, profile, stream, position, tally, progress, total)
    progress("asking models again", 0.8)
    await answers(engine, artefacts, profile, device, position, tally, progress)
    result: Json = {
        "verdict": "differs" if tally.differ else "reproduced",
        "device": device,
        "streams": tally.streams,
        "readings": tally.readings,
        "events": tally.events,
        "events_reproduced": tally.events_again,
        "events_not_recorded": tally.unknown,
        "predictions": tally.predictions,
        "predictions_reproduced": tally.predictions_again,
        "differ": tally.differ,
        "differences": tally.differences,
        "took_seconds": round(time.monotonic() - begun, 3),
    }
    async with engine.begin() as conn:
        await jobs.finish(conn, job.id, result)


async def _stream(
    engine: AsyncEngine,
    profile: Profile,
    stream: Recorded,
    position: int,
    tally: Tally,
    progress: Progress,
    total: int,
) -> None:
    course = await course_of(engine, stream)
    cursor: tuple[int, UUID] | None = None
    done = tally.readings
    async for seq, found in events_of(engine, profile, stream, course):
        progress(
            f"detecting in {stream.device}/{stream.boot}",
            0.8 * (done + seq - stream.first) / total,
        )
        if found:
            bound = max(event.onset_seq for event in found)
            again = {event.id: event for event in found}
            cursor = await _hold(
                engine, stream, course, again, cursor, bound, position, tally
            )
            await _not_stored(engine, stream, course, again.values(), tally)
    await _hold(engine, stream, course, {}, cursor, None, position, tally)
    tally.streams += 1
    tally.readings += len(stream)


async def _hold(
    engine: AsyncEngine,
    stream: Recorded,
    course: Course,
    again: dict[UUID, Event],
    cursor: tuple[int, UUID] | None,
    bound: int | None,
    position: int,
    tally: Tally,
) -> tuple[int, UUID] | None:
    """Hold stored events up to an onset against those found again, and take these."""
    while True:
        async with engine.connect() as conn:
            page = await verification.found_in(
                conn,
                stream.device,
                stream.boot,
                after=cursor,
                to_seq=bound,
                position=position,
                limit=PAGE,
            )
        for stored in page:
            cursor = stored.onset_seq, stored.id
            event = again.pop(stored.id, None)
            if not course.knows(stored.onset_seq, stored.offset_seq):
                tally.unknown += 1
                continue
            tally.events += 1
            why = "stored, but not found again"
            if event is not None:
                why = differing(stored, event)
            if why:
                tally.differs(
                    "event",
                    stream.device,
                    stream.boot,
                    stored.onset_seq,
                    stored.id,
                    why,
                )
            else:
                tally.events_again += 1
        if len(page) < PAGE:
            return cursor


async def _not_stored(
    engine: AsyncEngine,
    stream: Recorded,
    course: Course,
    again: Iterable[Event],
    tally: Tally,
) -> None:
    """Find out which events are new: neither stored later nor still open then."""
    left = [
        event
        for event in again
        if course.knows(event.onset_seq, event.offset_seq)
        and Flag.ENDED not in event.flags  # where the recording ends, nothing did
    ]
    if not left:
        return
    async with engine.connect() as conn:
        known = await verification.known(conn, [event.id for event in left])
    for event in left:
        if event.id not in known:
            tally.differs(
                "event",
                stream.device,
                stream.boot,
                event.onset_seq,
                event.id,
                "found again, but not stored",
            )


def differing(stored: AsFound, again: Event) -> str:
    """Say how an event that was found again differs from the stored one; "" if not."""
    said = [
        both(name, getattr(stored, name), getattr(again, name))
        for name in _FIELDS
        if getattr(stored, name) != getattr(again, name)
    ]
    flags = tuple(str(flag) for flag in again.flags)
    if stored.flags != flags:
        said.append(both("flags", list(stored.flags), list(flags)))
    window = np.asarray(again.window, np.float32)
    if stored.window is None:
        said.append(UNREADABLE)
    elif stored.window.shape != window.shape:
        said.append(both("window", stored.window.shape, window.shape))
    elif not np.array_equal(stored.window, window, equal_nan=True):
        n = int((stored.window != window).any(axis=1).sum())
        said.append(f"window: {n} of {len(window)} readings differ")
    return "; ".join(said)
