import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.errors import ChampionMoved, Conflict, NotFound
from app.store import models
from app.store.tables import model_versions, promotions
from tests.store.conftest import World
from tests.store.rows import T0, new_version


async def _versions(conn: AsyncConnection, n: int) -> list[int]:
    return [await models.add(conn, new_version()) for _ in range(n)]


async def _serve(conn: AsyncConnection, *versions: int) -> None:
    for version in versions:
        champion = await models.champion(conn, "arm")
        expected = champion.version if champion else None
        await models.promote(conn, "arm", version, expected, "ann", "better")


async def test_a_version_comes_back_as_it_was(conn: AsyncConnection, world: World):
    new = new_version(parent=world.model, trainer_state_sha256="b" * 64)
    version = await models.add(conn, new)
    row = await models.get(conn, version)
    assert (row.version, row.state, row.parent) == (version, "candidate", world.model)
    for name in ("card", "manifest", "report", "seed", "reason", "artefact_sha256"):
        assert getattr(row, name) == getattr(new, name)
    assert row.trained_through == T0
    with pytest.raises(NotFound):
        await models.get(conn, 999)


async def test_states_follow_verdict_and_ledger(conn: AsyncConnection, world: World):
    one, two = await _versions(conn, 2)
    bad = await models.add(conn, new_version(verdict="reject"))
    await _serve(conn, one, two)
    found, _ = await models.list_(conn, "arm")
    assert {row.version: row.state for row in found} == {
        world.model: "candidate",
        one: "retired",
        two: "champion",
        bad: "rejected",
    }
    await _serve(conn, bad)
    assert (await models.get(conn, bad)).state == "champion"


async def test_lists_are_newest_first_and_without_the_rows_of_manifests(
    conn: AsyncConnection, world: World
):
    newer = await _versions(conn, 2)
    page, cursor = await models.list_(conn, None, 2)
    assert [row.version for row in page] == newer[::-1]
    assert page[0].manifest == {"digest": "d"}
    rest, after = await models.list_(conn, "arm", 2, cursor)
    assert [row.version for row in rest] == [world.model]
    assert after is None
    assert await models.list_(conn, "leg") == ([], None)


async def test_the_champion_is_the_last_promoted(conn: AsyncConnection, world: World):
    assert await models.champion(conn, "arm") is None
    assert await models.champions(conn) == []
    await _serve(conn, world.model)
    champion = await models.champion(conn, "arm")
    assert champion is not None
    assert (champion.version, champion.state) == (world.model, "champion")
    assert champion.manifest["train"]
    assert [row.version for row in await models.champions(conn)] == [world.model]


async def test_a_promotion_from_another_champion_is_refused(
    conn: AsyncConnection, world: World
):
    one, two = await _versions(conn, 2)
    await _serve(conn, one)
    for expected in (None, two):
        with pytest.raises(ChampionMoved):
            await models.promote(conn, "arm", two, expected, "ann", "late")
    with pytest.raises(Conflict):
        await models.promote(conn, "arm", one, one, "ann", "again")
    with pytest.raises(NotFound):
        await models.promote(conn, "arm", 999, one, "ann", "no such")
    with pytest.raises(NotFound):
        await models.promote(conn, "leg", one, None, "ann", "no such profile")


async def test_of_two_promotions_at_once_one_wins(engine: AsyncEngine, world: World):
    async with engine.begin() as conn:
        versions = await _versions(conn, 4)

    async def promote(version: int) -> bool:
        try:
            async with engine.begin() as conn:
                await models.promote(conn, "arm", version, None, "ann", "race")
        except ChampionMoved:
            return False
        return True

    won = await asyncio.gather(*(promote(version) for version in versions))
    assert sum(won) == 1
    async with engine.connect() as conn:
        [entry] = await models.history(conn, "arm")
        champion = await models.champion(conn, "arm")
    assert champion is not None
    assert entry.version == champion.version == versions[won.index(True)]


async def test_who_promotes_second_waits_and_loses(engine: AsyncEngine, world: World):
    """Both added a version before: that must not make them wait for each other."""
    async with engine.connect() as first, engine.connect() as second:
        one = await models.add(first, new_version())
        two = await models.add(second, new_version())
        async with asyncio.timeout(5):
            await models.promote(first, "arm", one, None, "ann", "first")
        late = asyncio.create_task(
            models.promote(second, "arm", two, None, "bob", "second")
        )
        done, _ = await asyncio.wait({late}, timeout=0.1)
        assert not done
        await first.commit()
        with pytest.raises(ChampionMoved):
            await late


async def test_rollback_goes_back_step_by_step_and_never_forth(
    conn: AsyncConnection, world: World
):
    one, two, three = await _versions(conn, 3)
    with pytest.raises(Conflict):
        await models.rollback(conn, "arm", "ann", "nothing yet")
    await _serve(conn, one, two, three)
    back = [await models.rollback(conn, "arm", "ann", "worse") for _ in range(2)]
    assert back == [two, one]
    with pytest.raises(Conflict):
        await models.rollback(conn, "arm", "ann", "too far")
    await _serve(conn, three)
    assert await models.rollback(conn, "arm", "ann", "still worse") == one
    assert (await models.history(conn, "arm"))[0].act == "rollback"


async def test_what_served_at_any_time_can_be_asked(engine: AsyncEngine, world: World):
    async with engine.begin() as conn:
        one, two = await _versions(conn, 2)
    for version in (one, two):
        async with engine.begin() as conn:
            await _serve(conn, version)
    async with engine.connect() as conn:
        last, first = await models.history(conn, "arm")
        assert (first.version, first.previous, last.previous) == (one, None, one)
        assert (first.until, last.until) == (last.at, None)
        assert (last.by, last.reason, last.act) == ("ann", "better", "promote")
        tick = timedelta(microseconds=1)
        for at, served in (
            (first.at - tick, []),
            (first.at, [one]),
            (last.at - tick, [one]),
            (last.at, [two]),
            (last.at + timedelta(days=1), [two]),
        ):
            found = await models.history(conn, "arm", at)
            assert [p.version for p in found] == served


async def test_training_goes_on_from_the_newest_state(
    conn: AsyncConnection, world: World
):
    assert await models.newest_state(conn, "arm") is None
    kept = await models.add(conn, new_version(trainer_state_sha256="b" * 64))
    await models.add(conn, new_version())
    parent = await models.newest_state(conn, "arm")
    assert parent is not None
    assert parent.version == kept


@pytest.mark.parametrize(
    "act",
    [
        update(model_versions).values(reason="x"),
        delete(model_versions),
        update(promotions).values(reason="x"),
        delete(promotions),
    ],
)
async def test_versions_and_ledger_are_never_changed(
    conn: AsyncConnection, world: World, act: object
):
    await _serve(conn, world.model)
    with pytest.raises(IntegrityError, match="never changed"):
        await conn.execute(act)  # type: ignore[call-overload]


async def test_a_device_is_served_by_what_is_its_own_and_goes_back_step_by_step(
    conn: AsyncConnection, world: World
):
    one, two, three = await _versions(conn, 3)
    made = await models.add(conn, new_version(device="d1"))
    await _serve(conn, one)
    with pytest.raises(Conflict, match="made for device 'd1' alone"):
        await models.promote(conn, "arm", made, one, "ann", "for all")
    with pytest.raises(NotFound, match="no device 'nobody'"):
        await models.promote(conn, "arm", two, None, "ann", "who", "nobody")
    with pytest.raises(Conflict, match="goes by the model of 'arm' already"):
        await models.rollback(conn, "arm", "ann", "nothing yet", "d1")
    for former, version in ((None, two), (two, made)):
        await models.promote(conn, "arm", version, former, "ann", "its own", "d1")
    assert await models.own(conn) == [("arm", "d1", made)]
    assert [p.version for p in await models.history(conn, "arm")] == [one]
    states = [(await models.get(conn, v)).state for v in (one, two, made, three)]
    assert states == ["champion", "retired", "device", "candidate"]
    back = [await models.rollback(conn, "arm", "ann", "b", "d1") for _ in range(2)]
    assert back == [two, None]
    assert await models.own(conn) == []
    await models.promote(conn, "arm", made, None, "ann", "again", "d1")
    assert await models.release(conn, "arm", "d1", "ann", "as all others") == made
    with pytest.raises(Conflict):
        await models.release(conn, "arm", "d1", "ann", "twice")
    newest = (await models.history(conn, "arm", device="d1"))[0]
    assert (newest.act, newest.version, newest.previous) == ("release", None, made)


async def test_versions_of_a_device_can_be_listed_and_cost_the_profile_no_look(
    conn: AsyncConnection, world: World
):
    await models.add(conn, new_version())
    before = await models.looks(conn, "arm")
    made = await models.add(conn, new_version(device="d1", verdict="hold"))
    found, _ = await models.list_(conn, "arm", device="d1")
    assert [row.version for row in found] == [made]
    assert await models.looks(conn, "arm") == before
