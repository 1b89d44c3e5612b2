"""Recorded streams with labelled events, split into what tunes and what judges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Profile
from app.learning.heldout import (
    LEAST_STRETCHES,
    STRETCH_SECONDS,
    held_out,
    n_stretches,
)
from app.service.jobs.rerun import Recorded, Span, served_in, true_of
from app.store import recordings


@dataclass(frozen=True, slots=True)
class Labelled:
    """Recorded streams and their true events, counted from their first reading.

    Parameters
    ----------
    step : float
        Readings of a stretch.
    splits : bool
        Whether there are enough stretches for a verdict on those held out.
    """

    streams: list[tuple[Recorded, list[Span]]]
    step: float
    splits: bool

    def judged(self, stream: Recorded) -> NDArray[np.bool_]:
        """Say which stretches judge: those held out, or all."""
        n = n_stretches(len(stream), self.step)
        if not self.splits:
            return np.ones(n, bool)
        return held_out(stream.device, stream.boot, n)

    def tuned(self, stream: Recorded) -> NDArray[np.bool_]:
        """Say which stretches a threshold is chosen on: the others, or all."""
        return ~self.judged(stream) if self.splits else self.judged(stream)


async def labelled_streams(
    engine: AsyncEngine, profile: Profile, device: str | None
) -> Labelled:
    """Find the recorded streams of a profile, or of one device, with true events."""
    async with engine.connect() as conn:
        found = await recordings.of_profile(conn, profile.name)
    streams = []
    step = STRETCH_SECONDS * profile.rate_hz
    judging = tuning = 0
    for one in found:
        stream = Recorded(*one)
        if device not in (None, stream.device):
            continue
        said, _ = await served_in(engine, stream.device, stream.boot)
        true = stream.relative(true_of(said))
        if true:
            streams.append((stream, true))
            n = n_stretches(len(stream), step)
            out = int(held_out(stream.device, stream.boot, n).sum())
            judging, tuning = judging + out, tuning + n - out
    return Labelled(streams, step, judging >= LEAST_STRETCHES and tuning > 0)
