"""What comes from elsewhere: history to begin from, and models trained by others."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import __version__, features
from app.domain import Event, Flag, Float32Array, Profile, event_id
from app.errors import ArtefactError, Conflict, InvalidReadings, NotFound
from app.learning import artefact
from app.learning.model import Model, ModelCard, SelfTest
from app.store import audit, devices, events, labels, models, profiles
from app.store.artefacts import Artefacts
from app.store.models import NewVersion

SOURCE = "import"
DEFAULT_DEVICE = "imported"
IMPORTED = "imported"
HOLD = "hold"
_SELF_TEST_ROWS = 4


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
    await _register(conn, rows)
    found = [_event(row, now) for row in rows]
    unique = {event.id: event for event in found}
    added = set(await events.add(conn, list(unique.values())))
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
    if fresh:
        await labels.add_many(conn, fresh, by, SOURCE)
    result = Imported(len(added), len(rows) - len(added), len(fresh))
    after = {"imported": result.imported, "labelled": result.labelled}
    await audit.record(conn, by, "import", "events", after=after)
    return result


async def _register(conn: AsyncConnection, rows: Sequence[HistoryRow]) -> None:
    """Check windows against their profiles and make sure that the devices exist."""
    known: dict[str, Profile] = {}
    registered: dict[str, str] = {}
    for row in rows:
        if row.profile not in known:
            known[row.profile] = await profiles.get(conn, row.profile)
        profile = known[row.profile]
        if row.window.shape[1] != profile.n_channels:
            raise InvalidReadings(
                f"a window has {row.window.shape[1]} channels, "
                f"profile {profile.name} has {profile.n_channels}"
            )
        device = _device(row)
        if device not in registered:
            try:
                registered[device] = (await devices.get(conn, device)).profile
            except NotFound:
                await devices.put(conn, device, profile.name)
                registered[device] = profile.name
        if registered[device] != profile.name:
            raise Conflict(
                f"device {device} has profile {registered[device]}, not {profile.name}"
            )


def _device(row: HistoryRow) -> str:
    return row.device or f"{row.profile[:48]}.{DEFAULT_DEVICE}"


def _event(row: HistoryRow, now: datetime) -> Event:
    """Make an event whose identity is its content."""
    onset = row.onset or now
    said = "" if row.onset is None else row.onset.astimezone(UTC).isoformat()
    about = f"{row.profile}\x1f{said}\x1f{row.window.shape}\x1f{row.pre_roll}"
    digest = hashlib.sha256(about.encode() + row.window.tobytes()).hexdigest()
    boot = f"import-{digest[:32]}"
    device = _device(row)
    n_body = len(row.window) - row.pre_roll - row.post_roll
    # numbered as if the window had been a stream of its own
    first = 1 + row.pre_roll
    return Event(
        id=event_id(device, boot, first, 0),
        device=device,
        boot=boot,
        profile=row.profile,
        detector_version=0,
        onset_seq=first,
        offset_seq=first + n_body,
        onset=onset,
        offset=onset + timedelta(seconds=_seconds(row, n_body)),
        peak=float(np.abs(row.window).max()),
        window=row.window,
        pre_roll=row.pre_roll,
        post_roll=row.post_roll,
        flags=(Flag.IMPORTED,),
    )
