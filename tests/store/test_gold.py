from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidInput, NotFound
from app.store import events, gold, labels
from app.store.tables import gold as table
from tests.store.conftest import World
from tests.store.rows import new_event


@pytest.fixture
async def stored(conn: AsyncConnection, world: World) -> list[UUID]:
    made = [new_event(100 * i) for i in range(1, 4)]
    await events.add(conn, made)
    ids = [event.id for event in made]
    await labels.add_many(conn, [(e, "fist") for e in ids[:2]], "ann", "person")
    return ids


async def test_gold_keeps_its_label_and_is_not_trained_on(
    conn: AsyncConnection, stored: list[UUID]
):
    await gold.mark(conn, "arm", [stored[0], stored[0]], "ann")
    await labels.add(conn, stored[0], "rest", "bob", "person")
    [row] = await gold.rows(conn, "arm")
    assert (row.event, row.label, row.by) == (stored[0], "fist", "ann")
    assert [r.event for r in await labels.rows(conn, "arm")] == [stored[1]]
    everything = await labels.rows(conn, "arm", with_gold=True)
    assert {(r.event, r.label) for r in everything} == {
        (stored[0], "rest"),
        (stored[1], "fist"),
    }
    assert await gold.count(conn, "arm") == 1


async def test_an_event_taken_out_is_trained_on_again_and_the_past_stays_known(
    conn: AsyncConnection, stored: list[UUID]
):
    await gold.mark(conn, "arm", stored[:2], "ann")
    [first, second] = await gold.list_(conn, "arm", 10)
    assert await gold.list_(conn, "arm", 10, first.event) == [second]
    await gold.unmark(conn, "arm", stored, "ann")
    assert await gold.count(conn, "arm") == 0
    assert len(await labels.rows(conn, "arm")) == 2
    assert len(await gold.rows(conn, "arm", as_of=max(first.at, second.at))) == 2
    earlier = min(first.at, second.at) - timedelta(microseconds=1)
    assert await gold.rows(conn, "arm", as_of=earlier) == []


async def test_what_nobody_labelled_or_others_own_is_no_gold(
    conn: AsyncConnection, stored: list[UUID]
):
    with pytest.raises(InvalidInput, match="has no label"):
        await gold.mark(conn, "arm", stored, "ann")
    for profile, event in (("arm", uuid4()), ("leg", stored[0])):
        with pytest.raises(NotFound, match="has no event"):
            await gold.mark(conn, profile, [event], "ann")
    assert await gold.count(conn, "arm") == 0
    await gold.mark(conn, "arm", stored[:1], "ann")
    with pytest.raises(IntegrityError, match="never changed"):
        await conn.execute(delete(table))
