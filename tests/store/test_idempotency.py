"""A key is claimed by one, kept for a day and then forgotten."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain import Role
from app.errors import Conflict, InvalidInput, Unauthenticated
from app.store import erasing, idempotency, keys
from app.store.idempotency import Claim, KeptAnswer
from app.store.tables import idempotency_keys

SCOPE, DIGEST = b"s" * 32, b"d" * 32
ANSWER = KeptAnswer(202, "application/json", "/jobs/1", b"{}")


@pytest.fixture
async def key_id(conn: AsyncConnection) -> str:
    key, _ = await keys.create(conn, role=Role.DEVICE, name="a", device="d1")
    return key.id


async def claimed(conn: AsyncConnection, key_id: str) -> Claim:
    found = await idempotency.claim(conn, SCOPE, key_id, DIGEST)
    assert isinstance(found, Claim)
    return found


async def make_older(conn: AsyncConnection, age: str) -> None:
    await conn.execute(
        text(f"UPDATE idempotency_keys SET created_at = created_at - interval '{age}'")
    )


async def count(conn: AsyncConnection) -> int | None:
    return await conn.scalar(select(func.count()).select_from(idempotency_keys))


async def test_the_first_claims_and_later_ones_get_its_answer(
    conn: AsyncConnection, key_id: str
) -> None:
    mine = await claimed(conn, key_id)
    with pytest.raises(Conflict, match="running"):
        await claimed(conn, key_id)
    assert await idempotency.keep(conn, mine, ANSWER)
    assert await idempotency.claim(conn, SCOPE, key_id, DIGEST) == ANSWER
    with pytest.raises(InvalidInput, match="another"):
        await idempotency.claim(conn, SCOPE, key_id, b"e" * 32)
    await idempotency.release(conn, mine)  # too late: what was answered stays
    assert await idempotency.claim(conn, SCOPE, key_id, DIGEST) == ANSWER


async def test_released_key_may_be_claimed_at_once(
    conn: AsyncConnection, key_id: str
) -> None:
    await idempotency.release(conn, await claimed(conn, key_id))
    await claimed(conn, key_id)


async def test_claim_of_a_dead_process_is_void_after_a_minute(
    conn: AsyncConnection, key_id: str
) -> None:
    dead = await claimed(conn, key_id)
    await make_older(conn, "59 s")
    with pytest.raises(Conflict):
        await claimed(conn, key_id)
    await make_older(conn, "2 s")
    mine = await claimed(conn, key_id)
    await idempotency.release(conn, dead)
    assert not await idempotency.keep(conn, dead, ANSWER)
    with pytest.raises(Conflict):
        await claimed(conn, key_id)
    assert await idempotency.keep(conn, mine, ANSWER)


async def test_answers_are_kept_for_a_day(conn: AsyncConnection, key_id: str) -> None:
    await idempotency.keep(conn, await claimed(conn, key_id), ANSWER)
    await make_older(conn, "23 h 59 min")
    assert await idempotency.claim(conn, SCOPE, key_id, DIGEST) == ANSWER
    await make_older(conn, "2 min")
    await claimed(conn, key_id)
    row = (await conn.execute(select(idempotency_keys))).one()
    assert (row.state, row.status, row.location, row.body) == ("running",) + (None,) * 3


async def test_each_claim_deletes_some_expired_rows(
    conn: AsyncConnection, key_id: str
) -> None:
    row = {"key_id": key_id, "digest": DIGEST, "claim": uuid4()}
    rows = [{**row, "scope": b"%d" % n} for n in range(idempotency.SWEEP + 20)]
    await conn.execute(insert(idempotency_keys), rows)
    await make_older(conn, "25 h")
    mine = await claimed(conn, key_id)
    assert await count(conn) == 21
    await idempotency.release(conn, mine)
    await claimed(conn, key_id)
    assert await count(conn) == 1


async def test_answers_go_with_the_device_whose_key_asked(
    conn: AsyncConnection, key_id: str
) -> None:
    await claimed(conn, key_id)
    await erasing.erase(conn, "d1")
    assert await count(conn) == 0
    with pytest.raises(Unauthenticated):
        await claimed(conn, key_id)


async def test_of_many_at_once_one_claims(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        key, _ = await keys.create(conn, role=Role.VIEWER, name="a")

    async def one() -> Claim | KeptAnswer:
        async with engine.begin() as conn:
            return await idempotency.claim(conn, SCOPE, key.id, DIGEST)

    found = await asyncio.gather(*(one() for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(each, Claim) for each in found) == 1
    assert sum(isinstance(each, Conflict) for each in found) == 11
