"""What is older than a profile keeps it: found and deleted, some at a time.

Gold, events that an alert waits for, and the reservoir stay whatever their age.  The
reservoir is, of each device and class, a sample of fixed size of all events that were
ever labelled so: those whose digests come first, so that nothing needs to be remembered
of what is gone (reservoir sampling by random keys, Efraimidis and Spirakis 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.retention import RetentionPolicy

_AGE = (
    "e.created_at < clock_timestamp() - interval '1 day'"
    " * CASE WHEN own.label IS NULL THEN CAST(:days AS double precision)"
    " ELSE own.days END"
)
_OWN = (
    "unnest(CAST(:labels AS text[]), CAST(:own AS double precision[]))"
    " AS own (label, days)"
)
_SPARED = (
    "NOT EXISTS (SELECT FROM gold g WHERE g.event = e.id)"
    " AND NOT EXISTS (SELECT FROM alerts a"
    " WHERE a.event = e.id AND a.acknowledged_at IS NULL)"
)
_UNLABELLED = text(
    "SELECT e.id FROM events e "
    "LEFT JOIN predictions p ON p.event = e.id AND p.first "
    f"LEFT JOIN {_OWN} ON own.label = p.label "
    f"WHERE e.profile = :profile AND NOT e.labelled AND {_AGE} AND {_SPARED} "
    "ORDER BY e.position LIMIT :most"
)
_LABELLED = text(
    "WITH truth AS ("
    " SELECT DISTINCT ON (l.event) l.event, l.label"
    " FROM labels l JOIN events e ON e.id = l.event"
    " WHERE e.profile = :profile AND e.labelled ORDER BY l.event, l.id DESC"
    "), ranked AS ("
    " SELECT e.id, e.created_at, t.label, row_number() OVER ("
    "  PARTITION BY e.device, t.label ORDER BY md5(e.id::text)) AS place"
    " FROM events e JOIN truth t ON t.event = e.id"
    ") SELECT e.id FROM ranked e "
    f"LEFT JOIN {_OWN} ON own.label = e.label "
    f"WHERE e.place > :reservoir AND {_AGE} AND {_SPARED} LIMIT :most"
)
_DELETE_EVENTS = text(
    "DELETE FROM events WHERE id = ANY(CAST(:ids AS uuid[])) AND labelled = :labelled"
)
_DELETE_RECORDINGS = text(
    "DELETE FROM recordings r USING ("
    " SELECT o.device, o.boot, o.first_seq FROM recordings o"
    " JOIN streams s ON s.device = o.device AND s.boot = o.boot"
    " JOIN detector_versions d ON d.number = s.detector_version"
    " WHERE d.profile = :profile AND o.kept"
    " AND o.at < clock_timestamp()"
    " - interval '1 day' * CAST(:days AS double precision)"
    " AND (s.held_from IS NULL OR o.next_seq <= s.held_from)"
    " LIMIT :most"
    ") old WHERE r.device = old.device AND r.boot = old.boot"
    " AND r.first_seq = old.first_seq"
)
_ERASING = text("SELECT set_config('onset.erasing', :state, true)")


async def expired(
    conn: AsyncConnection,
    profile: str,
    policy: RetentionPolicy,
    *,
    labelled: bool,
    most: int,
) -> list[UUID]:
    """Return events that are older than the profile keeps them, with a label or not."""
    asked = {
        "profile": profile,
        "days": policy.labelled_days if labelled else policy.events_days,
        "labels": list(policy.labels),
        "own": list(policy.labels.values()),
        "most": most,
    }
    if not labelled:
        return list(await conn.scalars(_UNLABELLED, asked))
    asked["reservoir"] = policy.reservoir
    return list(await conn.scalars(_LABELLED, asked))


async def delete_events(
    conn: AsyncConnection, wanted: Sequence[UUID], *, labelled: bool
) -> int:
    """Delete events with all that was said of them; return how many.

    One that got its label, or lost it, meanwhile stays until the next look.
    """
    await conn.execute(_ERASING, {"state": "on"})
    said = {"ids": list(wanted), "labelled": labelled}
    gone = await conn.execute(_DELETE_EVENTS, said)
    await conn.execute(_ERASING, {"state": "off"})
    return int(gone.rowcount)


async def delete_recordings(
    conn: AsyncConnection, profile: str, days: float, most: int
) -> int:
    """Delete recorded readings that are so old; return how many rows.

    Those that an event which is still open needs are left.
    """
    asked = {"profile": profile, "days": days, "most": most}
    return int((await conn.execute(_DELETE_RECORDINGS, asked)).rowcount)
