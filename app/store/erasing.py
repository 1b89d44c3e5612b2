"""Deleting a device: all that is its own goes, its name out of what outlives it.

Ledgers of versions and finished jobs stay, because what served must stay known.  Where
they name the device they get a pseudonym that is made up for the occasion and kept
nowhere else, so that a version can still be told to have been one device's own.  The
audit trail alone keeps the name: it says who deleted what.
"""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Table,
    Text,
    cast,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFound
from app.store.hooks import deliveries
from app.store.ledgers import model_versions, promotions
from app.store.tables import detector_promotions, detector_versions, devices, jobs

_LEDGERS: tuple[tuple[Table, str, tuple[str, ...]], ...] = (
    (model_versions, "version", ("device", "manifest", "report")),
    (promotions, "id", ("device",)),
    (detector_versions, "number", ("device", "report")),
    (detector_promotions, "id", ("device",)),
    (jobs, "id", ("request", "result", "stage", "error")),
)
_ROWS = "rows"
"""Answers of a model, each a list: event, device, ..."""
_BY_DEVICE = "per_device"


_LEARNT_FROM = text(
    """
    SELECT DISTINCT m.version FROM model_versions m
    CROSS JOIN LATERAL jsonb_array_elements(
        coalesce(m.manifest -> 'train', '[]') || coalesce(m.manifest -> 'holdout', '[]')
    ) AS listed
    JOIN events e ON e.id::text = listed ->> 0
    WHERE e.device = :device
        AND m.profile IN (SELECT profile FROM events WHERE device = :device)
    ORDER BY m.version
    """
)


async def erase(conn: AsyncConnection, device: str) -> None:
    """Erase a device with its keys, streams, recordings, events and their labels.

    What webhooks are owed or were told of it goes, too.  Versions that learnt from it
    stay (`learnt_from` names them); where they or jobs name it, a pseudonym stands.

    Raises
    ------
    NotFound
        If there is no such device.
    """
    about = cast(deliveries.c.body, JSONB)["data"]["device"].astext
    await conn.execute(delete(deliveries).where(about == device))
    await conn.execute(select(func.set_config("onset.erasing", "on", True)))
    gone = await conn.execute(delete(devices).where(devices.c.id == device))
    if gone.rowcount:
        await forget_name(conn, device)
    await conn.execute(select(func.set_config("onset.erasing", "off", True)))
    if not gone.rowcount:
        raise NotFound(f"no device {device!r}")


async def learnt_from(conn: AsyncConnection, device: str) -> list[int]:
    """Return the model versions whose manifest lists an event of a device, in order."""
    rows = await conn.scalars(_LEARNT_FROM, {"device": device})
    return list(rows)


async def forget_name(conn: AsyncConnection, device: str) -> str:
    """Replace a device's name in ledgers and jobs; return what stands there now.

    The transaction must be erasing, else the ledgers refuse it.
    """
    alias = f"deleted-{uuid4().hex[:12]}"
    for table, key, names in _LEDGERS:
        columns = [table.c[name] for name in names]
        naming = or_(*(_mentions(column, device) for column in columns))
        found = await conn.execute(select(table.c[key], *columns).where(naming))
        for number, *before in found.all():
            after = [renamed(one, device, alias) for one in before]
            changes = {
                name: new
                for name, old, new in zip(names, before, after, strict=True)
                if new != old
            }
            if changes:
                row = table.c[key] == number
                await conn.execute(update(table).where(row).values(changes))
    return alias


def renamed(said: Any, old: str, new: str) -> Any:
    """Return JSON, or text, with a device's name replaced.

    In text where it stands as a whole word; in JSON where a device is named, so that a
    class or a channel of the same name keeps its own.

    Examples
    --------
    >>> renamed({"device": "a", "label": "a", "per_device": {"a": 1, "b": 2}}, "a", "x")
    {'device': 'x', 'label': 'a', 'per_device': {'x': 1, 'b': 2}}
    >>> renamed("detecting in a/b1, after aa", "a", "x")
    'detecting in x/b1, after aa'
    """
    if isinstance(said, str):
        whole = rf"(?<![\w.:-]){re.escape(old)}(?![\w:-])"
        return re.sub(whole, lambda _: new, said)
    return _in_json(said, old, new)


def _in_json(said: Any, old: str, new: str) -> Any:
    if isinstance(said, list):
        return [_in_json(one, old, new) for one in said]
    if not isinstance(said, dict):
        return said
    made: dict[str, Any] = {}
    for key, value in said.items():
        if key == "device" and value == old:
            made[key] = new
        elif key in ("reason", "why", "sentence") and isinstance(value, str):
            made[key] = renamed(value, old, new)
        elif key == _BY_DEVICE and isinstance(value, dict):
            made[key] = {new if k == old else k: v for k, v in value.items()}
        elif key == _ROWS and isinstance(value, list):
            made[key] = [_answer(row, old, new) for row in value]
        else:
            made[key] = _in_json(value, old, new)
    return made


def _answer(row: Any, old: str, new: str) -> Any:
    if isinstance(row, list) and row[1:2] == [old]:
        return [row[0], new, *row[2:]]
    return row


def _mentions(column: ColumnElement[Any], device: str) -> ColumnElement[bool]:
    text = cast(column, Text)
    quoted = json.dumps(device, ensure_ascii=False)[1:-1]
    return or_(
        text.contains(device, autoescape=True), text.contains(quoted, autoescape=True)
    )
