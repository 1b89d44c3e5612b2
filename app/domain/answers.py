"""What is said of events, by models and by people; and who may say it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.domain.arrays import Float32Array
from app.domain.context import Context

NOTHING = "nothing"
"""The label that says an event is none: a false alarm of the detector."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model version says of a window.

    `label` is the most probable class; `unknown` says that even this one is not
    credible enough to act upon.  `probabilities` is in the order of `classes`; both are
    empty in a stored one of which no more was kept.
    """

    label: str
    probability: float
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    unknown: bool
    model_version: int
    features_digest: str


class PredictionLog(StrEnum):
    """How much of a prediction is stored; a device is told all of it in any case."""

    ALL = "all"
    """Label, probability, model version and digest, and every class's probability."""
    SAMPLE = "sample"
    """So of one event in ten, chosen by its id; else as `METADATA`."""
    METADATA = "metadata"
    """Without the probabilities of the classes."""

    def kept(self, event: uuid.UUID, said: Prediction) -> Prediction:
        """Return what is to be stored of a prediction.

        Examples
        --------
        >>> said = Prediction("a", 0.8, ("a", "b"), (0.8, 0.2), False, 3, "d")
        >>> PredictionLog.METADATA.kept(uuid.UUID(int=7), said).probabilities
        ()
        >>> PredictionLog.SAMPLE.kept(uuid.UUID(int=10), said).probabilities
        (0.8, 0.2)
        """
        sampled = self is PredictionLog.SAMPLE and event.int % SAMPLED == 0
        if sampled or self is PredictionLog.ALL:
            return said
        return replace(said, classes=(), probabilities=())


SAMPLED = 10
"""One event in so many is kept whole by `PredictionLog.SAMPLE`."""


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
    context: Context | None = None
    """What was known beside it when it was named."""


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
