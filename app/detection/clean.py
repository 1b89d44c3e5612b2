"""Cleaning: what of a device's readings may go to the detector.

A value is missing when it is NaN, infinite, or outside its channel's limits.  It is
counted, and the channel's last good value stands in for it, up to `hold` readings in a
row; after that the stream is in a gap until the channel is back.  A channel that stays
away `give_up` readings longer, or never had a value, is dead: it is left out (its value
is 0) and no longer holds the others up; its first value wakes it.

    gapped --(every living channel has a value, one lives)--> fed         RESUMED
    fed --(a living channel is missing for longer than the hold)--> gapped  LOST
    fed --(reading times further apart than allowed)--> fed, restarted    TIME_GAP
    fed --(a dead channel has a value)--> fed, restarted                  WOKEN

`advance` stops before the reading at which that happens, which is then taken in the
next call; so nothing depends on how readings were cut into messages.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.detection.held import END, HeldReadings
from app.domain import Float32Array, FloatArray, Readings
from app.domain.compiled import compiled

DONE, RESUMED, LOST, TIME_GAP, WOKEN = 0, 1, 2, 3, 4
GAPPED, FED = 0, 1

# ints, one row a channel
RUN, ALIVE, MISSING, OUTSIDE = 0, 1, 2, 3
COUNTERS = 4
KEPT = 3
"""Of them in a checkpoint; what was finite and outside is counted since the start."""


@compiled
def advance(
    values: Float32Array,
    times: FloatArray,
    first: int,
    mode: int,
    clock: FloatArray,
    counters: NDArray[Any],
    limits: Float32Array,
    good: Float32Array,
    hold: int,
    give_up: int,
    cleaned: FloatArray,
    held: Float32Array,
    held_times: FloatArray,
    jumped: NDArray[Any],
    end: int,
) -> tuple[int, int]:
    """Take readings from `first` on until something happens.

    Parameters
    ----------
    values : float32 (n, n_channels)
    times : (n,) seconds
    mode : `GAPPED` or `FED`
    clock : (4,) time of the reading before (NaN: do not compare), longest allowed
        distance (infinite: any), distance that counts as a jump; seconds.  Last:
        whether these times are the device's, above 0
    counters : (COUNTERS, n_channels)
    limits : (2, n_channels) finite lowest and highest values that are not missing
    good : (n_channels,) last good values
    hold, give_up : in readings
    cleaned : float64, filled in with the readings for the detector, if fed
    held, held_times, jumped : filled in from row `end` on with the readings as they
        came (missing: NaN)

    Returns
    -------
    taken, why : int
        How many readings were taken, and what happens at the next one.
    """
    n_channels = values.shape[1]
    whole = mode == FED
    for c in range(n_channels):
        whole = whole and counters[RUN, c] == 0 and counters[ALIVE, c] == 1
    for i in range(first, values.shape[0]):
        # the usual case in few steps: a channel with nothing to repair has a value
        finite = whole
        if whole:
            for c in range(n_channels):
                finite = finite and is_good(values[i, c], c, limits)
        if not finite:
            happens = _look(values[i], mode, hold, counters, limits)
            if happens != DONE:
                return i - first, happens
        apart = times[i] - clock[0]
        if mode == FED and apart > clock[1]:
            return i - first, TIME_GAP
        if clock[3] > 0.0:
            clock[0] = times[i]
        k = i - first
        if finite:
            for c in range(n_channels):
                v = values[i, c]
                good[c] = v
                cleaned[k, c] = v
                held[end + k, c] = v
        else:
            whole = mode == FED
            for c in range(n_channels):
                v = values[i, c]
                if is_good(v, c, limits):
                    counters[RUN, c] = 0
                    counters[ALIVE, c] = 1
                    good[c] = v
                else:
                    counters[OUTSIDE, c] += math.isfinite(v)
                    v = np.float32(np.nan)
                    counters[MISSING, c] += 1
                    counters[RUN, c] += 1
                    if counters[RUN, c] > hold + give_up:
                        counters[ALIVE, c] = 0
                        counters[RUN, c] = 0
                        good[c] = 0.0
                whole = whole and counters[RUN, c] == 0 and counters[ALIVE, c] == 1
                if mode == FED:
                    cleaned[k, c] = good[c]
                    held[end + k, c] = v
        if mode == FED:
            held_times[end + k] = times[i]
            jumped[end + k] = apart < 0.0 or apart > clock[2]
    return values.shape[0] - first, DONE


@compiled
def is_good(value: Any, channel: int, limits: Float32Array) -> Any:
    """Whether a value is none of the missing ones."""
    return limits[0, channel] <= value <= limits[1, channel]


def credible(values: Float32Array, limits: Float32Array) -> Float32Array:
    """Give readings (n, n_channels) with NaN for every value that is not good."""
    return np.where(
        (limits[0] <= values) & (values <= limits[1]), values, np.float32(np.nan)
    )


@compiled
def _look(
    values: Float32Array,
    mode: int,
    hold: int,
    counters: NDArray[Any],
    limits: Float32Array,
) -> int:
    """Say what happens at a reading, changing nothing but who is awake."""
    living = 0
    lost = False
    woken = False
    for c in range(values.size):
        if is_good(values[c], c, limits):
            living += 1
            if counters[ALIVE, c] == 0 and mode == FED:
                counters[ALIVE, c] = 1
                woken = True
        elif counters[ALIVE, c] == 1:
            living += 1
            lost = lost or counters[RUN, c] + 1 > hold
    fit = living > 0 and not lost
    if mode == GAPPED:
        if not fit:
            return DONE
        for c in range(values.size):
            if is_good(values[c], c, limits):
                counters[ALIVE, c] = 1
        return RESUMED
    if not fit:
        return LOST
    return WOKEN if woken else DONE


class Cleaner:
    """The state of cleaning for one stream, around `advance`.

    Parameters
    ----------
    limits : float32 (2, n_channels)
        Lowest and highest values that are not missing; finite.
    hold, give_up : int >= 0, in readings
    max_gap_seconds : float > 0 or None
    jump_seconds : float > 0
        Device times further apart than this are a jump of the clock.
    """

    def __init__(
        self,
        limits: Float32Array,
        hold: int,
        give_up: int,
        max_gap_seconds: float | None,
        jump_seconds: float,
    ) -> None:
        n_channels = limits.shape[1]
        self.limits = limits
        self.counters: NDArray[np.int64] = np.zeros((COUNTERS, n_channels), np.int64)
        self.good: Float32Array = np.zeros(n_channels, np.float32)
        self.clock: FloatArray = np.array(
            [np.nan, max_gap_seconds or np.inf, jump_seconds, 0.0]
        )
        self.cleaned: FloatArray = np.empty((0, n_channels))
        self._hold, self._give_up = hold, give_up

    def advance(
        self, readings: Readings, first: int, fed: bool, held: HeldReadings
    ) -> tuple[int, int]:
        """Take readings from `first` on into `cleaned` and `held`; see `advance`."""
        values, times = readings.values, readings.times
        n = times.shape[0] - first
        if self.cleaned.shape[0] < n:
            self.cleaned = np.empty((n, self.good.size))
        if readings.device_times:
            self.clock[3] = 1.0
        else:
            self.clock[3] = 0.0
            self.clock[0] = np.nan
        taken, why = advance(
            values,
            times,
            first,
            FED if fed else GAPPED,
            self.clock,
            self.counters,
            self.limits,
            self.good,
            self._hold,
            self._give_up,
            self.cleaned,
            held.values,
            held.times,
            held.jumped,
            held.end,
        )
        if fed:
            held.marks[END] += taken
        return taken, why

    def forget(self) -> None:
        """Trust no value and no time from before a gap."""
        self.clock[0] = np.nan
        self.counters[RUN] = self._hold

    def living(self) -> Float32Array:
        """Give the last good values, NaN for channels that are dead."""
        return np.where(self.counters[ALIVE] > 0, self.good, np.float32(np.nan))
