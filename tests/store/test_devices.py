import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Gap, Role
from app.errors import InvalidInput, NotFound
from app.store import devices, keys, labels, streams, tables
from tests.store.conftest import World
from tests.store.rows import (
    new_commit,
    new_event,
    new_prediction,
    new_readings,
    take_over,
)


async def test_a_device_is_registered_once(conn: AsyncConnection, world: World):
    assert await devices.put(conn, "d2", "arm") is True
    assert await devices.put(conn, "d2", "arm") is False
    device = await devices.get(conn, "d2")
    assert (device.id, device.profile, device.last_seen) == ("d2", "arm", None)
    with pytest.raises(NotFound):
        await devices.put(conn, "d3", "no such profile")
    with pytest.raises(NotFound):
        await devices.get(conn, "d3")


@pytest.mark.parametrize("name", ["", "d" * 201, "a\x1fb", "a\0", "a\nb"])
async def test_unfit_names_are_refused(conn: AsyncConnection, world: World, name: str):
    with pytest.raises(InvalidInput):
        await devices.put(conn, name, "arm")


async def test_last_seen_is_when_it_streamed(conn: AsyncConnection, world: World):
    assert (await devices.get(conn, "d1")).last_seen is None
    await take_over(conn, "d1", "b1", world.detector)
    assert (await devices.get(conn, "d1")).last_seen is not None


async def test_pages_of_devices(conn: AsyncConnection, world: World):
    for name in ("d3", "d2", "d4"):
        await devices.put(conn, name, "arm")
    page, cursor = await devices.list_(conn, 3)
    assert [device.id for device in page] == ["d1", "d2", "d3"]
    page, cursor = await devices.list_(conn, 3, cursor)
    assert [device.id for device in page] == ["d4"]
    assert cursor is None


async def test_erasing_a_device_leaves_nothing_of_it(
    conn: AsyncConnection, world: World
):
    await devices.put(conn, "d2", "arm")
    for device in ("d1", "d2"):
        event = new_event(1, device=device)
        await take_over(conn, device, "b1", world.detector)
        full = new_commit(
            0,
            10,
            device=device,
            events=(event,),
            predictions=((event.id, new_prediction(world.model)),),
            readings=(new_readings(1),),
            keep_from=1,
            gaps=(Gap(11, 20, "overflow"),),
        )
        await streams.commit(conn, [full])
        await labels.add(conn, event.id, "fist", "ann", "person")
        await keys.create(conn, role=Role.DEVICE, name="k", device=device)
    of_devices = (
        tables.devices,
        tables.api_keys,
        tables.streams,
        tables.events,
        tables.predictions,
        tables.labels,
        tables.recordings,
        tables.gaps,
    )
    for left in (2, 1, 0):
        for table in of_devices:
            found = await conn.scalar(select(func.count()).select_from(table))
            assert found == left, table.name
        if left:
            await devices.delete(conn, f"d{left}")
    with pytest.raises(NotFound):
        await devices.delete(conn, "d1")
