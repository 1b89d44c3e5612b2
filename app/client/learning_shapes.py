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


class ModelDetail(Model):
    """A model version with what it was trained on."""

    manifest: Any
    code_version: str
    seed: int
    trained_through: str | None


class Serving(TypedDict):
    """Which model version serves now, and which did before."""

    profile: str
    version: int
    previous: int | None


class Served(TypedDict):
    """Which version served from when until when."""

    version: int
    previous: int | None
    act: str
    by: str
    reason: str
    at: str
    until: str | None


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
