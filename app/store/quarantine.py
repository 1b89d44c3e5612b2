"""Readings on which a detector failed: kept to be looked at, the newest of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Float32Array, SetAside
from app.store.arrays import pack, unpack_values
from app.store.tables import quarantine

KEPT = 10_000
"""Readings in all; the oldest give way."""
LONGEST_WHY = 300

_INSERT = text(
    'INSERT INTO quarantine (device, boot, seq, detector_version, "values", time, why) '
    "VALUES (:device, :boot, :seq, :detector_version, :values, :time, :why) "
    "ON CONFLICT DO NOTHING"
)
_BOUND = text(
    "DELETE FROM quarantine WHERE at <= "
    "(SELECT at FROM quarantine ORDER BY at DESC OFFSET :kept LIMIT 1)"
)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A reading that was set aside, of which stream, and when."""

    device: str
    boot: str
    detector_version: int
    reading: SetAside
    at: datetime


async def insert(
    conn: AsyncConnection,
    rows: Sequence[tuple[str, str, int, SetAside]],
    *,
    kept: int = KEPT,
) -> None:
    """Keep readings of (device, boot, detector version); forget the oldest of all."""
    if not rows:
        return
    await conn.execute(
        _INSERT,
        [
            {
                "device": device,
                "boot": boot,
                "seq": one.seq,
                "detector_version": version,
                "values": pack(one.values),
                "time": one.time,
                "why": one.why.replace("\0", "")[:LONGEST_WHY],
            }
            for device, boot, version, one in rows
        ],
    )
    await conn.execute(_BOUND, {"kept": kept})


async def list_(
    conn: AsyncConnection, device: str | None, limit: int
) -> list[Quarantined]:
    """Return what was set aside, newest first."""
    q = quarantine.c
    query = select(quarantine).order_by(q.at.desc(), q.seq.desc()).limit(limit)
    if device is not None:
        query = query.where(q.device == device)
    return [
        Quarantined(
            row.device,
            row.boot,
            row.detector_version,
            SetAside(row.seq, _values(row.values), row.time, row.why),
            row.at,
        )
        for row in await conn.execute(query)
    ]


def _values(packed: bytes) -> Float32Array:
    values: Float32Array = unpack_values(packed, (1, -1))[0]
    return values
