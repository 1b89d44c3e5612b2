"""Who owns a stream: the newest connection of its device, and nobody before it.

Each owner has a generation; a commit of an older one is refused (`streams.commit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Readings
from app.store import recordings
from app.store.devices import require_name
from app.store.engine import notify_all

CHANNEL = "onset_owners"
"""Says which connection of a device is the newest: older ones close."""

# Rows are locked by device and boot, here and by `streams.commit`: a storm of devices
# that come back while their old connections commit must not end in a deadlock.
_TAKE_OVER = text(
    "INSERT INTO streams AS s"
    " (device, boot, generation, watermark, detector_version, missing) "
    "SELECT d.id, c.boot, 1, 0, c.detector_version, '{}' "
    "FROM unnest(CAST(:device AS text[]), CAST(:boot AS text[]),"
    " CAST(:detector_version AS integer[])) AS c (device, boot, detector_version) "
    "JOIN devices d ON d.id = c.device ORDER BY d.id, c.boot "
    "ON CONFLICT (device, boot) DO UPDATE SET generation = s.generation + 1,"
    " last_seen = now(), detector_version = CASE WHEN s.state IS NULL"
    " THEN excluded.detector_version ELSE s.detector_version END "
    "RETURNING device, boot, generation, watermark, state, detector_version, held_from,"
    " session"
)
_COUNT = text(
    "UPDATE devices SET last_seen = now(), connections = devices.connections + 1 "
    "FROM (SELECT id FROM devices WHERE id = ANY(:device)"
    " ORDER BY id FOR NO KEY UPDATE) AS held "
    "WHERE devices.id = held.id RETURNING devices.id, devices.connections"
)


@dataclass(frozen=True, slots=True, eq=False)
class StreamRow:
    """What a new owner of a stream begins with.

    Parameters
    ----------
    generation : int >= 1
        The owner's fencing number.
    connection : int >= 1
        Counts the device's connections, whatever their boot: the highest has it.
    watermark : int >= 0
        The last reading whose consequences are durable.
    state : bytes or None
        The detector's state there; None for a stream without any commit.
    detector_version : int
        Which settings the state belongs to.
    readings : list of Readings
        Those of the open event, up to the watermark.
    held : bool
        Whether any are stored for an open event.
    session : bytes or None
        What its events were, for those to come; None where that is not kept.
    """

    generation: int
    connection: int
    watermark: int
    state: bytes | None
    detector_version: int
    readings: list[Readings]
    held: bool = False
    session: bytes | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A connection that wants to own a stream.

    Parameters
    ----------
    detector_version : int
        What a stream without a state begins with.

    Raises
    ------
    InvalidInput
        If `boot` cannot be a name.
    """

    device: str
    boot: str
    detector_version: int

    def __post_init__(self) -> None:
        require_name("boot", self.boot)


async def take_over(
    conn: AsyncConnection, claims: Sequence[Claim]
) -> list[StreamRow | None]:
    """Own streams from now on; nobody who owned them before can commit any more.

    Returns
    -------
    list of StreamRow or None
        None where the device is not registered.

    Raises
    ------
    ValueError
        If a device has two claims: which one is its newest connection?
    """
    names = [claim.device for claim in claims]
    if len(set(names)) < len(names):
        raise ValueError("a device may claim one stream at a time")
    columns = {
        "device": names,
        "boot": [claim.boot for claim in claims],
        "detector_version": [claim.detector_version for claim in claims],
    }
    rows = {row.device: row for row in await conn.execute(_TAKE_OVER, columns)}
    counted = await conn.execute(_COUNT, {"device": list(rows)})
    newest = {row.id: row.connections for row in counted}
    await notify_all(conn, CHANNEL, newest)
    return [
        await _owned(conn, rows[name], newest[name]) if name in rows else None
        for name in names
    ]


async def _owned(conn: AsyncConnection, row: Row[Any], connection: int) -> StreamRow:
    held = []
    if row.held_from is not None:
        held = await recordings.read(
            conn, row.device, row.boot, row.held_from, row.watermark + 1
        )
    return StreamRow(
        row.generation,
        connection,
        row.watermark,
        row.state,
        row.detector_version,
        held,
        row.held_from is not None,
        row.session,
    )
