"""What a replay does: recorded streams detected again, labelled windows answered again.

Both sides see the same readings or windows; what was served stands for a side that
names no version.  A stream is read piece by piece, so memory does not grow with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import Stream
from app.domain import (
    NOTHING,
    DetectorVersion,
    Event,
    Flag,
    LabelledWindow,
    Profile,
    Readings,
)
from app.learning.compare import (
    Comparison,
    Counts,
    compare_answers,
    compare_detections,
    stretches,
)
from app.learning.heldout import STRETCH_SECONDS
from app.learning.model import Model, classify
from app.service.jobs.progress import Progress
from app.store import events, labels, recordings, revisions
from app.store.events import EventFilter, EventRow

READ_AT_ONCE = 50_000
"""Readings of one stream in memory."""
STREAMS_AT_ONCE = 2
"""Kernels run beside each other; more only wait for the interpreter."""
PAGE = 1000

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A side of a replay: its detector, its model, and the events that model learnt.

    None stands for what was served at the time.
    """

    detector: DetectorVersion | None
    model: Model | None
    learnt: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded stream: readings ``[first, after)`` of it."""

    device: str
    boot: str
    first: int
    after: int

    def __len__(self) -> int:
        return self.after - self.first

    def relative(self, spans: Iterable[Span]) -> list[Span]:
        """Count spans from the first recorded reading on."""
        return [(onset - self.first, offset - self.first) for onset, offset in spans]


@dataclass(slots=True)
class Found:
    """Detection over all streams of a profile, as it adds up."""

    streams: int = 0
    readings: int = 0
    same: int = 0
    only: dict[str, int] = field(default_factory=lambda: {"side": 0, "against": 0})
    side: list[Counts] = field(default_factory=list)
    against: list[Counts] = field(default_factory=list)


async def detect_again(
    engine: AsyncEngine,
    profile: Profile,
    side: Loaded,
    against: Loaded,
    progress: Progress,
) -> tuple[dict[str, object], Comparison]:
    """Run recorded streams through a side's detector; return counts and comparison.

    True events are those with a label that is not `NOTHING`: false alarms and misses
    are as complete as the labels are.
    """
    async with engine.connect() as conn:
        streams = await recordings.of_profile(conn, profile.name)
    total = Found()
    gate = asyncio.Semaphore(STREAMS_AT_ONCE)

    async def one(stream: Recorded) -> None:
        async with gate:
            stage = f"replaying {stream.device}/{stream.boot}"
            progress(stage, 0.6 * total.streams / len(streams))
            await _stream(engine, profile, side, against, stream, total)

    async with asyncio.TaskGroup() as group:
        for stream in streams:
            group.create_task(one(Recorded(*stream)))
    said: dict[str, object] = {
        "streams": len(streams),
        "readings": total.readings,
        "seconds": round(total.readings / profile.rate_hz, 3),
        "same_events": total.same,
        "only_side": total.only["side"],
        "only_against": total.only["against"],
    }
    comparison = compare_detections(total.against, total.side)
    said["comparison"] = comparison.to_json()
    return said, comparison


async def _stream(
    engine: AsyncEngine,
    profile: Profile,
    side: Loaded,
    against: Loaded,
    stream: Recorded,
    total: Found,
) -> None:
    served, as_found = await served_in(engine, stream.device, stream.boot)
    live = [
        as_found.get(e.id, (e.onset_seq, e.offset_seq))
        for e in served
        if e.detector_version
    ]
    named = [one.detector for one in (side, against) if one.detector is not None]
    again = iter(await detected(engine, profile, named, stream))
    ours = live if side.detector is None else next(again)
    theirs = live if against.detector is None else next(again)
    true = stream.relative(true_of(served))
    step = STRETCH_SECONDS * profile.rate_hz
    total.streams += 1
    total.readings += len(stream)
    total.same += len(set(ours) & set(theirs))
    total.only["side"] += len(set(ours) - set(theirs))
    total.only["against"] += len(set(theirs) - set(ours))
    total.side += stretches(true, stream.relative(ours), len(stream), step)
    total.against += stretches(true, stream.relative(theirs), len(stream), step)


def true_of(events: Iterable[EventRow]) -> list[Span]:
    """Give the boundaries of what people say are events."""
    return [
        (e.onset_seq, e.offset_seq)
        for e in events
        if e.label is not None and e.label.label != NOTHING
    ]


async def detected(
    engine: AsyncEngine,
    profile: Profile,
    versions: Sequence[DetectorVersion],
    stream: Recorded,
) -> list[list[Span]]:
    """Give the events of a recorded stream under detector versions, as live.

    The stream is read once, piece by piece.  What is still open where the recording
    ends is no event yet.
    """
    detecting = [
        Stream(profile, version, stream.device, stream.boot) for version in versions
    ]
    found: list[list[Span]] = [[] for _ in versions]
    async for piece in pieces_of(
        engine, stream.device, stream.boot, stream.first, stream.after
    ):
        await asyncio.to_thread(_receive, detecting, piece, found)
    return found


def _receive(
    detecting: Sequence[Stream], piece: Readings, found: list[list[Span]]
) -> None:
    for stream, spans in zip(detecting, found, strict=True):
        said = []
        if piece.first_seq > stream.next_seq:
            said += stream.skip(piece.first_seq, "not recorded")
        said += stream.receive(piece)
        stream.take_gaps()
        spans += [(e.onset_seq, e.offset_seq) for e in said if isinstance(e, Event)]


async def pieces_of(
    engine: AsyncEngine, device: str, boot: str, first: int, after: int
) -> AsyncIterator[Readings]:
    """Read a recorded stream piece by piece."""
    for begin in range(first, after, READ_AT_ONCE):
        end = min(begin + READ_AT_ONCE, after)
        async with engine.connect() as conn:
            read = await recordings.read(conn, device, boot, begin, end)
        for piece in read:
            yield piece


async def served_in(
    engine: AsyncEngine, device: str, boot: str
) -> tuple[list[EventRow], dict[UUID, Span]]:
    """Return a stream's events, and the first boundaries of those that were moved."""
    wanted = EventFilter(device=device, boot=boot)
    found: list[EventRow] = []
    as_found: dict[UUID, Span] = {}
    cursor = None
    while True:
        async with engine.connect() as conn:
            page, cursor = await events.list_(conn, wanted, PAGE, cursor)
            as_found |= await revisions.as_found(conn, [e.id for e in page])
        # the stream may have ended since it was recorded; imports are of no stream
        found += [
            e
            for e in page
            if Flag.IMPORTED not in e.flags and Flag.ENDED not in e.flags
        ]
        if cursor is None:
            return found, as_found


async def answer_again(
    engine: AsyncEngine,
    profile: Profile,
    side: Loaded,
    against: Loaded,
    progress: Progress,
) -> tuple[dict[str, object], Comparison]:
    """Ask a side's model about every labelled window that neither side learnt."""
    progress("reading labelled windows", 0.6)
    learnt = side.learnt | against.learnt
    async with engine.connect() as conn:
        rows = await labels.rows(conn, profile.name, with_gold=True)
        fresh = [r for r in rows if r.event not in learnt and r.label != NOTHING]
        served = (
            await events.first_labels(conn, [r.event for r in fresh])
            if against.model is None
            else {}
        )
    ours = await asyncio.to_thread(_answers, side.model, fresh)
    theirs: Mapping[UUID, str] = served
    if against.model is not None:
        theirs = await asyncio.to_thread(_answers, against.model, fresh)
    both = [row for row in fresh if row.event in ours and row.event in theirs]
    comparison = compare_answers(
        {row.event: theirs[row.event] == row.label for row in both},
        {row.event: ours[row.event] == row.label for row in both},
    )
    said: dict[str, object] = {
        "labelled": len(rows),
        "compared": len(both),
        "agree": sum(ours[row.event] == theirs[row.event] for row in both),
        "comparison": comparison.to_json(),
    }
    return said, comparison


def _answers(model: Model | None, rows: list[LabelledWindow]) -> dict[UUID, str]:
    if model is None:
        return {}
    return {
        row.event: classify(
            model, row.window, row.pre_roll, row.post_roll, row.context
        ).label
        for row in rows
    }
