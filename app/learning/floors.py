"""What a challenger must not lose: each class and device that the champion knows.

A model may win on balance and forget one class, or one arm.  Each class and each
device is compared by itself, with the sign test of `evidence`; the budget of false
alarms is shared among those that differ in enough rows to be able to alarm at all
(Tarone, 1990: the others cannot, so they cost nothing).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from app.domain import Json
from app.learning.evidence import chance

DEVICE, CLASS = "device", "class"
Stratum = tuple[str, str]
"""(kind, name), kind "device" or "class"."""


@dataclass(frozen=True, slots=True)
class Floor:
    """A class or device on which a challenger is worse than the champion.

    Parameters
    ----------
    kind : {"class", "device"}
    n : int
        Held-out events of it that both answered.
    wins, losses : int
        Those that only the challenger, only the champion has right.
    p_worse, alpha : float in [0, 1]
        Probability of such a loss if both were equally good, and what it is held to.
    """

    kind: str
    name: str
    n: int
    wins: int
    losses: int
    p_worse: float
    alpha: float

    @property
    def sentence(self) -> str:
        """What is lost, with the numbers."""
        return (
            f"of {self.n} held-out events of {self.kind} {self.name!r} the challenger "
            f"alone is right on {self.wins}, the champion alone on {self.losses} "
            f"(p = {self.p_worse:.3g} <= {self.alpha:.3g})"
        )

    def to_json(self) -> Json:
        """Return plain JSON."""
        return {
            "kind": self.kind,
            "name": self.name,
            "n": self.n,
            "wins": self.wins,
            "losses": self.losses,
            "p_worse": self.p_worse,
            "alpha": self.alpha,
        }


def strata_of(groups: Iterable[tuple[str, str]]) -> frozenset[Stratum]:
    """Return the devices and classes of (device, class) pairs."""
    return frozenset(
        one for device, label in groups for one in ((DEVICE, device), (CLASS, label))
    )


def broken(
    ours: Mapping[UUID, bool],
    theirs: Mapping[UUID, bool],
    where: Mapping[UUID, tuple[str, str]],
    known: Collection[Stratum],
    alpha: float,
) -> tuple[Floor, ...]:
    """Return the known classes and devices on which `ours` is worse, worst first.

    Parameters
    ----------
    ours, theirs : mapping of event to whether the answer was right
    where : mapping of event to (device, class)
    known : classes and devices that count
    alpha : float in (0, 1)
        Probability of any alarm where both are equally good.

    Examples
    --------
    >>> events = [UUID(int=i) for i in range(8)]
    >>> where = dict.fromkeys(events, ("arm", "fist"))
    >>> lost = broken(dict.fromkeys(events, False), dict.fromkeys(events, True),
    ...               where, [("class", "fist")], 0.05)
    >>> lost[0].name, lost[0].losses
    ('fist', 8)
    """
    counts: dict[Stratum, list[int]] = {}
    for event, right in ours.items():
        if event not in theirs or event not in where:
            continue
        for stratum in strata_of([where[event]]):
            if stratum in known:
                count = counts.setdefault(stratum, [0, 0, 0])
                count[0] += 1
                count[1] += right and not theirs[event]
                count[2] += theirs[event] and not right
    least = math.ceil(math.log2(1 / alpha))
    able = {s: c for s, c in counts.items() if c[1] + c[2] >= least}
    if not able:
        return ()
    share = alpha / len(able)
    found = (
        Floor(*stratum, n, wins, losses, chance(losses, wins), share)
        for stratum, (n, wins, losses) in able.items()
    )
    lost = [floor for floor in found if floor.p_worse <= share]
    return tuple(
        sorted(lost, key=lambda floor: (floor.p_worse, floor.kind, floor.name))
    )
