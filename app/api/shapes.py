"""How an event looks outside: the same in lists, alone and in the live feed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.api.fields import Answer, Time
from app.domain import Label, Prediction
from app.store.events import EventRow, StoredPrediction


class SaidAnswer(Answer):
    """What the service answered when the event ended."""

    label: str
    probability: float
    unknown: bool
    model_version: int

    @classmethod
    def of(cls, said: Prediction | None) -> SaidAnswer | None:
        """Make the answer; None while nothing was said."""
        if said is None:
            return None
        return cls(
            label=said.label,
            probability=said.probability,
            unknown=said.unknown,
            model_version=said.model_version,
        )


class LabelledAnswer(Answer):
    """The label that counts."""

    label: str
    by: str
    at: Time


class EventAnswer(Answer):
    """An event.

    `onset_seq` and `offset_seq` number the first reading of the event and the first
    after it; `detector_version` is null when no detector found it.
    """

    id: UUID
    device: str
    boot: str
    profile: str
    onset_seq: int
    offset_seq: int
    onset: Time
    offset: Time
    peak: float
    flags: list[str]
    detector_version: int | None
    prediction: SaidAnswer | None
    label: LabelledAnswer | None


class EveryPrediction(SaidAnswer):
    """What a version said of the event, and when; `first` is what was answered."""

    probabilities: dict[str, float]
    features_digest: str
    at: Time
    first: bool

    @classmethod
    def stored(cls, row: StoredPrediction) -> EveryPrediction:
        """Make the answer."""
        said = row.prediction
        return cls(
            label=said.label,
            probability=said.probability,
            unknown=said.unknown,
            model_version=said.model_version,
            probabilities=dict(zip(said.classes, said.probabilities, strict=True)),
            features_digest=said.features_digest,
            at=row.at,
            first=row.first,
        )


class LabelHistoryAnswer(LabelledAnswer):
    """A label with where it came from."""

    source: str


class RevisionAnswer(Answer):
    """What the boundaries were until `by` moved them."""

    onset_seq: int
    offset_seq: int
    onset: Time
    offset: Time
    by: str
    at: Time


class EventDetail(EventAnswer):
    """An event with all that was said of it."""

    predictions: list[EveryPrediction]
    labels: list[LabelHistoryAnswer]
    revisions: list[RevisionAnswer]
    n_readings: int
    n_channels: int
    pre_roll: int
    post_roll: int
    created_at: Time


def event_fields(row: EventRow) -> dict[str, Any]:
    """Name the fields of an event's answer."""
    return {
        "id": row.id,
        "device": row.device,
        "boot": row.boot,
        "profile": row.profile,
        "onset_seq": row.onset_seq,
        "offset_seq": row.offset_seq,
        "onset": row.onset,
        "offset": row.offset,
        "peak": row.peak,
        "flags": list(row.flags),
        "detector_version": row.detector_version,
        "prediction": SaidAnswer.of(row.prediction),
        "label": labelled(row.label),
    }


def event_answer(row: EventRow) -> EventAnswer:
    """Make the answer for one event."""
    return EventAnswer(**event_fields(row))


def labelled(label: Label | None) -> LabelledAnswer | None:
    """Make the answer for a label that counts."""
    return None if label is None else LabelledAnswer.model_validate(label)
