"""`/models/{version}/report`: a version's numbers, as known at any time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf

from app.api.fields import Answer, Query, Time, TimeIn, VersionPath
from app.api.state import State, current
from app.service import hindsight

router = APIRouter(prefix="/models", tags=["Models"])


class ReportQuery(Query):
    """As known when."""

    as_of: TimeIn | None = None


class ChangedAnswer(Answer):
    """An event whose label differs from the one learnt; null: withdrawn, or gold."""

    event: UUID
    learnt: str
    known: str | None


class TrainingAnswer(Answer):
    """What a training would have used; `same`: just what the version was trained on."""

    rows: int
    holdout: int
    digest: str
    same: bool
    n_changed: int
    changed: list[ChangedAnswer]
    added: int


class ServedAnswers(Answer):
    """First answers of the version to events with a label by then."""

    n: int
    right: int


class MistakeAnswer(Answer):
    """A held-out event that the judged model named wrongly."""

    event: UUID
    label: str
    said: str
    probability: float
    unknown: bool


class ReportAnswer(Answer):
    """A version as known at `as_of`.

    `holdout` and `gold` are scores of the judged model's answers, which are kept, by
    the labels as they were known; null where none were kept. `mistakes` are the
    held-out events that it was surest of and wrong, at most 20.
    """

    version: int
    profile: str
    as_of: Time
    holdout: Any
    gold: Any
    mistakes: list[MistakeAnswer]
    served: ServedAnswers
    training: TrainingAnswer


@router.get("/{version}/report")
async def get_report(
    version: VersionPath,
    query: Annotated[ReportQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> ReportAnswer:
    """Compute what a version was worth, with the labels as known at a time.

    Without `as_of`, as known now. Later labels change nothing in an earlier report.
    """
    as_of = query.as_of or datetime.now(UTC)
    found = await hindsight.recall(state.engine, version, as_of)
    training = found.training
    return ReportAnswer(
        version=found.version,
        profile=found.profile,
        as_of=found.as_of,
        holdout=None if found.holdout is None else found.holdout.to_json(),
        gold=None if found.gold is None else found.gold.to_json(),
        mistakes=[MistakeAnswer.model_validate(one) for one in found.mistakes],
        served=ServedAnswers(n=found.served, right=found.right),
        training=TrainingAnswer(
            rows=training.rows,
            holdout=training.holdout,
            digest=training.digest,
            same=training.same,
            n_changed=training.n_changed,
            changed=[
                ChangedAnswer(event=event, learnt=learnt, known=known)
                for event, learnt, known in training.changed
            ],
            added=training.added,
        ),
    )
