"""Which events are on a page: their positions, by what a filter needs and no more."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    FromClause,
    MetaData,
    Select,
    Table,
    TextClause,
    false,
    func,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.sql.selectable import LateralFromClause

from app.store.event_filter import MOST_LANES, EventFilter, Lanes
from app.store.tables import events, labels, predictions

Condition: TypeAlias = ColumnElement[bool] | TextClause

_FLAGGED = text("events.flags <> '{}'::text[]")
"""As in the partial index, letter by letter."""


def latest(of_events: FromClause, of_labels: FromClause) -> LateralFromClause:
    """Find the latest label of each event, whatever it says."""
    of = of_labels.c
    return (
        select(of.label, of.by, of.source, of.at)
        .where(of.event == of_events.c.id)
        .order_by(of.id.desc())
        .limit(1)
        .lateral("latest")
    )


class _Tables:
    """Where a list looks for its events: in the tables, or in what holds them whole."""

    def __init__(self, whole: bool = False) -> None:
        plain = (events, predictions, labels)
        self.events, self.predictions, self.labels = (
            _whole(one) if whole else one for one in plain
        )
        self.latest = latest(self.events, self.labels)


def _whole(table: Table) -> FromClause:
    """Name what `limited` shows of a table to nobody but lists."""
    same = table.to_metadata(MetaData(), name=f"whole_{table.name}")
    return same.alias(table.name)


_SEEN, _WHOLE = _Tables(), _Tables(whole=True)


def positions(
    wanted: EventFilter,
    count: int,
    last: int | None,
    within: range | None,
    where: Lanes | None,
) -> Select[Any]:
    """Ask for the positions of the first `count` events that fit.

    Parameters
    ----------
    last : int or None
        The position after which they lie; None: from the beginning, or the end.
    within, where
        Where all of them lie, as `bounds` and `lanes` say.

    Lanes say all that a key may see, so there the tables are read whole: the views of
    limited keys would hide from the planner how much there is of what.
    """
    if where is None:
        return _in_order(_positions(wanted, last, within, _SEEN), wanted.order, count)
    query = _positions(wanted, last, within, _WHOLE)
    e = _WHOLE.events.c
    if where.profiles is not None:
        # where a device is of one profile, nearly always: no reason to expect fewer
        query = query.where(func.coalesce(e.profile.in_(where.profiles), false()))
    lane = e[where.column]
    if not 1 < len(where.names) <= MOST_LANES:
        one = len(where.names) == 1
        query = query.where(lane == where.names[0] if one else lane.in_(where.names))
        return _in_order(query, wanted.order, count)
    each = (
        _in_order(query.where(lane == name), wanted.order, count)
        for name in where.names
    )
    several = union_all(*each).subquery("several")
    return _in_order(select(several.c.position), wanted.order, count)


def _in_order(query: Select[Any], order: str, count: int) -> Select[Any]:
    """Take the first positions of a query, whose only column they are."""
    (position,) = query.selected_columns
    at = position if order == "asc" else position.desc()
    return query.order_by(at).limit(count)


def _positions(
    wanted: EventFilter, last: int | None, within: range | None, of: _Tables
) -> Select[Any]:
    """Ask for the positions of all events that fit.

    Events and predictions are joined by position, so that the planner may read either
    in order: whichever has the rarer of what is wanted.
    """
    position: ColumnElement[int] = of.events.c.position
    at = of.predictions.c.position
    of_prediction = any(
        one is not None
        for one in (
            wanted.predicted,
            wanted.model_version,
            wanted.unknown,
            wanted.min_probability,
        )
    )
    of_event = of is _WHOLE or any(
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
    source: FromClause = of.events
    if of_prediction and not of_event:
        source, position = of.predictions, at
    elif of_prediction:
        source = of.events.join(of.predictions, at == position)
    if wanted.label is not None:
        source = source.join(of.latest, true())
    query = select(position).select_from(source).where(*_conditions(wanted, of))
    if of_prediction:
        query = query.where(of.predictions.c.first)
    if last is not None:
        query = query.where(
            position > last if wanted.order == "asc" else position < last
        )
    if within is not None:
        query = query.where(position >= within.start, position < within.stop)
    return query


def _conditions(wanted: EventFilter, of: _Tables) -> list[Condition]:
    e, p, said = of.events.c, of.predictions.c, of.latest.c.label
    ever = select(of.labels.c.event)
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
        found.append(e.id.in_(ever.where(of.labels.c.label == wanted.label)))
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
