import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.store import audit
from app.store.tables import audit as table


async def test_acts_are_listed_newest_first(conn: AsyncConnection):
    await audit.record(conn, "ann", "put", "profile:arm", after={"rate_hz": 50})
    await audit.record(conn, "bob", "delete", "device:d1", before={"profile": "arm"})
    await audit.record(conn, "bob", "put", "profile:arm")
    page, cursor = await audit.list_(conn, 2)
    assert [(e.actor, e.act, e.object) for e in page] == [
        ("bob", "put", "profile:arm"),
        ("bob", "delete", "device:d1"),
    ]
    assert (page[1].before, page[1].after) == ({"profile": "arm"}, None)
    [first], after = await audit.list_(conn, 2, cursor)
    assert (first.actor, first.after, after) == ("ann", {"rate_hz": 50}, None)
    arm, _ = await audit.list_(conn, object_="profile:arm")
    assert len(arm) == 2


async def test_an_entry_stays_only_with_its_transaction(engine: AsyncEngine):
    async with engine.connect() as conn:
        await audit.record(conn, "ann", "put", "profile:arm")
        await conn.rollback()
        assert await audit.list_(conn) == ([], None)


@pytest.mark.parametrize("act", [update(table).values(actor="x"), delete(table)])
async def test_entries_are_never_changed(conn: AsyncConnection, act: object):
    await audit.record(conn, "ann", "put", "profile:arm")
    with pytest.raises(IntegrityError, match="never changed"):
        await conn.execute(act)  # type: ignore[call-overload]
