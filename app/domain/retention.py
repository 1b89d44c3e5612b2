"""How long what a profile stores is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long what a profile stores is kept, counted from when it was stored.

    Parameters
    ----------
    recordings_days : float > 0 or None
        Raw readings of a profile that records; None: for ever, as everywhere here.
    events_days : float > 0 or None
        Events without a label.
    labelled_days : float > 0 or None
        Events with one.
    labels : mapping of class to float > 0 or None
        For events of a class, instead: by their label, or else by the first answer.
    reservoir : int >= 0
        Labelled events of each device and class that stay whatever their age, a fair
        sample of all that there ever were: what trainings remember.
    """

    recordings_days: float | None = None
    events_days: float | None = None
    labelled_days: float | None = None
    labels: Mapping[str, float | None] = field(default_factory=dict)
    reservoir: int = 100

    @property
    def shortest_days(self) -> float | None:
        """After how many days the first event may be deleted; None: never."""
        every = (self.events_days, self.labelled_days, *self.labels.values())
        return min((days for days in every if days is not None), default=None)
