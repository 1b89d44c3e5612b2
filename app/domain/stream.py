"""What comes out of a device: readings, gaps, events."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from app.domain.arrays import Float32Array, FloatArray
from app.domain.context import Context
from app.errors import InvalidReadings

EVENT_NAMESPACE = uuid.UUID("6f6e7365-7400-5000-8000-000000000001")
"""Fixed for ever: event ids are derived below it."""


@dataclass(slots=True, eq=False)  # one a message: frozen, it would cost twice as much
class Readings:
    """Consecutive readings of one stream.

    Parameters
    ----------
    first_seq : int >= 1
        Number of the first reading.
    values : float32 array (n_readings, n_channels)
        In the units of the profile's channels; NaN and infinity mean "no value".
    times : float64 array (n_readings,), seconds since the epoch
        When each reading was taken (or arrived, if the device did not say).
    device_times : bool
        Whether `times` came from the device; only then may they show gaps.
    """

    first_seq: int
    values: Float32Array
    times: FloatArray
    device_times: bool = False

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.times.shape != self.values.shape[:1]:
            raise InvalidReadings(
                f"values {self.values.shape} and times {self.times.shape} must be "
                "(n_readings, n_channels) and (n_readings,)"
            )

    def __len__(self) -> int:
        return len(self.times)

    @property
    def next_seq(self) -> int:
        """The number of the reading after the last one."""
        return self.first_seq + len(self.times)


@dataclass(frozen=True, slots=True, eq=False)
class SetAside:
    """A reading on which the detector failed, kept to be looked at.

    Parameters
    ----------
    seq : int >= 1
    values : float32 array (n_channels,)
    time : float, seconds since the epoch
    why : str
        What the detector said.
    """

    seq: int
    values: Float32Array
    time: float
    why: str


@dataclass(frozen=True, slots=True)
class Span:
    """``[onset, offset)`` in reading indices, with the peak of what triggered it.

    `truncated` says that the span was closed because it reached the longest duration;
    `stuck`, that a channel which once worked was left out when it ended.
    """

    onset: int
    offset: int
    peak: float
    truncated: bool = False
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class NearMiss:
    """``[onset, offset)`` that nearly was an event.

    `score` is its peak as a share of what an event needs, 0.5..1; 1 is one that was
    too short.
    """

    onset: int
    offset: int
    score: float


class Flag(StrEnum):
    """What is special about an event."""

    GAP = "gap"
    """Closed because readings are missing after it."""
    TRUNCATED = "truncated"
    """Closed because it reached the longest duration."""
    STUCK = "stuck"
    """A channel that once worked repeats one value and was left out."""
    REPAIRED = "repaired"
    """Some values were missing and were held from the last good one."""
    CLOCK = "clock"
    """The device's clock ran backwards or jumped within it."""
    ENDED = "ended"
    """The stream ended while the event was open."""
    IMPORTED = "imported"
    """Came by import; no detector found it."""
    PERSON = "person"
    """A person added it; no detector found it."""
    MOVED = "moved"
    """A person moved its boundaries."""


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """A span made absolute, with the readings that show it.

    Parameters
    ----------
    onset_seq, offset_seq : int
        First reading of the event, first reading after it.
    onset, offset : datetime, aware, UTC
    peak : float
        Largest value of the detector's characteristic function within the event.
    window : float32 array (pre_roll + duration + post_roll, n_channels)
        The cleaned readings with what came before and after.
    pre_roll, post_roll : int >= 0
        How many readings of `window` lie before the onset and from the offset on.
    detector_version : int
        0 for events that no detector found.
    context : Context or None
        What was known beside the window when it was named, where that is kept.
    """

    id: uuid.UUID
    device: str
    boot: str
    profile: str
    detector_version: int
    onset_seq: int
    offset_seq: int
    onset: datetime
    offset: datetime
    peak: float
    window: Float32Array
    pre_roll: int = 0
    post_roll: int = 0
    flags: tuple[str, ...] = ()
    context: Context | None = None


@dataclass(frozen=True, slots=True)
class Onset:
    """An event has begun and is still open."""

    event: uuid.UUID
    onset_seq: int
    onset: datetime


@dataclass(frozen=True, slots=True)
class Retraction:
    """An announced onset came to nothing."""

    event: uuid.UUID


@dataclass(frozen=True, slots=True)
class Gap:
    """Readings that never came: ``[first_seq, next_seq)`` and why."""

    first_seq: int
    next_seq: int
    why: str


def event_id(
    device: str, boot: str, onset_seq: int, detector_version: int
) -> uuid.UUID:
    """Derive an event's identity, the same on every replay.

    Examples
    --------
    >>> event_id("band-7", "b1", 12, 1) == event_id("band-7", "b1", 12, 1)
    True
    """
    name = f"{device}\x1f{boot}\x1f{onset_seq}\x1f{detector_version}"
    return uuid.uuid5(EVENT_NAMESPACE, name)


def utc(seconds: float) -> datetime:
    """Turn seconds since the epoch into an aware UTC datetime.

    Examples
    --------
    >>> utc(0.5).isoformat()
    '1970-01-01T00:00:00.500000+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC)
