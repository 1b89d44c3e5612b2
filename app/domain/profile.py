"""What a kind of device declares once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.arrays import Json
from app.domain.context import Beside
from app.domain.retention import RetentionPolicy
from app.errors import InvalidProfile

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
    intended_use : str
        What models of the profile are for, for their cards; "": a sentence is made.
    valid_days : float > 0 or None
        How long after its newest training event a model is taken to be valid.
    drift_labels : int > 0 or None
        Train when the champion has drifted and so many labels have come since the last
        training; None: drift is no reason.
    mode : {"auto", "full", "incremental", "online"}
        ``auto`` trains both kinds of challenger where the estimator allows;
        ``online`` goes on from the last model with every label, at once.
    estimator : str
        Name of a `learning` estimator, or ``auto`` to let the trainer choose.
    promote : {"auto", "never", "shadow"}
        Whether a challenger that earned it becomes champion by itself, or answers
        beside the champion, unheard.
    unknown_rate : float in (0, 0.5]
        Share of right answers that may be called unknown.
    budget : float in (0, 0.5]
        Probability that any of an endless sequence of challengers that are as good as
        the champion is promoted as better.
    margin : float in [0, 0.5]
        By how much less accuracy a challenger that knows more may not be.
    key_share : float in (0, 1]
        Most of the training weight of a class that one key's labels may have, where
        enough keys label the class.
    personal : bool
        Whether a full training also judges models of single devices' own.
    context : Beside
        What is kept beside the windows of events from now on, and read by models where
        it makes them better.
    least : mapping
        By class: least ``probability`` and ``seconds``, below which it is unknown, of
        versions that are trained from now on.
    """

    every_labels: int | None = 20
    every_seconds: float | None = None
    mode: str = "auto"
    estimator: str = "auto"
    promote: str = "auto"
    unknown_rate: float = 0.05
    budget: float = 0.05
    margin: float = 0.05
    key_share: float = 0.3
    drift_labels: int | None = None
    personal: bool = True
    context: Beside = Beside.NONE
    least: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    intended_use: str = ""
    valid_days: float | None = None

    @classmethod
    def from_json(cls, data: Json) -> RetrainPolicy:
        """Read plain JSON; what is not said is as by default."""
        beside = Beside(data.get("context", Beside.NONE))
        return cls(**{**data, "context": beside})


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
    retention : RetentionPolicy
        While it records, no recording may outlive its events: a verification would
        find them again, and miss them.
    """

    name: str
    channels: tuple[Channel, ...]
    rate_hz: float
    classes: tuple[str, ...] = ()
    max_hold_seconds: float = 1.0
    max_gap_seconds: float | None = None
    record: bool = False
    retrain: RetrainPolicy = field(default_factory=RetrainPolicy)
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)

    def __post_init__(self) -> None:
        names = self.channel_names
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
        raw, first = self.retention.recordings_days, self.retention.shortest_days
        if self.record and first is not None and (raw is None or raw > first):
            raise InvalidProfile(
                f"recordings_days={raw} must be at most {first:g}, after which the "
                "first events are deleted: no recording may outlive its events"
            )

    @property
    def is_online(self) -> bool:
        """Whether every label is to be learnt at once."""
        return self.retrain.mode == "online"

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels, in the order of a reading."""
        return tuple(channel.name for channel in self.channels)

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
