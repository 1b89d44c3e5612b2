"""The fault catalogue: what is planted, and what must come of it.

Every case is the same recording, three channels of noise with five loud events, spoilt
by one kind of fault.  What the service stored of it is held against what was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain import Float32Array, FloatArray
from app.domain.overlap import match
from app.simulate.faults import Fault, Kind, Script
from app.simulate.recording import Recording, Truth

RATE_HZ = 50.0
SECONDS = 90.0
CHANNELS = ("x", "y", "z")
ONSETS = (20.0, 35.0, 50.0, 65.0, 80.0)
EVENT_SECONDS = 3.0
LOUD = 12.0
"""Amplitude of an event, in standard deviations of the noise."""
LEAST_OVERLAP = 0.5
HEALTHY = "none"


def recording(device: str) -> Recording:
    """Make the recording that every case begins with: the same for each device."""
    t = np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    values = np.random.default_rng(11).normal(0, 1, (len(t), len(CHANNELS)))
    for onset in ONSETS:
        inside = (t >= onset) & (t < onset + EVENT_SECONDS)
        wave = LOUD * np.sin(2 * np.pi * 4.0 * t[inside])
        values[inside] += wave[:, None]
    truth = tuple(Truth(onset, onset + EVENT_SECONDS, "loud") for onset in ONSETS)
    return Recording(device, "", CHANNELS, RATE_HZ, t, values.astype(np.float32), truth)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the service stored of one case.

    Parameters
    ----------
    script : Script
        What was sent.
    times : float64 array (n_readings,)
        The device's times as sent, seconds since the epoch.
    events : sequence of events of the REST interface, by onset
    pieces : sequence of pieces of ``GET /devices/{id}/readings``
    differences : sequence of str
        What ``POST /verify`` could not find again.
    """

    recording: Recording
    script: Script
    times: FloatArray
    events: Sequence[Mapping[str, Any]]
    pieces: Sequence[Mapping[str, Any]]
    differences: Sequence[str]


Check = Callable[[Seen, Seen], str]
"""Of a case and the healthy one: what is wrong, "" if nothing is."""


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the catalogue."""

    name: str
    expected: str
    faults: tuple[Fault, ...]
    checks: tuple[Check, ...]

    def judge(self, seen: Seen, healthy: Seen) -> list[str]:
        """Say what is not as expected."""
        said = [check(seen, healthy) for check in (*self.checks, stored, found_again)]
        return [one for one in said if one]


def spans(seen: Seen) -> FloatArray:
    """Give the events found as ``[start, end)`` in seconds of the recording."""
    rows = [(e["onset_seq"] - 1, e["offset_seq"] - 1) for e in seen.events]
    return np.array(rows, float).reshape(-1, 2) / seen.recording.rate_hz


def finds(most_more: int) -> Check:
    """Expect every true event, and at most so many more."""

    def check(seen: Seen, healthy: Seen) -> str:
        truth = np.array([(one.start, one.end) for one in seen.recording.truth])
        hits = len(match(truth, spans(seen), LEAST_OVERLAP))
        more = len(seen.events) - hits
        if hits == len(truth) and more <= most_more:
            return ""
        return f"{hits} of {len(truth)} events found, and {more} more"

    return check


def flags(flag: str, at: float) -> Check:
    """Expect that flag on what is found there."""

    def check(seen: Seen, healthy: Seen) -> str:
        there = [
            event["flags"]
            for event, (start, end) in zip(seen.events, spans(seen), strict=True)
            if start <= at < end
        ]
        if any(flag in one for one in there):
            return ""
        return f"no event at {at:g} s is flagged {flag}: {there}"

    return check


def unflagged(seen: Seen, healthy: Seen) -> str:
    """Expect no flag at all."""
    flagged = [event["flags"] for event in seen.events if event["flags"]]
    return f"flags on healthy events: {flagged}" if flagged else ""


def as_healthy(seen: Seen, healthy: Seen) -> str:
    """Expect the events of the healthy device, to the last bit."""

    def told(of: Seen) -> list[tuple[Any, ...]]:
        fields = ("onset_seq", "offset_seq", "peak", "flags")
        return [tuple(event[name] for name in fields) for event in of.events]

    mine, its = told(seen), told(healthy)
    differ = sum(a != b for a, b in zip(mine, its, strict=False))
    differ += abs(len(mine) - len(its))
    return f"{differ} events are not those of the healthy device" if differ else ""


def stored(seen: Seen, healthy: Seen) -> str:
    """Expect each reading that was sent, once, as it was sent; and no other."""
    n = len(seen.times)
    sent = np.zeros(n, bool)
    for delivery in seen.script.deliveries:
        sent[delivery.first : delivery.stop] = True
    values, times, count = recorded(seen.pieces, n, len(seen.recording.channels))
    if (count > 1).any():
        return f"{int((count > 1).sum())} readings are stored twice"
    if ((count == 1) != sent).any():
        lost, made = int((sent & (count == 0)).sum()), int((~sent & (count > 0)).sum())
        return f"{lost} readings that were sent are not stored, {made} were never sent"
    if not np.array_equal(values[sent], seen.script.values[sent], equal_nan=True):
        differ = (values != seen.script.values).any(axis=1) & sent
        return f"{int(differ.sum())} readings are stored with other values"
    if not np.array_equal(times[sent], seen.times[sent]):
        return "readings are stored with other times"
    return ""


def found_again(seen: Seen, healthy: Seen) -> str:
    """Expect that what was detected live is detected again in what is stored."""
    if not seen.differences:
        return ""
    return f"not found again by a replay: {seen.differences[0]}"


def recorded(
    pieces: Sequence[Mapping[str, Any]], n: int, n_channels: int
) -> tuple[Float32Array, FloatArray, NDArray[np.int64]]:
    """Lay pieces out by reading: values, times, and how often each is there."""
    values = np.full((n, n_channels), np.nan, np.float32)
    times, count = np.full(n, np.nan), np.zeros(n, np.int64)
    for piece in pieces:
        rows = slice(
            piece["first_seq"] - 1, piece["first_seq"] - 1 + len(piece["times"])
        )
        values[rows] = np.array(piece["values"], float)
        times[rows] = piece["times"]
        count[rows] += 1
    return values, times, count


CATALOGUE = (
    Case(HEALTHY, "5 events, nothing flagged", (), (finds(0), unflagged)),
    Case(
        Kind.SPIKE,
        "one wild reading is no event",
        (Fault(Kind.SPIKE, 28.0, size=10.0),),
        (finds(0), unflagged),
    ),
    Case(
        Kind.DRIFT,
        "a slow drift hides no event, and is none",
        (Fault(Kind.DRIFT, 25.0, 60.0, 4.0, channel=1),),
        (finds(1), unflagged),
    ),
    Case(
        Kind.STUCK,
        "a stuck channel is left out and flagged; one false event at most",
        (Fault(Kind.STUCK, 40.0, 35.0, channel=0),),
        (finds(1), flags("stuck", 51.5), flags("stuck", 66.5)),
    ),
    Case(
        Kind.MISSING,
        "values missing for a moment are held, and the event is flagged",
        (Fault(Kind.MISSING, 51.0, 0.4, channel=2),),
        (finds(0), flags("repaired", 51.5)),
    ),
    Case(
        "missing for long",
        "beyond the hold the stream is in a gap: the open event ends there, flagged",
        (Fault(Kind.MISSING, 52.5, 4.0),),
        (finds(0), flags("gap", 52.0)),
    ),
    Case(
        Kind.CLOCK_SKEW,
        "a clock that runs fast changes no event",
        (Fault(Kind.CLOCK_SKEW, 30.0, 30.0, 0.1),),
        (as_healthy,),
    ),
    Case(
        Kind.CLOCK_JUMP,
        "a clock that is set back is flagged, and moves no event",
        (Fault(Kind.CLOCK_JUMP, 51.0, size=-20.0),),
        (finds(0), flags("clock", 51.5)),
    ),
    Case(
        Kind.GAP,
        "readings that are lost end the event there, flagged; the next are found",
        (Fault(Kind.GAP, 52.5, 2.0),),
        (finds(0), flags("gap", 52.0)),
    ),
    Case(
        Kind.DUPLICATE,
        "readings sent twice are taken once",
        (Fault(Kind.DUPLICATE, 50.5, 2.0),),
        (as_healthy,),
    ),
    Case(
        Kind.REORDER,
        "a line that breaks in an event changes nothing",
        (Fault(Kind.REORDER, 50.5, 2.0),),
        (as_healthy,),
    ),
    Case(
        Kind.BURST,
        "readings that come late and all at once change nothing",
        (Fault(Kind.BURST, 48.0, 6.0),),
        (as_healthy,),
    ),
)
"""A device for each; the healthy one first."""
