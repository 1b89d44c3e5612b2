from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, NotFound
from app.store import events, labels, models, shadows
from tests.store.conftest import World
from tests.store.rows import new_event, new_prediction, new_version


async def test_a_candidate_becomes_a_shadow_and_what_it_was_again(
    conn: AsyncConnection, world: World
):
    version = await models.add(conn, new_version())
    began = await shadows.begin(conn, version, "ann", "look first")
    assert (await models.get(conn, version)).state == "shadow"
    assert await shadows.of_profile(conn, "arm") == began
    with pytest.raises(Conflict, match=f"version {version} is the shadow of 'arm'"):
        await shadows.begin(conn, world.model, "ann", "two")
    ended = await shadows.end(conn, version, "bob")
    assert (ended.ended_by, (await models.get(conn, version)).state) == (
        "bob",
        "candidate",
    )
    with pytest.raises(Conflict, match="is no shadow"):
        await shadows.end(conn, version, "bob")
    for act in (shadows.begin(conn, 999, "a", "b"), shadows.end(conn, 999, "a")):
        with pytest.raises(NotFound):
            await act
    bad = await models.add(conn, new_version(verdict="reject"))
    await shadows.begin(conn, bad, "ann", "again")
    assert (await models.get(conn, bad)).state == "shadow"


async def test_a_promotion_ends_the_shadow_and_the_champion_is_none(
    conn: AsyncConnection, world: World
):
    await shadows.begin(conn, world.model, "ann", "look first")
    await models.promote(conn, "arm", world.model, None, "bob", "it is good")
    found = await shadows.newest(conn, world.model)
    assert found is not None
    assert found.ended_by == "bob"
    assert (await models.get(conn, world.model)).state == "champion"
    with pytest.raises(Conflict, match="is the champion"):
        await shadows.begin(conn, world.model, "ann", "no")


async def test_answers_stand_beside_what_was_served_and_apart_from_it(
    conn: AsyncConnection, world: World
):
    await events.add(conn, [new_event(100)])
    await models.promote(conn, "arm", world.model, None, "ann", "the first")
    version = await models.add(conn, new_version())
    own = await models.add(conn, new_version(device="d1"))
    began = await shadows.begin(conn, version, "ann", "look first")
    made = [new_event(100 * i) for i in range(2, 5)]
    await events.add(conn, made)
    await events.add_predictions(
        conn,
        [
            (event.id, new_prediction(one, "rest"))
            for event, one in zip(made, (world.model, world.model, own), strict=True)
        ],
    )
    found, position = await shadows.waiting(conn, began.id, 10)
    assert [one.event for one in found] == [e.id for e in made]
    said = [(e.id, new_prediction(version, "fist")) for e in made]
    await shadows.add(conn, began.id, [*said, (uuid4(), said[0][1])], position)
    assert await shadows.waiting(conn, began.id, 10) == ([], 0)
    await labels.add(conn, made[0].id, "fist", "ann", "person")
    told = {a.event: a for a in await shadows.answered(conn, version)}
    assert [(told[e.id].served, told[e.id].truth) for e in made] == [
        ("rest", "fist"),
        ("rest", None),
        (None, None),
    ]
    stored = await events.predictions_of(conn, made[0].id)
    assert [one.prediction.model_version for one in stored] == [world.model]


async def test_what_cannot_be_kept_up_with_is_passed_over_and_counted(
    conn: AsyncConnection, world: World
):
    began = await shadows.begin(conn, world.model, "ann", "look first")
    made = [new_event(100 * i) for i in range(1, 6)]
    await events.add(conn, made)
    assert await shadows.skip(conn, began, 2) == 3
    found, _ = await shadows.waiting(conn, began.id, 10)
    assert [one.event for one in found] == [e.id for e in made[3:]]
    now = await shadows.of_profile(conn, "arm")
    assert now is not None
    assert now.skipped == 3
    assert await shadows.skip(conn, now, 2) == 0
