"""Reading events with their prediction and label: one query for any number of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Label, Prediction
from app.errors import NotFound
from app.store.event_filter import EventFilter, bounds, lanes
from app.store.event_search import latest, positions
from app.store.pages import cursor_of, number_in
from app.store.tables import events, labels, predictions


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


_LATEST = latest(events, labels)
_EVENT = [
    events.c[name]
    for name in EventRow.__dataclass_fields__
    if name not in ("prediction", "label")
]
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
    query = await page_query(conn, wanted, limit, cursor)
    rows = [] if query is None else await _rows(conn, query)
    more = len(rows) > limit
    return rows[:limit], cursor_of(rows[limit - 1].position) if more else None


async def page_query(
    conn: AsyncConnection, wanted: EventFilter, limit: int, cursor: str | None = None
) -> Select[Any] | None:
    """Ask for a page of events, and for one more, which says whether there are more.

    Which events it has is found first, from what the filter needs and no more; only of
    those is the rest put together.  None: there can be none.
    """
    last = None if cursor is None else number_in(cursor)
    within, where = await bounds(conn, wanted), await lanes(conn, wanted)
    if (within is not None and not within) or (where is not None and not where.names):
        return None
    page = positions(wanted, limit + 1, last, within, where).subquery("page")
    query = _ROWS.join(page, page.c.position == events.c.position)
    at = page.c.position
    return query.order_by(at if wanted.order == "asc" else at.desc())


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
