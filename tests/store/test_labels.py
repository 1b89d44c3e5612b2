from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidInput, NotFound
from app.store import erasing, events, labels
from app.store.tables import labels as table
from tests.store.conftest import World
from tests.store.rows import new_event


@pytest.fixture
async def stored(conn: AsyncConnection, world: World) -> list[UUID]:
    made = [new_event(100 * i) for i in range(1, 4)]
    await events.add(conn, made)
    return [event.id for event in made]


async def test_the_latest_label_counts_and_all_are_kept(
    conn: AsyncConnection, stored: list[UUID]
):
    event = stored[0]
    for label in ("fist", "rest", "wave"):
        added = await labels.add(conn, event, label, "ann", "person")
        assert (added.label, added.by, added.source) == (label, "ann", "person")
    said = await labels.history(conn, event)
    assert [one.label for one in said] == ["fist", "rest", "wave"]
    assert said == sorted(said, key=lambda one: one.at)
    assert (await labels.latest(conn, stored))[event].label == "wave"


async def test_many_labels_are_added_in_order_or_not_at_all(
    conn: AsyncConnection, stored: list[UUID]
):
    said = [(stored[0], "fist"), (stored[1], "rest"), (stored[0], "wave")]
    added = await labels.add_many(conn, said, "ann", "person")
    assert [(one.event, one.label) for one in added] == said
    with pytest.raises(NotFound):
        await labels.add_many(
            conn, [(stored[2], "fist"), (uuid4(), "x")], "ann", "person"
        )
    assert await labels.history(conn, stored[2]) == []
    assert await labels.add_many(conn, [], "ann", "person") == []


@pytest.mark.parametrize("label", ["w" * 201, "a\0b"])
async def test_unfit_labels_are_refused(
    conn: AsyncConnection, stored: list[UUID], label: str
):
    with pytest.raises(InvalidInput):
        await labels.add(conn, stored[0], label, "ann", "person")


async def test_training_rows_are_labelled_windows_in_time_order(
    conn: AsyncConnection, stored: list[UUID]
):
    said = [(stored[2], "fist"), (stored[0], "rest"), (stored[1], "x")]
    await labels.add_many(conn, said, "ann", "person")
    await labels.add(conn, stored[1], "", "ann", "person")  # withdrawn
    rows = await labels.rows(conn, "arm")
    assert [(row.event, row.label) for row in rows] == [
        (stored[0], "rest"),
        (stored[2], "fist"),
    ]
    source = new_event(100)
    assert rows[0].window.tobytes() == source.window.tobytes()
    assert (rows[0].device, rows[0].at) == ("d1", source.onset)
    assert (rows[0].pre_roll, rows[0].post_roll) == (20, 10)
    assert await labels.rows(conn, "leg") == []


async def test_the_newest_rows_are_those_that_were_labelled_last(
    conn: AsyncConnection, stored: list[UUID]
):
    for number in (2, 1, 0):
        await labels.add(conn, stored[number], "fist", "ann", "person")
    rows = await labels.rows(conn, "arm", newest=2)
    assert [row.event for row in rows] == [stored[0], stored[1]]


async def test_what_was_known_at_a_time_stays_answerable(
    conn: AsyncConnection, stored: list[UUID]
):
    first = await labels.add(conn, stored[0], "fist", "ann", "person")
    second = await labels.add(conn, stored[0], "rest", "bob", "person")

    async def known(at: datetime) -> list[str]:
        return [row.label for row in await labels.rows(conn, "arm", at)]

    assert await known(first.at - timedelta(microseconds=1)) == []
    assert await known(first.at) == ["fist"]
    assert await known(second.at) == ["rest"]


async def test_new_labels_are_counted(conn: AsyncConnection, stored: list[UUID]):
    first = await labels.add(conn, stored[0], "fist", "ann", "person")
    await labels.add(conn, stored[1], "rest", "ann", "person")
    assert await labels.count_since(conn, "arm") == 2
    assert await labels.count_since(conn, "arm", first.at) == 1
    assert await labels.count_since(conn, "leg") == 0


@pytest.mark.parametrize(
    "act", [update(table).values(label="x"), delete(table), text("TRUNCATE labels")]
)
async def test_labels_are_never_changed(
    conn: AsyncConnection,
    stored: list[UUID],
    act: object,
):
    await labels.add(conn, stored[0], "fist", "ann", "person")
    with pytest.raises(IntegrityError, match="never changed"):
        await conn.execute(act)  # type: ignore[call-overload]


async def test_only_erasing_the_device_erases_labels(
    conn: AsyncConnection, stored: list[UUID]
):
    await labels.add(conn, stored[0], "fist", "ann", "person")
    await erasing.erase(conn, "d1")
    assert await labels.count_since(conn, "arm") == 0
    await events.add(conn, [new_event(100)])
    await labels.add(conn, stored[0], "fist", "ann", "person")
    with pytest.raises(IntegrityError, match="never changed"):
        await conn.execute(delete(table))
