"""An event that a person says, cut out of readings that were kept."""

from __future__ import annotations

import numpy as np

from app.detection.clean import credible
from app.detection.cut import Cutter
from app.detection.held import HeldReadings
from app.detection.settings import complete, limits_of, number
from app.detection.settings import readings as count
from app.domain import (
    DetectorVersion,
    Event,
    Float32Array,
    Profile,
    Readings,
    Span,
)


def rolls(profile: Profile, version: DetectorVersion) -> tuple[int, int]:
    """Give how many readings an event's window shows before and after it."""
    settings = complete(version.settings)
    return (
        count(number(settings, "pre_seconds"), profile.rate_hz),
        count(number(settings, "post_seconds"), profile.rate_hz),
    )


def cut_out(
    profile: Profile,
    version: DetectorVersion,
    device: str,
    boot: str,
    readings: Readings,
    onset_seq: int,
    offset_seq: int,
) -> Event:
    """Cut an event with given boundaries, as a detector would have cut it.

    Parameters
    ----------
    version : DetectorVersion
        Its settings say what the window shows before and after the event.
    readings : Readings
        Among them all of ``[onset_seq, offset_seq)``.

    Returns
    -------
    Event
        Of detector version 0: none found it.
    """
    pre, post = rolls(profile, version)
    nobody = DetectorVersion(0, profile.name, version.settings)
    held = HeldReadings(profile.n_channels)
    limits = limits_of(complete(version.settings), profile.channel_names)
    values = credible(readings.values, limits)
    held.clear(0, _first_values(values))
    held.put(values, readings.times, np.empty(0, np.int64))
    first = readings.first_seq
    return Cutter(profile, nobody, device, boot, pre, post).event(
        Span(onset_seq - first, offset_seq - first, 0.0), None, held, first
    )


def _first_values(values: Float32Array) -> Float32Array:
    """Give each channel's first value; NaN for one that has none."""
    finite = np.isfinite(values)
    rows = finite.argmax(axis=0)
    first = values[rows, np.arange(len(rows))]
    return np.where(finite.any(axis=0), first, np.float32(np.nan))
