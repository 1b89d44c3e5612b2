"""What is said of events, by models and by people; and who may say it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.arrays import Float32Array

NOTHING = "nothing"
"""The label that says an event is none: a false alarm of the detector."""


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
    by: str = ""
    """Who said so."""


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
        return _RANKS[self]


_RANKS = {role: rank for rank, role in enumerate(Role)}
