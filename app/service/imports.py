"""History to begin from: windows that no detector of ours found."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Event, Flag, Float32Array, Profile, event_id
from app.errors import Conflict, InvalidReadings
from app.store import audit, devices, events, labels, profiles

SOURCE = "import"
IMPORTED = "imported"


@dataclass(frozen=True, slots=True, eq=False)
class HistoryRow:
    """A window from elsewhere.

    Parameters
    ----------
    window : float32 array (n_readings, n_channels), finite
    device : str or None
        None stands for one device that all such windows share.
    onset : datetime, aware, UTC, or None
        When the window's event began; None: the time of the import.
    """

    profile: str
    window: Float32Array
    label: str | None = None
    device: str | None = None
    onset: datetime | None = None
    pre_roll: int = 0
    post_roll: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """How many rows were new events, known ones, and brought a new label."""

    imported: int
    known: int
    labelled: int


async def import_history(
    conn: AsyncConnection, rows: Sequence[HistoryRow], *, by: str, now: datetime
) -> Imported:
    """Store windows as events that no detector found; the same content only once.

    Raises
    ------
    NotFound, InvalidReadings, Conflict
        For an unknown profile, a window that does not fit it, a device of another.
    """
    known = {name: await profiles.get(conn, name) for name in {r.profile for r in rows}}
    found = [_event(row, known[row.profile], now) for row in rows]
    added = await events.add(conn, list({event.id: event for event in found}.values()))
    await _require_owners(conn, found)
    wanted = {
        event.id: row.label
        for event, row in zip(found, rows, strict=True)
        if row.label is not None
    }
    present = await labels.latest(conn, list(wanted))
    fresh = [
        (event, label)
        for event, label in wanted.items()
        if event not in present or present[event].label != label
    ]
    await labels.add_many(conn, fresh, by, SOURCE)
    done = Imported(len(added), len(rows) - len(added), len(fresh))
    await audit.record(conn, by, "import", "events", after=asdict(done))
    return done


async def _require_owners(conn: AsyncConnection, found: Sequence[Event]) -> None:
    """Refuse windows of devices that are registered with another profile."""
    for device, profile in {(event.device, event.profile) for event in found}:
        owner = await devices.get(conn, device)
        if owner.profile != profile:
            raise Conflict(
                f"device {device} has profile {owner.profile}, not {profile}"
            )


def _event(row: HistoryRow, profile: Profile, now: datetime) -> Event:
    """Make an event whose identity is its content."""
    n_body = len(row.window) - row.pre_roll - row.post_roll
    if n_body < 1:
        raise InvalidReadings(
            f"a window of {len(row.window)} readings has none between "
            f"pre_roll={row.pre_roll} and post_roll={row.post_roll}"
        )
    if row.window.shape[1] != profile.n_channels:
        raise InvalidReadings(
            f"a window has {row.window.shape[1]} channels, "
            f"profile {profile.name} has {profile.n_channels}"
        )
    device = row.device or f"{row.profile[:48]}.{IMPORTED}"
    said = "" if row.onset is None else row.onset.astimezone(UTC).isoformat()
    about = f"{profile.name}\x1f{said}\x1f{row.window.shape}\x1f{row.pre_roll}"
    content = about.encode() + row.window.tobytes()
    boot = f"import-{hashlib.sha256(content).hexdigest()[:32]}"
    # numbered as if the window had been a stream of its own
    first = 1 + row.pre_roll
    onset = row.onset or now
    return Event(
        id=event_id(device, boot, first, 0),
        device=device,
        boot=boot,
        profile=profile.name,
        detector_version=0,
        onset_seq=first,
        offset_seq=first + n_body,
        onset=onset,
        offset=onset + timedelta(seconds=n_body / profile.rate_hz),
        peak=float(np.abs(row.window).max()),
        window=row.window,
        pre_roll=row.pre_roll,
        post_roll=row.post_roll,
        flags=(Flag.IMPORTED,),
    )
