"""The first key: without it nobody could make another one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain import Role
from app.errors import Unauthenticated
from app.store import audit, keys, private

log = structlog.get_logger()

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('onset first key'))")


async def ensure_admin_key(
    engine: AsyncEngine, given: str | None, data_dir: Path
) -> None:
    """See to it that somebody can administer this database.

    Parameters
    ----------
    given : str or None
        Becomes the admin key where there is none yet.  Without it one is made and
        left in `data_dir`, readable by its owner only.
    """
    async with engine.begin() as conn:
        await conn.execute(_ONE_AT_A_TIME)
        if await _there_is_one(conn):
            if given is not None and not await _valid(conn, given):
                log.warning(
                    "admin_key_ignored",
                    why="this database has an admin key already: use that one to make "
                    "others; ONSET_ADMIN_KEY counts at the first start only",
                )
            return
        key, presented = await keys.create(
            conn, role=Role.ADMIN, name="first admin", secret=given
        )
        await audit.record(conn, "onset", "key.create", f"key:{key.id}")
        if given is None:
            private.write(data_dir / private.ADMIN_KEY, presented)


async def _there_is_one(conn: AsyncConnection) -> bool:
    now = datetime.now(UTC)
    return any(
        key.role is Role.ADMIN
        and key.revoked_at is None
        and (key.expires_at is None or key.expires_at > now)
        for key in await keys.list_(conn)
    )


async def _valid(conn: AsyncConnection, presented: str) -> bool:
    try:
        await keys.find(conn, presented)
    except Unauthenticated:
        return False
    return True
