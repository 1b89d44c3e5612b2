"""From a span in indices to an event with numbers, times and a window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.detection.held import HeldReadings
from app.domain import (
    DetectorVersion,
    Event,
    Flag,
    Profile,
    Span,
    event_id,
    utc,
)

LAST_INSTANT = 253_402_300_799.0
"""The end of the year 9999: what a `datetime` can hold."""


@dataclass(frozen=True, slots=True)
class Cutter:
    """Makes the events of one stream.

    Parameters
    ----------
    pre, post : int >= 0, in readings
        What a window shows before the onset and from the offset on.
    by_rule : bool
        Whether events end with their last reading, one period after it, and not with
        the reading that comes next: that one may be long in coming.
    """

    profile: Profile
    version: DetectorVersion
    device: str
    boot: str
    pre: int
    post: int
    by_rule: bool = False

    @property
    def awaited(self) -> int:
        """Readings from the offset on that must be there before an event is cut."""
        # the reading at the offset itself tells the time
        return self.post if self.by_rule else max(self.post, 1)

    def event(
        self, span: Span, flag: Flag | None, held: HeldReadings, origin: int
    ) -> Event:
        """Cut an event out of the readings held.

        Parameters
        ----------
        flag : Flag or None
            Why the span was closed before its time.
        origin : int
            Number of the reading with index 0.
        """
        first = max(held.first, span.onset - self.pre)
        last = min(held.next, span.offset + self.post)
        window, repaired = held.cleaned(first, last)
        flags = [] if flag is None else [flag]
        if span.truncated:
            flags.append(Flag.TRUNCATED)
        if span.stuck:
            flags.append(Flag.STUCK)
        if repaired:
            flags.append(Flag.REPAIRED)
        at_offset = 0 if self.by_rule else 1
        if held.jumps(span.onset, min(last, span.offset + at_offset)).size:
            flags.append(Flag.CLOCK)
        onset_seq = origin + span.onset
        return Event(
            id=self.id(onset_seq),
            device=self.device,
            boot=self.boot,
            profile=self.profile.name,
            detector_version=self.version.number,
            onset_seq=onset_seq,
            offset_seq=origin + span.offset,
            onset=self.instant(held, span.onset),
            offset=self.end(held, span.offset),
            peak=span.peak,
            window=window,
            pre_roll=span.onset - first,
            post_roll=last - span.offset,
            flags=tuple(str(f) for f in flags),
        )

    def id(self, onset_seq: int) -> UUID:
        """Give the identity of the event that begins with that reading."""
        return event_id(self.device, self.boot, onset_seq, self.version.number)

    def instant(self, held: HeldReadings, index: int) -> datetime:
        """Give the time of a reading."""
        return self._at(held.time(index))

    def end(self, held: HeldReadings, offset: int) -> datetime:
        """Give the time of the reading at an offset, or one period after the last."""
        if offset < held.next and not self.by_rule:
            return self.instant(held, offset)
        return self._at(held.time(offset - 1) + 1.0 / self.profile.rate_hz)

    def _at(self, seconds: float) -> datetime:
        if not math.isfinite(seconds):
            seconds = 0.0
        return utc(min(max(seconds, 0.0), LAST_INSTANT))
