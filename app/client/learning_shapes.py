"""What the service answers of jobs, models and detectors; part of `shapes`."""

from __future__ import annotations

from typing import Any, TypedDict


class Job(TypedDict):
    """Long work: `state` is queued, running, succeeded, failed or cancelled."""

    id: int
    kind: str
    profile: str | None
    state: str
    progress: float
    stage: str
    request: Any
    result: Any
    error: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None


class Model(TypedDict):
    """A model version, and how it did."""

    version: int
    profile: str
    parent: int | None
    kind: str
    state: str
    estimator: str
    feature_set: str
    artefact_sha256: str
    classes: list[str]
    verdict: str
    reason: str
    report: Any
    created_at: str
    device: str | None


class ModelDetail(Model):
    """A model version with what it was trained on."""

    manifest: Any
    code_version: str
    seed: int
    trained_through: str | None
    examples: int
    examples_gone: int


class Serving(TypedDict):
    """Which model version serves now, and which did before."""

    profile: str
    version: int | None
    previous: int | None
    device: str | None


class Served(TypedDict):
    """Which version served from when until when."""

    version: int | None
    previous: int | None
    act: str
    by: str
    reason: str
    at: str
    until: str | None
    device: str | None


class Detector(TypedDict):
    """A detector version, and how it did."""

    number: int
    state: str
    source: str
    settings: dict[str, Any]
    parent: int | None
    verdict: str | None
    reason: str | None
    report: Any
    device: str | None
    devices: list[str]
    n_devices: int
    created_at: str


class DetectorServing(TypedDict):
    """Which detector version serves now, and which did before."""

    profile: str
    device: str | None
    number: int
    previous: int


class NearMiss(TypedDict):
    """What nearly was an event."""

    device: str
    boot: str
    onset_seq: int
    offset_seq: int
    score: float
    detector_version: int
    event: str | None


class Weight(TypedDict):
    """How much something does for a class: probability without it, and alone."""

    weight: float
    without: float
    alone: float


class ChannelWeight(Weight):
    """What one channel does for a class."""

    channel: str


class PartWeight(Weight):
    """What all channels do in a part of the window; seconds from the onset."""

    first: int
    next: int
    from_seconds: float
    to_seconds: float


class Nearest(TypedDict):
    """A labelled event that is like another one."""

    event: str
    device: str
    onset: str
    label: str
    distance: float


class Explanation(TypedDict):
    """Why a version gave an event its class."""

    event: str
    model_version: int
    artefact_sha256: str
    label: str
    probability: float
    nothing: float
    sentence: str
    channels: list[ChannelWeight]
    parts: list[PartWeight]
    nearest: list[Nearest]
    compared: int
    at: str
