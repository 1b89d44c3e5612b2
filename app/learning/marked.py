"""Recordings as ticks, with what people said of each; which parts are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.detection import ticks
from app.domain import Float32Array, FloatArray
from app.domain.overlap import match


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A stretch of recorded readings without a gap, and what people said of it.

    Parameters
    ----------
    device, boot : str
    values : float32 (n_readings, n_channels), finite
    events : (n, 2) readings, half open
        Labelled events, in order; they may touch, but not overlap.
    unsure : (n, 2) readings
        Events that nobody labelled.
    """

    device: str
    boot: str
    values: Float32Array
    events: NDArray[np.int64]
    unsure: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """A course as ticks."""

    course: Course
    group: str
    features: Float32Array
    inside: NDArray[np.bool_]
    weights: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one model never saw: ticks ``[first, last)`` of a course."""

    marked: Marked
    fold: int
    first: int
    last: int
    odds: FloatArray

    @property
    def whole(self) -> bool:
        """Whether it is all of the course."""
        return self.last - self.first == len(self.marked.features)


def grouped(told: Sequence[Course], rate_hz: float) -> tuple[str, list[Marked]]:
    """Say what is held out together, and mark the ticks."""
    devices = {one.device for one in told}
    boots = {(one.device, one.boot) for one in told}
    by = "quarter"
    if len(devices) > 1:
        by = "device"
    elif len(boots) > 1:
        by = "recording"
    return by, [
        mark(one, one.device if by == "device" else one.boot, rate_hz) for one in told
    ]


def mark(course: Course, group: str, rate_hz: float) -> Marked:
    """Make ticks of a course, each inside or outside of an event."""
    features = ticks.features_of(course.values.astype(np.float64), rate_hz)
    n, tick = len(features), ticks.tick_readings(rate_hz)
    middle: FloatArray = (np.arange(n, dtype=np.float64) + 0.5) * tick
    inside = _within(middle, course.events)
    weights = np.zeros(n)
    edges = np.flatnonzero(np.diff(inside)) + 1
    # two events that touch are two
    edges = np.union1d(edges, np.searchsorted(middle, course.events.ravel()))
    for run in np.split(np.arange(n), edges[(edges > 0) & (edges < n)]):
        weights[run] = 1.0 / len(run)
    weights[_within(middle, course.unsure) & ~inside] = 0.0
    return Marked(course, group, features.astype(np.float32), inside, weights)


def _within(middle: FloatArray, spans: NDArray[np.int64]) -> NDArray[np.bool_]:
    found = np.zeros(len(middle), bool)
    for onset, offset in spans:
        found |= (middle >= onset) & (middle < offset)
    return found


def true_spans(part: Part, tick: int) -> FloatArray:
    """Labelled events that begin in a part, from its first reading on."""
    events = part.marked.course.events - part.first * tick
    length = (part.last - part.first) * tick
    mine = (events[:, 0] >= 0) & (events[:, 0] < length) | part.whole
    return events[mine].astype(np.float64)


def sure(part: Part, spans: FloatArray, tick: int) -> FloatArray:
    """Leave out what was found where nobody said whether there is an event."""
    unsure = part.marked.course.unsure - part.first * tick
    if not len(unsure) or not len(spans):
        return spans
    centre = spans.mean(axis=1)[:, None]
    doubtful = ((centre >= unsure[:, 0]) & (centre < unsure[:, 1])).any(axis=1)
    hit = np.zeros(len(spans), bool)
    hit[[j for _, j in match(true_spans(part, tick), spans)]] = True
    kept: FloatArray = spans[hit | ~doubtful]
    return kept
