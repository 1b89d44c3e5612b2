"""How a canary does beside the champion, each on its own devices."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFound
from app.store import canaries, models
from app.store.canaries import Arm, Canary


@dataclass(frozen=True, slots=True)
class Told:
    """A canary, what it answered, and what the champion did meanwhile.

    Parameters
    ----------
    serves, of : int >= 0
        Devices that it serves now, of so many of its profile.
    """

    canary: Canary
    serves: int
    of: int
    mine: Arm
    others: Arm | None

    @property
    def sentence(self) -> str:
        """All of it in words; no probability, since the devices are not the same."""
        head = f"It serves {self.serves} of {self.of} devices."
        if self.canary.ended_at is not None:
            head = "It is a canary no more."
        arms = [_in_words(one) for one in (self.mine, self.others) if one is not None]
        return " ".join([head, *arms])


async def tell(conn: AsyncConnection, version: int) -> Told:
    """Say how a version does, or did when it last was a canary.

    Raises
    ------
    NotFound
        If there is no such version, or it never was one.
    """
    await models.get(conn, version)
    canary = await canaries.newest(conn, version)
    if canary is None:
        raise NotFound(f"version {version} never was a canary")
    serves, of = await canaries.count(conn, canary)
    return Told(canary, serves, of, *await canaries.arms(conn, canary))


def _in_words(arm: Arm) -> str:
    """Say what a version did.

    Examples
    --------
    >>> _in_words(Arm(7, 3, 40, 2, 10, 9))
    'Version 7 named 38 of 40 events; of 10 with a label it has 9 right.'
    >>> _in_words(Arm(7, 0, 0, 0, 0, 0))
    'Version 7 has answered nothing since.'
    """
    if not arm.events:
        return f"Version {arm.version} has answered nothing since."
    known = f"Version {arm.version} named {arm.events - arm.unknown} of {arm.events}"
    if not arm.labelled:
        return f"{known} events; none has a label yet."
    return f"{known} events; of {arm.labelled} with a label it has {arm.right} right."
