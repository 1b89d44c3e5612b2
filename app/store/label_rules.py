"""What a profile makes of its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.episodes import LabelRule
from app.store.hooks import label_rules

_RULE = [label_rules.c[name] for name in LabelRule.__dataclass_fields__]


async def list_(conn: AsyncConnection, profile: str) -> list[LabelRule]:
    """Return the rules of a profile, by label."""
    query = select(*_RULE).where(label_rules.c.profile == profile)
    rows = await conn.execute(query.order_by(label_rules.c.label))
    return [LabelRule(*row) for row in rows]


async def put(conn: AsyncConnection, profile: str, rules: Sequence[LabelRule]) -> None:
    """Let these be the rules of a profile, and no others."""
    await conn.execute(delete(label_rules).where(label_rules.c.profile == profile))
    if rules:
        rows = [{"profile": profile, **asdict(rule)} for rule in rules]
        await conn.execute(insert(label_rules), rows)
