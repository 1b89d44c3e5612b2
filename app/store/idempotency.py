"""Answers kept for a day, so that a repeated request is answered and not done again.

A request claims its key before it is done and keeps its answer afterwards, each in a
transaction of its own.  A claim without an answer is void after a minute: its process
died.  The claim's id fences: who was overtaken neither keeps nor frees anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, InvalidInput, Unauthenticated
from app.store.tables import idempotency_keys

KEPT = timedelta(hours=24)
CLAIMED = timedelta(minutes=1)
MAX_BODY_BYTES = 2**20
SWEEP = 100
"""At most so many expired rows are deleted on the way of one claim."""

_EMPTY: Mapping[str, None] = dict.fromkeys(
    ("status", "content_type", "location", "body")
)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do a request and to keep its answer."""

    scope: bytes
    id: UUID


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered; `body` is None if it held a secret that was shown once."""

    status: int
    content_type: str | None
    location: str | None
    body: bytes | None


async def claim(
    conn: AsyncConnection, scope: bytes, key_id: str, digest: bytes
) -> Claim | KeptAnswer:
    """Claim a key, or return what its first request was answered.

    Parameters
    ----------
    scope : bytes
        Digest of who asks where with which key.
    key_id : str
        The caller's API key; the rows go when it goes.
    digest : bytes
        Digest of what is asked.

    Raises
    ------
    InvalidInput
        If the key was used for another request.
    Conflict
        If the first request is still running.
    Unauthenticated
        If the API key was deleted meanwhile.
    """
    row = idempotency_keys.c
    now = func.clock_timestamp()
    mine = {"digest": digest, "claim": uuid4(), "state": "running"}
    void = or_(
        row.created_at < now - KEPT,
        and_(row.state == "running", row.created_at < now - CLAIMED),
    )
    try:
        claimed = await conn.scalar(
            upsert(idempotency_keys)
            .values(scope=scope, key_id=key_id, **mine)
            .on_conflict_do_update(
                index_elements=[row.scope],
                set_={**mine, **_EMPTY, "created_at": now},
                where=void,
            )
            .returning(row.claim)
        )
    except IntegrityError as error:
        raise Unauthenticated("the key is not valid") from error
    await _sweep(conn)
    if claimed is not None:
        return Claim(scope, claimed)
    found = await conn.execute(
        select(idempotency_keys).where(row.scope == scope).limit(1)
    )
    return _answer(found.one_or_none(), digest)


async def keep(conn: AsyncConnection, claim: Claim, answer: KeptAnswer) -> bool:
    """Keep the answer of a claimed request; False if the claim was overtaken."""
    done = await conn.execute(
        update(idempotency_keys)
        .where(*_running(claim))
        .values(
            state="done",
            status=answer.status,
            content_type=answer.content_type,
            location=answer.location,
            body=answer.body,
        )
    )
    return done.rowcount == 1


async def release(conn: AsyncConnection, claim: Claim) -> None:
    """Give a claim up: the same request may come again and is done then."""
    await conn.execute(delete(idempotency_keys).where(*_running(claim)))


def _running(claim: Claim) -> tuple[Any, ...]:
    row = idempotency_keys.c
    return row.scope == claim.scope, row.claim == claim.id, row.state == "running"


def _answer(row: Row[Any] | None, digest: bytes) -> KeptAnswer:
    if row is not None and row.digest != digest:
        raise InvalidInput("this Idempotency-Key was used for another request")
    if row is None or row.state == "running":  # None: given up this very moment
        raise Conflict("the first request with this Idempotency-Key is still running")
    return KeptAnswer(row.status, row.content_type, row.location, row.body)


async def _sweep(conn: AsyncConnection) -> None:
    """Delete some expired rows; never waits, so it cannot deadlock."""
    row = idempotency_keys.c
    expired = (
        select(row.scope)
        .where(row.created_at < func.clock_timestamp() - KEPT)
        .order_by(row.created_at)
        .limit(SWEEP)
        .with_for_update(skip_locked=True)
        .cte("expired")  # not a subquery: a plan may run that again for each row
    )
    await conn.execute(
        delete(idempotency_keys).where(row.scope.in_(select(expired.c.scope)))
    )
