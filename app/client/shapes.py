"""What the service answers, as types; a test holds them against its OpenAPI document.

Times are RFC 3339 strings in UTC with microseconds.
"""

from __future__ import annotations

from typing import Any, TypedDict

from app.client.learning_shapes import ChannelWeight as ChannelWeight
from app.client.learning_shapes import Detector as Detector
from app.client.learning_shapes import DetectorServing as DetectorServing
from app.client.learning_shapes import Explanation as Explanation
from app.client.learning_shapes import Job as Job
from app.client.learning_shapes import Model as Model
from app.client.learning_shapes import ModelDetail as ModelDetail
from app.client.learning_shapes import Nearest as Nearest
from app.client.learning_shapes import NearMiss as NearMiss
from app.client.learning_shapes import PartWeight as PartWeight
from app.client.learning_shapes import Served as Served
from app.client.learning_shapes import Serving as Serving
from app.client.learning_shapes import Weight as Weight


class Said(TypedDict):
    """What the service answered when the event ended."""

    label: str
    probability: float
    unknown: bool
    model_version: int


class LabelThatCounts(TypedDict):
    """The latest label."""

    label: str
    by: str
    at: str


class LabelOfHistory(LabelThatCounts):
    """A label with where it came from."""

    source: str


class Event(TypedDict):
    """An event; `offset_seq` is the first reading after it."""

    id: str
    device: str
    boot: str
    profile: str
    onset_seq: int
    offset_seq: int
    onset: str
    offset: str
    peak: float
    flags: list[str]
    detector_version: int | None
    prediction: Said | None
    label: LabelThatCounts | None


class PredictionOfHistory(Said):
    """What a version said, and when; `first` is what was answered."""

    probabilities: dict[str, float]
    features_digest: str
    at: str
    first: bool


class Revision(TypedDict):
    """What the boundaries were until `by` moved them."""

    onset_seq: int
    offset_seq: int
    onset: str
    offset: str
    by: str
    at: str


class EventDetail(Event):
    """An event with all that was said of it."""

    predictions: list[PredictionOfHistory]
    labels: list[LabelOfHistory]
    revisions: list[Revision]
    n_readings: int
    n_channels: int
    pre_roll: int
    post_roll: int
    created_at: str


class Trace(TypedDict):
    """The way of an event: each step with its time and facts."""

    event: str
    steps: list[dict[str, Any]]


class Queued(TypedDict):
    """An event that is worth a label, and why."""

    event: Event
    score: float
    reason: str
    audit: bool


class Dispute(TypedDict):
    """An event, and what each labeller last said of it."""

    event: Event
    said: list[LabelOfHistory]


class Cluster(TypedDict):
    """Unknown events that are alike, the most typical one first."""

    id: str
    size: int
    members: list[str]
    example: Event
    tightness: float
    guess: str | None


class Prediction(TypedDict):
    """What a model version says of a window."""

    label: str
    probability: float
    probabilities: dict[str, float]
    unknown: bool
    model_version: int
    features_digest: str


class Imported(TypedDict):
    """How many rows became events, were known, and brought a new label."""

    imported: int
    known: int
    labelled: int


class Profile(TypedDict):
    """What a kind of device declares once."""

    name: str
    channels: list[dict[str, Any]]
    rate_hz: float
    classes: list[str]
    max_hold_seconds: float
    max_gap_seconds: float | None
    record: bool
    retrain: dict[str, Any]
    retention: dict[str, Any]
    detector: dict[str, Any]
    detector_version: int


class Pause(TypedDict):
    """Who paused a device, when and why."""

    by: str
    at: str
    reason: str


class Device(TypedDict):
    """A registered device; `paused` is null while its readings are taken."""

    id: str
    profile: str
    created_at: str
    last_seen: str | None
    detector_version: int | None
    paused: Pause | None
    model_version: int | None
    adaptation: Any


class Acked(TypedDict):
    """Up to which reading everything is durable, and what was found."""

    ack: int
    said: list[dict[str, Any]]


class Key(TypedDict):
    """A key without its secret."""

    id: str
    name: str
    role: str
    device: str | None
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    profiles: list[str]
    devices: list[str]


class KeyMade(Key):
    """A new key with its secret, shown this once."""

    key: str


class AlertRule(TypedDict):
    """When somebody must look."""

    id: int
    name: str
    on: str
    profile: str | None
    device: str | None
    label: str | None
    min_probability: float | None
    unknown: bool | None
    silence_seconds: float | None
    cooldown_seconds: float
    group_by: str
    enabled: bool
    created_at: str


class Acknowledged(TypedDict):
    """Who looks after an alert."""

    by: str
    at: str
    note: str | None


class Alert(TypedDict):
    """What a rule found."""

    id: int
    rule: int
    name: str
    on: str
    device: str | None
    all_devices: bool
    profile: str
    event: str | None
    label: str | None
    probability: float | None
    sentence: str | None
    count: int
    opened_at: str
    last_at: str
    ended_at: str | None
    acknowledged: Acknowledged | None


class EventFilters(TypedDict, total=False):
    """The filters of ``GET /events``; None does not matter."""

    device: str | None
    profile: str | None
    label: str | None
    predicted: str | None
    model_version: int | None
    unknown: bool | None
    labelled: bool | None
    flag: str | None
    since: str | None
    until: str | None
    min_probability: float | None
    order: str | None
