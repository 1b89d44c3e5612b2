"""Which events a list has, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidInput
from app.store import limited
from app.store.tables import BLOCK, event_blocks

ORDERS = ("asc", "desc")
MOST_LANES = 16
"""More are not looked at each by itself: that costs a little for each of them."""
MOST_NAMES = 1000


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; what is None does not matter.

    Parameters
    ----------
    label : str
        The latest label.
    predicted, model_version, unknown, min_probability
        Of the prediction that was answered first.
    labelled : bool
        Whether there is a label that was not withdrawn.
    flag : str
        One of the event's flags.
    since, until : datetime, aware, UTC
        ``since <= onset < until``.
    order : {"asc", "desc"}
        In commit order (oldest first), or against it.
    """

    device: str | None = None
    boot: str | None = None
    profile: str | None = None
    label: str | None = None
    predicted: str | None = None
    model_version: int | None = None
    unknown: bool | None = None
    labelled: bool | None = None
    flag: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_probability: float | None = None
    order: str = "asc"

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise InvalidInput(f"order={self.order!r} must be asc or desc")


async def bounds(conn: AsyncConnection, wanted: EventFilter) -> range | None:
    """Return the positions between which a list lies that is bound by time or version.

    None: anywhere.  Times and positions mostly rise together, and so do versions and
    positions, which the planner cannot know: left alone it reads all events before
    `since`.  Looked up before, as numbers, because of numbers it knows how many lie
    between.  A clock that was wrong makes the range wider, never too narrow.
    """
    found = []
    b = event_blocks.c
    fits = []
    if wanted.since is not None:
        fits.append(b.max_onset >= wanted.since)
    if wanted.until is not None:
        fits.append(b.min_onset < wanted.until)
    if fits:
        query = select(func.min(b.block) * BLOCK, (func.max(b.block) + 1) * BLOCK)
        found.append((await conn.execute(query.where(*fits))).one())
    if wanted.model_version is not None:
        source = (
            "predictions" if limited.reach_of(conn) is None else "whole_predictions"
        )
        asked = text(
            f"SELECT min(position), max(position) + 1 FROM {source}"
            " WHERE first AND model_version = :version"
        )
        version = {"version": wanted.model_version}
        found.append((await conn.execute(asked, version)).one())
    if not found:
        return None
    if any(first is None for first, _ in found):
        return range(0)
    return range(max(first for first, _ in found), min(last for _, last in found))


@dataclass(frozen=True, slots=True)
class Lanes:
    """Where all lies that a limited key sees: in these devices or profiles.

    A tenant may have ten events among a million, all of them old.  Each lane has an
    index in order of position, so that nothing of others is read on the way to them.

    Parameters
    ----------
    names : sequence of str
        At most `MOST_NAMES`; none: it sees nothing.
    profiles : sequence of str or None
        Which profiles' events it sees, where the lanes are devices; None: all.
    """

    column: Literal["device", "profile"]
    names: Sequence[str]
    profiles: Sequence[str] | None = None


async def lanes(conn: AsyncConnection, wanted: EventFilter) -> Lanes | None:
    """Say in which lanes a list lies; None: anywhere, or in too many of them."""
    reach = limited.reach_of(conn)
    if reach is None:
        return None
    profiles = None
    if reach.profiles:
        profiles = await _names(conn, "SELECT name FROM profiles ORDER BY name")
        if wanted.profile is not None:
            profiles = [wanted.profile] if reach.profile(wanted.profile) else []
        if len(profiles) > MOST_NAMES:
            return None
    if wanted.device is not None:
        if not reach.device(wanted.device):
            return Lanes("device", ())
        known = text("SELECT true FROM devices WHERE id = :device")
        if profiles is None or await conn.scalar(known, {"device": wanted.device}):
            return Lanes("device", [wanted.device], profiles)
        return Lanes("profile", profiles)  # of which it may have been
    if reach.devices:
        here = "id ~ current_setting('onset.devices')"
        named = f"SELECT id FROM whole_devices WHERE {here}"
        names = await _names(conn, f"{named} ORDER BY id")
        return Lanes("device", names, profiles) if len(names) <= MOST_NAMES else None
    return None if profiles is None else Lanes("profile", profiles)


async def _names(conn: AsyncConnection, query: str) -> list[str]:
    """Read names, one more than there may be."""
    return list(await conn.scalars(text(f"{query} LIMIT {MOST_NAMES + 1}")))
