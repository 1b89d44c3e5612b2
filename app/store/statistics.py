"""What the events of a profile were, counted over a range of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import and_, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidInput
from app.store.tables import events, labels, predictions

MOST_DAYS = 31
BINS = 20
"""Of the histogram of probabilities."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Count:
    """How many events have a label, or a prediction of it and how many an unknown."""

    label: str
    n: int
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """Events whose onset lies in ``[since, until)``.

    Parameters
    ----------
    hours : list of (datetime, int)
        Events of each hour (UTC), those without one too; the first and the last hour
        may lie only partly in the range.
    probabilities : list of int
        How many predictions (those answered first) had a probability in each twentieth
        of 0..1; 1.0 counts to the last.
    """

    events: int
    labelled: int
    classified: int
    labels: Sequence[Count]
    predicted: Sequence[Count]
    hours: Sequence[tuple[datetime, int]]
    probabilities: Sequence[int]


async def of_profile(
    conn: AsyncConnection, profile: str, since: datetime, until: datetime
) -> Statistics:
    """Count the events of a profile.

    Raises
    ------
    InvalidInput
        If the range is empty or longer than `MOST_DAYS`.
    """
    if since >= until:
        raise InvalidInput(f"since={since:%FT%TZ} must be before until={until:%FT%TZ}")
    if until - since > timedelta(days=MOST_DAYS):
        raise InvalidInput(f"at most {MOST_DAYS} days at once")
    e, p = events.c, predictions.c
    within = and_(e.profile == profile, e.onset >= since, e.onset < until)
    hour = func.date_trunc("hour", e.onset, "UTC").label("hour")
    counted = await conn.execute(
        select(hour, func.count(), func.count().filter(e.labelled))
        .where(within)
        .group_by(hour)
    )
    rows = {at: (n, told) for at, n, told in counted}
    bin_ = func.least(func.floor(p.probability * BINS), BINS - 1).label("bin")
    said = list(
        await conn.execute(
            select(p.label, p.unknown, bin_, func.count())
            .join(events, e.id == p.event)
            .where(within, p.first)
            .group_by(p.label, p.unknown, bin_)
        )
    )
    latest = (
        select(labels.c.label)
        .where(labels.c.event == e.id)
        .order_by(labels.c.id.desc())
        .limit(1)
        .lateral("latest")
    )
    told = await conn.execute(
        select(latest.c.label, func.count())
        .select_from(events.join(latest, true()))
        .where(within, e.labelled)
        .group_by(latest.c.label)
    )
    bins, known, unknown = [0] * BINS, Counter[str](), Counter[str]()
    for label, strange, at, n in said:
        bins[int(at)] += n
        known[label] += n
        unknown[label] += n if strange else 0
    first = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    n_hours = -((first - until) // HOUR)
    hours = [first + i * HOUR for i in range(n_hours)]
    return Statistics(
        events=sum(n for n, _ in rows.values()),
        labelled=sum(told for _, told in rows.values()),
        classified=sum(bins),
        labels=_most_first([Count(label, n) for label, n in told]),
        predicted=_most_first([Count(y, n, unknown[y]) for y, n in known.items()]),
        hours=[(at, rows.get(at, (0, 0))[0]) for at in hours],
        probabilities=bins,
    )


def _most_first(counts: list[Count]) -> list[Count]:
    return sorted(counts, key=lambda one: (-one.n, one.label))
