"""Reading events with their prediction and label: one query for any number of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Row,
    Select,
    TextClause,
    func,
    select,
    text,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Label, Prediction
from app.errors import NotFound
from app.store.event_filter import EventFilter, bounds
from app.store.pages import cursor_of, number_in
from app.store.tables import events, labels, predictions

Condition: TypeAlias = ColumnElement[bool] | TextClause


@dataclass(frozen=True, slots=True)
class EventRow:
    """A stored event without its window.

    Parameters
    ----------
    position : int >= 1
        Its place in commit order.
    detector_version : int or None
        None: no detector found it.
    prediction : Prediction or None
        The one that was answered first.
    label : Label or None
        The latest, unless that one withdrew what was said before.
    """

    id: UUID
    position: int
    device: str
    boot: str
    profile: str
    detector_version: int | None
    onset_seq: int
    offset_seq: int
    onset: datetime
    offset: datetime
    peak: float
    flags: tuple[str, ...]
    n_readings: int
    n_channels: int
    pre_roll: int
    post_roll: int
    created_at: datetime
    prediction: Prediction | None
    label: Label | None


_EVENT = [
    events.c[name]
    for name in EventRow.__dataclass_fields__
    if name not in ("prediction", "label")
]
_FLAGGED = text("events.flags <> '{}'::text[]")
"""As in the partial index, letter by letter."""
_LATEST = (
    select(labels.c.label, labels.c.by, labels.c.source, labels.c.at)
    .where(labels.c.event == events.c.id)
    .order_by(labels.c.id.desc())
    .limit(1)
    .lateral("latest")
)
_ROWS = (
    select(
        *_EVENT,
        predictions.c.model_version,
        predictions.c.label.label("predicted"),
        predictions.c.probability,
        predictions.c.classes,
        predictions.c.probabilities,
        predictions.c.unknown,
        predictions.c.features_digest,
        _LATEST.c.label.label("label"),
        _LATEST.c.by.label("labelled_by"),
        _LATEST.c.source.label("label_source"),
        _LATEST.c.at.label("labelled_at"),
    )
    .select_from(events)
    .outerjoin(predictions, (predictions.c.event == events.c.id) & predictions.c.first)
    .outerjoin(_LATEST, true())
)


async def get(conn: AsyncConnection, event: UUID) -> EventRow:
    """Return an event, or raise `NotFound`."""
    row = (await conn.execute(_ROWS.where(events.c.id == event))).one_or_none()
    if row is None:
        raise NotFound(f"no event {event}")
    return _row(row)


async def list_(
    conn: AsyncConnection,
    wanted: EventFilter,
    limit: int = 100,
    cursor: str | None = None,
) -> tuple[list[EventRow], str | None]:
    """Return a page of events, and the cursor of the next page or None.

    Raises
    ------
    InvalidInput
        If the cursor is none that `list_` gave out.
    """
    within = await bounds(conn, wanted)
    if within is not None and not within:
        return [], None
    rows = await _rows(conn, page_query(wanted, limit, cursor, within))
    more = len(rows) > limit
    return rows[:limit], cursor_of(rows[limit - 1].position) if more else None


def page_query(
    wanted: EventFilter,
    limit: int,
    cursor: str | None = None,
    within: range | None = None,
) -> Select[Any]:
    """Ask for a page of events, and for one more, which says whether there are more.

    Which events it has is found first, from what the filter needs and no more; only of
    those is the rest put together.
    """
    page = _which(wanted, limit + 1, cursor, within).subquery("page")
    query = _ROWS.join(page, page.c.position == events.c.position)
    at = page.c.position
    return query.order_by(at if wanted.order == "asc" else at.desc())


def _which(
    wanted: EventFilter, count: int, cursor: str | None, within: range | None
) -> Select[Any]:
    """Ask for the positions of the events of a page.

    Events and predictions are joined by position, so that the planner may read either
    in order: whichever has the rarer of what is wanted.
    """
    position: Column[int] = events.c.position
    of_prediction = any(
        one is not None
        for one in (
            wanted.predicted,
            wanted.model_version,
            wanted.unknown,
            wanted.min_probability,
        )
    )
    of_event = any(
        one is not None
        for one in (
            wanted.device,
            wanted.boot,
            wanted.profile,
            wanted.label,
            wanted.labelled,
            wanted.flag,
            wanted.since,
            wanted.until,
        )
    )
    source: FromClause = events
    if of_prediction and not of_event:
        source, position = predictions, predictions.c.position
    elif of_prediction:
        source = events.join(predictions, predictions.c.position == position)
    if wanted.label is not None:
        source = source.join(_LATEST, true())
    query = select(position).select_from(source).where(*_conditions(wanted))
    if of_prediction:
        query = query.where(predictions.c.first)
    upwards = wanted.order == "asc"
    if cursor is not None:
        last = number_in(cursor)
        query = query.where(position > last if upwards else position < last)
    if within is not None:
        query = query.where(position >= within.start, position < within.stop)
    return query.order_by(position if upwards else position.desc()).limit(count)


async def after(conn: AsyncConnection, position: int, limit: int) -> list[EventRow]:
    """Return the events after a position, in commit order."""
    at = events.c.position
    return await _rows(conn, _ROWS.where(at > position).order_by(at).limit(limit))


async def last_position(conn: AsyncConnection) -> int:
    """Return the position of the newest event, 0 if there is none."""
    last = await conn.scalar(select(func.max(events.c.position)))
    return 0 if last is None else int(last)


def prediction_of(row: Row[Any], label: str = "label") -> Prediction:
    """Read the prediction in a row."""
    return Prediction(
        label=row._mapping[label],
        probability=row.probability,
        classes=tuple(row.classes),
        probabilities=tuple(row.probabilities),
        unknown=row.unknown,
        model_version=row.model_version,
        features_digest=row.features_digest,
    )


def _conditions(wanted: EventFilter) -> list[Condition]:
    e, p, said = events.c, predictions.c, _LATEST.c.label
    ever = select(labels.c.event)
    found: list[Condition] = []
    equal = (
        (e.device, wanted.device),
        (e.boot, wanted.boot),
        (e.profile, wanted.profile),
        (p.label, wanted.predicted),
        (p.model_version, wanted.model_version),
        (said, wanted.label),
    )
    found += [column == value for column, value in equal if value is not None]
    if wanted.label is not None:
        # Says nothing new, but lets the index on labels find few events among many.
        found.append(e.id.in_(ever.where(labels.c.label == wanted.label)))
    if wanted.labelled is True:
        found += [e.labelled, e.id.in_(ever)]
    if wanted.labelled is False:
        found.append(~e.labelled)
    if wanted.flag is not None:
        found += [e.flags.contains([wanted.flag]), _FLAGGED]
    if wanted.since is not None:
        found.append(e.onset >= wanted.since)
    if wanted.until is not None:
        found.append(e.onset < wanted.until)
    if wanted.min_probability is not None:
        found.append(p.probability >= wanted.min_probability)
    if wanted.unknown is not None:
        found.append(p.unknown if wanted.unknown else ~p.unknown)
    return found


async def _rows(conn: AsyncConnection, query: Select[Any]) -> list[EventRow]:
    return [_row(row) for row in await conn.execute(query)]


def _row(row: Row[*tuple[Any, ...]]) -> EventRow:
    prediction = label = None
    if row.model_version is not None:
        prediction = prediction_of(row, "predicted")
    if row.label:
        label = Label(
            row.id, row.label, row.labelled_by, row.label_source, row.labelled_at
        )
    fields = {column.name: row._mapping[column.name] for column in _EVENT}
    return EventRow(
        **fields | {"flags": tuple(row.flags)}, prediction=prediction, label=label
    )
