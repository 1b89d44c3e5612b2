"""Streams: how far they are durable, and the commit that says so.

`commit` is the heart of the product's promise: watermark, detector state and the
events of many streams in one transaction, each guarded by its generation (another
connection took over: refused) and its watermark (the same batch again: a no-op that is
accepted).  Redoing a commit whose reply was lost is therefore always safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain import Event, Gap, Prediction, Readings, SetAside
from app.store import events, quarantine, recordings
from app.store.engine import notify
from app.store.owners import CHANNEL, Claim, StreamRow, take_over
from app.store.stream_list import StreamInfo, list_, list_gaps

__all__ = [
    "CHANNEL",
    "Accepted",
    "Claim",
    "StreamCommit",
    "StreamInfo",
    "StreamRow",
    "commit",
    "list_",
    "list_gaps",
    "persist",
    "take_over",
]

Accepted = set[tuple[str, str, int]]

_LONGEST_WHY = 200

# Rows are locked in this order here and in `owners`: see there.
_ADVANCE = text(
    "WITH b AS (SELECT * "
    "FROM unnest(CAST(:device AS text[]), CAST(:boot AS text[]),"
    " CAST(CAST(:generation AS text) AS bigint[]),"
    " CAST(CAST(:old AS text) AS bigint[]), CAST(CAST(:new AS text) AS bigint[]),"
    " CAST(CAST(:begin AS text) AS integer[]),"
    " CAST(CAST(:size AS text) AS integer[]),"
    " CAST(CAST(:detector_version AS text) AS integer[]),"
    " CAST(CAST(:held_from AS text) AS bigint[]),"
    " string_to_array(:missing, ';')) WITH ORDINALITY"
    " AS b (device, boot, generation, old, new, begin, size, detector_version,"
    " held_from, missing, place)), "
    "held AS MATERIALIZED (SELECT s.device, s.boot FROM streams s"
    " JOIN b ON s.device = b.device AND s.boot = b.boot"
    " ORDER BY s.device, s.boot FOR NO KEY UPDATE OF s) "
    "UPDATE streams s SET watermark = b.new,"
    " state = substring(CAST(:states AS bytea) FROM b.begin FOR b.size),"
    " detector_version = b.detector_version, held_from = b.held_from,"
    " missing = CAST(b.missing AS bigint[]), last_seen = now() "
    "FROM b JOIN held ON held.device = b.device AND held.boot = b.boot "
    "WHERE s.device = b.device AND s.boot = b.boot AND s.generation = b.generation"
    " AND s.watermark IN (b.old, b.new) "
    "RETURNING b.place"
)
_GAP = text(
    "INSERT INTO gaps (device, boot, first_seq, next_seq, why) "
    "VALUES (:device, :boot, :first_seq, :next_seq, :why) ON CONFLICT DO NOTHING"
)
_SESSION = text(
    "UPDATE streams SET session = :session WHERE device = :device AND boot = :boot"
)


@dataclass(frozen=True, slots=True, eq=False)
class StreamCommit:
    """What one stream wants made durable.

    Parameters
    ----------
    old, new : int, ``0 <= old <= new``
        The watermark as last committed (or tried), and as it shall be.
    readings : tuple of Readings
        What is appended to `recordings`: all of a profile that records, else those of
        the open event.
    keep_from : int or None
        First reading that the open event needs; older ones are forgotten unless the
        profile records.  None: no event is open.
    forget : bool
        Whether there may be any to forget: an event was open at the last commit.
    missing : tuple of int
        Readings without a value so far, per channel.
    set_aside : tuple of SetAside
        Readings on which the detector failed.
    session : bytes or None
        What its events were so far; None if that is as it was, or is not kept.
    """

    device: str
    boot: str
    generation: int
    old: int
    new: int
    state: bytes
    detector_version: int
    events: tuple[Event, ...] = ()
    predictions: tuple[tuple[UUID, Prediction], ...] = ()
    readings: tuple[Readings, ...] = ()
    keep_from: int | None = None
    forget: bool = True
    gaps: tuple[Gap, ...] = ()
    missing: tuple[int, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    session: bytes | None = None

    @property
    def plain(self) -> bool:
        """Whether watermark and state are all there is."""
        return not (
            self.events
            or self.predictions
            or self.readings
            or self.forget
            or self.gaps
            or self.set_aside
            or self.session
        )


async def persist(engine: AsyncEngine, batch: Sequence[StreamCommit]) -> Accepted:
    """Commit a batch in a transaction of its own; see `commit`.

    Checkpoints alone, as nearly always, are one statement, which is a transaction
    without BEGIN and COMMIT around it: one trip to the database, not three.
    """
    if all(c.plain for c in batch):
        single = engine.execution_options(isolation_level="AUTOCOMMIT")
        async with single.connect() as conn:
            return await commit(conn, batch)
    async with engine.begin() as conn:
        return await commit(conn, batch)


async def commit(conn: AsyncConnection, batch: Sequence[StreamCommit]) -> Accepted:
    """Make the consequences of many streams' readings durable, in one transaction.

    Nothing is durable, and nothing may be acknowledged, before the caller's COMMIT.

    Returns
    -------
    set of (device, boot, generation)
        Those that were accepted; the others were taken over by somebody else, and
        nothing of theirs was written.

    Raises
    ------
    ValueError
        If a stream is in the batch twice, or a watermark would go back.
    """
    if not batch:
        return set()
    _require_sound(batch)
    places = await conn.scalars(_ADVANCE, _columns(batch))
    mine = [batch[place - 1] for place in sorted(places)]
    accepted = {(c.device, c.boot, c.generation) for c in mine}
    if not mine:
        return accepted
    kept = [
        row
        for c in mine
        for row in recordings.rows_of(
            c.device,
            c.boot,
            c.readings,
            detector_version=c.detector_version,
            held=c.keep_from is not None,
        )
    ]
    await recordings.append(conn, kept)
    past = [(c.device, c.boot, c.keep_from) for c in mine if c.forget]
    if past:
        await recordings.forget(conn, past)
    missed = [_gap(c, gap) for c in mine for gap in c.gaps]
    if missed:
        await conn.execute(_GAP, missed)
    aside = [
        (c.device, c.boot, c.detector_version, one) for c in mine for one in c.set_aside
    ]
    await quarantine.insert(conn, aside)
    sessions = [
        {"device": c.device, "boot": c.boot, "session": c.session}
        for c in mine
        if c.session is not None
    ]
    if sessions:
        await conn.execute(_SESSION, sessions)
    # Last, because the lock that numbers events in commit order is taken here.
    found = [event for c in mine for event in c.events]
    said = [row for c in mine for row in c.predictions]
    if found:
        await events.insert(conn, found, classified={event for event, _ in said})
    if said:
        await events.insert_predictions(conn, said)
    if found:
        await notify(conn, events.CHANNEL)
    return accepted


def _require_sound(batch: Sequence[StreamCommit]) -> None:
    seen: set[tuple[str, str]] = set()
    for c in batch:
        if (c.device, c.boot) in seen:
            raise ValueError(f"{c.device}/{c.boot} is in the batch twice")
        if not 0 <= c.old <= c.new:
            raise ValueError(f"{c.device}/{c.boot}: old={c.old} is above new={c.new}")
        seen.add((c.device, c.boot))


def _columns(batch: Sequence[StreamCommit]) -> dict[str, Any]:
    # All states as one value: psycopg writes arrays of bytes as text (47 ms, not 15).
    # Numbers as the text of an array: it looks at each for what might need quotes.
    sizes = [len(c.state) for c in batch]
    ends = accumulate(sizes)
    return {
        "device": [c.device for c in batch],
        "boot": [c.boot for c in batch],
        "generation": _array([c.generation for c in batch]),
        "old": _array([c.old for c in batch]),
        "new": _array([c.new for c in batch]),
        "states": b"".join([c.state for c in batch]),
        "begin": _array([1 + end - n for end, n in zip(ends, sizes, strict=True)]),
        "size": _array(sizes),
        "detector_version": _array([c.detector_version for c in batch]),
        "held_from": _array([c.keep_from for c in batch]),
        "missing": ";".join([_array(c.missing) for c in batch]),
    }


def _array(numbers: Sequence[int | None]) -> str:
    """Write numbers as PostgreSQL reads an array."""
    return "{" + ",".join(["NULL" if n is None else str(n) for n in numbers]) + "}"


def _gap(c: StreamCommit, gap: Gap) -> dict[str, Any]:
    return {
        "device": c.device,
        "boot": c.boot,
        "first_seq": gap.first_seq,
        "next_seq": gap.next_seq,
        "why": gap.why.replace("\0", "")[:_LONGEST_WHY],
    }
