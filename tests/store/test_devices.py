import json

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Gap, Role
from app.errors import InvalidInput, NotFound
from app.store import (
    deliveries,
    detectors,
    devices,
    erasing,
    events,
    hooks,
    jobs,
    keys,
    labels,
    models,
    promotions,
    streams,
    tables,
    webhooks,
)
from app.store.deliveries import NewDelivery
from tests.store.conftest import World
from tests.store.rows import (
    new_commit,
    new_event,
    new_prediction,
    new_readings,
    new_version,
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
    hook = await webhooks.add(
        conn, "https://example.com", b"s" * 32, ["onset.event"], None
    )
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
        told = NewDelivery(
            f"event:{event.id}", "onset.event", json.dumps({"data": {"device": device}})
        )
        await deliveries.add(conn, hook.id, [told])
    of_devices = (
        tables.devices,
        tables.api_keys,
        tables.streams,
        tables.events,
        tables.predictions,
        tables.labels,
        tables.recordings,
        tables.gaps,
        hooks.deliveries,
    )
    for left in (2, 1, 0):
        for table in of_devices:
            found = await conn.scalar(select(func.count()).select_from(table))
            assert found == left, table.name
        if left:
            await erasing.erase(conn, f"d{left}")
    with pytest.raises(NotFound):
        await erasing.erase(conn, "d1")


def test_every_table_that_names_a_device_or_an_event_goes_with_it():
    """History keeps a name: what a detector or a model was made for."""
    kept = {"detector_versions", "detector_promotions", "model_versions", "promotions"}
    for table in tables.devices.metadata.sorted_tables:
        if not {"device", "event"} & set(table.columns.keys()):
            continue
        rules = {
            key.ondelete
            for key in table.foreign_key_constraints
            if key.referred_table.name in ("devices", "streams", "events")
        }
        assert rules == (set() if table.name in kept else {"CASCADE"}), table.name


async def test_what_outlives_a_device_names_it_no_more(
    conn: AsyncConnection, world: World
):
    await devices.put(conn, "d2", "arm")
    answers = {"classes": ["d1"], "rows": [["e", "d1", [1.0], False]]}
    report = {"holdout": {"per_device": {"d1": 1.0, "d2": 0.5}}}
    told = new_version(device="d1", report=report, manifest={"answers": answers})
    version = await models.add(conn, told)
    await promotions.promote(conn, "arm", version, None, "ann", "better", "d1")
    mine = detectors.NewDetector(
        "arm", {"kind": "energy"}, "learnt", None, "promote", "better", {}, "d1"
    )
    number = await detectors.add(conn, mine)
    await detectors.promote(conn, "arm", number, None, "ann", "better", "d1")
    job, _ = await jobs.create(conn, "fit", "arm", {"device": "d1", "by": "ann"})
    await jobs.start(conn, job.id)
    await jobs.progress(conn, job.id, 0.5, "detecting in d1/b1")
    await jobs.finish(conn, job.id, {"device": "d1", "label": "d1", "reason": "of d1"})
    await erasing.erase(conn, "d1")
    left = await conn.execute(
        text(
            "SELECT to_jsonb(m)::text FROM"
            " (SELECT device, manifest, report FROM model_versions"
            " UNION ALL SELECT device, NULL, NULL FROM promotions"
            " UNION ALL SELECT device, NULL, report FROM detector_versions"
            " UNION ALL SELECT device, NULL, NULL FROM detector_promotions) AS m"
        )
    )
    said = "".join(row[0] for row in left)
    assert said.count('"d1"') == 1  # a class of that name is not the device
    assert '"d2"' in said
    kept = await jobs.get(conn, job.id)
    name = kept.request["device"]
    assert name.startswith("deleted-")
    assert (await models.get(conn, version)).device == name
    assert kept.stage == f"detecting in {name}/b1"
    assert kept.result == {"device": name, "label": "d1", "reason": f"of {name}"}
    refused = update(tables.detector_versions).values(device="d2")
    with pytest.raises(IntegrityError, match="never changed"):
        await conn.execute(refused)


async def test_models_that_learnt_from_a_device_are_known(
    conn: AsyncConnection, world: World
):
    await devices.put(conn, "d2", "arm")
    mine, other = new_event(1, device="d1"), new_event(1, device="d2")
    await events.add(conn, [mine, other])

    def listing(*events: object, part: str = "train") -> dict[str, object]:
        return {"digest": "d", part: [[str(event.id), "fist"] for event in events]}

    async def add(manifest: dict[str, object]) -> int:
        return await models.add(conn, new_version(manifest=manifest))

    learnt = await add(listing(mine, other))
    judged = await add(listing(mine, part="holdout"))
    await add(listing(other))
    await add({})
    assert await erasing.learnt_from(conn, "d1") == [learnt, judged]
    assert await erasing.learnt_from(conn, "nobody") == []
