"""A person at the dashboard who knows the truth and says it some seconds later.

Of each event that ends, the person looks at what really happened then, and labels
the event if anything did.  What overlaps nothing (a false alarm) is left alone.
"""

from __future__ import annotations

import asyncio
import heapq
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.overlap import overlaps
from app.simulate.recording import Recording, Truth
from app.simulate.site import Site

LEAST_OVERLAP = 0.2
"""Intersection over union below which a person would not call it the same event."""
MAX_LABELS = 500
"""In one request."""
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Ended:
    """An event that a device heard of or the service lists."""

    id: str
    device: str
    boot: str
    onset_seq: int
    offset_seq: int

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Ended:
        """Read an event of the REST interface."""
        return cls(
            event["id"],
            event["device"],
            event["boot"],
            event["onset_seq"],
            event["offset_seq"],
        )


class Operator:
    """Labels events of some recordings, a share of them, after a while.

    Parameters
    ----------
    labels : function of a recording
        Whether the person labels what is found in it.
    share : float, 0..1
        How many of the events; which ones follows from their ids, so a run that
        goes on after a break makes up its mind the same way.
    delay_seconds : float >= 0
        Between an event's end and its label.
    kept_parts : int > 0 or None
        So many recordings of a device are remembered; None all of them.
    """

    def __init__(
        self,
        site: Site,
        labels: Callable[[Recording], bool],
        *,
        share: float = 1.0,
        delay_seconds: float = 3.0,
        kept_parts: int | None = None,
    ) -> None:
        self._site = site
        self._labels = labels
        self._kept_parts = kept_parts
        self._recordings: dict[str, dict[str, Recording]] = {}
        self._share = share
        self._delay = delay_seconds
        self._known: set[str] = set()
        self._due: list[tuple[float, str, str]] = []
        self._posting = asyncio.Lock()
        self.labelled = 0

    def watch(self, boot: str, recording: Recording) -> None:
        """Be told that a recording begins to play."""
        parts = self._recordings.setdefault(recording.device, {})
        if self._labels(recording):
            parts[boot] = recording
        if self._kept_parts is not None and len(parts) > self._kept_parts:
            del parts[next(iter(parts))]

    def hear(self, event: Ended) -> None:
        """Take note of an event that has ended; one known already is ignored."""
        recording = self._recordings.get(event.device, {}).get(event.boot)
        if recording is None or event.id in self._known:
            return
        self._known.add(event.id)
        truth = true_event(recording, event.onset_seq, event.offset_seq)
        if truth is not None and chosen(event.id, self._share):
            due = time.monotonic() + self._delay
            heapq.heappush(self._due, (due, event.id, truth.label))

    async def run(self) -> None:
        """Post labels as they fall due, for ever; cancel to stop."""
        while True:
            await self._post(time.monotonic())
            await asyncio.sleep(LOOK_SECONDS)

    async def settle(self) -> None:
        """Look through all events of the devices, and post every label at once."""
        for device in list(self._recordings):
            async for event in self._site.events(device=device, labelled=False):
                self.hear(Ended.of(event))
        await self._post(float("inf"))

    async def _post(self, now: float) -> None:
        async with self._posting:
            while self._due and self._due[0][0] <= now:
                await self._post_some(now)

    async def _post_some(self, now: float) -> None:
        labels: dict[str, str] = {}
        while self._due and self._due[0][0] <= now and len(labels) < MAX_LABELS:
            _, event, label = heapq.heappop(self._due)
            labels[event] = label
        await self._site.labels(labels)
        self.labelled += len(labels)


def true_event(recording: Recording, onset_seq: int, offset_seq: int) -> Truth | None:
    """Find what really happened during an event, None if nothing much did."""
    start, end = recording.span_seconds(onset_seq, offset_seq)
    share = overlaps([(t.start, t.end) for t in recording.truth], [(start, end)])
    if not share.size or share.max() < LEAST_OVERLAP:
        return None
    return recording.truth[int(share[:, 0].argmax())]


def chosen(event: str, share: float) -> bool:
    """Decide by its id whether an event is among the `share` that get a label.

    Examples
    --------
    >>> chosen("6f6e7365-7400-5000-8000-000000000001", 1.0)
    True
    """
    return uuid.UUID(event).int % 10_007 < share * 10_007
