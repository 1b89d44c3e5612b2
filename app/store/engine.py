"""Connections: a pool for transactions, one connection that listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from psycopg import sql
from sqlalchemy import make_url, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.domain import Json
from app.store import limited

log = structlog.get_logger(__name__)

CONNECTED = "connected"
"""Channel of the notification that says: some may be missing, look for yourself."""

_CONNECT: dict[str, Any] = {
    "application_name": "onset",
    "connect_timeout": 5,
    # A server that vanished without a word is noticed within half a minute.
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
AWAY = (OperationalError, InterfaceError, PoolTimeout)
"""What it raises while the database is away or has no connection left."""
RETURN_SECONDS = 1.0
_BACK_OFF_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Notification:
    """What NOTIFY carried; channel ``connected`` means that some may be missing."""

    channel: str
    payload: str


def create(
    database_url: str, *, pool_size: int = 8, idle_in_transaction_seconds: int = 30
) -> AsyncEngine:
    """Make the engine of a process; nothing is connected yet.

    Parameters
    ----------
    database_url : str
        ``postgresql://...`` or ``postgresql+psycopg://...``.
    pool_size : int > 0
        Connections kept; under load a quarter more are opened.
    idle_in_transaction_seconds : int
        The server ends a transaction that idles for longer: a process that was
        stopped in the middle of one must not hold its locks for ever.
    """
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    idle = f"-c idle_in_transaction_session_timeout={idle_in_transaction_seconds}s"
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=max(1, pool_size // 4),
        pool_timeout=10,
        pool_pre_ping=True,
        connect_args=_CONNECT | {"options": idle},
    )
    limited.heed(engine)
    return engine


async def close(engine: AsyncEngine) -> None:
    """Close all connections, once those that are in use have come back.

    What was asked for many together, and is nobody's task, may be under way still: cut
    off by the end of the loop its connection would never come back, of which SQLAlchemy
    warns.  It has `RETURN_SECONDS`.
    """
    pool: Any = engine.pool
    with suppress(TimeoutError):
        async with asyncio.timeout(RETURN_SECONDS):
            while pool.checkedout():  # noqa: ASYNC110 - a pool has no event for it
                await asyncio.sleep(0.01)
    await engine.dispose()


def plain(database_url: str) -> str:
    """Give the URL that psycopg itself understands.

    Examples
    --------
    >>> plain("postgresql+psycopg://me:secret@localhost/onset")
    'postgresql://me:secret@localhost/onset'
    """
    url = make_url(database_url).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


async def listen(
    database_url: str, channels: Sequence[str]
) -> AsyncIterator[Notification]:
    """Hear notifications for ever, on a connection of its own.

    After every (re)connect the first one is ``Notification("connected", "")``:
    what was said while the line was down is lost, so readers look in the tables.
    """
    tries = 0
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                plain(database_url), autocommit=True, **_CONNECT
            ) as conn:
                for channel in channels:
                    await conn.execute(
                        sql.SQL("LISTEN {}").format(sql.Identifier(channel))
                    )
                tries = 0
                yield Notification(CONNECTED, "")
                async for said in conn.notifies():
                    yield Notification(said.channel, said.payload)
        except (psycopg.Error, OSError) as error:
            log.warning("database_not_heard", error=type(error).__name__)
        await asyncio.sleep(_BACK_OFF_SECONDS[min(tries, len(_BACK_OFF_SECONDS) - 1)])
        tries += 1


_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


async def notify(conn: AsyncConnection, channel: str, payload: str | Json = "") -> None:
    """Say something to all listeners when this transaction commits.

    Parameters
    ----------
    payload : str or JSON object, below 8000 bytes
        Ids, never windows: PostgreSQL refuses more.
    """
    said = payload if isinstance(payload, str) else json.dumps(payload)
    await conn.execute(_NOTIFY, {"channel": channel, "payload": said})


_NOTIFY_ALL = text(
    "SELECT pg_notify(:channel, said) FROM unnest(CAST(:payloads AS text[])) AS said"
)
_LONGEST_PAYLOAD = 7000


async def notify_all(conn: AsyncConnection, channel: str, data: Json) -> None:
    """Say what belongs to many keys, in as few notifications as hold it.

    Each carries a JSON object with some of the keys.
    """
    payloads: list[str] = []
    part: dict[str, object] = {}
    size = 0
    for key, value in data.items():
        length = len(json.dumps({key: value}))
        if part and size + length > _LONGEST_PAYLOAD:
            payloads.append(json.dumps(part))
            part, size = {}, 0
        part[key] = value
        size += length
    if part:
        payloads.append(json.dumps(part))
        await conn.execute(_NOTIFY_ALL, {"channel": channel, "payloads": payloads})
