"""What people say of where events begin and end: missed events, moved boundaries.

A missed event is cut from the recording of its stream.  A moved one is cut again, from
the recording or, where none was kept, from its own window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from app.detection.recut import cut_out, rolls
from app.domain import DetectorVersion, Flag, Profile, Readings
from app.errors import Conflict, InvalidInput
from app.store import audit, events, labels, profiles, recordings, revisions
from app.store.events import EventRow

SOURCE = "person"
MOST_VALUES = 4_000_000
"""Values in a window: 16 MB."""


@dataclass(frozen=True, slots=True)
class Missed:
    """An event that no detector found.

    Parameters
    ----------
    onset_seq, offset_seq : int >= 1
        Its first reading, and the first one after it.
    label : str or None
    """

    device: str
    boot: str
    onset_seq: int
    offset_seq: int
    label: str | None = None


async def add_missed(
    conn: AsyncConnection, said: Missed, by: str
) -> tuple[EventRow, bool]:
    """Store an event that the detector missed; the same one is stored once.

    Returns
    -------
    event : EventRow
    created : bool

    Raises
    ------
    NotFound
        If there is no such stream.
    InvalidInput
        If the boundaries are none.
    Conflict
        If the readings were not recorded, or an event of a person begins there already
        and ends elsewhere.
    """
    name = await revisions.profile_of(conn, said.device, said.boot)
    profile = await profiles.get(conn, name)
    version = await profiles.detector(conn, name, said.device)
    _require_span(profile, said.onset_seq, said.offset_seq)
    bounds = said.onset_seq, said.offset_seq
    readings = await _recorded(conn, profile, version, said.device, said.boot, *bounds)
    if readings is None:
        raise Conflict(
            f"readings {bounds[0]} to {bounds[1] - 1} of {said.device}/{said.boot} "
            "are not all recorded: a profile keeps them with record: true"
        )
    cut = cut_out(profile, version, said.device, said.boot, readings, *bounds)
    event = replace(cut, flags=(*cut.flags, str(Flag.PERSON)))
    created = bool(await events.add(conn, [event]))
    stored = await events.get(conn, event.id)
    if (stored.onset_seq, stored.offset_seq) != bounds:
        raise Conflict(
            f"event {event.id} begins there already: PATCH moves its boundaries"
        )
    if said.label is not None and (
        stored.label is None or stored.label.label != said.label
    ):
        await labels.add(conn, event.id, said.label, by, SOURCE)
    if created:
        about = {"onset_seq": bounds[0], "offset_seq": bounds[1], "label": said.label}
        await audit.record(conn, by, "add", f"event:{event.id}", after=about)
    return await events.get(conn, event.id), created


async def move(
    conn: AsyncConnection,
    event: UUID,
    onset_seq: int | None,
    offset_seq: int | None,
    by: str,
) -> EventRow:
    """Move the boundaries of an event; None leaves one where it is.

    Its identity, its predictions and its labels stay; the former boundaries are kept.

    Raises
    ------
    NotFound
        If there is no such event.
    InvalidInput
        If the boundaries are none.
    Conflict
        If the readings between them were neither recorded nor shown by the event.
    """
    await revisions.hold(conn, event)
    row = await events.get(conn, event)
    onset = row.onset_seq if onset_seq is None else onset_seq
    offset = row.offset_seq if offset_seq is None else offset_seq
    if (onset, offset) == (row.onset_seq, row.offset_seq):
        return row
    profile = await profiles.get(conn, row.profile)
    version = await profiles.detector(conn, row.profile, row.device)
    _require_span(profile, onset, offset)
    readings = await _recorded(
        conn, profile, version, row.device, row.boot, onset, offset
    )
    if readings is None:
        readings = await _shown(conn, row, profile)
    if not _covers(readings, onset, offset):
        raise Conflict(
            f"readings {onset} to {offset - 1} of {row.device}/{row.boot} are not all "
            f"recorded, and the event shows {readings.first_seq} to "
            f"{readings.next_seq - 1}"
        )
    cut = cut_out(profile, version, row.device, row.boot, readings, onset, offset)
    flags = dict.fromkeys((*row.flags, str(Flag.MOVED)))
    await revisions.move(conn, event, replace(cut, flags=tuple(flags)), by)
    before = {"onset_seq": row.onset_seq, "offset_seq": row.offset_seq}
    after = {"onset_seq": onset, "offset_seq": offset}
    await audit.record(conn, by, "move", f"event:{event}", before, after)
    return await events.get(conn, event)


def _require_span(profile: Profile, onset: int, offset: int) -> None:
    if not 1 <= onset < offset:
        raise InvalidInput(
            f"onset_seq={onset} must be at least 1 and below offset_seq={offset}"
        )
    if (offset - onset) * profile.n_channels > MOST_VALUES:
        raise InvalidInput(
            f"an event of {offset - onset} readings is too long: it may have "
            f"{MOST_VALUES} values"
        )


async def _recorded(
    conn: AsyncConnection,
    profile: Profile,
    version: DetectorVersion,
    device: str,
    boot: str,
    onset: int,
    offset: int,
) -> Readings | None:
    """Read what an event's window shows; None if the event is not recorded whole."""
    pre, post = rolls(profile, version)
    first, last = max(1, onset - pre), offset + max(post, 1)
    kept = await recordings.read(conn, device, boot, first, last)
    for one in _adjoining(kept):
        if _covers(one, onset, offset):
            return one
    return None


def _adjoining(pieces: Sequence[Readings]) -> list[Readings]:
    """Join pieces that follow one another, whoever told their times."""
    plain = [Readings(one.first_seq, one.values, one.times) for one in pieces]
    return recordings.joined(plain)


def _covers(readings: Readings, onset: int, offset: int) -> bool:
    return readings.first_seq <= onset and offset <= readings.next_seq


async def _shown(conn: AsyncConnection, row: EventRow, profile: Profile) -> Readings:
    """Give an event's own window as readings; their times are even."""
    window = await events.window(conn, row.id)
    n = len(window.values)
    first = row.onset_seq - window.pre_roll
    begin = row.onset.timestamp() - window.pre_roll / profile.rate_hz
    return Readings(first, window.values, begin + np.arange(n) / profile.rate_hz)
