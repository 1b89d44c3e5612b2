"""What is given up first when a process cannot keep up; it says so, and comes back.

Whether it keeps up is seen by a heart that beats in the event loop: a beat that is late
by more than the deadline means that everything else was late by as much.

    keeps up <--CALM_SECONDS without a miss-- | --MISSES in a row of STEP_SECONDS--> 1
    1: no explanations   2: and no provisional answers
    3: and no new connections; whoever is connected is served to the end

Shadow predictions are no burden here: the trainer makes them, and passes over what it
cannot keep up with.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from app.service.metrics import Metrics

log = structlog.get_logger()

EXPLANATIONS, PROVISIONAL = "explanations", "provisional"
CONNECTIONS = "connections"
ORDER = (EXPLANATIONS, PROVISIONAL, CONNECTIONS)
"""What is given up, the first first."""
BEAT_SECONDS = 0.05
MISSES = 3
STEP_SECONDS = 5.0
"""So many misses within this time give up one thing more."""
CALM_SECONDS = 10.0
"""So long without a miss brings one thing back."""


class Load:
    """How far a process keeps up.

    Parameters
    ----------
    deadline_seconds : float > 0
        How late the event loop may be.
    """

    def __init__(self, metrics: Metrics, deadline_seconds: float) -> None:
        self._metrics = metrics
        self._deadline = deadline_seconds
        self._missed: list[float] = []
        self._calm_since = time.monotonic()
        self.given_up: tuple[str, ...] = ()
        """What is given up now."""
        for what in ORDER:
            metrics.given_up.labels(what).set(0)

    def gives_up(self, what: str) -> bool:
        """Whether one of `ORDER` is given up now."""
        return what in self.given_up

    def problem(self) -> str | None:
        """Say why no new connection should come here; None when they may."""
        if CONNECTIONS in self.given_up:
            return "overloaded: new connections are refused"
        return None

    def beat(self, late: float, now: float) -> None:
        """Hear how late the event loop is, at `now` of a monotonic clock (seconds)."""
        self._metrics.loop_late_seconds.observe(max(late, 0.0))
        level = len(self.given_up)
        if late > self._deadline:
            self._metrics.deadlines_missed.inc()
            self._calm_since = now
            self._missed = [t for t in self._missed if t > now - STEP_SECONDS] + [now]
            if len(self._missed) >= MISSES and level < len(ORDER):
                self._missed.clear()
                self._change(level + 1)
        elif level and now - self._calm_since >= CALM_SECONDS:
            self._calm_since = now
            self._change(level - 1)

    def _change(self, level: int) -> None:
        self.given_up = ORDER[:level]
        for rank, what in enumerate(ORDER):
            self._metrics.given_up.labels(what).set(rank < level)
        log.warning("load_changed", given_up=list(self.given_up))

    async def run(self) -> None:
        """Beat for ever; cancel to stop."""
        while True:
            due = time.monotonic() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            now = time.monotonic()
            self.beat(now - due, now)
