"""The values that everything else is about: frozen, without behaviour that waits.

Arrays are numpy; times are aware UTC `datetime`, or float seconds since the epoch
where an array of them is meant; a `seq` is the number of a reading within its
(device, boot), counted from 1.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidProfile, InvalidReadings

Float32Array: TypeAlias = NDArray[np.float32]
FloatArray: TypeAlias = NDArray[np.float64]
Json: TypeAlias = Mapping[str, Any]

EVENT_NAMESPACE = uuid.UUID("6f6e7365-7400-5000-8000-000000000001")
"""Fixed for ever: event ids are derived below it."""

MAX_CHANNELS = 256
MAX_RATE_HZ = 10_000.0


@dataclass(frozen=True, slots=True)
class Channel:
    """One measured quantity of a device, with the unit of its readings."""

    name: str
    unit: str = "1"


@dataclass(frozen=True, slots=True)
class RetrainPolicy:
    """When and how the models of a profile are trained again.

    Parameters
    ----------
    every_labels : int > 0 or None
        Train when so many labels have come since the last training; None never.
    every_seconds : float > 0 or None
        Train when so much time has passed since the last training and at least
        one label is new; None never.
    mode : {"auto", "full", "incremental"}
        ``auto`` trains both kinds of challenger where the estimator allows.
    estimator : str
        Name of a `learning` estimator, or ``auto`` to let the trainer choose.
    promote : {"auto", "never"}
        Whether a challenger that earned it becomes champion by itself.
    """

    every_labels: int | None = 20
    every_seconds: float | None = None
    mode: str = "auto"
    estimator: str = "auto"
    promote: str = "auto"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a kind of device declares once.

    Parameters
    ----------
    name : str
    channels : tuple of Channel, 1..256, names unique
    rate_hz : float, readings per second, 0 < rate_hz <= 10 000
    classes : tuple of str
        Labels that are offered to people; training takes them from the labels.
    max_hold_seconds : float >= 0
        How long the last good value stands in for missing ones; longer is a gap.
    max_gap_seconds : float > 0 or None
        Reading times further apart than this are a gap; None never.
    record : bool
        Keep every raw reading, not only those of events.
    retrain : RetrainPolicy
    """

    name: str
    channels: tuple[Channel, ...]
    rate_hz: float
    classes: tuple[str, ...] = ()
    max_hold_seconds: float = 1.0
    max_gap_seconds: float | None = None
    record: bool = False
    retrain: RetrainPolicy = field(default_factory=RetrainPolicy)

    def __post_init__(self) -> None:
        names = [c.name for c in self.channels]
        if not 1 <= len(names) <= MAX_CHANNELS:
            raise InvalidProfile(
                f"{len(names)} channels: must be between 1 and {MAX_CHANNELS}"
            )
        if len(set(names)) != len(names):
            raise InvalidProfile("channel names must be unique")
        if not 0 < self.rate_hz <= MAX_RATE_HZ:
            raise InvalidProfile(
                f"rate_hz={self.rate_hz} must be above 0 and at most {MAX_RATE_HZ:g}"
            )

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return len(self.channels)


@dataclass(frozen=True, slots=True)
class DetectorVersion:
    """Immutable detector settings by number; the number is unique over all profiles."""

    number: int
    profile: str
    settings: Json


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(frozen=True, slots=True)
class Span:
    """``[onset, offset)`` in reading indices, with the peak of what triggered it.

    `truncated` says that the span was closed because it reached the longest duration.
    """

    onset: int
    offset: int
    peak: float
    truncated: bool = False


class Flag(StrEnum):
    """What is special about an event."""

    GAP = "gap"
    """Closed because readings are missing after it."""
    TRUNCATED = "truncated"
    """Closed because it reached the longest duration."""
    REPAIRED = "repaired"
    """Some values were missing and were held from the last good one."""
    CLOCK = "clock"
    """The device's clock ran backwards or jumped within it."""
    ENDED = "ended"
    """The stream ended while the event was open."""
    IMPORTED = "imported"
    """Came by import; no detector found it."""


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


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model version says of a window.

    `label` is the most probable class; `unknown` says that even this one is not
    credible enough to act upon.  `probabilities` is in the order of `classes`.
    """

    label: str
    probability: float
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    unknown: bool
    model_version: int
    features_digest: str


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says an event is; append-only, the latest counts."""

    event: uuid.UUID
    label: str
    by: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class LabelledWindow:
    """One row of training data: a stored window with its label as of the manifest."""

    event: uuid.UUID
    device: str
    at: datetime
    window: Float32Array
    label: str
    pre_roll: int = 0
    post_roll: int = 0


class Role(StrEnum):
    """What a key may do; `RANK` gives the order."""

    DEVICE = "device"
    VIEWER = "viewer"
    LABELER = "labeler"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Position in device < viewer < labeler < operator < admin."""
        return list(Role).index(self)


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
