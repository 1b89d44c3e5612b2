"""What models said of events.

An event's prediction is the one that was answered first: what the device was told, or
for an event that was stored unclassified, the first that came later.  Others (a newer
model over old events) are kept beside it and never rewrite history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Prediction
from app.store.listing import prediction_of
from app.store.tables import events, model_versions, predictions

_PREDICTION = text(
    "INSERT INTO predictions (event, model_version, label, probability, classes,"
    " probabilities, unknown, features_digest, first,"
    " position) "
    "SELECT e.id, CAST(:model_version AS integer), CAST(:label AS text),"
    " CAST(:probability AS double precision), CAST(:classes AS text[]),"
    " CAST(:probabilities AS double precision[]), CAST(:unknown AS boolean),"
    " CAST(:features_digest AS text),"
    " NOT EXISTS (SELECT FROM predictions p WHERE p.event = e.id AND p.first),"
    " e.position "
    "FROM events e WHERE e.id = :event ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class StoredPrediction:
    """A prediction and when it was stored; `first` is the one that was answered."""

    prediction: Prediction
    at: datetime
    first: bool


async def add_predictions(
    conn: AsyncConnection, rows: Sequence[tuple[UUID, Prediction]]
) -> None:
    """Store predictions of stored events; one per event and model version, once.

    Events that were erased meanwhile are passed over.
    """
    if not rows:
        return
    await insert_predictions(conn, rows)
    await conn.execute(
        update(events)
        .where(events.c.id.in_([event for event, _ in rows]), ~events.c.classified)
        .values(classified=True)
    )


async def insert_predictions(
    conn: AsyncConnection, rows: Sequence[tuple[UUID, Prediction]]
) -> None:
    """Write rows of predictions; `add_predictions` also marks their events."""
    await conn.execute(
        _PREDICTION,
        [
            {
                "event": event,
                "model_version": said.model_version,
                "label": said.label,
                "probability": float(said.probability),
                "classes": list(said.classes),
                "probabilities": [float(p) for p in said.probabilities],
                "unknown": bool(said.unknown),
                "features_digest": said.features_digest,
            }
            for event, said in rows
        ],
    )


async def predictions_of(conn: AsyncConnection, event: UUID) -> list[StoredPrediction]:
    """Return all predictions of an event, the one that was answered first."""
    p = predictions.c
    rows = await conn.execute(
        select(predictions)
        .where(p.event == event)
        .order_by(p.first.desc(), p.at, p.model_version)
    )
    return [StoredPrediction(prediction_of(row), row.at, row.first) for row in rows]


async def first_labels(
    conn: AsyncConnection, wanted: Sequence[UUID]
) -> dict[UUID, str]:
    """Return what was answered of events at the time; those without are left out."""
    p = predictions.c
    rows = await conn.execute(
        select(p.event, p.label).where(p.event.in_(wanted), p.first)
    )
    return {row.event: row.label for row in rows}


async def served(
    conn: AsyncConnection, version: int, as_of: datetime
) -> dict[UUID, str]:
    """Return what a version answered first of events, until a time."""
    p = predictions.c
    rows = await conn.execute(
        select(p.event, p.label).where(
            p.model_version == version, p.first, p.at <= as_of
        )
    )
    return {row.event: row.label for row in rows}


async def features_digests(
    conn: AsyncConnection, wanted: Sequence[UUID], feature_set: str
) -> dict[UUID, str]:
    """Return the digest of the features that events were classified by.

    Only predictions of models that use `feature_set`; events without are left out.
    """
    p = predictions.c
    rows = await conn.execute(
        select(p.event, p.features_digest)
        .join(model_versions, model_versions.c.version == p.model_version)
        .where(p.event.in_(wanted), model_versions.c.feature_set == feature_set)
        .order_by(p.event, p.first)
    )
    return {row.event: row.features_digest for row in rows}
