"""What was stored of events, as it first was: what verification holds replays against.

Boundaries that people moved are those of the first revision here.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Context, Flag, Float32Array, Prediction
from app.errors import InvalidInput
from app.store.arrays import context_of, unpack_values
from app.store.listing import prediction_of
from app.store.tables import event_revisions, events, predictions, streams


@dataclass(frozen=True, slots=True, eq=False)
class AsFound:
    """An event as its detector found it.

    `window` is (n_readings, n_channels), or None if its bytes cannot be read.
    """

    id: UUID
    detector_version: int
    onset_seq: int
    offset_seq: int
    onset: datetime
    offset: datetime
    peak: float
    flags: tuple[str, ...]
    window: Float32Array | None
    pre_roll: int
    post_roll: int


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A stored prediction, and the window that the model was asked about.

    `window` is None if its bytes cannot be read.
    """

    event: UUID
    device: str
    boot: str
    onset_seq: int
    prediction: Prediction
    window: Float32Array | None
    pre_roll: int
    post_roll: int
    context: Context | None = None


async def found_in(
    conn: AsyncConnection,
    device: str,
    boot: str,
    *,
    after: tuple[int, UUID] | None,
    to_seq: int | None,
    position: int,
    limit: int,
) -> list[AsFound]:
    """Return a page of what detectors found in a stream, by onset.

    Parameters
    ----------
    after : (onset_seq, id) or None
        Of the last one of the page before.
    to_seq : int or None
        Only those whose onset is at most this.
    position : int
        Only those that were committed up to this one.
    """
    e, r = events.c, event_revisions.c
    onset_seq = func.coalesce(r.onset_seq, e.onset_seq)
    wanted = [
        e.device == device,
        e.boot == boot,
        e.position <= position,
        e.detector_version.is_not(None),
    ]
    if after is not None:
        last, known = after
        wanted.append(or_(onset_seq > last, and_(onset_seq == last, e.id > known)))
    if to_seq is not None:
        wanted.append(onset_seq <= to_seq)
    rows = await conn.execute(
        select(
            e.id,
            e.detector_version,
            onset_seq.label("onset_seq"),
            func.coalesce(r.offset_seq, e.offset_seq).label("offset_seq"),
            func.coalesce(r.onset, e.onset).label("onset"),
            func.coalesce(r.offset, e.offset).label("offset"),
            e.peak,
            e.flags,
            func.coalesce(r.window, e.window).label("window"),
            func.coalesce(r.n_readings, e.n_readings).label("n_readings"),
            e.n_channels,
            func.coalesce(r.pre_roll, e.pre_roll).label("pre_roll"),
            func.coalesce(r.post_roll, e.post_roll).label("post_roll"),
        )
        .outerjoin(event_revisions, and_(r.event == e.id, r.number == 1))
        .where(*wanted)
        .order_by(onset_seq, e.id)
        .limit(limit)
    )
    return [
        AsFound(
            row.id,
            row.detector_version,
            row.onset_seq,
            row.offset_seq,
            row.onset,
            row.offset,
            row.peak,
            tuple(flag for flag in row.flags if flag != Flag.MOVED),
            _window(row),
            row.pre_roll,
            row.post_roll,
        )
        for row in rows
    ]


async def ended_in(conn: AsyncConnection, device: str, boot: str) -> list[int]:
    """Return the onsets of events that the end of the stream closed, in order."""
    e = events.c
    rows = await conn.scalars(
        select(e.onset_seq)
        .where(e.device == device, e.boot == boot, e.flags.contains([str(Flag.ENDED)]))
        .order_by(e.onset_seq)
    )
    return list(rows)


async def last_onset(conn: AsyncConnection, device: str, boot: str) -> int | None:
    """Return the onset of the last event of a stream, None if there is none."""
    e = events.c
    last: int | None = await conn.scalar(
        select(func.max(e.onset_seq)).where(e.device == device, e.boot == boot)
    )
    return last


async def version_from(conn: AsyncConnection, device: str, boot: str, seq: int) -> int:
    """Return the detector version of the first event from a reading on.

    Without one, that which the stream has now.
    """
    e, s = events.c, streams.c
    number = await conn.scalar(
        select(e.detector_version)
        .where(
            e.device == device,
            e.boot == boot,
            e.onset_seq >= seq,
            e.detector_version.is_not(None),
        )
        .order_by(e.onset_seq)
        .limit(1)
    )
    if number is None:
        number = await conn.scalar(
            select(s.detector_version).where(s.device == device, s.boot == boot)
        )
    return int(number or 0)


async def known(conn: AsyncConnection, wanted: Sequence[UUID]) -> set[UUID]:
    """Return those events that are stored, of some."""
    return set(await conn.scalars(select(events.c.id).where(events.c.id.in_(wanted))))


async def asked(
    conn: AsyncConnection,
    profile: str,
    device: str | None,
    *,
    after: int,
    to: int,
    limit: int,
) -> tuple[list[Asked], int | None]:
    """Return the predictions of a page of events, and the position of the last event.

    The window of a prediction is the one that the event had when it was made.

    Parameters
    ----------
    after, to : int
        Positions of events: those above `after`, up to `to`.

    Returns
    -------
    list of Asked
    int or None
        None: there are no more events.
    """
    e, p, r = events.c, predictions.c, event_revisions.c
    page = select(e.id, e.position).where(
        e.profile == profile, e.position > after, e.position <= to
    )
    if device is not None:
        page = page.where(e.device == device)
    ids = (await conn.execute(page.order_by(e.position).limit(limit))).all()
    if not ids:
        return [], None
    earlier = (
        select(r.event, r.window, r.n_readings, r.pre_roll, r.post_roll)
        .where(r.event == e.id, r.at > p.at)
        .order_by(r.number)
        .limit(1)
        .lateral("earlier")
    )
    w = earlier.c
    rows = await conn.execute(
        select(
            e.device,
            e.boot,
            e.onset_seq,
            e.n_channels,
            func.coalesce(w.window, e.window).label("window"),
            func.coalesce(w.n_readings, e.n_readings).label("n_readings"),
            func.coalesce(w.pre_roll, e.pre_roll).label("pre_roll"),
            func.coalesce(w.post_roll, e.post_roll).label("post_roll"),
            e.context,
            *p,
        )
        .join(predictions, p.event == e.id)
        .outerjoin(earlier, w.event == e.id)
        .where(e.id.in_([row.id for row in ids]))
        .order_by(e.position, p.model_version)
    )
    found = [
        Asked(
            row.event,
            row.device,
            row.boot,
            row.onset_seq,
            prediction_of(row),
            _window(row),
            row.pre_roll,
            row.post_roll,
            context_of(row.context),
        )
        for row in rows
    ]
    return found, ids[-1].position


def _window(row: Row[*tuple[Any, ...]]) -> Float32Array | None:
    try:
        return unpack_values(row.window, (row.n_readings, row.n_channels))
    except (InvalidInput, ValueError, zlib.error):
        return None
