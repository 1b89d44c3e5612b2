"""What could not be found again, as a verification adds it up."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from app.domain import Json

MOST_LISTED = 200
"""Differences that are told one by one; all are counted."""
UNREADABLE = "window: what is stored cannot be read"


@dataclass(slots=True)
class Tally:
    """What was held against what, as it adds up."""

    streams: int = 0
    readings: int = 0
    events: int = 0
    events_again: int = 0
    unknown: int = 0
    predictions: int = 0
    predictions_again: int = 0
    differ: int = 0
    differences: list[Json] = field(default_factory=list)

    def differs(
        self, what: str, device: str, boot: str, onset_seq: int, event: UUID, why: str
    ) -> None:
        """Take note of a difference."""
        self.differ += 1
        if len(self.differences) < MOST_LISTED:
            self.differences.append(
                {
                    "what": what,
                    "device": device,
                    "boot": boot,
                    "onset_seq": onset_seq,
                    "event": str(event),
                    "why": why,
                }
            )


def both(name: str, stored: object, again: object) -> str:
    """Say of a field what is stored and what came again."""
    return f"{name}: stored {stored}, again {again}"
