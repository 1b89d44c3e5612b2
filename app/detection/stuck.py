"""Channels that repeat one value: dead from the start, stuck, or at the end of scale.

How long a channel may repeat itself is its own affair: some tremble in every reading,
some change once a minute.  So the longest run that it ever came back from is known, and
a run `PATIENCE` times as long, and never shorter than the floor, is a fault.  One that
comes back from such a run was not at fault, and the next must be twice as long.  One
that never changed at all is left out from the floor on, until it does.
"""

from __future__ import annotations

import math

import numpy as np

from app.domain import FloatArray
from app.domain.compiled import compiled

FLOOR_SECONDS = 1.0
"""A run shorter than that is no fault."""
FLOOR_READINGS = 16
PATIENCE = 8.0
"""Times the longest run, a run must last."""
ENOUGH = 32
"""Changes that must be known of a channel before its runs say anything."""

LAST, RUN, LIMIT, LONGEST, CHANGES = range(5)
ROWS = 5


def start(channels: FloatArray, floor: int) -> None:
    """Write rows (ROWS, n_channels) that have seen nothing."""
    channels[LAST] = np.nan
    channels[LIMIT] = floor
    channels[CHANGES] = -1.0


@compiled
def changed(value: float, c: int, channels: FloatArray, floor: int) -> None:
    """Take a value that differs from the last one of the channel."""
    if channels[CHANGES, c] > 0.0:
        if is_out(c, channels):
            channels[LONGEST, c] = 2.0 * max(channels[LONGEST, c], floor / PATIENCE)
        else:
            channels[LONGEST, c] = max(channels[LONGEST, c], channels[RUN, c])
    channels[LAST, c] = value
    channels[RUN, c] = 0.0
    channels[CHANGES, c] += 1.0
    if channels[CHANGES, c] >= ENOUGH:
        channels[LIMIT, c] = max(floor, PATIENCE * channels[LONGEST, c])
    elif channels[CHANGES, c] > 0.0:
        channels[LIMIT, c] = math.inf


@compiled
def is_out(c: int, channels: FloatArray) -> bool:
    """Say whether a channel is left out now."""
    return bool(channels[RUN, c] > channels[LIMIT, c])


@compiled
def is_broken(c: int, channels: FloatArray) -> bool:
    """Say whether a channel is left out that once worked."""
    return bool(is_out(c, channels) and channels[CHANGES, c] > 0.0)


@compiled
def see(reading: FloatArray, channels: FloatArray, floor: int) -> None:
    """Take a reading (n_channels,)."""
    for c in range(reading.size):
        take(reading[c], c, channels, floor)


@compiled
def take(value: float, c: int, channels: FloatArray, floor: int) -> None:
    """Take a value of one channel."""
    if value == channels[LAST, c]:
        channels[RUN, c] += 1.0
    else:
        changed(value, c, channels, floor)


@compiled
def any_broken(channels: FloatArray) -> float:
    """Give 1 if a channel is left out that once worked."""
    for c in range(channels.shape[1]):
        if is_broken(c, channels):
            return 1.0
    return 0.0
