"""A recorded stream, detected again as it was live: with the versions it had then.

Where the stream went on with another detector, its gaps say so.  Readings that were
not recorded leave the detector in a state nobody knows, until a gap makes it begin
anew: what was found in between cannot be verified.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import Stream
from app.domain import DetectorVersion, Event, Flag, Gap, Profile, Readings
from app.service.jobs.rerun import Recorded
from app.service.streams.handover import UNREADABLE, followed_in
from app.store import profiles, recordings, stream_list, verification

AT_ONCE = 10_000
"""Readings of a stream in memory."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is known of how a stream went.

    Parameters
    ----------
    handovers : (reading, version) in order
        From that reading on the stream had that detector; the first is where it began.
    gaps : in order
    unknown : ``[first, after)`` in order
        Readings whose events cannot be verified.
    """

    handovers: list[tuple[int, DetectorVersion]]
    gaps: list[Gap]
    unknown: list[tuple[int, int]]

    def knows(self, onset: int, offset: int) -> bool:
        """Say whether events of ``[onset, offset)`` can be verified."""
        return all(offset <= a or onset >= b for a, b in self.unknown)


async def course_of(engine: AsyncEngine, stream: Recorded) -> Course:
    """Find out how a recorded stream went."""
    of = stream.device, stream.boot
    async with engine.connect() as conn:
        gaps = await stream_list.list_gaps(conn, *of)
        ended = await verification.ended_in(conn, *of)
        last = await verification.last_onset(conn, *of)
        missing = await recordings.missing(conn, *of)
        handovers: list[tuple[int, int]] = []
        for gap in gaps:
            told = followed_in(gap.why)
            if told is not None:
                if not handovers:
                    handovers.append((1, told[0]))
                handovers.append((gap.first_seq, told[1]))
            elif gap.why == UNREADABLE:
                number = await verification.version_from(conn, *of, gap.first_seq)
                handovers.append((gap.first_seq, number))
        if not handovers or handovers[0][0] > 1:
            handovers.insert(0, (1, await verification.version_from(conn, *of, 1)))
        versions = await profiles.detector_versions_of(
            conn, {number for _, number in handovers}
        )
    fresh = sorted({gap.next_seq for gap in gaps})
    holes = _holes(missing, gaps) + [onset for onset in ended if onset != last]
    return Course(
        [(at, versions[number]) for at, number in handovers],
        gaps,
        _until_anew(sorted(holes), fresh, stream.after),
    )


async def events_of(
    engine: AsyncEngine, profile: Profile, stream: Recorded, course: Course
) -> AsyncIterator[tuple[int, list[Event]]]:
    """Detect again, piece by piece: the next reading, and the events by onset."""
    handovers = list(course.handovers)
    _, version = handovers.pop(0)
    run = _Run(profile, stream, version, handovers)
    for begin in range(stream.first, stream.after, AT_ONCE):
        end = min(begin + AT_ONCE, stream.after)
        async with engine.connect() as conn:
            pieces = await recordings.read(conn, stream.device, stream.boot, begin, end)
        said: list[Event] = []
        for piece in pieces:
            said += await asyncio.to_thread(run.receive, piece)
        yield end, said
    yield stream.after, await asyncio.to_thread(run.finish, course.gaps)


class _Run:
    """The detectors of one stream, one after another."""

    def __init__(
        self,
        profile: Profile,
        stream: Recorded,
        version: DetectorVersion,
        handovers: list[tuple[int, DetectorVersion]],
    ) -> None:
        self._profile = profile
        self._of = stream
        self._handovers = handovers
        self._stream = Stream(profile, version, stream.device, stream.boot)

    def receive(self, readings: Readings) -> list[Event]:
        said: list[Event] = []
        while self._handovers and self._handovers[0][0] < readings.next_seq:
            at, version = self._handovers.pop(0)
            n = max(0, at - readings.first_seq)
            said += self._take(_rows(readings, 0, n))
            said += self._follow(at, version)
            readings = _rows(readings, n, len(readings))
        return said + self._take(readings)

    def finish(self, gaps: Sequence[Gap]) -> list[Event]:
        """Do what came after the last reading: gaps, another detector, the end."""
        said: list[Event] = []
        for gap in gaps:
            if gap.first_seq == self._stream.next_seq < gap.next_seq:
                said += _events(self._stream.skip(gap.next_seq, gap.why))
        for at, version in self._handovers:
            said += self._follow(at, version)
        return said + _events(self._stream.close(Flag.ENDED))

    def _follow(self, at: int, version: DetectorVersion) -> list[Event]:
        said = []
        if at > self._stream.next_seq:
            said += _events(self._stream.skip(at, "not recorded"))
        said += _events(self._stream.close(Flag.GAP))
        self._stream = Stream(self._profile, version, self._of.device, self._of.boot)
        self._stream.skip(at, "another detector")
        return said

    def _take(self, readings: Readings) -> list[Event]:
        if not len(readings):
            return []
        said = []
        if readings.first_seq > self._stream.next_seq:
            said += _events(self._stream.skip(readings.first_seq, "not recorded"))
        said += _events(self._stream.receive(readings))
        self._stream.take_gaps()
        return said


def _events(outputs: Sequence[object]) -> list[Event]:
    return [one for one in outputs if isinstance(one, Event)]


def _rows(readings: Readings, begin: int, end: int) -> Readings:
    return Readings(
        readings.first_seq + begin,
        readings.values[begin:end],
        readings.times[begin:end],
        readings.device_times,
    )


def _holes(missing: Sequence[tuple[int, int]], gaps: Sequence[Gap]) -> list[int]:
    """Find where readings are missing that came; what a device left out never did."""
    holes = []
    for begin, end in missing:
        at = begin
        for gap in gaps:
            if gap.first_seq <= at < gap.next_seq:
                at = gap.next_seq
        if at < end:
            holes.append(at)
    return holes


def _until_anew(
    holes: Sequence[int], fresh: Sequence[int], after: int
) -> list[tuple[int, int]]:
    """Let each hole last until the detector begins anew.

    Examples
    --------
    >>> _until_anew([10, 50], [5, 30, 40], 90)
    [(10, 30), (50, 90)]
    """
    found = []
    for hole in holes:
        end = next((one for one in fresh if one > hole), after)
        found.append((hole, end))
    return found
