"""A version serves a share of the devices: which ones, and what the ledger says."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, NotFound
from app.store import (
    canaries,
    devices,
    events,
    labels,
    models,
    promotions,
    shadows,
    tables,
)
from app.store.canary_devices import chosen
from tests.store.conftest import World
from tests.store.rows import new_event, new_prediction, new_version

BANDS = [f"band-{n:02}" for n in range(24)]


@pytest.fixture
async def version(conn: AsyncConnection, world: World) -> int:
    """A candidate beside the champion of a profile with 24 more devices."""
    rows = [{"id": band, "profile": "arm"} for band in BANDS]
    await conn.execute(insert(tables.devices), rows)
    await models.promote(conn, "arm", world.model, None, "ann", "the first")
    return await models.add(conn, new_version())


async def having(conn: AsyncConnection, version: int) -> set[str]:
    return {device for _, device, own in await models.own(conn) if own == version}


async def test_a_share_of_the_devices_stays_chosen_and_grows(
    conn: AsyncConnection, version: int
):
    everyone = [*BANDS, "d1"]
    for share in (0.25, 0.6, 0.1):
        await canaries.begin(conn, version, share, "ann", "look first")
        assert await having(conn, version) == set(chosen(version, share, everyone))
    assert (await models.get(conn, version)).state == "canary"
    assert await canaries.end(conn, version, "bob") == "arm"
    assert await having(conn, version) == set()
    assert (await models.get(conn, version)).state == "retired"
    with pytest.raises(Conflict, match="is no canary"):
        await canaries.end(conn, version, "bob")


def test_a_greater_share_only_adds_and_another_version_chooses_others():
    names = [f"arm-{n}" for n in range(1000)]
    few, more, other = (chosen(v, s, names) for v, s in ((7, 0.1), (7, 0.6), (8, 0.6)))
    assert 70 < len(few) < 130
    assert 550 < len(more) < 650
    assert set(few) < set(more)
    assert len(set(more) & set(other)) < 450  # 360, if they know nothing of each other


async def test_what_served_a_device_at_any_time_can_be_asked(
    conn: AsyncConnection, version: int
):
    band = chosen(version, 0.5, BANDS)[0]
    await canaries.begin(conn, version, 0.5, "ann", "look first")
    during = datetime.now(UTC)
    await canaries.end(conn, version, "bob")
    left, joined = await models.history(conn, "arm", device=band)
    assert (left.act, left.version, left.previous) == ("canary", None, version)
    assert (joined.act, joined.version, joined.by) == ("canary", version, "ann")
    [then] = await models.history(conn, "arm", during, band)
    assert then.version == version
    told = await promotions.after(conn, 0, 1000)
    assert {one.act for one in told} == {"promote"}, "thousands are told to no webhook"


async def test_a_promotion_gives_it_to_all_and_ends_the_canary(
    conn: AsyncConnection, version: int, world: World
):
    await canaries.begin(conn, version, 0.5, "ann", "look first")
    await models.promote(conn, "arm", version, world.model, "bob", "it is good")
    assert await having(conn, version) == set()
    found = await canaries.newest(conn, version)
    assert found is not None
    assert found.ended_by == "bob"
    assert (await models.get(conn, version)).state == "champion"
    with pytest.raises(Conflict, match="is the champion"):
        await canaries.begin(conn, version, 0.5, "ann", "no")


async def test_devices_that_come_may_join_and_those_with_their_own_stay(
    conn: AsyncConnection, version: int, world: World
):
    mine, out = chosen(version, 0.5, BANDS)[:2]
    await models.promote(conn, "arm", world.model, None, "ann", "its own", mine)
    await canaries.begin(conn, version, 0.5, "ann", "look first")
    await models.release(conn, "arm", out, "ann", "not this one")
    await canaries.begin(conn, version, 0.9, "ann", "more")
    come = [f"late-{n}" for n in range(8)]
    for device in come:
        await devices.put(conn, device, "arm")
        await devices.put(conn, device, "arm")
    wanted = set(chosen(version, 0.9, [*BANDS, "d1", *come])) - {mine, out}
    assert await having(conn, version) == wanted
    assert (await devices.get(conn, mine)).model_version == world.model
    await canaries.end(conn, version, "ann")
    assert (await devices.get(conn, mine)).model_version == world.model


async def test_what_may_be_no_canary_is_refused(
    conn: AsyncConnection, version: int, world: World
):
    await shadows.begin(conn, version, "ann", "unheard at first")
    await canaries.begin(conn, version, 0.5, "ann", "look first")
    assert await shadows.of_profile(conn, "arm") is None
    other = await models.add(conn, new_version())
    with pytest.raises(Conflict, match=f"version {version} is the canary of 'arm'"):
        await canaries.begin(conn, other, 0.5, "ann", "two")
    own = await models.add(conn, new_version(device="d1"))
    with pytest.raises(Conflict, match="is made for device 'd1' alone"):
        await canaries.begin(conn, own, 0.5, "ann", "no")
    for act in (canaries.begin(conn, 999, 0.5, "a", "b"), canaries.end(conn, 999, "a")):
        with pytest.raises(NotFound):
            await act


async def test_both_are_counted_each_on_its_own_devices(
    conn: AsyncConnection, version: int, world: World
):
    await events.add(conn, [new_event(100)])
    began = await canaries.begin(conn, version, 0.5, "ann", "look first")
    mine, others = chosen(version, 0.5, BANDS), set(BANDS)
    band, other = mine[0], min(others - set(mine))
    made = [new_event(100 * n, device=band) for n in range(1, 4)]
    theirs = [new_event(100 * n, device=other) for n in range(1, 3)]
    await events.add(conn, [*made, *theirs])
    sure, unsure = new_prediction(version), new_prediction(version, probability=0.5)
    said = list(zip([e.id for e in made], [sure, sure, unsure], strict=True))
    said += [(e.id, new_prediction(world.model)) for e in theirs]
    await events.add_predictions(conn, said)
    await labels.add(conn, made[0].id, "fist", "ann", "person")
    await labels.add(conn, made[1].id, "rest", "ann", "person")
    await labels.add(conn, theirs[0].id, "fist", "ann", "person")
    arm, beside = await canaries.arms(conn, began)
    assert arm == canaries.Arm(version, 1, 3, 1, 2, 1)
    assert beside == canaries.Arm(world.model, 1, 2, 0, 1, 1)
    await models.promote(conn, "arm", version, world.model, "bob", "it is good")
    over = await canaries.newest(conn, version)
    assert over is not None
    assert await canaries.arms(conn, over) == (arm, beside)
